// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the two halves of the sorter share: sorter.c takes rows in, sorter_merge.c hands them out.
 */

#include "mr_bytes.h"
#include "sorter.h"

#include <string.h>

/** In front of a row, in memory and in a run; key and row follow. In a run at any address. */
struct __attribute__((packed)) row_head {
	uint64_t event_time_us;
	uint32_t row_bytes;
	uint8_t key_bytes;
	uint8_t zero[3];
};

#define PREFETCH_ROWS 8u //!< how far ahead

#define ROW_HEAD_MAX_BYTES (sizeof(struct row_head) + MR_KEY_MAX_BYTES + MR_ROW_MAX_BYTES)

/** A row in memory: enough of its key to decide most comparisons. */
struct slot {
	uint64_t first8; //!< behind what all keys of the lane have in common
	uint64_t at;
};

/** A key of a run and where its row is: to part the keys, and to find the way. */
struct sample {
	uint64_t at; //!< bytes from the run's start, or number of its slot
	uint8_t *key;
	uint8_t key_bytes;
};

/** Sorted rows: in a lane's file, or in its memory. */
struct run {
	bool in_memory;
	uint64_t offset, bytes, samples_bytes; //!< in the file: rows, then samples
	uint64_t n_rows;
	struct sample *samples; //!< the first row is one
	unsigned n_samples;
};

struct lane {
	uint8_t *mem; //!< slots from the front, rows from the back
	uint64_t mem_bytes, used_bytes, n_slots;
	unsigned common_bytes; //!< that all keys in memory begin with
	int fd;                //!< -1: none yet
	uint64_t file_bytes;
	struct run *runs;
	unsigned n_runs;
	uint8_t apart[MR_CACHE_LINE_BYTES]; //!< from the next lane, which another thread writes to
};

struct sorter {
	struct sorter_params p;
	uint64_t merge_bytes; //!< for buffers
	struct lane lanes[SORTER_LANES_MAX];
	unsigned n_parts;
	const struct sample
		*limits[SORTER_PARTS_MAX]; //!< of each part the first key that is not its
};

static inline struct slot *lane_slots(const struct lane *lane)
{
	return (struct slot *)(void *)lane->mem;
}

static inline const struct row_head *slot_row(const struct lane *lane, const struct slot *slot)
{
	return (const struct row_head *)(const void *)(lane->mem + slot->at);
}

static inline const uint8_t *row_key(const struct row_head *h)
{
	return (const uint8_t *)(h + 1);
}

/** Asks for a row that comes soon: rows lie in the order in which they came, not in the keys'. */
static inline void prefetch_row(const struct lane *lane, uint64_t slot)
{
	const struct row_head *h;

	if (slot >= lane->n_slots)
		return;
	h = slot_row(lane, &lane_slots(lane)[slot]);
	mr_prefetch(h);
	mr_prefetch((const uint8_t *)h + MR_CACHE_LINE_BYTES);
}

static inline size_t row_head_bytes(const struct row_head *h)
{
	return sizeof(*h) + h->key_bytes + h->row_bytes;
}

static inline int compare_keys(
	const uint8_t *a, unsigned a_bytes, const uint8_t *b, unsigned b_bytes)
{
	int order = memcmp(a, b, MR_MIN(a_bytes, b_bytes));

	return order != 0 ? order : (int)a_bytes - (int)b_bytes;
}

/** Big-endian, so that it compares as the bytes do. */
static inline uint64_t key_first8(const struct row_head *h, unsigned from)
{
	uint8_t padded[8] = {0};

	if (mr_likely(h->key_bytes >= from + 8))
		return mr_load_be64(row_key(h) + from);
	if (h->key_bytes > from)
		memcpy(padded, row_key(h) + from, h->key_bytes - from);
	return mr_load_be64(padded);
}

/** By key, and of one key the winner first. */
int sorter_compare(const struct row_head *a, const struct row_head *b);
