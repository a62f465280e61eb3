# SPDX-License-Identifier: GPL-2.0-or-later
"""Every option of a forward and its hairpin twin: TCP and UDP, both families, one to four uplinks.

One forward at a time, asked from everywhere and by every uplink at once; what each must see is written down here,
option by option. A refusal is a refusal, not silence; and when the forward is gone, everybody is refused."""
import socket
import struct
from dataclasses import dataclass, field

import pytest

import oracle_random
from lab import topologies
from lab.batch import Probe
from lab.router import Router
from oracle import REFUSED, SILENCE, UPLINK_ADDRESSES, Verdict
from oracle_world import World, prepare

PROTOCOLS = ("tcp", "udp")


@dataclass(frozen=True)
class Family:
    name: str
    number: int          # of the uplinks' pairs of addresses
    backend: str
    facing: str          # the router, as that backend sees it
    public: str          # the backend's public address
    other_public: str    # another host's
    listed: str          # a sender in the internet,
    unlisted: str        # and another
    client: str
    router: str          # the router's own address in the LAN


FAMILIES = {
    "ipv4": Family("ipv4", 0, "192.168.0.2", "192.168.0.1", "203.0.113.66", "203.0.113.68", "203.0.113.200",
                   "203.0.113.202", "192.168.0.3", "192.168.0.1"),
    "ipv6": Family("ipv6", 1, "fd00:db8::2", "fd00:db8::1", "2001:db8:5::2", "2001:db8:5::4", "2001:db8:ffff::c8",
                   "2001:db8:ffff::c9", "fd00:db8::3", "fd00:db8::1"),
}


@dataclass
class Option:
    """`fields` of the forward, with {names} of its Family; `ports`: where external ones lead; `shut`: beside them."""
    fields: dict = field(default_factory=dict)
    network: dict = field(default_factory=dict)
    ports: dict = field(default_factory=lambda: {3000: 3000})
    shut: tuple = (3001,)
    refused: tuple = ()      # senders that get nowhere
    sees: dict = field(default_factory=dict)    # by sender, where it is not as usual: "router", "external", "sender"
    server: str = "backend"
    families: tuple = tuple(FAMILIES)
    last_only: bool = False  # of the uplinks
    pinhole: bool = False


SENDERS = ("listed", "unlisted", "client", "backend", "router")
INSIDE = ("client", "backend", "router")
OPTIONS = {
    "plain": Option(),
    "list": Option({"external_ports": "3000,3005,3009-3010"}, ports={p: p for p in (3000, 3005, 3009, 3010)},
                   shut=(3001, 3004, 3006, 3008, 3011)),
    "range": Option({"external_ports": "3000-3009"}, ports={p: p for p in (3000, 3004, 3009)}, shut=(2999, 3010)),
    "shifted": Option({"external_ports": "3000-3002,3010", "internal_ports": "3020-3022,3040"},
                      ports={3000: 3020, 3001: 3021, 3002: 3022, 3010: 3040}, shut=(3020, 3040)),
    "every-port": Option({"external_ports": "1-65535"}, ports={p: p for p in (1, 3004, 65535)}, shut=()),
    "sources": Option({"sources": ["{listed}", "{client}"]}, refused=("unlisted", "backend", "router")),
    "sources-range": Option({"sources": ["{listed}", "{client}"], "external_ports": "3000-3009"},
                            ports={3000: 3000, 3009: 3009}, shut=(3010,), refused=("unlisted", "backend", "router")),
    "no-hairpin": Option({"hairpin": False}, refused=("client", "backend")),
    "no-hairpin-range": Option({"hairpin": False, "external_ports": "3000-3009"}, shut=(3010,),
                               refused=("client", "backend")),
    "network-without-hairpin": Option(network={"hairpin": "off"}, refused=("client", "backend")),
    "hairpin-external": Option(network={"hairpin_source": "external"}, sees={"client": "external",
                                                                             "backend": "external"}),
    "hairpin-external-range": Option({"external_ports": "3000-3009"}, {"hairpin_source": "external"}, shut=(3010,),
                                     sees={"client": "external", "backend": "external"}),
    "backend-sees-router": Option({"backend_sees": "router"}, sees={"listed": "router", "unlisted": "router"}),
    "backend-sees-router-range": Option({"backend_sees": "router", "external_ports": "3000-3009"}, shut=(3010,),
                                        sees={"listed": "router", "unlisted": "router"}),
    "log": Option({"log": True}),
    "one-uplink": Option({"uplinks": ["last"]}, last_only=True),
    "one-uplink-range": Option({"uplinks": ["last"], "external_ports": "3000-3009"}, shut=(3010,), last_only=True),
    "to-the-router": Option({"internal_address": "{router}"}, server="router",
                            sees={"client": "sender", "backend": "sender", "router": "sender"}),
    "suffix": Option({"internal_address": "::2/-64"}, families=("ipv6",)),
    "suffix-of-a-network": Option({"internal_address": "::2/-64", "internal_network": "lan"}, families=("ipv6",)),
    "in-its-hours": Option({"schedule": "@in"}),
    "expires-later": Option({"expires_at": "@future"}),
    "out-of-its-hours": Option({"schedule": "@out"}, refused=SENDERS),
    "expired": Option({"expires_at": "@past"}, refused=SENDERS),
    "disabled": Option({"enabled": False}, refused=SENDERS),
    "pinhole": Option(pinhole=True),
    "pinhole-range": Option({"external_ports": "3000-3009,3020"}, ports={p: p for p in (3000, 3009, 3020)},
                            shut=(2999, 3010), pinhole=True),
    "pinhole-sources": Option({"sources": ["{listed}"]}, refused=("unlisted",), pinhole=True),
    "pinhole-log": Option({"log": True}, pinhole=True),
    "pinhole-one-uplink": Option({"uplinks": ["last"]}, last_only=True, pinhole=True),
    "pinhole-suffix": Option({"internal_address": "::2/-64"}, families=("ipv6",), pinhole=True),
    "pinhole-out-of-its-hours": Option({"schedule": "@out"}, refused=SENDERS, pinhole=True),
    "pinhole-disabled": Option({"enabled": False}, refused=SENDERS, pinhole=True),
}
CASES = [pytest.param(FAMILIES[family], option, id=f"{name}-{family}")
         for name, option in OPTIONS.items() for family in option.families]


