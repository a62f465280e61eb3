# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured of uplinks, the test on demand, policies: as the API tells of them. The isp's address is probed;
`silent` makes it deaf. That packets go where they should is for tests/net."""
import contextlib
import datetime
import json
import time

import pytest

from kinds import UPLINK
from lab.events import EventStream
from lab.lab import wait_for

GATEWAY = "192.0.2.254"
QUICK = {"targets": [GATEWAY], "interval_ms": 100, "timeout_ms": 200, "up_after": 2}
NUMBERS = ("loss_percent", "latency_ms", "jitter_ms")
DEAF = "table inet deaf { chain in { type filter hook input priority 0; meta l4proto { icmp, tcp } drop; }; }"


@pytest.fixture
def silent(module_lab):
    """with silent(): the isp answers nothing."""
    @contextlib.contextmanager
    def context():
        module_lab.isp.nft(DEAF)
        try:
            yield
        finally:
            module_lab.isp.run("nft delete table inet deaf")
    return context


def add_uplink(api, **changes):
    return api.post("/uplinks", {**UPLINK, "health": QUICK, **changes}).expect(201)["id"]


def state(api, uplink=1):
    return api.get(f"/uplinks/{uplink}").expect(200)["state"]


def health(api, uplink=1):
    return api.get(f"/uplinks/{uplink}/health").expect(200)


def wait_up(api, uplink=1):
    return wait_for(lambda: state(api, uplink)["up"] and state(api, uplink), what="the uplink to be up")


def moment(text):
    """RFC 3339 with a fraction of three digits, in UTC."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()


# --- state ---

def test_state_without_a_health_check(api):
    made = api.post("/uplinks", UPLINK).expect(201)
    assert made["state"]["up"] and made["state"]["in_use"] and made["state"]["held_until"] is None
    assert all(made["state"][number] is None for number in NUMBERS)
    told = health(api)
    assert told["targets"] == told["samples"] == []
    assert [(t["up"], t["reason"]) for t in told["transitions"]] == [(True, None)]


def test_state_follows_the_probes(api, silent):
    started = time.time()
    add_uplink(api)
    assert state(api)["reason"] in (None, "untested")
    up = wait_up(api)
    up = wait_for(lambda: state(api)["jitter_ms"] is not None and state(api), what="something to be measured")
    assert up["in_use"] and up["loss_percent"] == 0 and 0 < up["latency_ms"] < 200
    assert all(round(up[number], 2) == up[number] for number in NUMBERS)
    status = api.get("/status").expect(200)
    assert {"uplink-health", "failover", "policies"} <= set(status["features"])
    assert status["uplinks"][0]["in_use"] is True
    with silent():
        down = wait_for(lambda: state(api)["reason"] == "no-answer" and state(api), what="the uplink to be down")
        assert not down["up"] and not down["in_use"] and down["since"]
        wait_for(lambda: state(api)["loss_percent"] > 50, what="losses to be counted")
        told = health(api)
    assert told["targets"][0]["target"] == GATEWAY and told["targets"][0]["loss_percent"] > 0
    assert told["targets"][0]["latency_ms"] > 0, "of the last answer that there was"
    ats = [moment(sample["at"]) for sample in told["samples"]]
    assert ats == sorted(ats) and started - 1 <= ats[0] and ats[-1] <= time.time() + 1
    assert all(sample["latency_ms"] is None for sample in told["samples"] if sample["lost"])
    assert any(sample["lost"] for sample in told["samples"])
    assert any(sample["latency_ms"] for sample in told["samples"])
    last = told["transitions"][-1]
    assert (last["up"], last["reason"]) == (False, "no-answer")
    assert abs(moment(last["at"]) - datetime.datetime.fromisoformat(down["since"]).timestamp()) < 2
    wait_up(api)
    assert [t["up"] for t in health(api)["transitions"]][-3:] == [True, False, True]


def test_nothing_is_told_of_one_that_is_off(api):
    add_uplink(api, enabled=False)
    assert state(api)["reason"] == "disabled" and state(api)["latency_ms"] is None
    assert health(api) == {"targets": [], "samples": [], "transitions": []}


def test_standby(api):
    """Another tier: it is up, but not in use."""
    add_uplink(api)
    spare = api.post("/uplinks", {"name": "isp2", "device": "eth1", "gateway": "192.168.1.2", "tier": 2}).expect(201)
    wait_up(api)
    assert spare["state"]["up"] and not state(api, spare["id"])["in_use"]
    api.patch("/uplinks/1", {"out_of_service": True}).expect(200)
    assert not state(api)["in_use"] and state(api)["up"] and state(api, spare["id"])["in_use"]


