# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's log of new connections. It is one for all network namespaces, and those other than the first may
not write to it unless a sysctl of the first says so: set here, and put back."""
import contextlib
import os
import pathlib
import re

import pytest

from lab.checks import outcome
from lab.lab import wait_for

SWITCH = pathlib.Path("/proc/sys/net/netfilter/nf_log_all_netns")
FAMILIES = {
    "ipv4": ("192.0.2.1", "192.168.0.2", "203.0.113.200", "192.168.0.3"),
    "ipv6": ("2001:db8:1::1", "fd00:db8::2", "2001:db8:ffff::c8", "fd00:db8::3"),
}


class KernelLog:
    """Lines since it was opened."""

    def __init__(self):
        self._file = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self._file, 0, os.SEEK_END)
        self._lines = []

    def close(self):
        os.close(self._file)

    def lines(self, prefix):
        """Those with this prefix, which is ours, as dicts of what follows: SRC, DPT and so on."""
        with contextlib.suppress(BlockingIOError):
            while True:
                with contextlib.suppress(BrokenPipeError):  # some were overwritten before they were read
                    record = os.read(self._file, 8192).decode(errors="replace")
                    self._lines.append(record.split(";", 1)[1].split("\n")[0])
        return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in self._lines if line.startswith(prefix)]


@pytest.fixture(scope="module")
def switched_on():
    try:
        before = SWITCH.read_text(encoding="ascii")
        SWITCH.write_text("1", encoding="ascii")
    except OSError as error:
        pytest.skip(f"network namespaces cannot log here: {error}")
    yield
    SWITCH.write_text(before, encoding="ascii")


@pytest.fixture
def log(switched_on):
    try:
        opened = KernelLog()
    except OSError as error:
        pytest.skip(f"the kernel's log cannot be read here: {error}")
    yield opened
    opened.close()


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for protocol in ("tcp", "udp"):
        for address in ("192.168.0.2", "fd00:db8::2"):
            for port in (80, 81, 8000, 8050):
                home.lab.backend.serve(port, protocol, address)


@pytest.fixture(params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(params=["tcp", "udp"])
def protocol(request):
    return request.param


@pytest.fixture
def forward(router_daemon, family, protocol):
    def make(ports, name, **fields):
        return router_daemon.forward(ports, to=FAMILIES[family][1], name=name, protocols=[protocol], family=family,
                                     **fields)
    return make


def full(address):
    """As the kernel's log has it: IPv6 without abbreviation."""
    if ":" not in address:
        return address
    left, _, right = address.partition("::")
    left, right = left.split(":"), right.split(":") if right else []
    words = left + ["0"] * (8 - len(left) - len(right)) + right
    return ":".join(word.zfill(4) for word in words)


def test_new_connections_and_only_those(router_daemon, family, protocol, forward, log):
    lab = router_daemon.lab
    public, _, internet, client = FAMILIES[family]
    forward("80,8000-8100", "web and more", log=True)
    forward("81", "silent")
    prefix = "portico web and more: "
    with lab.internet.connect(public, 80, protocol) as connection:
        for _ in range(3):
            connection.ask(size=5000 if protocol == "tcp" else 0)
        line = wait_for(lambda: log.lines(prefix), what="a line of the log")[0]
        assert (line["SRC"], line["DST"], line["DPT"], line["PROTO"], line["IN"]) == \
            (full(internet), full(public), "80", protocol.upper(), "eth0")
    lab.internet.ask(public, 8050, protocol)
    lab.client.ask(public, 80, protocol)
    lab.internet.ask(public, 81, protocol)
    seen = wait_for(lambda: len(log.lines(prefix)) >= 3 and log.lines(prefix), what="three lines")
    assert [(line["SRC"], line["DPT"]) for line in seen] == \
        [(full(internet), "80"), (full(internet), "8050"), (full(client), "80")]
    assert not log.lines("portico silent")


def test_not_what_is_not_served(router_daemon, family, protocol, forward, log):
    lab = router_daemon.lab
    public, _, internet, _ = FAMILIES[family]
    forward("80,8000-8100", "office", log=True, hairpin=False,
            sources=["203.0.113.0/24" if family == "ipv4" else "2001:db8:ffff::/48"])
    for port in (80, 8050):
        assert outcome(lab.client, public, port, protocol) == "refused"
        lab.internet.ask(public, port, protocol)
    seen = wait_for(lambda: len(log.lines("portico office: ")) >= 2 and log.lines("portico office: "))
    assert [line["SRC"] for line in seen] == [full(internet)] * 2


def test_no_flood(router_daemon, log):
    """Connections are served whatever their number, and ten a second are logged, twenty at once."""
    lab = router_daemon.lab
    router_daemon.forward("80", name="much", protocols=["udp"], log=True)
    for _ in range(100):
        assert lab.internet.ask("192.0.2.1", 80, "udp").server == "backend"
    assert 20 <= len(log.lines("portico much: ")) < 60


def test_pinhole(router_daemon, log):
    lab = router_daemon.lab
    lab.isp1.ip("route add fd00:db8::/64 via 2001:db8:1::1")
    lab.internet.ip("route add fd00:db8::/64 via 2001:db8:f1::2 src 2001:db8:ffff::c8")
    try:
        router_daemon.forward("80,8000-8100", to="fd00:db8::2", family="ipv6", pinhole=True, log=True, name="host")
        for port in (80, 8050):
            assert lab.internet.ask("fd00:db8::2", port).server == "backend"
        seen = wait_for(lambda: len(log.lines("portico host: ")) >= 2 and log.lines("portico host: "))
        assert [(line["DST"], line["DPT"]) for line in seen] == [(full("fd00:db8::2"), port) for port in ("80", "8050")]
    finally:
        lab.internet.ip("route del fd00:db8::/64")
        lab.isp1.ip("route del fd00:db8::/64")


def test_it_can_be_switched_while_connections_last(router_daemon, family, protocol, forward, log):
    lab = router_daemon.lab
    public = FAMILIES[family][0]
    made = forward("80", "switched")
    with lab.internet.connect(public, 80, protocol) as connection:
        connection.ask()
        for on in (True, False):
            router_daemon.api.patch(f"/forwards/{made['id']}", {"log": on}).expect(200)
            lab.internet.ask(public, 80, protocol)
            assert connection.ask().server == "backend"
    assert len(wait_for(lambda: log.lines("portico switched: "))) == 1
