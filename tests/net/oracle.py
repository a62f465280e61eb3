# SPDX-License-Identifier: GPL-2.0-or-later
"""Says where a packet has to arrive, from the configuration as a person wrote it and the addresses of the lab.

It knows nothing of rules, maps and marks, and shares no code with the daemon. What it says is deliberately slow and
plain: the first forward that fits, port by port.
"""
import datetime
import ipaddress
import time
from dataclasses import dataclass

PUBLIC4, PUBLIC6 = "203.0.113.64/27", "2001:db8:5::/64"   # public prefixes of the LAN, routed to the router
INTERNET = ("203.0.113.200", "203.0.113.201", "203.0.113.202", "2001:db8:ffff::c8", "2001:db8:ffff::c9")
SPOOFED = ("192.168.0.77", "fd00:db8::77", "203.0.113.77", "2001:db8:5::77")   # the LAN's, sent from the internet

ADDRESSES = {
    "router": ("192.168.0.1", "203.0.113.65", "fd00:db8::1", "2001:db8:5::1"),
    "backend": ("192.168.0.2", "203.0.113.66", "fd00:db8::2", "2001:db8:5::2"),
    "client": ("192.168.0.3", "203.0.113.67", "fd00:db8::3", "2001:db8:5::3"),
    "backend2": ("192.168.0.4", "203.0.113.68", "fd00:db8::4", "2001:db8:5::4"),
    "inside": ("192.168.50.2",),
    "vpn": ("10.8.0.2",),
}
OWNERS = {address: host for host, addresses in ADDRESSES.items() for address in addresses}
# What a host behind the router sees as its side of it: by the prefix through which the router reaches the host.
FACING = {"192.168.0.0/24": "192.168.0.1", PUBLIC4: "203.0.113.65", "192.168.50.0/24": "192.168.0.1",
          "10.8.0.0/24": "10.8.0.1", "fd00:db8::/64": "fd00:db8::1", PUBLIC6: "2001:db8:5::1"}
# By device, the prefixes that are its own: the unique-local one comes after the global one for a suffix.
DEVICES = {"br-lan": ["192.168.0.0/24", PUBLIC4, PUBLIC6, "fd00:db8::/64"], "tun0": ["10.8.0.0/24"]}
UPLINK_ADDRESSES = [("192.0.2.1", "2001:db8:1::1"), ("198.51.100.1", "2001:db8:2::1"),
                    ("203.0.113.1", "2001:db8:3::1"), ("203.0.113.17", "2001:db8:4::1")]

LISTENED = frozenset([1, 80, 65535, *range(3000, 3072)])   # at every address of the hosts above
ROUTERS_OWN = frozenset([80, 3003, 3017, 3030])            # at the router's addresses on the uplinks


@dataclass(frozen=True)
class Verdict:
    outcome: str           # "answer", "refused", "silence"
    server: str = ""
    port: int = 0          # at the server
    peer: str = ""         # the source that it sees
    reply: str = ""        # for what came from the internet: the uplink by which the reply leaves

    def __str__(self):
        if self.outcome != "answer":
            return self.outcome
        reply = f", reply by {self.reply}" if self.reply else ""
        return f"{self.server} answers on port {self.port}, sees {self.peer}{reply}"


REFUSED, SILENCE = Verdict("refused"), Verdict("silence")


def within(address, prefixes):
    address = ipaddress.ip_address(address)
    return any(address in ipaddress.ip_network(p, strict=False) for p in prefixes)


def version(address):
    return ipaddress.ip_address(address.partition("/")[0]).version


def numbers(ports):
    """"80,8000-8002" -> 80, 8000, 8001, 8002."""
    for part in ports.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


# --- when ---

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def days_of(text):
    for part in text.split(","):
        first, _, last = part.partition("-")
        if part == "daily":
            yield from range(7)
            continue
        day, end = DAYS.index(first), DAYS.index(last or first)
        yield day
        while day != end:
            day = (day + 1) % 7
            yield day


def in_schedule(schedule, now=None):
    """Whether this minute of local time is in one of the windows: looks at every minute of every window."""
    now = now or time.localtime()
    minute = now.tm_wday * 1440 + now.tm_hour * 60 + now.tm_min
    for window in schedule.split(", "):
        days, hours = window.split(" ")
        begin, end = (int(h) * 60 + int(m) for h, m in (t.split(":") for t in hours.split("-")))
        length = end - begin if end > begin else end + 1440 - begin
        if any((minute - day * 1440 - begin) % 10080 < length for day in days_of(days)):
            return True
    return False


