// SPDX-License-Identifier: BSD-3-Clause
#include "mr_net_priv.h"

// A frame while it is read: what lies behind the headers that were understood so far.
struct cursor {
	const struct mr_net_self *self;
	const uint8_t *frame;
	const uint8_t *at;
	unsigned bytes; // from `at` to the end of the frame, then of the packet
	unsigned rx_checked;
	bool is_group; // broadcast or multicast MAC address
};

static int find_ip4(const struct mr_net_self *self, uint32_t ip4_be)
{
	for (unsigned i = 0; i < self->n_ip4; i++) {
		if (self->ip4_be[i] == ip4_be)
			return (int)i;
	}
	return -1;
}

static int find_ip6(const struct mr_net_self *self, const uint8_t *ip6)
{
	for (unsigned i = 0; i < self->n_ip6; i++) {
		if (memcmp(self->ip6[i], ip6, 16) == 0)
			return (int)i;
	}
	return -1;
}

static bool ip6_source_ok(const struct mr_net_self *self, const uint8_t *src)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t loopback[16] = {[15] = 1};

	return src[0] != 0xff && memcmp(src, loopback, 16) != 0 && memcmp(src, mapped, 12) != 0 &&
	       find_ip6(self, src) < 0;
}

static enum mr_reason done(const struct cursor *c, struct mr_net_frame *ret, enum mr_net_kind kind,
	unsigned l2_bytes, unsigned l3_bytes)
{
	*ret = (struct mr_net_frame){
		.kind = (uint8_t)kind,
		.is_ip6 = kind == MR_NET_ND || kind == MR_NET_ICMP6,
		.l2_bytes = (uint8_t)l2_bytes,
		.l3_bytes = (uint8_t)l3_bytes,
		.payload_at = (uint16_t)(c->at - c->frame),
		.payload_bytes = (uint16_t)c->bytes,
	};
	return MR_REASON_NONE;
}

static enum mr_reason parse_arp(struct cursor *c, unsigned l2_bytes, struct mr_net_frame *ret)
{
	static const uint8_t ethernet_ip4[6] = {0, 1, 8, 0, 6, 4};

	if (c->bytes < MR_ARP_BYTES || memcmp(c->at, ethernet_ip4, sizeof(ethernet_ip4)) != 0 ||
		(c->at[MR_ARP_SHA] & 1) != 0)
		return MR_REASON_arp_bad;
	// why: a sender with our address is our own announcement, brought back by a loop, or
	// somebody who claims it, to whom an answer is none. Its MAC says nothing: a tap shares
	// ours.
	if (mr_load_be16(c->at + MR_ARP_OP) != MR_ARP_REQUEST ||
		find_ip4(c->self, mr_net_load32(c->at + MR_ARP_TPA)) < 0 ||
		find_ip4(c->self, mr_net_load32(c->at + MR_ARP_SPA)) >= 0)
		return MR_REASON_arp_not_ours;
	c->bytes = MR_ARP_BYTES;
	return done(c, ret, MR_NET_ARP, l2_bytes, 0);
}

static enum mr_reason parse_udp(struct cursor *c, const uint8_t *ip, bool is_ip6, unsigned l2_bytes,
	struct mr_net_frame *ret)
{
	unsigned udp_bytes;
	bool is_zero;

	if (c->bytes < MR_UDP_BYTES)
		return MR_REASON_udp_length;
	udp_bytes = mr_load_be16(c->at + MR_UDP_LENGTH);
	if (udp_bytes < MR_UDP_BYTES || udp_bytes > c->bytes)
		return MR_REASON_udp_length;
	if (mr_load_be16(c->at + MR_UDP_DST) != c->self->udp_port)
		return MR_REASON_udp_port;
	if (mr_net_load16(c->at + MR_UDP_SRC) == 0)
		return MR_REASON_udp_source;
	is_zero = mr_net_load16(c->at + MR_UDP_CKSUM) == 0;
	if (is_ip6 && is_zero)
		return MR_REASON_udp_checksum; // RFC 8200, 8.1
	if ((c->rx_checked & MR_NET_RX_L4_CHECKED) == 0 && !is_zero) {
		uint64_t sum =
			is_ip6 ? mr_net_ip6_pseudo(ip, udp_bytes, MR_PROTOCOL_UDP)
			       : mr_net_ip4_pseudo(mr_net_load64(ip + MR_IP4_SRC), udp_bytes);

		if (mr_net_fold(mr_net_sum(c->at, udp_bytes, sum)) != UINT16_MAX)
			return MR_REASON_udp_checksum;
	}
	c->at += MR_UDP_BYTES;
	c->bytes = udp_bytes - MR_UDP_BYTES;
	done(c, ret, MR_NET_UDP, l2_bytes, is_ip6 ? MR_IP6_BYTES : MR_IP4_BYTES);
	ret->is_ip6 = is_ip6;
	ret->udp_cksum_zero = is_zero;
	return MR_REASON_NONE;
}

