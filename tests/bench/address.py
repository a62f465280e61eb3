# SPDX-License-Identifier: GPL-2.0-or-later
"""What a new address on an uplink costs among many forwards, as after a redial."""
import contextlib
import select
import time
from socket import SOCK_DGRAM

import mixes
import routers
import syscalls
from lab.checks import change_address
from measure import Sample
from report import Aim, Row, Table

ADDRESSES = ("192.0.2.1", "192.0.2.77")
GATEWAY, METRIC = "192.0.2.254", 100
PATIENCE_S = 5
STEP_S = 0.0005
WATCHED = 4


class Redial:
    """Times from the moment at which `ip` has changed the address until a packet to it reaches the backend."""

    def __init__(self, router, count):
        self._router, self._port = router, mixes.PLAIN.way(count).last_port
        self._now = 0
        router.lab.lan.serve(mixes.SINK_PORT, "udp", routers.BACKEND)

    def __call__(self):
        """Milliseconds."""
        old, self._now = ADDRESSES[self._now], 1 - self._now
        new = ADDRESSES[self._now]
        change_address(self._router.lab.router, "eth0", f"{old}/24", f"{new}/24", GATEWAY, METRIC)
        begin = time.monotonic()
        self._wait_for_answer(new)
        return 1000 * (time.monotonic() - begin)

    def _wait_for_answer(self, address):
        """Every packet is of a flow of its own: one that came too early must not speak for the later ones."""
        end = time.monotonic() + PATIENCE_S
        sockets = []
        try:
            while time.monotonic() < end:
                socket = self._router.lab.internet.socket(kind=SOCK_DGRAM)
                sockets.append(socket)
                socket.sendto(b"0\n", (address, self._port))
                if select.select(sockets[-64:], [], [], STEP_S)[0]:
                    return
        finally:
            for socket in sockets:
                socket.close()
        raise TimeoutError(f"{address} does not answer")


def run(options):
    few, many = options.counts[0], options.counts[-1]
    with contextlib.ExitStack() as stack:
        portico = {n: stack.enter_context(routers.Portico(mixes.PLAIN.forwards(n))) for n in (few, many)}
        redials = {n: Redial(router, n) for n, router in portico.items()}
        times = {n: [] for n in redials}
        for _ in range(options.rounds):
            for n, redial in redials.items():
                times[n].append(redial())
        rows = [Row("enforced after, ms", by_column({n: Sample(values).median for n, values in times.items()}))]
        if syscalls.can_be_seen():
            rows += message_rows({n: fewest_messages(portico[n], redial) for n, redial in redials.items()})
    return [Table("address", "A new address on an uplink", [f"N={few}", f"N={many}"], rows)]


def by_column(values):
    return {f"N={n}": value for n, value in values.items()}


def message_rows(seen):
    few, many = min(seen), max(seen)
    constant = Aim("no more for many forwards", seen[many].messages <= seen[few].messages)
    return [
        Row("netlink messages that change something", by_column({n: s.messages for n, s in seen.items()}), constant),
        Row("... their bytes", by_column({n: s.bytes_sent for n, s in seen.items()})),
        Row("netlink messages that ask", by_column({n: s.questions for n, s in seen.items()})),
        Row("... bytes of the answers", by_column({n: s.bytes_received for n, s in seen.items()})),
    ]


def fewest_messages(router, redial):
    """A change by `ip` is several events, which a fast daemon may see one by one."""
    return min((watch(router, redial) for _ in range(WATCHED)), key=lambda seen: seen.messages)


def watch(router, redial):
    with syscalls.Syscalls(router.daemon.process.pid) as calls:
        redial()
        settle(router)
    return calls.seen


def settle(router):
    """Until the daemon has nothing more to say to the kernel: it has answered, and then answered again."""
    for _ in range(2):
        router.api.get("/status").expect(200)
        select.select([], [], [], 0.3)
