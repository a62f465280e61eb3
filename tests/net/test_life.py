# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's life beside the kernel's: what stays when it ends, what is mended, what is nobody's but others'."""
import contextlib
import http.client
import json
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from lab import topologies
from lab.checks import ask_from_internet, change_address, isps, uplink_address
from lab.lab import wait_for
from lab.porticod import STOP_S, environment, flush
from lab.router import Router
from lab.stream import Sink, Source

PUBLIC, PUBLIC_2 = "192.0.2.1", "198.51.100.1"
MEND_S = 15  # what the kernel does not report is looked at every few seconds

FOREIGN_TABLES = """
table inet mine {
	set friends { type ipv4_addr; elements = { 192.0.2.66 }; }
	chain forward {
		type filter hook forward priority 7; policy accept;
		ip saddr @friends counter comment "portico"
	}
}
table ip portico {
	chain nobody {
		ip daddr 192.0.2.67 drop
	}
}
"""


def dump(router):
    """Everything that the daemon could have touched, but for sysctls. A route that was made before its gateway was on the link
    keeps the flag that says so, and needs no mending for that."""
    return "\n".join([router.run("nft -s list ruleset").stdout,
                      router.ip("rule"), router.ip("-6 rule"),
                      router.ip("route show table all"), router.ip("-6 route show table all")]).replace(" onlink", "")


def ours(router):
    """Our part of it."""
    tables = json.loads(router.run("nft -j list tables").stdout)["nftables"]
    named = [t["table"] for t in tables if t.get("table", {}).get("name") == "portico" and t["table"]["family"] == "inet"]
    rules = [r for family in ("-4", "-6") for r in json.loads(router.ip(f"-j {family} rule"))
             if 5000 <= r["priority"] <= 5999]
    routes = [r for family in ("-4", "-6") for r in json.loads(router.ip(f"-j {family} route show table all"))
              if str(r.get("table", "")).startswith("200")]
    return named + rules + routes


def works(router):
    """Both addresses answer by their own uplink, from inside too."""
    for isp in isps(router.lab):
        address = uplink_address(router.lab, isp)
        exchange = ask_from_internet(router.lab, address, 80)
        assert (exchange.answer.server, exchange.replies) == ("backend", [isp])
        assert router.lab.client.ask(address, 80).peer == "192.168.0.1"
    return True


def plan(router):
    config = router.api.get("/config").expect(200)
    return router.api.post("/config/plan", config).expect(200)


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    home.lab.backend.serve(80)
    home.lab.backend.serve(81)
    home.lab.internet.serve(80)


@pytest.fixture
def serving(router_daemon):
    router_daemon.forward(80)
    return router_daemon


# --- ends and starts ---

def test_sigterm_leaves_traffic_working(serving):
    before = dump(serving.lab.router)
    with serving.lab.internet.connect(PUBLIC_2, 80) as connection:
        connection.ask()
        serving.daemon.stop()
        assert connection.ask().server == "backend"
        assert works(serving)
        assert dump(serving.lab.router) == before
        serving.daemon.restart()
        assert connection.ask().server == "backend"
        assert dump(serving.lab.router) == before, "a start finds everything in place"


def test_kill_and_restart_while_traffic_goes_on(serving):
    before = dump(serving.lab.router)
    with serving.lab.internet.connect(PUBLIC_2, 80) as connection:
        connection.ask()
        serving.daemon.kill()
        assert connection.ask().server == "backend"
        assert works(serving)
        serving.daemon.restart()
        assert connection.ask().server == "backend"
    assert plan(serving) == {"changes": [], "kernel": []}
    assert dump(serving.lab.router) == before
    assert works(serving)
    forward, = serving.api.get("/forwards").expect(200)["items"]
    assert forward["external_ports"] == "80"


@pytest.mark.parametrize("seed", range(4))
def test_killed_in_the_middle_of_changes(serving, seed):
    """What was acknowledged is there after the next start, nothing is there by half, and the kernel agrees."""
    acknowledged, process = [], serving.daemon.process
    killer = threading.Timer(random.Random(seed).uniform(0, 0.2), process.kill)
    killer.start()
    with pytest.raises((OSError, http.client.HTTPException)):
        for port in range(2000, 20000):
            answer = serving.api.post("/forwards", {"name": str(port), "external_ports": f"{port},{port + 20000}",
                                                    "internal_address": "192.168.0.2", "internal_ports": "80,81"})
            acknowledged.append(answer.expect(201)["name"])
    killer.join()
    serving.daemon.kill()
    serving.daemon.restart()
    forwards = {f["name"] for f in serving.api.get("/forwards").expect(200)["items"]} - {"to 192.168.0.2 80"}
    assert set(acknowledged) <= forwards
    assert len(forwards) <= len(acknowledged) + 1, "at most the one that was on its way"
    assert plan(serving) == {"changes": [], "kernel": []}
    assert works(serving)
    for name in sorted(forwards)[-1:]:
        for port in (int(name), int(name) + 20000):
            assert serving.lab.internet.ask(PUBLIC, port).server == "backend"


