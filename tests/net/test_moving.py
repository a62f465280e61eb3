# SPDX-License-Identifier: GPL-2.0-or-later
"""Moving from OpenWrt's redirects and mwan3: what the package's first start takes, then both files, as a user imports them.
Then packets say whether the router does what it did with mwan3."""
import contextlib
import pathlib

import pytest

from lab.checks import Stream, ask_from_internet, isps, outcome, uplink_address
from lab.faults import Isp
from lab.lab import wait_for

FILES = pathlib.Path(__file__).resolve().parents[1] / "golden" / "import"
SERVER = "203.0.113.200"


@pytest.fixture(scope="module")
def services(home):
    home.lab.backend.serve(80)
    home.lab.internet.serve(443, address=SERVER)
    home.lab.internet.serve(80, address=SERVER)
    home.lab.internet.serve(5060, "udp", SERVER)
    for number in range(101, 121):
        home.lab.client.ip(f"addr add 192.168.0.{number}/24 dev eth0")
    return home


@pytest.fixture
def moved(services, router_daemon):
    """The router after the first start and both imports; its ISPs by name."""
    api = router_daemon.api
    api.put("/config", {}).expect(200)
    for name in ("home-zones.uci", "home-firewall.uci", "home-mwan3.uci"):
        api.post("/import", {"text": (FILES / name).read_text(encoding="utf-8"), "dry_run": False,
                             "network_text": (FILES / "home-network.uci").read_text(encoding="utf-8")}).expect(200)
    with contextlib.ExitStack() as stack:
        router_daemon.isps = {name: stack.enter_context(Isp(services.lab, name)) for name in isps(services.lab)}
        wait_for(lambda: all(s["up"] for s in states(router_daemon).values()), 10, "both uplinks to be up")
        yield router_daemon
        assert not any(isp.strangers() for isp in router_daemon.isps.values())


def states(router):
    return {u["name"]: u["state"] for u in router.api.get("/uplinks").expect(200)["items"]}


def test_forwards(moved):
    for isp in isps(moved.lab):
        answer = ask_from_internet(moved.lab, uplink_address(moved.lab, isp), 80)
        assert (answer.answer.server, answer.replies) == ("backend", [isp])


def test_what_no_rule_is_for_is_shared_out(moved):
    """Policy balanced, 3:2, and rule https: a host stays with its uplink."""
    used = []
    for number in range(101, 121):
        peer, = {moved.lab.client.ask(SERVER, 443, source=f"192.168.0.{number}").peer for _ in range(3)}
        used.append(peer)
    assert [used.count(moved.isps[isp].address) for isp in ("isp1", "isp2")] == [12, 8]


def test_one_uplink_alone(moved):
    """Rule nas, policy wan_only, whose last_resort is unreachable; the others go by the other uplink."""
    assert {moved.lab.backend.ask(SERVER, 80).peer for _ in range(6)} == {moved.isps["isp1"].address}
    with moved.isps["isp1"].blackhole():
        wait_for(lambda: not states(moved)["wan"]["up"], 10, "wan to be given up")
        assert outcome(moved.lab.backend, SERVER, 80) == "refused"
        assert moved.lab.client.ask(SERVER, 80).peer == moved.isps["isp2"].address


def test_failover(moved):
    """Rule voip, policy wanb_wan: by wanb, by wan while the way to wanb's track_ip is dead, then by wanb again."""
    wan, wanb = moved.isps["isp1"], moved.isps["isp2"]
    with Stream(moved.lab.client, SERVER, 5060, "udp") as stream:
        assert {peer for _, _, peer in stream.answers} == {wanb.address}
        with wanb.blackhole():
            wait_for(lambda: stream.first(wan.address), 10, "an answer by wan")
            assert states(moved)["wanb"]["reason"] == "no-answer"
        begun = stream.answers[-1][0]
        wait_for(lambda: wanb.address in stream.since(begun), 15, "wanb to be used again")
