# SPDX-License-Identifier: GPL-2.0-or-later
"""What a router meets in years: storms of events, devices that wander, addresses twice, names in any script,
other people's marks, spoofed senders, and a long life."""
import contextlib
import difflib
import http.client
import json
import pathlib
import re
import socket
import subprocess
import threading
import time

import pytest

from lab.checks import outcome
from lab.lab import Lab, Node, Topology, wait_for
from lab.porticod import STOP_S, environment
from lab.router import LAN

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
PUBLIC, PUBLIC_2 = "192.0.2.1", "198.51.100.1"


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    home.lab.backend.serve(80)
    home.lab.backend.serve(80, "udp")
    home.lab.backend2.serve(80)


@pytest.fixture
def serving(router_daemon):
    router_daemon.forward(80, protocols=["tcp", "udp"])
    return router_daemon


def in_sync(router):
    return router.kernel()["in_sync"]


def plan(router):
    return router.api.post("/config/plan", router.api.get("/config").expect(200)).expect(200)


def settled(router):
    """Everything is in place, also when all of it is read again."""
    wait_for(lambda: in_sync(router), 10, lambda: f"{router.kernel()}")
    mended = router.kernel()["mended"]
    router.lab.router.nft("add chain inet portico nothing\ndelete chain inet portico nothing\n")
    for _ in range(2):  # an event is looked at by the time the second question is answered
        wait_for(lambda: in_sync(router), 10)
    assert plan(router)["kernel"] == []
    assert router.kernel()["mended"] == mended, "it mends what it wrote itself"


def slowest_answer(router, done):
    """Asks for the status until `done()`; seconds."""
    slowest = 0.0
    while not done():
        begun = time.monotonic()
        router.api.get("/status").expect(200)
        slowest = max(slowest, time.monotonic() - begun)
    return slowest


# --- nft's own words ---

def table_of(text):
    """Sets and chains as they stand; the elements of a set in any order and on any line."""
    def sort(match):
        return "elements = {" + ", ".join(sorted(" ".join(e.split()) for e in match[1].split(","))) + "}"
    return re.sub(r"elements = \{(.*?)\}", sort, text[:text.index("\n}\n") + 3], flags=re.S)


def test_every_golden_table_is_what_nft_lists(built):
    """nft accepts the text, and lists what it made of it in the same words."""
    differences = []
    with Lab(Topology({"router": Node()})) as lab:
        for path in sorted(GOLDEN.glob("*.golden")):
            head, text = path.read_text().split("\n---\n", 1)
            if {"then", "import", "export"} & json.loads(head).keys():
                continue
            lab.router.run("nft flush ruleset")
            lab.router.nft(text[:text.index("\n}\n") + 3])
            listed = table_of(lab.router.run("nft -s list table inet portico").stdout)
            differences += difflib.unified_diff(table_of(text).splitlines(), listed.splitlines(),
                                                path.name, "nft", lineterm="")
    assert not differences, "\n".join(differences)


NAMES = ["ö" * 32, "路由器" * 7, "a" * 64, "\U0001f980" * 16, "tcp", "drop", "it's #1; really", "a b  c", "-x", "$var",
         "@set", "{x}", "*"]


def test_names_in_any_script_read_back_equal(router_daemon):
    router_daemon.configure(
        networks=[{**LAN, "name": NAMES[1]}],
        uplinks=[{"name": name, "device": u["device"]} for name, u in zip(NAMES, router_daemon.uplinks)],
        forwards=[{"name": name, "external_ports": str(7000 + i), "sources": ["203.0.113.0/24"],
                   "internal_address": "192.168.0.2", "comment": "x" * 512} for i, name in enumerate(NAMES)])
    settled(router_daemon)


# --- storms ---

def test_a_storm_of_addresses(serving):
    lab = serving.lab
    many = [f"10.55.{i // 250}.{i % 250 + 1}/32" for i in range(1000)]
    done = threading.Event()

    def storm():
        for verb in ("add", "del"):
            batch = "".join(f"addr {verb} {address} dev eth0\n" for address in many)
            lab.router.run(["ip", "-batch", "-"], stdin=batch, timeout=60)
        done.set()

    thread = threading.Thread(target=storm)
    thread.start()
    slowest = slowest_answer(serving, done.is_set)
    thread.join()
    assert slowest < 2
    settled(serving)
    assert lab.internet.ask(PUBLIC, 80).server == "backend"


