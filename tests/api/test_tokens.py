# SPDX-License-Identifier: GPL-2.0-or-later
"""Tokens of programs, and what Prometheus gets with one."""
import contextlib
import re

import pytest

from kinds import KINDS, UPLINK, revision
from lab.events import EventStream

FORWARD = KINDS["/forwards"][2]
TOKENS_MAX = 64


@pytest.fixture
def isp(router):
    return router.sock.post("/uplinks", UPLINK).expect(201)


@pytest.fixture
def holder(router):
    """holder("admin") -> a client that comes with a token of that role, made for it."""
    with contextlib.ExitStack() as stack:
        def make(role, name="script"):
            made = router.sock.post("/tokens", {"name": name, "role": role}).expect(201)
            stack.callback(lambda: router.sock.delete(f"/tokens/{made['id']}"))
            client = stack.enter_context(contextlib.closing(router.client("127.0.0.1")))
            client.headers["Authorization"] = f"Bearer {made['token']}"
            client.token = made
            return client
        yield make


def test_a_token_is_shown_once(api, router):
    made = api.post("/tokens", {"name": "ansible", "role": "admin"}).expect(201)
    secret = made.pop("token")
    assert re.fullmatch("portico_[0-9a-f]{64}", secret) and made["used_at"] is None
    assert api.get("/tokens").expect(200)["items"] == [made]
    digits = secret.removeprefix("portico_").encode()
    for path in router.directory.iterdir():
        if path.is_file():
            assert digits not in path.read_bytes(), f"the secret is in {path.name}"
    assert api.delete(f"/tokens/{made['id']}").expect(200) == made
    assert api.get("/tokens").expect(200)["items"] == []
    assert api.delete(f"/tokens/{made['id']}").status == 404
    assert 'token "ansible" (admin) is made by admin' in router.log()


def test_what_an_admin_may(holder, router, isp):
    script = holder("admin")
    assert script.get("/session").expect(200) == {"username": "token script", "role": "admin", "csrf": None}
    script.post("/forwards", FORWARD).expect(201)  # without X-CSRF-Token
    assert router.sock.get("/revisions?limit=1").expect(200)["items"][0]["author"] == "token script"
    used, = router.sock.get("/tokens").expect(200)["items"]
    assert used["used_at"] is not None
    assert script.post("/forwards", FORWARD, headers={"Origin": "https://evil.example"}).status == 403


def test_what_a_viewer_may(holder, router, isp):
    viewer, at = holder("viewer"), revision(router.sock)
    assert viewer.get("/session").expect(200)["role"] == "viewer"
    for path in ("/status", "/forwards", "/config", "/settings", "/links", "/revisions", f"/revisions/{at}",
                 f"/revisions/{at}/diff", "/uplinks/1", "/tokens", "/openapi.json"):
        assert viewer.get(path).status == 200, path
    for method, path, body in (("POST", "/forwards", FORWARD), ("PUT", "/config", {}), ("PATCH", "/settings", {}),
                               ("DELETE", "/uplinks/1", None), ("POST", "/config/plan", {}), ("POST", "/confirm", None),
                               ("POST", f"/revisions/{at}/restore", None), ("POST", "/uplinks/1/test", None),
                               ("POST", "/tokens", {"name": "more", "role": "admin"}), ("DELETE", "/tokens/1", None)):
        refused = viewer.request(method, path, body)
        assert "may only read" in refused.expect(403)["detail"], (method, path)
    assert revision(router.sock) == at


def test_wrong_tokens(fresh):
    fresh.finish_setup()
    script = fresh.client("127.0.0.1")
    right = "Bearer " + fresh.sock.post("/tokens", {"name": "script", "role": "admin"}).expect(201)["token"]
    for wrong in ("Bearer", "Bearer ", right[:-1], right + "0", right.replace("portico_", "portico-"), "Basic YTpi", "",
                  right.removeprefix("Bearer "), "Bearer " + "x" * 72, right[:-1] + ("0" if right[-1] != "0" else "1")):
        script.headers["Authorization"] = wrong
        response = script.get("/status")
        assert response.status in (401, 429) and "status" in response.body, wrong
        assert response.status == 429 or response.headers["WWW-Authenticate"] == "Bearer"
    # The scheme's name in any case; a cookie beside it counts for nothing.
    script.headers["Authorization"] = right.replace("Bearer", "bearer")
    assert script.get("/status").status == 200
    script.headers |= {"Authorization": "Bearer x", "Cookie": fresh.api.headers["Cookie"]}
    assert script.get("/status").status == 429


