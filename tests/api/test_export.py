# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration in words of others: they load it, and it comes back as it was where it is imported."""
import copy
import re

import pytest

NETWORK_FILE = """
config interface 'isp1'
	option device 'eth0'
	option proto 'dhcp'
config interface 'isp2'
	option device 'eth2'
	option proto 'static'
	option ipaddr '198.51.100.1'
	option gateway '198.51.100.254'
config interface 'lan'
	option device 'eth1'
	option proto 'static'
"""


def export(api, format_):
    return api.get(f"/config/export?format={format_}").expect(200).decode()


@pytest.fixture
def filled(router):
    """What every format can say, in an order that an import keeps."""
    config = {
        "networks": [{"name": "lan", "devices": ["eth1"]}],
        "uplinks": [{"name": "isp1", "device": "eth0", "gateway": "192.0.2.254"}],
        "forwards": [
            {"name": "web", "external_ports": "80", "internal_address": "192.168.1.2"},
            {"name": "it's 注释", "external_ports": "8080", "internal_ports": "80", "internal_address": "192.168.1.3",
             "sources": ["198.51.100.0/24", "203.0.113.7"]},
            {"name": "dns", "protocols": ["tcp", "udp"], "external_ports": "53", "internal_address": "192.168.1.2"},
            {"name": "range", "external_ports": "9000-9100", "internal_address": "192.168.1.2"},
            {"name": "tunnel", "protocols": ["gre"], "external_ports": None, "internal_address": "192.168.1.2"},
            {"name": "school", "external_ports": "25565", "internal_address": "192.168.1.2", "schedule": "mon-wed 14:00-19:00"},
            {"name": "visit", "external_ports": "99", "internal_address": "192.168.1.2", "expires_at": "2037-01-01T00:00:00Z"},
            {"name": "hole", "external_ports": "443", "internal_address": "2001:db8:5::2", "pinhole": True}],
        "redirects": [{"name": "proxy", "network": "lan", "protocol": "tcp", "port": 80, "to_port": 8888}],
        "source_nats": [{"name": "vpn", "sources": ["10.8.0.0/24"], "uplink": "isp1", "address": "192.0.2.9"}],
        "policies": [{"name": "mail", "sources": ["192.168.1.3"], "protocol": "tcp", "ports": "25", "uplinks": ["isp1"]},
                     {"name": "far", "destinations": ["203.0.113.128/25"], "uplinks": ["isp1"], "position": 2000}],
    }
    return router.sock.put("/config", config).expect(200)


def comparable(config, *left_out):
    """Without what the way through another language does not keep."""
    config = copy.deepcopy(config)
    for key in ("settings", "warnings", *left_out):
        config.pop(key, None)
    for kind, objects in config.items():
        for thing in objects:
            thing.pop("id")
            if kind in ("policies", "uplinks", "source_nats"):
                thing.pop("name")
            thing.pop("position", None)
            thing.pop("otherwise", None)
            if "uplinks" in thing:
                thing["uplinks"] = len(thing["uplinks"])
            if "uplink" in thing:
                thing.pop("uplink")
    config["forwards"].sort(key=lambda f: f["name"])
    return config


def brought_back(api, text, **options):
    """The configuration after the text was imported into an empty router."""
    api.put("/config", {}).expect(200)
    api.post("/import", {"text": text, "dry_run": False, **options}).expect(200)
    return api.get("/config").expect(200)


def test_iptables_and_back(api, filled):
    text = export(api, "iptables")
    assert "not expressed" not in text
    assert comparable(brought_back(api, text)) == comparable(filled)


def test_openwrt_and_back(api, filled):
    text = export(api, "uci")
    firewall, mwan3 = text.split("package mwan3")
    back = brought_back(api, mwan3, network_text=NETWORK_FILE.replace("'dhcp'", "'static'\n\toption gateway '192.0.2.254'"))
    assert [(u["device"], u["gateway"]) for u in back["uplinks"]] == [("eth0", "192.0.2.254")]
    assert comparable(back)["policies"] == comparable(filled)["policies"]
    assert "list src_ip" not in firewall, "firewall4 leaves out a redirect with a list of them"
    back = brought_back(api, firewall, network_text=NETWORK_FILE)
    wanted = comparable(filled, "policies", "uplinks")
    for forward in wanted["forwards"]:
        if forward["sources"]:  # a redirect's reflection does not look at them
            forward.update(hairpin=False)
    assert comparable(back, "policies", "uplinks") == wanted


