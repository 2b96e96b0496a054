#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The `process` bench: millraced in a process of its own, and the same lookups from peers.

Servers run one at a time on the machine's last CPU, the client on its first; the others are stopped
(SIGSTOP) meanwhile. All hold the same rows: keys 0 to N-1, values of 64 bytes. Clients keep a window
of requests under way, of one key or of 16. Cases `X-get` and `X-get16`:

    vhost         millraced on a vhost-user port (the host's end), client on virtio-user
    virtio        millraced on virtio-user (the guest's end), client on vhost-user
    afxdp         millraced with AF_XDP on one end of a veth pair, client on the kernel's stack
    afpacket      the same with AF_PACKET
    memcached-udp memcached, one thread, text protocol over UDP
    redis         Redis over one TCP connection, pipelined
    echo-kernel   a UDP echo with recvmmsg() and sendmmsg(): the limit of the kernel's stack
    vhost-echo    frames turned around on the same kind of port as vhost: the limit of that port

The client over veth is one and the same: UDP_SEGMENT to send, recvmmsg() to receive.

What a server's core is charged with. A veth has no interrupt: Linux runs the receive path of a frame
on the CPU that sent it. So the server's core pays for its own sending and for the client's receiving,
the client's core for its own sending and the server's receiving, whatever the server. Nothing is
steered away (RPS would cost an interrupt between virtual CPUs for each frame, and slow the peers down
most). `rate-per-core` is requests over the CPU time they cost on the server's core:

  - a peer sleeps when it has nothing to do: the CPU time that the scheduler counted for its process
    (softirqs in its context included) and for that CPU's ksoftirqd, over the measured time;
  - millraced polls and takes all the time there is: the same, times the share of its RX lcore's cycles
    that went to turns that found work, from its telemetry.

`rate` is what came through, whoever was the bottleneck. Latency is measured with a window of 1.
"""

import argparse
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

NAMESPACE = "mrbench%d" % os.getpid()
# Hugepages of the appliances and generators: the least, and what every million rows adds.
BASE_MB, ROWS_MB = 1000, 560
OURS = ("vhost", "virtio", "afxdp", "afpacket")
PEERS = ("memcached-udp", "redis")
COLUMNS = 14
CLONE_NEWNET = 0x40000000
PORT = ":7411"


def say(*words):
    print("process:", *words, file=sys.stderr, flush=True)


def run(argv, **kwargs):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=300, **kwargs)
    if done.returncode != 0:
        raise RuntimeError("%s: exit code %d\n%s%s" % (" ".join(map(str, argv)), done.returncode,
                                                       done.stdout, done.stderr))
    return done.stdout


def wait_until(what, happened, seconds=60):
    end = time.time() + seconds
    while not happened():
        if time.time() > end:
            raise RuntimeError("waited %d s for %s" % (seconds, what))
        time.sleep(0.05)


def ask(sock, command):
    sock.send(command.encode())
    return list(json.loads(sock.recv(65536)).values())[0]


class Server:
    """A process on the server's CPU, or others."""

    def __init__(self, bench, name, argv, cpus=None):
        self.bench, self.name = bench, name
        self.log_path = os.path.join(bench.dir, name + ".log")
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "taskset", "-c",
                                             str(bench.server_cpu) if cpus is None else cpus] + argv,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        bench.servers.append(self)

    def log(self):
        with open(self.log_path) as log:
            return log.read()

    def wait(self, what, happened):
        """As wait_until(); the log tells why a server is gone."""
        try:
            wait_until(what, lambda: self.process.poll() is not None or happened())
            if self.process.poll() is None:
                return
        except RuntimeError:
            pass
        raise RuntimeError("%s: no %s\n%s" % (self.name, what, self.log()))

    def wait_tcp(self, address, port):
        def listens():
            with socket.socket() as sock:
                return sock.connect_ex((address, port)) == 0
        self.wait("port %d" % port, listens)

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def busy(self):
        """Cycles of work and without, so far; none of a peer."""
        return None

    def end(self):
        if self.process.poll() is None:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Millraced(Server):
    """Its RX lcore polls on the server's CPU; the others sleep, there or on a CPU of their own."""

    def __init__(self, bench, name, address, device, eal_args="", other_cpu=None):
        d = os.path.join(bench.dir, name)
        os.mkdir(d)
        self.prefix = "%s-%s" % (NAMESPACE, name)
        self.admin = os.path.join(d, "admin.sock")
        self.address = address
        if bench.store:
            shutil.copytree(bench.store, os.path.join(d, "store"))
        config = os.path.join(d, "millrace.ini")
        other = bench.server_cpu if other_cpu is None else other_cpu
        with open(config, "w") as out:
            out.write("""[lcores]
control = {other}
rx = {cpu}
io = {other}
rx_idle = poll
io_idle = sleep
idle_sleep = 1ms
[memory]
huge = {huge}
file_prefix = {prefix}
eal_args = {eal_args}
[port bench]
device = {device}
address = {address}
[store]
path = {dir}/store
[filter]
keys = {rows}
[cache]
memory = {cache}M
mean_row = 80
[security]
allow = 10.79.0.0/16
[admin]
socket = {admin}
""".format(cpu=bench.server_cpu, other=other, huge="yes" if bench.huge and bench.store else "no", prefix=self.prefix,
                eal_args=eal_args, device=device, address=address, dir=d, rows=bench.o.rows,
                cache=32 + bench.o.rows * 128 // 1000000, admin=self.admin))
        super().__init__(bench, name, [bench.app("millraced"), "-c", config],
                         "%d,%d" % (bench.server_cpu, other))

    def wait_serving(self):
        self.wait("'serving on'", lambda: "serving on" in self.log())

    def tool(self, *argv):
        return run(self.bench.inside + [self.bench.app("millrace")] + list(argv),
                   env=dict(os.environ, MILLRACE_ADMIN=self.admin, MILLRACE_SERVER=self.address + PORT))

    def telemetry(self):
        """A connection to its telemetry."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.settimeout(10)
        path = "/var/run/dpdk/%s/dpdk_telemetry.v2" % self.prefix
        # One connection at a time is let wait there.
        wait_until("telemetry", lambda: sock.connect_ex(path) != errno.EAGAIN)
        sock.recv(1024)
        return sock

    def busy(self):
        with self.telemetry() as sock:
            rx = ask(sock, "/millrace/lcores")["rx"]
            return rx["busy_cycles"], rx["idle_cycles"]

    def end(self):
        super().end()
        shutil.rmtree("/var/run/dpdk/" + self.prefix, ignore_errors=True)


class Case:
    """A server and how its client is run."""

    def __init__(self, name, who, command, **options):
        self.name, self.server, self.command, self.options = name, who, command, options
        self.results = {}

    def run(self, argv):
        """Starts the client with these further options and yields its lines."""
        bench = self.server.bench
        argv = bench.inside + bench.client_argv(self) + argv
        with open(os.path.join(bench.dir, "client.log"), "w+") as log:
            process = subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=log, text=True)
            yield from process.stdout
            if process.wait() != 0:
                log.seek(0)
                raise RuntimeError("%s: exit code %d\n%s" % (argv, process.returncode, log.read()))

    def client(self, at_start=None, keys=1, window=128, seconds=1.0, sweep=0):
        """Calls at_start() when its measurement begins. Returns its results, if it has any."""
        last = None
        for last in self.run(["--keys", keys, "--window", window, "--seconds", seconds, "--sweep", sweep]):
            if last == "begin\n" and at_start:
                at_start()
        return json.loads(last) if last else None


class FramesCase(Case):
    """Its client is one process for all runs, and stopped between them."""

    def __init__(self, name, who, net, device, **options):
        super().__init__(name, who, "frames", server="10.79.%d.2%s" % (net, PORT),
                         client="10.79.%d.1" % net, device=device, **options)
        self.log = os.path.join(who.bench.dir, name + "-client.log")
        with open(self.log, "w") as log:
            self.process = subprocess.Popen([str(a) for a in who.bench.client_argv(self)], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        who.bench.clients.append(self.process)

    def client(self, at_start=None, keys=1, window=128, seconds=1.0, sweep=0, pace_us=0):
        self.process.send_signal(signal.SIGCONT)
        print(window, keys, seconds, sweep, pace_us, file=self.process.stdin, flush=True)
        for last in self.process.stdout:
            if last != "begin\n":
                self.process.send_signal(signal.SIGSTOP)
                return json.loads(last)
            if at_start:
                at_start()
        with open(self.log) as log:
            raise RuntimeError("%s: the client is gone\n%s" % (self.name, log.read()))


class Bench:
    def __init__(self, o):
        self.o = o
        self.dir = tempfile.mkdtemp(prefix="millrace-bench-")
        self.servers, self.clients, self.cases, self.store = [], [], [], None
        self.failed = False
        cpus = sorted(os.sched_getaffinity(0))
        self.client_cpu, self.server_cpu = cpus[0], cpus[-1]
        self.program = os.path.join(o.build, "bench", "bench_process")
        self.inside = ["ip", "netns", "exec", NAMESPACE]
        self.huge = self.free_huge_mb() >= wanted_mb(o.rows)
        self.ksoftirqd = [p for p in os.listdir("/proc") if p.isdigit() and
                          self.comm(p) == "ksoftirqd/%d" % self.server_cpu]
        run(["ip", "netns", "add", NAMESPACE])
        run(["ip", "link", "set", "lo", "up"])
        run(self.inside + ["ip", "link", "set", "lo", "up"])

    @staticmethod
    def free_huge_mb():
        try:
            with open("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") as free:
                return int(free.read()) * 2
        except OSError:
            return 0

    @staticmethod
    def comm(pid):
        try:
            with open("/proc/%s/comm" % pid) as comm:
                return comm.read().strip()
        except OSError:
            return ""

    def app(self, name):
        return os.path.join(self.o.build, "app", name, name)

    def veth(self, name, net, kernel):
        """A pair: NAMEs here, for the server, and NAMEc in the client's namespace."""
        server, client = name + "s", name + "c"
        run(["ip", "link", "add", server, "type", "veth", "peer", "name", client])
        run(["ip", "link", "set", client, "netns", NAMESPACE])
        run(["ip", "link", "set", server, "up"])
        run(self.inside + ["ip", "link", "set", client, "up"])
        run(self.inside + ["ip", "address", "add", "10.79.%d.1/24" % net, "dev", client])
        address = "10.79.%d.2" % net
        if kernel:
            run(["ip", "address", "add", address + "/24", "dev", server])
        else:
            # The kernel leaves checksums unfinished for a neighbour that it takes to be itself.
            run(self.inside + ["ethtool", "-K", client, "tx", "off"])
        return address

    def client_argv(self, case):
        argv = ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", self.client_cpu, self.program, case.command,
                "--rows", self.o.rows]
        for pid in [case.server.process.pid] + self.ksoftirqd:
            argv += ["--charge", pid]
        for key, value in case.options.items():
            argv += ["--" + key, value]
        return argv

    # ---- servers -------------------------------------------------------------------------------

    def load(self):
        """A store with all rows, which each appliance gets a copy of."""
        schema, rows = os.path.join(self.dir, "bench.ini"), os.path.join(self.dir, "rows.csv")
        with open(schema, "w") as out:
            out.write("[set bench]\nid = 1\nkey = u64\nttl = 30d\n")
            out.writelines("column c%d = f32\n" % c for c in range(COLUMNS))
        with open(rows, "w") as out:
            subprocess.run([self.program, "rows", "--rows", str(self.o.rows)], stdout=out, check=True)
        address = self.veth("mrl", 9, False)
        server = Millraced(self, "load", address, "net_af_packet0,iface=mrls,qpairs=1")
        server.wait_serving()
        server.tool("sets", "apply", schema)
        server.tool("load", "--bulk", "--activate", "bench", rows)
        server.end()
        self.servers.remove(server)
        os.unlink(rows)
        self.store = os.path.join(self.dir, "load", "store")

    def add(self, case):
        """Reads every row once, so that it is cached."""
        if isinstance(case.server, Millraced):
            if not isinstance(case, FramesCase):
                case.server.wait_serving()
            # On a busy machine some of the misses are shed.
            for _ in range(10):
                done = case.client(sweep=1, keys=16)
                if done["wrong"] + done["lost"] == 0:
                    break
            else:
                raise RuntimeError("%s: not all rows are there: %s" % (case.name, done))
        case.server.pause()
        self.cases.append(case)

    def add_echo_kernel(self):
        at = self.kernel + ":9001"
        server = Server(self, "echo", [self.program, "echo", "--server", at])
        self.add(Case("echo-kernel", server, "udp", peer="echo", server=at))

    def add_memcached_udp(self):
        at = self.kernel + ":11211"
        server = Server(self, "memcached", ["memcached", "-u", "nobody", "-l", self.kernel, "-p", "11211",
                                            "-U", "11211", "-t", "1", "-m", str(256 + self.o.rows // 4000)])
        server.wait_tcp(self.kernel, 11211)
        Case("fill", server, "fill", peer="memcached", server=at).client()
        self.add(Case("memcached-udp", server, "udp", peer="memcached", server=at))

    def add_redis(self):
        at = self.kernel + ":6379"
        server = Server(self, "redis", ["redis-server", "--bind", self.kernel, "--protected-mode", "no",
                                        "--appendonly", "no", "--save", "", "--dir", self.dir])
        server.wait_tcp(self.kernel, 6379)
        Case("fill", server, "fill", peer="redis", server=at).client()
        self.add(Case("redis", server, "redis", server=at))

    def add_afxdp(self):
        address = self.veth("mrx", 2, False)
        server = Millraced(self, "afxdp", address, "net_af_xdp0,iface=mrxs,start_queue=0,queue_count=1")
        self.add(Case("afxdp", server, "udp", server=address + PORT))

    def add_afpacket(self):
        address = self.veth("mrp", 3, False)
        server = Millraced(self, "afpacket", address, "net_af_packet0,iface=mrps,qpairs=1,qdisc_bypass=1")
        self.add(Case("afpacket", server, "udp", server=address + PORT))

    def add_vhost(self):
        path = os.path.join(self.dir, "vhost.sock")
        server = Millraced(self, "vhost", "10.79.4.2", "net_vhost0,iface=%s,queues=1" % path)
        server.wait("socket", lambda: os.path.exists(path))
        self.add(FramesCase("vhost", server, 4, self.virtio_user(path)))

    def add_virtio(self):
        path = os.path.join(self.dir, "virtio.sock")
        server = Millraced(self, "virtio", "10.79.5.2", self.virtio_user(path) + ",server=1",
                           "--single-file-segments")
        server.wait("socket", lambda: os.path.exists(path))
        self.add(FramesCase("virtio", server, 5, "net_vhost0,iface=%s,queues=1,client=1" % path))

    def add_vhost_echo(self):
        path = os.path.join(self.dir, "echo.sock")
        server = Server(self, "vhost-echo", [self.program, "turn", "--device",
                                             "net_vhost0,iface=%s,queues=1" % path])
        server.wait("socket", lambda: os.path.exists(path))
        self.add(FramesCase("vhost-echo", server, 6, self.virtio_user(path), peer="echo"))

    @staticmethod
    def virtio_user(path):
        return "net_virtio_user0,path=%s,queues=1,queue_size=1024,packed_vq=1" % path

    def start(self):
        say("server on CPU %d, client on CPU %d, window %d, %d rows, %s" %
            (self.server_cpu, self.client_cpu, self.o.window, self.o.rows,
             "hugepages" if self.huge else "no hugepages: %d MB of them are wanted" % wanted_mb(self.o.rows)))
        self.kernel = self.veth("mrk", 1, True)
        self.load()
        for name in self.o.cases:
            try:
                getattr(self, "add_" + name.replace("-", "_"))()
            except RuntimeError as error:
                say("%s is left out: %s" % (name, error))
                self.failed = True

    # ---- rounds --------------------------------------------------------------------------------

    def measure(self, case, keys):
        server, o = case.server, self.o
        busy = []
        got = case.client(lambda: busy.append(server.busy()), keys, o.window, o.seconds)
        busy.append(server.busy())
        one = case.client(None, keys, 1, o.seconds / 2)
        for result in got, one:
            if result["requests"] == 0 or result["wrong"]:
                raise RuntimeError("%s: wrong answers, or none: %s" % (case.name, result))
        if busy[0] and got["server_s"] < 0.7 * got["seconds"]:
            say("%s had only %.2f of its CPU: others run here, and the figures are rough" %
                (case.name, got["server_s"] / got["seconds"]))
        if got["lost"]:
            say("%s: %d requests lost" % (case.name, got["lost"]))
        rate = got["requests"] / got["seconds"]
        core_s = got["server_s"] / got["requests"]
        if busy[0]:
            work, idle = (busy[1][i] - busy[0][i] for i in range(2))
            core_s *= work / (work + idle)
        r = {"rate": rate, "rate-per-core": 1 / core_s, "server-cpu": core_s * rate,
             "latency-p50": one["p50_us"], "latency-p99": one["p99_us"]}
        if keys > 1:
            r.update({"keys": rate * keys, "keys-per-core": keys / core_s})
        return r

    def rounds(self):
        for number in range(self.o.rounds):
            for case in self.cases:
                case.server.go_on()
                for keys in (1,) if "echo" in case.name else (1, 16):
                    name = case.name
                    if "echo" not in name:
                        name += "-get" if keys == 1 else "-get16"
                    r = self.measure(case, keys)
                    for metric, value in r.items():
                        case.results.setdefault(name, {}).setdefault(metric, []).append(value)
                    say("round %d %-19s %8.0f/s, per core %8.0f/s; alone p50 %.1f us, p99 %.1f us" %
                        (number + 1, name, r["rate"], r["rate-per-core"], r["latency-p50"], r["latency-p99"]))
                case.server.pause()

    def report(self):
        units = {"rate": "requests/s", "rate-per-core": "requests/s", "keys": "keys/s",
                 "keys-per-core": "keys/s", "server-cpu": "CPUs", "latency-p50": "us", "latency-p99": "us"}
        results = {}
        for case in self.cases:
            results.update(case.results)
        for name, metrics in results.items():
            for metric, values in metrics.items():
                line(name, metric, statistics.median(values), units[metric], spread(values))
        for ours in OURS:
            compare(results, ours + "-get", "echo-kernel", "rate-per-core")
            for peer in PEERS:
                compare(results, ours + "-get", peer + "-get", "rate-per-core")
                compare(results, ours + "-get16", peer + "-get16", "keys-per-core")
        compare(results, "vhost-get", "vhost-echo", "rate")

    def close(self):
        for client in self.clients:
            client.kill()
            client.wait()
        for server in self.servers:
            server.end()
        subprocess.run(["ip", "netns", "delete", NAMESPACE], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def line(case, metric, value, unit, more, bench="process"):
    print(json.dumps(dict({"bench": bench, "case": case, "metric": metric, "value": float("%.6g" % value),
                           "unit": unit}, **more), separators=(",", ":")), flush=True)


def spread(values):
    values = sorted(float("%.6g" % v) for v in values)
    n = len(values)
    return {"min": values[0], "max": values[-1], "q1": values[n // 4], "q3": values[n - 1 - n // 4], "n": n}


def compare(results, ours, peer, metric):
    """A ratio for each round, because both saw the machine in the same mood; the middle counts."""
    if ours not in results or peer not in results:
        return
    values, baselines = results[ours][metric], results[peer][metric]
    ratios = [a / b for a, b in zip(values, baselines)]
    value, ratio = statistics.median(values), statistics.median(ratios)
    line(ours + "-against-" + peer, metric, value, "keys/s" if "keys" in metric else "requests/s",
         dict(baseline=float("%.6g" % (value / ratio)), ratio=float("%.4g" % ratio),
              ratio_min=float("%.4g" % min(ratios)), ratio_max=float("%.4g" % max(ratios)), n=len(ratios)))
    say("%-40s %6.2f times (%.2f to %.2f)" % (ours + " against " + peer, ratio, min(ratios), max(ratios)))


def wanted_mb(rows):
    return BASE_MB + rows * ROWS_MB // 1000000


def main():
    every = ["echo-kernel", "memcached-udp", "redis", "afxdp", "afpacket", "vhost", "virtio", "vhost-echo"]
    p = argparse.ArgumentParser(prog="process.py")
    p.add_argument("--build", default="build")
    p.add_argument("--rows", type=int, default=1000000, help="at most 10000000")
    p.add_argument("--window", type=int, default=128, help="requests under way, at most 1024")
    p.add_argument("--seconds", type=float, default=1.0, help="of a measurement")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--memory", action="store_true", help="print the MB of hugepages wanted")
    p.add_argument("cases", nargs="*", default=every, help=" ".join(every))
    o = p.parse_args()
    if o.memory:
        print(wanted_mb(o.rows))
        return 0
    if os.geteuid() != 0 or len(os.sched_getaffinity(0)) < 2:
        say("needs root, for network namespaces, and two CPUs")
        return 1
    o.build = os.path.abspath(o.build)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        say("no network namespace: %s" % os.strerror(ctypes.get_errno()))
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    bench = Bench(o)
    try:
        bench.start()
        bench.rounds()
        bench.report()
    finally:
        bench.close()
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
