// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Packet captures: files of classic pcap (microseconds or nanoseconds, either byte order) and of
 * pcapng are read packet by packet, from a pipe too; UDP datagrams are found in packets, and made.
 * Captures come from anywhere, so nothing in them is believed: every length is checked against what
 * is there and against a limit, and what is wrong is an error that names the byte.
 *
 * Memory: one packet or block at a time, at most CAPTURE_PACKET_MAX_BYTES and a little. Owner: the
 * caller; one thread a reader.
 */

#include "mr_cc.h"
#include "mr_err.h"

#include <stdbool.h>
#include <stdio.h>

#define CAPTURE_PACKET_MAX_BYTES (1u << 20)

/** Link types of captures that are understood; others are counted as such. */
enum capture_link {
	CAPTURE_LINK_ETHERNET = 1,
	CAPTURE_LINK_RAW = 101,    //!< an IP packet
	CAPTURE_LINK_COOKED = 113, //!< `tcpdump -i any`
	CAPTURE_LINK_COOKED2 = 276,
};

/** A packet as it was captured. Valid until the next one is read. */
struct capture_packet {
	uint64_t time_ns; //!< since the epoch; 0: not said
	uint32_t link;    //!< enum capture_link, or another
	uint32_t bytes;
	uint32_t wire_bytes; //!< before it was cut to the snapshot length
	const uint8_t *data;
};

struct capture;

/**
 * Reads the head of a capture.
 * @param file  Stays the caller's, and open until capture_free().
 * @param name  For messages; kept.
 * @return NULL and errno: EINVAL: not a capture; ENOMEM; EIO. With a message.
 */
struct capture *capture_new(FILE *file, const char *name, struct mr_err *err);
void capture_free(struct capture *capture);

/** Reads the next packet. @return 1; 0: the end; -errno with a message: damaged from here on. */
int capture_next(struct capture *capture, struct capture_packet *ret, struct mr_err *err);

/** One end of a datagram. */
struct capture_end {
	bool is_ip6;
	uint16_t port;
	uint8_t ip[16]; //!< IPv4: the first four
};

/** A UDP datagram in a packet. The payload points into the packet. */
struct capture_datagram {
	struct capture_end from, to;
	uint8_t n_tags;
	uint16_t tags[2]; //!< VLAN ids, outermost first
	uint16_t payload_bytes;
	const uint8_t *payload;
};

/** What a packet turned out to be. */
enum capture_kind {
	CAPTURE_UDP,      //!< a whole datagram
	CAPTURE_CUT,      //!< cut off by the capture, or shorter than its headers say
	CAPTURE_FRAGMENT, //!< of an IP packet
	CAPTURE_OTHER,    //!< not UDP over IP, or IPv6 with extension headers
	CAPTURE_LINK,     //!< of a link type that is not understood
	CAPTURE_KINDS,
};

/** Finds the datagram. Checksums are not looked at: cards fill them in after the capture. */
enum capture_kind capture_datagram(
	const struct capture_packet *packet, struct capture_datagram *ret);

/** "10.0.0.1:7411", "[fd00::1]:7411". @return text. */
const char *capture_end_text(const struct capture_end *end, char *text, size_t text_bytes);

/** Parses "ADDRESS", "ADDRESS:PORT", "[IPV6]:PORT". @return 0 or -EINVAL, the end untouched. */
int capture_end_parse(const char *text, uint16_t default_port, struct capture_end *ret_end);

/** The way that written frames go. */
struct capture_route {
	uint8_t from_mac[6], to_mac[6];
	int tag; //!< VLAN id; -1: none
	struct capture_end from, to;
};

#define CAPTURE_HEAD_MAX_BYTES 66u

/** Bytes in front of the payload of a frame on this route. */
unsigned capture_head_bytes(const struct capture_route *route);

/**
 * Puts headers, with right checksums, in front of a payload that stands at capture_head_bytes().
 * @param payload_bytes  At most 65507.
 * @return length of the frame.
 */
unsigned capture_fill_head(
	const struct capture_route *route, uint8_t *frame, unsigned payload_bytes);

/** Starts a classic capture of Ethernet frames. @return 0 or -EIO. */
int capture_write_begin(FILE *file);
int capture_write(FILE *file, uint64_t time_us, const uint8_t *frame, unsigned bytes);
