# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever somebody takes away or changes of what is ours comes back, soon, and the status says what it was."""
import signal
import subprocess
import time

import pytest

from lab.checks import outcome
from lab.lab import wait_for

PUBLIC, PUBLIC_2 = "192.0.2.1", "198.51.100.1"
SOON_MS = 100
CALM_S = 1.1   # one who changes something this long after it was last mended is answered at once
TRIES = 4      # of one measurement: the machine has other things to do, too
TABLE = {}     # what was done -> milliseconds


@pytest.fixture(scope="module", autouse=True)
def table_of_times(home):
    home.lab.backend.serve(80)
    yield
    width = max(map(len, TABLE), default=0)
    print("\n\nfrom the end of the command until what it changed was seen mended, best and worst of the tries:")
    for what, times in TABLE.items():
        print(f"  {what:{width}}  {min(times):4.0f} ms  {max(times):4.0f} ms")


@pytest.fixture
def serving(router_daemon):
    router_daemon.forward(80, name="web")
    router_daemon.forward(443, to="192.168.0.4", name="secure", sources=["203.0.113.0/24"])
    router_daemon.forward(80, to="fd00:db8::2", family="ipv6", name="web6")
    wait_for(lambda: router_daemon.kernel()["in_sync"])
    return router_daemon


def listed(router, what, text):
    done = router.run(f"nft list {what}", check=False)
    return done.returncode == 0 and text in done.stdout


def has_rule(router, preference, family=""):
    return f"{preference}:" in router.ip(f"{family} rule show pref {preference}")


def has_route(router, table, family=""):
    return "default" in router.ip(f"{family} route show table {table}", check=False)


def sysctl(name, good, bad):
    return pytest.param(lambda router: router.sysctl(name, bad), lambda router: router.sysctl(name) == str(good),
                        f"{name} was {bad}", id=f"sysctl {name}={bad}")


def nft(command, back, found):
    return pytest.param(lambda router: router.run(f"nft {command}"), back, found, id=f"nft {command}")


def ip(command, back, found):
    return pytest.param(lambda router: router.run(["sh", "-c", f"ip {command}"]), back, found, id=f"ip {command}")


HARMS = [
    nft("delete table inet portico", lambda r: listed(r, "map inet portico forwards4", "web"),
        "table inet portico was missing"),
    nft("flush ruleset", lambda r: listed(r, "map inet portico forwards4", "web"), "table inet portico was missing"),
    nft("flush chain inet portico destination_nat",
        lambda r: listed(r, "chain inet portico destination_nat", "vmap @uplink_addresses4"),
        "the rules of chain destination_nat were missing"),
    nft("insert rule inet portico destination_nat accept",
        lambda r: not listed(r, "chain inet portico destination_nat", "\t\taccept"),
        "the rules of chain destination_nat were changed"),
    nft("flush map inet portico forwards4", lambda r: listed(r, "map inet portico forwards4", "web"),
        "map forwards4 lacked tcp . 80"),
    nft("delete element inet portico uplink_addresses4 { 198.51.100.1 }",
        lambda r: listed(r, "map inet portico uplink_addresses4", PUBLIC_2), "map uplink_addresses4 lacked 198.51.100.1"),
    nft("add element inet portico lan4 { 172.16.0.0/12 }",
        lambda r: not listed(r, "set inet portico lan4", "172.16.0.0"),
        "set lan4 had what does not belong there: 172.16.0.0/12"),
    nft("add chain inet portico theirs", lambda r: not listed(r, "chain inet portico theirs", "theirs"),
        "chain theirs did not belong there"),
    nft("add table inet portico { flags dormant ; }",
        lambda r: listed(r, "table inet portico", "web") and not listed(r, "table inet portico", "dormant"),
        "table inet portico had something foreign in it, or was declared otherwise"),
    ip("rule del pref 5101", lambda r: has_rule(r, 5101), "rule 5101 was missing (pref 5101 from all fwmark 0x01000000/0x7f000000 lookup 20001)"),
    # One by one, and the main table's too; what is mended last may be any of ours.
    ip("rule flush; ip rule add pref 32766 lookup main", lambda r: has_rule(r, 5101) and has_rule(r, 5502), "rule 5"),
    ip("-6 rule del pref 5302", lambda r: has_rule(r, 5302, "-6"), "IPv6 rule 5302 was missing"),
    ip("route flush table 20002", lambda r: has_route(r, 20002),
       "route default via 198.51.100.254 dev eth1 table 20002 was missing"),
    ip("-6 route flush table 20001", lambda r: has_route(r, 20001, "-6"), "IPv6 route default via 2001:db8:1::fe"),
    sysctl("net.ipv4.ip_forward", 1, 0),
    sysctl("net.ipv6.conf.all.forwarding", 1, 0),
    sysctl("net.ipv4.conf.eth0.rp_filter", 2, 1),
    sysctl("net.ipv4.conf.eth1.src_valid_mark", 1, 0),
    sysctl("net.ipv6.conf.eth0.accept_ra", 2, 1),
    sysctl("net.bridge.bridge-nf-call-iptables", 0, 1),
    sysctl("net.bridge.bridge-nf-call-ip6tables", 0, 1),
]