def test_guessing_is_slowed_down(fresh):
    fresh.finish_setup()
    client = fresh.client("127.0.0.1")
    client.headers["Authorization"] = "Bearer portico_" + "0" * 64
    assert [client.get("/status").status for _ in range(5)] == [401] * 5
    refused = client.get("/status")
    refused.expect(429)
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert fresh.log().count("wrong token from 127.0.0.1") == 5


def test_a_token_that_was_removed_is_in_nobodys_way(fresh):
    """The program that has it goes on asking with it, from the host where others are at work."""
    fresh.finish_setup()
    token = fresh.sock.post("/tokens", {"name": "script", "role": "admin"}).expect(201)["token"]
    client, other = fresh.client("127.0.0.1"), fresh.client("127.0.0.1")
    client.headers["Authorization"] = "Bearer portico_" + "0" * 64
    assert [client.get("/status").status for _ in range(6)] == [401] * 5 + [429]
    other.headers["Authorization"] = f"Bearer {token}"
    assert other.get("/status").status == 200, "a right token never waits"
    fresh.client("127.0.0.1").login()
    assert client.get("/status").status == 429


def test_a_right_token_does_not_help_to_guess_passwords(fresh):
    fresh.finish_setup()
    token = fresh.sock.post("/tokens", {"name": "script", "role": "viewer"}).expect(201)["token"]
    client, guesser = fresh.client("127.0.0.1"), fresh.client("127.0.0.1")
    client.headers["Authorization"] = f"Bearer {token}"
    statuses = []
    for _ in range(6):
        statuses.append(guesser.post("/session", {"username": "admin", "password": "not the password"}).status)
        client.get("/status")
    assert statuses == [401] * 5 + [429]


def test_faults(api, router):
    for body, path in (({"name": "x"}, "/role"), ({"role": "admin"}, "/name"), ({"name": "", "role": "admin"}, "/name"),
                       ({"name": "x" * 65, "role": "admin"}, "/name"), ({"name": "x", "role": "root"}, "/role"),
                       ({"name": "a\nb", "role": "admin"}, "/name"), ({"name": "x", "role": 1}, "/role"),
                       ({"name": "x", "role": "admin", "more": 1}, "/more")):
        assert path in [e["path"] for e in api.post("/tokens", body).expect(422)["errors"]]
    made = api.post("/tokens", {"name": "x", "role": "admin"}).expect(201)
    assert api.post("/tokens", {"name": "x", "role": "viewer"}).expect(409)["errors"][0]["path"] == "/name"
    api.delete(f"/tokens/{made['id']}").expect(200)
    assert api.get("/tokens/1").status == 405


def test_how_many(router):
    made = [router.sock.post("/tokens", {"name": f"t{i}", "role": "viewer"}).expect(201) for i in range(TOKENS_MAX)]
    assert "64 tokens already" in router.sock.post("/tokens", {"name": "more", "role": "viewer"}).expect(409)["detail"]
    for i in (10, 0, 63):
        router.sock.delete(f"/tokens/{made[i]['id']}").expect(200)
    names = [t["name"] for t in router.sock.get("/tokens").expect(200)["items"]]
    assert names == [f"t{i}" for i in range(TOKENS_MAX) if i not in (10, 0, 63)]
    client = router.client("127.0.0.1")
    for i, status in ((9, 200), (11, 200), (10, 401), (62, 200)):
        client.headers["Authorization"] = f"Bearer {made[i]['token']}"
        assert client.get("/status").status == status
    for item in router.sock.get("/tokens").expect(200)["items"]:
        router.sock.delete(f"/tokens/{item['id']}").expect(200)


