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
 * swapped in place, so there is no routing table. Any thread; no state. A few ns a packet:
 * mr_net_fast.h has the inline forms for the hot path.
 *
 * What is refused, and under which name, is the table in docs/drivers.md. In particular: IPv4 with
 * options and IPv6 with extension headers are MR_REASON_ip_header, because a reply would have to
 * interpret them to be right; fragments are MR_REASON_ip_fragment. A broadcast or multicast MAC
 * address is accepted for ARP requests and neighbour solicitations only.
 */

#include "mr_cc.h"
#include "mr_reason.h"

#include <stdbool.h>

#define MR_NET_ADDRS_MAX 8u

/** Room that a frame's buffer must have for mr_net_reply_control(): Ethernet, 2 tags, IPv6, NA. */
#define MR_NET_CONTROL_BYTES 94u

/** Room, and length, of an announcement over IPv4 (a minimal frame) and over IPv6. */
#define MR_NET_ANNOUNCE_BYTES 60u
#define MR_NET_ANNOUNCE6_BYTES 86u

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
	uint8_t kind; //!< enum mr_net_kind
	uint8_t is_ip6;
	uint8_t l2_bytes;    //!< Ethernet and VLAN headers
	uint8_t l3_bytes;    //!< IP header; 0 for ARP
	uint16_t payload_at; //!< UDP: offset of the payload in the frame; else of the message
	uint16_t payload_bytes;
	bool udp_cksum_zero; //!< v4: the sender did without
};

/**
 * Reads a frame.
 *
 * IPv4 header and UDP checksums are verified unless @p rx_checked says that the port found them
 * right. A UDP checksum of zero is "not given" over IPv4 and MR_REASON_udp_checksum over IPv6.
 * ICMP and ICMPv6 checksums are always verified here. Bytes behind the IP packet are padding.
 *
 * @param rx_checked
 *   MR_NET_RX_*: what was found right in this very frame.
 * @return
 *   MR_REASON_NONE with @p ret filled, or why the frame is refused; @p ret is then untouched.
 */
enum mr_reason mr_net_parse(const struct mr_net_self *self, const uint8_t *frame, unsigned bytes,
	unsigned rx_checked, struct mr_net_frame *ret);

/**
 * Turns the headers of a UDP request around for a reply with @p payload_bytes of payload, which is
 * already in place at payload_at. Fills lengths, TTL 64, checksums (or, where @p tx_cksum says so,
 * what the port needs to fill them: zero in the IP header, the pseudo-header sum in UDP's). IPv4
 * goes out with DF and id 0; DSCP is mirrored, ECN is not. The reply carries a UDP checksum even
 * where the request had none.
 *
 * @param payload_bytes
 *   At most 65507 over IPv4, 65527 over IPv6, and what the buffer holds.
 * @return
 *   Length of the frame.
 */
unsigned mr_net_reply_udp(
	uint8_t *frame, const struct mr_net_frame *at, unsigned payload_bytes, unsigned tx_cksum);

/**
 * Copies the L2-L4 headers (payload_at bytes) for a further datagram of the same reply. Copied from
 * the request, before it is turned around, they need mr_net_reply_udp(); copied from a finished
 * reply, mr_net_reply_udp_more().
 */
void mr_net_copy_headers(uint8_t *to, const uint8_t *from, const struct mr_net_frame *at);

/** As mr_net_reply_udp(), on headers that are turned around already: sets lengths and checksums. */
unsigned mr_net_reply_udp_more(
	uint8_t *frame, const struct mr_net_frame *at, unsigned payload_bytes, unsigned tx_cksum);

/**
 * Turns ARP, ND and echo requests into their replies in place. Checksums are filled in software.
 * An advertisement carries the link-layer option also where the solicitation had none, so the
 * buffer must have room for MR_NET_CONTROL_BYTES. A solicitation from the unspecified address
 * (duplicate address detection) is answered to all nodes.
 *
 * @param at
 *   What mr_net_parse() said: any kind but MR_NET_UDP.
 * @return
 *   Length of the reply frame.
 */
unsigned mr_net_reply_control(
	const struct mr_net_self *self, uint8_t *frame, const struct mr_net_frame *at);

/**
 * Internet checksum (RFC 1071) over @p bytes, starting from a partial @p sum; not yet inverted. In
 * memory's byte order, like mr_net_fold()'s result. Of several pieces only the last may be odd.
 */
uint32_t mr_net_sum(const void *data, size_t bytes, uint64_t sum);

/** Folds a sum of words of 16 and 32 bits to a partial sum. */
static inline uint32_t mr_net_fold64(uint64_t sum)
{
	// why: added to itself turned around, its upper half is both halves and their carry.
	return (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
}

/** Folds a partial sum to 16 bits; not inverted. Store it with memcpy, not as big-endian. */
static inline uint16_t mr_net_fold(uint32_t sum)
{
	return (uint16_t)((sum + (sum << 16 | sum >> 16)) >> 16);
}

/** The IP header in a frame of IP that mr_net_parse() read. */
const uint8_t *mr_net_packet(const uint8_t *frame);

/** Longest ICMP and ICMPv6 errors that are sent, as IP packets (RFC 1812, RFC 4443). */
#define MR_NET_UNREACHABLE4_MAX 576u
#define MR_NET_UNREACHABLE6_MAX 1280u

/**
 * Turns a datagram to another UDP port into "port unreachable", in place; never longer than what
 * came.
 *
 * @param frame
 *   One that mr_net_parse() refused as MR_REASON_udp_port.
 * @return
 *   Length of the frame; 0: the datagram is too short to be quoted without amplifying it, or its
 *   checksum is wrong. The frame is then as it was.
 */
unsigned mr_net_reply_unreachable(uint8_t *frame);

/**
 * The MTU that a router advertises.
 *
 * @param frame
 *   One that mr_net_parse() refused as MR_REASON_nd_not_ours, so that its checksum holds.
 * @return
 *   0: it is no router advertisement, an invalid one (RFC 4861, 6.1.2), or says no MTU.
 */
uint32_t mr_net_router_mtu(const uint8_t *frame);

/** A gratuitous ARP announcement (RFC 5227) of ip4_be[i]. @return MR_NET_ANNOUNCE_BYTES. */
unsigned mr_net_announce(const struct mr_net_self *self, unsigned i, uint8_t *frame);

/** An unsolicited neighbour advertisement of ip6[i] to all nodes. @return MR_NET_ANNOUNCE6_BYTES.
 */
unsigned mr_net_announce6(const struct mr_net_self *self, unsigned i, uint8_t *frame);

/** The multicast MAC address (33:33:ff:...) on which solicitations for @p ip6 arrive. */
void mr_net_solicited_mac(const uint8_t ip6[16], uint8_t ret_mac[6]);
