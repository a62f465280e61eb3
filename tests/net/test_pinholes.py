# SPDX-License-Identifier: GPL-2.0-or-later
"""Pinholes: what comes by an uplink for a host's own address is let in as it is; and backends given as suffixes
of a prefix that changes."""
import contextlib
import socket

import pytest

from lab.checks import ask_from_internet, outcome
from lab.lab import wait_for

PORTS = (80, 81, 443, 5000, 5050, 5100, 5101)


class Family:
    """A prefix of public addresses in the LAN, routed to the router by both ISPs."""

    def __init__(self, name, prefix, length, backend, backend_2, router, gateways, at_internet, internet, other):
        self.name, self.prefix, self.length = name, prefix, length
        self.backend, self.backend_2, self.router = backend, backend_2, router
        self.gateways = gateways        # the router, as each ISP sees it
        self.at_internet = at_internet  # each ISP, as the internet sees it
        self.internet, self.other = internet, other
        self.fields = {"family": name, "pinhole": True}

    def way(self, lab, isp):
        """The prefix is reached by this ISP."""
        source = f"src {self.internet}"
        lab.internet.ip(f"route replace {self.prefix} via {self.at_internet[isp]} {source}")


FAMILIES = {
    "ipv4": Family("ipv4", "203.0.113.64/27", 27, "203.0.113.66", "203.0.113.68", "203.0.113.65",
                   {"isp1": "192.0.2.1", "isp2": "198.51.100.1"}, {"isp1": "100.64.1.2", "isp2": "100.64.2.2"},
                   "203.0.113.200", "203.0.113.201"),
    "ipv6": Family("ipv6", "2001:db8:5::/64", 64, "2001:db8:5::2", "2001:db8:5::4", "2001:db8:5::1",
                   {"isp1": "2001:db8:1::1", "isp2": "2001:db8:2::1"},
                   {"isp1": "2001:db8:f1::2", "isp2": "2001:db8:f2::2"}, "2001:db8:ffff::c8", "2001:db8:ffff::c9"),
}


def add_addresses(lab, prefix, length):
    """The prefix's addresses for the router (1), the backends (2, 4) and the client (3)."""
    for host, device, number in ((lab.router, "br-lan", 1), (lab.backend, "eth0", 2), (lab.client, "eth0", 3),
                                 (lab.backend2, "eth0", 4)):
        host.ip(f"addr add {prefix(number)}/{length} dev {device}" + (" nodad" if length > 32 else ""))


@pytest.fixture(scope="module", autouse=True)
def public_lan(home):
    lab = home.lab
    lab.internet.ip("addr add 2001:db8:ffff::c9/128 dev lo")
    add_addresses(lab, lambda n: f"203.0.113.{64 + n}", 27)
    add_addresses(lab, lambda n: f"2001:db8:5::{n}", 64)
    for family in FAMILIES.values():
        for isp, gateway in family.gateways.items():
            lab[isp].ip(f"route add {family.prefix} via {gateway}")
    for protocol in ("tcp", "udp"):
        for host, number in ((lab.backend, 2), (lab.backend2, 4)):
            # Each address by itself: an answer over UDP leaves with the address that it is bound to.
            for address in (f"192.168.0.{number}", f"203.0.113.{64 + number}", f"2001:db8:5::{number}"):
                for port in PORTS:
                    host.serve(port, protocol, address)
        lab.internet.serve(80, protocol)
        lab.internet.serve(80, protocol, "2001:db8:ffff::c8")


@pytest.fixture(params=FAMILIES)
def family(request, home):
    FAMILIES[request.param].way(home.lab, "isp1")
    return FAMILIES[request.param]


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


@pytest.fixture
def pinhole(router_daemon, family, protocol):
    """pinhole("443,5000-5100", ...): of the family and protocol of the test, to the backend."""
    def make(ports, **fields):
        return router_daemon.forward(ports, **{"to": family.backend, "protocols": [protocol], **family.fields,
                                               **fields})
    return make


def shut(lab, address, port, protocol, source=None):
    """Nothing of an attempt from the internet comes out at the LAN, though it came to the router."""
    with lab.router.capture("br-lan") as lan, contextlib.ExitStack() as stack:
        uplinks = [stack.enter_context(lab.router.capture(device)) for device in ("eth0", "eth1")]
        result = outcome(lab.internet, address, port, protocol, source=source)
        assert any(uplink.packets(direction="in", dst=address, dport=port) for uplink in uplinks), "it came"
        began = {"flags": "S"} if protocol == "tcp" else {"src": source} if source else {}
        assert not lan.packets(direction="out", protocol=protocol, dst=address, dport=port, **began), lan
        return result != "answer"