def test_what_changed_while_it_was_dead(serving):
    lab = serving.lab
    serving.daemon.kill()
    change_address(lab.router, "eth0", f"{PUBLIC}/24", "192.0.2.77/24", "192.0.2.254", metric=100)
    lab.router.run("nft delete table inet portico")
    try:
        serving.daemon.restart()
        assert works(serving)
        assert lab.internet.ask("192.0.2.77", 80).server == "backend"
    finally:
        change_address(lab.router, "eth0", "192.0.2.77/24", f"{PUBLIC}/24", "192.0.2.254", metric=100)


@pytest.mark.parametrize("shared", ["socket", "network", "database"])
def test_second_daemon_is_refused(serving, tmp_path, shared):
    """Whatever of the first one's it was given by mistake, all else being its own: it says what."""
    daemon = serving.daemon
    argv = daemon.command_line()
    own = {"--socket": tmp_path / "other.sock", "--netns": serving.lab.other.netns, "--db": tmp_path / "other.db"}
    option = {"socket": "--socket", "network": "--netns", "database": "--db"}[shared]
    del own[option]
    for name, value in {**own, "--listen": "127.0.0.1:0"}.items():
        argv[argv.index(name) + 1] = str(value)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=STOP_S, env=environment(), check=False)
    assert done.returncode == 1, done.stderr
    complaint = done.stderr.splitlines()[-1]
    assert ("this network" if shared == "network" else argv[argv.index(option) + 1]) in complaint
    assert daemon.sock.get("/status").status == 200, "the first one is as it was"
    assert works(serving)


def test_sighup_disturbs_nothing(serving):
    before = dump(serving.lab.router)
    serving.daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: serving.kernel()["in_sync"])
    assert works(serving)
    assert dump(serving.lab.router) == before


# --- no moment with half a ruleset ---

LOST_S = 0.9  # a SYN that is lost is sent again after a second


class Caller:
    """Makes one new connection after the other, and keeps what was not as it should have been."""

    def __init__(self, host, address, port, expected):
        self.call = (host, address, port)
        self.expected, self.calls, self.wrong, self.slowest = expected, 0, [], 0.0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        wait_for(lambda: self.calls > 2)
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _run(self):
        host, address, port = self.call
        while not self._end.wait(0.002):
            begun = time.monotonic()
            try:
                seen = host.ask(address, port).server
            except ConnectionRefusedError:
                seen = "refused"
            except OSError as error:
                seen = repr(error)
            took = time.monotonic() - begun
            self.slowest = max(self.slowest, took)
            self.calls += 1
            if seen != self.expected or took > LOST_S:
                self.wrong.append(f"{host.name} > {address}:{port}: {seen} after {took:.3f} s")


def stop_and_start(router):
    router.daemon.restart()


def kill_and_start(router):
    router.daemon.kill()
    router.daemon.restart()


def reconfigure(router):
    """What has to do with everything but the connections that are being made."""
    config = router.api.get("/config").expect(200)
    forwards = config["forwards"]
    more = [{"name": f"more {port}", "external_ports": f"{port},{port + 1}-{port + 40}", "internal_address": "192.168.0.4",
             "sources": ["203.0.113.128/25"] if port % 200 else [], "uplinks": ["isp2"] if port % 300 else []}
            for port in range(10000, 12000, 100)]
    for change in ({"forwards": forwards + more}, {"networks": config["networks"] + [
            {"name": "vpn", "devices": ["tun0"], "hairpin": "off"}]}, {"source_nats": [
                {"name": "vpn", "sources": ["10.8.0.0/24"], "uplink": "isp1", "address": PUBLIC}]},
            {"forwards": forwards + more[5:]}):
        router.api.put("/config", {**config, **change}).expect(200)
    router.api.put("/config", config).expect(200)


