#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The `store` bench's second half, with a real millraced on a TAP port (root).

millraced-bulk   bulk loads of --rows rows (1000000) end to end beside PUTs and beside RocksDB's SST
                 writer with the same sorted rows; again with `tables = fast`, beside PUTs
millraced-start  ten times as many rows, loaded in a tenth of their file's size; then how long a start
                 takes until the first right answer, with the filter read back and with it built anew,
                 and how fast that goes: keys by the clock, and by the CPU time that it took

Without names both. Files lie below --dir (TMPDIR)."""

import argparse
import glob
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "system"))
import harness  # noqa: E402
import wire  # noqa: E402

CASES = ["millraced-bulk", "millraced-start"]
COLUMNS = 14
ROUNDS = 3
MEMORY_MIN = 2 << 20  # of a bulk load
# What a command's processes took at most, in KiB.
PEAK = "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]); " \
       "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
# The harness, too, has something to say to people.
LINES, sys.stdout = sys.stdout, sys.stderr


def say(*words):
    print("store:", *words, file=sys.stderr, flush=True)


def line(case, metric, value, unit, **more):
    print(json.dumps(dict({"bench": "store", "case": case, "metric": metric, "value": float("%.6g" % value),
                           "unit": unit}, **more), separators=(",", ":")), file=LINES, flush=True)


def compare(case, metric, values, unit, bases):
    """The middle of the rounds' ratios, because both saw the machine in the same mood."""
    ratio = statistics.median(a / b for a, b in zip(values, bases))
    value = statistics.median(values)
    line(case, metric, value, unit, baseline=float("%.6g" % (value / ratio)), ratio=float("%.4g" % ratio),
         min=min(values), max=max(values), n=len(values))
    say("%-24s %10.4g %s, %.2f of %.4g" % (case, value, unit, ratio, value / ratio))


def rate(done):
    return float(re.search(r"\((\d+) rows/s", done.stderr).group(1))


