# SPDX-License-Identifier: GPL-2.0-or-later
"""Every kind of object is made, read, changed and removed in the same way."""
import time

import pytest

from lab.lab import wait_for

from kinds import KINDS, add, prepare, revision

OBSERVED = ("id", "state", "counters", "warnings")


@pytest.fixture(params=KINDS)
def path(request):
    return request.param


def decided(item):
    return {k: v for k, v in item.items() if k not in OBSERVED}


def test_life_of_an_object(api, path):
    _, _, least, full = KINDS[path]
    prepare(api, path)
    assert not [i for i in api.get(path).expect(200)["items"] if i["name"] == least["name"]]
    before = revision(api)

    response = api.post(path, least)
    made = response.expect(201)
    assert {k: made[k] for k in least} == least
    assert response.headers["Location"] == f"/api/v1{path}/{made['id']}"
    assert response.headers["ETag"] == f'"{before + 1}"'
    one = f"{path}/{made['id']}"

    read = api.get(one)
    assert decided(read.expect(200)) == decided(made)
    assert read.headers["ETag"] == f'"{before + 1}"'
    assert decided(made) in [decided(i) for i in api.get(path).expect(200)["items"]]

    replaced = api.put(one, full)
    assert decided(replaced.expect(200)) == full
    assert replaced.headers["ETag"] == f'"{before + 2}"'
    assert replaced.body["id"] == made["id"]

    assert decided(api.put(one, least).expect(200)) == decided(made), "what is left out gets its default"
    assert decided(api.patch(one, full).expect(200)) == full
    assert decided(api.patch(one, {}).expect(200)) == full, "an empty patch changes nothing"
    assert revision(api) == before + 4

    removed = api.delete(one)
    assert decided(removed.expect(200)) == full
    assert removed.headers["ETag"] == f'"{before + 5}"'
    for method in (api.get, api.delete):
        assert method(one).expect(404)["detail"]
    assert api.put(one, least).status == api.patch(one, {}).status == 404


def test_an_answer_can_be_sent_back(api, path):
    made = add(api, path)
    one = f"{path}/{made['id']}"
    read = api.get(one).expect(200)
    at = revision(api)
    assert api.put(one, read).expect(200)["id"] == made["id"]
    assert revision(api) == at, "nothing changed, so there is no new revision"
    assert api.put(one, {**read, "id": 99}).expect(200)["id"] == made["id"], "the path says which object"


def test_merge_patch_null(api, path):
    schema, _, least, full = KINDS[path]
    prepare(api, path)
    made = api.post(path, full).expect(201)
    one = f"{path}/{made['id']}"
    defaults = decided(api.post(path, {**least, "name": "another"}).expect(201)) if path != "/forwards" else None
    for field in full:
        answer = api.patch(one, {field: None})
        if field in least:  # required: null removes it, and without it there is no object
            assert answer.status == 422 and answer.body["errors"][0]["path"] == f"/{field}", (schema, field)
        elif defaults:
            expected = None if field in ("gateway", "health") else defaults[field]
            assert answer.expect(200)[field] == expected, (schema, field)


def test_nulls_of_a_forward(api):
    full = KINDS["/forwards"][3]
    prepare(api, "/forwards")
    one = f"/forwards/{api.post('/forwards', full).expect(201)['id']}"
    answer = api.patch(one, {"internal_ports": None, "expires_at": None, "comment": None, "sources": None,
                             "uplinks": None, "enabled": None, "protocols": None}).expect(200)
    assert answer["internal_ports"] is None and answer["expires_at"] is None
    assert (answer["comment"], answer["sources"], answer["uplinks"]) == ("", [], [])
    assert answer["enabled"] is True and answer["protocols"] == ["tcp"]
    without_ports = api.patch(one, {"protocols": ["gre"], "external_ports": None}).expect(200)
    assert without_ports["external_ports"] is None


