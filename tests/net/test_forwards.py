# SPDX-License-Identifier: GPL-2.0-or-later
"""What one forward can be, and what happens to connections when it comes, changes and goes."""
import contextlib
import datetime
import socket
import threading

import pytest

from lab.checks import ask_from_internet, outcome
from lab.client import SOCKET_KINDS
from lab.lab import wait_for

PUBLIC, PUBLIC_2 = "192.0.2.1", "198.51.100.1"
BACKEND, BACKEND_2 = "192.168.0.2", "192.168.0.4"
PORTS = (80, 81, 443, 8000, 8001, 8002, 8003, 9000, 9001, 9002, 9003)


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for protocol in ("tcp", "udp"):
        for port in PORTS:
            home.lab.backend.serve(port, protocol)
        home.lab.backend2.serve(80, protocol)
        home.lab.internet.serve(80, protocol, "203.0.113.200")


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


@pytest.fixture
def internet(router_daemon):
    return router_daemon.lab.internet


# --- ports and protocols ---

def test_list_of_ports_and_ranges(router_daemon, internet, protocol):
    router_daemon.forward("80,443,8000-8002", protocols=[protocol])
    for port in (80, 443, 8000, 8001, 8002):
        assert internet.ask(PUBLIC, port, protocol).local_port == port
    for port in (81, 442, 7999, 8003):
        assert outcome(internet, PUBLIC, port, protocol) == "refused"


def test_shifted_range(router_daemon, internet, protocol):
    router_daemon.forward("80,8000-8003", internal_ports="443,9000-9003", protocols=[protocol])
    for port, internal in ((80, 443), (8000, 9000), (8001, 9001), (8003, 9003)):
        assert internet.ask(PUBLIC, port, protocol).local_port == internal
        assert router_daemon.lab.client.ask(PUBLIC, port, protocol).local_port == internal


def test_both_protocols_in_one_forward(router_daemon, internet):
    router_daemon.forward(protocols=["tcp", "udp"])
    for protocol in ("tcp", "udp"):
        assert internet.ask(PUBLIC, 80, protocol).server == "backend"


def test_one_protocol_leaves_the_other_alone(router_daemon, internet):
    router_daemon.forward(protocols=["udp"])
    router_daemon.forward(to=BACKEND_2, protocols=["tcp"], name="tcp elsewhere")
    assert internet.ask(PUBLIC, 80, "udp").server == "backend"
    assert internet.ask(PUBLIC, 80, "tcp").server == "backend2"


def test_protocol_without_ports(router_daemon, internet):
    router_daemon.api.post("/forwards", {"name": "gre", "protocols": ["gre"], "external_ports": None,
                                         "internal_address": BACKEND}).expect(201)
    with router_daemon.lab.backend.capture("eth0") as capture, \
            internet.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE) as gre:
        gre.sendto(b"\0\0\x08\0" + b"x" * 32, (PUBLIC, 0))
        capture.wait(direction="in", protocol="47", src="203.0.113.200", dst=BACKEND)


def test_sctp(router_daemon, internet):
    try:
        socket.socket(socket.AF_INET, *SOCKET_KINDS["sctp"]).close()
    except OSError as error:
        pytest.skip(f"this kernel has no SCTP: {error.strerror}")
    with router_daemon.lab.backend.serve(80, "sctp"):
        router_daemon.forward(protocols=["sctp"])
        assert internet.ask(PUBLIC, 80, "sctp").server == "backend"


def test_source_list(router_daemon, internet, protocol):
    router_daemon.forward(protocols=[protocol], sources=["203.0.113.201/32", "10.0.0.0/8"])
    assert internet.ask(PUBLIC, 80, protocol, source="203.0.113.201").server == "backend"
    for other in ("203.0.113.200", "203.0.113.202"):
        assert outcome(internet, PUBLIC, 80, protocol, source=other) == "refused"
    assert router_daemon.lab.vpn.ask(PUBLIC, 80, protocol).server == "backend"


