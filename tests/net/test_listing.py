# SPDX-License-Identifier: GPL-2.0-or-later
"""What nft lists is what the compiler meant: the golden rulesets, as the kernel has them."""
import json
import pathlib
import re
import socket
import struct

import pytest

from lab.lab import Lab, Node, Topology, wait_for
from lab.porticod import Porticod

NETLINK_NETFILTER, NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, NFTA_GEN_ID, NLM_F_REQUEST = 12, 10, 16, 1, 1
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"


def cases():
    """Those whose table depends on nothing but configuration and devices."""
    for path in sorted(GOLDEN.glob("*.golden")):
        source, text = path.read_text(encoding="utf-8").split("\n---\n")
        given = json.loads(source)
        environment = given.get("environment", {})
        if not {"then", "import", "export"} & set(given) and not {"now", "week_minute", "fitness"} & set(environment):
            yield pytest.param(given, text, id=path.stem)


@pytest.fixture(scope="module")
def router(built):
    with Lab(Topology({"router": Node()})) as lab, Porticod(lab.router) as daemon:
        daemon.lab_router = lab.router
        yield daemon
        daemon.check_log()


def make_devices(host, links, environment):
    batch = []
    for link in links:
        batch += [f"link add {link['name']} type veth peer name other-{link['name']}",
                  f"link set other-{link['name']} up"]
        batch += [f"addr add {address} dev {link['name']}" + (" nodad" if ":" in address else "")
                  for address in link.get("addresses", [])]
        if link.get("up", True):
            batch.append(f"link set {link['name']} up")
    for metric, link in enumerate(links, 100):
        for family in "46":
            if f"gateway{family}" in link and link.get("up", True):
                gateway = link[f"gateway{family}"]
                for source in [None] + [s for s in link.get("sources", []) if (":" in s) == (family == "6")]:
                    batch.append("route add " + ("::/0" if family == "6" else "0.0.0.0/0")
                                 + (f" from {source}" if source else "")
                                 + (f" via {gateway} onlink" if gateway else "") + f" dev {link['name']}"
                                 + f" metric {link.get('metric' + family, metric)}")
    host.run(["ip", "-batch", "-"], stdin="\n".join(batch) + "\n")
    if environment.get("fw4"):
        host.nft("add table inet fw4")


def remove_devices(host, links):
    host.run(["ip", "-batch", "-"], stdin="".join(f"link del {link['name']}\n" for link in links))
    host.run("nft delete table inet fw4", check=False)


def pieces(text):
    """Sets and chains, each as (heading, words), whatever the order and the line breaks; not those about the
    ports of the admin page, which are the daemon's own, and not link-local prefixes, which devices make up."""
    inside = text[text.index("table inet portico"):text.index("\n}\n")]
    found = {}
    for heading, body in re.findall(r"^\t(\w+ \S+) \{\n(.*?)^\t\}$", inside, flags=re.S | re.M):
        declaration, _, elements = body.partition("elements = {")
        items = sorted(" ".join(item.split()) for item in elements.rpartition("}")[0].split(",\n"))
        if heading.startswith(("set", "map")):
            items = sorted(" ".join(item.split()) for item in re.split(r",\s", elements.rpartition("}")[0]))
        items = [item for item in items if item != "fe80::/64"]
        found[heading] = (declaration.split(), items) if elements else (body.split(), [])
    found.pop("chain filter_input", None)
    return found


@pytest.mark.parametrize("given, text", cases())
def test_golden_ruleset_in_the_kernel(router, given, text):
    host = router.lab_router
    try:
        make_devices(host, given["links"], given.get("environment", {}))
        router.api.put("/config", given["config"]).expect(200)
        wanted = pieces(text)

        def same():
            return pieces(host.run("nft -s list table inet portico").stdout) == wanted
        try:
            wait_for(same)
        except TimeoutError:
            assert pieces(host.run("nft -s list table inet portico").stdout) == wanted
        # It is within nft's language, too.
        listing = host.run("nft list table inet portico").stdout
        host.run(["nft", "-c", "-f", "-"], stdin="delete table inet portico\n" + listing)
        nothing_changes_at_a_restart(router, host)
    finally:
        router.api.put("/config", {}).expect(200)
        remove_devices(host, given["links"])


def generation(host):
    """The number of the last transaction of the namespace's nf_tables."""
    request = struct.pack("=LHHLL", 20, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN, NLM_F_REQUEST, 1, 0) + bytes(4)
    with host.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.settimeout(5)
        netlink.send(request)
        answer = netlink.recv(4096)
    assert struct.unpack_from("=H", answer, 22)[0] == NFTA_GEN_ID
    return struct.unpack_from("!L", answer, 24)[0]


def nothing_changes_at_a_restart(router, host):
    """The daemon reads the same from the kernel that it wrote."""
    before = generation(host)
    router.restart()
    assert generation(host) == before
