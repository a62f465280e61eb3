# SPDX-License-Identifier: GPL-2.0-or-later
"""Revisions: what was changed, compared, and brought back."""
import sqlite3

import pytest

from kinds import KINDS, UPLINK, revision

FORWARD = KINDS["/forwards"][2]


@pytest.fixture
def isp(router):
    return router.sock.post("/uplinks", UPLINK).expect(201)


def forward(number):
    return {**FORWARD, "name": f"f{number}", "external_ports": str(20000 + number)}


def items(api, query=""):
    return api.get(f"/revisions{query}").expect(200)["items"]


def test_each_change_is_a_revision(api, router, isp):
    at = revision(api)
    made = api.post("/forwards", FORWARD).expect(201)
    router.sock.patch(f"/forwards/{made['id']}", {"external_ports": "81", "comment": "x"}).expect(200)
    api.delete(f"/forwards/{made['id']}").expect(200)
    removed, changed, added = items(api, "?limit=3")
    assert [r["number"] for r in (added, changed, removed)] == [at + 1, at + 2, at + 3]
    assert [(r["author"], r["reason"]) for r in (added, changed, removed)] == [
        ("admin", "POST /api/v1/forwards"), ("root", f"PATCH /api/v1/forwards/{made['id']}"),
        ("admin", f"DELETE /api/v1/forwards/{made['id']}")]
    assert [[(c["kind"], c["name"], c["what"]) for c in r["changes"]] for r in (added, changed, removed)] == [
        [("forward", "web", what)] for what in ("added", "changed", "removed")]

    change, = api.get(f"/revisions/{at + 2}").expect(200)["changes"]
    assert change["what"] == "changed" and change["fields"] == ["external_ports", "comment"]
    assert (change["before"]["external_ports"], change["after"]["external_ports"]) == ("80", "81")
    change, = api.get(f"/revisions/{at + 1}").expect(200)["changes"]
    assert change["before"] is None and change["fields"] == [] and change["after"]["external_ports"] == "80"
    change, = api.get(f"/revisions/{at + 3}").expect(200)["changes"]
    assert change["after"] is None and change["what"] == "removed"


def test_pages(api, router, isp):
    for i in range(5):
        router.sock.post("/forwards", forward(i)).expect(201)
    newest = revision(api)
    page = api.get("/revisions?limit=2").expect(200)
    assert [r["number"] for r in page["items"]] == [newest, newest - 1] and page["next"] == newest - 1
    seen, before = [], ""
    while before is not None:
        page = api.get(f"/revisions?limit=2{before}").expect(200)
        seen += [r["number"] for r in page["items"]]
        before = page["next"] and f"&before={page['next']}"
    assert seen == list(range(newest, newest - len(seen), -1)) and len(seen) == min(newest, 200)
    assert items(api, "?before=1") == []
    for query in ("?limit=0", "?limit=201", "?limit=x", "?limit=", "?before=0", "?before=-1", "?before=1e3",
                  "?before=99999999999999999999"):
        assert api.get("/revisions" + query).expect(422)["errors"][0]["path"] == query[:query.index("=")]
    assert api.get("/revisions?after=1").status == 400


def test_what_is_not_there(api, isp):
    at = revision(api)
    for path in (f"/revisions/{at + 1}", f"/revisions/{at + 1}/diff", f"/revisions/{at}/diff?to={at + 1}", "/revisions/0"):
        assert "revision" in api.get(path).expect(404)["detail"]
    assert str(at) in api.post(f"/revisions/{at + 1}/restore").expect(404)["detail"]
    for path in ("/revisions/x", "/revisions/-1", "/revisions/01", "/revisions/1/undo", "/revisions/" + "9" * 16):
        assert api.get(path).status == 404
    assert api.get(f"/revisions/{at}/diff?to=x").status == 422
    assert api.delete(f"/revisions/{at}").status == 405


def test_compare_any_two(api, router, isp):
    start = revision(api)
    made = router.sock.post("/forwards", forward(1)).expect(201)
    router.sock.patch(f"/forwards/{made['id']}", {"comment": "first"}).expect(200)
    router.sock.patch(f"/forwards/{made['id']}", {"comment": "second"}).expect(200)
    router.sock.patch("/uplinks/1", {"health": {"targets": ["198.51.100.1"], "interval_ms": 2000}}).expect(200)
    router.sock.patch("/uplinks/1", {"health": {"interval_ms": 3000}}).expect(200)
    now = revision(api)

    def diff(a, b):
        answer = api.get(f"/revisions/{a}/diff?to={b}").expect(200)
        assert (answer["from"], answer["to"]) == (a, b)
        return [(c["kind"], c["what"], c["fields"]) for c in answer["changes"]]

    assert diff(start, start + 1) == [("forward", "added", [])]
    assert diff(start + 1, start) == [("forward", "removed", [])]
    assert diff(start + 1, start + 3) == [("forward", "changed", ["comment"])]
    assert diff(start + 3, now) == [("uplink", "changed", ["health"])]
    assert diff(now - 1, now) == [("uplink", "changed", ["health/interval_ms"])]
    assert diff(now, now) == []
    present = api.get(f"/revisions/{start + 2}/diff").expect(200)
    assert present["to"] == now and [c["kind"] for c in present["changes"]] == ["uplink", "forward"]
    assert present["changes"][1]["before"]["comment"] == "first"
    assert present["changes"][1]["after"]["comment"] == "second"