class Bench:
    def __init__(self, build, rows, tables="compact"):
        self.tables = tables
        self.rows, self.program = rows, os.path.join(build, "bench", "bench_store")
        # Bulk loads keep off the CPUs of RX lcores if others are left: here none is, so they have both. Idle
        # lcores are to leave them alone.
        self.a = harness.Appliance(build, rx="0,1", io="1", lcores="rx_idle = sleep\nio_idle = sleep",
                                   idle_sleep="1ms", security=harness.TRUSTED, cache="64M",
                                   extra="[filter]\nkeys = %d\n" % (6 * rows))
        self.a.start()
        self.a.apply("[set bench]\nid = 1\nkey = u64\ntables = %s\n" % tables +
                     "".join("column c%d = f32\n" % c for c in range(COLUMNS)))

    def table(self, rows):
        path = os.path.join(self.a.dir, "rows-%d.csv" % time.monotonic_ns())
        with open(path, "w") as out:
            subprocess.run([self.program, "--rows", str(rows), "table"], stdout=out, check=True)
        return path

    def sst_rate(self, rows):
        out = harness.run([self.program, "--rows", str(rows), "--dir", self.a.dir, "table-rate"]).stdout
        return json.loads(out)["value"]

    def bulk(self):
        table = self.table(self.rows)
        bulk, put, sst = [], [], []
        for _ in range(ROUNDS):
            if self.tables == "compact":
                sst.append(self.sst_rate(self.rows))
            # The same rows, so that what they bring about is in it: memtables to write out, compactions.
            put.append(rate(self.a.tool("load", "bench", table)))
            bulk.append(rate(self.a.tool("load", "bench", table, "--bulk", "--activate")))
        if sst:
            compare("bulk end to end, against the SST writer", "rate", bulk, "rows/s", sst)
        kind = "" if self.tables == "compact" else self.tables + " tables, "
        compare("bulk end to end, %sagainst PUTs" % kind, "rate", bulk, "rows/s", put)
        os.unlink(table)

    def load(self):
        """All rows, in a tenth of the file's size."""
        table = self.table(self.rows)
        memory = max(os.path.getsize(table) // 10, MEMORY_MIN)
        out = harness.run([sys.executable, "-c", PEAK, self.a.program("millrace"), "load", "bench", table, "--bulk",
                           "--activate", "--memory", str(memory)],
                          env=dict(os.environ, MILLRACE_ADMIN=self.a.admin, MILLRACE_SERVER=harness.SERVER)).stdout
        compare("bulk in a tenth of the file", "peak-memory", [int(out.split()[-1]) * 1024.0], "B", [float(memory)])
        os.unlink(table)

    def first_answer(self):
        """Seconds from the process's begin to the first right answer."""
        begin = time.time()
        self.a.start(wait=False)
        while subprocess.run(["ip", "link", "set", "mr0", "up"], stderr=subprocess.DEVNULL).returncode != 0:
            time.sleep(0.005)
        # The first question, for the port's address, may come too early to be heard.
        with open("/proc/sys/net/ipv4/neigh/mr0/retrans_time_ms", "w") as retry:
            retry.write("10")
        harness.run(["ip", "address", "replace", "10.77.0.2/24", "dev", "mr0"])
        key = self.rows // 2
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.005)
            sock.connect((harness.ADDRESS, 7411))
            while time.time() - begin < 120:
                try:
                    sock.send(wire.HEADER.pack(0x5152524D, 1, wire.GET, 0, 7, 0, 1, 1, 8, 0) + wire.u64(key))
                    reply = sock.recv(2048)
                except OSError:
                    continue
                when, row_bytes, _, piece, status, _ = wire.ENTRY.unpack_from(reply, wire.REPLY.size)
                if wire.REPLY.unpack_from(reply)[5] == wire.RESULT_OK and status == wire.OK:
                    assert piece == row_bytes == 8 + 4 * COLUMNS, (piece, row_bytes)
                    return time.time() - begin
        raise AssertionError("no right answer:\n" + self.a.read_log())

    def start(self):
        """The newest version has all rows."""
        for case, lose in (("start, saved filter", False), ("start, filter rebuilt", True)):
            self.a.stop()
            if lose:
                saved = glob.glob(os.path.join(self.a.store, "**", "*filter*"), recursive=True)
                assert saved, "no saved filter"
                for path in saved:
                    os.unlink(path)
            seconds = self.first_answer()
            line(case, "first answer", seconds, "s")
            say("%-24s %.2f s until the first right answer" % (case, seconds))
            begin = time.time()
            while lose and not re.search("filter: built", self.a.read_log()[len(self.a.log):]):
                time.sleep(0.02)
            if lose:
                keys, ms, cpu_ms = map(int, re.findall(
                    r"filter: built from (\d+) keys in (\d+) ms, (\d+) of them on a CPU",
                    self.a.read_log()[len(self.a.log):])[-1])
                line(case, "rate", keys / ms * 1e3, "keys/s")
                line(case, "rate-per-core", keys / max(cpu_ms, 1) * 1e3, "keys/s per core")
                say("%-24s %.2f s later the filter is in force: %.2f M keys/s, %.2f M keys/s per core"
                    % (case, time.time() - begin, keys / ms / 1e3, keys / max(cpu_ms, 1) / 1e3))


def main(build):
    p = argparse.ArgumentParser(prog="appliance.py")
    p.add_argument("build")
    p.add_argument("--rows", type=int, default=1000000)
    p.add_argument("--dir")
    p.add_argument("cases", nargs="*", help=", ".join(CASES))
    o = p.parse_intermixed_args()
    if not set(o.cases) <= set(CASES):
        p.error("there are the cases " + ", ".join(CASES))
    tempfile.tempdir = o.dir
    if not o.cases or CASES[0] in o.cases:
        for tables in ("compact", "fast"):
            b = Bench(build, o.rows, tables)
            b.bulk()
            b.a.stop()
            b.a.cleanup()
    if not o.cases or CASES[1] in o.cases:
        b = Bench(build, 10 * o.rows)
        b.load()
        b.start()
        b.a.stop()


harness.main(main)
