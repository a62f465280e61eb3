# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes on trial: confirmed, or taken back."""
import contextlib

import pytest

from kinds import KINDS, UPLINK, revision
from lab.events import EventStream
from lab.lab import wait_for

FORWARD = KINDS["/forwards"][2]


@pytest.fixture
def isp(router):
    return router.sock.post("/uplinks", UPLINK).expect(201)


@pytest.fixture(autouse=True)
def settled(router):
    """The next test begins without a trial."""
    yield
    router.sock.post("/confirm")


def trial(api):
    return api.get("/status").expect(200)["trial"]


def ports(api):
    return [f["external_ports"] for f in api.get("/forwards").expect(200)["items"]]


def newest(api):
    return api.get("/revisions?limit=1").expect(200)["items"][0]


def test_kept(api, isp):
    assert trial(api) is None
    at = revision(api)
    api.post("/forwards?confirm_within_s=600", FORWARD).expect(201)
    now = trial(api)
    assert (now["revision"], now["confirmed_revision"], now["failure"]) == (at + 1, at, None)
    assert 590 < now["remaining_s"] <= 600
    assert newest(api)["confirmation"] is None
    assert api.post("/confirm").expect(200) == {"revision": at + 1}
    assert trial(api) is None and ports(api) == ["80"]
    assert newest(api)["confirmation"]["author"] == "admin" and newest(api)["confirmation"]["at"] >= newest(api)["at"]
    assert api.get(f"/revisions/{at + 1}").expect(200)["confirmation"] == newest(api)["confirmation"]
    assert api.get(f"/revisions/{at}").expect(200)["confirmation"] is None
    assert "nothing is on trial" in api.post("/confirm").expect(409)["detail"]


def test_taken_back(api, router, isp):
    before, at = api.get("/config").expect(200), revision(api)
    with EventStream(api) as stream:
        assert stream.next()["data"]["trial"] is None
        made = api.post("/forwards?confirm_within_s=2", FORWARD).expect(201)
        assert stream.wait("trial")["data"]["trial"]["confirmed_revision"] == at
        router.sock.patch(f"/forwards/{made['id']}", {"external_ports": "81"}).expect(200)
        joined = stream.wait("trial")["data"]
        assert joined["trial"]["revision"] == at + 2 and joined["outcome"] is None
        assert ports(api) == ["81"]
        with EventStream(router.sock) as other:
            assert other.next()["data"]["trial"]["revision"] == at + 2
        back = stream.wait("revision", timeout=20)["data"]
        assert (back["author"], back["number"], [c["what"] for c in back["changes"]]) == ("expiry", at + 3, ["removed"])
        assert stream.wait("trial")["data"] == {"trial": None, "outcome": "expired"}
    assert api.get("/config").expect(200) == before and trial(api) is None
    assert (newest(api)["author"], newest(api)["reason"]) == ("expiry", f"not confirmed in time: back to revision {at}")
    wait_for(lambda: api.get("/status").expect(200)["kernel"]["in_sync"], 20, "the kernel in sync")
    assert "no forward" in api.patch(f"/forwards/{made['id']}", {}).expect(404)["detail"]


def test_undone_by_hand(api, router, isp):
    at = revision(api)
    api.post("/forwards?confirm_within_s=600", FORWARD).expect(201)
    router.sock.post("/networks", {"name": "lan"}).expect(201)
    with EventStream(api) as stream:
        stream.next()
        api.post(f"/revisions/{at}/restore").expect(200)
        assert stream.wait("trial")["data"] == {"trial": None, "outcome": "undone"}
    assert trial(api) is None and ports(api) == []
    assert api.post("/confirm").status == 409


def test_every_write_can_be_on_trial(api, router, isp):
    config = api.get("/config").expect(200)
    made = router.sock.post("/forwards", FORWARD).expect(201)["id"]
    for method, path, body in (("PATCH", "/settings", {"language": "zh"}), ("PATCH", f"/forwards/{made}", {"comment": "x"}),
                               ("PUT", f"/forwards/{made}", {**FORWARD, "comment": "y"}),
                               ("DELETE", f"/forwards/{made}", None), ("PUT", "/config", config),
                               ("POST", f"/revisions/{revision(api)}/restore", None),
                               ("POST", "/networks", {"name": "new"})):
        assert api.request(method, f"{path}?confirm_within_s=86400", body).status < 300, (method, path)
        assert trial(api), (method, path)
        api.post("/confirm").expect(200)


