#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The part of the `telemetry` bench that needs an appliance: what polling its telemetry does to hits.

millraced runs in a process of its own on a vhost-user port, its RX lcore on the machine's last CPU.
Everything else is on the first: millraced's other threads, the generator, and five clients, each of
which asks the telemetry socket 100 times a second, for every /millrace/ command in turn. Phases with
and without them take turns. What counts is the service time of hits, from receive to transmit, as
/millrace/cells has it: the p99 of each phase with polling over that of the one before it.

The generator shares its CPU with the clients, who take it away at times. So that bursts are the same
all the same, it sends a whole burst at once, when the last one is answered. Cases:

    polled          bursts of 32, one after the other: the RX lcore is busy
    polled-single   one request every 50 us: most of its bursts could meet a poll
"""

import argparse
import ctypes
import os
import signal
import statistics
import sys
import threading
import time

import process

CLIENTS, EACH_PER_S = 5, 100
CASES = {"polled": {"window": 32, "pace_us": 1}, "polled-single": {"window": 1, "pace_us": 50}}


def say(*words):
    print("polled:", *words, file=sys.stderr, flush=True)


def cell_low(cell):
    """Smallest value of a histogram's cell, as docs/telemetry.md says, and how many it holds."""
    if cell < 64:
        return cell, 1
    shift = cell // 64 - 1
    return (64 + cell % 64) << shift, 1 << shift


class Poller(threading.Thread):
    """A client; asks on a fixed beat, and catches up when it is late."""

    def __init__(self, server, commands, number):
        super().__init__(daemon=True)
        self.sock, self.commands, self.at = server.telemetry(), commands, number
        self.stop, self.asked = threading.Event(), 0

    def run(self):
        with self.sock as sock:
            due = time.monotonic()
            while not self.stop.is_set():
                sock.send(self.commands[self.at % len(self.commands)].encode())
                sock.recv(65536)
                self.at += 1
                self.asked += 1
                due += 1 / EACH_PER_S
                self.stop.wait(max(0, due - time.monotonic()))


class Polled(process.Bench):
    def add_vhost(self):
        path = os.path.join(self.dir, "vhost.sock")
        server = process.Millraced(self, "vhost", "10.79.4.2", "net_vhost0,iface=%s,queues=1" % path,
                                   other_cpu=self.client_cpu)
        server.wait("socket", lambda: os.path.exists(path))
        self.add(process.FramesCase("vhost", server, 4, self.virtio_user(path)))

    def begin(self):
        self.load()
        self.add_vhost()
        self.case = self.cases[0]
        self.server = self.case.server
        self.server.go_on()
        with self.server.telemetry() as sock:
            names = [c for c in process.ask(sock, "/") if c.startswith("/millrace/")]
            self.commands = self.o.commands or [c for c in names if process.ask(sock, c) is not None]
        say("polled are", *self.commands)

    def cells(self):
        """Of the service time of hits, in cycles, the TSC's rate, and how many lookups were misses so far."""
        cells, at = {}, 0
        with self.server.telemetry() as sock:
            while True:
                page = process.ask(sock, "/millrace/cells,inline,%d" % at)
                flat, at = page["cells"], page["next"]
                cells.update(zip(flat[::2], flat[1::2]))
                if at == 0:
                    break
            hz = process.ask(sock, "/millrace/info")["tsc_hz"]
            return cells, hz, process.ask(sock, "/millrace/lcores")["rx"]["misses"]

    def phase(self, load, polled):
        """@return p50 and p99 in us, requests a second, polls a second."""
        seconds, polls = self.o.seconds, []
        before, hz, missed = self.cells()
        pollers = [Poller(self.server, self.commands, 3 * i) for i in range(CLIENTS if polled else 0)]
        for p in pollers:
            p.start()
        start = time.monotonic()
        got = self.case.client(None, 1, seconds=seconds, **load)
        for p in pollers:
            p.stop.set()
            p.join()
        polls = sum(p.asked for p in pollers) / (time.monotonic() - start)
        after, _, missed_now = self.cells()
        # A few rows of a full cache lie in the store alone.
        assert got["wrong"] == 0 and missed_now - missed < 0.005 * got["requests"], (got, missed_now - missed)
        counts = sorted((c, n - before.get(c, 0)) for c, n in after.items() if n > before.get(c, 0))
        return [quantile(counts, q) / hz * 1e6 for q in (0.5, 0.99)] + [got["requests"] / got["seconds"], polls]

    def measure_case(self, name):
        load, rounds = CASES[name], []
        self.phase(load, True)
        for _ in range(self.o.rounds):
            rounds.append((self.phase(load, False), self.phase(load, True)))
        without, polled = ([r[i] for r in rounds] for i in range(2))
        if min(p[3] for p in polled) < 0.9 * CLIENTS * EACH_PER_S:
            say("%s: only %.0f polls a second: others run here" % (name, min(p[3] for p in polled)))
        ratios = [b[1] / a[1] for a, b in rounds]
        ratio, p99 = statistics.median(ratios), statistics.median(p[1] for p in polled)
        for metric, at, unit in (("service-time-p50", 0, "us"), ("rate", 2, "requests/s"), ("polls", 3, "polls/s")):
            values = [p[at] for p in polled]
            process.line(name, metric, statistics.median(values), unit, process.spread(values), "telemetry")
        process.line(name, "service-time-p99", p99, "us", dict(
            baseline=float("%.6g" % (p99 / ratio)), ratio=float("%.4g" % ratio),
            ratio_min=float("%.4g" % min(ratios)), ratio_max=float("%.4g" % max(ratios)), n=len(ratios)), "telemetry")
        say("%-14s p99 of hits %.2f us, without polling %.2f us: %.3f times (%.3f to %.3f); p50 %.2f and %.2f us, "
            "%.0f requests and %.0f polls a second" % (
                name, p99, statistics.median(a[1] for a in without), ratio, min(ratios), max(ratios),
                statistics.median(p[0] for p in polled), statistics.median(a[0] for a in without),
                statistics.median(p[2] for p in polled), statistics.median(p[3] for p in polled)))


def quantile(counts, q):
    """Within the cell as if its records were spread evenly: ratios of neighbours are then no steps."""
    want = q * sum(n for _, n in counts)
    for cell, n in counts:
        if want <= n:
            low, width = cell_low(cell)
            return low + width * want / n
        want -= n
    raise RuntimeError("no hits")


def main():
    p = argparse.ArgumentParser(prog="polled.py")
    p.add_argument("--build", default="build")
    p.add_argument("--rows", type=int, default=200000)
    p.add_argument("--seconds", type=float, default=1.5, help="of a phase")
    p.add_argument("--rounds", type=int, default=15)
    p.add_argument("--commands", nargs="*", help="to poll; without: every one under /millrace/")
    p.add_argument("--memory", action="store_true", help="print the MB of hugepages wanted")
    p.add_argument("cases", nargs="*", default=list(CASES), help=" ".join(CASES))
    o = p.parse_args()
    if o.memory:
        print(process.wanted_mb(o.rows))
        return 0
    if os.geteuid() != 0 or len(os.sched_getaffinity(0)) < 2:
        say("needs root, for network namespaces, and two CPUs")
        return 1
    o.build = os.path.abspath(o.build)
    if ctypes.CDLL(None, use_errno=True).unshare(process.CLONE_NEWNET) != 0:
        say("no network namespace: %s" % os.strerror(ctypes.get_errno()))
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    bench = Polled(o)
    os.sched_setaffinity(0, {bench.client_cpu})
    try:
        bench.begin()
        for name in o.cases:
            bench.measure_case(name)
    finally:
        bench.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
