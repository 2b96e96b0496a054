#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/quickstart.sh ends well and shows what the README says it shows."""

import os
import re

import harness


def shown(readme):
    """Lines that the README says the quickstart prints: its second block of code."""
    with open(readme, encoding="utf-8") as text:
        return re.findall(r"^```\n(.*?)^```$", text.read(), re.M | re.S)[1].splitlines()


def test(build):
    top = os.path.dirname(os.path.dirname(harness.HERE))
    done = harness.run([os.path.join(top, "scripts", "quickstart.sh")], cwd=top)
    lines = shown(os.path.join(top, "README.md"))
    assert len(lines) > 5, lines
    for text in lines + ["serving on", "== stop", "stopped"]:
        assert text in done.stdout, "no '%s' in:\n%s" % (text, done.stdout)


harness.main(test)
