# SPDX-License-Identifier: GPL-2.0-or-later
"""portico history, confirm, token, and --confirm-within."""
import json
import re

import pytest

from kinds import KINDS, UPLINK, revision
from test_cli import cli, rows  # noqa: F401 (a fixture)

FORWARD = KINDS["/forwards"][2]


@pytest.fixture
def isp(router):
    yield router.sock.post("/uplinks", UPLINK).expect(201)
    router.sock.post("/confirm")


def ports(router):
    return [f["external_ports"] for f in router.sock.get("/forwards").expect(200)["items"]]


# --- history ---

def test_the_list(cli, router, isp):
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2")
    router.api.put("/config", {"networks": [{"name": f"n{i}"} for i in range(12)]}).expect(200)
    at = revision(router.sock)
    cli("history", "restore", str(at - 1))
    top, middle, bottom = rows(cli("history", "--limit", "3").stdout)[:3]
    assert (bottom["REVISION"], bottom["AUTHOR"], bottom["CHANGES"]) == (str(at - 1), "root", 'forward "web" added')
    assert middle["AUTHOR"] == "admin" and middle["CHANGES"] == 'network "n0" added, network "n1" added, 12 more'
    assert top["REASON"] == f"restore of {at - 1}" and bottom["REASON"] == "-"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", top["AT"])
    text = cli("history", "--limit=1", "--before", str(at)).stdout
    assert rows(text)[0]["REVISION"] == str(at - 1) and f"more: portico history --before {at - 1}\n" in text
    listed = json.loads(cli("history", "--limit", "2", "--json").stdout)
    assert listed == router.sock.get("/revisions?limit=2").expect(200)


def test_one_and_two(cli, router, isp):
    at = revision(router.sock)
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2", "--protocol", "tcp,udp")
    cli("uplink", "set", "isp1", "--weight", "7")
    cli("forward", "set", "web", "--port", "81", "--source", "198.51.100.0/24")
    shown = cli("history", "show", str(at + 3)).stdout.splitlines()
    assert shown[0].endswith("by root: PATCH /api/v1/forwards/1")
    assert shown[1:] == ['forward "web" changed', "    external_ports  80 -> 81", "    sources         - -> 198.51.100.0/24"]
    added = cli("history", "show", str(at + 1)).stdout.splitlines()
    assert added[1] == 'forward "web" added' and "    protocols         tcp, udp" in added
    assert not [line for line in added if "comment" in line], "what is empty says nothing"
    assert cli("history", "diff", str(at + 1)).stdout.splitlines() == [
        f"from revision {at + 1} to {at + 3}:", 'uplink "isp1" changed', "    weight  1 -> 7", *shown[1:]]
    assert 'forward "web" removed' in cli("history", "diff", str(at + 3), str(at)).stdout
    assert cli("history", "diff", str(at), str(at)).stdout == "no difference\n"
    assert json.loads(cli("--json", "history", "diff", str(at)).stdout) == router.sock.get(
        f"/revisions/{at}/diff").expect(200)
    assert json.loads(cli("--json", "history", "show", str(at)).stdout) == router.sock.get(f"/revisions/{at}").expect(200)


def test_restore(cli, router, isp):
    at = revision(router.sock)
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2")
    done = cli("history", "restore", str(at)).stdout
    assert done.startswith('forward "web" removed\n') and done.endswith(f"restored, as revision {at + 2}.\n")
    assert ports(router) == []
    assert "nothing to restore" in cli("history", "restore", str(at)).stdout
    assert json.loads(cli("--json", "history", "restore", str(at)).stdout) == {"revision": at + 2, "changes": []}
    assert f"the newest is {at + 2}" in cli("history", "restore", str(at + 9), status=1).stderr


def test_who_confirmed(cli, router, isp):
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2", "--confirm-within", "600")
    at = str(revision(router.sock))
    assert "confirmed" not in cli("history", "show", at).stdout
    router.api.post("/confirm").expect(200)
    shown = cli("history", "show", at).stdout.splitlines()
    assert re.fullmatch(r"on trial, and confirmed \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, by admin", shown[1])
    assert shown[2] == 'forward "web" added'


def test_nested_fields(cli, router, isp):
    router.sock.patch("/uplinks/1", {"health": {"targets": ["198.51.100.1"]}}).expect(200)
    router.sock.patch("/uplinks/1", {"health": {"interval_ms": 3000}}).expect(200)
    at = revision(router.sock)
    assert "    health/interval_ms  1000 -> 3000" in cli("history", "show", str(at)).stdout
    assert "    health  - -> method icmp, targets 198.51.100.1" in cli("history", "show", str(at - 1)).stdout


def test_plan_tells_fields(cli, router, isp, tmp_path):
    config = router.sock.get("/config").expect(200)
    config["uplinks"][0]["weight"] = 3
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    assert "change uplink isp1\n    weight  1 -> 3\n" in cli("config", "plan", str(file)).stdout


# --- trial ---

