#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Scenario 6: the cards that clouds have: a virtio-net and a vmxnet3 port, each looked up through."""

import os

import guest
import inside

CARDS = {"virtio-net": "1af4:1041", "vmxnet3": "15ad:07b0"}


def test(build):
    inside.run(["modprobe", "e1000e"])
    inside.hugepages()
    client = inside.interface(guest.CLIENT_MAC)
    for number, (name, identity) in enumerate(CARDS.items()):
        card, = inside.cards(identity)
        inside.bind(card)
        inside.client_interface(client, ["10.77.0.2/24"])
        a = inside.Appliance(build, [("front", card, ["10.77.0.1"], "")], where="/run/" + name)
        table = os.path.join(a.dir, "rows.csv")
        a.rows("gen", table, 1000, number)
        a.start(wait=False)
        a.wait_log("serving on")
        inside.wait_answer(build, "10.77.0.1:7411")
        inside.say(name, a.telemetry("/millrace/ports")["front"])
        a.tool("sets", "apply", os.path.join(guest.HERE, "sets.ini"))
        a.tool("load", "user", table)
        inside.say(name, a.rows("verify", "10.77.0.1:7411", table, 2000, 7).stdout.strip())
        inside.run(["ip", "neigh", "flush", "dev", client])
        a.stop()


guest.main(test, guest.hub("n0") +
           guest.pci_card("virtio-net-pci", "n0", guest.MACS[0], 0, ",disable-legacy=on,iommu_platform=on") +
           guest.hub("n1") + guest.pci_card("vmxnet3", "n1", guest.MACS[1], 1) +
           guest.hub("n2") + guest.pci_card("e1000e", "n2", guest.CLIENT_MAC, 0), 400)
