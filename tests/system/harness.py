# SPDX-License-Identifier: BSD-3-Clause
"""What the system tests share: a network namespace, an appliance in it, the tool, telemetry.

Each test is a program of its own: `sudo tests/system/NAME.py BUILD-DIRECTORY`. It runs in a new
network namespace and a new directory, both gone afterwards. Exit code 77 means skipped.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ADDRESS = "10.77.0.1"
SERVER = ADDRESS + ":7411"
# The sets of `rows gen` and `rows verify`.
ROWS_INI = os.path.join(HERE, "rows.ini")
# The namespace's own end of the port may ask and, without a MAC, write.
ALLOW = "allow = 10.77.0.0/24\nwriters = 10.77.0.2"
# For tests that write datagrams by hand: no cookies.
TRUSTED = "trusted = 10.77.0.0/24\nwriters = 10.77.0.2\nunsafe = yes"


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def enter():
    """Goes into a new network namespace (by running itself again) and returns the build directory."""
    if os.geteuid() != 0:
        skip("needs root for network namespaces and TAP")
    if not os.path.exists("/dev/net/tun"):
        skip("no /dev/net/tun here")
    if os.environ.get("MILLRACE_TEST_NETNS") != "1":
        os.environ["MILLRACE_TEST_NETNS"] = "1"
        os.execvp("unshare", ["unshare", "--net", "--kill-child", sys.executable] + sys.argv)
    run(["ip", "link", "set", "lo", "up"])
    return os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")


def run(argv, ok=(0,), timeout=600, **kwargs):
    """Runs a command; anything but the expected exit codes ends the test with its output."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, **kwargs)
    if done.returncode not in ok:
        sys.stdout.write(done.stdout)
        sys.stdout.write(done.stderr)
        raise AssertionError("%s: exit code %d, want %s" % (" ".join(argv), done.returncode, ok))
    return done


def mac_of(interface):
    """/sys shows another namespace's interfaces."""
    return json.loads(run(["ip", "-j", "link", "show", interface]).stdout)[0]["address"]


def veth():
    """A pair: mrv0 for the appliance, mrv1 for a client. The appliance's end has no address of its own:
    the kernel would answer for it."""
    run(["ip", "link", "add", "mrv0", "type", "veth", "peer", "name", "mrv1"])
    for end in ("mrv0", "mrv1"):
        run(["ip", "link", "set", end, "up"])
    # veth leaves checksums unfinished for a neighbour that it takes to be the kernel.
    run(["ethtool", "-K", "mrv1", "tx", "off"])


