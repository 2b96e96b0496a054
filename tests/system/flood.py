#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A flood from addresses that may not ask, beside lookups, on one RX lcore: lookups go on, every frame
of the flood has its reason, telemetry and the admin socket answer. Prints JSON lines as the benches do;
what the flood costs an RX lcore is in bench `security`, which has the lcore for itself."""

import json
import multiprocessing
import os
import socket
import struct
import time

import harness

SECONDS = 3
ANSWER_MS = 100
REFUSED = "198.51.100.7"


def frames_of(path):
    """The frames of a classic capture."""
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at < len(data):
        length, = struct.unpack_from("<I", data, at + 8)
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def send_forever(interface, path):
    """As fast as one process can."""
    frames = list(frames_of(path))
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.bind((interface, 0))
    while True:
        for frame in frames:
            try:
                sock.send(frame)
            except OSError:
                # The queue is full: that much the faster is the flood.
                continue


def line(case, metric, value, unit, **more):
    print(json.dumps(dict(bench="security", case=case, metric=metric, value=round(value, 3), unit=unit, **more)),
          flush=True)


def lookups(a, seconds):
    """Lookups per second with 32 under way."""
    done = a.tool("blast", "user", "--closed", "32", "--keys", "1000", "--sockets", "4", "--give-up", "20s",
                  "--late", "10s", "--duration", "%ds" % seconds, "--json", ok=(0, 1))
    run = json.loads(done.stdout)["runs"][0]
    assert run["answered"] > 0, run
    return run["answered"] / run["seconds"]


def slowest(call, n=30):
    """Milliseconds that the slowest of some calls took."""
    worst = 0
    for _ in range(n):
        start = time.monotonic()
        call()
        worst = max(worst, time.monotonic() - start)
        time.sleep(0.02)
    return worst * 1000


def admin(a):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(20)
        sock.connect(a.admin)
        sock.sendall(b"status\n")
        assert sock.recv(64) != b""


def refused(a):
    return a.telemetry("/millrace/drops")["reasons"]["acl_refused"]


def test(build):
    a = harness.Appliance(build, rx="0", io="1", security=harness.ALLOW)
    a.start()
    sets = harness.ROWS_INI
    a.tool("sets", "apply", sets)
    path = os.path.join(a.dir, "flood.pcap")
    a.tool("pcap", "--write", path, "--sets", sets, "--from", REFUSED, "--to", harness.ADDRESS, "--to-mac",
           harness.mac_of("mr0"), "--count", "1000", "--flows", "1000", "user")
    questions = {"telemetry": lambda: a.telemetry("/millrace/lcores"), "admin": lambda: admin(a)}
    idle = {name: slowest(call) for name, call in questions.items()}
    alone = lookups(a, SECONDS)
    flood = multiprocessing.Process(target=send_forever, args=("mr0", path), daemon=True)
    flood.start()
    try:
        before, start = refused(a), time.monotonic()
        while refused(a) == before:
            time.sleep(0.05)
        beside = lookups(a, SECONDS)
        rate = (refused(a) - before) / (time.monotonic() - start)
        busy = {name: slowest(call) for name, call in questions.items()}
    finally:
        flood.kill()
        flood.join()
    line("flood-process", "lookups", beside, "requests/s", baseline=round(alone, 3), ratio=round(beside / alone, 3))
    line("flood-process", "refused", rate, "frames/s")
    for name, worst in busy.items():
        line("flood-" + name, "answer", worst, "ms", baseline=round(idle[name], 3))
        # A machine that is busy with other things is slow without a flood, too.
        assert worst <= max(ANSWER_MS, 10 * idle[name]), (name, worst, idle[name])
    assert a.telemetry("/millrace/drops")["sum"]["surplus"] == 0
    a.stop()


harness.main(test)