def test_on_trial(cli, router, isp, tmp_path):
    at = revision(router.sock)
    done = cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2", "--confirm-within", "600")
    assert done.stdout == (f"forward web added.\non trial: `portico confirm` keeps it; else revision {at} "
                           "comes back in 600 s.\n")
    assert f"revision {at + 1}: `portico confirm` keeps it; else revision {at} comes back in " in cli("status").stdout
    cli("forward", "set", "web", "--port", "81")
    assert cli("confirm").stdout == f"revision {at + 2} is confirmed.\n" and ports(router) == ["81"]
    assert "trial" not in cli("status").stdout
    assert "nothing is on trial" in cli("confirm", status=1).stderr
    cli("--confirm-within=600", "forward", "remove", "web")
    assert json.loads(cli("confirm", "--json").stdout) == {"revision": at + 3}
    assert "comes back in" in cli("history", "restore", str(at + 2), "--confirm-within", "600").stdout
    file = tmp_path / "config.json"
    file.write_text("{}", encoding="utf-8")
    assert "comes back in" in cli("config", "apply", str(file), "--confirm-within", "600").stdout
    assert "comes back" not in cli("--json", "config", "apply", str(file), "--confirm-within", "600").stdout
    # The same again is no change, so there is nothing on trial.
    cli("confirm")
    assert cli("config", "apply", str(file), "--confirm-within", "600").stdout == "no change.\n"


def test_wrong_usage(cli, router, isp):
    for arguments in (("--confirm-within",), ("--confirm-within", "x", "status"), ("--confirm-within=", "status"),
                      ("--confirm-within", "-1", "status"), ("--confirm-within", "60", "status"),
                      ("--confirm-within", "60"), ("--confirm-within", "60", "forward", "list"),
                      ("--confirm-within", "60", "confirm"), ("--confirm-within", "60", "history"),
                      ("--confirm-within", "60", "history", "show", "1"), ("--confirm-within", "60", "token"),
                      ("--confirm-within", "60", "config", "show"), ("--confirm-within", "60", "events"),
                      ("history", "x"), ("history", "show"), ("history", "show", "x"), ("history", "show", "1", "2"),
                      ("history", "diff"), ("history", "diff", "1", "2", "3"), ("history", "restore"),
                      ("history", "restore", "-1"), ("history", "--limit"), ("history", "--limit", "x"),
                      ("history", "--after", "1"), ("confirm", "x"), ("token", "x"), ("token", "add"),
                      ("token", "add", "x"), ("token", "add", "x", "--role"), ("token", "add", "x", "y", "--role", "admin"),
                      ("token", "add", "x", "--rule", "admin"), ("token", "remove"), ("token", "remove", "x", "y"),
                      ("token", "list", "x")):
        stderr = cli(*arguments, status=2).stderr
        assert stderr.startswith("portico: ") and stderr.count("\n") == 1, stderr
    assert "--confirm-within: must be a whole number from 1 to 86400" in cli(
        "network", "add", "x", "--confirm-within", "0", status=1).stderr
    assert "--limit: must be" in cli("history", "--limit", "1000", status=1).stderr
    assert router.sock.get("/networks").expect(200)["items"] == []


# --- tokens ---

def test_tokens(cli, router):
    done = cli("token", "add", "ansible", "--role", "admin")
    secret = done.stdout.strip()
    assert re.fullmatch("portico_[0-9a-f]{64}", secret) and "nobody can tell it again" in done.stderr
    made = json.loads(cli("token", "add", "--role=viewer", "prometheus", "--json").stdout)
    assert made["role"] == "viewer" and made["token"].startswith("portico_")
    client = router.client("127.0.0.1")
    client.headers["Authorization"] = f"Bearer {secret}"
    assert client.get("/status").status == 200
    listed = rows(cli("token").stdout)
    assert [(t["NAME"], t["ROLE"]) for t in listed] == [("ansible", "admin"), ("prometheus", "viewer")]
    assert listed[0]["LAST USED"] != "-" and listed[1]["LAST USED"] == "-"
    assert json.loads(cli("token", "list", "--json").stdout) == router.sock.get("/tokens").expect(200)
    assert "must be" in cli("token", "add", "x", "--role", "root", status=1).stderr
    assert "already" in cli("token", "add", "ansible", "--role", "admin", status=1).stderr
    assert cli("token", "remove", "ansible").stdout == "token ansible removed.\n"
    assert cli("token", "remove", str(made["id"])).stdout == "token prometheus removed.\n"
    assert '"ansible"' in cli("token", "remove", "ansible", status=1).stderr
    assert client.get("/status").status == 401
    router.client("127.0.0.1").login()


def test_help(cli):
    for command in ("history", "confirm", "token"):
        assert command in cli("--help").stdout
        text = cli(command, "--help").stdout
        assert command in text and max(map(len, text.splitlines())) <= 80
    assert "--confirm-within" in cli("--help").stdout and max(map(len, cli("--help").stdout.splitlines())) <= 80
