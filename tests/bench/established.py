# SPDX-License-Identifier: GPL-2.0-or-later
"""What established flows cost: packet by packet, and as one TCP connection, also through relays in user space."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

import mixes
import routers
from lab.lab import command
from measure import Flows, in_turn
from report import Row, Table, at_least

AIM = 0.97
PORT, BACKEND_PORT = 8080, 8081
FORWARD = {"name": "bulk", "protocols": ["tcp"], "external_ports": str(PORT), "internal_address": routers.BACKEND,
           "internal_ports": str(BACKEND_PORT)}
ADDRESSES = (("192.0.2.1", "192.0.2.254"), ("198.51.100.1", "198.51.100.254"))
DEVICES = {"internet": ["eth0"], "router": ["eth0", "br-lan"], "lan": ["eth0"]}

# All on one processor: what is measured is work, not how well two processors wake each other. And ahead of whatever
# else the machine does, where that is allowed.
PINNED = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
FIRST = ["chrt", "-f", "1"]
if command([*FIRST, "true"], check=False).returncode == 0:
    PINNED = FIRST + PINNED

HAPROXY = f"""
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen bulk
    bind {routers.UPLINK}:{PORT}
    server backend {routers.BACKEND}:{BACKEND_PORT}
"""


class Tracking(routers.Router):
    """A kernel that keeps track of connections, as any firewall makes it."""

    name = "plain routing, with tracking"

    def load(self, forwards):
        self.lab.router.nft("table inet tracking { chain forward { type filter hook forward priority filter; "
                            "ct state established accept; }; }")


class TwoUplinks(Tracking):
    """With the routing rules that two uplinks need, whoever sets them: with any rule the kernel leaves its short
    way and looks up each packet's route in full, in both directions."""

    name = "... and the rules of two uplinks"

    def load(self, forwards):
        super().load(forwards)
        batch = "rule add pref 5000 table main suppress_prefixlength 0\n"
        for i, (source, gateway) in enumerate(ADDRESSES, 1):
            batch += (f"rule add pref {5100 + i} from {source} table {100 + i}\n"
                      f"rule add pref {5300 + i} fwmark {i << 24}/0x7f000000 table {100 + i}\n"
                      f"rule add pref {5500 + i} fwmark {i << 24}/0x7f000000 unreachable\n"
                      f"route add default via {gateway} table {100 + i}\n")
        self.lab.router.run(["ip", "-batch", "-"], stdin=batch)


class Socat(routers.Router):
    name = "socat, 64 KiB buffer"
    needs = "socat"
    translates = True

    def load(self, forwards):
        self.lab.router.spawn([*PINNED, "socat", "-b", "65536", f"TCP-LISTEN:{PORT},fork,reuseaddr",
                               f"TCP:{routers.BACKEND}:{BACKEND_PORT}"],
                              stderr=subprocess.DEVNULL)  # every connection ends while it sends


class Haproxy(routers.Router):
    name = "HAProxy, mode tcp"
    needs = "haproxy"
    translates = True

    def load(self, forwards):
        directory = pathlib.Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        (directory / "haproxy.cfg").write_text(HAPROXY, encoding="ascii")
        self.lab.router.spawn([*PINNED, "haproxy", "-db", "-q", "-f", str(directory / "haproxy.cfg")])


PLAIN = (routers.Router, Tracking, TwoUplinks)
KERNEL = (*PLAIN, routers.Portico, routers.Firewall4)
PACKETS = routers.available(*KERNEL, routers.IptablesNft, routers.IptablesLegacy)
CONNECTIONS = routers.available(*KERNEL, Socat, Haproxy)


class Bulk:
    """Runs of `bulk`: nanoseconds per byte."""

    def __init__(self, options, router):
        target = (routers.UPLINK, PORT) if router.translates else (routers.BACKEND, BACKEND_PORT)
        self._argv = [*PINNED, str(options.bulk), router.lab.internet.netns, target[0], str(target[1]),
                      router.lab.lan.netns, routers.BACKEND, str(BACKEND_PORT), str(150 if options.quick else 400)]

    def __call__(self):
        done = subprocess.run(self._argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(self._argv)}: {done.stderr}")
        count, wall_ns = map(int, done.stdout.split())
        return wall_ns / count


def run(options):
    yield packets(options)
    with contextlib.ExitStack() as stack:
        all_routers = [stack.enter_context(kind()) for kind in CONNECTIONS]
        for router in all_routers:
            for host in DEVICES:  # others may pace packets, with a timer for each
                router.lab[host].sysctl("net.ipv4.tcp_congestion_control", "reno")
            router.load([FORWARD])
        yield connection(options, all_routers, "in segments of up to 64 KiB, as network cards make them")
        for router in all_routers:
            for host, devices in DEVICES.items():
                for device in devices:
                    router.lab[host].ip(f"link set dev {device} gso_max_segs 1")
        yield connection(options, all_routers, "in packets of 1,500 bytes")


def packets(options):
    """Small packets: nothing but what is done for each of them."""
    with contextlib.ExitStack() as stack:
        flows, forwards = {}, mixes.PLAIN.forwards(1)
        for kind in PACKETS:
            router = stack.enter_context(kind())
            router.load(forwards)
            way = mixes.PLAIN.way(1) if router.translates else mixes.past_the_router(1)
            flows[kind] = Flows(options.flows, router, way, established=True)
        samples = in_turn(flows, options.rounds)
    return table("A packet of an established flow, by a forward", samples,
                 {"us": lambda sample: sample.median / 1000})


def connection(options, all_routers, how):
    samples = in_turn({type(router): Bulk(options, router) for router in all_routers}, options.slow_rounds)
    return table(f"One established TCP connection on one processor, {how}", samples,
                 {"Gbit/s": lambda sample: 8 / sample.median, "processor s/GB": lambda sample: sample.median})


def table(title, samples, units):
    rows = []
    for kind, sample in samples.items():
        share = 1 / sample.over(samples[routers.Router])
        rows.append(Row(kind.name, {**{unit: value(sample) for unit, value in units.items()}, "of plain": share,
                                    "of two uplinks": 1 / sample.over(samples[TwoUplinks]),
                                    "spread %": 100 * sample.spread},
                        at_least(share, AIM, " of plain") if kind is routers.Portico else None))
    return Table("established", title, [*units, "of plain", "of two uplinks", "spread %"], rows)
