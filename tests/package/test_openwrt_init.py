# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenWrt's package in use: its scripts by the shells they may meet, its daemon from an unpacked root in the packet lab."""
import json
import shutil
import ssl
import tarfile

import pytest

import openwrt_root
from lab import topologies
from lab.checks import outcome
from lab.lab import Lab, Node, Topology, command, wait_for
from lab.porticod import TREE, Porticod, build_dir, session
from lab.stream import Sink, Source
from openwrt_root import Procd, Root, instances

pytestmark = pytest.mark.skipif(openwrt_root.missing() is not None, reason=str(openwrt_root.missing()))
PROG = "/usr/sbin/porticod"


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    return Root(tmp_path_factory.mktemp("openwrt") / "root").install()


@pytest.fixture
def root(unpacked, tmp_path):
    """One for each test."""
    copy = Root(tmp_path / "root")
    command(["cp", "-a", str(unpacked.directory), str(copy.directory)])
    return copy


@pytest.fixture(params=openwrt_root.SHELLS)
def shell(request):
    return request.param


def owner(path):
    status = path.stat()
    return status.st_uid, oct(status.st_mode & 0o777)


# --- the init script ---

def test_start(root, shell):
    root.write("etc/portico/portico.db", "as if from the backup of another router")
    root.write("etc/portico/key.pem", "for root alone", 0o600)
    told = root.init("start", shell)
    assert instances(told) == {"porticod": {
        "command": [PROG], "file": [PROG], "respawn": ["3600", "1", "0"], "stderr": ["1"], "term_timeout": ["10"]}}
    assert [words for words in told if words[0] == "add_reload_trigger"] == [
        ["add_reload_trigger", "network", "firewall", "system"]]
    assert owner(root.path("etc/portico")) == (openwrt_root.USERS["portico"], "0o750")
    assert owner(root.path("etc/portico/portico.db"))[0] == openwrt_root.USERS["portico"]
    assert owner(root.path("etc/portico/key.pem")) == (0, "0o600")
    # where the command looks for the socket, on images that have no /run
    assert root.path("run").readlink().as_posix() == "/var/run" and root.path("tmp/run/portico").is_dir()
    root.init("start", shell)


def test_a_link_in_the_daemons_directory_leads_to_nothing_of_roots(root, shell):
    root.init("start", shell)
    root.path("etc/portico/portico.db").symlink_to("/etc/passwd")
    root.init("start", shell)
    assert root.path("etc/passwd").stat().st_uid == 0


def test_first_start_is_an_instance_until_it_has_worked(root, shell):
    root.write("etc/portico/first-start.uci", "config zone\n")
    assert instances(root.init("start", shell))["first-start"] == {
        "command": ["/usr/libexec/portico-first-start"], "stdout": ["1"], "stderr": ["1"]}


def test_reload_is_a_signal_to_the_daemon_alone(root, shell):
    assert root.init("reload", shell) == [["send_signal", "portico", "porticod", "HUP"]]


def test_stop(root, shell):
    assert root.init("stop", shell) == [["kill", "portico"]]


@pytest.mark.parametrize("refusals", [0, 2, 99])
def test_flush_waits_until_the_daemon_has_ended(root, shell, refusals):
    root.write(PROG, f'#!/bin/sh\necho "$@" >>/tmp/flushes\nread n </tmp/left\necho $((n - 1)) >/tmp/left\n[ $n -le 0 ]\n', 0o755)
    root.write("tmp/left", f"{refusals}\n")
    root.path("bin/sleep").unlink()
    root.write("bin/sleep", "#!/bin/sh\n", 0o755)
    if shell == "ash" and refusals == 99:
        pytest.skip("its sleep is built in: ten seconds")
    done = root.run([*openwrt_root.SHELLS[shell], "/etc/rc.common", "/etc/init.d/portico", "flush"], check=False)
    assert (done.returncode == 0) == (refusals < 10)
    assert root.told() == [["kill", "portico"]]
    assert root.path("tmp/flushes").read_text() == "--flush\n" * min(refusals + 1, 10)


