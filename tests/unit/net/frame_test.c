// SPDX-License-Identifier: BSD-3-Clause
#include "mr_net_fast.h"
#include "mr_rng.h"

#include "corpus.h"
#include "frames.h"

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SUM_IP 1u
#define SUM_L4 2u

// A good frame, bytes changed in it (offsets in the untagged frame), checksums made good again
// where `sums` says so, and its end cut off; and what must become of it.
struct refusal {
	const char *name;
	enum frame_base base;
	unsigned n_tags;
	struct {
		unsigned at;
		uint8_t value;
	} set[7];
	unsigned n_set;
	unsigned sums;
	unsigned cut_bytes;
	enum mr_reason reason;
};

#define SET1(a, v) .set = {{a, v}}, .n_set = 1
#define SET2(a, v, b, w) .set = {{a, v}, {b, w}}, .n_set = 2
#define SET4(a, p, q, r, s) .set = {{a, p}, {(a) + 1, q}, {(a) + 2, r}, {(a) + 3, s}}, .n_set = 4
#define R(x) .reason = MR_REASON_##x

// Ethernet 0, IP 14, L4 34 over IPv4 and 54 over IPv6. Frames carry 32 bytes of payload.
static const struct refusal refusals[] = {
	{"runt", FRAME_UDP4, .cut_bytes = 61, R(eth_short)},
	{"ipv4 header cut", FRAME_UDP4, .cut_bytes = 41, R(eth_short)},
	{"ipv6 header cut", FRAME_UDP6, .cut_bytes = 41, R(eth_short)},
	{"another mac", FRAME_UDP4, SET1(5, 9), R(eth_not_ours)},
	{"another mac, last bytes alike", FRAME_UDP4, SET1(1, 9), R(eth_not_ours)},
	{"arp to another mac", FRAME_ARP, SET1(0, 2), R(eth_not_ours)},
	{"ipv4 to a multicast mac", FRAME_UDP4, SET1(0, 3), R(eth_group)},
	{"udp6 to a multicast mac", FRAME_UDP6, SET2(0, 0x33, 1, 0x33), R(eth_group)},
	{"echo6 to all nodes", FRAME_ECHO6, SET2(0, 0x33, 1, 0x33), R(eth_group)},
	{"lldp", FRAME_UDP4, .set = {{0, 1}, {12, 0x88}, {13, 0xcc}}, .n_set = 3, R(eth_group)},
	{"multicast source mac", FRAME_UDP4, SET1(6, 3), R(eth_source)},
	{"another ethertype", FRAME_UDP4, SET2(12, 0x88, 13, 0xcc), R(eth_type)},
	{"802.3 length", FRAME_UDP4, SET2(12, 0, 13, 60), R(eth_type)},
	{"tag cut off", FRAME_ARP, SET2(12, 0x81, 13, 0), .cut_bytes = 26, R(eth_vlan)},
	{"third tag", FRAME_UDP4, 2, SET2(20, 0x81, 21, 0), R(eth_vlan)},
	{"arp cut", FRAME_ARP, .cut_bytes = 1, R(arp_bad)},
	{"arp of token ring", FRAME_ARP, SET1(15, 6), R(arp_bad)},
	{"arp of another protocol", FRAME_ARP, SET1(16, 9), R(arp_bad)},
	{"arp with long addresses", FRAME_ARP, SET1(18, 8), R(arp_bad)},
	{"arp from a group", FRAME_ARP, SET1(22, 3), R(arp_bad)},
	{"arp for another", FRAME_ARP, SET1(41, 2), R(arp_not_ours)},
	{"arp reply", FRAME_ARP, SET1(21, 2), R(arp_not_ours)},
	{"our own arp", FRAME_ARP, SET1(31, 1), R(arp_not_ours)},
	{"nd hop limit", FRAME_NS, SET1(21, 254), R(nd_bad)},
	{"nd code", FRAME_NS, SET1(55, 1), .sums = SUM_L4, R(nd_bad)},
	{"nd multicast target", FRAME_NS, SET1(62, 0xff), .sums = SUM_L4, R(nd_bad)},
	{"nd option of no length", FRAME_NS, SET1(79, 0), .sums = SUM_L4, R(nd_bad)},
	{"nd option too long", FRAME_NS, SET1(79, 2), .sums = SUM_L4, R(nd_bad)},
	{"nd too short", FRAME_NS, SET1(19, 16), .sums = SUM_L4, R(nd_bad)},
	{"nd option cut", FRAME_NS, SET1(19, 25), .sums = SUM_L4, R(nd_bad)},
	{"nd probe to unicast", FRAME_NS_PROBE, .set = {{38, 0xfe}, {39, 0x80}, {49, 0}, {50, 0}},
		.n_set = 4, .sums = SUM_L4, R(nd_bad)},
	{"nd checksum", FRAME_NS, SET1(56, 0x5a), R(icmp_bad)},
	{"nd for another", FRAME_NS, SET1(76, 7), .sums = SUM_L4, R(nd_not_ours)},
	{"nd to another node", FRAME_NS, SET1(53, 7), .sums = SUM_L4, R(nd_not_ours)},
	{"router advertisement", FRAME_NS, SET1(54, 134), .sums = SUM_L4, R(nd_not_ours)},
	{"redirect", FRAME_ECHO6, SET1(54, 137), .sums = SUM_L4, R(nd_not_ours)},
	{"ip version 5", FRAME_UDP4, SET1(14, 0x55), .sums = SUM_IP, R(ip_header)},
	{"ip options", FRAME_UDP4, SET1(14, 0x46), .sums = SUM_IP, R(ip_header)},
	{"ip header of 16", FRAME_UDP4, SET1(14, 0x44), .sums = SUM_IP, R(ip_header)},
	{"ip length below header", FRAME_UDP4, SET1(17, 19), .sums = SUM_IP, R(ip_header)},
	{"ip longer than frame", FRAME_UDP4, SET1(17, 61), .sums = SUM_IP, R(ip_header)},
	{"ip cut", FRAME_UDP4, .cut_bytes = 1, R(ip_header)},
	{"ipv6 version 4", FRAME_UDP6, SET1(14, 0x4b), R(ip_header)},
	{"ipv6 longer than frame", FRAME_UDP6, SET1(19, 41), R(ip_header)},
	{"ipv6 hop-by-hop", FRAME_UDP6, SET1(20, 0), R(ip_header)},
	{"ipv6 destination options", FRAME_UDP6, SET1(20, 60), R(ip_header)},
	{"ipv6 routing", FRAME_UDP6, SET1(20, 43), R(ip_header)},
	{"ip checksum", FRAME_UDP4, SET1(24, 0x5a), R(ip_checksum)},
	{"ip ttl changed", FRAME_ECHO4, SET1(22, 3), R(ip_checksum)},
	{"ip for another", FRAME_UDP4, SET1(33, 2), .sums = SUM_IP, R(ip_not_ours)},
	{"ip broadcast", FRAME_UDP4, SET4(30, 255, 255, 255, 255), .sums = SUM_IP, R(ip_not_ours)},
	{"ipv6 for another", FRAME_UDP6, SET1(53, 2), .sums = SUM_L4, R(ip_not_ours)},
	{"echo6 for another", FRAME_ECHO6, SET1(53, 2), .sums = SUM_L4, R(ip_not_ours)},
	{"from multicast", FRAME_UDP4, SET1(26, 224), .sums = SUM_IP, R(ip_source)},
	{"from broadcast", FRAME_UDP4, SET4(26, 255, 255, 255, 255), .sums = SUM_IP, R(ip_source)},
	{"from reserved", FRAME_UDP4, SET1(26, 240), .sums = SUM_IP, R(ip_source)},
	{"from loopback", FRAME_ECHO4, SET1(26, 127), .sums = SUM_IP, R(ip_source)},
	{"from nobody", FRAME_UDP4, SET4(26, 0, 0, 0, 0), .sums = SUM_IP, R(ip_source)},
	{"from ourselves", FRAME_UDP4, SET1(29, 1), .sums = SUM_IP, R(ip_source)},
	{"from our second address", FRAME_UDP4, SET4(26, 198, 51, 100, 7), .sums = SUM_IP,
		R(ip_source)},
	{"ipv6 from multicast", FRAME_UDP6, SET1(22, 0xff), .sums = SUM_L4, R(ip_source)},
	{"ipv6 from ourselves", FRAME_UDP6, SET1(37, 1), .sums = SUM_L4, R(ip_source)},
	{"ipv6 from nobody", FRAME_UDP6, .set = {{22, 0}, {23, 0}, {24, 0}, {25, 0}, {37, 0}},
		.n_set = 5, .sums = SUM_L4, R(ip_source)},
	{"echo6 from nobody", FRAME_ECHO6, .set = {{22, 0}, {23, 0}, {24, 0}, {25, 0}, {37, 0}},
		.n_set = 5, .sums = SUM_L4, R(ip_source)},
	{"ipv6 from loopback", FRAME_UDP6, .set = {{22, 0}, {23, 0}, {24, 0}, {25, 0}, {37, 1}},
		.n_set = 5, .sums = SUM_L4, R(ip_source)},
	{"ipv6 from mapped", FRAME_UDP6,
		.set = {{22, 0}, {23, 0}, {24, 0}, {25, 0}, {32, 255}, {33, 255}}, .n_set = 6,
		.sums = SUM_L4, R(ip_source)},
	{"more fragments", FRAME_UDP4, SET1(20, 0x20), .sums = SUM_IP, R(ip_fragment)},
	{"fragment offset", FRAME_UDP4, SET1(21, 1), .sums = SUM_IP, R(ip_fragment)},
	{"ipv6 fragment", FRAME_UDP6, SET1(20, 44), R(ip_fragment)},
	{"tcp", FRAME_UDP4, SET1(23, 6), .sums = SUM_IP, R(ip_protocol)},
	{"tcp over ipv6", FRAME_UDP6, SET1(20, 6), R(ip_protocol)},
	{"icmpv6 over ipv4", FRAME_ECHO4, SET1(23, 58), .sums = SUM_IP, R(ip_protocol)},
	{"icmp checksum", FRAME_ECHO4, SET1(40, 0x5a), R(icmp_bad)},
	{"icmp cut", FRAME_ECHO4, SET1(17, 27), .sums = SUM_IP | SUM_L4, R(icmp_bad)},
	{"icmp empty", FRAME_ECHO4, SET1(17, 20), .sums = SUM_IP, R(icmp_bad)},
	{"icmpv6 checksum", FRAME_ECHO6, SET1(60, 0x5a), R(icmp_bad)},
	{"icmpv6 empty", FRAME_ECHO6, SET1(19, 0), R(icmp_bad)},
	{"echo reply", FRAME_ECHO4, SET1(34, 0), .sums = SUM_L4, R(icmp_other)},
	{"echo with a code", FRAME_ECHO4, SET1(35, 1), .sums = SUM_L4, R(icmp_other)},
	{"echo6 reply", FRAME_ECHO6, SET1(54, 129), .sums = SUM_L4, R(icmp_other)},
	{"packet too big", FRAME_ECHO6, SET1(54, 2), .sums = SUM_L4, R(icmp_other)},
	{"udp header cut", FRAME_UDP4, SET1(17, 27), .sums = SUM_IP, R(udp_length)},
	{"udp length 7", FRAME_UDP4, SET1(39, 7), .sums = SUM_L4, R(udp_length)},
	{"udp longer than ip", FRAME_UDP4, SET1(39, 41), .sums = SUM_L4, R(udp_length)},
	{"udp length 0 over ipv6", FRAME_UDP6, SET1(59, 0), .sums = SUM_L4, R(udp_length)},
	{"udp checksum", FRAME_UDP4, SET1(50, 0x5a), R(udp_checksum)},
	{"udp checksum, address changed", FRAME_UDP4, SET1(29, 8), .sums = SUM_IP, R(udp_checksum)},
	{"udp6 checksum", FRAME_UDP6, SET1(70, 0x5a), R(udp_checksum)},
	{"udp6 without checksum", FRAME_UDP6, SET2(60, 0, 61, 0), R(udp_checksum)},
	{"another port", FRAME_UDP4, SET1(37, 5), .sums = SUM_L4, R(udp_port)},
	{"another port over ipv6", FRAME_UDP6, SET1(57, 5), .sums = SUM_L4, R(udp_port)},
	{"from port 0", FRAME_UDP4, SET2(34, 0, 35, 0), .sums = SUM_L4, R(udp_source)},
	{"from port 0 over ipv6", FRAME_UDP6, SET2(54, 0, 55, 0), .sums = SUM_L4, R(udp_source)},
};

