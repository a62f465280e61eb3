# SPDX-License-Identifier: GPL-2.0-or-later
"""kernel/ against the real kernel: what it writes is what nft and ip show, what it reads is what it wrote."""
import re

import pytest

from lab.driver import Driver
from lab.lab import Lab, Node, Topology, wait_for
from lab.porticod import build_dir


def network():
    return Topology(
        nodes={
            "router": Node(addresses={"eth0": ["192.0.2.1/24", "2001:db8:1::1/64"]}),
            "peer": Node(addresses={"eth0": ["192.0.2.254/24", "2001:db8:1::fe/64"]}),
        },
        links=[("router.eth0", "peer.eth0")],
    )


class KernelDriver(Driver):
    def want(self, what):
        """Applies a desired state; all of it must be there afterwards."""
        self.ask(f"want {what}")
        assert self.ask("apply") == []
        assert self.ask("plan") == []

    def wait_changed(self, *names):
        seen = set()

        def came():
            seen.update(self.ask("changed"))
            return seen >= set(names)
        wait_for(came, what=f"{names} among {seen}")
        return seen


@pytest.fixture(scope="session")
def program(built):
    made = build_dir() / "kernel_driver"
    if not made.exists():
        pytest.fail(f"no {made}: make drivers first")
    return made


@pytest.fixture
def lab(program):
    with Lab(network()) as made:
        wait_for(made.router.links_are_up)
        yield made


@pytest.fixture
def driver(lab, program):
    made = KernelDriver(lab.router, program)
    made.ask("changed")
    yield made
    made.close()


def elements(text):
    """The elements of sets, one a line and in order, without the word that says that they are counted."""
    def sort(match):
        items = [" ".join(item.replace(" counter", "").split()) for item in match[1].split(",")]
        return "elements = {\n" + "\n".join(sorted(items)) + "\n}\n"
    return re.sub(r"elements = \{(.*?)\}\n", sort, text, flags=re.S)


def table(text):
    """The sets and chains of the table as a sorted list: nft has them in the order in which they were made."""
    inside = text[text.index("table inet portico"):text.index("\n}\n")]
    return sorted(re.findall(r"^\t\w+ \w+ \{\n.*?^\t\}$", elements(inside), flags=re.S | re.M))


def listed(host):
    return table(host.run("nft -s list table inet portico").stdout)


def test_is_listed_as_printed(lab, driver):
    driver.want("full")
    assert listed(lab.router) == table(driver.text("print"))


def test_nft_reads_its_own_listing(lab, driver):
    """What nft lists it also accepts: nothing in the table is beyond its language."""
    driver.want("full")
    text = lab.router.run("nft -s list table inet portico").stdout
    lab.router.nft("delete table inet portico\n" + text)
    assert listed(lab.router) == table(driver.text("print"))
    # The rules are not ours any more, though: they carry no digest.
    assert driver.ask("plan") != []
    driver.want("full")


def test_rules_and_routes(lab, driver):
    driver.want("full")
    rules = lab.router.ip("rule show") + lab.router.ip("-6 rule show")
    for line in ("5000:\tfrom all lookup main suppress_prefixlength 0 proto 80",
                 "5001:\tfrom 192.0.2.1 lookup 20001 proto 80",
                 "5001:\tfrom 2001:db8:1::1 lookup 20001 proto 80",
                 "5100:\tfrom all to 198.51.100.0/24 fwmark 0x1000000/0x7f000000 lookup 20001 proto 80",
                 "5900:\tfrom all fwmark 0x1000000/0x7f000000 unreachable proto 80"):
        assert line in rules
    def routes(family, number):
        return lab.router.ip(f"{family} route show table {number}").strip()
    assert routes("-4", 20001) == "default via 192.0.2.254 dev eth0 proto 80"
    assert routes("-4", 20002) == "default dev eth0 proto 80 scope link"
    assert routes("-4", 20003) == "unreachable default proto 80"
    assert routes("-6", 20001).startswith("default via 2001:db8:1::fe dev eth0 proto 80 ")
    assert routes("-6", 20002).startswith("default dev eth0 proto 80 ")
    assert routes("-6", 20003).startswith("unreachable default dev lo proto 80 ")
    assert lab.router.sysctl("net.ipv4.ip_forward") == "1"
    assert lab.router.sysctl("net.ipv4.conf.eth0.rp_filter") == "2"


