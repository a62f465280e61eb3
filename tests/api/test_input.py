# SPDX-License-Identifier: GPL-2.0-or-later
"""Bad input for every writable field of every kind, found by walking the OpenAPI document: refused with the
field's name and a reason, and nothing changes."""
import json

import pytest

from kinds import KINDS, prepare, revision

WRONG_TYPES = {"string": [1, True, None, [], {}, 1.5], "integer": ["x", True, None, [], {}, 1.5],
               "boolean": [1, "true", None, [], {}], "array": [1, "x", True, None, {}], "object": [1, "x", True, []],
               "number": ["x", True, None, [], {}]}


def variants(schema):
    """The alternatives of a schema."""
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return [v for s in schema[key] for v in variants(s)]
    types = schema.get("type", [])
    return [{**schema, "type": t} for t in ([types] if isinstance(types, str) else types)] or [schema]


def allowed_types(schema):
    found = set()
    for variant in variants(schema):
        if "type" in variant:
            found.add(variant["type"])
        for value in variant.get("enum", []) + ([variant["const"]] if "const" in variant else []):
            found.add({str: "string", bool: "boolean", int: "integer", type(None): "null"}[type(value)])
    return found


def of_type(value):
    return {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array",
            dict: "object"}[type(value)]


def wrong_types(schema):
    allowed = allowed_types(schema)
    for value in (1, 1.5, True, None, "certainly not right \x01", [], {}, [[]]):
        if of_type(value) not in allowed:
            yield value


def bad_values(schema, name):
    """(value, also good enough to be a path below the field's)"""
    yield from wrong_types(schema)
    for variant in variants(schema):
        kind = variant.get("type")
        if kind == "integer":
            yield from (variant["minimum"] - 1, variant["maximum"] + 1, -1 << 62, (1 << 62))
        elif kind == "string":
            yield "x" * 100000
            yield "\x01"
            yield "a\x7f"
            if name != "comment":
                yield from ("", " ", "a\nb", "a\tb")
        elif kind == "array":
            yield [None]
            yield [""]
            yield [{}]
            yield ["x" * 10000]
            if variant.get("minItems"):
                yield []
            item = DUPLICATES.get(name)
            if item:
                yield [item, item]
                yield [item] * 1000
        elif kind == "object":
            yield {"nonsense": 1}


DUPLICATES = {"devices": "eth5", "prefixes": "10.0.0.0/8", "targets": "198.51.100.1", "protocols": "udp",
              "uplinks": "isp1", "sources": "198.51.100.0/24", "except": "192.168.1.9"}


def properties(contract, schema_name):
    schema = contract.document["components"]["schemas"][schema_name]
    return {name: contract.resolve(s) for name, s in schema["properties"].items() if not s.get("readOnly")}


def refused(response, path, what):
    assert response.status in (400, 422), f"{what}: {response.status} {response.body!r:.300}"
    errors = response.body["errors"]
    assert errors, f"{what}: no field is named: {response.body}"
    for error in errors:
        assert error["message"].strip(), what
    assert any(e["path"] == path or e["path"].startswith(path + "/") for e in errors), (
        f"{what}: {path} is not named, but {[e['path'] for e in errors]}")


@pytest.fixture(params=KINDS)
def kind(request, api, contract):
    path = request.param
    schema, _, least, _ = KINDS[path]
    prepare(api, path)
    one = f"{path}/{api.post(path, least).expect(201)['id']}"
    at = revision(api)
    yield path, one, least, schema
    assert revision(api) == at, "something was changed by a refused request"


def test_every_field(api, contract, kind):
    path, one, least, schema = kind
    fields = properties(contract, f"{schema}Input")
    assert set(fields) >= set(least)
    tried = 0
    for name, field in fields.items():
        for value in bad_values(field, name):
            for where, answer in (("POST", api.post(path, {**least, "name": "other", name: value})),
                                  ("PUT", api.put(one, {**least, name: value}))):
                refused(answer, f"/{name}", f"{where} {path} {name}={value!r:.60}")
            if value is not None:  # in a merge patch that is "as if not said"
                refused(api.patch(one, {name: value}), f"/{name}", f"PATCH {path} {name}={value!r:.60}")
            tried += 1
    assert tried > 10 * len(fields) / 2


