// SPDX-License-Identifier: BSD-3-Clause
//
// Replays the corpus MR_CORPUS through the fuzz target that this program is linked with, and the
// same inputs cut and damaged.

#include "../net/corpus.h"
#include "mr_rng.h"

#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72636c69656e74)
#define DAMAGED_EACH 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mr_rng rng = {SEED};

/** The input, then copies of it that are cut short, or have a few other bytes. */
static int target(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	LLVMFuzzerTestOneInput(data, size);
	for (unsigned i = 0; i < DAMAGED_EACH && size > 0; i++) {
		size_t bytes = i % 4 == 0 ? mr_rng_below(&rng, size) : size;

		memcpy(copy, data, bytes);
		for (uint64_t n = mr_rng_below(&rng, 4); n > 0 && bytes > 0; n--)
			copy[mr_rng_below(&rng, bytes)] = (uint8_t)mr_rng_next(&rng);
		LLVMFuzzerTestOneInput(copy, bytes);
	}
	free(copy);
	return 0;
}

static void test_corpus(void **state)
{
	(void)state;
	print_message("corpus %s, seed %llx\n", MR_CORPUS, (unsigned long long)SEED);
	assert_in_range(corpus_replay(MR_CORPUS, target), 10, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
