# SPDX-License-Identifier: GPL-2.0-or-later
"""The portico command, against the running daemon."""
import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess

import pytest

from kinds import NETWORK, UPLINK, revision
from lab.lab import wait_for


@pytest.fixture
def cli(router):
    """cli("forward", "list") -> its CompletedProcess; status 0 unless `status` says otherwise."""
    def run(*arguments, status=0, stdin=None):
        done = subprocess.run([str(router.build / "portico"), "--socket", str(router.socket_path), *arguments],
                              input=stdin, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, f"portico {arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert (status == 0) or (done.stderr and not done.stdout), f"{done.stdout}{done.stderr}"
        return done
    return run


@pytest.fixture
def uplink(router):
    router.sock.post("/networks", NETWORK).expect(201)
    return router.sock.post("/uplinks", UPLINK).expect(201)


def forwards(router):
    return router.sock.get("/forwards").expect(200)["items"]


def rows(text):
    """A table as dicts by its titles."""
    lines = text.splitlines()
    titles, starts = [], []
    for word in lines[0].split("  "):
        if word.strip():
            titles.append(word.strip())
            starts.append(lines[0].index(word.strip(), starts[-1] + len(titles[-2]) if starts else 0))
    ends = starts[1:] + [None]
    return [{t: line[s:e].strip() for t, s, e in zip(titles, starts, ends)} for line in lines[1:]]


# --- status ---

def test_status(cli, uplink):
    text, same = (re.sub("up for .*", "", cli(*words).stdout) for words in ([], ["status"]))
    assert text == same
    assert "in sync" in text and "isp1" in text and "192.0.2.1" in text and "revision" in text
    status = json.loads(cli("--json").stdout)
    assert status["uplinks"][0]["name"] == "isp1" and status["kernel"]["in_sync"]
    assert cli("status", "more", status=2)


def test_setup_code(cli, fresh):
    code = fresh.cli("setup-code").stdout.strip()
    assert code == fresh.sock.get("/setup").expect(200)["code"] and len(code) == 8
    assert json.loads(fresh.cli("--json", "setup-code").stdout) == {"finished": False, "code": code}
    assert "finished" in cli("setup-code", status=1).stderr


# --- the password ---

def password_is(daemon, password):
    client = daemon.client("127.0.0.1")
    answer = client.post("/session", {"username": "admin", "password": password})
    client.close()
    assert answer.status in (201, 401)
    return answer.status == 201


def test_password_from_a_file(fresh, tmp_path):
    file = tmp_path / "password"
    file.write_text("from the first line\nand nothing else\n", encoding="utf-8")
    assert "logged out" in fresh.cli("password", "--password-file", str(file)).stdout
    assert password_is(fresh, "from the first line")
    done = subprocess.run([str(fresh.build / "portico"), "--json", "--socket", str(fresh.socket_path), "password",
                           "--password-file=-"], input="by the standard input", capture_output=True, text=True, timeout=60,
                          check=True)
    assert json.loads(done.stdout) == {"finished": True}
    assert password_is(fresh, "by the standard input")
    for arguments, status, words in ((["--password-file", "/nonexistent"], 1, "No such file"), (["secret word"], 2, "no argument"),
                                     (["--password-file", "/dev/null"], 1, "at least 8"),
                                     (["--confirm-within", "9"], 2, "on trial"), (["--nonsense"], 2, "no such option")):
        done = fresh.cli("password", *arguments, check=False)
        assert done.returncode == status and words in done.stderr and not done.stdout, done


def ask_password(daemon, *steps):
    """Runs `portico password` at a terminal of its own; steps are what is waited for, and what is typed then."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(daemon.build / "portico", ["portico", "--socket", str(daemon.socket_path), "password"])
    seen = b""

    def more():
        nonlocal seen
        assert select.select([terminal], [], [], 30)[0], f"nothing more is said: {seen}"
        seen += os.read(terminal, 1024)

    try:
        for wanted, typed in steps:
            while wanted not in seen:
                more()
            os.write(terminal, typed)
        with contextlib.suppress(OSError):  # EIO: it has ended
            while True:
                more()
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise
    finally:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(terminal)
    return status, seen.decode()


def test_password_at_a_terminal(fresh):
    first, again = b"New password", b"once more"
    status, seen = ask_password(fresh, (first, b"typed, not seen\n"), (again, b"typed, not seen\n"))
    assert status == 0 and "the password is set" in seen and "typed" not in seen
    assert password_is(fresh, "typed, not seen")
    status, seen = ask_password(fresh, (first, b"typed, not seen 2\n"), (again, b"typed, not seen 3\n"))
    assert status == 1 and "not the same" in seen
    for end in (b"\x03", b"\x04"):  # Ctrl-C, Ctrl-D
        status, seen = ask_password(fresh, (first, b"typed, not seen 2\n"), (again, end))
        assert status == 1 and "stays as it is" in seen
    assert password_is(fresh, "typed, not seen")


def test_password_without_a_terminal(fresh):
    done = subprocess.run([str(fresh.build / "portico"), "--socket", str(fresh.socket_path), "password"], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False, start_new_session=True)
    assert done.returncode == 2 and "--password-file" in done.stderr


# --- forwards ---

def test_the_whole_job_in_one_line(cli, router, uplink):
    done = cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2")
    assert done.stdout == "forward web added.\n" and not done.stderr
    forward, = forwards(router)
    assert (forward["external_ports"], forward["internal_address"], forward["state"]["live"]) == (
        "80", "192.168.1.2", True)
    row, = rows(cli("forward", "list").stdout)
    assert row == {"ID": "1", "NAME": "web", "STATE": "live", "PROTOCOL": "tcp", "PORTS": "80", "TO": "192.168.1.2",
                   "UPLINKS": "all", "CONNECTIONS": "0"}


def test_every_option_of_a_forward(cli, router, uplink):
    cli("forward", "add", "all", "--port", "80,8000-8100", "--to", "192.168.1.2", "--to-port", "81,9000-9100",
        "--protocol", "tcp,udp", "--uplink", "isp1", "--source", "198.51.100.0/24", "--source=203.0.113.7",
        "--no-hairpin", "--backend-sees", "router", "--comment", "häh? 注释", "--disabled",
        "--expires-at", "2100-01-01T00:00:00Z", "--schedule", "mon-fri 08:00-22:00, sat,sun 10:00-24:00", "--log")
    forward, = forwards(router)
    assert {k: forward[k] for k in forward if k not in ("id", "state", "counters")} == {
        "name": "all", "enabled": False, "family": "ipv4", "protocols": ["tcp", "udp"], "uplinks": ["isp1"],
        "external_ports": "80,8000-8100", "internal_address": "192.168.1.2", "internal_ports": "81,9000-9100",
        "sources": ["198.51.100.0/24", "203.0.113.7"], "hairpin": False, "backend_sees": "router",
        "comment": "häh? 注释", "expires_at": "2100-01-01T00:00:00Z", "internal_network": None, "pinhole": False,
        "schedule": "mon-fri 08:00-22:00, sat,sun 10:00-24:00", "log": True}
    cli("forward", "set", "all", "--source", "", "--uplink=", "--to-port", "same", "--expires-at", "never", "--hairpin",
        "--enabled", "--name", "some", "--schedule", "always", "--no-log")
    forward, = forwards(router)
    assert (forward["sources"], forward["uplinks"], forward["internal_ports"], forward["expires_at"],
            forward["hairpin"], forward["enabled"], forward["name"], forward["schedule"], forward["log"]) == (
                [], [], None, None, True, True, "some", None, False)


def test_a_pinhole(cli, router, uplink):
    cli("forward", "add", "nas", "--port", "443", "--to", "::1:2:3:4/-64", "--network", "lan", "--pinhole")
    forward, = forwards(router)
    assert (forward["pinhole"], forward["internal_network"], forward["family"]) == (True, "lan", "ipv6")
    row, = rows(cli("forward", "list").stdout)
    assert (row["STATE"], row["TO"]) == ("no-prefix", "::1:2:3:4/-64 (pinhole)")
    cli("forward", "set", "nas", "--no-pinhole", "--network", "any", "--to", "[::5/-64]:8443")
    forward, = forwards(router)
    assert (forward["pinhole"], forward["internal_network"], forward["internal_ports"]) == (False, None, "8443")
    assert rows(cli("forward", "list").stdout)[0]["TO"] == "[::5/-64]:8443"
    stderr = cli("forward", "set", "nas", "--network", "nowhere", "--schedule", "weekends", status=1).stderr
    assert '--schedule: must be days and hours such as "mon-fri 08:00-22:00"' in stderr


@pytest.mark.parametrize("to, address, ports", [
    ("192.168.1.2:8080", "192.168.1.2", "8080"), ("192.168.1.2", "192.168.1.2", None),
    ("2001:db8::2", "2001:db8::2", None), ("[2001:db8::2]:8080", "2001:db8::2", "8080"),
    ("[2001:db8::2]", "2001:db8::2", None), ("::1:2:3:4/-64", "::1:2:3:4/-64", None),
    ("[::2/-64]:8080", "::2/-64", "8080")])
def test_where_to(cli, router, uplink, to, address, ports):
    cli("forward", "add", "f", "--port", "80", "--to", to)
    forward, = forwards(router)
    assert (forward["internal_address"], forward["internal_ports"]) == (address, ports)


def test_protocols_without_ports(cli, router, uplink):
    cli("forward", "add", "tunnel", "--protocol", "gre", "--port", "none", "--to", "192.168.1.2")
    assert forwards(router)[0]["external_ports"] is None


def test_life_of_a_forward(cli, router, uplink):
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2")
    shown = cli("forward", "show", "web").stdout
    assert "external_ports" in shown and "192.168.1.2" in shown and "state.live" in shown
    assert json.loads(cli("forward", "show", "1", "--json").stdout) == forwards(router)[0]
    assert cli("forward", "disable", "web").stdout == "forward web disabled.\n"
    assert rows(cli("forward").stdout)[0]["STATE"] == "disabled"
    cli("forward", "enable", "1")
    assert forwards(router)[0]["enabled"] is True
    assert json.loads(cli("--json", "forward", "set", "web", "--port", "81").stdout)["external_ports"] == "81"
    assert json.loads(cli("--json", "forward", "list").stdout) == {"items": forwards(router)}
    assert cli("forward", "remove", "web").stdout == "forward web removed.\n"
    assert forwards(router) == []
    for action in ("show", "enable", "disable", "remove"):
        assert '"web"' in cli("forward", action, "web", status=1).stderr


def test_names_win_over_ids(cli, router, uplink):
    cli("forward", "add", "2", "--port", "80", "--to", "192.168.1.2")
    cli("forward", "add", "other", "--port", "81", "--to", "192.168.1.2")
    cli("forward", "remove", "2")
    assert [f["name"] for f in forwards(router)] == ["other"]
    cli("forward", "remove", "2")
    assert forwards(router) == []


def test_columns_stay_aligned(cli, router, uplink):
    for i, name in enumerate(("a", "a rather long name", "注释注释", "é")):
        cli("forward", "add", name, "--port", str(80 + i), "--to", "192.168.1.2")
    lines = cli("forward", "list").stdout.splitlines()

    def column(line):  # two columns for each ideograph
        text = line[:line.index("tcp" if "tcp" in line else "PROTOCOL")]
        return len(text) + sum(c > "\u2e80" for c in text)

    assert len({column(line) for line in lines}) == 1, lines


def test_long_lists_of_ports_are_cut(cli, router, uplink):
    ports = ",".join(str(port) for port in range(3000, 3100, 2))
    cli("forward", "add", "many", "--port", ports, "--to", "192.168.1.2", "--to-port", ports)
    row, = rows(cli("forward", "list").stdout)
    assert row["PORTS"] == "3000,3002,3004,3006,..." and row["TO"] == "192.168.1.2:3000,3002,3004,3006,..."
    assert ports in cli("forward", "show", "many").stdout


# --- the other kinds ---

def test_uplinks(cli, router):
    cli("uplink", "add", "isp", "--device", "eth0", "--gateway", "192.0.2.254", "--source-nat", "none",
        "--weight", "3", "--tier", "2", "--sticky", "on")
    uplink = router.sock.get("/uplinks/1").expect(200)
    assert (uplink["device"], uplink["gateway"], uplink["source_nat"], uplink["weight"], uplink["tier"],
            uplink["sticky"]) == ("eth0", "192.0.2.254", "none", 3, 2, True)
    cli("uplink", "set", "isp", "--gateway", "none", "--sticky", "off")
    uplink = router.sock.get("/uplinks/1").expect(200)
    assert uplink["gateway"] is None and uplink["sticky"] is False
    row, = rows(cli("uplink", "list").stdout)
    assert row["STATE"] == "up" and "192.0.2.1" in row["ADDRESSES"]
    cli("uplink", "remove", "isp")
    assert router.sock.get("/uplinks").expect(200)["items"] == []


def test_every_option_of_an_uplink(cli, router):
    cli("uplink", "add", "all", "--device", "eth7", "--gateway", "192.0.2.254", "--source-nat", "192.0.2.1",
        "--source-nat6", "masquerade", "--prefix", "2001:db8:1::/56,2001:db8:2::/56", "--weight", "3", "--tier", "2",
        "--sticky", "on", "--sticky-timeout", "60", "--out-of-service", "on", "--check", "tcp",
        "--target", "192.0.2.7:443", "--target", "[2001:db8::7]:443", "--need", "2", "--interval-ms", "500", "--timeout-ms",
        "400", "--down-after", "4", "--up-after", "5", "--window", "50", "--max-loss", "20", "--max-latency", "100",
        "--disabled")
    uplink = router.sock.get("/uplinks/1").expect(200)
    assert {k: uplink[k] for k in uplink if k not in ("id", "state")} == {
        "name": "all", "enabled": False, "device": "eth7", "gateway": "192.0.2.254", "source_nat": "192.0.2.1",
        "source_nat6": "masquerade", "prefixes": ["2001:db8:1::/56", "2001:db8:2::/56"], "weight": 3, "tier": 2,
        "sticky": True, "sticky_timeout_s": 60, "out_of_service": True,
        "health": {"method": "tcp", "targets": ["192.0.2.7:443", "[2001:db8::7]:443"], "need": "2", "interval_ms": 500,
                   "timeout_ms": 400, "down_after": 4, "up_after": 5, "window": 50, "max_loss_percent": 20,
                   "max_latency_ms": 100}}
    cli("uplink", "set", "all", "--max-loss", "none", "--max-latency=none", "--window", "10", "--prefix", "")
    changed = router.sock.get("/uplinks/1").expect(200)
    assert changed["health"] == {**uplink["health"], "max_loss_percent": None, "max_latency_ms": None, "window": 10}
    assert changed["prefixes"] == []
    cli("uplink", "set", "all", "--check", "icmp", "--target", "192.0.2.254", "--need", "any")
    assert router.sock.get("/uplinks/1").expect(200)["health"]["targets"] == ["192.0.2.254"]
    cli("uplink", "set", "all", "--check", "none")
    assert router.sock.get("/uplinks/1").expect(200)["health"] is None


def test_faults_in_a_health_check_are_told_by_option(cli, uplink):
    for arguments, option in ((("--check", "icmp"), "--target"), (("--window", "4", "--target", "192.0.2.7"), "--window"),
                              (("--check", "carrier", "--target", "192.0.2.7"), "--check"),
                              (("--check", "tcp", "--target", "192.0.2.7:80,192.0.2.8"), "--target"),
                              (("--target", "192.0.2.7", "--max-loss", "much"), "--max-loss"),
                              (("--prefix", "10.0.0.0/8",), "--prefix"), (("--source-nat6", "x"), "--source-nat6")):
        assert f"portico: {option}: " in cli("uplink", "set", "isp1", *arguments, status=1).stderr, arguments
    for arguments in (("--check", "none", "--target", "192.0.2.7"), ("--window", "9", "--check", "none")):
        assert "--check none" in cli("uplink", "set", "isp1", *arguments, status=2).stderr


def test_uplink_health(cli, router):
    cli("uplink", "add", "isp1", "--device", "eth0", "--check", "icmp", "--target", "192.0.2.254,192.0.2.77",
        "--interval-ms", "100", "--timeout-ms", "200", "--up-after", "1")
    wait_for(lambda: router.sock.get("/uplinks/1").expect(200)["state"]["up"], what="the uplink to be up")
    wait_for(lambda: router.sock.get("/uplinks/1/health").expect(200)["targets"][1]["loss_percent"], what="losses")
    row, = rows(cli("uplink", "list").stdout)
    assert (row["STATE"], row["IN USE"], row["TIER"]) == ("up", "yes", "1") and " ms, 0 % lost" in row["QUALITY"]
    assert " ms, 0 % lost" in cli("status").stdout
    targets, _, changes = cli("uplink", "health", "isp1").stdout.partition("\n\n")
    first, second = rows(targets)
    assert first["TARGET"] == "192.0.2.254" and first["LATENCY"].endswith(" ms") and first["LOSS"] == "0 %"
    assert second["LATENCY"] == "-" and second["LOSS"] != "0 %"
    assert rows(changes)[0]["STATE"] == "up"
    assert json.loads(cli("--json", "uplink", "health", "1").stdout)["samples"]

    text = cli("uplink", "test", "isp1").stdout
    answers = rows(text.partition("\n\n")[0])
    assert answers[0]["ANSWER"].endswith(" ms") and answers[1]["ANSWER"] == "no answer" and text.endswith("\npassed\n")
    assert json.loads(cli("--json", "uplink", "test", "isp1").stdout)["passed"] is True
    cli("uplink", "set", "isp1", "--need", "all")
    for arguments in ((), ("--json",)):
        done = router.cli(*arguments, "uplink", "test", "isp1", check=False)
        assert done.returncode == 1 and not done.stderr
        assert "\nnot passed\n" in done.stdout if not arguments else json.loads(done.stdout)["passed"] is False


def test_out_of_service(cli, router, uplink):
    assert cli("uplink", "out", "isp1").stdout == "uplink isp1 is out of service.\n"
    assert router.sock.get("/uplinks/1").expect(200)["out_of_service"] is True
    assert rows(cli("uplink", "list").stdout)[0]["IN USE"] == "no"
    assert cli("uplink", "in", "1").stdout == "uplink isp1 is back in service.\n"
    assert router.sock.get("/uplinks/1").expect(200)["out_of_service"] is False
    for action in ("out", "in", "test", "health"):
        assert '"isp9"' in cli("uplink", action, "isp9", status=1).stderr
        cli("forward", action, "web", status=2)


def test_policies(cli, router, uplink):
    cli("policy", "add", "voice", "--position", "5", "--source", "192.168.1.0/24", "--destination",
        "203.0.113.0/24,198.51.100.7", "--protocol", "udp", "--port", "5060,10000-20000", "--uplink", "isp1",
        "--otherwise", "unreachable")
    policy = router.sock.get("/policies/1").expect(200)
    assert {k: policy[k] for k in policy if k not in ("id", "state")} == {
        "name": "voice", "enabled": True, "position": 5, "sources": ["192.168.1.0/24"],
        "destinations": ["203.0.113.0/24", "198.51.100.7"], "protocol": "udp", "ports": "5060,10000-20000",
        "uplinks": ["isp1"], "otherwise": "unreachable"}
    row, = rows(cli("policy", "list").stdout)
    assert (row["POSITION"], row["UPLINKS"], row["OTHERWISE"], row["NOW"]) == ("5", "isp1", "unreachable", "isp1")
    cli("uplink", "disable", "isp1")
    assert rows(cli("policy").stdout)[0]["NOW"] == "none"
    done = cli("policy", "set", "voice", "--uplink", "isp2,isp1", "--port", "any", "--protocol=any", "--source", "",
               "--otherwise", "any")
    assert done.stderr.startswith("warning: --uplink: ")
    policy = router.sock.get("/policies/1").expect(200)
    assert (policy["uplinks"], policy["ports"], policy["protocol"], policy["sources"]) == (["isp2", "isp1"], None, None, [])
    assert "--port: " in cli("policy", "set", "voice", "--protocol", "gre", "--port", "1", status=1).stderr
    assert "state.ipv4" in cli("policy", "show", "voice").stdout
    cli("policy", "disable", "voice")
    assert rows(cli("policy").stdout)[0]["NOW"] == "-"
    cli("policy", "remove", "voice")
    assert router.sock.get("/policies").expect(200)["items"] == []


def test_networks(cli, router):
    cli("network", "add", "lan", "--device", "eth1", "--prefix", "10.8.0.0/24", "--hairpin", "off",
        "--hairpin-source", "external")
    network = router.sock.get("/networks/1").expect(200)
    assert (network["devices"], network["prefixes"], network["hairpin"], network["hairpin_source"]) == (
        ["eth1"], ["10.8.0.0/24"], "off", "external")
    assert rows(cli("network").stdout)[0]["PREFIXES"] == "192.168.1.0/24, 10.8.0.0/24"
    assert "enable" in cli("network", "enable", "lan", status=2).stderr, "a network has no such switch"
    cli("network", "remove", "lan")


def test_redirects_and_source_nats(cli, router, uplink):
    cli("redirect", "add", "proxy", "--network", "lan", "--port", "80", "--to-port", "8888", "--except", "192.168.1.9")
    assert rows(cli("redirect", "list").stdout)[0]["TO PORT"] == "8888"
    cli("source-nat", "add", "vpn", "--source", "10.8.0.0/24,10.9.0.0/24", "--uplink", "isp1", "--address", "192.0.2.9")
    assert router.sock.get("/source-nats/1").expect(200)["sources"] == ["10.8.0.0/24", "10.9.0.0/24"]
    assert "proxy" in cli("network", "remove", "lan", status=1).stderr, "names what still uses it"
    cli("redirect", "disable", "proxy")
    assert router.sock.get("/redirects/1").expect(200)["enabled"] is False


def test_settings(cli, router):
    assert "history_length" in cli("settings").stdout
    cli("settings", "set", "--language", "zh", "--admin-from-uplinks", "on", "--last-resort", "unreachable")
    settings = router.sock.get("/settings").expect(200)
    assert settings["language"] == "zh" and settings["admin_from_uplinks"] is True
    assert settings["last_resort"] == "unreachable"
    assert "--history-length: " in cli("settings", "set", "--history-length", "1", status=1).stderr
    assert "--history-length: " in cli("settings", "set", "--history-length", "many", status=1).stderr


# --- the whole ---

def test_config(cli, router, uplink, tmp_path):
    config = json.loads(cli("config", "show").stdout)
    config["forwards"] = [{"name": "web", "external_ports": "80", "internal_address": "192.168.1.2"}]
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    at = revision(router.sock)
    plan = cli("config", "plan", str(file)).stdout
    assert "add forward web" in plan and "nft add element" in plan
    assert revision(router.sock) == at
    cli("config", "apply", str(file))
    assert [f["name"] for f in forwards(router)] == ["web"]
    assert "nothing changes" in cli("config", "plan", str(file)).stdout
    cli("config", "apply", "-", stdin="{}")
    assert forwards(router) == []
    config["forwards"][0]["external_ports"] = "x"
    file.write_text(json.dumps(config), encoding="utf-8")
    assert "/forwards/0/external_ports: " in cli("config", "apply", str(file), status=1).stderr
    assert "line 1" in cli("config", "apply", "-", status=1, stdin="nonsense").stderr
    assert "No such file" in cli("config", "plan", str(tmp_path / "missing"), status=1).stderr


# --- what goes wrong ---

def test_faults_are_told_by_option(cli, router, uplink):
    for arguments, words in ((("--port", "x", "--to", "192.168.1.2"), ["--port: "]),
                             (("--port", "80", "--to", "nowhere"), ["--to: "]),
                             (("--port", "80", "--to", "192.168.1.2:x"), ["--to-port: "]),
                             (("--port", "0", "--to", "x", "--source", "y"), ["--port: ", "--to: ", "--source: "]),
                             (("--to", "192.168.1.2"), ["--port: "]), ((), ["--to: "])):
        stderr = cli("forward", "add", "f", *arguments, status=1).stderr
        for word in words:
            assert word in stderr
    assert "NAME: " in cli("forward", "add", "x" * 65, "--port", "80", "--to", "192.168.1.2", status=1).stderr
    cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2")
    clash = cli("forward", "add", "other", "--port", "80", "--to", "192.168.1.2", status=1).stderr
    assert "--port: " in clash and "web" in clash
    assert len(forwards(router)) == 1


def test_warnings_are_told(cli, uplink):
    done = cli("forward", "add", "web", "--port", "80", "--to", "192.168.1.2", "--uplink", "nothere")
    assert done.stderr.startswith("warning: --uplink: ")


def test_wrong_usage(cli):
    for arguments in (("nonsense",), ("forward", "nonsense"), ("forward", "add"), ("forward", "add", "--port", "80"),
                      ("forward", "add", "x", "--nonsense", "1"), ("forward", "add", "x", "--port"),
                      ("forward", "add", "x", "80"), ("forward", "list", "x"), ("forward", "show"),
                      ("forward", "remove", "a", "b"), ("forward", "add", "x", "--hairpin=no"), ("forward", "set", "x"),
                      ("uplink", "add", "x", "--sticky", "maybe"), ("config", "nonsense"), ("config", "apply"),
                      ("config", "apply", "a", "b"), ("settings", "set"), ("settings", "remove"), ("--socket",)):
        stderr = cli(*arguments, status=2).stderr
        assert stderr.startswith("portico: ") and stderr.count("\n") == 1, stderr


def test_help(cli):
    assert "portico forward add web --port 80 --to 192.168.0.2" in cli("--help").stdout
    for command in ("status", "forward", "uplink", "network", "redirect", "source-nat", "policy", "settings", "config",
                    "events", "setup-code", "password"):
        assert command in cli("--help").stdout
        text = cli(command, "--help").stdout
        assert command in text and max(map(len, text.splitlines())) <= 80
    assert "--backend-sees" in cli("forward", "add", "-h").stdout
    assert cli("--version").stdout.startswith("portico ")


@pytest.mark.parametrize("cut, status", [(0, 0), (1, 1), (9, 1)])
def test_an_answer_that_is_cut_off(router, tmp_path, cut, status):
    """By the end of the daemon, for one: half of a script must not be taken for the whole."""
    text = b"#!/bin/sh\niptables -t nat -N all\n"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        command = subprocess.Popen([str(router.build / "portico"), "--socket", str(tmp_path / "socket"), "config", "export",
                                    "--format", "iptables"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text[:len(text) - cut])
        _, errors = command.communicate(timeout=30)
    assert command.returncode == status and (b"ended too early" in errors) == bool(cut)


def test_an_answer_that_cannot_be_written(router, uplink):
    with open("/dev/full", "w", encoding="utf-8") as full:
        for arguments in ((), ("uplink", "list"), ("--json", "config", "show"), ("--help",)):
            done = subprocess.run([str(router.build / "portico"), "--socket", str(router.socket_path), *arguments],
                                  stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
            assert done.returncode == 1 and "cannot write the answer: No space left" in done.stderr


def test_without_a_daemon(router, tmp_path):
    for path, words in ((tmp_path / "nothing", "is porticod running?"), ("x" * 200, "too long")):
        done = subprocess.run([str(router.build / "portico"), "--socket", str(path)], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 1 and words in done.stderr and not done.stdout
