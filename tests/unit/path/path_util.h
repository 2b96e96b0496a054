// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the path tests share: a catalog, a model of which rows there are, requests, and the check of
 * a whole reply against the model, column by column.
 */

#include "mr_answer.h"
#include "mr_key.h"
#include "mr_rng.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PATH_KEYS 400u //!< of each set that the model may know; greater numbers are absent
#define PATH_SETS 8u
#define PATH_NOW_US UINT64_C(1800000000000000)
#define PATH_HOUR_US UINT64_C(3600000000)

/** Sets by id, as in the catalog. */
enum path_set {
	PATH_USER = 1,
	PATH_ITEM = 2, //!< TTL of an hour, history of a day
	PATH_WAL = 3,  //!< durability = wal
	PATH_BLOB = 4, //!< rows of up to 32 KiB
	PATH_TEXT = 5, //!< key = string
	PATH_PAIR = 6, //!< key = string, u64
	PATH_WIDE = 7, //!< 250 columns
};

/** Explicit views by id. */
enum path_view {
	PATH_VIEW_FOUR = MR_VIEW_EXPLICIT | 1,
	PATH_VIEW_PART = MR_VIEW_EXPLICIT | 2,
	PATH_VIEW_WIDE = MR_VIEW_EXPLICIT | 3,
};

struct path_row {
	bool present, deleted;
	uint64_t event_time_us;
	uint32_t bytes;
	uint8_t *row;
};

struct path {
	struct mr_fixture f;
	struct mr_rng rng;
	struct path_row rows[PATH_SETS][PATH_KEYS];
	struct mr_answer answer;
	char dir[64];
	char *catalog;
	uint64_t request_id;
};

/** Makes a fixture with a store of its own; params may leave catalog and store_path NULL. */
void path_begin(struct path *p, const struct mr_fixture_params *params);

/** Asserts that counters balance and that no mbuf is missing, then takes all down. */
void path_end(struct path *p);
void path_assert_at_rest(struct path *p);

const struct mr_schema *path_schema(const struct path *p, unsigned set);
const struct mr_view *path_view(const struct path *p, uint16_t view);

/** Key number @p i of a set. @return its length. */
unsigned path_key(const struct path *p, unsigned set, unsigned i, uint8_t *key);

/** A random row of a set; @p tail: length of each variable value. @return its length. */
unsigned path_row_make(struct path *p, unsigned set, unsigned tail, uint8_t *row);

enum path_where {
	PATH_STORE,
	PATH_CACHE, //!< in the cache alone
};

/** Puts a row (NULL: a tombstone) into a tier and the filter, and notes it in the model. */
void path_put(struct path *p, unsigned set, unsigned i, enum path_where where,
	uint64_t event_time_us, const uint8_t *row, unsigned bytes);

/** Fills a share of the model's keys of a set at random: some cached, deleted, expired. */
void path_populate(struct path *p, unsigned set, unsigned max_tail);

/** Writes a GET. @return its length. */
unsigned path_get(struct path *p, uint8_t *request, unsigned room, uint16_t view,
	const unsigned *keys, unsigned n);

/** Sends a GET of keys by number and checks the whole reply against the model. */
void path_get_checked(struct path *p, uint16_t view, const unsigned *keys, unsigned n);

/** Checks p->answer, of a GET of these keys. Statuses in @p also (bits) are allowed beside. */
void path_check(struct path *p, uint16_t view, const unsigned *keys, unsigned n, unsigned also);

/** One record to write. row NULL: a DELETE's. */
struct path_write {
	unsigned key;
	uint64_t event_time_us;
	const uint8_t *row;
	unsigned bytes;
};

/** Writes a PUT or DELETE. @return its length. */
unsigned path_write(struct path *p, uint8_t *request, unsigned room, enum mr_wire_op op,
	unsigned set, const struct path_write *writes, unsigned n);

/** Sends it and takes the answer. @return the answer's result. */
enum mr_wire_result path_ask(struct path *p, const uint8_t *request, unsigned bytes);

/** Writes one row, or deletes with row NULL, and returns the record's status. */
enum mr_status path_write_one(struct path *p, unsigned set, unsigned key, uint64_t event_time_us,
	const uint8_t *row, unsigned bytes);

/** Status of key @p i of a set by a GET of its own view; p->answer has the rest. */
enum mr_status path_get_one(struct path *p, unsigned set, unsigned i);
