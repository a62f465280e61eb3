# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs taken in turn, and what is made of them."""
import pathlib
import statistics
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """What one thing cost, run by run."""
    values: list

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def spread(self):
        """Half the distance of the quartiles, as a share of the median."""
        if len(self.values) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return (high - low) / 2 / self.median

    def over(self, base):
        """The median of the ratios to the run of the base in the same round: the machine's speed drifts, and two
        runs one after the other have it in common."""
        return statistics.median(mine / its for mine, its in zip(self.values, base.values))


def in_turn(runs, rounds):
    """`runs` maps names to functions that return a number. A B C A B C ...; a Sample for each."""
    values = {name: [] for name in runs}
    for i in range(rounds):
        for name in list(runs) if i % 2 == 0 else reversed(list(runs)):
            values[name].append(runs[name]())
    return {name: Sample(list_) for name, list_ in values.items()}


class Flows:
    """Runs of `flows`: nanoseconds per new flow through a router, or per packet of an established one."""

    RUN_NS = 10_000_000
    COUNT_MIN, COUNT_MAX = 40, 4000

    def __init__(self, program, router, way, established=False):
        lab = router.lab
        self._forget = ["-x", lab.router.netns]
        self._argv = [str(program), "-f", lab[way.host].netns, "-d", "eth0", "-m", router.macs[way.device],
                      "-t", lab[way.to].netns, "-s", way.source, "-a", way.target,
                      "-p", str(way.first_port), "-q", str(way.last_port), "-b", way.sink, "-l", str(way.sink_port)]
        if established:
            self._argv.append("-e")
        self._count = None

    def __call__(self):
        if not self._count:
            self._count = int(min(max(self.RUN_NS / self._run(self.COUNT_MIN), self.COUNT_MIN), self.COUNT_MAX))
        return self._run(self._count)

    def leave(self, count):
        """So many flows more, which the router goes on knowing."""
        self._forget = []
        self._run(count)

    def _run(self, count):
        done = subprocess.run([*self._argv, *self._forget, "-n", str(count)], capture_output=True, text=True,
                              check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(self._argv)}: {done.stderr}")
        sent, received, at_once, wall_ns, cpu_ns = map(int, done.stdout.split())
        if received != sent:
            raise RuntimeError(f"{' '.join(self._argv)}: {received} of {sent} packets arrived")
        # What was put off has been paid by another thread: only the clock knows.
        return (cpu_ns if at_once == sent else wall_ns) / sent


def memory_mib(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)
