// SPDX-License-Identifier: BSD-3-Clause
//
// The same rows through an I/O lcore: frames into an in-memory port, RX lcore, ring, I/O lcore,
// ring, replies out of the port, beside db_bench in turns. Nearly everything is read from the store
// and filled into the cache: once into one with room, once into one that evicts a row for it. RX
// and I/O lcore take turns on this CPU, and what is timed is the I/O lcore's, because two CPUs may
// be threads of one core. Then PUTs in bursts that wait for their acknowledgements, synced, beside
// RocksDB's own write batches of as many rows: there everything is timed but the making of rows.

#include <stdio.h>
#include <stdlib.h>

#include "mr_fixture.h"
#include "store_bench.h"

#define FRAMES_MAX 128u
#define REQUESTS 64u
#define PAYLOAD_MAX 1472u
#define PUT_ROWS 9u // of a datagram

struct path {
	struct mr_fixture f;
	bool each_once;    // keys in an order of no pattern, none again: the cache only fills
	uint64_t next_row; // of that order
	struct bench *b;
	uint64_t sent, request_id;
};

const char *catalog_text(void)
{
	static char text[4096];
	size_t at = 0;

	for (unsigned set = 1; set <= 2; set++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"[set s%u]\nid = %u\nkey = bytes\n", set, set);
		for (unsigned c = 0; c < ROW_COLUMNS; c++)
			at += (size_t)snprintf(
				text + at, sizeof(text) - at, "column c%u = f32\n", c);
	}
	return text;
}

uint32_t catalog_layout(void)
{
	const char *text = catalog_text();
	void *mem = malloc(4 * MR_MIB);
	const struct mr_catalog *catalog;
	struct mr_err err = {""};
	struct mr_arena arena;
	uint32_t layout;

	if (mem == NULL)
		bench_fail("no memory");
	mr_arena_init(&arena, mem, 4 * MR_MIB);
	catalog = mr_catalog_build(&arena, "catalog", text, strlen(text), &err);
	if (catalog == NULL)
		bench_fail("%s", err.text);
	layout = catalog->sets[0]->layout;
	free(mem);
	return layout;
}

static void path_open(struct path *p, uint64_t cache_bytes)
{
	struct mr_fixture_params params = {
		.catalog = catalog_text(),
		.store_path = p->b->params.path,
		.store_cache_bytes = CACHE_BYTES,
		.store_memtable_bytes = 64 * MR_MIB,
		.cache_bytes = cache_bytes,
		.mean_row_bytes = ROW_BYTES + 32,
		.filter_keys = 2 * p->b->n_rows,
		.handoff_depth = 1024,
		.n_mbufs = 16383,
		.mbuf_cache = 256,
	};

	if (mr_fixture_init(&p->f, &params) < 0)
		bench_fail("no appliance");
	build_filter(p->f.store, mr_node_bloom(&p->f.node));
}

static void path_close(struct path *p)
{
	mr_fixture_done(&p->f);
}

static void send_datagram(struct path *p, const void *payload, int bytes)
{
	struct rte_mbuf *m = bytes > 0 ? mr_fixture_frame(&p->f, payload, (unsigned)bytes) : NULL;

	if (m == NULL || mr_fixture_send(&p->f, 0, &m, 1) != 1)
		bench_fail("a request of %d bytes cannot be sent", bytes);
	p->sent++;
}

static void drain(struct path *p)
{
	struct rte_mbuf *frames[FRAMES_MAX];
	unsigned n;

	while ((n = mr_fixture_receive(&p->f, frames, FRAMES_MAX)) > 0)
		rte_pktmbuf_free_bulk(frames, n);
}

static uint64_t under_way(const struct path *p)
{
	return p->sent - mr_fixture_rx_count(&p->f, answered);
}

// ---- reads -------------------------------------------------------------------------------------

static uint64_t choose_row(struct path *p)
{
	// A large prime: it has no divisor in common with the number of rows.
	if (p->each_once)
		return p->next_row++ * UINT64_C(2147483647) % p->b->n_rows;
	return bench_keys_next(&p->b->keys);
}

static void send_get(struct path *p, unsigned n)
{
	struct mr_wire_ask ask = {.view = 1, .request_id = p->request_id++};
	struct mr_wire_key keys[BATCH_MAX];
	uint8_t payload[PAYLOAD_MAX];

	for (unsigned i = 0; i < n; i++) {
		make_key(p->b->key[i], 2 * choose_row(p));
		keys[i] = (struct mr_wire_key){p->b->key[i], KEY_BYTES};
	}
	send_datagram(p, payload, mr_wire_get_encode(payload, sizeof(payload), &ask, keys, n));
}

static const unsigned read_sizes[] = {1, 16, 64};

// So many requests under way that the I/O lcore finds full bursts. In all passes no more keys than
// there are rows. @return keys/s of its time
static double read_pass(struct path *p, unsigned n)
{
	uint64_t keys = p->b->n_rows / (PASSES * MR_ARRAY_SIZE(read_sizes) + 1);
	uint64_t found = mr_fixture_io_count(&p->f, store_found);
	uint64_t reads = mr_fixture_io_count(&p->f, store_reads);
	uint64_t cycles = 0;

	for (uint64_t asked = 0; asked < keys; asked += REQUESTS * n) {
		for (unsigned i = 0; i < REQUESTS; i++)
			send_get(p, n);
		while (under_way(p) > 0) {
			uint64_t start;

			mr_rx_turn(p->f.rx[0]);
			start = bench_tsc();
			mr_io_turn(p->f.io[0]);
			cycles += bench_tsc() - start;
			drain(p);
		}
	}
	found = mr_fixture_io_count(&p->f, store_found) - found;
	reads = mr_fixture_io_count(&p->f, store_reads) - reads;
	if (found != reads)
		bench_fail("%llu of %llu keys were not found", (unsigned long long)(reads - found),
			(unsigned long long)reads);
	return (double)reads / ((double)cycles * bench_ns_per_cycle()) * 1e9;
}

