// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include <errno.h>

#include "mr_io_priv.h"

static void fill(struct mr_io *io, unsigned read)
{
	struct mr_node *node = io->node_of[read];
	const struct mr_store_get *get = &io->reads[read];
	struct mr_cache_row row = {
		.hash = io->probe.hashes[io->read_of[read]],
		.space = get->space,
		.key = get->key,
		.key_bytes = get->key_bytes,
		.row = get->row,
		.row_bytes = get->row_bytes,
		.deleted = get->deleted,
		.event_time_us = get->event_time_us,
	};
	int ret = mr_cache_fill(node->cache, &row, io->leases[read], mr_node_ticks(node));

	if (ret == 0)
		mr_count(&io->counters.fills, 1);
	else if (ret == -ESTALE)
		mr_count(&io->counters.fills_stale, 1);
}

// Rows ahead that are asked for: they are cold, and copied twice.
#define READS_AHEAD 6u
#define LINES_AHEAD 4u

static mr_always_inline void ask_ahead(struct mr_io *io, unsigned read)
{
	const struct mr_store_get *get;

	if (read >= io->n_reads)
		return;
	get = &io->reads[read];
	if (get->result != 0)
		return;
	mr_cache_prefetch_fill(io->node_of[read]->cache, io->probe.hashes[io->read_of[read]]);
	for (uint32_t at = 0; at < MR_MIN(get->row_bytes, LINES_AHEAD * MR_CACHE_LINE_BYTES);
		at += MR_CACHE_LINE_BYTES)
		mr_prefetch(get->row + at);
}

// What the store said of a lookup. Rows that may be answered are cached.
static void take_result(struct mr_io *io, unsigned read)
{
	const struct mr_store_get *get = &io->reads[read];
	unsigned i = io->read_of[read];
	const struct mr_schema *schema = io->probe.lookups[i].part->schema;
	struct mr_io_row *row = &io->rows[i];

	row->status = MR_STATUS_NOT_FOUND;
	if (get->result == -ENOENT) {
		if (!io->as_of)
			mr_count(&io->counters.false_positives, 1);
		return;
	}
	if (get->result < 0 || (!get->deleted && get->layout != schema->layout)) {
		mr_count(&io->counters.store_errors, 1);
		row->status = MR_STATUS_ERROR;
		return;
	}
	mr_count(&io->counters.store_found, 1);
	row->row = get->row;
	row->row_bytes = get->row_bytes;
	row->event_time_us = get->event_time_us;
	if (!get->deleted)
		row->status = MR_STATUS_OK;
	if (!io->as_of && !mr_schema_expired(schema, get->event_time_us, io->now_us))
		fill(io, read);
}

// Drops the reads that the filter rules out. A key's bits are set before its row is written: a "no"
// holds for every snapshot that was taken before the filter was asked, and for no later one.
static void rule_out(struct mr_io *io)
{
	unsigned n = 0;

	for (unsigned r = 0; r < io->n_reads; r++) {
		unsigned i = io->read_of[r];
		const struct mr_bloom *bloom = mr_node_bloom(io->node_of[r]);

		if (bloom != NULL && !mr_bloom_test(bloom, io->probe.hashes[i])) {
			io->rows[i].status = MR_STATUS_NOT_FOUND;
			continue;
		}
		io->reads[n] = io->reads[r];
		io->leases[n] = io->leases[r];
		io->node_of[n] = io->node_of[r];
		io->read_of[n++] = (uint16_t)i;
	}
	mr_count(&io->counters.negatives, io->n_reads - n);
	io->n_reads = n;
}

// Reads what is left of a group with strong reads. Without memory for a snapshot, nothing is read.
static void read_at(struct mr_io *io, const struct mr_store_snapshot *snapshot)
{
	int ret = -ENOMEM;

	if (snapshot != NULL && io->as_of)
		ret = mr_store_read_as_of(
			io->reader, snapshot, io->as_of_us, io->reads, io->n_reads);
	else if (snapshot != NULL)
		ret = mr_store_read_at(io->reader, snapshot, io->reads, io->n_reads);
	for (unsigned r = 0; r < io->n_reads && ret < 0; r++)
		io->reads[r].result = -EIO;
}

bool mr_io_may_read(struct mr_io *io)
{
	return io->p.breaker == NULL || mr_breaker_allows(io->p.breaker, io->now_us);
}

// A row that is damaged says nothing of the store as a whole; not to be able to read does.
void mr_io_judge_reads(struct mr_io *io)
{
	unsigned failed = 0;

	if (io->p.breaker == NULL)
		return;
	for (unsigned r = 0; r < io->n_reads; r++)
		failed += io->reads[r].result == -EIO;
	if (failed < io->n_reads)
		mr_breaker_succeeded(io->p.breaker);
	else if (mr_breaker_failed(io->p.breaker, io->now_us))
		mr_count(&io->counters.breaker_opened, 1);
}

static void degrade(struct mr_io *io)
{
	for (unsigned r = 0; r < io->n_reads; r++)
		io->rows[io->read_of[r]].status = MR_STATUS_DEGRADED;
	mr_count(&io->counters.degraded, io->n_reads);
}

static void read_group(struct mr_io *io, const struct mr_store_snapshot *snapshot)
{
	uint64_t start = rte_rdtsc();

	if (io->n_reads == 0)
		return;
	mr_io_enter(io, MR_IO_STAGE_read);
	if (mr_unlikely(!mr_io_may_read(io))) {
		degrade(io);
		return;
	}
	if (io->strong)
		read_at(io, snapshot);
	else
		mr_store_read(io->reader, io->reads, io->n_reads);
	io->spent[MR_SPENT_read] = rte_rdtsc() - start;
	mr_hist_record(&io->counters.read_cycles, io->spent[MR_SPENT_read], 1);
	mr_count(&io->counters.store_reads, io->n_reads);
	mr_io_judge_reads(io);
	for (unsigned r = 0; r < READS_AHEAD; r++)
		ask_ahead(io, r);
	for (unsigned r = 0; r < io->n_reads; r++) {
		ask_ahead(io, r + READS_AHEAD);
		take_result(io, r);
	}
}

void mr_io_read(struct mr_io *io)
{
	struct mr_store_snapshot *snapshot = NULL;

	if (io->n_reads == 0)
		return;
	// Taken after all of the group arrived: no write acknowledged before can be missing.
	if (io->strong)
		snapshot = mr_store_snapshot_take(io->p.store);
	// The filter knows the keys that are, not those that were.
	if (snapshot != NULL && !io->as_of)
		rule_out(io);
	read_group(io, snapshot);
	mr_store_snapshot_release(snapshot);
}
