# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules of others through the API. What becomes of which line is told in tests/golden; here, what holds for all."""
import pathlib
import time

import pytest

from kinds import NETWORK, UPLINK, revision

RECIPES = pathlib.Path(__file__).resolve().parents[1] / "golden" / "import"


def recipe(name):
    return (RECIPES / name).read_text(encoding="utf-8")


def lines(answer):
    """By their texts."""
    return {line["text"]: line for line in answer["lines"]}


@pytest.fixture
def home(api):
    return api.put("/config", {"uplinks": [UPLINK], "networks": [NETWORK]}).expect(200)


WEB = "iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 80 -j DNAT --to-destination 192.168.1.2:8080"


def test_shown_first(api, home):
    at = revision(api)
    answer = api.post("/import", {"text": WEB}).expect(200)
    assert (answer["format"], answer["dry_run"]) == ("iptables", True)
    imported, = answer["objects"]
    assert imported["kind"] == "forward"
    assert (imported["object"]["name"], imported["object"]["external_ports"], imported["object"]["internal_ports"],
            imported["object"]["uplinks"]) == ("web", "80", "8080", [])
    assert answer["lines"] == [{"line": 1, "text": WEB, "understood": True, "became": "forward web", "what": "added",
                                "message": None}]
    assert [(c["kind"], c["name"], c["before"]) for c in answer["changes"]] == [("forward", "web", None)]
    assert any("192.168.1.2" in line for line in answer["kernel"])
    assert revision(api) == at and api.get("/forwards").expect(200)["items"] == []


def test_then_done(router, api, home):
    at = revision(api)
    answer = api.post("/import", {"format": "iptables", "text": WEB, "dry_run": False})
    assert answer.expect(200)["dry_run"] is False and answer.headers["ETag"] == f'"{at + 1}"'
    forward, = api.get("/forwards").expect(200)["items"]
    assert forward["name"] == "web" and forward["state"]["live"]
    assert forward["id"] == answer.body["objects"][0]["object"]["id"]
    assert "192.168.1.2" in router.host.run("nft list table inet portico").stdout


def test_the_same_again(api, home):
    api.post("/import", {"text": WEB, "dry_run": False}).expect(200)
    at = revision(api)
    again = api.post("/import", {"text": WEB, "dry_run": False}).expect(200)
    assert again["objects"] == [] and again["changes"] == [] and revision(api) == at
    line, = again["lines"]
    assert (line["understood"], line["became"], line["message"]) == (True, "forward web", "it is there already")
    other = api.post("/import", {"text": WEB.replace("8080", "8081")}).expect(200)
    line, = other["lines"]
    assert line["understood"] is False and 'already taken by forward "web"' in line["message"]


def test_one_bad_line_does_not_take_the_rest_down(api, home):
    api.post("/forwards", {"name": "web", "external_ports": "80", "internal_address": "192.168.1.9"}).expect(201)
    other = WEB.replace("--dport 80", "--dport 81")
    answer = api.post("/import", {"text": f"{WEB}\n{other}\nnonsense\n", "dry_run": False}).expect(200)
    assert [line["understood"] for line in answer["lines"]] == [False, True, False]
    assert [o["object"]["name"] for o in answer["objects"]] == ["tcp-81"]
    assert {f["name"] for f in api.get("/forwards").expect(200)["items"]} == {"web", "tcp-81"}


def test_what_is_there_is_used(api, home):
    answer = api.post("/import", {"text": recipe("s2.sh").replace("192.168.1.0/24", "192.168.1.0/24")}).expect(200)
    assert answer["objects"] == [], "eth0 is an uplink, and 192.168.1.0/24 the network of eth1"
    masquerade = lines(answer)["iptables -t nat -A POSTROUTING -s 192.168.1.0/24 -o eth0 -j MASQUERADE"]
    assert masquerade["became"] == "uplink isp1"


def test_a_name_holds_rules_together(api, home):
    """iptables takes no more than fifteen ports in a rule."""
    named = WEB.replace("8080", "80").replace("-j DNAT", "-m comment --comment web -j DNAT").replace(":80", "")
    answer = api.post("/import", {"text": "\n".join(named.replace("--dport 80", f"--dport {p}") for p in (80, 443))})
    assert [o["object"]["external_ports"] for o in answer.expect(200)["objects"]] == ["80,443"]


