// SPDX-License-Identifier: BSD-3-Clause
#include "mr_watchdog.h"

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
		us = (uint64_t)((double)(now_tsc - start) * clock->us_per_cycle);
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
