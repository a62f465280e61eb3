# SPDX-License-Identifier: GPL-2.0-or-later
"""Setup, login, sessions, and what a stranger can do: nothing."""
import concurrent.futures
import http.cookies
import json
import time

import pytest

from lab.porticod import PASSWORD

WRITES = [("POST", "/forwards", {}), ("PUT", "/config", {}), ("PATCH", "/settings", {}), ("DELETE", "/uplinks/1", None),
          ("POST", "/config/plan", {})]
READS = ["/status", "/forwards", "/config", "/settings", "/links", "/session"]


@pytest.fixture
def stranger(router):
    """A browser that is not logged in. Right logins first: the address must not be throttled."""
    router.client("127.0.0.1").login()
    return router.client("127.0.0.1")


def wrong(client, **changes):
    return client.post("/session", {"username": "admin", "password": "not the password", **changes})


# --- the first run ---

def test_before_setup_there_is_only_setup(fresh):
    api = fresh.api
    assert api.get("/setup").expect(200) == {"finished": False}
    for path in [*READS, "/openapi.json"]:
        assert "setup" in api.get(path).expect(403)["detail"]
    for method, path, body in WRITES:
        assert api.request(method, path, body).status == 403
    assert wrong(api).status == 403
    assert "code" in fresh.sock.get("/setup").expect(200)
    assert fresh.sock.get("/status").status == 200, "root may do everything"


def test_setup(fresh):
    code = fresh.sock.get("/setup").expect(200)["code"]
    assert len(code) == 8 and f"setup code is {code}" in fresh.log()
    api = fresh.api
    for body, path in (({"code": code}, "/password"), ({"password": PASSWORD}, "/code"),
                       ({"code": code, "password": "short"}, "/password"),
                       ({"code": code, "password": "x" * 257}, "/password"),
                       ({"code": code, "password": 12345678}, "/password"),
                       ({"code": code, "password": PASSWORD, "more": 1}, "/more")):
        refused = api.post("/setup", body).expect(422)
        assert [e["path"] for e in refused["errors"]] == [path]
    assert api.post("/setup", {"code": "wrongone", "password": PASSWORD}).expect(403)["errors"][0]["path"] == "/code"
    assert api.get("/setup").expect(200) == {"finished": False}

    assert api.post("/setup", {"code": code, "password": PASSWORD}).expect(201) == {"finished": True}
    assert api.post("/setup", {"code": code, "password": "another password"}).status == 409
    assert api.get("/setup").expect(200) == fresh.sock.get("/setup").expect(200) == {"finished": True}
    assert api.get("/status").status == 401
    api.login()
    assert api.get("/status").status == 200
    assert PASSWORD not in fresh.log()


def test_setup_survives_a_restart(fresh):
    fresh.finish_setup()
    old_cookie = fresh.api.headers["Cookie"]
    fresh.restart()
    assert fresh.api.get("/setup").expect(200) == {"finished": True}
    assert fresh.api.headers["Cookie"] != old_cookie
    stale = fresh.client("127.0.0.1")
    stale.headers["Cookie"] = old_cookie
    assert stale.get("/status").status == 401, "sessions end with the daemon"


def test_guessing_the_setup_code_is_slowed_down(fresh):
    guess = {"code": "wrongone", "password": PASSWORD}
    statuses = [fresh.api.post("/setup", guess).status for _ in range(7)]
    assert statuses == [403] * 5 + [429] * 2
    code = fresh.sock.get("/setup").expect(200)["code"]
    assert fresh.api.post("/setup", {"code": code, "password": PASSWORD}).status == 429, "the right one has to wait too"
    assert fresh.sock.post("/setup", {"code": code, "password": PASSWORD}).status == 201, "but not for root"


def test_setup_is_finished_once(fresh):
    code = fresh.sock.get("/setup").expect(200)["code"]
    body = {"code": code, "password": PASSWORD}
    clients = [fresh.client("127.0.0.1") for _ in range(4)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda c: c.post("/setup", body).status, clients))
    assert statuses == [201, 409, 409, 409]


# --- sessions ---

