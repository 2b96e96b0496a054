// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What DPDK gives us, in our words: which lcore does what, memory of a NUMA node, time, and the
 * quiescent-state RCU that everything swapped at run time hangs on.
 *
 * Objects are made by the control lcore before the others start. The thread rule of each is with
 * it. Time: lcores read the TSC only; the control lcore calibrates it against the wall clock.
 */

#include <rte_rcu_qsbr.h>

#include <stdatomic.h>
#include <stdbool.h>

#include "mr_cc.h"
#include "mr_err.h"

#define MR_LCORES_MAX 64u //!< RX and I/O lcores together

// ---- lcores
// --------------------------------------------------------------------------------------

enum mr_role {
	MR_ROLE_CONTROL,
	MR_ROLE_RX,
	MR_ROLE_IO,
	MR_ROLE_COUNT,
};

const char *mr_role_name(enum mr_role role);

/** One lcore of the plan. Lcore ids count from 0 (control) in plan order. */
struct mr_lcore {
	enum mr_role role;
	uint16_t index; //!< among its role
	uint16_t lcore_id;
	uint16_t cpu;
	uint16_t node;       //!< NUMA node of the CPU
	uint16_t node_index; //!< that node's place in mr_plan.nodes
};

/** Who runs where. Built once; read-only afterwards. */
struct mr_plan {
	unsigned n_lcores, n_rx, n_io, n_nodes;
	struct mr_lcore lcores[MR_LCORES_MAX + 1];
	uint16_t nodes[MR_LCORES_MAX]; //!< NUMA nodes in use, each once
	bool shares_cpus;              //!< two lcores on one CPU: idle lcores should sleep
};

/**
 * Makes a plan from CPU lists such as "2,4-6"; a CPU may be named more than once.
 * @return 0, or -EINVAL with a message (CPU absent, list malformed, too many lcores).
 */
int mr_plan_make(struct mr_plan *plan, const char *control_cpu, const char *rx_cpus,
	const char *io_cpus, struct mr_err *err);

/** The text for EAL's --lcores. @return length as snprintf does. */
int mr_plan_eal(const struct mr_plan *plan, char *text, size_t text_bytes);

const struct mr_lcore *mr_plan_rx(const struct mr_plan *plan, unsigned index);
const struct mr_lcore *mr_plan_io(const struct mr_plan *plan, unsigned index);

// ---- idling
// --------------------------------------------------------------------------------------

/** What an lcore does when it finds nothing to do. Order: as in the configuration. */
enum mr_idle {
	MR_IDLE_AUTO,  //!< resolved before lcores start: sleep when they share CPUs, else poll
	MR_IDLE_POLL,  //!< ask again at once
	MR_IDLE_PAUSE, //!< leave the core to its sibling for a moment first
	MR_IDLE_SLEEP, //!< sleep after some empty turns
	MR_IDLE_COUNT,
};

/** Owner: one lcore. */
struct mr_idler {
	enum mr_idle mode;
	uint32_t sleep_us;
	uint32_t empty_turns; //!< in a row
};

/** An empty turn has passed: does as the mode says. Only MR_IDLE_SLEEP makes a system call. */
void mr_idler_rest(struct mr_idler *idler);

/** A turn found work. */
static mr_always_inline void mr_idler_worked(struct mr_idler *idler)
{
	idler->empty_turns = 0;
}

// ---- memory
// --------------------------------------------------------------------------------------

/**
 * Zeroed memory of a NUMA node, from DPDK's heap. Control lcore only.
 * @return NULL and errno ENOMEM.
 */
void *mr_mem_alloc(const char *what, size_t bytes, size_t align, unsigned node);
void mr_mem_free(void *mem);

// ---- time
// ----------------------------------------------------------------------------------------

/**
 * TSC to wall time. W: control lcore, mr_clock_calibrate(). R: any lcore; a reader never waits.
 * Two slots: the writer fills the one that is not in use and then turns `current` over.
 */
struct mr_clock {
	_Atomic uint32_t current;
	struct {
		_Atomic uint64_t tsc, wall_us;
	} slot[2];
	double us_per_cycle;
	double ns_per_cycle;
	uint64_t hz;
} mr_cache_aligned;

void mr_clock_init(struct mr_clock *clock);

#ifdef MR_FAULT_INJECTION
/** Microseconds by which the wall clock is wrong on purpose. */
extern _Atomic int64_t mr_clock_fault_us;
#endif

/** Sets the pair anew from CLOCK_REALTIME; called every 100 ms or so, so that steps are followed.
 */
void mr_clock_calibrate(struct mr_clock *clock);

/** Microseconds since the epoch at TSC value @p tsc. No system call. */
static mr_always_inline uint64_t mr_clock_us(const struct mr_clock *clock, uint64_t tsc)
{
	// why acquire: the slot's pair must be the one stored before `current` was turned.
	uint32_t i = atomic_load_explicit(&clock->current, memory_order_acquire) & 1;
	uint64_t base = atomic_load_explicit(&clock->slot[i].tsc, memory_order_relaxed);
	uint64_t wall_us = atomic_load_explicit(&clock->slot[i].wall_us, memory_order_relaxed);

	return wall_us + (uint64_t)(int64_t)((double)(int64_t)(tsc - base) * clock->us_per_cycle);
}

// ---- RCU
// -----------------------------------------------------------------------------------------

/**
 * Quiescent states of all RX and I/O lcores. An lcore registers itself, reports once per loop turn,
 * and goes offline around anything that blocks. W: control calls mr_rcu_wait() after a swap.
 */
struct mr_rcu {
	struct rte_rcu_qsbr *qsbr;
};

int mr_rcu_init(struct mr_rcu *rcu, unsigned n_lcores);
void mr_rcu_done(struct mr_rcu *rcu);

/** Called by the lcore with its plan slot. */
void mr_rcu_join(struct mr_rcu *rcu, unsigned slot);
void mr_rcu_leave(struct mr_rcu *rcu, unsigned slot);

static mr_always_inline void mr_rcu_quiescent(struct mr_rcu *rcu, unsigned slot)
{
	rte_rcu_qsbr_quiescent(rcu->qsbr, slot);
}

/** Returns when every joined lcore has passed a quiescent state since the call. Control only. */
void mr_rcu_wait(struct mr_rcu *rcu);
