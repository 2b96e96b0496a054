#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""With hugepages: scripts/hugepages.sh gives what the plan asks for, and the caches lie on them."""

import contextlib
import os
import re
import time

import harness

TOP = os.path.dirname(os.path.dirname(harness.HERE))
PAGES = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"


def hugepages(*argv, ok=(0,)):
    return harness.run([os.path.join(TOP, "scripts", "hugepages.sh")] + list(argv), ok=ok)


def give_back(pages):
    """The kernel may need a moment to take back what a process has just let go of."""
    for _ in range(40):
        if hugepages("set", str(pages), "--node", "0", ok=(0, 1)).returncode == 0:
            return
        time.sleep(0.25)
    raise AssertionError("hugepages are still in use:\n" + hugepages("show").stdout)


def huge_kib(pid):
    """Memory of a process that lies on hugepages."""
    with open("/proc/%d/smaps" % pid) as smaps:
        return sum(int(n) for n in re.findall(r"^(?:Private|Shared)_Hugetlb:\s+(\d+) kB", smaps.read(), re.M))


@contextlib.contextmanager
def pages(count):
    """So many hugepages more, while it lasts."""
    if not os.path.exists(PAGES):
        harness.skip("no 2 MiB hugepages on this machine")
    with open(PAGES) as now:
        before = int(now.read())
    try:
        shown = hugepages("set", str(before + count), "--node", "0").stdout
        assert "before:" in shown and "after:" in shown, shown
        yield
    finally:
        give_back(before)


def appliance(build):
    a = harness.Appliance(build)
    a.change_config("huge = no", "huge = yes")
    return a


def test(build):
    with pages(256):
        a = appliance(build)
        a.start()
        a.tool("sets", "apply", harness.ROWS_INI)
        a.tool("put", "user", "2", "age=1")
        a.tool("get", "user", "2")
        on_pages = huge_kib(a.process.pid)
        assert on_pages > 64 * 1024, "%d KiB on hugepages, the cache alone has 64 MiB" % on_pages
        print("%d MiB on hugepages" % (on_pages // 1024))
        a.stop()


if __name__ == "__main__":
    harness.main(test)