def test_a_stranger_gets_nothing(stranger):
    for path in READS:
        response = stranger.get(path)
        assert response.status == 401 and response.headers["WWW-Authenticate"]
    for method, path, body in WRITES:
        assert stranger.request(method, path, body).status == 401
    assert stranger.delete("/session").status == 401
    for cookie in ("__Host-portico=", "__Host-portico=" + "0" * 64, "portico=x", "__Host-portico=" + "x" * 4000):
        assert stranger.get("/status", headers={"Cookie": cookie}).status == 401


def test_the_cookie(stranger):
    response = stranger.login()
    cookie = http.cookies.SimpleCookie(response.headers["Set-Cookie"])["__Host-portico"]
    assert len(cookie.value) == 64
    assert cookie["httponly"] and cookie["secure"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
    assert not cookie["domain"]
    assert response.body["username"] == "admin" and response.body["csrf"] not in cookie.value
    assert stranger.get("/session").expect(200) == response.body


def test_log_out(stranger):
    stranger.login()
    response = stranger.delete("/session")
    response.expect(204)
    assert "Max-Age=0" in response.headers["Set-Cookie"]
    assert stranger.get("/session").status == stranger.get("/status").status == 401


def test_sessions_are_apart(router, stranger):
    stranger.login()
    assert stranger.csrf != router.api.csrf
    assert stranger.patch("/settings", {}, headers={"X-CSRF-Token": router.api.csrf}).status == 403
    stranger.delete("/session").expect(204)
    assert router.api.get("/status").status == 200


def test_writes_need_the_csrf_token(router):
    csrf, api = router.api.csrf, router.api
    for method, path, body in WRITES:
        for value in ("", "x", csrf[:-1], csrf + "0", csrf.upper() + "x"):
            assert api.request(method, path, body, headers={"X-CSRF-Token": value}).status == 403
    api.csrf = None
    try:
        assert api.patch("/settings", {}).status == 403
        assert api.get("/settings").status == 200
    finally:
        api.csrf = csrf


def test_writes_from_another_site_are_refused(router, stranger):
    port = router.port
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
                    {"Sec-Fetch-Site": "same-site"}, {"Origin": f"https://127.0.0.1:{port + 1}"}):
        assert "site" in router.api.patch("/settings", {}, headers=headers).expect(403)["detail"]
        assert stranger.post("/session", {"username": "admin", "password": PASSWORD}, headers=headers).status == 403
    for headers in ({"Origin": f"https://127.0.0.1:{port}"}, {"Sec-Fetch-Site": "same-origin"},
                    {"Sec-Fetch-Site": "none"}):
        assert router.api.patch("/settings", {}, headers=headers).status == 200


def test_the_unix_socket_needs_no_login(router):
    assert router.sock.get("/session").expect(200) == {"username": "root", "role": "admin", "csrf": None}
    assert router.sock.patch("/settings", {}).status == 200
    assert router.sock.delete("/session").status == 204
    assert router.sock.get("/status").status == 200


# --- the right ends while a request is under way ---

def begin(client, router, path, body, length):
    """A POST of which so many bytes of the body have been sent. What sends the rest and tells how it is answered."""
    connection = client._connect()
    connection.putrequest("POST", "/api/v1" + path)
    for name, value in {**client.headers, "X-CSRF-Token": client.csrf or "", "Content-Type": "application/json",
                        "Content-Length": str(len(body))}.items():
        connection.putheader(name, value)
    connection.endheaders(body[:length])
    stranger = router.client("127.0.0.1")
    stranger.get("/setup").expect(200)  # goes the same way, so it has been read by now
    stranger.close()

    def finish():
        connection.send(body[length:])
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status
    return finish


@pytest.mark.parametrize("end", ["not", "log out", "password", "token"])
def test_a_half_sent_request_is_worth_no_more_than_its_session(fresh, end):
    """Else who was thrown out could have some in store, for as long as a byte comes now and then."""
    fresh.finish_setup()
    client = fresh.client("127.0.0.1")
    if end == "token":
        token = fresh.sock.post("/tokens", {"name": "script", "role": "admin"}).expect(201)
        client.headers["Authorization"] = f"Bearer {token['token']}"
    else:
        client.login()
    finish = begin(client, fresh, "/networks", b'{"name": "by whom?"}', 9)
    if end == "log out":
        client.delete("/session").expect(204)
    elif end == "password":
        fresh.sock.put("/password", {"password": ANOTHER}).expect(200)
    elif end == "token":
        fresh.sock.delete(f"/tokens/{token['id']}").expect(200)
        fresh.sock.post("/tokens", {"name": "other", "role": "admin"}).expect(201)  # has the same id
    assert finish() == (201 if end == "not" else 401)
    assert len(fresh.sock.get("/networks").expect(200)["items"]) == (end == "not")


