# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside OpenWrt's firewall: a table laid out as fw4 does it, with everything from uplinks rejected and
forwarding between LAN hosts too. What Portico lets in passes by init/portico.nft, as installed there."""
import pytest

from lab import topologies
from lab.checks import ask_from_internet, isps, outcome, uplink_address
from lab.lab import wait_for
from lab.porticod import TREE
from lab.router import Router

INCLUDE = TREE / "init" / "portico.nft"
FW4 = """
table inet fw4
delete table inet fw4
table inet fw4 {
	chain input {
		type filter hook input priority filter; policy drop;
		%(include)s
		iifname "lo" accept
		ct state vmap { established : accept, related : accept }
		iifname "br-lan" accept
		meta l4proto tcp reject with tcp reset
		reject
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		%(include)s
		ct state vmap { established : accept, related : accept }
		iifname "br-lan" oifname { "eth0", "eth1" } accept
		meta l4proto tcp reject with tcp reset
		reject
	}
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname { "eth0", "eth1" } masquerade
	}
}
"""


def load_fw4(router, included=True):
    router.nft(FW4 % {"include": f'include "{INCLUDE}"' if included else ""})


@pytest.fixture(scope="module")
def openwrt(built, lab_factory):
    lab = lab_factory(topologies.home(2))
    for protocol in ("tcp", "udp"):
        lab.backend.serve(80, protocol)
        lab.internet.serve(80, protocol, "203.0.113.200")
    load_fw4(lab.router)
    with Router(lab) as router:
        yield router


@pytest.fixture
def router(openwrt):
    load_fw4(openwrt.lab.router)
    openwrt.reset()
    yield openwrt
    openwrt.daemon.check_log()


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


def firewall(router):
    return router.api.get("/status").expect(200)["firewall"]


def test_it_is_noticed(router):
    assert firewall(router) == {"mode": "beside", "fw4": True, "include": True}


def test_forwards_on_both_uplinks(router, protocol):
    router.forward(protocols=[protocol])
    for isp in isps(router.lab):
        exchange = ask_from_internet(router.lab, uplink_address(router.lab, isp), 80, protocol)
        assert (exchange.answer.peer, exchange.replies) == ("203.0.113.200", [isp])


def test_hairpin_where_lan_hosts_may_not_be_forwarded_to_each_other(router, protocol):
    router.forward(protocols=[protocol])
    for who in ("client", "backend"):
        answer = router.lab[who].ask("192.0.2.1", 80, protocol)
        assert (answer.server, answer.peer) == ("backend", "192.168.0.1")


def test_without_the_include_fw4_rejects(router, protocol):
    load_fw4(router.lab.router, included=False)
    router.forward(protocols=[protocol])
    assert outcome(router.lab.internet, "192.0.2.1", 80, protocol) == "refused"


def test_the_rest_is_fw4s(router, protocol):
    lab = router.lab
    router.forward(protocols=[protocol])
    lab.isp1.ip("route add 192.168.0.0/24 via 192.0.2.1")
    try:
        assert outcome(lab.isp1, "192.168.0.2", 80, protocol) == "refused", "by fw4, as it is set"
    finally:
        lab.isp1.ip("route del 192.168.0.0/24")
    assert lab.client.ask("203.0.113.200", 80, protocol).peer == "192.0.2.1"


def test_reload_of_fw4_disturbs_nothing(router):
    router.forward()
    with router.lab.internet.connect("198.51.100.1", 80) as connection:
        connection.ask()
        mended = router.kernel()["mended"]
        load_fw4(router.lab.router)
        assert connection.ask().server == "backend"
    assert router.kernel()["mended"] == mended


def test_stop_of_fw4_deletes_every_table(router):
    """`/etc/init.d/firewall stop` flushes the ruleset: ours comes back, and filters while fw4 is away."""
    lab = router.lab
    router.forward()
    lab.router.run("nft flush ruleset")
    wait_for(lambda: firewall(router) == {"mode": "own", "fw4": False, "include": None})
    wait_for(lambda: outcome(lab.internet, "192.0.2.1", 80) == "answer")
    lab.isp1.ip("route add 192.168.0.0/24 via 192.0.2.1")
    try:
        assert outcome(lab.isp1, "192.168.0.2", 80) != "answer"
    finally:
        lab.isp1.ip("route del 192.168.0.0/24")
    load_fw4(lab.router)
    wait_for(lambda: firewall(router) == {"mode": "beside", "fw4": True, "include": True})
    assert lab.internet.ask("192.0.2.1", 80).server == "backend"
