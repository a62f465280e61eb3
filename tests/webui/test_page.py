# SPDX-License-Identifier: GPL-2.0-or-later
"""The admin page in a real browser, on a real daemon, in a lab with real packets.

Each *.mjs but browser.mjs is a story told by Playwright; it asks us about the lab, line by line.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading

import pytest

from lab import topologies
from lab.checks import SILENCE_S
from lab.lab import LabError
from lab.porticod import TREE, Porticod

HERE = pathlib.Path(__file__).resolve().parent
STORY_S = 240
STORIES = sorted(path.stem for path in HERE.glob("*.mjs") if path.stem != "browser")


@pytest.fixture(scope="module")
def lab(built, lab_factory):
    for program in ("node", os.environ.get("CHROMIUM", "/usr/bin/chromium")):
        assert shutil.which(program), f"{program} is missing: make deps-test"
    lab = lab_factory(topologies.home())
    for port in (9999, 9998):
        lab.backend.serve(port)
        lab.backend.serve(port, "udp")
    return lab


@pytest.fixture
def daemon(lab, request):
    """One for each story: with a finished setup, two uplinks and a network, but for the story of the first run."""
    fresh = request.param == "first-run"
    with Porticod(lab.router, setup=not fresh) as porticod:
        if not fresh:
            porticod.sock.put("/config", {
                "networks": [{"name": "home", "devices": ["br-lan"]}],
                "uplinks": [{"name": "isp1", "device": "eth0"}, {"name": "isp2", "device": "eth1", "tier": 2}],
            }).expect(200)
        yield porticod
        porticod.stop()
        porticod.flush()


class Answers:
    """What a story may ask."""

    def __init__(self, lab, daemon):
        self.lab = lab
        self.daemon = daemon

    def ask(self, host, address, port, protocol):
        try:
            answer = self.lab[host].ask(address, port, protocol, timeout=SILENCE_S)
        except TimeoutError:
            return {"outcome": "silence"}
        except OSError:
            return {"outcome": "refused"}
        return {"outcome": "answer", "server": answer.server, "peer": answer.peer, "local_port": answer.local_port}

    def api(self, method, path, body=None):
        response = self.daemon.sock.request(method, path, body)
        return {"status": response.status, "body": response.body if response.status != 204 else None}

    def run(self, host, command):
        return {"output": self.lab[host].run(command).stdout}

    def serve(self, host, port, protocol):
        self.lab[host].serve(port, protocol)
        return {}


@pytest.mark.parametrize("daemon, story", [(s, s) for s in STORIES], indirect=["daemon"], ids=STORIES)
def test_story(lab, daemon, story):
    environment = {**os.environ, "PAGE_URL": f"https://127.0.0.1:{daemon.port}/", "PAGE_PASSWORD": daemon.password,
                   "PAGE_SCREENSHOTS": str(TREE / "build" / "screenshots"), "PAGE_STORY": story}
    answers = Answers(lab, daemon)
    process = subprocess.Popen(["node", str(HERE / f"{story}.mjs")], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True, env=environment)
    patience = threading.Timer(STORY_S, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            process.stdin.write(json.dumps(answer(answers, line)) + "\n")
            process.stdin.flush()
        status = process.wait()
    finally:
        patience.cancel()
        process.kill()
        process.wait()
    assert status == 0, f"the story {story} ended with {status}; see build/screenshots/failed-{story}-*.png"
    daemon.check_log()


def answer(answers, line):
    question = json.loads(line)
    try:
        return getattr(answers, question.pop("do"))(**question)
    except (LabError, OSError, KeyError) as error:
        print(f"{line}: {error}", file=sys.stderr)
        return {"error": str(error)}
