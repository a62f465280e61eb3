# SPDX-License-Identifier: GPL-2.0-or-later
"""Backup and restore: the router that comes out is the one that went in, and nothing else gets in."""
import base64
import copy
import hashlib
import json
import pathlib
import re

import pytest

from lab.lab import wait_for
from lab.porticod import Porticod

from kinds import UPLINK, revision
from test_config import config_of_all_kinds

PASSPHRASE = "a passphrase of some length"
SAMPLES = pathlib.Path(__file__).resolve().parent / "backups"


def canonical(value):
    """RFC 8785, for what is in a backup: no fractions, keys of plain letters."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(value):
    return hashlib.sha256(canonical(value)).hexdigest()


def backup(api, **options):
    return api.post("/backup", options).expect(200)


def restore(api, document, **options):
    return api.post("/restore", {"document": document, **options})


def fault(response, status=422):
    """(path, message) of the first of the problem's errors."""
    error = response.expect(status)["errors"][0]
    return error["path"], error["message"]


def kernel(router):
    """All that stands in the kernel, without what counts."""
    table = router.host.run("nft -s list table inet portico").stdout
    routes = "".join(router.host.ip(f"route show table {20000 + n}", check=False) for n in range(1, 9))
    return table, router.host.ip("rule show"), routes


@pytest.fixture
def filled(router):
    """A configuration with something of everything, whose ids are not those that a new one would give."""
    config = config_of_all_kinds()
    router.sock.put("/config", config).expect(200)
    router.sock.delete("/forwards/1").expect(200)
    router.sock.post("/forwards", {"name": "web", "external_ports": "80", "internal_address": "192.168.1.2"}).expect(201)
    router.sock.patch("/settings", {"history_length": 77}).expect(200)
    return router.sock.get("/config").expect(200)


# --- what a backup is ---

def test_a_document_that_explains_itself(router, api, filled):
    document = backup(api)
    assert (document["format"], document["version"], document["revision"]) == ("portico-backup", 1, revision(api))
    assert re.fullmatch(r"portico [0-9.]+", document["made_by"])
    assert document["hostname"] == api.get("/status").expect(200)["hostname"]
    assert document["content"] == {"config": filled}
    assert document["checksum"] == sha256(document["content"])
    assert router.sock.post("/backup", {}).expect(200)["content"] == document["content"]


def test_the_same_router_comes_out(router, api, filled):
    before, document = kernel(router), backup(api)
    for options in ({}, {"passphrase": PASSPHRASE}):
        document = backup(api, **options)
        api.put("/config", {}).expect(200)
        assert kernel(router) != before
        at = revision(api)
        done = restore(api, document, **options)
        assert done.expect(200)["dry_run"] is False and done.headers["ETag"] == f'"{at + 1}"', "one revision"
        assert api.get("/config").expect(200) == filled
        assert kernel(router) == before
        assert done.body["backup"] == {k: document[k] for k in ("made_by", "at", "hostname", "revision")}
        assert {c["kind"] for c in done.body["changes"]} == {"settings", "network", "uplink", "forward", "redirect",
                                                             "source_nat", "policy"}
        again = restore(api, document, **options).expect(200)
        assert (again["changes"], again["kernel"], revision(api)) == ([], [], at + 1)


def test_dry_run(router, api, filled):
    document = backup(api)
    api.put("/config", {}).expect(200)
    at, before, stood = revision(api), api.get("/config").expect(200), kernel(router)
    plan = restore(api, document, dry_run=True).expect(200)
    assert plan["dry_run"] is True
    assert plan["changes"] == api.post("/config/plan", filled).expect(200)["changes"]
    assert any("add table inet" in line or "add element" in line for line in plan["kernel"])
    assert (revision(api), api.get("/config").expect(200), kernel(router)) == (at, before, stood)


def test_what_is_there_goes(api, filled):
    document = backup(api)
    api.put("/config", {"networks": [{"name": "other", "devices": ["eth1"]}]}).expect(200)
    kinds = {(c["kind"], c["name"]): c["after"] is None for c in restore(api, document).expect(200)["changes"]}
    assert ("network", "lan") in kinds
    assert api.get("/config").expect(200) == filled


def test_if_match(api, filled):
    document, at = backup(api, passphrase=PASSPHRASE), revision(api)
    body = {"document": document, "passphrase": PASSPHRASE}
    assert api.post("/restore", body, headers={"If-Match": f'"{at - 1}"'}).status == 412
    assert api.post("/restore", body, headers={"If-Match": f'"{at}"'}).status == 200