@pytest.fixture(scope="module", params=[1, 2, 3, 4], ids=lambda n: f"{n}-uplinks")
def world(request, built, lab_factory):
    lab = lab_factory(topologies.home(request.param))
    prepare(lab, request.param)
    with Router(lab) as router:
        yield World(router, request.param)
        router.daemon.check_log()


def make(world, family, option):
    """Puts the configuration of the option."""
    def fill(value):
        if isinstance(value, list):
            return [fill(v) for v in value]
        if value == "last":
            return f"isp{world.uplinks}"
        return value.format(**vars(family)) if isinstance(value, str) else value
    forward = {"name": "it", "family": family.name, "protocols": list(PROTOCOLS), "external_ports": "3000",
               "internal_address": family.public if option.pinhole else family.backend, "pinhole": option.pinhole,
               **{name: fill(value) for name, value in option.fields.items()}}
    network = {"name": "lan", "devices": ["br-lan"], **option.network}
    sent = oracle_random.expand({"networks": [network], "forwards": [forward]})
    return world.router.configure(**sent)["forwards"][0]


def sender(family, who):
    """(host, its address); the router's own connections have the address that they go to."""
    if who == "router":
        return "router", ""
    return ("internet" if who in ("listed", "unlisted") else who), getattr(family, who)


def translation_probes(world, family, option):
    suffix = "/-" in option.fields.get("internal_address", "")
    facing = "2001:db8:5::1" if suffix else family.facing
    for number, pair in enumerate(UPLINK_ADDRESSES[:world.uplinks]):
        address = pair[family.number]
        elsewhere = option.last_only and number != world.uplinks - 1
        for who in SENDERS:
            host, source = sender(family, who)
            usual = "router" if who in INSIDE else "sender"
            peer = {"router": facing, "external": address, "sender": source or address}[option.sees.get(who, usual)]
            reply = f"isp{number + 1}" if host == "internet" else ""
            for protocol in PROTOCOLS:
                for port, internal in option.ports.items():
                    refused = elsewhere or who in option.refused
                    yield (Probe(host, source, address, port, protocol),
                           REFUSED if refused else Verdict("answer", option.server, internal, peer, reply))
                for port in option.shut:
                    yield Probe(host, source, address, port, protocol), REFUSED