static enum mr_reason parse_icmp(struct cursor *c, unsigned l2_bytes, struct mr_net_frame *ret)
{
	if (c->bytes < MR_ICMP_BYTES || mr_net_fold(mr_net_sum(c->at, c->bytes, 0)) != UINT16_MAX)
		return MR_REASON_icmp_bad;
	if (c->at[0] != MR_ICMP_ECHO || c->at[MR_ICMP_CODE] != 0)
		return MR_REASON_icmp_other;
	return done(c, ret, MR_NET_ICMP, l2_bytes, MR_IP4_BYTES);
}

static enum mr_reason check_ip4(struct cursor *c)
{
	const uint8_t *ip = c->at;
	unsigned total;

	if (c->bytes < MR_IP4_BYTES)
		return MR_REASON_eth_short;
	total = mr_load_be16(ip + MR_IP4_LENGTH);
	if (ip[0] != 0x45 || total < MR_IP4_BYTES || total > c->bytes)
		return MR_REASON_ip_header;
	if ((c->rx_checked & MR_NET_RX_IP_CHECKED) == 0 &&
		mr_net_fold(mr_net_ip4_sum(ip)) != UINT16_MAX)
		return MR_REASON_ip_checksum;
	if ((mr_load_be16(ip + MR_IP4_FRAGMENT) & MR_IP4_FRAGMENT_BITS) != 0)
		return MR_REASON_ip_fragment;
	if (!mr_net_ip4_source_ok(c->self, mr_net_load32(ip + MR_IP4_SRC)))
		return MR_REASON_ip_source;
	if (find_ip4(c->self, mr_net_load32(ip + MR_IP4_DST)) < 0)
		return MR_REASON_ip_not_ours;
	c->at += MR_IP4_BYTES;
	c->bytes = total - MR_IP4_BYTES;
	return MR_REASON_NONE;
}

static enum mr_reason parse_ip4(struct cursor *c, unsigned l2_bytes, struct mr_net_frame *ret)
{
	const uint8_t *ip = c->at;
	enum mr_reason reason;

	if (c->is_group)
		return MR_REASON_eth_group;
	reason = check_ip4(c);
	if (reason != MR_REASON_NONE)
		return reason;
	switch (ip[MR_IP4_PROTOCOL]) {
	case MR_PROTOCOL_UDP:
		return parse_udp(c, ip, false, l2_bytes, ret);
	case MR_PROTOCOL_ICMP:
		return parse_icmp(c, l2_bytes, ret);
	default:
		return MR_REASON_ip_protocol;
	}
}

// RFC 4861, 7.1.1: every option has a length; a probe from :: must not say who sends it.
bool mr_net_nd_options_ok(const uint8_t *at, unsigned bytes, bool is_probe)
{
	while (bytes > 0) {
		unsigned option_bytes;

		if (bytes < 2 || at[1] == 0)
			return false;
		option_bytes = at[1] * 8u;
		if (option_bytes > bytes || (is_probe && at[0] == MR_ND_OPTION_SOURCE))
			return false;
		at += option_bytes;
		bytes -= option_bytes;
	}
	return true;
}

static bool is_solicited_node(const uint8_t *dst, const uint8_t *target)
{
	static const uint8_t prefix[13] = {0xff, 0x02, [11] = 0x01, [12] = 0xff};

	return memcmp(dst, prefix, sizeof(prefix)) == 0 && memcmp(dst + 13, target + 13, 3) == 0;
}

static enum mr_reason parse_solicitation(
	struct cursor *c, const uint8_t *ip, unsigned l2_bytes, struct mr_net_frame *ret)
{
	const uint8_t *dst = ip + MR_IP6_DST, *target = c->at + MR_ND_TARGET;
	bool is_probe = mr_net_ip6_is_zero(ip + MR_IP6_SRC);

	if (c->bytes < MR_ND_BYTES || ip[MR_IP6_HOPS] != MR_ND_HOPS || c->at[MR_ICMP_CODE] != 0 ||
		target[0] == 0xff ||
		!mr_net_nd_options_ok(c->at + MR_ND_BYTES, c->bytes - MR_ND_BYTES, is_probe))
		return MR_REASON_nd_bad;
	if (find_ip6(c->self, target) < 0)
		return MR_REASON_nd_not_ours;
	if (is_probe && !is_solicited_node(dst, target))
		return MR_REASON_nd_bad;
	if (find_ip6(c->self, dst) < 0 && !is_solicited_node(dst, target) &&
		memcmp(dst, mr_net_all_nodes, 16) != 0)
		return MR_REASON_nd_not_ours;
	return done(c, ret, MR_NET_ND, l2_bytes, MR_IP6_BYTES);
}

static enum mr_reason parse_icmp6(
	struct cursor *c, const uint8_t *ip, unsigned l2_bytes, struct mr_net_frame *ret)
{
	bool is_probe = mr_net_ip6_is_zero(ip + MR_IP6_SRC);
	uint32_t sum = mr_net_ip6_pseudo(ip, c->bytes, MR_PROTOCOL_ICMP6);
	bool is_nd;

