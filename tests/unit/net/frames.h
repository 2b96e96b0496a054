// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Frames for the tests, and an Internet checksum that shares nothing with the one under test: a
 * byte at a time, big-endian, as RFC 1071 words it. Offsets in the tests are plain numbers on
 * purpose, so that a wrong constant in the library cannot hide.
 */

#include "mr_bytes.h"

#include <string.h>

#include "../../fuzz/fuzz_frame.h"

enum frame_base {
	FRAME_UDP4,
	FRAME_UDP6,
	FRAME_ARP,
	FRAME_NS,
	FRAME_NS_PROBE, // duplicate address detection
	FRAME_ECHO4,
	FRAME_ECHO6,
	FRAME_BASES,
};

struct frame {
	uint8_t data[2048];
	unsigned bytes;
	unsigned l2_bytes;
};

/** The sender: 02:00:00:00:00:02, 192.0.2.9, 2001:db8::9, port 50000. */
static const uint8_t frame_peer_mac[6] = {0x02, 0, 0, 0, 0, 0x02};
static const uint8_t frame_peer_ip4[4] = {192, 0, 2, 9};
static const uint8_t frame_peer_ip6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9};

static inline uint16_t naive_sum(const uint8_t *p, unsigned bytes, uint32_t sum)
{
	for (unsigned i = 0; i < bytes; i++)
		sum += (i & 1) != 0 ? p[i] : (uint32_t)p[i] << 8;
	while (sum > 0xffff)
		sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/** Sum of the L4 part of a packet with its pseudo-header (none for ICMP over IPv4). */
static inline uint16_t naive_l4_sum(const uint8_t *ip, unsigned l4_bytes)
{
	if ((ip[0] >> 4) == 6)
		return naive_sum(ip + 40, l4_bytes, naive_sum(ip + 8, 32, 0) + l4_bytes + ip[6]);
	if (ip[9] == 1)
		return naive_sum(ip + 20, l4_bytes, 0);
	return naive_sum(ip + 20, l4_bytes, naive_sum(ip + 12, 8, 0) + l4_bytes + ip[9]);
}

static inline void frame_sum_ip4(struct frame *f)
{
	uint8_t *ip = f->data + f->l2_bytes;

	mr_store_be16(ip + 10, 0);
	mr_store_be16(ip + 10, (uint16_t)~naive_sum(ip, 20, 0));
}

/** Fills the UDP, ICMP or ICMPv6 checksum over what the IP header says. */
static inline void frame_sum_l4(struct frame *f)
{
	uint8_t *ip = f->data + f->l2_bytes;
	bool is_ip6 = (ip[0] >> 4) == 6;
	unsigned l3 = is_ip6 ? 40 : 20;
	unsigned l4_bytes = is_ip6 ? mr_load_be16(ip + 4) : mr_load_be16(ip + 2) - 20u;
	uint8_t protocol = is_ip6 ? ip[6] : ip[9];
	uint8_t *cksum = ip + l3 + (protocol == 17 ? 6 : 2);
	uint16_t sum;

	mr_store_be16(cksum, 0);
	sum = (uint16_t)~naive_l4_sum(ip, l4_bytes);
	mr_store_be16(cksum, sum == 0 && protocol == 17 ? 0xffff : sum);
}

static inline void frame_ethernet(struct frame *f, uint16_t type, unsigned n_tags)
{
	memcpy(f->data, fuzz_frame_self.mac, 6);
	memcpy(f->data + 6, frame_peer_mac, 6);
	f->l2_bytes = 12;
	for (unsigned i = 0; i < n_tags; i++) {
		mr_store_be16(f->data + f->l2_bytes, n_tags == 2 && i == 0 ? 0x88a8 : 0x8100);
		mr_store_be16(f->data + f->l2_bytes + 2, (uint16_t)(0x6000 + 100 + i));
		f->l2_bytes += 4;
	}
	mr_store_be16(f->data + f->l2_bytes, type);
	f->l2_bytes += 2;
}

static inline uint8_t *frame_ip4(struct frame *f, uint8_t protocol, unsigned l4_bytes)
{
	uint8_t *ip = f->data + f->l2_bytes;

	ip[0] = 0x45;
	ip[1] = 0xbb; // EF, ECN says congestion
	mr_store_be16(ip + 2, (uint16_t)(20 + l4_bytes));
	mr_store_be16(ip + 4, 0x1234);
	ip[8] = 17;
	ip[9] = protocol;
	memcpy(ip + 12, frame_peer_ip4, 4);
	memcpy(ip + 16, &fuzz_frame_self.ip4_be[0], 4);
	f->bytes = f->l2_bytes + 20 + l4_bytes;
	frame_sum_ip4(f);
	return ip + 20;
}

static inline uint8_t *frame_ip6(struct frame *f, uint8_t next, unsigned l4_bytes)
{
	uint8_t *ip = f->data + f->l2_bytes;

	mr_store_be32(ip, 0x6bb12345);
	mr_store_be16(ip + 4, (uint16_t)l4_bytes);
	ip[6] = next;
	ip[7] = 17;
	memcpy(ip + 8, frame_peer_ip6, 16);
	memcpy(ip + 24, fuzz_frame_self.ip6[0], 16);
	f->bytes = f->l2_bytes + 40 + l4_bytes;
	return ip + 40;
}

static inline void frame_udp(uint8_t *udp, unsigned payload_bytes)
{
	mr_store_be16(udp, 50000);
	mr_store_be16(udp + 2, 4100);
	mr_store_be16(udp + 4, (uint16_t)(8 + payload_bytes));
	for (unsigned i = 0; i < payload_bytes; i++)
		udp[8 + i] = (uint8_t)(i * 7 + 1);
}

static inline void frame_arp(struct frame *f)
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *arp = f->data + f->l2_bytes;

	memset(f->data, 0xff, 6);
	memcpy(arp, head, 8);
	memcpy(arp + 8, frame_peer_mac, 6);
	memcpy(arp + 14, frame_peer_ip4, 4);
	memcpy(arp + 24, &fuzz_frame_self.ip4_be[0], 4);
	f->bytes = f->l2_bytes + 28;
}

