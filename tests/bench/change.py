# SPDX-License-Identifier: GPL-2.0-or-later
"""What one change costs among many forwards: the request over a kept HTTPS connection, until the answer."""
import contextlib
import time

import mixes
import routers
from measure import Sample
from report import Row, Table, at_most
from syscalls import Syscalls

AIM_MS = 5
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
        with Syscalls(self.daemon.process.pid) as calls:
            self.do(action)
        return calls.seen


def run(options):
    few, many = options.counts[0], options.counts[-1]
    columns = [f"ms, N={few}", f"ms, N={many}", "spread %", "syncs", "KiB written", "messages", "their bytes",
               "bytes read back"]
    with contextlib.ExitStack() as stack:
        changers = {n: Changer(stack.enter_context(routers.Portico(mixes.PLAIN.forwards(n)))) for n in (few, many)}
        times = {(action, n): [] for action in ACTIONS for n in changers}
        for _ in range(options.rounds):
            for action in ACTIONS:
                for n, changer in changers.items():
                    times[action, n].append(changer.do(action))
        seen = {action: changers[many].watch(action) for action in ACTIONS}
    return [Table("change", "One change, from the HTTPS request to the answer: enforced and durable; disk and "
                  f"netlink at N={many}", columns,
                  [row(columns, action, *(Sample(times[action, n]) for n in (few, many)), seen[action])
                   for action in ACTIONS])]


def row(columns, action, few, many, seen):
    values = [few.median, many.median, 100 * many.spread, seen.syncs, seen.bytes_written / 1024, seen.messages,
              seen.bytes_sent, seen.bytes_received]
    aim = None if action == LOOKED_AT else at_most(many.median, AIM_MS, " ms")
    return Row(action, dict(zip(columns, values)), aim)