def test_a_flapping_device(serving):
    lab = serving.lab
    with lab.internet.connect(PUBLIC_2, 80) as connection:
        connection.ask()
        lab.router.run(["ip", "-batch", "-"], stdin="link set eth0 down\nlink set eth0 up\n" * 100, timeout=60)
        assert connection.ask().server == "backend"
    come_back(lab)
    answers(lab, PUBLIC)
    settled(serving)


# --- devices that wander ---

def come_back(lab):
    """What a network manager does when the first uplink's device is up again."""
    lab.router.ip("link set eth0 up")
    lab.router.ip(f"addr replace {PUBLIC}/24 dev eth0")
    lab.router.ip("addr replace 2001:db8:1::1/64 dev eth0 nodad")
    lab.router.ip("route replace default via 192.0.2.254 dev eth0 metric 100")
    lab.router.ip("-6 route replace default via 2001:db8:1::fe dev eth0 metric 100")


def answers(lab, address):
    wait_for(lambda: outcome(lab.internet, address, 80) == "answer", 10, f"an answer from {address}")


def is_up(router, index=0):
    return router.api.get("/uplinks").expect(200)["items"][index]["state"]["up"]


def test_renamed_and_back(serving):
    lab = serving.lab
    lab.router.ip("link set eth0 down")
    lab.router.ip("link set eth0 name wan9")
    try:
        lab.router.ip("link set wan9 up")
        wait_for(lambda: not is_up(serving))
        settled(serving)
        assert lab.internet.ask(PUBLIC_2, 80).server == "backend"
    finally:
        lab.router.ip("link set wan9 down")
        lab.router.ip("link set wan9 name eth0")
        come_back(lab)
    answers(lab, PUBLIC)
    settled(serving)


def test_moved_away_and_made_a_bridge_port(serving):
    """It comes back with another index."""
    lab = serving.lab
    lab.router.ip("link add brx type bridge")
    lab.router.ip("link set eth0 master brx")
    settled(serving)
    lab.router.ip("link del brx")
    answers(lab, PUBLIC)
    lab.router.ip(f"link set eth0 netns {lab.vpn.netns} name moved")
    try:
        wait_for(lambda: not is_up(serving))
        settled(serving)
        assert lab.internet.ask(PUBLIC_2, 80).server == "backend"
    finally:
        lab.vpn.ip(f"link set moved netns {lab.router.netns} name eth0")
        come_back(lab)
    answers(lab, PUBLIC)
    settled(serving)


# --- addresses that overlap ---

def test_one_address_on_two_uplinks(serving):
    router = serving.lab.router
    router.ip(f"addr add {PUBLIC}/32 dev eth1")
    try:
        settled(serving)
        serving.forward(81, "192.168.0.4", internal_ports="80")
        assert serving.lab.internet.ask(PUBLIC_2, 81).server == "backend2"
        assert serving.lab.internet.ask(PUBLIC, 80).server == "backend"
    finally:
        router.ip(f"addr del {PUBLIC}/32 dev eth1")
    settled(serving)


@pytest.mark.parametrize("prefixes", [["192.0.0.0/8"], ["192.0.2.0/24"], ["192.0.2.128/25", "192.0.2.0/25"],
                                      ["255.255.255.255/32", "0.0.0.0/1", "128.0.0.0/1"]], ids=str)
def test_networks_that_cover_an_uplink(serving, prefixes):
    lab = serving.lab
    serving.configure(networks=[{**LAN, "prefixes": prefixes},
                                {"name": "vpn", "devices": ["tun0"], "prefixes": ["192.168.0.0/16"], "hairpin": "off"}],
                      forwards=[{"name": "web", "external_ports": "80", "internal_address": "192.168.0.2"}])
    settled(serving)
    assert lab.internet.ask(PUBLIC, 80).server == lab.internet.ask(PUBLIC_2, 80).server == "backend"
    assert lab.isp1.ask(PUBLIC, 80).server == "backend"


# --- other people's marks, and who is let in ---

