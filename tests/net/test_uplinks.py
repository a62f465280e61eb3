# SPDX-License-Identifier: GPL-2.0-or-later
"""Uplinks of every make: point to point, two in one subnet, two modems with the same address, devices that come
and go, gateways outside of the subnet, IPv6 of two providers. Each with a health check, seen in packets."""
import contextlib

import pytest

from lab import topologies
from lab.checks import Stream, ask_from_internet, change_address, outcome
from lab.faults import Isp
from lab.lab import wait_for
from lab.router import LAN, Router

SERVER, SERVER6 = "203.0.113.200", "2001:db8:ffff::c8"
QUICK = {"targets": [SERVER], "interval_ms": 100, "timeout_ms": 200, "up_after": 2}
PREFIX1, PREFIX2 = "2001:db8:10::/56", "2001:db8:20::/56"


@pytest.fixture
def lab(built, lab_factory):
    """One for each test: devices are taken apart here."""
    lab = lab_factory(topologies.home(2))
    for protocol in ("tcp", "udp"):
        lab.internet.serve(80, protocol, SERVER)
        lab.backend.serve(80, protocol)
    yield lab
    lab.close()


@contextlib.contextmanager
def running(lab, *changes, **config):
    """The daemon with two uplinks of one tier, health checks and a forward; they are up."""
    with Router(lab) as router:
        router.uplinks = [{"name": f"isp{i + 1}", "device": f"eth{i}", "health": QUICK,
                           **(changes[i] if i < len(changes) else {})} for i in range(2)]
        router.configure(**config)
        all_up(router)
        router.forward()
        yield router
        router.daemon.check_log()


def states(router):
    return {u["name"]: u["state"] for u in router.api.get("/uplinks").expect(200)["items"]}


def all_up(router):
    wait_for(lambda: all(s["up"] for s in states(router).values()), 10, "both uplinks to be up")


def works(router, *addresses):
    """Both carry new connections out, and forwards answer on both, by the uplink of arrival."""
    peers = wait_for(lambda: outgoing(router, len(addresses)), what="connections by all uplinks")
    assert peers == set(addresses)
    for number, address in enumerate(addresses):
        assert ask_from_internet(router.lab, address, 80).replies == [f"isp{number + 1}"]


def outgoing(router, count):
    peers = set()
    for _ in range(2 * count):
        with contextlib.suppress(OSError):
            peers.add(router.lab.client.ask(SERVER, 80, timeout=0.5).peer)
    return peers if len(peers) == count else None


def fails_over(router, name, other):
    with Isp(router.lab, name) as isp:
        with isp.blackhole():
            wait_for(lambda: states(router)[name]["reason"] == "no-answer", 10)
            assert {router.lab.client.ask(SERVER, 80).peer for _ in range(4)} == {other}
            assert router.lab.router.ask(SERVER, 80).peer == other
    all_up(router)


def test_a_device_that_is_made_anew(lab):
    with running(lab) as router:
        lab.router.ip("link del eth1")
        wait_for(lambda: states(router)["isp2"]["reason"] == "device-missing")
        assert lab.client.ask(SERVER, 80).peer == "192.0.2.1"
        plug_in(lab, "eth1")
        all_up(router)
        works(router, "192.0.2.1", "198.51.100.1")
        fails_over(router, "isp2", "192.0.2.1")


def plug_in(lab, device):
    """What makes isp2's line anew, as the lab made it, under this name."""
    lab.router.ip(f"link add {device} type veth peer name router netns {lab.isp2.netns}")
    lab.isp2.ip("addr add 198.51.100.254/24 dev router")
    lab.isp2.ip("link set router up")
    lab.router.ip(f"addr add 198.51.100.1/24 dev {device}")
    lab.router.ip(f"link set {device} up")
    lab.router.ip(f"route add default via 198.51.100.254 dev {device} metric 101")


