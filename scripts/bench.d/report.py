"""Rows of the result, their goals, the table and the JSON."""

import json
from dataclasses import asdict, dataclass

from load import Spread


@dataclass
class Goal:
    of: str  # "ratio", or "ours" for our own value
    at_least: float | None = None
    at_most: float | None = None

    def text(self, unit):
        sign, value = ("≥", self.at_least) if self.at_most is None else ("≤", self.at_most)
        return f"{sign} {number(value)}" + ("×" if self.of == "ratio" else " " + unit)

    def reached(self, value):
        return value >= self.at_least if self.at_most is None else value <= self.at_most


@dataclass
class Row:
    section: str
    label: str
    unit: str
    ours: float
    theirs: float | None  # None: the other has no such thing
    ratio: Spread | None  # ours / theirs; None where it says nothing
    higher_is_better: bool = False
    goal: Goal | None = None
    note: str = ""
    drawn: bool = False  # in the chart, though it has no goal

    @property
    def reached(self):
        if self.goal is None:
            return None
        return self.goal.reached(self.ratio.median if self.goal.of == "ratio" else self.ours)


def plain_row(section, label, unit, ours, theirs, **more):
    """A row whose ratio has no spread: the values were measured once or are medians."""
    ratio = ours / theirs
    return Row(section, label, unit, ours, theirs, Spread(ratio, ratio, ratio), **more)


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio_text(ratio):
    if ratio is None:
        return ""
    if ratio.low == ratio.high:
        return f"{ratio.median:.2f}×"
    return f"{ratio.median:.2f}× ({ratio.low:.2f}–{ratio.high:.2f})"


def table(rows, ours, theirs):
    lines = [("", "", ours, theirs, "ratio (quartiles)", "goal", "reached")]
    for row in rows:
        lines.append((
            row.section, row.label, f"{number(row.ours)} {row.unit}".strip(),
            "" if row.theirs is None else f"{number(row.theirs)} {row.unit}".strip(),
            ratio_text(row.ratio),
            row.goal.text(row.unit) if row.goal else "",
            {True: "yes", False: "NO", None: ""}[row.reached]))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    out = []
    for number_of_line, line in enumerate(lines):
        cells = [cell.ljust(w) if i < 2 else cell.rjust(w)
                 for i, (cell, w) in enumerate(zip(line, widths))]
        out.append("  ".join(cells).rstrip())
        if number_of_line == 0:
            out.append("-" * len(out[0]))
        elif rows[number_of_line - 1].note:
            out.append("    " + rows[number_of_line - 1].note)
    return "\n".join(out)


def to_json(rows, details, failures, machine):
    return json.dumps({
        "machine": machine,
        "rows": [{**asdict(row), "reached": row.reached} for row in rows],
        "failures": failures,
        "details": details,
    }, indent=1, ensure_ascii=False) + "\n"
