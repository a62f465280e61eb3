# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the API's tests.

    router      a daemon in a small network of its own, logged in, with a clean configuration for each test:
                eth0 192.0.2.1/24 with the gateway 192.0.2.254, eth1 192.168.1.1/24
    contract    the OpenAPI document, to which every answer in these tests is held
"""
import pytest

from lab.events import EventStream
from lab.lab import Lab, Node, Topology
from lab.porticod import Api, Porticod

from contract import Contract

TOPOLOGY = Topology(
    {"router": Node(addresses={"eth0": ["192.0.2.1/24", "2001:db8:1::1/64"], "eth1": ["192.168.1.1/24"]},
                    routes=["default via 192.0.2.254 dev eth0"]),
     "isp": Node(addresses={"eth0": ["192.0.2.254/24"]}),
     "backend": Node(addresses={"eth0": ["192.168.1.2/24"]}, routes=["default via 192.168.1.1"]),
     "spare": Node()},  # for `fresh`: two daemons cannot manage one network
    [("router.eth0", "isp.eth0"), ("router.eth1", "backend.eth0")])


class _Checked:
    """Api.request(), whose answers must be in the document."""

    def __init__(self):
        self.contract = None
        self.plain = Api.request

    def request(self, api, method, path, body=None, headers=None, base="/api/v1"):
        if self.contract is None:
            self.contract = Contract(self.plain(api, "GET", "/openapi.json").expect(200))
        response = self.plain(api, method, path, body, headers, base)
        if base == "/api/v1":
            self.contract.check(method, path, response)
        return response

    def check_event(self, event):
        self.contract.check_event(event)


@pytest.fixture(scope="module", autouse=True)
def checked():
    """In this folder alone: other tests have daemons of which parts are left out."""
    wrapper = _Checked()
    EventStream.check = wrapper.check_event
    Api.request = lambda *arguments, **options: wrapper.request(*arguments, **options)
    yield wrapper
    Api.request = wrapper.plain
    EventStream.check = None


@pytest.fixture(scope="module")
def module_lab(built):
    with Lab(TOPOLOGY) as lab:
        yield lab


@pytest.fixture(scope="module")
def module_router(module_lab):
    with Porticod(module_lab.router) as daemon:
        yield daemon


@pytest.fixture
def router(module_router):
    module_router.sock.put("/config", {}).expect(200)
    yield module_router
    module_router.check_log()


@pytest.fixture
def api(router):
    return router.api


@pytest.fixture
def contract(router, checked):
    router.sock.get("/openapi.json").expect(200)
    return checked.contract


@pytest.fixture
def fresh(module_lab):
    """A daemon whose setup is not finished; for one test."""
    with Porticod(module_lab.spare, setup=False) as daemon:
        daemon.sock.get("/setup").expect(200)  # so that `contract` is known: others than root get it after setup
        yield daemon
