// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The loop watchdog: sees from outside that an RX lcore's turn takes too long, or that an I/O lcore
 * does not come back, and names the stage and, of an I/O lcore in a system call, the file. It reads
 * a few counters per lcore; the lcore notes a turn that was too long when it ends.
 *
 * Owner: the control loop.
 */

#include "mr_counters.h"
#include "mr_env.h"

struct mr_watchdog {
	struct {
		uint64_t turn_start_tsc; //!< of the turn that was reported last
		uint64_t reported_us;    //!< how long it was then
	} rx[MR_LCORES_MAX], io[MR_LCORES_MAX];
	uint64_t overruns[MR_LCORES_MAX]; //!< of each RX lcore, that were seen
};

/** A turn that is over the limit. */
struct mr_overrun {
	unsigned rx;         //!< index of the lcore
	enum mr_stage stage; //!< MR_STAGE_COUNT: none
	uint64_t us;         //!< how long it has been going on, or was
	uint64_t stage_us;   //!< turns that have ended: of that, in the stage
	uint64_t n;          //!< turns that have ended: how many there were, this being the last
};

/** An I/O lcore that has been at one burst for long. */
struct mr_stuck {
	unsigned io;
	enum mr_io_stage stage;
	uint64_t us;
	char where[256]; //!< "pread64 of /var/lib/millrace/000123.sst"; "" when it is not known
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

/** Finds RX lcores that had turns over their limit since the last call. @return how many. */
unsigned mr_watchdog_ended(struct mr_watchdog *w, struct mr_rx_counters *const *rx, unsigned n_rx,
	const struct mr_clock *clock, struct mr_overrun *ret_overruns);

/** As mr_watchdog_check(), for bursts of I/O lcores. @param ret_stuck  room for n_io. */
unsigned mr_watchdog_check_io(struct mr_watchdog *w, struct mr_io_counters *const *io,
	unsigned n_io, const struct mr_clock *clock, uint64_t now_tsc, uint64_t limit_us,
	struct mr_stuck *ret_stuck);

/**
 * What system call a thread is in, and on which file: read from its /proc/.../syscall, which is
 * open as @p syscall_file. Writes "" when it is in none, or that cannot be known.
 */
void mr_watchdog_where(int syscall_file, char *text, size_t text_bytes);