def older_shape(router):
    """The table as an older version may have left it: other names, no chains for what it did not know."""
    table = router.lab.router.run("nft -s list table inet portico").stdout
    table = re.sub(r"translate(_own)?([46])", r"go\1\2", table)
    table = re.sub(r"\tchain ended.*?\n\t}\n", "", table, flags=re.S)
    table = re.sub(r",?\s*0x4\d0{6} [^,}]*: jump ended\w*", "", table)
    assert "ended" not in table and "go4_1" in table
    router.lab.router.nft("delete table inet portico\n" + table)


def upgrade(router):
    router.daemon.stop()
    older_shape(router)
    router.daemon.restart()
    assert "translate4_1" in router.lab.router.run("nft list table inet portico").stdout


@pytest.mark.parametrize("what", [stop_and_start, kill_and_start, reconfigure, upgrade], ids=lambda what: what.__name__)
def test_no_moment_with_half_a_ruleset(serving, what):
    lab = serving.lab
    serving.forward(82, sources=["198.18.0.0/15"], internal_ports="80")
    serving.forward(90)
    serving.forward(91, uplinks=["isp2"], backend_sees="router")
    callers = [Caller(lab.internet, PUBLIC, 80, "backend"), Caller(lab.internet, PUBLIC_2, 80, "backend"),
               Caller(lab.client, PUBLIC, 80, "backend"), Caller(lab.client, "203.0.113.200", 80, "internet"),
               Caller(lab.internet, PUBLIC, 82, "refused"), Caller(lab.internet, PUBLIC_2, 83, "refused")]
    with contextlib.ExitStack() as stack:
        stack.enter_context(Source(lab.backend, 90))
        stack.enter_context(Source(lab.backend, 91))
        stack.enter_context(Source(lab.internet, 90))
        sinks = [stack.enter_context(Sink(*way)) for way in (
            (lab.internet, PUBLIC, 90), (lab.internet, PUBLIC_2, 91), (lab.client, PUBLIC, 90),
            (lab.client, "203.0.113.200", 90))]
        for caller in callers:
            stack.enter_context(caller)
        for _ in range(3):
            what(serving)
        for sink in sinks:
            sink.goes_on()
        before = [caller.calls for caller in callers]
        wait_for(lambda: all(caller.calls > calls + 2 for caller, calls in zip(callers, before)))
    print(f"\n{sum(caller.calls for caller in callers)} connections, the slowest {max(c.slowest for c in callers):.3f} s")
    assert [wrong for caller in callers for wrong in caller.wrong] == []


# --- other people's things ---

def test_foreign_state_is_untouched_and_flush_takes_only_ours(built, lab_factory):
    lab = lab_factory(topologies.home(2))
    router = lab.router
    lab.backend.serve(80)
    router.nft(FOREIGN_TABLES)
    router.ip("rule add pref 100 from 10.99.0.0/16 lookup 99")
    router.ip("rule add pref 5500 from 10.98.0.0/16 lookup 98")
    router.ip("-6 rule add pref 100 from 2001:db8:99::/48 lookup 99")
    router.ip("route add 10.97.0.0/16 via 192.168.0.5 table 99")
    router.ip("route add 10.96.0.0/16 via 192.168.0.5 table 20001")
    before = dump(router)
    with Router(lab) as portico:
        portico.forward(80)
        portico.forward(81, "192.168.0.4")
        assert works(portico)
        foreign = router.run("nft -s list table inet mine").stdout + router.run("nft -s list table ip portico").stdout
        assert foreign in before
        missing = set(before.splitlines()) - set(dump(router).splitlines())
        assert not missing, "something of others went away"
    assert dump(router) != before, "SIGTERM leaves ours in place"
    portico.daemon.flush()
    assert dump(router) == before


LOOKED_AFTER = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.bridge.bridge-nf-call-iptables",
                *(f"net.ipv4.conf.{device}.{name}" for device in ("eth0", "eth1")
                  for name in ("rp_filter", "src_valid_mark", "arp_ignore", "arp_announce"))]