def test_on_trial(api, filled):
    """Also where the passphrase takes a while: what is not confirmed in time goes again."""
    document = backup(api, passphrase=PASSPHRASE)
    empty = api.put("/config", {}).expect(200)
    body = {"document": document, "passphrase": PASSPHRASE}
    api.post("/restore?confirm_within_s=60", body).expect(200)
    assert api.get("/status").expect(200)["trial"] and api.get("/config").expect(200) == filled
    api.post("/confirm").expect(200)
    assert api.get("/status").expect(200)["trial"] is None and api.get("/config").expect(200) == filled
    api.put("/config", {}).expect(200)
    api.post("/restore?confirm_within_s=1", body).expect(200)
    wait_for(lambda: api.get("/config").expect(200) == empty, what="the trial to end")


def test_the_history_says_where_it_came_from(api, filled):
    document = backup(api)
    api.put("/config", {}).expect(200)
    restore(api, document).expect(200)
    newest = api.get("/revisions").expect(200)["items"][0]
    assert newest["reason"] == f"restored the backup of {document['hostname']}, {document['at']}"


# --- passphrases and secrets ---

def test_an_encrypted_one_tells_nothing(api, filled):
    one, other = backup(api, passphrase=PASSPHRASE), backup(api, passphrase=PASSPHRASE)
    assert "content" not in one and "192.168" not in json.dumps(one)
    for key in ("salt", "nonce", "check", "tag"):
        assert one["encryption"][key] != other["encryption"][key]
    assert one["ciphertext"] != other["ciphertext"]
    assert one["checksum"] == sha256({k: v for k, v in one.items() if k != "checksum"})
    assert len(base64.b64decode(one["ciphertext"])) == len(canonical({"config": filled}))


def test_a_wrong_passphrase_is_told_from_damage(api, filled):
    document = backup(api, passphrase=PASSPHRASE)
    at = revision(api)
    assert fault(restore(api, document, passphrase="another passphrase")) == (
        "/passphrase", "is not the one that the backup was made with")
    assert fault(restore(api, document))[1] == "is required: the backup is encrypted"
    assert fault(restore(api, backup(api), passphrase=PASSPHRASE))[1] == "must not be given: this backup is not encrypted"

    def changed(change):
        """As somebody would who knows how the checksum is made."""
        bad = copy.deepcopy(document)
        change(bad)
        bad["checksum"] = sha256({k: v for k, v in bad.items() if k != "checksum"})
        return fault(restore(api, bad, passphrase=PASSPHRASE))

    flipped = bytes(b ^ 1 for b in base64.b64decode(document["ciphertext"]))
    for change in (lambda d: d.update(ciphertext=base64.b64encode(flipped).decode()),
                   lambda d: d.update(ciphertext=d["ciphertext"][:-8]), lambda d: d.update(ciphertext=""),
                   lambda d: d.update(hostname="another"), lambda d: d.update(at="2020-01-01T00:00:00Z"),
                   lambda d: d.update(revision=99), lambda d: d.update(made_by="somebody"),
                   lambda d: d["encryption"].update(nonce=base64.b64encode(b"n" * 12).decode()),
                   lambda d: d["encryption"].update(tag=base64.b64encode(b"t" * 16).decode())):
        path, message = changed(change)
        assert path == "/document/ciphertext" and "the passphrase is right" in message
    # Without the right salt nobody can tell whether it was the right passphrase.
    assert changed(lambda d: d["encryption"].update(salt=base64.b64encode(b"s" * 16).decode()))[0] == "/passphrase"
    document["ciphertext"] = document["ciphertext"].replace("A", "B")
    assert "is damaged" in fault(restore(api, document))[1], "accidents show without the passphrase"
    assert revision(api) == at


def test_passphrases(api):
    assert fault(api.post("/backup", {"passphrase": "short"})) == ("/passphrase", "must be at least 8 bytes long")
    assert fault(api.post("/backup", {"passphrase": "x" * 257}))[0] == "/passphrase"
    assert fault(api.post("/backup", {"passphrase": 1}))[0] == "/passphrase"
    assert fault(api.post("/backup", {"secrets": 1}))[0] == "/secrets"
    assert fault(api.post("/backup", {"nonsense": 1}))[0] == "/nonsense"
    assert fault(api.post("/backup", {"secrets": True})) == (
        "/passphrase", "is required: secrets leave the router encrypted only")
    umlauts = "pässwörter für alle"
    restore(api, backup(api, passphrase=umlauts), passphrase=umlauts).expect(200)