FOREIGN_MARKS = """
table inet others {
	counter bad_packet { }
	counter bad_connection { }
	counter every { }
	chain early {
		type filter hook prerouting priority -170
		meta mark set 0x00003f00
		ct mark set ct mark or 0x00003f00
	}
	chain late {
		type filter hook postrouting priority 300
		meta l4proto tcp meta mark & 0x00ffffff != 0x00003f00 counter name bad_packet
		meta l4proto tcp ct mark & 0x00ffffff != 0x00003f00 counter name bad_connection
		meta l4proto tcp counter name every
	}
}
"""


def test_marks_of_others_stay(serving):
    lab = serving.lab
    lab.router.nft(FOREIGN_MARKS)
    try:
        assert lab.internet.ask(PUBLIC_2, 80).server == "backend"
        assert lab.client.ask(PUBLIC, 80).server == "backend"
        lab.internet.serve(8080)
        assert lab.client.ask("203.0.113.200", 8080).server == "internet"
        listed = json.loads(lab.router.run("nft -j list counters table inet others").stdout)["nftables"]
        counters = {o["counter"]["name"]: o["counter"]["packets"] for o in listed if "counter" in o}
        assert counters["bad_packet"] == counters["bad_connection"] == 0 and counters["every"] > 20, counters
    finally:
        lab.router.run("nft delete table inet others")


def test_only_what_a_forward_took_is_let_in(serving):
    lab = serving.lab
    lab.router.serve(8088)
    lab.router.serve(82)
    lab.internet.serve(8081)
    serving.forward(8088, enabled=False)
    serving.forward(82, sources=["203.0.113.201/32"], internal_ports="80")
    assert lab.internet.ask(PUBLIC, 8088).server == lab.client.ask(PUBLIC, 8088).server == "router"
    assert lab.internet.ask(PUBLIC, 82).server == "router"
    assert lab.client.ask("203.0.113.200", 8081).server == "internet"
    assert lab.internet.ask(PUBLIC, 80).server == "backend"
    let_in = {str(e["dport"]) for e in lab.router.conntrack() if int(e.get("mark", 0)) & 0x80000000}
    assert let_in == {"80"}


# --- a long life ---

def test_flows_and_counters_outlive_other_changes(serving):
    lab = serving.lab
    web, = serving.api.get("/forwards").expect(200)["items"]
    with lab.internet.connect(PUBLIC_2, 80) as tcp, lab.internet.connect(PUBLIC, 80, "udp") as udp, \
            lab.client.connect(PUBLIC, 80) as hairpin:
        for i in range(50):
            other = serving.forward(10000 + i, "192.168.0.4", sources=["203.0.113.0/24"],
                                    backend_sees="router" if i % 2 else "client")
            serving.api.patch(f"/forwards/{other['id']}", {"enabled": False, "uplinks": ["isp2"]}).expect(200)
            serving.api.delete(f"/forwards/{other['id']}").expect(200)
            for connection in (tcp, udp, hairpin):
                assert connection.ask().server == "backend"
        wait_for(lambda: serving.api.get(f"/forwards/{web['id']}").expect(200)["counters"]["connections"] == 3)


def test_a_rebuilt_table_keeps_flows(serving):
    lab = serving.lab
    with lab.internet.connect(PUBLIC_2, 80) as tcp, lab.client.connect(PUBLIC, 80) as hairpin:
        assert tcp.ask().server == hairpin.ask().server == "backend"
        before = serving.kernel()["mended"]
        lab.router.run("nft chain inet portico filter_forward { policy drop ; }")
        wait_for(lambda: serving.kernel()["mended"] > before)
        assert tcp.ask().server == hairpin.ask().server == "backend"
    settled(serving)


def test_a_spoofed_lan_sender_opens_no_forward(serving):
    """Nor may the backend take it for the router, as hairpin would have it."""
    lab = serving.lab
    serving.forward(90, protocols=["udp"], internal_ports="80", sources=["192.168.0.0/24"])
    assert lab.client.ask(PUBLIC, 90, "udp").server == "backend"
    lab.isp1.ip("addr add 192.168.0.77/32 dev lo")
    try:
        with lab.backend.capture("eth0") as seen, lab.isp1.socket(kind=socket.SOCK_DGRAM) as sender:
            sender.bind(("192.168.0.77", 0))
            for port in (90, 80):
                sender.sendto(b"spoofed", (PUBLIC, port))
            assert lab.internet.ask(PUBLIC, 80, "udp").server == "backend"
            wait_for(lambda: seen.packets(protocol="udp", src="203.0.113.200"))
            assert {p.src for p in seen.packets(protocol="udp", direction="in")} == {"203.0.113.200"}
    finally:
        lab.isp1.ip("addr del 192.168.0.77/32 dev lo")


