// SPDX-License-Identifier: BSD-3-Clause
//
// What lookups go through: /millrace/cache, /millrace/bloom, /millrace/store, /millrace/handoff.
#include "mr_telemetry_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- /millrace/cache
// -----------------------------------------------------------------------------

struct cache_figures {
	struct mr_cache_stats s;
	uint64_t now_ticks, tick_accesses, tick_us;
	uint64_t age_at_eviction_p50_ticks, age_at_eviction_p99_ticks;
	uint64_t age_at_eviction_p50_us, age_at_eviction_p99_us;
	uint64_t fills_per_s, evictions_per_s, churn_ppm;
	const char *warm_state;
	uint64_t warm_keys, warm_done_keys, warm_rows, warm_us;
};

#define CACHE(member, unit, help)                                                         \
	{                                                                                 \
#member, MR_TEL_U64, unit, help, offsetof(struct cache_figures, s.member) \
	}
#define EVICTIONS(name, reason, help)                                      \
	{                                                                  \
		"evictions_" #name, MR_TEL_U64, "rows", help,              \
			offsetof(struct cache_figures, s.evictions) +      \
				MR_CACHE_EVICT_##reason * sizeof(uint64_t) \
	}

static const struct mr_tel_field cache_fields[] = {
	CACHE(budget_bytes, "bytes", "all that the cache may use"),
	CACHE(index_bytes, "bytes", "of it, the index"),
	CACHE(history_bytes, "bytes", "of it, the history of evicted keys"),
	CACHE(value_bytes, "bytes", "of it, memory for rows"),
	CACHE(rows, "rows", "rows cached, tombstones included"),
	CACHE(row_slots, "rows", "places in the index"),
	CACHE(live_bytes, "bytes", "keys, rows and their headers"),
	CACHE(slot_bytes, "bytes", "what those take up in memory for rows"),
	CACHE(fills, "rows", "rows put in after a miss"),
	CACHE(updates, "rows", "rows written through"),
	EVICTIONS(capacity, CAPACITY, "evicted: the budget was used up"),
	EVICTIONS(bucket, BUCKET, "evicted: no place in the index, with budget left"),
	EVICTIONS(overwrite, OVERWRITE, "replaced by a newer row"),
	EVICTIONS(delete, DELETE, "dropped by a writer"),
	EVICTIONS(expiry, EXPIRY, "dropped: beyond the TTL, and nobody asked for them"),
	EVICTIONS(version, VERSION, "dropped with their set's version"),
	EVICTIONS(rebalance, REBALANCE, "dropped: memory was given to rows of another size"),
	CACHE(fills_stale, "rows", "fills refused: a writer was faster"),
	CACHE(fills_too_big, "rows", "fills refused: row too large to cache"),
	CACHE(history_entries, "keys", "evicted keys that are remembered"),
	CACHE(history_hits, "keys", "keys that came back while they were"),
	CACHE(crp_ticks, "ticks", "correlated reference period"),
	CACHE(window_ticks, "ticks", "rows asked for within it are evicted last; it adapts"),
	CACHE(history_ticks, "ticks", "retained information period"),
	CACHE(pages, "pages", "pages of memory for rows"),
	CACHE(pages_moved, "pages", "pages that changed the size of row they hold"),
	MR_TEL(cache_figures, now_ticks, U64, "ticks", "the cache's time"),
	MR_TEL(cache_figures, tick_accesses, U64, "accesses", "of rows, that a tick stands for"),
	MR_TEL(cache_figures, tick_us, U64, "us",
		"how long a tick took in the last 10 seconds; 0: none passed"),
	MR_TEL(cache_figures, age_at_eviction_p50_ticks, U64, "ticks",
		"median age of rows evicted for capacity"),
	MR_TEL(cache_figures, age_at_eviction_p99_ticks, U64, "ticks",
		"99th percentile of that age"),
	MR_TEL(cache_figures, age_at_eviction_p50_us, U64, "us",
		"that median, at what a tick takes now"),
	MR_TEL(cache_figures, age_at_eviction_p99_us, U64, "us", "that percentile likewise"),
	MR_TEL(cache_figures, fills_per_s, U64, "rows/s", "fills in the last 10 seconds"),
	MR_TEL(cache_figures, evictions_per_s, U64, "rows/s",
		"evictions for want of room (capacity, bucket, rebalance) in the last 10 seconds"),
	MR_TEL(cache_figures, churn_ppm, U64, "ppm",
		"those evictions over those fills: near 1000000 the cache is full and each fill "
		"costs a row"),
	MR_TEL(cache_figures, warm_state, POINTER, "text",
		"warm restart: off, reading, done, full (no room for the rest), refused (the file "
		"is damaged), failed (the store cannot be read) or stopped"),
	MR_TEL(cache_figures, warm_keys, U64, "keys", "saved at the last stop"),
	MR_TEL(cache_figures, warm_done_keys, U64, "keys", "of them, looked at so far"),
	MR_TEL(cache_figures, warm_rows, U64, "rows",
		"of them, read back into the cache; the rest was cached already, is gone, expired, "
		"or was written meanwhile"),
	MR_TEL(cache_figures, warm_us, U64, "us", "since that began, or how long it took"),
};

