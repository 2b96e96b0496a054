// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What an RX or I/O lcore counts. Each struct has one writer, its lcore; anyone may read it with
 * relaxed loads. Nothing is ever reset: rates are differences.
 *
 * With MR_TELEMETRY_OFF nothing is counted: for the bench that says what counting costs.
 */

#include <stdatomic.h>

#include "mr_hist.h"
#include "mr_reason.h"
#include "mr_sketch.h"
#include "mr_slowlog.h"

/** Adds to a counter that only this lcore writes. */
static mr_always_inline void mr_count(_Atomic uint64_t *counter, uint64_t n)
{
#ifndef MR_TELEMETRY_OFF
	// why relaxed load + store: one writer, so no read-modify-write is needed.
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
#else
	(void)counter;
	(void)n;
#endif
}

static inline uint64_t mr_counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/** Stages of an RX lcore's turn, in order; each has a latency histogram. */
#define MR_STAGES(X)                                               \
	X(parse, "frames classified, requests validated")          \
	X(probe, "keys hashed, filter and cache looked up")        \
	X(reply, "rows copied into replies")                       \
	X(handoff, "misses and writes given to I/O lcores")        \
	X(collect, "finished requests taken back from I/O lcores") \
	X(transmit, "replies given to the port")

enum mr_stage {
#define X(name, help) MR_STAGE_##name,
	MR_STAGES(X)
#undef X
		MR_STAGE_COUNT,
};

const char *mr_stage_name(enum mr_stage stage);
const char *mr_stage_help(enum mr_stage stage);

/** Plain counters of an RX lcore. */
#define MR_RX_COUNTERS(X)                                                                   \
	X(received, "packets", "frames taken from ports")                                   \
	X(answered, "packets", "frames answered, control frames included")                  \
	X(control, "packets", "ARP, neighbour discovery, echo, other ports answered")       \
	X(requests, "requests", "valid requests")                                           \
	X(requests_get, "requests", "GET requests")                                         \
	X(requests_write, "requests", "PUT and DELETE requests")                            \
	X(requests_other, "requests", "HELLO, PING, DESCRIBE, and without a needed cookie") \
	X(refused, "requests", "answered with a result other than OK")                      \
	X(mac_missing, "requests", "writes denied: no MAC")                                 \
	X(mac_wrong, "requests", "writes denied: unknown key id or wrong MAC")              \
	X(write_denied, "requests", "writes denied: sender's prefix may not write")         \
	X(would_limit, "requests", "answered, but beyond a limit that is on dry run")       \
	X(lookups, "lookups", "(key, set) pairs looked up by this lcore")                   \
	X(hits, "lookups", "answered from the cache")                                       \
	X(negatives, "lookups", "answered by the Bloom filter: certainly absent")           \
	X(misses, "lookups", "not answered here: handed to an I/O lcore")                   \
	X(expired, "lookups", "cached but beyond the TTL")                                  \
	X(torn, "lookups", "cached row changed while it was copied: treated as a miss")     \
	X(handed_off, "requests", "requests given to I/O lcores")                           \
	X(shed, "requests", "requests whose misses were answered BUSY: ring full")          \
	X(collected, "requests", "requests that came back from I/O lcores")                 \
	X(datagrams, "packets", "reply datagrams sent, further ones of one reply included") \
	X(announced, "packets", "addresses announced to neighbours")                        \
	X(unreachable, "packets", "of control: datagrams to other ports, answered so")      \
	X(from_kernel, "packets", "frames of the kernel's that were sent")                  \
	X(from_kernel_full, "packets", "frames of the kernel's that a port did not take")   \
	X(turns, "turns", "turns of the loop")                                              \
	X(turns_idle, "turns", "turns that found nothing to do")                            \
	X(busy_cycles, "cycles", "TSC cycles of turns that found work")                     \
	X(idle_cycles, "cycles", "TSC cycles of turns that found none, sleeps included")    \
	X(overruns, "turns", "turns longer than the watchdog's limit")

// Tag in the sketch of clients: the set's id, and these.
#define MR_CLIENTS_IP6 0x10000u
#define MR_CLIENTS_WRITE 0x20000u
/** Of an IPv4 address what makes a prefix; of IPv6 the first 64 bits do. */
#define MR_CLIENTS_IP4_MASK 0xffffff00u
/** One request of so many is sampled, on average. */
#define MR_CLIENTS_EVERY 256u

/** Ages of rows are recorded in units of so many microseconds: a shift, not a division. */
#define MR_AGE_UNIT_US UINT64_C(1024)

/** An RX lcore that answers more lookups than this at once counts the age of one in as many, with
 * its weight: the total is within this of the hits. */
#define MR_AGE_SAMPLE 8u

/** What an lcore counts for one feature set. An RX lcore looks up, an I/O lcore writes. */
#define MR_SET_COUNTERS(X)                                                        \
	X(hits, "lookups", "answered from the cache")                             \
	X(negatives, "lookups", "answered by the Bloom filter: certainly absent") \
	X(misses, "lookups", "handed to an I/O lcore")                            \
	X(rows_written, "rows", "committed")                                      \
	X(newest_event_us, "us",                                                  \
		"newest event time that was written or answered since start; 0: none")

struct mr_set_counters {
#define X(name, unit, help) _Atomic uint64_t name;
	MR_SET_COUNTERS(X)
#undef X
};

/** Keeps the newest event time of a set. Only the counters' own lcore may call it. */
static mr_always_inline void mr_count_event(struct mr_set_counters *set, uint64_t event_time_us)
{
#ifndef MR_TELEMETRY_OFF
	// why relaxed: one writer, and a figure for people.
	if (mr_unlikely(event_time_us >
			atomic_load_explicit(&set->newest_event_us, memory_order_relaxed)))
		atomic_store_explicit(&set->newest_event_us, event_time_us, memory_order_relaxed);
#else
	(void)set;
	(void)event_time_us;
#endif
}

