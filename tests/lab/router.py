# SPDX-License-Identifier: GPL-2.0-or-later
"""A home lab with the real daemon on its router, configured through the API."""
from .porticod import Porticod

LAN = {"name": "lan", "devices": ["br-lan"]}


class Router:
    """`lab`, `daemon`, `api` and shorthands for what tests do all the time."""

    def __init__(self, lab, **daemon_options):
        self.lab = lab
        self.daemon = Porticod(lab.router, **daemon_options)
        # The first is for what is begun from inside, so that tests know where to look; see sharing() in test_choice.py.
        self.uplinks = [{"name": name, "device": f"eth{i}", "tier": i + 1}
                        for i, name in enumerate(sorted(n for n in lab.hosts if n.startswith("isp")))]
        self.reset()

    def __enter__(self):
        return self

    def __exit__(self, *exit_):
        self.daemon.__exit__(*exit_)

    @property
    def api(self):
        return self.daemon.api

    def configure(self, **config):
        """The whole configuration: uplinks and LAN as they are usual, unless told otherwise."""
        config = {"networks": [LAN], "uplinks": self.uplinks, **config}
        return self.api.put("/config", config).expect(200)

    def reset(self):
        """The usual configuration without forwards, and no connections. A test may have left it dead."""
        if not self.daemon.running():
            self.daemon.restart()
        self.configure()
        self.lab.router.run("conntrack -F")

    def forward(self, port=80, to="192.168.0.2", **fields):
        """A new forward; its name is made from the ports if none is given."""
        body = {"name": f"to {to} {port}", "external_ports": str(port), "internal_address": to, **fields}
        return self.api.post("/forwards", body).expect(201)

    def kernel(self):
        return self.api.get("/status").expect(200)["kernel"]
