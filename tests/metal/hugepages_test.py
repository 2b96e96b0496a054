#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""scripts/hugepages.sh on a made-up machine of two nodes: set, persist, undo, and what it refuses."""

import os
import subprocess
import sys
import tempfile

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "hugepages.sh")


class Machine:
    """A tree with the files of /sys, /proc, /run and /etc that the script looks at."""

    def __init__(self, root):
        self.root = root
        for node in (0, 1):
            for size in (2048, 1048576):
                self.write(self.pages(node, size), "7" if size == 2048 else "0")
                self.write(self.pages(node, size).replace("/nr_", "/free_"), "0")
        self.write("proc/meminfo", "Hugepagesize:       2048 kB\n")
        self.write("proc/mounts", "none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n")

    @staticmethod
    def pages(node, size):
        return "sys/devices/system/node/node%d/hugepages/hugepages-%dkB/nr_hugepages" % (node, size)

    def write(self, path, text):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)

    def read(self, path):
        with open(os.path.join(self.root, path)) as file:
            return file.read()

    def have(self):
        return [[int(self.read(self.pages(n, s))) for n in (0, 1)] for s in (2048, 1048576)]

    def exists(self, path):
        return os.path.lexists(os.path.join(self.root, path))

    def run(self, *argv, code=0):
        done = subprocess.run([SCRIPT] + list(argv), env=dict(os.environ, MILLRACE_ROOT=self.root),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == code, (argv, done.returncode, done.stdout)
        return done.stdout


BOOT = "etc/tmpfiles.d/millrace-hugepages.conf"
MOUNT = "etc/systemd/system/dev-hugepages1G.mount"


def test(m):
    assert "/dev/hugepages" in m.run("show")
    for bad in ([], ["set"], ["set", "many"], ["set", "1", "--size", "4M"], ["grow"]):
        m.run(*bad, code=2)
    assert "there are: 0 1" in m.run("set", "1", "--node", "2", code=1)
    assert m.have() == [[7, 7], [0, 0]]

    m.run("set", "100")
    assert m.have() == [[100, 100], [0, 0]]
    m.run("set", "50", "--node", "1")
    m.run("set", "2", "--size", "1G", "--node", "0")
    assert m.have() == [[100, 50], [2, 0]]
    assert not m.exists("etc"), "written to /etc without being asked"

    m.run("set", "64", "--persist")
    m.run("set", "3", "--persist", "--size", "1G", "--node", "1")
    m.run("set", "65", "--persist", "--node", "1")
    lines = [line.split() for line in m.read(BOOT).splitlines() if line.startswith("w ")]
    assert sorted((line[1], line[-1]) for line in lines) == sorted(
        [("/" + m.pages(0, 2048), "64"), ("/" + m.pages(1, 2048), "65"), ("/" + m.pages(1, 1048576), "3")])
    assert "pagesize=1G" in m.read(MOUNT)
    m.run("clear", "--persist", "--size", "1G")
    assert not m.exists(MOUNT) and "1048576" not in m.read(BOOT)

    m.run("undo")
    assert m.have() == [[7, 7], [0, 0]], m.have()
    assert not m.exists(BOOT) and not m.exists("run/millrace-hugepages")
    assert "nothing was changed" in m.run("undo")


with tempfile.TemporaryDirectory(prefix="millrace-hugepages-") as root:
    test(Machine(root))
print("ok")
sys.exit(0)
