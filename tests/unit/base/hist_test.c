// SPDX-License-Identifier: BSD-3-Clause
#include "mr_hist.h"
#include "mr_rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72686973743131)
#define RECORDS 50000

static struct mr_hist one, other;

static void clear(void)
{
	memset(&one, 0, sizeof(one));
	memset(&other, 0, sizeof(other));
}

static bool within(uint64_t got, uint64_t want, double share)
{
	return fabs((double)got - (double)want) <= share * (double)want;
}

// Every cell's edges: cells follow each other without gaps, and their middle is near both edges.
static void test_cells(void **state)
{
	uint64_t first = 0;

	(void)state;
	for (unsigned cell = 0; cell < MR_HIST_CELLS; cell++) {
		unsigned power = cell / MR_HIST_SUB;
		uint64_t width = power <= 1 ? 1 : UINT64_C(1) << (power - 1);

		assert_int_equal(mr_hist_cell(first), cell);
		assert_int_equal(mr_hist_cell(first + width - 1), cell);
		assert_true(within(mr_hist_cell_value(cell), first, 0.008));
		assert_true(within(mr_hist_cell_value(cell), first + width - 1, 0.008));
		first += width;
	}
	assert_true(first == UINT64_C(1) << MR_HIST_MAX_BITS);
	assert_int_equal(mr_hist_cell(first), MR_HIST_CELLS - 1);
	assert_int_equal(mr_hist_cell(UINT64_MAX), MR_HIST_CELLS - 1);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t draw_constant(struct mr_rng *rng)
{
	(void)rng;
	return 12345;
}

static uint64_t draw_small(struct mr_rng *rng)
{
	return mr_rng_below(rng, 100);
}

static uint64_t draw_uniform(struct mr_rng *rng)
{
	return mr_rng_below(rng, 1000000);
}

static uint64_t draw_exponential(struct mr_rng *rng)
{
	return (uint64_t)(-2000 * log1p(-mr_rng_unit(rng)));
}

// A heavy tail: any magnitude that the histogram tells apart.
static uint64_t draw_magnitudes(struct mr_rng *rng)
{
	return mr_rng_next(rng) >> (64 - 1 - mr_rng_below(rng, MR_HIST_MAX_BITS));
}

static uint64_t draw_two_modes(struct mr_rng *rng)
{
	return mr_rng_below(rng, 100) < 99 ? 500 + mr_rng_below(rng, 50) : 4000000;
}

static void test_quantiles(void **state)
{
	static uint64_t (*const draws[])(struct mr_rng *) = {draw_constant, draw_small,
		draw_uniform, draw_exponential, draw_magnitudes, draw_two_modes};
	static const double quantiles[] = {0, 1e-6, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1};
	static uint64_t values[RECORDS];

	(void)state;
	for (unsigned d = 0; d < MR_ARRAY_SIZE(draws); d++) {
		struct mr_rng rng = {SEED + d};
		double sum = 0;

		clear();
		for (unsigned i = 0; i < RECORDS; i++) {
			values[i] = draws[d](&rng);
			sum += (double)values[i];
			mr_hist_record(&one, values[i], 1);
		}
		qsort(values, RECORDS, sizeof(values[0]), by_value);
		for (unsigned i = 0; i < MR_ARRAY_SIZE(quantiles); i++) {
			uint64_t rank = (uint64_t)ceil(quantiles[i] * RECORDS);
			uint64_t want = values[rank == 0 ? 0 : rank - 1];
			uint64_t got = mr_hist_quantile(&one, quantiles[i]);

			if (!within(got, want, 0.01))
				fail_msg("draw %u, q %g: %ju, sorted %ju, seed %#jx", d,
					quantiles[i], (uintmax_t)got, (uintmax_t)want,
					(uintmax_t)SEED);
		}
		assert_true(one.max == values[RECORDS - 1]);
		assert_int_equal(mr_hist_total(&one), RECORDS);
		assert_true(fabs(mr_hist_mean(&one) - sum / RECORDS) <= 1e-9 * sum / RECORDS);
	}
}

static void test_empty(void **state)
{
	(void)state;
	clear();
	assert_int_equal(mr_hist_total(&one), 0);
	assert_int_equal(mr_hist_quantile(&one, 0.5), 0);
	assert_true(mr_hist_mean(&one) == 0.0);
	mr_hist_record(&one, 0, 1);
	assert_int_equal(mr_hist_total(&one), 1);
	assert_int_equal(mr_hist_quantile(&one, 0.99), 0);
}

static void test_weight(void **state)
{
	(void)state;
	clear();
	mr_hist_record(&one, 10, 98);
	mr_hist_record(&one, 50, 2);
	mr_hist_record(&one, 60, 0);
	assert_int_equal(mr_hist_total(&one), 100);
	assert_int_equal(mr_hist_quantile(&one, 0.98), 10);
	assert_int_equal(mr_hist_quantile(&one, 0.981), 50);
	assert_true(fabs(mr_hist_mean(&one) - 10.8) < 1e-9);
}

static void test_too_large(void **state)
{
	(void)state;
	clear();
	mr_hist_record(&one, UINT64_MAX, 1);
	mr_hist_record(&one, UINT64_C(1) << MR_HIST_MAX_BITS, 1);
	assert_int_equal(one.count[MR_HIST_CELLS - 1], 2);
	assert_true(one.max == UINT64_MAX);
	assert_true(within(mr_hist_quantile(&one, 1), UINT64_C(1) << MR_HIST_MAX_BITS, 0.01));
}

// Merging gives what one histogram of all would be, and subtracting takes it back.
static void test_merge_subtract(void **state)
{
	static struct mr_hist all, sum;
	struct mr_rng rng = {SEED};

	(void)state;
	clear();
	memset(&all, 0, sizeof(all));
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t value = draw_magnitudes(&rng);

		mr_hist_record(i % 3 == 0 ? &one : &other, value, 1 + i % 2);
		mr_hist_record(&all, value, 1 + i % 2);
	}
	sum = one;
	mr_hist_merge(&sum, &other);
	assert_memory_equal(&sum, &all, sizeof(all));
	mr_hist_subtract(&sum, &other);
	assert_memory_equal(sum.count, one.count, sizeof(one.count));
	assert_true(sum.sum == one.sum);
	assert_true(sum.max == all.max);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_merge_subtract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