static const struct mr_tel_block cache_blocks[] = {
	{"node<N>", "the cache of the plan's NUMA node number N.", cache_fields,
		MR_ARRAY_SIZE(cache_fields)},
};

static void warm_figures(struct mr_warm *warm, unsigned node, struct cache_figures *f)
{
	struct mr_warm_stats stats;

	mr_warm_stats(warm, node, &stats);
	f->warm_state = mr_warm_state_name(stats.state);
	f->warm_keys = stats.keys;
	f->warm_done_keys = stats.done;
	f->warm_rows = stats.rows;
	f->warm_us = stats.us;
}

static void time_figures(
	struct mr_churn *churn, const struct mr_node *node, struct cache_figures *f)
{
	const struct mr_hist *ages = &f->s.age_at_eviction_ticks;

	f->now_ticks = mr_node_ticks(node);
	f->tick_accesses = mr_cache_tick_accesses(node->cache);
	f->tick_us = mr_counted(&churn->tick_us);
	f->fills_per_s = mr_counted(&churn->fills_per_s);
	f->evictions_per_s = mr_counted(&churn->evictions_per_s);
	f->churn_ppm = mr_ppm(f->evictions_per_s, f->fills_per_s);
	f->age_at_eviction_p50_ticks = mr_hist_quantile(ages, 0.5);
	f->age_at_eviction_p99_ticks = mr_hist_quantile(ages, 0.99);
	f->age_at_eviction_p50_us = f->age_at_eviction_p50_ticks * f->tick_us;
	f->age_at_eviction_p99_us = f->age_at_eviction_p99_ticks * f->tick_us;
}

static int cache_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct cache_figures *f = aligned_alloc(_Alignof(struct cache_figures), sizeof(*f));
	char name[32];
	int ret = f != NULL ? 0 : -ENOMEM;

	(void)params;
	for (unsigned i = 0; ret == 0 && i < ctl->p.tiers->n_nodes; i++) {
		const struct mr_node *node = &ctl->p.tiers->nodes[i];

		memset(f, 0, sizeof(*f));
		mr_cache_stats(node->cache, &f->s);
		time_figures(&ctl->churn[i], node, f);
		warm_figures(ctl->p.warm, i, f);
		snprintf(name, sizeof(name), "node%u", i);
		ret = mr_tel_child_fields(d, name, &cache_blocks[0], f);
	}
	free(f);
	return ret;
}

const struct mr_tel_group mr_tel_cache = {
	.command = "/millrace/cache",
	.params = "",
	.help = "The row cache of each NUMA node",
	.blocks = cache_blocks,
	.n_blocks = MR_ARRAY_SIZE(cache_blocks),
	.fill = cache_fill,
};

// ---- /millrace/bloom
// -----------------------------------------------------------------------------

struct bloom_figures {
	struct mr_filter_stats s;
	const char *state;
	uint64_t progress_ppm, measured_fpr_ppm;
};

struct bloom_node_figures {
	struct mr_bloom_stats s;
	uint64_t fpr_formula_ppm, fpr_load_ppm;
};

#define FILTER(member, kind, unit, help)                                                     \
	{                                                                                    \
#member, MR_TEL_##kind, unit, help, offsetof(struct bloom_figures, s.member) \
	}
#define BLOOM(member, unit, help)                                                              \
	{                                                                                      \
#member, MR_TEL_U64, unit, help, offsetof(struct bloom_node_figures, s.member) \
	}

static const struct mr_tel_field bloom_fields[] = {
	MR_TEL(bloom_figures, state, POINTER, "text", "none, building or ready"),
	FILTER(in_force, BOOL, "0 or 1", "lookups are filtered"),
	FILTER(loaded, BOOL, "0 or 1", "the filter in force came from the file of the last stop"),
	FILTER(done_keys, U64, "keys", "of the scan that is running, or of the last one"),
	FILTER(estimate_keys, U64, "keys", "what that scan expects"),
	MR_TEL(bloom_figures, progress_ppm, U64, "ppm", "done over estimate, at most 1000000"),
	FILTER(rebuilds, U64, "rebuilds", "finished since start, the first build included"),
	FILTER(failures, U64, "rebuilds", "given up"),
	FILTER(build_us, U64, "us", "how long the last one took"),
	FILTER(build_cpu_us, U64, "us",
		"of that, what its thread ran; else it waited for a CPU or the disk"),
	FILTER(last_error, TEXT, "text", "why the last one was given up"),
	MR_TEL(bloom_figures, measured_fpr_ppm, U64, "ppm",
		"of the lookups of absent keys, those that the filter let through to the store"),
};

