# SPDX-License-Identifier: GPL-2.0-or-later
"""Random configurations and random packets: the kernel's verdict against that of oracle.py.

    ORACLE_N=500 pytest tests/net/test_oracle.py     so many seeds for each number of uplinks
    ORACLE_SEEDS=17,18                               these seeds alone
    ORACLE_KEEP=directory                            failures are written there, as cases for oracle_cases/

What has failed once is a case in oracle_cases/, and is looked at first.
"""
import contextlib
import copy
import json
import os
import pathlib
import random

import pytest

import oracle
import oracle_random
from lab import topologies
from lab.batch import Probe, ask_many, serve_many
from lab.lab import wait_for
from lab.router import Router

CASES = sorted((pathlib.Path(__file__).parent / "oracle_cases").glob("*.json"))
UPLINKS = (1, 2, 3, 4)
PROBES = 150
SHRINK_S = 1.5


def seeds(default):
    if os.environ.get("ORACLE_SEEDS"):
        return [int(seed) for seed in os.environ["ORACLE_SEEDS"].split(",")]
    return range(int(os.environ.get("ORACLE_N", default)))


@pytest.fixture(scope="module", params=UPLINKS, ids=[f"{n}-uplinks" for n in UPLINKS])
def world(request, built, lab_factory):
    lab = lab_factory(topologies.home(request.param))
    prepare(lab, request.param)
    with Router(lab) as router:
        yield World(router, request.param)
        router.daemon.check_log()


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
        """(probe, expected, what happened) for each that went otherwise."""
        judge = oracle.Oracle(sent, self.way)
        wanted = [judge.verdict(probe) for probe in probes]
        asked = [(p, w) for p, w in zip(probes, wanted) if w]
        must = {i for i, (_, w) in enumerate(asked) if w.outcome != "silence"}
        with contextlib.ExitStack() as stack:
            isps = {f"isp{i + 1}": stack.enter_context(self.lab[f"isp{i + 1}"].capture("router"))
                    for i in range(self.uplinks)}
            inside = stack.enter_context(self.lab.router.capture("br-lan"))
            results = ask_many(self.lab, [p for p, _ in asked], must, patience_s)
            left_by = {}
            for isp, capture in isps.items():
                for packet in capture.packets(direction="in"):
                    left_by.setdefault((packet.protocol, packet.dst, packet.dport), set()).add(isp)
            let_in = {(p.protocol, p.src, p.sport) for p in inside.packets(direction="out")}
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

    def check(self, sent, probes, origin, config=None):
        """Fails with the least that shows what is wrong, if `config` put anew shows it too."""
        wrong = self.mismatches(sent, probes)
        if not wrong:
            return
        probe, want, got = wrong[0]
        told = [f"{len(wrong)} of {len(probes)} probes went wrong ({origin}, {self.uplinks} uplinks); the first:",
                f"  {probe}", f"  expected: {want}", f"  happened: {got}"]

        def fails(less):
            body = oracle_random.expand(less)
            if self.api.put("/config", body).status != 200:
                return False
            return bool(self.mismatches(body, [probe], SHRINK_S))
        self.router.configure()
        if config and fails(config):
            config = oracle_random.shrink(copy.deepcopy(config), fails)
            case = {"uplinks": self.uplinks, "way": self.way, "probes": [vars(probe)],
                    "config": {k: config[k] for k in ("networks", "forwards")}}
            told.append(f"with this, put at once (a case for oracle_cases/):\n{json.dumps(case, indent=1)}")
            if os.environ.get("ORACLE_KEEP"):
                path = pathlib.Path(os.environ["ORACLE_KEEP"]) / f"{origin.replace(' ', '-')}-{self.uplinks}.json"
                path.write_text(json.dumps(case, indent=1) + "\n", encoding="ascii")
        else:
            told.append("but not when the same configuration is put at once: it is the way there that matters\n"
                        + "\n".join(json.dumps(f) for f in sent["forwards"]))
            told += [f"  {p}\n    expected: {w}\n    happened: {g}" for p, w, g in wrong[1:10]]
        pytest.fail("\n".join(told), pytrace=False)


def test_what_failed_once(world):
    for path in CASES:
        case = json.loads(path.read_text(encoding="ascii"))
        if case["uplinks"] == world.uplinks:
            world.lead(case["way"])
            config = {**case["config"], "uplinks": world.router.uplinks}
            world.router.configure()
            world.check(world.put(config), [Probe(**probe) for probe in case["probes"]], path.stem)