static void path_reads(struct path *p, const char *what)
{
	double rates[MR_ARRAY_SIZE(read_sizes)][PASSES], base[PASSES];
	struct bench_stat reference;
	char name[64];

	for (unsigned pass = 0; pass < PASSES; pass++) {
		base[pass] = db_bench_rate(p->b, 64);
		for (unsigned i = 0; i < MR_ARRAY_SIZE(read_sizes); i++)
			rates[i][pass] = read_pass(p, read_sizes[i]);
	}
	reference = bench_stat_of(base, PASSES);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(read_sizes); i++) {
		struct bench_stat stat = bench_stat_of(rates[i], PASSES);

		snprintf(name, sizeof(name), "io-lcore get%u, %s", read_sizes[i], what);
		if (reference.median > 0)
			bench_line_ratio(
				name, "rate", stat.median, &stat, "keys/s", reference.median);
		else
			bench_line_stat(name, "rate", &stat, "keys/s");
	}
}

// All blocks into the block cache.
static void warm_blocks(struct path *p)
{
	struct mr_store_reader *reader = mr_store_reader_create(p->f.store, BATCH_MAX);

	for (uint64_t n = 0; reader != NULL && n < p->b->n_rows; n += 16) {
		struct mr_store_get get = {
			.space = SPACE, .key = p->b->key[0], .key_bytes = KEY_BYTES};

		make_key(p->b->key[0], 2 * n);
		if (mr_store_read(reader, &get, 1) < 0 || get.result != 0)
			bench_fail("a row is not there");
	}
	mr_store_reader_free(reader);
}

// ---- writes ------------------------------------------------------------------------------------

static void send_put(struct path *p, unsigned first, unsigned n)
{
	struct mr_wire_ask ask = {.view = 2, .request_id = p->request_id++};
	const struct bench *b = p->b;
	uint8_t payload[PAYLOAD_MAX];
	struct mr_wire_writer w;
	int ret = mr_wire_write_begin(
		&w, payload, sizeof(payload), MR_WIRE_OP_PUT, &ask, b->layout, 0);

	for (unsigned i = first; i < first + n && ret == 0; i++) {
		struct mr_wire_row row = {
			.event_time_us = b->event_time_us,
			.key = b->key[i],
			.key_bytes = KEY_BYTES,
			.row = b->row[i],
			.row_bytes = ROW_BYTES,
		};

		ret = mr_wire_write_add(&w, &row);
	}
	send_datagram(p, payload, ret == 0 ? mr_wire_write_end(&w) : ret);
}

static struct path *put_path;

// A burst of datagrams with as many rows as a batch, and all acknowledgements.
static unsigned put_burst(struct bench *b, const struct variant *v)
{
	struct path *p = put_path;
	uint64_t written = mr_fixture_io_count(&p->f, rows_written);

	choose_rows(b, v);
	for (unsigned i = 0; i < v->batch; i += PUT_ROWS)
		send_put(p, i, MR_MIN(PUT_ROWS, v->batch - i));
	while (under_way(p) > 0) {
		mr_rx_turn(p->f.rx[0]);
		mr_io_turn(p->f.io[0]);
	}
	drain(p);
	written = mr_fixture_io_count(&p->f, rows_written) - written;
	// Of equal keys in a burst one is written.
	if (written > v->batch || written + 8 < v->batch)
		bench_fail("%u rows put, %llu written", v->batch, (unsigned long long)written);
	return (unsigned)written;
}

static void path_writes(struct path *p)
{
	static const struct {
		const char *name;
		struct variant variant;
	} cases[] = {
		{"io-lcore put 32, synced", {.batch = 32}},
		{"io-lcore put 128, synced", {.batch = 128}},
	};

	put_path = p;
	for (size_t i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct variant v = cases[i].variant;
		double rates[PASSES], base[PASSES];
		struct bench_stat stat;

		v.sync = true;
		for (unsigned pass = 0; pass < PASSES; pass++) {
			base[pass] = measure_pass(p->b, rocks_commit_burst, &v);
			rates[pass] = measure_pass(p->b, put_burst, &v);
		}
		stat = bench_stat_of(rates, PASSES);
		bench_line_ratio(cases[i].name, "rate", stat.median, &stat, "rows/s",
			bench_stat_of(base, PASSES).median);
	}
}

void bench_path(struct bench *b, bool reads, bool writes)
{
	static struct path p mr_cache_aligned;

	p.b = b;
	close_store(b);
	if (reads) {
		// A cache with room for what is asked for; then one that evicts for each fill.
		p.each_once = true;
		path_open(&p, 512 * MR_MIB);
		warm_blocks(&p);
		path_reads(&p, "cache fills");
		path_close(&p);
		p.sent = 0;
		p.each_once = false;
	}
	path_open(&p, 4 * MR_MIB);
	if (reads) {
		warm_blocks(&p);
		path_reads(&p, "cache evicts");
	}
	if (writes)
		path_writes(&p);
	path_close(&p);
	open_store(b);
}
