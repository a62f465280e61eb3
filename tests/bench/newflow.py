# SPDX-License-Identifier: GPL-2.0-or-later
"""What a new flow costs, by number of forwards: Portico in each mix, and one rule per forward."""
import contextlib

import mixes
import routers
from measure import Flows, in_turn
from report import Row, Table, at_most

AIM = 1.10
OTHERS = routers.available(routers.Firewall4, routers.IptablesNft, routers.IptablesLegacy)
KINDS = (mixes.PLAIN, mixes.HAIRPIN, mixes.OUT)


def run(options):
    columns = [f"N={n}" for n in [0, *options.counts]] + ["last:first", "spread %"]
    with contextlib.ExitStack() as stack:
        portico = {n: stack.enter_context(routers.Portico()) for n in [0, *options.counts]}
        rows = beside_others(options, portico)
        for mix in [mixes.EVERYTHING] if options.quick else mixes.MIXES:
            rows.append(one_mix(options, portico, mix))
    return [Table("newflow", "A new flow, end to end, by the last of N forwards, in microseconds", columns, rows)]


def beside_others(options, portico):
    """All in turn: Portico, one rule per forward in three ways, and a router without rules."""
    with contextlib.ExitStack() as stack:
        bare = stack.enter_context(routers.Router())
        flows = {"bare": Flows(options.flows, bare, mixes.past_the_router(1))}
        for n, router in portico.items():
            router.load(mixes.PLAIN.forwards(n))
            for mix in KINDS if n else [mixes.OUT]:
                flows[router.name, mix.name, n] = Flows(options.flows, router, mix.way(n))
        for other in OTHERS:
            for n in options.counts:
                router = stack.enter_context(other())
                router.load(mixes.PLAIN.forwards(n))
                for mix in KINDS:
                    flows[other.name, mix.name, n] = Flows(options.flows, router, mix.way(n))
        samples = in_turn(flows, options.rounds)
    rows = [Row(bare.name, {"N=0": samples["bare"].median / 1000, "spread %": 100 * samples["bare"].spread})]
    for router in (routers.Portico, *OTHERS):
        for mix in KINDS:
            mine = {n: samples[router.name, mix.name, n] for n in portico
                    if (router.name, mix.name, n) in samples}
            rows.append(row(f"{router.name}: {mix.name}", mine, aim=router is routers.Portico))
    return rows


def one_mix(options, portico, mix):
    try:
        for n in options.counts:
            portico[n].load(mix.forwards(n))
        samples = in_turn({n: Flows(options.flows, portico[n], mix.way(n)) for n in options.counts}, options.rounds)
    except (AssertionError, RuntimeError) as error:
        return Row(f"Portico: {mix.name}", {}, note=str(error)[:200])
    return row(f"Portico: {mix.name}", samples, aim=True)


def row(name, samples, aim):
    """By number of forwards; the most against the fewest."""
    few, many = min(samples), max(samples)
    ratio = samples[many].over(samples[few])
    cells = {f"N={n}": sample.median / 1000 for n, sample in samples.items()}
    cells["last:first"] = ratio
    cells["spread %"] = 100 * max(sample.spread for sample in samples.values())
    return Row(name, cells, at_most(ratio, AIM) if aim else None)