@pytest.mark.parametrize("ended", ["stopped", "killed", "restarted"])
def test_flush_gives_sysctls_back(built, lab_factory, ended):
    """What they were when we came, whatever has happened since."""
    lab = lab_factory(topologies.home(2))
    lab.router.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    lab.router.sysctl("net.ipv4.conf.eth1.rp_filter", 0)
    lab.router.ip("addr add 192.0.2.99/24 dev eth1")   # in the other's subnet: ARP is looked after, too

    def values():
        return {name: lab.router.sysctl(name) for name in LOOKED_AFTER}
    before = values()
    with Router(lab) as portico:
        portico.forward()
        portico.api.post("/forwards", {"name": "six", "external_ports": "80",
                                       "internal_address": "fd00:db8::2"}).expect(201)
        during = values()
        assert {name for name in before if before[name] != during[name]} >= {
            "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv4.conf.eth0.rp_filter",
            "net.ipv4.conf.eth1.rp_filter", "net.ipv4.conf.eth1.arp_ignore"}
        if ended == "restarted":
            lab.router.sysctl("net.ipv4.ip_forward", 0)   # mended: not a value to give back by itself
            portico.daemon.restart()
        if ended == "killed":
            portico.daemon.kill()
        else:
            portico.daemon.stop()
        assert values() == during, "traffic goes on"
        portico.daemon.flush()
        assert values() == before


def test_flush_while_nothing_is_there(built, lab_factory):
    lab = lab_factory(topologies.one_router())
    before = dump(lab.router)
    flush(lab.router)
    assert dump(lab.router) == before


# --- mending ---

def flush_ruleset(router):
    router.run("nft flush ruleset")


def delete_table(router):
    router.run("nft delete table inet portico")


def flush_table(router):
    router.run("nft flush table inet portico")


def empty_a_set(router):
    objects = json.loads(router.run("nft -j list table inet portico").stdout)["nftables"]
    filled = [(kind, o[kind]["name"]) for o in objects for kind in ("map", "set") if o.get(kind, {}).get("elem")]
    assert filled
    for kind, name in filled:
        router.run(f"nft flush {kind} inet portico {name}")


def rule_on_top(router):
    objects = json.loads(router.run("nft -j list table inet portico").stdout)["nftables"]
    chains = [o["chain"]["name"] for o in objects if "hook" in o.get("chain", {})]
    for chain in chains:
        router.run(f"nft insert rule inet portico {chain} accept")


def delete_rules(router):
    """Every one of our routing rules."""
    numbers = {line.split(":")[0] for line in router.ip("rule").splitlines()}
    for number in sorted(n for n in numbers if 5000 <= int(n) <= 5999):
        while router.run(f"ip rule del pref {number}", check=False).returncode == 0:
            pass


def delete_one_rule(router):
    line = next(line for line in router.ip("rule").splitlines() if line.startswith("5"))
    router.ip("rule del pref " + line.split(":")[0])


def flush_route_table(router):
    router.ip("route flush table 20001")
    router.ip("route flush table 20002")


def forwarding_off(router):
    router.sysctl("net.ipv4.ip_forward", 0)


def strict_reverse_path(router):
    for device in ("all", "eth0", "eth1"):
        router.sysctl(f"net.ipv4.conf.{device}.rp_filter", 1)


@pytest.mark.parametrize("harm", [flush_ruleset, delete_table, flush_table, empty_a_set, rule_on_top, delete_rules,
                                  delete_one_rule, flush_route_table, forwarding_off, strict_reverse_path],
                         ids=lambda harm: harm.__name__)
def test_mended(serving, harm):
    router = serving.lab.router
    wait_for(lambda: serving.kernel()["in_sync"])
    before, mended = dump(router), serving.kernel()["mended"]
    harm(router)
    wait_for(lambda: serving.kernel()["mended"] > mended, MEND_S, "the count of mends to grow")
    wait_for(lambda: serving.kernel()["in_sync"] and works(serving), MEND_S)
    assert plan(serving) == {"changes": [], "kernel": []}
    assert sorted(dump(router).splitlines()) == sorted(before.splitlines())
    status = serving.kernel()
    assert status["last_mended"] and not status["failures"]


def test_nothing_to_mend_when_others_do_their_own_things(serving):
    router = serving.lab.router
    mended = serving.kernel()["mended"]
    router.nft(FOREIGN_TABLES)
    router.ip("rule add pref 100 from 10.99.0.0/16 lookup 99")
    router.ip("route add 10.97.0.0/16 via 192.168.0.5 table 99")
    try:
        serving.forward(81)  # a change of ours goes through the same comparison
        assert serving.kernel()["mended"] == mended
        assert works(serving)
    finally:
        router.ip("route del 10.97.0.0/16 table 99")
        router.ip("rule del pref 100")
        router.run("nft delete table inet mine")
        router.run("nft delete table ip portico")