# --- uci-defaults ---

NETWORK = """
config interface 'loopback'
	option device 'lo'
	option proto 'static'

config device
	option name 'br-lan'
	option type 'bridge'
	list ports 'lan1'

config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	option ipaddr '192.168.1.1'
"""
WAN = """
config interface 'wan'
	option device 'wan'
	option proto 'dhcp'

config interface 'wan6'
	option device 'wan'
	option proto 'dhcpv6'
"""
PPPOE = """
config interface 'wan'
	option device 'eth1.7'
	option proto 'pppoe'

config interface 'wan6'
	option device '@wan'
	option proto 'dhcpv6'
"""
SECOND = """
config interface 'wanb'
	option device 'eth2'
	option proto 'static'
	option ipaddr '198.51.100.1/24'
	option gateway '198.51.100.254'
"""
VLANS = """
config interface wan
	option device eth0.2
	option proto dhcp

config interface "guest"
	option device "br-lan.30"
	option proto static
"""
ZONES = """
config defaults
	option input 'REJECT'

config zone
	option name 'lan'
	list network 'lan'
	option input 'ACCEPT'

config zone
	option name 'wan'
	list network 'wan'
	list network 'wan6'
	option input 'REJECT'
	option masq '1'

config forwarding
	option src 'lan'
	option dest 'wan'

config redirect
	option name 'stays with the firewall'
	option src 'wan'
	option src_dport '80'
	option dest_ip '192.168.1.2'
"""
GUEST = """
config zone 'guest'
	option name 'guest'
	option network 'guest iot'
"""
LAN = [("network", "lan", ["br-lan"])]
SAMPLES = {
    "DSA": (NETWORK + WAN, ZONES, [("uplink", "wan", "wan")] + LAN),
    "PPPoE": (NETWORK + PPPOE, ZONES, [("uplink", "wan", "pppoe-wan")] + LAN),
    "two uplinks": (NETWORK + WAN + SECOND, ZONES.replace("'wan6'", "'wan6'\n\tlist network 'wanb'"),
                    [("uplink", "wan", "wan"), ("uplink", "wanb", "eth2")] + LAN),
    "VLANs, a guest network": (NETWORK + VLANS, ZONES + GUEST,
                               [("uplink", "wan", "eth0.2"), ("network", "guest", ["br-lan.30"])] + LAN),
    # an access point: the port called wan is one of the LAN's
    "no uplink": (NETWORK.replace("'lan1'", "'lan1'\n\tlist ports 'wan'"), ZONES, LAN),
    "a zone of devices": (NETWORK + WAN, ZONES + "config zone\n\toption name 'vpn'\n\tlist device 'tun0'\n",
                          [("uplink", "wan", "wan"), ("network", "vpn", ["tun0"])] + LAN),
    "no firewall": (NETWORK + WAN + SECOND, None, [("uplink", "wan", "wan"), ("uplink", "wanb", "eth2")] + LAN),
    "a firewall without zones": (NETWORK + WAN, "config defaults\n", [("uplink", "wan", "wan")] + LAN),
    "nothing of that kind": ("config interface 'loopback'\n\toption device 'lo'\n", ZONES, None),
    "no network": ("", ZONES, None),
}


@pytest.fixture(scope="module")
def importer(built):
    """A daemon that tells what it would make of zones. Devices are there that could mislead it."""
    with Lab(Topology({"router": Node()})) as lab:
        for device in ("wan", "wan6", "tun0"):
            lab.router.ip(f"link add {device} type bridge")
        with Porticod(lab.router) as daemon:
            yield daemon


def uci_defaults(root, shell, network, firewall, **options):
    if network is not None:
        root.write("etc/config/network", network)
    if firewall is not None:
        root.write("etc/config/firewall", firewall)
    root.shell("cd /etc/uci-defaults && . ./80-portico", shell, **options)
    found = root.path("etc/portico/first-start.uci")
    return found.read_text() if found.exists() else None


