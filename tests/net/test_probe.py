# SPDX-License-Identifier: GPL-2.0-or-later
"""kernel/probe.c on real packets: by which uplink a probe leaves, and what counts as its answer.

The lab is topologies.home(). Nothing but the probe's own device and mark leads to isp2: the router's main table knows
isp1 alone, and a rule of somebody else's sends what goes to the targets there, too.
"""
import signal
import socket
import struct
import time

import pytest

from lab import topologies
from lab.capture import BUFFER_BYTES, SO_RCVBUFFORCE
from lab.driver import Driver
from lab.lab import Lab, wait_for
from lab.porticod import build_dir

MARK, TABLE = 0x02000000, 20002
TARGET = {4: "203.0.113.200", 6: "2001:db8:ffff::c8"}
OTHER = {4: "203.0.113.201", 6: "2001:db8:ffff::c9"}   # of the same host
UPLINK = {4: "198.51.100.1", 6: "2001:db8:2::1"}
SECOND = {4: "198.51.100.9", 6: "2001:db8:2::9"}       # an address that the kernel does not choose by itself
PORTS = {"icmp": 0, "tcp": 80, "dns": 53}
ECHO = {4: (8, 0), 6: (128, 129)}       # request, reply
WIRE = {("icmp", 4): "icmp", ("icmp", 6): "icmpv6", ("tcp", 4): "tcp", ("tcp", 6): "tcp",
        ("dns", 4): "udp", ("dns", 6): "udp"}
SOCKETS_MAX, GIVEN_UP_S = 32, 10        # of probe.h
FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
ICMP_FILTER, ICMP6_FILTER = 1, 1        # options of SOL_RAW and IPPROTO_ICMPV6


def add_routes(router):
    """Those of the second uplink, as porticod has them."""
    router.ip("route flush table main exact default")
    router.ip("-6 route flush table main exact default")
    router.ip("route add default via 192.0.2.254 dev eth0")
    router.ip("-6 route add default via 2001:db8:1::fe dev eth0")
    for family, gateway in (("-4", "198.51.100.254"), ("-6", "2001:db8:2::fe")):
        router.ip(f"{family} route replace default via {gateway} dev eth1 table {TABLE}")


def prepare(lab):
    router = lab.router
    add_routes(router)
    for family, gateway in (("-4", "192.0.2.254"), ("-6", "2001:db8:1::fe")):
        router.ip(f"{family} route add default via {gateway} dev eth0 table 99")
        router.ip(f"{family} rule add pref 100 to {TARGET[int(family[1])]} lookup 99")
        router.ip(f"{family} rule add pref 5000 lookup main suppress_prefixlength 0")
        router.ip(f"{family} rule add pref 5302 fwmark {MARK:#x}/0x7f000000 lookup {TABLE}")
        router.ip(f"{family} rule add pref 5502 fwmark {MARK:#x}/0x7f000000 unreachable")
    router.sysctl("net.ipv4.conf.eth1.rp_filter", 2)
    router.ip(f"addr add {SECOND[4]}/24 dev eth1")
    router.ip(f"addr add {SECOND[6]}/64 dev eth1 nodad preferred_lft 0")
    lab.internet.ip(f"addr add {OTHER[6]}/128 dev lo nodad")
    for address in TARGET.values():
        lab.internet.serve(PORTS["tcp"], address=address)


@pytest.fixture(scope="module")
def program(built):
    made = build_dir() / "probe_driver"
    if not made.exists():
        pytest.fail(f"no {made}: make drivers first")
    return made


class ProbeDriver(Driver):
    def new(self, method, source4=UPLINK[4], source6=UPLINK[6], device="eth1", mark=MARK):
        self.method = method
        self.ask(f"new {method} {device} {mark:#x} {source4 or '-'} {source6 or '-'}")

    def errors(self, address, token, count=1, port=None):
        """Sends, and returns the names of the errors."""
        return self.ask(f"send {address} {PORTS[self.method] if port is None else port} {token} {count}")

    def send(self, address, token, count=1, port=None):
        assert self.errors(address, token, count, port) == []

    def answers(self):
        """Those since last asked: (token, latency in seconds)."""
        return [(int(token), int(latency) / 1e6) for token, latency in map(str.split, self.ask("answers"))]

    def wait(self, count=1, timeout=5.0):
        """The next answers, when there are so many."""
        got = []

        def enough():
            got.extend(self.answers())
            return len(got) >= count
        wait_for(enough, timeout, f"{count} answers, there are {got}")
        assert all(latency > 0 for _, latency in got), got
        return got

    def descriptors(self):
        return int(self.ask("descriptors")[0])


