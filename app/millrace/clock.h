// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The tool's one clock for durations. It never jumps.
 */

#include "mr_units.h"

#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MR_NS_PER_S + (uint64_t)now.tv_nsec;
}
