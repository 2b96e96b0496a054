// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The RX lcore: owns one queue pair of each port that it serves, answers from memory what it can,
 * hands the rest to I/O lcores and sends what comes back. One turn of its loop:
 *
 *     each port: receive a burst -> parse -> probe -> reply -> hand off -> transmit
 *     each I/O lcore: collect finished requests -> transmit
 *     quiescent state
 *
 * It allocates nothing, takes no lock, logs nothing and makes no system call, but for what a
 * port's driver does and for the sleep that an idle lcore may be told to take.
 *
 * Owner: its lcore. Others read the counters and may set the stop flag.
 */

#include <stdatomic.h>

#include "mr_counters.h"
#include "mr_handoff.h"
#include "mr_port.h"
#include "mr_tiers.h"

#define MR_RX_BURST_MAX 64u

/** In mr_rx_params.queues: the lcore does not serve this port. */
#define MR_RX_NO_QUEUE UINT16_MAX

/** What becomes of frames at a port that are not requests. */
struct mr_rx_other {
	uint64_t unreachable_rate; //!< "port unreachable" a second, all lcores together; 0: none
	//! A port behind which the kernel is, with the same queues and pools as the port itself:
	//! gets what is not for us, and what it sends goes out. NULL: none.
	const struct mr_port *kernel;
	uint64_t kernel_rate; //!< frames a second each way, all lcores together
};

struct mr_rx_params {
	const struct mr_lcore *lcore;
	const struct mr_plan *plan;
	struct mr_tiers *tiers;
	struct mr_handoff *handoff;
	struct mr_port *ports;
	unsigned n_ports;
	const uint16_t *queues;   //!< its queue of each port, or MR_RX_NO_QUEUE; NULL: its index
	struct rte_mempool *pool; //!< of this lcore's node: for further datagrams
	const _Atomic bool *stop; //!< set: take nothing new, finish what is in hand, return
	struct mr_idler idler;    //!< how to rest
	uint32_t burst;           //!< frames per receive, 1 to MR_RX_BURST_MAX; 0: 64
	uint64_t overrun_cycles;  //!< turns longer than this are counted
	const struct mr_rx_other *other; //!< of each port; copied; NULL: all are dropped
	uint64_t slow_above_us; //!< requests that took longer may enter the slow log; 0: none
};

struct mr_rx;

/**
 * @return the lcore's state on its node, or NULL and errno: ENOMEM; EINVAL: the burst is too long;
 *   EMSGSIZE: a port's MTU leaves less payload than MR_REPLY_MIN_BYTES.
 */
struct mr_rx *mr_rx_create(const struct mr_rx_params *params);
void mr_rx_free(struct mr_rx *rx);

/** Runs the loop on the calling lcore until told to stop. Suits rte_eal_remote_launch(). */
int mr_rx_run(void *rx);

/** One turn, for tests and benches. @return frames and finished requests handled. */
unsigned mr_rx_turn(struct mr_rx *rx);

/**
 * Asks the lcore to tell a port's neighbours its addresses: gratuitous ARP, and unsolicited
 * neighbour advertisements. The lcore has a queue of that port. Any thread; done in the lcore's
 * next turn.
 */
void mr_rx_announce(struct mr_rx *rx, unsigned port_index);

/** The MTU that a router at this port advertised last; 0: none did. Any thread. */
uint32_t mr_rx_router_mtu(const struct mr_rx *rx, unsigned port_index);

/** Requests that are with I/O lcores. Owner's thread. */
uint64_t mr_rx_in_flight(const struct mr_rx *rx);

struct mr_rx_counters *mr_rx_counters(struct mr_rx *rx);

/** Counters of each feature set, by its id: MR_SET_ID_MAX + 1 of them. */
struct mr_set_counters *mr_rx_set_counters(struct mr_rx *rx);