def test_restore(api, router, isp):
    router.sock.post("/networks", {"name": "lan", "devices": ["eth1"]}).expect(201)
    made = router.sock.post("/forwards", {**forward(1), "uplinks": ["isp1"]}).expect(201)
    before, at = api.get("/config").expect(200), revision(api)
    router.sock.patch("/uplinks/1", {"name": "fibre"}).expect(200)
    router.sock.patch(f"/forwards/{made['id']}", {"external_ports": "90"}).expect(200)
    router.sock.delete("/networks/1").expect(200)
    other = api.get("/config").expect(200)

    response = api.post(f"/revisions/{at}/restore")
    answer = response.expect(200)
    assert answer["revision"] == at + 4 == revision(api) and response.headers["ETag"] == f'"{at + 4}"'
    assert {(c["kind"], c["what"]) for c in answer["changes"]} == {
        ("network", "added"), ("uplink", "changed"), ("forward", "changed")}
    assert api.get("/config").expect(200) == before
    newest, = items(api, "?limit=1")
    assert (newest["author"], newest["reason"]) == ("admin", f"restore of {at}")
    assert api.get("/status").expect(200)["kernel"]["in_sync"]
    forward_now = api.get(f"/forwards/{made['id']}").expect(200)
    assert forward_now["state"]["live"] and forward_now["uplinks"] == ["isp1"]

    # And forth again; the same once more changes nothing.
    assert api.post(f"/revisions/{at + 3}/restore").expect(200)["revision"] == at + 5
    assert api.get("/config").expect(200) == other
    assert api.post(f"/revisions/{at + 3}/restore").expect(200) == {"revision": at + 5, "changes": []}


def test_restore_honours_if_match(api, router, isp):
    at = revision(api)
    router.sock.post("/forwards", forward(1)).expect(201)
    assert api.post(f"/revisions/{at}/restore", headers={"If-Match": f'"{at}"'}).status == 412
    assert revision(api) == at + 1
    assert api.post(f"/revisions/{at}/restore", headers={"If-Match": f'"{at + 1}"'}).status == 200


def test_restore_survives_a_restart(fresh):
    fresh.finish_setup()
    fresh.sock.put("/config", {"networks": [{"name": "lan"}]}).expect(200)
    before = fresh.sock.get("/config").expect(200)
    fresh.sock.put("/config", {}).expect(200)
    fresh.restart()
    fresh.sock.post("/revisions/1/restore").expect(200)
    fresh.restart()
    assert fresh.sock.get("/config").expect(200) == before
    # 0 is what was before everything.
    assert fresh.sock.get("/revisions/0/diff?to=1").expect(200)["changes"][0]["what"] == "added"
    fresh.sock.post("/revisions/0/restore").expect(200)
    assert fresh.sock.get("/config").expect(200)["networks"] == []


def test_what_is_not_valid_any_more(fresh):
    """As after an upgrade to a version with stricter rules: told in words, and nothing is changed."""
    fresh.finish_setup()
    fresh.sock.put("/config", {"forwards": [forward(1), {**forward(2), "comment": "x"}]}).expect(200)
    fresh.sock.patch("/forwards/2", {"comment": "y"}).expect(200)
    fresh.stop()
    for old, new, words in (("20002", "20001", 'already taken by forward "f1"'),
                            ("hairpin", "hairpin_of_old", 'forward "f2": /hairpin_of_old')):
        with sqlite3.connect(fresh.db) as db:
            text, = db.execute("SELECT changes FROM revision WHERE number = 2").fetchone()
            changed = text.replace(old, new, 1)
            assert changed != text
            db.execute("UPDATE revision SET changes = ? WHERE number = 2", (changed,))
        db.close()
        fresh.start()
        refused = fresh.sock.post("/revisions/1/restore").expect(409)["detail"]
        assert "the configuration of revision 1 is not valid any more" in refused and words in refused
        assert revision(fresh.sock) == 2 and fresh.sock.get("/forwards/2").expect(200)["comment"] == "y"
        fresh.stop()
        with sqlite3.connect(fresh.db) as db:
            db.execute("UPDATE revision SET changes = ? WHERE number = 2", (text,))
        db.close()
    fresh.start()
    fresh.sock.post("/revisions/1/restore").expect(200)


def test_history_has_an_end(fresh):
    fresh.finish_setup()
    fresh.sock.patch("/settings", {"history_length": 10}).expect(200)
    for i in range(12):
        fresh.sock.post("/networks", {"name": f"n{i}"}).expect(201)
    listed = [r["number"] for r in fresh.sock.get("/revisions").expect(200)["items"]]
    assert listed == list(range(13, 3, -1))
    assert "not kept" in fresh.sock.post("/revisions/3/restore").expect(404)["detail"]
    assert fresh.sock.get("/revisions/3/diff").status == fresh.sock.get("/revisions/3").status == 404
    fresh.sock.post("/revisions/4/restore").expect(200)
    assert len(fresh.sock.get("/networks").expect(200)["items"]) == 3


def test_plan_tells_by_field(api, router, isp):
    config = api.get("/config").expect(200)
    config["uplinks"][0]["weight"] = 7
    change, = api.post("/config/plan", config).expect(200)["changes"]
    assert (change["what"], change["fields"], change["after"]["weight"]) == ("changed", ["weight"], 7)
