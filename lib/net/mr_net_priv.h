// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Private to lib/net: the fields of IPv6, ARP and ICMP that only the out-of-line code touches.
 */

#include "mr_net_fast.h"

enum {
	MR_IP6_LENGTH = 4,
	MR_IP6_NEXT = 6,
	MR_IP6_HOPS = 7,
	MR_IP6_SRC = 8,
	MR_IP6_DST = 24,
	MR_IP6_BYTES = 40,
	MR_ARP_OP = 6,
	MR_ARP_SHA = 8,
	MR_ARP_SPA = 14,
	MR_ARP_THA = 18,
	MR_ARP_TPA = 24,
	MR_ARP_BYTES = 28,
	MR_ARP_REQUEST = 1,
	MR_ARP_REPLY = 2,
	MR_ICMP_CODE = 1,
	MR_ICMP_CKSUM = 2,
	MR_ICMP_BYTES = 8,
	MR_ICMP_ECHO = 8,
	MR_ICMP_UNREACHABLE = 3,
	MR_ICMP_PORT = 3, // code
	MR_ICMP6_UNREACHABLE = 1,
	MR_ICMP6_PORT = 4, // code
	MR_ICMP_ECHO_REPLY = 0,
	MR_ICMP6_ECHO = 128,
	MR_ICMP6_ECHO_REPLY = 129,
	MR_ND_RS = 133,
	MR_ND_RA = 134,
	MR_ND_NS = 135,
	MR_ND_NA = 136,
	MR_ND_REDIRECT = 137,
	MR_ND_FLAGS = 4,
	MR_ND_TARGET = 8,
	MR_ND_BYTES = 24, // NS and NA without options
	MR_ND_RA_BYTES = 16,
	MR_ND_HOPS = 255,
	MR_ND_OPTION_SOURCE = 1,
	MR_ND_OPTION_TARGET = 2,
	MR_ND_OPTION_MTU = 5,
	MR_ND_OPTION_BYTES = 8, // with a MAC address
};

#define MR_ND_FLAG_SOLICITED 0x40000000u
#define MR_ND_FLAG_OVERRIDE 0x20000000u

static_assert(MR_NET_CONTROL_BYTES == MR_ETH_BYTES + 2 * MR_VLAN_BYTES + MR_IP6_BYTES +
					      MR_ND_BYTES + MR_ND_OPTION_BYTES,
	"the longest control reply");
static_assert(MR_NET_ANNOUNCE6_BYTES == MR_NET_CONTROL_BYTES - 2 * MR_VLAN_BYTES,
	"an untagged advertisement");

/** ff02::1. */
extern const uint8_t mr_net_all_nodes[16];

/** RFC 4861: every option has a length; @p is_probe: from ::, which must not say who sends it. */
bool mr_net_nd_options_ok(const uint8_t *at, unsigned bytes, bool is_probe);

/** Turns the addresses of a packet around and sets what a reply has of its own; IPv4: also its
 *  checksum, so that length and protocol come first. */
void mr_net_turn_ip4(uint8_t *ip);
void mr_net_turn_ip6(uint8_t *ip);

static inline bool mr_net_ip6_is_zero(const uint8_t *ip6)
{
	static const uint8_t zero[16];

	return memcmp(ip6, zero, sizeof(zero)) == 0;
}

/** Partial sum of the IPv6 pseudo-header. */
static inline uint32_t mr_net_ip6_pseudo(const uint8_t *ip, unsigned bytes, uint8_t protocol)
{
	uint8_t tail[8] = {0, 0, 0, 0, 0, 0, 0, protocol};

	mr_store_be32(tail, bytes);
	return mr_net_sum(tail, sizeof(tail), mr_net_sum(ip + MR_IP6_SRC, 32, 0));
}
