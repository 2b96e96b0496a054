# SPDX-License-Identifier: BSD-3-Clause
"""Endpoint for dpdk-telemetry-exporter.py, which comes with DPDK 24.07 and later.

Copy it to /usr/local/share/dpdk/telemetry-endpoints/. It tells the counters of the lcores; all of
the telemetry, with latency histograms, comes from `millrace exporter`.
"""

COUNTERS = {
    "received": "frames taken from ports",
    "answered": "frames answered",
    "requests": "valid requests",
    "refused": "requests answered with a result other than OK",
    "lookups": "(key, set) pairs looked up",
    "hits": "lookups answered from the cache",
    "negatives": "lookups answered by the Bloom filter",
    "misses": "lookups handed to an I/O lcore",
    "shed": "requests answered BUSY because a ring was full",
}


def names(sock):
    """rx0, rx1, ...: of the texts 'rx0 cpu 2 node 0'."""
    lcores = sock.cmd("/millrace/lcores")["lcores"]
    return [text.split()[0] for text in lcores if text.startswith("rx")]


def info():
    return {
        f"millrace_rx_{name}_total": (help, "counter") for name, help in COUNTERS.items()
    } | {"millrace_drops_total": ("packets not answered, by reason", "counter")}


def metrics(sock):
    for lcore in names(sock):
        fields = sock.cmd(f"/millrace/lcores,{lcore}")["rx"]
        for name in COUNTERS:
            yield f"millrace_rx_{name}_total", fields[name], {"lcore": lcore}
    for reason, count in sock.cmd("/millrace/drops")["reasons"].items():
        yield "millrace_drops_total", count, {"reason": reason}