def test_merge_patch_goes_into_objects(api):
    uplink = api.post("/uplinks", {"name": "isp", "device": "eth0",
                                   "health": {"targets": ["198.51.100.1"], "interval_ms": 300}}).expect(201)
    one = f"/uplinks/{uplink['id']}"
    health = api.patch(one, {"health": {"timeout_ms": 200}}).expect(200)["health"]
    assert (health["interval_ms"], health["timeout_ms"]) == (300, 200)
    health = api.patch(one, {"health": {"interval_ms": None}}).expect(200)["health"]
    assert (health["interval_ms"], health["timeout_ms"]) == (1000, 200)
    assert api.patch(one, {"health": None}).expect(200)["health"] is None
    refused = api.patch(one, {"health": {"interval_ms": 1}})
    assert refused.status == 422
    assert {e["path"] for e in refused.body["errors"]} == {"/health/targets", "/health/interval_ms"}


def test_if_match(api, path):
    made = add(api, path)
    one = f"{path}/{made['id']}"
    present, before = f'"{revision(api)}"', f'"{revision(api) - 1}"'
    for method, target, body in ((api.put, one, KINDS[path][3]), (api.patch, one, {"name": "new"}),
                                 (api.post, path, {**KINDS[path][2], "name": "another"}), (api.delete, one, None)):
        arguments = (target,) if body is None else (target, body)
        for stale in (before, "nonsense", f"W/{present}", '"99999"'):
            assert method(*arguments, headers={"If-Match": stale}).expect(412)
    assert f'"{revision(api)}"' == present, "nothing was changed"
    assert api.patch(one, {"name": "new"}, headers={"If-Match": f'"0", {present}'}).expect(200)["name"] == "new"
    assert api.patch(one, {"name": "newer"}, headers={"If-Match": present}).expect(412)
    assert api.patch(one, {"name": "newer"}, headers={"If-Match": "*"}).expect(200)["name"] == "newer"


def test_names_are_unique(api, path):
    made = add(api, path)
    at = revision(api)
    again = api.post(path, {**KINDS[path][3], "enabled": False} if "enabled" in made else KINDS[path][3])
    assert again.expect(409)["errors"][0]["path"] == "/name"
    assert revision(api) == at


def test_ids(api, path):
    made = add(api, path)
    for bad in ("0", "-1", "01", "x", "99999999999", "1.0", "4294967296", f"{made['id']}/x", ""):
        assert api.get(f"{path}/{bad}").status == 404, bad
    assert api.get(f"{path}/4294967295").status == 404


def test_clashing_forwards(api):
    prepare(api, "/forwards")
    web = api.post("/forwards", {"name": "web", "external_ports": "80", "internal_address": "192.168.1.2"}).expect(201)
    at = revision(api)
    other = {"name": "other", "external_ports": "79-81", "internal_address": "192.168.1.3"}
    clash = api.post("/forwards", other)
    assert clash.expect(409)["errors"][0]["path"] == "/external_ports"
    assert "web" in clash.body["errors"][0]["message"], "names the other one"
    assert revision(api) == at
    api.post("/forwards", {**other, "enabled": False}).expect(201)
    api.post("/forwards", {**other, "name": "udp", "protocols": ["udp"]}).expect(201)
    api.patch(f"/forwards/{web['id']}", {"enabled": False}).expect(200)
    api.post("/forwards", {**other, "name": "now"}).expect(201)


def test_references(api):
    api.post("/networks", {"name": "lan", "devices": ["eth1"]}).expect(201)
    uplink = api.post("/uplinks", {"name": "isp1", "device": "eth0"}).expect(201)
    network = api.get("/networks").expect(200)["items"][0]
    refused = api.post("/redirects", {"name": "p", "network": "nowhere", "port": 80, "to_port": 81})
    assert refused.expect(422)["errors"][0]["path"] == "/network"
    refused = api.post("/source-nats", {"name": "s", "sources": ["10.0.0.0/8"], "uplink": "no", "address": "192.0.2.9"})
    assert refused.expect(422)["errors"][0]["path"] == "/uplink"

    api.post("/redirects", {"name": "p", "network": "lan", "port": 80, "to_port": 81}).expect(201)
    api.post("/source-nats",
             {"name": "s", "sources": ["10.0.0.0/8"], "uplink": "isp1", "address": "192.0.2.9"}).expect(201)
    for one in (f"/networks/{network['id']}", f"/uplinks/{uplink['id']}"):
        assert api.delete(one).expect(409)["errors"], one
        assert api.get(one).status == 200
    api.patch(f"/networks/{network['id']}", {"name": "home"}).expect(200)
    api.patch(f"/uplinks/{uplink['id']}", {"name": "fibre"}).expect(200)
    assert api.get("/redirects").expect(200)["items"][0]["network"] == "home", "references follow a new name"
    assert api.get("/source-nats").expect(200)["items"][0]["uplink"] == "fibre"


