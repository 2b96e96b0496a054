// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The simulation: RX and I/O lcores, their client and their operator in one thread, under a clock
 * that stands still unless moved and one seed that decides everything. What a seed did once it does
 * again, but for the store's own threads, which change no answer.
 */

#include "mr_answer.h"
#include "mr_rng.h"

#include "model.h"

#define SIM_RX 2u
#define SIM_IO 3u
#define SIM_OPS 64u
#define SIM_KEYS_MAX 12u
#define SIM_SWITCHES_MAX 1024u
#define SIM_VIEW_ALL (MR_VIEW_EXPLICIT | 1u)  //!< of all sets
#define SIM_VIEW_PAST (MR_VIEW_EXPLICIT | 2u) //!< of those that keep history
#define SIM_PAST_SETS 2u                      //!< the first of them
#define SIM_PAST_US UINT64_C(61000000)        //!< as-of reads go back this far

/** A request that is under way. */
struct sim_op {
	bool used;
	uint64_t request_id, sent_us;
	uint8_t op;
	uint16_t view, flags;
	uint16_t version; //!< of writes; 0: whatever is current
	uint64_t as_of_us;
	unsigned n; //!< keys or records
	unsigned keys[SIM_KEYS_MAX];
	//! Of records: index in their key's writes, in each version that they may go to.
	unsigned writes[SIM_KEYS_MAX][MODEL_VERSIONS];
	//! What was known of the keys when it was sent.
	int floors[SIM_KEYS_MAX][MODEL_SETS][MODEL_VERSIONS];
	uint64_t sent_commit; //!< number of the last one when it was sent
	unsigned sent_switch;
	struct mr_answer answer;
};

/** What a run has been through, so that a run that misses something is seen. */
#define SIM_TALLIES(X)                                                                       \
	X(replies)                                                                           \
	X(rows)                                                                              \
	X(absent)                                                                            \
	X(expired)                                                                           \
	X(busy)                                                                              \
	X(errors)                                                                            \
	X(acked) X(superseded) X(lost) X(hits) X(negatives) X(shed) X(torn) X(fills)         \
		X(fills_stale) X(evictions) X(commit_faults) X(read_faults) X(nested_io)     \
			X(nested_rx) X(rebuilds) X(restarts) X(pieces) X(no_mbuf) X(tx_full) \
				X(strong) X(as_of) X(refused) X(switches) X(over_a_switch)   \
					X(over_a_commit)

struct sim_tally {
#define X(name) uint64_t name;
	SIM_TALLIES(X)
#undef X
};

struct sim {
	uint64_t seed, step, now_us;
	struct mr_rng rng;
	struct mr_fixture f;
	struct model model;
	struct sim_op ops[SIM_OPS];
	struct sim_tally tally;
	uint64_t next_request_id;
	uint32_t next_number;
	uint16_t mtu_bytes;
	char base[32], dir[64]; //!< dir: below base, another one after each kill
	unsigned n_dirs;
	bool client_sleeps; //!< and the port fills

	// Which lcore is in the middle of a turn, and whether its locks are held.
	bool rx_busy[SIM_RX], io_busy[SIM_IO];
	unsigned in_write;

	// A bit a set: its second version is current. All that has been so since all was at rest.
	uint8_t current[SIM_SWITCHES_MAX];
	unsigned n_switches; //!< index of the last one
	const struct mr_published *published[1u << MODEL_SETS];

	// A rebuild of the filter.
	struct mr_store_scan *scan;
	void *filter_mem[2];
	unsigned filter_used; //!< which of the two serves
	bool filter_swapped;
};

extern struct sim sim;

/** Index of the version of a set that is current after a switch. */
static inline unsigned sim_version(unsigned nth_switch, unsigned set)
{
	return sim.current[nth_switch] >> set & 1u;
}

/** Ends the program, saying how to see this again. */
_Noreturn void sim_fail(const char *what, const struct sim_op *op, unsigned key, unsigned set);

static inline unsigned sim_below(unsigned n)
{
	return (unsigned)mr_rng_below(&sim.rng, n);
}

/** One in @p n. */
static inline bool sim_chance(unsigned n)
{
	return sim_below(n) == 0;
}

// client.c
void sim_send(void);
void sim_receive(void);
/** Forgets what is under way: everything is at rest, so no answer will come. */
void sim_forget(void);

// world.c
void sim_open(uint64_t seed);
void sim_close(void);
/** @return what the turn handled; 0 for an lcore that is in the middle of one. */
unsigned sim_turn_rx(unsigned i);
unsigned sim_turn_io(unsigned i);
/** Takes turns until nothing moves, and checks that everything is accounted for. */
void sim_settle(void);
void sim_advance_clock(void);
void sim_rebuild_step(void);
/** Makes the other version of a set the current one. */
void sim_switch(void);
void sim_restart(void);
