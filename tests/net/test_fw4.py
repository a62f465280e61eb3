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
# As `fw4 print` writes it for zones wan (REJECT, masquerading) and lan (forward REJECT: no traffic between LAN hosts
# either), lan to wan allowed. Not there: helpers, offload, what limits SYN packets.
FW4 = """
table inet fw4
flush table inet fw4

table inet fw4 {
	chain input {
		type filter hook input priority filter; policy drop;
		iifname "lo" accept comment "!fw4: Accept traffic from loopback"
		%(input)s
		ct state vmap { established : accept, related : accept } comment "!fw4: Handle inbound flows"
		iifname "br-lan" jump input_lan comment "!fw4: Handle lan IPv4/IPv6 input traffic"
		iifname { "eth0", "eth1" } jump input_wan comment "!fw4: Handle wan IPv4/IPv6 input traffic"
		jump handle_reject
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		%(forward)s
		ct state vmap { established : accept, related : accept } comment "!fw4: Handle forwarded flows"
		iifname "br-lan" jump forward_lan comment "!fw4: Handle lan IPv4/IPv6 forward traffic"
		iifname { "eth0", "eth1" } jump forward_wan comment "!fw4: Handle wan IPv4/IPv6 forward traffic"
		jump handle_reject
	}
	chain output {
		type filter hook output priority filter; policy accept;
		oifname "lo" accept comment "!fw4: Accept traffic towards loopback"
		ct state vmap { established : accept, related : accept } comment "!fw4: Handle outbound flows"
	}
	chain prerouting {
		type filter hook prerouting priority filter; policy accept;
	}
	chain handle_reject {
		meta l4proto tcp reject with tcp reset comment "!fw4: Reject TCP traffic"
		reject with icmpx type port-unreachable comment "!fw4: Reject any other traffic"
	}
	chain input_lan {
		jump accept_from_lan
	}
	chain forward_lan {
		jump accept_to_wan comment "!fw4: Accept lan to wan forwarding"
		jump reject_to_lan
	}
	chain accept_from_lan {
		iifname "br-lan" counter accept comment "!fw4: accept lan IPv4/IPv6 traffic"
	}
	chain reject_to_lan {
		oifname "br-lan" counter jump handle_reject comment "!fw4: reject lan IPv4/IPv6 traffic"
	}
	chain input_wan {
		meta nfproto ipv4 icmp type 8 counter accept comment "!fw4: Allow-Ping"
		meta l4proto ipv6-icmp counter accept comment "!fw4: Allow-ICMPv6-Input"
		jump reject_from_wan
	}
	chain forward_wan {
		meta l4proto ipv6-icmp counter accept comment "!fw4: Allow-ICMPv6-Forward"
		jump reject_to_wan
	}
	chain accept_to_wan {
		meta nfproto ipv4 oifname { "eth0", "eth1" } ct state invalid counter drop comment "!fw4: Prevent NAT leakage"
		oifname { "eth0", "eth1" } counter accept comment "!fw4: accept wan IPv4/IPv6 traffic"
	}
	chain reject_from_wan {
		iifname { "eth0", "eth1" } counter jump handle_reject comment "!fw4: reject wan IPv4/IPv6 traffic"
	}
	chain reject_to_wan {
		oifname { "eth0", "eth1" } counter jump handle_reject comment "!fw4: reject wan IPv4/IPv6 traffic"
	}
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
	}
	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname { "eth0", "eth1" } jump srcnat_wan comment "!fw4: Handle wan IPv4/IPv6 srcnat traffic"
	}
	chain srcnat_wan {
		meta nfproto ipv4 masquerade comment "!fw4: Masquerade IPv4 wan traffic"
	}
	chain mangle_forward {
		type filter hook forward priority mangle; policy accept;
		iifname { "eth0", "eth1" } tcp flags syn tcp option maxseg size set rt mtu
	}
}
"""


def load_fw4(router, included=("input", "forward")):
    """`fw4 reload`, which writes the files of chain-pre/<chain>/ into the chain as text."""
    router.nft(FW4 % {chain: INCLUDE.read_text() if chain in included else "" for chain in ("input", "forward")})


@pytest.fixture(scope="module")
def openwrt(built, lab_factory):
    lab = lab_factory(topologies.home(2))
    for protocol in ("tcp", "udp"):
        lab.backend.serve(80, protocol)
        lab.backend.serve(80, protocol, "fd00:db8::2")
        lab.router.serve(8080, protocol, "192.168.0.1")
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


def test_ipv6(router, protocol):
    router.forward(to="fd00:db8::2", family="ipv6", protocols=[protocol])
    lab = router.lab
    for address in ("2001:db8:1::1", "2001:db8:2::1"):
        assert lab.internet.ask(address, 80, protocol).peer == "2001:db8:ffff::c8"
    answer = lab.client.ask("2001:db8:1::1", 80, protocol)
    assert (answer.server, answer.peer) == ("backend", "fd00:db8::1")


def test_a_forward_to_the_router_itself(router, protocol):
    lab = router.lab
    router.forward(81, to="192.168.0.1", internal_ports="8080", protocols=[protocol])
    assert lab.internet.ask("192.0.2.1", 81, protocol).server == "router"
    load_fw4(lab.router, ["forward"])
    lab.router.run("conntrack -F")
    assert outcome(lab.internet, "192.0.2.1", 81, protocol) != "answer"
    kernel = router.kernel()
    assert firewall(router)["include"] is False and "its chain input lacks" in kernel["failures"][0]["message"]


