# SPDX-License-Identifier: GPL-2.0-or-later
"""Others have tables, rules, routes and sysctls on the same router: OpenWrt's firewall, Docker, mwan3. None of
that is touched, whatever happens to us, and their packets go as they mean them to."""
import re
import shutil

import pytest
from test_fw4 import load_fw4

from lab import topologies
from lab.checks import outcome
from lab.lab import Node, wait_for
from lab.porticod import flush
from lab.router import LAN, Router

PUBLIC, PUBLIC_2 = "192.0.2.1", "198.51.100.1"

pytestmark = pytest.mark.skipif(not shutil.which("iptables-nft-restore"), reason="no iptables-nft-restore")

# What dockerd makes for `docker run -p 8081:80`; its chains for isolation have their usual names.
DOCKER_NAT = """*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:DOCKER -
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8081 -j DNAT --to-destination 172.17.0.2:80
COMMIT
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
:DOCKER -
:DOCKER-ISOLATION-STAGE-1 -
:DOCKER-USER -
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""

# mwan3 in short: a connection keeps its uplink in 0x3f00 of its mark; new ones from the LAN leave by wan2.
MWAN3_MANGLE = """*mangle
:PREROUTING ACCEPT
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
:mwan3_hook -
:mwan3_ifaces_in -
:mwan3_policy_wan2_only -
:mwan3_rules -
-A PREROUTING -j mwan3_hook
-A OUTPUT -j mwan3_hook
-A mwan3_hook -m mark --mark 0x0/0x3f00 -j CONNMARK --restore-mark --nfmask 0x3f00 --ctmask 0x3f00
-A mwan3_hook -m mark --mark 0x0/0x3f00 -j mwan3_ifaces_in
-A mwan3_hook -m mark --mark 0x0/0x3f00 -j mwan3_rules
-A mwan3_hook -j CONNMARK --save-mark --nfmask 0x3f00 --ctmask 0x3f00
-A mwan3_ifaces_in -i eth0 -m mark --mark 0x0/0x3f00 -j MARK --set-xmark 0x100/0x3f00
-A mwan3_ifaces_in -i eth1 -m mark --mark 0x0/0x3f00 -j MARK --set-xmark 0x200/0x3f00
-A mwan3_rules -i br-lan ! -d 192.168.0.0/16 -m mark --mark 0x0/0x3f00 -j mwan3_policy_wan2_only
-A mwan3_policy_wan2_only -m mark --mark 0x0/0x3f00 -j MARK --set-xmark 0x200/0x3f00
COMMIT
"""
MWAN3_RULES = """rule add pref 1001 iif eth0 lookup 1
rule add pref 1002 iif eth1 lookup 2
rule add pref 2001 fwmark 0x100/0x3f00 lookup 1
rule add pref 2002 fwmark 0x200/0x3f00 lookup 2
rule add pref 2061 fwmark 0x3d00/0x3f00 blackhole
rule add pref 2062 fwmark 0x3e00/0x3f00 unreachable
rule add pref 3001 fwmark 0x100/0x3f00 unreachable
rule add pref 3002 fwmark 0x200/0x3f00 unreachable
"""
MWAN3_ROUTES = "".join(f"route replace {route} table {table}\n" for table, way in (
    (1, "via 192.0.2.254 dev eth0"), (2, "via 198.51.100.254 dev eth1"), (3, "via 198.51.100.254 dev eth1")) for route in (
        f"default {way}", "192.168.0.0/24 dev br-lan", "192.168.50.0/24 via 192.168.0.5", "172.17.0.0/16 dev docker0"))
OTHER_ROUTES = "route replace 198.18.0.0/24 via 198.51.100.254 proto static metric 7\n"


def topology():
    made = topologies.home(2)
    made.nodes["container"] = Node(addresses={"eth0": ["172.17.0.2/16"]}, routes=["default via 172.17.0.1"])
    made.nodes["router"].addresses["docker0"] = ["172.17.0.1/16"]
    made.bridges["router.docker0"] = ["container.eth0"]
    return made


def batch(host, lines, *options):
    host.run(["ip", *options, "-batch", "-"], stdin=lines)


def load_docker(host):
    host.run("iptables-nft-restore --noflush", stdin=DOCKER_NAT)


def load_mwan3(host):
    host.run("iptables-nft-restore --noflush", stdin=MWAN3_MANGLE)
    batch(host, MWAN3_RULES)
    batch(host, MWAN3_ROUTES + OTHER_ROUTES)
    batch(host, "rule add pref 2001 fwmark 0x100/0x3f00 lookup 1\n", "-6")


def unload(host):
    for table in ("inet fw4", "ip nat", "ip filter", "ip mangle"):
        host.run(f"nft delete table {table}", check=False)
    for line in MWAN3_RULES.splitlines():
        host.ip(line.replace("rule add", "rule del"), check=False)
    for table in (1, 2, 3):
        host.ip(f"route flush table {table}", check=False)
    host.ip("-6 rule del pref 2001", check=False)


@pytest.fixture
def lab(built, lab_factory):
    made = lab_factory(topology())
    made.backend.serve(80)
    made.internet.serve(80, address="203.0.113.200")
    made.container.serve(80)
    yield made
    unload(made.router)
    flush(made.router)


# --- what is there ---

# Numbers of our own making, or the kernel's.
OURS = re.compile(r"""net\.ipv4\.ip_forward\b | net\.ipv[46]\.conf\.[^ ]*\.forwarding | net\.ipv[46]\.conf\.[^ ]*\.mc_forwarding
    | net\.ipv4\.conf\.eth[01]\.(rp_filter|src_valid_mark) | net\.ipv6\.conf\.eth[01]\.accept_ra
    | net\.bridge\.bridge-nf-call-ip6?tables | net\.netfilter\.nf_conntrack_count | stable_secret""", re.X)


def tables(host):
    """Every table but ours, with the handles that tell whether something was made anew."""
    text = host.run("nft -s -a list ruleset").stdout
    parts = re.split(r"^(?=table )", text, flags=re.M)
    return "".join(sorted(p for p in parts if p.startswith("table ") and not p.startswith("table inet portico ")))


def others(host):
    lines = [f"sysctl: {line}" for line in host.run("sysctl -a -r ^net", check=False).stdout.splitlines()
             if not OURS.search(line)]
    for family in ("-4", "-6"):
        lines += [f"ip {family} rule: {line.strip()}" for line in host.ip(f"{family} rule show").splitlines()
                  if "proto 80" not in line]
        lines += [f"ip {family} route: {line.strip()}" for line in host.ip(f"{family} route show table all").splitlines()
                  if "proto 80" not in line]
    return tables(host).splitlines() + sorted(lines)


def ours(host):
    return [line for family in ("-4", "-6") for what in ("rule show", "route show table all")
            for line in host.ip(f"{family} {what}").splitlines() if "proto 80" in line]


def untouched(host, before, step):
    after = others(host)
    gone, come = [x for x in before if x not in after], [x for x in after if x not in before]
    assert after == before, f"{step}:\ngone: {gone}\ncome: {come}"


def mended(router, harm):
    before = router.kernel()["mended"]
    harm()
    wait_for(lambda: router.kernel()["mended"] > before and router.kernel()["in_sync"], 10, lambda: f"{router.kernel()}")


def bring_back(host):
    """What a network manager and mwan3's hotplug script do for an uplink that is up again."""
    host.ip("link set eth0 up")
    for address in (f"{PUBLIC}/24", "2001:db8:1::1/64"):
        host.ip(f"addr replace {address} dev eth0 nodad")
    host.ip("route replace default via 192.0.2.254 dev eth0 metric 100")
    host.ip("-6 route replace default via 2001:db8:1::fe dev eth0 metric 100")
    batch(host, MWAN3_ROUTES)
    wait_for(host.links_are_up)