def in_force(forward):
    if not forward.get("enabled", True):
        return False
    expires = forward.get("expires_at")
    if expires:
        until = datetime.datetime.strptime(expires, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        if until <= datetime.datetime.now(datetime.timezone.utc):
            return False
    return not forward.get("schedule") or in_schedule(forward["schedule"])


# --- where ---

def prefixes_of(network):
    return [p for device in network.get("devices", []) for p in DEVICES[device]] + network.get("prefixes", [])


def backends(config, forward):
    """The addresses to which it leads: one, but for a suffix under several prefixes."""
    address = forward["internal_address"]
    host, _, length = address.partition("/-")
    if not length:
        return [address]
    wanted = forward.get("internal_network")
    suffix = int(ipaddress.ip_address(host))
    found = [str(ipaddress.ip_network(prefix).network_address + suffix)
             for network in config["networks"] if wanted in (None, network["name"])
             for device in network["devices"] for prefix in DEVICES[device] if version(prefix) == 6]
    return sorted(found, key=lambda a: within(a, ["fc00::/7"]))


def facing(address):
    return next(own for prefix, own in FACING.items() if within(address, [prefix]))


class Oracle:
    def __init__(self, config, way):
        """`way`: the number of the uplink by which the internet reaches what is behind the router."""
        self.config, self.way = config, way
        self.uplinks = [uplink["name"] for uplink in config["uplinks"]]

    def verdict(self, probe):
        for number, addresses in enumerate(UPLINK_ADDRESSES[:len(self.uplinks)]):
            if probe.address in addresses:
                return self._to_uplink(probe, number)
        if probe.host == "internet":
            return self._to_a_host(probe)
        owner = OWNERS.get(probe.address)
        if owner and probe.port in LISTENED:   # from one of our networks to another: routed, never translated
            return Verdict("answer", owner, probe.port, probe.source)
        return None   # where it has no opinion

    def leads(self, probe):
        """The forward or pinhole that serves it, or None."""
        for number, addresses in enumerate(UPLINK_ADDRESSES[:len(self.uplinks)]):
            if probe.address in addresses:
                return self._translation(probe, number)
        return self._pinhole(probe) if probe.host == "internet" else None

    def _network(self, address):
        return next((n for n in self.config["networks"] if within(address, prefixes_of(n))), None)

    def _find(self, probe, uplink, source, pinhole):
        for forward in self.config["forwards"]:
            if (bool(forward.get("pinhole")) == pinhole and in_force(forward)
                    and probe.protocol in forward.get("protocols", ["tcp"])
                    and version(forward["internal_address"]) == version(probe.address)
                    and (not forward.get("uplinks") or uplink in forward["uplinks"])
                    and (not pinhole or probe.address in backends(self.config, forward))
                    and probe.port in numbers(forward["external_ports"])):
                # Ports that are taken lead nowhere else: who may not use the forward meets what it hides.
                if forward.get("sources") and not within(source, forward["sources"]):
                    return None
                return forward
        return None

    def _to_uplink(self, probe, number):
        source = self._source(probe)
        if probe.host == "internet" and source in SPOOFED:
            return SILENCE
        reply = self.uplinks[number] if probe.host == "internet" else ""
        forward = self._translation(probe, number)
        if not forward:
            if probe.port in ROUTERS_OWN:
                return Verdict("answer", "router", probe.port, source, reply)
            return REFUSED
        external = list(numbers(forward["external_ports"]))
        internal = list(numbers(forward.get("internal_ports") or forward["external_ports"]))
        port = internal[external.index(probe.port)]
        if port not in LISTENED:
            return REFUSED
        backend = backends(self.config, forward)[0]
        return Verdict("answer", OWNERS[backend], port, self._peer(probe, forward, backend), reply)

    @staticmethod
    def _source(probe):
        return probe.source or probe.address   # what the kernel takes for its own addresses

    def _translation(self, probe, number):
        source = self._source(probe)
        network = self._network(source)
        forward = self._find(probe, self.uplinks[number], source, pinhole=False)
        if not forward or source in SPOOFED or not backends(self.config, forward):
            return None
        if network and not forward.get("hairpin", True):
            return None
        if network and network.get("hairpin") == "off":
            return None
        return forward

    def _peer(self, probe, forward, backend):
        """What the backend sees."""
        source = self._source(probe)
        network = self._network(source)
        if OWNERS[backend] == "router":
            return source
        if network and network.get("hairpin", "on") == "on" and self._network(backend):
            external = network.get("hairpin_source", "router") == "external"
            return probe.address if external else facing(backend)
        if forward.get("backend_sees") == "router" or probe.host == "router":
            return facing(backend)
        return source

    def _to_a_host(self, probe):
        """From the internet to an address behind the router, or to a server of the internet's own."""
        if not self._pinhole(probe):
            return SILENCE
        if probe.port not in LISTENED:
            return REFUSED
        return Verdict("answer", OWNERS[probe.address], probe.port, probe.source, self.uplinks[self.way])

    def _pinhole(self, probe):
        if probe.source in SPOOFED:
            return None
        return self._find(probe, self.uplinks[self.way], probe.source, pinhole=True)
