# SPDX-License-Identifier: GPL-2.0-or-later
"""portico backup, restore, import, config, and what a shell completes."""
import json
import subprocess

import pytest

from lab.porticod import TREE

from kinds import NETWORK, UPLINK, revision
from test_cli import cli, forwards, uplink  # noqa: F401, fixtures
from test_config import config_of_all_kinds
from test_import import WEB, recipe


@pytest.fixture
def passphrase_file(tmp_path):
    file = tmp_path / "passphrase"
    file.write_text("a passphrase of some length\nnot this\n", encoding="utf-8")
    return str(file)


def saved(tmp_path, text, name="backup.json"):
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return str(file)


# --- backup and restore ---

def test_there_and_back(cli, router, tmp_path):
    router.sock.put("/config", config_of_all_kinds()).expect(200)
    before = router.sock.get("/config").expect(200)
    file = saved(tmp_path, cli("backup").stdout)
    router.sock.put("/config", {}).expect(200)
    at = revision(router.sock)
    shown = cli("restore", "--dry-run", file).stdout
    assert "the backup of " in shown and "add uplink isp1" in shown and "nft add" in shown
    assert "device ppp0 is not here; --device ppp0=NEW" in shown and shown.endswith("nothing was changed.\n")
    assert revision(router.sock) == at
    done = cli("restore", file).stdout
    assert 'uplink "isp1" added' in done and done.endswith("restored.\n")
    assert router.sock.get("/config").expect(200) == before
    again = cli("restore", "-", stdin=open(file, encoding="utf-8").read()).stdout
    assert "nothing to restore" in again and revision(router.sock) == at + 1


def test_encrypted(cli, router, uplink, tmp_path, passphrase_file):
    file = saved(tmp_path, cli("backup", "--passphrase-file", passphrase_file, "--secrets").stdout)
    assert "isp1" not in open(file, encoding="utf-8").read()
    assert "--secrets" in cli("backup", "--help").stdout
    router.sock.put("/config", {}).expect(200)
    assert "is required: the backup is encrypted" in cli("restore", file, status=1).stderr
    wrong = saved(tmp_path, "another passphrase", "wrong")
    assert "/passphrase: is not the one" in cli("restore", "--passphrase-file", wrong, file, status=1).stderr
    assert "secrets leave the router encrypted only" in cli("backup", "--secrets", status=1).stderr
    plan = json.loads(cli("--json", "restore", "--dry-run", f"--passphrase-file={passphrase_file}", "--no-secrets", file).stdout)
    assert plan["secrets"] == []
    done = cli("restore", "--passphrase-file", passphrase_file, file).stdout
    assert "the password is that of the backup" in done
    assert router.sock.get("/uplinks").expect(200)["items"][0]["name"] == "isp1"
    router.login()
    assert cli("restore", "--passphrase-file", "-", "--dry-run", file, stdin="a passphrase of some length").stdout


def test_devices_are_mapped(cli, router, tmp_path):
    router.sock.put("/config", {"uplinks": [{"name": "a", "device": "wan0"}], "networks": [{"name": "lan", "devices": ["lan0"]}]})
    file = saved(tmp_path, cli("backup").stdout)
    cli("restore", "--device", "wan0=eth0", "--device=lan0=eth1", file)
    config = router.sock.get("/config").expect(200)
    assert (config["uplinks"][0]["device"], config["networks"][0]["devices"]) == ("eth0", ["eth1"])
    assert "KEY=VALUE" in cli("restore", "--device", "wan0", file, status=2).stderr
    assert "/devices/nothing: " in cli("restore", "--device", "nothing=eth0", file, status=1).stderr


def test_on_trial(cli, router, uplink, tmp_path):
    file = saved(tmp_path, cli("backup").stdout)
    router.sock.put("/config", {}).expect(200)
    assert "on trial: `portico confirm` keeps it" in cli("restore", "--confirm-within", "60", file).stdout
    cli("confirm")
    assert "nothing is changed" in cli("restore", "--dry-run", "--confirm-within", "60", file, status=2).stderr
    assert "portico backup" in cli("backup", "--confirm-within", "60", status=2).stderr