def test_secrets(router, fresh):
    """The password is in a backup only if asked for, and comes back with it, wherever it is restored."""
    api = router.api
    without = backup(api, passphrase=PASSPHRASE)
    assert restore(api, without, passphrase=PASSPHRASE, dry_run=True).expect(200)["secrets"] == []
    document = backup(api, passphrase=PASSPHRASE, secrets=True)
    plan = restore(api, document, passphrase=PASSPHRASE, dry_run=True, secrets=False).expect(200)
    assert plan["secrets"] == []

    body = {"document": document, "passphrase": PASSPHRASE}
    fresh.sock.post("/restore", {**body, "dry_run": True}).expect(200)
    fresh.sock.post("/restore", {**body, "secrets": False}).expect(200)
    assert fresh.sock.get("/setup").expect(200)["finished"] is False
    assert fresh.sock.post("/restore", body).expect(200)["secrets"] == ["password"]
    assert fresh.sock.get("/setup").expect(200) == {"finished": True}
    fresh.login()
    fresh.restart()
    fresh.login()


def test_a_password_comes_only_out_of_an_encrypted_backup(router):
    """A plain one can be written by anybody: by who would like to log in once it has been restored."""
    document, at = backup(router.api), revision(router.api)
    document["content"]["secrets"] = {"password": f"pbkdf2-sha256$1${'00' * 16}${'00' * 32}"}
    for dry_run in (True, False):
        path, message = fault(restore(router.api, resummed(document), dry_run=dry_run))
        assert path == "/document/content/secrets" and "encrypted" in message
    assert revision(router.api) == at
    assert restore(router.api, resummed(document), secrets=False).expect(200)["secrets"] == []
    router.client("127.0.0.1").login()


def test_a_restored_password_ends_other_sessions(router):
    with Porticod(router.host.lab.spare, password="the first password") as daemon:
        document = daemon.sock.post("/backup", {"passphrase": PASSPHRASE, "secrets": True}).expect(200)
        other = daemon.client("127.0.0.1")
        other.login(daemon.password)
        body = {"document": document, "passphrase": PASSPHRASE}
        daemon.api.post("/restore", body).expect(200)
        assert other.get("/status").status == 401
        daemon.api.get("/status").expect(200)
        other.close()


def test_a_restored_password_is_not_on_trial(router, fresh):
    fresh.sock.post("/networks", {"name": "later", "devices": ["lo"]}).expect(201)
    body = {"document": backup(router.api, passphrase=PASSPHRASE, secrets=True), "passphrase": PASSPHRASE}
    fresh.sock.post("/restore?confirm_within_s=600", body).expect(200)
    trial = fresh.sock.get("/status").expect(200)["trial"]
    fresh.sock.post(f"/revisions/{trial['confirmed_revision']}/restore").expect(200)
    assert [n["name"] for n in fresh.sock.get("/networks").expect(200)["items"]] == ["later"]
    fresh.login()


# --- devices ---

def test_devices_that_are_not_here(api, filled):
    document = backup(api)
    plan = restore(api, document, dry_run=True).expect(200)
    assert sorted(plan["missing_devices"]) == ["br0", "ppp0", "wlan0"]
    restore(api, document).expect(200)  # they may come: a modem on USB


def test_devices_have_other_names(router, api):
    api.put("/config", {"uplinks": [{"name": "a", "device": "wan0"}, {"name": "b", "device": "eth1"}],
                        "networks": [{"name": "lan", "devices": ["eth0", "lan0"]}]}).expect(200)
    document = backup(api, passphrase=PASSPHRASE)
    devices = {"wan0": "eth0", "eth0": "wan0", "lan0": "lan1"}
    options = {"passphrase": PASSPHRASE, "devices": devices}
    plan = restore(api, document, dry_run=True, **options).expect(200)
    assert sorted(plan["missing_devices"]) == ["lan1", "wan0"]
    restore(api, document, **options).expect(200)
    config = api.get("/config").expect(200)
    assert [u["device"] for u in config["uplinks"]] == ["eth0", "eth1"]
    assert config["networks"][0]["devices"] == ["wan0", "lan1"]
    assert router.host.run("nft list table inet portico").stdout.count('"eth0"') > 0