def steps(router):
    """What a life with us brings, one after the other."""
    lab, api, host = router.lab, router.api, router.lab.router
    yield "start"
    made = [router.forward(1000 + i, name=f"f{i}", protocols=["tcp", "udp"], uplinks=["isp2"] if i % 2 else [],
                           sources=["203.0.113.0/24"] if i % 3 else []) for i in range(12)]
    router.forward("3000-3999", name="range")
    router.forward(8443, to="fd00:db8::2", family="ipv6", name="v6")
    yield "new forwards"
    for forward in made:
        api.patch(f"/forwards/{forward['id']}", {"enabled": False, "uplinks": []}).expect(200)
        api.delete(f"/forwards/{forward['id']}").expect(200)
    yield "changed and removed forwards"
    router.configure(networks=[{**LAN, "prefixes": ["10.0.0.0/8"]}], forwards=[
        {"name": "web", "external_ports": "80", "internal_address": "192.168.0.2"},
        {"name": "web6", "external_ports": "80", "internal_address": "fd00:db8::2", "family": "ipv6"}])
    yield "another configuration"
    for uplinks in (router.uplinks[:1], router.uplinks):
        api.put("/config", {**api.get("/config").expect(200), "uplinks": uplinks}).expect(200)
        yield f"{len(uplinks)} uplinks"
    for harm in ("nft delete table inet portico", "nft add chain inet portico x", "ip rule del pref 5101",
                 "ip route flush table 20001", "sysctl -q -w net.ipv4.ip_forward=0"):
        mended(router, lambda harm=harm: host.run(harm))
        yield f"mended after {harm}"
    host.ip("link set eth0 down")
    wait_for(lambda: not router.api.get("/uplinks").expect(200)["items"][0]["state"]["up"])
    bring_back(host)
    wait_for(lambda: outcome(lab.internet, PUBLIC, 80) == "answer", 10)
    yield "an uplink down and up"
    router.daemon.kill()
    router.daemon.restart()
    wait_for(lambda: router.kernel()["in_sync"])
    yield "killed and started"


