// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include <errno.h>

#include "mr_io_priv.h"

void mr_io_locks_init(struct mr_io_locks *locks)
{
	for (unsigned i = 0; i < MR_IO_LOCKS; i++)
		pthread_mutex_init(&locks->lock[i], NULL);
}

// Locks every key of the group, in ascending order so that two I/O lcores cannot wait in a ring.
static void lock_keys(struct mr_io *io)
{
	unsigned n = 0;

	for (unsigned i = 0; i < io->n_order; i++) {
		uint16_t lock = mr_io_lock_of(&io->records[io->order[i]]);

		if (n > 0 && lock == io->held[n - 1])
			continue;
		pthread_mutex_lock(&io->p.locks->lock[lock]);
		io->held[n++] = lock;
	}
	io->n_held = n;
}

static void unlock_keys(struct mr_io *io)
{
	for (unsigned i = io->n_held; i-- > 0;)
		pthread_mutex_unlock(&io->p.locks->lock[io->held[i]]);
}

static void add_put(struct mr_io *io, uint16_t i)
{
	const struct mr_io_record *record = &io->records[i];

	io->put_of[io->n_puts] = i;
	io->put_hashes[io->n_puts] = record->hash;
	io->puts[io->n_puts++] = (struct mr_store_put){
		.space = record->space,
		.key = record->row.key,
		.key_bytes = record->row.key_bytes,
		.deleted = record->deleted,
		.keep_history = record->schema->history_us != 0,
		.fast = record->schema->tables == MR_TABLES_FAST,
		.event_time_us = record->row.event_time_us,
		.layout = record->schema->layout,
		.row = record->row.row,
		.row_bytes = record->row.row_bytes,
	};
}

// Sets the keys' bits in every node's filter, and in the one that is being built.
static void add_to_filters(struct mr_io *io)
{
	for (unsigned node = 0; node < io->p.tiers->n_nodes; node++) {
		struct mr_node *at = &io->p.tiers->nodes[node];
		// why acquire: as in mr_node_bloom().
		struct mr_bloom *next = atomic_load_explicit(&at->bloom_next, memory_order_acquire);
		struct mr_bloom *now = mr_node_bloom(at);

		for (unsigned i = 0; i < io->n_puts; i += MR_BLOOM_BURST) {
			unsigned n = MR_MIN(MR_BLOOM_BURST, io->n_puts - i);

			if (now != NULL)
				mr_bloom_add_bulk(now, io->put_hashes + i, n);
			if (next != NULL)
				mr_bloom_add_bulk(next, io->put_hashes + i, n);
		}
	}
}

static void update_cache(struct mr_node *node, const struct mr_io_record *record, bool committed)
{
	struct mr_cache_row row = {
		.hash = record->hash,
		.space = record->space,
		.key = record->row.key,
		.key_bytes = record->row.key_bytes,
		.row = record->row.row,
		.row_bytes = record->deleted ? 0 : record->row.row_bytes,
		.deleted = record->deleted,
		.event_time_us = record->row.event_time_us,
	};

	// Of a commit that failed nobody knows what a restart will find: cache nothing of it.
	if (committed)
		mr_cache_update(node->cache, &row, false, mr_node_ticks(node));
	else
		mr_cache_invalidate(node->cache, row.hash, row.space, row.key, row.key_bytes,
			MR_CACHE_EVICT_DELETE);
}

// The commit has driven what it will look at out of the CPU's caches.
#define UPDATES_AHEAD 32u

static void update_caches(struct mr_io *io, bool committed)
{
	for (unsigned node = 0; node < io->p.tiers->n_nodes; node++) {
		struct mr_node *at = &io->p.tiers->nodes[node];

		for (unsigned i = 0; i < io->n_puts; i++) {
			if (i % UPDATES_AHEAD == 0)
				mr_cache_prefetch_bulk(at->cache, io->put_hashes + i,
					MR_MIN(UPDATES_AHEAD, io->n_puts - i));
			update_cache(at, &io->records[io->put_of[i]], committed);
		}
	}
}

static void count_commit(struct mr_io *io, unsigned n)
{
	struct mr_io_counters *c = &io->counters;

	mr_count(&c->commits, 1);
	mr_count(n < 2     ? &c->commits_of_1
		 : n < 8   ? &c->commits_of_2
		 : n < 64  ? &c->commits_of_8
		 : n < 256 ? &c->commits_of_64
			   : &c->commits_of_256,
		1);
	mr_count(&c->rows_written, n);
}

