#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bulk loads: every row of a file that is many times the memory to sort in, looked up afterwards;
bad rows; a load that dies; and how much faster it is than PUTs."""

import os
import re
import subprocess
import time

import harness

ROWS = int(os.environ.get("MILLRACE_TEST_ROWS", "1000000"))
LOOKUPS = int(os.environ.get("MILLRACE_TEST_LOOKUPS", "200000"))


def rate(done):
    return float(re.search(r"\((\d+) rows/s", done.stderr).group(1))


def peak_kib(argv, env):
    """Runs a command; the most memory it took."""
    out = subprocess.run(["/usr/bin/env", "python3", "-c", """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)""", *argv], env=env, stdout=subprocess.PIPE, text=True)
    assert out.returncode == 0, out
    return int(out.stdout.split()[-1])


def test(build):
    a = harness.Appliance(build, extra="[filter]\nkeys = 100000\n")
    table = os.path.join(a.dir, "rows.csv")
    a.rows("gen", table, ROWS, 1)
    a.start()
    a.tool("sets", "apply", harness.ROWS_INI)

    # A bad row at the end: nothing is visible, and no version is there.
    bad = os.path.join(a.dir, "bad.csv")
    with open(table) as source, open(bad, "w") as out:
        lines = source.readlines()
        out.writelines(lines)
        out.write("1,not,a,row\n")
    a.tool("load", "user", bad, "--bulk", "--activate", "--memory", "2M", ok=(4,))
    assert '"beside": []' in a.tool("sets", "--json").stdout
    a.tool("get", "user", "0", ok=(1,))

    # The whole file in a tenth of its size, or the least there may be.
    size = os.path.getsize(table)
    memory = max(size // 10, 1 << 20)
    env = dict(os.environ, MILLRACE_SERVER=harness.SERVER, MILLRACE_ADMIN=a.admin)
    peak = peak_kib([a.program("millrace"), "load", "user", table, "--bulk", "--activate",
                     "--memory", str(memory)], env)
    print("file %d KiB, sorted in %d KiB, peak %d KiB" % (size >> 10, memory >> 10, peak))
    assert peak << 10 < memory + (24 << 20), "memory"
    print(a.rows("verify", harness.SERVER, table, LOOKUPS, 7).stdout.strip(), flush=True)
    a.tool("load", "user", table, "--bulk", "--version", "2", ok=(5,))

    # Bad rows set aside; the version stays beside until it is switched to.
    rejects = os.path.join(a.dir, "rejects.csv")
    done = a.tool("load", "user", bad, "--bulk", "--rejects", rejects, ok=(1,))
    assert "version 3" in done.stderr and os.path.getsize(rejects) > 0, done.stderr
    bulk = rate(a.tool("load", "user", table, "--bulk", "--activate"))
    a.rows("verify", harness.SERVER, table, LOOKUPS // 10, 8)

    # A load that is killed while it sends, and one that is killed while it reads, go on.
    resume = os.path.join(a.dir, "resume")
    argv = [a.program("millrace"), "load", "user", bad, "--bulk", "--resume", resume, "--memory",
            "1M", "--rejects", rejects + ".2"]
    for n in range(1000):
        delay = 0.05 * 1.1 ** n
        loader = subprocess.Popen(argv, env=env, stderr=subprocess.PIPE, text=True)
        try:
            loader.wait(timeout=delay)
            break
        except subprocess.TimeoutExpired:
            loader.kill()
            loader.wait()
    said = loader.stderr.read()
    print("killed %d times: %s" % (n, said.strip()), flush=True)
    assert loader.returncode == 1 and "%d rows as version" % ROWS in said, said
    assert open(rejects).read() == open(rejects + ".2").read(), "rejects"
    assert not os.path.exists(resume), "what was kept is still there"
    version = int(re.search(r"as version (\d+)", said).group(1))
    a.tool("switch", "user", str(version))
    a.rows("verify", harness.SERVER, table, LOOKUPS // 10, 11)
    # What a load that died sent is gone, and its version free.
    env["MILLRACE_ADMIN"] = a.admin
    loader = subprocess.Popen([a.program("millrace"), "load", "user", table, "--bulk"], env=env,
                              stderr=subprocess.DEVNULL)
    time.sleep(0.3)
    a.kill()
    loader.wait(timeout=60)
    a.start()
    a.rows("verify", harness.SERVER, table, LOOKUPS // 10, 9)
    a.tool("load", "user", table, "--bulk", "--activate")
    a.rows("verify", harness.SERVER, table, LOOKUPS // 10, 10)

    a.tool("version", "add", "user", "99")
    put = rate(a.tool("load", "user", table, "--version", "99"))
    print("bulk %.0f rows/s, PUT %.0f rows/s: %.1f times" % (bulk, put, bulk / put), flush=True)
    a.stop()


harness.main(test)
