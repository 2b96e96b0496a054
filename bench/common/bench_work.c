// SPDX-License-Identifier: BSD-3-Clause
#include "bench_work.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mr_row.h"
#include "mr_store_bulk.h"
#include "mr_units.h"

#define CATALOG_BYTES (256u * 1024)
#define HEADERS_BYTES 42u // Ethernet, IPv4, UDP
#define UDP_CKSUM_AT 40u
#define MBUFS 8192u

const struct bench_table bench_rows_64 = {"64 B rows", 1, 14, 1, 10000000};
const struct bench_table bench_rows_1k = {"1 KiB rows", 1, 248, 1, 1000000};
const struct bench_table bench_columns_250 = {"250 of 500 columns", 1, 500, 2, 500000};
const struct bench_table bench_sets_4 = {"four sets of 64 B rows", 4, 14, 1, 2500000};

static unsigned row_bytes(const struct bench_table *table)
{
	return MR_ALIGN_UP((table->n_columns + 7) / 8, 8u) + 4 * table->n_columns;
}

static uint64_t cache_bytes(const struct bench_table *table, uint64_t n_rows)
{
	uint64_t bytes = MR_ALIGN_UP(row_bytes(table) + 24, 16u);

	// Size classes lose up to an eighth; the index wants 12 bytes a row and some air.
	return 4 * MR_MIB + n_rows * table->n_sets * (bytes * 9 / 8 + 20);
}

unsigned bench_work_megabytes(const struct bench_table *table, uint64_t n_rows)
{
	return (unsigned)((cache_bytes(table, n_rows) + n_rows * table->n_sets * 5 / 2) / MR_MIB) +
	       96;
}

static char *print_catalog(const struct bench_table *table)
{
	char *text = malloc(CATALOG_BYTES);
	size_t at = 0;

	for (unsigned s = 0; s < table->n_sets; s++) {
		at += (size_t)snprintf(text + at, CATALOG_BYTES - at,
			"[set s%u]\nid = %u\nkey = u64\nttl = 30d\n", s, s + 1);
		for (unsigned c = 0; c < table->n_columns; c++)
			at += (size_t)snprintf(
				text + at, CATALOG_BYTES - at, "column c%u = f32\n", c);
	}
	at += (size_t)snprintf(text + at, CATALOG_BYTES - at, "[view v]\nid = 1\n");
	for (unsigned s = 0; s < table->n_sets; s++)
		for (unsigned c = 0; c < table->n_columns; c += table->view_stride)
			at += (size_t)snprintf(
				text + at, CATALOG_BYTES - at, "columns = s%u.c%u\n", s, c);
	return text;
}

static const struct mr_schema *schema_of(const struct bench_work *work, unsigned set)
{
	return mr_tiers_published(&work->f.tiers)->catalog->sets[set];
}

unsigned bench_work_row(
	const struct bench_work *work, unsigned set, uint64_t id, void *row, unsigned capacity)
{
	const struct mr_shape *shape = &schema_of(work, set)->shape;
	struct mr_row_builder b;
	uint8_t scratch[8];

	if (mr_row_begin(&b, shape, row, capacity, scratch) < 0)
		bench_fail("no room for a row of %u bytes", shape->fixed_bytes);
	for (unsigned c = 0; c < shape->n_columns; c++) {
		struct mr_value v = {.type = MR_TYPE_F32, .count = 1, .f32 = (float)(id + c)};

		if (mr_row_set(&b, &shape->columns[c], &v) < 0)
			bench_fail("a column does not take its value");
	}
	return (unsigned)mr_row_end(&b);
}

static void fill(struct bench_work *work)
{
	static struct mr_cache_stats stats;
	static uint8_t row[MR_ROW_MAX_BYTES];
	uint64_t want = work->n_rows * work->table->n_sets;

	for (unsigned s = 0; s < work->table->n_sets; s++) {
		mr_space_t space = mr_space(schema_of(work, s)->id, schema_of(work, s)->version);
		unsigned bytes = bench_work_row(work, s, 0, row, sizeof(row));

		for (uint64_t id = 0; id < work->n_rows; id++) {
			// The values differ in their first column; the rest is as good as any.
			float first = (float)id;

			memcpy(row + bytes - 4 * work->table->n_columns, &first, sizeof(first));
			mr_fixture_cache(
				&work->f, space, &id, sizeof(id), row, bytes, work->now_us);
		}
	}
	mr_cache_stats(work->f.node.cache, &stats);
	if (stats.rows < want)
		bench_say("only %" PRIu64 " of %" PRIu64 " rows are cached", stats.rows, want);
	bench_say("%s: %" PRIu64 " rows cached, %.2f GiB of values, %.1f B of index and history "
		  "a row",
		work->table->name, stats.rows, (double)stats.slot_bytes / (double)MR_GIB,
		(double)(stats.index_bytes + stats.history_bytes) / (double)stats.rows);
}