def test_two_uplinks_in_openwrt(router, api, filled):
    """Uplinks of one zone are told apart by their addresses, or by devices."""
    router.host.ip("link del eth2", check=False)
    router.host.ip("link add eth2 type veth peer name eth2far")
    router.host.ip("addr add 198.51.100.1/24 dev eth2")
    config = {key: filled[key] for key in ("networks", "redirects")} | {
        "uplinks": [filled["uplinks"][0], {"name": "isp2", "device": "eth2", "gateway": "198.51.100.254"}],
        "forwards": [{"name": "both", "external_ports": "80,443", "internal_address": "192.168.1.2"},
                     {"name": "second", "external_ports": "2222", "internal_ports": "22", "internal_address": "192.168.1.2",
                      "uplinks": ["isp2"]},
                     {"name": "outside", "external_ports": "81", "internal_address": "192.168.1.2", "hairpin": False},
                     {"name": "off", "external_ports": "82", "internal_address": "192.168.1.2", "enabled": False}],
        "source_nats": [{"name": "vpn", "sources": ["10.8.0.0/24"], "uplink": "isp2", "address": "198.51.100.9"}]}
    config = router.sock.put("/config", config).expect(200)
    firewall, _ = export(api, "uci").split("package mwan3")
    back = brought_back(api, firewall, network_text=NETWORK_FILE.replace("'dhcp'", "'static'\n\toption gateway '192.0.2.254'"))
    assert comparable(back)["redirects"] == comparable(config)["redirects"]
    assert [(n["uplink"], n["address"]) for n in back["source_nats"]] == [("isp2", "198.51.100.9")]
    assert [(u["name"], u["source_nat"]) for u in back["uplinks"]] == [("isp1", "masquerade"), ("isp2", "masquerade")]

    def said(forwards):
        return {(f["external_ports"], f["internal_ports"], f["enabled"], f["hairpin"], tuple(f["uplinks"])) for f in forwards}
    assert said(back["forwards"]) == said(config["forwards"]) - {("80,443", None, True, True, ())} | {
        ("80", None, True, True, ()), ("443", None, True, True, ())}, "a redirect has one range"
    router.host.ip("link del eth2")


def test_nft_loads_it(router, api, filled):
    """All of it but what has hours: that would be open for good."""
    text = export(api, "nft")
    assert "when it expires: school\n" in text and "when it expires: visit\n" in text
    filled["forwards"] = [f for f in filled["forwards"] if not f["expires_at"] and not f["schedule"]]
    router.sock.put("/config", {key: filled[key] for key in filled if key != "warnings"}).expect(200)
    router.host.lab.spare.run(["nft", "-f", "-"], stdin=text)
    loaded = router.host.lab.spare.run("nft -s list table inet portico").stdout
    ours = router.host.run("nft -s list table inet portico").stdout
    assert sorted(loaded.splitlines()) == sorted(ours.splitlines()), "the order is that in which it was made"
    router.host.lab.spare.run("nft delete table inet portico")


def test_the_shell_takes_it(router, api, filled):
    """In a namespace without such devices: iptables does not mind, and routes are left out."""
    script = export(api, "iptables")
    rules = "\n".join(line for line in script.splitlines() if not re.match("(ip|sysctl) ", line))
    done = router.host.lab.spare.run(["sh", "-s"], stdin=rules)
    assert done.stderr == ""
    saved = router.host.lab.spare.run("iptables-save").stdout
    assert "--to-destination 192.168.1.3:80" in saved and "注释" in saved
    back = brought_back(api, saved)
    assert [f for f in comparable(filled)["forwards"] if f["family"] == "ipv4"] == comparable(back)["forwards"]
    for table in ("nat", "mangle", "filter"):
        for program in ("iptables", "ip6tables"):
            router.host.lab.spare.run(f"{program} -t {table} -F")


def test_names_do_no_harm(router, api):
    """What stands in names and comments is words, not commands."""
    names = ["$(touch /tmp/harm)", "`touch /tmp/harm`", "; touch /tmp/harm", "' ; touch /tmp/harm '", "a'b", "&& false #", "*"]
    api.put("/config", {"uplinks": [{"name": n, "device": f"eth{i}"} for i, n in enumerate(names)],
                        "forwards": [{"name": n, "external_ports": str(100 + i), "internal_address": "192.168.1.2"}
                                     for i, n in enumerate(names)]}).expect(200)
    script = export(api, "iptables")
    words = router.host.run(["sh", "-s"], stdin="iptables() { for i; do :; done; echo \"$#\"; }\nip() { :; }\nsysctl() { :; }\n"
                            "ip6tables() { :; }\n" + script)
    assert words.stderr == ""
    assert router.host.run("test -e /tmp/harm", check=False).returncode != 0
    back = brought_back(api, script)
    assert {f["name"] for f in back["forwards"]} == set(names)


def test_wrong_requests(api):
    for query in ("", "?format=", "?format=pf", "?format"):
        problem = api.get("/config/export" + query).expect(422)
        assert problem["errors"][0]["path"] == "?format"
    assert api.get("/config/export?format=nft&more=1").status == 400
    stranger_text = api.get("/config/export?format=nft")
    assert stranger_text.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_two_thousand_forwards(api):
    forwards = [{"name": f"f{i}", "external_ports": str(10000 + i), "internal_address": "192.168.1.2"} for i in range(2000)]
    api.put("/config", {"uplinks": [{"name": "isp1", "device": "eth0"}], "forwards": forwards}).expect(200)
    for format_ in ("nft", "iptables", "uci"):
        assert export(api, format_).count("f1999") >= 1
