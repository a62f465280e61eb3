# SPDX-License-Identifier: GPL-2.0-or-later
"""GET /events. Every event is held to the document by the contract checker."""
import contextlib
import datetime
import json
import signal
import socket
import subprocess
import time

import pytest

from kinds import KINDS, UPLINK, revision
from lab.events import EventStream
from lab.lab import wait_for
from lab.porticod import environment

FORWARD = KINDS["/forwards"][2]
STREAMS_MAX, STREAMS_OF_USER_MAX = 16, 8
KEEP_ALIVE_S = 15
RING_EVENTS = 256


@pytest.fixture
def streams():
    """streams(api, ...) -> EventStream, closed after the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *arguments, **options: stack.enter_context(EventStream(*arguments, **options))


@pytest.fixture
def isp(router):
    return router.sock.post("/uplinks", UPLINK).expect(201)


def add_forwards(api, count, first=1):
    for i in range(first, first + count):
        api.post("/forwards", {**FORWARD, "name": f"f{i}", "external_ports": str(20000 + i)}).expect(201)


def follow(streams, api):
    """A stream that has had its hello, and the hello's data."""
    stream = streams(api)
    assert stream.status == 200
    hello = stream.next()
    assert hello["event"] == "hello"
    return stream, hello["data"]


# --- what comes ---

def test_hello(router, streams, isp):
    router.sock.post("/forwards", FORWARD).expect(201)
    stream, hello = follow(streams, router.api)
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert stream.headers["Cache-Control"] == "no-store"
    assert 0 < stream.retry_ms <= 10000
    status = router.api.get("/status").expect(200)
    assert hello["version"] == status["version"] and hello["revision"] == status["revision"]
    assert all(hello[key] == status[key] for key in ("kernel", "firewall", "uplinks"))
    assert hello["forwards"] == [{"id": 1, "name": FORWARD["name"], "live": True, "reason": None, "connections": 0,
                                  "last": None}]
    stream.quiet(0.3)


def test_hello_with_many_forwards(router, streams, isp):
    """More than go out in one piece, and than fit into any buffer on the way."""
    forwards = [{**FORWARD, "name": f"f{i}", "external_ports": str(i)} for i in range(1, 3001)]
    router.sock.put("/config", {"uplinks": [UPLINK], "forwards": forwards}).expect(200)
    for api in (router.api, router.sock):
        _, hello = follow(streams, api)
        assert [f["name"] for f in hello["forwards"]] == [f["name"] for f in forwards]


def test_a_change_by_another_client(router, streams, isp):
    stream, hello = follow(streams, router.api)
    started = time.monotonic()
    made = router.sock.post("/forwards", FORWARD).expect(201)
    event = stream.wait("revision")
    assert time.monotonic() - started < 1
    at = datetime.datetime.fromisoformat(event["data"].pop("at").replace("Z", "+00:00"))
    assert abs(at.timestamp() - time.time()) < 5
    assert event["data"] == {"number": hello["revision"] + 1, "author": "root", "reason": "POST /api/v1/forwards",
                             "changes": [{"kind": "forward", "id": made["id"], "name": made["name"], "what": "added"}],
                             "more": 0}
    assert stream.next()["data"] == {"id": made["id"], "name": made["name"], "live": True, "reason": None}
    router.sock.patch(f"/forwards/{made['id']}", {"name": "renamed", "enabled": False}).expect(200)
    assert stream.next()["data"]["changes"] == [{"kind": "forward", "id": made["id"], "name": "renamed",
                                                 "what": "changed"}]
    assert stream.next()["data"] == {"id": made["id"], "name": "renamed", "live": False, "reason": "disabled"}
    router.api.delete(f"/forwards/{made['id']}").expect(200)
    event = stream.next()["data"]
    assert event["author"] == "admin"
    assert event["changes"] == [{"kind": "forward", "id": made["id"], "name": "renamed", "what": "removed"}]
    router.sock.patch("/settings", {"history_length": 77}).expect(200)
    assert stream.next()["data"]["changes"] == [{"kind": "settings", "id": 1, "name": None, "what": "changed"}]
    stream.quiet(0.3)


