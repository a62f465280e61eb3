# SPDX-License-Identifier: GPL-2.0-or-later
"""What the router itself listens on and a forward claims is told with the answer, and kept out of the way."""
import socket
import time

import pytest

BACKEND = {"internal_address": "192.168.0.2"}


@pytest.fixture
def router(daemon):
    """Sockets of all kinds in the daemon's network, which is not the one that its page listens in."""
    sockets = []
    host = daemon.host
    host.ip("link set lo up")
    host.ip("addr add 192.0.2.1/32 dev lo")
    host.ip("addr add 192.168.0.1/32 dev lo")

    def listen(address, port, kind=socket.SOCK_STREAM):
        made = host.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
        made.bind((address, port))
        if kind == socket.SOCK_STREAM:
            made.listen()
        sockets.append(made)
        return made

    daemon.listen_in = listen
    daemon.api.post("/uplinks", {"name": "isp1", "device": "lo"}).expect(201)
    yield daemon
    for made in sockets:
        made.close()


def messages(answer):
    return [w["message"] for w in answer.get("warnings", []) if w["path"].endswith("/external_ports")]


def said(port, where="0.0.0.0", protocol="tcp"):
    return (f"the router itself listens on {protocol} port {port} ({where}); from the uplinks the forward takes "
            "its place")


def test_post_put_and_patch(router):
    router.listen_in("0.0.0.0", 22)
    made = router.api.post("/forwards", {"name": "ssh", "external_ports": "22", **BACKEND}).expect(201)
    assert made["warnings"] == [{"path": "/external_ports", "message": said(22)}]
    path = f"/forwards/{made['id']}"
    assert "warnings" not in router.api.get(path).expect(200)
    assert messages(router.api.patch(path, {"external_ports": "23"}).expect(200)) == []
    assert messages(router.api.patch(path, {"external_ports": "20-30"}).expect(200)) == [said(22)]
    assert messages(router.api.patch(path, {"enabled": False}).expect(200)) == []
    body = {"name": "ssh", "external_ports": "1,22", **BACKEND}
    assert messages(router.api.put(path, body).expect(200)) == [said(22)]


def test_the_whole_configuration(router):
    router.listen_in("0.0.0.0", 53, socket.SOCK_DGRAM)
    config = router.api.get("/config").expect(200)
    config["forwards"] = [{"name": "a", "external_ports": "80", **BACKEND},
                          {"name": "b", "external_ports": "53", "protocols": ["tcp", "udp"], **BACKEND}]
    answer = router.api.put("/config", config).expect(200)
    assert [w for w in answer["warnings"] if "router itself" in w["message"]] == [
        {"path": "/forwards/1/external_ports", "message": said(53, protocol="udp")}]


@pytest.mark.parametrize("address,port,family,warned", [
    ("0.0.0.0", 8000, "ipv4", "0.0.0.0"),
    ("192.0.2.1", 8001, "ipv4", "192.0.2.1"),
    ("::", 8002, "ipv4", "[::]"),
    ("::", 8003, "ipv6", "[::]"),
    ("127.0.0.1", 8004, "ipv4", None),
    ("0.0.0.0", 8005, "ipv6", None),
    ("::1", 8006, "ipv6", None),
])
def test_which_sockets_count(router, address, port, family, warned):
    router.listen_in(address, port)
    to = {"internal_address": "fd00::2", "family": "ipv6"} if family == "ipv6" else BACKEND
    made = router.api.post("/forwards", {"name": "x", "external_ports": str(port), **to}).expect(201)
    assert messages(made) == ([said(port, warned)] if warned else [])


def test_connected_sockets_do_not_count(router):
    server = router.listen_in("0.0.0.0", 7000)
    client = router.host.socket()
    client.bind(("192.0.2.1", 7001))
    client.connect(("192.0.2.1", 7000))
    talker = router.listen_in("192.0.2.1", 7002, socket.SOCK_DGRAM)
    talker.connect(("192.0.2.1", 7003))
    server.close()
    made = router.api.post("/forwards", {"name": "x", "external_ports": "7000-7010", "protocols": ["tcp", "udp"],
                                         **BACKEND}).expect(201)
    client.close()
    assert messages(made) == []


def test_the_page_of_another_network_is_not_meant(router):
    """The daemon's own page listens where it was started."""
    made = router.api.post("/forwards", {"name": "x", "external_ports": str(router.port), **BACKEND}).expect(201)
    assert messages(made) == []


def test_many_are_cut(router):
    for port in range(9000, 9012):
        router.listen_in("0.0.0.0", port)
    made = router.api.post("/forwards", {"name": "x", "external_ports": "9000-9999", **BACKEND}).expect(201)
    assert messages(made) == [said(port) for port in range(9000, 9008)]


def test_the_command_prints_them(router):
    router.listen_in("0.0.0.0", 25)
    done = router.cli("forward", "add", "mail", "--port", "25", "--to", "192.168.0.2")
    assert "warning: " in done.stderr and said(25) in done.stderr, done


def test_connections_are_not_read(router):
    """Listening sockets stand first in what the kernel tells; the rest is left."""
    def took():
        begun = time.monotonic()
        made = router.api.post("/forwards", {"name": f"x{took.count}", "external_ports": str(20000 + took.count),
                                             **BACKEND}).expect(201)
        took.count += 1
        assert messages(made) == []
        return time.monotonic() - begun
    took.count = 0
    before = min(took() for _ in range(10))
    server = router.listen_in("0.0.0.0", 6000)
    clients = []
    for _ in range(400):
        client = router.host.socket()
        client.connect(("192.0.2.1", 6000))
        clients += [client, server.accept()[0]]
    after = min(took() for _ in range(10))
    for client in clients:
        client.close()
    assert after < before + 0.02