static void count_sets(struct mr_io *io)
{
	for (unsigned i = 0; i < io->n_puts; i++) {
		const struct mr_io_record *record = &io->records[io->put_of[i]];
		struct mr_set_counters *set = &io->sets[record->schema->id];

		mr_count(&set->rows_written, 1);
		mr_count_event(set, record->row.event_time_us);
	}
}

// Commits the winners in one batch. Their statuses tell what became of them.
static void commit(struct mr_io *io, bool sync)
{
	enum mr_status failed = MR_STATUS_ERROR;
	uint64_t start = rte_rdtsc();
	int ret;

	io->n_puts = 0;
	for (unsigned i = 0; i < io->n_records; i++)
		if (io->records[i].wins)
			add_put(io, (uint16_t)i);
	if (io->n_puts == 0)
		return;
	add_to_filters(io);
	ret = mr_store_commit(io->p.store, io->puts, io->n_puts, sync, NULL);
	io->spent[MR_SPENT_commit] = rte_rdtsc() - start;
	mr_hist_record(&io->counters.commit_cycles, io->spent[MR_SPENT_commit], 1);
	update_caches(io, ret == 0);
	if (ret == 0) {
		count_commit(io, io->n_puts);
		count_sets(io);
		return;
	}
	mr_count(&io->counters.commit_errors, 1);
	if (ret == -EROFS)
		failed = MR_STATUS_DEGRADED;
	for (unsigned i = 0; i < io->n_puts; i++)
		io->records[io->put_of[i]].status = (uint8_t)failed;
}

// What is behind another record is OK or superseded only if that one really is there.
static void settle_behind(struct mr_io *io)
{
	for (unsigned i = 0; i < io->n_records; i++) {
		uint8_t status = io->records[io->records[i].behind].status;

		if (status != MR_STATUS_OK)
			io->records[i].status = status;
	}
}

static bool wants_sync(const struct mr_io *io)
{
	for (unsigned i = 0; i < io->n_records; i++)
		if (io->records[i].schema->durability == MR_DURABILITY_SYNC)
			return true;
	return false;
}

static void acknowledge(struct mr_io *io, const struct mr_io_request *write, bool synced)
{
	struct mr_wire_times times, *asked = NULL;
	uint8_t statuses[MR_WIRE_KEYS_MAX];
	unsigned superseded = 0, refused = 0;

	for (unsigned i = 0; i < write->n; i++) {
		statuses[i] = io->records[write->first + i].status;
		superseded += statuses[i] == MR_STATUS_SUPERSEDED;
		refused += statuses[i] == MR_STATUS_BAD_KEY || statuses[i] == MR_STATUS_BAD_ROW;
	}
	mr_count(&io->counters.rows_superseded, superseded);
	mr_count(&io->counters.rows_refused, refused);
	if (write->wire.flags & MR_WIRE_F_TIMES) {
		times = mr_io_times(io, write);
		asked = &times;
	}
	// A row that was there already is as durable as its set asked when it was written.
	mr_small_ack(write->m, write->port, &write->wire, statuses,
		synced && write->schema->durability == MR_DURABILITY_SYNC, asked);
}

void mr_io_write(struct mr_io *io)
{
	uint64_t start;
	bool sync;

	if (io->n_writes == 0)
		return;
	sync = wants_sync(io);
	start = rte_rdtsc();
	mr_io_enter(io, MR_IO_STAGE_lock);
	mr_io_order(io);
	lock_keys(io);
	io->spent[MR_SPENT_lock] = rte_rdtsc() - start;
	mr_io_enter(io, MR_IO_STAGE_decide);
	start = rte_rdtsc();
	mr_io_decide(io);
	io->spent[MR_SPENT_read] += rte_rdtsc() - start;
	mr_io_enter(io, MR_IO_STAGE_commit);
	commit(io, sync);
	// The cache has the rows: from here on a read that follows the acknowledgement sees them.
	unlock_keys(io);
	settle_behind(io);
	mr_io_note_slow(io, io->writes, io->n_writes);
	mr_io_enter(io, MR_IO_STAGE_answer);
	for (unsigned w = 0; w < io->n_writes; w++)
		acknowledge(io, &io->writes[w], sync);
}