def test_bytes_that_are_not_utf8(api, contract, kind):
    path, one, least, schema = kind
    for name in properties(contract, f"{schema}Input"):
        for raw in (b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"):
            for whole in (b'"%s"' % raw, b'["%s"]' % raw):
                body = json.dumps({**least, name: "MARK"}).encode().replace(b'"MARK"', whole)
                for method, target in (("POST", path), ("PUT", one), ("PATCH", one)):
                    answer = api.request(method, target, body, headers={"Content-Type": "application/json"})
                    refused(answer, f"/{name}", f"{method} {path} {name}={raw}")


def test_required_fields(api, contract, kind):
    path, one, least, schema = kind
    required = contract.document["components"]["schemas"][f"{schema}Input"]["required"]
    assert set(required) <= set(least)
    for name in required:
        body = {k: v for k, v in least.items() if k != name}
        refused(api.post(path, body), f"/{name}", f"without {name}")
        refused(api.put(one, body), f"/{name}", f"without {name}")
    refused(api.post(path, {}), f"/{required[-1]}", "the last one is named too")


def test_unknown_fields(api, kind):
    path, one, least, _ = kind
    for name in ("nonsense", "Name", "name ", "", "a/b", "a~b", "\x01", "é" * 300, "__proto__"):
        pointer = "/" + name.replace("~", "~0").replace("/", "~1")
        for answer in (api.post(path, {**least, name: 1}), api.put(one, {**least, name: 1}), api.patch(one, {name: 1}),
                       api.patch(one, {name: None})):
            assert answer.status == 422
            named = answer.body["errors"][0]["path"]
            assert named == pointer or (len(name) > 100 and pointer.startswith(named)), name


def test_every_fault_is_told(api, kind):
    path, _, least, _ = kind
    wrong = {name: [[]] for name in least}
    answer = api.post(path, wrong).expect(422)
    assert {e["path"].split("/")[1] for e in answer["errors"]} == set(least)


def test_settings_too(api, contract):
    at = revision(api)
    for name, field in properties(contract, "SettingsInput").items():
        for value in bad_values(field, name):
            if value is not None:
                refused(api.patch("/settings", {name: value}), f"/{name}", f"{name}={value!r:.60}")
            refused(api.put("/config", {"settings": {name: value}}), f"/settings/{name}", f"{name}={value!r:.60}")
    assert revision(api) == at


@pytest.mark.parametrize("field, value, kept", [
    ("external_ports", 80, "80"), ("external_ports", " 80 ", "80"), ("external_ports", "443, 80", "443,80"),
    ("external_ports", "80 - 80", "80"), ("external_ports", "8000-8100,80", "8000-8100,80"),
    ("expires_at", "2100-01-31T12:00:00.123Z", "2100-01-31T12:00:00Z"),
    ("expires_at", "2100-01-31T12:00:00.123456+00:00", "2100-01-31T12:00:00Z"),
    ("expires_at", "2100-01-31t12:00:00z", "2100-01-31T12:00:00Z"),
    ("sources", ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3/32"], ["0.0.0.0/0", "10.0.0.0/8", "10.1.2.3"]),
    ("protocols", ["6", "17"], ["tcp", "udp"]), ("name", "é" * 32, "é" * 32), ("name", "$(x) <b> % 'y'", "$(x) <b> % 'y'"),
    ("comment", "two\nlines", "two\nlines"), ("external_ports", "1-65535", "1-65535"),
    ("schedule", "MON-fri  8:00-24:00 , sat, sun 22:00-06:00", "mon-fri 08:00-24:00, sat,sun 22:00-06:00"),
    ("schedule", "Daily 00:00-00:00", "daily 00:00-24:00"), ("schedule", "mon 08:00-09:00,tue 08:00-09:00",
                                                              "mon 08:00-09:00, tue 08:00-09:00"),
    ("internal_address", "0:0:0:0:1:2:3:4/-64", "::1:2:3:4/-64"), ("internal_address", "::1:2/-32", "::1:2/-32"),
])
def test_what_is_taken_is_in_the_document(api, contract, field, value, kept):
    """Also the forms that are not those of the answers."""
    body = {**KINDS["/forwards"][2], field: value}
    assert api.post("/forwards", body).expect(201)[field] == kept
    contract.validate(body, contract.document["components"]["schemas"]["ForwardInput"])


@pytest.mark.parametrize("body, path", [
    ({"external_ports": "0"}, "/external_ports"), ({"external_ports": "65536"}, "/external_ports"),
    ({"external_ports": "0080"}, "/external_ports"), ({"external_ports": "80.0"}, "/external_ports"),
    ({"external_ports": "80-79"}, "/external_ports"), ({"external_ports": "80,80"}, "/external_ports"),
    ({"external_ports": "80,70-90"}, "/external_ports"), ({"external_ports": "http"}, "/external_ports"),
    ({"external_ports": None}, "/external_ports"), ({"external_ports": "1-65536"}, "/external_ports"),
    ({"external_ports": "1-5000", "internal_ports": "2-5001"}, "/internal_ports"),
    ({"external_ports": 0}, "/external_ports"), ({"external_ports": -80}, "/external_ports"),
    ({"internal_ports": "80-81"}, "/internal_ports"), ({"internal_ports": "x"}, "/internal_ports"),
    ({"internal_address": "192.168.1"}, "/internal_address"), ({"internal_address": "0.0.0.0"}, "/internal_address"),
    ({"internal_address": "127.0.0.1"}, "/internal_address"), ({"internal_address": "224.0.0.1"}, "/internal_address"),
    ({"internal_address": "192.168.1.2/24"}, "/internal_address"), ({"internal_address": "host"}, "/internal_address"),
    ({"internal_address": "255.255.255.255"}, "/internal_address"), ({"internal_address": "::"}, "/internal_address"),
    ({"internal_address": "::ffff:192.168.1.2"}, "/internal_address"),
    ({"expires_at": "2100-01-31T12:00:00+02:00"}, "/expires_at"),
    ({"protocols": ["gre"]}, "/external_ports"), ({"protocols": ["tcp", "gre"]}, "/protocols"),
    ({"protocols": ["nonsense"]}, "/protocols"), ({"protocols": ["256"]}, "/protocols"),
    ({"sources": ["192.0.2.1/24"]}, "/sources"), ({"sources": ["2001:db8::/32"]}, "/sources"),
    ({"sources": ["192.0.2.0/33"]}, "/sources"), ({"family": "ipv6"}, "/internal_address"),
    ({"expires_at": "tomorrow"}, "/expires_at"), ({"expires_at": "2024-13-01T00:00:00Z"}, "/expires_at"),
    ({"schedule": "mon"}, "/schedule"), ({"schedule": ""}, "/schedule"), ({"schedule": "mon 8-9"}, "/schedule"),
    ({"schedule": "mon 08:00-09:00" + ", mon 08:00-09:00" * 16}, "/schedule"),
    ({"internal_address": "::1/-128"}, "/internal_address"), ({"internal_address": "::1"}, "/internal_address"),
    ({"internal_address": "2001:db8::1/-64"}, "/internal_address"),
    ({"internal_address": "192.168.1.2/-8"}, "/internal_address"),
    ({"internal_network": "lan"}, "/internal_network"),
    ({"internal_network": "lan", "internal_address": "::2/-64"}, "/internal_network"),
    ({"pinhole": True, "internal_ports": "81"}, "/internal_ports"),
    ({"pinhole": True, "backend_sees": "router"}, "/backend_sees"),
    ({"name": "x" * 65}, "/name"), ({"comment": "x" * 513}, "/comment"),
])
def test_meaning_of_a_forward(api, body, path):
    at = revision(api)
    refused(api.post("/forwards", {**KINDS["/forwards"][2], **body}), path, body)
    assert revision(api) == at