def test_many_forwards(router_daemon, internet):
    forwards = [{"name": f"f{port}", "external_ports": str(port), "internal_address": BACKEND,
                 "internal_ports": "80"} for port in range(10000, 11000)]
    router_daemon.configure(forwards=forwards)
    for port in (10000, 10500, 10999):
        assert internet.ask(PUBLIC, port).server == "backend"
    assert outcome(internet, PUBLIC, 11000) == "refused"


def test_connections_are_counted(router_daemon, internet):
    one, other = router_daemon.forward(80), router_daemon.forward(81)
    for _ in range(3):
        internet.ask(PUBLIC, 80)

    def counters(forward):
        return router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["counters"]

    wait_for(lambda: counters(one)["connections"] == 3, what="three connections")
    assert counters(one)["last"] is not None
    assert counters(other) == {"connections": 0, "last": None}


def test_counts_survive(router_daemon, internet):
    """What its own elements counted stays when they go: ports, backend, switched off; a flush; a restart of the daemon."""
    forward = router_daemon.forward(80, external_ports="80,443")

    def connect(port):
        internet.ask(PUBLIC, port)

    def count():
        return router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["counters"]["connections"]

    def change(**fields):
        return router_daemon.api.patch(f"/forwards/{forward['id']}", fields).expect(200)["counters"]["connections"]

    for port in (80, 80, 443):
        connect(port)
    assert change(internal_ports="443,80") == 3
    connect(443)
    assert change(external_ports="443", internal_ports="80") == 4
    connect(443)
    assert change(enabled=False) == 5
    assert change(enabled=True) == 5
    router_daemon.forward(81)
    connect(443)
    wait_for(lambda: count() == 6, what="the sixth connection to be read")
    mended = router_daemon.kernel()["mended"]
    router_daemon.lab.router.run("nft flush ruleset")
    wait_for(lambda: router_daemon.kernel()["mended"] > mended, what="the table")
    assert count() == 6
    connect(443)
    wait_for(lambda: count() == 7, what="the seventh")
    router_daemon.daemon.restart()
    assert count() == 1  # the present element's


# --- clashes and bad input ---

@pytest.mark.parametrize("second, clashes", [
    ({"external_ports": "80"}, True),
    ({"external_ports": "70-90"}, True),
    ({"external_ports": "81,80"}, True),
    ({"external_ports": "80", "protocols": ["udp", "tcp"]}, True),
    ({"external_ports": "80", "uplinks": ["isp2"]}, True),
    ({"external_ports": "81"}, False),
    ({"external_ports": "80", "protocols": ["udp"]}, False),
    ({"external_ports": "80", "enabled": False}, False),
    ({"external_ports": "80", "family": "ipv6", "internal_address": "fd00:db8::2"}, False),
])
def test_clash(router_daemon, internet, second, clashes):
    router_daemon.forward(80)
    answer = router_daemon.api.post("/forwards", {"name": "second", "internal_address": BACKEND_2, **second})
    assert answer.status == (409 if clashes else 201), answer.body
    if clashes:
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert [e["path"] for e in answer.body["errors"]] == ["/external_ports"]
    assert internet.ask(PUBLIC, 80).server == "backend"


def test_no_clash_on_different_uplinks(router_daemon, internet):
    router_daemon.forward(80, uplinks=["isp1"])
    router_daemon.forward(80, BACKEND_2, uplinks=["isp2"])
    assert internet.ask(PUBLIC, 80).server == "backend"
    assert internet.ask(PUBLIC_2, 80).server == "backend2"
    assert router_daemon.lab.client.ask(PUBLIC_2, 80).server == "backend2"


def test_bad_input_changes_nothing(router_daemon, internet):
    forward = router_daemon.forward(80)
    bad = {"external_ports": "0-99999", "internal_address": "nowhere"}
    errors = router_daemon.api.patch(f"/forwards/{forward['id']}", bad).expect(422)["errors"]
    assert {e["path"] for e in errors} == {"/external_ports", "/internal_address"}
    assert internet.ask(PUBLIC, 80).server == "backend"


# --- uplinks that are not there yet ---

CABLE_ROUTER, CABLE_ISP = "203.0.113.129", "203.0.113.158"


