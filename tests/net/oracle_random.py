# SPDX-License-Identifier: GPL-2.0-or-later
"""Random configurations, the probes that may find something out about them, and what is left of a failure when
everything that does not matter is taken away."""
import copy
import time

import oracle
from lab.batch import Probe

FIRST, LAST = 3000, 3045      # most external ports; those of backends go up to what oracle.LISTENED has
BACKENDS = {
    "ipv4": ["192.168.0.2", "192.168.0.4", "203.0.113.66", "203.0.113.68", "192.168.0.1", "203.0.113.65",
             "192.168.50.2", "10.8.0.2"],
    "ipv6": ["fd00:db8::2", "fd00:db8::4", "2001:db8:5::2", "2001:db8:5::4", "fd00:db8::1", "2001:db8:5::1",
             "::2/-64", "::4/-64", "::2/-64"],
}
SOURCES = {
    "ipv4": [["203.0.113.200/31"], ["203.0.113.202"], ["203.0.113.0/24", "10.0.0.0/8"],
             ["192.168.0.0/24", "203.0.113.200"], ["192.168.0.3", "192.168.50.0/24", "203.0.113.201/32"],
             ["203.0.113.64/27"], ["192.0.2.1", "10.8.0.2"], ["0.0.0.0/0"]],
    "ipv6": [["2001:db8:ffff::c8"], ["2001:db8:ffff::/48"], ["fd00:db8::/64", "2001:db8:ffff::c9"],
             ["2001:db8:5::3/128"], ["2001:db8::/32"], ["::/0"], ["2001:db8:1::1"]],
}
HOUR_S = 3600
SENDERS = {
    4: [("internet", s) for s in oracle.INTERNET if ":" not in s] * 2 + [
        ("internet", "192.168.0.77"), ("internet", "203.0.113.77"), ("client", "192.168.0.3"),
        ("client", "203.0.113.67"), ("backend", "192.168.0.2"), ("backend2", "192.168.0.4"),
        ("backend", "203.0.113.66"), ("inside", "192.168.50.2"), ("vpn", "10.8.0.2"), ("router", ""),
        ("router", "192.168.0.1")],
    6: [("internet", s) for s in oracle.INTERNET if ":" in s] * 3 + [
        ("internet", "fd00:db8::77"), ("internet", "2001:db8:5::77"), ("client", "fd00:db8::3"),
        ("client", "2001:db8:5::3"), ("backend", "fd00:db8::2"), ("backend2", "2001:db8:5::4"),
        ("backend2", "fd00:db8::4"), ("router", ""), ("router", "fd00:db8::1")],
}


# --- configurations ---

def random_config(rng, uplinks, networks=None):
    """Times are words ("@in") until expand() makes them text: a case must mean the same at any hour."""
    config = {"networks": networks or random_networks(rng),
              "uplinks": [{"name": f"isp{i + 1}", "device": f"eth{i}"} for i in range(uplinks)], "forwards": []}
    claims = Claims(config)
    for number in range(rng.randint(1, 24)):
        forward = random_forward(rng, config, f"f{number}")
        if claims.take(forward):
            config["forwards"].append(forward)
    return config


def random_networks(rng):
    def hairpin():
        return {"hairpin": rng.choice(["on"] * 5 + ["off"]),
                "hairpin_source": rng.choice(["router", "router", "external"])}
    lan = {"name": "lan", "devices": ["br-lan"], "prefixes": [p for p in ("192.168.50.0/24", "10.8.0.0/24")
                                                              if rng.random() < 0.5], **hairpin()}
    networks = [lan]
    if "10.8.0.0/24" not in lan["prefixes"] and rng.random() < 0.5:
        networks.append({"name": "vpn", "devices": ["tun0"], "prefixes": [], **hairpin()})
    return networks