# --- events ---

def test_health_events(router, silent):
    api = router.sock
    add_uplink(api)
    wait_up(api)
    with EventStream(router.api) as stream:
        assert stream.next()["event"] == "hello"
        told = stream.wait("health")["data"]["items"]
        assert [(item["id"], item["name"]) for item in told] == [(1, UPLINK["name"])]
        began, times, lost = time.monotonic(), [], 0
        with silent():
            while time.monotonic() - began < 3:
                event = stream.next()
                if event["event"] == "health":
                    times.append(time.monotonic())
                    lost = event["data"]["items"][0]["loss_percent"]
                if event["event"] == "uplink" and not event["data"]["up"]:
                    assert event["data"]["reason"] == "no-answer" and event["data"]["in_use"] is False
                    break
            while lost < 50:
                lost = stream.wait("health")["data"]["items"][0]["loss_percent"]
                times.append(time.monotonic())
        assert all(b - a > 0.8 for a, b in zip(times, times[1:])), "at most once a second"
        while stream.wait("uplink")["data"]["up"] is False:
            pass


def test_no_health_events_without_a_health_check(router):
    router.sock.post("/uplinks", UPLINK).expect(201)
    with EventStream(router.api) as stream:
        assert stream.next()["event"] == "hello"
        stream.quiet(1.5)


# --- the test on demand ---

def test_a_test_that_passes(api):
    add_uplink(api)
    result = api.post("/uplinks/1/test").expect(200)
    assert result["passed"]
    target, = result["targets"]
    assert target["target"] == GATEWAY and target["answered"] and target["error"] is None
    assert 0 < target["latency_ms"] < 1000


def test_a_test_of_the_gateway(api):
    """Where there is no health check."""
    api.post("/uplinks", UPLINK).expect(201)
    result = api.post("/uplinks/1/test").expect(200)
    assert result["passed"] and [t["target"] for t in result["targets"]] == [GATEWAY]


def test_a_test_that_fails(router, silent):
    """The others are answered while it waits."""
    add_uplink(router.sock, health={"targets": [GATEWAY, "192.0.2.77"], "need": "all", "timeout_ms": 1500})
    with silent(), asking(router, "/uplinks/1/test") as answer:
        began = time.monotonic()
        router.sock.get("/status").expect(200)
        assert time.monotonic() - began < 1
        refused = router.sock.post("/uplinks/1/test").expect(409)
        assert "already" in refused["detail"]
        result = answer()
    assert not result["passed"]
    assert [(t["target"], t["answered"], t["latency_ms"]) for t in result["targets"]] == [
        (GATEWAY, False, None), ("192.0.2.77", False, None)]
    assert router.sock.post("/uplinks/1/test").expect(200)["targets"][0]["answered"]


def test_a_test_needs_as_many_as_the_check(api):
    for need, passed in (("any", True), ("all", False), ("1", True), ("2", False)):
        api.put("/config", {"uplinks": [{**UPLINK, "health": {
            "targets": [GATEWAY, "192.0.2.77"], "need": need, "timeout_ms": 200}}]}).expect(200)
        assert api.post("/uplinks/1/test").expect(200)["passed"] is passed, need


def test_a_tcp_test(module_lab, api):
    module_lab.isp.serve(8443, address=GATEWAY)
    add_uplink(api, health={"method": "tcp", "targets": [f"{GATEWAY}:8443"], "timeout_ms": 1000})
    assert api.post("/uplinks/1/test").expect(200)["passed"]
    wait_up(api)


def test_what_cannot_be_sent_is_told(api):
    add_uplink(api, gateway=None, health={"targets": ["2001:db8:9::1"], "timeout_ms": 200})
    target, = api.post("/uplinks/1/test").expect(200)["targets"]
    assert not target["answered"] and (target["error"] or target["latency_ms"] is None)


def test_nothing_to_test(api):
    api.post("/uplinks", {**UPLINK, "gateway": None}).expect(201)
    off = add_uplink(api, name="off", device="eth8", enabled=False)
    gone = add_uplink(api, name="gone", device="eth9")
    for uplink in (1, off, gone):
        assert "nothing to test" in api.post(f"/uplinks/{uplink}/test").expect(409)["detail"]


