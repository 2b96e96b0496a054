#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Known traffic, and what the operator's tools make of it: blast's own counts, the counters, top."""

import json
import os
import re
import socket
import subprocess
import time

import harness

ROWS = 20000
RATE = 2000
SECONDS = 3


def blast(a, *argv, ok=(0,)):
    return json.loads(a.tool("blast", "user", "--json", *argv, ok=ok).stdout)["runs"][0]


def counters(a):
    return a.telemetry("/millrace/lcores")["rx"]


def slow(a):
    """The slow log names requests that took long, refusals, and what they waited for."""
    said = a.tool("get", "user", "1", "--times", "--trace", "4711", ok=(0, 1)).stderr
    assert re.search(r"times: total [\d.]+ us", said), said
    lines = a.tool("slow", "--json", "--count", "200").stdout.splitlines()
    requests = [json.loads(line) for line in lines]
    assert requests == sorted(requests, key=lambda r: -r["total_ns"]), lines
    for r in requests:
        assert r["total_ns"] >= 100000 and r["op"] in ("get", "put", "ping", "hello", "describe"), r
        assert r["client"] == "" or r["client"].startswith("10.77.0.2:"), r
    # Writes are synced, which takes longer than the 100 us that count as slow here.
    # What an RX lcore remembers alone says nothing of them: I/O lcores knew slower ones.
    puts = [r for r in requests if r["op"] == "put" and r["lcore"].startswith("io")]
    assert puts and puts[0]["view"] == "user" and puts[0]["key"].isdigit(), requests[:3]
    assert any(r["commit_ns"] > 0 for r in puts), puts[:3]
    for r in puts:
        spent = {name[:-3]: r[name] for name in r if name.endswith("_ns") and name != "total_ns"}
        most = max(spent, key=spent.get)
        assert most == "rest" or most in r["waited_for"], r
    print(a.tool("slow", "--count", "5").stdout, flush=True)
    a.tool("slow", "--refused")


def placement(build):
    """Threads that answer telemetry, and all others, run where no RX lcore does."""
    if len(os.sched_getaffinity(0)) < 2:
        return
    a = harness.Appliance(build, rx="1", io="0")
    a.start()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.connect(a.telemetry_path())
    sock.recv(1024)
    may_run = {}
    tasks = "/proc/%d/task" % a.process.pid
    for task in os.listdir(tasks):
        name = open(os.path.join(tasks, task, "comm")).read().strip()
        may_run.setdefault(name, set()).update(os.sched_getaffinity(int(task)))
    print(may_run, flush=True)
    assert any("telemet" in name for name in may_run), may_run
    assert len([name for name in may_run if 1 in may_run[name]]) == 1, may_run
    sock.close()
    a.stop()


def test(build):
    a = harness.Appliance(build, lcores="slow_above = 100us")
    a.start_with_rows(ROWS)

    # Half the entities of `rows gen` have a row; keys that nobody has are a fifth more.
    before = counters(a)
    run = blast(a, "--rate", str(RATE), "--duration", "%ds" % SECONDS, "--keys", "1000",
                "--batch", "3", "--absent", "20", "--report", os.path.join(a.dir, "r.html"))
    after = counters(a)
    asked = {name: after[name] - before[name] for name in after}
    print(run["answered"], "answered;", run["statuses"], flush=True)
    assert run["sent"] == run["answered"] + run["lost"], run
    assert abs(run["sent"] - RATE * SECONDS) < 0.1 * RATE * SECONDS, run["sent"]
    assert asked["requests_get"] >= run["sent"] - run["lost"], (asked, run)
    assert asked["lookups"] == 3 * asked["requests_get"], asked
    assert asked["hits"] + asked["negatives"] + asked["misses"] + asked["expired"] == \
        asked["lookups"], asked
    of_set = a.telemetry("/millrace/sets")["sets"]["user"]
    assert of_set["hits"] == after["hits"] and of_set["misses"] == after["misses"], of_set
    assert of_set["rows_written"] == ROWS and of_set["negatives"] == after["negatives"], of_set
    # Every row that was answered has an age, whichever lcore answered; RX lcores take one hit in
    # eight of large groups for eight, so each may be eight off.
    ages = a.telemetry("/millrace/ages")["count"]
    assert run["statuses"]["ok"] - 16 <= ages <= of_set["hits"] + of_set["misses"] + 16, \
        (ages, of_set)
    keys = sum(run["statuses"].values())
    assert keys == 3 * run["answered"], run["statuses"]
    assert 0.15 < asked["negatives"] / asked["lookups"], asked
    assert "</html>" in open(os.path.join(a.dir, "r.html")).read()

    load = subprocess.Popen([a.program("millrace"), "blast", "user", "--server", harness.SERVER,
                             "--rate", str(RATE), "--duration", "4s", "--json", "--keys", "1000"],
                            stdout=subprocess.DEVNULL)
    time.sleep(1)
    screen = a.tool("top", "--once", "--interval", "1s").stdout
    load.wait()
    print(screen, flush=True)
    lines = screen.splitlines()
    assert len(lines) <= 24 and max(len(line) for line in lines) <= 80, screen
    for word in ("requests", "lookups", "p99.9", "rx0", "io1", "cache", "filter", "store",
                 "rings", "dropped"):
        assert word in screen, word
    rate = int(re.search(r"requests +(\d+)/s", screen).group(1))
    # A second of a loaded machine may see half or twice of them.
    assert 0.2 * RATE < rate < 3 * RATE, rate
    assert re.search(r"requests from cache +\d+ +[\d.]+ [num]s", screen), screen
    assert re.search(r"rx0 +\[[#.]{20}\]", screen), screen
    a.tool("top", ok=(2,))
    slow(a)
    a.stop()
    placement(build)


harness.main(test)