@pytest.mark.parametrize("sample", SAMPLES)
def test_what_uci_defaults_find(root, importer, shell, sample):
    network, firewall, expected = SAMPLES[sample]
    zones = uci_defaults(root, shell, network, firewall)
    if expected is None:
        assert zones is None
        return
    assert "redirect" not in zones and "defaults" not in zones
    answer = importer.api.post("/import", {"text": zones, "network_text": network, "format": "uci-firewall"}).expect(200)
    assert answer["dry_run"]
    assert sorted((o["kind"], o["name"], o["after"].get("device") or o["after"]["devices"]) for o in answer["changes"]) == \
        sorted(expected)


def test_uci_defaults_leave_alone_what_was_there_before(root, shell):
    root.write("etc/portico/portico.db", "settings")
    assert uci_defaults(root, shell, NETWORK + WAN, ZONES) is None


def test_uci_defaults_have_a_running_firewall_take_the_include_in(root, shell):
    root.write("etc/init.d/firewall", "#!/bin/sh\necho \"$1\" >>/tmp/firewall\n", 0o755)
    root.write("usr/sbin/nft", "#!/bin/sh\n[ \"$*\" = 'list table inet fw4' ] && [ -e /tmp/fw4 ]\n", 0o755)
    uci_defaults(root, shell, NETWORK, ZONES)
    assert not root.path("tmp/firewall").exists(), "at the first boot of an image it starts later"
    root.write("tmp/fw4", "")
    uci_defaults(root, shell, NETWORK, ZONES)
    assert root.path("tmp/firewall").read_text() == "reload\n"


# --- the daemon, in the packet lab ---

LAB_NETWORK = """
config interface 'lan'
	option device 'br-lan'
	option proto 'static'

config interface 'isp1'
	option device 'eth0'
	option proto 'dhcp'

config interface 'isp2'
	option device 'eth1'
	option proto 'dhcp'
"""
LAB_ZONES = """
config zone
	option name 'lan'
	list network 'lan'

config zone
	option name 'wan'
	list network 'isp1'
	list network 'isp2'
	option masq '1'
"""
# fw4 in little: everything from uplinks is rejected, but for what the files in chain-pre/<chain>/ say.
FW4 = """
table inet fw4 {
	chain input {
		type filter hook input priority filter; policy drop;
		%(input)s
		ct state vmap { established : accept, related : accept }
		iifname { "lo", "br-lan" } accept
	}
	chain forward {
		type filter hook forward priority filter; policy drop;
		%(forward)s
		ct state vmap { established : accept, related : accept }
		iifname "br-lan" oifname { "eth0", "eth1" } accept
	}
}
"""


@pytest.fixture(scope="module")
def lab(built, lab_factory):
    lab = lab_factory(topologies.home(2))
    lab.backend.serve(80)
    return lab


def fw4(root):
    return FW4 % {chain: "\n".join(file.read_text() for file in root.path("usr/share/nftables.d/chain-pre").glob(f"{chain}/*.nft"))
                  for chain in ("input", "forward")}


@pytest.fixture
def router(root, lab):
    """Installed as default_postinst does it: uci-defaults, then the start."""
    uci_defaults(root, "ash", LAB_NETWORK, LAB_ZONES)
    with Procd(root, lab.router) as procd:
        procd.init("start")
        procd.wait_until_ready()
        yield procd
        assert not any(word in procd.log() for word in ("Sanitizer", "runtime error:")), procd.log()
    lab.router.run("nft flush ruleset")
    command([str(build_dir() / "porticod"), "--flush", "--netns", lab.router.netns, "--db", "/nonexistent/portico.db"])


def listed(procd, kind):
    return json.loads(procd.cli(kind, "list", "--json").stdout)["items"]


def imported(procd):
    wait_for(lambda: not procd.root.path("etc/portico/first-start.uci").exists(), 30, "the first start's import")
    return procd


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def edges(daemon):
    return [pid for pid in session(daemon.pid) if pid != daemon.pid]


