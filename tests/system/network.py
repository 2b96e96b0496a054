#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""A good citizen of its network: announcements when a link comes up, links followed, and answers to
frames that an independent packet library makes."""

import os
import shutil
import socket
import struct
import sys
import tempfile
import time

import harness

SYSTEM_PYTHON = "/usr/bin/python3"
# From linux/if_packet.h.
SOL_PACKET, PACKET_AUXDATA, STATUS_VLAN_VALID = 263, 8, 1 << 4

try:
    from scapy.all import (ARP, Dot1Q, Ether, ICMP, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest,
                           ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6ND_RA, ICMPv6NDOptDstLLAddr,
                           ICMPv6NDOptSrcLLAddr, IP, IPOption_NOP, IPv6, IPv6ExtHdrDestOpt,
                           IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, Padding, Raw, TCP, UDP)
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


def is_announcement(frame):
    return ARP in frame and frame[ARP].op == 1 and frame[ARP].psrc == harness.ADDRESS and \
        frame[ARP].pdst == harness.ADDRESS and frame.dst == "ff:ff:ff:ff:ff:ff"


def links(a, wire, interface):
    a.wait_log("link is up")
    harness.run(["ip", "link", "set", interface, "down"])
    a.wait_log("link is down")
    a.log = a.read_log()
    harness.run(["ip", "link", "set", interface, "up"])
    frame = wire.hear(is_announcement, 60)
    assert frame is not None and frame[ARP].hwsrc == frame.src, frame
    advert = wire.hear(lambda f: ICMPv6ND_NA in f and f[ICMPv6ND_NA].tgt == IP6, 60)
    want = Ether(src=frame.src, dst="33:33:00:00:00:01") / IPv6(src=IP6, dst="ff02::1", hlim=255) / \
        ICMPv6ND_NA(tgt=IP6, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=frame.src)
    same(advert, want)
    a.wait_log("link is up")
    return frame.src


def same(got, want):
    """Byte for byte; a frame that was short may have been padded."""
    assert got is not None, "no answer, want\n" + want.show2(dump=True)
    length = len(bytes(want))
    if bytes(got)[:length] != bytes(want) or any(bytes(got)[length:]):
        raise AssertionError("got\n%s\nwant\n%s" % (got.show(dump=True), want.show2(dump=True)))


def refusal(op, request_id, result):
    """The reply to a request that is answered with a result alone, from docs/protocol.md."""
    return struct.pack("<4sBBHQBBBBHHHHI", b"MRRP", 1, op, 0, request_id, result, 0, 0, 0, 0, 1, 0, 0, 0)


def answers(wire, mac):
    """Every kind of question, asked with frames that scapy made; every answer byte for byte."""
    host = "10.77.0.2"
    eth, back = Ether(src=wire.mac, dst=mac), Ether(src=mac, dst=wire.mac)
    ip, ip6 = IP(src=host, dst=harness.ADDRESS, id=7, tos=0x2b), IPv6(src=HOST6, dst=IP6, hlim=3, tc=0xbb, fl=5)
    ip_back = IP(src=harness.ADDRESS, dst=host, id=0, tos=0x28, flags="DF")
    ip6_back = IPv6(src=IP6, dst=HOST6, hlim=64, tc=0xb8, fl=5)
    nd, nd_back = IPv6(src=HOST6, dst=IP6, hlim=255), IPv6(src=IP6, dst=HOST6, hlim=255)
    udp, udp_back = UDP(sport=40000, dport=7411), UDP(sport=7411, dport=40000)
    tag, outer = Dot1Q(vlan=9, prio=5), Dot1Q(vlan=7, prio=1)
    cookie_needed = refusal(2, 0x0102030405060708, 7)
    other = UDP(sport=40000, dport=9) / Raw(b"q" * 700)
    other_bytes = bytes(other)
    short = ip / UDP(sport=40000, dport=9) / Raw(b"q" * 28)
    unreachable4 = IP(bytes(ip / other))
    unreachable6 = IPv6(bytes(ip6 / other))
    solicitation = ICMPv6ND_NS(tgt=IP6) / ICMPv6NDOptSrcLLAddr(lladdr=wire.mac)
    advertisement = ICMPv6ND_NA(tgt=IP6, R=0, S=1, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    probe = Ether(src=wire.mac, dst="33:33:ff:00:00:01") / \
        IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt=IP6)
    everyone = Ether(src=mac, dst="33:33:00:00:00:01") / IPv6(src=IP6, dst="ff02::1", hlim=255) / \
        ICMPv6ND_NA(tgt=IP6, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    arp = ARP(op=1, hwsrc=wire.mac, psrc=host, pdst=harness.ADDRESS)
    arp_back = ARP(op=2, hwsrc=mac, psrc=harness.ADDRESS, hwdst=wire.mac, pdst=host)
    cases = [
        ("arp", Ether(src=wire.mac, dst="ff:ff:ff:ff:ff:ff") / arp, back / arp_back),
        ("arp, unicast, tagged", eth / tag / arp, back / tag / arp_back),
        ("echo", eth / ip / ICMP(id=5, seq=9) / Raw(b"x" * 37),
         back / ip_back / ICMP(type=0, id=5, seq=9) / Raw(b"x" * 37)),
        ("echo, odd, tagged", eth / tag / ip / ICMP(id=5, seq=9) / Raw(b"x" * 40),
         back / tag / ip_back / ICMP(type=0, id=5, seq=9) / Raw(b"x" * 40)),
        ("echo6", eth / ip6 / ICMPv6EchoRequest(id=5, seq=9, data=b"y" * 21),
         back / ip6_back / ICMPv6EchoReply(id=5, seq=9, data=b"y" * 21)),
        ("solicitation", eth / nd / solicitation, back / nd_back / advertisement),
        ("solicitation, multicast", Ether(src=wire.mac, dst="33:33:ff:00:00:01") /
         IPv6(src=HOST6, dst="ff02::1:ff00:1", hlim=255) / solicitation, back / nd_back / advertisement),
        ("duplicate address detection", probe, everyone),
        ("request", eth / ip / udp / Raw(PING), back / ip_back / udp_back / Raw(cookie_needed)),
        ("request without a checksum", eth / ip / UDP(sport=40000, dport=7411, chksum=0) / Raw(PING),
         back / ip_back / udp_back / Raw(cookie_needed)),
        ("request6", eth / ip6 / udp / Raw(PING), back / ip6_back / udp_back / Raw(cookie_needed)),
        ("request, tagged", eth / tag / ip / udp / Raw(PING),
         back / tag / ip_back / udp_back / Raw(cookie_needed)),
        ("request6, tagged twice", eth / outer / tag / ip6 / udp / Raw(PING),
         back / outer / tag / ip6_back / udp_back / Raw(cookie_needed)),
        ("request, padded", eth / ip / udp / Raw(PING) / Padding(b"p" * 9),
         back / ip_back / udp_back / Raw(cookie_needed)),
        ("another port", eth / ip / other,
         back / ip_back / ICMP(type=3, code=3) / Raw(bytes(unreachable4)[:576 - 28])),
        ("another port, shortest", eth / short,
         back / ip_back / ICMP(type=3, code=3) / Raw(bytes(short)[:28])),
        ("another port6", eth / ip6 / other,
         back / ip6_back / ICMPv6DestUnreach(code=4) / Raw(bytes(unreachable6)[:len(other_bytes) + 40 - 48])),
    ]
    for name, asked, want in cases:
        # What the interface's own kernel says meanwhile is no answer.
        got = wire.ask(asked, lambda f: f.src == mac and f.dst == want.dst and not is_announcement(f), 30)
        try:
            same(got, want)
        except AssertionError as e:
            raise AssertionError("%s: %s" % (name, e)) from None
    print("%d answers byte for byte" % len(cases), flush=True)


def refusals(a, wire, mac, joins_fragments):
    """Frames that get no answer, each under its reason."""
    eth = Ether(src=wire.mac, dst=mac)
    ip, ip6 = IP(src="10.77.0.2", dst=harness.ADDRESS), IPv6(src=HOST6, dst=IP6)
    udp = UDP(sport=40000, dport=7411)
    nd = IPv6(src=HOST6, dst=IP6, hlim=255)
    good, good6 = udp / Raw(PING), ip6 / udp / Raw(PING)
    arp = ARP(op=1, hwsrc=wire.mac, psrc="10.77.0.2", pdst=harness.ADDRESS)
    everyone = Ether(src=wire.mac, dst="ff:ff:ff:ff:ff:ff")

    def raw(frame, at, value):
        data = bytearray(bytes(frame))
        data[at:at + len(value)] = value
        return Raw(bytes(data))

    cases = [
        ("eth_short", Ether(src=wire.mac, dst=mac, type=0x0800) / Raw(b"E" * 10)),
        ("eth_short", Ether(src=wire.mac, dst=mac, type=0x86dd) / Raw(b"`" * 30)),
        ("eth_not_ours", Ether(src=wire.mac, dst="02:00:00:00:00:77") / ip / good),
        ("eth_source", Ether(src="03:00:00:00:00:02", dst=mac) / ip / good),
        ("eth_vlan", eth / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / ip / good),
        ("eth_group", everyone / ip / good),
        ("eth_group", Ether(src=wire.mac, dst="33:33:00:00:00:01") / good6),
        ("eth_group", Ether(src=wire.mac, dst="01:80:c2:00:00:0e", type=0x88cc) / Raw(b"z" * 60)),
        ("eth_type", Ether(src=wire.mac, dst=mac, type=0x88b5) / Raw(b"z" * 60)),
        ("arp_bad", raw(everyone / arp, 18, b"\x08")),
        ("arp_bad", Raw(bytes(everyone / arp)[:30])),
        ("arp_not_ours", everyone / ARP(op=1, hwsrc=wire.mac, psrc="10.77.0.2", pdst="10.77.0.9")),
        ("arp_not_ours", everyone / ARP(op=1, hwsrc=wire.mac, psrc=harness.ADDRESS, pdst=harness.ADDRESS)),
        ("arp_not_ours", eth / ARP(op=2, hwsrc=wire.mac, psrc="10.77.0.2", pdst=harness.ADDRESS)),
        ("nd_bad", eth / IPv6(src=HOST6, dst=IP6, hlim=254) / ICMPv6ND_NS(tgt=IP6)),
        ("nd_bad", eth / nd / ICMPv6ND_NS(tgt=IP6, code=1)),
        ("nd_bad", eth / nd / ICMPv6ND_NS(tgt="ff02::1")),
        ("nd_bad", eth / IPv6(src="::", dst=IP6, hlim=255) / ICMPv6ND_NS(tgt=IP6)),
        ("nd_not_ours", eth / nd / ICMPv6ND_NS(tgt="fd77::9")),
        ("nd_not_ours", eth / nd / ICMPv6ND_NA(tgt=HOST6)),
        ("nd_not_ours", Ether(src=wire.mac, dst="33:33:00:00:00:01") /
         IPv6(src="fe80::2", dst="ff02::1", hlim=255) / ICMPv6ND_RA()),
        ("ip_header", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, options=[IPOption_NOP()] * 4) / good),
        ("ip_header", raw(eth / ip / good, 14, b"\x55")),
        ("ip_header", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, len=900) / good),
        ("ip_header", eth / ip6 / IPv6ExtHdrDestOpt() / good),
        ("ip_header", eth / ip6 / IPv6ExtHdrHopByHop() / good),
        ("ip_checksum", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, chksum=1) / good),
        ("ip_fragment", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, flags="MF") / good),
        ("ip_fragment", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, frag=3) / good),
        ("ip_fragment", eth / ip6 / IPv6ExtHdrFragment(m=1) / good),
        ("ip_source", eth / IP(src="224.0.0.1", dst=harness.ADDRESS) / good),
        ("ip_source", eth / IP(src="127.0.0.1", dst=harness.ADDRESS) / good),
        ("ip_source", eth / IP(src="0.0.0.0", dst=harness.ADDRESS) / good),
        ("ip_source", eth / IP(src="255.255.255.255", dst=harness.ADDRESS) / good),
        ("ip_source", eth / IP(src=harness.ADDRESS, dst=harness.ADDRESS) / good),
        ("ip_source", eth / IPv6(src="ff02::1", dst=IP6) / good),
        ("ip_source", eth / IPv6(src="::", dst=IP6) / good),
        ("ip_source", eth / IPv6(src="::1", dst=IP6) / good),
        ("ip_source", eth / IPv6(src="::ffff:10.77.0.2", dst=IP6) / good),
        ("ip_not_ours", eth / IP(src="10.77.0.2", dst="10.77.0.9") / good),
        ("ip_not_ours", eth / IP(src="10.77.0.2", dst="255.255.255.255") / good),
        ("ip_not_ours", eth / IPv6(src=HOST6, dst="fd77::9") / good),
        ("ip_protocol", eth / IP(src="10.77.0.2", dst=harness.ADDRESS, proto=132) / Raw(b"z" * 20)),
        ("ip_protocol", eth / ip / TCP(dport=22)),
        ("ip_protocol", eth / ip6 / TCP(dport=22)),
        ("icmp_bad", eth / ip / ICMP(chksum=1)),
        ("icmp_bad", eth / ip6 / ICMPv6EchoRequest(cksum=1)),
        ("icmp_bad", eth / nd / ICMPv6ND_NS(tgt=IP6, cksum=1)),
        ("icmp_other", eth / ip / ICMP(type=13)),
        ("icmp_other", eth / ip / ICMP(type=0)),
        ("icmp_other", eth / ip6 / ICMPv6EchoReply()),
        ("udp_length", eth / ip / UDP(sport=40000, dport=7411, len=7) / Raw(PING)),
        ("udp_length", eth / ip / UDP(sport=40000, dport=7411, len=400) / Raw(PING)),
        ("udp_length", eth / ip6 / UDP(sport=40000, dport=7411, len=0) / Raw(PING)),
        ("udp_checksum", eth / ip / UDP(sport=40000, dport=7411, chksum=1) / Raw(PING)),
        ("udp_checksum", eth / ip6 / UDP(sport=40000, dport=7411, chksum=1) / Raw(PING)),
        ("udp_checksum", eth / ip6 / UDP(sport=40000, dport=7411, chksum=0) / Raw(PING)),
        ("udp_port", eth / ip / UDP(sport=40000, dport=7412) / Raw(b"q" * 27)),
        ("udp_port", eth / ip / UDP(sport=40000, dport=7412, chksum=1) / Raw(b"q" * 100)),
        ("udp_port", eth / IP(src="192.0.2.5", dst=harness.ADDRESS) / UDP(dport=7412) / Raw(b"q" * 100)),
        ("udp_port", eth / ip6 / UDP(sport=40000, dport=7412) / Raw(b"q" * 47)),
        ("udp_source", eth / ip / UDP(sport=0, dport=7411) / Raw(PING)),
        ("wire_magic", eth / ip / udp / Raw(b"z" * 40)),
        ("wire_truncated", eth / ip / udp / Raw(PING[:31])),
        ("acl_refused", eth / IP(src="192.0.2.5", dst=harness.ADDRESS) / good),
        ("acl_refused", eth / IP(src="192.0.2.5", dst=harness.ADDRESS) / ICMP()),
        ("acl_refused", eth / IPv6(src="2001:db8::5", dst=IP6) / good),
    ]
    if joins_fragments:
        cases = [case for case in cases if case[0] != "ip_fragment" or IP not in case[1]]
    for i, (reason, frame) in enumerate(cases):
        before = a.telemetry("/millrace/drops")
        answered = wire.ask(frame, lambda f: f.src == mac and not is_announcement(f) and
                            f.dst != "33:33:00:00:00:01", 0.05)
        where = "%s, case %d: %s" % (reason, i, frame.summary())
        assert answered is None, where + "\n" + answered.show(dump=True)
        for _ in range(600):
            after = a.telemetry("/millrace/drops")
            # A frame that is being looked at is received, and nothing else yet.
            if after["sum"]["received"] > before["sum"]["received"] and after["sum"]["missing"] == 0:
                break
            time.sleep(0.05)
        changed = {name: n - before["reasons"][name] for name, n in after["reasons"].items()
                   if n != before["reasons"][name]}
        assert changed == {reason: 1}, "%s: %s" % (where, changed)
    print("%d refusals under their reasons" % len(cases), flush=True)


def one(build, kind, device, wire_on, drivers=None, mac=None):
    """wire_on: the interface at the other end; mac: of a port that hears of no link that goes down."""
    a = harness.Appliance(build, device=device, rx="0", io="0", interface=wire_on,
                          address=harness.ADDRESS + ", " + IP6 + "\nunreachable_rate = 1000",
                          security="allow = 10.77.0.0/24, fd77::/64\nwriters = 10.77.0.2\n"
                          "unproven_rate = 100000",
                          extra="[registry]\ndrivers = %s" % drivers if drivers else "")
    print(kind, flush=True)
    a.start()
    wire = Wire(wire_on)
    mac = mac or links(a, wire, wire_on)
    # The kernel's end of the link stays out of the conversation.
    harness.run(["ip", "address", "flush", "dev", wire_on])
    answers(wire, mac)
    # The kernel puts IPv4 fragments together for an AF_PACKET socket, and waits for the others.
    refusals(a, wire, mac, joins_fragments="af_packet" in device)
    wire.sock.close()
    a.stop()


def offloading(directory):
    """drivers-cfg in which the tap driver does what it can of checksums: the flags, and the fields that
    a card would fill, are then those of a card."""
    shutil.copytree(os.path.join(os.path.dirname(os.path.dirname(harness.HERE)), "drivers-cfg"), directory)
    path = os.path.join(directory, "tap.ini")
    with open(path) as source:
        text = source.read()
    for key in ("rx_checksum", "tx_checksum"):
        assert key + " = off" in text
        text = text.replace(key + " = off", key + " = on")
    with open(path, "w") as out:
        out.write(text)
    return directory


def test(build):
    # The kernel at the other end is to say nothing of its own accord.
    harness.run(["sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1",
                 "net.ipv6.conf.default.disable_ipv6=1"])
    one(build, "tap, checksums in software", "net_tap0,iface=mr0", "mr0")
    with tempfile.TemporaryDirectory(prefix="millrace-test-") as directory:
        one(build, "tap, checksums by the driver", "net_tap0,iface=mr0", "mr0",
            offloading(os.path.join(directory, "drivers")))
    harness.veth()
    one(build, "veth, AF_PACKET", "net_af_packet0,iface=mrv0,qpairs=1", "mrv1", mac=harness.mac_of("mrv0"))


harness.main(test)