def random_ranges(rng, previous):
    ranges, first = [], None
    for _ in range(rng.choice([1, 1, 2, 3])):
        if previous and first is None and rng.random() < 0.3:
            first = previous + 1   # a neighbour of another forward's range
        else:
            first = rng.randint(FIRST, LAST)
        last = min(first + rng.choice([0, 0, 1, 2, 5, 15]), LAST)
        if first <= last and all(last < a or first > b for a, b in ranges):
            ranges.append((first, last))
    return ranges


def text(ranges):
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def random_forward(rng, config, name):
    family = rng.choice(["ipv4", "ipv4", "ipv6"])
    pinhole = rng.random() < 0.25
    last = [list(oracle.numbers(f["external_ports"]))[-1] for f in config["forwards"][-1:]]
    if rng.random() < 0.08:
        ranges = [rng.choice([(1, 65535), (1, 3020), (3021, 65535), (2000, 3010), (3011, 9000)])]
        shift = 0
    else:
        ranges = random_ranges(rng, last[0] if last else None) or [(FIRST, FIRST)]
        shift = 0 if pinhole else rng.choice([0, 0, 0, 7, 19])
    shifted = [(a + shift, b + shift) if rng.random() < 0.8 else (a, b) for a, b in ranges]
    if len(set(oracle.numbers(text(shifted)))) < len(list(oracle.numbers(text(shifted)))):
        shifted = ranges   # two external ports would lead to one
    networks = [n["name"] for n in config["networks"]]
    reached = [p for n in config["networks"] for p in oracle.prefixes_of(n)]
    address = rng.choice([a for a in BACKENDS[family] if "/" in a or oracle.within(a, reached)])
    forward = {
        "name": name, "enabled": rng.random() < 0.94, "family": family, "pinhole": pinhole,
        "protocols": rng.choice([["tcp"], ["udp"], ["tcp", "udp"], ["tcp", "udp"]]),
        "uplinks": rng.choice([[], [], rng.sample([u["name"] for u in config["uplinks"]],
                                                  rng.randint(1, len(config["uplinks"])))]),
        "external_ports": text(ranges), "internal_ports": text(shifted) if shifted != ranges else None,
        "internal_address": address,
        "internal_network": rng.choice([None, None, *networks]) if "/" in address else None,
        "sources": rng.choice([[], [], [], rng.choice(SOURCES[family])]),
        "hairpin": rng.random() < 0.8,
        "backend_sees": "client" if pinhole else rng.choice(["client", "client", "router"]),
        "log": rng.random() < 0.12,
        "schedule": rng.choice([None] * 7 + ["@in", "@out"]),
        "expires_at": rng.choice([None] * 8 + ["@future", "@past"]),
    }
    return forward


class Claims:
    """What two enabled forwards cannot both have: a port, and two answers to what their common backend sees."""

    def __init__(self, config):
        self._config = config
        self._ports, self._sees = set(), {}

    def take(self, forward):
        if not forward["enabled"]:
            return True
        uplinks = forward["uplinks"] or [u["name"] for u in self._config["uplinks"]]
        targets = {*oracle.backends(self._config, forward), forward["internal_address"]}
        ports = set(oracle.numbers(forward["external_ports"]))
        internal = set(oracle.numbers(forward["internal_ports"] or forward["external_ports"]))
        wanted = {(forward["family"], protocol, uplink, target, port) for protocol in forward["protocols"]
                  for uplink in uplinks for target in (targets if forward["pinhole"] else [""]) for port in ports}
        if wanted & self._ports:
            return False
        mine = forward["backend_sees"]
        seen = {(protocol, target, port): mine for protocol in forward["protocols"] for port in internal
                for target in targets}
        if any(self._sees.get(key, mine) != mine for key in seen):
            return False
        self._ports |= wanted
        self._sees.update(seen)
        return True


def compatible(config, kept):
    """The configuration's forwards as far as they go together with those, which come first and keep their names."""
    claims = Claims(config)
    names = {forward["name"] for forward in kept if claims.take(forward)}
    return kept + [forward for forward in config["forwards"] if forward["name"] not in names and claims.take(forward)]


