// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Threads of lib/ctl: named, and deaf to signals, which are the control loop's.
 */

#include <pthread.h>
#include <sched.h>

#include "mr_cc.h"

/**
 * @param cpus
 *   Where it may run; NULL: where the caller may, which is one CPU for an lcore.
 * @return 0 or -errno.
 */
int mr_thread_start(pthread_t *thread, const char *name, const cpu_set_t *cpus,
	void *(*run)(void *), void *arg);

/** The clock that the waits below go by. */
uint64_t mr_thread_now_us(void);

/** What the calling thread has run so far. */
uint64_t mr_thread_cpu_us(void);

/** A condition for mr_thread_wait_us(). */
void mr_thread_cond_init(pthread_cond_t *cond);

/** Waits for @p cond for at most @p us; @p lock is held. */
void mr_thread_wait_us(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t us);