def test_many_changes_at_once(router, streams):
    stream, _ = follow(streams, router.sock)
    forwards = [{**FORWARD, "name": f"f{i}", "external_ports": str(i)} for i in range(1, 501)]
    router.sock.put("/config", {"forwards": forwards}).expect(200)
    event = stream.wait("revision")["data"]
    assert len(event["changes"]) == 64 and event["more"] == 500 - 64
    assert stream.wait("forward")["data"] == {"many": 500}
    stream.quiet(0.3)


def test_events_come_in_order_to_all(router, streams, isp):
    followers = [follow(streams, api)[0] for api in (router.sock, router.api, router.api)]
    before = revision(router.sock)
    add_forwards(router.sock, 20)
    for stream in followers:
        numbers = []
        while len(numbers) < 20:
            numbers.append(stream.wait("revision")["data"]["number"])
        assert numbers == list(range(before + 1, before + 21))


def test_a_trial(router, streams, isp):
    stream, hello = follow(streams, router.api)
    assert hello["trial"] is None
    router.sock.post("/forwards?confirm_within_s=600", FORWARD).expect(201)
    begun = stream.wait("trial")["data"]
    assert begun["outcome"] is None and begun["trial"]["confirmed_revision"] == hello["revision"]
    router.sock.post("/confirm").expect(200)
    assert stream.wait("trial")["data"] == {"trial": None, "outcome": "confirmed"}


def test_a_link_goes_down_and_comes_back(module_lab, router, streams, isp):
    host = module_lab.router
    router.sock.post("/forwards", FORWARD).expect(201)
    stream, _ = follow(streams, router.api)
    try:
        host.ip("link set eth0 down")
        down = stream.wait("uplink")["data"]
        assert down["id"] == isp["id"] and not down["up"] and down["reason"] == "link-down"
        assert stream.wait("forward")["data"]["reason"] == "uplink-down"
        assert router.api.get("/status").expect(200)["uplinks"] == [down]
    finally:
        host.ip("link set eth0 up")
        host.ip("route replace default via 192.0.2.254 dev eth0")
    stream.wait("uplink", lambda uplink: uplink["up"] and uplink["gateway"])
    assert stream.wait("forward")["data"]["live"]
    host.ip("address add 192.0.2.9/24 dev eth0")
    assert "192.0.2.9" in stream.wait("uplink")["data"]["addresses"]
    host.ip("address del 192.0.2.9/24 dev eth0")
    assert "192.0.2.9" not in stream.wait("uplink")["data"]["addresses"]


def test_the_lan_gets_another_prefix(module_lab, router, streams, isp):
    """A forward by a suffix leads elsewhere, and is as live as before; others lead where they did."""
    host = module_lab.router
    host.ip("address replace 2001:db8:1::1/64 dev eth0 nodad")  # it goes when the link does
    host.ip("address add 2001:db8:2::1/64 dev eth1 nodad")
    try:
        router.sock.post("/networks", {"name": "lan", "devices": ["eth1"]}).expect(201)
        six = router.sock.post("/forwards", {**FORWARD, "name": "six", "internal_address": "::5/-64"}).expect(201)
        assert six["state"]["backends"] == ["2001:db8:2::5"]
        stream, _ = follow(streams, router.api)
        four = router.sock.post("/forwards", FORWARD).expect(201)
        stream.wait("forward", lambda forward: forward["id"] == four["id"])
        host.ip("address add 2001:db8:1:2::1/64 dev eth1 nodad")  # of the two it comes first
        assert stream.wait("forward")["data"] == {"id": six["id"], "name": "six", "live": True, "reason": None}
        state = router.api.get(f"/forwards/{six['id']}").expect(200)["state"]
        assert state["backends"] == ["2001:db8:1:2::5"]
        stream.quiet(0.3)
    finally:
        host.ip("-6 address flush dev eth1 scope global")


