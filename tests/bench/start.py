# SPDX-License-Identifier: GPL-2.0-or-later
"""What starting costs, beside nft with the same elements; and the memory that the daemon needs."""
import contextlib
import tempfile
import time

import mixes
import routers
from lab.porticod import session
from measure import Sample, in_turn, memory_mib
from report import Row, Table, at_most

START_AIM_MS = 100   # beside half of what nft needs
MEMORY_AIM_MIB = 12
REST_S = 3
TABLE = "table inet portico"


def run(options):
    with contextlib.ExitStack() as stack:
        nft = stack.enter_context(routers.Router())
        portico = {n: stack.enter_context(routers.Portico(mixes.PLAIN.forwards(n))) for n in options.counts}
        yield starts(options, portico, nft)
        yield memory(portico)


def starts(options, portico, nft):
    runs = {}
    with tempfile.TemporaryDirectory() as directory:
        for n, router in portico.items():
            file = f"{directory}/{n}.nft"
            with open(file, "w", encoding="utf-8") as out:
                out.write(router.lab.router.run(f"nft -s list {TABLE}").stdout)
            runs["cold", n] = lambda router=router: start_ms(router, cold=True)
            runs["warm", n] = lambda router=router: start_ms(router, cold=False)
            runs["nft", n] = lambda file=file: nft_ms(nft, file)
        samples = in_turn(runs, options.slow_rounds)
    columns = [f"N={n}" for n in portico]
    most = max(portico)
    limit = samples["nft", most].median / 2 + START_AIM_MS
    aim = at_most(samples["cold", most].median, round(limit), " ms, half of nft's and 100")
    rows = [Row(name, {**{c: samples[kind, n].median for c, n in zip(columns, portico)},
                       "spread %": 100 * samples[kind, most].spread}, aim if kind == "cold" else None)
            for kind, name in (("cold", "porticod, into an empty kernel"),
                               ("warm", "porticod, when all is there already"),
                               ("nft", "nft -f of the same table, into an empty kernel"))]
    return Table("start", "From the start of the program until all is enforced, in ms", [*columns, "spread %"], rows)


def start_ms(router, cold):
    router.daemon.stop()
    if cold:
        router.lab.router.run(f"nft delete {TABLE}")
    begin = time.monotonic()
    router.daemon.start()
    return 1000 * (time.monotonic() - begin)


def nft_ms(router, file):
    begin = time.monotonic()
    router.lab.router.run(["nft", "-f", file])
    took = 1000 * (time.monotonic() - begin)
    router.lab.router.run(f"nft delete {TABLE}")
    return took


def memory(portico):
    """Right after a change, and at rest, when what the change needed has been given back."""
    busy, at_rest, own, edge = {}, {}, {}, {}
    for n, router in portico.items():
        router.daemon.restart()
        made = router.api.post("/forwards", {**mixes.plain(0), "name": "one more",
                                             "external_ports": "50000"}).expect(201)
        router.api.delete(f"/forwards/{made['id']}").expect(200)
        busy[f"N={n}"] = memory_mib(router.daemon.process.pid)
    time.sleep(REST_S)
    for n, router in portico.items():
        pid, column = router.daemon.process.pid, f"N={n}"
        at_rest[column] = memory_mib(pid)
        own[column] = memory_mib(pid, "RssAnon")
        edge[column] = sum(memory_mib(other) for other in session(pid) if other != pid)
    aim = at_most(at_rest[f"N={max(portico)}"], MEMORY_AIM_MIB, " MiB")
    return Table("start", "Memory in use (RSS), in MiB", list(busy), [
        Row("porticod, after a change", busy), Row("porticod, at rest", at_rest, aim),
        Row("... its own; the rest is programs and libraries", own), Row("its TLS process", edge)])