static void make_refusal(struct frame *f, const struct refusal *r)
{
	frame_make(f, r->base, r->n_tags, 32);
	for (unsigned i = 0; i < r->n_set; i++)
		f->data[r->set[i].at] = r->set[i].value;
	if ((r->sums & SUM_IP) != 0)
		frame_sum_ip4(f);
	if ((r->sums & SUM_L4) != 0)
		frame_sum_l4(f);
	f->bytes -= r->cut_bytes;
}

// Parses a copy in memory of exactly its size, with both forms, which must agree.
static enum mr_reason parse_exact(
	const uint8_t *data, unsigned bytes, unsigned rx_checked, struct mr_net_frame *ret)
{
	uint8_t *exact = malloc(bytes > 0 ? bytes : 1);
	struct mr_net_frame fast, untouched;
	enum mr_reason reason;

	memset(ret, 0xa5, sizeof(*ret));
	fast = untouched = *ret;
	memcpy(exact, data, bytes);
	reason = mr_net_parse(&fuzz_frame_self, exact, bytes, rx_checked, ret);
	assert_int_equal(
		mr_net_parse_fast(&fuzz_frame_self, exact, bytes, rx_checked, &fast), reason);
	assert_memory_equal(ret, &fast, FUZZ_FRAME_AT_BYTES);
	if (reason != MR_REASON_NONE)
		assert_memory_equal(ret, &untouched, sizeof(untouched));
	free(exact);
	return reason;
}

