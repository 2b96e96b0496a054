// SPDX-License-Identifier: BSD-3-Clause
#include "mr_net_priv.h"

const uint8_t mr_net_all_nodes[16] = {0xff, 0x02, [15] = 0x01};
static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void swap_ip6(uint8_t *ip)
{
	uint8_t src[16];

	memcpy(src, ip + MR_IP6_SRC, sizeof(src));
	memcpy(ip + MR_IP6_SRC, ip + MR_IP6_DST, sizeof(src));
	memcpy(ip + MR_IP6_DST, src, sizeof(src));
}

// Traffic class without its ECN bits, which speak of one direction only.
static void clear_ecn6(uint8_t *ip)
{
	ip[1] &= 0xcf;
}

static unsigned finish_udp6(
	uint8_t *frame, const struct mr_net_frame *at, unsigned payload_bytes, unsigned tx_cksum)
{
	uint8_t *ip = frame + at->l2_bytes, *udp = ip + MR_IP6_BYTES;
	unsigned udp_bytes = MR_UDP_BYTES + payload_bytes;
	uint64_t pseudo = mr_net_ip6_pseudo(ip, udp_bytes, MR_PROTOCOL_UDP);

	clear_ecn6(ip);
	mr_store_be16(ip + MR_IP6_LENGTH, (uint16_t)udp_bytes);
	ip[MR_IP6_HOPS] = MR_NET_TTL;
	mr_net_finish_udp(udp, mr_net_load32(udp + MR_UDP_SRC), udp_bytes, pseudo, tx_cksum);
	return at->payload_at + payload_bytes;
}

unsigned mr_net_reply_udp_more(
	uint8_t *frame, const struct mr_net_frame *at, unsigned payload_bytes, unsigned tx_cksum)
{
	const uint8_t *ip = frame + at->l2_bytes;

	return at->is_ip6 ? finish_udp6(frame, at, payload_bytes, tx_cksum)
	                  : mr_net_finish_udp4(frame, at, mr_net_load64(ip + MR_IP4_SRC),
				    mr_net_load32(ip + MR_IP4_BYTES + MR_UDP_SRC), payload_bytes,
				    tx_cksum);
}

unsigned mr_net_reply_udp(
	uint8_t *frame, const struct mr_net_frame *at, unsigned payload_bytes, unsigned tx_cksum)
{
	if (!at->is_ip6)
		return mr_net_reply_udp_fast(frame, at, payload_bytes, tx_cksum);
	mr_net_swap_macs(frame);
	swap_ip6(frame + at->l2_bytes);
	mr_net_swap_ports(frame + at->l2_bytes + MR_IP6_BYTES);
	return finish_udp6(frame, at, payload_bytes, tx_cksum);
}

void mr_net_copy_headers(uint8_t *to, const uint8_t *from, const struct mr_net_frame *at)
{
	memcpy(to, from, at->payload_at);
}

static unsigned reply_arp(
	const struct mr_net_self *self, uint8_t *frame, const struct mr_net_frame *at)
{
	uint8_t *arp = frame + at->payload_at;
	uint32_t target = mr_net_load32(arp + MR_ARP_TPA);

	memcpy(frame, frame + MR_ETH_SRC, 6);
	memcpy(frame + MR_ETH_SRC, self->mac, 6);
	mr_store_be16(arp + MR_ARP_OP, MR_ARP_REPLY);
	memcpy(arp + MR_ARP_THA, arp + MR_ARP_SHA, 10); // MAC and IP address of the sender
	memcpy(arp + MR_ARP_SHA, self->mac, 6);
	mr_net_store32(arp + MR_ARP_SPA, target);
	return at->payload_at + MR_ARP_BYTES;
}

// RFC 1624, equation 3: the type is the one word that changes.
static void answer_echo(uint8_t *icmp, uint8_t type)
{
	uint16_t before = mr_net_load16(icmp), after;
	uint32_t sum = (uint16_t)~mr_net_load16(icmp + MR_ICMP_CKSUM);

	icmp[0] = type;
	after = mr_net_load16(icmp);
	sum += (uint16_t)~before;
	sum += after;
	mr_net_store16(icmp + MR_ICMP_CKSUM, (uint16_t)~mr_net_fold(sum));
}

void mr_net_turn_ip4(uint8_t *ip)
{
	uint32_t src = mr_net_load32(ip + MR_IP4_SRC);

	mr_net_store32(ip + MR_IP4_SRC, mr_net_load32(ip + MR_IP4_DST));
	mr_net_store32(ip + MR_IP4_DST, src);
	ip[MR_IP4_TOS] &= (uint8_t)~MR_TOS_ECN;
	mr_store_be16(ip + MR_IP4_ID, 0);
	mr_store_be16(ip + MR_IP4_FRAGMENT, MR_IP4_DF);
	ip[MR_IP4_TTL] = MR_NET_TTL;
	mr_net_store16(ip + MR_IP4_CKSUM, 0);
	mr_net_store16(ip + MR_IP4_CKSUM, (uint16_t)~mr_net_fold(mr_net_ip4_sum(ip)));
}

void mr_net_turn_ip6(uint8_t *ip)
{
	swap_ip6(ip);
	clear_ecn6(ip);
	ip[MR_IP6_HOPS] = MR_NET_TTL;
}

