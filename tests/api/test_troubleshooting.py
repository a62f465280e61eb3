# SPDX-License-Identifier: GPL-2.0-or-later
"""TROUBLESHOOTING.md has what a user may meet, and nothing that there is no more."""
import json
import re

from lab.porticod import TREE


def read(path):
    return (TREE / path).read_text(encoding="utf-8")


PAGE = read("TROUBLESHOOTING.md")
SITUATIONS = "Without a message"  # the section whose headings are no messages

# Formats that say nothing by themselves, and what nobody can do anything about.
INTERNAL = {
    "…": "the edge's last words before its keeper reports how it ended",
    "…: …": "what failed, and the words for it, which stand in the page for themselves",
    "…: … …": "the same with a field",
    "… from …": "its first part has a heading: failed login, wrong setup code",
    "SHA-256 cannot be computed": "a library that cannot compute a hash",
    "a watch of descriptor … outlives its loop": "a fault of ours, told at the end for those who look for it",
}
# What is said around a message where it is printed: `failed login from 192.0.2.7`.
AROUND = re.compile(r"(?:: …| …: …| from …| at …)")

STRING = r'"((?:[^"\\]|\\.)*)"'
GLUED = rf"(?:{STRING}\s*)+"  # as the compiler glues them together


def normal(literals):
    """What they say, as in a heading: whatever is filled in is …"""
    text = "".join(re.findall(STRING, literals)).replace('\\"', '"').replace("\\n", "").replace("%%", "%")
    text = re.sub(r"%[-+ #0-9.*]*(?:hh|h|ll|l|z|j)?[a-z]|\{\w+\}", "…", text)
    return re.sub("…+", "…", text).removeprefix("portico: ").strip()


def sources():
    return [read(file) for file in sorted((TREE / "daemon").rglob("*.c"))]


def said(before):
    """The texts of the sources behind this pattern."""
    return [normal(match["text"]) for text in sources() for match in re.finditer(rf"{before}\s*(?P<text>{GLUED})", text)]


def reasons():
    schemas = json.loads(read("daemon/web/openapi.json"))["components"]["schemas"]
    return {reason for name in ("ForwardState", "UplinkState")
            for reason in schemas[name]["properties"]["reason"]["enum"] if reason}


def headings():
    section = None
    for line in PAGE.splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("### ") and section != SITUATIONS:
            yield line[4:]


def matches(heading, text):
    """The heading is the text, or that with what is said around it, or its beginning."""
    return (heading == text or (heading.startswith(text) and AROUND.fullmatch(heading[len(text):])) or
            (heading.endswith(": …") and text.startswith(heading[:-1])))


def assert_told(texts):
    missing = {text for text in texts if text not in INTERNAL and not any(matches(h, text) for h in headings())}
    assert not missing, "these have no heading:\n" + "\n".join(sorted(missing))


def test_what_the_log_says_is_told():
    found = said(r"\blog_(?:error|warning)\(")
    calls = sum(len(re.findall(r"\blog_(?:error|warning)\(", text)) for text in sources())
    assert len(found) == calls > 30, "a call whose format is no literal"
    assert_told(found)
    assert not set(INTERNAL) - set(found), "no message is like these any more"


def test_warnings_are_told():
    found = said(r'\badd_warning\(\s*\w+,\s*"[^"]+",')
    assert len(found) >= 9
    assert_told(found)


def test_reasons_are_told():
    assert_told(reasons())


def test_titles_are_told():
    titles = re.findall(r'\{ ERR_\w+, \d+, "[a-z-]+", "([^"]+)" \}', read("daemon/web/problem.c"))
    assert len(titles) > 10
    assert_told(titles)


def test_headings_are_said():
    texts = {*said(""), *reasons(), *(normal(match[1]) for match in re.finditer(rf': ({STRING}),', read("webui/src/texts/en.ts")))}
    texts -= set(INTERNAL)
    unknown = [heading for heading in headings() if not any(matches(heading, text) for text in texts)]
    assert not unknown, "nothing says this any more:\n" + "\n".join(unknown)


def test_links_lead_somewhere():
    def anchor(text):  # as GitHub makes them of headings
        return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")

    pages = {TREE / name: read(name) for name in ("README.md", "TROUBLESHOOTING.md", "docs/INSTALL.md")}
    anchors = {page: {anchor(match[1]) for match in re.finditer(r"^#+ (.*)$", text, re.M)} for page, text in pages.items()}
    for page, text in pages.items():
        for path, target in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), f"{page.name}: {path}"
            assert not target or target in anchors[there], f"{page.name}: #{target}"
