#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/quickstart.sh ends well and shows what the README says it shows."""

import os

import harness


def test(build):
    top = os.path.dirname(os.path.dirname(harness.HERE))
    done = harness.run([os.path.join(top, "scripts", "quickstart.sh")], cwd=top)
    for text in ("serving on", "Österreich", "not_found", "== stop", "stopped", "== done"):
        assert text in done.stdout, "no '%s' in:\n%s" % (text, done.stdout)


harness.main(test)
