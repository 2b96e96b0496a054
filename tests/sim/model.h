// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the appliance may answer, twice.
 *
 * By what a client can know: for each key of each version all writes that were ever sent, and which
 * of them are known to be there: acknowledged, or shown by a read. A read may show any write that
 * is not beaten by one that was known before the read was sent, and nothing else.
 *
 * By what was committed: the states that each key has had, numbered through by commits. A strong
 * read must show one state of all its keys, an as-of read the rows of that time at one state, and
 * the state must be one between the commits when it was sent and when it was answered.
 *
 * Owner: the simulation's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "mr_wire.h"

#define MODEL_KEYS 64u
#define MODEL_SETS 3u
#define MODEL_VERSIONS 2u

/** A write, as its sender knows it. Its row is made from its number. */
struct model_write {
	uint64_t event_time_us;
	uint32_t number; //!< of all writes; what the row's bytes come from
	uint32_t bytes;  //!< of the row
	bool deleted;
	bool shed; //!< answered BUSY: it never was
};

/** What a commit made of a key. */
struct model_state {
	uint64_t commit; //!< number of it
	uint64_t event_time_us, row_hash;
	uint32_t bytes;
	bool deleted;
};

struct model_key {
	unsigned n, room;
	struct model_write *writes;
	int floor; //!< index of the greatest write that is known to be there; -1: none
	unsigned n_states, states_room;
	struct model_state *states; //!< newer ones behind older ones
};

struct model {
	struct model_key keys[MODEL_SETS][MODEL_VERSIONS][MODEL_KEYS];
	uint64_t commits;
};

void model_clear(struct model *model);

/** Notes a write that is about to be sent. @return its index. */
unsigned model_send(struct model_key *key, const struct model_write *write);

/** Makes the row of a write. @p row has room for write->bytes. */
void model_row(const struct model_write *write, uint8_t *row);

/** Whether write @p a wins over @p b by the rules of mr_io.h. */
bool model_beats(const struct model_write *a, const struct model_write *b);

/**
 * Notes an acknowledgement.
 * @param floor
 *   Of the key, when the write was sent.
 * @return NULL, or why it cannot be right.
 */
const char *model_acknowledge(
	struct model_key *key, unsigned write, int floor, enum mr_status status);

/** What a read was answered. */
struct model_answer {
	enum mr_status status;
	uint64_t event_time_us;
	const uint8_t *row;
	uint32_t row_bytes;
	int floor;                     //!< of the key, when the read was sent
	uint64_t sent_us, received_us; //!< by the server's clock
	uint64_t ttl_us;
};

/** @return NULL, or why the answer cannot be right. */
const char *model_read(const struct model_key *key, const struct model_answer *answer);

/** Notes a row that a read has shown: it is known to be there from now on. */
void model_show(struct model_key *key, const struct model_answer *answer);

/** Notes a row of commit number @p commit; row NULL: a delete. */
void model_commit(struct model_key *key, uint64_t commit, uint64_t event_time_us, const void *row,
	uint32_t bytes);

/** What a strong or an as-of read was answered of a key. */
struct model_strong {
	enum mr_status status;
	uint64_t event_time_us, row_hash;
	uint32_t row_bytes;
	bool as_of;
	uint64_t as_of_us;             //!< only with as_of
	uint64_t sent_us, received_us; //!< by the server's clock
	uint64_t ttl_us;
};

/** Whether the key stood so after a commit. */
bool model_stood(const struct model_key *key, uint64_t commit, const struct model_strong *answer);

/** Drops states that no read is asked for any more: those before the newest of @p until_us. */
void model_forget(struct model_key *key, uint64_t until_us);
