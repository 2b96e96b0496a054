// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that are not requests, but that something can be made of.
#include "mr_net_priv.h"

// An IP packet in a frame that mr_net_parse() read up to there.
struct packet {
	uint8_t *ip;
	unsigned bytes;
	bool is_ip6;
};

static struct packet find_packet(uint8_t *frame)
{
	uint8_t *ip = frame + MR_ETH_BYTES;
	unsigned type = mr_load_be16(ip - 2);

	while (type == MR_ETHERTYPE_VLAN || type == MR_ETHERTYPE_QINQ) {
		ip += MR_VLAN_BYTES;
		type = mr_load_be16(ip - 2);
	}
	if (type == MR_ETHERTYPE_IP6)
		return (struct packet){ip, MR_IP6_BYTES + mr_load_be16(ip + MR_IP6_LENGTH), true};
	return (struct packet){ip, mr_load_be16(ip + MR_IP4_LENGTH), false};
}

const uint8_t *mr_net_packet(const uint8_t *frame)
{
	// why the cast: what is found is only read.
	return find_packet((uint8_t *)(uintptr_t)frame).ip;
}

static bool udp_sum_holds(const struct packet *p)
{
	const uint8_t *udp = p->ip + (p->is_ip6 ? MR_IP6_BYTES : MR_IP4_BYTES);
	unsigned bytes = mr_load_be16(udp + MR_UDP_LENGTH);
	uint32_t pseudo;

	if (!p->is_ip6)
		return mr_net_udp4_cksum_ok(p->ip, udp, bytes);
	pseudo = mr_net_ip6_pseudo(p->ip, bytes, MR_PROTOCOL_UDP);
	return mr_net_load16(udp + MR_UDP_CKSUM) != 0 &&
	       mr_net_fold(mr_net_sum(udp, bytes, pseudo)) == UINT16_MAX;
}

static void head4(struct packet *p, unsigned icmp_bytes)
{
	uint8_t *ip = p->ip, *icmp = ip + MR_IP4_BYTES;

	memset(icmp, 0, MR_ICMP_BYTES);
	icmp[0] = MR_ICMP_UNREACHABLE;
	icmp[MR_ICMP_CODE] = MR_ICMP_PORT;
	mr_store_be16(ip + MR_IP4_LENGTH, (uint16_t)(MR_IP4_BYTES + icmp_bytes));
	ip[MR_IP4_PROTOCOL] = MR_PROTOCOL_ICMP;
	mr_net_turn_ip4(ip);
	mr_net_store16(
		icmp + MR_ICMP_CKSUM, (uint16_t)~mr_net_fold(mr_net_sum(icmp, icmp_bytes, 0)));
}

static void head6(struct packet *p, unsigned icmp_bytes)
{
	uint8_t *ip = p->ip, *icmp = ip + MR_IP6_BYTES;

	memset(icmp, 0, MR_ICMP_BYTES);
	icmp[0] = MR_ICMP6_UNREACHABLE;
	icmp[MR_ICMP_CODE] = MR_ICMP6_PORT;
	mr_store_be16(ip + MR_IP6_LENGTH, (uint16_t)icmp_bytes);
	ip[MR_IP6_NEXT] = MR_PROTOCOL_ICMP6;
	mr_net_turn_ip6(ip);
	mr_net_store16(icmp + MR_ICMP_CKSUM,
		(uint16_t)~mr_net_fold(mr_net_sum(
			icmp, icmp_bytes, mr_net_ip6_pseudo(ip, icmp_bytes, MR_PROTOCOL_ICMP6))));
}

unsigned mr_net_reply_unreachable(uint8_t *frame)
{
	struct packet p = find_packet(frame);
	unsigned head = (p.is_ip6 ? MR_IP6_BYTES : MR_IP4_BYTES) + MR_ICMP_BYTES;
	unsigned most = p.is_ip6 ? MR_NET_UNREACHABLE6_MAX : MR_NET_UNREACHABLE4_MAX;
	unsigned least = 2 * head; // our headers, and the IP and UDP headers of the datagram
	unsigned total = MR_MIN(p.bytes, most);

	if (p.bytes < least || !udp_sum_holds(&p))
		return 0;
	memmove(p.ip + head, p.ip, total - head);
	mr_net_swap_macs(frame);
	if (p.is_ip6)
		head6(&p, total - MR_IP6_BYTES);
	else
		head4(&p, total - MR_IP4_BYTES);
	return (unsigned)(p.ip - frame) + total;
}

static bool is_link_local(const uint8_t *ip6)
{
	return ip6[0] == 0xfe && (ip6[1] & 0xc0) == 0x80;
}

uint32_t mr_net_router_mtu(const uint8_t *frame)
{
	// why the cast: what is found is only read.
	struct packet p = find_packet((uint8_t *)(uintptr_t)frame);
	const uint8_t *nd = p.ip + MR_IP6_BYTES, *at = nd + MR_ND_RA_BYTES;
	unsigned left;
	uint32_t mtu = 0;

	if (!p.is_ip6 || p.bytes < MR_IP6_BYTES + MR_ND_RA_BYTES ||
		p.ip[MR_IP6_NEXT] != MR_PROTOCOL_ICMP6 || nd[0] != MR_ND_RA ||
		nd[MR_ICMP_CODE] != 0 || p.ip[MR_IP6_HOPS] != MR_ND_HOPS ||
		!is_link_local(p.ip + MR_IP6_SRC))
		return 0;
	left = p.bytes - MR_IP6_BYTES - MR_ND_RA_BYTES;
	// Wrong options make the whole of it invalid: RFC 4861, 6.1.2.
	if (!mr_net_nd_options_ok(at, left, false))
		return 0;
	while (left > 0) {
		unsigned option_bytes = at[1] * 8u;

		if (at[0] == MR_ND_OPTION_MTU && at[1] == 1)
			mtu = mr_load_be32(at + 4);
		at += option_bytes;
		left -= option_bytes;
	}
	return mtu;
}