def test_a_restore_is_worth_no_more_than_its_session(fresh):
    """Its passphrase takes the worker some time, and there may be others in front of it."""
    fresh.finish_setup()
    sealed = {"passphrase": "a passphrase of some length"}
    document = fresh.sock.post("/backup", {**sealed, "secrets": True}).expect(200)
    fresh.sock.post("/networks", {"name": "later"}).expect(201)
    client = fresh.client("127.0.0.1")
    client.login()
    body = json.dumps({**sealed, "document": document}).encode()
    finish = begin(client, fresh, "/restore", body, len(body))
    client.delete("/session").expect(204)
    assert finish() == 401
    assert [n["name"] for n in fresh.sock.get("/networks").expect(200)["items"]] == ["later"]


# --- wrong passwords ---

def test_wrong_logins_are_alike(stranger):
    answers = [wrong(stranger), wrong(stranger, username="root"), wrong(stranger, username=""),
               wrong(stranger, username="root", password=PASSWORD)]
    assert all(a.status == 401 for a in answers)
    assert len({str(a.body) for a in answers}) == 1, "the answer must not tell which names there are"


def test_an_unknown_name_takes_as_long(stranger):
    def seconds(**changes):
        start = time.monotonic()
        assert wrong(stranger, **changes).status == 401
        return time.monotonic() - start

    known = min(seconds(), seconds())
    unknown = min(seconds(username="nobody"), seconds(username="nobody"))
    assert unknown > known / 2, "the hash was not computed"


def test_a_wrong_body_is_no_try(stranger):
    for body, path in (({}, "/username"), ({"username": "admin"}, "/password"),
                       ({"username": "admin", "password": 1}, "/password"),
                       ({"username": "admin", "password": None}, "/password"),
                       ({"username": "admin", "password": "x", "otp": "1"}, "/otp"),
                       ({"username": "admin", "password": "x" * 257}, "/password"), ([], ""), ("x", "")):
        assert stranger.post("/session", body).expect(422)["errors"][0]["path"] == path
    stranger.login()


