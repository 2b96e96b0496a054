// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The inside of struct mr_ctl, for lib/ctl only.
 */

#include <pthread.h>

#include "mr_bulk.h"
#include "mr_churn.h"
#include "mr_ctl.h"
#include "mr_store_feed.h"
#include "mr_watchdog.h"
#include "mr_wire.h"

struct mr_ctl {
	struct mr_ctl_params p;
	uint64_t start_us;      // since the epoch
	pthread_mutex_t config; // p.config's reloadable keys
	struct mr_watchdog watchdog;
	struct mr_churn *churn;     // by node; W: control loop
	uint64_t *expire_cursors;   // by node, likewise
	bool told_unwritable;       // control loop: that the store refuses writes is said once
	uint64_t told_failures;     // control loop: of the store's failures the ones until then
	_Atomic bool cancel;        // admin verbs that take long: the appliance is stopping
	struct mr_bulk bulk;
	struct mr_store_feed *feed; // of the admin socket's thread; NULL: none
};

/** Counters of all RX or I/O lcores added up; plain numbers. */
struct mr_rx_totals {
#define X(name, unit, help) uint64_t name;
	MR_RX_COUNTERS(X)
#undef X
	uint64_t reasons[MR_REASON_COUNT];
	uint64_t results[MR_WIRE_RESULT_COUNT];
	uint64_t burst[8];
	uint64_t overrun_stages[MR_STAGE_COUNT + 1];
};

struct mr_io_totals {
#define X(name, unit, help) uint64_t name;
	MR_IO_COUNTERS(X)
#undef X
};

/** Adds one lcore's counters; what ends a packet before what starts one, so that sums err one way.
 */
void mr_rx_totals_add(struct mr_rx_totals *totals, const struct mr_rx_counters *counters);
void mr_io_totals_add(struct mr_io_totals *totals, const struct mr_io_counters *counters);

void mr_rx_totals_all(const struct mr_ctl *ctl, struct mr_rx_totals *ret_totals);
void mr_io_totals_all(const struct mr_ctl *ctl, struct mr_io_totals *ret_totals);

/** How received packets ended. At rest, missing and surplus are 0. */
struct mr_balance {
	uint64_t received, answered, reasons;
	uint64_t missing; // received, and neither answered nor counted under a reason (yet)
	uint64_t surplus; // the other way round
};
void mr_balance_make(const struct mr_rx_totals *totals, struct mr_balance *ret_balance);

/** part / whole in parts per million; 0 of nothing. */
uint64_t mr_ppm(uint64_t part, uint64_t whole);