static void every_refusal_has_its_reason(void **state)
{
	bool seen[MR_REASON_COUNT] = {false};
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(refusals); i++) {
		const struct refusal *r = &refusals[i];
		enum mr_reason reason;

		make_refusal(&f, r);
		reason = parse_exact(f.data, f.bytes, 0, &at);
		if (reason != r->reason)
			fail_msg("%s: %s, not %s", r->name, mr_reason_name(reason),
				mr_reason_name(r->reason));
		seen[reason] = true;
	}
	for (unsigned i = 0; i < MR_REASON_to_kernel; i++) {
		if (!seen[i])
			fail_msg("no case for %s", mr_reason_name(i));
	}
}

static void checked_by_the_port_is_not_verified_again(void **state)
{
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (enum frame_base base = FRAME_UDP4; base <= FRAME_UDP6; base++) {
		for (unsigned n_tags = 0; n_tags < 2; n_tags++) {
			frame_make(&f, base, n_tags, 32);
			f.data[f.bytes - 1] ^= 1;
			assert_int_equal(parse_exact(f.data, f.bytes, MR_NET_RX_IP_CHECKED, &at),
				MR_REASON_udp_checksum);
			assert_int_equal(parse_exact(f.data, f.bytes, MR_NET_RX_L4_CHECKED, &at),
				MR_REASON_NONE);
		}
	}
	frame_make(&f, FRAME_UDP4, 0, 32);
	f.data[22] ^= 1; // TTL
	assert_int_equal(
		parse_exact(f.data, f.bytes, MR_NET_RX_L4_CHECKED, &at), MR_REASON_ip_checksum);
	assert_int_equal(parse_exact(f.data, f.bytes, MR_NET_RX_IP_CHECKED, &at), MR_REASON_NONE);
	frame_make(&f, FRAME_UDP6, 0, 32);
	f.data[60] = f.data[61] = 0;
	assert_int_equal(parse_exact(f.data, f.bytes, 3, &at), MR_REASON_udp_checksum);
}

