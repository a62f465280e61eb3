# SPDX-License-Identifier: GPL-2.0-or-later
"""IPv6: forwards by translation to a backend with a local address, hairpin, replies by the uplink of arrival."""
import pytest

from lab.checks import ask_from_internet, outcome
from lab.lab import wait_for

PUBLIC, PUBLIC_2 = "2001:db8:1::1", "2001:db8:2::1"
BACKEND, ROUTER = "fd00:db8::2", "fd00:db8::1"
INTERNET = "2001:db8:ffff::c8"


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for protocol in ("tcp", "udp"):
        home.lab.backend.serve(80, protocol, "::")
        for address in (PUBLIC, PUBLIC_2):
            home.lab.router.serve(22, protocol, address)


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


def test_forward_answers_by_the_uplink_of_arrival(router_daemon, protocol):
    router_daemon.forward(to=BACKEND, protocols=[protocol])
    for address, isp in ((PUBLIC, "isp1"), (PUBLIC_2, "isp2")):
        exchange = ask_from_internet(router_daemon.lab, address, 80, protocol)
        assert (exchange.answer.server, exchange.answer.peer) == ("backend", INTERNET)
        assert exchange.replies == [isp]


def test_the_routers_own_services(router_daemon, protocol):
    for address, isp in ((PUBLIC, "isp1"), (PUBLIC_2, "isp2")):
        exchange = ask_from_internet(router_daemon.lab, address, 22, protocol)
        assert (exchange.answer.server, exchange.replies) == ("router", [isp])


@pytest.mark.parametrize("who", ["client", "backend", "router"])
def test_hairpin(router_daemon, who, protocol):
    router_daemon.forward(to=BACKEND, protocols=[protocol])
    answer = router_daemon.lab[who].ask(PUBLIC, 80, protocol)
    assert answer.server == "backend"
    assert who == "router" or answer.peer == ROUTER


def test_backend_sees_the_router(router_daemon, protocol):
    router_daemon.forward(to=BACKEND, protocols=[protocol], backend_sees="router")
    assert ask_from_internet(router_daemon.lab, PUBLIC, 80, protocol).answer.peer == ROUTER


def test_source_list(router_daemon):
    lab = router_daemon.lab
    router_daemon.forward(to=BACKEND, sources=["2001:db8:aaaa::/48"])
    assert outcome(lab.internet, PUBLIC, 80) != "answer"
    forward = router_daemon.api.get("/forwards").expect(200)["items"][0]
    router_daemon.api.patch(f"/forwards/{forward['id']}", {"sources": ["2001:db8:ffff::/48"]}).expect(200)
    assert lab.internet.ask(PUBLIC, 80).server == "backend"


def test_one_port_for_both_families(router_daemon):
    lab = router_daemon.lab
    with lab.backend2.serve(80):
        router_daemon.forward(to=BACKEND)
        router_daemon.forward(to="192.168.0.4")
        assert lab.internet.ask(PUBLIC, 80).server == "backend"
        assert lab.internet.ask("192.0.2.1", 80).server == "backend2"


def test_nothing_unsolicited_to_the_lan(router_daemon):
    lab = router_daemon.lab
    lab.isp1.ip(f"route add fd00:db8::/64 via {PUBLIC}")
    try:
        with lab.router.capture("eth0") as eth0, lab.router.capture("br-lan") as lan:
            assert outcome(lab.isp1, BACKEND, 80) != "answer"
            assert eth0.packets(direction="in", dst=BACKEND, dport=80), "the ISP did send it"
            assert not lan.packets(dst=BACKEND, dport=80), lan
    finally:
        lab.isp1.ip("route del fd00:db8::/64")


def test_address_changes(router_daemon):
    """A new prefix from the ISP."""
    lab = router_daemon.lab
    router_daemon.forward(to=BACKEND)
    new = "2001:db8:1::77"
    lab.router.ip(f"addr add {new}/64 dev eth0 nodad")
    lab.router.ip(f"addr del {PUBLIC}/64 dev eth0")
    try:
        wait_for(lambda: outcome(lab.internet, new, 80) == "answer", what="the forward on the new address")
        assert lab.client.ask(new, 80).peer == ROUTER
        wait_for(lambda: outcome(lab.internet, PUBLIC, 80) != "answer", what="the old address to be given up")
    finally:
        lab.router.ip(f"addr add {PUBLIC}/64 dev eth0 nodad")
        lab.router.ip(f"addr del {new}/64 dev eth0")