class Appliance:
    """millraced on a port in this namespace, with its own directory and DPDK prefix."""

    def __init__(self, build, device="net_tap0,iface=mr0", rx="0,1", io="0,1", interface="mr0",
                 extra="", mtu=None, lcores="", security=ALLOW, address=ADDRESS, cache="64M",
                 idle_sleep="30us"):
        self.build = build
        self.dir = tempfile.mkdtemp(prefix="millrace-test-")
        self.prefix = "mrtest%d" % os.getpid()
        self.config = os.path.join(self.dir, "millrace.ini")
        self.admin = os.path.join(self.dir, "admin.sock")
        self.store = os.path.join(self.dir, "store")
        self.interface = interface
        self.process = None
        self.log = ""
        with open(self.config, "w") as out:
            out.write("""
[lcores]
control = 0
rx = %s
io = %s
idle_sleep = %s
%s
[memory]
huge = no
per_node_mbufs = 16384
file_prefix = %s
[port test]
device = %s
address = %s
%s
[store]
path = %s
[cache]
memory = %s
[security]
%s
[admin]
socket = %s
%s
""" % (rx, io, idle_sleep, lcores, self.prefix, device, address, "mtu = %d" % mtu if mtu else "", self.store,
                cache, security, self.admin, extra))

    def change_config(self, old, new):
        """Puts new text in the place of old, which must be there; for the next start or reload."""
        with open(self.config) as source:
            text = source.read()
        assert old in text, old
        with open(self.config, "w") as out:
            out.write(text.replace(old, new))

    def program(self, name):
        return os.path.join(self.build, "app", name, name)

    def start(self, wait=True, environment=None):
        self.log_file = open(os.path.join(self.dir, "millraced.log"), "a")
        self.process = subprocess.Popen([self.program("millraced"), "-c", self.config],
                                        stderr=self.log_file, stdout=self.log_file,
                                        env=dict(os.environ, **(environment or {})))
        if not wait:
            return
        self.wait_log("serving on")
        if self.interface:
            run(["ip", "address", "replace", "10.77.0.2/24", "dev", self.interface])
            run(["ip", "link", "set", self.interface, "up"])
        # A loaded machine may take its time.
        for _ in range(20):
            if self.tool("ping", ok=(0, 3)).returncode == 0:
                return
        raise AssertionError("nobody answers a ping:\n" + self.read_log())

    def read_log(self):
        with open(os.path.join(self.dir, "millraced.log")) as log:
            return log.read()

    def wait_log(self, text, seconds=60):
        end = time.time() + seconds
        seen = len(self.log)
        while time.time() < end:
            if text in self.read_log()[seen:]:
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError("no '%s' in the log:\n%s" % (text, self.read_log()))

    def tool(self, *argv, ok=(0,), **kwargs):
        """Runs `millrace ...` against this appliance."""
        env = dict(os.environ, MILLRACE_SERVER=SERVER, MILLRACE_ADMIN=self.admin,
                   MILLRACE_TELEMETRY=self.telemetry_path())
        return run([self.program("millrace")] + list(argv), ok=ok, env=env, **kwargs)

    def apply(self, text):
        """Registers sets and views. Returns their file."""
        path = os.path.join(self.dir, "sets.ini")
        with open(path, "w") as out:
            out.write(text)
        self.tool("sets", "apply", path)
        return path

    def start_with_rows(self, count, sets=ROWS_INI):
        """Starts with so many rows of `rows gen` in set `user`. Returns their table."""
        table = os.path.join(self.dir, "rows.csv")
        self.rows("gen", table, count, 1)
        self.start()
        self.tool("sets", "apply", sets)
        self.tool("load", "user", table)
        return table

    def rows(self, *argv, ok=(0,), **kwargs):
        return run([os.path.join(self.build, "tests", "system", "rows")] + [str(a) for a in argv],
                   ok=ok, **kwargs)

    def telemetry_path(self):
        return "/var/run/dpdk/%s/dpdk_telemetry.v2" % self.prefix

    def telemetry(self, command):
        """Asks DPDK's telemetry socket, as dpdk-telemetry.py does."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.settimeout(10)
            sock.connect(self.telemetry_path())
            sock.recv(1024)
            sock.send(command.encode())
            return list(json.loads(sock.recv(16384)).values())[0]

    def balance(self):
        """answered + sum(reasons) = received, at rest. Returns the three."""
        for _ in range(50):
            total = self.telemetry("/millrace/drops")["sum"]
            if total["missing"] == 0:
                break
            time.sleep(0.1)
        assert total["received"] == total["answered"] + total["reasons"], total
        assert total["missing"] == 0 and total["surplus"] == 0, total
        return total

    def stop(self):
        """Clean stop; the balance is asserted before it."""
        self.balance()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        assert code == 0, "exit code %d\n%s" % (code, self.read_log())
        self.log = self.read_log()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log = self.read_log()

    def cleanup(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree("/var/run/dpdk/" + self.prefix, ignore_errors=True)


def main(test):
    """Runs test(build) and shows the appliance's log when it fails."""
    build = enter()
    appliances = []
    original = Appliance.__init__

    def remember(self, *args, **kwargs):
        original(self, *args, **kwargs)
        appliances.append(self)

    Appliance.__init__ = remember
    try:
        test(build)
    except BaseException:
        for a in appliances:
            if a.process is not None:
                print("--- log of millraced ---\n" + a.read_log())
        raise
    finally:
        for a in appliances:
            a.cleanup()
    print("ok")