static void good_frames_are_read(void **state)
{
	static const uint8_t kinds[FRAME_BASES] = {MR_NET_UDP, MR_NET_UDP, MR_NET_ARP, MR_NET_ND,
		MR_NET_ND, MR_NET_ICMP, MR_NET_ICMP6};
	static const uint8_t l3_bytes[FRAME_BASES] = {20, 40, 0, 40, 40, 20, 40};
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < FRAME_BASES * 3 * 2; i++) {
		unsigned base = i % FRAME_BASES, n_tags = i / FRAME_BASES % 3;
		unsigned padding = i / FRAME_BASES / 3 * 6;
		unsigned l4 = base <= FRAME_UDP6 ? 8 : 0;
		struct mr_net_frame at;

		frame_make(&f, base, n_tags, 5);
		assert_int_equal(parse_exact(f.data, f.bytes + padding, 0, &at), MR_REASON_NONE);
		assert_int_equal(at.kind, kinds[base]);
		assert_int_equal(at.is_ip6, l3_bytes[base] == 40);
		assert_int_equal(at.l2_bytes, f.l2_bytes);
		assert_int_equal(at.l3_bytes, l3_bytes[base]);
		assert_int_equal(at.payload_at, f.l2_bytes + l3_bytes[base] + l4);
		assert_int_equal(at.payload_bytes, f.bytes - at.payload_at);
		assert_false(at.udp_cksum_zero);
	}
}

static void second_address_and_missing_checksum_are_fine(void **state)
{
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (unsigned n_tags = 0; n_tags < 2; n_tags++) {
		frame_make(&f, FRAME_UDP4, n_tags, 32);
		memcpy(f.data + f.l2_bytes + 16, &fuzz_frame_self.ip4_be[n_tags], 4);
		frame_sum_ip4(&f);
		mr_store_be16(f.data + f.l2_bytes + 26, 0);
		assert_int_equal(parse_exact(f.data, f.bytes, 0, &at), MR_REASON_NONE);
		assert_true(at.udp_cksum_zero);
	}
}

static void no_prefix_of_a_frame_is_a_frame(void **state)
{
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < FRAME_BASES * 3 * 4; i++) {
		frame_make(&f, i % FRAME_BASES, i / FRAME_BASES % 3, 21);
		for (unsigned bytes = 0; bytes < f.bytes; bytes++)
			assert_int_not_equal(parse_exact(f.data, bytes, i / FRAME_BASES / 3, &at),
				MR_REASON_NONE);
	}
}

// Everything about a UDP reply but its addresses, by the independent sum.
static void check_udp_fields(
	const struct frame *f, const uint8_t *reply, unsigned payload_bytes, unsigned tx_cksum)
{
	const uint8_t *ip = reply + f->l2_bytes, *udp;

	if ((ip[0] >> 4) == 4) {
		udp = ip + 20;
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(ip[1], 0xb8);
		assert_int_equal(mr_load_be16(ip + 2), 28 + payload_bytes);
		assert_int_equal(mr_load_be32(ip + 4), 0x00004000);
		assert_int_equal(ip[8], 64);
		if ((tx_cksum & MR_NET_TX_IP_CKSUM) != 0)
			assert_int_equal(mr_load_be16(ip + 10), 0);
		else
			assert_int_equal(naive_sum(ip, 20, 0), 0xffff);
	} else {
		udp = ip + 40;
		assert_int_equal(mr_load_be32(ip), 0x6b812345);
		assert_int_equal(mr_load_be16(ip + 4), 8 + payload_bytes);
		assert_int_equal(ip[7], 64);
	}
	assert_int_equal(mr_load_be16(udp), 4100);
	assert_int_equal(mr_load_be16(udp + 2), 50000);
	assert_int_equal(mr_load_be16(udp + 4), 8 + payload_bytes);
	assert_int_not_equal(mr_load_be16(udp + 6), 0);
	// The port wants the sum of the pseudo-header there.
	if ((tx_cksum & MR_NET_TX_UDP_CKSUM) != 0) {
		uint32_t addresses =
			(ip[0] >> 4) == 4 ? naive_sum(ip + 12, 8, 0) : naive_sum(ip + 8, 32, 0);

		assert_int_equal(mr_load_be16(udp + 6),
			naive_sum(NULL, 0, addresses + 17 + 8 + payload_bytes));
	} else {
		assert_int_equal(naive_l4_sum(ip, 8 + payload_bytes), 0xffff);
	}
}

