// SPDX-License-Identifier: BSD-3-Clause
#include "mr_io_priv.h"

// Copies a cached row away, so that it is still whole when the reply is written. False: the row
// was torn, or there is no room: the store will answer.
static bool keep_hit(struct mr_io *io, unsigned i, const struct mr_cache *cache)
{
	const struct mr_cache_ref *ref = &io->probe.lookups[i].ref;
	struct mr_io_row *row = &io->rows[i];

	if (ref->row_bytes > MR_IO_HIT_BYTES - io->hit_used)
		return false;
	mr_racy_copy(io->hit_mem + io->hit_used, ref->row, ref->row_bytes);
	if (!mr_cache_valid(cache, ref))
		return false;
	row->row = io->hit_mem + io->hit_used;
	row->row_bytes = ref->row_bytes;
	row->event_time_us = ref->event_time_us;
	row->status = ref->deleted ? MR_STATUS_NOT_FOUND : MR_STATUS_OK;
	io->hit_used += MR_ALIGN_UP((uint32_t)ref->row_bytes, 8u);
	return true;
}

static void add_read(struct mr_io *io, unsigned i, struct mr_node *node)
{
	const struct mr_lookup *lookup = &io->probe.lookups[i];
	struct mr_store_get *get = &io->reads[io->n_reads];

	get->space = lookup->space;
	get->key = lookup->key;
	get->key_bytes = lookup->key_bytes;
	get->fast = lookup->part->schema->tables == MR_TABLES_FAST;
	// The lease comes before the read: a write in between breaks it.
	io->leases[io->n_reads] = mr_cache_lease(node->cache, io->probe.hashes[i]);
	io->node_of[io->n_reads] = node;
	io->read_of[io->n_reads++] = (uint16_t)i;
}

static void settle(struct mr_io *io, const struct mr_io_request *get)
{
	unsigned hits = 0, negatives = 0;

	for (unsigned i = get->first; i < get->first + get->n; i++) {
		unsigned outcome = io->probe.lookups[i].outcome;

		if (outcome == MR_OUTCOME_HIT && keep_hit(io, i, get->node->cache)) {
			hits++;
		} else if (outcome == MR_OUTCOME_NEGATIVE) {
			io->rows[i].status = MR_STATUS_NOT_FOUND;
			negatives++;
		} else if (outcome == MR_OUTCOME_BAD_KEY) {
			io->rows[i].status = MR_STATUS_BAD_KEY;
		} else if (get->late) {
			io->rows[i].status = MR_STATUS_BUSY;
		} else {
			add_read(io, i, get->node);
		}
	}
	mr_count(&io->counters.lookups, get->n);
	mr_count(&io->counters.hits, hits);
	mr_count(&io->counters.negatives, negatives);
}

// A strong read: the cache is of no one state of the store, so it is not asked. The filter is asked
// once there is a snapshot, see mr_io_read().
static void settle_strong(struct mr_io *io, const struct mr_io_request *get)
{
	for (unsigned i = get->first; i < get->first + get->n; i++) {
		if (io->probe.lookups[i].outcome == MR_OUTCOME_BAD_KEY)
			io->rows[i].status = MR_STATUS_BAD_KEY;
		else
			add_read(io, i, get->node);
	}
	mr_count(&io->counters.lookups, get->n);
}

void mr_io_lookup(struct mr_io *io)
{
	mr_io_enter(io, MR_IO_STAGE_lookup);
	io->n_reads = 0;
	io->hit_used = 0;
	for (unsigned g = 0; g < io->n_gets; g++) {
		const struct mr_io_request *get = &io->gets[g];

		if (get->strong) {
			settle_strong(io, get);
			continue;
		}
		mr_probe_run(&io->probe, get->first, get->first + get->n, get->node,
			mr_node_ticks(get->node));
		settle(io, get);
	}
}
