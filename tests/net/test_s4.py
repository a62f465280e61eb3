# SPDX-License-Identifier: GPL-2.0-or-later
"""S4, several uplinks: what comes in by one is answered by it. The ISPs tell what left by whom."""
import pytest

from lab import topologies
from lab.checks import ask_from_internet, isps, outcome, uplink_address
from lab.lab import wait_for
from lab.router import Router

ROUTER, ELSEWHERE = "192.168.0.1", "192.168.0.254"


@pytest.fixture(scope="module", params=[1, 2, 3, 4, 8], ids=lambda n: f"{n}-uplinks")
def multihomed(request, built, lab_factory):
    lab = lab_factory(topologies.home(request.param))
    for protocol in ("tcp", "udp"):
        lab.backend.serve(80, protocol)
        for isp in isps(lab):
            lab.router.serve(22, protocol, uplink_address(lab, isp))
        lab.internet.serve(80, protocol, "203.0.113.200")
    with Router(lab) as router:
        yield router


@pytest.fixture
def router(multihomed):
    multihomed.reset()
    yield multihomed
    multihomed.daemon.check_log()


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


def test_one_port_on_every_uplink(router, protocol):
    """The backend's gateway is the router: the reply is routed before its source is rewritten back."""
    router.forward(protocols=[protocol])
    for isp in isps(router.lab):
        exchange = ask_from_internet(router.lab, uplink_address(router.lab, isp), 80, protocol)
        assert (exchange.answer.server, exchange.answer.peer) == ("backend", "203.0.113.200")
        assert exchange.replies == [isp]


def test_backend_with_its_own_way_out(router, protocol):
    router.forward(protocols=[protocol], backend_sees="router")
    with router.lab.backend.default_route(ELSEWHERE):
        for isp in isps(router.lab):
            exchange = ask_from_internet(router.lab, uplink_address(router.lab, isp), 80, protocol)
            assert (exchange.answer.server, exchange.answer.peer) == ("backend", ROUTER)
            assert exchange.replies == [isp]


def test_the_routers_own_services(router, protocol):
    for isp in isps(router.lab):
        exchange = ask_from_internet(router.lab, uplink_address(router.lab, isp), 22, protocol)
        assert exchange.answer.server == "router"
        assert exchange.replies == [isp]


def test_the_router_calls_from_a_chosen_address(router, protocol):
    """A connection of the router's own, bound to an uplink's address, leaves by that uplink."""
    for isp in isps(router.lab):
        address = uplink_address(router.lab, isp)
        assert router.lab.router.ask("203.0.113.200", 80, protocol, source=address).peer == address


def test_refusals_too(router, protocol):
    """A RST or an ICMP error by the wrong uplink would be dropped there."""
    for isp in isps(router.lab):
        assert outcome(router.lab.internet, uplink_address(router.lab, isp), 23, protocol) == "refused"


def test_hairpin_on_every_address(router, protocol):
    router.forward(protocols=[protocol])
    for isp in isps(router.lab):
        for who in ("client", "backend", "router"):
            answer = router.lab[who].ask(uplink_address(router.lab, isp), 80, protocol)
            assert answer.server == "backend"
            assert who == "router" or answer.peer == ROUTER


def test_from_one_port_to_every_address(router, protocol):
    """One client, one source port, all addresses at once: to the backend they would look the same."""
    lab = router.lab
    router.forward(protocols=[protocol])
    connections = {isp: lab.internet.connect(uplink_address(lab, isp), 80, protocol, source_port=20000)
                   for isp in isps(lab)} if protocol == "tcp" else {}
    try:
        for _ in range(3):
            for connection in connections.values():
                assert connection.ask().server == "backend"
        assert len({c.ask().peer_port for c in connections.values()}) == len(connections)
    finally:
        for connection in connections.values():
            connection.close()


def test_a_forward_for_some_uplinks(router, protocol):
    lab = router.lab
    *others, last = isps(lab)
    router.forward(protocols=[protocol], uplinks=[last])
    assert ask_from_internet(lab, uplink_address(lab, last), 80, protocol).replies == [last]
    assert lab.client.ask(uplink_address(lab, last), 80, protocol).server == "backend"
    for isp in others:
        assert outcome(lab.internet, uplink_address(lab, isp), 80, protocol) == "refused"


def test_lan_goes_out_by_the_main_table(router):
    assert router.lab.client.ask("203.0.113.200", 80).peer == uplink_address(router.lab, "isp1")