static void udp_replies_are_right(void **state)
{
	static const unsigned sizes[] = {0, 1, 2, 7, 8, 15, 16, 17, 31, 64, 255, 1001, 1444};
	struct mr_net_frame at;
	struct frame f, more;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(sizes) * 2 * 3 * 4; i++) {
		unsigned size = sizes[i / 24], n_tags = i / 4 % 3, tx_cksum = i % 4;
		unsigned bytes;

		frame_make(&f, i / 12 % 2, n_tags, 40);
		assert_int_equal(parse_exact(f.data, f.bytes, 0, &at), MR_REASON_NONE);
		for (unsigned j = 0; j < size; j++)
			f.data[at.payload_at + j] = (uint8_t)(j * j + i);
		more = f;
		bytes = mr_net_reply_udp(f.data, &at, size, tx_cksum);
		assert_int_equal(bytes, at.payload_at + size);
		assert_memory_equal(f.data, frame_peer_mac, 6);
		assert_memory_equal(f.data + 6, fuzz_frame_self.mac, 6);
		assert_memory_equal(f.data + 12, more.data + 12, f.l2_bytes - 12);
		check_udp_fields(&f, f.data, size, tx_cksum);

		// A further datagram of the reply, from the reply's headers.
		memset(more.data, 0, at.payload_at);
		mr_net_copy_headers(more.data, f.data, &at);
		mr_net_reply_udp_more(more.data, &at, size / 2, tx_cksum);
		check_udp_fields(&more, more.data, size / 2, tx_cksum);
	}
}

static void a_computed_zero_is_sent_as_ones(void **state)
{
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (enum frame_base base = FRAME_UDP4; base <= FRAME_UDP6; base++) {
		uint8_t *udp;

		frame_make(&f, base, 0, 32);
		parse_exact(f.data, f.bytes, 0, &at);
		udp = f.data + at.payload_at - 8;
		mr_store_be16(f.data + at.payload_at, 0);
		mr_net_reply_udp(f.data, &at, 32, 0);
		// The word that brings the sum to all ones makes the checksum zero.
		mr_store_be16(f.data + at.payload_at, mr_load_be16(udp + 6));
		mr_net_reply_udp_more(f.data, &at, 32, 0);
		assert_int_equal(mr_load_be16(udp + 6), 0xffff);
		assert_int_equal(naive_l4_sum(f.data + 14, 40), 0xffff);
	}
}

static void arp_is_answered(void **state)
{
	static const uint8_t want[28] = {0, 1, 8, 0, 6, 4, 0, 2, 0x02, 0, 0, 0, 0, 1, 192, 0, 2, 1,
		0x02, 0, 0, 0, 0, 2, 192, 0, 2, 9};
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (unsigned n_tags = 0; n_tags < 3; n_tags++) {
		frame_make(&f, FRAME_ARP, n_tags, 0);
		assert_int_equal(parse_exact(f.data, f.bytes + 18, 0, &at), MR_REASON_NONE);
		assert_int_equal(mr_net_reply_control(&fuzz_frame_self, f.data, &at), f.bytes);
		assert_memory_equal(f.data, frame_peer_mac, 6);
		assert_memory_equal(f.data + 6, fuzz_frame_self.mac, 6);
		assert_memory_equal(f.data + f.l2_bytes, want, 28);
	}
}

static void neighbours_are_advertised_to(void **state)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		bool is_probe = i % 2 != 0;
		uint8_t *ip, *nd;

		frame_make(&f, is_probe ? FRAME_NS_PROBE : FRAME_NS, i / 2, 0);
		assert_int_equal(parse_exact(f.data, f.bytes, 0, &at), MR_REASON_NONE);
		assert_int_equal(
			mr_net_reply_control(&fuzz_frame_self, f.data, &at), f.l2_bytes + 72);
		ip = f.data + f.l2_bytes;
		nd = ip + 40;
		assert_memory_equal(f.data, is_probe ? all_nodes_mac : frame_peer_mac, 6);
		assert_memory_equal(f.data + 6, fuzz_frame_self.mac, 6);
		assert_int_equal(mr_load_be32(ip), 0x60000000);
		assert_int_equal(mr_load_be16(ip + 4), 32);
		assert_int_equal(ip[6], 58);
		assert_int_equal(ip[7], 255);
		assert_memory_equal(ip + 8, fuzz_frame_self.ip6[1], 16);
		assert_memory_equal(ip + 24, is_probe ? all_nodes : frame_peer_ip6, 16);
		assert_int_equal(mr_load_be16(nd), 0x8800);
		assert_int_equal(mr_load_be32(nd + 4), is_probe ? 0x20000000 : 0x60000000);
		assert_memory_equal(nd + 8, fuzz_frame_self.ip6[1], 16);
		assert_int_equal(mr_load_be16(nd + 24), 0x0201);
		assert_memory_equal(nd + 26, fuzz_frame_self.mac, 6);
		assert_int_equal(naive_l4_sum(ip, 32), 0xffff);
	}
}

