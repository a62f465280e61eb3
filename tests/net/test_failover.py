# SPDX-License-Identifier: GPL-2.0-or-later
"""Uplinks that fail: how soon new connections leave by another, and that nothing healthy notices. Times are those at
which packets were answered; the daemon runs under sanitizers here, `make bench` has the figures of a release build."""
import contextlib
import time

import pytest

from lab import topologies
from lab.checks import Stream, ask_from_internet, isps, outcome
from lab.events import EventStream
from lab.faults import Echo, Isp
from lab.lab import wait_for
from lab.router import Router
from lab.stream import Sink, Source

SERVER = "203.0.113.200"
# What a test waits for is told by the daemon; a second is what a loaded machine may add.
SLACK_S = 1.0
HEALTH = {"targets": [SERVER]}                                              # as it is if nobody says anything
QUICK = {"targets": [SERVER], "interval_ms": 100, "timeout_ms": 200, "up_after": 2}


@pytest.fixture(scope="module", params=[2, 8], ids=lambda n: f"{n}-uplinks")
def many(request, built, lab_factory):
    lab = lab_factory(topologies.home(request.param))
    for protocol in ("tcp", "udp"):
        lab.internet.serve(80, protocol, SERVER)
        lab.backend.serve(80, protocol)
    lab.internet.serve(80, "tcp", "2001:db8:ffff::c8")
    lab.internet.serve(53, "udp", SERVER)   # answers, but not with DNS
    with Router(lab) as router, contextlib.ExitStack() as stack:
        router.isps = {name: stack.enter_context(Isp(lab, name)) for name in isps(lab)}
        yield router


@pytest.fixture
def router(many):
    # What an uplink has been through is forgotten with it. Never without any: what the LAN says late, to those that a
    # test before this one had silenced, would leave untranslated.
    many.configure(uplinks=[{"name": f"before {isp.name}", "device": isp.device} for isp in many.isps.values()])
    many.reset()
    yield many
    # Whatever happened, no ISP has seen an address that is not its own, or one from inside.
    assert {name: isp.strangers() for name, isp in many.isps.items() if isp.strangers()} == {}
    many.daemon.check_log()


def uplinks(router, health, **every):
    return [{"name": isp.name, "device": isp.device, "health": health, "tier": 1 + i, **every}
            for i, isp in enumerate(router.isps.values())]


def states(router):
    return {u["name"]: u["state"] for u in router.api.get("/uplinks").expect(200)["items"]}


def is_up(router, name, up=True):
    return lambda: states(router)[name]["up"] == up


def all_up(router):
    wait_for(lambda: all(s["up"] for s in states(router).values()), 10, "all uplinks to be up")


def configure(router, health=None, **every):
    router.configure(uplinks=uplinks(router, health or HEALTH, **every))
    all_up(router)


@pytest.mark.parametrize("fault", ["blackhole", "dead_gateway"])
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_silent_uplink_is_left_within_three_seconds(router, fault, protocol):
    """With the defaults. The first tier fails, the others take over; then all come back."""
    configure(router)
    isp1, isp2 = router.isps["isp1"], router.isps["isp2"]
    with Stream(router.lab.client, SERVER, 80, protocol) as stream:
        wait_for(lambda: stream.first(isp1.address))
        with getattr(isp1, fault)():
            begun = time.monotonic()
            wait_for(lambda: stream.first(isp2.address), 10, "an answer by isp2")
            took = stream.first(isp2.address) - begun
            assert took < 3 + SLACK_S, took
            state = states(router)["isp1"]
            assert (state["up"], state["reason"], state["in_use"]) == (False, "no-answer", False)
            assert states(router)["isp2"]["in_use"]
            healed = time.monotonic()
        wait_for(lambda: isp1.address in stream.since(healed), 15, "isp1 to be used again")
    all_up(router)