def start(lab, program, wrapper=()):
    return ProbeDriver(lab.router, program, wrapper)


@pytest.fixture(scope="module")
def lab(program, lab_factory):
    made = lab_factory(topologies.home())
    prepare(made)
    return made


@pytest.fixture
def driver(lab, program):
    made = start(lab, program)
    yield made
    made.close()


# --- targets that answer when the test wants it ---

def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Pinged:
    """Gets echo requests instead of the kernel of the internet."""

    def __init__(self, lab, version):
        self.host, self.version = lab.internet, version
        self.ignore = "net.ipv4.icmp_echo_ignore_all" if version == 4 else "net.ipv6.icmp.echo_ignore_all"
        self.host.sysctl(self.ignore, 1)
        self.sockets = {}
        self.socket = self.socket_of(TARGET[version])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.host.sysctl(self.ignore, 0)
        for one in self.sockets.values():
            one.close()

    def socket_of(self, address):
        if address not in self.sockets:
            protocol = socket.IPPROTO_ICMP if self.version == 4 else socket.IPPROTO_ICMPV6
            one = self.sockets[address] = self.host.socket(FAMILY[self.version], socket.SOCK_RAW, protocol)
            # Hundreds of packets, each of which counts as some kilobytes on machines with long cache lines.
            one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
            one.bind((address, 0))
            one.settimeout(3)
        return self.sockets[address]

    def request(self):
        """The next one: its sender, and the message."""
        while True:
            data, peer = self.socket.recvfrom(256)
            message = data[(data[0] & 15) * 4:] if self.version == 4 else data
            if message[0] == ECHO[self.version][0]:
                return peer, message

    def reply(self, request, id_=None, sequence=None, cookie=None, sender=None, type_=None, spoiled=False):
        """What is not None differs from the right answer."""
        peer, message = request
        was_id, was_sequence = struct.unpack_from("!HH", message, 4)
        body = struct.pack("!HH", was_id if id_ is None else id_, was_sequence if sequence is None else sequence)
        body += message[8:] if cookie is None else cookie
        head = bytes([ECHO[self.version][1] if type_ is None else type_, 0])
        number = (checksum(head + b"\0\0" + body) ^ spoiled) if self.version == 4 else 0
        self.socket_of(sender or TARGET[self.version]).sendto(head + struct.pack("!H", number) + body, peer)


class Asked:
    """A name server of the internet."""

    def __init__(self, lab, version, address=None, port=53):
        self.socket = lab.internet.socket(FAMILY[version], socket.SOCK_DGRAM)
        self.socket.bind((address or TARGET[version], port))
        self.socket.settimeout(3)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def request(self):
        query, peer = self.socket.recvfrom(512)
        assert query[2:] == bytes.fromhex("0100 0001 0000 0000 0000 00 0002 0001")
        return peer, query

    def reply(self, request, id_=None, flags=0x8180, question=None, by=None):
        peer, query = request
        head = query[:2] if id_ is None else id_
        response = head + struct.pack("!H", flags) + query[4:12] + (query[12:] if question is None else question)
        (by or self).socket.sendto(response, peer)


# --- the way ---