void bench_work_open_with(struct bench_work *work, const struct bench_table *table, uint64_t n_rows,
	const struct bench_work_more *more)
{
	char *catalog = print_catalog(table);
	struct mr_fixture_params params = {
		.catalog = catalog,
		.store_path = more->store,
		.store_cpus = more->store_cpus,
		.store_cache_bytes = 512 * MR_MIB,
		.cache_bytes = cache_bytes(table, n_rows),
		.mean_row_bytes = row_bytes(table) + 8,
		.filter_keys = n_rows * table->n_sets * 11 / 10,
		.n_mbufs = MBUFS * MR_MAX(more->n_rx, 1u),
		.mbuf_cache = 256,
		.ring_slots = 2048,
		.n_rx = more->n_rx,
		.mtu_bytes = more->mtu_bytes,
		.rx_idler = more->idler,
	};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	work->table = table;
	work->n_rows = n_rows;
	work->view = MR_VIEW_EXPLICIT | 1;
	work->now_us = (uint64_t)now.tv_sec * 1000000;
	work->next_request = 0;
	if (mr_fixture_init(&work->f, &params) < 0)
		bench_fail("no appliance");
	free(catalog);
	fill(work);
	bench_work_shape(work, 1);
}

void bench_work_open(struct bench_work *work, const struct bench_table *table, uint64_t n_rows,
	const char *store)
{
	const struct bench_work_more more = {.store = store};

	bench_work_open_with(work, table, n_rows, &more);
}

struct bench_work *bench_work_begin(
	const char *name, int argc, char **argv, struct bench_keys *keys)
{
	uint64_t rows = bench_rows_64.rows;
	struct bench_work *work;
	bool only_memory = false;

	for (int at = 1; at < argc; at++) {
		if (strcmp(argv[at], "--memory") == 0) {
			only_memory = true;
		} else if (strcmp(argv[at], "--rows") == 0 && at + 1 < argc) {
			rows = strtoull(argv[++at], NULL, 10);
		} else {
			fprintf(stderr, "bench_%s: what is %s?\n", name, argv[at]);
			exit(2);
		}
	}
	if (only_memory)
		exit(printf("%u\n", bench_work_megabytes(&bench_rows_64, rows)) < 0);
	bench_begin(name);
	bench_eal(argv[0], bench_work_megabytes(&bench_rows_64, rows));
	work = aligned_alloc(64, MR_ALIGN_UP(sizeof(*work), 64));
	if (work == NULL)
		bench_fail("no memory");
	bench_work_open(work, &bench_rows_64, rows, NULL);
	bench_keys_init(keys, BENCH_UNIFORM, 0, work->n_rows, 42);
	return work;
}

void bench_work_end(struct bench_work *work)
{
	bench_work_close(work);
	free(work);
}

void bench_work_load(struct bench_work *work, uint16_t version, uint64_t first, uint64_t n,
	const _Atomic bool *stop)
{
	const struct mr_schema *schema = schema_of(work, 0);
	mr_space_t space = mr_space(schema->id, version);
	struct mr_err err = {""};
	struct mr_store_bulk *bulk = mr_store_bulk_begin(work->f.store, space, false, &err);
	struct mr_bloom *filter = mr_node_bloom(&work->f.node);
	uint8_t row[256];

	for (uint64_t i = first; bulk != NULL && i < first + n; i++) {
		uint64_t key = htobe64(i);
		struct mr_store_put put = {
			.space = space,
			.key = &key,
			.key_bytes = sizeof(key),
			.event_time_us = work->now_us,
			.layout = schema->layout,
			.row = row,
		};

		// why relaxed: it may stop late.
		if (stop != NULL && atomic_load_explicit(stop, memory_order_relaxed)) {
			mr_store_bulk_abort(bulk);
			return;
		}
		put.row_bytes = bench_work_row(work, 0, i, row, sizeof(row));
		if (mr_store_bulk_add(bulk, 0, &put, &err) < 0)
			bench_fail("%s", err.text);
		mr_bloom_add(filter, mr_hash_row(mr_hash_key(&key, sizeof(key)), space));
	}
	if (bulk == NULL || mr_store_bulk_finish(bulk, &err) < 0)
		bench_fail("%s", err.text);
}

