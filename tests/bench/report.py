# SPDX-License-Identifier: GPL-2.0-or-later
"""What was found: a table for people, JSON for everything else."""
from dataclasses import dataclass, field
from typing import Optional


@dataclass(frozen=True)
class Aim:
    """What was hoped for, in words, and whether it came true."""
    words: str
    met: bool

    def __str__(self):
        return f"{'ok' if self.met else 'MISSED'}: {self.words}"


def at_most(value, limit, unit=""):
    return Aim(f"at most {limit:g}{unit}", value <= limit)


def at_least(value, limit, unit=""):
    return Aim(f"at least {limit:g}{unit}", value >= limit)


@dataclass(frozen=True)
class Row:
    name: str
    cells: dict                  # numbers by column; a column may be missing
    aim: Optional[Aim] = None
    note: str = ""

    def as_json(self):
        aim = self.aim and {"words": self.aim.words, "met": self.aim.met}
        return {"name": self.name, "cells": self.cells, "aim": aim, "note": self.note}


@dataclass(frozen=True)
class Table:
    part: str
    title: str
    columns: list
    rows: list = field(default_factory=list)

    def as_json(self):
        return {"part": self.part, "title": self.title, "columns": self.columns,
                "rows": [row.as_json() for row in self.rows]}

    def __str__(self):
        lines = [["", *self.columns, ""]]
        for row in self.rows:
            remark = "; ".join(filter(None, [str(row.aim) if row.aim else "", row.note]))
            lines.append([row.name, *(number(row.cells.get(column)) for column in self.columns), remark])
        widths = [max(map(len, cells)) for cells in zip(*lines)]
        text = [self.title, "-" * len(self.title)]
        for name, *cells, remark in lines:
            middle = "".join(f"{cell:>{width + 2}}" for cell, width in zip(cells, widths[1:]))
            text.append(f"{name:{widths[0]}}{middle}  {remark}".rstrip())
        return "\n".join(text) + "\n"


def number(value):
    """Three digits that mean something."""
    if value is None:
        return ""
    if isinstance(value, int) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{2 if abs(value) < 10 else 1}f}"
