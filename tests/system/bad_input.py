#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Bad configuration, bad files, bad datagrams: each is refused with words that help, and nothing
else changes."""

import os
import re
import socket
import struct
import subprocess

import harness

MAGIC = 0x5152524D


def request(op=3, magic=MAGIC, version=1, flags=0, view=1, count=1, key_bytes=8, body=b"\0" * 8):
    return struct.pack("<IBBHQQHBBI", magic, version, op, flags, 77, 0, view, count, key_bytes, 0) + body


def ask(datagram):
    """Sends a datagram; returns the reply's result code, or None when none comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.5)
        sock.sendto(datagram, (harness.ADDRESS, 7411))
        try:
            reply = sock.recv(65536)
        except socket.timeout:
            return None
    assert struct.unpack_from("<I", reply)[0] == 0x5052524D, reply
    assert len(reply) <= max(len(datagram), 32), "longer than its request"
    return reply[16]


# name, datagram, result in the reply (None: no reply), reason that counts it when there is none
DATAGRAMS = [
    ("empty", b"", None, "wire_truncated"),
    ("truncated header", request()[:20], None, "wire_truncated"),
    ("truncated key", request()[:36], 1, None),
    ("oversized: bytes after the key", request(body=b"\0" * 200), 1, None),
    ("wrong magic", request(magic=0x12345678), None, "wire_magic"),
    ("wrong version", request(version=9), 2, None),
    ("unknown operation", request(op=99), 3, None),
    ("unknown critical flag", request(flags=0x80), 5, None),
    ("key count that lies", request(count=3), 1, None),
    ("zero keys", request(count=0, body=b""), 1, None),
    ("key length that overruns", request(count=1, key_bytes=0, body=b"\xff" + b"k" * 10), 1, None),
    ("key of no bytes", request(count=1, key_bytes=0, body=b"\0"), 1, None),
    ("unknown view", request(view=4711), 4, None),
    ("a MAC on a GET", request(flags=8), 5, None),
]


def datagrams(a):
    for name, datagram, result, reason in DATAGRAMS:
        before = a.telemetry("/millrace/drops")["reasons"]
        got = ask(datagram)
        assert got == result, "%s: result %s, want %s" % (name, got, result)
        after = a.telemetry("/millrace/drops")["reasons"]
        if reason is not None:
            assert after[reason] == before[reason] + 1, "%s not counted as %s" % (name, reason)
    a.tool("get", "user", "0", ok=(0, 1))


def csv(a):
    path = os.path.join(a.dir, "bad.csv")
    with open(path, "w") as out:
        out.write("key,age,score,vec,city,active,seen,big\n")
        for i in range(1, 12):
            age = "12x" if i == 6 else str(i)
            out.write("%d,%s,1.5,1;2;3;4,Graz,true,1,2\n" % (1000000 + i, age))
    done = a.tool("load", "user", path, ok=(4,))
    for word in ("bad.csv", "7", "age", "12x"):
        assert word in done.stderr, "no '%s' in: %s" % (word, done.stderr)
    # What came before the bad line is there, what comes after is not, and the tool says so.
    a.tool("get", "user", "1000005")
    a.tool("get", "user", "1000008", ok=(1,))
    rejects = os.path.join(a.dir, "rejects.csv")
    a.tool("load", "user", path, "--rejects", rejects, ok=(1, 4))
    a.tool("get", "user", "1000011")
    assert "12x" in open(rejects).read()


def schema(a):
    path = os.path.join(a.dir, "bad.ini")
    with open(path, "w") as out:
        out.write("[set other]\nid = 9\nkey = u64\ncolumn a = i33\n")
    done = a.tool("sets", "apply", path, ok=(4, 5))
    assert "bad.ini:4" in done.stderr and "i33" in done.stderr, done.stderr
    assert "other" not in a.tool("sets").stdout


def config_error(build, old, new, *words):
    """An appliance with `new` in place of `old` must not start, and must say `words`."""
    a = harness.Appliance(build)
    a.change_config(old, new)
    done = subprocess.run([a.program("millraced"), "-c", a.config], timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 1, done
    for word in words:
        assert re.search(word, done.stdout), "no '%s' in:\n%s" % (word, done.stdout)


def configurations(build):
    config_error(build, "idle_sleep = 30us", "idel_sleep = 30us", r"millrace\.ini:6", "idel_sleep")
    config_error(build, "rx = 0,1", "rx = 0,99", "CPU 99", "CPUs 0-")
    config_error(build, "net_tap0,iface=mr0", "net_nosuch0", "port test", "net_nosuch0")
    config_error(build, "net_tap0,iface=mr0", "0000:ff:1f.7", "port test", "0000:ff:1f.7")
    config_error(build, "allow = 10.77.0.0/24", "allow = 10.77.0.1/24", r"millrace\.ini:\d+",
                 "bits set behind its 24")
    config_error(build, "allow = 10.77.0.0/24", "trusted = 0.0.0.0/0", "unsafe = yes would accept")
    config_error(build, "allow = 10.77.0.0/24", "trusted = 10.77.0.2", "without MAC keys")
    config_error(build, "writers = 10.77.0.2", "keys = /nonexistent", "security. keys: /nonexistent")
    with open("/proc/sys/vm/nr_hugepages") as pages:
        if pages.read().strip() == "0":
            config_error(build, "huge = no", "huge = yes", "free hugepages", r"scripts/hugepages\.sh set \d+")
    done = subprocess.run([os.path.join(build, "app/millraced/millraced"), "-c", "/nonexistent.ini"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 1 and "/nonexistent.ini" in done.stdout, done


def store_in_use(build, a):
    other = harness.Appliance(build, interface=None)
    with open(other.config) as source:
        text = source.read()
    with open(other.config, "w") as out:
        out.write(text.replace(other.store, a.store).replace("mrtest", "mrother")
                  .replace("iface=mr0", "iface=mr9"))
    done = subprocess.run([other.program("millraced"), "-c", other.config], timeout=60, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 1, done
    assert a.store in done.stdout and str(a.process.pid) in done.stdout, done.stdout


def check(build):
    a = harness.Appliance(build)
    done = subprocess.run([a.program("millraced"), "-c", a.config, "--check"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0 and "lcore" in done.stdout and not os.path.exists(a.store), done


def test(build):
    check(build)
    configurations(build)
    a = harness.Appliance(build, security=harness.TRUSTED)
    a.start()
    a.tool("sets", "apply", harness.ROWS_INI)
    schema(a)
    csv(a)
    datagrams(a)
    store_in_use(build, a)
    a.stop()


harness.main(test)
