# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon that is killed at any moment, again and again.

Somebody makes changes, on trial or not, confirms some, restores former ones; at a random moment SIGKILL comes. What
the next start must find is known from what was answered: no change that was answered is missing, of the one under
way there is all or nothing, and what was on trial is gone, in the database and in the kernel. The table is deleted in
between, as a reboot does, and the kernel's own news show that nothing unconfirmed is put into it even for a moment.

PORTICO_CRASHES=5000 makes it longer, PORTICO_CRASH_SEED=n repeats one.
"""
import http.client
import json
import os
import random
import re
import select
import shutil
import sqlite3
import subprocess
import threading
import time

import pytest

from lab.lab import Lab, Node, Topology, wait_for
from lab.porticod import Porticod, environment, session, wait

CRASHES = int(os.environ.get("PORTICO_CRASHES", "150"))
SEED = int(os.environ.get("PORTICO_CRASH_SEED", time.time_ns() % 1000000))
HISTORY = 20
TRIAL_S = 3600


@pytest.fixture
def victim(built):
    with Lab(Topology({"router": Node()})) as lab, Porticod(lab.router, setup=False) as porticod:
        yield porticod


class Known:
    """What has been answered: configurations, as {name: ports}, by revision; and what may be true now."""

    def __init__(self):
        self.now = {}
        self.ids = {}
        self.revision = 0
        self.by_revision = {0: {}}
        self.confirmed = None       # the configuration that comes back; None: nothing is on trial
        self.maybe = []             # what else may be found: the change under way has happened
        self.maybe_trial = False    # whether there is a trial is not known
        self.count = 0

    def possible(self):
        """What the next start may find."""
        found = [self.now if self.confirmed is None else self.confirmed] + self.maybe
        return found + ([self.now] if self.maybe_trial else [])


class Client:
    """Makes changes until the daemon dies."""

    def __init__(self, api, known, dice):
        self.api, self.known, self.dice = api, known, dice
        self.under_way = threading.Event()

    def run(self):
        try:
            while True:
                self.step()
        except (OSError, http.client.HTTPException):
            self.api.close()

    def step(self):
        known, dice = self.known, self.dice
        kind = dice.choice(["add", "add", "change", "change", "remove", "replace", "restore", "confirm", "confirm"])
        if kind == "confirm":
            self.confirm()
            return
        wanted = dict(known.now)
        method, path, body = getattr(self, kind)(wanted)
        if method is None:
            return
        trial = dice.random() < 0.3
        # On trial it is taken back in the end, so what comes next is what was confirmed before, either way.
        known.maybe = [] if known.confirmed is not None else [known.now] if trial else [wanted]
        if known.confirmed is not None:
            known.maybe = [wanted] if wanted == known.confirmed else []
        self.under_way.set()
        response = self.api.request(method, path + (f"?confirm_within_s={TRIAL_S}" if trial else ""), body)
        assert response.status < 300, response.body
        number = int(response.headers["ETag"].strip('"'))
        before, known.now = known.now, wanted
        known.by_revision[number] = wanted
        known.maybe, known.maybe_trial = [], True
        if known.confirmed is None and trial and number > known.revision:
            known.confirmed = before
        known.revision = number
        known.count += 1
        self.learn()

    def learn(self):
        """Whether there is a trial, and ids."""
        known = self.known
        config = self.api.get("/config").expect(200)
        known.ids = {f["name"]: f["id"] for f in config["forwards"]}
        trial = self.api.get("/status").expect(200)["trial"]
        known.confirmed = trial and known.by_revision[trial["confirmed_revision"]]
        known.maybe_trial = False

    def confirm(self):
        known = self.known
        if known.confirmed is None:
            return
        known.maybe = [known.now]
        self.under_way.set()
        assert self.api.post("/confirm").status == 200
        known.confirmed, known.maybe = None, []

    def add(self, wanted):
        port = self.dice.randrange(1, 60000)
        name = f"f{port}"
        if name in wanted or str(port) in wanted.values() or len(wanted) > 40:
            return None, None, None
        wanted[name] = str(port)
        return "POST", "/forwards", forward(name, str(port))

    def change(self, wanted):
        port = str(self.dice.randrange(1, 60000))
        if not wanted or port in wanted.values():
            return None, None, None
        name = self.dice.choice(sorted(wanted))
        wanted[name] = port
        return "PATCH", f"/forwards/{self.known.ids[name]}", {"external_ports": port}

    def remove(self, wanted):
        if not wanted:
            return None, None, None
        name = self.dice.choice(sorted(wanted))
        del wanted[name]
        return "DELETE", f"/forwards/{self.known.ids[name]}", None

    def replace(self, wanted):
        ports = self.dice.sample(range(1, 60000), self.dice.randrange(0, 40))
        wanted.clear()
        wanted.update({f"f{port}": str(port) for port in ports})
        return "PUT", "/config", whole(wanted)

    def restore(self, wanted):
        number = self.dice.randrange(max(0, self.known.revision - HISTORY + 3), self.known.revision + 1)
        if number not in self.known.by_revision:
            return None, None, None
        former = self.known.by_revision[number]
        wanted.clear()
        wanted.update(former)
        return "POST", f"/revisions/{number}/restore", None


def forward(name, ports):
    return {"name": name, "external_ports": ports, "internal_address": "192.168.0.2"}


def whole(forwards):
    return {"settings": {"history_length": HISTORY},
            "forwards": [forward(name, ports) for name, ports in forwards.items()]}


class News:
    """What the kernel is told about our table: `nft monitor`, from before a start until it is over."""

    def __init__(self, host):
        self.host = host
        self.marks = 0
        host.nft("add table ip marker; add set ip marker s { type mark; }")
        self.process = host.spawn(["nft", "monitor", "elements"], stdout=subprocess.PIPE)
        self.text = b""
        while b"marker" not in self.text:  # now it listens
            self.mark()
            self.read(0.05)

    def mark(self):
        self.marks += 1
        self.host.nft(f"add element ip marker s {{ {self.marks:#x} }}")

    def read(self, timeout):
        if select.select([self.process.stdout], [], [], timeout)[0]:
            self.text += os.read(self.process.stdout.fileno(), 65536)

    def ports(self):
        """All ports that were put into the map until now."""
        self.mark()
        while f"{{ {self.marks:#010x} }}".encode() not in self.text:
            self.read(5)
        self.process.kill()
        self.process.communicate()
        self.host.nft("delete table ip marker")
        return set(re.findall(r"^add element inet portico forwards4 { tcp . (\d+)", self.text.decode(), re.MULTILINE))


def kernel_ports(host):
    listed = json.loads(host.run("nft -j list map inet portico forwards4").stdout)
    elements = [item for entry in listed["nftables"] for item in entry.get("map", {}).get("elem", [])]
    return {str((key.get("elem", {}).get("val") or key)["concat"][1]) for key, _ in elements}


def check_file(daemon, tmp_path):
    """The file as the crash left it, with its log: SQLite finds nothing wrong in it."""
    for suffix in ("", "-wal"):
        source = f"{daemon.db}{suffix}"
        if os.path.exists(source):
            shutil.copy(source, tmp_path / f"copy.db{suffix}")
    db = sqlite3.connect(tmp_path / "copy.db")
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    for left in tmp_path.iterdir():
        left.unlink()


def die_while_starting(daemon, dice):
    """One more start, killed before it is over."""
    with open(os.devnull, "wb") as nothing:
        process = subprocess.Popen(daemon.command_line(), stdin=subprocess.DEVNULL, stdout=nothing, stderr=nothing,
                                   start_new_session=True, env=environment())
    time.sleep(dice.random() * 0.012)
    process.kill()
    wait(process)
    wait_for(lambda: not session(process.pid), 5, "its edge to end")


def check_state(daemon, known, history):
    """All is as it may be; it is then what is known."""
    config = daemon.sock.get("/config").expect(200)
    found = {f["name"]: f["external_ports"] for f in config["forwards"]}
    assert found in known.possible(), f"{found} is none of {known.possible()}"
    # What others did to the ruleset a moment ago may still have to be looked at.
    wait_for(lambda: daemon.sock.get("/status").expect(200)["kernel"]["in_sync"], 20, "the kernel in sync")
    status = daemon.sock.get("/status").expect(200)
    assert status["trial"] is None, status
    assert known.revision <= status["revision"] <= known.revision + 2
    assert kernel_ports(daemon.host) == set(found.values())

    items = daemon.sock.get("/revisions?limit=200").expect(200)["items"]
    numbers = [item["number"] for item in items]
    assert numbers == list(range(status["revision"], status["revision"] - len(numbers), -1))
    assert len(numbers) >= min(status["revision"], HISTORY)
    for item in items:  # what has been answered once never changes
        assert history.setdefault(item["number"], item) == item
    surely = known.confirmed is not None and not known.maybe_trial and not known.maybe
    if surely and known.confirmed != known.now:
        assert items[0]["author"] == "expiry", items[0]
    known.now, known.revision = found, status["revision"]
    known.by_revision[status["revision"]] = found
    known.confirmed, known.maybe, known.maybe_trial = None, [], False
    known.ids = {f["name"]: f["id"] for f in config["forwards"]}


def check_former(daemon, known, dice):
    """A former configuration is what it was: the difference to the present one tells."""
    number = dice.randrange(max(0, known.revision - HISTORY + 1), known.revision + 1)
    if number not in known.by_revision:
        return
    answer = daemon.sock.get(f"/revisions/{number}/diff?to={known.revision}").expect(200)
    former = dict(known.now)
    for change in answer["changes"]:
        if change["kind"] == "forward" and change["after"]:
            former.pop(change["after"]["name"])
    for change in answer["changes"]:
        if change["kind"] == "forward" and change["before"]:
            former[change["before"]["name"]] = change["before"]["external_ports"]
    assert former == known.by_revision[number], number


def test_killed_at_any_moment(victim, tmp_path):
    dice = random.Random(SEED)
    print(f"PORTICO_CRASH_SEED={SEED}")
    known, history = Known(), {}
    victim.sock.put("/config", whole({})).expect(200)
    known.revision = 1
    known.by_revision[1] = {}
    trials = 0
    for _ in range(CRASHES):
        client = Client(victim.sock, known, dice)
        thread = threading.Thread(target=client.run)
        thread.start()
        time.sleep(dice.random() * 0.06)
        if dice.random() < 0.5:
            client.under_way.clear()
            client.under_way.wait(1)
            time.sleep(dice.random() * 0.003)
        victim.process.kill()
        thread.join()
        victim.kill()
        trials += known.confirmed is not None
        check_file(victim, tmp_path)
        while dice.random() < 0.15:
            die_while_starting(victim, dice)
        rebooted = dice.random() < 0.2
        if rebooted:
            victim.host.run("nft flush ruleset")
            news = News(victim.host)
        victim.start()
        if rebooted:
            assert news.ports() in [set(config.values()) for config in known.possible()]
        check_state(victim, known, history)
        check_former(victim, known, dice)
    print(f"{CRASHES} crashes, {trials} of them amid a trial, {known.count} changes, {known.revision} revisions")
    assert trials > CRASHES / 20


def test_killed_at_the_end_of_a_trial(victim, tmp_path):
    """The return itself is under way."""
    dice = random.Random(SEED)
    victim.sock.put("/config", whole({"a": "1", "b": "2"})).expect(200)
    before = victim.sock.get("/config").expect(200)
    for _ in range(max(CRASHES // 20, 5)):
        at = victim.sock.get("/status").expect(200)["revision"]
        begun = time.monotonic()
        victim.sock.put("/config?confirm_within_s=1", whole({f"f{i}": str(i) for i in range(10, 200)})).expect(200)
        time.sleep(max(0, begun + 1 + dice.random() * 0.05 - time.monotonic()))
        victim.process.kill()
        victim.kill()
        check_file(victim, tmp_path)
        victim.start()
        assert victim.sock.get("/config").expect(200) == before
        status = victim.sock.get("/status").expect(200)
        assert status["trial"] is None and status["kernel"]["in_sync"] and status["revision"] == at + 2
        newest = victim.sock.get("/revisions?limit=1").expect(200)["items"][0]
        assert newest["author"] == "expiry" and newest["reason"].endswith(f"back to revision {at}")
        assert kernel_ports(victim.host) == {"1", "2"}