def test_tokens_survive_a_restart(fresh):
    fresh.finish_setup()
    made = fresh.sock.post("/tokens", {"name": "script", "role": "viewer"}).expect(201)
    gone = fresh.sock.post("/tokens", {"name": "gone", "role": "viewer"}).expect(201)
    fresh.sock.delete(f"/tokens/{gone['id']}").expect(200)
    fresh.kill()
    fresh.start()
    client = fresh.client("127.0.0.1")
    client.headers["Authorization"] = f"Bearer {made['token']}"
    assert client.get("/status").status == 200 and client.post("/forwards", FORWARD).status == 403
    client.headers["Authorization"] = f"Bearer {gone['token']}"
    assert client.get("/status").status == 401


def test_events_end_with_the_token(holder, router):
    viewer = holder("viewer")
    with EventStream(viewer) as stream, EventStream(router.api) as other:
        assert stream.next()["event"] == other.next()["event"] == "hello"
        router.sock.delete(f"/tokens/{viewer.token['id']}").expect(200)
        stream.wait_end()
        router.sock.post("/networks", {"name": "on"}).expect(201)
        other.wait("revision")


def test_before_setup(fresh):
    """A token that was made before the password opens nothing yet."""
    made = fresh.sock.post("/tokens", {"name": "early", "role": "admin"}).expect(201)
    client = fresh.client("127.0.0.1")
    client.headers["Authorization"] = f"Bearer {made['token']}"
    assert client.get("/status").status == 403
    fresh.finish_setup()
    assert client.get("/status").status == 200


# --- metrics ---

def samples(text):
    """{name: {labels: value}}, by a parser of the format."""
    found, types = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types
            types[name] = kind
        if line.startswith("#"):
            continue
        match = re.fullmatch(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (\S+)', line)
        assert match and match[1] in types, line
        found.setdefault(match[1], {})[match[2] or ""] = float(match[3])
    return found


def metrics(client):
    response = client.get("/metrics", base="")
    text = response.expect(200).decode()
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return samples(text)


def test_metrics(holder, module_lab, router, isp):
    router.sock.post("/networks", {"name": "lan", "devices": ["eth1"]}).expect(201)
    router.sock.post("/forwards", {**FORWARD, "name": "häh {x}, y=1", "external_ports": "7777"}).expect(201)
    router.sock.post("/forwards", {**FORWARD, "name": "off", "external_ports": "81", "enabled": False}).expect(201)
    viewer = holder("viewer")
    with module_lab.backend.serve(7777):
        module_lab.isp.ask("192.0.2.1", 7777)
    for client in (viewer, router.sock, router.api):
        found = metrics(client)
        assert found["portico_revision"] == {"": revision(router.sock)}
        assert found["portico_kernel_in_sync"] == {"": 1} and found["portico_trial"] == {"": 0}
        assert found["portico_database_writable"] == {"": 1}
        assert found["portico_uplink_up"] == {'id="1",name="isp1"': 1}
        assert found["portico_forward_live"] == {'id="1",name="häh {x}, y=1"': 1, 'id="2",name="off"': 0}
        assert found["portico_forward_connections_total"]['id="2",name="off"'] == 0
    assert metrics(viewer)["portico_kernel_mended_total"][""] >= 0
    stranger = router.client("127.0.0.1")
    assert stranger.get("/metrics", base="").status == 401
    assert stranger.get("/metrics").status == 404, "it is not below /api/v1"
    assert viewer.post("/metrics", base="").status == 405
    assert viewer.get("/metrics?x=1", base="").status == 400
    assert viewer.get("/status", base="").status == 404


def test_metrics_of_many(router, isp):
    forwards = [{**FORWARD, "name": f"{i:05} " + "é" * 29, "external_ports": str(i)} for i in range(1, 5001)]
    router.sock.put("/config", {"forwards": forwards}).expect(200)
    found = metrics(router.sock)
    assert len(found["portico_forward_live"]) == len(found["portico_forward_connections_total"]) == 5000
