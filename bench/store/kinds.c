// SPDX-License-Identifier: BSD-3-Clause
//
// Reads by compression, block size, keys between restarts (rN), with a hash table in each block and
// with no filter for the last level, beside RocksDB's own defaults: all kinds open at once, in
// turns. Once with blocks in the block cache, once with a block cache that holds next to nothing,
// so that each read decompresses a block of the kernel's page cache.
#include "store_bench.h"

#include <limits.h>
#include <stdio.h>

static const struct {
	const char *name, *compression;
	uint32_t block_bytes, restart;
	bool hash, filter;
} kinds[] = {
	{"zstd-16k-rocksdb", "zstd", 16 * MR_KIB, 16, false, true},
	{"zstd-16k-no-filter", "zstd", 16 * MR_KIB, 16, false, false},
	{"zstd-16k-r4", "zstd", 16 * MR_KIB, 4, false, false},
	{"zstd-16k", "zstd", 16 * MR_KIB, 4, true, false},
	{"zstd-8k", "zstd", 8 * MR_KIB, 4, true, false},
	{"zstd-4k", "zstd", 4 * MR_KIB, 4, true, false}, // the defaults
	{"zstd-4k-r1", "zstd", 4 * MR_KIB, 1, true, false},
	{"zstd-2k", "zstd", 2 * MR_KIB, 4, true, false},
	{"lz4-4k", "lz4", 4 * MR_KIB, 4, true, false},
	{"none-4k", "none", 4 * MR_KIB, 4, true, false},
	{"none-1k", "none", MR_KIB, 4, true, false},
};

static struct bench all[MR_ARRAY_SIZE(kinds)];

static const struct variant read_64 = {.batch = 64, .sorted = true};

static void open_kind(const struct bench *b, unsigned k, bool load, uint64_t cache_bytes)
{
	struct bench *kind = &all[k];
	static char paths[MR_ARRAY_SIZE(kinds)][PATH_MAX];
	struct mr_store_stats stats;
	char line[64];

	*kind = (struct bench){.dir = b->dir, .n_rows = MR_MAX(b->n_rows / 4, 4096u)};
	snprintf(paths[k], sizeof(paths[k]), "%s/kind-%s", b->dir, kinds[k].name);
	kind->params = (struct mr_store_params){
		.path = paths[k],
		.block_cache_bytes = cache_bytes,
		.compression = kinds[k].compression,
		.block_bytes = kinds[k].block_bytes,
		.block_restart = kinds[k].restart,
		.no_block_hash = !kinds[k].hash,
		.filter_last_level = kinds[k].filter,
		.numa_node = -1,
	};
	open_store(kind);
	bench_keys_init(&kind->keys, BENCH_UNIFORM, 0, kind->n_rows, 1);
	if (!load)
		return;
	snprintf(line, sizeof(line), "load, %s", kinds[k].name);
	bench_line(line, "rate", bulk_rate(kind), "rows/s");
	mr_store_stats(kind->store, &stats);
	snprintf(line, sizeof(line), "disk, %s", kinds[k].name);
	bench_line(line, "size", (double)stats.sst_bytes / (double)kind->n_rows, "B/row");
}

// The first kind is what the others are compared with.
static void read_all(const char *what)
{
	static double rates[MR_ARRAY_SIZE(kinds)][PASSES];
	double base = 0;
	char line[64];

	for (unsigned k = 0; k < MR_ARRAY_SIZE(kinds); k++)
		for (uint64_t n = 0; n < 2 * all[k].n_rows; n += read_64.batch)
			read_burst(&all[k], &read_64);
	for (unsigned pass = 0; pass < PASSES; pass++)
		for (unsigned k = 0; k < MR_ARRAY_SIZE(kinds); k++)
			rates[k][pass] = measure_pass(&all[k], read_burst, &read_64);
	for (unsigned k = 0; k < MR_ARRAY_SIZE(kinds); k++) {
		struct bench_stat stat = bench_stat_of(rates[k], PASSES);

		if (k == 0)
			base = stat.median;
		snprintf(line, sizeof(line), "read 64 %s, %s", what, kinds[k].name);
		bench_line_ratio(line, "rate", stat.median, &stat, "keys/s", base);
	}
}

void bench_kinds(const struct bench *b)
{
	for (unsigned k = 0; k < MR_ARRAY_SIZE(kinds); k++)
		open_kind(b, k, true, CACHE_BYTES / 4);
	read_all("cached");
	for (unsigned k = 0; k < MR_ARRAY_SIZE(kinds); k++) {
		close_store(&all[k]);
		open_kind(b, k, false, MR_MIB);
	}
	read_all("paged");
	for (unsigned k = 0; k < MR_ARRAY_SIZE(kinds); k++)
		close_store(&all[k]);
}
