# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab itself, without the daemon: it tells right from wrong, and leaves nothing behind."""
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from lab import topologies
from lab.checks import Hangs, ask_from_internet, isps, outcome, uplink_address
from lab.lab import Lab, Node, Topology, leftovers, remove_namespaces, wait_for

TESTS = pathlib.Path(__file__).resolve().parents[1]
TOOL = TESTS / "lab" / "lab"

# The recipe for two uplinks that circulates, as it is printed.
RECIPE = """
table ip recipe {
	chain prerouting {
		type filter hook prerouting priority mangle; policy accept;
		ct state new iifname eth0 ct mark set 1
		ct state new iifname eth1 ct mark set 2
		meta mark set ct mark
	}
	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
		fib daddr type local tcp dport 80 dnat to 192.168.0.2
	}
}
"""
RECIPE_ROUTES = """
route add default via 192.0.2.254 table 101
route add default via 198.51.100.254 table 102
rule add pref 1000 fwmark 1 lookup 101
rule add pref 1001 fwmark 2 lookup 102
"""


@pytest.mark.parametrize("suppress, answered", [(False, []), (True, ["isp1", "isp2"])])
def test_circulating_recipe(lab_factory, suppress, answered):
    """0 of 2 addresses answer as printed, 2 of 2 with a look into the main table first."""
    lab = lab_factory(topologies.home(2))
    lab.backend.serve(80)
    lab.router.nft(RECIPE)
    lab.router.run(["ip", "-batch", "-"], stdin=RECIPE_ROUTES)
    if suppress:
        lab.router.ip("rule add pref 900 lookup main suppress_prefixlength 0")
    lab.router.sysctl("net.ipv4.ip_forward", 1)
    for device in ("all", "eth0", "eth1"):
        lab.router.sysctl(f"net.ipv4.conf.{device}.rp_filter", 2)
    good = []
    for isp in isps(lab):
        try:
            assert ask_from_internet(lab, uplink_address(lab, isp), 80).replies == [isp]
            good.append(isp)
        except Hangs:
            pass
    assert good == answered


def test_reply_by_the_wrong_uplink_is_seen_and_dropped(lab_factory):
    """No policy routing: what came by isp2 is answered by isp1, which knows no such customer."""
    lab = lab_factory(topologies.home(2))
    lab.router.serve(22)
    assert ask_from_internet(lab, "192.0.2.1", 22).replies == ["isp1"]
    lab.router.sysctl("net.ipv4.conf.all.rp_filter", 0)
    lab.router.sysctl("net.ipv4.conf.eth1.rp_filter", 0)
    with lab.isp1.capture("router") as isp1:
        assert outcome(lab.internet, "198.51.100.1", 22) == "silence"
        assert isp1.packets(direction="in", src="198.51.100.1", flags="SA"), isp1


def namespaces(prefix):
    return [name for name in os.listdir("/run/netns") if name.startswith(prefix)]


def test_nothing_is_left_after_an_exception():
    with pytest.raises(ZeroDivisionError):
        with Lab(topologies.home(1)) as lab:
            process = lab.router.spawn(["cat"], stdin=subprocess.PIPE)
            assert len(namespaces(lab.prefix)) == len(lab.hosts)
            raise ZeroDivisionError
    assert not namespaces(lab.prefix)
    assert process.poll() is not None


def test_nothing_is_left_of_a_topology_that_fails():
    lab = Lab(Topology({"one": Node(), "two": Node(routes=["192.0.2.0/24 via 198.51.100.1"])}))
    with pytest.raises(Exception, match="route add"):
        lab.__enter__()
    assert not namespaces(lab.prefix)


HOLDS_A_LAB = """
import sys, signal
sys.path.insert(0, sys.argv[1])
from lab import topologies
from lab.lab import Lab
with Lab(topologies.home(1)) as lab:
    process = lab.router.spawn(["cat"], stdin=-1)
    print(lab.prefix, flush=True)
    signal.pause()
"""


def heed_signals():
    """Whoever started the tests in the background may have had these ignored, which is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_nothing_is_left_after_a_signal(number):
    process = subprocess.Popen([sys.executable, "-c", HOLDS_A_LAB, TESTS], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True, preexec_fn=heed_signals)
    prefix = process.stdout.readline().strip()
    assert namespaces(prefix)
    process.send_signal(number)
    process.wait(20)
    process.stdout.close()
    if number == signal.SIGKILL:  # nobody could do anything
        assert set(namespaces(prefix)) <= set(leftovers())
        assert subprocess.run([TOOL, "clean"], capture_output=True, check=True).stdout
    assert not namespaces(prefix)


def test_labs_side_by_side():
    with Lab(topologies.home(1)) as one, Lab(topologies.home(1)) as other:
        one.router.serve(22, name="one")
        other.router.serve(22, name="other")
        assert one.internet.ask("192.0.2.1", 22).server == "one"
        assert other.internet.ask("192.0.2.1", 22).server == "other"


def test_removing_what_is_not_there():
    remove_namespaces(["pt0-0-nobody"])


def test_wait_for_gives_up():
    with pytest.raises(TimeoutError, match="the moon"):
        wait_for(lambda: False, 0.05, "the moon")
