# SPDX-License-Identifier: GPL-2.0-or-later
"""The measuring programs of tests/bench run and find numbers. How large those are is no question for a test."""
import json
import pathlib
import subprocess
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench" / "bench.py"
PARTS = {"newflow": [], "established": ["--quick"], "change": ["--quick"], "address": [], "crowd": [], "start": [], "failover": ["--quick"]}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_bench_finds_numbers(part, built, tmp_path):
    found = tmp_path / "bench.json"
    done = subprocess.run([sys.executable, str(BENCH), "--counts", "1,20", "--rounds", "1", "--json", str(found),
                           *PARTS[part], part], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = json.loads(found.read_text())["tables"]
    assert tables
    for table in tables:
        assert table["part"] == part and table["rows"]
        for row in table["rows"]:
            assert row["cells"], row
            assert all(value >= 0 for value in row["cells"].values()), row
            assert max(row["cells"].values()) > 0, row
