// SPDX-License-Identifier: BSD-3-Clause
#include "mr_watchdog.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t us_of(const struct mr_clock *clock, uint64_t cycles)
{
	return (uint64_t)((double)cycles * clock->us_per_cycle);
}

unsigned mr_watchdog_check(struct mr_watchdog *w, struct mr_rx_counters *const *rx, unsigned n_rx,
	const struct mr_clock *clock, uint64_t now_tsc, uint64_t limit_us,
	struct mr_overrun *ret_overruns)
{
	unsigned n = 0;

	for (unsigned i = 0; limit_us != 0 && i < n_rx; i++) {
		uint64_t start, us;

		if (rx[i] == NULL)
			continue;
		// why relaxed: figures; a turn that ended meanwhile has a later start.
		start = atomic_load_explicit(&rx[i]->turn_start_tsc, memory_order_relaxed);
		if (start == 0 || start >= now_tsc)
			continue;
		us = us_of(clock, now_tsc - start);
		if (us < limit_us)
			continue;
		if (w->rx[i].turn_start_tsc == start && us < 2 * w->rx[i].reported_us)
			continue;
		w->rx[i].turn_start_tsc = start;
		w->rx[i].reported_us = us;
		ret_overruns[n++] = (struct mr_overrun){
			.rx = i,
			.stage = (enum mr_stage)atomic_load_explicit(
				&rx[i]->stage_now, memory_order_relaxed),
			.us = us,
		};
	}
	return n;
}

unsigned mr_watchdog_ended(struct mr_watchdog *w, struct mr_rx_counters *const *rx, unsigned n_rx,
	const struct mr_clock *clock, struct mr_overrun *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_rx; i++) {
		uint64_t overruns;

		if (rx[i] == NULL)
			continue;
		overruns = mr_counted(&rx[i]->overruns);
		if (overruns == w->overruns[i])
			continue;
		ret[n++] = (struct mr_overrun){
			.rx = i,
			.stage = (enum mr_stage)atomic_load_explicit(
				&rx[i]->overrun_stage, memory_order_relaxed),
			.us = us_of(clock, mr_counted(&rx[i]->overrun_cycles)),
			.stage_us = us_of(clock, mr_counted(&rx[i]->overrun_stage_cycles)),
			.n = overruns - w->overruns[i],
		};
		w->overruns[i] = overruns;
	}
	return n;
}

unsigned mr_watchdog_check_io(struct mr_watchdog *w, struct mr_io_counters *const *io,
	unsigned n_io, const struct mr_clock *clock, uint64_t now_tsc, uint64_t limit_us,
	struct mr_stuck *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; limit_us != 0 && i < n_io; i++) {
		uint64_t start, us;

		if (io[i] == NULL)
			continue;
		// why relaxed: figures; 0 is an lcore that has nothing in hand.
		start = atomic_load_explicit(&io[i]->turn_start_tsc, memory_order_relaxed);
		if (start == 0 || start >= now_tsc)
			continue;
		us = us_of(clock, now_tsc - start);
		if (us < limit_us ||
			(w->io[i].turn_start_tsc == start && us < 2 * w->io[i].reported_us))
			continue;
		w->io[i].turn_start_tsc = start;
		w->io[i].reported_us = us;
		ret[n] = (struct mr_stuck){
			.io = i,
			.stage = (enum mr_io_stage)atomic_load_explicit(
				&io[i]->stage_now, memory_order_relaxed),
			.us = us,
		};
		mr_watchdog_where(
			atomic_load_explicit(&io[i]->syscall_file, memory_order_relaxed) - 1,
			ret[n].where, sizeof(ret[n].where));
		n++;
	}
	return n;
}

// System calls that a store waits in; all but the last have the file as their first argument.
static const struct {
	long number;
	const char *name;
	bool has_file;
} calls[] = {
	{SYS_read, "read", true},
	{SYS_pread64, "pread64", true},
	{SYS_preadv, "preadv", true},
	{SYS_write, "write", true},
	{SYS_pwrite64, "pwrite64", true},
	{SYS_writev, "writev", true},
	{SYS_fsync, "fsync", true},
	{SYS_fdatasync, "fdatasync", true},
	{SYS_sync_file_range, "sync_file_range", true},
	{SYS_fallocate, "fallocate", true},
	{SYS_ftruncate, "ftruncate", true},
	{SYS_futex, "futex (waits for another thread)", false},
};

void mr_watchdog_where(int syscall_file, char *text, size_t text_bytes)
{
	char line[256], link[64], path[PATH_MAX];
	long number;
	unsigned long long file;
	ssize_t n;

	text[0] = '\0';
	n = syscall_file >= 0 ? pread(syscall_file, line, sizeof(line) - 1, 0) : -1;
	if (n <= 0)
		return;
	line[n] = '\0';
	// "running", or the call's number and its arguments.
	if (sscanf(line, "%ld 0x%llx", &number, &file) != 2)
		return;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(calls); i++) {
		if (calls[i].number != number)
			continue;
		snprintf(text, text_bytes, "%s", calls[i].name);
		if (!calls[i].has_file)
			return;
		snprintf(link, sizeof(link), "/proc/self/fd/%llu", file);
		n = readlink(link, path, sizeof(path) - 1);
		if (n > 0)
			snprintf(text, text_bytes, "%s of %.*s", calls[i].name, (int)n, path);
		return;
	}
	snprintf(text, text_bytes, "system call %ld", number);
}
