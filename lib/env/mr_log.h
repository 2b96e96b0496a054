// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The application's log: one line to stderr with time, level and the object's name. Only the
 * application and lib/ctl call it, never an RX or I/O lcore. Each call site is limited to a line a
 * second; what was left out is counted in the next one.
 */

#include <stdint.h>

#include "mr_cc.h"

enum mr_log_level {
	MR_LOG_ERROR,
	MR_LOG_WARNING,
	MR_LOG_INFO,
	MR_LOG_DEBUG,
	MR_LOG_COUNT,
};

/** Lines above this level are dropped. Any thread. */
void mr_log_set_level(enum mr_log_level level);
/** @return 0 or -EINVAL. */
int mr_log_level_parse(const char *text, enum mr_log_level *ret_level);

/** One call site's limit. Zero-initialised. */
struct mr_log_limit {
	_Atomic uint64_t next_ns;
	_Atomic uint64_t suppressed;
};

void mr_log_write(struct mr_log_limit *limit, enum mr_log_level level, const char *object,
	const char *fmt, ...) mr_printf(4, 5);

/** Logs one line about @p object ("store", "port front"), unlimited. */
#define mr_log(level, object, ...) mr_log_write(NULL, level, object, __VA_ARGS__)

/** The same, at most once a second from this place. */
#define mr_log_limited(level, object, ...)                                    \
	do {                                                                  \
		static struct mr_log_limit mr_log_limit_here;                 \
		mr_log_write(&mr_log_limit_here, level, object, __VA_ARGS__); \
	} while (0)
