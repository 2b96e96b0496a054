#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenario 1: two NUMA nodes, a card on each. Both cards are bound, each node gets hugepages and an RX
and an I/O lcore; what the plan says is proved from /proc/PID/numa_maps and DPDK's own heap and
mempool telemetry. A card that an lcore of the other node serves is reported.

First the cards are virtio-net with a queue for each lcore; then e1000e, whose driver has but one
queue: each must then be served by the lcore of its own node."""

import os
import re
import subprocess
import sys
import time

import guest
import inside

INTERFACES = ["mrnuma0", "mrnuma1"]
CACHE_BYTES = 48 << 20


def near(what, value, want, tolerance=0.25):
    assert want * (1 - tolerance) <= value <= want * (1 + tolerance), (what, value, want)


def prove(mappings, what, address, length, node):
    """All pages of a stretch of the appliance's memory are on the node."""
    nodes = set()
    for first, end, on in mappings:
        if first < address + length and address < end:
            nodes |= on
    assert nodes == {node}, "%s, %d bytes at %#x: on nodes %s, planned on %d" % (
        what, length, address, nodes, node)


def prove_zones(a, mappings):
    """Packet buffers and rings, which DPDK lists, on the node that their name says."""
    zones = [a.telemetry("/eal/memzone_info,%s" % z) for z in a.telemetry("/eal/memzone_list")]
    plan = {line.split()[0]: int(line.split()[-1])
            for line in a.telemetry("/millrace/lcores")["lcores"]}
    found = []
    for z in zones:
        pool = re.match(r"MP_mr_mbufs_(\d)", z["Name"])
        ring = re.match(r"RG_mr_(there|back)_(\d)_(\d)", z["Name"])
        if pool or ring:
            node = int(pool.group(1)) if pool else plan["rx" + ring.group(2)]
            assert z["Socket"] == node, (node, z)
            prove(mappings, z["Name"], int(z["Address"], 16), z["Length"], node)
            found.append((z["Name"][3:9], node))
    for kind in ("mr_mbu", "mr_the", "mr_bac"):
        assert {node for name, node in found if name == kind} == {0, 1}, (kind, found)
    inside.say("%d memzones of packet buffers and rings, all of them on their node" % len(found))


def prove_regions(a, mappings):
    """Caches, counters and histograms: the addresses are millrace's, the pages are the kernel's word."""
    regions = a.telemetry("/millrace/memory")
    for kind in ("cache_node", "counters_rx", "counters_io"):
        assert {r["node"] for name, r in regions.items() if name.startswith(kind)} == {0, 1}, regions
    for name, r in regions.items():
        prove(mappings, name, int(r["address"], 16), r["bytes"], r["node"])
        inside.say("%-12s %8d KiB on node %d" % (name, r["bytes"] >> 10, r["node"]))


def prove_placement(a):
    """Memory of each node is where the plan says: not believed, measured."""
    heaps = [a.telemetry("/eal/heap_info,%d" % i) for i in a.telemetry("/eal/heap_list")]
    by_node = {int(re.search(r"\d+", h["Name"]).group()): h for h in heaps}
    pages = a.numa_pages()
    for node in (0, 1):
        heap = by_node[node]
        inside.say("node %d: heap %d MiB, of it allocated %d MiB; numa_maps: %d MiB huge"
                   % (node, heap["Heap_size"] >> 20, heap["Alloc_size"] >> 20,
                      pages.get(("huge", node), 0) >> 20))
        # Each node has its cache and its packet buffers, and they are really there.
        assert heap["Alloc_size"] > CACHE_BYTES + (8191 * 2048), heap
        near("heap and numa_maps of node %d" % node, pages[("huge", node)], heap["Heap_size"])
    mappings = a.mapped()
    prove_zones(a, mappings)
    prove_regions(a, mappings)
    lcores = a.telemetry("/millrace/lcores")["lcores"]
    inside.say("plan:", lcores)
    for role in ("rx", "io"):
        nodes = {int(line.split()[-1]) for line in lcores if line.startswith(role)}
        assert nodes == {0, 1}, lcores


def single_queues(build):
    """A card of one queue on each node: served from its own node, and nothing is reported."""
    ours = inside.cards("8086:10d3")[:2]
    assert [inside.node_of(c) for c in ours] == [0, 1], ours
    inside.run(["modprobe", "e1000e"])
    inside.bind(*ours)
    client = inside.interface(guest.CLIENT_MAC)
    inside.client_interface(client, ["10.77.0.2/24", "10.77.1.2/24"])
    a = inside.Appliance(build, [("left", ours[0], ["10.77.0.1"], "queues = 1"),
                                 ("right", ours[1], ["10.77.1.1"], "queues = 1")],
                         rx="0,1", io="0,1", where="/run/single")
    a.start(wait=False)
    a.wait_log("serving on")
    assert "device is on NUMA node" not in a.read_log(), a.read_log()
    for card, lcore in ((0, "rx0"), (1, "rx1")):
        before = a.telemetry("/millrace/lcores," + lcore)["rx"]["requests"]
        inside.wait_answer(build, "10.77.%d.1:7411" % card)
        assert a.telemetry("/millrace/lcores," + lcore)["rx"]["requests"] > before, lcore
    inside.say("a card of one queue on each node, each served by its own node's lcore")
    a.stop()


