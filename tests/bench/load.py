#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""load.py [FORWARDS]: what the daemon costs with many forwards (default 1000), beside a daemon with one.

Memory of porticod, from start to enforced (an empty kernel, and one that has everything already), and one
forward more over a kept HTTPS connection, until the answer: enforced and durable.
"""
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab import topologies          # noqa: E402
from lab.lab import Lab             # noqa: E402
from lab.router import Router       # noqa: E402

ONE_MORE = 20


def forward(i):
    return {"name": f"forward {i}", "external_ports": str(1000 + i), "internal_address": f"192.168.0.{2 + i % 200}"}


def memory_kb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise LookupError("VmRSS")


def start_ms(daemon):
    begin = time.monotonic()
    daemon.start()
    return 1000 * (time.monotonic() - begin)


def one_more_ms(router, count):
    times = []
    for i in range(ONE_MORE):
        begin = time.monotonic()
        made = router.api.post("/forwards", forward(count + i)).expect(201)
        times.append(1000 * (time.monotonic() - begin))
        router.api.delete(f"/forwards/{made['id']}").expect(200)
    return statistics.median(times)


def measure(lab, count):
    with Router(lab) as router:
        router.configure(forwards=[forward(i) for i in range(count)])
        change = one_more_ms(router, count)
        router.daemon.stop()
        warm = start_ms(router.daemon)
        router.daemon.stop()
        lab.router.run("nft delete table inet portico")
        cold = start_ms(router.daemon)
        return {"forwards": count, "memory (KiB)": memory_kb(router.daemon.process.pid),
                "start, empty kernel (ms)": cold, "start, nothing to do (ms)": warm, "one more (ms)": change}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with Lab(topologies.home()) as lab:
        one, many = measure(lab, 1), measure(lab, count)
    for key in one:
        print(f"{key:28}{one[key]:12.1f}{many[key]:12.1f}{many[key] / one[key]:10.2f} times")


if __name__ == "__main__":
    main()
