# SPDX-License-Identifier: GPL-2.0-or-later
"""Ranges of ports, each one element of an interval map; and forwards to the router's own addresses."""
import contextlib
import threading

import pytest

from lab.checks import ask_from_internet, isps, outcome
from lab.lab import wait_for
from lab.porticod import TREE

PORTS = (1, 79, 80, 85, 90, 91, 95, 96, 443, 8000, 9000, 9001, 65535)


class Family:
    def __init__(self, name, public, public_2, backend, backend_2, router, internet, nft):
        self.name, self.public, self.public_2 = name, public, public_2
        self.backend, self.backend_2, self.router = backend, backend_2, router
        self.internet, self.nft = internet, nft
        self.fields = {} if name == "ipv4" else {"family": "ipv6"}


FAMILIES = {
    "ipv4": Family("ipv4", "192.0.2.1", "198.51.100.1", "192.168.0.2", "192.168.0.4", "192.168.0.1",
                   "203.0.113.200", "4"),
    "ipv6": Family("ipv6", "2001:db8:1::1", "2001:db8:2::1", "fd00:db8::2", "fd00:db8::4", "fd00:db8::1",
                   "2001:db8:ffff::c8", "6"),
}


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for protocol in ("tcp", "udp"):
        for port in PORTS:
            for host, number in ((home.lab.backend, 2), (home.lab.backend2, 4)):
                host.serve(port, protocol)
                host.serve(port, protocol, f"fd00:db8::{number}")


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


@pytest.fixture
def forward(router_daemon, family, protocol):
    """forward("80-90", ...): of the family and protocol of the test, to the backend."""
    def make(ports, **fields):
        return router_daemon.forward(ports, **{"to": family.backend, "protocols": [protocol], **family.fields,
                                               **fields})
    return make


def elements(router, name):
    """How many elements a map has."""
    listing = router.lab.router.run(f"nft list map inet portico {name}", check=False).stdout
    return listing.count(" : ") - 1 if "elements" in listing else 0


ENDED = 0x40000000  # in the mark of connections that the table ends


def settled(router, protocol, destination, ports):
    """Waits until the connections to ports that lead nowhere now are over: a client that gets the source port of
    one of them again would be taken for it."""
    wait_for(lambda: not any(entry.get("dport") in ports and entry["reply_src"] != destination
                             and not entry["mark"] & ENDED for entry in
                             router.lab.router.conntrack(protocol=protocol, dst=destination)),
             what="the flows to end")


class Questions:
    """One open connection and ever new ones to a port, until the block ends; every answer missed is kept."""

    def __init__(self, host, address, port, protocol):
        self._arguments = (address, port, protocol)
        self._host = host
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.asked, self.missed = 0, []

    def __enter__(self):
        self._thread.start()
        self.more()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def more(self, count=3):
        """Waits for so many answers from now on."""
        enough = self.asked + count
        wait_for(lambda: self.asked >= enough or self.missed, what="answers")

    def _run(self):
        with self._host.connect(*self._arguments, timeout=1.0) as connection:
            while not self._end.is_set():
                try:
                    connection.ask()
                    self._host.ask(*self._arguments, timeout=1.0)
                    self.asked += 1
                except OSError as error:
                    self.missed.append(error)


# --- what a range lets through ---

