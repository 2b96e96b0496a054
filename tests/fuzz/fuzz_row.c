// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of everything that reads rows and keys it did not make: check, get, view copies of
// rows that may be torn, key decoding. Input: two bytes that choose the view's columns, two that
// choose the room for its answer, then the row. Built with clang -fsanitize=fuzzer,address it is a
// libFuzzer program; tests/unit/row replays its corpus without clang.

#include "mr_bytes.h"
#include "mr_catalog.h"
#include "mr_key.h"
#include "mr_row.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A defect that the sanitizers cannot see must still stop the program.
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define N_COLUMNS 12u

static const char schema_text[] =
	"[set all]\nid = 1\nkey = a:i64, b:string, c:bytes, d:u64\n"
	"column b = bool\ncolumn s1 = string\ncolumn i = i32\ncolumn y1 = bytes\ncolumn l = i64\n"
	"column f = f32\ncolumn s2 = string\ncolumn d = f64\ncolumn t = timestamp\n"
	"column bs = bool[9]\ncolumn fs = f32[3]\ncolumn ls = i64[2]\n";

static uint8_t mem[1u << 20];
static uint8_t scratch[MR_ROW_MAX_BYTES], again[MR_ROW_MAX_BYTES];

static const struct mr_schema *schema(void)
{
	static const struct mr_schema *built;
	struct mr_arena arena;

	if (built == NULL) {
		struct mr_catalog *catalog;

		mr_arena_init(&arena, mem, sizeof(mem));
		catalog = mr_catalog_build(&arena, "fuzz", schema_text, strlen(schema_text), NULL);
		MUST(catalog != NULL);
		built = catalog->sets[0];
		MUST(built->shape.n_columns == N_COLUMNS);
	}
	return built;
}

// A good row is canonical: taken apart and built again it is the same.
static void take_apart(const struct mr_shape *shape, const uint8_t *row, uint32_t bytes)
{
	bool good = mr_row_check(shape, row, bytes) == 0;
	struct mr_row_builder b;

	MUST(mr_row_begin(&b, shape, again, sizeof(again), scratch) == 0);
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_value v;
		int ret = mr_row_get(&shape->columns[i], row, bytes, &v);
		char text[64];

		MUST(ret == 0 || !good);
		if (ret == 0)
			mr_value_print(&v, text, sizeof(text));
		if (good)
			MUST(mr_row_set(&b, &shape->columns[i], &v) == 0);
	}
	if (good)
		MUST((uint32_t)mr_row_end(&b) == bytes && memcmp(again, row, bytes) == 0);
}

static void copy_view(unsigned wanted, uint32_t capacity, const uint8_t *row, uint32_t bytes)
{
	bool good = mr_row_check(&schema()->shape, row, bytes) == 0;
	uint16_t columns[N_COLUMNS];
	uint8_t arena_mem[4096], *out;
	struct mr_view_part part;
	struct mr_arena arena;
	unsigned n = 0;
	int want, ret;

	for (unsigned i = 0; i < N_COLUMNS; i++) {
		// The high bits turn the order around.
		unsigned c = wanted >> 15 != 0 ? N_COLUMNS - 1 - i : i;

		if ((wanted >> c & 1) != 0)
			columns[n++] = (uint16_t)c;
	}
	if (n == 0)
		return;
	mr_arena_init(&arena, arena_mem, sizeof(arena_mem));
	MUST(mr_view_part_compile(&part, schema(), columns, n, &arena) == 0);
	out = malloc(capacity + 1);
	want = mr_view_part_bytes(&part, row, bytes);
	ret = mr_view_part_copy(&part, row, bytes, out + 1, capacity);
	MUST(!good || want > 0);
	MUST(ret < 0 || (ret == want && (uint32_t)ret <= capacity));
	MUST(!good || (ret < 0) == ((uint32_t)want > capacity));
	if (good && ret > 0)
		take_apart(&part.shape, out + 1, (uint32_t)ret);
	free(out);
}

static void decode_key(const uint8_t *key, size_t bytes)
{
	struct mr_key_value parts[MR_KEY_PARTS_MAX];
	uint8_t encoded[MR_KEY_MAX_BYTES];
	int n = mr_key_decode(schema(), key, (unsigned)bytes, parts);

	MUST((n > 0) == mr_key_check(schema(), key, (unsigned)bytes));
	if (n > 0) {
		MUST(mr_key_encode(schema(), parts, (unsigned)n, encoded) == (int)bytes);
		MUST(memcmp(encoded, key, bytes) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4 || size > 2 * MR_ROW_MAX_BYTES)
		return 0;
	take_apart(&schema()->shape, data + 4, (uint32_t)size - 4);
	copy_view(mr_load_le16(data), mr_load_le16(data + 2), data + 4, (uint32_t)size - 4);
	decode_key(data + 4, size - 4);
	return 0;
}
