// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * EAL for benches: hugepages if there are enough, else ordinary memory on transparent ones; lcore 0
 * for the bench, others for other sides where there are CPUs.
 */

#include "bench.h"

/** Most lcores of a bench: as many queues as an in-memory port has. */
#define BENCH_LCORES_MAX 16u

/** Starts EAL with @p megabytes of heap and says what pages it lies on. Exits on failure. */
void bench_eal(const char *program, unsigned megabytes);

/** The same with up to @p lcores lcores instead of two. */
void bench_eal_lcores(const char *program, unsigned megabytes, unsigned lcores);

/** The same with memory that another process can map (virtio-user). */
void bench_eal_shared(const char *program, unsigned megabytes);

/** The other lcore, or RTE_MAX_LCORE. */
unsigned bench_other_lcore(void);

/** Core-to-core ping-pong between this lcore and @p other, which must be idle. @return ns one way.
 */
double bench_ping_pong(unsigned other);
