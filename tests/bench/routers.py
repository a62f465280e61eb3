# SPDX-License-Identifier: GPL-2.0-or-later
"""The routers that are compared, each in a lab of its own, as small as it can be.

      internet                      router                     lan
      203.0.113.200 (lo)            eth0 192.0.2.1
      2001:db8:ffff::c8 (lo)  ===== eth1 198.51.100.1
                                    br-lan 192.168.0.1  ------ eth0 192.168.0.2, .3
                                    2001:db8:10::1             2001:db8:10::2

The fewer devices a packet crosses, the less is there that could hide what the rules cost.
"""
import contextlib
import json
import shutil

from lab.lab import Lab, Node, Topology
from lab.porticod import Porticod

INTERNET, INTERNET_6 = "203.0.113.200", "2001:db8:ffff::c8"
UPLINK, UPLINK_6 = "192.0.2.1", "2001:db8:1::1"
BACKEND, BACKEND_6 = "192.168.0.2", "2001:db8:10::2"
CLIENT = "192.168.0.3"
LAN, LAN_ROUTER = "192.168.0.0/24", "192.168.0.1"
UPLINKS = [{"name": "isp1", "device": "eth0"}, {"name": "isp2", "device": "eth1"}]
NETWORKS = [{"name": "lan", "devices": ["br-lan"]}]


def topology():
    nodes = {
        "internet": Node(addresses={"lo": [f"{INTERNET}/32", f"{INTERNET_6}/128"],
                                    "eth0": ["192.0.2.254/24", "2001:db8:1::fe/64"], "eth1": ["198.51.100.254/24"]},
                         routes=["2001:db8:10::/64 via 2001:db8:1::1", "192.168.0.0/24 via 192.0.2.1"]),
        "router": Node(addresses={"eth0": ["192.0.2.1/24", "2001:db8:1::1/64"], "eth1": ["198.51.100.1/24"],
                                  "br-lan": [f"{LAN_ROUTER}/24", "2001:db8:10::1/64"]},
                       routes=["default via 192.0.2.254 dev eth0 metric 100", "::/0 via 2001:db8:1::fe dev eth0",
                               "default via 198.51.100.254 dev eth1 metric 200"], forwards=True),
        "lan": Node(addresses={"eth0": [f"{BACKEND}/24", f"{CLIENT}/24", f"{BACKEND_6}/64"]},
                    routes=[f"default via {LAN_ROUTER}", "::/0 via 2001:db8:10::1"]),
    }
    return Topology(nodes, [("router.eth0", "internet.eth0"), ("router.eth1", "internet.eth1"),
                            ("router.br-lan", "lan.eth0")])


class Router:
    """A lab with a router that has no rules. `load` gives it forwards, as the API has them."""

    name = "plain routing, no NAT, no tracking"
    translates = False  # whether its own address leads to the backend
    needs = "ip"        # the program without which it cannot be had

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self.lab = self._stack.enter_context(Lab(topology()))
        self.macs = {link["ifname"]: link["address"] for link in json.loads(self.lab.router.ip("-j link show"))}

    def __enter__(self):
        return self

    def __exit__(self, *exit_):
        self._stack.__exit__(*exit_)

    def load(self, forwards):
        pass


class Portico(Router):
    name = "Portico"
    translates = True

    def __init__(self, forwards=(), build=None):
        super().__init__()
        self.daemon = self._stack.enter_context(Porticod(self.lab.router, build=build))
        self.load(list(forwards))

    @property
    def api(self):
        return self.daemon.api

    def load(self, forwards):
        self.api.put("/config", {"networks": NETWORKS, "uplinks": UPLINKS, "forwards": forwards}).expect(200)


class Firewall4(Router):
    """One rule per forward and two for its hairpin, in the order and the words of OpenWrt's firewall4."""

    name = "nft, as firewall4 writes it"
    translates = True

    def load(self, forwards):
        self.lab.router.nft(firewall4(forwards))


class IptablesNft(Router):
    """One rule per forward; hairpin and filter are one rule for all, which is the best that a script can do."""

    name = "iptables-nft"
    needs = "iptables-nft-restore"
    translates = True

    def load(self, forwards):
        self.lab.router.run(self.needs, stdin=iptables(forwards))