def until(condition, begun):
    wait_for(condition, 5, interval=0.001)
    return (time.monotonic() - begun) * 1000


def calm_down():
    end = time.monotonic() + CALM_S
    wait_for(lambda: time.monotonic() > end, 2 * CALM_S)


@pytest.mark.parametrize("harm,back,found", HARMS)
def test_is_noticed_and_mended(serving, request, harm, back, found):
    router = serving.lab.router
    if "net.bridge" in found and router.sysctl("net.bridge.bridge-nf-call-iptables") is None:
        pytest.skip("this kernel does not filter bridges")
    times = TABLE.setdefault(request.node.callspec.id, [])
    while len(times) < TRIES and min(times, default=SOON_MS) >= SOON_MS:
        assert back(router)
        calm_down()
        before = serving.kernel()
        harm(router)
        times.append(until(lambda: back(router), time.monotonic()))
        after = wait_for_mended(serving, before)
        assert any(text.startswith(found) for text in after["last_found"]), after["last_found"]
    assert min(times) < SOON_MS
    assert serving.lab.internet.ask(PUBLIC, 80).server == serving.lab.internet.ask(PUBLIC_2, 80).server == "backend"


def wait_for_mended(router, before):
    """The kernel's part of the status once it has mended, and nothing is left to do."""
    wait_for(lambda: router.kernel()["mended"] > before["mended"] and router.kernel()["in_sync"],
             what=lambda: f"{router.kernel()}")
    kernel = router.kernel()
    assert kernel["retry_in_s"] is None and kernel["failures"] == [] and len(kernel["last_found"]) <= 8
    return kernel


def test_routes_that_went_with_an_address(serving):
    """IPv4's go without a word of the kernel. Following is not mending."""
    lab = serving.lab
    times = TABLE.setdefault("the routes of an address that came back", [])
    mended = serving.kernel()["mended"]
    while len(times) < TRIES and min(times, default=SOON_MS) >= SOON_MS:
        calm_down()
        lab.router.run(["ip", "-batch", "-"], stdin="addr del 192.0.2.1/24 dev eth0\naddr add 192.0.2.1/24 dev eth0\n"
                       "route replace default via 192.0.2.254 dev eth0 metric 100\n")
        times.append(until(lambda: has_route(lab.router, 20001) and has_rule(lab.router, 5101), time.monotonic()))
    assert min(times) < SOON_MS
    wait_for(lambda: outcome(lab.internet, PUBLIC, 80) == "answer")
    assert serving.kernel()["mended"] == mended


def test_rules_and_routes_gone_at_once(serving):
    """Nothing leads to the main table any more, where the kernel looks for the gateways of routes."""
    router, daemon = serving.lab.router, serving.daemon.process
    before = serving.kernel()
    daemon.send_signal(signal.SIGSTOP)
    try:
        router.run(["ip", "-batch", "-"], stdin="rule flush\nroute flush table 20001\nroute flush table 20002\n")
    finally:
        daemon.send_signal(signal.SIGCONT)
    try:
        kernel = wait_for_mended(serving, before)
        assert kernel["mended"] == before["mended"] + 1 and not kernel["last_error"], "nothing was refused"
        assert has_route(router, 20001) and has_route(router, 20002)
    finally:
        router.ip("rule add pref 32766 lookup main")


