# SPDX-License-Identifier: GPL-2.0-or-later
"""A daemon built WITHOUT="import export metrics", of the objects that PORTICO_BUILD has."""
import os
import re
import subprocess

import pytest

from lab.lab import Lab, Node, Topology
from lab.porticod import TREE, Porticod, build_dir

LEFT_OUT = {"import", "export", "metrics"}


@pytest.fixture(scope="module")
def daemon(built):
    flags = ["SAN=1"] if build_dir().name == "san" else []
    done = subprocess.run(["make", *flags, f"WITHOUT={' '.join(sorted(LEFT_OUT))}", "all"], cwd=TREE, capture_output=True,
                          text=True, check=False, env={**os.environ, "MAKEFLAGS": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    directory = build_dir() / ("without-" + "-".join(sorted(LEFT_OUT)))
    with Lab(Topology({"router": Node()})) as lab, Porticod(lab.router, build=directory) as porticod:
        yield porticod


def test_the_api_knows_nothing_of_what_was_left_out(daemon):
    for method, path, base in (("POST", "/import", "/api/v1"), ("GET", "/config/export?format=nft", "/api/v1"),
                               ("GET", "/metrics", "")):
        assert daemon.api.request(method, path, {} if method == "POST" else None, base=base).status == 404, path
    paths = daemon.api.get("/openapi.json").expect(200)["paths"]
    assert not {path for path in paths if re.search("import|export|metrics", path)}
    assert "/config" in paths or "/api/v1/config" in paths


def test_status_tells(daemon):
    features = set(daemon.api.get("/status").expect(200)["features"])
    assert not features & LEFT_OUT
    assert "forwards" in features


def test_the_others_are_whole(daemon):
    daemon.api.post("/backup", {}).expect(200)
    daemon.api.get("/revisions").expect(200)
