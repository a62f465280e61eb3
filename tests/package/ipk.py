# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads an ipk as opkg does, and refuses whatever opkg would misunderstand, or OpenWrt's own scripts/ipkg-build would not have
written. From the formats' descriptions (RFC 1952, GNU tar's "Basic Tar Format", opkg, include/package-pack.mk), not by a library:
one that forgives is no judge.
"""
import re
import struct
import zlib
from dataclasses import dataclass

BLOCK = 512
GNU = b"ustar  \0"   # magic and version; POSIX's, which pax has too, is b"ustar\0" b"00"
FILE, SYMLINK, DIRECTORY = b"0", b"2", b"5"
NAME = re.compile(r"\./(?:[A-Za-z0-9_.+-]+/)*[A-Za-z0-9_.+-]*")
FIELDS = {
    "Package": r"[a-z0-9][a-z0-9.+-]+",
    "Version": r"[0-9]+(\.[0-9]+)*-r?[0-9]+",
    "Depends": r"[a-z0-9.+-]+(, [a-z0-9.+-]+)*",
    "License": r"[A-Za-z0-9.+-]+",
    "Section": r"[a-z]+",
    "Require-User": r"[a-z-]+(=\d+)?(:[a-z-]+(=\d+)?)?( [a-z-]+(=\d+)?(:[a-z-]+(=\d+)?)?)*",
    "Maintainer": r"\S.*",
    "Architecture": r"[a-z0-9_-]+",
    "Installed-Size": r"[0-9]+",
    "Description": r"(?s)\S.*",
}
SCRIPTS = {"postinst", "prerm", "postinst-pkg", "prerm-pkg", "preinst", "postrm"}


class Refused(Exception):
    pass


def check(condition, complaint):
    if not condition:
        raise Refused(complaint)


@dataclass
class Entry:
    name: str
    kind: bytes
    mode: int
    data: bytes


@dataclass
class Package:
    control: dict    # field: value
    scripts: dict    # name: bytes
    conffiles: list
    entries: list    # Entry, in order


def read(data):
    """The package in these bytes; Refused says what is wrong with it."""
    members = untar(gunzip(data))
    check([m.name for m in members] == ["./debian-binary", "./data.tar.gz", "./control.tar.gz"],
          f"the members are {[m.name for m in members]}")
    check(all(m.kind == FILE for m in members), "a member is no file")
    check(members[0].data == b"2.0\n", "debian-binary is not 2.0")
    payload = gunzip(members[1].data)
    entries = tree(untar(payload))
    files = {entry.name: entry for entry in tree(untar(gunzip(members[2].data))) if entry.kind != DIRECTORY}
    check("./control" in files, "there is no control")
    control = fields(files.pop("./control"))
    check(int(control["Installed-Size"]) == len(payload), "Installed-Size is not that of the data")
    conffiles = conffile_list(files.pop("./conffiles", None), entries)
    scripts = {}
    for name, entry in files.items():
        check(name[2:] in SCRIPTS, f"control has {name}")
        check(entry.mode == 0o755 and entry.data.startswith(b"#!/bin/sh\n"), f"{name} is no script")
        scripts[name[2:]] = entry.data
    return Package(control, scripts, conffiles, entries)


def gunzip(data):
    """One gzip member without name and time, and nothing after it."""
    check(data[:2] == b"\x1f\x8b", "this is no gzip")
    method, flags, time = struct.unpack_from("<BBI", data, 2)
    check((method, flags, time) == (8, 0, 0), "the gzip header has a name, a time, or more")
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data)
    except zlib.error as error:
        raise Refused(f"gzip: {error}") from error
    check(stream.eof, "the gzip ends early")
    check(not stream.unused_data, "something follows the gzip")
    return plain


def untar(data):
    check(len(data) % BLOCK == 0, "the tar is no row of blocks")
    entries, at = [], 0
    while True:
        check(at + BLOCK <= len(data), "the tar has no end")
        header = data[at:at + BLOCK]
        at += BLOCK
        if not any(header):
            break
        entry, size = entry_of(header)
        check(at + size <= len(data), f"{entry.name} is cut off")
        entry.data = data[at:at + size]
        entries.append(entry)
        at += -(-size // BLOCK) * BLOCK
    check(len(data) - at >= BLOCK and not any(data[at:]), "the tar does not end in two empty blocks, or something follows")
    return entries


def entry_of(header):
    check(header[257:265] == GNU, f"tar of another kind: {header[257:265]}")
    total = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
    check(octal(header[148:156]) == total, "the sum of a header is wrong")
    name = text(header[:100])
    kind = header[156:157]
    check(kind in (FILE, SYMLINK, DIRECTORY), f"{name}: entry of type {kind}")
    check(NAME.fullmatch(name) and "/../" not in name, f"{name}: not a name below ./")
    check((kind == DIRECTORY) == name.endswith("/"), f"{name}: a slash, or none, at its end")
    check(octal(header[108:116]) == octal(header[116:124]) == 0, f"{name}: belongs to somebody")
    check(not text(header[265:297]) and not text(header[297:329]), f"{name}: belongs to somebody with a name")
    check(not any(header[345:]), f"{name}: a prefix, or what no field is for")
    return Entry(name, kind, octal(header[100:108]), b""), octal(header[124:136])


def octal(field):
    digits = field.rstrip(b"\0 ")
    check(re.fullmatch(rb"[0-7]+", digits), f"not a number: {field}")
    return int(digits, 8)


def text(field):
    value, _, rest = field.partition(b"\0")
    check(not any(rest), f"something follows {value}")
    return value.decode("ascii", "replace")


def tree(entries):
    """Each directory before what is in it, nothing twice, nobody but root may write, nothing is set-id."""
    seen = set()
    check(entries and entries[0].name == "./", "it does not begin with ./")
    for entry in entries:
        check(entry.name not in seen, f"{entry.name}: twice")
        parent = entry.name.rstrip("/").rpartition("/")[0] + "/"
        check(entry.name == "./" or parent in seen, f"{entry.name}: without its directory")
        modes = {DIRECTORY: (0o755,), FILE: (0o644, 0o755, 0o600, 0o700), SYMLINK: (0o777,)}[entry.kind]
        check(entry.mode in modes, f"{entry.name}: mode {entry.mode:o}")
        seen.add(entry.name)
    return entries


def fields(entry):
    check(entry.mode == 0o644, f"control: mode {entry.mode:o}")
    lines = entry.data.decode("utf-8")
    check(lines.endswith("\n") and "\n\n" not in lines, "control has an empty line, or no end of the last")
    values, name = {}, None
    for line in lines.splitlines():
        if line.startswith(" "):
            check(name == "Description", f"control: {name} goes on on a second line")
            values[name] += "\n" + line
            continue
        name, colon, value = line.partition(": ")
        check(colon and name in FIELDS and name not in values, f"control: {line}")
        values[name] = value.strip()
    for name, pattern in FIELDS.items():
        check(name in values, f"control: no {name}")
        check(re.fullmatch(pattern, values[name]), f"control: {name}: {values[name]}")
    return values


def conffile_list(entry, entries):
    if not entry:
        return []
    names = entry.data.decode().splitlines()
    check(names == sorted(set(names)), "conffiles: not in order")
    for name in names:
        check(any(e.kind == FILE and e.name == "." + name for e in entries), f"conffiles: {name} is not in the package")
    return names
