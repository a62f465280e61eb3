# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes while many other connections are tracked: porticod searches them all for those that a change ends."""
import contextlib
import dataclasses
import threading
import time

import mixes
import routers
from change import MORE, REMOVED, Changer
from measure import Flows, Sample
from report import Row, Table

SERVERS = (routers.INTERNET, "192.0.2.254")  # to each as many connections as have ports of their own
EACH = 50000


class Bystander:
    """Somebody else's requests, one after the other. `longest` is in milliseconds."""

    def __init__(self, router):
        self._api = router.daemon.client("127.0.0.1")
        self._api.login()
        self.longest = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        self._api.close()

    def _run(self):
        while not self._end.is_set():
            begin = time.monotonic()
            self._api.get("/session").expect(200)
            self.longest = max(self.longest, 1000 * (time.monotonic() - begin))


def run(options):
    many = options.counts[-1]
    with contextlib.ExitStack() as stack:
        router = stack.enter_context(routers.Portico(mixes.PLAIN.forwards(many)))
        router.lab.router.sysctl("net.netfilter.nf_conntrack_udp_timeout", 600)
        changer = Changer(router)
        empty = measure(router, changer, options.slow_rounds)
        for server in SERVERS:
            way = dataclasses.replace(mixes.OUT.way(many), target=server, sink=server)
            Flows(options.flows, router, way).leave(EACH)
        full = measure(router, changer, options.slow_rounds)
        columns = ["none", f"{int(router.lab.router.sysctl('net.netfilter.nf_conntrack_count')):,}"]
    names = ("one forward more, ms", "one removed, ms", "longest wait of somebody else's requests meanwhile, ms")
    return [Table("crowd", f"Changes by the number of other connections, N={many}", columns,
                  [Row(name, dict(zip(columns, values))) for name, *values in zip(names, empty, full)])]


def measure(router, changer, rounds):
    times = {MORE: [], REMOVED: []}
    with Bystander(router) as bystander:
        for _ in range(rounds):
            for action, values in times.items():
                values.append(changer.do(action))
    return [Sample(times[MORE]).median, Sample(times[REMOVED]).median, bystander.longest]
