# SPDX-License-Identifier: GPL-2.0-or-later
"""Who reaches the admin page. Here the daemon runs inside the router, as it does in real life."""
import pytest

from lab import topologies
from lab.checks import outcome
from lab.router import Router

PORT = 8443
PUBLIC, PUBLIC_6, LAN = "192.0.2.1", "2001:db8:1::1", "192.168.0.1"


@pytest.fixture(scope="module")
def inside(built, lab_factory):
    with Router(lab_factory(topologies.home(2)), run_inside=True) as router:
        yield router


def reaches(host, address):
    """Whether a TCP connection to the page comes about."""
    try:
        host.connect(address, PORT, timeout=1.0).close()
        return True
    except OSError:
        return False


def test_from_the_lan(inside):
    inside.reset()
    for host in (inside.lab.client, inside.lab.inside):
        api = inside.daemon.client(LAN, host)
        api.login()
        assert api.get("/status").expect(200)["kernel"]["in_sync"]
        api.close()


@pytest.mark.parametrize("address", [PUBLIC, "198.51.100.1", PUBLIC_6])
def test_not_from_the_internet(inside, address):
    inside.reset()
    assert not reaches(inside.lab.internet, address)


def test_not_by_a_forward(inside):
    """"admin_from_uplinks" is off: a forward to the page does not overrule it."""
    inside.reset()
    inside.forward(443, to=LAN, internal_ports=str(PORT))
    with inside.lab.router.capture("eth0") as eth0:
        with pytest.raises(OSError):
            inside.lab.internet.connect(PUBLIC, 443, timeout=1.0)
        assert eth0.packets(direction="in", dst=PUBLIC, dport=443)


def test_not_from_the_isp_by_the_lan_address(inside):
    inside.reset()
    lab = inside.lab
    lab.isp1.ip(f"route add 192.168.0.0/24 via {PUBLIC}")
    try:
        with lab.router.capture("eth0") as eth0:
            assert not reaches(lab.isp1, LAN)
            assert eth0.packets(direction="in", dst=LAN, dport=PORT), "the ISP did send it"
    finally:
        lab.isp1.ip("route del 192.168.0.0/24")


def test_from_uplinks_when_allowed(inside):
    inside.reset()
    inside.api.patch("/settings", {"admin_from_uplinks": True}).expect(200)
    assert reaches(inside.lab.internet, PUBLIC)
    assert reaches(inside.lab.internet, PUBLIC_6)
    inside.api.patch("/settings", {"admin_from_uplinks": False}).expect(200)
    assert not reaches(inside.lab.internet, PUBLIC)


def test_other_services_of_the_router_are_not_our_business(inside):
    inside.reset()
    with inside.lab.router.serve(22):
        assert outcome(inside.lab.internet, PUBLIC, 22) == "answer"
