# SPDX-License-Identifier: GPL-2.0-or-later
"""S1, hairpin. The LAN is a bridge, and bridged packets cross the IP hooks (bridge-nf-call-iptables)."""

import pytest

from lab.checks import outcome
from lab.lab import wait_for
from lab.router import LAN

ROUTER, PUBLIC, PUBLIC_2 = "192.168.0.1", "192.0.2.1", "198.51.100.1"
BRIDGE_NF = "net.bridge.bridge-nf-call-iptables"


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for protocol in ("tcp", "udp"):
        home.lab.backend.serve(80, protocol)
        home.lab.backend2.serve(80, protocol)
        home.lab.inside.serve(80, protocol)


def test_bridge_nf_is_on_before_the_daemon_comes(lab_factory):
    from lab import topologies
    router = lab_factory(topologies.home(1)).router
    if router.sysctl(BRIDGE_NF) is None:
        pytest.skip("this kernel has no br_netfilter")
    assert router.sysctl(BRIDGE_NF) == "1"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("public", [PUBLIC, PUBLIC_2])
@pytest.mark.parametrize("who", ["client", "backend"])
def test_from_the_lan_and_from_the_server_itself(router_daemon, who, public, protocol):
    router_daemon.forward(protocols=[protocol])
    answer = router_daemon.lab[who].ask(public, 80, protocol)
    assert (answer.server, answer.peer) == ("backend", ROUTER)


@pytest.fixture
def bridge_nf(router_daemon):
    """Somebody turns it on; what the daemon makes of that is for the test."""
    router = router_daemon.lab.router
    if router.sysctl(BRIDGE_NF) is None:
        pytest.skip("this kernel has no br_netfilter")
    yield router
    router.sysctl(BRIDGE_NF, 0)


def test_with_bridge_nf_left_on(router_daemon, bridge_nf):
    """Then nothing that the source rewrite looks at may be an interface. (The server itself cannot be
    helped: the rewritten packet would have to leave by the bridge port by which it came.)"""
    router_daemon.configure(settings={"manage_sysctls": False})
    bridge_nf.sysctl(BRIDGE_NF, 1)
    router_daemon.forward()
    answer = router_daemon.lab.client.ask(PUBLIC, 80)
    assert (answer.server, answer.peer) == ("backend", ROUTER)
    assert bridge_nf.sysctl(BRIDGE_NF) == "1", "the daemon was told to leave it alone"


def test_bridge_nf_is_looked_after(router_daemon, bridge_nf):
    """The kernel tells nobody when it is switched on; it is asked every two seconds."""
    router_daemon.forward()
    bridge_nf.sysctl(BRIDGE_NF, 1)
    wait_for(lambda: bridge_nf.sysctl(BRIDGE_NF) == "0", what="the sysctl is put right")
    wait_for(lambda: outcome(router_daemon.lab.backend, PUBLIC, 80) == "answer", what="hairpin in spite of it")


def test_several_servers(router_daemon):
    router_daemon.forward(80, "192.168.0.2")
    router_daemon.forward(8080, "192.168.0.4", internal_ports="80")
    for who in ("client", "backend", "backend2"):
        assert router_daemon.lab[who].ask(PUBLIC, 80).server == "backend"
        answer = router_daemon.lab[who].ask(PUBLIC, 8080)
        assert (answer.server, answer.peer, answer.local_port) == ("backend2", ROUTER, 80)


def test_switched_off_for_the_lan(router_daemon):
    router_daemon.configure(networks=[{**LAN, "hairpin": "off"}])
    router_daemon.forward()
    assert outcome(router_daemon.lab.client, PUBLIC, 80) != "answer"
    assert router_daemon.lab.internet.ask(PUBLIC, 80).server == "backend"


def test_switched_off_for_one_forward(router_daemon):
    router_daemon.forward(80, hairpin=False)
    router_daemon.forward(8080, "192.168.0.4", internal_ports="80")
    assert outcome(router_daemon.lab.client, PUBLIC, 80) != "answer"
    assert router_daemon.lab.client.ask(PUBLIC, 8080).server == "backend2"
    assert router_daemon.lab.internet.ask(PUBLIC, 80).server == "backend"


