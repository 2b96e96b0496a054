// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * EAL for benches: hugepages if there are enough, else ordinary memory on transparent ones; lcore 0
 * for the bench, lcore 1 for the other side where there is a second CPU.
 */

#include "bench.h"

/** Starts EAL with @p megabytes of heap and says what pages it lies on. Exits on failure. */
void bench_eal(const char *program, unsigned megabytes);

/** The other lcore, or RTE_MAX_LCORE. */
unsigned bench_other_lcore(void);

/** Core-to-core ping-pong between this lcore and @p other, which must be idle. @return ns one way.
 */
double bench_ping_pong(unsigned other);