static const struct mr_tel_field bloom_node_fields[] = {
	BLOOM(blocks, "blocks", "of 64 bytes"),
	BLOOM(memory_bytes, "bytes", "memory"),
	BLOOM(capacity_keys, "keys", "that it was made for"),
	BLOOM(added_keys, "keys", "added, repeated ones counted each time"),
	BLOOM(bits_set, "bits", "set"),
	MR_TEL(bloom_node_figures, fpr_formula_ppm, U64, "ppm",
		"false-positive rate expected for the added keys"),
	MR_TEL(bloom_node_figures, fpr_load_ppm, U64, "ppm",
		"false-positive rate expected from the bits set; starts a rebuild when over "
		"[filter] rebuild_above"),
};

static const struct mr_tel_block bloom_blocks[] = {
	{"", "", bloom_fields, MR_ARRAY_SIZE(bloom_fields)},
	{"node<N>", "the replica of the plan's NUMA node number N, as of some seconds ago.",
		bloom_node_fields, MR_ARRAY_SIZE(bloom_node_fields)},
};

static void bloom_figures(const struct mr_ctl *ctl, struct bloom_figures *f)
{
	struct mr_rx_totals rx;
	struct mr_io_totals io;

	mr_rx_totals_all(ctl, &rx);
	mr_io_totals_all(ctl, &io);
	mr_filter_stats(ctl->p.filter, &f->s);
	f->state = mr_filter_state_name(f->s.state);
	f->progress_ppm = MR_MIN(mr_ppm(f->s.done_keys, f->s.estimate_keys), UINT64_C(1000000));
	f->measured_fpr_ppm =
		mr_ppm(io.false_positives, io.false_positives + rx.negatives + io.negatives);
}

static int bloom_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct bloom_figures f;
	char name[32];
	int ret;

	(void)params;
	bloom_figures(ctl, &f);
	ret = mr_tel_fields(d, &bloom_blocks[0], &f);
	for (unsigned i = 0; ret == 0 && i < f.s.n_nodes; i++) {
		struct bloom_node_figures n;

		if (!mr_filter_node_stats(ctl->p.filter, i, &n.s))
			break;
		n.fpr_formula_ppm = (uint64_t)(n.s.fpr_formula * 1e6);
		n.fpr_load_ppm = (uint64_t)(n.s.fpr_load * 1e6);
		snprintf(name, sizeof(name), "node%u", i);
		ret = mr_tel_child_fields(d, name, &bloom_blocks[1], &n);
	}
	return ret;
}

const struct mr_tel_group mr_tel_bloom = {
	.command = "/millrace/bloom",
	.params = "",
	.help = "The Bloom filter: state, progress, false-positive rates",
	.blocks = bloom_blocks,
	.n_blocks = MR_ARRAY_SIZE(bloom_blocks),
	.fill = bloom_fill,
};

// ---- /millrace/store
// -----------------------------------------------------------------------------

#define STORE(member, unit, help) MR_TEL(mr_store_stats, member, U64, unit, help)
#define LEVEL(n)                                                                               \
	{                                                                                      \
		"level" #n "_files", MR_TEL_U64, "files",                                      \
			"SST files of the live rows on level " #n,                             \
			offsetof(struct mr_store_stats, levels_files) + (n) * sizeof(uint64_t) \
	}

static const struct mr_tel_field store_fields[] = {
	STORE(sequence, "", "newest sequence number"),
	STORE(estimated_keys, "keys", "RocksDB's estimate of live keys"),
	STORE(sst_bytes, "bytes", "SST files"),
	STORE(blob_bytes, "bytes", "blob files"),
	STORE(memtable_bytes, "bytes", "memtables"),
	STORE(block_cache_bytes, "bytes", "block cache in use"),
	STORE(wal_bytes, "bytes", "write-ahead log"),
	STORE(pending_compaction_bytes, "bytes",
		"estimate of what compactions still have to rewrite"),
	STORE(running_compactions, "jobs", "compactions running"),
	STORE(running_flushes, "jobs", "flushes running"),
	STORE(write_stopped, "0 or 1", "writes are stopped until compactions catch up"),
	STORE(delayed_write_bytes_per_s, "bytes/s",
		"rate that writes are slowed to; 0: not slowed"),
	LEVEL(0),
	LEVEL(1),
	LEVEL(2),
	LEVEL(3),
	LEVEL(4),
	LEVEL(5),
	LEVEL(6),
	STORE(reads, "bursts", "bursts of reads"),
	STORE(keys_read, "keys", "keys read"),
	STORE(commits, "batches", "write batches committed"),
	STORE(rows_written, "rows", "rows committed"),
	STORE(syncs, "syncs", "of the write-ahead log"),
	STORE(errors, "errors", "reads and writes that failed"),
};