def test_a_forward_expires(router, streams, isp):
    stream, _ = follow(streams, router.sock)
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    router.sock.post("/forwards", {**FORWARD, "expires_at": at.strftime("%Y-%m-%dT%H:%M:%SZ")}).expect(201)
    assert stream.wait("forward")["data"]["live"]
    assert stream.wait("forward")["data"]["reason"] == "expired"


def test_what_was_mended(module_lab, router, streams, isp):
    stream, hello = follow(streams, router.sock)
    module_lab.router.run("nft delete table inet portico")
    event = stream.wait("kernel", lambda kernel: kernel["found"])["data"]
    assert event["mended"] == hello["kernel"]["mended"] + 1 and event["last_mended"]
    assert any("table inet portico" in text for text in event["found"])
    wait_for(lambda: router.sock.get("/status").expect(200)["kernel"]["in_sync"], what="in sync")
    module_lab.router.sysctl("net.ipv4.ip_forward", 0)
    event = stream.wait("kernel", lambda kernel: kernel["found"])["data"]
    assert any("ip_forward" in text for text in event["found"])


def test_another_firewall_comes_and_goes(module_lab, router, streams, isp):
    router.sock.post("/forwards", FORWARD).expect(201)
    stream, hello = follow(streams, router.sock)
    assert hello["firewall"] == {"mode": "own", "fw4": False, "include": None}
    try:
        module_lab.router.nft("table inet fw4 { chain forward { type filter hook forward priority 0; }; }")
        event = stream.wait("kernel", lambda kernel: kernel["firewall"]["fw4"])["data"]
        assert event["firewall"]["mode"] == "beside" and not event["firewall"]["include"] and not event["in_sync"]
    finally:
        module_lab.router.run("nft delete table inet fw4")
    stream.wait("kernel", lambda kernel: kernel["in_sync"] and not kernel["firewall"]["fw4"])


def test_connections_are_counted(module_lab, router, streams, isp):
    made = router.sock.post("/forwards", {**FORWARD, "external_ports": "7777", "internal_ports": None,
                                          "internal_address": "192.168.1.2"}).expect(201)
    other = router.sock.post("/forwards", {**FORWARD, "name": "other", "external_ports": "7778"}).expect(201)
    stream, _ = follow(streams, router.sock)
    with module_lab.backend.serve(7777):
        for _ in range(3):
            module_lab.isp.ask("192.0.2.1", 7777)
    items = stream.wait("counters", lambda data: data["items"][0]["connections"] == 3)["data"]["items"]
    assert [item["id"] for item in items] == [made["id"]] and items[0]["last"]
    stream.quiet(2.5)  # only what has changed
    _, hello = follow(streams, router.sock)
    assert {f["id"]: f["connections"] for f in hello["forwards"]} == {made["id"]: 3, other["id"]: 0}


# --- going on where one was ---

@pytest.mark.parametrize("way", ["header", "parameter"])
def test_resuming(router, streams, way):
    stream, _ = follow(streams, router.api)
    seen = stream.last_id
    stream.close()
    router.sock.post("/networks", {"name": "one"}).expect(201)
    router.sock.post("/networks", {"name": "two"}).expect(201)
    again = streams(router.api, last_id=seen) if way == "header" else streams(
        router.api, path=f"/events?last_event_id={seen}")
    for i, name in enumerate(("one", "two")):
        event = again.next()
        assert event["id"] == seen + 1 + i and event["data"]["changes"][0]["name"] == name
    again.quiet(0.2)
    last = streams(router.api, last_id=again.last_id)
    router.sock.post("/networks", {"name": "three"}).expect(201)
    assert last.next()["data"]["changes"][0]["name"] == "three", "no hello for who has missed nothing"
    both = streams(router.api, path=f"/events?last_event_id={seen}", last_id=last.last_id)
    both.quiet(0.2)


