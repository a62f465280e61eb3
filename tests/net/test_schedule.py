# SPDX-License-Identifier: GPL-2.0-or-later
"""Forwards that begin and end by the clock, while the daemon runs and while it does not.

Nothing sets the machine's clock. A time zone may be seconds away from UTC, so that the next full minute of local time
is as near as a test likes."""
import time

import pytest

from lab.checks import outcome
from lab.events import EventStream
from lab.lab import wait_for

PUBLIC = "192.0.2.1"
SOON_S = 4     # until the minute turns: enough for a daemon to start and for some requests
LATE_S = 1.5   # from a moment to when packets show it


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for port in (80, 81):
        home.lab.backend.serve(port)


@pytest.fixture
def internet(router_daemon):
    return router_daemon.lab.internet


class LocalTime:
    """A time zone whose next full minute is at `turn`, and what its clock shows around then."""

    def __init__(self, turn):
        self.turn = turn
        self.east_s = -turn % 60
        self.zone = f"XXX-00:00:{self.east_s:02}"

    def at(self, minutes):
        """"mon 08:00": so many minutes after the turn."""
        local = time.gmtime(self.turn + self.east_s + minutes * 60)
        return time.strftime("%a %H:%M", local).lower()

    def window(self, begin, end):
        return f"{self.at(begin)}-{self.at(end).split()[1]}"


@pytest.fixture
def local_time(router_daemon, monkeypatch):
    """The daemon restarted where a minute begins soon."""
    router_daemon.daemon.stop()
    local = LocalTime(int(time.time()) + SOON_S)
    monkeypatch.setenv("TZ", local.zone)
    router_daemon.daemon.start()
    router_daemon.daemon.login()
    yield local
    monkeypatch.undo()
    router_daemon.daemon.restart()


def state(router, forward):
    found = router.api.get(f"/forwards/{forward['id']}").expect(200)["state"]
    return "live" if found["live"] else found["reason"]


def moment(condition, what):
    """When it came true."""
    wait_for(condition, 10, what)
    return time.time()


def test_hours_of_the_week(router_daemon, internet, local_time):
    """One forward begins, another ends, at the same moment; a connection of the latter ends with it."""
    begins = router_daemon.forward(80, schedule=local_time.window(0, 60))
    ends = router_daemon.forward(81, schedule=local_time.window(-60, 0))
    always = router_daemon.forward(82, "192.168.0.2", internal_ports="80")
    assert (state(router_daemon, begins), state(router_daemon, ends)) == ("scheduled", "live")
    assert outcome(internet, PUBLIC, 80) == "refused"
    stays = internet.connect(PUBLIC, 82)
    with stays, internet.connect(PUBLIC, 81) as goes, EventStream(router_daemon.api) as events:
        assert stays.ask().server == goes.ask().server == "backend"
        assert time.time() < local_time.turn, "the machine was too slow for this test"

        begun = moment(lambda: outcome(internet, PUBLIC, 80) == "answer", "the forward to begin")
        ended = moment(lambda: outcome(internet, PUBLIC, 81) == "refused", "the other one to end")
        assert 0 <= begun - local_time.turn < LATE_S, f"began {begun - local_time.turn:.1f} s after its time"
        assert 0 <= ended - local_time.turn < LATE_S, f"ended {ended - local_time.turn:.1f} s after its time"
        assert (state(router_daemon, begins), state(router_daemon, ends)) == ("live", "scheduled")
        told = [events.wait("forward")["data"] for _ in range(2)]
        assert sorted((e["id"], e["reason"]) for e in told) == [(begins["id"], None), (ends["id"], "scheduled")]
        wait_for(lambda: not router_daemon.lab.router.conntrack(dport=81, mark=0x81000000), what="its flow to end")
        with pytest.raises(OSError):
            goes.ask()
        assert stays.ask().server == "backend"
        assert state(router_daemon, always) == "live"
    # From inside the same holds.
    assert router_daemon.lab.client.ask(PUBLIC, 80).server == "backend"
    assert outcome(router_daemon.lab.client, PUBLIC, 81) == "refused"
    assert router_daemon.kernel()["mended"] == 0, "nobody had to mend anything"


def test_a_schedule_that_is_changed(router_daemon, internet, local_time):
    """Counts at once, not at the next turn."""
    forward = router_daemon.forward(80, schedule=local_time.window(120, 180))
    assert outcome(internet, PUBLIC, 80) == "refused"
    one = f"/forwards/{forward['id']}"
    changed = router_daemon.api.patch(one, {"schedule": local_time.window(-60, 60)}).expect(200)
    assert changed["state"]["live"] and outcome(internet, PUBLIC, 80) == "answer"
    router_daemon.api.patch(one, {"schedule": local_time.window(60, 120)}).expect(200)
    assert outcome(internet, PUBLIC, 80) == "refused"
    router_daemon.api.patch(one, {"schedule": None}).expect(200)
    assert outcome(internet, PUBLIC, 80) == "answer"


def timestamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_expiry_across_a_restart(router_daemon, internet):
    """A forward's end comes in time whether the daemon was started before or after."""
    router_daemon.daemon.stop()   # so that the time of a start does not count
    router_daemon.daemon.start()
    router_daemon.daemon.login()
    end = int(time.time()) + 5
    forward = router_daemon.forward(80, expires_at=timestamp(end))
    assert outcome(internet, PUBLIC, 80) == "answer"
    router_daemon.daemon.restart()
    assert state(router_daemon, forward) == "live" and outcome(internet, PUBLIC, 80) == "answer"
    ended = moment(lambda: outcome(internet, PUBLIC, 80) == "refused", "the forward to expire")
    assert 0 <= ended - end < LATE_S, f"expired {ended - end:.1f} s after its time"
    assert state(router_daemon, forward) == "expired"
    router_daemon.daemon.restart()
    assert state(router_daemon, forward) == "expired" and outcome(internet, PUBLIC, 80) == "refused"
    changed = router_daemon.api.patch(f"/forwards/{forward['id']}", {"expires_at": None}).expect(200)
    assert changed["state"]["live"] and outcome(internet, PUBLIC, 80) == "answer"


def test_what_ended_while_the_daemon_was_off(router_daemon, internet):
    """Its rules stay in the kernel when it stops; the next start takes away what has ended meanwhile."""
    end = int(time.time()) + 2
    forward = router_daemon.forward(80, expires_at=timestamp(end))
    with internet.connect(PUBLIC, 80) as connection:
        connection.ask()
        router_daemon.daemon.stop()
        wait_for(lambda: time.time() > end, 5, "its end")
        assert outcome(internet, PUBLIC, 80) == "answer", "without a daemon nobody ends it"
        router_daemon.daemon.start()
        router_daemon.daemon.login()
        assert state(router_daemon, forward) == "expired"
        assert outcome(internet, PUBLIC, 80) == "refused"
        wait_for(lambda: not router_daemon.lab.router.conntrack(dport=80, mark=0x81000000), what="its flow to end")
