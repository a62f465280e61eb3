# SPDX-License-Identifier: GPL-2.0-or-later
"""Methods, media types, sizes, and other things that come before any meaning."""
import contextlib
import json
import socket
from random import Random

import pytest

from kinds import revision
from lab.lab import wait_for

JSON = {"Content-Type": "application/json"}


def raw(router, request, shutdown=True):
    """Bytes over the Unix socket; all that is answered."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(router.socket_path))  # with a timeout it would not wait for its turn
        connection.settimeout(20)
        try:
            connection.sendall(request)
            if shutdown:
                connection.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass
        answer = b""
        while True:
            try:
                part = connection.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                return answer
            answer += part


def test_unknown_paths(api):
    for path in ("/nothing", "/forwards/", "/forwards/1/2", "/forwards/one", "", "/", "/source_nats", "//status",
                 "/status/", "/../status", "/settings/1", "/%2e%2e/x", "/policy", "/" + "x" * 5000):
        assert api.get(path).status == 404, path
    for path in ("/status%00", "/forwards%00/x", "/%00"):  # what is behind a zero byte is not overlooked
        assert api.get(path).status == api.get(path, base="").status == 404
    for path in ("/nothing", "/api", "/api/v2/status", "/api/v1", "/api/v1/../../etc/passwd", "/index.htm"):
        response = api.get(path, base="")
        assert response.status == 404 and response.body["status"] == 404


def test_wrong_methods(api):
    for method, path, allowed in (("DELETE", "/forwards", "GET, POST"), ("POST", "/status", "GET"),
                                  ("PUT", "/settings", "GET, PATCH"), ("GET", "/config/plan", "POST"),
                                  ("POST", "/forwards/1", "GET, PUT, PATCH, DELETE"), ("PATCH", "/openapi.json", "GET")):
        response = api.request(method, path)
        assert response.status == 405 and response.headers["Allow"] == allowed
    for method in ("OPTIONS", "TRACE", "PROPFIND", "get"):
        assert api.request(method, "/status").status == 405


def test_head(router):
    answer = raw(router, b"HEAD /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"application/json" in head and body == b""


def test_content_types(api):
    body = b'{"name": "x"}'
    for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "multipart/form-data"):
        headers = {"Content-Type": kind} if kind else {}
        for method, path in (("POST", "/networks"), ("PUT", "/config"), ("PATCH", "/settings"), ("POST", "/session")):
            response = api.request(method, path, body, headers=headers)
            assert response.status == 415 and "application/json" in response.body["detail"]
    merge = {"Content-Type": "application/merge-patch+json"}
    assert api.post("/networks", body, headers=merge).status == 415
    assert api.request("PATCH", "/settings", b"{}", headers=merge).status == 200
    assert api.post("/networks", body, headers={"Content-Type": "Application/JSON; charset=utf-8"}).status == 201


def test_what_is_not_json(api):
    at = revision(api)
    for body in (b"", b"{", b"nonsense", b'{"name": "x"} more', b"{'name': 'x'}", b'{"name": "x",}', b"\xff\xfe{\x00}",
                 b'{"name": "a", "name": "b"}', b'{"name": "\\ud800"}', b'{"name": "\\u0000"}', b"NaN", b"{\"a\":1e999}",
                 b"[" * 100000):
        refused = api.post("/networks", body, headers=JSON)
        assert refused.status in (400, 422) and refused.body["detail"], body[:40]
    for body in (b"[]", b'"x"', b"1", b"null", b"true"):
        assert api.post("/networks", body, headers=JSON).expect(422)["errors"][0]["path"] == ""
        assert api.request("PATCH", "/settings", body, headers=JSON).expect(422)["errors"][0]["path"] == ""
    assert revision(api) == at


def test_where_it_is_not_json(api):
    """Also what cannot be decoded is named."""
    for body, path in ((b'{"name": "x", "devices": ["eth0", "\xff"]}', "/devices/1"),
                       (b'{"name": "a\xc3("}', "/name"),
                       (b'{"name": "x", "prefixes": ["10.0.0.0/8"], "hairpin": nope}', "/hairpin"),
                       (b'{"name": "a", "name": "b"}', "/name")):
        refused = api.post("/networks", body, headers=JSON).expect(400)
        assert [e["path"] for e in refused["errors"]] == [path]
    for body, path in ((b'{"name": "x", "devices": [1, 99999999999999999999]}', "/devices/1"),
                       (b'{"name": "x", "hairpin": -1e999}', "/hairpin"), (b'{"name": "a\\u0000b"}', "/name")):
        refused = api.post("/networks", body, headers=JSON).expect(422)  # JSON it is, but not valid
        assert [e["path"] for e in refused["errors"]] == [path]
    refused = api.put("/config", b'{"forwards": [{"name": "a"}, {"name": "b", "comment": "\xe2\x28"}]}', headers=JSON)
    assert refused.expect(400)["errors"][0]["path"] == "/forwards/1/comment"


@pytest.mark.parametrize("method, path, limit", [("POST", "/forwards", 1 << 20), ("PATCH", "/settings", 1 << 20),
                                                 ("PUT", "/config", 16 << 20), ("POST", "/config/plan", 16 << 20),
                                                 ("POST", "/session", 64 << 10)])
def test_body_limits(router, method, path, limit):
    at = revision(router.sock)
    padding = b" " * (limit - 2)
    assert router.sock.request(method, path, b"{}" + padding, headers=JSON).status in (200, 422), "just fits"
    refused = router.api.request(method, path, b"{}" + padding + b" ", headers=JSON)
    assert str(limit) in refused.expect(413)["detail"], "also a client that sends all of it first is answered"
    assert revision(router.sock) == at


def test_a_body_that_is_too_long_is_refused_unread(router):
    """By its length alone: nothing of it was sent."""
    for announced in (b"1048577", b"99999999999999999"):
        answer = raw(router, b"POST /api/v1/forwards HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                             b"Content-Length: " + announced + b"\r\n\r\n", shutdown=False)
        assert answer.startswith(b"HTTP/1.1 413") and b"application/problem+json" in answer
    answer = raw(router, b"POST /api/v1/forwards HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                         b"Expect: 100-continue\r\nContent-Length: 1048577\r\n\r\n", shutdown=False)
    assert answer.startswith(b"HTTP/1.1 413"), "and no 100 Continue"


@pytest.mark.parametrize("value", [b"{}", b"[]", b"1"])
def test_a_body_of_very_many_values(router, value):
    """More than 20 times the memory of their text, 80 times for objects: it would be all that there is."""
    whole = b"[" + (value + b",") * ((15 << 20) // len(value + b",")) + value + b"]"
    for path, body in (("/config", whole), ("/config", b'{"forwards": [{"name": "\\""}, ' + whole[2 * len(value):] + b"}")):
        assert "values" in router.sock.request("PUT", path, body, headers=JSON).expect(413)["detail"]


def chunks(total, size=65536):
    for start in range(0, total, size):
        part = min(size, total - start)
        yield b"%x\r\n" % part + b" " * part + b"\r\n"


def test_chunked_bodies(router):
    head = (b"POST /api/v1/networks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")
    answer = raw(router, head + b'8\r\n{"name":\r\n9\r\n"chunks"}\r\n0\r\n\r\n')
    assert answer.startswith(b"HTTP/1.1 201")
    answer = raw(router, head + b"".join(chunks((1 << 20) + 1)) + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    answer = raw(router, head + b"".join(chunks(8 << 20)) + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413"), "also one that is far too long is told so"
    answer = raw(router, head + b"".join(chunks(40 << 20)), shutdown=False)
    assert not answer.startswith(b"HTTP/1.1 2"), "one that does not end is cut off"


def test_headers_that_are_too_long(router):
    answer = raw(router, b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n")
    assert not answer.startswith(b"HTTP/1.1 200")
    answer = raw(router, b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20000 + b"\r\n\r\n")
    assert not answer.startswith(b"HTTP/1.1 200")
    assert router.sock.get("/status").status == 200


def test_requests_that_are_cut_off(router):
    whole = (b"POST /api/v1/networks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             b"Content-Length: 20\r\n\r\n" + b'{"name": "cut off"}\n')
    at = revision(router.sock)
    for length in range(0, len(whole), 7):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(router.socket_path))
            connection.sendall(whole[:length])
    assert revision(router.sock) == at
    assert raw(router, whole.replace(b"HTTP/1.1", b"HTTP/1.0"), shutdown=False).startswith(b"HTTP/1.")
    assert revision(router.sock) == at + 1


def test_parameters(api):
    for path in ("/status?x=1", "/forwards?limit=3", "/settings?", "/status?x"):
        response = api.get(path)
        if path.endswith("?"):
            assert response.status == 200
        else:
            assert response.expect(400)["errors"][0]["path"].startswith("?")
    assert api.get("/status?%ff=1").expect(400)["errors"] == [
        {"path": "??", "message": "is not a parameter that is known here"}]
    at = revision(api)
    assert api.post("/networks?dry_run=1", {"name": "x"}).expect(400)
    assert revision(api) == at


def test_a_refused_write_leaves_the_connection_usable(api):
    api.post("/networks", b"x" * 100000, headers=JSON).expect(400)
    connection = api._connection
    api.post("/networks", b"x" * 100000, headers={"Content-Type": "text/plain"}).expect(415)
    api.post("/nothing", b"x" * 100000, headers=JSON).expect(404)
    assert api.get("/status").status == 200
    assert api._connection is connection is not None


def test_the_document_knows_all_that_is_there(contract):
    operations = {(method.upper(), path) for path, item in contract.document["paths"].items() for method in item}
    assert len(operations) == 30 + 6 * 6
    ids = [item[method]["operationId"] for item in contract.document["paths"].values() for method in item]
    assert len(set(ids)) == len(ids)
    text = json.dumps(contract.document)
    assert "{Kind}" not in text and "{kind}" not in text and "{collection}" not in text
    for reference in set(_references(contract.document)):
        assert contract.resolve({"$ref": reference})


def _references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_page(router):
    page = router.client("127.0.0.1")
    gzip = {"Accept-Encoding": "br, gzip;q=0.5"}
    response = page.get("/", base="", headers=gzip)
    response.expect(200)
    assert response.headers["Content-Encoding"] == "gzip" and response.headers["Cache-Control"] == "no-cache"
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    again = page.get("/index.html", base="", headers={**gzip, "If-None-Match": response.headers["ETag"]})
    assert again.expect(304) == b""
    assert b"HTTP/1.1 200" in raw(router, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "takes anything"
    for refused in ({}, {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip;q=0"}, {"Accept-Encoding": "gzip;q=0.0"}):
        assert page.get("/", base="", headers=refused).status == 406
    assert page.request("POST", "/", base="", headers=gzip).status == 405


def test_many_connections(router):
    """More than are allowed at once: those beyond are turned away, and afterwards all is well."""
    sockets = []
    for _ in range(300):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(router.socket_path))
        sockets.append(connection)
    for connection in sockets:
        connection.close()
    router.sock.close()
    wait_for(lambda: answers(router.sock), what="an answer")


def answers(client):
    try:
        return client.get("/status").status == 200
    except BlockingIOError:  # the queue of those who want to be accepted is still full
        return False


def test_broken_requests(router):
    """Bytes changed, dropped and added at random, the same ones each time: nothing may fall over."""
    random = Random(1)
    body = b'{"name": "x", "devices": ["eth1"], "prefixes": ["10.0.0.0/8"]}'
    whole = (b"PUT /api/v1/networks/1?a=%41 HTTP/1.1\r\nHost: x\r\nCookie: __Host-portico=x; a=b\r\nIf-Match: \"1\"\r\n"
             b"Content-Type: application/json\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body)
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(random.randint(1, 8)):
            place = random.randrange(len(broken))
            broken[place:place + random.choice((0, 1, 1, 5))] = bytes(
                random.choices(b"\0\r\n\t :;,%?/{}[]\"\\0A\x80\xff", k=random.randint(0, 3)))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(router.socket_path))
            connection.sendall(broken)
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                connection.recv(65536)
    router.sock.close()
    wait_for(lambda: answers(router.sock), what="an answer")
    router.check_log()
