// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Frames: what arrived, whether it is ours, and how to turn it around. Works on (pointer, length)
 * and knows neither mbufs nor ports, so that it can be tested and fuzzed alone. Ethernet with up to
 * two VLAN tags, ARP (RFC 826), IPv4 (RFC 791), IPv6 (RFC 8200) without extension headers, UDP,
 * ICMP and ICMPv6 echo, neighbour solicitations (RFC 4861).
 *
 * Replies go back the way the request came: MAC addresses, VLAN tags, IP addresses and ports are
 * swapped in place, so there is no routing table. Any thread; no state. A few ns a packet.
 */

#include <stdbool.h>

#include "mr_cc.h"
#include "mr_reason.h"

#define MR_NET_ADDRS_MAX 8u

/** Who we are on a port. Read-only while lcores run. */
struct mr_net_self {
	uint8_t mac[6];
	uint16_t udp_port;
	uint8_t n_ip4, n_ip6;
	uint32_t ip4_be[MR_NET_ADDRS_MAX];
	uint8_t ip6[MR_NET_ADDRS_MAX][16];
};

enum mr_net_kind {
	MR_NET_UDP,   //!< a datagram to our port
	MR_NET_ARP,   //!< an ARP request for one of our addresses
	MR_NET_ND,    //!< a neighbour solicitation for one of our addresses
	MR_NET_ICMP,  //!< an echo request, v4
	MR_NET_ICMP6, //!< an echo request, v6
};

/** What the port has already checked, so that software need not. */
#define MR_NET_RX_IP_CHECKED 1u
#define MR_NET_RX_L4_CHECKED 2u
/** What the port will fill in, so that software need not. */
#define MR_NET_TX_IP_CKSUM 1u
#define MR_NET_TX_UDP_CKSUM 2u

/** Where things are in a frame that is for us. */
struct mr_net_frame {
	uint8_t kind;       //!< enum mr_net_kind
	uint8_t is_ip6;
	uint8_t l2_bytes;   //!< Ethernet and VLAN headers
	uint8_t l3_bytes;   //!< IP header
	uint16_t payload_at; //!< UDP: offset of the payload in the frame; else of the message
	uint16_t payload_bytes;
	bool udp_cksum_zero; //!< v4: the sender did without
};

/**
 * Reads a frame.
 * @return MR_REASON_NONE with @p ret filled, or why the frame is refused.
 */
enum mr_reason mr_net_parse(const struct mr_net_self *self, const uint8_t *frame, unsigned bytes,
	unsigned rx_checked, struct mr_net_frame *ret);

/**
 * Turns the headers of a UDP request around for a reply with @p payload_bytes of payload, which is
 * already in place at payload_at. Fills lengths, TTL, checksums (or, where @p tx_cksum says so,
 * what the port needs to fill them: zero in the IP header, the pseudo-header sum in UDP's).
 * @return length of the frame.
 */
unsigned mr_net_reply_udp(uint8_t *frame, const struct mr_net_frame *at, unsigned payload_bytes,
	unsigned tx_cksum);

/** Copies the (request's or reply's) L2-L4 headers for a further datagram of the same reply. */
void mr_net_copy_headers(uint8_t *to, const uint8_t *from, const struct mr_net_frame *at);

/**
 * Turns ARP, ND and echo requests into their replies in place.
 * @return length of the reply frame.
 */
unsigned mr_net_reply_control(const struct mr_net_self *self, uint8_t *frame,
	const struct mr_net_frame *at);

/** Internet checksum (RFC 1071) over @p bytes, starting from a partial @p sum; not yet inverted. */
uint32_t mr_net_sum(const void *data, size_t bytes, uint32_t sum);
uint16_t mr_net_fold(uint32_t sum);

/** A gratuitous ARP announcement of ip4_be[i]. @return its length. */
unsigned mr_net_announce(const struct mr_net_self *self, unsigned i, uint8_t *frame);
