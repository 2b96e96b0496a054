// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the store's tests share: a temporary directory, stores with small buffers, keys made to
 * confuse, and a model: a table of every key with what a read must say about it.
 */

#include "mr_rng.h"
#include "mr_store.h"

#include <stdbool.h>
#include <sys/types.h>

// cmocka.h wants these before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define MODEL_KEYS 160u
#define MODEL_SPACES 4u
#define ROW_MAX_BYTES (32u * 1024)

/** What the store must know about a key. */
struct model_entry {
	mr_space_t space;
	uint8_t key[255];
	uint8_t key_bytes;
	bool present;
	bool deleted;
	uint64_t event_time_us;
	uint32_t layout;
	uint64_t row_seed; // the row's bytes follow from it
	uint32_t row_bytes;
};

struct model {
	struct model_entry entries[MODEL_KEYS]; // in the store's order
};

#define DIR_MAX_BYTES 256

/** The test's directory, under TMPDIR. */
extern char dir[DIR_MAX_BYTES];

/** cmocka setup and teardown: make @ref dir and remove it with all that is in it. */
int dir_setup(void **state);
int dir_teardown(void **state);

/** Opens a store in the directory with small memtables and blobs from 4 KiB on; must succeed. */
struct mr_store *store_open(const char *path);
struct mr_store_params store_params(const char *path);
void store_close(struct mr_store *store);

/** As store_open(), but may fail. */
struct mr_store *store_try_open(const char *path, struct mr_err *err);

#define FILE_PATH_MAX_BYTES 512

/** Path of the last file of @ref dir whose name matches a shell pattern; there must be one. */
void file_find(const char *pattern, char path[FILE_PATH_MAX_BYTES]);

/** Writes over a part of a file, and cuts it off after that if @p cut. */
void file_damage(const char *path, off_t at, const char *bytes, bool cut);

/** Fills @p row with the bytes that follow from the seed. */
void row_fill(uint8_t *row, uint32_t row_bytes, uint64_t seed);

/** Seed of a random test: MR_TEST_SEED or @p otherwise; printed. */
uint64_t test_seed(const char *name, uint64_t otherwise);

void model_init(struct model *model, struct mr_rng *rng);

/** A random change of a random key, entered in the model. Row memory: @p row, ROW_MAX_BYTES. */
struct mr_store_put model_change(struct model *model, struct mr_rng *rng, uint8_t *row);

/** Which family a space's rows are in: neighbours differ. */
static inline bool model_fast(mr_space_t space)
{
	return space % 3 == 0;
}

/** Asks for an entry. */
static inline struct mr_store_get model_get(const struct model_entry *e)
{
	return (struct mr_store_get){
		.space = e->space,
		.key = e->key,
		.key_bytes = e->key_bytes,
		.fast = model_fast(e->space),
	};
}

/** Asserts that a read agrees with the model. */
void model_check(const struct model_entry *entry, const struct mr_store_get *get);

/** Reads every key and scans everything; asserts that all agrees. */
void model_check_all(const struct model *model, struct mr_store *store);

/** Commits one row whose bytes follow from (key, event time); must succeed. */
void put_u64(struct mr_store *store, mr_space_t space, uint64_t key, uint64_t event_time_us,
	uint32_t row_bytes, bool sync);

/** Reads it back. @return result; event time 0 when absent. */
int get_u64(struct mr_store *store, mr_space_t space, uint64_t key, uint64_t *ret_event_time_us);
