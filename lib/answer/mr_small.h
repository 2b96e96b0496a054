// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Replies that need no row: HELLO, PING, DESCRIBE, refusals, and acknowledgements of writes. Each
 * is one datagram, written over its request and never longer than it.
 */

#include "mr_reply.h"
#include "mr_tiers.h"

/** What a HELLO is told beside what the port can do. All zero: nothing has to be proved. */
struct mr_small_terms {
	uint64_t cookie;
	uint32_t cookie_valid_s;
	uint16_t flags; //!< MR_WIRE_HELLO_*
};

/** Answers HELLO. */
void mr_small_hello(struct rte_mbuf *m, const struct mr_port *port,
	const struct mr_wire_request *req, const struct mr_small_terms *terms, uint64_t now_us);

/** Answers PING. */
void mr_small_ping(
	struct rte_mbuf *m, const struct mr_port *port, const struct mr_wire_request *req);

/** Answers DESCRIBE with as much text as the request's length allows. @return the result sent. */
enum mr_wire_result mr_small_describe(struct rte_mbuf *m, const struct mr_port *port,
	const struct mr_wire_request *req, const struct mr_published *published);

/** Answers any request with a result and no body. */
void mr_small_refuse(struct rte_mbuf *m, const struct mr_port *port,
	const struct mr_wire_request *req, enum mr_wire_result result);

/** Answers a write with a status per record. @param times  NULL: none are told. */
void mr_small_ack(struct rte_mbuf *m, const struct mr_port *port, const struct mr_wire_request *req,
	const uint8_t *statuses, bool durable, const struct mr_wire_times *times);
