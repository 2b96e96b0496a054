// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// State of an I/O lcore and the stages that work on it; each stage is a file.

#include "mr_io.h"
#include "mr_key.h"
#include "mr_probe.h"
#include "mr_racy.h"
#include "mr_reply.h"
#include "mr_slow_note.h"
#include "mr_small.h"

#define MR_IO_BURST 64u
// Writes that wait for others, at most.
#define MR_IO_HELD_MAX 256u
#define MR_IO_MBUFS_MAX (MR_IO_BURST + MR_IO_HELD_MAX)
// Lookups of a group: what one multi-get reads at most, but for the largest requests.
#define MR_IO_GROUP_LOOKUPS 256u
// Records of one write batch, but for the last request's.
#define MR_IO_GROUP_RECORDS 512u
#define MR_IO_RECORDS_MAX (MR_IO_GROUP_RECORDS + MR_WIRE_KEYS_MAX)
// Copies of rows that the cache turned out to have.
#define MR_IO_HIT_BYTES (1u << 20)

/** A request of the burst. */
struct mr_io_request {
	struct rte_mbuf *m;
	struct mr_port *port;
	struct mr_node *node;
	const struct mr_view *view;     //!< GET
	const struct mr_schema *schema; //!< write
	uint32_t first, n;              //!< lookups or records
	bool strong;                    //!< GET: from the store alone, at one snapshot
	bool late;                      //!< waited too long: the store is not asked
	uint16_t rx;
	struct mr_wire_request wire;
};

/** What a lookup came to. */
struct mr_io_row {
	const uint8_t *row; //!< status OK
	uint32_t row_bytes;
	uint64_t event_time_us;
	uint8_t status; //!< enum mr_status
};

/** One record of a write. */
struct mr_io_record {
	struct mr_wire_row row;
	const struct mr_schema *schema;
	mr_space_t space;
	uint64_t hash;
	uint16_t behind; //!< the record of this group that beats or equals it; itself if it is that
	bool deleted;
	bool wins;      //!< newest of its key in this batch, and not beaten by the store
	uint8_t status; //!< enum mr_status
};

struct mr_io {
	struct mr_io_params p;
	uint16_t slot;
	struct mr_store_reader *reader;
	const struct mr_published *published;
	uint64_t now_us, now_tsc;
	uint64_t slow_above_cycles;     //!< of the slow log
	uint64_t spent[MR_SPENT_COUNT]; //!< cycles, by the group in hand

	unsigned first_rx; //!< RX lcore that the next burst begins with
	unsigned n_mbufs, next;
	struct rte_mbuf *mbufs[MR_IO_MBUFS_MAX];
	uint16_t from[MR_IO_MBUFS_MAX]; //!< RX lcore of each

	// Writes that wait for others.
	unsigned n_held_writes, held_rows;
	struct rte_mbuf *held_mbufs[MR_IO_HELD_MAX];
	uint16_t held_from[MR_IO_HELD_MAX];
	uint64_t held_tsc;   //!< when the oldest was taken
	uint64_t write_tsc;  //!< when the last one was taken
	uint64_t gap_cycles; //!< between bursts with writes, lately
	uint64_t group_age_cycles;

	// Reads of the group in hand.
	unsigned n_gets;
	bool strong, as_of; //!< one of them is; an as-of GET is the only one of its group
	uint64_t as_of_us;
	struct mr_io_request gets[MR_IO_BURST];
	struct mr_probe probe;
	struct mr_io_row rows[MR_PROBE_MAX];
	unsigned n_reads;
	struct mr_store_get reads[MR_PROBE_MAX];
	struct mr_cache_lease leases[MR_PROBE_MAX];
	uint16_t read_of[MR_PROBE_MAX]; //!< lookup that reads[i] is for
	struct mr_node *node_of[MR_PROBE_MAX];
	uint32_t hit_used;
	uint8_t hit_mem[MR_IO_HIT_BYTES];
	uint8_t scratch[MR_ROW_MAX_BYTES];

	// Writes of the group in hand.
	unsigned n_writes;
	struct mr_io_request writes[MR_IO_MBUFS_MAX];
	unsigned n_records;
	struct mr_io_record records[MR_IO_RECORDS_MAX];
	unsigned n_order;
	uint16_t order[MR_IO_RECORDS_MAX]; //!< those that may be written: by lock, then by hash
	uint64_t ranks[2][MR_IO_RECORDS_MAX];
	uint16_t held[MR_IO_RECORDS_MAX]; //!< locks, ascending, each once
	unsigned n_held;
	unsigned n_puts;                    //!< winners
	uint16_t put_of[MR_IO_RECORDS_MAX]; //!< record that puts[i] is of
	uint64_t put_hashes[MR_IO_RECORDS_MAX];
	struct mr_store_put puts[MR_IO_RECORDS_MAX];

	struct mr_io_counters counters;
	struct mr_set_counters sets[MR_SET_ID_MAX + 1]; // by id
};

static mr_always_inline void mr_io_enter(struct mr_io *io, enum mr_io_stage stage)
{
	// why relaxed: the watchdog wants to know roughly where an lcore is.
	atomic_store_explicit(&io->counters.stage_now, (uint32_t)stage, memory_order_relaxed);
}

/** Takes a burst of requests from all RX lcores. @return how many. */
unsigned mr_io_take(struct mr_io *io);

/**
 * Keeps back the burst's writes, or lets go of all that were, for a commit together.
 * @return whether there were any.
 */
bool mr_io_gather(struct mr_io *io);

/** Sorts requests of the burst into reads and writes until a group is full or the burst ends. */
void mr_io_sort(struct mr_io *io);

/** Looks the group's keys up in memory once more: others may have filled them meanwhile. */
void mr_io_lookup(struct mr_io *io);

/** Reads what is missing from the store and fills the caches. */
void mr_io_read(struct mr_io *io);

/** Whether the breaker lets the store be read now. */
bool mr_io_may_read(struct mr_io *io);

/** Tells the breaker what became of the reads. */
void mr_io_judge_reads(struct mr_io *io);

/** Writes the group's GET replies. */
void mr_io_answer(struct mr_io *io);

/** Carries the group's writes out and writes their acknowledgements. */
void mr_io_write(struct mr_io *io);

/** Puts the group's records in order: equal keys lie side by side, locks ascend. */
void mr_io_order(struct mr_io *io);

/** A record's lock of mr_io_locks. */
static inline uint16_t mr_io_lock_of(const struct mr_io_record *record)
{
	return (uint16_t)(record->hash & (MR_IO_LOCKS - 1));
}

/** Decides which records of the group are to be written. Locks are held. */
void mr_io_decide(struct mr_io *io);

/** Whether record @p a beats @p b of the same key: newer event, or the tie rule. */
bool mr_io_beats(uint64_t a_time_us, bool a_deleted, const uint8_t *a, uint32_t a_bytes,
	uint64_t b_time_us, bool b_deleted, const uint8_t *b, uint32_t b_bytes);

/** Notes those of the group's requests that are slow, before replies are written over them. */
void mr_io_note_slow(struct mr_io *io, const struct mr_io_request *requests, unsigned n);

/** Notes a request that is being refused, before its datagram is written over. */
void mr_io_note_refused(
	struct mr_io *io, const struct mr_io_request *request, enum mr_wire_result result);

/** What a client that asks is told of the time its request took. */
struct mr_wire_times mr_io_times(const struct mr_io *io, const struct mr_io_request *request);

/** Gives the whole burst back to its RX lcores. */
void mr_io_give(struct mr_io *io);