static void solicitations_may_come_by_unicast_or_to_all_nodes(void **state)
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	frame_make(&f, FRAME_NS, 0, 0);
	memcpy(f.data, fuzz_frame_self.mac, 6);
	memcpy(f.data + 38, fuzz_frame_self.ip6[1], 16);
	frame_sum_l4(&f);
	assert_int_equal(parse_exact(f.data, f.bytes, 0, &at), MR_REASON_NONE);
	memcpy(f.data + 38, all_nodes, 16);
	frame_sum_l4(&f);
	assert_int_equal(parse_exact(f.data, f.bytes, 0, &at), MR_REASON_NONE);
}

static void echoes_come_back(void **state)
{
	struct mr_net_frame at;
	struct frame f, asked;

	(void)state;
	for (unsigned i = 0; i < 2 * 3 * 50; i++) {
		bool is_ip6 = i % 2 != 0;
		unsigned payload_bytes = i / 6 * 29, l3 = is_ip6 ? 40 : 20;
		uint8_t *ip, *icmp;

		frame_make(&asked, is_ip6 ? FRAME_ECHO6 : FRAME_ECHO4, i / 2 % 3, payload_bytes);
		f = asked;
		assert_int_equal(parse_exact(f.data, f.bytes + 3, 0, &at), MR_REASON_NONE);
		assert_int_equal(mr_net_reply_control(&fuzz_frame_self, f.data, &at), f.bytes);
		ip = f.data + f.l2_bytes;
		icmp = ip + l3;
		assert_memory_equal(f.data, frame_peer_mac, 6);
		assert_memory_equal(f.data + 6, fuzz_frame_self.mac, 6);
		assert_int_equal(icmp[0], is_ip6 ? 129 : 0);
		assert_int_equal(icmp[1], 0);
		assert_memory_equal(icmp + 4, asked.data + f.l2_bytes + l3 + 4, 4 + payload_bytes);
		assert_int_equal(naive_l4_sum(ip, 8 + payload_bytes), 0xffff);
		assert_int_equal(is_ip6 ? ip[7] : ip[8], 64);
		if (is_ip6) {
			assert_memory_equal(ip + 8, fuzz_frame_self.ip6[0], 16);
			assert_memory_equal(ip + 24, frame_peer_ip6, 16);
			continue;
		}
		assert_int_equal(naive_sum(ip, 20, 0), 0xffff);
		assert_int_equal(mr_load_be32(ip + 4), 0x00004000);
		assert_memory_equal(ip + 12, &fuzz_frame_self.ip4_be[0], 4);
		assert_memory_equal(ip + 16, frame_peer_ip4, 4);
	}
}

// A datagram to another port; @p n_tags tags.
static void make_other_port(struct frame *f, bool is_ip6, unsigned n_tags, unsigned payload_bytes)
{
	frame_make(f, is_ip6 ? FRAME_UDP6 : FRAME_UDP4, n_tags, payload_bytes);
	mr_store_be16(f->data + f->l2_bytes + (is_ip6 ? 40 : 20) + 2, 9);
	frame_sum_l4(f);
}

static void other_ports_are_unreachable(void **state)
{
	static const unsigned payloads[] = {0, 27, 28, 29, 47, 48, 49, 600, 1300};

	(void)state;
	for (unsigned i = 0; i < 2 * 3 * MR_ARRAY_SIZE(payloads); i++) {
		bool is_ip6 = i % 2 != 0;
		unsigned payload_bytes = payloads[i / 6], l3 = is_ip6 ? 40 : 20;
		unsigned ip_bytes = l3 + 8 + payload_bytes, bytes, quoted;
		struct mr_net_frame at;
		struct frame f, asked;
		uint8_t *ip;

		make_other_port(&asked, is_ip6, i / 2 % 3, payload_bytes);
		f = asked;
		assert_int_equal(parse_exact(f.data, f.bytes, 0, &at), MR_REASON_udp_port);
		bytes = mr_net_reply_unreachable(f.data);
		// Our headers and those that must be quoted fit, or it is not answered.
		if (ip_bytes < 2 * (l3 + 8)) {
			assert_int_equal(bytes, 0);
			assert_memory_equal(f.data, asked.data, f.bytes);
			continue;
		}
		ip_bytes = MR_MIN(ip_bytes, is_ip6 ? 1280u : 576u);
		quoted = ip_bytes - l3 - 8;
		assert_int_equal(bytes, f.l2_bytes + ip_bytes);
		ip = f.data + f.l2_bytes;
		assert_memory_equal(f.data, frame_peer_mac, 6);
		assert_memory_equal(f.data + 6, fuzz_frame_self.mac, 6);
		assert_memory_equal(f.data + 12, asked.data + 12, f.l2_bytes - 12);
		assert_int_equal(ip[l3], is_ip6 ? 1 : 3);
		assert_int_equal(ip[l3 + 1], is_ip6 ? 4 : 3);
		assert_int_equal(mr_load_be32(ip + l3 + 4), 0);
		assert_memory_equal(ip + l3 + 8, asked.data + f.l2_bytes, quoted);
		assert_int_equal(naive_l4_sum(ip, quoted + 8), 0xffff);
		if (is_ip6) {
			assert_int_equal(mr_load_be16(ip + 4), quoted + 8);
			assert_int_equal(ip[6], 58);
			assert_int_equal(ip[7], 64);
			assert_memory_equal(ip + 8, fuzz_frame_self.ip6[0], 16);
			assert_memory_equal(ip + 24, frame_peer_ip6, 16);
			continue;
		}
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(mr_load_be16(ip + 2), ip_bytes);
		assert_int_equal(mr_load_be32(ip + 4), 0x00004000);
		assert_int_equal(ip[8], 64);
		assert_int_equal(ip[9], 1);
		assert_int_equal(naive_sum(ip, 20, 0), 0xffff);
		assert_memory_equal(ip + 12, &fuzz_frame_self.ip4_be[0], 4);
		assert_memory_equal(ip + 16, frame_peer_ip4, 4);
	}
}

