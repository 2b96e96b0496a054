// SPDX-License-Identifier: BSD-3-Clause
//
// The store opened again: until the first right answer, with the filter read back and with one that
// is built from the store's keys.
#include "mr_hash.h"
#include "store_bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static void first_answer(struct bench *b, const struct mr_bloom *bloom)
{
	static const struct variant v = {.batch = 1};

	if (!mr_bloom_test(bloom, mr_hash_row(mr_hash_key(b->key[0], KEY_BYTES), SPACE)))
		bench_fail("the filter has lost a key");
	if (read_burst(b, &v) != 1)
		bench_fail("no answer");
}

// From the store's opening to the first right answer. @return seconds
static double start_once(
	struct bench *b, struct mr_bloom **bloom, void *mem, size_t bytes, const char *saved)
{
	struct mr_bloom_params sizes = {.capacity_keys = b->n_rows + b->n_rows / 5, .fpr = 0.001};
	double begin = bench_now_ns();
	FILE *file;

	open_store(b);
	if (saved == NULL) {
		double scan = bench_now_ns();
		uint64_t keys;

		*bloom = mr_bloom_init(mem, bytes, &sizes);
		keys = build_filter(b->store, *bloom);
		bench_line("start-rebuild-keys", "rate",
			(double)keys / (bench_now_ns() - scan) * 1e9, "keys/s per core");
	} else {
		file = fopen(saved, "r");
		if (file == NULL || fread(mem, 1, bytes, file) != bytes)
			bench_fail("%s", saved);
		fclose(file);
		*bloom = mr_bloom_open(mem, bytes);
		if (*bloom == NULL)
			bench_fail("the saved filter is damaged");
	}
	make_key(b->key[0], 0);
	first_answer(b, *bloom);
	return (bench_now_ns() - begin) / 1e9;
}

void bench_start(struct bench *b)
{
	struct mr_bloom_params sizes = {.capacity_keys = b->n_rows + b->n_rows / 5, .fpr = 0.001};
	size_t bytes = mr_bloom_memsize(&sizes);
	void *mem = aligned_alloc(64, MR_ALIGN_UP(bytes, (size_t)64));
	struct mr_bloom *bloom;
	const void *sealed;
	size_t saved_bytes;
	char saved[PATH_MAX];
	FILE *file;

	if (mem == NULL)
		bench_fail("no memory");
	close_store(b);
	bench_line("start-rebuild", "time", start_once(b, &bloom, mem, bytes, NULL), "s");
	close_store(b);
	snprintf(saved, sizeof(saved), "%s/filter", b->dir);
	sealed = mr_bloom_bytes(bloom, &saved_bytes);
	file = fopen(saved, "w");
	if (file == NULL || fwrite(sealed, 1, saved_bytes, file) != saved_bytes ||
		fclose(file) != 0)
		bench_fail("%s", saved);
	bench_line("start-saved", "time", start_once(b, &bloom, mem, saved_bytes, saved), "s");
	free(mem);
}
