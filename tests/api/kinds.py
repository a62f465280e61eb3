# SPDX-License-Identifier: GPL-2.0-or-later
"""An object of every kind: the least that is needed, and changes to every field."""

UPLINK = {"name": "isp1", "device": "eth0"}
NETWORK = {"name": "lan", "devices": ["eth1"]}

# path: (schema, objects that must be there before, the least, a full one)
KINDS = {
    "/networks": ("Network", [], {"name": "guests"},
                  {"name": "guests", "devices": ["br0", "wlan0"], "prefixes": ["10.8.0.0/24", "2001:db8:5::/48"],
                   "hairpin": "off", "hairpin_source": "external"}),
    "/uplinks": ("Uplink", [], {"name": "fibre", "device": "eth0"},
                 {"name": "fibre", "enabled": False, "device": "ppp0", "gateway": "192.0.2.254",
                  "source_nat": "192.0.2.1", "source_nat6": "masquerade", "prefixes": ["2001:db8:1::/56"],
                  "weight": 3, "tier": 2, "sticky": True, "sticky_timeout_s": 60, "out_of_service": True,
                  "health": {"method": "tcp", "targets": ["198.51.100.1:443"], "need": "all", "interval_ms": 500,
                             "timeout_ms": 400, "down_after": 4, "up_after": 5, "window": 30,
                             "max_loss_percent": 20, "max_latency_ms": 100}}),
    "/forwards": ("Forward", [("/uplinks", UPLINK)],
                  {"name": "web", "internal_address": "192.168.1.2", "external_ports": "80"},
                  {"name": "web", "enabled": False, "family": "ipv4", "protocols": ["tcp", "udp"],
                   "uplinks": ["isp1"], "external_ports": "80,8000-8100", "internal_address": "192.168.1.9",
                   "internal_ports": "81,9000-9100", "sources": ["198.51.100.0/24"], "hairpin": False,
                   "backend_sees": "router", "comment": "a note – with \"all\" <signs>",
                   "expires_at": "2100-01-31T12:00:00Z", "schedule": "mon-fri 08:00-22:00, sat,sun 10:00-24:00",
                   "log": True, "internal_network": None, "pinhole": False}),
    "/redirects": ("Redirect", [("/networks", NETWORK)],
                   {"name": "proxy", "network": "lan", "port": 80, "to_port": 8888},
                   {"name": "proxy", "enabled": False, "network": "lan", "protocol": "udp", "port": 53,
                    "to_port": 5353, "except": ["192.168.1.9"]}),
    "/source-nats": ("SourceNat", [("/uplinks", UPLINK)],
                     {"name": "vpn", "sources": ["10.8.0.0/24"], "uplink": "isp1", "address": "192.0.2.9"},
                     {"name": "vpn", "enabled": False, "sources": ["10.8.0.0/24", "10.9.0.1"], "uplink": "isp1",
                      "address": "192.0.2.10"}),
    "/policies": ("Policy", [("/uplinks", UPLINK)], {"name": "voice"},
                  {"name": "voice", "enabled": False, "position": 5, "sources": ["192.168.1.0/24"],
                   "destinations": ["203.0.113.0/24", "2001:db8::/32"], "protocol": "udp",
                   "ports": "5060,10000-20000", "uplinks": ["isp1"], "otherwise": "unreachable"}),
}


def prepare(api, path):
    for needed, body in KINDS[path][1]:
        api.post(needed, body).expect(201)


def add(api, path, **changes):
    """What the kind needs, and an object of it: the answer."""
    prepare(api, path)
    return api.post(path, {**KINDS[path][2], **changes}).expect(201)


def revision(api):
    return api.get("/status").expect(200)["revision"]
