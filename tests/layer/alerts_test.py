#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Holds docs/operations.md to the alerts that there are.

    alerts_test.py ROOT   every alert of deploy/prometheus has a row in the table of alerts, and
                          every row an alert; prints what does not fit, exits 1
"""

import re
import sys
from pathlib import Path


def main(root):
    rules = "".join(p.read_text() for p in sorted((root / "deploy/prometheus").glob("*.alerts.yml")))
    alerts = re.findall(r"^ *- alert: (\w+)$", rules, re.M)
    document = (root / "docs/operations.md").read_text()
    section = document.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", section, re.M)
    problems = ["no alerts were found"] if not alerts else []
    problems += [f"docs/operations.md: {a} is not in the table of alerts" for a in alerts if a not in rows]
    problems += [f"docs/operations.md: there is no alert {r}" for r in rows if r not in alerts]
    problems += [f"docs/operations.md: {r} stands there twice" for r in set(rows) if rows.count(r) > 1]
    for problem in problems:
        print(problem)
    print(f"{len(alerts)} alerts, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
