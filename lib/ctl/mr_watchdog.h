// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The loop watchdog: sees from outside that an RX lcore's turn takes too long, and names the stage
 * it is in. It reads two counters per lcore and costs nothing on the lcore itself.
 *
 * Owner: the control loop.
 */

#include "mr_counters.h"
#include "mr_env.h"

struct mr_watchdog {
	struct {
		uint64_t turn_start_tsc; //!< of the turn that was reported last
		uint64_t reported_us;    //!< how long it was then
	} rx[MR_LCORES_MAX];
};

/** A turn that is over the limit. */
struct mr_overrun {
	unsigned rx; //!< index of the lcore
	enum mr_stage stage;
	uint64_t us; //!< how long it has been going on
};

/**
 * Finds what is to be reported now: a turn over the limit once, and again each time its length has
 * doubled. A lcore that has not started its first turn, or whose counters are NULL, is left out.
 *
 * @param rx
 *   Counters of n_rx lcores.
 * @param limit_us
 *   0: nothing is.
 * @param ret_overruns
 *   Room for n_rx.
 * @return how many.
 */
unsigned mr_watchdog_check(struct mr_watchdog *w, struct mr_rx_counters *const *rx, unsigned n_rx,
	const struct mr_clock *clock, uint64_t now_tsc, uint64_t limit_us,
	struct mr_overrun *ret_overruns);