@pytest.mark.parametrize("seed", seeds(5))
def test_packets_arrive_where_they_should(world, seed):
    rng = random.Random(f"{seed}/{world.uplinks}")
    config = oracle_random.random_config(rng, world.uplinks)
    world.lead(rng.randrange(world.uplinks))
    world.check(world.put(config), oracle_random.random_probes(rng, config, PROBES), f"seed {seed}", config)


def steps(rng, api, before, after):
    """Goes from one list of forwards to another through the API, one change at a time, in any order that the daemon
    accepts; yields what is there after each change."""
    ids = {f["name"]: f["id"] for f in api.get("/forwards").expect(200)["items"]}
    there, wanted = {f["name"]: f for f in before}, {f["name"]: f for f in after}
    names = [name for name in {**there, **wanted} if there.get(name) != wanted.get(name)]
    rng.shuffle(names)
    stuck = 0
    while names:
        name = names.pop(0)
        forward = wanted.get(name)
        one = f"/forwards/{ids.get(name)}"
        if name not in there:
            answer = api.post("/forwards", forward)
        elif forward and stuck < len(names) + 1:
            answer = api.patch(one, forward)
        else:   # too much, or in the way of others until it comes anew
            answer = api.delete(one)
        if answer.status == 409:
            names.append(name)
            stuck += 1
            continue
        assert answer.status in (200, 201), answer.body
        stuck = 0
        if answer.request.startswith("DELETE"):
            del there[name]
            names += [name] if forward else []
        else:
            there[name] = forward
            ids[name] = answer.body["id"]
        yield list(there.values())


@contextlib.contextmanager
def connections(world, judge, probes, count=8):
    """(probe, connection) for some that are answered."""
    with contextlib.ExitStack() as stack:
        answered = [p for p in probes if judge.leads(p) and judge.verdict(p).outcome == "answer"]
        opened = [(p, stack.enter_context(world.lab[p.host].connect(p.address, p.port, p.protocol, p.source, timeout=0.5)))
                  for p in answered[:count]]
        for _, connection in opened:
            connection.ask()
        yield opened


def again(connection):
    """(server, port, what it sees), or None when it has ended."""
    try:
        answer = connection.ask()
        return answer.server, answer.local_port, answer.peer
    except OSError:
        return None


def check_connections(world, opened, sent, after):
    """A connection stays while its forward is as it was, and does not stay with a backend that it may not have."""
    judge, later = oracle.Oracle(sent, world.way), oracle.Oracle(after, world.way)
    for probe, connection in opened:
        before, now, verdict = judge.leads(probe), later.leads(probe), later.verdict(probe)
        old = judge.verdict(probe)
        if before == now:
            assert again(connection) == (old.server, old.port, old.peer), f"{probe} ended, though {before} stays"
        elif (verdict.outcome, verdict.server, verdict.port) != ("answer", old.server, old.port):
            wait_for(lambda c=connection, o=old: (again(c) or ())[:2] != (o.server, o.port),
                     what=f"the end of {probe}, which was let in by {before}; now {now}")


@pytest.mark.parametrize("seed", seeds(2))
def test_one_change_at_a_time(world, seed):
    """From one configuration to another: on the way, at the end, for connections that are open meanwhile."""
    rng = random.Random(f"{seed}/{world.uplinks} one at a time")
    first = oracle_random.random_config(rng, world.uplinks)
    second = oracle_random.random_config(rng, world.uplinks, first["networks"])
    kept = rng.sample(first["forwards"], len(first["forwards"]) // 3)
    second["forwards"] = oracle_random.compatible(second, kept)
    world.lead(rng.randrange(world.uplinks))
    probes = oracle_random.random_probes(rng, first, PROBES // 2) + oracle_random.random_probes(rng, second, PROBES)
    sent, goal = oracle_random.expand(first), oracle_random.expand(second)
    world.router.configure(**sent)
    with connections(world, oracle.Oracle(sent, world.way), probes) as opened:
        for number, there in enumerate(steps(rng, world.api, sent["forwards"], goal["forwards"])):
            if number % 10 == 4:
                world.check({**sent, "forwards": there}, probes[::4], f"seed {seed}, change {number}")
        check_connections(world, opened, sent, goal)
    world.check(goal, probes, f"seed {seed}, changed", second)
    config = world.api.get("/config").expect(200)
    assert {f["name"] for f in config["forwards"]} == {f["name"] for f in goal["forwards"]}
    assert world.api.post("/config/plan", config).expect(200) == {"changes": [], "kernel": []}
    assert world.router.kernel()["mended"] == 0
