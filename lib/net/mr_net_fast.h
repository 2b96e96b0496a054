// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The hot path's inline forms of mr_net_parse() and mr_net_reply_udp(). What nearly every frame is,
 * an untagged IPv4 datagram to the port's MAC address, first IPv4 address and UDP port, is decided
 * here with one branch a field; anything else, and anything wrong, goes to the out-of-line forms.
 * Same results, same rules: any thread, no state.
 */

#include "mr_bytes.h"
#include "mr_net.h"

/** Offsets of fields that are read through mr_load_*(); from the frame, or their own header. */
enum {
	MR_ETH_SRC = 6,
	MR_ETH_TYPE = 12,
	MR_ETH_BYTES = 14,
	MR_VLAN_BYTES = 4,
	MR_IP4_TOS = 1,
	MR_IP4_LENGTH = 2,
	MR_IP4_ID = 4,
	MR_IP4_FRAGMENT = 6,
	MR_IP4_TTL = 8,
	MR_IP4_PROTOCOL = 9,
	MR_IP4_CKSUM = 10,
	MR_IP4_SRC = 12,
	MR_IP4_DST = 16,
	MR_IP4_BYTES = 20,
	MR_UDP_SRC = 0,
	MR_UDP_DST = 2,
	MR_UDP_LENGTH = 4,
	MR_UDP_CKSUM = 6,
	MR_UDP_BYTES = 8,
};

enum {
	MR_ETHERTYPE_IP4 = 0x0800,
	MR_ETHERTYPE_ARP = 0x0806,
	MR_ETHERTYPE_VLAN = 0x8100,
	MR_ETHERTYPE_IP6 = 0x86dd,
	MR_ETHERTYPE_QINQ = 0x88a8,
	MR_PROTOCOL_ICMP = 1,
	MR_PROTOCOL_UDP = 17,
	MR_PROTOCOL_ICMP6 = 58,
	MR_IP4_FRAGMENT_BITS = 0x3fff, // more-fragments and the offset
	MR_IP4_DF = 0x4000,
	MR_NET_TTL = 64,
	MR_TOS_ECN = 0x03,
};

static mr_always_inline uint16_t mr_net_load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static mr_always_inline uint32_t mr_net_load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static mr_always_inline uint64_t mr_net_load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static mr_always_inline void mr_net_store16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static mr_always_inline void mr_net_store32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

/** True where two MAC addresses are equal. */
static mr_always_inline bool mr_net_mac_equal(const uint8_t *a, const uint8_t *b)
{
	return ((mr_net_load32(a) ^ mr_net_load32(b)) |
		       (uint32_t)(mr_net_load16(a + 4) ^ mr_net_load16(b + 4))) == 0;
}

/** Can a host have this address, and is it not one of ours (a reply to it would come back)? */
static mr_always_inline bool mr_net_ip4_source_ok(const struct mr_net_self *self, uint32_t src_be)
{
	uint32_t net = be32toh(src_be) >> 24;

	for (unsigned i = 0; i < self->n_ip4; i++) {
		if (self->ip4_be[i] == src_be)
			return false;
	}
	// 0/8 is this network, 127/8 loopback, 224/4 multicast, 240/4 reserved and broadcast.
	return net != 0 && net != 127 && net < 224;
}

/** Partial sum of an IPv4 header without options. */
static mr_always_inline uint32_t mr_net_ip4_sum(const uint8_t *ip)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < MR_IP4_BYTES; i += 4)
		sum += mr_net_load32(ip + i);
	return mr_net_fold64(sum);
}

/** Sum of the IPv4 pseudo-header of UDP, not folded. @p addresses: both, in one word. */
static mr_always_inline uint64_t mr_net_ip4_pseudo(uint64_t addresses, unsigned udp_bytes)
{
	return (addresses & UINT32_MAX) + (addresses >> 32) + htobe16((uint16_t)udp_bytes) +
	       htobe16(MR_PROTOCOL_UDP);
}

/** What goes into UDP's checksum field: a computed zero is sent as all ones (RFC 768). */
static mr_always_inline uint16_t mr_net_udp_cksum(uint32_t sum)
{
	uint16_t folded = mr_net_fold(sum);

	return folded == UINT16_MAX ? UINT16_MAX : (uint16_t)~folded;
}

/** Is the UDP checksum of an IPv4 datagram right, or not given? */
static mr_always_inline bool mr_net_udp4_cksum_ok(
	const uint8_t *ip, const uint8_t *udp, unsigned udp_bytes)
{
	return mr_net_load16(udp + MR_UDP_CKSUM) == 0 ||
	       mr_net_fold(mr_net_sum(udp, udp_bytes,
		       mr_net_ip4_pseudo(mr_net_load64(ip + MR_IP4_SRC), udp_bytes))) == UINT16_MAX;
}