static unsigned reply_icmp(uint8_t *frame, const struct mr_net_frame *at)
{
	mr_net_swap_macs(frame);
	mr_net_turn_ip4(frame + at->l2_bytes);
	answer_echo(frame + at->payload_at, MR_ICMP_ECHO_REPLY);
	return at->payload_at + at->payload_bytes;
}

static unsigned reply_icmp6(uint8_t *frame, const struct mr_net_frame *at)
{
	mr_net_swap_macs(frame);
	mr_net_turn_ip6(frame + at->l2_bytes);
	answer_echo(frame + at->payload_at, MR_ICMP6_ECHO_REPLY);
	return at->payload_at + at->payload_bytes;
}

// The advertisement of `target` behind an IPv6 header whose destination is in place.
static void write_advertisement(
	const struct mr_net_self *self, uint8_t *ip, const uint8_t *target, uint32_t flags)
{
	uint8_t *nd = ip + MR_IP6_BYTES, *option = nd + MR_ND_BYTES;
	const unsigned nd_bytes = MR_ND_BYTES + MR_ND_OPTION_BYTES;
	uint32_t sum;

	memmove(nd + MR_ND_TARGET, target, 16);
	memcpy(ip + MR_IP6_SRC, nd + MR_ND_TARGET, 16);
	mr_store_be32(ip, 0x60000000u);
	mr_store_be16(ip + MR_IP6_LENGTH, nd_bytes);
	ip[MR_IP6_NEXT] = MR_PROTOCOL_ICMP6;
	ip[MR_IP6_HOPS] = MR_ND_HOPS;
	nd[0] = MR_ND_NA;
	nd[MR_ICMP_CODE] = 0;
	mr_net_store16(nd + MR_ICMP_CKSUM, 0);
	mr_store_be32(nd + MR_ND_FLAGS, flags);
	option[0] = MR_ND_OPTION_TARGET;
	option[1] = 1; // times 8 bytes
	memcpy(option + 2, self->mac, 6);
	sum = mr_net_sum(nd, nd_bytes, mr_net_ip6_pseudo(ip, nd_bytes, MR_PROTOCOL_ICMP6));
	mr_net_store16(nd + MR_ICMP_CKSUM, (uint16_t)~mr_net_fold(sum));
}

static unsigned reply_nd(
	const struct mr_net_self *self, uint8_t *frame, const struct mr_net_frame *at)
{
	uint8_t *ip = frame + at->l2_bytes;
	bool is_probe = mr_net_ip6_is_zero(ip + MR_IP6_SRC);

	memcpy(frame, is_probe ? all_nodes_mac : frame + MR_ETH_SRC, 6);
	memcpy(frame + MR_ETH_SRC, self->mac, 6);
	memcpy(ip + MR_IP6_DST, is_probe ? mr_net_all_nodes : ip + MR_IP6_SRC, 16);
	write_advertisement(self, ip, frame + at->payload_at + MR_ND_TARGET,
		MR_ND_FLAG_OVERRIDE | (is_probe ? 0 : MR_ND_FLAG_SOLICITED));
	return at->payload_at + MR_ND_BYTES + MR_ND_OPTION_BYTES;
}

unsigned mr_net_reply_control(
	const struct mr_net_self *self, uint8_t *frame, const struct mr_net_frame *at)
{
	switch (at->kind) {
	case MR_NET_ARP:
		return reply_arp(self, frame, at);
	case MR_NET_ND:
		return reply_nd(self, frame, at);
	case MR_NET_ICMP:
		return reply_icmp(frame, at);
	default:
		assert(at->kind == MR_NET_ICMP6);
		return reply_icmp6(frame, at);
	}
}

unsigned mr_net_announce(const struct mr_net_self *self, unsigned i, uint8_t *frame)
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, MR_ARP_REQUEST};
	uint8_t *arp = frame + MR_ETH_BYTES;

	memset(frame, 0, MR_NET_ANNOUNCE_BYTES);
	memcpy(frame, broadcast_mac, 6);
	memcpy(frame + MR_ETH_SRC, self->mac, 6);
	mr_store_be16(frame + MR_ETH_TYPE, MR_ETHERTYPE_ARP);
	memcpy(arp, request, sizeof(request));
	memcpy(arp + MR_ARP_SHA, self->mac, 6);
	mr_net_store32(arp + MR_ARP_SPA, self->ip4_be[i]);
	mr_net_store32(arp + MR_ARP_TPA, self->ip4_be[i]);
	return MR_NET_ANNOUNCE_BYTES;
}

unsigned mr_net_announce6(const struct mr_net_self *self, unsigned i, uint8_t *frame)
{
	uint8_t *ip = frame + MR_ETH_BYTES;

	memcpy(frame, all_nodes_mac, 6);
	memcpy(frame + MR_ETH_SRC, self->mac, 6);
	mr_store_be16(frame + MR_ETH_TYPE, MR_ETHERTYPE_IP6);
	memcpy(ip + MR_IP6_DST, mr_net_all_nodes, 16);
	write_advertisement(self, ip, self->ip6[i], MR_ND_FLAG_OVERRIDE);
	return MR_NET_ANNOUNCE6_BYTES;
}

void mr_net_solicited_mac(const uint8_t ip6[16], uint8_t ret_mac[6])
{
	const uint8_t mac[6] = {0x33, 0x33, 0xff, ip6[13], ip6[14], ip6[15]};

	memcpy(ret_mac, mac, sizeof(mac));
}
