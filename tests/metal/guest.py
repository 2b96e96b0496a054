# SPDX-License-Identifier: BSD-3-Clause
"""A guest that is more like bare metal than this machine may be: two NUMA nodes, an IOMMU, a PCI
card on each node, a disk whose power can be cut. QEMU in software emulation; no KVM is asked for.

The guest sees the host's root file system read-only, below a writable layer in its memory, and runs
Debian's kernel, which is unpacked from its package and never installed. A scenario is a program of
this folder: `sudo tests/metal/NAME.py BUILD-DIRECTORY [--shell]` boots the guest, runs itself in
there, and ends as that ended; --shell leaves a shell on the guest's console. Exit code 77: skipped.

What was learned: a card's NUMA node comes from the PCI expander bridge that it hangs on, a card on the
root bus reports none. Network cards that share a QEMU meet at a hubport. A DMA address as wide as
a process's (aw-bits) lets DPDK use virtual addresses, which an unprivileged process needs.
"""

import ctypes
import fcntl
import glob
import lzma
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = {  # and the Debian package that has it
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "driverctl": "driverctl",
    "depmod": "kmod",
    "mke2fs": "e2fsprogs",
    "ip": "iproute2",
    "python3": "python3",
}
BOOT_MODULES = ["virtio_pci", "9p", "9pnet_virtio", "overlay", "virtio_blk", "crc32c_generic", "ext4",
                "virtio_net"]


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def inside():
    """True in the guest."""
    return os.environ.get("MILLRACE_METAL") == "guest"


def check_host(build):
    """Skips where a guest cannot be; gets the kernel, which takes the network that the scenario leaves."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    if os.geteuid() != 0:
        skip("needs root: the guest reads the host's files and the network goes over TAP")
    if os.uname().machine != "x86_64":
        skip("the guest is an x86-64 machine; this is " + os.uname().machine)
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        skip("not installed: " + " ".join(missing))
    work = os.path.join(build, "metal")
    os.makedirs(work, exist_ok=True)
    with open(os.path.join(work, "kernel.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # scenarios may start together
        Kernel(work)


# ---- the kernel ---------------------------------------------------------------------------------

class Kernel:
    """Debian's kernel: image, release, and the folder of its modules."""

    def __init__(self, work):
        found = self.installed() or self.unpacked(work) or self.download(work)
        self.image, self.modules = found
        self.release = os.path.basename(self.modules)
        if not os.path.exists(os.path.join(self.modules, "modules.dep")):
            base = self.modules[:self.modules.index("/lib/modules/")]
            subprocess.run(["depmod", "-b", base, self.release], check=True)

    @staticmethod
    def find(top):
        for image in sorted(glob.glob(top + "/boot/vmlinuz-*-amd64"), reverse=True):
            modules = top + "/lib/modules/" + os.path.basename(image)[len("vmlinuz-"):]
            if os.path.isdir(modules + "/kernel/fs") and "cloud" not in modules:
                return image, modules
        return None

    def installed(self):
        return self.find("")

    def unpacked(self, work):
        return self.find(work + "/kernel")

    def download(self, work):
        depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"],
                                 stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        names = [line.split()[-1] for line in depends.splitlines() if "Depends: linux-image-" in line]
        where = work + "/package"
        shutil.rmtree(where, ignore_errors=True)
        os.makedirs(where)
        if not names or subprocess.run(["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root",
                                        names[0]], cwd=where).returncode != 0:
            skip("no kernel: linux-image-amd64 is neither installed nor to be downloaded (apt-get update?)")
        package = glob.glob(where + "/*.deb")[0]
        subprocess.run(["dpkg-deb", "-x", package, work + "/kernel.new"], check=True)
        # From Debian 13 on its modules are below /usr.
        if not os.path.exists(work + "/kernel.new/lib"):
            os.symlink("usr/lib", work + "/kernel.new/lib")
        shutil.rmtree(work + "/kernel", ignore_errors=True)
        os.rename(work + "/kernel.new", work + "/kernel")
        shutil.rmtree(where)
        return self.unpacked(work) or skip("no kernel: %s holds none as expected" % names[0])

    def boot_modules(self):
        """(file name, content) of the modules that the guest needs before it has a root, in order."""
        after = {}
        with open(self.modules + "/modules.dep") as dep:
            for line in dep:
                path, needs = line.strip().split(":")
                after[path] = needs.split()
        name_of = {os.path.basename(path).split(".")[0]: path for path in after}
        order = []
        for name in BOOT_MODULES:
            path = name_of.get(name)
            if path is None:
                continue  # built into this kernel
            # modules.dep names the whole closure, the deepest last.
            for one in reversed([path] + after[path]):
                if one not in order:
                    order.append(one)
        for path in order:
            with open(os.path.join(self.modules, path), "rb") as file:
                data = file.read()
            yield os.path.basename(path).split(".ko")[0] + ".ko", \
                lzma.decompress(data) if path.endswith(".xz") else data