def pinhole_probes(world, family, option, way):
    elsewhere = option.last_only and way != world.uplinks - 1
    for who in ("listed", "unlisted"):
        host, source = sender(family, who)
        for protocol in PROTOCOLS:
            for port in option.ports:
                refused = elsewhere or who in option.refused
                yield (Probe(host, source, family.public, port, protocol), SILENCE if refused else
                       Verdict("answer", "backend", port, source, f"isp{way + 1}"))
            for port in option.shut:
                yield Probe(host, source, family.public, port, protocol), SILENCE
            yield Probe(host, source, family.other_public, 3000, protocol), SILENCE
            # The uplink's own address is not what a pinhole is for.
            yield Probe(host, source, UPLINK_ADDRESSES[way][family.number], 3000, protocol), REFUSED
    # In the LAN nothing changes.
    for protocol in PROTOCOLS:
        client = family.public.replace("66", "67") if family.number == 0 else "2001:db8:5::3"
        yield Probe("client", client, family.public, 3000, protocol), Verdict("answer", "backend", 3000, client)


def asked(world, family, option):
    if not option.pinhole:
        return [list(translation_probes(world, family, option))]
    return [list(pinhole_probes(world, family, option, way)) for way in range(world.uplinks)]


def confirm(world, batches):
    for way, pairs in enumerate(batches):
        world.lead(way)
        wrong = [f"{probe}\n  expected: {want}\n  happened: {got}" for probe, want, got in world.otherwise(pairs)]
        assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("family, option", CASES)
def test_option(world, family, option):
    forward = make(world, family, option)
    batches = asked(world, family, option)
    confirm(world, batches)
    world.api.delete(f"/forwards/{forward['id']}").expect(200)
    gone = SILENCE if option.pinhole else REFUSED
    confirm(world, [[(p, gone) for p, w in pairs if w.outcome == "answer" and p.host != "client"] if option.pinhole else
                    [(p, gone) for p, _ in pairs] for pairs in batches[:1]])


# --- what Python has no sockets for: packets made by hand ---

SCTP, GRE, ESP = 132, 47, 50


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def sctp(sport, dport, kind, tag):
    """RFC 9260: the common header and an INIT (1) or INIT ACK (2) chunk without options."""
    chunk = struct.pack("!BBHIIHHI", kind, 0, 20, 0x01020304, 65536, 1, 1, 1)
    header = struct.pack("!HHII", sport, dport, tag, 0)
    return struct.pack("!HHI", sport, dport, tag) + struct.pack("<I", crc32c(header + chunk)) + chunk


@pytest.fixture
def raw(world):
    """send(host, source, destination, protocol, payload)."""
    def send(host, source, destination, protocol, payload):
        kind = socket.AF_INET6 if ":" in destination else socket.AF_INET
        with world.lab[host].socket(kind, socket.SOCK_RAW, protocol) as one:
            if source:
                one.bind((source, 0))
            one.sendto(payload, (destination, 0))
    return send


def legs(world, family, raw, protocol, question, answer, name):
    """From outside and by hairpin, by every uplink: yields what the backend got; sends an answer, sees it return."""
    lab = world.lab
    for number, pair in enumerate(UPLINK_ADDRESSES[:world.uplinks]):
        address = pair[family.number]
        for host, source, seen in (("internet", family.listed, family.listed),
                                   ("client", family.client, family.facing)):
            back = lab[f"isp{number + 1}"].capture("router") if host == "internet" else lab.client.capture("eth0")
            with lab.backend.capture("eth0") as backend, back:
                raw(host, source, address, protocol, question(number))
                got = backend.wait(direction="in", protocol=name, src=seen, dst=family.backend)[0]
                raw("backend", family.backend, seen, protocol, answer(got))
                back.wait(direction="in", protocol=name, src=address, dst=source)
                yield got
            # Without ports one sender's connections to two addresses are one to the backend.
            lab.router.run("conntrack -F")


@pytest.mark.parametrize("ports", [{"external_ports": "3000"}, {"external_ports": "2990-3010"},
                                   {"external_ports": "2990-3010", "internal_ports": "3090-3110"}],
                         ids=["port", "range", "shifted"])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_sctp(world, family, raw, ports):
    """An association is begun: INIT, INIT ACK."""
    make(world, family, Option({"protocols": ["sctp"], **ports}))
    wanted = 3100 if "internal_ports" in ports else 3000
    for got in legs(world, family, raw, SCTP, lambda number: sctp(20000 + number, 3000, 1, 0),
                    lambda got: sctp(got.dport, got.sport, 2, 0x01020304), "sctp"):
        assert got.dport == wanted


@pytest.mark.parametrize("protocol, number", [("gre", GRE), ("esp", ESP)])
@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_protocol_without_ports(world, family, raw, protocol, number):
    payload = b"\0\0\x08\0" + b"x" * 32
    make(world, family, Option({"protocols": [protocol], "external_ports": None}))
    for _ in legs(world, family, raw, number, lambda _: payload, lambda _: payload, str(number)):
        pass