def test_names_stay_apart(api, home):
    api.post("/forwards", {"name": "web", "external_ports": "443", "internal_address": "192.168.1.9"}).expect(201)
    given = ("web", "web", "x" * 200, "x" * 200, "häh? 注释", 'with "quotes', " ")
    text = "\n".join(WEB.replace("-j DNAT", f'-m comment --comment "{name}" -j DNAT')
                     .replace("--dport 80", f"--dport {port}").replace("192.168.1.2", f"192.168.1.{port}")
                     for port, name in enumerate(given, 100))
    answer = api.post("/import", {"text": text.replace('with "quotes', 'with \\"quotes'), "dry_run": False}).expect(200)
    names = [o["object"]["name"] for o in answer["objects"]]
    assert names == ["web 2", "web 3", "x" * 64, "x" * 58 + " 2", "häh? 注释", "with quotes", "forward"]
    assert all(line["understood"] for line in answer["lines"])


@pytest.mark.parametrize("name, format_", [("router.save", "iptables-save"), ("hard.sh", "iptables"), ("s4.sh", "iptables"),
                                           ("firewall.uci", "uci-firewall"), ("mwan3.uci", "uci-mwan3")])
def test_formats_are_recognized(api, name, format_):
    answer = api.post("/import", {"text": recipe(name), "network_text": recipe("network.uci")}).expect(200)
    assert answer["format"] == format_ and answer["objects"]
    told = api.post("/import", {"text": recipe(name), "network_text": recipe("network.uci"), "format": format_})
    assert told.expect(200)["objects"] == answer["objects"]


def test_wrong_requests(api):
    for body, path in (([], ""), ({}, "/text"), ({"text": 1}, "/text"), ({"text": "", "format": "nft"}, "/format"),
                       ({"text": "", "format": 1}, "/format"), ({"text": "", "dry_run": "yes"}, "/dry_run"),
                       ({"text": "", "network_text": []}, "/network_text"), ({"text": "", "more": 1}, "/more"),
                       ({"text": "x" * ((1 << 20) + 1)}, "/text")):
        problem = api.post("/import", body).expect(422)
        assert path in [e["path"] for e in problem["errors"]], (path, problem)
    assert api.post("/import", {"text": "x" * (5 << 20)}).status == 413
    at = revision(api)
    assert api.post("/import", {"text": WEB}, headers={"If-Match": f'"{at - 1}"'}).status == 412


def test_texts_of_no_sense(api):
    for text in ("", "\n\n", "#", "'", '"', "\\", "$", "${", "$(", "`", "!" * 1000, "-" * 1000, "iptables", "-A", "*", ":", "[",
                 "config", "config redirect", "option x", "\u00e9\u6ce8", "iptables " + "-t nat " * 300, "A=$A$A\n" * 300):
        for format_ in ("iptables", "iptables-save", "uci-firewall", "uci-mwan3"):
            answer = api.post("/import", {"text": text, "format": format_}).expect(200)
            assert answer["objects"] == [], (format_, text)


def test_many_rules_take_no_time(api, home):
    """As many as fit into a text: the loop must go on."""
    rules = "\n".join(f"-A PREROUTING -i eth0 -p tcp --dport {1 + i} -j DNAT --to-destination 192.168.1.{1 + i % 250}"
                      for i in range(10000))
    begun = time.monotonic()
    answer = api.post("/import", {"text": "*nat\n" + rules, "dry_run": False}).expect(200)
    assert len(answer["objects"]) == 10000 and time.monotonic() - begun < 30, "with sanitizers"
    begun = time.monotonic()
    again = api.post("/import", {"text": "*nat\n" + rules}).expect(200)
    assert again["objects"] == [] and time.monotonic() - begun < 30


CROWDS = {
    "the same port": ("iptables -t nat -A PREROUTING -i eth0 -p tcp --dport 1 -j DNAT --to 9.1.{}.{}\n", None),
    "all ports": ("iptables -t nat -A PREROUTING -i eth0 -s 10.1.{0}.{1} -j DNAT --to 9.1.{0}.{1}\n", None),
    "redirects": ("iptables -t nat -A PREROUTING -i br-lan -s 10.1.{0}.{1} -p tcp --dport 1{1:02} -j REDIRECT --to 9\n", None),
    "jumps": ("iptables -t nat -A c{0} -j c{2}\n", "iptables -t nat -A PREROUTING -j c0\n"),
    "marks": ("iptables -t mangle -A PREROUTING -s 10.1.{}.{} -j MARK --set-mark 1\n",
              "ip route add default dev eth0 table 1\nip rule add fwmark 1 table 1\n"),
}


