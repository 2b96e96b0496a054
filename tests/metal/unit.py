#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenario 5: the systemd unit. systemd is process 1 of the guest; deploy/millraced.service runs there
unprivileged, on a card: start and readiness, reload, watchdog, restart on failure, stop."""

import os
import re
import signal
import sys
import time

import guest
import inside

UNIT = "millraced.service"
WATCHDOG_S = 8  # not the unit's 30, which are long to wait for
METAL_SERVICE = """[Unit]
Description=scenario
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '/bin/bash /run/command >/dev/ttyS1 2>&1; echo "guest: exit $$?" >/dev/ttyS1'
ExecStopPost=/bin/systemctl poweroff --force --force
TimeoutStartSec=infinity
"""
METAL_TARGET = """[Unit]
Requires=basic.target metal.service
After=basic.target
AllowIsolate=yes
"""
# Units of the host's system that have nothing to do here.
MASKED = ["systemd-journal-flush.service", "systemd-update-utmp.service", "systemd-timesyncd.service",
          "systemd-random-seed.service", "systemd-pstore.service", "systemd-binfmt.service",
          "systemd-firstboot.service", "systemd-machine-id-commit.service", "systemd-remount-fs.service",
          "systemd-hwdb-update.service", "ldconfig.service", "systemd-networkd.service",
          "systemd-sysctl.service", "systemd-sysusers.service", "dpkg-db-backup.timer", "apparmor.service",
          "e2scrub_reap.service", "networking.service", "ifupdown-pre.service",
          "keyboard-setup.service", "console-setup.service", "systemd-logind.service", "timers.target",
          "systemd-boot-system-token.service", "dev-mqueue.mount", "systemd-journal-catalog-update.service",
          "systemd-modules-load.service", "systemd-update-done.service",
          "systemd-tmpfiles-setup.service", "systemd-tmpfiles-clean.timer"]


def systemctl(*argv, ok=(0,)):
    return inside.run(["systemctl", "--no-pager"] + list(argv), ok=ok).stdout.strip()


def prop(name):
    return systemctl("show", "-P", name, UNIT)


def replaced(pid):
    """Whether another process than @p pid serves. Asked for at once: between two questions it may die."""
    now = dict(line.split("=", 1)
               for line in systemctl("show", "-p", "ActiveState", "-p", "MainPID", UNIT).splitlines())
    return now["ActiveState"] == "active" and now["MainPID"] not in ("0", pid)


def wait_for(what, condition, seconds=300):
    end = time.time() + seconds
    while not condition():
        if time.time() > end:
            inside.show(["systemctl", "--no-pager", "-l", "status", UNIT])
            inside.show(["journalctl", "--no-pager", "-n", "60", "-o", "cat", "-u", UNIT])
            raise AssertionError("waited %d s for: %s" % (seconds, what))
        time.sleep(0.5)


def journal():
    return inside.run(["journalctl", "--no-pager", "-o", "cat", "-u", UNIT]).stdout


def stays(pid, seconds):
    """Whether the watchdog leaves a healthy process alone. A guest that itself stood still for
    longer than the watchdog waits, since the host was busy, says nothing."""
    end = last = time.monotonic()
    longest, end = 0, end + seconds
    while last < end:
        time.sleep(0.5)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    if prop("MainPID") == pid:
        return True
    assert longest > WATCHDOG_S / 4, "the watchdog bit a healthy appliance"
    inside.say("the guest stood still for %.1f s: the watchdog bit" % longest)
    wait_for("restart", lambda: replaced(pid))
    return False


def install(build, card):
    """What the package does: user, udev rule, unit, drivers' settings, binary, configuration."""
    deploy = os.path.join(guest.TOP, "deploy")
    inside.run(["useradd", "--system", "--home-dir", "/var/lib/millrace", "--shell",
                "/usr/sbin/nologin", "millrace"])
    for source, target in ((deploy + "/90-millrace.rules", "/etc/udev/rules.d/"),
                           (deploy + "/millraced.service", "/etc/systemd/system/"),
                           (build + "/app/millraced/millraced", "/usr/bin/"),
                           (build + "/app/millrace/millrace", "/usr/bin/")):
        inside.run(["cp", source, target])
    # ProtectHome hides the tree from the service, if it is there.
    os.makedirs("/usr/share/millrace", exist_ok=True)
    inside.run(["cp", "-r", os.path.join(guest.TOP, "drivers-cfg"), "/usr/share/millrace/"])
    inside.run(["udevadm", "control", "--reload"])
    os.makedirs("/etc/millrace", exist_ok=True)
    a = inside.Appliance(build, [("front", card, ["10.77.0.1"], "")], where="/etc/millrace",
                         extra="[log]\nlevel = info\n")
    a.change_config("path = " + a.store, "path = /var/lib/millrace")
    a.change_config("socket = " + a.admin, "socket = /run/millrace/admin.sock")
    a.change_config("file_prefix = metal", "file_prefix = millrace")
    os.chmod("/etc/millrace", 0o755)
    a.admin, a.prefix = "/run/millrace/admin.sock", "millrace"
    systemctl("daemon-reload")
    return a


