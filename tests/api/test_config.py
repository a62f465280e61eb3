# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration as a whole, what it would do, and what the kernel says of it."""
from kinds import KINDS, NETWORK, UPLINK, revision

EMPTY = {"networks": [], "uplinks": [], "forwards": [], "redirects": [], "source_nats": [], "policies": []}


def config_of_all_kinds():
    keys = {path: path[1:].replace("-", "_") for path in KINDS}
    config = {keys[path]: [full] for path, (_, _, _, full) in KINDS.items()}
    config["uplinks"] = [UPLINK, *config["uplinks"]]
    config["networks"] = [NETWORK, *config["networks"]]
    return config


def test_round_trip(api):
    at = revision(api)
    response = api.put("/config", config_of_all_kinds())
    config = response.expect(200)
    assert response.headers["ETag"] == f'"{at + 1}"'
    assert [u["id"] for u in config["uplinks"]] == [1, 2]
    assert config["forwards"][0]["comment"] == KINDS["/forwards"][3]["comment"]
    read = api.get("/config")
    assert read.expect(200) == {k: v for k, v in config.items() if k != "warnings"}
    assert read.headers["ETag"] == f'"{at + 1}"'
    assert api.put("/config", read.body).expect(200)["forwards"] == config["forwards"]
    assert revision(api) == at + 1, "the same again is no new revision"


def test_names_identify(api):
    api.put("/config", {"uplinks": [{"name": "a", "device": "eth0"}, {"name": "b", "device": "eth1"}]}).expect(200)
    config = api.put("/config", {"uplinks": [{"name": "c", "device": "eth2"}, {"name": "b", "device": "eth9"}]})
    ids = {u["name"]: u["id"] for u in config.expect(200)["uplinks"]}
    assert ids["b"] == 2 and ids["c"] not in (1, 2), "connections still carry the mark of the one that went"


def test_what_is_left_out_goes(api):
    api.put("/config", config_of_all_kinds()).expect(200)
    api.patch("/settings", {"language": "zh"}).expect(200)
    config = api.put("/config", {}).expect(200)
    assert {k: v for k, v in config.items() if k != "settings"} == EMPTY
    assert config["settings"]["language"] == "en"


def test_faults_are_named_by_their_place(api):
    at = revision(api)
    forward = KINDS["/forwards"][2]
    for config, path in (({"forwards": [forward, {**forward, "name": "b", "external_ports": "x"}]},
                          "/forwards/1/external_ports"),
                         ({"forwards": [forward, {**forward, "external_ports": "81"}]}, "/forwards/1/name"),
                         ({"forwards": [forward, {**forward, "name": "b"}]}, "/forwards/1/external_ports"),
                         ({"redirects": [{"name": "p", "network": "no", "port": 1, "to_port": 2}]}, "/redirects/0/network"),
                         ({"policies": [{}]}, "/policies/0/name"), ({"nonsense": []}, "/nonsense"),
                         ({"forwards": {}}, "/forwards"), ({"forwards": [1]}, "/forwards/0"),
                         ({"settings": {"history_length": 1}}, "/settings/history_length"),
                         ({"settings": []}, "/settings"), ([], "")):
        for method, target in ((api.put, "/config"), (api.post, "/config/plan")):
            refused = method(target, config)
            assert refused.status in (409, 422), config
            assert path in [e["path"] for e in refused.body["errors"]], (path, refused.body)
    assert revision(api) == at
    assert api.get("/config").expect(200)["forwards"] == []


def test_plan_does_nothing(api):
    at = revision(api)
    plan = api.post("/config/plan", {"uplinks": [UPLINK], "networks": [NETWORK],
                                     "forwards": [KINDS["/forwards"][2]]}).expect(200)
    assert [(c["kind"], c["name"], c["before"]) for c in plan["changes"]] == [
        ("network", "lan", None), ("uplink", "isp1", None), ("forward", "web", None)]
    assert any(line.startswith("nft add element inet portico") and "192.168.1.2" in line for line in plan["kernel"])
    assert any(line.startswith("ip route") for line in plan["kernel"])
    assert revision(api) == at
    config = api.get("/config").expect(200)
    assert {k: config[k] for k in EMPTY} == EMPTY

    api.put("/config", {"uplinks": [UPLINK]}).expect(200)
    assert api.post("/config/plan", api.get("/config").expect(200)).expect(200)["changes"] == []
    removal = api.post("/config/plan", {}).expect(200)["changes"]
    assert [(c["kind"], c["id"], c["after"]) for c in removal] == [("uplink", 1, None)]