@pytest.fixture
def cable(router_daemon):
    """plug() and unplug(): a device ppp0 of the router, on a line to isp2."""
    lab = router_daemon.lab

    def unplug():
        lab.router.ip("link del ppp0", check=False)

    def plug():
        lab.router.ip(f"link add ppp0 type veth peer name ppp0 netns {lab.isp2.netns}")
        lab.isp2.ip(f"addr add {CABLE_ISP}/27 dev ppp0")
        lab.isp2.ip("link set ppp0 up")
        lab.router.ip(f"addr add {CABLE_ROUTER}/27 dev ppp0")
        lab.router.ip("link set ppp0 up")
        lab.router.ip(f"route add default via {CABLE_ISP} dev ppp0 metric 200")
        wait_for(lab.router.links_are_up)

    lab.internet.ip("route add 203.0.113.128/27 via 100.64.2.2 src 203.0.113.200")
    yield plug, unplug
    unplug()
    lab.internet.ip("route del 203.0.113.128/27")


def test_device_comes_goes_and_comes_again(router_daemon, internet, cable):
    plug, unplug = cable
    router_daemon.configure(uplinks=[*router_daemon.uplinks, {"name": "line", "device": "ppp0"}])
    forward = router_daemon.forward(80, uplinks=["line"])

    def state():
        return router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["state"]

    def uplink():
        return next(u for u in router_daemon.api.get("/uplinks").expect(200)["items"] if u["name"] == "line")

    for _ in range(2):
        assert (state()["live"], state()["reason"]) == (False, "uplink-down")
        assert (uplink()["state"]["up"], uplink()["state"]["reason"]) == (False, "device-missing")
        plug()
        wait_for(lambda: state()["live"], what="the forward to become live")
        assert state()["addresses"] == [CABLE_ROUTER]
        # live and in the kernel may be a moment apart from the route that came last
        wait_for(lambda: outcome(internet, CABLE_ROUTER, 80) == "answer")
        exchange = ask_from_internet(router_daemon.lab, CABLE_ROUTER, 80)
        assert exchange.answer.server == "backend"
        assert exchange.replies == []  # neither by isp1 nor by isp2's other line
        unplug()
        wait_for(lambda: not state()["live"], what="the forward to notice")


def test_unknown_uplink_is_accepted_and_becomes_live(router_daemon, internet):
    isp1, isp2 = router_daemon.uplinks
    router_daemon.configure(uplinks=[isp1])
    forward = router_daemon.forward(80, uplinks=["isp2"])
    assert forward["warnings"], "a name that nobody knows may be a mistake"
    assert forward["warnings"][0]["path"].startswith("/uplinks")
    assert outcome(internet, PUBLIC_2, 80) != "answer"
    state = router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["state"]
    assert (state["live"], state["reason"]) == (False, "uplink-unknown")
    router_daemon.api.post("/uplinks", isp2).expect(201)
    assert ask_from_internet(router_daemon.lab, PUBLIC_2, 80).replies == ["isp2"]
    assert router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["state"]["live"]


# --- connections when a forward changes ---

@pytest.fixture
def connected(router_daemon, internet):
    """connected(...): an open connection of which one answer has come."""
    with contextlib.ExitStack() as stack:
        def connect(host, *arguments, **options):
            connection = stack.enter_context(host.connect(*arguments, timeout=1.0, **options))
            connection.ask()
            return connection
        yield connect


def ended(connection):
    try:
        connection.ask()
        return False
    except OSError:
        return True


def change(router, forward, **fields):
    return router.api.patch(f"/forwards/{forward['id']}", fields).expect(200)


@pytest.mark.parametrize("how", ["deleted", "disabled"])
def test_flows_end_with_their_forward_and_no_others(router_daemon, internet, connected, protocol, how):
    lab = router_daemon.lab
    first, _ = router_daemon.forward(80, protocols=[protocol]), router_daemon.forward(81, protocols=[protocol])
    gone = [connected(internet, PUBLIC, 80, protocol), connected(internet, PUBLIC_2, 80, protocol),
            connected(lab.client, PUBLIC, 80, protocol)]
    stays = [connected(internet, PUBLIC, 81, protocol), connected(lab.client, PUBLIC, 81, protocol),
             connected(lab.client, "203.0.113.200", 80, protocol)]
    if how == "deleted":
        router_daemon.api.delete(f"/forwards/{first['id']}").expect(200)
    else:
        change(router_daemon, first, enabled=False)
    wait_for(lambda: all(ended(connection) for connection in gone), what="the flows to end")
    assert not any(ended(connection) for connection in stays)
    assert outcome(internet, PUBLIC, 80, protocol) == "refused"
    if how == "disabled":
        assert change(router_daemon, first, enabled=True)["state"]["live"]
        assert internet.ask(PUBLIC, 80, protocol).server == "backend"


