// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The slow log of one lcore: the slowest requests of the last minutes, and a sample of refusals,
 * each with who asked for what and where its time went.
 *
 * Owner: its lcore, the only one that writes; any thread copies records out (a seqlock for each).
 * Nothing is allocated and nothing waits. Cost for the lcore: the caller's compare of a latency
 * with mr_slowlog.above_cycles; for what is above, another two, and a copy of some 250 bytes for
 * what is among the slowest. A refusal costs a compare, and ten in a second are copied.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "mr_cc.h"

/** Records kept of each kind. */
#define MR_SLOW_RECORDS 32u
/** How long one of the slowest keeps its place. */
#define MR_SLOW_KEEP_S 600u
/** Bytes of the first key that are kept. */
#define MR_SLOW_KEY_BYTES 64u

/** Where time goes: of stages on an RX lcore all that the turn had spent, on an I/O lcore the
 * burst. */
#define MR_SPENTS(X)                                                    \
	X(parse, "classified and validated, with its burst")            \
	X(probe, "looked up in memory, with its burst")                 \
	X(reply, "replies written, with its burst")                     \
	X(handoff, "its burst's misses and writes given to I/O lcores") \
	X(transmit, "replies given to the port")                        \
	X(ring, "received, until an I/O lcore took it")                 \
	X(queue, "taken by an I/O lcore, behind others of its burst")   \
	X(lock, "for keys that other writes held")                      \
	X(read, "store reads")                                          \
	X(commit, "commit to the store")                                \
	X(loop, "finished, while the RX lcore's loop was in its turn before")

enum mr_spent {
#define X(name, help) MR_SPENT_##name,
	MR_SPENTS(X)
#undef X
		MR_SPENT_COUNT,
};

enum mr_slow_kind {
	MR_SLOW_SLOWEST,
	MR_SLOW_REFUSED,
	MR_SLOW_KINDS,
};

/** A request. */
struct mr_slow {
	uint64_t tsc;    //!< when it was recorded
	uint64_t cycles; //!< received until then
	uint64_t spent[MR_SPENT_COUNT];
	uint64_t request_id, trace_id;
	uint8_t address[16]; //!< of the client; IPv4: the first four
	uint16_t port;       //!< of the client; 0: client not known any more
	uint16_t view;       //!< or set of a write
	uint16_t others;     //!< requests of the same burst, which took as long
	uint8_t is_ip6;
	uint8_t op;
	uint8_t result; //!< it was answered with
	uint8_t reason; //!< it was dropped under: enum mr_reason + 1; 0: it was answered
	uint8_t n_keys;
	uint8_t key_bytes; //!< of the first key; as many of them as fit are in `key`
	uint32_t met;      //!< MR_WIRE_MET_*
	uint8_t key[MR_SLOW_KEY_BYTES];
};

struct mr_slowlog {
	uint64_t above_cycles; //!< what took longer is looked at; UINT64_MAX: nothing
	uint64_t keep_cycles, sample_cycles;
	uint64_t floor_cycles;    //!< all places are taken by slower ones...
	uint64_t floor_until_tsc; //!< ...until then
	uint64_t sample_tsc;      //!< no refusal before
	unsigned next_refused;
	_Atomic uint64_t seen[MR_SLOW_KINDS]; //!< slow requests, and refusals that were sampled
	struct {
		_Atomic uint32_t seq; //!< odd while being written; 0: empty
		struct mr_slow record;
	} slots[MR_SLOW_KINDS][MR_SLOW_RECORDS];
};

/** @param above_us  0: no request is slow. */
void mr_slowlog_init(struct mr_slowlog *log, uint64_t above_us, uint64_t hz);

/** Whether a request above above_cycles is among the slowest; counts it. Owner's thread. */
bool mr_slowlog_wants(struct mr_slowlog *log, uint64_t cycles, uint64_t now_tsc);

/** Keeps a request that is wanted, in the place of the fastest or of one that is too old. */
void mr_slowlog_add(struct mr_slowlog *log, const struct mr_slow *slow);

/** Whether a refusal is due to be sampled. Owner's thread. */
static mr_always_inline bool mr_slowlog_samples(const struct mr_slowlog *log, uint64_t now_tsc)
{
	return mr_unlikely(now_tsc >= log->sample_tsc);
}

/** Keeps a refusal in the place of the oldest. */
void mr_slowlog_sample(struct mr_slowlog *log, const struct mr_slow *slow);

/** Copies the records of a kind out, in no order. Any thread. @return how many. */
unsigned mr_slowlog_read(const struct mr_slowlog *log, enum mr_slow_kind kind,
	struct mr_slow ret_records[MR_SLOW_RECORDS]);

const char *mr_spent_name(enum mr_spent spent);
