// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Writing replies over their requests. The first datagram of a reply is the request's own mbuf;
 * what does not fit goes into further mbufs with the same headers. The request's header stays
 * whole until mr_reply_finish(), so that a reply can still be taken back.
 *
 * Owner: the lcore that owns the mbuf. Nothing here blocks; further mbufs come from the port's
 * pool and may run out, which is told.
 */

#include "mr_cache.h"
#include "mr_handoff.h"
#include "mr_port.h"
#include "mr_view.h"
#include "mr_wire.h"

/** Payload that every datagram of a port must have room for: a HELLO's, and so any entry's. */
#define MR_REPLY_MIN_BYTES 64u

/** Whether replies can be written for a port: its MTU is not too small. */
bool mr_reply_fits_port(const struct mr_port *port);

/** A reply being written. */
struct mr_reply {
	struct rte_mbuf *first, *last;
	struct rte_mempool *pool;
	uint8_t *payload;     //!< of `last`
	uint16_t at;          //!< bytes written there
	uint16_t max;         //!< payload bytes that fit it
	uint16_t entry;       //!< number of the next entry
	uint16_t first_entry; //!< of `last`
	uint16_t n_entries;   //!< in `last`
	uint16_t n_datagrams;
	uint16_t kept; //!< bytes of every datagram that entries do not use: for times
	bool times;    //!< end `last`
	uint16_t first_at, first_n_entries; //!< of `first`, once it is no longer `last`
	const struct mr_wire_request *req;  //!< what all datagrams say is made of these two
	const struct mr_view *view;
	uint8_t *scratch; //!< MR_ROW_MAX_BYTES, for rows in pieces
};

/** Starts a GET reply over @p m, whose struct mr_packet is set. @p req and @p view stay as they
 *  are until it is finished. */
void mr_reply_begin(struct mr_reply *reply, struct rte_mbuf *m, struct rte_mempool *pool,
	const struct mr_port *port, const struct mr_wire_request *req, const struct mr_view *view,
	uint8_t *scratch);

/** Adds an entry without a row. @return 0; -ENOMEM: no mbuf, or no number for it. */
int mr_reply_status(struct mr_reply *reply, enum mr_status status, uint64_t event_time_us);

/** Adds a row that nobody changes. @return 0; -ENOMEM; -EBADMSG: not a row of this part. */
int mr_reply_row(struct mr_reply *reply, const struct mr_view_part *part, const uint8_t *row,
	uint32_t row_bytes, uint64_t event_time_us);

/** Adds a row straight from the cache. @return 0; -ENOMEM; -EBADMSG: torn, nothing was added. */
int mr_reply_ref(
	struct mr_reply *reply, const struct mr_view_part *part, const struct mr_cache_ref *ref);

/** Ends the last datagram with times, which the request asked for: once, when all entries are
 * there. */
void mr_reply_times(struct mr_reply *reply, const struct mr_wire_times *times);

/** Takes it all back: further mbufs are freed. The caller restores the request's body. */
void mr_reply_abandon(struct mr_reply *reply);

/** Writes the headers. The chain in struct mr_packet is ready to be sent. */
void mr_reply_finish(struct mr_reply *reply, const struct mr_port *port);

/** Whether a reply of @p bytes of payload fits the mbuf and its port. */
bool mr_reply_has_room(const struct rte_mbuf *m, const struct mr_port *port, unsigned bytes);

/**
 * Turns @p m around with @p payload_bytes of payload that are already in place: for replies that
 * are one datagram and not a GET's.
 */
void mr_reply_plain(struct rte_mbuf *m, const struct mr_port *port, unsigned payload_bytes);

/** The request's payload in its mbuf. */
static mr_always_inline uint8_t *mr_packet_payload(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, mr_packet(m)->payload_at);
}

/** Marks a datagram as the last of its reply: the one by which the request counts as answered. */
#define MR_PACKET_LAST 0x80u