def test_a_forward_of_one_uplink_is_not_for_a_neighbour_on_another(serving):
    """Who shares a link with the router can send to any of its addresses."""
    lab = serving.lab
    serving.forward(91, internal_ports="80", uplinks=["isp2"])
    assert lab.internet.ask(PUBLIC_2, 91).server == "backend"
    lab.isp1.ip(f"route add {PUBLIC_2}/32 via {PUBLIC}")
    try:
        assert lab.isp1.ask(PUBLIC_2, 80).server == "backend", "a forward of all uplinks is for everybody"
        assert outcome(lab.isp1, PUBLIC_2, 91) == "refused"
        isp1 = next(u for u in serving.api.get("/uplinks").expect(200)["items"] if u["name"] == "isp1")
        serving.api.patch(f"/uplinks/{isp1['id']}", {"enabled": False}).expect(200)
        assert outcome(lab.isp1, PUBLIC_2, 91) == "refused", "it comes by no uplink then, but not from inside"
        assert lab.client.ask(PUBLIC_2, 91).server == lab.router.ask(PUBLIC_2, 91).server == "backend"
        serving.api.patch(f"/uplinks/{isp1['id']}", {"enabled": True}).expect(200)
    finally:
        lab.isp1.ip(f"route del {PUBLIC_2}/32")
    assert lab.client.ask(PUBLIC_2, 91).server == "backend"
    assert lab.router.ask(PUBLIC_2, 91).server == "backend"


def test_many_flows_do_not_stall_requests(serving):
    lab = serving.lab
    entries = "".join(f"-I -p udp -s 10.1.{i // 250}.{i % 250 + 1} -d 198.18.0.1 --sport 1000 --dport 1000 --timeout 600 "
                      "-u ASSURED\n" for i in range(30000))
    lab.router.run(["conntrack", "-R", "-"], stdin=entries, check=False, timeout=60)
    try:
        if int(lab.router.sysctl("net.netfilter.nf_conntrack_count")) < 30000:
            pytest.skip("this machine tracks fewer connections")
        def slowest(seconds=1):
            end = time.monotonic() + seconds
            return slowest_answer(serving, lambda: time.monotonic() > end)

        usual = slowest()
        serving.forward(10001)
        assert slowest() < max(0.5, 5 * usual)
        assert int(lab.router.sysctl("net.netfilter.nf_conntrack_count")) >= 30000
    finally:
        lab.router.run("conntrack -F")


# --- two of us ---

def test_another_daemon_with_nothing_in_common_but_the_network(serving, tmp_path):
    argv = serving.daemon.command_line()
    for option, value in (("--db", tmp_path / "other.db"), ("--socket", tmp_path / "other.sock"),
                          ("--listen", "127.0.0.1:0")):
        argv[argv.index(option) + 1] = str(value)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=STOP_S, env=environment(), check=False)
    assert done.returncode == 1 and "another porticod manages this network" in done.stderr, done.stderr
    assert serving.lab.internet.ask(PUBLIC, 80).server == "backend"
    assert plan(serving)["kernel"] == []
    done = subprocess.run([argv[0], "--flush", "--netns", serving.daemon.netns], capture_output=True, text=True,
                          timeout=STOP_S, env=environment(), check=False)
    assert done.returncode == 1 and "stop it first" in done.stderr, done.stderr
    assert serving.lab.internet.ask(PUBLIC, 80).server == "backend"
    argv[argv.index("--netns") + 1] = "no-such-namespace"
    done = subprocess.run(argv, capture_output=True, text=True, timeout=STOP_S, env=environment(), check=False)
    assert done.returncode == 1 and "no-such-namespace" in done.stderr


def test_ends_while_requests_run(serving):
    def busy():
        with contextlib.suppress(OSError, http.client.HTTPException):
            for port in range(20000, 30000):
                serving.forward(port)

    thread = threading.Thread(target=busy)
    thread.start()
    wait_for(lambda: len(serving.daemon.sock.get("/forwards").expect(200)["items"]) > 5)
    serving.daemon.stop()
    thread.join()
    serving.daemon.restart()
    settled(serving)
