# SPDX-License-Identifier: GPL-2.0-or-later
"""S3, the rest of the NAT table."""
import contextlib

import pytest

from lab.checks import outcome

SERVER, SERVER_2 = "203.0.113.200", "203.0.113.201"
PUBLIC, FIXED = "192.0.2.1", "192.0.2.9"
ROUTER, CLIENT, BACKEND, BACKEND_2 = "192.168.0.1", "192.168.0.3", "192.168.0.2", "192.168.0.4"
ELSEWHERE = "192.168.0.254"


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    lab = home.lab
    for protocol in ("tcp", "udp"):
        for address in (SERVER, SERVER_2):
            lab.internet.serve(80, protocol, address)
        lab.backend.serve(80, protocol)


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


# --- source NAT to a chosen address ---

@pytest.fixture
def fixed_address(router_daemon):
    router = router_daemon.lab.router
    router.ip(f"addr add {FIXED}/24 dev eth0")
    yield {"name": "vpn", "sources": ["10.8.0.0/24"], "uplink": "isp1", "address": FIXED}
    router.ip(f"addr del {FIXED}/24 dev eth0")


def test_vpn_leaves_as_the_chosen_address(router_daemon, fixed_address, protocol):
    lab = router_daemon.lab
    assert lab.vpn.ask(SERVER, 80, protocol).peer == PUBLIC
    source_nat = router_daemon.api.post("/source-nats", fixed_address).expect(201)
    assert lab.vpn.ask(SERVER, 80, protocol).peer == FIXED
    assert lab.client.ask(SERVER, 80, protocol).peer == PUBLIC, "the LAN is masqueraded as before"
    router_daemon.api.patch(f"/source-nats/{source_nat['id']}", {"enabled": False}).expect(200)
    assert lab.vpn.ask(SERVER, 80, protocol).peer == PUBLIC


def test_by_another_uplink_it_is_masqueraded(router_daemon, fixed_address):
    lab = router_daemon.lab
    router_daemon.api.post("/source-nats", fixed_address).expect(201)
    lab.router.ip(f"route add {SERVER}/32 via 198.51.100.254")
    try:
        assert lab.vpn.ask(SERVER, 80).peer == "198.51.100.1"
    finally:
        lab.router.ip(f"route del {SERVER}/32")


# --- the forward filter ---

@contextlib.contextmanager
def isp_knows_the_lan(lab):
    lab.isp1.ip(f"route add 192.168.0.0/24 via {PUBLIC}")
    try:
        yield
    finally:
        lab.isp1.ip("route del 192.168.0.0/24")


def test_nothing_unsolicited_from_an_uplink_to_the_lan(router_daemon, protocol):
    """A forward to a host opens the forwarded port of the router, not the host."""
    lab = router_daemon.lab
    router_daemon.forward(8080, internal_ports="80", protocols=[protocol])
    forwarded = lab.isp1.ask(PUBLIC, 8080, protocol)
    assert forwarded.server == "backend"
    with isp_knows_the_lan(lab), lab.router.capture("eth0") as eth0, lab.router.capture("br-lan") as lan:
        for host in (BACKEND, CLIENT):
            assert outcome(lab.isp1, host, 80, protocol) != "answer"
            assert eth0.packets(direction="in", dst=host, dport=80), "the ISP did send it"
            # The last segment of the forwarded connection may come as late as now.
            assert not [p for p in lan.packets(dst=host, dport=80) if p.sport != forwarded.source_port], lan


def test_answers_and_lan_traffic_pass(router_daemon, protocol):
    with router_daemon.lab.client.connect(SERVER, 80, protocol) as connection:
        for _ in range(3):
            assert connection.ask().peer == PUBLIC


def test_icmp_errors_of_flows_pass_to_the_lan(router_daemon):
    """A closed UDP port on the internet: the error finds its way through source NAT."""
    lab = router_daemon.lab
    with lab.client.capture("eth0") as client:
        assert outcome(lab.client, SERVER, 81, "udp") == "refused"
        assert client.packets(direction="in", protocol="icmp", src=SERVER), client


def test_icmp_errors_of_forwards_pass_outwards(router_daemon):
    lab = router_daemon.lab
    router_daemon.forward(81, protocols=["udp"])
    with lab.isp1.capture("router") as isp1:
        assert outcome(lab.internet, PUBLIC, 81, "udp") == "refused"
        assert isp1.packets(direction="in", protocol="icmp", src=PUBLIC), isp1


