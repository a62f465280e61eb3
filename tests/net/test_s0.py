# SPDX-License-Identifier: GPL-2.0-or-later
"""S0, follow one packet through a forward: four states, told apart by where the packet is last seen.

    client 192.168.18.25 --- eth0 192.168.18.58 [router] 192.168.2.90 eth1 --+-- backend 192.168.2.73
                                                                             +-- other   192.168.2.1
"""
import pytest

from lab import topologies
from lab.checks import legs, outcome
from lab.porticod import Porticod

PUBLIC, CLIENT, BACKEND, ELSEWHERE = "192.168.18.58", "192.168.18.25", "192.168.2.73", "192.168.2.1"
FORWARD = {"name": "s0", "external_ports": "8888", "internal_address": BACKEND, "internal_ports": "9999"}


@pytest.fixture(scope="module")
def router(built, lab_factory):
    lab = lab_factory(topologies.one_router())
    lab.backend.serve(9999)
    lab.backend.serve(9999, "udp")
    with Porticod(lab.router) as daemon:
        yield daemon


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


@pytest.fixture
def start(router):
    """start(forward=..., settings=...): the configuration, then captures of both devices."""
    captures = []

    def begin(forwards=(), settings=None):
        router.api.put("/config", {
            "uplinks": [{"name": "outside", "device": "eth0"}], "networks": [{"name": "lan", "devices": ["eth1"]}],
            "forwards": list(forwards), "settings": settings or {}}).expect(200)
        captures.extend(router.host.capture(device) for device in ("eth0", "eth1"))
        return captures

    yield begin
    for capture in captures:
        capture.close()
    router.check_log()


def forward(protocol):
    return {**FORWARD, "protocols": [protocol]}


def test_without_a_forward_the_router_refuses(router, start, protocol):
    eth0, eth1 = start()
    assert outcome(router.host.lab.client, PUBLIC, 8888, protocol) == "refused"
    assert eth0.packets(direction="in", dst=PUBLIC, dport=8888)
    if protocol == "tcp":
        assert eth0.packets(direction="out", dst=CLIENT, sport=8888, flags="RA"), eth0
    else:
        assert eth0.packets(direction="out", dst=CLIENT, protocol="icmp", sport=3, dport=3), eth0
    assert not eth1.packets(src=CLIENT), eth1


def test_without_ip_forward_the_packet_ends_in_prerouting(router, start, protocol):
    eth0, eth1 = start([forward(protocol)], {"manage_sysctls": False})
    router.host.sysctl("net.ipv4.ip_forward", 0)
    assert outcome(router.host.lab.client, PUBLIC, 8888, protocol) == "silence"
    assert router.host.sysctl("net.ipv4.ip_forward") == "0", "the daemon was told to leave it alone"
    assert eth0.packets(direction="in", dst=PUBLIC, dport=8888)
    assert not eth0.packets(direction="out", dst=CLIENT, protocol=protocol), eth0
    assert not eth1.packets(src=CLIENT) and not eth1.packets(dst=BACKEND), eth1


def test_backend_with_another_gateway_never_answers(router, start, protocol):
    eth0, eth1 = start([forward(protocol)])
    lab = router.host.lab
    with lab.backend.default_route(ELSEWHERE), lab.backend.capture("eth0") as backend:
        with pytest.raises(TimeoutError):
            lab.client.ask(PUBLIC, 8888, protocol, timeout=1.5)
        if protocol == "tcp":  # the SYN is sent again and again
            syns = eth1.wait(2, direction="out", src=CLIENT, dst=BACKEND, dport=9999, flags="S")
            assert len({p.sport for p in syns}) == 1
            assert backend.packets(direction="out", dst=CLIENT, flags="SA"), "the backend did answer, elsewhere"
        else:
            eth1.wait(direction="out", src=CLIENT, dst=BACKEND, dport=9999)
    assert not eth1.packets(direction="in", src=BACKEND, protocol=protocol), eth1
    assert not eth0.packets(direction="out", dst=CLIENT, protocol=protocol), eth0


def test_four_legs(router, start, protocol):
    eth0, eth1 = start([forward(protocol)])
    answer = router.host.lab.client.ask(PUBLIC, 8888, protocol)
    assert (answer.server, answer.peer, answer.local_port) == ("backend", CLIENT, 9999)
    port = answer.source_port
    flags = [" S", " S", " SA", " SA"] if protocol == "tcp" else [""] * 4
    assert legs(eth0, eth1, CLIENT, port) == [
        f"in eth0: {protocol} {CLIENT}:{port} > {PUBLIC}:8888{flags[0]}",
        f"out eth1: {protocol} {CLIENT}:{port} > {BACKEND}:9999{flags[1]}",
        f"in eth1: {protocol} {BACKEND}:9999 > {CLIENT}:{port}{flags[2]}",
        f"out eth0: {protocol} {PUBLIC}:8888 > {CLIENT}:{port}{flags[3]}"]


def test_router_as_seen_source_spares_the_backend_its_gateway(router, start, protocol):
    start([{**forward(protocol), "backend_sees": "router"}])
    with router.host.lab.backend.default_route(ELSEWHERE):
        assert router.host.lab.client.ask(PUBLIC, 8888, protocol).peer == "192.168.2.90"
