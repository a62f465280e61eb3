# SPDX-License-Identifier: GPL-2.0-or-later
"""Which uplink a new connection from inside gets: weights, tiers, sources that stick, policies. The ISPs count."""
import contextlib
import socket
import threading

import pytest

from lab import topologies
from lab.checks import isps, outcome, uplink_address
from lab.faults import Isp
from lab.lab import wait_for
from lab.router import Router
from lab.stream import Sink, Source

SERVER, OTHER_SERVER = "203.0.113.200", "203.0.113.201"
PORT = 9000   # nobody listens there: the flows are counted on their way


@pytest.fixture(scope="module", params=[2, 3, 8], ids=lambda n: f"{n}-uplinks")
def many(request, built, lab_factory):
    lab = lab_factory(topologies.home(request.param))
    lab.client.ip("addr add 192.168.0.100/24 dev eth0")
    for number in range(101, 130):
        lab.client.ip(f"addr add 192.168.0.{number}/24 dev eth0")
    for protocol in ("tcp", "udp"):
        lab.internet.serve(80, protocol, SERVER)
        lab.internet.serve(80, protocol, OTHER_SERVER)
        lab.internet.serve(443, protocol, SERVER)
    lab.internet.nft(f"""table inet quiet {{
        chain input {{
            type filter hook input priority 0;
            udp dport {PORT} drop
        }}
    }}""")
    with Router(lab) as router, contextlib.ExitStack() as stack:
        router.isps = {name: stack.enter_context(Isp(lab, name)) for name in isps(lab)}
        yield router


@pytest.fixture
def router(many):
    many.reset()
    yield many
    assert {name: isp.strangers() for name, isp in many.isps.items() if isp.strangers()} == {}
    many.daemon.check_log()


def uplinks(router, *changes):
    """Uplinks of one tier, with the changes to each."""
    changes = changes or ({},) * len(router.isps)
    return [{"name": isp.name, "device": isp.device, **change} for isp, change in zip(router.isps.values(), changes)]


def flows(host, address, count, port=PORT, source=None):
    """As many new UDP flows, of one datagram each."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(count):
        with host.socket(family, socket.SOCK_DGRAM) as sender:
            if source:
                sender.bind((source, 0))
            sender.sendto(b"x", (address, port))


def shares(router, send, match=f"udp dport {PORT}"):
    """How many packets that match each ISP got while `send` ran."""
    with contextlib.ExitStack() as stack:
        counts = [stack.enter_context(isp.counting(match)) for isp in router.isps.values()]
        send()
        return [count() for count in counts]


@pytest.mark.parametrize("weights", ["equal", "unequal"])
def test_weights(router, weights):
    """Within 2 % over 10,000 flows; what the LAN says to the router or to itself takes nobody's turn."""
    weights = [1 if weights == "equal" else 1 + 2 * (i % 3) for i in range(len(router.isps))]
    router.configure(uplinks=uplinks(router, *({"weight": w} for w in weights)))
    total, count = sum(weights), 10000

    def send():
        for _ in range(100):
            flows(router.lab.client, SERVER, count // 100)
            flows(router.lab.client, "192.168.0.1", 1)
            flows(router.lab.client, uplink_address(router.lab, "isp1"), 1)
            flows(router.lab.client, "192.168.50.2", 1)
    seen = shares(router, send)
    assert sum(seen) == count
    for weight, got in zip(weights, seen):
        assert abs(got / count - weight / total) < 0.02, (weights, seen)


def test_a_weight_change_moves_only_new_connections(router):
    router.configure(uplinks=uplinks(router))
    with Source(router.lab.internet, 5001, address=SERVER), contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(Sink(router.lab.client, SERVER, 5001)) for _ in range(2 * len(router.isps))]
        before = sorted(e["reply_dst"] for e in router.lab.router.conntrack(dport=5001))
        assert {before.count(a) for a in set(before)} == {2}, "two on each"
        router.configure(uplinks=uplinks(router, {"weight": 100}, *({},) * (len(router.isps) - 1)))
        for sink in sinks:
            sink.goes_on()
        assert sorted(e["reply_dst"] for e in router.lab.router.conntrack(dport=5001)) == before
    seen = shares(router, lambda: flows(router.lab.client, SERVER, 1010))
    assert seen[0] > 900, seen


def test_lower_tiers_wait(router):
    count = len(router.isps)
    router.configure(uplinks=uplinks(router, *({"tier": count - i} for i in range(count))))
    assert shares(router, lambda: flows(router.lab.client, SERVER, 100)) == [0] * (count - 1) + [100]