@pytest.mark.parametrize("who, far", [("internet", "outwards"), ("client", "inwards")])
def test_path_mtu_is_found(router_daemon, who, far):
    """A narrow link: its "fragmentation needed" reaches the sender behind the translation."""
    lab = router_daemon.lab
    router_daemon.forward()
    sender, address = (lab.backend, PUBLIC) if far == "outwards" else (lab.internet, SERVER)
    narrow, device = (lab.isp1, "internet") if far == "outwards" else (lab.router, "br-lan")
    narrow.ip(f"link set {device} mtu 1280")
    try:
        with sender.capture("eth0" if far == "outwards" else "isp1") as capture:
            with lab[who].connect(address, 80) as connection:
                assert connection.ask(size=50000)
            assert capture.packets(direction="in", protocol="icmp", sport=3, dport=4), capture
    finally:
        narrow.ip(f"link set {device} mtu 1500")
        sender.ip("route flush cache")


def test_datagrams_in_fragments(router_daemon):
    lab = router_daemon.lab
    router_daemon.forward(protocols=["udp"])
    for host, address in ((lab.internet, PUBLIC), (lab.client, PUBLIC), (lab.client, SERVER)):
        with host.connect(address, 80, "udp") as connection:
            assert connection.ask(size=5000)


# --- destination and source ---

def test_backend_sees_the_router(router_daemon, protocol):
    lab = router_daemon.lab
    router_daemon.forward(protocols=[protocol])
    assert lab.internet.ask(PUBLIC, 80, protocol).peer == SERVER
    forward = router_daemon.api.get("/forwards").expect(200)["items"][0]
    router_daemon.api.patch(f"/forwards/{forward['id']}", {"backend_sees": "router"}).expect(200)
    assert lab.internet.ask(PUBLIC, 80, protocol).peer == ROUTER
    with lab.backend.default_route(ELSEWHERE):
        assert lab.internet.ask(PUBLIC, 80, protocol).peer == ROUTER


# --- redirect ---

@pytest.fixture
def proxy(router_daemon, protocol):
    """A transparent proxy on the router, beside a web server on its LAN address."""
    router = router_daemon.lab.router
    with router.serve(8888, protocol, name="proxy", address="0.0.0.0" if protocol == "tcp" else ROUTER), \
            router.serve(80, protocol, name="local web", address=ROUTER):
        yield {"name": "proxy", "network": "lan", "protocol": protocol, "port": 80, "to_port": 8888}


def test_redirect(router_daemon, proxy, protocol):
    lab = router_daemon.lab
    assert lab.client.ask(SERVER, 80, protocol).server == "internet"
    router_daemon.api.post("/redirects", {**proxy, "except": [BACKEND_2, SERVER_2]}).expect(201)
    answer = lab.client.ask(SERVER, 80, protocol)
    assert (answer.server, answer.peer) == ("proxy", CLIENT)
    if protocol == "tcp":  # what a transparent proxy goes by
        assert (answer.original, answer.original_port) == (SERVER, 80)
    assert lab.backend2.ask(SERVER, 80, protocol).server == "internet", "not from an excepted source"
    assert lab.client.ask(SERVER_2, 80, protocol).server == "internet", "not to an excepted destination"
    assert lab.vpn.ask(SERVER, 80, protocol).server == "internet", "not from elsewhere than the network"


def test_redirect_spares_the_routers_own_page(router_daemon, proxy, protocol):
    router_daemon.api.post("/redirects", proxy).expect(201)
    assert router_daemon.lab.client.ask(ROUTER, 80, protocol).server == "local web"


def test_forward_goes_before_redirect(router_daemon, proxy, protocol):
    """The public address is the router's own: what is sent there is not for the proxy."""
    lab = router_daemon.lab
    router_daemon.api.post("/redirects", proxy).expect(201)
    router_daemon.forward(protocols=[protocol])
    answer = lab.client.ask(PUBLIC, 80, protocol)
    assert (answer.server, answer.peer) == ("backend", ROUTER)
    assert lab.client.ask(SERVER, 80, protocol).server == "proxy"


def test_redirect_is_not_for_the_internet(router_daemon, proxy, protocol):
    router_daemon.api.post("/redirects", proxy).expect(201)
    assert outcome(router_daemon.lab.internet, PUBLIC, 80, protocol) == "refused"


def test_redirect_ends(router_daemon, proxy, protocol):
    redirect = router_daemon.api.post("/redirects", proxy).expect(201)
    assert router_daemon.lab.client.ask(SERVER, 80, protocol).server == "proxy"
    router_daemon.api.delete(f"/redirects/{redirect['id']}").expect(200)
    assert router_daemon.lab.client.ask(SERVER, 80, protocol).server == "internet"
