# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures for every test with a daemon or a lab.

    daemon          a daemon in a namespace of its own without any device, logged in; for one test
    lab_factory     lab_factory(topologies.home(3)) -> Lab, removed after the module
    router_daemon   Router: the two-uplink lab with uplinks isp1, isp2 and network lan; for one module,
                    without forwards at the start of each test
"""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab import topologies                       # noqa: E402
from lab.lab import Lab, Node, Topology          # noqa: E402
from lab.porticod import Porticod, build_dir     # noqa: E402
from lab.router import Router                    # noqa: E402

ROOT = os.geteuid() == 0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the daemons' logs."""
    report = (yield).get_result()
    if report.failed:
        logs = [daemon.log() for daemon in Porticod.open] or [Porticod.last_log]
        for log in logs:
            report.sections.append(("porticod", log[-8000:]))


@pytest.fixture(scope="session")
def built():
    """Skips what needs root or the built daemon."""
    if not ROOT:
        pytest.skip("network namespaces need root")
    if not (build_dir() / "porticod").exists():
        pytest.fail(f"no porticod in {build_dir()}: make first, or set PORTICO_BUILD")


@pytest.fixture
def daemon(built):
    with Lab(Topology({"router": Node()})) as lab, Porticod(lab.router) as porticod:
        yield porticod


@pytest.fixture(scope="module")
def lab_factory():
    if not ROOT:
        pytest.skip("network namespaces need root")
    labs = []

    def make(topology):
        lab = Lab(topology).__enter__()
        labs.append(lab)
        return lab

    yield make
    for lab in labs:
        lab.close()


@pytest.fixture(scope="module")
def home(built, lab_factory):
    """The lab of router_daemon, with its daemon, for a whole module."""
    with Router(lab_factory(topologies.home())) as router:
        yield router


@pytest.fixture
def router_daemon(home):
    home.reset()
    yield home
    home.daemon.check_log()
