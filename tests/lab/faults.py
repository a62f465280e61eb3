# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong at an ISP, and what the ISP counts, by its own nftables.

    with Isp(lab, "isp1") as isp:
        with isp.blackhole():      # in the middle: link and gateway are fine, nothing gets through
            ...
        assert not isp.strangers()     # packets that came with the address of another uplink, or from inside
"""
import contextlib
import json
import socket
import threading

TABLE = "portico_test"
STRANGER = "{ ip saddr . ip daddr . meta l4proto . th sport . th dport }"


class Isp:
    """One ISP of topologies.home(). Faults stand in chains of their own and go with their block."""

    def __init__(self, lab, name):
        self.lab, self.name, self.host = lab, name, lab[name]
        number = int(name[3:]) - 1
        self.device = f"eth{number}"
        link = json.loads(lab.router.ip(f"-j addr show dev {self.device}"))[0]
        own = [a for a in link["addr_info"] if a["scope"] == "global"]
        self.address = next(a["local"] for a in own if a["family"] == "inet")
        prefix4 = next(f"{a['local']}/{a['prefixlen']}" for a in own if a["family"] == "inet")
        self.gateway = json.loads(self.host.ip("-j -4 addr show dev router"))[0]["addr_info"][0]["local"]
        self.host.nft(f"""
            table inet {TABLE} {{
                set strangers {{
                    type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service
                    size 64
                    flags dynamic
                }}
                chain arriving {{
                    type filter hook prerouting priority raw; policy accept;
                    iifname "router" ip saddr != {prefix4} add @strangers {STRANGER}
                }}
                chain through {{
                    type filter hook forward priority 0; policy accept;
                }}
            }}
            table netdev {TABLE} {{
                chain line {{
                    type filter hook ingress device "router" priority 0; policy accept;
                }}
            }}""")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for family in ("inet", "netdev"):
            self.host.run(f"nft delete table {family} {TABLE}", check=False)

    @contextlib.contextmanager
    def _rules(self, chain, *rules, family="inet"):
        self.host.nft("".join(f"add rule {family} {TABLE} {chain} {rule}\n" for rule in rules))
        try:
            yield
        finally:
            self.host.nft(f"flush chain {family} {TABLE} {chain}\n")

    def plain(self):
        """Ends what is wrong on the way, before its block ends."""
        self.host.nft(f"flush chain inet {TABLE} through\n")

    def blackhole(self):
        """Somewhere behind the ISP: the link is up, the gateway answers, nothing gets through, without a word."""
        return self._rules("through", "drop")

    def dead_gateway(self):
        """The ISP's router hears nothing any more, not even ARP; the link stays up."""
        return self._rules("line", "drop", family="netdev")

    def loss(self, percent):
        return self._rules("through", f"numgen random mod 100 < {percent} drop")

    @contextlib.contextmanager
    def link_down(self):
        """The cable is pulled: carrier goes on both ends."""
        self.host.ip("link set router down")
        try:
            yield
        finally:
            self.plug_in()

    def plug_in(self):
        self.host.ip("link set router up")
        for address in self.lab.topology.nodes[self.name].addresses["router"]:
            if ":" in address:   # those of IPv4 stay
                self.host.ip(f"addr replace {address} dev router nodad")
        for route in self.lab.topology.nodes[self.name].routes:
            self.host.ip(f"route replace {route}")

    # --- counting ---

    def strangers(self):
        """What came from the router with a source that is not this uplink's: from, to, protocol, ports."""
        listed = json.loads(self.host.run(f"nft -j list set inet {TABLE} strangers").stdout)["nftables"]
        elements = next(o["set"] for o in listed if "set" in o).get("elem", [])
        return [e.get("elem", e)["concat"] for e in elements]

    @contextlib.contextmanager
    def counting(self, match):
        """A function that tells how many packets from the router have passed on which match, in nft's words."""
        self.host.nft(f"add rule inet {TABLE} arriving iifname router {match} counter comment \"{match[:60]}\"\n")

        def count():
            rules = json.loads(self.host.run(f"nft -j list chain inet {TABLE} arriving").stdout)["nftables"]
            rule = next(o["rule"] for o in rules if "rule" in o and o["rule"].get("comment") == match[:60])
            return next(e["counter"]["packets"] for e in rule["expr"] if isinstance(e, dict) and "counter" in e)
        try:
            yield count
        finally:
            rules = json.loads(self.host.run(f"nft -j -a list chain inet {TABLE} arriving").stdout)["nftables"]
            handle = next(o["rule"]["handle"] for o in rules if "rule" in o and o["rule"].get("comment") == match[:60])
            self.host.run(f"nft delete rule inet {TABLE} arriving handle {handle}")


class Echo:
    """Answers pings to an address of a host `delay_s` late, in place of its kernel."""

    def __init__(self, host, address, delay_s):
        self.host, self.delay_s, self.answered = host, delay_s, 0
        host.sysctl("net.ipv4.icmp_echo_ignore_all", 1)
        self._socket = host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.bind((address, 0))
        self._socket.settimeout(0.1)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._socket.close()
        self.host.sysctl("net.ipv4.icmp_echo_ignore_all", 0)

    def _run(self):
        timers = []
        while not self._ended.is_set():
            try:
                data, sender = self._socket.recvfrom(2048)
            except TimeoutError:
                continue
            header = (data[0] & 15) * 4
            if data[header] != 8:
                continue
            timers = [t for t in timers if t.is_alive()]
            timers.append(threading.Timer(self.delay_s, self._answer, [data[header:], sender]))
            timers[-1].start()
        for timer in timers:
            timer.cancel()
            timer.join()

    def _answer(self, request, sender):
        """Type 8 becomes 0: the checksum grows by 8 << 8, in one's complement (RFC 1624)."""
        checksum = int.from_bytes(request[2:4], "big") + 0x0800
        checksum = (checksum & 0xFFFF) + (checksum >> 16)
        self._socket.sendto(bytes([0, request[1]]) + checksum.to_bytes(2, "big") + request[4:], sender)
        self.answered += 1
