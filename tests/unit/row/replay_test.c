// SPDX-License-Identifier: BSD-3-Clause
//
// Runs a fuzz target over its corpus: every file, its beginnings, and seeded mutations of it.

#include "mr_rng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72726570313131)
#define INPUT_MAX_BYTES 65536u
#define MUTATIONS 100u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// In memory of exactly that size, so that AddressSanitizer sees a read beyond it.
static void run(const uint8_t *data, size_t bytes)
{
	uint8_t *exact = malloc(bytes + 1);

	assert_non_null(exact);
	memcpy(exact + 1, data, bytes);
	LLVMFuzzerTestOneInput(exact + 1, bytes);
	free(exact);
}

static void run_variants(uint8_t *data, size_t bytes, struct mr_rng *rng)
{
	size_t step = 1 + bytes / 200;

	run(data, bytes);
	for (size_t n = 0; n < bytes; n += step)
		run(data, n);
	for (unsigned i = 0; i < MUTATIONS && bytes > 0; i++) {
		size_t at = mr_rng_below(rng, bytes);
		uint8_t old = data[at];

		data[at] = (uint8_t)mr_rng_next(rng);
		run(data, bytes);
		if (mr_rng_below(rng, 2) == 0)
			data[at] = old;
	}
}

static void test_corpus(void **state)
{
	static uint8_t data[INPUT_MAX_BYTES];
	struct mr_rng rng = {SEED};
	DIR *dir = opendir(MR_CORPUS_DIR);
	unsigned n = 0;

	(void)state;
	assert_non_null(dir);
	print_message("seed %#llx\n", (unsigned long long)SEED);
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		char path[4096];
		FILE *file;
		size_t bytes;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", MR_CORPUS_DIR, entry->d_name);
		file = fopen(path, "rb");
		assert_non_null(file);
		bytes = fread(data, 1, sizeof(data), file);
		fclose(file);
		run_variants(data, bytes, &rng);
		n++;
	}
	closedir(dir);
	assert_in_range(n, 5, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
