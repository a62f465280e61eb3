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
from lab.batch import Probe
from lab.lab import wait_for
from lab.router import Router
from oracle_world import World, prepare

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


def check(world, sent, probes, origin, config=None):
    """Fails with the least that shows what is wrong, if `config` put anew shows it too."""
    wrong = world.mismatches(sent, probes)
    if not wrong:
        return
    probe, want, got = wrong[0]
    told = [f"{len(wrong)} of {len(probes)} probes went wrong ({origin}, {world.uplinks} uplinks); the first:",
            f"  {probe}", f"  expected: {want}", f"  happened: {got}"]

    def fails(less):
        body = oracle_random.expand(less)
        if world.api.put("/config", body).status != 200:
            return False
        return bool(world.mismatches(body, [probe], SHRINK_S))
    world.router.configure()
    if config and fails(config):
        config = oracle_random.shrink(copy.deepcopy(config), fails)
        case = {"uplinks": world.uplinks, "way": world.way, "probes": [vars(probe)],
                "config": {k: config[k] for k in ("networks", "forwards")}}
        told.append(f"with this, put at once (a case for oracle_cases/):\n{json.dumps(case, indent=1)}")
        if os.environ.get("ORACLE_KEEP"):
            path = pathlib.Path(os.environ["ORACLE_KEEP"]) / f"{origin.replace(' ', '-')}-{world.uplinks}.json"
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
            check(world, world.put(config), [Probe(**probe) for probe in case["probes"]], path.stem)


@pytest.mark.parametrize("seed", seeds(5))
def test_packets_arrive_where_they_should(world, seed):
    rng = random.Random(f"{seed}/{world.uplinks}")
    config = oracle_random.random_config(rng, world.uplinks)
    world.lead(rng.randrange(world.uplinks))
    check(world, world.put(config), oracle_random.random_probes(rng, config, PROBES), f"seed {seed}", config)


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
        opened = [(p, stack.enter_context(world.lab[p.host].connect(p.address, p.port, p.protocol, p.source,
                                                                    timeout=0.5))) for p in answered[:count]]
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
                check(world, {**sent, "forwards": there}, probes[::4], f"seed {seed}, change {number}")
        check_connections(world, opened, sent, goal)
    check(world, goal, probes, f"seed {seed}, changed", second)
    config = world.api.get("/config").expect(200)
    assert {f["name"] for f in config["forwards"]} == {f["name"] for f in goal["forwards"]}
    assert world.api.post("/config/plan", config).expect(200) == {"changes": [], "kernel": []}
    assert world.router.kernel()["mended"] == 0