def test_maps_that_make_no_sense(api):
    api.put("/config", {"uplinks": [UPLINK], "networks": [{"name": "lan", "devices": ["eth1"]}]}).expect(200)
    document, at = backup(api), revision(api)
    for devices, path, words in (([], "/devices", "must be an object"), ({"eth0": 1}, "/devices/eth0", "must be the name"),
                                 ({"eth0": "a/b"}, "/devices/eth0", "no spaces"), ({"eth9": "eth1"}, "/devices/eth9", "no device of this"),
                                 ({"a/b": "eth1"}, "/devices/a~1b", "no device")):
        where, message = fault(restore(api, document, devices=devices))
        assert where == path and words in message
    where, message = fault(restore(api, document, devices={"eth0": "eth1"}), 409)
    assert where == "/document/content/config/uplinks/0/device" and "already" in message
    assert revision(api) == at


# --- documents of other times, and bad ones ---

@pytest.mark.parametrize("sample", sorted(p.name for p in SAMPLES.glob("*.json")))
def test_every_format_there_ever_was(api, sample):
    document = json.loads((SAMPLES / sample).read_text(encoding="utf-8"))
    passphrase = {"passphrase": PASSPHRASE} if "encryption" in document else {}
    done = restore(api, document, **passphrase).expect(200)
    assert done["backup"]["hostname"] == "router"
    config = api.get("/config").expect(200)
    assert config["settings"]["history_length"] == 77
    assert [(u["id"], u["name"], u["device"]) for u in config["uplinks"]] == [(1, "isp1", "eth0"), (3, "isp2", "ppp0")]
    assert [(f["id"], f["name"], f["external_ports"], f["comment"]) for f in config["forwards"]] == [
        (2, "web", "80", "häh? 注释"), (7, "game", "27015,27020-27030", "")]
    assert config["networks"][0]["devices"] == ["eth1"]
    assert config["redirects"][0]["to_port"] == 8888 and config["source_nats"][0]["address"] == "192.0.2.9"


def test_samples_of_all_versions_are_kept(api):
    versions = {json.loads(p.read_text(encoding="utf-8"))["version"] for p in SAMPLES.glob("*.json")}
    assert versions == set(range(1, backup(api)["version"] + 1))


def test_a_newer_format(api):
    document = {**backup(api), "version": 2, "made_by": "portico 9.0", "novelty": {}}
    path, message = fault(restore(api, document))
    assert path == "/document/version" and "newer format" in message and "portico 9.0" in message


SLOW_HASH = "$".join(["pbkdf2-sha256", "2000001", "0" * 32, "0" * 64])  # each login would take minutes


def resummed(document):
    return {**document, "checksum": sha256(document["content"])}


def test_documents_that_are_none(api, filled):
    good, at = backup(api), revision(api)
    config = good["content"]["config"]
    hostile = "x" * 100000
    for document, path in (
            (None, "/document"), ([], "/document"), ("text", "/document"), (1, "/document"),
            ({}, "/document/format"), (config, "/document/format"), ({**good, "format": "other"}, "/document/format"),
            ({**good, "format": None}, "/document/format"), ({**good, "version": 0}, "/document/version"),
            ({**good, "version": "1"}, "/document/version"), ({**good, "version": 1.5}, "/document/version"),
            ({**good, "version": 2 ** 62}, "/document/version"), ({**good, "more": 1}, "/document/more"),
            ({**good, hostile: 1}, "/document"),
            ({k: v for k, v in good.items() if k != "content"}, "/document/content"),
            ({k: v for k, v in good.items() if k != "checksum"}, "/document/checksum"),
            ({**good, "checksum": "0" * 64}, "/document/checksum"), ({**good, "checksum": 5}, "/document/checksum"),
            ({**good, "content": {}}, "/document/checksum"), ({**good, "content": None}, "/document/checksum"),
            ({**good, "hostname": 1}, "/document/hostname"), ({**good, "hostname": hostile}, "/document/hostname"),
            ({**good, "at": "now"}, "/document/at"), ({**good, "revision": -1}, "/document/revision"),
            ({**good, "made_by": {}}, "/document/made_by"),
            (resummed({**good, "content": []}), "/document/content"),
            (resummed({**good, "content": {}}), "/document/content/config"),
            (resummed({**good, "content": {"config": []}}), "/document/content/config"),
            (resummed({**good, "content": {"config": config, "more": 1}}), "/document/content/more"),
            (resummed({**good, "content": {"config": config, "secrets": 1}}), "/document/content/secrets"),
            (resummed({**good, "content": {"config": config, "secrets": {"key": "x"}}}), "/document/content/secrets/key"),
            (resummed({**good, "content": {"config": config, "secrets": {"password": "x"}}}),
             "/document/content/secrets/password"),
            (resummed({**good, "content": {"config": config, "secrets": {"password": SLOW_HASH}}}),
             "/document/content/secrets/password"),
            (resummed({**good, "content": {"config": {**config, "nonsense": 1}}}), "/document/content/config/nonsense"),
            (resummed({**good, "content": {"config": {**config, "forwards": [{"name": "x"}]}}}),
             "/document/content/config/forwards/0/internal_address")):
        where, message = fault(restore(api, document))
        assert where.startswith(path) and message, (path, where, message)
    assert fault(api.post("/restore", {}))[0] == "/document"
    assert fault(api.post("/restore", []))[0] == ""
    for key, value in (("dry_run", 1), ("passphrase", []), ("secrets", "yes"), ("nonsense", 1)):
        assert fault(restore(api, good, **{key: value}))[0] == f"/{key}"
    assert revision(api) == at and api.get("/config").expect(200) == filled


