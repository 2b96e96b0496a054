// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * How fast a cache turns over: its counters now and some seconds ago. Owner: the control loop,
 * which notes; what it found is read by anyone.
 */

#include "mr_cache.h"

#include <stdatomic.h>

#define MR_CHURN_PERIOD_US UINT64_C(10000000)

/** All zero to begin with. */
struct mr_churn {
	uint64_t noted_us, fills, evictions, ticks;    // at the last note
	_Atomic uint64_t fills_per_s, evictions_per_s; // of the period before it
	_Atomic uint64_t tick_us;                      // what a tick took; 0: none passed
};

/** Rows evicted for want of room. */
uint64_t mr_churn_evictions(const struct mr_cache_stats *stats);

/** Whether a period is over. */
bool mr_churn_due(const struct mr_churn *churn, uint64_t now_us);

/** Notes the figures as of now, and what became of them since the last note. */
void mr_churn_note(struct mr_churn *churn, const struct mr_cache_stats *stats, uint64_t ticks,
	uint64_t now_us);
