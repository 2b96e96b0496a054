// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Log-linear histogram of u64 values (the idea of HdrHistogram, Tene): 64 linear cells in each
 * power of two, so a value read back is within 0.8 % of the one recorded. One writer, no atomics
 * beyond relaxed stores; readers copy it while it is written and see each cell either before or
 * after an increment. About 2 ns a record when the cell's line is warm.
 */

#include <stdatomic.h>

#include "mr_cc.h"

#define MR_HIST_SUB_BITS 6
#define MR_HIST_SUB (1u << MR_HIST_SUB_BITS)
// Values of 2^42 and more (half an hour of TSC cycles) share the last cell.
#define MR_HIST_MAX_BITS 42
#define MR_HIST_CELLS ((MR_HIST_MAX_BITS - MR_HIST_SUB_BITS + 1) * MR_HIST_SUB)

/** W: its one lcore. R: anyone, relaxed. */
struct mr_hist {
	_Atomic uint64_t count[MR_HIST_CELLS];
	_Atomic uint64_t sum; //!< of all recorded values, for the mean
	_Atomic uint64_t max; //!< largest value recorded
} mr_cache_aligned;

static mr_always_inline unsigned mr_hist_cell(uint64_t value)
{
	unsigned shift;

	if (value < MR_HIST_SUB)
		return (unsigned)value;
	if (mr_unlikely(value >> MR_HIST_MAX_BITS))
		return MR_HIST_CELLS - 1;
	shift = 63u - (unsigned)__builtin_clzll(value) - MR_HIST_SUB_BITS;
	return (shift << MR_HIST_SUB_BITS) + (unsigned)(value >> shift);
}

/** Records @p value @p weight times. Only the histogram's own thread may call it. */
static mr_always_inline void mr_hist_record(struct mr_hist *h, uint64_t value, uint64_t weight)
{
#ifndef MR_TELEMETRY_OFF // as in lib/env/mr_counters.h
	_Atomic uint64_t *cell = &h->count[mr_hist_cell(value)];

	// why relaxed load + store: one writer, so no read-modify-write is needed.
	atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + weight,
		memory_order_relaxed);
	atomic_store_explicit(&h->sum,
		atomic_load_explicit(&h->sum, memory_order_relaxed) + value * weight,
		memory_order_relaxed);
	if (mr_unlikely(value > atomic_load_explicit(&h->max, memory_order_relaxed)))
		atomic_store_explicit(&h->max, value, memory_order_relaxed);
#else
	(void)h;
	(void)value;
	(void)weight;
#endif
}

/** Middle of a cell: what a percentile reports. */
uint64_t mr_hist_cell_value(unsigned cell);

/** Adds all of @p from to @p into; @p into has no other writer. */
void mr_hist_merge(struct mr_hist *into, const struct mr_hist *from);

/**
 * Makes @p into (later) hold what was recorded since @p earlier was copied. Its max stays what it
 * was: of all that was ever recorded.
 */
void mr_hist_subtract(struct mr_hist *into, const struct mr_hist *earlier);

/** Number of records. O(cells). */
uint64_t mr_hist_total(const struct mr_hist *h);

/**
 * Value at quantile @p q in [0, 1]: the cell that holds record number ceil(q * total).
 * @return 0 when the histogram is empty.
 */
uint64_t mr_hist_quantile(const struct mr_hist *h, double q);

/** Mean of the recorded values, 0 when empty. */
double mr_hist_mean(const struct mr_hist *h);