def test_a_device_that_gets_another_name(lab):
    with running(lab) as router:
        lab.router.run(["ip", "-batch", "-"], stdin="link set eth1 down\nlink set eth1 name wan1\nlink set wan1 up\n"
                       "route add default via 198.51.100.254 dev wan1 metric 101\n")
        wait_for(lambda: states(router)["isp2"]["reason"] == "device-missing")
        isp2 = next(u for u in router.api.get("/uplinks").expect(200)["items"] if u["name"] == "isp2")
        router.api.patch(f"/uplinks/{isp2['id']}", {"device": "wan1"}).expect(200)
        all_up(router)
        works(router, "192.0.2.1", "198.51.100.1")
        lab.router.run(["ip", "-batch", "-"], stdin="link set wan1 down\nlink set wan1 name eth1\nlink set eth1 up\n"
                       "route add default via 198.51.100.254 dev eth1 metric 101\n")
        wait_for(lambda: states(router)["isp2"]["reason"] == "device-missing")
        router.api.patch(f"/uplinks/{isp2['id']}", {"device": "eth1"}).expect(200)
        wait_for(lambda: states(router)["isp2"]["reason"] in (None, "held"), 10)


def test_two_addresses_on_one_uplink(lab):
    lab.router.ip("addr add 198.51.100.9/24 dev eth1")
    with running(lab) as router:
        works(router, "192.0.2.1", "198.51.100.1")
        exchange = ask_from_internet(lab, "198.51.100.9", 80)
        assert (exchange.answer.server, exchange.replies) == ("backend", ["isp2"])
        assert lab.client.ask("198.51.100.9", 80).server == "backend", "hairpin"


def test_the_gateway_follows_the_main_table(lab):
    """Another gateway in the same subnet, told by nothing but an event."""
    lab.isp2.ip("addr add 198.51.100.253/24 dev router")
    with running(lab) as router:
        lab.router.ip("route replace default via 198.51.100.253 dev eth1 metric 101")
        wait_for(lambda: states(router)["isp2"]["gateway"] == "198.51.100.253")
        assert "via 198.51.100.253 dev eth1" in lab.router.ip("route show table 20002")
        works(router, "192.0.2.1", "198.51.100.1")


def test_renewals(lab):
    """isp2's address changes, three times, under connections; health checks go on from the new one."""
    with running(lab) as router, Stream(lab.client, SERVER, 80, "udp") as stream:
        old = "198.51.100.1"
        for new in ("198.51.100.31", "198.51.100.32", "198.51.100.33"):
            change_address(lab.router, "eth1", f"{old}/24", f"{new}/24", "198.51.100.254", 101)
            wait_for(lambda n=new: stream.first(n), what=f"connections from {new}")
            assert ask_from_internet(lab, new, 80).replies == ["isp2"]
            assert not lab.router.conntrack(reply_dst=old)
            old = new
        assert states(router)["isp2"]["reason"] in (None, "held", "untested")
        with lab.isp2.capture("router") as capture:
            capture.wait(3, direction="in", protocol="icmp", src=old, dst=SERVER)


@pytest.mark.parametrize("gateway", ["auto", None])
def test_point_to_point(lab, gateway):
    """A device, an address and a peer; a default route without a gateway, or none at all."""
    lab.isp2.sysctl("net.ipv4.conf.router.proxy_arp", 1)   # so that a veth is as good as a line
    lab.router.run(["ip", "-batch", "-"], stdin="addr del 198.51.100.1/24 dev eth1\n"
                   "addr add 198.51.100.1 peer 198.51.100.254/32 dev eth1\n"
                   + ("route add default dev eth1 metric 300\n" if gateway else ""))
    with running(lab, {}, {"gateway": gateway}) as router:
        works(router, "192.0.2.1", "198.51.100.1")
        fails_over(router, "isp1", "198.51.100.1")


def test_a_gateway_outside_of_the_subnet(lab):
    lab.isp2.run(["ip", "-batch", "-"], stdin="addr add 203.0.113.97/32 dev router\n"
                 "addr del 198.51.100.254/24 dev router\nroute add 198.51.100.1 dev router\n")
    lab.router.run(["ip", "-batch", "-"], stdin="addr del 198.51.100.1/24 dev eth1\naddr add 198.51.100.1/32 dev eth1\n")
    with running(lab, {}, {"gateway": "203.0.113.97"}) as router:
        assert lab.router.ip("route show table 20002").strip() == "default via 203.0.113.97 dev eth1 proto 80 onlink"
        works(router, "192.0.2.1", "198.51.100.1")
        fails_over(router, "isp1", "198.51.100.1")


