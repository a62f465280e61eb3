# SPDX-License-Identifier: GPL-2.0-or-later
"""How long what a LAN begins goes nowhere when an uplink fails, until it leaves by the other one."""
import contextlib
import select
import threading
import time
from socket import SOCK_DGRAM

from lab import topologies
from lab.faults import Isp
from lab.lab import Lab, wait_for
from lab.router import Router
from measure import Sample
from report import Row, Table, at_most

SERVER, PORT = "203.0.113.200", 5300
STEP_S = 0.001
PATIENCE_S = 90
HEALTH = {"targets": [SERVER]}       # the defaults: each second, three rounds


class Shell:
    """The loop that mwan3track is, with its defaults: a ping every ten seconds, five lost in a row, then the routes."""

    def __init__(self, host, interval_s=10, timeout_s=4, down=5):
        self._host, self._interval_s, self._timeout_s, self._down = host, interval_s, timeout_s, down
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        # Each uplink's pings have a table, as mwan3's have; the default route is what the loop changes.
        for i, gateway in enumerate(("192.0.2.254", "198.51.100.254")):
            self._host.ip(f"route replace default via {gateway} dev eth{i} table {101 + i}")
            self._host.ip(f"rule add oif eth{i} lookup {101 + i}")
        self._host.nft("add table ip shell\n"
                       "add chain ip shell out { type nat hook postrouting priority srcnat; }\n"
                       'add rule ip shell out oifname { "eth0", "eth1" } masquerade\n')
        self._host.sysctl("net.ipv4.ip_forward", 1)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _run(self):
        lost = 0
        while not self._ended.wait(self._interval_s):
            answered = self._host.run(f"ping -n -q -c 1 -W {self._timeout_s} -I eth0 {SERVER}", check=False).returncode == 0
            lost = 0 if answered else lost + 1
            if lost == self._down:
                self._host.ip("route del default via 192.0.2.254 dev eth0", check=False)


class Outage:
    """Times from the fault until the server has seen a packet that came by isp2. Every packet is a flow of its own."""

    def __init__(self, lab):
        self._lab = lab
        lab.internet.serve(PORT, "udp", SERVER)

    def __call__(self, fault, back):
        """Milliseconds; then waits until `back()`."""
        with Isp(self._lab, "isp1") as isp:
            begun = time.monotonic()
            with getattr(isp, fault)():
                self._wait(begun + PATIENCE_S)
                took = 1000 * (time.monotonic() - begun)
            wait_for(back, 60, "isp1 back")
        return took

    def _wait(self, end):
        sockets = []
        try:
            while time.monotonic() < end:
                socket = self._lab.client.socket(kind=SOCK_DGRAM)
                sockets.append(socket)
                with contextlib.suppress(OSError):
                    socket.sendto(b"0\n", (SERVER, PORT))
                if any(b"198.51.100.1" in s.recv(2048) for s in select.select(sockets[-64:], [], [], STEP_S)[0]):
                    return
                while len(sockets) > 64:
                    sockets.pop(0).close()
        finally:
            for socket in sockets:
                socket.close()
        raise TimeoutError("nothing left by isp2")


def portico(options):
    with Lab(topologies.home()) as lab, Router(lab) as router:
        outage = Outage(lab)
        router.configure(uplinks=[{**uplink, "health": HEALTH} for uplink in router.uplinks])

        def all_up():
            return all(u["state"]["up"] for u in router.api.get("/uplinks").expect(200)["items"])

        def once(fault):
            # An uplink that flaps is held down, longer each time: here each time is the first one.
            router.configure(uplinks=[])
            router.configure(uplinks=[{**uplink, "health": HEALTH} for uplink in router.uplinks])
            wait_for(all_up, 10, "both uplinks up")
            return outage(fault, all_up)
        return {fault: Sample([once(fault) for _ in range(min(options.slow_rounds, 5))]).median
                for fault in ("blackhole", "link_down")}


def shell(options):
    times = {"interval_s": 1, "timeout_s": 0.4} if options.quick else {}
    with Lab(topologies.home()) as lab, Shell(lab.router, **times):
        return Outage(lab)("blackhole", lambda: True)


def run(options):
    ours, theirs = portico(options), shell(options)
    scaled = "; the loop at a tenth of its times" if options.quick else ""
    return [Table("failover", "Until what the LAN begins leaves by the other uplink", ["Portico", "shell loop"], [
        Row("isp1 silent in the middle, ms", {"Portico": ours["blackhole"], "shell loop": theirs},
            at_most(ours["blackhole"], 3000, " ms"), f"{theirs / ours['blackhole']:.1f} times sooner{scaled}"),
        Row("isp1's link down, ms", {"Portico": ours["link_down"]}, at_most(ours["link_down"], 50, " ms")),
    ])]