struct mr_rx_counters {
#define X(name, unit, help) _Atomic uint64_t name;
	MR_RX_COUNTERS(X)
#undef X
	_Atomic uint64_t reasons[MR_REASON_COUNT];
	_Atomic uint64_t results[16]; //!< replies by enum mr_wire_result
	_Atomic uint64_t burst[8]; //!< rx bursts of 0, 1, 2-3, 4-7, 8-15, 16-31, 32-63, 64 and more
	struct mr_hist stage_cycles[MR_STAGE_COUNT]; //!< weight: requests that waited for the stage
	struct mr_hist inline_cycles;  //!< received to given to the port, answered on this lcore
	struct mr_hist handoff_cycles; //!< the same for requests that went to an I/O lcore
	struct mr_hist served_age;     //!< of rows answered by this lcore, in MR_AGE_UNIT_US
	_Atomic uint32_t stage_now;    //!< stage being run, for the watchdog
	_Atomic uint64_t turn_start_tsc;
	_Atomic uint64_t overrun_stages[MR_STAGE_COUNT + 1]; //!< turns by their longest stage; none
	_Atomic uint64_t
		overrun_cycles; //!< how long the last one was, and of that its longest stage
	_Atomic uint64_t overrun_stage_cycles;
	_Atomic uint32_t overrun_stage; //!< MR_STAGE_COUNT: in none of them
	struct mr_slowlog slowlog;
	struct mr_sketch clients; //!< a sample: keys are prefixes, tags as below
} mr_cache_aligned;

/** What an I/O lcore is at, for the watchdog. */
#define MR_IO_STAGES(X)                                       \
	X(take, "taking requests from rings")                 \
	X(sort, "validating requests")                        \
	X(lookup, "looking up in memory")                     \
	X(read, "reading the store")                          \
	X(answer, "writing replies")                          \
	X(lock, "waiting for keys that other writes hold")    \
	X(decide, "comparing writes with the rows there are") \
	X(commit, "committing writes")                        \
	X(give, "giving replies back to RX lcores")

enum mr_io_stage {
#define X(name, help) MR_IO_STAGE_##name,
	MR_IO_STAGES(X)
#undef X
		MR_IO_STAGE_COUNT,
};

const char *mr_io_stage_name(enum mr_io_stage stage);
const char *mr_io_stage_help(enum mr_io_stage stage);

/** Plain counters of an I/O lcore. */
#define MR_IO_COUNTERS(X)                                                               \
	X(requests, "requests", "requests taken from rings")                            \
	X(reads, "requests", "GET requests")                                            \
	X(strong, "requests", "strong and as-of GETs, read at a snapshot")              \
	X(writes, "requests", "PUT and DELETE requests")                                \
	X(lookups, "lookups", "(key, set) pairs of those GETs")                         \
	X(hits, "lookups", "found in the cache by the time they got here")              \
	X(negatives, "lookups", "answered by the Bloom filter")                         \
	X(store_reads, "lookups", "looked up in the store")                             \
	X(store_found, "lookups", "found in the store")                                 \
	X(false_positives, "lookups", "filter said maybe, store said no")               \
	X(store_errors, "lookups", "the store failed")                                  \
	X(coalesced, "lookups", "equal keys of a burst read once")                      \
	X(fills, "rows", "rows put into the cache")                                     \
	X(fills_stale, "rows", "fills refused because a writer was faster")             \
	X(rows_written, "rows", "rows committed")                                       \
	X(rows_superseded, "rows", "rows not written: a newer or equal event is there") \
	X(rows_refused, "rows", "rows refused: bad key, row, set or event time")        \
	X(rows_future, "rows", "of those: event time too far ahead")                    \
	X(shed, "requests", "waited too long: misses and writes answered BUSY")         \
	X(degraded, "lookups", "not looked up: the breaker before the store is open")   \
	X(breaker_opened, "times", "store reads failed in a row: breaker opened")       \
	X(commits, "batches", "write batches committed")                                \
	X(commits_of_1, "batches", "of those: of one row")                              \
	X(commits_of_2, "batches", "of 2 to 7 rows")                                    \
	X(commits_of_8, "batches", "of 8 to 63 rows")                                   \
	X(commits_of_64, "batches", "of 64 to 255 rows")                                \
	X(commits_of_256, "batches", "of 256 rows and more")                            \
	X(commits_waited, "batches", "that waited for more rows")                       \
	X(commit_errors, "batches", "write batches that failed")                        \
	X(bursts, "bursts", "bursts of requests")                                       \
	X(busy_cycles, "cycles", "TSC cycles with work")                                \
	X(idle_cycles, "cycles", "TSC cycles without")

struct mr_io_counters {
#define X(name, unit, help) _Atomic uint64_t name;
	MR_IO_COUNTERS(X)
#undef X
	struct mr_hist read_cycles;      //!< a burst's store reads
	struct mr_hist commit_cycles;    //!< a burst's commit
	struct mr_hist ring_cycles;      //!< waiting in the ring
	struct mr_hist served_age;       //!< of rows answered by this lcore, in MR_AGE_UNIT_US
	_Atomic uint32_t stage_now;      //!< what it is at, for the watchdog
	_Atomic int32_t syscall_file;    //!< its /proc/thread-self/syscall, plus one; 0: not open
	_Atomic uint64_t turn_start_tsc; //!< when it took the burst in hand; 0: none
	struct mr_slowlog slowlog;
} mr_cache_aligned;