static void a_wrong_sum_is_not_answered(void **state)
{
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		make_other_port(&f, i != 0, 0, 100);
		f.data[f.bytes - 1] ^= 1;
		assert_int_equal(mr_net_reply_unreachable(f.data), 0);
	}
	make_other_port(&f, true, 0, 100);
	mr_store_be16(f.data + 14 + 46, 0); // RFC 8200, 8.1
	assert_int_equal(mr_net_reply_unreachable(f.data), 0);
}

// A router advertisement with an MTU option behind one of another kind.
static void make_advertisement(struct frame *f, unsigned n_tags, uint32_t mtu)
{
	uint8_t *nd, *ip;

	memset(f, 0, sizeof(*f));
	frame_ethernet(f, 0x86dd, n_tags);
	nd = frame_ip6(f, 58, 16 + 8 + 8);
	ip = nd - 40;
	ip[7] = 255;
	memset(ip + 8, 0, 16);
	mr_store_be16(ip + 8, 0xfe80);
	ip[23] = 0x77;
	nd[0] = 134;
	nd[16] = 1;
	nd[17] = 1;
	nd[24] = 5;
	nd[25] = 1;
	mr_store_be32(nd + 28, mtu);
	frame_sum_l4(f);
}

static void routers_say_the_mtu(void **state)
{
	static const struct {
		const char *name;
		unsigned at; // in the IP packet
		uint8_t value;
	} bad[] = {
		{"hop limit", 7, 254},
		{"source is not link-local", 8, 0x20},
		{"a solicitation", 40, 133},
		{"code", 41, 1},
		{"option of no length", 57, 0},
		{"option too long", 65, 2},
		{"another option", 64, 6},
	};
	struct mr_net_frame at;
	struct frame f;

	(void)state;
	for (unsigned tags = 0; tags < 3; tags++) {
		make_advertisement(&f, tags, 1400);
		assert_int_equal(parse_exact(f.data, f.bytes, 0, &at), MR_REASON_nd_not_ours);
		assert_int_equal(mr_net_router_mtu(f.data), 1400);
	}
	for (unsigned i = 0; i < MR_ARRAY_SIZE(bad); i++) {
		make_advertisement(&f, 0, 1400);
		f.data[14 + bad[i].at] = bad[i].value;
		if (mr_net_router_mtu(f.data) != 0)
			fail_msg("%s: was taken", bad[i].name);
	}
}

static void announcements_are_right(void **state)
{
	static const uint8_t want[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1,
		0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1, 0x02, 0, 0, 0, 0, 1, 198, 51, 100, 7, 0, 0, 0,
		0, 0, 0, 198, 51, 100, 7};
	static const uint8_t solicited_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
	uint8_t frame[MR_NET_ANNOUNCE6_BYTES], mac[6];

	(void)state;
	assert_int_equal(mr_net_announce(&fuzz_frame_self, 1, frame), 60);
	assert_memory_equal(frame, want, sizeof(want));
	memset(frame, 0xa5, sizeof(frame));
	assert_int_equal(mr_net_announce6(&fuzz_frame_self, 0, frame), 86);
	assert_int_equal(mr_load_be32(frame), 0x33330000);
	assert_memory_equal(frame + 22, fuzz_frame_self.ip6[0], 16);
	assert_int_equal(mr_load_be32(frame + 58), 0x20000000);
	assert_int_equal(naive_l4_sum(frame + 14, 32), 0xffff);
	mr_net_solicited_mac(fuzz_frame_self.ip6[1], mac);
	assert_memory_equal(mac, solicited_mac, 6);
}