def test_a_gateway_that_the_main_table_does_not_know(router):
    """An uplink used for replies only: its gateway is given in the configuration. With one uplink, the router
    has no default route at all then."""
    lab = router.lab
    last = isps(lab)[-1]
    device = f"eth{len(isps(lab)) - 1}"
    route = lab.router.ip(f"route show default dev {device}").strip()
    gateway = route.split()[2]
    router.configure(uplinks=[{**u, "gateway": gateway} if u["name"] == last else u for u in router.uplinks])
    lab.router.ip(f"route del {route} dev {device}")
    try:
        router.forward()
        for port, server in ((80, "backend"), (22, "router")):
            exchange = ask_from_internet(lab, uplink_address(lab, last), port)
            assert (exchange.answer.server, exchange.replies) == (server, [last])
    finally:
        lab.router.ip(f"route add {route} dev {device}")


@pytest.mark.parametrize("gateway", ["auto", None])
def test_point_to_point(router, gateway):
    """An uplink without a gateway, as PPP is: its default route has a device only."""
    lab = router.lab
    last, device = isps(lab)[-1], f"eth{len(isps(lab)) - 1}"
    address = uplink_address(lab, last)
    route = lab.router.ip(f"route show default dev {device}").strip()
    length = lab.router.ip(f"-br -4 addr show dev {device}").split()[2].split("/")[1]
    peer = route.split()[2]
    lab[last].sysctl("net.ipv4.conf.router.proxy_arp", 1)  # so that a veth is as good as a line
    lab.router.run(["ip", "-batch", "-"], stdin=f"addr del {address}/{length} dev {device}\n"
                   f"addr add {address} peer {peer}/32 dev {device}\nroute add default dev {device} metric 300\n")
    try:
        router.configure(uplinks=[{**u, "gateway": gateway} if u["name"] == last else u for u in router.uplinks])
        router.forward()
        for port, server in ((80, "backend"), (22, "router")):
            wait_for(lambda p=port: outcome(lab.internet, address, p) == "answer")
            assert ask_from_internet(lab, address, port).replies == [last]
        assert lab.client.ask(address, 80).peer == ROUTER
    finally:
        lab.router.run(["ip", "-batch", "-"], stdin=f"addr del {address} peer {peer}/32 dev {device}\n"
                       f"addr add {address}/{length} dev {device}\nroute replace {route} dev {device}\n")


def test_an_uplink_goes_down_and_comes_back(router):
    lab = router.lab
    last = isps(lab)[-1]
    device = f"eth{len(isps(lab)) - 1}"
    address = uplink_address(lab, last)
    route = lab.router.ip(f"route show default dev {device}").strip()
    forward = router.forward(uplinks=[last])

    def state():
        return router.api.get(f"/forwards/{forward['id']}").expect(200)["state"]

    assert state()["live"]
    lab.router.ip(f"link set {device} down")
    try:
        wait_for(lambda: not state()["live"], what="the forward to notice")
        assert state()["reason"] == "uplink-down"
        for isp in isps(lab)[:-1]:
            assert ask_from_internet(lab, uplink_address(lab, isp), 22).replies == [isp], "the others go on"
    finally:
        lab.router.ip(f"link set {device} up")
        wait_for(lab.router.links_are_up)
        lab.router.ip(f"route replace {route} dev {device}")
    wait_for(lambda: state()["live"], what="the forward to come back")
    wait_for(lambda: outcome(lab.internet, address, 80) == "answer")
    assert ask_from_internet(lab, address, 80).replies == [last]


def test_a_neighbour_on_another_uplink_is_answered_by_the_one_that_it_came_by(router):
    """Hosts on the router's link to isp2 have a short way back, which would not take isp1's address."""
    lab = router.lab
    if not 2 <= len(isps(lab)) <= 4:
        pytest.skip("it needs another uplink, and is done for up to four")
    router.forward()
    lab.internet.sysctl("net.ipv4.ip_forward", 1)  # from one ISP to the other
    try:
        for isp, other, source in (("isp1", "isp2", "198.51.100.254"), ("isp2", "isp1", "192.0.2.254")):
            for port, server in ((80, "backend"), (22, "router")):
                with lab[isp].capture("router") as seen:
                    answer = lab[other].ask(uplink_address(lab, isp), port, source=source)
                    assert (answer.server, answer.peer) == (server, source)
                    wait_for(lambda: seen.packets(direction="in", dst=source, dport=answer.source_port))
    finally:
        lab.internet.sysctl("net.ipv4.ip_forward", 0)


def test_from_inside_a_neighbour_is_near(router):
    """Whatever uplink is chosen for the rest."""
    lab = router.lab
    if len(isps(lab)) < 2:
        pytest.skip("it needs another uplink")
    lab.isp2.serve(80, address="198.51.100.254")
    router.configure(policies=[{"name": "all", "uplinks": ["isp1"]}])
    assert lab.client.ask("203.0.113.200", 80).peer == "192.0.2.1"
    assert lab.client.ask("198.51.100.254", 80).peer == "198.51.100.1"