/** A solicitation for our second address (fe80::1) at its solicited-node multicast address. */
static inline void frame_ns(struct frame *f, bool is_probe)
{
	static const uint8_t solicited[16] = {0xff, 2, [11] = 1, 0xff, 0, 0, 1};
	static const uint8_t solicited_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
	uint8_t *nd = frame_ip6(f, 58, is_probe ? 24 : 32), *ip = nd - 40;

	memcpy(f->data, solicited_mac, 6);
	memcpy(ip + 24, solicited, 16);
	if (is_probe)
		memset(ip + 8, 0, 16);
	ip[7] = 255;
	nd[0] = 135;
	memcpy(nd + 8, fuzz_frame_self.ip6[1], 16);
	if (is_probe)
		return;
	nd[24] = 1;
	nd[25] = 1;
	memcpy(nd + 26, frame_peer_mac, 6);
}

static inline void frame_echo(uint8_t *icmp, uint8_t type, unsigned payload_bytes)
{
	icmp[0] = type;
	mr_store_be32(icmp + 4, 0xbeef0001);
	for (unsigned i = 0; i < payload_bytes; i++)
		icmp[8 + i] = (uint8_t)(i + 0x10);
}

/** A good frame of kind @p base with @p n_tags VLAN tags; UDP and echo carry @p payload_bytes. */
static inline void frame_make(
	struct frame *f, enum frame_base base, unsigned n_tags, unsigned payload_bytes)
{
	static const uint16_t types[FRAME_BASES] = {
		0x0800, 0x86dd, 0x0806, 0x86dd, 0x86dd, 0x0800, 0x86dd};

	memset(f, 0, sizeof(*f));
	frame_ethernet(f, types[base], n_tags);
	switch (base) {
	case FRAME_UDP4:
		frame_udp(frame_ip4(f, 17, 8 + payload_bytes), payload_bytes);
		break;
	case FRAME_UDP6:
		frame_udp(frame_ip6(f, 17, 8 + payload_bytes), payload_bytes);
		break;
	case FRAME_ARP:
		frame_arp(f);
		return;
	case FRAME_NS:
	case FRAME_NS_PROBE:
		frame_ns(f, base == FRAME_NS_PROBE);
		break;
	case FRAME_ECHO4:
		frame_echo(frame_ip4(f, 1, 8 + payload_bytes), 8, payload_bytes);
		break;
	default:
		frame_echo(frame_ip6(f, 58, 8 + payload_bytes), 128, payload_bytes);
		break;
	}
	frame_sum_l4(f);
}