def test_changes_piece_by_piece(lab, driver):
    driver.want("full")
    before = lab.router.run("nft -a list table inet portico").stdout
    driver.want("changed")
    assert listed(lab.router) == table(driver.text("print"))
    assert any("set extra" in block for block in listed(lab.router))
    assert lab.router.ip("route show table 20001").strip() == "default via 192.0.2.253 dev eth0 proto 80"
    # The replaced IPv6 route is gone, not a second choice.
    assert lab.router.ip("-6 route show table 20001").count("default") == 1
    assert "via" not in lab.router.ip("-6 route show table 20001")
    # The table itself was never made anew: a chain that stayed kept its handle.
    handle = re.search(r"chain guard \{ # handle (\d+)", before)
    assert handle[0] in lab.router.run("nft -a list table inet portico").stdout
    driver.want("full")
    assert lab.router.ip("-6 route show table 20001").count("default") == 1


def test_leaves_nothing_and_touches_nothing_else(lab, driver):
    lab.router.nft("table inet other { set s { type ipv4_addr; elements = { 192.0.2.1 } }\n"
                   "chain c { type filter hook input priority 0; }\n}\ntable ip portico {\nchain x { }\n}")
    lab.router.ip("rule add pref 5500 from 192.0.2.99 lookup 100")
    lab.router.ip("route add default via 192.0.2.254 table 20001 metric 7 proto static")
    def others():
        return (lab.router.run("nft list table inet other").stdout + lab.router.run("nft list table ip portico").stdout +
                lab.router.ip("route show table all proto static") +
                "".join(line for line in lab.router.ip("rule show").splitlines() if "proto 80" not in line))
    before = others()
    driver.want("full")
    assert others() == before
    driver.want("empty")
    assert others() == before
    assert "proto 80" not in lab.router.ip("rule show") + lab.router.ip("-6 rule show")
    assert lab.router.ip("route show table all proto 80") + lab.router.ip("-6 route show table all proto 80") == ""
    assert lab.router.run("nft list table inet portico", check=False).returncode != 0


@pytest.mark.parametrize("rules,seen", [
    ("", "there"),
    ("add rule inet fw4 forward ct mark & 0x80000000 == 0x80000000 accept", "there, forward"),
    ("add rule inet fw4 input ct mark & 0x80000000 != 0 counter accept comment \"x\"", "there, input"),
    ("add rule inet fw4 forward meta mark & 0x80000000 == 0x80000000 accept", "there"),
    ("add rule inet fw4 forward ct mark & 0xc0000000 == 0x80000000 accept", "there"),
    ("add rule inet fw4 forward ct mark & 0x80000000 == 0 accept", "there"),
    ("add rule inet fw4 forward ct mark & 0x80000000 == 0x80000000 drop", "there"),
    ("add rule inet fw4 forward tcp dport 80 ct mark & 0x80000000 == 0x80000000 accept", "there"),
    ("add rule inet fw4 forward drop\n"
     "add rule inet fw4 forward ct mark & 0x80000000 == 0x80000000 accept", "there"),
    ("add rule inet fw4 forward tcp dport 80 drop\nadd rule inet fw4 forward ip saddr 192.0.2.9 reject\n"
     "add rule inet fw4 forward ct state vmap { established : accept, invalid : drop }\n"
     "add rule inet fw4 forward ct mark & 0x80000000 == 0x80000000 accept", "there, forward"),
    ("add rule inet fw4 forward iifname { \"a\", \"b\" } jump other\n"
     "add rule inet fw4 other ct mark & 0x80000000 == 0x80000000 accept", "there, forward"),
    ("add rule inet fw4 forward iifname \"a\" jump other\nadd rule inet fw4 other drop\n"
     "add rule inet fw4 forward ct mark & 0x80000000 == 0x80000000 accept", "there, forward"),
    ("add rule inet fw4 forward jump other\nadd rule inet fw4 other drop\n"
     "add rule inet fw4 forward ct mark & 0x80000000 == 0x80000000 accept", "there"),
    ("add rule inet fw4 forward jump other\nadd rule inet fw4 other return\nadd rule inet fw4 other drop\n"
     "add rule inet fw4 forward ct mark & 0x80000000 == 0x80000000 accept", "there, forward"),
], ids=range(14))
def test_the_include_of_fw4(lab, driver, rules, seen):
    lab.router.nft("table inet fw4 {\n"
                   "chain input { type filter hook input priority 0; policy drop; }\n"
                   "chain forward { type filter hook forward priority 0; policy drop; }\n"
                   "chain other { }\n}\n" + rules)
    try:
        assert driver.ask("fw4") == [seen]
    finally:
        lab.router.run("nft delete table inet fw4")
    assert driver.ask("fw4") == ["not there"]


