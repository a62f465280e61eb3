#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What Portico costs, beside what others cost, measured on this machine in one run (`make bench`, as root).

Times of one machine say little: read the ratios. An aim that is missed is said so, and fails nothing.
"""
import argparse
import importlib
import json
import os
import pathlib
import platform
import sys
import time
from dataclasses import dataclass

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lab.porticod import build_dir  # noqa: E402

PARTS = ["newflow", "established", "change", "address", "crowd", "start", "failover"]
ON_REQUEST = ["size"]   # of packages, which `make size` makes first


@dataclass
class Options:
    quick: bool
    counts: list     # numbers of forwards
    rounds: int      # runs of each, in turn
    flows: pathlib.Path
    bulk: pathlib.Path

    @property
    def slow_rounds(self):
        """Of what takes longer."""
        return (self.rounds + 1) // 2


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}, all of them by default; or {', '.join(ON_REQUEST)}")
    parser.add_argument("--quick", action="store_true", help="fewer mixes and runs: less than a minute")
    parser.add_argument("--counts", help="numbers of forwards, such as 1,100,10000")
    parser.add_argument("--rounds", type=int, help="runs of each")
    parser.add_argument("--json", type=pathlib.Path, help="write what was found to this file, too")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(PARTS + ON_REQUEST)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return arguments


def main():
    arguments = parse()
    counts = [1, 10000] if arguments.quick else [1, 100, 1000, 10000]
    if arguments.counts:
        counts = sorted(int(count) for count in arguments.counts.split(","))
    options = Options(arguments.quick, counts, arguments.rounds or (7 if arguments.quick else 15),
                      build_dir() / "flows", build_dir() / "bulk")
    tables, begun = [], time.monotonic()
    for part in arguments.parts or PARTS:
        for table in importlib.import_module(part).run(options):
            print(table, flush=True)
            tables.append(table)
    seconds = time.monotonic() - begun
    aims = [row.aim for table in tables for row in table.rows if row.aim]
    print(f"{sum(aim.met for aim in aims)} of {len(aims)} aims met; {seconds:.0f} s, "
          f"{os.cpu_count()} processors, Linux {platform.release()}")
    if arguments.json:
        arguments.json.write_text(json.dumps({
            "kernel": platform.release(), "processors": os.cpu_count(), "seconds": round(seconds),
            "load": os.getloadavg(), "tables": [table.as_json() for table in tables]}, indent=1) + "\n")


if __name__ == "__main__":
    main()
