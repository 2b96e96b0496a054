#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""dpdk-dumpcap captures from a running appliance, requests and replies, and `millrace pcap` reads what it
wrote."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import harness
import huge

DUMPCAP = shutil.which("dpdk-dumpcap")
KEY = 123456789
GETS = 20


class Dumpcap:
    """Captures until told to stop."""

    def __init__(self, a, *argv):
        # Of its own: dumpcap does not cut off what is in a file already.
        self.path = os.path.join(a.dir, "captured%s" % "".join(argv))
        self.log = open(os.path.join(a.dir, "dumpcap.log"), "w+")
        self.process = subprocess.Popen([DUMPCAP, "-i", "0", "-p", "-w", self.path,
                                         "--file-prefix=" + a.prefix] + list(argv),
                                        stdout=self.log, stderr=self.log)
        end = time.time() + 60
        while "Packets captured" not in self.said():
            assert self.process.poll() is None and time.time() < end, self.said()
            time.sleep(0.1)

    def said(self):
        self.log.flush()
        with open(self.log.name) as log:
            return log.read()

    def wait(self, frames):
        """Until so many are written: those that wait when it is told to stop are lost."""
        end = time.time() + 60
        while int(re.findall(r"Packets captured:[ \d]*?(\d+)\s*$", self.said().replace("\b", " "))[0]) < frames:
            assert self.process.poll() is None and time.time() < end, self.said()
            time.sleep(0.1)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 0, self.said()
        return self.path


def frames(a):
    """Received, and sent in answer."""
    total = a.balance()
    return total["received"] + total["answered"]


def captured(a, *argv):
    """What is captured while the key is asked for again and again."""
    dumpcap = Dumpcap(a, *argv)
    sets = harness.ROWS_INI
    before = frames(a)
    for _ in range(GETS):
        a.tool("get", "user", str(KEY))
    dumpcap.wait(frames(a) - before)
    path = dumpcap.stop()
    shown = a.tool("pcap", "--json", "--sets", sets, path)
    print(shown.stderr.strip(), flush=True)
    return [json.loads(line) for line in shown.stdout.splitlines()]


def check(found):
    """Each request that a client had an answer to, and that answer."""
    asked = [d for d in found if d["kind"] == "request" and d.get("keys") == [KEY]]
    replies = {d["request_id"]: d for d in found if d["kind"] == "reply" and d["op"] == "get"}
    assert len(asked) >= GETS, (len(asked), len(found))
    for request in asked:
        assert request["view"] == "user" and request["to"] == harness.SERVER, request
        reply = replies[request["request_id"]]
        assert reply["from"] == harness.SERVER and reply["to"] == request["from"], reply
        entry = reply["entries"][0]
        assert entry["status"] == "ok" and entry["columns"]["age"] == 41, reply
        assert "defect" not in reply
    print("%d of %d datagrams are those lookups and their replies" % (2 * len(asked), len(found)),
          flush=True)


def test(build):
    if DUMPCAP is None:
        harness.skip("no dpdk-dumpcap (package dpdk-dev)")
    with huge.pages(256):
        a = huge.appliance(build)
        a.start()
        a.tool("sets", "apply", harness.ROWS_INI)
        a.tool("put", "user", str(KEY), "age=41", "city=Lyon")
        check(captured(a))  # pcapng
        check(captured(a, "-P"))
        a.stop()


if __name__ == "__main__":
    harness.main(test)
