// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The circuit breaker before the store: after some failed reads in a row, reads stop for a while,
 * so that a disk that fails slowly does not hold up what memory can answer. Then one I/O lcore
 * probes, and what it finds closes the breaker or keeps it open for another while.
 *
 * One per appliance, shared by its I/O lcores; all zero with a limit is a closed one. Owner:
 * whoever made it. Threads: any.
 */

#include <stdatomic.h>

#include "mr_cc.h"

#include <stdbool.h>

struct mr_breaker {
	uint32_t limit;                 //!< failures in a row that open it; 0: never opens
	uint64_t open_us;               //!< for how long
	_Atomic uint32_t failures;      //!< in a row
	_Atomic uint64_t open_until_us; //!< 0: closed
	_Atomic uint64_t opened;        //!< how often
};

/** Whether the store may be read now. While open: true once per open_us, for the probe. */
static inline bool mr_breaker_allows(struct mr_breaker *b, uint64_t now_us)
{
	// why relaxed: the breaker orders nothing; a lcore that sees it late reads once more.
	uint64_t until = atomic_load_explicit(&b->open_until_us, memory_order_relaxed);

	if (mr_likely(until == 0))
		return true;
	// Whoever moves the end is the probe; the others wait for what it finds.
	return now_us >= until &&
	       atomic_compare_exchange_strong_explicit(&b->open_until_us, &until,
		       now_us + b->open_us, memory_order_relaxed, memory_order_relaxed);
}

static inline bool mr_breaker_is_open(const struct mr_breaker *b)
{
	return atomic_load_explicit(&b->open_until_us, memory_order_relaxed) != 0;
}

/** The store answered. */
static inline void mr_breaker_succeeded(struct mr_breaker *b)
{
	if (mr_likely(atomic_load_explicit(&b->failures, memory_order_relaxed) == 0))
		return;
	atomic_store_explicit(&b->failures, 0, memory_order_relaxed);
	atomic_store_explicit(&b->open_until_us, 0, memory_order_relaxed);
}

/** The store failed. @return true: this opened the breaker. */
static inline bool mr_breaker_failed(struct mr_breaker *b, uint64_t now_us)
{
	uint32_t n = atomic_fetch_add_explicit(&b->failures, 1, memory_order_relaxed) + 1;

	if (b->limit == 0 || n < b->limit)
		return false;
	// Not below the limit again, however long it lasts.
	atomic_store_explicit(&b->failures, b->limit, memory_order_relaxed);
	if (atomic_exchange_explicit(
		    &b->open_until_us, now_us + b->open_us, memory_order_relaxed) != 0)
		return false;
	atomic_fetch_add_explicit(&b->opened, 1, memory_order_relaxed);
	return true;
}