def test_out_of_service(router):
    """Nothing new for it; what it has goes on, forwards answer on it."""
    router.configure(uplinks=uplinks(router))
    router.forward()
    router.lab.backend.serve(80)
    with Source(router.lab.internet, 5002, address=SERVER), contextlib.ExitStack() as stack:
        sinks = [stack.enter_context(Sink(router.lab.client, SERVER, 5002)) for _ in range(len(router.isps))]
        first = router.api.get("/uplinks").expect(200)["items"][0]
        router.api.patch(f"/uplinks/{first['id']}", {"out_of_service": True}).expect(200)
        seen = shares(router, lambda: flows(router.lab.client, SERVER, 90))
        assert seen[0] == 0 and sum(seen) == 90
        for sink in sinks:
            sink.goes_on()
    assert router.lab.internet.ask(router.isps["isp1"].address, 80).server == "backend"
    assert router.lab.router.ask(SERVER, 80).peer != router.isps["isp1"].address


def test_sources_stick(router):
    router.configure(uplinks=uplinks(router, *({"sticky": True},) * len(router.isps)))
    used = set()
    for number in range(100, 120):
        source = f"192.168.0.{number}"
        seen = shares(router, lambda s=source: flows(router.lab.client, SERVER, 20, source=s),
                      f"udp dport {PORT}")
        assert sorted(seen)[-1] == 20, (source, seen)
        used.add(seen.index(20))
    assert used == set(range(len(router.isps))), "sources are shared out"
    assert "timeout 10m" in router.lab.router.run("nft list table inet portico").stdout


def test_a_sticky_source_moves_when_its_uplink_goes_and_stays_there(router):
    """When the first is back, the source has stuck to the other."""
    router.configure(uplinks=uplinks(router, *({"sticky": True},) * len(router.isps)))

    def by():
        seen = shares(router, lambda: flows(router.lab.client, SERVER, 5, source="192.168.0.121"))
        return [i for i, count in enumerate(seen) if count]
    home = by()
    assert len(home) == 1
    items = router.api.get("/uplinks").expect(200)["items"]
    router.api.patch(f"/uplinks/{items[home[0]]['id']}", {"out_of_service": True}).expect(200)
    away = by()
    assert len(away) == 1 and away != home
    router.api.patch(f"/uplinks/{items[home[0]]['id']}", {"out_of_service": False}).expect(200)
    assert by() == away


def test_the_router_itself_uses_the_heaviest(router):
    *others, last = ({},) * (len(router.isps) - 1) + ({"weight": 2},)
    router.configure(uplinks=uplinks(router, *others, last))
    for protocol in ("tcp", "udp"):
        assert router.lab.router.ask(SERVER, 80, protocol).peer == list(router.isps.values())[-1].address


def test_policies(router):
    last, first = list(router.isps)[-1], "isp1"
    router.configure(uplinks=uplinks(router), policies=[
        {"name": "one host", "position": 2, "sources": ["192.168.0.100"], "uplinks": [last]},
        {"name": "but not there", "position": 1, "destinations": [OTHER_SERVER], "uplinks": [first]},
        {"name": "secure web", "position": 3, "protocol": "tcp", "ports": "443,8443", "uplinks": [last]},
        {"name": "off", "position": 1, "enabled": False, "uplinks": [first]},
        {"name": "datagrams", "position": 4, "protocol": "udp", "uplinks": ["nobody", first]},
    ])
    client = router.lab.client
    of = {name: isp.address for name, isp in router.isps.items()}
    for _ in range(4):
        assert client.ask(SERVER, 80, source="192.168.0.100").peer == of[last]
        assert client.ask(OTHER_SERVER, 80, source="192.168.0.100").peer == of[first]
        assert client.ask(SERVER, 443).peer == of[last]
        assert client.ask(SERVER, 80, "udp").peer == of[first]
        assert client.ask(OTHER_SERVER, 80).peer == of[first]
    peers = {client.ask(SERVER, 80).peer for _ in range(len(router.isps))}
    assert peers == set(of.values()), "the rest is shared out"
    # What is inside stays inside.
    router.lab.backend.serve(8080)
    assert client.ask("192.168.0.2", 8080, source="192.168.0.100").peer == "192.168.0.100"