def expand(config):
    """With real times, as they are sent."""
    now = time.time()

    def window(begin_h, end_h):
        begin, end = (time.localtime(now + hours * HOUR_S) for hours in (begin_h, end_h))
        return f"{oracle.DAYS[begin.tm_wday]} {time.strftime('%H:%M', begin)}-{time.strftime('%H:%M', end)}"

    def when(hours):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + hours * HOUR_S))
    words = {"@in": window(-3, 4), "@out": window(3, 9), "@future": when(5), "@past": when(-5)}
    config = copy.deepcopy(config)
    for forward in config["forwards"]:
        for field in ("schedule", "expires_at"):
            forward[field] = words.get(forward.get(field), forward.get(field))
    return config


# --- probes ---

def random_probes(rng, config, count):
    """Most of them at or beside what forwards claim."""
    uplinks = len(config["uplinks"])
    probes = []
    for _ in range(count):
        forward = rng.choice(config["forwards"]) if config["forwards"] and rng.random() < 0.85 else None
        ip = (6 if forward["family"] == "ipv6" else 4) if forward else rng.choice([4, 4, 6])
        port = rng.choice([rng.randint(FIRST - 2, LAST + 2), 80, 1, 65535])
        if forward:
            first, _, last = rng.choice(forward["external_ports"].split(",")).partition("-")
            ports = [int(first), int(last or first), int(first) - 1, int(last or first) + 1, port]
            port = min(max(rng.choice(ports[:2] * 4 + ports), 1), 65535)
        protocol = rng.choice(forward["protocols"] if forward and rng.random() < 0.85 else ["tcp", "udp"])
        host, source = rng.choice(SENDERS[ip])
        addresses = [a[ip == 6] for a in oracle.UPLINK_ADDRESSES[:uplinks]]
        behind = [a for h in ("backend", "backend2") for a in oracle.ADDRESSES[h] if oracle.version(a) == ip]
        if host == "internet" and rng.random() < (0.75 if forward and forward["pinhole"] else 0.15):
            addresses = behind
        elif host == "vpn" and rng.random() < 0.1:
            addresses = behind
        probes.append(Probe(host, source, rng.choice(addresses), port, protocol))
    return list(dict.fromkeys(probes))


# --- less of a failure ---

DEFAULTS = {"schedule": None, "expires_at": None, "log": False, "sources": [], "hairpin": True, "uplinks": [],
            "internal_network": None, "internal_ports": None, "backend_sees": "client", "enabled": True,
            "protocols": ["tcp"]}


def smaller(config):
    """Configurations with one thing less each."""
    for number in range(len(config["forwards"])):
        less = copy.deepcopy(config)
        del less["forwards"][number]
        yield less
    for number, forward in enumerate(config["forwards"]):
        for field, value in DEFAULTS.items():
            if forward.get(field, value) != value:
                less = copy.deepcopy(config)
                less["forwards"][number][field] = value
                yield less
        parts = forward["external_ports"].split(",")
        inner = (forward.get("internal_ports") or forward["external_ports"]).split(",")
        for part in range(len(parts) if len(parts) > 1 else 0):
            less = copy.deepcopy(config)
            less["forwards"][number]["external_ports"] = ",".join(parts[:part] + parts[part + 1:])
            if forward.get("internal_ports"):
                less["forwards"][number]["internal_ports"] = ",".join(inner[:part] + inner[part + 1:])
            yield less
    for number, network in enumerate(config["networks"]):
        for field, value in (("prefixes", []), ("hairpin", "on"), ("hairpin_source", "router")):
            if network.get(field, value) != value:
                less = copy.deepcopy(config)
                less["networks"][number][field] = value
                yield less


def shrink(config, fails):
    """The smallest configuration found for which `fails` still says so."""
    again = True
    while again:
        again = False
        for less in smaller(config):
            if fails(less):
                config, again = less, True
                break
    for forward in config["forwards"]:
        for field, value in DEFAULTS.items():
            if forward.get(field) == value and field != "protocols":
                forward.pop(field, None)
    return config