@pytest.mark.parametrize("source", [UPLINK, SECOND, None], ids=["first", "second", "chosen"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("method", ["icmp", "tcp", "dns"])
def test_leaves_by_its_uplink(lab, driver, method, version, source):
    target, protocol = TARGET[version], WIRE[method, version]
    expected = (source or UPLINK)[version]
    with lab.isp1.capture("router") as wrong, lab.isp2.capture("router") as right:
        driver.new(method, source and source[4], source and source[6])
        if method == "dns":
            with Asked(lab, version) as server:
                driver.send(target, 7)
                server.reply(server.request())
                answers = driver.wait()
        else:
            driver.send(target, 7)
            answers = driver.wait()
        asked = right.wait(protocol=protocol, direction="in", dst=target)[0]
        assert (asked.src, asked.sport if method == "icmp" else asked.dport) == \
               (expected, ECHO[version][0] if method == "icmp" else PORTS[method])
        right.wait(protocol=protocol, direction="out", src=target, dst=expected)
        assert wrong.packets(dst=target) == [] and wrong.packets(src=target) == []
    (token, latency), = answers
    print(f"{method} over IPv{version}: {latency * 1e6:.0f} us")
    assert token == 7 and 0 < latency < 1


def test_without_its_mark_it_would_not_arrive(lab, driver):
    """The counter-check: the device alone is not enough."""
    driver.new("icmp", mark=0)
    with lab.isp2.capture("router") as seen:
        driver.send(TARGET[4], 1)          # to whoever answers ARP for it there: nobody
        assert driver.errors(TARGET[6], 2) == ["ENETUNREACH"]
        driver.new("icmp")
        driver.send(TARGET[4], 3)
        assert [token for token, _ in driver.wait()] == [3]
        assert len(seen.packets(protocol="icmp", direction="in", dst=TARGET[4])) == 1


def test_link_local_gateway(lab, driver):
    """What router advertisements name as gateway: the device says which link is meant."""
    gateway, = (line.split()[1].split("/")[0] for line in
                lab.isp2.ip("-6 addr show dev router scope link").splitlines() if "inet6" in line)
    lab.isp2.serve(80, address="::")
    for method in ("icmp", "tcp"):
        driver.new(method)
        driver.send(gateway, 1)
        assert [token for token, _ in driver.wait()] == [1]


def test_a_connection_is_reset_at_once(lab, driver):
    driver.new("tcp")
    before = driver.descriptors()
    with lab.isp2.capture("router") as seen:
        driver.send(TARGET[4], 1)
        driver.wait()
        assert driver.descriptors() == before
        seen.wait(protocol="tcp", direction="in", flags="RA")
        assert [p.flags for p in seen.packets(protocol="tcp", direction="in")] == ["S", "A", "RA"]
    assert lab.router.run("ss -Htan dst 203.0.113.200").stdout == ""


# --- late ---

@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("method", ["icmp", "dns"])
def test_late_answer(lab, driver, method, version):
    """It may come after those to later probes, and is told with its own latency."""
    driver.new(method)
    with (Pinged if method == "icmp" else Asked)(lab, version) as target:
        driver.send(TARGET[version], 1)
        late = target.request()
        begun = time.monotonic()
        for token in (2, 3):
            driver.send(TARGET[version], token)
            target.reply(target.request())
            assert [got for got, _ in driver.wait()] == [token]
        at_least = time.monotonic() - begun
        target.reply(late)
        (token, latency), = driver.wait()
        assert token == 1 and at_least < latency < 5
        target.reply(late)                  # told once
        driver.send(TARGET[version], 4)
        target.reply(target.request())
        assert [got for got, _ in driver.wait()] == [4]


@pytest.mark.parametrize("version", [4, 6])
def test_late_connection(lab, driver, version):
    """The first SYN is lost; the kernel's second one, a second later, is answered."""
    driver.new("tcp")
    lab.isp2.nft("table inet hole { chain forward { type filter hook forward priority 0; tcp dport 80 drop; }; }")
    try:
        with lab.isp2.capture("router") as seen:
            driver.send(TARGET[version], 1)
            seen.wait(protocol="tcp", direction="in", flags="S")
    finally:
        lab.isp2.nft("delete table inet hole")
    (token, latency), = driver.wait()
    assert token == 1 and 0.9 < latency < 5


# --- what is no answer ---

@pytest.mark.parametrize("version", [4, 6])
def test_false_echo_replies(lab, driver, version):
    driver.new("icmp")
    with Pinged(lab, version) as target:
        driver.send(TARGET[version], 1)
        first = target.request()
        id_, sequence = struct.unpack_from("!HH", first[1], 4)
        target.reply(first, cookie=bytes(8))
        target.reply(first, cookie=first[1][8:] + b"more")
        target.reply(first, cookie=first[1][8:15])
        target.reply(first, cookie=b"")
        target.reply(first, id_=id_ ^ 1)
        target.reply(first, sequence=sequence ^ 1)
        target.reply(first, type_=ECHO[version][0])
        target.reply(first, sender=OTHER[version])
        if version == 4:
            target.reply(first, spoiled=True)
        driver.send(TARGET[version], 2)
        second = target.request()
        target.reply(second, cookie=first[1][8:])
        target.reply(second)
        # They come in the order in which they were sent: by now all false ones have been seen.
        assert [token for token, _ in driver.wait()] == [2]
        target.reply(first)
        assert [token for token, _ in driver.wait()] == [1]


def test_cookies_and_ids_are_not_to_be_guessed(lab, driver):
    ids, cookies = set(), []
    with Pinged(lab, 4) as target:
        for _ in range(3):
            driver.new("icmp")
            driver.send(TARGET[4], 1, 5)
            requests = [target.request()[1] for _ in range(5)]
            assert [struct.unpack_from("!H", r, 6)[0] for r in requests] == [0, 1, 2, 3, 4]
            assert len({r[4:6] for r in requests}) == 1
            ids.add(requests[0][4:6])
            cookies += [r[8:] for r in requests]
    assert len(ids) > 1 and len(set(cookies)) == len(cookies) and {len(c) for c in cookies} == {8}


def test_false_dns_responses(lab, driver):
    driver.new("dns")
    with Asked(lab, 4) as server, Asked(lab, 4, OTHER[4]) as other, Asked(lab, 4, port=5353) as elsewhere:
        driver.send(TARGET[4], 1)
        first = server.request()
        server.reply(first, id_=bytes(b ^ 1 for b in first[1][:2]))
        server.reply(first, flags=0x0100)                              # a query
        server.reply(first, flags=0x8800)                              # of another opcode
        server.reply(first, question=bytes.fromhex("00 0001 0001"))
        server.reply(first, question=b"")
        server.reply(first, by=other)
        server.reply(first, by=elsewhere)
        driver.send(TARGET[4], 2)
        second = server.request()
        server.reply(second, flags=0x8005)                             # refused: it answers
        assert [token for token, _ in driver.wait()] == [2]
        server.reply(first, flags=0x8183)                              # no such name: it answers
        assert [token for token, _ in driver.wait()] == [1]
        driver.send(TARGET[4], 3, port=5353)
        elsewhere.reply(elsewhere.request())
        assert [token for token, _ in driver.wait()] == [3]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("outcome", ["refused", "unreachable"])
def test_refused_connection(lab, driver, version, outcome):
    driver.new("tcp")
    before = driver.descriptors()
    if outcome == "unreachable":
        lab.isp2.ip(f"-{version} route add unreachable {TARGET[version]}")
    try:
        with lab.isp2.capture("router") as seen:
            driver.send(TARGET[version], 1, port=81)
            if outcome == "refused":
                seen.wait(protocol="tcp", direction="out", flags="RA")
            wait_for(lambda: driver.descriptors() == before, 3, "the socket to be closed")
    finally:
        if outcome == "unreachable":
            lab.isp2.ip(f"-{version} route del unreachable {TARGET[version]}")
    assert driver.answers() == []
    driver.send(TARGET[4], 2)
    assert [token for token, _ in driver.wait()] == [2]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("method", ["icmp", "dns"])
def test_icmp_errors_are_no_answer(lab, driver, method, version):
    """And do no harm to what is under way to other targets."""
    target = TARGET[version]
    driver.new(method)
    with (Pinged if method == "icmp" else Asked)(lab, version) as server:
        driver.send(target, 1)
        request = server.request()
        lab.isp2.ip(f"-{version} route add unreachable {target}")
        try:
            with lab.isp2.capture("router") as seen:
                driver.send(target, 2)
                seen.wait(protocol="icmp" if version == 4 else "icmpv6", direction="out",
                          sport=3 if version == 4 else 1)
        finally:
            lab.isp2.ip(f"-{version} route del unreachable {target}")
        driver.send(target, 3)
        last = server.request()
        server.reply(last)
        server.reply(request)
        assert [token for token, _ in driver.wait(2)] == [3, 1]


# --- the device ---

def plug(lab):
    """The link to the second ISP again, after its device was deleted."""
    topology = lab.topology
    lab.router.run(["ip", "-batch", "-"], stdin=lab._veth("router.eth1", "isp2.router") + "\n")
    for name, device in (("router", "eth1"), ("isp2", "router")):
        for address in topology.nodes[name].addresses[device]:
            lab[name].ip(f"addr add {address} dev {device}{' nodad' if ':' in address else ''}")
        lab[name].ip(f"link set {device} up")
    wait_for(lambda: lab.router.links_are_up() and lab.isp2.links_are_up(), what="the link")
    lab.router.sysctl("net.ipv4.conf.eth1.rp_filter", 2)
    add_routes(lab.router)


@pytest.fixture
def own_lab(program):
    with Lab(topologies.home()) as made:
        prepare(made)
        yield made


def test_device_is_made_again(own_lab, program):
    lab = own_lab
    drivers = {method: start(lab, program) for method in ("icmp", "tcp", "dns")}
    with Asked(lab, 4) as server4, Asked(lab, 6) as server6:
        def go_on(token):
            for method, driver in drivers.items():
                for version, server in ((4, server4), (6, server6)):
                    driver.send(TARGET[version], token)
                    if method == "dns":
                        server.reply(server.request())
                    assert [got for got, _ in driver.wait()] == [token]

        for method, driver in drivers.items():
            driver.new(method)
        go_on(1)
        open_before = {method: driver.descriptors() for method, driver in drivers.items()}
        for _ in range(3):
            lab.router.ip("link del eth1")
            for driver in drivers.values():
                assert driver.errors(TARGET[4], 2) == ["ENODEV"]
                assert driver.errors(TARGET[6], 2) == ["ENODEV"]
            plug(lab)
            go_on(3)
        # Another device has the name: the old one is not ours any more, and yet it works.
        lab.router.ip("link set eth1 down")
        lab.router.ip("link set eth1 name away")
        lab.router.ip("link set away up")
        lab.router.ip("link add eth1 type bridge")
        lab.router.ip("link set eth1 up")
        wait_for(lab.router.links_are_up)
        lab.router.ip(f"route replace default via 198.51.100.254 dev away table {TABLE}")
        lab.router.sysctl("net.ipv4.conf.away.rp_filter", 2)
        with lab.isp2.capture("router") as seen:
            for driver in drivers.values():
                driver.errors(TARGET[4], 4)
            other = start(lab, program)
            other.new("icmp", device="away")
            other.send(TARGET[4], 4)
            other.wait()
            other.close()
            assert len(seen.packets(direction="in", dst=TARGET[4])) == 1
        lab.router.ip("link del eth1")
        lab.router.ip("link del away")
        plug(lab)
        go_on(5)
        # Down and up, its addresses with it.
        lab.router.ip("link set eth1 down")
        for driver in drivers.values():
            assert driver.errors(TARGET[4], 6) != [] and driver.errors(TARGET[6], 6) != []
        lab.router.ip("link del eth1")
        plug(lab)
        go_on(7)
        # The address goes and comes back, as a lease does. IPv6 does not look at it again when it sends.
        lab.router.ip(f"addr del {UPLINK[4]}/24 dev eth1")
        lab.router.ip(f"addr del {UPLINK[6]}/64 dev eth1")
        for driver in drivers.values():
            assert driver.errors(TARGET[4], 8) != []
        lab.router.ip(f"addr add {UPLINK[4]}/24 dev eth1")
        lab.router.ip(f"addr add {UPLINK[6]}/64 dev eth1 nodad")
        add_routes(lab.router)
        go_on(9)
        assert {method: driver.descriptors() for method, driver in drivers.items()} == open_before
    for driver in drivers.values():
        driver.close()


# --- bounds ---

def test_no_descriptor_stays_open(lab, driver):
    at_rest = driver.descriptors()
    with Asked(lab, 4) as server:
        for method, at_once, rounds in (("icmp", 200, 10), ("tcp", SOCKETS_MAX, 50), ("dns", 50, 40)):
            driver.new(method)
            for _ in range(rounds):
                driver.send(TARGET[4], 0, at_once)
                for _ in range(at_once if method == "dns" else 0):
                    server.reply(server.request())
                assert sorted(token for token, _ in driver.wait(at_once)) == list(range(at_once))
                assert driver.descriptors() == at_rest + (0 if method == "tcp" else 1)
            driver.ask("free")
            assert driver.descriptors() == at_rest


def test_silent_targets(lab, driver):
    """Nobody answers: the oldest makes way for a new one, and in the end all sockets are closed."""
    lab.isp2.nft("table inet hole { chain forward { type filter hook forward priority 0;"
                 f" ip daddr {TARGET[4]} drop; }}; }}")
    try:
        driver.new("icmp")
        at_rest = driver.descriptors()
        driver.send(TARGET[4], 0, 2000)
        assert driver.descriptors() == at_rest + 1
        driver.new("tcp")
        for _ in range(10):
            driver.send(TARGET[4], 0, 200)
            assert driver.descriptors() == at_rest + SOCKETS_MAX
        begun = time.monotonic()
        wait_for(lambda: driver.descriptors() == at_rest, GIVEN_UP_S + 5, "all sockets to be closed", interval=0.2)
        assert time.monotonic() - begun > GIVEN_UP_S - 1
        driver.send(TARGET[4], 0, 5)
        assert driver.descriptors() == at_rest + 5
        driver.ask("free")
        assert driver.descriptors() == at_rest
    finally:
        lab.isp2.nft("delete table inet hole")
    assert driver.answers() == []


@pytest.mark.parametrize("count", [255, 256])
def test_oldest_is_forgotten(lab, driver, count):
    driver.new("icmp")
    with Pinged(lab, 4) as target:
        driver.send(TARGET[4], 1)
        oldest = target.request()
        driver.send(TARGET[4], 1000, count)
        requests = [target.request() for _ in range(count)]
        target.reply(oldest)
        target.reply(requests[-1])
        expected = ([1] if count < 256 else []) + [1000 + count - 1]
        assert [token for token, _ in driver.wait(len(expected))] == expected


@pytest.mark.parametrize("method", ["icmp", "tcp", "dns"])
def test_prober_is_freed_by_its_answer(lab, driver, method):
    at_rest = driver.descriptors()
    driver.new(method)
    driver.ask("last")
    with Asked(lab, 4) as server:
        driver.send(TARGET[4], 0, 20)
        for _ in range(20 if method == "dns" else 0):
            server.reply(server.request())
        assert len(driver.wait()) == 1
    assert driver.descriptors() == at_rest


def echo_reply(body):
    return b"\0\0" + struct.pack("!H", checksum(b"\0\0\0\0" + body)) + body


def test_a_flood_starves_nobody(lab, driver):
    """Echo replies that nobody asked for, of other ids and of the right one, as fast as they can be sent."""
    driver.new("icmp")
    with Pinged(lab, 4) as target:
        driver.send(TARGET[4], 1)
        peer, message = request = target.request()
        foreign, wrong = echo_reply(bytes(12)), echo_reply(message[4:8] + bytes(8))
        slowest = 0
        for _ in range(100):
            for _ in range(200):
                target.socket.sendto(foreign, peer)
                target.socket.sendto(wrong, peer)
            begun = time.monotonic()
            assert driver.answers() == []
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < 1
        driver.send(TARGET[4], 2)
        target.reply(target.request())
        assert [token for token, _ in driver.wait()] == [2]
        target.reply(request)
        assert [token for token, _ in driver.wait()] == [1]


@pytest.mark.parametrize("version", [4, 6])
def test_answers_to_others_take_no_room(lab, driver, version):
    """The kernel sorts them out: nothing of them is in the queue when the answer comes."""
    driver.new("icmp")
    with Pinged(lab, version) as target:
        driver.send(TARGET[version], 1)
        peer, message = request = target.request()
        other = struct.unpack_from("!H", message, 4)[0] ^ 1
        driver.process.send_signal(signal.SIGSTOP)
        try:
            with lab.router.capture("eth1") as seen:
                for sent in range(100, 2001, 100):      # a queue holds some 300
                    for _ in range(100):
                        target.reply(request, id_=other)
                    seen.wait(sent, protocol=WIRE["icmp", version], direction="in", dst=UPLINK[version])
            target.reply(request)
        finally:
            driver.process.send_signal(signal.SIGCONT)
        assert [token for token, _ in driver.wait()] == [1]


# --- privilege ---

def test_capabilities_that_it_takes(lab, program):
    wrapper = ["setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_admin,+net_raw"]
    driver = start(lab, program, wrapper)
    for method in ("icmp", "tcp"):
        driver.new(method)
        driver.send(TARGET[4], 1)
        assert [token for token, _ in driver.wait()] == [1]
    driver.close()
    driver = start(lab, program, ["setpriv", "--inh-caps=-all", "--bounding-set=-all,+net_admin"])
    driver.new("icmp")
    assert driver.errors(TARGET[4], 1) == ["EPERM"]
    driver.close()
