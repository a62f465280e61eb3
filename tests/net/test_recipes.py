# SPDX-License-Identifier: GPL-2.0-or-later
"""Recipes as they are told, pasted into a router that has nothing yet; then packets say whether it works. And the other
way round: what is exported works without Portico."""
import contextlib
import pathlib
import re
import socket

import pytest

from lab.checks import ask_from_internet, isps, outcome, uplink_address
from lab.lab import wait_for

RECIPES = pathlib.Path(__file__).resolve().parents[1] / "golden" / "import"
ROUTER, ELSEWHERE = "192.168.0.1", "192.168.0.254"
# what the recipes call things, and what they are called in the lab
NAMES = {"1.1.1.1": "192.0.2.1", "1.1.1.254": "192.0.2.254", "1.1.1.0/24": "192.0.2.0/24",
         "2.2.2.2": "198.51.100.1", "2.2.2.254": "198.51.100.254", "2.2.2.0/24": "198.51.100.0/24",
         "166.227.96.166": "192.0.2.1", "111.11.1.43": "192.0.2.9", "192.168.1.100": "192.168.0.2",
         "192.168.1.1": "192.168.0.1", "192.168.1.9": "192.168.0.4", "192.168.1.0/24": "192.168.0.0/24",
         "LAN=eth1": "LAN=br-lan"}