def test_a_dead_link_is_left_at_once(router):
    configure(router)
    isp1, isp2 = router.isps["isp1"], router.isps["isp2"]
    with Stream(router.lab.client, SERVER, 80, "udp") as stream:
        begun = time.monotonic()
        with isp1.link_down():
            wait_for(lambda: stream.first(isp2.address), 5, "an answer by isp2")
            assert stream.first(isp2.address) - begun < 0.3 + SLACK_S
            assert states(router)["isp1"]["reason"] == "link-down"
    restore_route(router, isp1)
    all_up(router)


def restore_route(router, isp):
    """What a DHCP client does when the carrier is back."""
    number = int(isp.name[3:]) - 1
    wait_for(router.lab.router.links_are_up)
    router.lab.router.ip(f"route replace default via {isp.gateway} dev {isp.device} metric {100 + number}")


def test_a_healthy_uplink_does_not_notice(router):
    """A transfer by isp2, checked byte by byte, while isp1 goes down and comes back twenty times; only isp1's entries
    are deleted."""
    configure(router, QUICK)
    lab, isp1, isp2 = router.lab, router.isps["isp1"], router.isps["isp2"]
    router.api.post("/policies", {"name": "by isp2", "destinations": ["203.0.113.201"],
                                  "uplinks": ["isp2"]}).expect(201)
    with Source(lab.internet, 5001, address="203.0.113.201"), Source(lab.internet, 5002, "udp", "203.0.113.201"), \
            Sink(lab.client, "203.0.113.201", 5001) as stream, \
            Sink(lab.client, "203.0.113.201", 5002, "udp") as datagrams:
        healthy = sorted((e["src"], e["sport"]) for e in lab.router.conntrack(reply_dst=isp2.address)
                         if e["protocol"] in ("tcp", "udp"))
        assert len(healthy) == 2
        before = lab.client.run("nstat -az TcpRetransSegs").stdout
        for turn in range(20):
            if turn % 2:
                with isp1.blackhole():
                    wait_for(is_up(router, "isp1", False), 10)
            else:
                with isp1.link_down():
                    wait_for(is_up(router, "isp1", False), 10)
                restore_route(router, isp1)
            stream.goes_on(2)
            datagrams.goes_on(2)
        assert sorted((e["src"], e["sport"]) for e in lab.router.conntrack(reply_dst=isp2.address)
                      if e["protocol"] in ("tcp", "udp")) == healthy
        assert lab.client.run("nstat -az TcpRetransSegs").stdout.split()[-2] == before.split()[-2]


def test_flows_of_the_failed_uplink_move(router):
    """A datagram socket goes on by the other; TCP is told by a reset instead of hanging."""
    configure(router, QUICK)
    lab, isp1, isp2 = router.lab, router.isps["isp1"], router.isps["isp2"]
    with lab.client.connect(SERVER, 80, "udp") as datagrams, lab.client.connect(SERVER, 80) as stream:
        assert datagrams.ask().peer == stream.ask().peer == isp1.address
        with isp1.blackhole():
            wait_for(is_up(router, "isp1", False), 10)
            wait_for(lambda: not [e for e in lab.router.conntrack(reply_dst=isp1.address, dport=80)],
                     what="the entries to go")
            assert datagrams.ask().peer == isp2.address
            with pytest.raises(ConnectionResetError):
                stream.ask()


def test_the_router_itself_moves(router):
    """Its DNS, its VPN: new ones, and a socket that goes on sending datagrams."""
    configure(router, QUICK)
    lab, isp1, isp2 = router.lab, router.isps["isp1"], router.isps["isp2"]
    with lab.router.connect(SERVER, 80, "udp") as vpn, lab.router.connect(SERVER, 80, "udp", isp1.address) as bound:
        assert vpn.ask().peer == bound.ask().peer == isp1.address
        with isp1.blackhole():
            wait_for(is_up(router, "isp1", False), 10)
            for protocol in ("tcp", "udp"):
                assert lab.router.ask(SERVER, 80, protocol).peer == isp2.address
            assert wait_for(lambda: asked(vpn)) == isp2.address
            assert wait_for(lambda: asked(bound)) == isp2.address
        all_up(router)
        assert bound.ask().peer == isp2.address, "what has moved stays where it is"
    for protocol in ("tcp", "udp"):
        wait_for(lambda p=protocol: lab.router.ask(SERVER, 80, p).peer == isp1.address)


