// SPDX-License-Identifier: BSD-3-Clause
//
// What one view copy costs: stored rows in L1 or L2 to a reply, as an RX lcore does after its
// prefetch. The baseline is a memcpy() of as many bytes, which is the least there is to do. One
// JSON object a line on stdout; what it ran on goes to stderr.

#include "mr_catalog.h"
#include "mr_rng.h"
#include "mr_row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROWS 16u
#define COPIES 20000u // a repeat
#define REPEATS 15u
#define ARENA_BYTES (8u << 20)
#define TEXT_BYTES (256u << 10)
#define SETS_MAX 4u

struct bench {
	const char *name;
	unsigned n_sets, n_columns; // of each set
	unsigned n_wanted;          // of each set; 0: the set's own view
	unsigned string_every;      // one column in so many is a string; 0: none
	bool shuffled;              // columns asked for in another order than declared
};

static const struct bench benches[] = {
	{"identity-64B", 1, 14, 0, 0, false},
	{"identity-1KiB", 1, 254, 0, 0, false},
	{"run-100-of-300", 1, 300, 100, 0, false},
	{"subset-250-of-500", 1, 500, 250, 0, true},
	{"subset-250-of-500-strings", 1, 500, 250, 5, true},
	{"run-250-of-500-strings", 1, 500, 250, 5, false},
	{"four-sets-16-columns", 4, 32, 16, 8, true},
};

static uint8_t rows[SETS_MAX][ROWS][MR_ROW_MAX_BYTES];
static uint32_t row_bytes[SETS_MAX][ROWS];
static uint8_t out[SETS_MAX * MR_ROW_MAX_BYTES];
static char text[TEXT_BYTES];

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t print_schema(const struct bench *b)
{
	size_t at = 0;

	for (unsigned s = 0; s < b->n_sets; s++) {
		at += (size_t)snprintf(
			text + at, TEXT_BYTES - at, "[set s%u]\nid = %u\nkey = u64\n", s, s + 1);
		for (unsigned c = 0; c < b->n_columns; c++)
			at += (size_t)snprintf(text + at, TEXT_BYTES - at, "column c%u = %s\n", c,
				b->string_every != 0 && c % b->string_every == 0 ? "string"
										 : "f32");
	}
	at += (size_t)snprintf(text + at, TEXT_BYTES - at, "[view v]\nid = 1\n");
	for (unsigned s = 0; s < b->n_sets; s++) {
		for (unsigned i = 0; i < b->n_wanted; i++) {
			// 7 has no factor in common with the column counts.
			unsigned c = b->shuffled ? i * 7 % b->n_columns : i;

			at += (size_t)snprintf(
				text + at, TEXT_BYTES - at, "columns = s%u.c%u\n", s, c);
		}
		if (b->n_wanted == 0)
			at += (size_t)snprintf(text + at, TEXT_BYTES - at, "columns = s%u.*\n", s);
	}
	return at;
}

static void make_row(
	const struct mr_shape *shape, struct mr_rng *rng, uint8_t *row, uint32_t *ret_bytes)
{
	static uint8_t scratch[MR_ROW_MAX_BYTES];
	struct mr_row_builder b;

	if (mr_row_begin(&b, shape, row, MR_ROW_MAX_BYTES, scratch) < 0)
		abort();
	for (unsigned i = 0; i < shape->n_columns; i++) {
		const struct mr_column *c = &shape->columns[i];
		struct mr_value v = {.type = c->type, .count = 1, .f32 = (float)i};

		if (c->is_variable) {
			v.data = (const uint8_t *)"a feature's text";
			v.bytes = (uint32_t)mr_rng_below(rng, 17);
		}
		v.is_null = mr_rng_below(rng, 10) == 0;
		if (mr_row_set(&b, c, &v) < 0)
			abort();
	}
	*ret_bytes = (uint32_t)mr_row_end(&b);
}

// @return bytes of the answer to row r.
static uint32_t answer(const struct mr_view *view, unsigned r)
{
	uint32_t at = 0;

	for (unsigned s = 0; s < view->n_parts; s++) {
		int n = mr_view_part_copy(&view->parts[s], rows[s][r], row_bytes[s][r], out + at,
			(uint32_t)sizeof(out) - at);

		if (n < 0)
			abort();
		at += (uint32_t)n;
	}
	return at;
}

// Median and q3/q1 of the time of one copy; lengths != NULL: of memcpy() of that many bytes.
static double measure(const struct mr_view *view, const uint32_t *lengths, double *ret_spread)
{
	double ns[REPEATS];

	for (unsigned k = 0; k <= REPEATS; k++) {
		double start = now_ns();

		for (unsigned i = 0; i < COPIES; i++) {
			if (lengths != NULL)
				memcpy(out, rows[0][i % ROWS], lengths[i % ROWS]);
			else
				answer(view, i % ROWS);
			// The copies must be made, though nobody looks at them.
			__asm__ __volatile__("" : : "r"(out) : "memory");
		}
		if (k > 0)
			ns[k - 1] = (now_ns() - start) / COPIES;
	}
	qsort(ns, REPEATS, sizeof(ns[0]), by_value);
	*ret_spread = ns[REPEATS * 3 / 4] / ns[REPEATS / 4];
	return ns[REPEATS / 2];
}

static void run(const struct bench *b, void *mem)
{
	struct mr_rng rng = {1};
	struct mr_err err = {""};
	const struct mr_view *view;
	struct mr_catalog *catalog;
	struct mr_arena arena;
	uint32_t lengths[ROWS];
	double ns, plain_ns, spread, plain_spread, bytes = 0;

	mr_arena_init(&arena, mem, ARENA_BYTES);
	catalog = mr_catalog_build(&arena, b->name, text, print_schema(b), &err);
	if (catalog == NULL) {
		fprintf(stderr, "%s\n", err.text);
		exit(1);
	}
	view = catalog->views[0];
	for (unsigned r = 0; r < ROWS; r++) {
		for (unsigned s = 0; s < b->n_sets; s++)
			make_row(&catalog->sets[s]->shape, &rng, rows[s][r], &row_bytes[s][r]);
		lengths[r] = answer(view, r);
		bytes += lengths[r] / (double)ROWS;
	}
	ns = measure(view, NULL, &spread);
	plain_ns = measure(view, lengths, &plain_spread);
	printf("{\"bench\":\"row\",\"case\":\"%s\",\"metric\":\"copy\",\"value\":%.4g,"
	       "\"unit\":\"ns\",\"baseline\":%.4g,\"ratio\":%.4g}\n",
		b->name, ns, plain_ns, ns / plain_ns);
	printf("{\"bench\":\"row\",\"case\":\"%s\",\"metric\":\"copy-spread\",\"value\":%.3f,"
	       "\"unit\":\"q3/q1\"}\n",
		b->name, spread);
	printf("{\"bench\":\"row\",\"case\":\"%s\",\"metric\":\"answer\",\"value\":%.0f,"
	       "\"unit\":\"bytes\"}\n",
		b->name, bytes);
	fflush(stdout);
}

int main(void)
{
	void *mem = malloc(ARENA_BYTES);

	if (mem == NULL)
		return 1;
	fprintf(stderr,
		"row: %u rows a case, median of %u repeats of %u copies; baseline: memcpy\n", ROWS,
		REPEATS, COPIES);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(benches); i++)
		run(&benches[i], mem);
	free(mem);
	return 0;
}