def test_without_the_include_fw4_rejects(router, protocol):
    lab = router.lab
    router.forward(protocols=[protocol])
    assert router.kernel()["in_sync"] and router.kernel()["failures"] == []
    load_fw4(lab.router, [])
    for who, address in ((lab.internet, "192.0.2.1"), (lab.internet, "198.51.100.1"), (lab.client, "192.0.2.1")):
        # of UDP not every packet is told to be refused: icmp_ratelimit
        assert outcome(who, address, 80, protocol) in (["refused"] if protocol == "tcp" else ["refused", "silence"])
    wait_for(lambda: firewall(router) == {"mode": "beside", "fw4": True, "include": False})
    kernel = router.kernel()
    failure, = kernel["failures"]
    assert not kernel["in_sync"] and kernel["last_error"] == failure["message"]
    for words in ("OpenWrt's firewall drops", "its chains forward and input lack", "chain-pre/forward/", "chain-pre/input/",
                  "fw4 reload", "auto_includes"):
        assert words in failure["message"]
    # said where people look, and in the command
    assert failure["message"] in router.daemon.cli("status").stdout
    load_fw4(lab.router)
    wait_for(lambda: firewall(router) == {"mode": "beside", "fw4": True, "include": True})
    assert router.kernel()["in_sync"] and router.kernel()["failures"] == []
    assert lab.internet.ask("192.0.2.1", 80, protocol).server == "backend"


def test_the_include_is_missed_only_where_something_needs_it(router):
    load_fw4(router.lab.router, [])
    wait_for(lambda: firewall(router)["include"] is False)
    assert router.kernel()["in_sync"]
    made = router.forward(enabled=False)
    assert router.kernel()["in_sync"]
    router.api.patch(f"/forwards/{made['id']}", {"enabled": True}).expect(200)
    assert not router.kernel()["in_sync"]


def test_one_rule_taken_out_is_noticed_and_left_to_its_owner(router):
    """fw4's table is not ours to mend."""
    host = router.lab.router
    router.forward()
    listed = host.run("nft -a list chain inet fw4 forward").stdout
    handle = next(line.rsplit(None, 1)[1] for line in listed.splitlines() if "Portico let it in" in line)
    mended = router.kernel()["mended"]
    host.run(f"nft delete rule inet fw4 forward handle {handle}")
    wait_for(lambda: firewall(router)["include"] is False)
    assert "its chain forward lacks" in router.kernel()["last_error"]
    assert "Portico" not in host.run("nft list chain inet fw4 forward").stdout
    assert router.kernel()["mended"] == mended


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


# --- whose filter is in force ---

@pytest.fixture
def isp_sends_to_the_lan(router):
    """An ISP that routes what nobody asked for to addresses of the LAN."""
    lab = router.lab
    lab.isp1.ip("route add 192.168.0.0/24 via 192.0.2.1")
    lab.isp1.ip("-6 route add fd00:db8::/64 via 2001:db8:1::1")
    lab.backend.ip("-6 route add 2001:db8:1::/64 via fd00:db8::1", check=False)
    # so that the router forwards IPv6 at all
    router.forward(8000, to="fd00:db8::2", family="ipv6")
    yield lambda: {outcome(lab.isp1, address, 80) for address in ("192.168.0.2", "fd00:db8::2")}
    lab.isp1.ip("route del 192.168.0.0/24")
    lab.isp1.ip("-6 route del fd00:db8::/64")
    lab.router.run("nft delete table inet fw4", check=False)


def set_mode(router, mode):
    router.api.patch("/settings", {"firewall": mode}).expect(200)


OPEN_FW4 = """
table inet fw4
delete table inet fw4
table inet fw4 {
	chain forward { type filter hook forward priority filter; policy accept; }
}
"""


def test_auto_is_ours_without_fw4_and_closed_for_both_families(router, isp_sends_to_the_lan):
    router.lab.router.run("nft delete table inet fw4")
    wait_for(lambda: firewall(router) == {"mode": "own", "fw4": False, "include": None})
    wait_for(lambda: isp_sends_to_the_lan() == {"silence"})
    assert outcome(router.lab.internet, "2001:db8:1::1", 8000) != "silence", "forwards are let in"


def test_auto_is_theirs_beside_fw4(router, isp_sends_to_the_lan):
    router.lab.router.nft(OPEN_FW4)
    wait_for(lambda: firewall(router)["mode"] == "beside")
    assert isp_sends_to_the_lan() == {"answer"}, "as theirs is set"


def test_own_filters_although_fw4_is_there(router, isp_sends_to_the_lan):
    router.lab.router.nft(OPEN_FW4)
    set_mode(router, "own")
    assert firewall(router) == {"mode": "own", "fw4": True, "include": False}
    assert isp_sends_to_the_lan() == {"silence"}
    set_mode(router, "auto")
    assert isp_sends_to_the_lan() == {"answer"}


def test_beside_filters_nothing_although_fw4_is_not_there(router, isp_sends_to_the_lan):
    router.lab.router.run("nft delete table inet fw4")
    set_mode(router, "beside")
    assert firewall(router) == {"mode": "beside", "fw4": False, "include": None}
    assert isp_sends_to_the_lan() == {"answer"}
