// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Threads of lib/ctl: named, and deaf to signals, which are the control loop's.
 */

#include <pthread.h>

#include "mr_cc.h"

/** @return 0 or -errno. */
int mr_thread_start(pthread_t *thread, const char *name, void *(*run)(void *), void *arg);