def first(api, **options):
    """The name of the first event of a new stream."""
    with EventStream(api, **options) as stream:
        assert stream.status == 200, stream.problem
        return stream.next()["event"]


def test_what_cannot_be_resumed(router, streams):
    stream, _ = follow(streams, router.api)
    seen = stream.last_id
    for last_id in ("0", "1", seen - 1000, seen + 1, seen + 1000, 2 ** 64, "x", "", "-1", f"{seen}x", "9" * 3000):
        assert first(router.api, last_id=last_id) == "hello", last_id
    for last_id in ("", "x", "%00", str(2 ** 64)):
        assert first(router.api, path=f"/events?last_event_id={last_id}") == "hello", last_id
    assert streams(router.api, path="/events?other=1").status == 400
    for i in range(RING_EVENTS + 1):
        router.sock.patch("/settings", {"history_length": 10 + i % 2}).expect(200)
    assert first(router.api, last_id=seen) == "hello", "too long ago"
    assert first(router.api, last_id=stream.wait("revision")["id"] + 1) == "revision"


def test_another_run_gave_other_ids(fresh, streams):
    fresh.finish_setup()
    stream, _ = follow(streams, fresh.sock)
    seen = stream.last_id
    fresh.restart()
    fresh.sock.post("/networks", {"name": "one"}).expect(201)
    assert first(fresh.sock, last_id=seen) == "hello"


# --- readers ---

def test_a_slow_reader_begins_anew(router, streams, isp):
    """It reads nothing while more happens than anything on the way can hold."""
    slow = streams(router.sock)
    quick, _ = follow(streams, router.sock)
    forwards = [{**FORWARD, "name": f"{'long name ' * 5}{i}", "external_ports": str(i)} for i in range(1, 101)]
    for turn in range(300):
        router.sock.put("/config", {"forwards": forwards if turn % 2 else []}).expect(200)
        quick.wait("revision")
    router.sock.put("/config", {"forwards": forwards[:1]}).expect(200)
    at = revision(router.sock)
    hellos = 0
    while True:
        event = slow.next()
        hellos += event["event"] == "hello"
        if at in (event["data"].get("revision"), event["data"].get("number")):
            break
    assert hellos == 2, "one at the start, one in the place of what it missed"
    assert router.sock.get("/status").status == 200


def test_keep_alive(router, streams):
    stream, _ = follow(streams, router.api)
    wait_for(lambda: stream.comments == 1, timeout=KEEP_ALIVE_S + 5, what="a comment")
    router.sock.post("/networks", {"name": "one"}).expect(201)
    assert stream.next()["event"] == "revision"


def test_how_many(router, streams):
    """8 of one user, 16 in all; others work on, and one that leaves makes room at once."""
    users = [router.api, router.sock, router.client("127.0.0.1")]
    users[2].login()
    open_ = [streams(user) for user in users[:2] for _ in range(STREAMS_OF_USER_MAX)]
    assert [stream.status for stream in open_] == [200] * STREAMS_MAX
    for user in users:
        refused = streams(user)
        assert refused.status == 503 and int(refused.headers["Retry-After"]) > 0
        assert user.get("/status").status == 200
    open_[0].close()
    wait_for(lambda: try_stream(streams, users[2]), what="a place")
    assert streams(users[0]).status == streams(users[2]).status == 503
    router.sock.post("/networks", {"name": "one"}).expect(201)
    for stream in open_[1:]:
        assert stream.wait("revision")["data"]["changes"][0]["name"] == "one"
    for stream in open_:
        stream.close()
    wait_for(lambda: try_stream(streams, users[0]), what="a place")


def try_stream(streams, api):
    return streams(api).status == 200


