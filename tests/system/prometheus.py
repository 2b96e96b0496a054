#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Debian's Prometheus against a live appliance: it takes the metrics, the rules make sense of them,
the alert fires when millraced dies, and every name in rules, dashboard and documents is there."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request

import harness

ROOT = os.path.dirname(os.path.dirname(harness.HERE))
DEPLOY = os.path.join(ROOT, "deploy")
EXPORTER = "127.0.0.1:9411"
PROMETHEUS = "127.0.0.1:9490"
NAME = re.compile(r"\bmillrace_[a-z0-9_]+")
RECORDED = re.compile(r"\bmillrace:[a-z0-9_:]+")
# Histograms are named without the suffixes of their series.
SUFFIXES = ("_bucket", "_sum", "_count")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


def wait(what, call, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        try:
            result = call()
        except OSError:
            result = None
        if result:
            return result
        time.sleep(0.2)
    raise AssertionError("no " + what)


def query(expr):
    """[(labels, value)] of an instant query."""
    reply = json.loads(get("http://%s/api/v1/query?query=%s" %
                           (PROMETHEUS, urllib.parse.quote(expr))))
    assert reply["status"] == "success", reply
    return [(r["metric"], float(r["value"][1])) for r in reply["data"]["result"]]


def check_files(a):
    prometheus = os.path.join(DEPLOY, "prometheus")
    for rules in ("millrace.rules.yml", "millrace.alerts.yml"):
        harness.run(["promtool", "check", "rules", os.path.join(prometheus, rules)])
    harness.run(["promtool", "check", "config", os.path.join(prometheus, "prometheus.yml")])
    harness.run(["promtool", "test", "rules", os.path.join(prometheus, "millrace.tests.yml")])


def check_names(page):
    """Rules, alerts, dashboard, document and DPDK's endpoint name nothing that is not told."""
    told = {line.split("{")[0].split(" ")[0] for line in page.splitlines()
            if line and not line.startswith("#")}
    told |= {name[:-len("_bucket")] for name in told if name.endswith("_bucket")}
    rules = open(os.path.join(DEPLOY, "prometheus", "millrace.rules.yml")).read()
    recorded = set(re.findall(r"record: (\S+)", rules))
    files = [os.path.join(DEPLOY, "prometheus", name) for name in os.listdir(
        os.path.join(DEPLOY, "prometheus"))]
    files.append(os.path.join(DEPLOY, "grafana", "millrace.json"))
    files.append(os.path.join(ROOT, "docs", "prometheus.md"))
    n = 0
    for path in files:
        text = open(path).read()
        for name in NAME.findall(text):
            n += 1
            # "millrace_set_*" stands for all that begin so.
            assert name in told or (name.endswith("_") and any(t.startswith(name) for t in told)), \
                "%s: nothing tells %s" % (path, name)
        for name in RECORDED.findall(text):
            n += 1
            assert name in recorded, "%s: no rule records %s" % (path, name)
    print("%d uses of names, all of them told" % n, flush=True)
    return told


def check_endpoint(a, told):
    """The endpoint file of DPDK's exporter, with the socket that it would be given."""
    spec = importlib.util.spec_from_file_location(
        "endpoint", os.path.join(DEPLOY, "dpdk-telemetry-exporter", "millrace.py"))
    endpoint = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(endpoint)

    class Sock:
        def cmd(self, question):
            return a.telemetry(question)

    metrics = list(endpoint.metrics(Sock()))
    assert {name for name, _, _ in metrics} == set(endpoint.info()), endpoint.info()
    assert set(endpoint.info()) <= told
    assert any(value > 0 for _, value, _ in metrics)


def check_page(a):
    page = wait("metrics", lambda: get("http://%s/metrics" % EXPORTER))
    done = subprocess.run(["promtool", "check", "metrics"], input=page, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # 3 is advice about style.
    assert done.returncode in (0, 3), done.stdout
    print(done.stdout, flush=True)
    buckets = re.findall(r'latency_seconds_bucket\{what="total",le="([^"]+)"\} (\d+)', page)
    counts = [int(n) for _, n in buckets]
    assert counts == sorted(counts) and buckets[-1][0] == "+Inf", buckets
    latency = a.telemetry("/millrace/latency")["total"]
    assert counts[-1] <= latency["count"], (counts, latency)
    for path, code in (("/", 200), ("/nothing", 404)):
        try:
            with urllib.request.urlopen("http://%s%s" % (EXPORTER, path)) as reply:
                assert reply.status == code
        except urllib.error.HTTPError as error:
            assert error.code == code, (path, error.code)
    return page


def write_config(a):
    """The shipped configuration, with less patience."""
    source = os.path.join(DEPLOY, "prometheus")
    for name in os.listdir(source):
        text = open(os.path.join(source, name)).read()
        text = text.replace("15s", "1s").replace("for: 30s", "for: 1s")
        with open(os.path.join(a.dir, name), "w") as out:
            out.write(text)
    return os.path.join(a.dir, "prometheus.yml")


def test(build):
    if not shutil.which("prometheus") or not shutil.which("promtool"):
        harness.skip("no prometheus here (Debian package prometheus)")
    a = harness.Appliance(build)
    check_files(a)
    a.start_with_rows(20000)
    exporter = subprocess.Popen([a.program("millrace"), "exporter", "--telemetry",
                                 a.telemetry_path()])
    prometheus = subprocess.Popen(
        ["prometheus", "--config.file=" + write_config(a), "--web.listen-address=" + PROMETHEUS,
         "--storage.tsdb.path=" + os.path.join(a.dir, "tsdb"), "--log.level=error"])
    try:
        page = check_page(a)
        check_endpoint(a, check_names(page))
        rate = 1000
        load = subprocess.Popen([a.program("millrace"), "blast", "user", "--server", harness.SERVER,
                                 "--rate", str(rate), "--duration", "15s", "--keys", "1000"])
        time.sleep(13)
        total = query("sum(rate(millrace_rx_requests_get_total[9s]))")
        print("requests/s by Prometheus:", total, flush=True)
        assert 0.75 * rate < total[0][1] < 1.25 * rate, total
        ratio = query("millrace:hits:ratio1m + millrace:negatives:ratio1m")
        assert 0.5 < ratio[0][1] <= 1.001, ratio
        p99 = query('millrace:latency_seconds:p99_1m{what="total"}')
        assert 1e-6 < p99[0][1] < 1, p99
        busy = query("millrace:lcore_busy:ratio1m")
        assert {m["lcore"] for m, _ in busy} == {"rx0", "rx1", "io0", "io1"}, busy
        assert all(0 <= v <= 1 for _, v in busy), busy
        assert not query('ALERTS{alertname="MillraceDown"}')
        load.wait()
        a.stop()
        wait("alert", lambda: query('ALERTS{alertname="MillraceDown",alertstate="firing"}'))
        assert "millrace_up 0" in get("http://%s/metrics" % EXPORTER)
        exporter.send_signal(signal.SIGTERM)
        assert exporter.wait(timeout=10) == 0
    finally:
        for process in (exporter, prometheus):
            process.kill()
            process.wait()


harness.main(test)
