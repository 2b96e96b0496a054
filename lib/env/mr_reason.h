// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Every way a received packet can end other than with an answer. One list yields the enum, the
 * names in telemetry and the help text, so that answered + sum(reasons) = received can be held.
 */

#include "mr_cc.h"

#define MR_REASONS(X)                                                                        \
	/* Ethernet */                                                                       \
	X(eth_short, "frame shorter than its headers")                                       \
	X(eth_not_ours, "unicast to another MAC address")                                    \
	X(eth_group, "broadcast or multicast that is neither ARP nor neighbour discovery")   \
	X(eth_source, "source MAC address that is a group's")                                \
	X(eth_type, "an ethertype that is not ARP, IPv4 or IPv6")                            \
	X(eth_vlan, "VLAN header that is cut off or nested too deep")                        \
	/* ARP and neighbour discovery */                                                    \
	X(arp_bad, "ARP that is not Ethernet over IPv4, or cut off")                         \
	X(arp_not_ours, "ARP for another address, or not a request")                         \
	X(nd_bad, "neighbour discovery that fails RFC 4861's checks")                        \
	X(nd_not_ours, "neighbour discovery for another address, or not a solicitation")     \
	/* IP */                                                                             \
	X(ip_header, "IP header with a bad version, length or option")                       \
	X(ip_checksum, "IPv4 header checksum wrong")                                         \
	X(ip_not_ours, "IP packet for another address")                                      \
	X(ip_source, "source address that nobody can have (multicast, broadcast, loopback)") \
	X(ip_fragment, "IP fragment; requests are single packets")                           \
	X(ip_protocol, "IP protocol that is neither UDP nor ICMP")                           \
	X(icmp_bad, "ICMP cut off or with a wrong checksum")                                 \
	X(icmp_other, "ICMP that is not an echo request")                                    \
	/* UDP */                                                                            \
	X(udp_length, "UDP length that does not fit the packet")                             \
	X(udp_checksum, "UDP checksum wrong")                                                \
	X(udp_port, "UDP to a port where nothing listens")                                   \
	X(udp_source, "UDP from port 0, to which no reply can go")                           \
	/* the kernel's share, where it has one */                                           \
	X(to_kernel, "not for us: given to the kernel")                                      \
	X(kernel_limited, "for the kernel, beyond the rate that it may have")                \
	X(kernel_full, "for the kernel, whose port took no more")                            \
	X(mbuf_chained, "frame that the driver delivered in more than one segment")          \
	/* senders */                                                                        \
	X(acl_refused, "sender's address is in no prefix that may ask")                      \
	X(rate_limited, "beyond the limit of the sender's prefix")                           \
	X(unproven_limited, "sender proved nothing, and enough of those were answered")      \
	/* protocol: defects that get no reply */                                            \
	X(wire_truncated, "datagram shorter than a request header")                          \
	X(wire_magic, "datagram that does not start with the request magic")                 \
	X(reply_too_long, "error reply that would be longer than its request")               \
	/* our own side */                                                                   \
	X(no_mbuf, "no packet buffer for a reply that needs more of them")                   \
	X(tx_full, "the port did not take the reply")                                        \
	X(stopping, "still in hand when the appliance stopped")

enum mr_reason {
#define X(name, help) MR_REASON_##name,
	MR_REASONS(X)
#undef X
		MR_REASON_COUNT,
	MR_REASON_NONE = MR_REASON_COUNT, //!< nothing wrong
};

/** "eth_short"; "none" for MR_REASON_NONE. */
const char *mr_reason_name(enum mr_reason reason);

/** One line for a person. */
const char *mr_reason_help(enum mr_reason reason);
