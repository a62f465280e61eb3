# SPDX-License-Identifier: GPL-2.0-or-later
"""What not every machine's kernel has: VLANs, delay and loss on the line itself, flow tables. `make test-vm` runs these
on one that has; elsewhere they are skipped."""

import pytest

from lab import topologies
from lab.checks import ask_from_internet
from lab.lab import wait_for
from lab.router import Router

SERVER = "203.0.113.200"
ADDRESSES = {"isp1": "192.0.2.1", "isp2": "198.51.100.1"}
QUICK = {"targets": [SERVER], "interval_ms": 100, "timeout_ms": 600, "up_after": 2, "window": 20}


@pytest.fixture
def lab(built, lab_factory):
    lab = lab_factory(topologies.home())
    lab.internet.serve(80, "tcp", SERVER)
    lab.backend.serve(80)
    yield lab
    lab.close()


def attempt(host, command):
    """Skips where the kernel cannot."""
    done = host.run(command, check=False)
    if done.returncode:
        pytest.skip(f"this kernel cannot: {command}: {done.stderr.strip()}")


def state(router, name):
    return next(u["state"] for u in router.api.get("/uplinks").expect(200)["items"] if u["name"] == name)


def is_up(router, name, up=True):
    return lambda: state(router, name)["up"] == up


def works(router):
    """The forward on both addresses, each answered by its own uplink; from inside; and what a LAN host begins."""
    lab = router.lab
    for isp, address in ADDRESSES.items():
        exchange = ask_from_internet(lab, address, 80)
        assert exchange.replies == [isp] and exchange.answer.server == "backend" and exchange.answer.peer == SERVER
        assert lab.client.ask(address, 80).server == "backend"
    assert lab.client.ask(SERVER, 80).peer == ADDRESSES["isp1"]


def tag(lab, isp, old, new, number):
    """The ISP's network comes tagged from now on: `new`, on top of `old`, is the router's device."""
    given, own = lab.topology.nodes[isp].addresses["router"], lab.topology.nodes["router"].addresses[old]
    attempt(lab.router, f"ip link add link {old} name {new} type vlan id {number}")
    lab.router.ip(f"addr flush dev {old}")
    lab.router.ip(f"-6 route flush default dev {old}")   # those of IPv4 went with the address
    for line in ("down", "name cable", "up"):
        lab[isp].ip(f"link set {'router' if line != 'up' else 'cable'} {line}")
    lab[isp].ip("addr flush dev cable")
    lab[isp].ip(f"link add link cable name router type vlan id {number}")
    for host, device, addresses in (lab[isp], "router", given), (lab.router, new, own):
        host.ip(f"link set {device} up")
        for address in addresses:
            host.ip(f"addr add {address} dev {device}" + (" nodad" if ":" in address else ""))
    for gateway in given:
        lab.router.ip(f"route add default via {gateway.split('/')[0]} dev {new} metric 10{number}")
    lab[isp].sysctl("net.ipv4.conf.router.rp_filter", 1)


def test_vlan_uplinks(lab):
    """Names with a dot, one of them as long as they can be."""
    devices = {"isp1": "eth0.7", "isp2": "internet-2.0008"}
    tag(lab, "isp1", "eth0", devices["isp1"], 7)
    tag(lab, "isp2", "eth1", devices["isp2"], 8)
    with Router(lab) as router:
        router.configure(uplinks=[{"name": name, "device": device, "tier": i + 1, "health": QUICK}
                                  for i, (name, device) in enumerate(devices.items())])
        router.forward()
        for name in devices:
            wait_for(is_up(router, name), 10)
        works(router)
        assert router.kernel()["in_sync"]
        with lab.router.entered():
            for device in devices.values():   # by path, since a dot in a sysctl's name is a slash
                with open(f"/proc/sys/net/ipv4/conf/{device}/rp_filter", encoding="ascii") as file:
                    assert file.read().strip() == "2"
        lab.isp1.ip("link set cable down")
        wait_for(is_up(router, "isp1", False), 10)
        assert lab.client.ask(SERVER, 80).peer == ADDRESSES["isp2"]
        router.daemon.check_log()


def test_delay_and_loss_of_the_line(lab):
    """Both ways: what the judge says is what the line does."""
    with Router(lab) as router:
        health = {**QUICK, "max_loss_percent": 20, "down_after": 10}
        router.configure(uplinks=[{**uplink, "health": health} for uplink in router.uplinks])
        wait_for(is_up(router, "isp1"), 10)
        attempt(lab.isp1, "tc qdisc add dev router root netem delay 120ms")
        wait_for(lambda: 100 < (state(router, "isp1")["latency_ms"] or 0) < 400, 20, "the delay to be seen")
        assert state(router, "isp1")["up"] and state(router, "isp2")["latency_ms"] < 100
        lab.isp1.run("tc qdisc change dev router root netem delay 0ms loss 70%")
        wait_for(is_up(router, "isp1", False), 20)
        assert state(router, "isp1")["reason"] == "loss" and state(router, "isp2")["up"]
        assert lab.client.ask(SERVER, 80).peer == ADDRESSES["isp2"]
        lab.isp1.run("tc qdisc del dev router root")
        wait_for(is_up(router, "isp1"), 20)


def offloaded(lab):
    return [line for line in lab.router.run("conntrack -L").stdout.splitlines() if "[OFFLOAD]" in line]


def test_beside_flow_tables(lab):
    """As OpenWrt's firewall makes them: established connections pass by the rules, and yet leave by their uplink."""
    with Router(lab) as router:
        router.forward()
        table = lab.router.run(["nft", "-f", "-"], check=False, stdin="""
            table inet other {
                flowtable fast {
                    hook ingress priority 0; devices = { eth0, eth1, br-lan };
                }
                chain through {
                    type filter hook forward priority -1; policy accept;
                    ct state established flow add @fast
                }
            }""")
        if table.returncode:
            pytest.skip(f"this kernel has no flow tables: {table.stderr.strip()}")
        for isp, address in ADDRESSES.items():
            with lab.internet.connect(address, 80) as connection, lab[isp].capture("router") as capture:
                for _ in range(8):
                    assert connection.ask().server == "backend"
                assert offloaded(lab)
                came = capture.packets(direction="in", src=address, sport=80)
                assert len(came) >= 8, str(capture)
        works(router)
        assert router.kernel()["in_sync"]
        assert "flowtable fast" in lab.router.run("nft list table inet other").stdout


def test_a_flow_table_in_our_table(lab):
    """It would take connections past the rules: it is removed like whatever else does not belong there."""
    with Router(lab) as router:
        router.forward()
        done = lab.router.run("nft add flowtable inet portico fast { hook ingress priority 0; devices = { eth0 }; }",
                              check=False)
        if done.returncode:
            pytest.skip(f"this kernel has no flow tables: {done.stderr.strip()}")
        wait_for(lambda: '"flowtable"' not in lab.router.run("nft -j list table inet portico").stdout, 10)
        wait_for(lambda: router.kernel()["in_sync"], 10)
        works(router)