def test_guessing_the_password_is_slowed_down(fresh):
    fresh.finish_setup()
    guesser = fresh.client("127.0.0.1")
    assert [wrong(guesser).status for _ in range(5)] == [401] * 5
    refused = wrong(guesser)
    refused.expect(429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert guesser.post("/session", {"username": "admin", "password": PASSWORD}).status == 429
    assert fresh.api.get("/status").status == 200, "who is logged in already goes on"
    assert fresh.sock.get("/status").status == 200
    assert "failed login from 127.0.0.1" in fresh.log()


def test_a_right_login_starts_afresh(stranger):
    for _ in range(3):
        assert [wrong(stranger).status for _ in range(4)] == [401] * 4
        stranger.login()


# --- a new password ---

ANOTHER = "quite another password"


def test_a_new_password(fresh):
    """Root sets it without the old one; that is worth nothing from then on, and nor are the sessions it opened."""
    fresh.finish_setup()
    other = fresh.client("127.0.0.1")
    other.login()
    secret = fresh.sock.post("/tokens", {"name": "cron", "role": "viewer"}).expect(201)["token"]
    assert fresh.sock.put("/password", {"password": ANOTHER}).expect(200) == {"finished": True}
    assert fresh.api.get("/status").status == other.get("/status").status == 401
    assert wrong(other, password=PASSWORD).status == 401
    assert "a new password has been set by root" in fresh.log()

    bearer = fresh.client("127.0.0.1")
    bearer.headers["Authorization"] = f"Bearer {secret}"
    bearer.get("/status").expect(200)  # a program's own secret is another matter
    fresh.password = ANOTHER
    fresh.login()
    fresh.restart()
    assert fresh.api.get("/status").status == 200


def test_only_root_sets_a_new_password(fresh):
    body = {"password": ANOTHER}
    assert fresh.api.put("/password", body).status == 403, "before setup"
    fresh.finish_setup()
    assert "Unix socket" in fresh.api.put("/password", body).expect(403)["detail"], "with a session"
    assert fresh.client("127.0.0.1").put("/password", body).status == 403
    token = fresh.client("127.0.0.1")
    token.headers["Authorization"] = "Bearer " + fresh.sock.post("/tokens", {"name": "a", "role": "admin"}).expect(201)["token"]
    assert token.put("/password", body).status == 403
    fresh.client("127.0.0.1").login()


def test_a_new_password_instead_of_setup(fresh):
    """A router that nobody opens a browser for."""
    code = fresh.sock.get("/setup").expect(200)["code"]
    fresh.sock.put("/password", {"password": ANOTHER}).expect(200)
    assert fresh.api.get("/setup").expect(200) == {"finished": True}
    assert fresh.api.post("/setup", {"code": code, "password": PASSWORD}).status == 409
    fresh.api.login(ANOTHER)


def test_a_new_password_that_cannot_be(fresh):
    fresh.finish_setup()
    for body, path in (({}, "/password"), ({"password": "short"}, "/password"), ({"password": "x" * 257}, "/password"),
                       ({"password": ANOTHER, "username": "admin"}, "/username")):
        assert [e["path"] for e in fresh.sock.put("/password", body).expect(422)["errors"]] == [path]
    fresh.client("127.0.0.1").login()


def test_a_new_password_ends_the_waiting(fresh):
    fresh.finish_setup()
    guesser = fresh.client("127.0.0.1")
    assert [wrong(guesser).status for _ in range(6)] == [401] * 5 + [429]
    fresh.sock.put("/password", {"password": ANOTHER}).expect(200)
    guesser.login(ANOTHER)


def test_a_new_password_overtakes_a_login(fresh):
    """The worker takes one after the other: a login that waits behind the new password has seen the old one."""
    fresh.finish_setup()
    clients = [fresh.client("127.0.0.1") for _ in range(4)]
    for client in clients:
        client.get("/setup").expect(200)
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        logins = [pool.submit(c.post, "/session", {"username": "admin", "password": PASSWORD}) for c in clients]
        new = pool.submit(fresh.sock.put, "/password", {"password": ANOTHER})
    new.result().expect(200)
    for client, login in zip(clients, logins):
        answer = login.result()
        if answer.status == 201:
            client.headers["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
        assert client.get("/status").status == 401


# --- the loop goes on ---

def test_slow_logins_hold_up_nobody(fresh):
    """Requests are answered while passwords are being hashed."""
    fresh.finish_setup()
    clients = [fresh.client("127.0.0.1") for _ in range(4)]
    answers = []
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        logins = [pool.submit(c.post, "/session", {"username": "admin", "password": PASSWORD}) for c in clients]
        while not all(login.done() for login in logins):
            start = time.monotonic()
            assert fresh.sock.get("/setup").status == 200
            answers.append((time.monotonic() - start, sum(login.done() for login in logins)))
    assert [login.result().status for login in logins] == [201] * 4
    assert len({done for _, done in answers}) > 1, "no request was answered between two logins"


def test_a_client_that_leaves_during_its_login(fresh):
    fresh.finish_setup()
    for _ in range(3):
        client = fresh.client("127.0.0.1")
        client.get("/setup").expect(200)
        connection = client._connection
        connection.request("POST", "/api/v1/session", b'{"username": "admin", "password": "whatever it is"}',
                           {"Content-Type": "application/json"})
        client.close()
    fresh.client("127.0.0.1").login()
    fresh.check_log()


def test_ending_during_a_login(fresh):
    fresh.finish_setup()
    clients = [fresh.client("127.0.0.1") for _ in range(3)]
    for client in clients:
        client.get("/setup").expect(200)
        client._connection.request("POST", "/api/v1/session", b'{"username": "admin", "password": "whatever it is"}',
                                   {"Content-Type": "application/json"})
    fresh.stop()
    for client in clients:
        client.close()
