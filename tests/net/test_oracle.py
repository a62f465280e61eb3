# SPDX-License-Identifier: GPL-2.0-or-later
"""Random configurations, and a few lines of Python that say where each packet has to arrive."""
import random

import pytest

from lab.checks import outcome

UPLINKS = {"isp1": "192.0.2.1", "isp2": "198.51.100.1"}
BACKENDS = {"192.168.0.2": "backend", "192.168.0.4": "backend2"}
SOURCES = ("203.0.113.200", "203.0.113.201", "203.0.113.202")
FIRST, LAST = 3000, 3040   # external ports
INTERNAL = range(3000, 3060)
CONFIGURATIONS, PROBES = 12, 40


@pytest.fixture(scope="module", autouse=True)
def servers(home):
    for host in BACKENDS.values():
        for protocol in ("tcp", "udp"):
            for port in INTERNAL:
                home.lab[host].serve(port, protocol)


def random_forwards(rng):
    """Forwards that do not clash: each takes ports that are free on its uplinks, for its protocols."""
    taken, forwards = set(), []
    for number in range(rng.randint(1, 12)):
        uplinks = rng.choice([[], [], ["isp1"], ["isp2"], ["isp1", "isp2"]])
        protocols = rng.choice([["tcp"], ["udp"], ["tcp", "udp"]])
        ranges = []
        for _ in range(rng.randint(1, 3)):
            first = rng.randint(FIRST, LAST)
            ranges.append((first, min(first + rng.choice([0, 0, 1, 5]), LAST)))
        claims = {(uplink, protocol, port) for uplink in uplinks or UPLINKS for protocol in protocols
                  for first, last in ranges for port in range(first, last + 1)}
        ports = [port for first, last in ranges for port in range(first, last + 1)]
        if len(set(ports)) < len(ports) or claims & taken:
            continue
        shift = rng.choice([0, 0, 7, 19])
        enabled = rng.random() < 0.85
        taken |= claims if enabled else set()
        forwards.append({
            "name": f"f{number}", "enabled": enabled, "protocols": protocols, "uplinks": uplinks,
            "external_ports": text(ranges), "internal_ports": text(ranges, shift) if shift else None,
            "internal_address": rng.choice(list(BACKENDS)), "sources": rng.choice(
                [[], [], ["203.0.113.200/31"], ["203.0.113.202"], ["203.0.113.0/24", "10.0.0.0/8"]])})
    return forwards


def text(ranges, shift=0):
    return ",".join(str(a + shift) if a == b else f"{a + shift}-{b + shift}" for a, b in ranges)


def numbers(ports):
    for part in ports.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def allowed(source, sources):
    """The few prefixes above, without a library that could be wrong the same way."""
    last = int(source.split(".")[3])
    inside = {"203.0.113.200/31": last in (200, 201), "203.0.113.202": last == 202, "203.0.113.0/24": True,
              "10.0.0.0/8": False}
    return not sources or any(inside[s] for s in sources)


def expected(forwards, uplink, protocol, port, source):
    """(server, its port), or None: refused."""
    for forward in forwards:
        external = list(numbers(forward["external_ports"]))
        if (forward["enabled"] and protocol in forward["protocols"] and port in external
                and (not forward["uplinks"] or uplink in forward["uplinks"]) and allowed(source, forward["sources"])):
            internal = list(numbers(forward["internal_ports"] or forward["external_ports"]))
            return BACKENDS[forward["internal_address"]], internal[external.index(port)]
    return None


@pytest.mark.parametrize("seed", range(CONFIGURATIONS))
def test_packets_arrive_where_they_should(router_daemon, seed):
    rng = random.Random(seed)
    forwards = random_forwards(rng)
    router_daemon.configure(forwards=forwards)
    internet = router_daemon.lab.internet
    for _ in range(PROBES):
        uplink, protocol = rng.choice(list(UPLINKS)), rng.choice(["tcp", "udp"])
        port, source = rng.randint(FIRST - 1, LAST + 1), rng.choice(SOURCES)
        probe = (UPLINKS[uplink], port, protocol)
        want = expected(forwards, uplink, protocol, port, source)
        try:
            answer = internet.ask(*probe, source=source)
            got = answer.server, answer.local_port
            assert answer.peer == source
        except ConnectionRefusedError:
            got = None
        assert got == want, f"{probe} from {source}; forwards: {forwards}"


@pytest.mark.parametrize("seed", range(4))
def test_from_one_configuration_to_another(router_daemon, seed):
    """Forwards deleted and added one by one, in any order."""
    rng = random.Random(100 + seed)
    api = router_daemon.api
    first, second = random_forwards(rng), random_forwards(rng)
    router_daemon.configure(forwards=first)
    for forward in api.get("/forwards").expect(200)["items"]:
        api.delete(f"/forwards/{forward['id']}").expect(200)
    for forward in rng.sample(second, len(second)):
        api.post("/forwards", forward).expect(201)
    config = api.get("/config").expect(200)
    assert api.post("/config/plan", config).expect(200) == {"changes": [], "kernel": []}
    for forward in second:
        port = next(numbers(forward["external_ports"]))
        for uplink, address in UPLINKS.items():
            want = expected(second, uplink, forward["protocols"][0], port, SOURCES[0])
            seen = outcome(router_daemon.lab.internet, address, port, forward["protocols"][0], source=SOURCES[0])
            assert seen == ("answer" if want else "refused")
