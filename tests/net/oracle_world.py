# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab in which oracle.py's addresses are true, and what happens to probes in it."""
import oracle
import oracle_random
from lab.batch import ask_many, serve_many


def prepare(lab, uplinks):
    """Public prefixes in the LAN, ways to everything behind the router, and servers everywhere."""
    for host, device in (("router", "br-lan"), ("backend", "eth0"), ("client", "eth0"), ("backend2", "eth0")):
        _, public4, _, public6 = oracle.ADDRESSES[host]
        lab[host].ip(f"addr add {public4}/27 dev {device}")
        lab[host].ip(f"addr add {public6}/64 dev {device} nodad")
    for address in (*oracle.SPOOFED, "2001:db8:ffff::c9"):
        lab.internet.ip(f"addr add {address}/{128 if ':' in address else 32} dev lo")
    for number in range(uplinks):
        for prefix in World.BEHIND:
            lab[f"isp{number + 1}"].ip(f"route add {prefix} via {oracle.UPLINK_ADDRESSES[number][':' in prefix]}")
    for host, addresses in oracle.ADDRESSES.items():
        serve_many(lab[host], [(a, p, n) for a in addresses for p in ("tcp", "udp") for n in oracle.LISTENED])
    serve_many(lab.router, [(a, p, n) for pair in oracle.UPLINK_ADDRESSES[:uplinks] for a in pair
                            for p in ("tcp", "udp") for n in oracle.ROUTERS_OWN])


class World:
    BEHIND = ("192.168.0.0/24", oracle.PUBLIC4, "fd00:db8::/64", oracle.PUBLIC6)

    def __init__(self, router, uplinks):
        self.router, self.lab, self.api, self.uplinks = router, router.lab, router.api, uplinks
        self.way = None
        self._isps = {f"isp{i + 1}": self.lab[f"isp{i + 1}"].capture("router") for i in range(uplinks)}
        self._inside = self.lab.router.capture("br-lan")

    def lead(self, way):
        """The internet reaches what is behind the router by this uplink."""
        if way != self.way:
            for prefix in self.BEHIND:
                gateway = f"2001:db8:f{way + 1}::2" if ":" in prefix else f"100.64.{way + 1}.2"
                source = "2001:db8:ffff::c8" if ":" in prefix else "203.0.113.200"
                self.lab.internet.ip(f"route replace {prefix} via {gateway} src {source}")
        self.way = way

    def put(self, config):
        sent = oracle_random.expand(config)
        self.router.configure(**sent)
        return sent

    def mismatches(self, sent, probes, patience_s=5.0):
        """(probe, expected, what happened) for each that went otherwise than the oracle says."""
        judge = oracle.Oracle(sent, self.way)
        return self.otherwise([(p, w) for p, w in ((p, judge.verdict(p)) for p in probes) if w], patience_s)

    def otherwise(self, asked, patience_s=5.0):
        """The same for pairs of probe and Verdict."""
        must = {i for i, (_, w) in enumerate(asked) if w.outcome != "silence"}
        for capture in (*self._isps.values(), self._inside):
            capture.clear()
        results = ask_many(self.lab, [p for p, _ in asked], must, patience_s)
        left_by = {}
        for isp, capture in self._isps.items():
            for packet in capture.packets(direction="in"):
                left_by.setdefault((packet.protocol, packet.dst, packet.dport), set()).add(isp)
        let_in = {(p.protocol, p.src, p.sport) for p in self._inside.packets(direction="out")}
        return [(probe, want, got) for (probe, want), result in zip(asked, results)
                for got in [self._got(probe, want, result, left_by, let_in)] if got != want]

    @staticmethod
    def _got(probe, want, result, left_by, let_in):
        """What happened as a Verdict; or text, where a Verdict has no words for it."""
        answer, flow = result.answer, (probe.protocol, probe.source, result.source_port)
        if want.outcome == "silence" and probe.host == "internet" and flow in let_in:
            return "it came out at the LAN"
        if not answer:
            return oracle.Verdict(result.outcome)
        if probe.host != "internet":
            return oracle.Verdict("answer", answer.server, answer.local_port, answer.peer)
        return oracle.Verdict("answer", answer.server, answer.local_port, answer.peer,
                              "+".join(sorted(left_by.get(flow, ()))))