void bench_work_close(struct bench_work *work)
{
	mr_fixture_done(&work->f);
}

void bench_work_shape(struct bench_work *work, unsigned n_keys)
{
	static const uint64_t zeros[MR_WIRE_KEYS_MAX];
	struct mr_wire_ask ask = {.view = work->view};
	struct mr_wire_key keys[MR_WIRE_KEYS_MAX];
	uint8_t payload[sizeof(work->frame)];
	struct rte_mbuf *m;
	int bytes;

	for (unsigned i = 0; i < n_keys; i++)
		keys[i] = (struct mr_wire_key){&zeros[i], 8};
	bytes = mr_wire_get_encode(payload, sizeof(payload), &ask, keys, n_keys);
	m = bytes > 0 ? mr_fixture_frame(&work->f, payload, (unsigned)bytes) : NULL;
	if (m == NULL)
		bench_fail("no request with %u keys", n_keys);
	work->n_keys = n_keys;
	work->frame_bytes = m->pkt_len;
	work->keys_at = HEADERS_BYTES + (unsigned)sizeof(struct mr_wire_req);
	memcpy(work->frame, rte_pktmbuf_mtod(m, void *), m->pkt_len);
	// Keys change: no UDP checksum, which IPv4 allows.
	memset(work->frame + UDP_CKSUM_AT, 0, 2);
	rte_pktmbuf_free(m);
}

unsigned bench_work_make_from(const struct bench_work *work, uint64_t *next_request,
	struct bench_keys *keys, struct rte_mbuf **frames, unsigned n)
{
	if (rte_pktmbuf_alloc_bulk(work->f.pool, frames, n) < 0)
		return 0;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(frames[i], uint8_t *);
		uint64_t id = (*next_request)++;

		frames[i]->data_len = (uint16_t)work->frame_bytes;
		frames[i]->pkt_len = work->frame_bytes;
		memcpy(frame, work->frame, work->frame_bytes);
		memcpy(frame + HEADERS_BYTES + offsetof(struct mr_wire_req, request_id), &id,
			sizeof(id));
		for (unsigned k = 0; k < work->n_keys; k++) {
			id = bench_keys_next(keys);
			memcpy(frame + work->keys_at + 8 * k, &id, sizeof(id));
		}
	}
	return n;
}

unsigned bench_work_make(
	struct bench_work *work, struct bench_keys *keys, struct rte_mbuf **frames, unsigned n)
{
	return bench_work_make_from(work, &work->next_request, keys, frames, n);
}

unsigned bench_work_drain_lcore(struct bench_work *work, unsigned rx)
{
	struct rte_mbuf *frames[256];
	unsigned n, total = 0;

	while ((n = rte_ring_dequeue_burst(
			work->f.from_port[rx], (void **)frames, MR_ARRAY_SIZE(frames), NULL)) > 0) {
		rte_pktmbuf_free_bulk(frames, n);
		total += n;
	}
	return total;
}

unsigned bench_work_drain(struct bench_work *work)
{
	unsigned total = 0;

	for (unsigned i = 0; i < work->f.n_rx; i++)
		total += bench_work_drain_lcore(work, i);
	return total;
}

void bench_work_turns(struct bench_work *work, unsigned (*turn)(struct mr_rx *rx),
	struct rte_mbuf **frames, unsigned n, struct bench_gauge *busy)
{
	unsigned took = 1;

	if (n == 0)
		bench_fail("no mbufs left");
	mr_fixture_send(&work->f, 0, frames, n);
	while (took > 0) {
		uint64_t start = bench_tsc();

		took = turn(work->f.rx[0]);
		if (took > 0)
			bench_gauge_add(busy, bench_tsc() - start, took);
	}
	bench_work_drain(work);
}
