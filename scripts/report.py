#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Draws what benchmarks printed: one HTML page with plots, which needs nothing but itself.

usage: scripts/report.py [--machine FILE] LINES PAGE

LINES are the JSON lines of scripts/bench.sh; PAGE is written. FILE has text about the machine.
"""
import argparse
import html
import json
import math
import re
import sys
import time

# Of the bench `datapath` and others: (bench, case, label, must, aim), costs in L.
LIMITS = [
    ("datapath", "get-uniform", "one key, uniform", 9, 6.5),
    ("datapath", "get-zipf", "one key, Zipf 0.99", 7, 4.8),
    ("datapath", "get-absent", "certain absence", 5, 3.5),
    ("datapath", "get64-uniform", "64 keys, a key, uniform", 7, 5),
    ("datapath", "get64-zipf", "64 keys, a key, Zipf 0.99", 5.2, 3.6),
    ("bloom", "test-100m", "Bloom filter, 100 M keys", 1.4, 1.0),
    ("cache", "lookup-uniform", "cache lookup, uniform", 4.5, 3.2),
]
# (bench, case, metric, field, label, must, aim, whether more is better)
OTHER_LIMITS = [
    ("scale", "get-uniform-50m-against-5m", "cost", "ratio", "a key, 50 M rows over 5 M", 1.3, 1.15, False),
    ("scale", "hot-keys", "throughput", "ratio", "ten hot keys, an lcore of two over one alone", 0.9, 0.98, True),
    ("cache", "memory-95", "metadata", "value", "memory beside values, B a row", 32, 20, False),
    ("cache", "bucket-full", "dropped", "value", "rows dropped for a full bucket", 0.005, 0.001, False),
    ("process", "afxdp-get-against-memcached-udp-get", "rate-per-core", "ratio",
     "over memcached, UDP, AF_XDP", 3, 5, True),
    ("process", "vhost-get-against-memcached-udp-get", "rate-per-core", "ratio",
     "over memcached, kernel bypass (vhost-user)", 15, 30, True),
]

CSS = """
:root { --ink: #1c2733; --soft: #5d6b7a; --line: #d5dce3; --paper: #ffffff; --card: #f6f8fa;
  --c0: #1f6fb4; --c1: #c2570c; --c2: #2b7d4b; --c3: #7a4fa3; --good: #2b7d4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #9fadba; --line: #3a4552;
  --paper: #12171d; --card: #1a2129; --c0: #64aeea; --c1: #f0975a; --c2: #6cc58e; --c3: #bd9be0;
  --good: #6cc58e; --bad: #ff8a80; } }
@media print { :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --card: #fff;
  --c0: #1f6fb4; --c1: #c2570c; --c2: #2b7d4b; --c3: #7a4fa3; --good: #2b7d4b; --bad: #b3261e; }
  figure, tr { break-inside: avoid; } details { display: none; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 70rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2rem 0 .25rem; }
p, dl { margin: .25rem 0 .75rem; max-width: 48rem; } .soft, figcaption { color: var(--soft); }
pre { white-space: pre-wrap; font-size: .8rem; color: var(--soft); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
figure { margin: 0; padding: .75rem; background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
figcaption { font-size: .9rem; margin-bottom: .5rem; } figcaption b { color: var(--ink); }
svg { display: block; width: 100%; max-width: 40rem; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
svg text.soft { fill: var(--soft); } .grid { stroke: var(--line); stroke-width: 1; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; width: 100%; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 36rem) { table { font-size: .8rem; } th, td { padding: .2rem .3rem; }
  .limits .n { white-space: normal; } .limits .n:nth-child(4) { display: none; } }
.good { color: var(--good); } .bad { color: var(--bad); }
"""


class Lines:
    """The lines of a file; a later one replaces an earlier one of the same name."""

    def __init__(self, file):
        self.all = {}
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                line = json.loads(text)
                key = (line["bench"], line["case"], line["metric"])
                float(line["value"])
            except (ValueError, KeyError, TypeError) as wrong:
                raise SystemExit("report.py: line %d is not a benchmark's: %r" % (number, wrong))
            self.all[key] = line

    def get(self, bench, case, metric, field="value"):
        line = self.all.get((bench, case, metric))
        return None if line is None else line.get(field)

    def of(self, bench, metric, pattern=""):
        """Lines of a bench and metric whose case matches, in the order of the file."""
        return [line for (b, case, m), line in self.all.items()
                if b == bench and m == metric and re.fullmatch(pattern or ".*", case)]


def text(value):
    return html.escape(str(value), quote=True)


def figure(n):
    """A number for people, four figures at most."""
    if n == 0:
        return "0"
    if abs(n) >= 1e6:
        return "%.4g M" % (n / 1e6)
    if abs(n) >= 1000:
        return format(int(round(n)), ",").replace(",", "\u202f")
    return "%.3g" % n


# ---- drawing -----------------------------------------------------------------------------------

WIDTH = 480


def label(x, y, what, anchor="start", soft=False):
    return '<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>' % (
        x, y, anchor, ' class="soft"' if soft else "", text(what))


def rule(x1, y1, x2, y2):
    return '<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>' % (x1, y1, x2, y2)


def svg(height, parts, about):
    return '<svg viewBox="0 0 %d %d" role="img" aria-label="%s">%s</svg>' % (
        WIDTH, height, text(about), "".join(parts))


def plot(title, unit, drawing):
    return "<figure><figcaption><b>%s</b>, %s</figcaption>%s</figure>" % (text(title), text(unit), drawing)


def legend(entries, y):
    """@param entries: (kind, colour, what); wraps. Returns parts and the height."""
    parts, x, top = [], 4, y
    for kind, colour, what in entries:
        wide = 36 + 7.2 * len(what)
        if x + wide > WIDTH and x > 4:
            x, y = 4, y + 20
        if kind == "tick":
            parts.append('<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="var(%s)" stroke-width="2.5"/>' % (
                x + 7, y - 11, x + 7, y + 3, colour))
        elif kind == "dash":
            parts.append('<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="var(%s)" stroke-width="2.5" '
                         'stroke-dasharray="3 3"/>' % (x + 7, y - 11, x + 7, y + 3, colour))
        elif kind == "dot":
            parts.append('<circle cx="%d" cy="%d" r="5" fill="var(%s)"/>' % (x + 7, y - 4, colour))
        else:
            parts.append('<rect x="%d" y="%d" width="14" height="10" fill="var(%s)"/>' % (x, y - 9, colour))
        parts.append(label(x + 20, y, what))
        x += wide
    return parts, y - top + 24


def ticks(top):
    """Round numbers from 0 to beyond @p top."""
    step = 10 ** math.floor(math.log10(top / 4))
    step = next(step * k for k in (1, 2, 2.5, 5, 10) if step * k >= top / 4)
    return [step * i for i in range(int(math.ceil(top / step)) + 1)]


def bars(rows, entries, about):
    """@param rows: (label, value, colour, must, aim), must and aim may be None."""
    top = max(max(v, must or 0, aim or 0) for _, v, _, must, aim in rows) * 1.02 or 1
    scale = (WIDTH - 74) / top
    parts, y = legend(entries, 14)
    y += 6
    for name, value, colour, must, aim in rows:
        parts.append(label(4, y + 12, name))
        parts.append('<rect x="4" y="%d" width="%.1f" height="14" fill="var(%s)"/>' % (
            y + 18, max(value * scale, 1), colour))
        for limit, colour, dash in ((must, "--bad", ""), (aim, "--ink", ' stroke-dasharray="3 3"')):
            if limit is not None:
                parts.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="var(%s)" stroke-width="2.5"%s/>' % (
                    4 + limit * scale, y + 16, 4 + limit * scale, y + 36, colour, dash))
        ends = max([value] + [limit for limit in (must, aim) if limit is not None and limit * scale < value * scale + 56])
        parts.append(label(10 + ends * scale, y + 30, figure(value)))
        y += 42
    return svg(y, parts, about)


def log_axis(low, high):
    return [10 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]


def ranges(rows, entries, unit, about):
    """@param rows: (label, [values]); a logarithmic axis, a dot for each value."""
    values = [v for _, vs in rows for v in vs if v > 0]
    marks = log_axis(min(values), max(values))
    if len(marks) < 2:
        marks.append(marks[0] * 10)
    scale = (WIDTH - 60) / math.log10(marks[-1] / marks[0])
    parts, y = legend(entries, 14)
    height = y + 20 + 40 * len(rows)

    def at(v):
        return 30 + math.log10(max(v, marks[0]) / marks[0]) * scale

    for mark in marks:
        parts.append(rule(at(mark), y + 16, at(mark), height))
        parts.append(label(at(mark), y + 8, figure(mark) + " " + unit, "middle", True))
    y += 20
    for name, vs in rows:
        parts.append(label(4, y + 12, name))
        parts.append('<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="var(--soft)" stroke-width="2"/>' % (
            at(min(vs)), y + 25, at(max(vs)), y + 25))
        for i, v in reversed(list(enumerate(vs))):
            parts.append('<circle cx="%.1f" cy="%d" r="5" fill="var(%s)"/>' % (at(v), y + 25, entries[i][1]))
        y += 40
    return svg(height + 4, parts, about)


def curves(series, x_unit, about):
    """@param series: (name, [(x, y)]); x is logarithmic, y starts at 0."""
    xs = sorted({x for _, points in series for x, _ in points})
    entries = [("box", "--c%d" % (i % 4), name) for i, (name, _) in enumerate(series)]
    parts, top = legend(entries, 14)
    left, bottom, high = 44, top + 216, max(y for _, points in series for _, y in points)
    marks = ticks(high)
    span = math.log(xs[-1] / xs[0]) or 1

    def at(x, y):
        return (left + (WIDTH - left - 24) * math.log(x / xs[0]) / span,
                bottom - (bottom - top - 10) * y / marks[-1])

    for mark in marks:
        parts.append(rule(left, at(xs[0], mark)[1], WIDTH - 8, at(xs[0], mark)[1]))
        parts.append(label(left - 6, at(xs[0], mark)[1] + 4, figure(mark), "end", True))
    for x in xs:
        parts.append(label(at(x, 0)[0], bottom + 18, figure(x), "middle", True))
    parts.append(label(WIDTH - 8, bottom + 38, x_unit, "end", True))
    for i, (_, points) in enumerate(series):
        path = " ".join("%.1f,%.1f" % at(x, y) for x, y in points)
        parts.append('<polyline points="%s" fill="none" stroke="var(--c%d)" stroke-width="2.5"/>' % (path, i % 4))
        for x, y in points:
            parts.append('<circle cx="%.1f" cy="%.1f" r="4" fill="var(--c%d)"/>' % (*at(x, y), i % 4))
    return svg(bottom + 46, parts, about)


# ---- sections ----------------------------------------------------------------------------------

LIMIT_KEYS = [("box", "--c0", "measured"), ("tick", "--bad", "must"), ("dash", "--ink", "aim")]


def verdict(value, must, aim, more=False):
    sign = -1 if more else 1
    if value * sign <= aim * sign:
        return '<td class="good">aim reached</td>'
    if value * sign <= must * sign:
        return '<td class="good">must reached</td>'
    return '<td class="bad">missed</td>'


def summary(lines):
    out = ['<h2>Against the limits</h2><p>L is one random memory line read with full prefetch in the same run.</p>'
           '<div class="wide limits"><table><tr><th>what</th><th class="n">measured</th><th class="n">must</th>'
           '<th class="n">aim</th><th></th></tr>']
    rows = [(name, lines.get(bench, case, "cost"), " L", must, aim, False) for bench, case, name, must, aim in LIMITS]
    rows += [(name, lines.get(bench, case, metric, field), "", must, aim, more)
             for bench, case, metric, field, name, must, aim, more in OTHER_LIMITS]
    for name, value, unit, must, aim, more in rows:
        most = "at least " if more else ""
        out.append('<tr><td>%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td>%s</tr>' % (
            text(name), "–" if value is None else figure(value) + unit, most + figure(must) + unit,
            most + figure(aim) + unit, '<td class="soft">not measured</td>' if value is None
            else verdict(value, must, aim, more)))
    return "".join(out) + "</table></div>"


def costs(lines):
    rows = []
    for bench, case, name, must, aim in LIMITS:
        value = lines.get(bench, case, "cost")
        if value is not None:
            rows.append((name, value, "--c0", must, aim))
    return [plot("Cost against the memory system", "L, less is better", bars(rows, LIMIT_KEYS, "costs in L"))] if rows else []


def echo(lines):
    base = lines.get("datapath", "echo", "time")
    rows = [("echo: the least a port's user can do", base, "--c2", None, None)] if base else []
    for line in lines.of("datapath", "against-echo"):
        rows.append(("%s: %.3g times the echo" % (line["case"], line["ratio"]), line["value"], "--c0", None, None))
    keys = [("box", "--c0", "request"), ("box", "--c2", "bare echo on the same port")]
    return [plot("Time of a request against a bare echo", "ns, less is better", bars(rows, keys, "times of requests"))] if rows else []


def service(lines):
    rows = []
    for line in lines.of("datapath", "service-p50"):
        values = [line["value"]] + [lines.get("datapath", line["case"], m) for m in ("service-p99", "service-p99.9")]
        if all(v for v in values):
            rows.append((line["case"], values))
    keys = [("dot", "--c2", "p50"), ("dot", "--c0", "p99"), ("dot", "--c1", "p99.9")]
    return [plot("Service time of the RX lcore", "from burst received to reply given to the port, log scale",
                 ranges(rows, keys, "ns", "percentiles of service times"))] if rows else []


def number(word):
    factor = {"k": 1e3, "m": 1e6}.get(word[-1], 1)
    return float(word.rstrip("km")) * factor


def points(lines, bench, pattern):
    found = []
    for line in lines.of(bench, "cost", pattern):
        found.append((number(re.fullmatch(pattern, line["case"]).group(1)), line["value"]))
    return sorted(found)


def growth(lines):
    out = []
    groups = [
        ("Cost of a key as rows grow", "L, rows of 64 B", "rows", [
            ("one key in a request", "scale", r"get-uniform-(\d+[km]?)"),
            ("64 keys", "scale", r"get64-uniform-(\d+[km]?)")]),
        ("Cost of a key as bursts grow", "L", "keys, or frames, in a burst", [
            ("cache, 64 B rows", "cache", r"lookup-uniform-(\d+)"),
            ("cache, 256 B rows", "cache", r"lookup-uniform-(\d+)-256b"),
            ("whole path, 64 B rows", "scale", r"burst-(\d+)")]),
        ("Cost of a key as requests grow", "L, rows of 64 B", "keys in a request", [
            ("a key", "scale", r"keys-(\d+)")]),
    ]
    for title, unit, x_unit, wanted in groups:
        series = []
        for name, bench, pattern in wanted:
            found = points(lines, bench, pattern)
            # A burst of 32 is the case that the table of limits names.
            main = lines.get(bench, "lookup-uniform" + ("-256b" if "256b" in pattern else ""), "cost")
            if bench == "cache" and main is not None:
                found = sorted(found + [(32, main)])
            if found:
                series.append((name, found))
        if any(len(found) > 1 for _, found in series):
            out.append(plot(title, unit, curves(series, x_unit, title)))
    return out


def ratios(lines):
    """Whatever was measured beside something else, but for what other plots show."""
    groups = {}
    for (bench, case, metric), line in lines.all.items():
        if "ratio" not in line or metric in ("against-echo", "wake-up"):
            continue
        what = case if metric in ("cost", "throughput") or bench == "process" else case + " " + metric
        less = line["unit"].split("/")[0] in ("ns", "us", "L", "cycles")
        groups.setdefault((bench, less), []).append((what, line["ratio"], "--c0", None, None))
    out = []
    for (bench, less), rows in groups.items():
        rows.append(("the same as what it is compared with", 1, "--c2", None, None))
        out.append(plot({"process": "Against peers", "cache": "Cache against other tables",
                         "scale": "As it grows"}.get(bench, "Comparisons of " + bench),
                        "ratio in the same run, %s is better" % ("less" if less else "more"),
                        bars(rows, [("box", "--c0", "measured over baseline"), ("box", "--c2", "equal")],
                             "ratios of " + bench)))
    return out


def wake_up(lines):
    rows = [(line["case"], line["value"], "--c0", None, None) for line in lines.of("idle", "wake-up")]
    return [plot("Waking an idle RX lcore", "us from a frame's arrival to its reply, median",
                 bars(rows, [("box", "--c0", "arrival to reply")], "wake-up times"))] if rows else []


def everything(lines):
    out = ['<h2>All lines</h2><details open="open"><summary>%d lines</summary><div class="wide"><table><tr><th>bench</th>'
           '<th>case</th><th>metric</th><th class="n">value</th><th>unit</th><th class="n">q1 to q3</th>'
           '<th class="n">ratio</th></tr>' % len(lines.all)]
    for line in lines.all.values():
        spread = "%s to %s" % (figure(line["q1"]), figure(line["q3"])) if "q1" in line and "q3" in line else ""
        out.append('<tr><td>%s</td><td>%s</td><td>%s</td><td class="n">%s</td><td>%s</td><td class="n">%s</td>'
                   '<td class="n">%s</td></tr>' % (text(line["bench"]), text(line["case"]), text(line["metric"]),
                                                   figure(line["value"]), text(line.get("unit", "")), spread,
                                                   figure(line["ratio"]) if "ratio" in line else ""))
    return "".join(out) + "</table></div></details>"


def page(lines, machine, when):
    sections = [("Costs", costs(lines) + echo(lines)), ("Latency", service(lines) + wake_up(lines)),
                ("Growth", growth(lines)), ("Comparisons", ratios(lines))]
    body = [summary(lines)]
    for title, plots in sections:
        if plots:
            body.append('<h2>%s</h2><div class="plots">%s</div>' % (title, "".join(plots)))
    body.append(everything(lines))
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
            '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
            '<meta name="color-scheme" content="light dark"/><title>millrace benchmarks</title><style>%s</style></head>'
            '<body><h1>millrace benchmarks</h1><p class="soft">Measured %s</p><pre>%s</pre>%s</body></html>\n' % (
                CSS, text(when), text(machine), "".join(body)))


def main():
    p = argparse.ArgumentParser(description="Draws benchmark lines as one HTML page.")
    p.add_argument("--machine", help="a file with text about the machine they come from")
    p.add_argument("--when", default=time.strftime("%Y-%m-%d %H:%M %Z"), help="when it was measured")
    p.add_argument("lines", help="JSON lines of scripts/bench.sh")
    p.add_argument("page", help="HTML file to write")
    o = p.parse_args()
    machine = "Nothing is known of the machine."
    if o.machine:
        with open(o.machine, encoding="utf-8") as f:
            machine = f.read().strip()
    with open(o.lines, encoding="utf-8") as f:
        lines = Lines(f)
    if not lines.all:
        raise SystemExit("report.py: %s has no lines" % o.lines)
    with open(o.page, "w", encoding="utf-8") as f:
        f.write(page(lines, machine, o.when))
    return 0


if __name__ == "__main__":
    sys.exit(main())
