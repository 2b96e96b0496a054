#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The policy on a real appliance: refused senders, cookies, signed writes, limits, and all of it
changed by reloads; the tool does its part by itself."""

import os
import pwd
import signal
import socket
import struct
import subprocess
import time

import harness

SECRETS = ["%032x" % i for i in (0x1111, 0x2222, 0x3333)]
MAC, OTHER_MAC = "%032x" % 0xABCD, "%032x" % 0xABCE
OUTSIDE = "10.88.0.2"
COOKIE_NEEDED = 7


def write_keys(path, text, mode=0o600):
    with open(path, "w") as out:
        out.write(text)
    os.chmod(path, mode)


def keys_file(path, secrets, macs):
    write_keys(path, "[cookie]\n%s[mac]\n%s" % (
        "".join("secret = %s\n" % s for s in secrets),
        "".join("%d = %s\n" % (i + 1, m) for i, m in enumerate(macs))))


def request(op, cookie=0, body=b""):
    return struct.pack("<IBBHQQHBBI", 0x5152524D, 1, op, 0, 77, cookie, 0, 0, 0, 0) + body


def ask(datagram, source="10.77.0.2", seconds=0.5):
    """The reply, or None when none comes."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        sock.settimeout(seconds)
        sock.sendto(datagram, (harness.ADDRESS, 7411))
        try:
            return sock.recv(65536)
        except socket.timeout:
            return None


def hello():
    """The cookie that a HELLO gets, and for how long."""
    reply = ask(request(1, 0, struct.pack("<BB6xQ16x", 1, 1, 0x1234)))
    assert len(reply) == 64, reply
    return struct.unpack_from("<QI", reply, 40)


def ping(cookie):
    """Result of a PING with this cookie."""
    reply = ask(request(2, cookie))
    assert len(reply) == 32, reply
    return reply[16]


def reasons(a):
    return a.telemetry("/millrace/drops")["reasons"]


def find(tree, name):
    """Value of a counter, wherever it stands."""
    if name in tree:
        return tree[name]
    return sum(find(value, name) for value in tree.values() if isinstance(value, dict))


def reload(a):
    return a.tool("ctl", "reload")


def senders(a):
    harness.run(["ip", "address", "add", OUTSIDE + "/32", "dev", "mr0"])
    before = reasons(a)["acl_refused"]
    assert ask(request(2), source=OUTSIDE) is None
    harness.run(["ping", "-c", "1", "-W", "1", "-I", OUTSIDE, harness.ADDRESS], ok=(1,))
    assert reasons(a)["acl_refused"] == before + 2, reasons(a)
    cookie, valid_s = hello()
    assert cookie != 0 and 3600 <= valid_s <= 7200, (cookie, valid_s)
    assert ping(0) == COOKIE_NEEDED
    assert ping(cookie) == 0
    assert ping(cookie ^ 1 << 40) == COOKIE_NEEDED


def writes(a, keys):
    mine = a.dir + "/mine.ini"
    write_keys(mine, "[mac]\n1 = %s\n" % MAC)
    denied = a.tool("put", "user", "2", "age=1", ok=(5,))
    assert "denied" in denied.stderr, denied.stderr
    a.tool("put", "user", "2", "age=1", "--key", mine)
    a.tool("get", "user", "2")
    write_keys(mine, "[mac]\n1 = %s\n" % OTHER_MAC)
    a.tool("put", "user", "2", "age=2", "--key", mine, ok=(5,))
    # The new key comes first, the old one stays until everybody has the new one.
    keys_file(keys, SECRETS[:1], [MAC])
    with open(keys, "a") as out:
        out.write("9 = %s\n" % OTHER_MAC)
    reload(a)
    write_keys(mine, "[mac]\n9 = %s\n" % OTHER_MAC)
    a.tool("put", "user", "2", "age=3", "--key", mine)
    os.chmod(mine, 0o644)
    assert "chmod 600" in a.tool("put", "user", "2", "age=3", "--key", mine, ok=(4,)).stderr
    lcores = a.telemetry("/millrace/lcores")
    for name in ("mac_wrong", "mac_missing"):
        assert find(lcores, name) >= 1, lcores