def test_the_first_start_sets_uplinks_and_network_up(router):
    imported(router)
    assert [(u["name"], u["device"]) for u in listed(router, "uplink")] == [("isp1", "eth0"), ("isp2", "eth1")]
    assert [(n["name"], n["devices"]) for n in listed(router, "network")] == [("lan", ["br-lan"])]
    assert router.processes["first-start"].wait(10) == 0
    # and at no later start
    revision = json.loads(router.cli("status", "--json").stdout)["revision"]
    router.init("stop")
    assert set(instances(router.init("start"))) == {"porticod"}
    router.wait_until_ready()
    assert json.loads(router.cli("status", "--json").stdout)["revision"] == revision


def test_the_first_start_overrides_nobody(root, lab):
    root.write("etc/config/network", LAB_NETWORK)
    with Procd(root, lab.router) as procd:
        procd.init("start")
        procd.wait_until_ready()
        procd.cli("uplink", "add", "mine", "--device", "eth1")
        root.write("etc/portico/first-start.uci", LAB_ZONES)
        root.run(["/usr/libexec/portico-first-start"], host=lab.router)
        assert [u["name"] for u in listed(procd, "uplink")] == ["mine"] and listed(procd, "network") == []
        assert not root.path("etc/portico/first-start.uci").exists()
    command([str(build_dir() / "porticod"), "--flush", "--netns", lab.router.netns, "--db", "/nonexistent/portico.db"])


def test_a_forward_passes_beside_fw4(router, lab):
    imported(router)
    lab.router.nft(FW4 % {"input": "", "forward": ""})
    router.cli("forward", "add", "web", "--port", "80", "--to", "192.168.0.2")
    assert outcome(lab.internet, "192.0.2.1", 80) == "silence"
    lab.router.run("nft delete table inet fw4")
    lab.router.nft(fw4(router.root))
    for address in ("192.0.2.1", "198.51.100.1"):
        assert lab.internet.ask(address, 80).peer == "203.0.113.200"
    assert lab.client.ask("192.0.2.1", 80).peer == "192.168.0.1", "hairpin"
    assert outcome(lab.internet, "192.0.2.1", 81) == "silence"


def test_the_page_is_there_for_the_lan_and_not_for_uplinks(router, lab):
    imported(router)
    context = ssl._create_unverified_context()
    with lab.client.connect("192.168.0.1", 8443) as connection, context.wrap_socket(connection._socket) as page:
        page.sendall(b"GET / HTTP/1.0\r\nHost: 192.168.0.1:8443\r\n\r\n")
        assert page.recv(64).startswith(b"HTTP/1.1 200 ")
    assert outcome(lab.internet, "192.0.2.1", 8443) == "silence"


def test_nothing_of_root_is_left(router):
    daemon = router.processes["porticod"]
    status = status_of(daemon.pid)
    assert status["Uid"].split() == [str(openwrt_root.USERS["portico"])] * 4
    assert {status[set_] for set_ in ("CapPrm", "CapEff", "CapBnd")} == {f"{1 << 12 | 1 << 13:016x}"}, "NET_ADMIN, NET_RAW"
    assert status["NoNewPrivs"] == "1"
    assert len(edges(daemon)) == 2
    for pid in edges(daemon):
        status = status_of(pid)
        assert status["Uid"].split() == [str(openwrt_root.USERS["portico-edge"])] * 4
        assert {status[set_] for set_ in ("CapPrm", "CapEff", "CapBnd")} == {f"{0:016x}"}


def test_reload(router, lab):
    imported(router)
    before = router.log()
    lab.router.ip("route flush table 20000")
    router.init("reload")
    wait_for(lambda: "default" in lab.router.ip("route show table 20000"))
    assert router.processes["porticod"].poll() is None, router.log()[len(before):]


