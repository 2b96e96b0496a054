// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The change feed: every committed write of a set, in the order of the commits, from a sequence
 * number on. It is what a log such as Kafka is fed from, or a copy kept up to date by. Part of
 * mr_client.h.
 *
 *     struct mr_client_tail *tail = mr_client_tail_open(NULL, "user", position, &err);
 *     while ((rc = mr_client_tail_next(tail, 1000000, &change, &err)) >= 0)
 *             if (rc == 1)
 *                     ... change ..., and keep change.sequence + 1 with what was done about it
 *
 * It is read over the appliance's admin socket, so on the appliance's host, by whoever may use that
 * socket. The appliance keeps as much of its log as [store] wal_keep says: a position that has
 * fallen out of it is refused with ESTALE, once and for all; copy the set anew then (a backup, or
 * its source), and go on at the position that the message names.
 *
 * Ownership: a change's key and row live until the next call. Threads: one at a time uses a tail.
 * Cost: a connection and one request for up to 10000 changes; while nothing comes, one request
 * every 50 ms.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "mr_err.h"
#include "mr_schema.h"

struct mr_client_tail;

enum mr_client_change_kind {
	MR_CLIENT_CHANGE_PUT,
	MR_CLIENT_CHANGE_DELETE, //!< no row
	MR_CLIENT_CHANGE_DROP,   //!< the version is gone: neither key nor row
	MR_CLIENT_CHANGE_BULK,   //!< a version came by bulk load: neither key nor row
};

struct mr_client_change {
	uint64_t sequence; //!< numbers ascend, with gaps: other sets' changes have some
	enum mr_client_change_kind kind;
	uint16_t version;
	uint64_t event_time_us; //!< PUT, DELETE
	uint64_t bulk_rows;     //!< BULK: rows loaded; 0: not known
	uint32_t layout;        //!< PUT: mr_schema.layout that the row was made for
	uint8_t key_bytes;
	uint32_t row_bytes;
	const uint8_t *key; //!< mr_key_decode() takes it apart
	const uint8_t *row; //!< mr_row_check() it against the schema, then mr_row_get()
};

/**
 * Connects to no one yet, but to learn the position.
 * @param admin
 *   Path of the admin socket; NULL: /run/millrace/admin.sock.
 * @param from
 *   Sequence number to begin at; 0: what is written from now on.
 * @return NULL with a message and errno: ENOENT: no such set; ECONNREFUSED: nobody answers there;
 *   ESTALE: the position is too old; EPROTO, ENOMEM.
 */
struct mr_client_tail *mr_client_tail_open(
	const char *admin, const char *set, uint64_t from, struct mr_err *err);

/** NULL is allowed. */
void mr_client_tail_close(struct mr_client_tail *tail);

/**
 * The next change.
 * @param timeout_us
 *   How long to wait for one at the end of the log; 0: not at all.
 * @return 1: a change; 0: none within the time; -ESTALE, -ECONNREFUSED, -EPROTO, -ENOMEM with a
 *   message. After -ECONNREFUSED it may be called again: it goes on where it was.
 */
int mr_client_tail_next(struct mr_client_tail *tail, uint64_t timeout_us,
	struct mr_client_change *ret_change, struct mr_err *err);

/** Where to go on after the changes handed out so far. */
uint64_t mr_client_tail_position(const struct mr_client_tail *tail);

#ifdef __cplusplus
}
#endif
