# SPDX-License-Identifier: GPL-2.0-or-later
"""The networks in which Portico is tested. Devices are named after what they face."""
from .lab import Node, Topology


def home(uplinks=2):
    """A router with one to eight uplinks, and everything that hairpin meets in a LAN.

                          internet   203.0.113.200 .201 .202 (on lo), 2001:db8:ffff::c8
                  isp1 /       | isp2     \\ isp3 ... isp8
         100.64.1.0/30 |       | 100.64.2.0/30
                     isp1    isp2    ...      each its own namespace; drops foreign sources (BCP 38)
          192.0.2.254  |       | 198.51.100.254
          192.0.2.1 eth0       eth1 198.51.100.1     eth2 203.0.113.1, eth3 203.0.113.17, ...
                       \\       /
                        router --- tun0 10.8.0.1 --- vpn 10.8.0.2
                          | br-lan 192.168.0.1/24, fd00:db8::1/64
            +---------+---+------+------------------+
            |         |          |                  |
         backend   client     backend2            inner 192.168.0.5      other 192.168.0.254
           .2        .3         .4                  | 192.168.50.1       (a router that leads nowhere)
                                                  inside 192.168.50.2
    """
    # prefix length, the router's address, gateway, IPv6 prefix
    isps = [(24, "192.0.2.1", "192.0.2.254", "2001:db8:1"),
            (24, "198.51.100.1", "198.51.100.254", "2001:db8:2")]
    isps += [(28, f"203.0.113.{i * 16 + 1}", f"203.0.113.{i * 16 + 14}", f"2001:db8:{i + 3}") for i in range(6)]
    isps = isps[:uplinks]
    router = Node(
        addresses={"br-lan": ["192.168.0.1/24", "fd00:db8::1/64"], "tun0": ["10.8.0.1/24"]},
        routes=["192.168.50.0/24 via 192.168.0.5"],
        # as strict as a distribution may have set it: the daemon has to cope
        sysctls={"net.ipv4.conf.all.rp_filter": 1, "net.ipv4.conf.default.rp_filter": 1})
    internet = Node(addresses={"lo": ["203.0.113.200/32", "203.0.113.201/32", "203.0.113.202/32",
                                      "2001:db8:ffff::c8/128"]})
    nodes = {
        "internet": internet,
        "router": router,
        "vpn": Node(addresses={"eth0": ["10.8.0.2/24"]}, routes=["default via 10.8.0.1"]),
        "backend": _lan_host(2),
        "client": _lan_host(3),
        "backend2": _lan_host(4),
        "inner": Node(addresses={"eth0": ["192.168.0.5/24"], "inside": ["192.168.50.1/24"]},
                      routes=["default via 192.168.0.1"], forwards=True),
        "inside": Node(addresses={"eth0": ["192.168.50.2/24"]}, routes=["default via 192.168.50.1"]),
        "other": Node(addresses={"eth0": ["192.168.0.254/24"]}, routes=["blackhole default"], forwards=True),
    }
    links = [("router.tun0", "vpn.eth0"), ("inner.inside", "inside.eth0")]
    for i, (length, address, gateway, prefix6) in enumerate(isps):
        isp, device = f"isp{i + 1}", f"eth{i}"
        router.addresses[device] = [f"{address}/{length}", f"{prefix6}::1/64"]
        router.routes += [f"default via {gateway} dev {device} metric {100 + i}",
                          f"::/0 via {prefix6}::fe dev {device} metric {100 + i}"]
        internet.addresses[isp] = [f"100.64.{i + 1}.1/30", f"2001:db8:f{i + 1}::1/64"]
        internet.routes += [f"{_prefix(address, length)} via 100.64.{i + 1}.2 src 203.0.113.200",
                            f"{prefix6}::/64 via 2001:db8:f{i + 1}::2 src 2001:db8:ffff::c8"]
        nodes[isp] = Node(
            addresses={"internet": [f"100.64.{i + 1}.2/30", f"2001:db8:f{i + 1}::2/64"],
                       "router": [f"{gateway}/{length}", f"{prefix6}::fe/64"]},
            routes=[f"default via 100.64.{i + 1}.1", f"::/0 via 2001:db8:f{i + 1}::1"],
            forwards=True, sysctls={"net.ipv4.conf.router.rp_filter": 1})
        links += [(f"router.{device}", f"{isp}.router"), (f"internet.{isp}", f"{isp}.internet")]
    bridges = {"router.br-lan": ["backend.eth0", "client.eth0", "backend2.eth0", "inner.eth0", "other.eth0"]}
    return Topology(nodes, links, bridges)


def one_router():
    """S0 as it is told: a router between two networks.

        client 192.168.18.25 --- eth0 192.168.18.58 [router] 192.168.2.90 eth1 --+-- backend 192.168.2.73
                                                                                 +-- other   192.168.2.1
    """
    nodes = {
        "client": Node(addresses={"eth0": ["192.168.18.25/24"]}, routes=["default via 192.168.18.58"]),
        "router": Node(addresses={"eth0": ["192.168.18.58/24"], "eth1": ["192.168.2.90/24"]}),
        "switch": Node(),
        "backend": Node(addresses={"eth0": ["192.168.2.73/24"]}, routes=["default via 192.168.2.90"]),
        "other": Node(addresses={"eth0": ["192.168.2.1/24"]}, routes=["blackhole default"], forwards=True),
    }
    return Topology(nodes, [("client.eth0", "router.eth0")],
                    {"switch.br0": ["router.eth1", "backend.eth0", "other.eth0"]})


def _lan_host(number):
    return Node(addresses={"eth0": [f"192.168.0.{number}/24", f"fd00:db8::{number}/64"]},
                routes=["default via 192.168.0.1", "::/0 via fd00:db8::1"])


def _prefix(address, length):
    """192.0.2.1, 24 -> 192.0.2.0/24."""
    octets = [int(o) for o in address.split(".")]
    octets[3] &= 0xFF << (32 - length) & 0xFF
    return ".".join(map(str, octets)) + f"/{length}"