def recipe(name):
    words = "|".join(re.escape(word) for word in sorted(NAMES, key=len, reverse=True))
    return re.sub(words, lambda found: NAMES[found[0]], (RECIPES / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services(home):
    home.lab.backend.serve(80)
    home.lab.backend.serve(22)
    home.lab.backend.serve(9005)
    home.lab.router.serve(8888)
    home.lab.internet.serve(80, address="203.0.113.200")
    return home


@pytest.fixture
def router(services, router_daemon):
    router_daemon.api.put("/config", {}).expect(200)
    return router_daemon


@contextlib.contextmanager
def without_portico(router):
    """The daemon is gone with all that it had; afterwards it is back, and others' rules are gone."""
    router.daemon.stop()
    router.daemon.flush()
    try:
        yield router.lab
    finally:
        lab = router.lab
        for program in ("iptables", "ip6tables"):
            for table in ("nat", "mangle", "filter"):
                lab.router.run(f"{program} -t {table} -F")
            lab.router.run(f"{program} -t nat -X")
        lab.router.run("nft flush ruleset")
        for family in ("-4", "-6"):
            for line in lab.router.ip(f"{family} rule show").splitlines():
                preference = line.split(":")[0]
                if 5000 <= int(preference) < 6000:
                    lab.router.ip(f"{family} rule del pref {preference}")
        router.daemon.restart()


def paste(router, name):
    """The whole recipe; every line must be understood. The configuration after it."""
    answer = router.api.post("/import", {"text": recipe(name), "dry_run": False}).expect(200)
    assert [line for line in answer["lines"] if not line["understood"]] == []
    return router.api.get("/config").expect(200)


@pytest.mark.parametrize("name", ["s4.sh", "s4-names.sh"])
def test_two_isps(router, name):
    """Two uplinks and a forward, which the recipe as printed does not give."""
    lab = router.lab
    config = paste(router, name)
    assert [(u["device"], u["gateway"]) for u in config["uplinks"]] == [("eth0", "192.0.2.254"), ("eth1", "198.51.100.254")]
    forward, = config["forwards"]
    assert forward["uplinks"] == [] and forward["internal_address"] == "192.168.0.2"
    assert forward["backend_sees"] == ("router" if name == "s4.sh" else "client")
    for isp in isps(lab):
        exchange = ask_from_internet(lab, uplink_address(lab, isp), 80)
        assert exchange.answer.server == "backend" and exchange.replies == [isp]
        assert exchange.answer.peer == (ROUTER if name == "s4.sh" else "203.0.113.200")
    if name == "s4.sh":
        with lab.backend.default_route(ELSEWHERE):
            for isp in isps(lab):
                assert ask_from_internet(lab, uplink_address(lab, isp), 80).replies == [isp]


def test_the_recipe_itself_does_not_work(router):
    """Why it is worth importing: run as it is printed, it answers on no address (scenarios, S4)."""
    with without_portico(router) as lab:
        lab.router.sysctl("net.ipv4.ip_forward", 1)
        lab.router.run(["sh", "-e"], stdin=recipe("s4.sh"))
        outcomes = [outcome(lab.internet, uplink_address(lab, isp), 80) for isp in isps(lab)]
        for number in (101, 102):
            lab.router.ip(f"route flush table {number}")
            lab.router.ip(f"rule del table {number}")
    assert outcomes == ["silence", "silence"]


def test_hairpin(router):
    lab = router.lab
    router.api.post("/uplinks", {"name": "isp1", "device": "eth0"}).expect(201)
    config = paste(router, "s1.sh")
    assert [n["devices"] for n in config["networks"]] == [["br-lan"]]
    assert ask_from_internet(lab, "192.0.2.1", 80).answer.server == "backend"
    for who in ("client", "backend"):
        answer = lab[who].ask("192.0.2.1", 80)
        assert (answer.server, answer.peer) == ("backend", ROUTER)


def test_masquerade(router):
    config = paste(router, "s2.sh")
    assert [u["device"] for u in config["uplinks"]] == ["eth0"]
    assert router.lab.client.ask("203.0.113.200", 80).peer == "192.0.2.1"


def test_the_rest_of_the_nat_table(router):
    lab = router.lab
    lab.router.ip("addr add 192.0.2.9/24 dev eth0")
    try:
        paste(router, "s3.sh")
        assert lab.vpn.ask("203.0.113.200", 80).peer == "192.0.2.9"
        assert lab.backend.ask("203.0.113.200", 80).server == "router", "the proxy"
        assert lab.backend2.ask("203.0.113.200", 80).server == "internet", "the exception of it"
        exchange = ask_from_internet(lab, "192.0.2.1", 2222)
        assert (exchange.answer.server, exchange.answer.peer) == ("backend", ROUTER)
    finally:
        lab.router.ip("addr del 192.0.2.9/24 dev eth0")


# --- leaving ---

def exported(router, format_):
    router.configure(forwards=[
        {"name": "web", "external_ports": "80", "internal_address": "192.168.0.2"},
        {"name": "ssh", "external_ports": "2222", "internal_ports": "22", "internal_address": "192.168.0.2",
         "backend_sees": "router", "uplinks": ["isp2"]},
        {"name": "range", "external_ports": "9000-9010", "internal_address": "192.168.0.2"},
        {"name": "shifted", "external_ports": "9100-9110", "internal_ports": "9000-9010", "internal_address": "192.168.0.2"},
        {"name": "known", "external_ports": "81", "internal_ports": "80", "internal_address": "192.168.0.2",
         "sources": ["203.0.113.0/24", "192.168.0.3"]},
        {"name": "strangers", "external_ports": "82", "internal_ports": "80", "internal_address": "192.168.0.2",
         "sources": ["198.51.100.128/25"]},
        {"name": "outside", "external_ports": "83", "internal_ports": "80", "internal_address": "192.168.0.2",
         "hairpin": False}])
    return router.api.get(f"/config/export?format={format_}").expect(200).decode()


def load(lab, format_, text):
    if format_ == "nft":
        lab.router.run(["nft", "-f", "-"], stdin=text)
        text = "\n".join(line[2:] for line in text.splitlines() if re.match("# (ip|sysctl) ", line))
    lab.router.run(["sh", "-e"], stdin=text)


@pytest.mark.parametrize("format_", ["iptables", "nft"])
def test_what_is_exported_works_alone(router, format_):
    text = exported(router, format_)
    with without_portico(router) as lab:
        load(lab, format_, text)
        for isp in isps(lab):
            exchange = ask_from_internet(lab, uplink_address(lab, isp), 80)
            assert (exchange.answer.server, exchange.answer.peer) == ("backend", "203.0.113.200")
            assert exchange.replies == [isp]
        assert ask_from_internet(lab, "198.51.100.1", 2222).answer.peer == ROUTER
        assert outcome(lab.internet, "192.0.2.1", 2222) == "refused"
        for port in (9005, 9105, 81, 83):
            assert ask_from_internet(lab, "192.0.2.1", port).answer.server == "backend", port
        assert outcome(lab.internet, "192.0.2.1", 82) == "refused"
        assert lab.client.ask("192.0.2.1", 81).server == "backend" and outcome(lab.client, "192.0.2.1", 83) == "refused"
        assert outcome(lab.backend, "192.0.2.1", 81) == "refused", "sources hold in hairpin, too"
        for who in ("client", "backend"):
            answer = lab[who].ask("192.0.2.1", 80)
            assert (answer.server, answer.peer) == ("backend", ROUTER)
        assert lab.client.ask("203.0.113.200", 80).peer == "192.0.2.1"


def reached(lab):
    """Who gets through to which port of which address. The neighbours on isp1 and isp2 send to the other address, too."""
    seen = {}
    with contextlib.ExitStack() as stack:
        for isp, own, others in (("isp1", "192.0.2.1", "198.51.100.1"), ("isp2", "198.51.100.1", "192.0.2.1")):
            lab[isp].ip(f"route add {others}/32 via {own}")
            stack.callback(lab[isp].ip, f"route del {others}/32")
        for who in ("internet", "client", "backend", "vpn", "router", "isp1", "isp2"):
            for address in ("192.0.2.1", "198.51.100.1"):
                for port in range(80, 86):
                    seen[who, address, port] = outcome(lab[who], address, port)
        lab.isp2.ip("route add 192.168.0.0/24 via 198.51.100.1")
        stack.callback(lab.isp2.ip, "route del 192.168.0.0/24")
        seen["isp2", "192.168.0.2", 80] = outcome(lab.isp2, "192.168.0.2", 80)
    return seen


def is_let_in(lab, source):
    """A datagram for port 86, which is for the LAN alone, from a neighbour on isp1 who says that it is another."""
    lab.isp1.ip(f"addr add {source}/32 dev lo")
    try:
        with lab.backend.capture("eth0") as seen, lab.isp1.socket(kind=socket.SOCK_DGRAM) as sender:
            sender.bind((source, 0))
            sender.sendto(b"spoofed", ("192.0.2.1", 86))
            lab.internet.ask("192.0.2.1", 80)  # what was sent before has come by then
            wait_for(lambda: seen.packets(protocol="tcp", src="203.0.113.200"))
            return bool(seen.packets(protocol="udp", direction="in", dport=80))
    finally:
        lab.isp1.ip(f"addr del {source}/32 dev lo")


@pytest.mark.parametrize("format_", ["iptables", "nft"])
@pytest.mark.parametrize("isp2", ["on", "off"])
def test_what_is_exported_opens_no_more(router, format_, isp2):
    """Whoever gets through with the exported rules gets through with Portico; and the other way round."""
    def forward(port, **fields):
        return {"name": f"f{port}", "external_ports": str(port), "internal_ports": "80", "internal_address": "192.168.0.2",
                **fields}

    router.configure(
        networks=[{"name": "lan", "devices": ["br-lan"]}, {"name": "vpn", "devices": ["tun0"], "hairpin": "off"}],
        uplinks=[{"name": "isp1", "device": "eth0"}, {"name": "isp2", "device": "eth1", "enabled": isp2 == "on"}],
        forwards=[forward(80), forward(81, uplinks=["isp1"]), forward(82, hairpin=False), forward(83, sources=["192.168.0.3"]),
                  forward(84, schedule="mon-sun 00:00-24:00", expires_at="2037-01-01T00:00:00Z"),
                  forward(85, internal_ports="8888", internal_address="192.168.0.1"),
                  forward(86, protocols=["udp"], sources=["192.168.0.0/24"])])
    before = reached(router.lab)
    assert before["client", "192.0.2.1", 80] == "answer" != before["isp2", "192.0.2.1", 81] or isp2 == "off"
    text = router.api.get(f"/config/export?format={format_}").expect(200).decode()
    assert re.search("^# not expressed: because of .*when it expires", text, re.M)
    with without_portico(router) as lab:
        load(lab, format_, text)
        after = reached(lab)
        assert not is_let_in(lab, "192.168.0.77")
    lost = {key for key in before if before[key] == "answer" != after[key]}
    assert {key for key in before if after[key] == "answer" != before[key]} == set(), "it opens more"
    assert {port for _, _, port in lost} <= {82, 84} and {who for who, _, port in lost if port == 82} <= {"router", "isp1", "isp2"}
