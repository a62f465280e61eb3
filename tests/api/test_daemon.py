# SPDX-License-Identifier: GPL-2.0-or-later
"""porticod as a program: its options and exit statuses, and its database in bad times."""
import http.client
import pathlib
import re
import sqlite3
import subprocess
import threading

import pytest

from kinds import KINDS
from lab.porticod import environment

CAP_NET_ADMIN, CAP_NET_RAW = 12, 13     # linux/capability.h
FORWARD = KINDS["/forwards"][2]


@pytest.fixture
def porticod(fresh, tmp_path):
    """Runs it until it ends, which must be with `status`. Nothing here gets as far as to serve."""
    def run(*arguments, status):
        argv = [fresh.build / "porticod", "--socket", tmp_path / "socket", "--netns", fresh.netns, *arguments]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=60, check=False,
                              env=environment())
        assert done.returncode == status, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert bool(done.stderr) == (status != 0), f"mistakes go to stderr, and they alone: {done.stderr}"
        return done.stdout + done.stderr
    return run


@pytest.fixture
def stopped(fresh):
    """A daemon with a password and a forward in its database and in the good copy, not running."""
    fresh.finish_setup()
    fresh.sock.post("/forwards", FORWARD).expect(201)
    fresh.restart()
    fresh.stop()
    return fresh


def restore(message):
    """Does what the message says, word for word."""
    command = re.search(r"rm -f '.*", message)
    assert command, message
    subprocess.run(command[0], shell=True, check=True)


def test_usage(porticod):
    assert porticod("--version", status=0).startswith("porticod ")
    assert "--listen ADDR:PORT" in porticod("--help", status=0)
    for arguments, words in ((["--nonsense"], "--nonsense"), (["more"], "more"), (["--listen"], "--listen"),
                             (["--log-level", "loud"], "--log-level"), (["--listen", "nonsense"], "--listen"),
                             (["--listen", "127.0.0.1:99999"], "99999"), (["--listen", "localhost:80"], "localhost"),
                             (["--listen", "127.0.0.1"], "port is missing")):
        assert words in porticod(*arguments, status=2)
        assert words in porticod("--check", *arguments, status=2)


def family(pid):
    """The process and all below it."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid] + [one for child in children for one in family(int(child))]


def test_capabilities(fresh):
    """Of root's, the daemon keeps what rules and probes take; those that strangers speak to keep nothing."""
    kept = {"porticod": 1 << CAP_NET_ADMIN | 1 << CAP_NET_RAW}
    seen = set()
    for pid in family(fresh.process.pid):
        text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        facts = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        seen.add(facts["Name"])
        for kind in ("CapPrm", "CapEff", "CapBnd"):
            assert int(facts[kind], 16) == kept.get(facts["Name"], 0), f"{facts['Name']}: {kind} {facts[kind]}"
        assert int(facts["CapInh"], 16) == int(facts["CapAmb"], 16) == 0
        assert facts["NoNewPrivs"] == "1"
    assert "porticod" in seen and len(seen) > 1


def test_check(porticod, stopped, tmp_path):
    assert "good" in porticod("--check", "--db", stopped.db, status=0)
    assert porticod("--check", "--db", tmp_path / "none" / "portico.db", status=0)
    assert not (tmp_path / "none").exists(), "it changes nothing"
    before = stopped.db.read_bytes()
    stopped.db.write_bytes(before[:5000])
    assert "is damaged" in porticod("--check", "--db", stopped.db, status=1)
    assert stopped.db.read_bytes() == before[:5000], "it changes nothing"


@pytest.mark.parametrize("damage", ["cut to nothing", "cut short", "overwritten", "a wrong value"])
def test_a_damaged_database(porticod, stopped, damage):
    if damage == "a wrong value":
        with sqlite3.connect(stopped.db) as db:
            db.execute("PRAGMA ignore_check_constraints = 1")
            db.execute("UPDATE forwards SET internal_address = 'nonsense'")
        db.close()
    else:
        good = stopped.db.read_bytes()
        stopped.db.write_bytes({"cut to nothing": b"", "cut short": good[:6000], "overwritten": b"x" * len(good)}[damage])
    assert "is damaged" in porticod("--check", "--db", stopped.db, status=1)
    message = porticod("--db", stopped.db, "--listen", "127.0.0.1:0", status=1)
    assert "is damaged" in message
    restore(message)
    assert porticod("--check", "--db", stopped.db, status=0)
    stopped.start()
    stopped.login()
    assert [f["name"] for f in stopped.api.get("/forwards").expect(200)["items"]] == [FORWARD["name"]]


def test_a_database_that_is_not_for_us(porticod, stopped):
    with sqlite3.connect(stopped.db) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert "newer Portico" in porticod("--db", stopped.db, "--listen", "127.0.0.1:0", status=1)
    with sqlite3.connect(stopped.db) as db:
        db.execute("PRAGMA application_id = 99")
    db.close()
    assert "not one of Portico's" in porticod("--check", "--db", stopped.db, status=1)


def test_what_was_answered_survives_a_kill(fresh):
    """Killed in the midst of writes, again and again: no change that was answered is lost, nor half of one kept."""
    for turn in range(4):
        answered = []
        enough = threading.Event()

        def write():
            for i in range(1000):
                name = f"{turn}-{i}"
                try:
                    response = fresh.sock.post("/forwards", {**FORWARD, "name": name, "external_ports": str(
                        1 + 1000 * turn + i)})
                except (OSError, http.client.HTTPException):
                    return
                assert response.status == 201
                answered.append(name)
                if len(answered) == 5 + 3 * turn:
                    enough.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert enough.wait(20)
        fresh.process.kill()
        writer.join()
        fresh.kill()
        fresh.start()
        names = [f["name"] for f in fresh.sock.get("/forwards").expect(200)["items"] if f["name"].startswith(f"{turn}-")]
        assert names[:len(answered)] == answered and len(names) <= len(answered) + 1
        assert fresh.sock.get("/status").expect(200)["kernel"]["in_sync"]
