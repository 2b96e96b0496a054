// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the parts of bench `store` share: the rows, a store with all of them, and RocksDB alone.
 */

#include "bench.h"
#include "bench_keys.h"
#include "mr_bloom.h"
#include "mr_bytes.h"
#include "mr_store.h"
#include "mr_units.h"

#include <string.h>

#define KEY_BYTES 20u
#define ROW_BYTES 112u
#define ROW_COLUMNS 26u // f32, behind 8 bytes of null bits
#define SPACE 0x00010001u
#define WRITE_SPACE 0x00020001u
#define PASSES 5u
#define PASS_NS 2e8
#define BATCH_MAX 128u
#define CACHE_BYTES (512 * MR_MIB)

struct bench {
	const char *dir;
	uint64_t n_rows;
	uint32_t layout; // of the rows
	struct mr_store_params params;
	struct mr_store *store;
	struct mr_store_reader *reader;
	struct bench_keys keys;
	uint64_t event_time_us;
	double bulk_rate;
	uint8_t key[BATCH_MAX][KEY_BYTES];
	uint8_t row[BATCH_MAX][ROW_BYTES];
	struct mr_store_get gets[BATCH_MAX];
	struct mr_store_put puts[BATCH_MAX];
};

/** One case of a kind. */
struct variant {
	unsigned batch;
	bool sorted; // keys of a burst; else as they come
	bool absent;
	bool sync;
};

// ---- rows --------------------------------------------------------------------------------------

// Row numbers in order give keys in order. Odd numbers are never written.
static inline void make_key(uint8_t key[KEY_BYTES], uint64_t i)
{
	memcpy(key, "customer:00\0", 12);
	mr_store_be64(key + 12, i);
}

// Half of it compresses away, as db_bench has it.
static inline void make_row(uint8_t row[ROW_BYTES], uint64_t i)
{
	struct mr_rng rng = {i};

	memset(row, 0, ROW_BYTES);
	for (unsigned at = 8; at <= ROW_BYTES / 2; at += 8)
		mr_store_le64(row + at, mr_rng_next(&rng));
}

static inline void check(int ret, const struct mr_err *err)
{
	if (ret < 0)
		bench_fail("%s", err->text);
}

// ---- passes ------------------------------------------------------------------------------------

/** One burst. @return keys or rows done. */
typedef unsigned (*burst_fn)(struct bench *b, const struct variant *v);

/** One pass. @return operations a second. */
double measure_pass(struct bench *b, burst_fn burst, const struct variant *v);
struct bench_stat measure(struct bench *b, burst_fn burst, const struct variant *v);

void choose_keys(struct bench *b, const struct variant *v);
void choose_rows(struct bench *b, const struct variant *v);
unsigned read_burst(struct bench *b, const struct variant *v);

/** Loads all rows into SPACE, in as many parts as `millrace load --bulk` would make. @return rows/s
 */
double bulk_rate(struct bench *b);

/** Opens the store of @p b->params with a reader whose gets are for SPACE. */
void open_store(struct bench *b);
void close_store(struct bench *b);

/** Sets the bits of all keys that the store has. @return how many. */
uint64_t build_filter(struct mr_store *store, struct mr_bloom *bloom);

// ---- RocksDB alone (rocks.c) -------------------------------------------------------------------

void rocks_open(const struct bench *b);
void rocks_close(void);

/** A write batch of its own, of the same sizes. */
unsigned rocks_commit_burst(struct bench *b, const struct variant *v);

/** Rows a second of the SST writer, the file's sync included, as in a bulk load. */
double rocks_sst_rate(const struct bench *b);

/** The same with the rows of print_table(). */
double rocks_table_rate(const struct bench *b);

/** Keys a second of db_bench multireadrandom, batched, on data of the same shape; 0 without it. */
double db_bench_rate(const struct bench *b, unsigned batch);

// ---- further cases -----------------------------------------------------------------------------

/** INI text of a set with these rows. */
const char *catalog_text(void);
uint32_t catalog_layout(void);

void bench_path(struct bench *b, bool reads, bool writes); // path.c
void bench_kinds(const struct bench *b);                   // kinds.c
void bench_hits(const struct bench *b);                    // hits.c
/** What bench_path() takes; its cache is the largest part. */
#define PATH_MEGABYTES 640u
unsigned bench_hits_megabytes(void);
void bench_start(struct bench *b); // start.c

/** Rows as CSV, for the tool: u64 keys, 14 f32. */
void print_table(uint64_t n_rows);
