// SPDX-License-Identifier: BSD-3-Clause
#include "mr_log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mr_units.h"

static const char *const level_names[MR_LOG_COUNT] = {"error", "warning", "info", "debug"};

static _Atomic int log_level = MR_LOG_INFO;

void mr_log_set_level(enum mr_log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

int mr_log_level_parse(const char *text, enum mr_log_level *ret_level)
{
	for (unsigned i = 0; i < MR_LOG_COUNT; i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = (enum mr_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

// Whether this line may go out; tells how many before it did not.
static int pass(struct mr_log_limit *limit, uint64_t *ret_suppressed)
{
	struct timespec ts;
	uint64_t now_ns, next_ns;

	*ret_suppressed = 0;
	if (limit == NULL)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_ns = (uint64_t)ts.tv_sec * MR_NS_PER_S + (uint64_t)ts.tv_nsec;
	next_ns = atomic_load_explicit(&limit->next_ns, memory_order_relaxed);
	// why compare-exchange: of two threads at once, one prints and the other is counted.
	if (now_ns < next_ns ||
		!atomic_compare_exchange_strong_explicit(&limit->next_ns, &next_ns,
			now_ns + MR_NS_PER_S, memory_order_relaxed, memory_order_relaxed)) {
		atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
		return 0;
	}
	*ret_suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
	return 1;
}

void mr_log_write(struct mr_log_limit *limit, enum mr_log_level level, const char *object,
	const char *fmt, ...)
{
	char line[1024], when[32];
	uint64_t suppressed;
	struct timespec ts;
	struct tm tm;
	va_list args;

	if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	if (!pass(limit, &suppressed))
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	if (suppressed > 0)
		fprintf(stderr, "%s.%03ldZ %s %s: %s (%llu more like it)\n", when,
			ts.tv_nsec / 1000000, level_names[level], object, line,
			(unsigned long long)suppressed);
	else
		fprintf(stderr, "%s.%03ldZ %s %s: %s\n", when, ts.tv_nsec / 1000000,
			level_names[level], object, line);
}