def test_stop_leaves_and_flush_takes(router, lab):
    imported(router)
    router.cli("forward", "add", "web", "--port", "80", "--to", "192.168.0.2")
    router.init("stop")
    assert lab.internet.ask("192.0.2.1", 80).server == "backend"
    router.init("start")
    router.wait_until_ready()
    router.init("flush")
    assert "portico" not in lab.router.run("nft list tables").stdout
    assert "proto 80" not in lab.router.ip("rule show")


# --- upgrades of the package ---

@pytest.fixture(scope="module")
def later_build(built, tmp_path_factory):
    """The next version: what names the version is compiled anew, the rest as it is."""
    build = tmp_path_factory.mktemp("later") / "build"
    command(["cp", "-a", f"{build_dir()}/.", str(build)])
    for source in command(["git", "-C", str(TREE), "grep", "-l", "PORTICO_VERSION", "--", "daemon"]).stdout.split():
        (build / "obj" / source).with_suffix(".o").unlink(missing_ok=True)
    san = ["SAN=1"] if build_dir().name == "san" else []
    assets = (build_dir().parent if san else build_dir()) / "webui" / "assets.c"
    command(["make", "-s", "-C", str(TREE), "VERSION=0.1.1", f"OUT={build}", f"ASSETS={assets}", "all", *san], timeout=300)
    return build


@pytest.mark.parametrize("manager", ["opkg", "apk"])
def test_upgrade_with_live_connections(router, lab, later_build, manager):
    """opkg stops the service, unpacks, starts it. apk unpacks and starts it."""
    root = imported(router).root
    lab.router.nft(fw4(root))
    router.cli("forward", "add", "stream", "--port", "5000", "--to", "192.168.0.2")
    assert json.loads(router.cli("status", "--json").stdout)["version"] == "0.1.0"
    settings, first = router.cli("config", "show").stdout, router.processes["porticod"].pid
    with Source(lab.backend, 5000), Sink(lab.internet, "192.0.2.1", 5000) as sink:
        if manager == "opkg":
            router.init("stop")
        sink.goes_on()
        root.unpack(later_build)
        uci_defaults(root, "ash", None, None)
        router.init("start")
        router.wait_until_ready()
        sink.goes_on()
        wait_for(lambda: json.loads(router.cli("status", "--json").stdout)["version"] == "0.1.1")
        assert router.processes["porticod"].pid != first
        assert router.cli("config", "show").stdout == settings
        assert not root.path("etc/portico/first-start.uci").exists()
        # new connections, too
        with Sink(lab.internet, "198.51.100.1", 5000):
            sink.goes_on()


# --- sysupgrade ---

# What /sbin/sysupgrade does with its hooks; its tar reads the list by itself, with -T.
SYSUPGRADE = r"""
sysupgrade_init_conffiles=list_files
list_files() {
	find $(cat /lib/upgrade/keep.d/*) -type f >"$1"
}
for file in /lib/upgrade/*.sh; do . "$file"; done
for hook in $sysupgrade_init_conffiles; do $hook /tmp/conffiles; done
[ "$CONF_BACKUP_LIST" = 1 ] || tar -czf /tmp/sysupgrade.tgz -C / $(cat /tmp/conffiles)
"""


def sysupgrade(procd, **env):
    return procd.root.shell(SYSUPGRADE, host=procd.host, **env)