@pytest.mark.parametrize("with_fw4", [True, False], ids=["beside fw4", "without fw4"])
def test_nothing_of_theirs_is_touched(lab, with_fw4):
    host = lab.router
    if with_fw4:
        load_fw4(host)
    load_docker(host)
    load_mwan3(host)
    host.sysctl("net.ipv4.ip_forward", 1)  # as dockerd and everybody does; other sysctls follow it
    host.sysctl("net.ipv6.conf.all.forwarding", 1)
    bring_back(host)  # in the order in which they will be after the uplink went
    before = others(host)
    assert any("172.17.0.2" in line for line in before) and any("fwmark 0x3d00/0x3f00" in line for line in before)
    with Router(lab) as router:
        for step in steps(router):
            untouched(host, before, step)
            assert ours(host)
        router.daemon.stop()
        untouched(host, before, "stopped")
        flush(host)
        untouched(host, before, "porticod --flush")
        assert ours(host) == [] and host.run("nft list table inet portico", check=False).returncode != 0


# --- their packets ---

@pytest.fixture
def beside(lab):
    load_docker(lab.router)
    load_mwan3(lab.router)
    with Router(lab) as router:
        router.forward()
        yield router
        router.daemon.check_log()


def mark(lab, **wanted):
    return {int(entry["mark"]) for entry in lab.router.conntrack(**wanted)}


def test_published_ports_of_docker(beside):
    lab = beside.lab
    for address in (PUBLIC, PUBLIC_2):
        answer = lab.internet.ask(address, 8081)
        assert (answer.server, answer.peer) == ("container", "203.0.113.200")
    assert lab.client.ask(PUBLIC, 8081).server == lab.client.ask("192.168.0.1", 8081).server == "container"
    assert lab.internet.ask(PUBLIC, 80).server == "backend"
    assert lab.client.ask(PUBLIC, 80).server == "backend"
    # what they do not publish stays closed
    lab.isp1.ip("route add 172.17.0.0/16 via 192.0.2.1")
    try:
        assert outcome(lab.isp1, "172.17.0.2", 80) != "answer"
    finally:
        lab.isp1.ip("route del 172.17.0.0/16")


def test_beside_docker_that_drops(beside):
    """What Docker makes of the policy of FORWARD, and the rule that TROUBLESHOOTING.md has for it."""
    router = beside.lab.router
    calls = [(beside.lab.internet, PUBLIC), (beside.lab.internet, PUBLIC_2), (beside.lab.client, PUBLIC)]
    router.run("iptables-nft -P FORWARD DROP")
    try:
        assert [outcome(*call, 80) for call in calls] == ["silence"] * 3
        router.run("iptables-nft -I DOCKER-USER -m connmark --mark 0x80000000/0x80000000 -j ACCEPT")
        assert [outcome(*call, 80) for call in calls] == ["answer"] * 3
        assert outcome(beside.lab.internet, PUBLIC, 81) != "answer"
    finally:
        router.run("iptables-nft -P FORWARD ACCEPT")


def test_containers_reach_the_internet(beside):
    answer = beside.lab.container.ask("203.0.113.200", 80)
    assert (answer.server, answer.peer) == ("internet", PUBLIC)


def test_a_forward_of_ours_takes_their_port_before_them(beside):
    beside.forward(8081, internal_ports="80", name="mine")
    assert beside.lab.internet.ask(PUBLIC, 8081).server == "backend"


def test_marks_of_mwan3_choose_the_uplink_and_ours_go_along(beside):
    lab = beside.lab
    lab.router.run("conntrack -F")
    assert lab.client.ask("203.0.113.200", 80).peer == PUBLIC_2, "as mwan3 sends it, and translated by us"
    assert mark(lab, dst="203.0.113.200") == {0x02000200}
    for address, expected in ((PUBLIC, 0x81000100), (PUBLIC_2, 0x82000200)):
        assert lab.internet.ask(address, 80).server == "backend"
        assert mark(lab, dst=address) == {expected}
