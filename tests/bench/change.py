# SPDX-License-Identifier: GPL-2.0-or-later
"""What one change costs among many forwards: the request over a kept HTTPS connection, until the answer.

In a row, as a script makes them; and each after a rest, as a person does: then the daemon has put away what a row of
changes has at hand, and nothing of the change before is still being done.
"""
import contextlib
import time

import mixes
import routers
import syscalls
from measure import Sample
from report import Row, Table, at_most

AIM_MS = 5
REST_S, QUICK_REST_S = 1.2, 0.6
PORT = 50000  # that no mix uses
MORE, CHANGED, LOOKED_AT, REMOVED = ACTIONS = (
    "one more", "one changed", "(a GET of one, which changes nothing)", "one removed")


class Changer:
    """The answer says that a change is enforced and durable, so the first packet after it must reach the backend."""

    def __init__(self, router):
        self.daemon = router.daemon
        self._api, self._internet = router.api, router.lab.internet
        self._forward = None
        router.lab.lan.serve(mixes.SINK_PORT, "udp", routers.BACKEND)

    def do(self, action):
        """Milliseconds."""
        begin = time.monotonic()
        if action == MORE:
            self._forward = self._api.post("/forwards", {**mixes.plain(0), "name": "one more",
                                                         "external_ports": str(PORT)}).expect(201)["id"]
        elif action == CHANGED:
            self._api.patch(f"/forwards/{self._forward}", {"external_ports": str(PORT + 1)}).expect(200)
        elif action == LOOKED_AT:
            self._api.get(f"/forwards/{self._forward}").expect(200)
        elif action == REMOVED:
            self._api.delete(f"/forwards/{self._forward}").expect(200)
        took = 1000 * (time.monotonic() - begin)
        if action == MORE:
            self._internet.ask(routers.UPLINK, PORT, "udp")
        elif action == CHANGED:
            self._internet.ask(routers.UPLINK, PORT + 1, "udp")
        return took

    def watch(self, action):
        with syscalls.Syscalls(self.daemon.process.pid) as calls:
            self.do(action)
        return calls.seen


def run(options):
    few, many = options.counts[0], options.counts[-1]
    with contextlib.ExitStack() as stack:
        changers = {n: Changer(stack.enter_context(routers.Portico(mixes.PLAIN.forwards(n)))) for n in (few, many)}
        for rest_s in (QUICK_REST_S if options.quick else REST_S, 0):
            times = measure(changers, rest_s, max(options.rounds // 4, 1) if rest_s else options.rounds)
            how = f"after {rest_s:g} s of rest" if rest_s else "in a row"
            yield table(f"One change, {how}, from the HTTPS request to the answer (enforced and durable), in ms", times)
        if syscalls.can_be_seen():
            yield table_of_syscalls(changers[many], many)


def measure(changers, rest_s, rounds):
    """Not in turn: what one daemon's change leaves to do would be measured with the other's next one."""
    times = {action: {n: [] for n in changers} for action in ACTIONS}
    for n, changer in changers.items():
        for _ in range(rounds):
            for action in ACTIONS:
                time.sleep(0 if action == LOOKED_AT else rest_s)
                times[action][n].append(changer.do(action))
    return times


def table(title, times):
    rows = []
    for action, by_count in times.items():
        samples = {n: Sample(values) for n, values in by_count.items()}
        most = max(samples)
        rows.append(Row(action, {**{f"N={n}": sample.median for n, sample in samples.items()},
                                 "best": min(samples[most].values), "spread %": 100 * samples[most].spread},
                        None if action == LOOKED_AT else at_most(samples[most].median, AIM_MS, " ms")))
    return Table("change", title, [f"N={n}" for n in next(iter(times.values()))] + ["best", "spread %"], rows)


def table_of_syscalls(changer, count):
    columns = ["syncs", "KiB written", "netlink messages", "their bytes", "bytes read back"]
    rows = []
    for action in (MORE, CHANGED, REMOVED):
        seen = changer.watch(action)
        rows.append(Row(action, dict(zip(columns, (seen.syncs, seen.bytes_written / 1024, seen.messages,
                                                   seen.bytes_sent, seen.bytes_received)))))
    return Table("change", f"What porticod does for it, N={count}", columns, rows)