def test_several_things_at_once_are_eight_texts(serving):
    before = serving.kernel()
    serving.lab.router.run(["ip", "-batch", "-"], stdin="".join(f"rule del pref {5000 + i}\n" for i in (
        100, 101, 102, 301, 302, 501, 502)) + "route flush table 20001\nroute flush table 20002\n")
    wait_for(lambda: serving.kernel()["mended"] > before["mended"] and serving.kernel()["in_sync"])
    assert 1 <= len(serving.kernel()["last_found"]) <= 8


def test_a_quarrel_without_end_is_no_flood(serving):
    """Somebody sets back at once what is mended."""
    router, begun, used = serving.lab.router, serving.kernel()["mended"], cpu_s(serving)
    said = "somebody undoes that again and again"
    before = serving.daemon.log().count("mended what somebody changed")

    def undone():
        if router.sysctl("net.ipv4.conf.eth0.rp_filter") == "2":
            router.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
        return serving.daemon.log().count(said)

    wait_for(undone, 30)
    told, mended = serving.daemon.log().count("mended what somebody changed"), serving.kernel()["mended"]
    wait_for(lambda: undone() and serving.kernel()["mended"] >= mended + 2, 20)
    assert serving.daemon.log().count("mended what somebody changed") == told <= before + 20
    assert serving.daemon.log().count(said) == 1
    assert serving.kernel()["mended"] - begun < 30 and cpu_s(serving) - used < 2
    wait_for(lambda: serving.kernel()["in_sync"] and router.sysctl("net.ipv4.conf.eth0.rp_filter") == "2")


# --- when the kernel refuses ---

def test_a_refusal_is_tried_again_ever_more_rarely_and_shown(serving):
    """A process owns a table of our name: nobody else can change it. When it ends, the table goes with it."""
    router = serving.lab.router
    begun, used = time.monotonic(), cpu_s(serving)
    owner = router.spawn(["nft", "-i"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        owner.stdin.write("delete table inet portico; add table inet portico { flags owner; }\n")
        owner.stdin.flush()
        wait_for(lambda: serving.kernel()["failures"])
        tried = []

        def retries():
            status = serving.kernel()
            assert not status["in_sync"] and status["last_error"] and status["failures"]
            tried.append(status["retry_in_s"])
            return max(t for t in tried if t is not None) > 1.5

        wait_for(retries, 10, lambda: f"{tried}")
        failure, = serving.kernel()["failures"]
        assert "Operation not permitted" in failure["message"] and "another program may hold the table" in failure["message"]
        assert cpu_s(serving) - used < (time.monotonic() - begun) / 4
        # what does not stand in the table is done all the same, but nothing is forwarded that is not filtered
        router.sysctl("net.ipv4.ip_forward", 0)
        router.ip("rule del pref 5101")
        wait_for(lambda: has_rule(router, 5101))
        assert router.sysctl("net.ipv4.ip_forward") == "0"
    finally:
        owner.stdin.close()
        owner.wait(10)
    wait_for(lambda: serving.kernel()["in_sync"], 5, lambda: f"{serving.kernel()}")
    assert serving.kernel()["retry_in_s"] is None
    assert router.sysctl("net.ipv4.ip_forward") == "1"
    assert serving.lab.internet.ask(PUBLIC, 80).server == "backend"


def cpu_s(router):
    with open(f"/proc/{router.daemon.process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_one_who_undoes_everything_is_answered_ever_more_slowly(serving):
    router = serving.lab.router
    mended, begun = serving.kernel()["mended"], time.monotonic()
    waits = []
    while time.monotonic() < begun + 3:
        router.run("nft delete table inet portico", check=False)
        waits.append(serving.kernel()["retry_in_s"] or 0)
    assert 2 <= serving.kernel()["mended"] - mended <= 12, "16, 32 ... ms between"
    assert max(waits) > 0.2, "it is shown that it waits"
    wait_for(lambda: serving.kernel()["in_sync"], 5)
    assert serving.lab.internet.ask(PUBLIC, 80).server == "backend"


def test_it_costs_nothing_while_nothing_happens(serving):
    """No clock ticks for the sake of the truth: the kernel tells of everything."""
    begun, before = time.monotonic(), cpu_s(serving)
    wait_for(lambda: time.monotonic() > begun + 3, 5)
    assert cpu_s(serving) - before <= 0.05
