// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * From named texts to keys and rows of a set: shared by `put` and `load`. Owner: the caller.
 */

#include "mr_client.h"
#include "reader.h"

/** What a column of the input is for; it may be several things. */
struct target {
	const struct mr_column *column; //!< NULL: none
	int16_t key_part;               //!< -1: none
	bool is_time;
	bool is_value; //!< a column and nothing else
};

/** How the columns of a file fill rows of a set. */
struct binding {
	const struct mr_schema *schema;
	const char *key_names[MR_KEY_PARTS_MAX]; //!< input columns with the key parts
	const char *time_name;                   //!< input column with the event time; NULL: none
	uint64_t time_us;                        //!< event time of rows without one of their own
	bool ignore_unknown;
	void *scratch;
	struct target *header; //!< of the cells of a file with a header
	unsigned n_header;
	// Else, per cell position, what the last record had there: files repeat themselves.
	struct {
		char *name;
		struct target target;
	} * cache;
	unsigned n_cache;
};

/** A row made of a record. */
struct made_row {
	uint64_t event_time_us;
	uint32_t row_bytes;
	uint8_t key_bytes;
	uint8_t key[MR_KEY_MAX_BYTES];
	uint8_t row[MR_ROW_MAX_BYTES];
};

/**
 * Prepares to make rows.
 * @param key_columns
 *   "name[,name]", or NULL: the key parts' names where the header has them, else its first columns.
 * @param header, n_header
 *   Names the file announces, in the order of each record's cells; 0: none, so that the key
 *   parts' names it must be.
 * @return 0, or -errno with a message: an unknown column, a key column that is not there.
 */
int binding_init(struct binding *binding, const struct mr_schema *schema, const char *key_columns,
	const char *time_column, bool ignore_unknown, const char *const *header, unsigned n_header,
	struct mr_err *err);
void binding_free(struct binding *binding);

/** Makes a row of a record. @return 0, or -errno with a message that names column and value. */
int binding_make(struct binding *binding, const struct record *record, struct made_row *ret_row,
	struct mr_err *err);

/** Parses microseconds since the epoch, or RFC 3339. @return 0 or -EINVAL with a message. */
int parse_time(const char *text, size_t bytes, uint64_t *ret_us, struct mr_err *err);

/** Parses a key from one text, parts parted by ','. @return its length, or -errno with a message.*/
int parse_key(const struct mr_schema *schema, const char *text, uint8_t *key, struct mr_err *err);