def test_ids_and_paths(api):
    add_uplink(api)
    for path in ("/uplinks/2/health", "/uplinks/x/health", "/uplinks/0/health", "/uplinks/1/health/", "/forwards/1/health",
                 "/uplinks/1/nothing"):
        assert api.get(path).status == 404, path
    assert api.post("/uplinks/2/test").status == 404
    for method, path, allowed in (("POST", "/uplinks/1/health", "GET"), ("GET", "/uplinks/1/test", "POST")):
        refused = api.request(method, path)
        assert refused.status == 405 and refused.headers["Allow"] == allowed


@contextlib.contextmanager
def asking(router, path):
    """POSTs over a connection of its own, which the test goes on beside; the function waits for the answer."""
    connection = router.sock._connect()

    def ask(method, path):
        connection.request(method, "/api/v1" + path)
        return connection.getresponse

    def at_work():
        ask("GET", "/status")().read()  # accepted: what is sent now comes before what others send later
        waiting = ask("POST", path)
        if router.sock.post(path).status == 409:
            return True
        waiting().read()
        return False

    def answer():
        response = connection.getresponse()
        assert response.status == 200
        return json.loads(response.read())
    try:
        wait_for(at_work, what="the request to be at work")
        yield answer
    finally:
        connection.close()


def test_a_client_that_goes_away(router, silent):
    add_uplink(router.sock, health={**QUICK, "timeout_ms": 700})
    with silent():
        with asking(router, "/uplinks/1/test"):
            pass
        wait_for(lambda: router.sock.post("/uplinks/1/test").status == 200, what="the next test")
    router.check_log()


def test_what_is_tested_goes_away(router, silent):
    """The one who waits is told at once, and whoever takes it away is as well."""
    for take_away in (lambda: router.sock.delete("/uplinks/1"), lambda: router.sock.patch("/uplinks/1", {"enabled": False}),
                      lambda: router.sock.put("/config", {})):
        router.sock.put("/config", {}).expect(200)
        add_uplink(router.sock, health={**QUICK, "timeout_ms": 20000})
        with silent(), asking(router, "/uplinks/1/test") as answer:
            began = time.monotonic()
            take_away().expect(200)
            assert not answer()["passed"]
            assert time.monotonic() - began < 5
    router.check_log()


def test_the_daemon_ends_during_a_test(module_lab, silent, router):
    """Whoever waits is not waited for."""
    add_uplink(router.sock, health={**QUICK, "timeout_ms": 20000})
    with silent(), asking(router, "/uplinks/1/test"):
        router.restart()
    assert router.sock.post("/uplinks/1/test").expect(200)["passed"]


# --- policies ---

def test_policies_and_uplinks(api):
    api.post("/uplinks", UPLINK).expect(201)
    policy = api.post("/policies", {"name": "voice", "destinations": ["203.0.113.0/24"], "uplinks": ["isp2", "isp1"]}).expect(201)
    assert [w["path"] for w in policy["warnings"]] == ["/uplinks/0"]
    assert policy["state"] == {"ipv4": "isp1"}
    api.post("/uplinks", {"name": "isp2", "device": "eth1", "gateway": None}).expect(201)
    policy = api.get("/policies/1").expect(200)
    assert "warnings" not in policy and policy["state"] == {"ipv4": "isp2"}
    api.patch("/uplinks/1", {"name": "fibre"}).expect(200)
    assert api.get("/policies/1").expect(200)["uplinks"] == ["isp2", "fibre"]
    api.patch("/uplinks/2", {"enabled": False}).expect(200)
    assert api.get("/policies/1").expect(200)["state"] == {"ipv4": "fibre"}
    api.patch("/uplinks/1", {"out_of_service": True}).expect(200)
    assert api.get("/policies/1").expect(200)["state"] == {"ipv4": None}
    assert api.patch("/policies/1", {"enabled": False}).expect(200)["state"] == {}
    assert api.delete("/uplinks/2").status == 200, "a policy keeps nobody from removing an uplink"
    config = api.put("/config", api.get("/config").expect(200)).expect(200)
    assert [w["path"] for w in config["warnings"]] == ["/policies/0/uplinks/0"]


def test_prefix_translation_needs_a_prefix(api):
    made = api.post("/uplinks", {**UPLINK, "source_nat6": "prefix"}).expect(201)
    assert [w["path"] for w in made["warnings"]] == ["/source_nat6"]
    config = api.put("/config", api.get("/config").expect(200)).expect(200)
    assert [w["path"] for w in config["warnings"]] == ["/uplinks/0/source_nat6"]
    assert "warnings" not in api.patch("/uplinks/1", {"prefixes": ["2001:db8:77::/56"]}).expect(200)
