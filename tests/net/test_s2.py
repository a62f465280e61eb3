# SPDX-License-Identifier: GPL-2.0-or-later
"""S2, masquerade, and an uplink's address that changes under traffic."""
import time

import pytest

from lab import topologies
from lab.checks import Stream, change_address, outcome
from lab.lab import wait_for
from lab.router import Router

SERVER = "203.0.113.200"
OLD = "192.0.2.1"
AT_ONCE_S = 1.0


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for protocol in ("tcp", "udp"):
        home.lab.internet.serve(80, protocol, SERVER)


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("who", ["client", "inside", "vpn"])
def test_server_sees_the_uplink(router_daemon, who, protocol):
    lab = router_daemon.lab
    with lab.isp1.capture("router") as isp1:
        assert lab[who].ask(SERVER, 80, protocol).peer == OLD
        assert {p.src for p in isp1.packets(direction="in", protocol=protocol)} == {OLD}, isp1


def test_server_sees_the_other_uplink_when_that_is_the_way(router_daemon):
    router = router_daemon.lab.router
    router.ip("route add 203.0.113.200/32 via 198.51.100.254")
    try:
        assert router_daemon.lab.client.ask(SERVER, 80).peer == "198.51.100.1"
    finally:
        router.ip("route del 203.0.113.200/32")


def test_chosen_address_and_none(router_daemon):
    """The source NAT of an uplink, other than masquerade."""
    lab, api = router_daemon.lab, router_daemon.api
    isp1 = next(u for u in api.get("/uplinks").expect(200)["items"] if u["name"] == "isp1")
    lab.router.ip("addr add 192.0.2.9/24 dev eth0")
    try:
        api.patch(f"/uplinks/{isp1['id']}", {"source_nat": "192.0.2.9"}).expect(200)
        assert lab.client.ask(SERVER, 80).peer == "192.0.2.9"
        api.patch(f"/uplinks/{isp1['id']}", {"source_nat": "none"}).expect(200)
        with lab.isp1.capture("router") as capture:
            assert outcome(lab.client, SERVER, 80, "udp") == "silence"
            assert capture.packets(direction="in", src="192.168.0.3", dst=SERVER), capture
    finally:
        lab.router.ip("addr del 192.0.2.9/24 dev eth0")


@pytest.fixture
def redialling(built, lab_factory):
    """A lab of its own, whose addresses may be changed: the ISP has a second range for this customer."""
    lab = lab_factory(topologies.home(2))
    lab.isp1.ip("addr add 203.0.113.158/27 dev router")
    lab.internet.ip("route add 203.0.113.128/27 via 100.64.1.2 src 203.0.113.200")
    for protocol in ("tcp", "udp"):
        lab.internet.serve(80, protocol, SERVER)
        lab.backend.serve(80, protocol)
    with Router(lab) as router:
        yield router


@pytest.mark.parametrize("new, gateway", [("192.0.2.77/24", "192.0.2.254"),
                                          ("203.0.113.129/27", "203.0.113.158")])
def test_address_changes_under_traffic(redialling, new, gateway):
    lab = redialling.lab
    redialling.forward(80, protocols=["tcp", "udp"])

    with lab.client.connect(SERVER, 80, "udp", timeout=0.3) as call, \
            Stream(lab.client, SERVER, 80, "udp") as udp, Stream(lab.client, SERVER, 80, "tcp") as tcp:
        assert call.ask().peer == OLD
        change_address(lab.router, "eth0", f"{OLD}/24", new, gateway, metric=100)
        new = new.split("/")[0]
        changed = time.monotonic()
        for stream in (udp, tcp):
            first = wait_for(lambda s=stream: s.first(new), what="a connection from the new address")
            assert first - changed < AT_ONCE_S, f"only after {first - changed:.2f} s"
        settled = time.monotonic()
        for stream in (udp, tcp):
            wait_for(lambda s=stream: len(s.since(settled)) >= 20, what="more connections")
            # While isp1 had no route, some went out by isp2; a port used again follows such an entry.
            assert new in stream.since(settled) and OLD not in stream.since(settled)

        wait_for(lambda: not lab.router.conntrack(reply_dst=OLD), what="no flow on the old address")
        wait_for(lambda: _peer(call) == new, what="the long-lived flow on the new address")

    assert lab.internet.ask(new, 80).server == "backend"
    lab.isp1.ip(f"route add {OLD}/32 via {new} onlink dev router")  # what is sent there still reaches the router
    assert outcome(lab.internet, OLD, 80, "udp") != "answer"
    assert outcome(lab.internet, OLD, 80, "tcp") != "answer"
    assert lab.client.ask(new, 80).peer == "192.168.0.1"
    assert outcome(lab.client, OLD, 80) != "answer"
    assert lab.internet.ask("198.51.100.1", 80).server == "backend", "the other uplink has nothing to do with it"
    uplink = next(u for u in redialling.api.get("/uplinks").expect(200)["items"] if u["name"] == "isp1")
    assert new in uplink["state"]["addresses"] and OLD not in uplink["state"]["addresses"]


def _peer(connection):
    try:
        return connection.ask().peer
    except OSError:
        return None


def test_a_second_address_is_forwarded_too(router_daemon):
    lab = router_daemon.lab
    lab.backend.serve(81)
    router_daemon.forward(81)
    assert outcome(lab.internet, "192.0.2.9", 81) != "answer"
    lab.router.ip("addr add 192.0.2.9/24 dev eth0")
    try:
        wait_for(lambda: outcome(lab.internet, "192.0.2.9", 81) == "answer", what="the forward on the new address")
        assert lab.client.ask("192.0.2.9", 81).server == "backend"
    finally:
        lab.router.ip("addr del 192.0.2.9/24 dev eth0")
