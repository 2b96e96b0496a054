// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The I/O lcore: takes whole requests from RX lcores, reads the store for what is not in memory,
 * commits writes, writes the replies and gives the mbufs back. One turn of its loop:
 *
 *     each RX lcore: take requests -> probe the tiers again -> one batched store read -> fill the
 *     cache under leases -> write replies; writes: lock keys -> compare event times -> filter ->
 *     one write batch -> cache -> acknowledge; give everything back
 *
 * Group commit. A commit costs a sync, whatever it holds, so writes wait for others to go with
 * them: until group_rows rows are there, or the oldest has waited for group_age_us. They wait only
 * while writes come so fast that others are to be expected within that time: a lone writer, who
 * waits for each acknowledgement, is never kept.
 *
 * A request that waited too long is shed: what is in memory is answered, misses and writes are
 * BUSY. While the breaker is open misses and writes are DEGRADED at once.
 *
 * It may block: in the store, and on the locks that serialise writes to a key.
 *
 * Writes. The newer event time wins; of equal times a delete beats a row, and of two rows the one
 * whose bytes compare greater wins (shorter first), so that every order of arrival ends alike. The
 * very same write again is acknowledged as OK. A key's Bloom bits are set before its commit, the
 * cache is updated after it, and both before the acknowledgement.
 *
 * Owner: its lcore. Others read the counters and may set the stop flag.
 */

#include <pthread.h>

#include "mr_breaker.h"
#include "mr_counters.h"
#include "mr_handoff.h"
#include "mr_port.h"
#include "mr_store.h"
#include "mr_tiers.h"

#define MR_IO_LOCKS 4096u

/** Locks that serialise writes to a key over all I/O lcores. One per appliance. */
struct mr_io_locks {
	pthread_mutex_t lock[MR_IO_LOCKS];
};

void mr_io_locks_init(struct mr_io_locks *locks);

struct mr_io_params {
	const struct mr_lcore *lcore;
	const struct mr_plan *plan;
	struct mr_tiers *tiers;
	struct mr_handoff *handoff;
	struct mr_store *store;
	struct mr_io_locks *locks;
	struct mr_port *ports;
	unsigned n_ports;
	struct rte_mempool **pools; //!< by mr_lcore.node_index: replies use their RX lcore's
	const _Atomic bool *stop;   //!< set after the RX lcores have returned
	struct mr_idler idler;      //!< how to rest
	struct mr_breaker *breaker; //!< NULL: the store is read whatever it does
	uint64_t future_max_us;     //!< writes further ahead of the clock are refused; 0: none are
	uint64_t age_max_us;        //!< a request that waited longer is shed; 0: none is
	uint32_t group_rows;        //!< a commit of so many rows waits no longer; 0: 512
	uint64_t group_age_us;      //!< writes wait so long for others; 0: not at all
	uint64_t slow_above_us;     //!< requests that took longer may enter the slow log; 0: none
};

struct mr_io;

/** @return the lcore's state on its node, or NULL and errno. */
struct mr_io *mr_io_create(const struct mr_io_params *params);
void mr_io_free(struct mr_io *io);

/** Runs the loop on the calling lcore until told to stop. Suits rte_eal_remote_launch(). */
int mr_io_run(void *io);

/** One turn, for tests. @return requests handled. */
unsigned mr_io_turn(struct mr_io *io);

struct mr_io_counters *mr_io_counters(struct mr_io *io);

/** Counters of each feature set, by its id: MR_SET_ID_MAX + 1 of them. */
struct mr_set_counters *mr_io_set_counters(struct mr_io *io);