/** Bytes as a little-endian word, as mr_load_le32() and mr_load_le64() read them. */
#define MR_NET_LE32(a, b, c, d) \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

/** The form of a frame that the fast path takes, checksums aside. Few wide loads: a field each is
 *  twice the instructions. */
static mr_always_inline bool mr_net_is_plain(
	const struct mr_net_self *self, const uint8_t *frame, unsigned bytes)
{
	const uint8_t *ip = frame + MR_ETH_BYTES, *udp = ip + MR_IP4_BYTES;
	uint64_t macs, ends, mac, end;
	uint32_t type, what;
	unsigned total;

	if (bytes < MR_ETH_BYTES + MR_IP4_BYTES + MR_UDP_BYTES || self->n_ip4 == 0)
		return false;
	// Destination, and the source's first two octets, of which one bit says "group".
	macs = mr_load_le64(frame);
	mac = mr_load_le32(self->mac) | (uint64_t)mr_load_le16(self->mac + 4) << 32;
	// Ethertype, version and header length; fragment bits and protocol.
	type = mr_load_le32(frame + MR_ETH_TYPE) & MR_NET_LE32(0xff, 0xff, 0xff, 0);
	what = mr_load_le32(ip + MR_IP4_FRAGMENT) &
	       MR_NET_LE32(MR_IP4_FRAGMENT_BITS >> 8, 0xff, 0, 0xff);
	// Destination address, then both UDP ports.
	ends = mr_load_le64(ip + MR_IP4_DST);
	end = le32toh(self->ip4_be[0]) | (uint64_t)__builtin_bswap16(self->udp_port) << 48;
	total = mr_load_be16(ip + MR_IP4_LENGTH);
	return ((macs ^ mac) & UINT64_C(0x0001ffffffffffff)) == 0 &&
	       type == MR_NET_LE32(MR_ETHERTYPE_IP4 >> 8, MR_ETHERTYPE_IP4 & 0xff, 0x45, 0) &&
	       what == MR_NET_LE32(0, 0, 0, MR_PROTOCOL_UDP) &&
	       ((ends ^ end) & UINT64_C(0xffff0000ffffffff)) == 0 &&
	       (ends & UINT64_C(0x0000ffff00000000)) != 0 &&
	       mr_net_ip4_source_ok(self, mr_net_load32(ip + MR_IP4_SRC)) &&
	       total >= MR_IP4_BYTES + MR_UDP_BYTES && total <= bytes - MR_ETH_BYTES &&
	       mr_load_be16(udp + MR_UDP_LENGTH) == total - MR_IP4_BYTES;
}

/** As mr_net_parse(). Cost: a few ns, and the sum over the payload where software verifies it. */
static mr_always_inline enum mr_reason mr_net_parse_fast(const struct mr_net_self *self,
	const uint8_t *frame, unsigned bytes, unsigned rx_checked, struct mr_net_frame *ret)
{
	const uint8_t *ip = frame + MR_ETH_BYTES, *udp = ip + MR_IP4_BYTES;
	unsigned udp_bytes;

	if (mr_unlikely(!mr_net_is_plain(self, frame, bytes))) {
		// why a copy: so that *ret never needs an address, and can live in registers.
		struct mr_net_frame other = {0};
		enum mr_reason reason = mr_net_parse(self, frame, bytes, rx_checked, &other);

		if (reason == MR_REASON_NONE)
			*ret = other;
		return reason;
	}
	udp_bytes = mr_load_be16(udp + MR_UDP_LENGTH);
	if (mr_unlikely((rx_checked & MR_NET_RX_IP_CHECKED) == 0 &&
			mr_net_fold(mr_net_ip4_sum(ip)) != UINT16_MAX))
		return MR_REASON_ip_checksum;
	if (mr_unlikely((rx_checked & MR_NET_RX_L4_CHECKED) == 0 &&
			!mr_net_udp4_cksum_ok(ip, udp, udp_bytes)))
		return MR_REASON_udp_checksum;
	*ret = (struct mr_net_frame){
		.kind = MR_NET_UDP,
		.l2_bytes = MR_ETH_BYTES,
		.l3_bytes = MR_IP4_BYTES,
		.payload_at = MR_ETH_BYTES + MR_IP4_BYTES + MR_UDP_BYTES,
		.payload_bytes = (uint16_t)(udp_bytes - MR_UDP_BYTES),
		.udp_cksum_zero = mr_net_load16(udp + MR_UDP_CKSUM) == 0,
	};
	return MR_REASON_NONE;
}

