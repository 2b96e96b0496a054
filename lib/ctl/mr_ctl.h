// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What watches and steers a running appliance: the ground that telemetry, the admin verbs, reload
 * and housekeeping stand on. It owns none of what it looks at.
 *
 * Threads: mr_ctl_housekeeping() belongs to the control loop. Telemetry and admin verbs run on
 * threads of their own; what they share with the control loop is locked inside.
 */

#include <stdio.h>

#include "mr_admin.h"
#include "mr_config.h"
#include "mr_counters.h"
#include "mr_env.h"
#include "mr_filter.h"
#include "mr_handoff.h"
#include "mr_policy.h"
#include "mr_port.h"
#include "mr_registry.h"
#include "mr_store.h"
#include "mr_tiers.h"
#include "mr_warm.h"

/** Everything there is to look at. All of it must outlive the mr_ctl. */
struct mr_ctl_params {
	const char *version;      //!< of the program
	const char *config_file;  //!< for reload
	struct mr_config *config; //!< in force; a reload changes its reloadable keys
	const struct mr_plan *plan;
	struct mr_tiers *tiers;
	struct mr_store *store;
	struct mr_handoff *handoff;
	struct mr_port *ports;
	unsigned n_ports;
	struct mr_rx_counters **rx; //!< by index, plan->n_rx of them; NULL: none yet
	struct mr_io_counters **io; //!< by index, plan->n_io of them
	struct mr_set_counters **rx_sets, **io_sets; //!< likewise, each by set id; NULL: none yet
	struct mr_registry *registry;
	struct mr_filter *filter;
	struct mr_warm *warm;     //!< NULL: none
	struct mr_policy *policy; //!< NULL: none
	_Atomic bool *stop;       //!< set by the admin verb `stop`
};

struct mr_ctl;

/** Registers /millrace/... on DPDK's telemetry socket. One at a time. @return NULL and errno. */
struct mr_ctl *mr_ctl_create(const struct mr_ctl_params *params, struct mr_err *err);

/** Takes telemetry back; free the admin socket first. NULL is allowed. */
void mr_ctl_free(struct mr_ctl *ctl);

/** The verbs of the admin socket; their arg is the struct mr_ctl. */
extern const struct mr_admin_verb mr_ctl_verbs[];
extern const unsigned mr_ctl_n_verbs;

/** What ends them early: struct mr_admin_params.cancel. */
_Atomic bool *mr_ctl_cancel(struct mr_ctl *ctl);

/**
 * Calibrates the clock, ages the caches and drops expired rows from them, runs the watchdog. Every
 * 100 ms or so.
 */
void mr_ctl_housekeeping(struct mr_ctl *ctl);

/**
 * Reads the configuration file again, puts the reloadable keys in force, and says what changed and
 * what will change at the next start.
 * @return 0, or -errno with a message; nothing changed then.
 */
int mr_ctl_reload(struct mr_ctl *ctl, FILE *out, struct mr_err *err);
