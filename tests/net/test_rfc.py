# SPDX-License-Identifier: GPL-2.0-or-later
"""What RFC 4787 (UDP), 5382 (TCP), 5508 (ICMP) and 7857 ask of a NAT, where Portico or the kernel keeps it.

    4787 REQ-2  one client keeps one external address           test_paired_pooling
    4787 REQ-3  no port overloading                             test_no_two_clients_on_one_port
    4787 REQ-5  a UDP mapping lives for two minutes             test_udp_mapping_lifetime
    4787 REQ-9  hairpinning, REQ-9a with the external address   test_s1.py
    4787 REQ-12 an ICMP error does not end a mapping            test_icmp_error_leaves_the_mapping
    4787 REQ-14 fragments                                       test_s3.py
    5382 REQ-4  no answer to an unsolicited SYN for 6 s         (not kept: a closed port is refused at once)
    5382 REQ-5  an idle TCP connection lives for 2 h 4 min      test_tcp_connection_lifetime
    5382 REQ-7  hairpinning for TCP                             test_s1.py
    5508 REQ-1  ICMP queries are translated                     test_ping
    5508 REQ-3  ICMP errors are translated, with what they quote  test_s3.py
    5508 REQ-7  hairpinning of ICMP errors                      test_hairpin_of_icmp_errors
"""
import socket
import struct

import pytest

from lab.checks import outcome

SERVER, PUBLIC = "203.0.113.200", "192.0.2.1"


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for protocol in ("tcp", "udp"):
        home.lab.internet.serve(80, protocol, SERVER)
        home.lab.internet.serve(80, protocol, "203.0.113.201")
        home.lab.backend.serve(80, protocol)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_paired_pooling(router_daemon, protocol):
    peers = {router_daemon.lab.client.ask(server, 80, protocol).peer for server in (SERVER, "203.0.113.201") * 5}
    assert peers == {PUBLIC}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_no_two_clients_on_one_port(router_daemon, protocol):
    lab = router_daemon.lab
    with lab.client.connect(SERVER, 80, protocol, source_port=20001) as one, \
            lab.backend2.connect(SERVER, 80, protocol, source_port=20001) as other:
        assert (one.ask().peer, one.ask().peer_port) == (PUBLIC, 20001), "the port is kept where it can be"
        assert other.ask().peer_port != one.ask().peer_port


def timeout_of(router, name):
    return int(router.sysctl(f"net.netfilter.nf_conntrack_{name}"))


def test_udp_mapping_lifetime(router_daemon):
    assert timeout_of(router_daemon.lab.router, "udp_timeout_stream") >= 120


def test_tcp_connection_lifetime(router_daemon):
    assert timeout_of(router_daemon.lab.router, "tcp_timeout_established") >= 2 * 3600 + 4 * 60


def test_icmp_error_leaves_the_mapping(router_daemon):
    lab = router_daemon.lab
    with lab.client.connect(SERVER, 80, "udp", source_port=20002) as connection:
        before = connection.ask().peer_port
        lab.internet.nft("table ip t { chain input { type filter hook input priority 0; udp dport 80 reject; }; }")
        try:
            with pytest.raises(ConnectionRefusedError):
                connection.ask()
        finally:
            lab.internet.run("nft delete table ip t")
        assert connection.ask().peer_port == before


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ping(host, address, identifier=4711):
    """Whether an echo comes back."""
    request = struct.pack("!BBHHH", 8, 0, 0, identifier, 1)
    request = request[:2] + struct.pack("!H", checksum(request)) + request[4:]
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
        icmp.settimeout(1.0)
        icmp.sendto(request, (address, 0))
        while True:
            try:
                answer = icmp.recv(1500)
            except TimeoutError:
                return False
            kind, _, _, seen = struct.unpack_from("!BBHH", answer, 20)
            if (kind, seen) == (0, identifier):
                return True


def test_ping(router_daemon):
    """Two clients with one identifier, out through source NAT; and the router itself, from everywhere."""
    lab = router_daemon.lab
    with lab.isp1.capture("router") as isp1:
        assert ping(lab.client, SERVER) and ping(lab.backend2, SERVER)
        assert {p.src for p in isp1.packets(direction="in", protocol="icmp")} == {PUBLIC}
    for address in (PUBLIC, "198.51.100.1"):
        assert ping(lab.internet, address) and ping(lab.client, address)


def test_hairpin_of_icmp_errors(router_daemon):
    """A closed port of the backend, called by its public address from the LAN: the refusal comes back."""
    router_daemon.forward(81, protocols=["udp"])
    assert outcome(router_daemon.lab.client, PUBLIC, 81, "udp") == "refused"