def test_two_uplinks_in_one_subnet(lab):
    """Both lines end in the same network of one provider, with the same gateway: ARP must not mix them up."""
    lab.isp1.ip("link add br0 type bridge")
    lab.isp2.ip("link set router down")
    lab.router.ip("link del eth1")
    lab.router.ip(f"link add eth1 type veth peer name second netns {lab.isp1.netns}")
    lab.isp1.run(["ip", "-batch", "-"], stdin="addr flush dev router\nlink set router master br0\nlink set second master br0\n"
                 "link set second up\naddr add 192.0.2.254/24 dev br0\nlink set br0 up\n")
    lab.router.run(["ip", "-batch", "-"], stdin="addr add 192.0.2.11/24 dev eth1\nlink set eth1 up\n")
    with running(lab, {}, {"gateway": "192.0.2.254"}) as router:
        assert wait_for(lambda: outgoing(router, 2)) == {"192.0.2.1", "192.0.2.11"}
        for port, own, other in (("router", "192.0.2.1", "192.0.2.11"), ("second", "192.0.2.11", "192.0.2.1")):
            with lab.isp1.capture(port) as capture:
                lab.isp1.ip("neigh flush dev br0")
                assert lab.internet.ask(own, 80).server == "backend"
                assert lab.internet.ask(other, 80).server == "backend"
                assert capture.packets(direction="in", src=own), str(capture)
                assert not capture.packets(direction="in", src=other), f"{other} by {port}:\n{capture}"


def test_two_modems_with_the_same_address(lab):
    """Both providers' boxes are 192.168.1.1 and translate by themselves; the router is .2 behind the one, .3 behind the
    other."""
    for name, device, own in (("isp1", "eth0", "192.168.1.2"), ("isp2", "eth1", "192.168.1.3")):
        modem = lab[name]
        modem.run(["ip", "-batch", "-"], stdin="addr flush dev router\naddr add 192.168.1.1/24 dev router\n")
        public = "192.0.2.1" if name == "isp1" else "198.51.100.1"
        modem.ip(f"addr add {public}/32 dev lo")
        modem.nft(f"""table ip modem {{
            chain in {{
                type nat hook prerouting priority dstnat;
                iifname "internet" ip daddr {public} tcp dport 80 dnat to {own}
            }}
            chain out {{
                type nat hook postrouting priority srcnat;
                oifname "internet" snat to {public}
            }}
        }}""")
        lab.router.run(["ip", "-batch", "-"], stdin=f"addr flush dev {device} scope global\n"
                       f"addr add {own}/24 dev {device}\n")
    with running(lab, {"gateway": "192.168.1.1"}, {"gateway": "192.168.1.1"}) as router:
        works(router, "192.0.2.1", "198.51.100.1")
        fails_over(router, "isp1", "198.51.100.1")
        fails_over(router, "isp2", "192.0.2.1")


# --- IPv6 of two providers ---

@pytest.fixture
def providers(lab):
    """Each provider routes a prefix of its own to the router; the client has an address of both, and drops what it
    should not see."""
    lab.internet.serve(80, "tcp", SERVER6)
    lab.router.sysctl("net.ipv6.conf.all.forwarding", 1)
    for number, prefix in ((1, PREFIX1), (2, PREFIX2)):
        isp, lan = lab[f"isp{number}"], prefix.replace("::/56", ":a")
        isp.ip(f"route add {prefix} via 2001:db8:{number}::1 dev router")
        lab.internet.ip(f"route add {prefix} via 2001:db8:f{number}::2 src {SERVER6}")
        lab.router.ip(f"addr add {lan}::1/64 dev br-lan nodad")
        lab.client.ip(f"addr add {lan}::3/64 dev eth0 nodad")
        isp.nft(f"""table inet strict {{
            counter strangers {{
            }}
            chain arriving {{
                type filter hook prerouting priority raw;
                iifname "router" ip6 saddr != {{ 2001:db8:{number}::/64, {prefix}, fe80::/10 }} counter name strangers drop
            }}
        }}""")
    yield lab
    for isp in (lab.isp1, lab.isp2):
        assert "packets 0 " in isp.run("nft list counter inet strict strangers").stdout


