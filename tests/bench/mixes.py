# SPDX-License-Identifier: GPL-2.0-or-later
"""Sets of forwards, and for each the packets that use the last of them."""
from dataclasses import dataclass

from routers import BACKEND, BACKEND_6, CLIENT, INTERNET, INTERNET_6, UPLINK, UPLINK_6

PORT, RANGE_PORT, RANGE_SIZE = 1000, 12000, 10
SINK_PORT = 9
SHARE = 10  # one forward in so many is special


@dataclass(frozen=True)
class Way:
    """Packets: the host that sends, the router's device that they meet, from, to, the host and the place where
    they must arrive."""
    source: str
    target: str
    first_port: int
    last_port: int
    sink: str = BACKEND
    sink_port: int = SINK_PORT
    host: str = "internet"
    device: str = "eth0"
    to: str = "lan"


def plain(i, **fields):
    return {"name": f"forward {i}", "protocols": ["udp"], "external_ports": str(PORT + i),
            "internal_address": BACKEND, "internal_ports": str(SINK_PORT), **fields}


def port_range(i):
    """Unshifted, as they are mostly: one element in an interval map."""
    first = RANGE_PORT + (i // SHARE * 2 + i % 2) * RANGE_SIZE
    return {"name": f"forward {i}", "protocols": ["udp"], "external_ports": f"{first}-{first + RANGE_SIZE - 1}",
            "internal_address": BACKEND}


def with_sources(i):
    return plain(i, sources=["203.0.113.0/24", "198.51.100.128/25"])


def range_with_sources(i):
    return {**port_range(i), "sources": ["203.0.113.0/24", "198.51.100.128/25"]}


def of_one_uplink(i):
    return plain(i, uplinks=[f"isp{1 + (i // SHARE) % 2}"])


def six(i):
    return plain(i, family="ipv6", internal_address=BACKEND_6)


def pinhole(i):
    return {"name": f"forward {i}", "family": "ipv6", "protocols": ["udp"], "external_ports": str(PORT + i),
            "internal_address": BACKEND_6, "pinhole": True}


def pinhole_range(i):
    return {**port_range(i), "family": "ipv6", "internal_address": BACKEND_6, "pinhole": True}


def all_of(make):
    return lambda count: [make(i) for i in range(count)]


def some_of(make, last, others=plain):
    """One of SHARE made by `make`; `last` tells whether the very last one is among them."""
    def forwards(count):
        if count == 1:
            return [(make if last else others)(0)]
        special = (count - 1) % SHARE if last else count % SHARE
        return [make(i) if i % SHARE == special else others(i) for i in range(count)]
    return forwards


def alternately(count):
    """Each of one uplink alone, the last one of the first."""
    return [plain(i, uplinks=[f"isp{1 + (count - 1 - i) % 2}"]) for i in range(count)]


def of_everything(count):
    kinds = [port_range, with_sources, of_one_uplink, range_with_sources] + [plain] * (SHARE - 4)
    return [plain(0)] if count == 1 else [kinds[i % SHARE](i) for i in range(count)]


def to_last(count):
    return Way(INTERNET, UPLINK, PORT + count - 1, PORT + count - 1)


def to_all(count):
    return Way(INTERNET, UPLINK, PORT, PORT + count - 1)


def to_last_range(count):
    port = int(port_range(count - 1)["external_ports"].split("-")[1])
    return Way(INTERNET, UPLINK, port, port, sink_port=port)


def hairpin(count):
    return Way(CLIENT, UPLINK, PORT + count - 1, PORT + count - 1, host="lan", device="br-lan")


def to_last_six(count):
    return Way(INTERNET_6, UPLINK_6, PORT + count - 1, PORT + count - 1, sink=BACKEND_6)


def to_last_pinhole(count):
    port = PORT + count - 1
    return Way(INTERNET_6, BACKEND_6, port, port, sink=BACKEND_6, sink_port=port)


def to_last_pinhole_range(count):
    port = to_last_range(count).last_port
    return Way(INTERNET_6, BACKEND_6, port, port, sink=BACKEND_6, sink_port=port)


def to_internet(_count):
    return Way(CLIENT, INTERNET, SINK_PORT, SINK_PORT, sink=INTERNET, host="lan", device="br-lan", to="internet")


def past_the_router(_count):
    """To a router without rules."""
    return Way(INTERNET, BACKEND, SINK_PORT, SINK_PORT)


@dataclass(frozen=True)
class Mix:
    name: str
    forwards: object   # count -> what the API takes
    way: object        # count -> Way


PLAIN = Mix("all plain", all_of(plain), to_last)
HAIRPIN = Mix("all plain, hairpin from the LAN", all_of(plain), hairpin)
OUT = Mix("LAN to internet", all_of(plain), to_internet)
EVERYTHING = Mix("10 % each of ranges, sources, both, per uplink", of_everything, to_last)
MIXES = [
    Mix("all plain, all used", all_of(plain), to_all),
    Mix("10 % ranges, a plain one used", some_of(port_range, False), to_last),
    Mix("10 % ranges, a range used", some_of(port_range, True), to_last_range),
    Mix("10 % with sources, a plain one used", some_of(with_sources, False), to_last),
    Mix("10 % with sources, one of them used", some_of(with_sources, True), to_last),
    Mix("10 % ranges with sources, one of them used", some_of(range_with_sources, True), to_last_range),
    Mix("per uplink, all", alternately, to_last),
    Mix("10 % per uplink, a plain one used", some_of(of_one_uplink, False), to_last),
    EVERYTHING,
    Mix("... hairpin from the LAN", of_everything, hairpin),
    Mix("... LAN to internet", of_everything, to_internet),
    Mix("IPv6, all plain", all_of(six), to_last_six),
    Mix("IPv6 pinholes", all_of(pinhole), to_last_pinhole),
    Mix("IPv6 pinholes, 10 % ranges, a range used", some_of(pinhole_range, True, pinhole), to_last_pinhole_range),
]