@pytest.mark.parametrize("otherwise", ["any", "unreachable"])
def test_no_uplink_of_a_policy_is_up(router, otherwise):
    last = list(router.isps.values())[-1]
    router.configure(uplinks=uplinks(router, *({},) * (len(router.isps) - 1), {"out_of_service": True}), policies=[
        {"name": "tunnel only", "sources": ["192.168.0.100"], "uplinks": [last.name], "otherwise": otherwise}])
    for protocol in ("tcp", "udp"):
        with router.lab.client.capture("eth0") as capture:
            seen = shares(router, lambda p=protocol: outcome(router.lab.client, SERVER, 80, p, source="192.168.0.100"),
                          f"ip daddr {SERVER}")
            if otherwise == "any":
                assert sum(seen) > 0 and seen[-1] == 0
            else:
                assert seen == [0] * len(seen), "not one packet"
                assert capture.packets(direction="in", protocol="icmp", sport=3, dst="192.168.0.100"), str(capture)
    assert router.lab.client.ask(SERVER, 80).server == "internet", "others are not concerned"


def test_a_default_route_to_somewhere_else_is_left_alone(router):
    """A VPN that has everything, say: what leaves by it is nobody's to share out."""
    router.configure(uplinks=uplinks(router))
    router.lab.vpn.ip(f"addr add {SERVER}/32 dev lo")
    server = router.lab.vpn.serve(80, "tcp", SERVER)
    router.lab.router.ip("route add default via 10.8.0.2 dev tun0 metric 1")
    router.lab.vpn.ip("route add 192.168.0.0/24 via 10.8.0.1")
    try:
        assert server
        wait_for(lambda: router.lab.client.ask(SERVER, 80).server == "vpn", what="the VPN to be the default route")
        assert {router.lab.client.ask(SERVER, 80).peer for _ in range(6)} == {"192.168.0.3"}
    finally:
        router.lab.router.ip("route del default via 10.8.0.2 dev tun0 metric 1")
        router.lab.vpn.ip("route del 192.168.0.0/24 via 10.8.0.1")
        router.lab.vpn.ip(f"addr del {SERVER}/32 dev lo")
    wait_for(lambda: router.lab.client.ask(SERVER, 80).server == "internet")


@contextlib.contextmanager
def chatter(host, address, count):
    """As many UDP flows which send all the time."""
    ended = threading.Event()

    def run(senders):
        while not ended.is_set():
            for sender in senders:
                with contextlib.suppress(OSError):
                    sender.send(b"x")

    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(host.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
        for sender in senders:
            sender.connect((address, PORT))
        thread = threading.Thread(target=run, args=[senders], daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(ended.set)
        yield


@pytest.mark.parametrize("gone", ["removed", "disabled", "another"])
def test_no_packet_leaves_with_the_address_of_an_uplink_that_went(router, gone):
    """While flows go on by it. The fixture asks the ISPs."""
    first, *others = uplinks(router)
    kept = {"removed": [], "disabled": [{**o, "enabled": False} for o in others],
            "another": [{**o, "name": f"new {o['name']}"} for o in others]}[gone]
    for _ in range(3):
        router.configure(uplinks=[first, *others])
        with chatter(router.lab.client, SERVER, 16), contextlib.ExitStack() as stack:
            counts = [stack.enter_context(isp.counting(f"udp dport {PORT}")) for isp in router.isps.values()]
            wait_for(lambda: all(count() for count in counts))
            router.configure(uplinks=[first, *kept])


def test_flows_from_before_go_by_their_own_uplink_or_begin_anew(lab_factory, built):
    """Somebody else has translated them to the address of one uplink, and nothing has marked them; the best uplink is another."""
    with Router(lab_factory(topologies.home(2))) as router:
        router.configure(uplinks=[])
        router.lab.router.nft("""table ip theirs {
            chain out {
                type nat hook postrouting priority srcnat;
                oifname "eth0" snat to 192.0.2.1
            }
        }""")  # of what is masqueraded the kernel itself sees that its device is another

        def addresses():
            return {entry["reply_dst"] for entry in router.lab.router.conntrack(src="192.168.0.3", dst=SERVER)}

        with chatter(router.lab.client, SERVER, 4):
            wait_for(lambda: addresses() == {"192.0.2.1"}, what="flows by isp1")
            router.configure(uplinks=[{"name": "isp1", "device": "eth0", "tier": 2}, {"name": "isp2", "device": "eth1"}])
            wait_for(lambda: addresses() == {"198.51.100.1"}, what="all of them by isp2, with its address")
        router.daemon.check_log()
