// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Sorts rows by key in bounded memory: what does not fit is written to files in sorted runs, which
 * are merged when the rows are read. Of rows with one key the one that would win as a write is
 * kept: the newest, and of equal times the one whose bytes compare greater.
 *
 * Several threads add, each through a lane of its own with its share of the memory; several threads
 * read, each a part, that is, a range of keys, of about equal size.
 *
 * With params.keep the files stay when the sorter goes, and sorter_save() says what is in them: a
 * later sorter takes it up with sorter_restore().
 *
 * Memory: an eighth of what it was told is for buffers while merging, the rest for rows; beside it
 * some 60 bytes for every 128th part of a run. Owner: the caller.
 */

#include "rows.h"

#include <stdio.h>

#define SORTER_LANES_MAX 16u
#define SORTER_PARTS_MAX 16u

struct sorter;
struct sorter_merge;

struct sorter_params {
	uint64_t memory_bytes;
	unsigned n_lanes;
	const char *dir; //!< where the files go
	bool keep;       //!< under names of their own, and they stay
};

/** A row, valid until the next call. */
struct sorted_row {
	uint64_t event_time_us;
	uint32_t row_bytes;
	uint8_t key_bytes;
	const uint8_t *key, *row;
};

/** @return NULL: no memory. */
struct sorter *sorter_new(const struct sorter_params *params);
void sorter_free(struct sorter *sorter);

/** Adds a row; a lane belongs to one thread. @return 0 or -errno with a message: disk full, say. */
int sorter_add(
	struct sorter *sorter, unsigned lane, const struct made_row *row, struct mr_err *err);

/** Writes what a lane has in memory to its file, and that to disk. @return 0 or -errno. */
int sorter_flush(struct sorter *sorter, unsigned lane, struct mr_err *err);

/** Ends a lane: sorts what it has in memory. @return 0 or -errno with a message. */
int sorter_end(struct sorter *sorter, unsigned lane, struct mr_err *err);

/** Parts the keys, when all lanes have ended. Same files, same parts. @return 0 or -errno. */
int sorter_split(struct sorter *sorter, unsigned n_parts, struct mr_err *err);

/**
 * Starts reading a part.
 * @param after, after_bytes
 *   Only keys behind this one; NULL: all of the part.
 * @return NULL with a message and errno.
 */
struct sorter_merge *sorter_merge_begin(struct sorter *sorter, unsigned part, const uint8_t *after,
	unsigned after_bytes, struct mr_err *err);

/** The next row in order of keys. @return 1; 0: the end; -errno with a message. */
int sorter_merge_next(struct sorter_merge *merge, struct sorted_row *ret_row, struct mr_err *err);

/** NULL is allowed. @return rows left out because another one of their key won. */
uint64_t sorter_merge_end(struct sorter_merge *merge);

/** Writes lines about the files' runs. Lanes have been flushed. */
void sorter_save(const struct sorter *sorter, FILE *out);

/** Takes up a line of sorter_save(). @return 0, -EINVAL: it is none, or -errno with a message. */
int sorter_restore(struct sorter *sorter, const char *line, struct mr_err *err);

/** Forgets all rows. */
void sorter_clear(struct sorter *sorter);

unsigned sorter_runs(const struct sorter *sorter);
uint64_t sorter_rows(const struct sorter *sorter);