/** Turns the MAC addresses around; @p frame has 16 bytes or more, as any IP packet has. */
static mr_always_inline void mr_net_swap_macs(uint8_t *frame)
{
	uint8_t __attribute__((vector_size(16))) head;

	memcpy(&head, frame, sizeof(head));
	head = __builtin_shufflevector(
		head, head, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15);
	memcpy(frame, &head, sizeof(head));
}

/** Swaps UDP's ports. @return both, as they lie. */
static mr_always_inline uint32_t mr_net_swap_ports(uint8_t *udp)
{
	uint32_t ports = mr_net_load32(udp + MR_UDP_SRC);

	ports = ports << 16 | ports >> 16;
	mr_net_store32(udp + MR_UDP_SRC, ports);
	return ports;
}

/** Length and checksum of a UDP header; where the port sums, it wants the pseudo-header's sum. */
static mr_always_inline void mr_net_finish_udp(
	uint8_t *udp, uint32_t ports, unsigned udp_bytes, uint64_t pseudo, unsigned tx_cksum)
{
	uint16_t length = htobe16((uint16_t)udp_bytes), cksum;

	// why: the header is summed from registers, because reading back in words what was just
	// written in parts waits for the store buffer (25 ns a reply instead of 11).
	if ((tx_cksum & MR_NET_TX_UDP_CKSUM) == 0)
		cksum = mr_net_udp_cksum(mr_net_sum(
			udp + MR_UDP_BYTES, udp_bytes - MR_UDP_BYTES, pseudo + ports + length));
	else
		cksum = mr_net_fold(mr_net_fold64(pseudo));
	mr_net_store16(udp + MR_UDP_LENGTH, length);
	mr_net_store16(udp + MR_UDP_CKSUM, cksum);
}

/** Lengths, constants and checksums of an IPv4 UDP reply whose @p addresses and @p ports, given as
 *  they lie, are in place. */
static mr_always_inline unsigned mr_net_finish_udp4(uint8_t *frame, const struct mr_net_frame *at,
	uint64_t addresses, uint32_t ports, unsigned payload_bytes, unsigned tx_cksum)
{
	uint8_t *ip = frame + at->l2_bytes, *udp = ip + MR_IP4_BYTES;
	unsigned udp_bytes = MR_UDP_BYTES + payload_bytes;
	// Version, length, TOS; id 0, DF; TTL, protocol, sum 0.
	uint32_t first = htobe32(0x45000000u | (ip[MR_IP4_TOS] & ~(unsigned)MR_TOS_ECN) << 16 |
				 (MR_IP4_BYTES + udp_bytes));
	uint32_t second = htobe32(MR_IP4_DF);
	uint32_t third = htobe32(MR_NET_TTL << 24 | MR_PROTOCOL_UDP << 16);

	mr_net_store32(ip, first);
	mr_net_store32(ip + MR_IP4_ID, second);
	mr_net_store32(ip + MR_IP4_TTL, third);
	if ((tx_cksum & MR_NET_TX_IP_CKSUM) == 0) {
		// why from registers: see mr_net_finish_udp().
		uint64_t sum = (addresses & UINT32_MAX) + (addresses >> 32) + first +
		               ((uint64_t)second + third);

		mr_net_store16(ip + MR_IP4_CKSUM, (uint16_t)~mr_net_fold(mr_net_fold64(sum)));
	}
	mr_net_finish_udp(udp, ports, udp_bytes, mr_net_ip4_pseudo(addresses, udp_bytes), tx_cksum);
	return at->payload_at + payload_bytes;
}

/** As mr_net_reply_udp(). */
static mr_always_inline unsigned mr_net_reply_udp_fast(
	uint8_t *frame, const struct mr_net_frame *at, unsigned payload_bytes, unsigned tx_cksum)
{
	uint8_t *ip = frame + at->l2_bytes;
	uint64_t addresses;

	if (mr_unlikely(at->is_ip6))
		return mr_net_reply_udp(frame, at, payload_bytes, tx_cksum);
	mr_net_swap_macs(frame);
	addresses = mr_net_load64(ip + MR_IP4_SRC);
	addresses = addresses << 32 | addresses >> 32;
	memcpy(ip + MR_IP4_SRC, &addresses, sizeof(addresses));
	return mr_net_finish_udp4(frame, at, addresses, mr_net_swap_ports(ip + MR_IP4_BYTES),
		payload_bytes, tx_cksum);
}