def test_warnings(api):
    forward = api.post("/forwards", {"name": "web", "external_ports": "80", "internal_address": "192.168.1.2",
                                     "uplinks": ["none"]}).expect(201)
    assert forward["warnings"][0]["path"] == "/uplinks/0"
    assert "warnings" not in api.get(f"/forwards/{forward['id']}").expect(200)
    assert forward["state"] == {"live": False, "reason": "uplink-unknown", "addresses": [],
                                "backends": ["192.168.1.2"]}
    api.post("/uplinks", {"name": "none", "device": "eth0"}).expect(201)
    assert "warnings" not in api.patch(f"/forwards/{forward['id']}", {"comment": "x"}).expect(200)


def test_an_uplink_without_a_public_address(api):
    uplink = api.post("/uplinks", {"name": "inside", "device": "eth1"}).expect(201)
    warning, = uplink["warnings"]
    assert warning["path"] == "/device" and "192.168.1.1" in warning["message"] and "CGNAT" in warning["message"]
    assert "warnings" not in api.patch(f"/uplinks/{uplink['id']}", {"device": "eth0"}).expect(200)


def test_a_forward_that_time_has_passed_by(api):
    forward = api.post("/forwards", {"name": "web", "external_ports": "80", "internal_address": "192.168.1.2",
                                     "expires_at": "2001-01-01T00:00:00Z"}).expect(201)
    assert [w["path"] for w in forward["warnings"]] == ["/expires_at"]
    assert forward["state"]["reason"] == "expired"


def test_schedule(api):
    """Written in one way; null takes it away."""
    forward = api.post("/forwards", {"name": "web", "external_ports": "80", "internal_address": "192.168.1.2",
                                     "schedule": "Sat,SUN,fri 8:00-00:00"}).expect(201)
    one = f"/forwards/{forward['id']}"
    assert forward["schedule"] == "fri-sun 08:00-24:00"
    error, = api.patch(one, {"schedule": "weekends"}).expect(422)["errors"]
    assert error["path"] == "/schedule" and "mon-fri 08:00-22:00" in error["message"]
    assert api.patch(one, {"schedule": None, "log": None}).expect(200)["schedule"] is None
    today = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][time.localtime().tm_wday]
    others = [d for d in ("mon", "wed", "fri") if d != today and
              (time.localtime().tm_wday - ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].index(d)) % 7 not in (1, 6)]
    forward = api.patch(one, {"schedule": f"{others[0]} 00:00-24:00"}).expect(200)
    assert forward["state"] == {"live": False, "reason": "scheduled", "addresses": [], "backends": ["192.168.1.2"]}


def test_suffix(api, module_lab):
    """The backend's address follows the prefix of the network's device, which comes and goes."""
    device = module_lab.router

    def backends():
        return api.get(one).expect(200)["state"]["backends"]

    api.post("/uplinks", {"name": "isp1", "device": "eth0"}).expect(201)
    lan = api.post("/networks", {"name": "lan", "devices": ["eth1"]}).expect(201)
    forward = api.post("/forwards", {"name": "v6", "external_ports": "1-65535", "internal_address": "0::1:2:3:4/-64",
                                     "internal_network": "lan", "pinhole": True}).expect(201)
    one = f"/forwards/{forward['id']}"
    assert (forward["family"], forward["internal_address"]) == ("ipv6", "::1:2:3:4/-64")
    assert forward["state"] == {"live": False, "reason": "no-prefix", "addresses": [], "backends": []}
    assert "warnings" not in forward
    try:
        device.run(["ip", "address", "add", "2001:db8:77::1/64", "dev", "eth1", "nodad"])
        wait_for(backends, 5, "an address for the backend")
        state = api.get(one).expect(200)["state"]
        there = ["2001:db8:77:0:1:2:3:4"]
        assert state == {"live": True, "reason": None, "addresses": there, "backends": there}
        assert api.get("/status").expect(200)["forwards"] == {"total": 1, "live": 1}
    finally:
        device.run(["ip", "address", "delete", "2001:db8:77::1/64", "dev", "eth1"], check=False)
    wait_for(lambda: not backends(), 5, "the prefix to be gone")

    problem = api.delete(f"/networks/{lan['id']}").expect(409)
    assert "v6" in problem["detail"]
    api.patch(f"/networks/{lan['id']}", {"name": "home", "devices": []}).expect(200)
    forward = api.patch(one, {"comment": "x"}).expect(200)
    assert forward["internal_network"] == "home" and forward["warnings"][0]["path"] == "/internal_network"
    errors = api.patch(one, {"internal_address": "2001:db8::2"}).expect(422)["errors"]
    assert [e["path"] for e in errors] == ["/internal_network"]
    forward = api.patch(one, {"internal_address": "2001:db8::2", "internal_network": None}).expect(200)
    assert (forward["internal_address"], forward["internal_network"]) == ("2001:db8::2", None)
    whole = api.get("/config").expect(200)
    assert api.put("/config", whole).expect(200)["forwards"] == whole["forwards"]