def unprivileged(pid):
    status = inside.read("/proc/%s/status" % pid)
    assert not re.search(r"^Uid:\s+0\b", status, re.M), status
    assert re.search(r"^CapEff:\s+0+$", status, re.M), status
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.M), status
    inside.say("runs as", inside.run(["ps", "-o", "user=", "-p", pid]).stdout.strip(),
               "without capabilities")


def serve(build):
    ours, theirs = inside.cards("8086:10d3")
    inside.run(["modprobe", "e1000e"])
    inside.hugepages()
    a = install(build, ours)
    inside.bind(ours)
    name = inside.interface(guest.MACS[1])
    inside.client_interface(name, ["10.77.0.2/24"])

    systemctl("start", UNIT, ok=(0, 1))  # returns when READY=1 has come
    assert prop("ActiveState") == "active", journal()
    assert "serving on 1 port" in prop("StatusText"), prop("StatusText")
    inside.say("started:", prop("StatusText"))
    unprivileged(prop("MainPID"))
    a.tool("ping")
    a.tool("sets", "apply", os.path.join(guest.HERE, "sets.ini"))
    a.tool("put", "user", "1", "city=Graz")
    assert "Graz" in a.tool("get", "user", "1").stdout

    with open(a.config) as file:
        text = file.read()
    with open(a.config, "w") as file:
        file.write(text.replace("level = info", "level = debug"))
    systemctl("reload", UNIT)
    wait_for("reload", lambda: "debug" in journal())
    assert prop("ActiveState") == "active"
    inside.say("reloaded")

    pid = prop("MainPID")
    os.kill(int(pid), signal.SIGKILL)
    wait_for("restart after a kill", lambda: replaced(pid))
    assert prop("NRestarts") == "1", prop("NRestarts")
    a.tool("ping")
    assert "Graz" in a.tool("get", "user", "1").stdout
    inside.say("restarted after SIGKILL, the row is there")

    os.makedirs("/run/systemd/system/%s.d" % UNIT, exist_ok=True)
    with open("/run/systemd/system/%s.d/watchdog.conf" % UNIT, "w") as out:
        out.write("[Service]\nWatchdogSec=%ds\n" % WATCHDOG_S)
    systemctl("daemon-reload")
    systemctl("restart", UNIT)
    pid = prop("MainPID")
    if stays(pid, WATCHDOG_S * 1.5):
        inside.say("watchdog: a healthy appliance stays")
    pid = prop("MainPID")
    os.kill(int(pid), signal.SIGSTOP)
    wait_for("the watchdog's restart", lambda: replaced(pid))
    assert "Watchdog timeout" in journal(), journal()
    a.tool("ping")
    inside.say("watchdog: a stopped process was replaced")

    systemctl("stop", UNIT)
    assert prop("ActiveState") == "inactive" and prop("Result") == "success", prop("Result")
    assert "millraced: stopped" in journal(), journal()
    inside.say("stopped cleanly")


def main():
    build, shell = guest.arguments()
    if guest.inside():
        serve(build)
        print("ok")
        return 0
    guest.check_host(build)
    if not os.path.exists("/lib/systemd/systemd"):
        guest.skip("not installed: systemd")
    units = {"metal.service": METAL_SERVICE, "metal.target": METAL_TARGET}
    devices = guest.hub("n0") + guest.pci_card("e1000e", "n0", guest.MACS[0], 0) + \
        guest.hub("n1") + guest.pci_card("e1000e", "n1", guest.MACS[1], 1)
    start = time.time()
    code = guest.Guest("unit", build, guest.command(build), devices, shell, units, MASKED).wait(
        86400 if shell else 600)
    print("unit: %.0f s" % (time.time() - start))
    return code


sys.exit(main())
