// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of the catalog's reader: any text is either refused with a message that names the
// file, or built; then its printed form builds the same catalog, and it merges into itself.

#include "mr_catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A defect that the sanitizers cannot see must still stop the program.
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define ARENA_BYTES (16u << 20)

static struct mr_catalog *build(uint8_t *mem, const char *text, size_t bytes)
{
	struct mr_err err = {""};
	struct mr_catalog *catalog;
	struct mr_arena arena;

	mr_arena_init(&arena, mem, ARENA_BYTES);
	errno = 0;
	catalog = mr_catalog_build(&arena, "fuzz.ini", text, bytes, &err);
	if (catalog == NULL && errno == EINVAL)
		MUST(strstr(err.text, "fuzz.ini:") != NULL);
	else
		MUST(catalog != NULL || errno == ENOMEM);
	return catalog;
}

static void print_and_build(const struct mr_catalog *catalog, uint8_t *mem)
{
	size_t bytes = mr_catalog_print(catalog, NULL, 0);
	char *text = malloc(bytes + 1), *same = malloc(bytes + 1);
	struct mr_catalog *again;

	MUST(mr_catalog_print(catalog, text, bytes + 1) == bytes);
	again = build(mem, text, bytes);
	MUST(again != NULL && mr_catalog_print(again, same, bytes + 1) == bytes);
	MUST(strcmp(text, same) == 0);
	MUST(mr_catalog_merge(catalog, again, same, bytes + 1, NULL) == (int64_t)bytes);
	MUST(strcmp(text, same) == 0);
	free(same);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *mem;
	struct mr_catalog *catalog;
	char *text = malloc(size > 0 ? size : 1);

	if (mem == NULL)
		mem = malloc(2 * ARENA_BYTES);
	memcpy(text, data, size);
	catalog = build(mem, text, size);
	if (catalog != NULL)
		print_and_build(catalog, mem + ARENA_BYTES);
	free(text);
	return 0;
}
