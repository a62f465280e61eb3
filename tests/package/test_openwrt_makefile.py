# SPDX-License-Identifier: GPL-2.0-or-later
"""openwrt/Makefile, read by make itself: with OpenWrt's includes where OPENWRT_DIR has them, and always with stand-ins of our own
that do what those would. OpenWrt does not fail on a name that is mistyped, the field is just empty: so all are looked at."""
import os
import re
import subprocess

import pytest

import openwrt_root
from lab.lab import command
from lab.porticod import TREE, build_dir
from openwrt_root import SHELLS, Root

RULES = r"""
INCLUDE_DIR := $(TOPDIR)/include
STAGING_DIR_HOST := $(TOPDIR)/staging_dir/host
TARGET_CC := target-gcc
TARGET_CFLAGS := -Os -mips32r2
TARGET_CPPFLAGS := -I/staging/usr/include
TARGET_LDFLAGS := -L/staging/usr/lib -znow
"""
# Fields as include/package-dumpinfo.mk prints them, in brackets because some have several lines; what include/package-defaults.mk
# passes to the Makefile of the release; and Package/*/install as include/package-pack.mk calls it.
PACKAGE = r"""
MAKE_VARS = CFLAGS="$(TARGET_CFLAGS) $(TARGET_CPPFLAGS)" LDFLAGS="$(TARGET_LDFLAGS)"
MAKE_FLAGS = AR="target-gcc-ar" CC="$(TARGET_CC)" STRIP="target-strip" CROSS="target-" ARCH="mips"
define Build/Compile/Default
	+$(MAKE_VARS) $(MAKE) -C $(PKG_BUILD_DIR) $(MAKE_FLAGS) $(1);
endef

define BuildPackage
$(eval $(Package/$(1)))
$(foreach field,PKG_NAME PKG_VERSION PKG_RELEASE PKG_SOURCE PKG_SOURCE_URL PKG_HASH PKG_MAINTAINER PKG_LICENSE \
	PKG_LICENSE_FILES SECTION CATEGORY SUBMENU TITLE DEPENDS USERID,$(info <<$(field)|$($(field))>>))
$(foreach text,description conffiles prerm,$(info <<$(text)|$(Package/$(1)/$(text))>>))

dump: ;
compile: ; $(Build/Compile)
install-package: ; $(call Package/$(1)/install,$(DEST))
endef
"""
PKG_CONFIG = """#!/bin/sh
case "$1" in
--cflags) echo -I/staging/usr/include/libnl-tiny ;;
--libs) shift; for p in "$@"; do echo "-lfound-$p"; done ;;
esac
"""
# In the feeds of all three releases: openwrt/package/libs, openwrt/packages/libs, package/kernel/linux/modules/netfilter.mk.
LIBRARIES = {"libmicrohttpd": "libmicrohttpd-no-ssl", "libnl-3.0": "libnl-core", "libnftnl": "libnftnl",
             "jansson": "jansson", "sqlite3": "libsqlite3", "-lmbedtls": "libmbedtls",
             "-lmbedx509": "libmbedtls", "-lmbedcrypto": "libmbedtls", "-lcap": "libcap"}
IN_LIBC = {"-lm", "-pthread", "$(PKG_LIBS)"}


@pytest.fixture(scope="module")
def topdir(tmp_path_factory):
    top = tmp_path_factory.mktemp("topdir")
    (top / "include").mkdir()
    (top / "rules.mk").write_text(RULES)
    (top / "include/package.mk").write_text(PACKAGE)
    (top / "staging_dir/host/bin").mkdir(parents=True)
    (top / "staging_dir/host/bin/pkg-config").write_text(PKG_CONFIG)
    (top / "staging_dir/host/bin/pkg-config").chmod(0o755)
    return top


def make(topdir, target, *options):
    """In a builder's CI, say."""
    return subprocess.run(["make", "--no-print-directory", "-C", str(TREE / "openwrt"), f"TOPDIR={topdir}", target, *options],
                          capture_output=True, text=True, check=True, timeout=300, env={**os.environ, "CI": "true"}).stdout


@pytest.fixture(scope="module")
def fields(topdir):
    found = dict(re.findall(r"<<(\w+)\|(.*?)>>", make(topdir, "dump"), re.DOTALL))
    assert [name for name, value in found.items() if not value.strip()] == []
    return found


def words(text):
    return text.split()


def makefile_variable(name):
    text = (TREE / "Makefile").read_text().replace("\\\n", " ")
    return re.search(rf"^{name} *:?=(.*)$", text, re.MULTILINE)[1].strip()


