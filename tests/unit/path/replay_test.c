// SPDX-License-Identifier: BSD-3-Clause
//
// Runs the fuzz target of the whole path over its corpus, each file cut short and changed as well.
#include "mr_rng.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEED UINT64_C(0x7061746866757a7a)
#define VARIANTS 200u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// In memory of exactly that size, so that AddressSanitizer sees a read beyond it.
static void run(const uint8_t *data, size_t bytes)
{
	uint8_t *exact = malloc(bytes + 1);

	memcpy(exact + 1, data, bytes);
	LLVMFuzzerTestOneInput(exact + 1, bytes);
	free(exact);
}

static void run_file(const char *path, struct mr_rng *rng)
{
	static uint8_t data[65536];
	FILE *file = fopen(path, "rb");
	size_t bytes;

	assert_non_null(file);
	bytes = fread(data, 1, sizeof(data), file);
	fclose(file);
	run(data, bytes);
	for (unsigned i = 0; i < VARIANTS && bytes > 0; i++) {
		size_t at = mr_rng_below(rng, bytes);
		uint8_t old = data[at];

		data[at] = (uint8_t)mr_rng_next(rng);
		run(data, mr_rng_below(rng, 4) == 0 ? at : bytes);
		data[at] = old;
	}
}

static void corpus(void **state)
{
	struct mr_rng rng = {SEED};
	DIR *dir = opendir(MR_CORPUS_DIR);
	struct dirent *entry;
	unsigned n = 0;

	(void)state;
	assert_non_null(dir);
	print_message("seed 0x%llx\n", (unsigned long long)SEED);
	while ((entry = readdir(dir)) != NULL) {
		char path[1024];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), MR_CORPUS_DIR "/%s", entry->d_name);
		run_file(path, &rng);
		n++;
	}
	closedir(dir);
	assert_true(n >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(corpus)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
