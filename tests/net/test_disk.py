# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk that is full, one that the system has made read-only, a database that somebody replaces: changes are refused, and
say so; traffic goes on.

The database is on a small file system of the daemon's own (ext4 in a file, mounted in a mount namespace that ends with
it), which is really full, and really read-only as after an error of the disk.
"""
import contextlib
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

import pytest

from lab import topologies
from lab.checks import outcome
from lab.lab import wait_for
from lab.porticod import Porticod

PUBLIC, BACKEND = "192.168.18.58", "192.168.2.73"
CONFIG = {"uplinks": [{"name": "outside", "device": "eth0"}], "networks": [{"name": "lan", "devices": ["eth1"]}],
          "forwards": [{"name": "web", "external_ports": "8888", "internal_address": BACKEND, "internal_ports": "9999"}]}
MORE = {"name": "more", "external_ports": "8889", "internal_address": BACKEND, "internal_ports": "9999"}
ENTER = 'mount -o "$0" "$1" "$2" && shift 2 && exec "$@"'


class OnDisk(Porticod):
    """Its database alone is on the small disk, at `directory`/disk; seen from outside through /proc."""

    mounted = "loop"

    def __init__(self, host, directory):
        self.image = directory / "image"
        self.mounted_at = directory / "disk"
        self.mounted_at.mkdir()
        self.image.touch()
        os.truncate(self.image, 4 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", self.image], check=True)
        super().__init__(host, directory, setup=False)

    def command_line(self):
        self.db = self.mounted_at / "portico.db"
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, self.mounted,
                str(self.image), str(self.mounted_at), *super().command_line()]

    @property
    def disk(self):
        return pathlib.Path(f"/proc/{self.process.pid}/root{self.mounted_at}")

    def settled(self):
        return (self.disk / "portico.db-wal").stat().st_size == 0

    def fill(self):
        wait_for(self.settled, 20, "the log to be moved into the database")
        with (self.disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(512))

    def make_read_only(self):
        wait_for(self.settled, 20, "the log to be moved into the database")
        subprocess.run(["nsenter", "-t", str(self.process.pid), "--mount", "mount", "-o", "remount,abort",
                        self.mounted_at], check=True)


@pytest.fixture(scope="module")
def lab(built, lab_factory):
    lab = lab_factory(topologies.one_router())
    lab.backend.serve(9999)
    return lab


@pytest.fixture
def router(lab, tmp_path):
    probe = subprocess.run(["losetup", "--find"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this machine has no loop devices")
    with OnDisk(lab.router, tmp_path) as daemon:
        daemon.sock.put("/config", CONFIG).expect(200)
        yield daemon


def reached(router, port):
    return outcome(router.host.lab.client, PUBLIC, port) == "answer"


def refuses_everything(router, words):
    sock = router.sock
    before = sock.get("/config").expect(200)
    revision = sock.get("/status").expect(200)["revision"]
    table = router.host.nft("list table inet portico")
    problem = sock.post("/forwards", MORE)
    assert words in problem.expect(503)["detail"] and problem.body["type"] == "urn:portico:problem:unavailable"
    assert int(problem.headers["Retry-After"]) > 0
    assert words in sock.post("/forwards?confirm_within_s=60", MORE).expect(503)["detail"]
    assert words in sock.post(f"/revisions/{revision - 1}/restore").expect(503)["detail"]
    assert words in sock.post("/tokens", {"name": "script", "role": "viewer"}).expect(503)["detail"]
    done = router.cli("forward", "add", "more", "--port", "8889", "--to", BACKEND, check=False)
    assert done.returncode == 1 and words in done.stderr, done
    assert sock.get("/config").expect(200) == before and sock.get("/tokens").expect(200)["items"] == []
    status = sock.get("/status").expect(200)
    assert status["revision"] == revision and status["trial"] is None and status["kernel"]["in_sync"]
    assert router.host.nft("list table inet portico") == table
    assert reached(router, 8888) and not reached(router, 8889)


def works_again(router):
    router.sock.post("/forwards", MORE).expect(201)
    assert reached(router, 8888) and reached(router, 8889)
    wanted = router.sock.get("/config").expect(200)
    router.restart()
    assert router.sock.get("/config").expect(200) == wanted
    assert reached(router, 8888) and reached(router, 8889)


def test_full(router):
    router.fill()
    refuses_everything(router, "no space is left")
    # What the kernel loses meanwhile is mended as ever.
    router.host.nft("delete table inet portico")
    wait_for(lambda: reached(router, 8888), 20, "the forward to be back")
    (router.disk / "filler").unlink()
    works_again(router)


def test_a_start_on_a_full_disk(router):
    router.fill()
    router.restart()
    refuses_everything(router, "no space is left")
    (router.disk / "filler").unlink()
    works_again(router)


def test_read_only(router):
    router.make_read_only()
    refuses_everything(router, "read-only")
    router.restart()  # and a disk that is well again
    works_again(router)


def says_so(router, words):
    """Wherever somebody may look."""
    assert words in router.sock.get("/status").expect(200)["database"]["failure"]
    assert re.search(rf"^database +nothing can be changed: .*{words}", router.cli("status").stdout, re.MULTILINE)
    assert re.search(rf"error: nothing can be changed: .*{words}", router.log())


def test_what_is_written_without_a_change_comes_into_the_file(router, tmp_path):
    """Sysctls of a device that comes by itself. What stays in the log is no part of a copy of the one file."""
    router.sock.post("/uplinks", {"name": "late", "device": "late0"}).expect(201)
    wait_for(router.settled, 20, "the log to be moved into the database")
    router.host.ip("link add late0 type bridge")
    try:
        router.host.ip("link set late0 up")
        wait_for(lambda: "late0" in sysctls_kept(router.disk / "portico.db", tmp_path / "copy"), 20, "them to be in the file")
    finally:
        router.host.ip("link del late0")


def sysctls_kept(db, copy):
    shutil.copyfile(db, copy)
    with contextlib.closing(sqlite3.connect(copy)) as opened:
        return str(opened.execute("SELECT path FROM sysctl_before").fetchall())


def test_a_start_on_a_read_only_disk(router):
    """With the last change in the log, as a crash leaves it, and a kernel that has nothing, as after a reboot."""
    assert router.sock.get("/status").expect(200)["database"] == {"failure": None}
    router.sock.patch("/forwards/1", {"comment": "in the log"}).expect(200)
    router.kill()
    router.host.nft("flush ruleset")
    router.mounted = "loop,ro"
    router.start()
    assert (router.disk / "portico.db-wal").stat().st_size > 0
    assert router.sock.get("/forwards/1").expect(200)["comment"] == "in the log"
    refuses_everything(router, "read-only")
    says_so(router, "read-only; once that is mended, restart porticod")
    assert b"\nportico_database_writable 0\n" in router.sock.get("/metrics", base="").expect(200)
    # What the kernel loses meanwhile is mended as ever.
    router.host.nft("delete table inet portico")
    wait_for(lambda: reached(router, 8888), 20, "the forward to be back")
    router.restart()
    refuses_everything(router, "read-only")
    router.mounted = "loop"
    router.restart()
    assert router.sock.get("/status").expect(200)["database"] == {"failure": None}
    assert router.sock.get("/forwards/1").expect(200)["comment"] == "in the log"
    works_again(router)


def test_a_trial_ends_on_a_read_only_disk(router):
    """It was on trial when the power failed: what was confirmed is in force, whether or not that can be written down."""
    router.sock.patch("/forwards/1?confirm_within_s=3600", {"external_ports": "8887"}).expect(200)
    router.kill()
    router.mounted = "loop,ro"
    router.start()
    assert reached(router, 8888) and not reached(router, 8887)
    assert "read-only" in router.sock.get("/status").expect(200)["trial"]["failure"]
    router.mounted = "loop"
    router.restart()
    assert router.sock.get("/revisions?limit=1").expect(200)["items"][0]["author"] == "expiry"
    works_again(router)


@pytest.mark.parametrize("put", [os.replace, shutil.copyfile])
def test_a_backup_is_put_in_the_place_of_the_database(router, put):
    """It is what the next start takes up; until then nothing is written that would be lost."""
    wait_for(router.settled, 20, "the log to be moved into the database")
    db, backup = router.disk / "portico.db", router.disk / "backup"
    shutil.copyfile(db, backup)
    wanted = router.sock.get("/config").expect(200)
    router.sock.post("/forwards", MORE).expect(201)
    put(backup, db)
    words = "somebody replaced the database"
    says_so(router, words)
    problem = router.sock.patch("/forwards/1", {"comment": "lost"})
    assert f"{words} {router.db}; restart porticod" in problem.expect(503)["detail"]
    assert reached(router, 8888) and reached(router, 8889)
    assert not (router.disk / "portico.db-wal").exists()
    router.restart()
    assert router.sock.get("/config").expect(200) == wanted
    assert reached(router, 8888) and not reached(router, 8889)
    works_again(router)


@pytest.mark.parametrize("fault", ["fill", "make_read_only"])
def test_a_trial_is_taken_back_without_a_disk(router, fault):
    """Nobody is kept out because that cannot be written down."""
    router.sock.patch("/forwards/1?confirm_within_s=4", {"external_ports": "8887"}).expect(200)
    getattr(router, fault)()
    wait_for(lambda: reached(router, 8888), 20, "the confirmed configuration")
    assert not reached(router, 8887)
    words = {"fill": "no space is left", "make_read_only": "read-only"}[fault]
    wait_for(lambda: words in (router.sock.get("/status").expect(200)["trial"]["failure"] or ""), 20, "the reason")
    assert words in router.sock.post("/forwards", MORE).expect(503)["detail"]
    if fault == "fill":
        (router.disk / "filler").unlink()
        wait_for(lambda: router.sock.get("/status").expect(200)["trial"] is None, 70, "the return to be recorded")
    else:
        router.restart()
    assert router.sock.get("/revisions?limit=1").expect(200)["items"][0]["author"] == "expiry"
    works_again(router)