def test_one_user_cannot_have_all(router, streams):
    open_ = [streams(router.api) for _ in range(STREAMS_OF_USER_MAX)]
    assert streams(router.api).status == 503
    assert streams(router.sock).status == 200
    assert all(stream.next()["event"] == "hello" for stream in open_)


def test_tokens_cannot_have_all(router, streams):
    """What may only read must not take the page's eyes away."""
    made = [router.sock.post("/tokens", {"name": f"viewer {i}", "role": "viewer"}).expect(201) for i in range(3)]
    viewers = [router.client("127.0.0.1") for _ in made]
    for viewer, token in zip(viewers, made):
        viewer.headers["Authorization"] = f"Bearer {token['token']}"
    assert [streams(viewers[i % 3]).status for i in range(STREAMS_OF_USER_MAX)] == [200] * STREAMS_OF_USER_MAX
    assert [streams(viewer).status for viewer in viewers] == [503] * 3
    assert streams(router.api).status == streams(router.sock).status == 200
    for token in made:
        router.sock.delete(f"/tokens/{token['id']}").expect(200)


def raw(router, request):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10)
    connection.connect(str(router.socket_path))
    connection.sendall(request)
    return connection


def read_until(connection, words):
    data = b""
    while words not in data:
        part = connection.recv(65536)
        assert part, data
        data += part
    return data


def test_http_1_0(router):
    with raw(router, b"GET /api/v1/events HTTP/1.0\r\nHost: x\r\n\r\n") as connection:
        head, _, body = read_until(connection, b"]}\n\n").partition(b"\r\n\r\n")
        assert b"chunked" not in head and b"text/event-stream" in head
        assert body.startswith(b"retry: 2000\n\nevent: hello\nid: ")
        router.sock.post("/networks", {"name": "one"}).expect(201)
        assert b"event: revision\n" in read_until(connection, b"}\n\n")


def test_head(router):
    with raw(router, b"HEAD /api/v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n")
    assert b"Content-Type: text/event-stream" in answer


def test_those_who_leave_at_once(router, streams):
    """At any moment of the stream, more of them than there are places."""
    for i in range(100):
        connection = raw(router, b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        if i % 3:
            read_until(connection, b"retry" if i % 3 == 1 else b"hello")
        connection.close()
        if i % 10 == 0:
            router.sock.patch("/settings", {"history_length": 10 + i}).expect(200)
    wait_for(lambda: try_stream(streams, router.sock), what="a place")


# --- who may, and for how long ---

def test_strangers(router, fresh, streams):
    assert streams(router.client("127.0.0.1")).status == 401
    assert streams(fresh.client("127.0.0.1")).status == 403, "setup is not finished"
    assert streams(fresh.sock).status == 200, "root may"


def test_log_out_ends_the_stream(router, streams):
    leaving = router.client("127.0.0.1")
    leaving.login()
    stream, _ = follow(streams, leaving)
    other, _ = follow(streams, router.api)
    leaving.delete("/session").expect(204)
    started = time.monotonic()
    assert stream.wait_end() == []
    assert time.monotonic() - started < 2
    assert streams(leaving).status == 401
    router.sock.post("/networks", {"name": "one"}).expect(201)
    assert other.next()["event"] == "revision", "the sessions of others are not over"


def test_a_session_that_gives_way_ends_its_streams(router, streams):
    """There are 64 sessions; one more ends the one that was idle longest. An open stream is no idleness."""
    following, idle = router.client("127.0.0.1"), router.client("127.0.0.1")
    following.login()
    stream, _ = follow(streams, following)
    idle.login()
    ended, _ = follow(streams, idle)
    token = idle.headers["Cookie"]
    ended.close()
    newcomer = router.client("127.0.0.1")
    for _ in range(64):
        newcomer.login()
    assert router.client("127.0.0.1").get("/status", headers={"Cookie": token}).status == 401
    router.sock.post("/networks", {"name": "one"}).expect(201)
    assert stream.next()["event"] == "revision"
    router.login()


def test_sigterm(fresh, streams):
    """With streams open, busy and idle, read and unread: it ends at once, and cleanly."""
    fresh.finish_setup()
    idle = [follow(streams, api)[0] for api in (fresh.api, fresh.sock) for _ in range(3)]
    unread = [streams(api) for api in (fresh.api, fresh.sock)]
    add_forwards(fresh.sock, 5)
    for stream in idle:
        stream.wait("revision", lambda data: data["number"] == 5)
    started = time.monotonic()
    fresh.stop()
    assert time.monotonic() - started < 5
    for stream in idle + unread:
        stream.wait_end()
    fresh.start()
    fresh.login()
    assert first(fresh.api, last_id=idle[0].last_id) == "hello"


# --- the command ---

class Command:
    def __init__(self, daemon, *arguments):
        argv = [daemon.build / "portico", "--socket", daemon.socket_path, "events", *arguments]
        self.process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=environment())

    def line(self, words=""):
        """The next line, skipping those without these words."""
        while True:
            line = self.process.stdout.readline()
            assert line, self.end()
            if words in line:
                return line

    def end(self, signo=None):
        """The exit status, and what it wrote to stderr."""
        if signo:
            self.process.send_signal(signo)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@pytest.fixture