def asked(connection):
    with contextlib.suppress(OSError):
        return connection.ask().peer
    return None


def test_forwards_stay_reachable(router):
    """By the uplinks that live, at any time; and what came in by the failed one goes on when that does."""
    configure(router, QUICK)
    lab, isp1 = router.lab, router.isps["isp1"]
    forward = router.forward()
    with lab.internet.connect(isp1.address, 80) as connection:
        assert connection.ask().server == "backend"
        with isp1.blackhole():
            wait_for(is_up(router, "isp1", False), 10)
            for name, isp in list(router.isps.items())[1:]:
                assert ask_from_internet(lab, isp.address, 80).replies == [name]
            state = router.api.get(f"/forwards/{forward['id']}").expect(200)["state"]
            assert state["live"] and isp1.address not in state["addresses"]
        all_up(router)
        assert connection.ask().server == "backend", "the connection has outlived it"
    assert ask_from_internet(lab, isp1.address, 80).replies == ["isp1"]


@pytest.mark.parametrize("last_resort", ["main", "unreachable"])
def test_all_dead_and_back(router, last_resort):
    router.configure(uplinks=uplinks(router, QUICK), settings={"last_resort": last_resort})
    all_up(router)
    lab = router.lab
    with Source(lab.internet, 5003, address=SERVER), Sink(lab.client, SERVER, 5003) as stream:
        with contextlib.ExitStack() as stack:
            # The one that is used last: while another seems to be up, the stream would be moved there.
            for isp in reversed(router.isps.values()):
                stack.enter_context(isp.blackhole())
                wait_for(is_up(router, isp.name, False), 10)
            with lab.client.capture("eth0") as capture:
                expected = "silence" if last_resort == "main" else "refused"
                assert outcome(lab.client, SERVER, 80) == expected, str(capture)
            # The block ends with isp1, whose stream is not to be moved to another that is quicker.
            router.isps["isp1"].plain()
            wait_for(is_up(router, "isp1"), 15)
        stream.goes_on()   # there was nowhere to move it to
    all_up(router)
    assert lab.client.ask(SERVER, 80).server == "internet"


def test_loss(router):
    configure(router, {**QUICK, "down_after": 10, "max_loss_percent": 20, "window": 20})
    isp1 = router.isps["isp1"]
    with isp1.loss(60):
        wait_for(is_up(router, "isp1", False), 20)
        state = states(router)["isp1"]
        assert state["reason"] == "loss" and state["loss_percent"] > 20, state
        assert router.lab.client.ask(SERVER, 80).peer == router.isps["isp2"].address
    wait_for(is_up(router, "isp1"), 20)
    wait_for(lambda: states(router)["isp1"]["loss_percent"] == 0, 20, "the window to forget")


def test_late_answers_are_late_not_lost(router):
    """Slower than the timeout, every one of them: without a limit it is up, with one it is slow."""
    lab, health = router.lab, {**QUICK, "targets": ["203.0.113.202"], "timeout_ms": 100}
    with Echo(lab.internet, "203.0.113.202", 0.25):
        router.configure(uplinks=uplinks(router, health))
        wait_for(lambda: states(router)["isp1"]["latency_ms"], 10, "a measurement")
        wait_for(lambda: len(samples(router, "isp1")) > 40 and states(router)["isp1"]["up"], 20)
        state = states(router)["isp1"]
        assert state["up"] and state["loss_percent"] == 0 and 240 < state["latency_ms"] < 600, str(state)
        assert all(s["late"] and not s["lost"] for s in samples(router, "isp1")[5:-10])
        router.configure(uplinks=uplinks(router, {**health, "max_latency_ms": 200}))
        wait_for(lambda: states(router)["isp1"]["reason"] == "latency", 20)


def samples(router, name):
    uplink = next(u for u in router.api.get("/uplinks").expect(200)["items"] if u["name"] == name)
    return router.api.get(f"/uplinks/{uplink['id']}/health").expect(200)["samples"]