struct family_figures {
	struct mr_store_family_stats s;
	uint64_t write_amplification_ppm;
};

#define FAMILY(member, unit, help)                                                         \
	{                                                                                  \
#member, MR_TEL_U64, unit, help, offsetof(struct family_figures, s.member) \
	}

static const struct mr_tel_field family_fields[] = {
	FAMILY(estimated_keys, "keys", "RocksDB's estimate"),
	FAMILY(sst_bytes, "bytes", "SST files"),
	FAMILY(blob_bytes, "bytes", "blob files"),
	FAMILY(blob_garbage_bytes, "bytes", "of them, values that nothing refers to any more"),
	FAMILY(memtable_bytes, "bytes", "memtables"),
	FAMILY(memtables_unflushed, "memtables", "waiting to be written to level 0"),
	FAMILY(table_readers_bytes, "bytes", "indexes and filters of SST files, in memory"),
	FAMILY(pending_compaction_bytes, "bytes", "that compactions still have to rewrite"),
	FAMILY(stall_delays, "stalls", "times that writes were slowed down"),
	FAMILY(stall_stops, "stalls", "times that writes were stopped"),
	FAMILY(write_stopped, "0 or 1", "writes are stopped"),
	MR_TEL(family_figures, write_amplification_ppm, U64, "ppm",
		"bytes that flushes and compactions wrote, to bytes flushed; 1000000 is one to "
		"one"),
};

static const struct mr_tel_block store_blocks[] = {
	{"", "", store_fields, MR_ARRAY_SIZE(store_fields)},
	{"families/<NAME>",
		"the column family of that name: feature_live, feature_historical and so on.",
		family_fields, MR_ARRAY_SIZE(family_fields)},
};

static int add_families(struct mr_store *store, struct rte_tel_data *d)
{
	struct rte_tel_data *families = mr_tel_child(d, "families");
	int ret = families != NULL ? 0 : -errno;

	for (unsigned i = 0; ret == 0 && i < MR_STORE_FAMILIES; i++) {
		struct family_figures f = {0};

		if (mr_store_family_stats(store, i, &f.s) < 0)
			continue;
		f.write_amplification_ppm = (uint64_t)(f.s.write_amplification * 1e6);
		ret = mr_tel_child_fields(families, f.s.name, &store_blocks[1], &f);
	}
	return ret;
}

static int store_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct mr_store_stats stats;
	int ret;

	(void)params;
	mr_store_stats(ctl->p.store, &stats);
	ret = mr_tel_fields(d, &store_blocks[0], &stats);
	return ret == 0 ? add_families(ctl->p.store, d) : ret;
}

const struct mr_tel_group mr_tel_store = {
	.command = "/millrace/store",
	.params = "",
	.help = "The RocksDB store",
	.blocks = store_blocks,
	.n_blocks = MR_ARRAY_SIZE(store_blocks),
	.fill = store_fill,
};

// ---- /millrace/handoff
// ---------------------------------------------------------------------------

struct handoff_figures {
	uint64_t waiting, peak, slots;
};

static const struct mr_tel_field handoff_fields[] = {
	MR_TEL(handoff_figures, waiting, U64, "requests", "handed over and not yet taken"),
	MR_TEL(handoff_figures, peak, U64, "requests",
		"most that ever waited in one RX lcore's ring"),
	MR_TEL(handoff_figures, slots, U64, "requests", "that such a ring holds"),
};

static const struct mr_tel_block handoff_blocks[] = {
	{"io<N>", "the rings to I/O lcore number N, of all RX lcores.", handoff_fields,
		MR_ARRAY_SIZE(handoff_fields)},
};

static int handoff_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	char name[32];
	int ret = 0;

	(void)params;
	for (unsigned i = 0; ret == 0 && i < ctl->p.handoff->n_io; i++) {
		struct handoff_figures f = {.waiting = mr_handoff_waiting(ctl->p.handoff, i)};
		unsigned slots;

		f.peak = mr_handoff_peak(ctl->p.handoff, i, &slots);
		f.slots = slots;

		snprintf(name, sizeof(name), "io%u", i);
		ret = mr_tel_child_fields(d, name, &handoff_blocks[0], &f);
	}
	return ret;
}

const struct mr_tel_group mr_tel_handoff = {
	.command = "/millrace/handoff",
	.params = "",
	.help = "The rings between RX and I/O lcores",
	.blocks = handoff_blocks,
	.n_blocks = MR_ARRAY_SIZE(handoff_blocks),
	.fill = handoff_fill,
};