def test_states(api):
    uplink = api.post("/uplinks", {"name": "isp1", "device": "eth0"}).expect(201)
    state = uplink["state"]
    assert state["up"] is True and state["reason"] is None
    assert state["addresses"][0] == "192.0.2.1" and state["gateway"] == "192.0.2.254"
    assert state["mark"] == "0x01000000" and state["table"] == 20001 and state["since"]
    gone = api.post("/uplinks", {"name": "isp2", "device": "nothere"}).expect(201)
    assert gone["id"] == 2 and gone["state"]["reason"] == "device-missing" and not gone["state"]["up"]
    off = api.patch(f"/uplinks/{gone['id']}", {"enabled": False}).expect(200)
    assert off["state"]["reason"] == "disabled"

    network = api.post("/networks", {"name": "lan", "devices": ["eth1"], "prefixes": ["10.8.0.0/24"]}).expect(201)
    assert network["state"] == {"prefixes": ["192.168.1.0/24", "10.8.0.0/24"], "addresses": ["192.168.1.1"]}

    forward = api.post("/forwards", {"name": "web", "external_ports": 80, "internal_address": "192.168.1.2"}).expect(201)
    assert forward["external_ports"] == "80"
    assert forward["state"] == {"live": True, "reason": None, "addresses": ["192.0.2.1"], "backends": ["192.168.1.2"]}
    assert forward["counters"]["connections"] >= 0
    forward = api.patch(f"/forwards/{forward['id']}", {"uplinks": ["isp2"]}).expect(200)
    assert forward["state"] == {"live": False, "reason": "uplink-down", "addresses": [], "backends": ["192.168.1.2"]}
    forward = api.patch(f"/forwards/{forward['id']}", {"expires_at": "2001-01-01T00:00:00Z"}).expect(200)
    assert forward["state"]["reason"] == "expired"

    status = api.get("/status").expect(200)
    assert [u["name"] for u in status["uplinks"]] == ["isp1", "isp2"]
    assert status["forwards"] == {"total": 1, "live": 0}
    assert status["kernel"]["in_sync"] is True
    assert status["firewall"] == {"mode": "own", "fw4": False, "include": None}


def test_settings(api):
    settings = api.get("/settings").expect(200)
    assert settings["history_length"] == 200 and settings["language"] == "en"
    at = revision(api)
    changed = api.patch("/settings", {"language": "zh", "history_length": 50})
    assert changed.expect(200) == {**settings, "language": "zh", "history_length": 50}
    assert changed.headers["ETag"] == f'"{at + 1}"'
    assert api.patch("/settings", {"language": "fr"}).expect(422)["errors"][0]["path"] == "/language"
    assert api.patch("/settings", {"language": None}).expect(200)["language"] == "en", "null is the default"
    assert api.patch("/settings", {"nonsense": 1}).expect(422)["errors"][0]["path"] == "/nonsense"


def test_links(api):
    links = {link["name"]: link for link in api.get("/links").expect(200)["items"]}
    assert links["eth0"]["default_route"] and links["eth0"]["gateway"] == "192.0.2.254"
    assert "192.0.2.1/24" in links["eth0"]["addresses"]
    assert not links["eth1"]["default_route"] and links["eth1"]["gateway"] is None