def cpio(files):
    """A newc archive of {path: (mode, content)}; folders are made as needed."""
    out = bytearray()
    seen = set()

    def entry(path, mode, data):
        name = path.encode() + b"\0"
        fields = [len(seen) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        out.extend(b"070701" + b"".join(b"%08X" % f for f in fields) + name)
        out.extend(b"\0" * (-len(out) % 4))
        out.extend(data)
        out.extend(b"\0" * (-len(out) % 4))
        seen.add(path)

    for path, (mode, data) in files.items():
        parts = path.split("/")
        for i in range(1, len(parts)):
            folder = "/".join(parts[:i])
            if folder not in seen:
                entry(folder, 0o40755, b"")
        entry(path, 0o100000 | mode, data)
    entry("TRAILER!!!", 0, b"")
    return bytes(out)


def initramfs(kernel, command, settings, units):
    files = {}
    with open(shutil.which("busybox"), "rb") as file:
        files["bin/busybox"] = (0o755, file.read())
    with open(os.path.join(HERE, "init.sh"), "rb") as file:
        files["init"] = (0o755, file.read())
    names = []
    for name, data in kernel.boot_modules():
        files["mod/" + name] = (0o644, data)
        names.append(name)
    files["modules"] = (0o644, "".join(n + "\n" for n in names).encode())
    files["command"] = (0o644, command.encode())
    files["settings"] = (0o644, "".join("%s='%s'\n" % i for i in settings.items()).encode())
    for folder in ("proc", "sys", "dev"):
        files[folder + "/.keep"] = (0o644, b"")
    for name, text in units.items():
        files["units/" + name] = (0o644, text.encode())
    return cpio(files)


# ---- the machine --------------------------------------------------------------------------------

def pci_card(model, netdev, mac, node, more=""):
    """A card on a NUMA node, through an expander bridge of its own."""
    return ["-device", "pxb-pcie,id=pxb%s,bus_nr=%d,numa_node=%d,bus=pcie.0"
            % (netdev, 32 + 32 * int(netdev[1:]), node),
            "-device", "pcie-root-port,id=rp%s,bus=pxb%s,chassis=%d"
            % (netdev, netdev, 2 + int(netdev[1:])),
            "-device", "%s,netdev=%s,mac=%s,romfile=,bus=rp%s%s" % (model, netdev, mac, netdev, more)]


def hub(netdev):
    return ["-netdev", "hubport,id=%s,hubid=0" % netdev]


def tap(netdev, interface, queues=1):
    """The other end is an interface of the host, in the namespace that QEMU runs in."""
    return ["-netdev", "tap,id=%s,ifname=%s,script=no,downscript=no%s"
            % (netdev, interface, ",queues=%d" % queues if queues > 1 else "")]


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


MACS = ["52:54:00:00:00:01", "52:54:00:00:00:02"]
CLIENT_MAC = "52:54:00:00:00:09"


class Guest:
    """One boot. devices: QEMU arguments for cards and disks beyond the two nodes and the root.
    systemd: {name: text} of units, metal.target among them: systemd is then process 1 and starts
    that, without the units that are masked."""

    def __init__(self, name, build, command, devices, shell=False, systemd=None, masked=()):
        self.work = os.path.join(build, "metal")
        os.makedirs(self.work, exist_ok=True)
        self.kernel = Kernel(self.work)
        self.results = os.path.join(self.work, name + ".results")
        self.console = os.path.join(self.work, name + ".console")
        self.seen = 0
        self.shell = shell
        initrd = os.path.join(self.work, name + ".initrd")
        settings = {"KERNEL": self.kernel.release, "MODULES": self.kernel.modules,
                    "SHELL_AT_END": "1" if shell else "", "SYSTEMD": "1" if systemd else "",
                    "MASKED": " ".join(masked)}
        with open(initrd, "wb") as out:
            out.write(initramfs(self.kernel, command, settings, systemd or {}))
        open(self.results, "w").close()
        argv = ["qemu-system-x86_64", "-machine", "q35,kernel-irqchip=split", "-accel",
                "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "2560", "-nodefaults",
                "-object", "memory-backend-ram,id=m0,size=1280M",
                "-object", "memory-backend-ram,id=m1,size=1280M",
                "-numa", "node,nodeid=0,cpus=0,memdev=m0", "-numa", "node,nodeid=1,cpus=1,memdev=m1",
                "-numa", "dist,src=0,dst=1,val=21", "-device", "intel-iommu,intremap=on,aw-bits=48",
                "-virtfs", "local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap",
                "-kernel", self.kernel.image, "-initrd", initrd, "-display", "none", "-no-reboot",
                "-append", "console=ttyS0 panic=1 no_timer_check intel_iommu=on iommu=pt loglevel=4 quiet "
                "mitigations=off net.ifnames=0 systemd.show_status=1",
                "-serial", "mon:stdio" if shell else "file:" + self.console,
                "-serial", "file:" + self.results] + devices
        # Dies with us, whatever we die of: it holds disks and interfaces.
        self.process = subprocess.Popen(argv, preexec_fn=die_with_parent,
                                        stdin=None if shell else subprocess.DEVNULL)

    def cpu_seconds(self):
        """CPU time that QEMU has had."""
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def limit(self, seconds):
        """A function that says when so many seconds are over. They are those of the guest: on a
        machine that is busy with other things it may take ten times as long by the clock."""
        start, cpu = time.time(), self.cpu_seconds()

        def is_over():
            passed = time.time() - start
            return passed > 10 * seconds or passed > seconds and self.cpu_seconds() - cpu > seconds

        return is_over

    def lines(self):
        with open(self.results, errors="replace") as file:
            return file.read().replace("\r", "")

    def show(self):
        text = self.lines()
        end = text.rfind("\n") + 1
        if end > self.seen:
            sys.stdout.write(text[self.seen:end])
            sys.stdout.flush()
            self.seen = end

    def wait_for(self, text, seconds):
        """Waits until the scenario has printed @p text."""
        is_over = self.limit(seconds)
        while self.process.poll() is None and not is_over():
            self.show()
            if text in self.lines():
                return
            time.sleep(0.1)
        self.kill()
        raise AssertionError("the guest did not print '%s' within %d s; console: %s"
                             % (text, seconds, self.console))

    def wait(self, seconds):
        """Waits for the guest's end. Returns the exit code of what ran in it."""
        is_over = self.limit(seconds)
        while self.process.poll() is None and not is_over():
            self.show()
            time.sleep(0.2)
            # What it was booted for is done then; its kernel may hang on the way down.
            if not self.shell and re.search(r"^guest: exit \d+$", self.lines(), re.M):
                break
        late = self.process.poll() is None
        self.kill()
        self.show()
        codes = [line.split()[-1] for line in self.lines().splitlines() if line.startswith("guest: exit")]
        if not codes:
            print("guest: %s; the end of its console:" % ("no end after %d s" % seconds if late else "died"))
            if os.path.exists(self.console):
                with open(self.console, errors="replace") as file:
                    print(file.read()[-3000:])
            return 1
        return int(codes[-1])

    def kill(self):
        """Cuts the power."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def command(build, *argv):
    """Bash text that runs the calling scenario inside the guest."""
    script = os.path.abspath(sys.argv[0])
    return """export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
export MILLRACE_METAL=guest PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
cd /root
exec python3 %s %s %s
""" % (script, build, " ".join(argv))


def arguments():
    """BUILD-DIRECTORY and whether a shell was asked for."""
    words = [a for a in sys.argv[1:] if not a.startswith("--")]
    return os.path.abspath(words[0] if words else "build"), "--shell" in sys.argv[1:]


def main(scenario, devices, seconds=300, name=None):
    """Runs scenario(build) in a guest with these devices."""
    build, shell = arguments()
    if inside():
        scenario(build)
        print("ok")
        return
    check_host(build)
    name = name or os.path.basename(sys.argv[0]).replace(".py", "")
    start = time.time()
    code = Guest(name, build, command(build), devices, shell).wait(86400 if shell else seconds)
    print("%s: %.0f s" % (name, time.time() - start))
    sys.exit(code)