def test_a_flapping_uplink_is_held(router):
    """Each return is believed later than the one before; meanwhile it serves where nothing better does."""
    configure(router, QUICK)
    isp1 = router.isps["isp1"]
    for _ in range(3):
        with isp1.blackhole():
            wait_for(lambda: states(router)["isp1"]["reason"] == "no-answer", 20)
        wait_for(lambda: states(router)["isp1"]["reason"] in (None, "held"), 20)
    wait_for(lambda: states(router)["isp1"]["reason"] == "held", 20)
    assert states(router)["isp1"]["held_until"]
    assert router.lab.client.ask(SERVER, 80).peer == router.isps["isp2"].address
    with contextlib.ExitStack() as stack:
        for isp in list(router.isps.values())[1:]:
            stack.enter_context(isp.blackhole())
        wait_for(lambda: [s["reason"] for s in states(router).values()][1:] == ["no-answer"] * (len(router.isps) - 1),
                 10)
        assert router.lab.client.ask(SERVER, 80).peer == isp1.address


def test_several_targets(router):
    """`need`: any of them, all, or a number."""
    targets = [SERVER, "203.0.113.201", "203.0.113.202"]
    isp1 = router.isps["isp1"]
    for need, dead, up in (("any", 2, True), ("any", 3, False), ("all", 1, False), ("2", 1, True), ("2", 2, False)):
        router.configure(uplinks=uplinks(router, {**QUICK, "targets": targets, "need": need}))
        all_up(router)
        with isp1._rules("through", f"ip daddr {{ {', '.join(targets[:dead])} }} drop"):
            if up:
                wait_for(lambda d=dead: lost(router, "isp1")[:d] == [100.0] * d, 20, "the targets to be missed")
                assert states(router)["isp1"]["up"], (need, dead)
            else:
                wait_for(is_up(router, "isp1", False), 10, f"{need}, {dead} dead")
        router.configure(uplinks=uplinks(router, None))


def lost(router, name):
    uplink = next(u for u in router.api.get("/uplinks").expect(200)["items"] if u["name"] == name)
    return [t["loss_percent"] for t in router.api.get(f"/uplinks/{uplink['id']}/health").expect(200)["targets"]]


@pytest.mark.parametrize("method, target", [("icmp", "2001:db8:ffff::c8"), ("tcp", f"{SERVER}:80"), ("dns", SERVER),
                                            ("tcp", "[2001:db8:ffff::c8]:80")])
def test_methods(router, method, target):
    lab = router.lab
    router.configure(uplinks=uplinks(router, {**QUICK, "method": method, "targets": [target]}))
    if method == "dns":
        wait_for(lambda: states(router)["isp1"]["reason"] == "no-answer", 10)
        return
    all_up(router)
    with router.isps["isp1"].blackhole():
        wait_for(lambda: states(router)["isp1"]["reason"] == "no-answer", 10)
    wait_for(is_up(router, "isp1"), 10)


def test_what_is_told(router):
    """Transitions in the API, changes on the event stream, and a test on demand."""
    configure(router, QUICK)
    first = router.api.get("/uplinks").expect(200)["items"][0]
    with EventStream(router.api) as events:
        assert events.next()["event"] == "hello"
        with router.isps["isp1"].blackhole():
            events.wait("uplink", lambda e: e["name"] == "isp1" and e["reason"] == "no-answer", 10)
            result = router.api.post(f"/uplinks/{first['id']}/test").expect(200)
            assert not result["passed"] and result["targets"][0]["answered"] is False
        events.wait("uplink", lambda e: e["name"] == "isp1" and e["up"], 15)
    result = router.api.post(f"/uplinks/{first['id']}/test").expect(200)
    assert result["passed"] and 0 < result["targets"][0]["latency_ms"] < 200
    told = router.api.get(f"/uplinks/{first['id']}/health").expect(200)["transitions"]
    assert [(t["up"], t["reason"]) for t in told][-2:] == [(False, "no-answer"), (True, None)]
