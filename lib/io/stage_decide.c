// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>

#include "mr_io_priv.h"
#include "mr_sort.h"

bool mr_io_beats(uint64_t a_time_us, bool a_deleted, const uint8_t *a, uint32_t a_bytes,
	uint64_t b_time_us, bool b_deleted, const uint8_t *b, uint32_t b_bytes)
{
	int order;

	if (a_time_us != b_time_us)
		return a_time_us > b_time_us;
	if (a_deleted != b_deleted)
		return a_deleted;
	if (a_deleted)
		return false;
	order = memcmp(a, b, MR_MIN(a_bytes, b_bytes));
	return order != 0 ? order > 0 : a_bytes > b_bytes;
}

static bool record_beats(const struct mr_io_record *a, const struct mr_io_record *b)
{
	return mr_io_beats(a->row.event_time_us, a->deleted, a->row.row, a->row.row_bytes,
		b->row.event_time_us, b->deleted, b->row.row, b->row.row_bytes);
}

static int by_key(const struct mr_io_record *a, const struct mr_io_record *b)
{
	int order;

	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	order = memcmp(a->row.key, b->row.key, MR_MIN(a->row.key_bytes, b->row.key_bytes));
	return order != 0 ? order : (int)a->row.key_bytes - (int)b->row.key_bytes;
}

// By key, and each key's winner first.
static int by_key_then_rank(const void *pa, const void *pb, void *arg)
{
	const struct mr_io_record *records = arg;
	const struct mr_io_record *a = &records[*(const uint16_t *)pa];
	const struct mr_io_record *b = &records[*(const uint16_t *)pb];
	int order = by_key(a, b);

	if (order != 0)
		return order;
	return record_beats(a, b) ? -1 : record_beats(b, a) ? 1 : 0;
}

#define INDEX_BITS 10u
#define INDEX_MASK ((1u << INDEX_BITS) - 1)

// The hash with the lock's bits at its top, and the record's index at its end.
static uint64_t rank_of(const struct mr_io_record *record, unsigned i)
{
	uint64_t turned = record->hash / MR_IO_LOCKS |
	                  (record->hash % MR_IO_LOCKS) * (UINT64_MAX / MR_IO_LOCKS + 1);

	static_assert(MR_IO_RECORDS_MAX <= 1u << INDEX_BITS, "an index fits");
	return (turned & ~(uint64_t)INDEX_MASK) | i;
}

void mr_io_order(struct mr_io *io)
{
	const uint64_t *ranks;
	unsigned n = 0;

	for (unsigned i = 0; i < io->n_records; i++)
		if (io->records[i].status == MR_STATUS_OK)
			io->ranks[0][n++] = rank_of(&io->records[i], i);
	ranks = mr_sort_u64(io->ranks[0], io->ranks[1], n);
	io->n_order = n;
	for (unsigned first = 0, end; first < n; first = end) {
		for (end = first; end < n && (ranks[end] ^ ranks[first]) <= INDEX_MASK; end++)
			io->order[end] = (uint16_t)(ranks[end] & INDEX_MASK);
		// Equal keys, or, as good as never, others whose hashes are alike.
		if (mr_unlikely(end - first > 1))
			qsort_r(io->order + first, end - first, sizeof(io->order[0]),
				by_key_then_rank, io->records);
	}
}

// Marks the newest record of each key. The others of that key are behind it: copies of the very
// same write, or superseded, provided that it is there in the end.
static void pick_winners(struct mr_io *io)
{
	unsigned winner = 0;

	for (unsigned i = 0; i < io->n_order; i++) {
		struct mr_io_record *record = &io->records[io->order[i]];
		const struct mr_io_record *before = &io->records[io->order[winner]];

		if (i == 0 || record->hash != before->hash || by_key(record, before) != 0) {
			winner = i;
			record->wins = true;
			continue;
		}
		record->behind = io->order[winner];
		if (record_beats(before, record))
			record->status = MR_STATUS_SUPERSEDED;
	}
}

// Without the rows that are there nobody knows which of these would win.
static void degrade(struct mr_io *io)
{
	for (unsigned r = 0; r < io->n_reads; r++) {
		io->records[io->read_of[r]].wins = false;
		io->records[io->read_of[r]].status = MR_STATUS_DEGRADED;
	}
	mr_count(&io->counters.degraded, io->n_reads);
	io->n_reads = 0;
}

static void add_read(struct mr_io *io, uint16_t i)
{
	const struct mr_io_record *record = &io->records[i];
	struct mr_store_get *get = &io->reads[io->n_reads];

	get->space = record->space;
	get->key = record->row.key;
	get->key_bytes = record->row.key_bytes;
	get->fast = record->schema->tables == MR_TABLES_FAST;
	io->read_of[io->n_reads++] = i;
}

// Lists the winners whose keys may have a row.
static void add_reads(struct mr_io *io)
{
	const struct mr_bloom *bloom = mr_node_bloom(&io->p.tiers->nodes[0]);
	uint64_t hashes[MR_BLOOM_BURST], maybe;
	uint16_t burst[MR_BLOOM_BURST];

	io->n_reads = 0;
	for (unsigned i = 0, n = 0; i < io->n_order; i++) {
		const struct mr_io_record *record = &io->records[io->order[i]];

		if (record->wins) {
			hashes[n] = record->hash;
			burst[n++] = io->order[i];
		}
		if (n < MR_BLOOM_BURST && i + 1 < io->n_order)
			continue;
		maybe = UINT64_MAX;
		if (bloom != NULL) {
			mr_bloom_prefetch_bulk(bloom, hashes, n);
			maybe = mr_bloom_test_bulk(bloom, hashes, n);
		}
		for (unsigned k = 0; k < n; k++)
			if (maybe >> k & 1)
				add_read(io, burst[k]);
		n = 0;
	}
}

// Asks the store for the current rows of keys that may have one.
static void read_current(struct mr_io *io)
{
	add_reads(io);
	if (io->n_reads == 0)
		return;
	if (mr_unlikely(!mr_io_may_read(io))) {
		degrade(io);
		return;
	}
	mr_store_read(io->reader, io->reads, io->n_reads);
	mr_io_judge_reads(io);
}

static void compare(struct mr_io_record *record, const struct mr_store_get *get)
{
	if (get->result == -ENOENT)
		return;
	if (get->result < 0) {
		record->wins = false;
		record->status = MR_STATUS_ERROR;
		return;
	}
	if (mr_io_beats(record->row.event_time_us, record->deleted, record->row.row,
		    record->row.row_bytes, get->event_time_us, get->deleted, get->row,
		    get->row_bytes))
		return;
	record->wins = false;
	// Not beaten either: the very same write is there already, as after a lost acknowledgement.
	if (mr_io_beats(get->event_time_us, get->deleted, get->row, get->row_bytes,
		    record->row.event_time_us, record->deleted, record->row.row,
		    record->row.row_bytes))
		record->status = MR_STATUS_SUPERSEDED;
}

void mr_io_decide(struct mr_io *io)
{
	pick_winners(io);
	read_current(io);
	for (unsigned r = 0; r < io->n_reads; r++)
		compare(&io->records[io->read_of[r]], &io->reads[r]);
	mr_store_release(io->reader);
}