def test_version(fields):
    assert fields["PKG_VERSION"] == makefile_variable("VERSION")
    # what apk, and opkg's comparison, have no other opinion of
    assert re.fullmatch(r"\d+(\.\d+)*", fields["PKG_VERSION"]) and re.fullmatch(r"[1-9]\d*", fields["PKG_RELEASE"])


def test_source(fields):
    assert fields["PKG_SOURCE"] == f"portico-{fields['PKG_VERSION']}.tar.gz"
    assert fields["PKG_SOURCE_URL"] == f"file://{TREE}/build"
    assert fields["PKG_HASH"] == "skip" or re.fullmatch("[0-9a-f]{64}", fields["PKG_HASH"])


def test_names(fields):
    assert fields["PKG_NAME"] == "portico"
    assert (fields["SECTION"], fields["CATEGORY"], fields["SUBMENU"]) == ("net", "Network", "Routing and Redirection")
    assert fields["PKG_LICENSE"] == "GPL-2.0-or-later" and (TREE / fields["PKG_LICENSE_FILES"]).is_file()
    # a menu's line; opkg indents the description by one
    assert len(fields["TITLE"]) <= 60 and all(line.startswith(" ") for line in fields["description"].splitlines() if line)


def test_dependencies(fields):
    depends = words(fields["DEPENDS"])
    assert all(re.fullmatch(r"\+[a-z0-9-]+", name) for name in depends) and len(set(depends)) == len(depends)
    names = {name[1:] for name in depends}
    linked = set(words(makefile_variable("PACKAGES"))) | set(words(makefile_variable("LIBS"))) - IN_LIBC
    assert {name for name in names if not name.startswith("kmod-")} == {LIBRARIES[library] for library in linked}
    # what the daemon itself says is missing when it is
    told = set(re.findall(r"kmod-[a-z0-9-]+", (TREE / "daemon/kernel/explain.c").read_text()))
    assert told <= names and "kmod-nf-conntrack-netlink" in names


def test_users(fields):
    """Rows of scripts/metadata.pm and of add_group_and_user in functions.sh: NAME[=ID]:GROUP[=ID], parted by spaces."""
    users = [re.fullmatch(r"([a-z_][a-z0-9_-]*)(=\d+)?:([a-z_][a-z0-9_-]*)(=\d+)?", row) for row in words(fields["USERID"])]
    assert [(user[1], user[3]) for user in users] == [("portico", "portico"), ("portico-edge", "portico-edge")]
    assert "chown -h portico:portico" in (TREE / "openwrt/files/etc/init.d/portico").read_text()
    assert '#define EDGE_USER     "portico-edge"' in (TREE / "daemon/edge/confine.c").read_text()


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A release unpacked, already compiled: times say that nothing is left to do."""
    directory = tmp_path_factory.mktemp("release") / "portico-0.1.0"
    directory.mkdir()
    listed = subprocess.run(["git", "-C", str(TREE), "ls-files", "-co", "--exclude-standard", "-z"], capture_output=True, check=True)
    packed = subprocess.run(["tar", "-C", str(TREE), "--null", "--ignore-failed-read", "-T", "-", "-cf", "-"], input=listed.stdout,
                            capture_output=True, check=True)
    subprocess.run(["tar", "-C", str(directory), "-xf", "-"], input=packed.stdout, check=True)
    (directory / "webui/assets.c").write_text("/* the page */\n")
    os.utime(directory / "webui/assets.c", (0, 0))
    return directory


def test_compilation(topdir, release):
    """For the target, with its libraries, without Node; nobody's warnings are errors."""
    said = make(topdir, "compile", "-n", f"PKG_BUILD_DIR={release}", "V=1")
    compiled = [line for line in said.splitlines() if " -c -o " in line]
    assert len(compiled) > 100 and any(line.endswith("-c -o build/obj/assets.o webui/assets.c") for line in compiled)
    for line in compiled:
        assert line.lstrip().startswith("target-gcc -std=gnu11 -Os -mips32r2 -I/staging/usr/include ")
        assert "-isystem /staging/usr/include/libnl-tiny" in line and "-Werror" not in line
    linked = [line for line in said.splitlines() if re.search(r"-o build/porti\w+ ", line)]
    assert len(linked) == 2
    for line in linked:
        assert line.lstrip().startswith("target-gcc ") and "-L/staging/usr/lib -znow" in line
        assert all(f"-lfound-{package}" in line for package in words(makefile_variable("PACKAGES")))
    assert not re.search(r"\bnpm\b|\bnode\b", said)