@pytest.mark.parametrize("environment", [{}, {"NEED_IMAGE": "1", "CONF_BACKUP": "/tmp/sysupgrade.tgz"}], ids=["upgrade", "backup"])
def test_sysupgrade_keeps_what_was_changed_a_moment_ago(router, lab, unpacked, tmp_path, environment):
    imported(router)
    db = router.root.path("etc/portico/portico.db")
    for number in range(3):
        router.cli("forward", "add", f"number {number}", "--port", str(1000 + number), "--to", "192.168.0.2")
    assert db.with_name("portico.db-wal").stat().st_size > 0, "the newest is in the log still"
    said = sysupgrade(router, **environment)
    assert "may not be whole" not in said.stderr
    if environment:
        assert router.processes["porticod"].poll() is None
        router.init("stop")
    else:
        router.wait()

    with tarfile.open(router.root.path("tmp/sysupgrade.tgz")) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
        assert {"etc/portico/portico.db", "etc/portico/portico.db.good", "etc/portico/key.pem"} <= names
        assert not [name for name in names if name.startswith("etc/portico/portico.db-")]
        # the new system: another root, with the archive unpacked before the first boot
        other = Root(tmp_path / "other")
        command(["cp", "-a", str(unpacked.directory), str(other.directory)])
        archive.extractall(other.directory, filter="fully_trusted") if hasattr(tarfile, "fully_trusted_filter") else \
            archive.extractall(other.directory)
    uci_defaults(other, "ash", LAB_NETWORK, LAB_ZONES)
    with Procd(other, lab.router) as procd:
        assert set(instances(procd.init("start"))) == {"porticod"}
        procd.wait_until_ready()
        assert [f["name"] for f in listed(procd, "forward")] == ["number 0", "number 1", "number 2"]
        assert len(listed(procd, "uplink")) == 2


def test_a_backup_is_restored_over_a_running_router(router):
    """`sysupgrade -r`, and LuCI: the files change under the daemon, which goes on with those it has open, and a reboot follows."""
    imported(router)
    router.cli("forward", "add", "in the backup", "--port", "1000", "--to", "192.168.0.2")
    sysupgrade(router, NEED_IMAGE="1", CONF_BACKUP="/tmp/sysupgrade.tgz")
    router.cli("forward", "add", "later", "--port", "1001", "--to", "192.168.0.2")
    router.root.shell("tar -C / -xzf /tmp/sysupgrade.tgz", host=router.host)
    router.init("stop")
    router.init("start")
    router.wait_until_ready()
    assert [f["name"] for f in listed(router, "forward")] == ["in the backup"]


def test_sysupgrade_that_only_lists_stops_nothing(router):
    sysupgrade(router, CONF_BACKUP_LIST="1")
    assert router.root.told() == [] and router.processes["porticod"].poll() is None
    listed_files = router.root.path("tmp/conffiles").read_text()
    assert "/etc/portico/portico.db\n" in listed_files and "-wal" not in listed_files


# --- LuCI ---

def test_luci_view():
    """Run as LuCI does it: the file is a function's body."""
    if not shutil.which("node"):
        pytest.skip("no node: make deps")
    view = TREE / "openwrt/files/www/luci-static/resources/view/portico.js"
    script = """
        const text = require("fs").readFileSync(process.argv[1], "utf8");
        const E = (tag, attributes, children) => ({ tag, ...attributes, children });
        const rpc = { declare: (spec) => (name) => Promise.resolve({ spec, name }) };
        const view = { extend: (object) => object };
        const page = new Function("rpc", "view", "E", "_", "window", text)(
            rpc, view, E, (s) => s, { location: { hostname: "[fd00::1]" } });
        page.load().then(({ spec, name }) => console.log(JSON.stringify({ spec, name,
            up: page.render({ instances: { porticod: { running: true } } }), down: page.render({}) })));
    """
    said = json.loads(command(["node", "-e", script, str(view)]).stdout)
    assert (said["spec"]["object"], said["spec"]["method"], said["name"]) == ("service", "list", "portico")
    up, down = json.dumps(said["up"]), json.dumps(said["down"])
    assert '"href": "https://[fd00::1]:8443/"' in up and "not running" not in up and "not running" in down

    share = TREE / "openwrt/files/usr/share"
    (_, entry), = json.loads((share / "luci/menu.d/portico.json").read_text()).items()
    (group, rights), = json.loads((share / "rpcd/acl.d/portico.json").read_text()).items()
    assert entry["depends"]["acl"] == [group] and entry["action"] == {"type": "view", "path": view.stem}
    assert rights["read"] == {"ubus": {said["spec"]["object"]: [said["spec"]["method"]]}} and "write" not in rights
