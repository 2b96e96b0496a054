#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Breaks an appliance on purpose and holds it to its promises. Run by scripts/chaos.sh.

    chaos.py BUILD      BUILD has fault points; MILLRACE_CHAOS_STEPS names steps, else all
    chaos.py --list     names the steps

Under each step an open-loop load asks for rows that are there, and for some that are not. Whatever
is broken meanwhile: what is answered is right, every request is answered or lost and counted, hits go
on where only the store is hurt, and afterwards all is as before.
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

ROWS = 20000
HOT = 500           # keys asked for: all cached
RATE = 500
SECONDS = 6.0
steps = {}


def step(name):
    def add(function):
        steps[name] = function
        return function
    return add


class Load:
    """`millrace blast` in the background, and `rows storm`, which remembers what was acknowledged."""

    def __init__(self, a, seconds=SECONDS, keys=HOT, storm=False, more=()):
        self.a = a
        env = dict(os.environ, MILLRACE_SERVER=harness.SERVER)
        self.blast = subprocess.Popen(
            [a.program("millrace"), "blast", "user", "--json", "--rate", str(RATE), "--duration",
             "%gs" % seconds, "--keys", str(keys), "--absent", "10", "--late", "100ms", "--give-up",
             "2s"] + list(more), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
        self.storm = None
        if storm:
            self.log = os.path.join(a.dir, "acknowledged.log")
            self.storm = subprocess.Popen(
                [os.path.join(a.build, "tests", "system", "rows"), "storm", harness.SERVER, self.log,
                 "400", "1000000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.0)

    def end(self):
        out, _ = self.blast.communicate(timeout=120)
        if self.storm is not None:
            self.storm.terminate()
            self.storm.wait()
        assert self.blast.returncode in (0, 1), self.blast.returncode
        self.run = json.loads(out)["runs"][0]
        return self.run


def fault(a, *what):
    a.tool("ctl", "fault", *what)


def check_answers(a, run):
    """No wrong answer, ever, and nothing unaccounted for."""
    assert run["sent"] == run["answered"] + run["lost"], run
    assert run["malformed"] == 0, run
    assert run["statuses"]["bad_key"] == 0 and run["statuses"]["expired"] == 0, run["statuses"]


def check_whole(a):
    """After the step: every row is as it was loaded, and every packet is accounted for."""
    # Shed is shed, not wrong: on a loaded machine it is asked again.
    eventually(lambda: a.rows("verify", harness.SERVER, a.table, 400, 1, ok=(0, 1)).returncode == 0, 60)
    a.balance()


def check_hits(run, share=0.85):
    """Hits went on: where only the store was hurt, nearly all keys asked for were served."""
    s = run["statuses"]
    served = s["ok"] + s["not_found"]
    assert served > share * sum(s.values()), s


def warm(a):
    """The keys of the load are in the cache, the others stay where they are."""
    ids = os.path.join(a.dir, "hot")
    with open(ids, "w") as out:
        out.write("".join("%d\n" % i for i in range(HOT)))
    eventually(lambda: a.tool("get", "user", "--json", "--keys-from", ids, "--timeout", "1s",
                              ok=(0, 1, 3)).returncode in (0, 1))


def eventually(what, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        if what():
            return
        time.sleep(0.2)
    raise AssertionError("never happened: %s" % what)


@step("calm")
def calm(a):
    load = Load(a)
    run = load.end()
    check_hits(run, 0.95)
    return run, "nothing is broken: what the others are to be compared with"


def held_up(a):
    """Whether RocksDB slows writes down or stops them, until compactions have caught up."""
    store = a.telemetry("/millrace/store")
    return bool(store["write_stopped"] or store["delayed_write_bytes_per_s"])


@step("write-storm")
def write_storm(a):
    before = a.telemetry("/millrace/lcores")["io"]["rows_written"]
    fault(a, "compact", "slow", "10m")
    storms = [subprocess.Popen([a.program("millrace"), "blast", "other", "--json", "--closed", "32",
                                "--writes", "100", "--duration", "120s", "--keys", "200000", "--batch",
                                "20", "--seed", str(i)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL,
                               env=dict(os.environ, MILLRACE_SERVER=harness.SERVER)) for i in (1, 2)]
    eventually(lambda: held_up(a), 100)
    load = Load(a)
    stalled = []
    while load.blast.poll() is None:
        stalled.append(held_up(a))
        time.sleep(0.05)
    run = load.end()
    for storm in storms:
        storm.terminate()
        storm.wait()
    fault(a, "off")
    written = a.telemetry("/millrace/lcores")["io"]["rows_written"] - before
    assert sum(stalled) * 2 > len(stalled), stalled
    check_hits(run)
    eventually(lambda: not held_up(a), 100)
    return run, "%d rows were written before and while compactions stalled; writes were held up in %d of %d looks, and went on after" % (
        written, sum(stalled), len(stalled))


@step("slow-disk")
def slow_disk(a):
    fault(a, "read", "slow", "30ms")
    fault(a, "sync", "slow", "50ms")
    load = Load(a)
    cold = subprocess.Popen([a.program("millrace"), "blast", "user", "--json", "--rate", "50", "--keys",
                             str(ROWS), "--duration", "4s"], stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True,
                            env=dict(os.environ, MILLRACE_SERVER=harness.SERVER))
    run = load.end()
    cold_run = json.loads(cold.communicate(timeout=60)[0])["runs"][0]
    # A row that nobody has asked for yet says itself what it waited for.
    said = a.tool("get", "user", str(2 * (ROWS - 3)), "--times", "--timeout", "5s").stderr
    fault(a, "off")
    check_hits(run)
    read_us = re.search(r"read ([\d.]+) us", said)
    assert read_us and float(read_us.group(1)) >= 30000, said
    return run, "misses waited for the disk (p99 %.0f ms), and their replies say so; hits did not" % (
        cold_run["latency"]["p99_ns"] / 1e6)


@step("failing-disk")
def failing_disk(a):
    fault(a, "read", "fail")
    load = Load(a)
    # Keys that are in no cache: the store fails them, and the breaker opens.
    cold = a.tool("blast", "user", "--json", "--rate", "200", "--keys", str(ROWS), "--duration", "3s",
                  ok=(0, 1))
    cold = json.loads(cold.stdout)["runs"][0]
    run = load.end()
    opened = a.telemetry("/millrace/lcores")["io"]["breaker_opened"]
    fault(a, "off")
    check_hits(run)
    hurt = cold["statuses"]["error"] + cold["statuses"]["degraded"]
    assert hurt > 0 and opened > 0, (cold["statuses"], opened)
    eventually(lambda: a.tool("get", "user", str(2 * (ROWS - 7)), ok=(0, 1, 3)).returncode == 0)
    return run, "misses: %d ERROR, %d DEGRADED; the breaker opened, and closed again" % (
        cold["statuses"]["error"], cold["statuses"]["degraded"])


@step("memory-limit")
def memory_limit(a):
    v1, v2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"
    if os.path.exists(v1 + "/memory.limit_in_bytes"):
        group, limit = "%s/mrchaos%d" % (v1, os.getpid()), "memory.limit_in_bytes"
    elif "memory" in open(v2 + "/cgroup.controllers").read().split():
        group, limit = "%s/mrchaos%d" % (v2, os.getpid()), "memory.high"
    else:
        return None, "skipped: no memory controller here"
    rss = int(open("/proc/%d/statm" % a.process.pid).read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    os.mkdir(group)
    try:
        with open(os.path.join(group, "cgroup.procs"), "w") as out:
            out.write(str(a.process.pid))
        # Room for what comes from now on, page cache included: little.
        with open(os.path.join(group, limit), "w") as out:
            out.write(str(24 << 20))
        load = Load(a, keys=ROWS)
        run = load.end()
        assert a.process.poll() is None, "killed for memory"
        check_hits(run, 0.5)
    finally:
        with open(os.path.join(os.path.dirname(group), "cgroup.procs"), "w") as out:
            out.write(str(a.process.pid))
        os.rmdir(group)
    return run, "%d MiB resident before, 24 MiB for what came after" % (rss >> 20)


@step("stop-and-continue")
def stop_and_continue(a):
    load = Load(a)
    a.process.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    a.process.send_signal(signal.SIGCONT)
    run = load.end()
    # Open loop: whoever asked meanwhile waited, and is counted as having waited.
    assert run["latency"]["max_ns"] > 500e6 or run["lost"] > 0, run["latency"]
    eventually(lambda: "turn(s) too long" in a.read_log() or "in one turn" in a.read_log())
    return run, "stopped for 1.5 s; the log names the turn that took so long"


@step("kill-and-restart")
def kill_and_restart(a):
    load = Load(a, seconds=10, storm=True)
    time.sleep(1.5)
    a.kill()
    a.start()
    run = load.end()
    said = a.rows("check", harness.SERVER, load.log).stdout.strip()
    assert " 0 lost" in said, said
    return run, "SIGKILL under writes: " + said


@step("link-down")
def link_down(a):
    load = Load(a)
    harness.run(["ip", "link", "set", a.interface, "down"])
    time.sleep(1.0)
    harness.run(["ip", "link", "set", a.interface, "up"])
    run = load.end()
    eventually(lambda: a.tool("ping", ok=(0, 3)).returncode == 0)
    return run, "down for 1 s; requests meanwhile waited, or were lost"


@step("clock-step")
def clock_step(a):
    load = Load(a)
    fault(a, "clock", "7200")
    time.sleep(1.5)
    fault(a, "clock", "-7200")
    time.sleep(1.5)
    fault(a, "off")
    run = load.end()
    check_hits(run, 0.95)
    return run, "two hours forth, four back, two forth: no row of a set without TTL is lost"


@step("reload-loop")
def reload_loop(a):
    load, n = Load(a), 0
    good = open(a.config).read()
    while load.blast.poll() is None:
        # Every other one is wrong: it changes nothing.
        with open(a.config, "w") as out:
            out.write(good if n % 2 == 0 else good + "\n[cache]\nk = 77\n")
        a.tool("ctl", "reload", ok=(0,) if n % 2 == 0 else (4, 5))
        n += 1
    with open(a.config, "w") as out:
        out.write(good)
    run = load.end()
    check_hits(run, 0.95)
    return run, "%d reloads, every other one of a bad file" % n


@step("bulk-load")
def bulk_load(a):
    load, n = Load(a, seconds=8), 0
    while load.blast.poll() is None:
        a.tool("load", "user", a.table, "--bulk", "--activate", "--time", "1600000000000000")
        n += 1
        # There may be 16 at a time.
        user = [s for s in json.loads(a.tool("sets", "--json").stdout)["sets"] if s["name"] == "user"][0]
        for version in user["beside"]:
            a.tool("version", "drop", "user", str(version))
    run = load.end()
    check_hits(run)
    return run, "%d bulk loads of %d rows, each made current" % (n, ROWS)


@step("filter-rebuild")
def filter_rebuild(a):
    before = a.telemetry("/millrace/bloom")["rebuilds"]
    load = Load(a)
    while load.blast.poll() is None:
        a.tool("ctl", "filter-rebuild", ok=(0, 5))
        time.sleep(0.3)
    run = load.end()
    eventually(lambda: a.telemetry("/millrace/bloom")["state"] == "ready")
    after = a.telemetry("/millrace/bloom")["rebuilds"]
    assert after > before, (before, after)
    # No false negative: all keys asked for but the absent tenth have rows in one of two.
    return run, "%d rebuilds" % (after - before)


@step("flood")
def flood(a):
    load = Load(a)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    junk = [b"", b"x" * 31, b"MRRQ" + bytes(28), os.urandom(1200),
            b"MRRQ" + struct.pack("<BBHQQHBBI", 1, 3, 0, 1, 12345, 1, 1, 8, 0) + bytes(8)]
    sent = 0
    while load.blast.poll() is None:
        for i in range(200):
            try:
                sock.sendto(junk[(sent + i) % len(junk)], (harness.ADDRESS, 7411))
            except OSError:
                pass
        sent += 200
        time.sleep(0.002)
    run = load.end()
    drops = a.telemetry("/millrace/drops")["reasons"]
    assert drops["wire_magic"] > 0 and drops["wire_truncated"] > 0, drops
    return run, "%d datagrams of junk and of bad cookies: refused, dropped, counted" % sent


def show(name, run, said):
    if run is None:
        return print("%-18s %s" % (name, said), flush=True)
    s, ms = run["statuses"], lambda ns: ns / 1e6
    print("%-18s sent %5d  answered %5d  late %4d  lost %4d  BUSY %4d  DEGRADED %4d  p50 %7.2f  p99 %8.2f"
          "  max %8.2f ms\n%18s %s" % (
              name, run["sent"], run["answered"], run["late"], run["lost"], s["busy"], s["degraded"],
              ms(run["latency"]["p50_ns"]), ms(run["latency"]["p99_ns"]), ms(run["latency"]["max_ns"]),
              "", said), flush=True)


def test(build):
    wanted = os.environ.get("MILLRACE_CHAOS_STEPS", "").split() or list(steps)
    unknown = [name for name in wanted if name not in steps]
    assert not unknown, "no such step: %s; there are: %s" % (unknown, " ".join(steps))
    a = harness.Appliance(build, lcores="slow_above = 1ms", extra="[breaker]\nfailures = 5\nopen = 1s\n"
                          "[handoff]\nmax_age = 1s\n")
    # Small memtables, so that a write storm makes the store work.
    a.change_config("[store]\n", "[store]\nmemtable = 1M\nblock_cache = 1M\n")
    a.change_config("[cache]\n", "[cache]\nwarm = no\n")
    a.table = os.path.join(a.dir, "rows.csv")
    a.rows("gen", a.table, ROWS, 1)
    a.start()
    if "BUILT WITH FAULT INJECTION" not in a.read_log():
        harness.skip("this build has no fault points: -Dfault_injection=true")
    a.tool("sets", "apply", harness.ROWS_INI)
    a.apply("[set other]\nid = 500\nkey = u64\ncolumn v = i64\ncolumn t = string\n")
    a.tool("load", "user", a.table, "--time", "1600000000000000")
    # Written rows are cached: only a cold start leaves some to be read from the store.
    a.stop()
    a.start()
    for name in wanted:
        warm(a)
        run, said = steps[name](a)
        if run is not None:
            check_answers(a, run)
        show(name, run, said)
        check_whole(a)
    a.stop()


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(*steps)
        sys.exit(0)
    import harness
    harness.main(test)