def test_hostile_encryption(api):
    good = backup(api, passphrase=PASSPHRASE)
    for key, value in (("iterations", 0), ("iterations", 999), ("iterations", 2000001), ("iterations", "1000"),
                       ("iterations", -1), ("iterations", 2 ** 63 - 1), ("salt", ""), ("salt", None), ("salt", "AAAA"),
                       ("salt", "!" * 24), ("nonce", base64.b64encode(b"n" * 13).decode()), ("tag", "A" * 100000),
                       ("check", 1), ("kdf", "scrypt"), ("cipher", "none"), ("cipher", 1), ("more", 1)):
        bad = {**good, "encryption": {**good["encryption"], key: value}}
        bad["checksum"] = sha256({k: v for k, v in bad.items() if k != "checksum"})
        assert fault(restore(api, bad, passphrase=PASSPHRASE))[0] == f"/document/encryption/{key}"
    for change in ({"ciphertext": 1}, {"ciphertext": "!"}, {"encryption": []}, {"encryption": {}}, {"content": {}}):
        bad = {**good, **change}
        bad["checksum"] = sha256(bad["content"] if "content" in bad else {k: v for k, v in bad.items() if k != "checksum"})
        assert restore(api, bad, passphrase=PASSPHRASE).status == 422, change


def test_what_the_kernel_refuses_is_not_restored(router, api):
    api.put("/config", {"uplinks": [UPLINK], "networks": [{"name": "lan", "devices": ["eth1"]}]}).expect(200)
    document, at, before, stood = backup(api), revision(api), api.get("/config").expect(200), kernel(router)
    document["content"]["config"]["uplinks"][0]["gateway"] = "2001:db8:1::1"  # the router itself
    for dry_run, status in ((True, 200), (False, 502)):
        restore(api, resummed(document), dry_run=dry_run).expect(status)
    assert (revision(api), api.get("/config").expect(200), kernel(router)) == (at, before, stood)


def test_who_may(router, fresh):
    stranger = router.client("127.0.0.1")
    for path, body in (("/backup", {}), ("/restore", {"document": {}})):
        assert stranger.post(path, body).status == 401
        assert fresh.api.post(path, body).status == 403, "setup is not finished"
        csrf, router.api.csrf = router.api.csrf, None
        assert router.api.post(path, body).status == 403
        router.api.csrf = csrf
    stranger.close()


def test_two_thousand_forwards(api):
    forwards = [{"name": f"f{i}", "external_ports": str(10000 + i), "internal_address": "192.168.1.2", "comment": "é" * 200}
                for i in range(2000)]
    config = api.put("/config", {"uplinks": [UPLINK], "forwards": forwards}).expect(200)
    document = backup(api, passphrase=PASSPHRASE)
    assert len(document["ciphertext"]) > 1 << 20, "more than the body of another request may have"
    api.put("/config", {}).expect(200)
    restore(api, document, passphrase=PASSPHRASE).expect(200)
    assert api.get("/config").expect(200)["forwards"] == config["forwards"]
