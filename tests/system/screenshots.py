#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes the pictures of docs/img; run by scripts/screenshots.sh, which says what they are."""

import html
import os
import re
import subprocess
import time

import harness

OUT = os.environ["MILLRACE_SHOTS_OUT"]
BENCH = os.environ.get("MILLRACE_SHOTS_BENCH", "")
WIDE, PHONE = 1280, 390
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; background: #16181d; }}
pre {{ margin: 12px; font: 15px/1.25 "DejaVu Sans Mono", monospace; color: #d8dee9; }}
b {{ color: #fff; }} .y {{ color: #ffc857; }}
</style><pre>{}</pre>"""


def chromium(a, url, png, width, height):
    """A picture of a page. Chromium has no window narrower than 500, so a frame makes phones."""
    if width < 500:
        frame = os.path.join(a.dir, "frame.html")
        with open(frame, "w") as out:
            out.write("<!doctype html><style>body{margin:0}iframe{border:0;width:%dpx;height:%dpx}"
                      "</style><iframe src='%s'></iframe>" % (width, height, url))
        url = "file://" + frame
    harness.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                 "--allow-file-access-from-files", "--force-device-scale-factor=2",
                 "--virtual-time-budget=3000", "--user-data-dir=" + os.path.join(a.dir, "chromium"),
                 "--window-size=%d,%d" % (width, height), "--screenshot=" + png, url])
    assert os.path.getsize(png) > 10000, png


def terminal_html(text):
    """What tmux captured with colours, as a page: bold and yellow are all that top uses."""
    out, style = [], ""
    for part in re.split(r"(\x1b\[[0-9;]*m)", text):
        if part.startswith("\x1b["):
            codes = part[2:-1].split(";")
            style = "" if codes in ([""], ["0"]) else style
            style = "y" if "33" in codes else style or ("b" if "1" in codes else "")
        else:
            part = html.escape(part)
            out.append("<b class='%s'>%s</b>" % (style, part) if style else part)
    return PAGE.format("".join(out))


def shoot_top(a):
    name = "mrshot%d" % os.getpid()
    tmux = ["tmux", "-L", name, "-f", "/dev/null"]
    harness.run(tmux + ["new-session", "-d", "-x", "80", "-y", "24",
                        "MILLRACE_TELEMETRY=%s %s top" % (a.telemetry_path(), a.program("millrace"))])
    try:
        end = time.time() + 30
        text = ""
        while time.time() < end and not re.search(r"requests +[1-9]\d*/s", text):
            time.sleep(1)
            text = harness.run(tmux + ["capture-pane", "-p", "-e", "-t", "0"]).stdout
    finally:
        subprocess.run(tmux + ["kill-server"], check=False)
    page = os.path.join(a.dir, "top.html")
    with open(page, "w") as out:
        out.write(terminal_html(text))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert len(plain.splitlines()) <= 24 and "p99.9" in plain, plain
    chromium(a, "file://" + page, os.path.join(OUT, "top.png"), 760, 480)


def shoot_report(a, report, name):
    chromium(a, "file://" + report, os.path.join(OUT, name + "-wide.png"), WIDE, 1600)
    chromium(a, "file://" + report, os.path.join(OUT, name + "-phone.png"), PHONE, 1320)


def test(build):
    a = harness.Appliance(build)
    report = os.path.join(a.dir, "report.html")
    a.start_with_rows(50000)
    load = subprocess.Popen([a.program("millrace"), "blast", "user", "--server", harness.SERVER,
                             "--rate", "2000", "--duration", "15s", "--keys", "50000", "--zipf", "0.99",
                             "--absent", "10", "--batch", "1-8", "--report", report],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(3)
    shoot_top(a)
    load.wait()
    shoot_report(a, report, "blast")
    if BENCH:
        shoot_report(a, BENCH, "bench")
    a.stop()


harness.main(test)