@pytest.mark.parametrize("harm,what", [
    ("nft flush chain inet portico to_inside", "table"),
    ("nft delete table inet portico", "table"),
    ("nft flush ruleset", "table"),
    ("nft add rule inet portico helper accept", "table"),
    ("nft delete element inet portico ports { 8080 }", "table"),
    ("nft delete element inet portico lan4 { 10.0.0.5-10.0.0.9 }", "table"),
    ("nft add element inet portico ports { 22-23 }", None),
    ("nft add element inet portico lan4 { 172.16.0.0/12 }", "table"),
    ("nft add set inet portico stranger { type ether_addr ; }", "table"),
    ("nft add counter inet portico stranger", "table"),
    ("nft add chain inet portico to_inside { policy drop ; }", "table"),
    ("nft add table inet portico { flags dormant ; }", "table"),
    ("nft insert rule inet portico guard tcp dport { 22, 23 } accept", "table"),
    ("ip rule del pref 5100", "routes"),
    ("ip -6 rule del pref 5900", "routes"),
    ("ip route flush table 20001", "routes"),
    ("ip -6 route flush table 20003", "routes"),
    ("ip link set eth0 down", "routes"),
    ("ip route replace unreachable default table 20001 proto 80", "routes"),
    ("sysctl -q -w net.ipv4.ip_forward=0", "sysctl"),
    ("sysctl -q -w net.ipv4.conf.eth0.rp_filter=1", "sysctl"),
])
def test_notices_and_mends(lab, driver, harm, what):
    driver.want("full")
    driver.ask("changed")
    done = lab.router.run(harm, check=False)
    if what is None:
        assert done.returncode != 0
        return
    assert done.returncode == 0, done.stderr
    driver.wait_changed(what)
    if "link set" in harm:
        lab.router.ip("link set eth0 up")
        wait_for(lab.router.links_are_up)
        lab.router.ip("addr replace 2001:db8:1::1/64 dev eth0 nodad")
    assert driver.ask("plan") != []
    driver.want("full")
    assert listed(lab.router) == table(driver.text("print"))


def test_own_changes_are_not_reported(lab, driver):
    """After our own changes the next thing told is somebody else's, whose event comes behind all of ours."""
    driver.want("full")
    driver.want("changed")
    driver.want("empty")
    lab.router.sysctl("net.ipv4.ip_forward", 0)
    assert driver.wait_changed("sysctl") == {"sysctl"}
    driver.want("full")
    lab.router.ip("rule del pref 5100")
    assert driver.wait_changed("routes") == {"routes"}
    lab.router.nft("delete table inet portico")
    assert driver.wait_changed("table") == {"table"}


def test_lan_routes_and_other_tables_are_not_reported(lab, driver):
    driver.want("full")
    driver.ask("changed")
    lab.router.ip("route add 198.51.100.0/24 via 192.0.2.254")
    lab.router.ip("rule add pref 30000 from all lookup 99")
    lab.router.nft("table inet other { }")
    driver.wait_changed("table")
    lab.router.nft("add chain inet other x")
    lab.router.ip("route add default via 192.0.2.254")
    assert driver.wait_changed("links") == {"links"}