def test_damaged_files(cli, router, uplink, tmp_path):
    text = cli("backup").stdout
    assert "not JSON, or cut off: line" in cli("restore", saved(tmp_path, text[:len(text) // 2]), status=1).stderr
    assert "is damaged" in cli("restore", saved(tmp_path, text.replace("isp1", "isp2")), status=1).stderr
    assert "No such file" in cli("restore", str(tmp_path / "missing"), status=1).stderr
    assert "no backup of Portico" in cli("restore", saved(tmp_path, "{}"), status=1).stderr


# --- declarative use ---

def test_apply_is_idempotent(cli, router, tmp_path):
    config = {"uplinks": [UPLINK], "networks": [NETWORK], "forwards": [
        {"name": "web", "external_ports": "80", "internal_address": "192.168.1.2"}]}
    file = saved(tmp_path, json.dumps(config))
    plan = cli("plan", file).stdout
    assert "add forward web\n    enabled " in plan and "\nin the kernel:\n  " in plan
    steps = plan.split("in the kernel:\n")[1].splitlines()
    assert all(line.startswith(("  nft ", "  ip ", "  sysctl ", "  conntrack ")) for line in steps), steps
    assert not any("; nft" in line for line in steps)
    assert cli("apply", file).stdout == "configuration applied: 3 changes.\n"
    at = revision(router.sock)
    assert cli("config", "apply", file).stdout == "no change.\n"
    assert cli("plan", file).stdout == "nothing changes\n" and revision(router.sock) == at
    config["forwards"][0]["external_ports"] = "81"
    file = saved(tmp_path, json.dumps(config))
    changed = cli("plan", file).stdout
    assert "change forward web\n    external_ports  80 -> 81\n" in changed
    assert "on trial" in cli("apply", "--confirm-within=60", file).stdout
    cli("confirm")
    assert forwards(router)[0]["external_ports"] == "81" and forwards(router)[0]["id"] == 1, "names identify"
    shown = cli("config", "show").stdout
    assert cli("apply", "-", stdin=shown).stdout == "no change.\n"


def test_export(cli, router, uplink):
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2")
    assert "--to-destination 192.168.1.2" in cli("config", "export", "--format", "iptables").stdout
    assert "table inet portico" in cli("config", "export", "--format=nft").stdout
    assert "config redirect" in cli("config", "export", "--format", "uci").stdout
    assert "--format: must be" in cli("config", "export", "--format", "pf", status=1).stderr
    for wrong in ((), ("--format",), ("--format", "n ft"), ("--format", "nft", "file")):
        cli("config", "export", *wrong, status=2)


# --- import ---

def test_import(cli, router, uplink, tmp_path):
    file = saved(tmp_path, f"# a comment\n{WEB}\niptables -t nat -A PREROUTING -i eth0 -p tcp --dport 81 -m mac "
                 "--mac-source 00:11:22:33:44:55 -j DNAT --to 192.168.1.3\necho done\n", "recipe.sh")
    shown = cli("import", file).stdout
    assert f"    2  {WEB}\n       becomes forward web\n" in shown
    assert "       NOT TAKEN: no object here has the condition -m mac" in shown
    assert 'forward "web" added\n' in shown and "    internal_ports " in shown
    assert shown.endswith("1 object; 1 line not taken. Nothing was changed: --apply does it.\n")
    assert forwards(router) == []
    assert cli("import", "--apply", file).stdout.endswith("1 object added; 1 line not taken.\n")
    assert forwards(router)[0]["internal_ports"] == "8080"
    assert "it is there already" in cli("import", "--apply", "-", stdin=WEB).stdout


def test_import_of_openwrt(cli, router, tmp_path):
    firewall = saved(tmp_path, recipe("firewall.uci"), "firewall")
    network = saved(tmp_path, recipe("network.uci"), "network")
    answer = json.loads(cli("import", "--json", "--format", "uci-firewall", "--network", network, firewall).stdout)
    assert {"uplink", "network", "forward", "redirect"} <= {o["kind"] for o in answer["objects"]}
    network = saved(tmp_path, recipe("home-network.uci"), "network")
    cli("import", "--apply", "--network", network, saved(tmp_path, recipe("home-zones.uci"), "zones"))
    mwan3 = saved(tmp_path, recipe("home-mwan3.uci"), "mwan3")
    shown = cli("import", "--network", network, mwan3).stdout
    assert "    4  config interface 'wan'\n       changes uplink wan\n       weight 3, sticky true, " in shown
    assert 'uplink "wan" changed\n    weight ' in shown
    assert shown.endswith("3 objects, 3 to change. Nothing was changed: --apply does it.\n")
    assert cli("import", "--apply", "--network", network, mwan3).stdout.endswith("3 objects added, 3 changed.\n")
    assert "/format: must be" in cli("import", "--format", "pf", firewall, status=1).stderr
    assert "zero bytes" in cli("import", saved(tmp_path, "a\0b"), status=1).stderr
    assert "--confirm-within" in cli("import", "--confirm-within", "9", firewall, status=2).stderr


def test_files_do_not_speak_to_the_terminal(cli, uplink, tmp_path):
    """\\x9b is to many what ESC [ is: here it would clear the screen."""
    hostile = "-A PREROUTING \x1b[2J \x9b2J \x7f -j NONSENSE"
    shown = [cli("import", saved(tmp_path, hostile)).stdout,
             cli("restore", saved(tmp_path, '{"\x9b2J\x1b'), status=1).stderr]
    document = json.loads(cli("backup").stdout)
    document["\x9b2J\x1b"] = 1
    shown.append(cli("restore", saved(tmp_path, json.dumps(document, ensure_ascii=False)), status=1).stderr)
    for text in shown:
        assert "?2J" in text and not any(c in text for c in "\x1b\x7f\x9b"), text


def test_wrong_usage(cli, tmp_path):
    for arguments in (("restore",), ("restore", "a", "b"), ("restore", "--nonsense", "a"), ("restore", "--dry-run=yes", "a"),
                      ("backup", "file"), ("backup", "--passphrase-file"), ("import",), ("import", "--format"), ("plan",),
                      ("apply",), ("apply", "a", "b"), ("import", "a", "b"), ("plan", "a", "--confirm-within", "5")):
        stderr = cli(*arguments, status=2).stderr
        assert stderr.startswith("portico: ") and stderr.count("\n") == 1, stderr


def test_help(cli):
    for command in ("backup", "restore", "import", "plan", "apply", "config"):
        assert f"  {command} " in cli("--help").stdout
        text = cli(command, "--help").stdout
        assert "--json" in text or command == "backup"
        assert max(map(len, text.splitlines())) <= 80, text


# --- completion ---

@pytest.fixture
def completed(router):
    def run(*words):
        """What bash would offer for the last of the words."""
        words = ["portico", "--socket", str(router.socket_path), *words]
        script = (f"source {TREE}/init/portico.bash-completion; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); "
                  f"COMP_WORDS[0]={router.build}/portico; _portico; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
        done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=60, check=True)
        assert not done.stderr
        return done.stdout.split("\n")[:-1]
    return run


def test_completion(completed, cli, router, uplink):
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2")
    cli("forward", "add", "it's & more", "--port", "81", "--to", "192.168.1.2")
    assert completed("forw") == ["forward"]
    assert {"status", "backup", "restore", "import", "forward", "settings"} <= set(completed(""))
    assert completed("forward", "en") == ["enable"]
    assert completed("forward", "show", "") [:2] == ["web", "it\\'s\\ \\&\\ more"]
    assert completed("forward", "remove", "we") == ["web"]
    assert "--backend-sees" in completed("forward", "add", "x", "--")
    assert completed("forward", "add", "x", "--uplink", "") == ["isp1"]
    assert completed("forward", "add", "x", "--network", "l") == ["lan"]
    assert {"eth0", "eth1"} <= set(completed("uplink", "add", "x", "--device", ""))
    assert completed("uplink", "add", "x", "--sticky", "") == ["on", "off"]
    assert completed("config", "export", "--format", "") == ["nft", "iptables", "uci"]
    assert completed("config", "ex") == ["export"]
    assert "--dry-run" in completed("restore", "--")
    assert "--password-file" in completed("password", "--")
    assert completed("restore", "") == [""], "files, which bash offers itself"
    assert completed("import", "--format", "uci") == ["uci-firewall", "uci-mwan3"]
    assert "--confirm-within" in completed("forward", "add", "x", "--con")
    assert completed("nonsense", "") == [""]


def test_completion_without_a_daemon(router, tmp_path):
    done = subprocess.run([str(router.build / "portico"), "--complete", "5", "portico", "--socket", str(tmp_path / "no"),
                           "forward", "show", ""], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "--port" in done.stdout and not done.stderr
