// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Sorts rows by key in bounded memory: what does not fit is written to temporary files in sorted
 * runs, which are merged when the rows are read. Of rows with one key the one that would win as a
 * write is kept: the newest, and of equal times the one whose bytes compare greater.
 *
 * Memory: what it was told while rows are added, and one file buffer a run while they are read.
 * Owner: the caller.
 */

#include "rows.h"

struct sorter;

/** A row, valid until the next call. */
struct sorted_row {
	uint64_t event_time_us;
	uint32_t row_bytes;
	uint8_t key_bytes;
	const uint8_t *key, *row;
};

/** @param dir where the runs go. @return NULL: no memory. */
struct sorter *sorter_new(uint64_t memory_bytes, const char *dir);
void sorter_free(struct sorter *sorter);

/** @return 0 or -errno with a message: the disk may be full. */
int sorter_add(struct sorter *sorter, const struct made_row *row, struct mr_err *err);

/** Ends adding. @return 0 or -errno with a message. */
int sorter_rewind(struct sorter *sorter, struct mr_err *err);

/** The next row in order of keys. @return 1; 0: the end; -errno with a message. */
int sorter_next(struct sorter *sorter, struct sorted_row *ret_row, struct mr_err *err);

/** Rows left out so far because another one of their key won. */
uint64_t sorter_duplicates(const struct sorter *sorter);
unsigned sorter_runs(const struct sorter *sorter);