def advise(a):
    """`millrace advise` plans for both nodes, and millraced accepts what it prints."""
    config = a.admin_tool("advise", "--config", "--cache", "48").stdout
    with open("/run/advised.ini", "w") as out:
        out.write(config)
    plan = inside.run([a.program("millraced"), "-c", "/run/advised.ini", "--check"]).stdout
    assert re.search(r"rx .*node 0", plan) and re.search(r"rx .*node 1", plan), plan
    text = a.admin_tool("advise").stdout
    assert "distances 10 21" in text and "distances 21 10" in text, text
    inside.say("advised for both nodes, and millraced accepts it")


def serve(build):
    cards = inside.cards("1af4:1041")
    assert sorted(inside.node_of(c) for c in cards) == [0, 1], cards
    inside.hugepages(160)
    inside.bind(*cards)
    ports = [("left", cards[0], ["10.77.0.1"], ""), ("right", cards[1], ["10.77.1.1"], "")]
    a = inside.Appliance(build, ports, rx="0,1", io="0,1", cache="48M")
    a.start(wait=False)
    a.wait_log("serving on")
    log = a.read_log()
    wrong = re.findall(r"device is on NUMA node (\d), its RX lcore \d+ on node (\d)", log)
    assert sorted(wrong) == [("0", "1"), ("1", "0")], log
    inside.say("reported: card of one node, lcore of the other:", wrong)
    prove_placement(a)
    a.admin_tool("sets", "apply", os.path.join(guest.HERE, "sets.ini"))
    inside.say("serving")
    # The client outside says that it has finished by sending a word to a port that nobody serves.
    while a.telemetry("/millrace/drops")["reasons"]["udp_port"] == 0:
        assert a.process.poll() is None, a.read_log()
        time.sleep(0.5)
    for name in ("rx0", "rx1", "io0", "io1"):
        counters = a.telemetry("/millrace/lcores," + name)[name[:2]]
        inside.say(name, "requests", counters["requests"])
        assert counters["requests"] > 0, name
    for name, cache in a.telemetry("/millrace/cache").items():
        inside.say("cache of %s: %d rows in a budget of %d MiB"
                   % (name, cache["rows"], cache["budget_bytes"] >> 20))
        assert cache["rows"] > 0 and cache["budget_bytes"] == CACHE_BYTES, cache
    prove_placement(a)
    a.stop()
    inside.say("stopped cleanly")
    single_queues(build)
    advise(a)


def lookups(build, machine):
    """Outside: rows through both cards."""
    rows = os.path.join(build, "tests", "system", "rows")
    table = os.path.join(build, "metal", "numa.csv")
    machine.wait_for("serving", 400)
    subprocess.run([rows, "gen", table, "2000", "1"], check=True)
    for card in (0, 1):
        inside.wait_answer(build, "10.77.%d.1:7411" % card)
    tool = os.path.join(build, "app", "millrace", "millrace")
    subprocess.run([tool, "load", "--timeout", "3s", "user", table], check=True,
                   env=dict(os.environ, MILLRACE_SERVER="10.77.0.1:7411"))
    for card in (0, 1):
        for seed in range(6):  # each run is a source port of its own, so that both queues see some
            subprocess.run([rows, "verify", "10.77.%d.1:7411" % card, table, "500", str(seed)], check=True)
    subprocess.run(["bash", "-c", "echo done > /dev/udp/10.77.0.1/9"], check=True)


def main():
    build, shell = guest.arguments()
    if guest.inside():
        serve(build)
        return 0
    guest.check_host(build)
    inside.harness.enter()
    for interface in INTERFACES:
        inside.run(["ip", "tuntap", "add", interface, "mode", "tap", "multi_queue"])
    devices = []
    for i, interface in enumerate(INTERFACES):
        devices += guest.tap("n%d" % i, interface, 2) + guest.pci_card(
            "virtio-net-pci", "n%d" % i, guest.MACS[i], i,
            ",mq=on,vectors=6,disable-legacy=on,iommu_platform=on")
    for i, mac in enumerate((guest.MACS[0][:-1] + "5", guest.MACS[0][:-1] + "6", guest.CLIENT_MAC)):
        devices += guest.hub("n%d" % (i + 2)) + guest.pci_card("e1000e", "n%d" % (i + 2), mac, i % 2)
    start = time.time()
    machine = guest.Guest("numa", build, guest.command(build), devices, shell)
    for i, interface in enumerate(INTERFACES):
        inside.client_interface(interface, ["10.77.%d.2/24" % i])
    lookups(build, machine)
    code = machine.wait(86400 if shell else 300)
    print("numa: %.0f s" % (time.time() - start))
    return code


sys.exit(main())
