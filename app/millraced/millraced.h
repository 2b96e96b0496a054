// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The appliance: everything that is alive in it, and the stages that bring it up. Each stage has a
 * start and a stop; shutdown runs the stops backwards from the last stage that started.
 */

#include "mr_config_params.h"
#include "mr_ctl.h"
#include "mr_io.h"
#include "mr_rx.h"

#define NODES_MAX 8u

/** A port's link as it was last seen. */
struct link {
	bool up;
	unsigned left; //!< announcements to be made
	uint64_t next_us;
};

struct millraced {
	const char *config_file;
	struct mr_config config;
	char drivers_dir[1024];
	struct mr_plan plan;
	cpu_set_t background; //!< CPUs of threads that are no lcores, so that they disturb no RX
	                      //!< lcore

	struct mr_clock clock;
	struct mr_rcu rcu;
	struct mr_node nodes[NODES_MAX];
	struct mr_tiers tiers;
	void *cache_mem[NODES_MAX];
	struct rte_mempool *pools[NODES_MAX];

	struct mr_store *store;
	struct mr_registry *registry;
	struct mr_filter *filter;
	struct mr_warm *warm;
	struct mr_policy *policy;
	unsigned n_ports;
	struct mr_port ports[MR_PORTS_MAX];
	struct link links[MR_PORTS_MAX];
	struct mr_rx_other other[MR_PORTS_MAX];
	struct mr_port kernels[MR_PORTS_MAX];         //!< of ports that have one
	uint16_t queues[MR_LCORES_MAX][MR_PORTS_MAX]; //!< by RX lcore and port, or MR_RX_NO_QUEUE
	struct mr_handoff handoff;
	struct mr_io_locks *locks;
	struct mr_breaker breaker;
	struct mr_rx *rx[MR_LCORES_MAX];
	struct mr_io *io[MR_LCORES_MAX];
	struct mr_rx_counters *rx_counters[MR_LCORES_MAX];
	struct mr_io_counters *io_counters[MR_LCORES_MAX];
	struct mr_set_counters *rx_sets[MR_LCORES_MAX], *io_sets[MR_LCORES_MAX];
	struct mr_admin *admin;
	struct mr_ctl *ctl;

	_Atomic bool stop; //!< asked to stop: signal or admin
	_Atomic bool stop_rx, stop_io;
	bool lcores_running;
};

/** A part of the appliance. */
struct stage {
	const char *name;
	int (*start)(struct millraced *m, struct mr_err *err);
	void (*stop)(struct millraced *m);
};

// stage_*.c
int lcores_plan(struct millraced *m, struct mr_err *err);
int eal_start(struct millraced *m, struct mr_err *err);
void eal_stop(struct millraced *m);
int memory_start(struct millraced *m, struct mr_err *err);
void memory_stop(struct millraced *m);
int owner_start(struct millraced *m, struct mr_err *err);
void owner_stop(struct millraced *m);
int store_start(struct millraced *m, struct mr_err *err);
void store_stop(struct millraced *m);
int tiers_start(struct millraced *m, struct mr_err *err);
void tiers_stop(struct millraced *m);
int ports_start(struct millraced *m, struct mr_err *err);
void ports_stop(struct millraced *m);
int policy_start(struct millraced *m, struct mr_err *err);
void policy_stop(struct millraced *m);
int lcores_start(struct millraced *m, struct mr_err *err);
void lcores_stop(struct millraced *m);
int control_start(struct millraced *m, struct mr_err *err);
void control_stop(struct millraced *m);
int privileges_start(struct millraced *m, struct mr_err *err);
void privileges_stop(struct millraced *m);

/** Prints who runs where and how much memory each node gives. */
void plan_print(const struct millraced *m, FILE *out);

/** Size of a packet buffer: a frame of the largest MTU, and the headroom. */
uint16_t plan_mbuf_bytes(const struct millraced *m);

/** Bytes of DPDK heap that the configuration asks for on one node. */
uint64_t plan_node_bytes(const struct millraced *m);

/** Signals, housekeeping, reload: returns when asked to stop. */
void control_loop(struct millraced *m);

/** Looks at the ports' links; tells the log of changes, and neighbours of links that came up. */
void links_follow(struct millraced *m);

/** Tells the service manager that started us, if one did: READY=1 and the like. */
void notify(const char *format, ...) mr_printf(1, 2);

/** Keeps the service manager's watchdog quiet while every RX lcore turns. */
struct notify_watchdog {
	uint64_t period_us; //!< 0: no watchdog
	uint64_t next_us;
	uint64_t turns[MR_LCORES_MAX]; //!< of the RX lcores when it was quieted last
};

void notify_watchdog_init(struct notify_watchdog *w);

/** Every 100 ms or so, on the control lcore. */
void notify_watchdog(struct notify_watchdog *w, const struct millraced *m);
