"""Draws the rows that have a goal, and those marked, as far as they compare: an SVG with one bar
for each row, the reference is the line at 1."""

import math
from html import escape

from report import number, ratio_text

WIDTH, LEFT, RIGHT = 980, 300, 320
ROW, BAR, TOP = 30, 16, 78
PLOT = WIDTH - LEFT - RIGHT
COLOURS = {True: "#2f9e6e", False: "#c9743c", None: "#7a8794"}


def scale_top(rows):
    most = max(max(row.ratio.high, goal_ratio(row) or 0) for row in rows)
    return min(6.0, max(1.25, math.ceil(most * 4 + 0.5) / 4))


def goal_ratio(row):
    """The goal on the axis of ratios, also when it is about our own value."""
    if row.goal is None:
        return None
    limit = row.goal.at_most if row.goal.at_least is None else row.goal.at_least
    return limit if row.goal.of == "ratio" else limit / row.theirs


def text(x, y, content, size=13, anchor="start", fill="#24292f", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{fill}" font-weight="{weight}">{escape(content)}</text>')


def line(x1, y1, x2, y2, stroke, width=1.0, dash=""):
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{stroke}" stroke-width="{width}"{dashes}/>')


def bar(row, y, top):
    def at(ratio):
        return LEFT + PLOT * min(ratio, top) / top

    middle = y + BAR / 2
    out = [text(LEFT - 10, y + 13, f"{row.section}: {row.label}", 12, "end"),
           f'<rect x="{LEFT}" y="{y}" width="{at(row.ratio.median) - LEFT:.1f}" height="{BAR}" '
           f'rx="2" fill="{COLOURS[row.reached]}"/>']
    if row.ratio.low != row.ratio.high:
        out.append(line(at(row.ratio.low), middle, at(row.ratio.high), middle, "#24292f", 1.5))
        out += [line(at(x), middle - 4, at(x), middle + 4, "#24292f", 1.5)
                for x in (row.ratio.low, row.ratio.high)]
    goal = goal_ratio(row)
    if goal is not None:
        out.append(line(at(goal), y - 4, at(goal), y + BAR + 4, "#1f4fbf", 2, "3 2"))
    out.append(text(LEFT + PLOT + 12, y + 13, ratio_text(row.ratio), 12))
    values = f"{number(row.ours)} : {number(row.theirs)} {row.unit}"
    out.append(text(WIDTH - 16, y + 13, values, 12, "end", "#57606a"))
    return out


def panel(title, rows, y):
    """Returns the elements and the y below them."""
    top = scale_top(rows)
    out = [text(16, y + 14, title, 14, weight="bold")]
    y += 30
    bottom = y + ROW * len(rows)
    one = LEFT + PLOT / top
    for tick in range(int(top) + 1):
        x = LEFT + PLOT * tick / top
        out.append(line(x, y - 6, x, bottom - 4, "#d0d7de"))
        out.append(text(x, bottom + 10, f"{tick}×", 11, "middle", "#57606a"))
    for index, row in enumerate(rows):
        out += bar(row, y + ROW * index, top)
    out.append(line(one, y - 6, one, bottom - 4, "#24292f", 1.5))
    return out, bottom + 30


def draw(rows, names, subtitle):
    body = [text(16, 28, f"{names[0]} / {names[1]}", 18, weight="bold"),
            text(16, 48, subtitle, 12, fill="#57606a"),
            text(16, 65, "Bar: median ratio, whisker: quartiles, black line: "
                 f"{names[1]}, dashed blue: goal. Green: reached. Grey: no goal.", 12,
                 fill="#57606a")]
    y = TOP
    shown = [row for row in rows
             if row.ratio is not None and (row.goal is not None or row.drawn)]
    for title, higher in (("More is better", True), ("Less is better", False)):
        part = [row for row in shown if row.higher_is_better == higher]
        if part:
            elements, y = panel(title, part, y)
            body += elements
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" '
            f'height="{y}" font-family="system-ui, sans-serif">\n'
            f'<rect width="{WIDTH}" height="{y}" rx="6" fill="#ffffff"/>\n'
            + "\n".join(body) + "\n</svg>\n")