class IptablesLegacy(IptablesNft):
    name = "iptables-legacy"
    needs = "iptables-legacy-restore"


def available(*kinds):
    """Those whose program is installed."""
    return tuple(kind for kind in kinds if shutil.which(kind.needs))


def protocol_of(forward):
    return forward.get("protocols", ["tcp"])[0]


def firewall4(forwards):
    """The ruleset of firewall4 for zones wan (eth0, eth1) and lan, with these forwards as redirects. A redirect has
    its rule in dstnat_wan, and for reflection one in dstnat_lan and one in srcnat_lan. What is accepted in the
    forward hook is one rule for all of a zone there: "ct status dnat"."""
    wan, lan, back = [], [], []
    for forward in forwards:
        protocol, port, inside = protocol_of(forward), forward["external_ports"], forward["internal_ports"]
        to, name = forward["internal_address"], forward["name"]
        wan.append(f'meta nfproto ipv4 {protocol} dport {port} counter dnat ip to {to}:{inside} '
                   f'comment "!fw4: {name}"')
        lan.append(f'ip saddr {LAN} ip daddr {UPLINK} {protocol} dport {port} dnat ip to {to}:{inside} '
                   f'comment "!fw4: {name} (reflection)"')
        back.append(f'ip saddr {LAN} ip daddr {to} {protocol} dport {inside} snat ip to {LAN_ROUTER} '
                    f'comment "!fw4: {name} (reflection)"')
    return FIREWALL4.format(dstnat_wan="\n".join(wan), dstnat_lan="\n".join(lan), srcnat_lan="\n".join(back))


FIREWALL4 = """
table inet fw4
flush table inet fw4
table inet fw4 {{
chain input {{
type filter hook input priority filter; policy accept;
iif "lo" accept
ct state vmap {{ established : accept, related : accept }}
iifname {{ "eth0", "eth1" }} jump input_wan
}}
chain forward {{
type filter hook forward priority filter; policy drop;
ct state vmap {{ established : accept, related : accept }}
iifname {{ "eth0", "eth1" }} jump forward_wan
iifname "br-lan" jump forward_lan
jump handle_reject
}}
chain handle_reject {{
meta l4proto tcp reject with tcp reset
reject with icmpx type port-unreachable
}}
chain input_wan {{
ct status dnat accept
jump handle_reject
}}
chain forward_wan {{
ct status dnat accept
jump handle_reject
}}
chain forward_lan {{
jump accept_to_wan
ct status dnat accept
jump accept_to_lan
}}
chain accept_to_wan {{
meta nfproto ipv4 oifname {{ "eth0", "eth1" }} ct state invalid counter drop
oifname {{ "eth0", "eth1" }} counter accept
}}
chain accept_to_lan {{
oifname "br-lan" counter accept
}}
chain dstnat {{
type nat hook prerouting priority dstnat; policy accept;
iifname {{ "eth0", "eth1" }} jump dstnat_wan
iifname "br-lan" jump dstnat_lan
}}
chain srcnat {{
type nat hook postrouting priority srcnat; policy accept;
oifname {{ "eth0", "eth1" }} jump srcnat_wan
oifname "br-lan" jump srcnat_lan
}}
chain dstnat_wan {{
{dstnat_wan}
}}
chain srcnat_wan {{
meta nfproto ipv4 masquerade
}}
chain dstnat_lan {{
{dstnat_lan}
}}
chain srcnat_lan {{
{srcnat_lan}
}}
}}
"""


def iptables(forwards):
    """For iptables-restore."""
    rules = [f'-A PREROUTING -d {UPLINK}/32 -p {protocol_of(f)} --dport {f["external_ports"]} '
             f'-j DNAT --to-destination {f["internal_address"]}:{f["internal_ports"]}' for f in forwards]
    return "\n".join(["*nat", *rules, f"-A POSTROUTING -s {LAN} -d {LAN} -j SNAT --to-source {LAN_ROUTER}",
                      "-A POSTROUTING -o eth0 -j MASQUERADE", "-A POSTROUTING -o eth1 -j MASQUERADE", "COMMIT",
                      "*filter", ":FORWARD DROP [0:0]",
                      "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT",
                      "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT",
                      "-A FORWARD -i br-lan -j ACCEPT", "COMMIT", ""])