static void sums_equal_the_naive_one(void **state)
{
	static uint8_t data[65536 + 8];
	struct mr_rng rng = {7};

	(void)state;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)mr_rng_next(&rng);
	for (unsigned bytes = 0; bytes <= 65535; bytes += bytes < 300 ? 1 : 977) {
		for (unsigned shift = 0; shift < 4; shift++) {
			uint16_t got = mr_net_fold(mr_net_sum(data + shift, bytes, 0));

			assert_int_equal(be16toh(got), naive_sum(data + shift, bytes, 0));
		}
	}
	// The largest sum there is, and pieces added up.
	memset(data, 0xff, sizeof(data));
	assert_int_equal(mr_net_fold(mr_net_sum(data, sizeof(data), UINT32_MAX)), 0xffff);
	assert_int_equal(mr_net_fold(mr_net_sum(data + 2, 31, mr_net_sum(data, 2, 0))),
		be16toh(naive_sum(data, 33, 0)));
}

// One input of the fuzz target: a good frame with a few things done to it.
static unsigned mutate(struct mr_rng *rng, uint8_t *input)
{
	static const uint8_t bad[] = {0, 1, 4, 6, 8, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff};
	unsigned n = (unsigned)mr_rng_below(rng, 4);
	uint8_t *data = input + FUZZ_FRAME_HEAD_BYTES;
	struct frame f;

	frame_make(&f, (enum frame_base)mr_rng_below(rng, FRAME_BASES),
		(unsigned)mr_rng_below(rng, 3), (unsigned)mr_rng_below(rng, 300));
	input[0] = (uint8_t)mr_rng_below(rng, 16);
	input[1] = (uint8_t)mr_rng_below(rng, 256);
	for (unsigned i = 0; i < n; i++) {
		unsigned at = (unsigned)mr_rng_below(rng, MR_MIN(f.bytes, 100u));

		f.data[at] = mr_rng_below(rng, 2) != 0 ? bad[mr_rng_below(rng, sizeof(bad))]
		                                       : (uint8_t)mr_rng_next(rng);
	}
	// Most mutations die at a checksum, unless it is made good again.
	if (f.data[f.l2_bytes] == 0x45 && mr_rng_below(rng, 2) != 0)
		frame_sum_ip4(&f);
	if (mr_rng_below(rng, 4) == 0)
		f.bytes = (unsigned)mr_rng_below(rng, f.bytes + 40);
	memcpy(data, f.data, f.bytes);
	return f.bytes + FUZZ_FRAME_HEAD_BYTES;
}

static void mutated_frames_do_no_harm(void **state)
{
	uint8_t input[sizeof(struct frame)];
	const uint64_t seed = 20240611;
	struct mr_rng rng = {seed};

	(void)state;
	print_message("seed %llu\n", (unsigned long long)seed);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned bytes = mutate(&rng, input);

		LLVMFuzzerTestOneInput(input, bytes);
	}
}

static void the_corpus_does_no_harm(void **state)
{
	(void)state;
	assert_in_range(corpus_replay("frame", LLVMFuzzerTestOneInput), 20, 10000);
}

// MR_WRITE_CORPUS=DIR writes the tables above as seeds of the fuzz target.
static int write_corpus(const char *dir)
{
	for (unsigned i = 0; i < MR_ARRAY_SIZE(refusals) + FRAME_BASES * 3; i++) {
		unsigned good = i - MR_ARRAY_SIZE(refusals);
		char path[1024];
		struct frame f;
		FILE *file;

		if (i < MR_ARRAY_SIZE(refusals))
			make_refusal(&f, &refusals[i]);
		else
			frame_make(&f, good % FRAME_BASES, good / FRAME_BASES, 32);
		snprintf(path, sizeof(path), "%s/seed-%03u", dir, i);
		file = fopen(path, "wb");
		if (file == NULL)
			return 1;
		fputc(0, file);
		fputc(0, file);
		fwrite(f.data, 1, f.bytes, file);
		fclose(file);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_refusal_has_its_reason),
		cmocka_unit_test(checked_by_the_port_is_not_verified_again),
		cmocka_unit_test(good_frames_are_read),
		cmocka_unit_test(second_address_and_missing_checksum_are_fine),
		cmocka_unit_test(no_prefix_of_a_frame_is_a_frame),
		cmocka_unit_test(udp_replies_are_right),
		cmocka_unit_test(a_computed_zero_is_sent_as_ones),
		cmocka_unit_test(arp_is_answered),
		cmocka_unit_test(neighbours_are_advertised_to),
		cmocka_unit_test(solicitations_may_come_by_unicast_or_to_all_nodes),
		cmocka_unit_test(echoes_come_back),
		cmocka_unit_test(other_ports_are_unreachable),
		cmocka_unit_test(a_wrong_sum_is_not_answered),
		cmocka_unit_test(routers_say_the_mtu),
		cmocka_unit_test(announcements_are_right),
		cmocka_unit_test(sums_equal_the_naive_one),
		cmocka_unit_test(mutated_frames_do_no_harm),
		cmocka_unit_test(the_corpus_does_no_harm),
	};

	if (getenv("MR_WRITE_CORPUS") != NULL)
		return write_corpus(getenv("MR_WRITE_CORPUS"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