	if (c->bytes < MR_ICMP_BYTES || mr_net_fold(mr_net_sum(c->at, c->bytes, sum)) != UINT16_MAX)
		return MR_REASON_icmp_bad;
	is_nd = c->at[0] >= MR_ND_RS && c->at[0] <= MR_ND_REDIRECT;
	if (c->at[0] == MR_ND_NS)
		return parse_solicitation(c, ip, l2_bytes, ret);
	if (is_nd)
		return MR_REASON_nd_not_ours;
	if (c->is_group)
		return MR_REASON_eth_group;
	if (is_probe)
		return MR_REASON_ip_source;
	if (find_ip6(c->self, ip + MR_IP6_DST) < 0)
		return MR_REASON_ip_not_ours;
	if (c->at[0] != MR_ICMP6_ECHO || c->at[MR_ICMP_CODE] != 0)
		return MR_REASON_icmp_other;
	return done(c, ret, MR_NET_ICMP6, l2_bytes, MR_IP6_BYTES);
}

// What kind of refusal a next header that is not read gets.
static enum mr_reason refuse_next_header(uint8_t next)
{
	switch (next) {
	case 44: // fragment
		return MR_REASON_ip_fragment;
	case 0:   // hop-by-hop options
	case 43:  // routing
	case 50:  // ESP
	case 51:  // AH
	case 60:  // destination options
	case 135: // mobility
	case 139: // HIP
	case 140: // shim6
		return MR_REASON_ip_header;
	default:
		return MR_REASON_ip_protocol;
	}
}

static enum mr_reason parse_ip6(struct cursor *c, unsigned l2_bytes, struct mr_net_frame *ret)
{
	const uint8_t *ip = c->at;
	unsigned packet_bytes;

	if (c->bytes < MR_IP6_BYTES)
		return MR_REASON_eth_short;
	packet_bytes = mr_load_be16(ip + MR_IP6_LENGTH);
	if ((ip[0] >> 4) != 6 || packet_bytes > c->bytes - MR_IP6_BYTES)
		return MR_REASON_ip_header;
	if (c->is_group && ip[MR_IP6_NEXT] != MR_PROTOCOL_ICMP6)
		return MR_REASON_eth_group;
	if (!ip6_source_ok(c->self, ip + MR_IP6_SRC))
		return MR_REASON_ip_source;
	c->at += MR_IP6_BYTES;
	c->bytes = packet_bytes;
	if (ip[MR_IP6_NEXT] == MR_PROTOCOL_ICMP6)
		return parse_icmp6(c, ip, l2_bytes, ret);
	if (mr_net_ip6_is_zero(ip + MR_IP6_SRC))
		return MR_REASON_ip_source;
	if (find_ip6(c->self, ip + MR_IP6_DST) < 0)
		return MR_REASON_ip_not_ours;
	if (ip[MR_IP6_NEXT] != MR_PROTOCOL_UDP)
		return refuse_next_header(ip[MR_IP6_NEXT]);
	return parse_udp(c, ip, true, l2_bytes, ret);
}

// Skips up to two VLAN tags. @return the ethertype behind them, or -1.
static int skip_tags(struct cursor *c)
{
	unsigned type = mr_load_be16(c->at - 2);

	for (unsigned i = 0; i < 2; i++) {
		if (type != MR_ETHERTYPE_VLAN && type != MR_ETHERTYPE_QINQ)
			return (int)type;
		if (c->bytes < MR_VLAN_BYTES)
			return -1;
		type = mr_load_be16(c->at + 2);
		c->at += MR_VLAN_BYTES;
		c->bytes -= MR_VLAN_BYTES;
	}
	return type == MR_ETHERTYPE_VLAN || type == MR_ETHERTYPE_QINQ ? -1 : (int)type;
}

enum mr_reason mr_net_parse(const struct mr_net_self *self, const uint8_t *frame, unsigned bytes,
	unsigned rx_checked, struct mr_net_frame *ret)
{
	struct cursor c = {.self = self, .frame = frame, .rx_checked = rx_checked};
	unsigned l2_bytes;
	int type;

	if (bytes < MR_ETH_BYTES)
		return MR_REASON_eth_short;
	c.is_group = (frame[0] & 1) != 0;
	if (!c.is_group && !mr_net_mac_equal(frame, self->mac))
		return MR_REASON_eth_not_ours;
	if ((frame[MR_ETH_SRC] & 1) != 0)
		return MR_REASON_eth_source;
	c.at = frame + MR_ETH_BYTES;
	c.bytes = bytes - MR_ETH_BYTES;
	type = skip_tags(&c);
	l2_bytes = (unsigned)(c.at - frame);
	switch (type) {
	case -1:
		return MR_REASON_eth_vlan;
	case MR_ETHERTYPE_IP4:
		return parse_ip4(&c, l2_bytes, ret);
	case MR_ETHERTYPE_IP6:
		return parse_ip6(&c, l2_bytes, ret);
	case MR_ETHERTYPE_ARP:
		return parse_arp(&c, l2_bytes, ret);
	default:
		return c.is_group ? MR_REASON_eth_group : MR_REASON_eth_type;
	}
}