def test_switched_on_again(router_daemon):
    network = router_daemon.api.get("/networks").expect(200)["items"][0]
    router_daemon.forward()
    for hairpin, answers in (("off", False), ("on", True)):
        router_daemon.api.patch(f"/networks/{network['id']}", {"hairpin": hairpin}).expect(200)
        assert (outcome(router_daemon.lab.client, PUBLIC, 80) == "answer") == answers


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_from_a_routed_lan(router_daemon, protocol):
    """The backend knows the direct way to the second LAN, and must not take it."""
    lab = router_daemon.lab
    router_daemon.configure(networks=[{**LAN, "prefixes": ["192.168.50.0/24"]}])
    router_daemon.forward(protocols=[protocol])
    lab.backend.ip("route add 192.168.50.0/24 via 192.168.0.5")
    try:
        answer = lab.inside.ask(PUBLIC, 80, protocol)
    finally:
        lab.backend.ip("route del 192.168.50.0/24")
    assert (answer.server, answer.peer) == ("backend", ROUTER)


def test_to_a_routed_lan(router_daemon):
    router_daemon.configure(networks=[{**LAN, "prefixes": ["192.168.50.0/24"]}])
    router_daemon.forward(80, "192.168.50.2")
    for who in ("client", "inside"):
        answer = router_daemon.lab[who].ask(PUBLIC, 80)
        assert (answer.server, answer.peer) == ("inside", ROUTER)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_from_a_vpn(router_daemon, protocol):
    lab = router_daemon.lab
    router_daemon.configure(networks=[{**LAN, "prefixes": ["10.8.0.0/24"]}])
    router_daemon.forward(protocols=[protocol])
    with lab.backend.default_route("192.168.0.254"):  # so that only a rewritten source gets an answer
        answer = lab.vpn.ask(PUBLIC, 80, protocol)
    assert (answer.server, answer.peer) == ("backend", ROUTER)


@pytest.mark.parametrize("public", [PUBLIC, PUBLIC_2])
def test_backend_sees_the_external_address(router_daemon, public):
    router_daemon.configure(networks=[{**LAN, "hairpin_source": "external"}])
    router_daemon.forward()
    for who in ("client", "backend"):
        answer = router_daemon.lab[who].ask(public, 80)
        assert (answer.server, answer.peer) == ("backend", public)


def test_source_list_holds_in_the_lan_too(router_daemon):
    lab = router_daemon.lab
    router_daemon.forward(80, sources=["192.168.0.3/32", "203.0.113.200"])
    assert lab.client.ask(PUBLIC, 80).server == "backend"
    assert lab.internet.ask(PUBLIC, 80, source="203.0.113.200").server == "backend"
    assert outcome(lab.backend2, PUBLIC, 80) != "answer"
    assert outcome(lab.internet, PUBLIC, 80, source="203.0.113.201") != "answer"


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_from_the_router_itself(router_daemon, protocol):
    router_daemon.forward(protocols=[protocol])
    for public in (PUBLIC, PUBLIC_2):
        assert router_daemon.lab.router.ask(public, 80, protocol).server == "backend"


def test_the_routers_lan_address_is_not_forwarded(router_daemon):
    """Forwards listen on uplinks: the router's own page on the same port stays where it is."""
    lab = router_daemon.lab
    router_daemon.forward()
    with lab.router.serve(80, address=ROUTER):
        for who in ("client", "inside"):
            assert lab[who].ask(ROUTER, 80).server == "router"
        assert lab.client.ask(PUBLIC, 80).server == "backend"


def test_the_client_is_seen_from_outside(router_daemon):
    """Hairpin rewrites the source of nobody else."""
    router_daemon.forward()
    assert router_daemon.lab.internet.ask(PUBLIC, 80).peer == "203.0.113.200"


def test_two_clients_with_one_source_port(router_daemon):
    """Both become the router's address: the ports must be told apart."""
    lab = router_daemon.lab
    router_daemon.forward()
    with lab.client.connect(PUBLIC, 80, source_port=20000) as one, \
            lab.backend2.connect(PUBLIC, 80, source_port=20000) as two:
        assert one.ask().peer == two.ask().peer == ROUTER
        assert one.ask().peer_port != two.ask().peer_port