def test_refusals_have_the_kernels_words(lab, driver):
    driver.ask("want refused")
    route, batch = driver.ask("apply")
    assert route == "ENETUNREACH: Nexthop has invalid gateway"
    assert batch.startswith("ENOENT: ") and "lonely" in batch and "jump nowhere" in batch
    # All or nothing.
    assert lab.router.run("nft list tables").stdout == ""


def test_links(lab, driver):
    router = lab.router
    router.ip("addr add 192.0.2.77/24 dev eth0")
    router.ip("link add br0 type bridge")
    router.ip("addr add 192.0.2.2 peer 198.51.100.1/32 dev br0")
    router.ip("addr add 2001:db8:2::1/64 dev br0 nodad preferred_lft 0")
    router.ip("route add default via 192.0.2.253 metric 20")
    router.ip("route add default via 192.0.2.254 metric 10")
    router.ip("route add default via 192.0.2.252 table 99")
    router.ip("-6 route add default via 2001:db8:1::fe")
    lines = {line.split()[0]: line for line in driver.ask("links")}
    link_local = [a for a in lines["eth0"].split() if a.startswith("fe80:")]
    assert lines["eth0"].split() == ["eth0", "up", "192.0.2.1/24", "2001:db8:1::1/64", *link_local, "192.0.2.77/24",
                                     "via4", "192.0.2.254", "via6", "2001:db8:1::fe"]
    assert lines["br0"] == "br0 bridge 192.0.2.2/32 peer 198.51.100.1 2001:db8:2::1/64 deprecated"
    assert lines["lo"].startswith("lo up loopback 127.0.0.1/8") or lines["lo"].startswith("lo loopback")
    assert list(lines) == sorted(lines)


def test_large_maps(lab, driver):
    driver.want("many")
    # So many events of our own drown nobody else's.
    lab.router.ip("link add br0 type bridge")
    assert "table" not in driver.wait_changed("links")
    assert lab.router.run("nft list map inet portico forwards4").stdout.count(" : 192.168.0.2 . ") == 20000
    assert "10.78.31.0" in lab.router.run("nft list set inet portico sources").stdout
    driver.want("empty")


def test_counters(lab, driver):
    driver.want("full")
    assert sorted(driver.ask("counters forwards4")) == ["17.53 0", "6.80 0"]
    assert driver.ask("counters_of forwards4") == ["6.80 0", "17.53 0"]
    lab.router.run("nft delete element inet portico forwards4 '{ udp . 53 }'")
    assert driver.ask("counters_of forwards4") == ["6.80 0", "failed"]
    driver.want("many")
    assert sorted(driver.ask("counters_of forwards4")) == sorted(driver.ask("counters forwards4"))


def test_sweep_deletes_only_what_it_should(lab, driver):
    def flow(destination, source="192.0.2.1", zone=""):
        lab.router.run(f"conntrack -I -p udp -s {source} -d {destination} --sport 1000 --dport 53 --timeout 300 {zone}")
    for destination in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        flow(destination)
    flow("198.51.100.2", zone="-w 7")
    flow("2001:db8:9::1", "2001:db8:1::1")

    def destinations():
        lines = lab.router.run("conntrack -f ipv4 -L").stdout + lab.router.run("conntrack -f ipv6 -L").stdout
        return sorted(re.findall(r"dst=(\S+) sport=1000", lines))
    assert destinations() == ["198.51.100.1", "198.51.100.2", "198.51.100.2", "198.51.100.3", "2001:db8:9::1"]
    driver.ask("sweep 198.51.100.2")
    wait_for(lambda: destinations() == ["198.51.100.1", "198.51.100.3", "2001:db8:9::1"])
    driver.ask("sweep 203.0.113.1")
    driver.ask("sweep 2001:db8:9::1")
    wait_for(lambda: destinations() == ["198.51.100.1", "198.51.100.3"])


def test_without_privilege_says_so(lab, program):
    done = lab.router.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all",
                           str(program)], check=False, stdin="")
    assert done.returncode == 1
    assert "CAP_NET_ADMIN" in done.stderr
