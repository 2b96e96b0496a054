#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A good citizen of its network: announcements when a link comes up, links followed, and answers to
frames that an independent packet library makes."""

import os
import socket
import struct
import sys
import time

import harness

SYSTEM_PYTHON = "/usr/bin/python3"
# From linux/if_packet.h.
SOL_PACKET, PACKET_AUXDATA, STATUS_VLAN_VALID = 263, 8, 1 << 4

try:
    from scapy.all import (ARP, Dot1Q, Ether, ICMP, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA,
                           ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IP, IPv6, Raw, UDP)
except ImportError:
    # Debian's scapy belongs to Debian's Python, which need not be the first one in PATH.
    if os.path.realpath(sys.executable) == os.path.realpath(SYSTEM_PYTHON):
        harness.skip("no scapy (python3-scapy)")
    os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON] + sys.argv)

IP6 = "fd77::1"
HOST6 = "fd77::2"
PING = bytes.fromhex("4d525251" "01" "02" "0000" "0807060504030201") + bytes(16)


def with_tag(data, aux):
    """The frame with the VLAN tag that the kernel takes out of it and tells beside it."""
    for level, kind, value in aux:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", value[:20])
            if status & STATUS_VLAN_VALID:
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


class Wire:
    """The other end of the link, frame by frame."""

    def __init__(self, interface):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.bind((interface, 0))
        self.mac = ":".join("%02x" % b for b in self.sock.getsockname()[4])

    def hear(self, wanted, seconds=1.0):
        """The next frame for which wanted(frame) holds, or None."""
        end = time.time() + seconds
        while time.time() < end:
            self.sock.settimeout(max(end - time.time(), 0.01))
            try:
                data, aux, _, where = self.sock.recvmsg(65536, 256)
            except socket.timeout:
                return None
            except OSError:
                # The link was down for a moment.
                continue
            if where[2] == socket.PACKET_OUTGOING:
                continue
            frame = Ether(with_tag(data, aux))
            if wanted(frame):
                return frame
        return None

    def ask(self, frame, wanted, seconds=1.0):
        self.sock.send(bytes(frame))
        return self.hear(wanted, seconds)


def right_sums(frame):
    """The frame as scapy would have filled its lengths and checksums."""
    again = frame.copy()
    for layer in (IP, UDP, ICMP, IPv6, ICMPv6EchoReply, ICMPv6ND_NA):
        if layer in again:
            for field in ("chksum", "cksum", "len", "plen"):
                if field in again[layer].fields:
                    delattr(again[layer], field)
    padding = len(bytes(frame)) - len(bytes(again))
    return bytes(again) == bytes(frame)[:len(bytes(frame)) - max(padding, 0)]


def is_announcement(frame):
    return ARP in frame and frame[ARP].op == 1 and frame[ARP].psrc == harness.ADDRESS and \
        frame[ARP].pdst == harness.ADDRESS and frame.dst == "ff:ff:ff:ff:ff:ff"


def links(a, wire):
    harness.run(["ip", "link", "set", "mr0", "down"])
    a.wait_log("link is down", 10)
    a.log = a.read_log()
    harness.run(["ip", "link", "set", "mr0", "up"])
    frame = wire.hear(is_announcement, 10)
    assert frame is not None and frame[ARP].hwsrc == frame.src, frame
    advert = wire.hear(lambda f: ICMPv6ND_NA in f and f[ICMPv6ND_NA].tgt == IP6, 10)
    assert advert is not None and advert[ICMPv6ND_NA].S == 0 and advert[ICMPv6ND_NA].O == 1, advert
    assert right_sums(advert), advert
    a.wait_log("link is up", 10)
    return frame.src


def answers(wire, mac):
    """Every kind of question, asked with frames that scapy made; every answer byte for byte."""
    eth = Ether(src=wire.mac, dst=mac)
    ip = IP(src="10.77.0.2", dst=harness.ADDRESS, id=7, tos=0x28)
    ip6 = IPv6(src=HOST6, dst=IP6, hlim=255)
    udp = UDP(sport=40000, dport=7411)

    got = wire.ask(Ether(src=wire.mac, dst="ff:ff:ff:ff:ff:ff") /
                   ARP(op=1, hwsrc=wire.mac, psrc="10.77.0.2", pdst=harness.ADDRESS),
                   lambda f: ARP in f and f[ARP].op == 2)
    want = Ether(src=mac, dst=wire.mac) / ARP(op=2, hwsrc=mac, psrc=harness.ADDRESS,
                                              hwdst=wire.mac, pdst="10.77.0.2")
    assert bytes(got)[:42] == bytes(want), got.show(dump=True)

    got = wire.ask(eth / ip / ICMP(id=5, seq=9) / Raw(b"x" * 37), lambda f: ICMP in f)
    want = Ether(src=mac, dst=wire.mac) / IP(src=harness.ADDRESS, dst="10.77.0.2", id=0, tos=0x28,
                                             flags="DF") / ICMP(type=0, id=5, seq=9) / Raw(b"x" * 37)
    assert bytes(got) == bytes(want), (got.show(dump=True), want.show2(dump=True))

    got = wire.ask(eth / ip6 / ICMPv6ND_NS(tgt=IP6) / ICMPv6NDOptSrcLLAddr(lladdr=wire.mac),
                   lambda f: ICMPv6ND_NA in f)
    assert got[ICMPv6ND_NA].tgt == IP6 and got[ICMPv6ND_NA].S == 1 and right_sums(got), got

    got = wire.ask(eth / ip6 / ICMPv6EchoRequest(id=5, seq=9, data=b"y" * 21),
                   lambda f: ICMPv6EchoReply in f)
    assert got[IPv6].src == IP6 and got[ICMPv6EchoReply].data == b"y" * 21 and right_sums(got), got

    for network in (ip, ip6):
        got = wire.ask(eth / network / udp / Raw(PING), lambda f: UDP in f and f[UDP].sport == 7411)
        # COOKIE_NEEDED, to the port that asked.
        assert got[UDP].dport == 40000 and len(got[Raw].load) == 32 and got[Raw].load[16] == 7, got
        assert right_sums(got), got.show(dump=True)
    got = wire.ask(Ether(src=wire.mac, dst=mac) / Dot1Q(vlan=9, prio=5) / ip / udp / Raw(PING),
                   lambda f: UDP in f and f[UDP].sport == 7411 and Dot1Q in f)
    assert got is not None and got[Dot1Q].vlan == 9 and got[Dot1Q].prio == 5, got


def refusals(a, wire, mac):
    """Frames that get no answer, each under its reason."""
    eth = Ether(src=wire.mac, dst=mac)
    ip = IP(src="10.77.0.2", dst=harness.ADDRESS)
    udp = UDP(sport=40000, dport=7411)
    cases = [
        ("eth_not_ours", Ether(src=wire.mac, dst="02:00:00:00:00:77") / ip / udp / Raw(PING)),
        ("eth_type", Ether(src=wire.mac, dst=mac, type=0x88b5) / Raw(b"z" * 60)),
        ("ip_checksum", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, chksum=1) / udp / Raw(PING)),
        ("ip_not_ours", eth / IP(src="10.77.0.2", dst="10.77.0.9") / udp / Raw(PING)),
        ("ip_source", eth / IP(src="224.0.0.1", dst=harness.ADDRESS) / udp / Raw(PING)),
        ("ip_fragment", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, flags="MF") / udp / Raw(PING)),
        ("ip_protocol", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, proto=132) / Raw(b"z" * 20)),
        ("udp_checksum", eth / ip / UDP(sport=40000, dport=7411, chksum=1) / Raw(PING)),
        ("udp_checksum", eth / IPv6(src=HOST6, dst=IP6) / UDP(sport=40000, dport=7411, chksum=0) /
         Raw(PING)),
        ("udp_port", eth / ip / UDP(sport=40000, dport=7412) / Raw(PING)),
        ("udp_source", eth / ip / UDP(sport=0, dport=7411) / Raw(PING)),
        ("icmp_other", eth / ip / ICMP(type=13)),
        ("wire_magic", eth / ip / udp / Raw(b"z" * 40)),
        ("wire_truncated", eth / ip / udp / Raw(PING[:31])),
        ("acl_refused", eth / IP(src="192.0.2.5", dst=harness.ADDRESS) / udp / Raw(PING)),
    ]
    for reason, frame in cases:
        before = a.telemetry("/millrace/drops")["reasons"][reason]
        assert wire.ask(frame, lambda f: UDP in f and f[UDP].sport == 7411, 0.1) is None, reason
        after = a.telemetry("/millrace/drops")["reasons"][reason]
        assert after == before + 1, "%s: %d, was %d" % (reason, after, before)
    # UDP over IPv4 may do without a checksum.
    assert wire.ask(eth / ip / UDP(sport=40000, dport=7411, chksum=0) / Raw(PING),
                    lambda f: UDP in f and f[UDP].sport == 7411) is not None


def test(build):
    a = harness.Appliance(build, address=harness.ADDRESS + ", " + IP6,
                          security="allow = 10.77.0.0/24, fd77::/64\nwriters = 10.77.0.2")
    a.start()
    wire = Wire("mr0")
    mac = links(a, wire)
    # The kernel's end of the link stays out of the conversation.
    harness.run(["ip", "address", "flush", "dev", "mr0"])
    answers(wire, mac)
    refusals(a, wire, mac)
    a.stop()


harness.main(test)