def command():
    commands = []

    def start(*arguments):
        commands.append(Command(*arguments))
        return commands[-1]
    yield start
    for one in commands:
        one.process.kill()
        one.process.communicate()


def test_the_command(module_lab, router, command, isp):
    router.sock.post("/forwards", {**FORWARD, "external_ports": "7777"}).expect(201)
    follower = command(router)
    text = follower.line()
    datetime.datetime.fromisoformat(text[:19])
    assert "1 of 1 uplinks up, 1 of 1 forwards live, kernel in sync" in text
    router.sock.post("/networks", {"name": "café"}).expect(201)
    follower.line('by root: network "café" added')
    module_lab.router.run("nft delete table inet portico")
    text = follower.line("kernel in sync")
    assert "mended" in text and "table inet portico" in text
    with module_lab.backend.serve(7777):
        module_lab.isp.ask("192.0.2.1", 7777)
    follower.line('connections: "web" 1')
    router.sock.patch("/forwards/1?confirm_within_s=600", {"enabled": False}).expect(200)
    follower.line('forward "web" changed')
    follower.line("comes back in 600 s unless it is confirmed")
    follower.line('forward "web" is not live: disabled')
    router.sock.post("/confirm").expect(200)
    follower.line("trial: confirmed")
    assert follower.end(signal.SIGTERM) == (-signal.SIGTERM, "")


def test_the_command_for_scripts(router, command, contract):
    follower = command(router, "--json")
    hello = json.loads(follower.line())
    contract.check_event(hello)
    router.sock.post("/networks", {"name": "one\u202e"}).expect(201)
    event = json.loads(follower.line())
    contract.check_event(event)
    assert event["event"] == "revision" and event["id"] == hello["id"] + 1


def test_the_command_ends_with_the_daemon(fresh, command):
    follower = command(fresh)
    assert "revision 0" in follower.line()
    fresh.stop()
    assert follower.end() == (1, "portico: porticod has ended\n")
    assert command(fresh).end()[0] == 1
    fresh.start()


def test_the_command_is_refused(router, command):
    followers = [command(router) for _ in range(STREAMS_OF_USER_MAX)]
    for follower in followers:
        assert "revision" in follower.line()
    status, errors = command(router).end()
    assert status == 1 and "too many streams" in errors
    assert command(router, "more").end()[0] == 2
    follower = command(router, "--help")
    assert "--json" in follower.line() + follower.process.stdout.read() and follower.end() == (0, "")


def test_every_kind_of_event_was_checked(contract):
    """By the tests above, when all of them have run."""
    if len(contract.seen_events) > 4:
        assert contract.seen_events == {"hello", "revision", "trial", "uplink", "forward", "counters", "kernel"}