def test_edges(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    forward("80-90")
    for who in (lab.internet, lab.client, lab.router):
        for port in (80, 85, 90):
            answer = who.ask(family.public, port, protocol)
            assert (answer.server, answer.local_port) == ("backend", port)
    for port in (79, 91):
        assert outcome(lab.internet, family.public, port, protocol) == "refused"
    for isp in isps(lab):
        address = family.public if isp == "isp1" else family.public_2
        exchange = ask_from_internet(lab, address, 85, protocol)
        assert (exchange.answer.peer, exchange.replies) == (family.internet, [isp])


def test_every_port_is_one_element(router_daemon, family, protocol, forward):
    forward("1-65535")
    for port in (1, 80, 65535):
        answer = router_daemon.lab.internet.ask(family.public, port, protocol)
        assert (answer.server, answer.local_port) == ("backend", port)
    assert elements(router_daemon, f"ranges{family.nft}_{protocol}") == 1
    assert elements(router_daemon, f"forwards{family.nft}") == 0
    listing = router_daemon.lab.router.run(f"nft list map inet portico ranges{family.nft}_{protocol}").stdout
    assert "1-65535 counter packets 3 " in listing


def test_other_protocol_is_left_alone(router_daemon, family, protocol, forward):
    other = "udp" if protocol == "tcp" else "tcp"
    forward("1-65535")
    assert outcome(router_daemon.lab.internet, family.public, 80, other) == "refused"
    forward("80-90", to=family.backend_2, protocols=[other])
    assert router_daemon.lab.internet.ask(family.public, 80, protocol).server == "backend"
    assert router_daemon.lab.internet.ask(family.public, 80, other).server == "backend2"


def test_parts_shifted_and_not(router_daemon, family, protocol, forward):
    """80-90 go to themselves as one element, each of the two others to another port."""
    forward("80-90,443,8000-8001", internal_ports="80-90,8000,9000-9001")
    for port, internal in ((80, 80), (90, 90), (443, 8000), (8000, 9000), (8001, 9001)):
        assert router_daemon.lab.internet.ask(family.public, port, protocol).local_port == internal
    assert elements(router_daemon, f"ranges{family.nft}_{protocol}") == 1
    assert elements(router_daemon, f"forwards{family.nft}") == 3


# --- neighbours ---

def test_neighbours_come_and_go_under_traffic(router_daemon, family, protocol, forward):
    """The end of one interval is the beginning of the next: none of them may take the other along."""
    lab = router_daemon.lab

    def server(port):
        try:
            return lab.internet.ask(family.public, port, protocol, timeout=1.0).server
        except OSError:
            return False

    def servers():
        return [server(port) for port in (79, 80, 85, 90, 91, 95, 96)]

    def remove(one, *ports):
        router_daemon.api.delete(f"/forwards/{one['id']}").expect(200)
        if protocol == "udp":
            settled(router_daemon, protocol, family.public, ports)

    a = forward("80-90")
    with Questions(lab.internet, family.public, 85, protocol) as questions:
        steps = [
            (lambda: forward("91-95", to=family.backend_2), [False, *["backend"] * 3, *["backend2"] * 2, False]),
            (lambda: forward("96-443"), [False, *["backend"] * 3, *["backend2"] * 2, "backend"]),
            (lambda: forward("1-79", to=family.backend_2), ["backend2", *["backend"] * 3, *["backend2"] * 2,
                                                            "backend"]),
        ]
        made = []
        for do, wanted in steps:
            made.append(do())
            questions.more()
            assert servers() == wanted
        above, far, below = made
        remove(above, 91, 95)
        assert servers() == ["backend2", *["backend"] * 3, False, False, "backend"]
        remove(below, 79)
        assert servers() == [False, *["backend"] * 3, False, False, "backend"]
        forward("91-95", to=family.backend_2)
        remove(far, 96)
        assert servers() == [False, *["backend"] * 3, "backend2", "backend2", False]
        questions.more()
        assert questions.missed == []
    remove(a, 80, 85, 90)
    assert servers() == [False, False, False, False, "backend2", "backend2", False]


def test_a_range_grows_and_shrinks(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    one = forward("80-90")
    with Questions(lab.internet, family.public, 85, protocol) as questions:
        for ports, inside, outside in (("79-91", (79, 91), (95,)), ("85-95", (95,), (80, 96)),
                                       ("1-65535", (1, 79, 65535), ()), ("85-90", (90,), (80, 91))):
            router_daemon.api.patch(f"/forwards/{one['id']}", {"external_ports": ports}).expect(200)
            questions.more()
            for port in inside:
                assert lab.internet.ask(family.public, port, protocol).local_port == port
            if protocol == "udp":
                settled(router_daemon, protocol, family.public, outside)
            for port in outside:
                assert outcome(lab.internet, family.public, port, protocol) != "answer"
        assert questions.missed == []


def test_counters_survive_neighbours_and_a_restart(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    one = forward("80-90")

    def connections():
        return router_daemon.api.get(f"/forwards/{one['id']}").expect(200)["counters"]["connections"]

    for port in (80, 85, 90):
        lab.internet.ask(family.public, port, protocol)
    wait_for(lambda: connections() == 3, what="three connections")
    other = forward("91-95")
    assert connections() == 3
    router_daemon.daemon.restart()
    assert connections() == 3
    router_daemon.api.delete(f"/forwards/{other['id']}").expect(200)
    lab.internet.ask(family.public, 90, protocol)
    wait_for(lambda: connections() == 4, what="the fourth")


def test_many_neighbours(router_daemon):
    """A thousand ranges without a gap: as many elements, and not a rule more than for one."""
    lab = router_daemon.lab

    def chains():
        return lab.router.run("nft -s list table inet portico").stdout.partition("\tchain ")[2]

    router_daemon.configure(forwards=[{"name": "one", "external_ports": "80-90", "internal_address": "192.168.0.2"}])
    of_one = chains()
    forwards = [{"name": f"r{i}", "external_ports": f"{i * 60 + 1}-{i * 60 + 60}",
                 "internal_address": "192.168.0.4" if i % 2 else "192.168.0.2"} for i in range(1000)]
    router_daemon.configure(forwards=forwards)
    for port in PORTS[:-1]:
        wanted = "backend2" if (port - 1) // 60 % 2 else "backend"
        assert lab.internet.ask("192.0.2.1", port).server == wanted
    assert elements(router_daemon, "ranges4_tcp") == 1000
    assert chains() == of_one
    del forwards[7]
    router_daemon.configure(forwards=forwards)
    assert outcome(lab.internet, "192.0.2.1", 443) == "refused"
    assert elements(router_daemon, "ranges4_tcp") == 999


# --- options ---

def test_source_list(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    listed = "203.0.113.201" if family.name == "ipv4" else "2001:db8:ffff::c8"
    forward("80-90", sources=[listed, "192.168.0.3" if family.name == "ipv4" else "fd00:db8::3"])
    assert lab.internet.ask(family.public, 85, protocol, source=listed).server == "backend"
    assert lab.client.ask(family.public, 85, protocol).server == "backend"
    assert outcome(lab.backend2, family.public, 85, protocol) == "refused"
    if family.name == "ipv4":
        assert outcome(lab.internet, family.public, 85, protocol, source="203.0.113.202") == "refused"


def test_no_hairpin(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    forward("80-90", hairpin=False)
    assert lab.internet.ask(family.public, 85, protocol).server == "backend"
    assert outcome(lab.client, family.public, 85, protocol) == "refused"


def test_one_uplink(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    forward("80-90", uplinks=["isp2"])
    forward("80-90", to=family.backend_2, uplinks=["isp1"])
    for who in (lab.internet, lab.client):
        assert who.ask(family.public_2, 85, protocol).server == "backend"
        assert who.ask(family.public, 85, protocol).server == "backend2"


def test_backend_sees_router(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    forward("80-90", backend_sees="router")
    forward("91-95")
    assert lab.internet.ask(family.public, 85, protocol).peer == family.router
    assert lab.internet.ask(family.public, 91, protocol).peer == family.internet


def test_backends_whose_rewritten_ranges_overlap(router_daemon, protocol):
    """By one uplink 80-90, by the other 85-95 of one backend: the kernel refuses intervals that overlap."""
    lab = router_daemon.lab
    for ports, isp in (("80-90", "isp1"), ("85-95", "isp2")):
        router_daemon.forward(ports, protocols=[protocol], uplinks=[isp], backend_sees="router")
    for address, port in (("192.0.2.1", 80), ("192.0.2.1", 90), ("198.51.100.1", 85), ("198.51.100.1", 95)):
        assert lab.internet.ask(address, port, protocol).peer == "192.168.0.1"


def test_flows_end_with_their_range_and_no_others(router_daemon, family, protocol, forward):
    lab = router_daemon.lab
    one, _ = forward("80-90"), forward("91-95")
    with contextlib.ExitStack() as stack:
        def connect(port):
            connection = stack.enter_context(lab.internet.connect(family.public, port, protocol, timeout=1.0))
            connection.ask()
            return connection
        gone, stays = connect(90), connect(91)
        router_daemon.api.delete(f"/forwards/{one['id']}").expect(200)

        def ended():
            try:
                return not gone.ask()
            except OSError:
                return True
        wait_for(ended, what="the flow of the range that went")
        assert stays.ask().server == "backend"


# --- to the router itself ---

@pytest.fixture
def own_service(router_daemon, family, protocol):
    """A service of the router's on its LAN address, as its page is."""
    with router_daemon.lab.router.serve(8080, protocol, family.router):
        yield


@pytest.mark.parametrize("ports", [{"ports": "1080", "internal_ports": "8080"}, {"ports": "8080"},
                                   {"ports": "8000-8100"}], ids=["other-port", "same-port", "range"])
def test_forward_to_the_router_itself(router_daemon, family, protocol, forward, own_service, ports):
    lab = router_daemon.lab
    port = int(ports["ports"].split("-")[0]) if "internal_ports" in ports else 8080
    assert outcome(lab.internet, family.public, port, protocol) == "refused"
    forward(to=family.router, **ports)
    for isp in isps(lab):
        address = family.public if isp == "isp1" else family.public_2
        exchange = ask_from_internet(lab, address, port, protocol)
        assert (exchange.answer.server, exchange.answer.local) == ("router", family.router)
        assert (exchange.answer.peer, exchange.replies) == (family.internet, [isp])
    for who in (lab.client, lab.router):
        answer = who.ask(family.public, port, protocol)
        assert (answer.server, answer.local, answer.local_port) == ("router", family.router, 8080)


def test_forward_to_the_router_itself_beside_fw4(router_daemon, family, protocol, forward, own_service):
    """fw4 refuses on input what comes by an uplink; what a forward let in passes by the include."""
    lab = router_daemon.lab
    fw4 = """
    table inet fw4
    delete table inet fw4
    table inet fw4 {
        chain input {
            type filter hook input priority filter; policy drop;
            %s
            ct state vmap { established : accept, related : accept }
            meta l4proto ipv6-icmp accept
            iifname { "br-lan", "lo" } accept
        }
        chain forward {
            type filter hook forward priority filter; policy drop;
        }
    }
    """
    forward("1080", internal_ports="8080", to=family.router)
    lab.router.nft(fw4 % "")
    try:
        assert outcome(lab.internet, family.public, 1080, protocol) == "silence"
        lab.router.nft(fw4 % f'include "{TREE / "init" / "portico.nft"}"')
        assert lab.internet.ask(family.public, 1080, protocol).server == "router"
        for who in (lab.client, lab.router):
            assert who.ask(family.public, 1080, protocol).server == "router"
    finally:
        lab.router.nft("delete table inet fw4")