@pytest.mark.parametrize("what", CROWDS)
def test_crowds_are_refused_in_time(api, home, what):
    """Where all are held against all, ten thousand are too many: that is said, and soon."""
    line, before = CROWDS[what]
    text = (before or "") + "".join(line.format(i // 250, i % 250, i // 250 + 1) for i in range(10000))
    begun = time.monotonic()
    answer = api.post("/import", {"text": text[:1 << 20]})
    assert time.monotonic() - begun < 30, "with sanitizers"
    if answer.status != 200:
        assert answer.expect(422)["errors"][0]["path"] == "/text", answer.body


def test_settings_come_along(api):
    """What mwan3 does when no uplink is left is a setting here."""
    files = {"text": recipe("mwan3.uci"), "network_text": recipe("network.uci")}
    change, = [c for c in api.post("/import", files).expect(200)["changes"] if c["kind"] == "settings"]
    assert change["fields"] == ["last_resort"]
    api.post("/import", files | {"dry_run": False}).expect(200)
    assert api.get("/settings").expect(200)["last_resort"] == "unreachable"
    assert api.post("/import", files).expect(200)["changes"] == []


# --- mwan3's file after the package's first start ---

MWAN3 = {"text": recipe("home-mwan3.uci"), "network_text": recipe("home-network.uci")}


@pytest.fixture
def first_start(api):
    api.post("/import", MWAN3 | {"text": recipe("home-zones.uci"), "dry_run": False}).expect(200)
    return api.get("/config").expect(200)


def test_uplinks_that_are_there_get_what_has_its_default(api, first_start):
    answer = api.post("/import", MWAN3).expect(200)
    assert {o["kind"] for o in answer["objects"]} == {"policy"}, "the uplinks are not new"
    changed = {c["name"]: c for c in answer["changes"] if c["what"] == "changed"}
    assert changed["wanb"]["fields"] == ["weight", "sticky", "sticky_timeout_s", "health"]
    assert (changed["wanb"]["before"]["health"], changed["wanb"]["after"]["health"]["targets"]) == (None, ["203.0.113.200"])
    line = lines(answer)["config interface 'wanb'"]
    assert (line["became"], line["what"], line["understood"]) == ("uplink wanb", "changed", True)
    assert "weight 2, sticky true, sticky_timeout_s 300" in line["message"]
    assert lines(answer)["config rule 'voip'"]["what"] == "added"
    assert api.get("/config").expect(200) == first_start, "nothing is done yet"

    api.post("/import", MWAN3 | {"dry_run": False}).expect(200)
    uplinks = {u["name"]: u for u in api.get("/uplinks").expect(200)["items"]}
    assert [(u["id"], u["weight"], u["sticky"]) for u in uplinks.values()] == [(1, 3, True), (2, 2, True)]
    assert uplinks["wan"]["health"]["need"] == "all"
    again = api.post("/import", MWAN3).expect(200)
    assert again["changes"] == [] and not [line for line in again["lines"] if line["what"]]


def test_what_somebody_has_set_stays(api, first_start):
    wan, wanb = (u["id"] for u in api.get("/uplinks").expect(200)["items"])
    own = {"targets": ["192.0.2.254"], "interval_ms": 500}
    api.patch(f"/uplinks/{wan}", {"health": own, "weight": 9, "name": "fibre"}).expect(200)
    answer = api.post("/import", MWAN3 | {"dry_run": False}).expect(200)
    message = lines(answer)["config interface 'wan'"]["message"]
    assert "stays as somebody has set it: weight 9, health" in message, message
    fibre = api.get(f"/uplinks/{wan}").expect(200)
    assert (fibre["health"]["targets"], fibre["health"]["interval_ms"], fibre["weight"]) == (["192.0.2.254"], 500, 9)
    assert fibre["sticky"] and api.get(f"/uplinks/{wanb}").expect(200)["weight"] == 2, "the rest is taken"


def test_an_import_is_undone(api, first_start):
    at = revision(api)
    api.post("/import", MWAN3 | {"dry_run": False}).expect(200)
    assert "changed 3" in api.get(f"/revisions/{at + 1}").expect(200)["reason"], "two uplinks, and the settings"
    api.post(f"/revisions/{at}/restore").expect(200)
    assert api.get("/config").expect(200) == first_start


def test_a_check_that_cannot_be_is_told(api, first_start):
    text = MWAN3["text"].replace("track_ip '203.0.113.200'", "track_ip 'dns.example'")
    line = lines(api.post("/import", MWAN3 | {"text": text}).expect(200))["config interface 'wanb'"]
    assert line["understood"] is False and line["message"].startswith("uplink wanb cannot be changed: health/targets/0")