def test_the_parameter(api, isp):
    at = revision(api)
    for value in ("0", "86401", "-1", "1.5", "x", "", "99999999999999999999"):
        refused = api.post(f"/forwards?confirm_within_s={value}", FORWARD).expect(422)
        assert refused["errors"] == [{"path": "?confirm_within_s", "message": "must be a whole number from 1 to 86400"}]
    refused = api.post("/forwards?confirm_within_s", FORWARD).expect(422)
    assert refused["errors"] == [{"path": "?confirm_within_s", "message": "must have a value"}]
    assert api.post("/config/plan?confirm_within_s=60", {}).status == 400
    assert api.get("/forwards?confirm_within_s=60").status == 400
    assert api.post("/confirm?confirm_within_s=60").status == 400
    assert api.post("/forwards?confirm_within_s=60", {**FORWARD, "external_ports": "x"}).status == 422
    assert revision(api) == at and trial(api) is None


def test_confirm_honours_if_match(api, router, isp):
    made = api.post("/forwards?confirm_within_s=600", FORWARD)
    router.sock.post("/networks", {"name": "lan"}).expect(201)
    seen = {"If-Match": made.headers["ETag"]}
    assert api.post("/confirm", headers=seen).status == 412, "there is more on trial than was seen"
    assert trial(api)
    assert api.post("/confirm", headers={"If-Match": f'"{revision(api)}"'}).status == 200


def test_a_new_connection_shows_that_the_router_is_reached(router, isp):
    """Those from before the change are closed with their next answer; one that is made after it proves something."""
    old, changer = router.client("127.0.0.1"), router.client("127.0.0.1")
    for client in (old, changer):
        client.headers, client.csrf = dict(router.api.headers), router.api.csrf
    assert old.get("/status").headers["Connection"] is None
    connection = old._connection
    response = changer.post("/forwards?confirm_within_s=600", FORWARD)
    assert response.headers["Connection"] == "close", "the one that made the change, too"
    response = old.get("/status")
    assert response.expect(200)["trial"]["reached"] is False and response.headers["Connection"] == "close"
    response = old.get("/status")
    assert old._connection is not connection
    assert response.expect(200)["trial"]["reached"] is True and response.headers["Connection"] is None
    # The next change starts it anew.
    changer.patch("/forwards/1", {"comment": "x"}).expect(200)
    assert old.get("/status").expect(200)["trial"]["reached"] is False
    assert old.get("/status").expect(200)["trial"]["reached"] is True
    old.post("/confirm").expect(200)
    for client in (old, changer):
        client.close()


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_end_of_the_daemon_is_no_confirmation(fresh, end):
    fresh.finish_setup()
    fresh.sock.put("/config", {"uplinks": [UPLINK], "forwards": [FORWARD]}).expect(200)
    before = fresh.sock.get("/config").expect(200)
    fresh.sock.patch("/forwards/1?confirm_within_s=3600", {"external_ports": "81"}).expect(200)
    fresh.sock.delete("/uplinks/1").expect(200)
    getattr(fresh, end)()
    said = fresh.log()
    fresh.start()
    why = f"porticod {'ended' if end == 'kill' else 'was stopped'} before it was confirmed: back to revision 1"
    assert why in (fresh.log() if end == "kill" else said)
    assert fresh.sock.get("/config").expect(200) == before
    assert newest(fresh.sock) == {
        "number": 4, "at": newest(fresh.sock)["at"], "author": "expiry", "more": 0, "reason": why, "confirmation": None,
        "changes": [{"kind": "uplink", "id": 1, "name": "isp1", "what": "added"},
                    {"kind": "forward", "id": 1, "name": "web", "what": "changed"}]}
    assert trial(fresh.sock) is None
    # And what was confirmed stays.
    fresh.sock.patch("/forwards/1?confirm_within_s=3600", {"external_ports": "82"}).expect(200)
    fresh.sock.post("/confirm").expect(200)
    getattr(fresh, end)()
    fresh.start()
    assert ports(fresh.sock) == ["82"]


def test_status_tells_and_the_page_of_another_sees_it(api, router, isp):
    with contextlib.closing(router.client("127.0.0.1")) as other:
        other.login()
        api.post("/forwards?confirm_within_s=600", FORWARD).expect(201)
        assert trial(other)["revision"] == revision(api)
        other.post("/confirm").expect(200)
    assert trial(api) is None