INSTALLED = {
    "/etc/init.d/portico": 0o755, "/etc/uci-defaults/80-portico": 0o644, "/lib/upgrade/keep.d/portico": 0o644,
    "/lib/upgrade/portico.sh": 0o644, "/usr/bin/portico": 0o755, "/usr/libexec/portico-first-start": 0o755,
    "/usr/sbin/porticod": 0o755, "/usr/share/luci/menu.d/portico.json": 0o644,
    "/usr/share/nftables.d/chain-pre/forward/portico.nft": 0o644, "/usr/share/nftables.d/chain-pre/input/portico.nft": 0o644,
    "/usr/share/rpcd/acl.d/portico.json": 0o644, "/www/luci-static/resources/view/portico.js": 0o644,
}


@pytest.fixture(scope="module")
def packed(built, topdir, release, tmp_path_factory):
    command(["cp", "-a", str(build_dir()), str(release / "build")])
    (release / "build/obj/assets.d").unlink(missing_ok=True)   # names the page of this tree
    destination = tmp_path_factory.mktemp("packed") / "ipkg-mips" / "portico"
    make(topdir, "install-package", f"PKG_BUILD_DIR={release}", f"DEST={destination}")
    return destination


def test_installed_files(packed):
    files = {f"/{path.relative_to(packed)}": path.stat().st_mode & 0o777 for path in packed.rglob("*") if path.is_file()}
    assert files == INSTALLED
    for name in ("porticod", "portico"):
        path, = packed.glob(f"usr/*bin/{name}")
        assert path.read_bytes() == (build_dir() / name).read_bytes()


def test_what_is_kept(fields, packed):
    """OpenWrt makes keep.d of a conffile that is a directory; whoever packs without OpenWrt finds it ready."""
    assert words(fields["conffiles"]) == ["/etc/portico/"]
    assert words((packed / "lib/upgrade/keep.d/portico").read_text()) == words(fields["conffiles"])
    assert not (packed / "etc/portico").exists()


@pytest.mark.skipif(openwrt_root.missing() is not None, reason=str(openwrt_root.missing()))
@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_shell(packed, shell):
    for name in ("/etc/init.d/portico", "/etc/uci-defaults/80-portico", "/lib/upgrade/portico.sh", "/usr/libexec/portico-first-start"):
        argv = [*SHELLS[shell], "-n", str(packed) + name]
        assert subprocess.run(["busybox", *argv[1:]] if shell == "ash" else argv, check=False).returncode == 0


@pytest.mark.parametrize("environment, flushes", [({}, 1), ({"PKG_UPGRADE": "1"}, 0), ({"IPKG_INSTROOT": "/build/root"}, 0)],
                         ids=["removal", "upgrade", "image"])
def test_removal_takes_the_rules_out(built, fields, tmp_path, environment, flushes):
    if openwrt_root.missing():
        pytest.skip(openwrt_root.missing())
    root = Root(tmp_path / "root").install()
    root.write("etc/init.d/portico", '#!/bin/sh\necho "$1" >>/tmp/called\nexit 1\n', 0o755)
    assert fields["prerm"].startswith("#!/bin/sh\n")
    root.shell(fields["prerm"], **environment)
    called = root.path("tmp/called")
    assert (called.read_text() if called.exists() else "") == "flush\n" * flushes


def test_metadata_dump_of_openwrt():
    top = os.environ.get("OPENWRT_DIR")
    if not top:
        pytest.skip("OPENWRT_DIR names no tree of OpenWrt: its own metadata dump was not made")
    said = subprocess.run(["make", "--no-print-directory", "-r", "-C", str(TREE / "openwrt"), "DUMP=1", f"TOPDIR={top}", "FEED=portico"],
                          capture_output=True, text=True, check=True).stdout
    dump = dict(re.findall(r"^([A-Z][A-Za-z-]+): *(.+)$", said, re.MULTILINE))
    assert dump["Package"] == "portico" and dump["Version"].startswith(makefile_variable("VERSION") + "-")
    assert set(LIBRARIES.values()) <= {name.lstrip("+") for name in words(dump["Depends"])}
    assert words(dump["Require-User"]) == ["portico:portico", "portico-edge:portico-edge"]
    assert (dump["Section"], dump["Category"], dump["Submenu"]) == ("net", "Network", "Routing and Redirection")
    assert dump["Title"] and dump["License"] == "GPL-2.0-or-later" and dump["Source"].startswith("portico-")