def rotation(a, keys):
    cookie, _ = hello()
    keys_file(keys, [SECRETS[1], SECRETS[0]], [MAC])
    a.process.send_signal(signal.SIGHUP)
    for _ in range(50):
        if hello()[0] >> 16 != cookie >> 16:
            break
        time.sleep(0.1)
    new, _ = hello()
    assert ping(cookie) == 0 and ping(new) == 0
    keys_file(keys, [SECRETS[1]], [MAC])
    reload(a)
    assert ping(cookie) == COOKIE_NEEDED and ping(new) == 0
    a.tool("ping")
    # What cannot be read changes nothing.
    os.chmod(keys, 0o640)
    assert "chmod 600" in a.tool("ctl", "reload", ok=(4, 5)).stderr
    assert ping(new) == 0
    os.chmod(keys, 0o600)


def limits(a):
    cookie, _ = hello()
    a.change_config("allow = 10.77.0.0/24", "limit_burst = 0s\nlimits = 10.77.0.0/24 20\n"
                    "allow = 10.77.0.0/24")
    reload(a)
    before = reasons(a)["rate_limited"]
    answered = sum(ask(request(2, cookie), seconds=0.02) is not None for _ in range(50))
    assert 1 <= answered < 45, answered
    # Late answers do not count as none.
    assert reasons(a)["rate_limited"] > before, reasons(a)
    a.change_config("limit_burst = 0s", "limit_burst = 0s\nlimit_dry_run = yes")
    reload(a)
    assert all(ask(request(2, cookie)) is not None for _ in range(20))
    a.change_config("allow = 10.77.0.0/24", "allow = 10.99.0.0/24")
    text = reload(a).stdout
    assert "allow = 10.99.0.0/24" in text, text
    assert ask(request(2, cookie)) is None
    assert "10.99.0.0 to 10.99.0.255" in a.tool("ctl", "policy").stdout
    a.change_config("allow = 10.99.0.0/24", "trusted = 0.0.0.0/0")
    assert "unsafe" in a.tool("ctl", "reload", ok=(4, 5)).stderr
    a.change_config("trusted = 0.0.0.0/0", "trusted = 10.77.0.2")
    assert "TRUSTED" in reload(a).stdout
    assert ping(0) == 0 and hello() == (0, 0)


def threads(a, field):
    """What /proc says of every thread."""
    tasks = "/proc/%d/task" % a.process.pid
    values = set()
    for tid in os.listdir(tasks):
        with open(os.path.join(tasks, tid, "status")) as status:
            values |= {line.split(":", 1)[1].strip() for line in status
                       if line.startswith(field + ":")}
    return values


def privileges(build):
    a = harness.Appliance(build, extra="[process]\nuser = nobody\n")
    os.chmod(a.dir, 0o755)
    for _ in range(2):
        a.start()
        uid = pwd.getpwnam("nobody").pw_uid
        assert threads(a, "Uid") == {"%d\t%d\t%d\t%d" % (uid, uid, uid, uid)}, threads(a, "Uid")
        for field in ("CapEff", "CapPrm"):
            assert threads(a, field) == {"0" * 16}, threads(a, field)
        a.tool("sets", "apply", harness.ROWS_INI)
        a.tool("put", "user", "2", "age=1")
        a.tool("get", "user", "2")
        a.stop()
    assert "not saved" not in a.log, a.log


def test(build):
    privileges(build)
    a = harness.Appliance(build)
    keys = a.dir + "/keys.ini"
    keys_file(keys, SECRETS[:1], [MAC])
    a.change_config("writers = 10.77.0.2", "keys = " + keys)
    checked = subprocess.run([a.program("millraced"), "-c", a.config, "--check"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert "10.77.0.0 to 10.77.0.255: allowed, with a cookie, writes with a MAC" in checked.stdout, \
        checked.stdout
    a.start()
    a.tool("sets", "apply", harness.ROWS_INI)
    senders(a)
    writes(a, keys)
    rotation(a, keys)
    limits(a)
    a.stop()


harness.main(test)