def test_flows_end_when_the_target_changes(router_daemon, internet, connected):
    forward = router_daemon.forward(80, protocols=["tcp", "udp"])
    tcp, udp = connected(internet, PUBLIC, 80), connected(internet, PUBLIC, 80, protocol="udp")
    change(router_daemon, forward, internal_address=BACKEND_2)
    assert internet.ask(PUBLIC, 80).server == "backend2"
    wait_for(lambda: not ended(udp) and udp.ask().server == "backend2", what="the UDP stream at the new backend")
    wait_for(lambda: ended(tcp), what="the TCP connection to end")


def test_flows_stay_when_nothing_about_them_changes(router_daemon, connected, internet, protocol):
    forward = router_daemon.forward(80, protocols=[protocol])
    connection = connected(internet, PUBLIC, 80, protocol)
    change(router_daemon, forward, name="another name", comment="and a comment")
    change(router_daemon, forward, external_ports="80,81")
    router_daemon.forward(443)
    assert not ended(connection)


@pytest.mark.parametrize("listener", [True, False])
def test_udp_stream_that_was_there_before_its_forward(router_daemon, internet, listener):
    """Its conntrack entry says "not translated", and every packet of the stream would renew it."""
    server = router_daemon.lab.router.serve(80, "udp", PUBLIC) if listener else contextlib.nullcontext()
    with server, internet.connect(PUBLIC, 80, "udp", timeout=0.3) as stream:
        if listener:
            assert stream.ask().server == "router"
        else:
            assert ended(stream)
        assert router_daemon.lab.router.conntrack(protocol="udp", dst=PUBLIC, dport=80)
        router_daemon.forward(80, protocols=["udp"])
        wait_for(lambda: not router_daemon.lab.router.conntrack(protocol="udp", dst=PUBLIC, dport=80),
                 what="the entry to be deleted")
        assert stream.ask().server == "backend"


@pytest.mark.parametrize("think_s", [0, 0, 0, 0.001, 0.02])
def test_udp_stream_that_never_stops(router_daemon, internet, think_s):
    """Answers of the listener that are on their way, or that it is about to give, would make entries of their own if the old one
    were deleted meanwhile."""
    seen, enough = [], threading.Event()

    def talk(stream):
        while not enough.is_set():
            with contextlib.suppress(OSError):
                seen.append(stream.ask().server)

    with router_daemon.lab.router.serve(80, "udp", PUBLIC, think_s=think_s), \
            internet.connect(PUBLIC, 80, "udp", timeout=0.3) as stream:
        thread = threading.Thread(target=talk, args=[stream], daemon=True)
        thread.start()
        try:
            wait_for(lambda: seen and seen[-1] == "router", what="the router's own service")
            router_daemon.forward(80, protocols=["udp"])
            wait_for(lambda: seen[-1] == "backend", what="the stream at the backend")
        finally:
            enough.set()
            thread.join()


def test_expiry(router_daemon, internet, connected):
    """In force until its time, and not any longer; its flows end too."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3)
    forward = router_daemon.forward(80, expires_at=at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    connection = connected(internet, PUBLIC, 80)
    wait_for(lambda: outcome(internet, PUBLIC, 80) == "refused", 10, "the forward to expire")
    late = (datetime.datetime.now(datetime.timezone.utc) - at).total_seconds()
    assert -1 <= late < 3, f"expired {late:.1f} s after its time"
    wait_for(lambda: ended(connection), what="its flow to end")
    state = router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["state"]
    assert (state["live"], state["reason"]) == (False, "expired")
