# SPDX-License-Identifier: GPL-2.0-or-later
"""The man pages: what there is stands in them, and `make install` brings them along."""
import os
import re
import shutil
import subprocess

import pytest

from lab.porticod import TREE, build_dir

MAN = TREE / "docs" / "man"


def source(page):
    """With --options as people write them."""
    return re.sub(r"\bFl -", "--", (MAN / page).read_text(encoding="utf-8"))


def help_of(program, *arguments):
    command = [str(build_dir() / program), *arguments, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def options(text):
    return set(re.findall(r"(?<![\w-])--[a-z0-9][a-z0-9-]*", text))


@pytest.mark.parametrize("page", ["portico.1", "portico.json.5", "porticod.8"])
def test_no_complaints(page):
    if not shutil.which("man"):
        pytest.skip("man is not installed")
    done = subprocess.run(["man", "--warnings=all", "-E", "UTF-8", "-l", str(MAN / page)], capture_output=True, text=True,
                          check=True, timeout=60, env=dict(os.environ, MANWIDTH="80", LC_ALL="C.UTF-8"))
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("page", ["portico.1", "portico.json.5", "porticod.8"])
def test_lint(page):
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is not installed")
    # What other pages there are depends on the machine; the operating system is not mandoc's guess.
    known = re.compile(r"referenced manual not found|operating system explicitly specified|outdated mandoc.db")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "all", str(MAN / page)], capture_output=True, text=True,
                          check=False, timeout=60)
    assert not [line for line in (done.stdout + done.stderr).splitlines() if not known.search(line)]


def test_the_daemon(built):
    assert options(source("porticod.8")) == options(help_of("porticod"))


def test_the_command(built):
    page = source("portico.1")
    top = help_of("portico")
    known = options(top)
    for command in re.findall(r"^  ([a-z][a-z-]+) {2,}", top, re.M):
        text = help_of("portico", command)
        known |= options(text)
        assert re.search(rf"^\.(Ss portico|It (.* )?Cm) {command}\b", page, re.M), command
        for action in re.findall(rf"^  portico {command} ([a-z]+)\b", text, re.M):
            assert re.search(rf"^\.It.* Cm {action}\b", page, re.M), f"{command} {action}"
    assert options(page) == known


def test_the_document(router):
    """Every field under the heading of its kind, and nothing else."""
    def names(schema):
        for name, field in schema.get("properties", {}).items():
            yield name
            for inner in field.get("anyOf", [field]):
                yield from names(inner)

    schemas = router.sock.get("/openapi.json").expect(200)["components"]["schemas"]
    parts = re.split(r"^\.S[sh] (.*)$", source("portico.json.5"), flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2]))
    for key, schema in schemas["Config"]["properties"].items():
        if key == "warnings":
            continue
        kind = schema.get("items", schema)
        wanted = set(names(schemas[kind["$ref"].rsplit("/", 1)[1]]))
        heading = key.capitalize().replace("_nats", " NAT")
        assert set(re.findall(r"^\.It Cm (\w+)", sections[heading], re.M)) == wanted, key


def test_installed(built, tmp_path):
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    # Of what is built already, and only that.
    subprocess.run(["make", "--no-print-directory", "-o", "all", "install", f"BUILD={build_dir()}", f"DESTDIR={tmp_path}"],
                   cwd=TREE, check=True, capture_output=True, timeout=60)
    there = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert {"usr/share/man/man1/portico.1", "usr/share/man/man5/portico.json.5", "usr/share/man/man8/porticod.8",
            "usr/share/bash-completion/completions/portico", "usr/bin/portico", "usr/sbin/porticod"} <= there