HEALTH6 = {**QUICK, "targets": [SERVER6]}
HOST1, HOST2 = "2001:db8:10:a::3", "2001:db8:20:a::3"


def six(**more):
    return [{"health": HEALTH6, "prefixes": [PREFIX1], **more}, {"health": HEALTH6, "prefixes": [PREFIX2], **more}]


def test_each_source_leaves_by_its_provider(providers):
    with running(providers, *six()) as router:
        for source in (HOST1, HOST2):
            assert providers.client.ask(SERVER6, 80, source=source).peer == source
        with Isp(providers, "isp1") as isp1, isp1.blackhole():
            wait_for(lambda: states(router)["isp1"]["reason"] == "no-answer", 10)
            assert providers.client.ask(SERVER6, 80, source=HOST2).peer == HOST2
            # isp2 would not take it.
            assert outcome(providers.client, SERVER6, 80, source=HOST1) != "answer"


def test_a_source_whose_uplink_is_gone_is_told(providers):
    with running(providers, *six()) as router:
        with Isp(providers, "isp1") as isp1, isp1.link_down():
            wait_for(lambda: states(router)["isp1"]["reason"] == "link-down", 10)
            with providers.client.capture("eth0") as capture:
                assert outcome(providers.client, SERVER6, 80, source=HOST1) != "answer"
                assert capture.packets(direction="in", protocol="icmpv6", sport=1, dst=HOST1), "unreachable, RFC 4443 section 3.1"
            assert providers.client.ask(SERVER6, 80, source=HOST2).peer == HOST2


@pytest.mark.parametrize("how", ["prefix", "masquerade"])
def test_failover_by_translation(providers, how):
    """With NPTv6 the same subnet and host under the other provider's prefix."""
    with running(providers, *six(source_nat6=how)) as router:
        for source in (HOST1, HOST2):
            assert providers.client.ask(SERVER6, 80, source=source).peer == source, "as long as its uplink is up"
        with Isp(providers, "isp1") as isp1, isp1.blackhole():
            wait_for(lambda: states(router)["isp1"]["reason"] == "no-answer", 10)
            expected = HOST2 if how == "prefix" else "2001:db8:2::1"
            assert providers.client.ask(SERVER6, 80, source=HOST1).peer == expected
            assert providers.client.ask(SERVER6, 80, source=HOST2).peer == HOST2
        all_up(router)
        assert providers.client.ask(SERVER6, 80, source=HOST1).peer == HOST1


def test_private_addresses_are_shared_out(providers):
    """Unique local ones inside, NPTv6 on both."""
    with running(providers, *six(source_nat6="prefix")):
        peers = {providers.client.ask(SERVER6, 80, source="fd00:db8::3").peer for _ in range(6)}
        assert peers == {"2001:db8:10:0::3".replace(":0::", "::"), "2001:db8:20::3"}


def test_prefixes_are_learned(providers):
    """From source-specific default routes, as OpenWrt makes them."""
    for number, prefix in ((1, PREFIX1), (2, PREFIX2)):
        providers.router.ip(f"route add ::/0 from {prefix} via 2001:db8:{number}::fe dev eth{number - 1} metric 512")
    with running(providers, {"health": HEALTH6}, {"health": HEALTH6}, networks=[LAN]) as router:
        rules = providers.router.ip("-6 rule")
        assert f"from {PREFIX1} lookup 20001" in rules and f"from {PREFIX2} lookup 20002" in rules
        for source in (HOST1, HOST2):
            assert providers.client.ask(SERVER6, 80, source=source).peer == source
        assert router.kernel()["in_sync"]