def test_nothing_is_forwarded_before_it_is_filtered(router, api):
    api.put("/config", {}).expect(200)
    router.host.sysctl("net.ipv4.ip_forward", 0)
    steps = api.post("/config/plan", {"uplinks": [UPLINK]}).expect(200)["kernel"]
    last = max(i for i, step in enumerate(steps) if step.startswith("nft "))
    assert steps.index("sysctl -w net/ipv4/ip_forward=1") > last


def test_warnings_are_named_by_their_place(api):
    forward = {**KINDS["/forwards"][2], "uplinks": ["none"]}
    config = api.put("/config", {"forwards": [{**forward, "name": "a", "uplinks": [], "external_ports": "1"}, forward]})
    assert [w["path"] for w in config.expect(200)["warnings"]] == ["/forwards/1/uplinks/0"]


def test_if_match(api):
    at = revision(api)
    assert api.put("/config", {"networks": [NETWORK]}, headers={"If-Match": f'"{at - 1}"'}).status == 412
    assert api.post("/config/plan", {}, headers={"If-Match": f'"{at - 1}"'}).status == 412
    assert api.get("/config").expect(200)["networks"] == []
    assert api.put("/config", {"networks": [NETWORK]}, headers={"If-Match": f'"{at}"'}).status == 200


def test_two_thousand_forwards(api):
    forwards = [{"name": f"f{i}", "external_ports": str(10000 + i), "internal_address": "192.168.1.2"}
                for i in range(2000)]
    assert len(api.put("/config", {"uplinks": [UPLINK], "forwards": forwards}).expect(200)["forwards"]) == 2000
    items = api.get("/forwards").expect(200)["items"]
    assert len(items) == 2000 and all(i["state"]["live"] for i in items)


def test_a_gateway_outside_of_the_subnets(router, api):
    """Hosters like that: it is on the link all the same. Or it is a mistake, so somebody should hear of it."""
    made = api.post("/uplinks", {**UPLINK, "gateway": None}).expect(201)
    changed = api.patch(f"/uplinks/{made['id']}", {"gateway": "203.0.113.77"}).expect(200)
    assert [w["path"] for w in changed["warnings"]] == ["/gateway"]
    assert router.host.ip("route show table 20001").strip() == "default via 203.0.113.77 dev eth0 proto 80 onlink"
    assert "warnings" not in api.patch(f"/uplinks/{made['id']}", {"gateway": "192.0.2.254"}).expect(200)
    assert router.host.ip("route show table 20001").strip() == "default via 192.0.2.254 dev eth0 proto 80"
    assert api.get("/status").expect(200)["kernel"]["in_sync"] is True


def test_what_the_kernel_refuses_is_not_kept(router, api):
    """The router itself as its gateway: only the kernel knows."""
    api.put("/config", {"uplinks": [UPLINK], "networks": [NETWORK]}).expect(200)
    at, before = revision(api), api.get("/config").expect(200)
    kernel = router.host.run("nft list table inet portico").stdout
    rules = router.host.ip("rule show")
    one = f"/uplinks/{before['uplinks'][0]['id']}"
    for refused in (api.patch(one, {"gateway": "2001:db8:1::1"}),
                    api.put("/config", {**before, "uplinks": [{**UPLINK, "gateway": "2001:db8:1::1"}]})):
        problem = refused.expect(502)
        assert "gateway" in str(problem).lower() or "unreachable" in str(problem).lower(), problem
    assert revision(api) == at
    assert api.get("/config").expect(200) == before
    assert router.host.run("nft list table inet portico").stdout == kernel
    assert router.host.ip("rule show") == rules
    assert api.get("/status").expect(200)["kernel"]["in_sync"] is True

    router.restart()
    assert router.api.get("/config").expect(200) == before
    assert revision(router.api) == at
