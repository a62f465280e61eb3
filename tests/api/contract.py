# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds every answer of the daemon to its own OpenAPI document."""
import copy
import re

import jsonschema

PROBLEM = {"$ref": "#/components/schemas/Problem"}


class Contract:
    def __init__(self, document):
        self.document = copy.deepcopy(document)
        self._inline_all_of(self.document["components"])
        _close(self.document["components"]["schemas"])
        self.resolver = jsonschema.RefResolver.from_schema(self.document)
        self.seen = set()  # (method, template, status)
        self.seen_events = set()

    def _inline_all_of(self, node):
        """allOf of objects becomes one object, so that it can be closed."""
        if isinstance(node, dict):
            if "allOf" in node:
                merged = {"type": "object", "properties": {}, "required": []}
                for part in node.pop("allOf"):
                    part = self.resolve(part)
                    merged["properties"].update(part["properties"])
                    merged["required"] += part["required"]
                node.update(merged)
            for value in node.values():
                self._inline_all_of(value)
        elif isinstance(node, list):
            for value in node:
                self._inline_all_of(value)

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for key in node["$ref"].removeprefix("#/").split("/"):
                target = target[key]
            node = target
        return node

    def template(self, path):
        path = path.partition("?")[0]
        for template, item in self.document["paths"].items():
            if any("servers" in operation for operation in item.values()):  # it is elsewhere
                continue
            pattern = template.replace("{id}", "[1-9][0-9]{0,9}").replace("{number}", "(0|[1-9][0-9]{0,14})")
            if re.fullmatch(pattern, path):
                return template
        return None

    def validate(self, value, schema):
        validator = jsonschema.Draft202012Validator(schema, resolver=self.resolver)
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        assert error is None, f"{error.message} at {error.json_path} of {value}"

    def check(self, method, path, response):
        """Asserts that the document knows this answer. `path` is below the server's."""
        where = f"{response.request} -> {response.status} {response.body!r:.300}"
        self._check_headers(response, where)
        template = self.template(path)
        if template is None:
            assert response.status == 404, where
            return self._check_problem(response)
        operation = self.document["paths"][template].get(method.lower()) if method.isupper() else None
        if operation is None:
            assert response.status == 405 and response.headers["Allow"], where
            return self._check_problem(response)
        assert str(response.status) in operation["responses"], f"a status that is not in the document: {where}"
        self.seen.add((method, template, response.status))
        listed = self.resolve(operation["responses"][str(response.status)])
        for header, spec in listed.get("headers", {}).items():
            schema = self.resolve(spec)["schema"]
            value = response.headers[header]
            assert value is not None, f"without {header}: {where}"
            self.validate(int(value) if schema["type"] == "integer" else value, schema)
        content = listed.get("content")
        if content is None:
            assert not response.body, where
            return None
        kind = response.headers["Content-Type"]
        body = response.body.decode() if kind.startswith("text/plain") else response.body
        assert kind in content, f"{kind}: {where}"
        if response.status >= 400:
            return self._check_problem(response)
        return self.validate(body, content[kind]["schema"])

    def check_event(self, event):
        """Asserts that the document knows this event of GET /events."""
        self.validate(event["data"], {"$ref": f"#/components/schemas/Event{event['event'].capitalize()}"})
        self.validate(event, {"$ref": "#/components/schemas/Event"})
        self.seen_events.add(event["event"])

    def _check_problem(self, response):
        assert response.headers["Content-Type"] == "application/problem+json"
        self.validate(response.body, PROBLEM)
        assert response.body["status"] == response.status
        assert response.body["detail"]

    def _check_headers(self, response, where):
        headers = response.headers
        assert headers["Cache-Control"] == "no-store", where
        assert headers["X-Content-Type-Options"] == "nosniff", where
        assert headers["Referrer-Policy"] == "no-referrer", where
        assert "default-src 'none'" in headers["Content-Security-Policy"], where


def _close(node):
    """What the document does not name must not be there."""
    if isinstance(node, dict):
        if "properties" in node:
            node.setdefault("additionalProperties", False)
        for value in node.values():
            _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)