# --- what is let in ---

def test_the_host_and_its_ports_and_nothing_else(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    assert shut(lab, family.backend, 443, protocol)
    pinhole("443,5000-5100")
    for port in (443, 5000, 5050, 5100):
        answer = lab.internet.ask(family.backend, port, protocol)
        assert (answer.server, answer.peer, answer.local, answer.local_port) == \
            ("backend", family.internet, family.backend, port)
    for port in (80, 5101):
        assert shut(lab, family.backend, port, protocol)
    for port in (443, 5050):
        assert shut(lab, family.backend_2, port, protocol)
        assert shut(lab, family.backend, port, "udp" if protocol == "tcp" else "tcp")


def test_replies_leave_by_the_uplink_of_arrival(router_daemon, family, protocol, pinhole):
    pinhole("443,5000-5100")
    for isp in ("isp1", "isp2"):
        family.way(router_daemon.lab, isp)
        for port in (443, 5050):
            exchange = ask_from_internet(router_daemon.lab, family.backend, port, protocol)
            assert (exchange.answer.server, exchange.replies) == ("backend", [isp])


def test_every_port_of_a_host(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    pinhole("1-65535")
    for port in (80, 443, 5101):
        assert lab.internet.ask(family.backend, port, protocol).server == "backend"
    assert shut(lab, family.backend_2, 80, protocol)
    digit = "4" if family.name == "ipv4" else "6"
    address = family.backend.replace(":", "-")
    listing = lab.router.run(f"nft list set inet portico pinhole{digit}_{protocol}_{address}").stdout
    assert "1-65535 counter packets 3 " in listing


def test_hosts_with_the_same_ports(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    pinhole("443,5000-5100")
    other = pinhole("443,5050-5101", to=family.backend_2)
    for port in (443, 5050, 5100):
        assert lab.internet.ask(family.backend, port, protocol).server == "backend"
        assert lab.internet.ask(family.backend_2, port, protocol).server == "backend2"
    router_daemon.api.delete(f"/forwards/{other['id']}").expect(200)
    assert lab.internet.ask(family.backend, 5050, protocol).server == "backend"
    assert shut(lab, family.backend_2, 443, protocol)
    assert shut(lab, family.backend_2, 5050, protocol)


def test_beside_a_translation_of_the_same_port(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    pinhole("443,5000-5100")
    router_daemon.forward("443,5000-5100", to=family.backend_2, protocols=[protocol], family=family.name)
    for port in (443, 5050):
        assert lab.internet.ask(family.backend, port, protocol).server == "backend"
        assert lab.internet.ask(family.gateways["isp1"], port, protocol).server == "backend2"


# --- options ---

def test_source_list(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    pinhole("443,5000-5100", sources=[family.other])
    for port in (443, 5050):
        assert lab.internet.ask(family.backend, port, protocol, source=family.other).server == "backend"
        assert shut(lab, family.backend, port, protocol, source=family.internet)


def test_one_uplink(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    pinhole("443,5000-5100", uplinks=["isp2"])
    pinhole("80")
    for port in (443, 5050):
        assert shut(lab, family.backend, port, protocol)
    assert lab.internet.ask(family.backend, 80, protocol).server == "backend"
    family.way(lab, "isp2")
    for port in (443, 5050, 80):
        exchange = ask_from_internet(lab, family.backend, port, protocol)
        assert (exchange.answer.server, exchange.replies) == ("backend", ["isp2"])


def test_connections_are_counted(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    one, other = pinhole("443,5000-5100", sources=[family.internet]), pinhole("80")

    def connections(forward):
        return router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["counters"]["connections"]

    for port in (443, 5000, 5100):
        lab.internet.ask(family.backend, port, protocol)
    assert shut(lab, family.backend, 443, protocol, source=family.other), "which is not counted"
    wait_for(lambda: connections(one) == 3, what="three connections")
    assert connections(other) == 0
    router_daemon.api.delete(f"/forwards/{other['id']}").expect(200)
    router_daemon.daemon.restart()
    assert connections(one) == 3


def test_protocol_without_ports(router_daemon, family):
    lab = router_daemon.lab
    kind = socket.AF_INET if family.name == "ipv4" else socket.AF_INET6

    def send(to):
        with lab.internet.socket(kind, socket.SOCK_RAW, socket.IPPROTO_GRE) as gre:
            gre.bind((family.internet, 0))
            gre.sendto(b"\0\0\x08\0" + b"x" * 32, (to, 0))

    router_daemon.forward(to=family.backend, protocols=["gre"], external_ports=None, name="tunnel", **family.fields)
    with lab.router.capture("br-lan") as lan:
        send(family.backend_2)
        send(family.backend)
        lan.wait(direction="out", protocol="47", src=family.internet, dst=family.backend)
        assert not lan.packets(direction="out", protocol="47", dst=family.backend_2)


# --- the rest of the network ---

def test_the_lan_is_unaffected(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    pinhole("443,5000-5100")
    for port in (80, 443, 5050):
        answer = lab.client.ask(family.backend, port, protocol)
        assert answer.server == "backend"
    answer = lab.backend.ask(family.internet, 80, protocol)
    assert answer.server == "internet"


def test_flows_end_with_their_pinhole_and_no_others(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    one, _ = pinhole("443,5000-5050"), pinhole("80,5051-5100")

    def ended(connection):
        try:
            return not connection.ask()
        except OSError:
            return True

    with contextlib.ExitStack() as stack:
        def connect(port):
            connection = stack.enter_context(lab.internet.connect(family.backend, port, protocol, timeout=1.0))
            connection.ask()
            return connection
        gone, stays = [connect(443), connect(5050)], [connect(80), connect(5100)]
        router_daemon.api.delete(f"/forwards/{one['id']}").expect(200)
        for connection in gone:
            wait_for(lambda c=connection: ended(c), what="its flows to end")
        assert not any(ended(connection) for connection in stays)


def test_to_the_router_itself(router_daemon, family, protocol, pinhole):
    lab = router_daemon.lab
    with lab.router.serve(8080, protocol, family.router):
        pinhole("8080", to=family.router)
        answer = lab.internet.ask(family.router, 8080, protocol)
        assert (answer.server, answer.peer) == ("router", family.internet)


# --- backends given as suffixes ---

SUFFIX = FAMILIES["ipv6"]
NEW = "2001:db8:6"


@pytest.fixture
def moving(router_daemon):
    """move(): the ISP delegates another prefix instead; its hosts keep the old addresses too, as hosts do."""
    lab = router_daemon.lab
    undo = []

    def move():
        def do(host, text, back):
            host.ip(text)
            undo.append((host, back))

        for host, device, number in ((lab.router, "br-lan", 1), (lab.backend, "eth0", 2), (lab.client, "eth0", 3),
                                     (lab.backend2, "eth0", 4)):
            do(host, f"addr add {NEW}::{number}/64 dev {device} nodad", f"addr del {NEW}::{number}/64 dev {device}")
            old = f"2001:db8:5::{number}/64 dev {device}"
            do(host, f"addr change {old} preferred_lft 0", f"addr change {old} preferred_lft forever")
        for isp in ("isp1", "isp2"):
            do(lab[isp], f"route add {NEW}::/64 via {SUFFIX.gateways[isp]}", f"route del {NEW}::/64")
        do(lab.internet, f"route add {NEW}::/64 via {SUFFIX.at_internet['isp1']} src {SUFFIX.internet}",
           f"route del {NEW}::/64")
        do(lab.router, f"addr del {SUFFIX.router}/64 dev br-lan", f"addr add {SUFFIX.router}/64 dev br-lan nodad")
        # What is left of the old prefix must be shut by us, and not for want of a route.
        do(lab.router, f"-6 route add {SUFFIX.prefix} dev br-lan", f"-6 route del {SUFFIX.prefix} dev br-lan")

    SUFFIX.way(lab, "isp1")
    yield move
    for host, text in reversed(undo):
        host.ip(text)


def serve_new(stack, lab, protocol):
    for host, number in ((lab.backend, 2), (lab.backend2, 4)):
        for port in (443, 5050):
            stack.enter_context(host.serve(port, protocol, f"{NEW}::{number}"))


def test_suffix_follows_the_prefix(router_daemon, protocol, moving):
    lab = router_daemon.lab
    forward = router_daemon.forward("443,5000-5100", to="::2/-64", family="ipv6", pinhole=True,
                                    protocols=[protocol])
    for port in (443, 5050):
        assert lab.internet.ask(SUFFIX.backend, port, protocol).local == SUFFIX.backend
    moving()
    with contextlib.ExitStack() as stack:
        serve_new(stack, lab, protocol)
        for port in (443, 5050):
            wait_for(lambda p=port: outcome(lab.internet, f"{NEW}::2", p, protocol) == "answer",
                     what="the pinhole under the new prefix")
            answer = lab.internet.ask(f"{NEW}::2", port, protocol)
            assert (answer.server, answer.local, answer.peer) == ("backend", f"{NEW}::2", SUFFIX.internet)
        wait_for(lambda: SUFFIX.backend not in lab.router.run("nft list table inet portico").stdout,
                 what="the old prefix to be given up")
        for port in (443, 5050):
            assert shut(lab, SUFFIX.backend, port, protocol), "the old prefix"
            assert shut(lab, f"{NEW}::4", port, protocol), "another host"
        assert router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["state"]["live"]


def test_translation_to_a_suffix_follows_the_prefix(router_daemon, protocol, moving):
    lab = router_daemon.lab
    public = SUFFIX.gateways["isp1"]
    router_daemon.forward("443", to="::4/-64", family="ipv6", protocols=[protocol])
    answer = lab.internet.ask(public, 443, protocol)
    assert (answer.server, answer.local) == ("backend2", SUFFIX.backend_2)
    assert lab.client.ask(public, 443, protocol).local == SUFFIX.backend_2, "by hairpin"
    moving()
    with contextlib.ExitStack() as stack:
        serve_new(stack, lab, protocol)

        def local(who):
            try:
                return who.ask(public, 443, protocol, timeout=1.0).local
            except OSError:
                return None
        for who in (lab.internet, lab.client, lab.router):
            wait_for(lambda w=who: local(w) == f"{NEW}::4", what="the backend under the new prefix")


def test_a_deprecated_prefix_is_used_as_long_as_it_is_valid(router_daemon, protocol):
    """What is new begins with another prefix; hosts still have addresses of this one, and connections go on."""
    lab = router_daemon.lab
    SUFFIX.way(lab, "isp1")
    router_daemon.forward("443", to="::2/-64", family="ipv6", pinhole=True, protocols=[protocol])
    lab.router.ip(f"addr add {NEW}::1/64 dev br-lan nodad")
    try:
        with lab.internet.connect(SUFFIX.backend, 443, protocol) as connection:
            connection.ask()
            lab.router.ip(f"addr change {SUFFIX.router}/64 dev br-lan preferred_lft 0")
            wait_for(lambda: f"{NEW}::2" in lab.router.run("nft list table inet portico").stdout)
            router_daemon.forward("444", to="192.168.0.2")  # so that flows are looked at
            wait_for(lambda: router_daemon.kernel()["in_sync"])
            for _ in range(3):
                assert connection.ask().server == "backend"
            assert lab.internet.ask(SUFFIX.backend, 443, protocol).server == "backend"
    finally:
        lab.router.ip(f"addr change {SUFFIX.router}/64 dev br-lan preferred_lft forever")
        lab.router.ip(f"addr del {NEW}::1/64 dev br-lan")


def test_no_prefix_for_a_suffix(router_daemon, protocol):
    """Neither a guess nor a stop: it waits."""
    lab = router_daemon.lab
    SUFFIX.way(lab, "isp1")
    forward = router_daemon.forward("443", to="::2/-64", family="ipv6", pinhole=True, protocols=[protocol])
    assert forward["state"]["live"]
    lab.router.ip(f"addr del {SUFFIX.router}/64 dev br-lan")
    lab.router.ip("addr del fd00:db8::1/64 dev br-lan")
    try:
        def reason():
            return router_daemon.api.get(f"/forwards/{forward['id']}").expect(200)["state"]["reason"]
        wait_for(lambda: reason() == "no-prefix", what="the forward to be without a prefix")
    finally:
        lab.router.ip("addr add fd00:db8::1/64 dev br-lan nodad")
        lab.router.ip(f"addr add {SUFFIX.router}/64 dev br-lan nodad")
    wait_for(lambda: outcome(lab.internet, SUFFIX.backend, 443, protocol) == "answer")
