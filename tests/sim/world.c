// SPDX-License-Identifier: BSD-3-Clause
//
// The world around the lcores: which of them takes the next turn, also in the middle of another's;
// a store whose reads and commits fail now and then; the operator who rebuilds the filter and kills
// the appliance. The linker puts the __wrap functions between the lcores and what they call.
#include "sim.h"

#include "mr_io_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOARD_MAX 4096u
#define FILTER_KEYS 2000u
#define KEYS_A_REBUILD_STEP 8u

struct sim sim;

static struct rte_mbuf *hoard[HOARD_MAX];
static unsigned n_hoard;

// Versions 1 and 2 of every set, of which a bit says which one is current.
static const char *catalog_of(unsigned current, char *text, size_t bytes)
{
	static const char *const versions[] = {
		"version = 1\nbeside = 2\n", "version = 2\nbeside = 1\n"};

	snprintf(text, bytes,
		"[set a]\nid = 1\nkey = u64\ndurability = wal\nhistory = 1h\n%scolumn b = bytes\n"
		"[set b]\nid = 2\nkey = u64\nttl = 10s\ndurability = wal\nhistory = 1h\ntables = "
		"fast\n%s"
		"column b = bytes\n"
		"[set c]\nid = 3\nkey = u64\ndurability = wal\n%scolumn b = bytes\n"
		"[view all]\nid = 1\ncolumns = a.*, b.*, c.*\n"
		"[view past]\nid = 2\ncolumns = a.*, b.*\n",
		versions[current & 1], versions[current >> 1 & 1], versions[current >> 2 & 1]);
	return text;
}

static void print_states(const struct model_key *key)
{
	for (unsigned i = 0; i < key->n_states; i++) {
		const struct model_state *s = &key->states[i];

		fprintf(stderr, "sim:   commit %llu: event %lld us ago, %s of %u bytes\n",
			(unsigned long long)s->commit, (long long)(sim.now_us - s->event_time_us),
			s->deleted ? "delete" : "row", s->bytes);
	}
}

static void print_writes(const struct model_key *key)
{
	for (unsigned i = 0; i < key->n; i++) {
		const struct model_write *w = &key->writes[i];

		fprintf(stderr, "sim: %s write %u: event %lld us ago, %s of %u bytes%s\n",
			(int)i == key->floor ? "*" : " ", i,
			(long long)(sim.now_us - w->event_time_us), w->deleted ? "delete" : "row",
			w->bytes, w->shed ? ", shed" : "");
	}
}

_Noreturn void sim_fail(const char *what, const struct sim_op *op, unsigned key, unsigned set)
{
	char command[64];

	fprintf(stderr, "\nsim: %s\n", what);
	if (op != NULL)
		fprintf(stderr,
			"sim: request %llu, %s of view or set 0x%x, flags 0x%x, key %u of set %u, "
			"sent %llu us ago, behind commit %llu\n",
			(unsigned long long)op->request_id,
			mr_wire_op_name((enum mr_wire_op)op->op), op->view, op->flags, key, set + 1,
			(unsigned long long)(sim.now_us - op->sent_us),
			(unsigned long long)op->sent_commit);
	for (unsigned v = 0; v < MODEL_VERSIONS && op != NULL; v++) {
		fprintf(stderr, "sim: version %u\n", v + 1);
		print_writes(&sim.model.keys[set][v][key]);
		print_states(&sim.model.keys[set][v][key]);
	}
	fprintf(stderr, "sim: step %llu; to see it again: --seed %llu --steps %llu\n",
		(unsigned long long)sim.step, (unsigned long long)sim.seed,
		(unsigned long long)sim.step + 1);
	fflush(NULL);
	snprintf(command, sizeof(command), "rm -rf %s", sim.base);
	// In the middle of a turn nothing can be taken down in order.
	_exit(system(command) == 0 ? 1 : 3);
}

// ---- turns
// ---------------------------------------------------------------------------------------

unsigned sim_turn_rx(unsigned i)
{
	unsigned n;

	if (sim.rx_busy[i])
		return 0;
	sim.rx_busy[i] = true;
	n = mr_rx_turn(sim.f.rx[i]);
	sim.rx_busy[i] = false;
	return n;
}

// A turn of an I/O lcore waits for locks; one that is to run inside another's must find none taken.
unsigned sim_turn_io(unsigned i)
{
	unsigned n;

	if (sim.io_busy[i] || sim.in_write > 0)
		return 0;
	sim.io_busy[i] = true;
	n = mr_io_turn(sim.f.io[i]);
	sim.io_busy[i] = false;
	return n;
}

static void nest_io(void)
{
	sim_turn_io(sim_below(SIM_IO));
	sim.tally.nested_io++;
}

static void nest_rx(void)
{
	sim_turn_rx(sim_below(SIM_RX));
	sim.tally.nested_rx++;
}

// ---- between the lcores and what they call
// -------------------------------------------------------

void __real_mr_io_decide(struct mr_io *io);
void __wrap_mr_io_decide(struct mr_io *io);
int __real_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
int __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
int __real_mr_store_read_at(struct mr_store_reader *reader,
	const struct mr_store_snapshot *snapshot, struct mr_store_get *gets, unsigned n);
int __wrap_mr_store_read_at(struct mr_store_reader *reader,
	const struct mr_store_snapshot *snapshot, struct mr_store_get *gets, unsigned n);
int __real_mr_store_read_as_of(struct mr_store_reader *reader,
	const struct mr_store_snapshot *snapshot, uint64_t as_of_us, struct mr_store_get *gets,
	unsigned n);
int __wrap_mr_store_read_as_of(struct mr_store_reader *reader,
	const struct mr_store_snapshot *snapshot, uint64_t as_of_us, struct mr_store_get *gets,
	unsigned n);
struct mr_store_snapshot *__real_mr_store_snapshot_take(struct mr_store *store);
struct mr_store_snapshot *__wrap_mr_store_snapshot_take(struct mr_store *store);
int __real_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);
int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);
void __real_mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node,
	uint64_t now_ticks);
void __wrap_mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node,
	uint64_t now_ticks);
bool __real_mr_probe_again(
	struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks);
bool __wrap_mr_probe_again(
	struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks);

void __wrap_mr_io_decide(struct mr_io *io)
{
	sim.in_write++;
	__real_mr_io_decide(io);
	sim.in_write--;
}

static void before_read(void)
{
	if (sim_chance(4))
		nest_rx();
}

// Spoils a read now and then. Others run on between it and the fill that follows it.
static void after_read(struct mr_store_get *gets, unsigned n)
{
	if (n > 0 && sim_chance(300)) {
		struct mr_store_get *get = &gets[sim_below(n)];

		get->result = sim_chance(2) ? -EIO : -EUCLEAN;
		sim.tally.read_faults++;
	}
	while (sim_chance(2))
		nest_io();
	if (sim_chance(4))
		nest_rx();
}

int __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n)
{
	int ret;

	before_read();
	ret = __real_mr_store_read(reader, gets, n);
	after_read(gets, n);
	return ret;
}

int __wrap_mr_store_read_at(struct mr_store_reader *reader,
	const struct mr_store_snapshot *snapshot, struct mr_store_get *gets, unsigned n)
{
	int ret;

	before_read();
	ret = __real_mr_store_read_at(reader, snapshot, gets, n);
	after_read(gets, n);
	return ret;
}

int __wrap_mr_store_read_as_of(struct mr_store_reader *reader,
	const struct mr_store_snapshot *snapshot, uint64_t as_of_us, struct mr_store_get *gets,
	unsigned n)
{
	int ret;

	before_read();
	ret = __real_mr_store_read_as_of(reader, snapshot, as_of_us, gets, n);
	after_read(gets, n);
	return ret;
}

struct mr_store_snapshot *__wrap_mr_store_snapshot_take(struct mr_store *store)
{
	struct mr_store_snapshot *snapshot = NULL;

	while (sim_chance(2))
		nest_io();
	if (sim_chance(1000))
		sim.tally.read_faults++;
	else
		snapshot = __real_mr_store_snapshot_take(store);
	while (sim_chance(2))
		nest_io();
	return snapshot;
}

static void note_commit(const struct mr_store_put *puts, unsigned n)
{
	sim.model.commits++;
	for (unsigned i = 0; i < n; i++) {
		const struct mr_store_put *put = &puts[i];
		unsigned set = mr_space_set(put->space) - 1u;
		unsigned version = mr_space_version(put->space) - 1u;

		model_commit(&sim.model.keys[set][version][mr_load_be64(put->key)],
			sim.model.commits, put->event_time_us, put->deleted ? NULL : put->row,
			put->deleted ? 0 : put->row_bytes);
	}
}

int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err)
{
	int ret = -EIO;

	sim.in_write++;
	if (sim_chance(4))
		nest_rx();
	if (sim_chance(100))
		sim.tally.commit_faults++;
	else
		ret = __real_mr_store_commit(store, puts, n, sync, err);
	if (ret == 0)
		note_commit(puts, n);
	if (sim_chance(4))
		nest_rx();
	sim.in_write--;
	return ret;
}

// What was found may change before it is copied.
void __wrap_mr_probe_run(struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node,
	uint64_t now_ticks)
{
	__real_mr_probe_run(probe, first, end, node, now_ticks);
	while (sim_chance(3))
		nest_io();
	if (sim_chance(200))
		sim_switch();
}

bool __wrap_mr_probe_again(
	struct mr_probe *probe, unsigned i, struct mr_node *node, uint64_t now_ticks)
{
	bool found = __real_mr_probe_again(probe, i, node, now_ticks);

	while (sim_chance(3))
		nest_io();
	return found;
}

// ---- buffers
// -------------------------------------------------------------------------------------

static void release_hoard(void)
{
	rte_pktmbuf_free_bulk(hoard, n_hoard);
	n_hoard = 0;
}

// Leaves next to no buffers, for a while.
static void hoard_mbufs(void)
{
	unsigned left = sim_below(6);

	while (n_hoard < HOARD_MAX && rte_mempool_avail_count(sim.f.pool) > left)
		hoard[n_hoard++] = rte_pktmbuf_alloc(sim.f.pool);
}

// ---- opening and closing
// -------------------------------------------------------------------------

static void publish_catalogs(void)
{
	struct mr_err err = {0};
	char text[512];

	for (unsigned c = 0; c < 1u << MODEL_SETS; c++) {
		const struct mr_catalog *catalog;

		catalog_of(c, text, sizeof(text));
		catalog = mr_catalog_build(&sim.f.arena, "catalog", text, strlen(text), &err);
		if (catalog == NULL)
			sim_fail(err.text, NULL, 0, 0);
		sim.published[c] = mr_published_build(&sim.f.arena, catalog, c + 2);
	}
	atomic_store(&sim.f.tiers.published, sim.published[sim.current[sim.n_switches]]);
}

static void open_fixture(bool without_filter)
{
	char text[512];
	struct mr_fixture_params params = {
		.catalog = catalog_of(0, text, sizeof(text)),
		.store_path = sim.dir,
		.cache_bytes = 1 << 20,
		.cache_rows = 48,
		.filter_keys = FILTER_KEYS,
		.n_rx = SIM_RX,
		.n_io = SIM_IO,
		.handoff_depth = 4,
		.ring_slots = 32,
		.n_mbufs = 2200,
		.mtu_bytes = sim.mtu_bytes,
		.no_filter = without_filter,
	};

	if (mr_fixture_init(&sim.f, &params) < 0)
		sim_fail("the fixture cannot be made", NULL, 0, 0);
	publish_catalogs();
	mr_fixture_set_time(&sim.f, sim.now_us);
}

static void new_dir(char *dir, size_t bytes)
{
	snprintf(dir, bytes, "%s/%u", sim.base, sim.n_dirs++);
}

static void run(const char *verb, const char *a, const char *b)
{
	char command[192];

	snprintf(command, sizeof(command), "%s %s %s", verb, a, b);
	if (system(command) != 0)
		sim_fail(command, NULL, 0, 0);
}

void sim_open(uint64_t seed)
{
	memset(&sim, 0, sizeof(sim));
	sim.seed = seed;
	sim.rng.state = seed;
	sim.now_us = UINT64_C(1800000000000000);
	sim.mtu_bytes = seed % 2 ? 1500 : 9500;
	model_clear(&sim.model);
	snprintf(sim.base, sizeof(sim.base), "/tmp/mr-sim-XXXXXX");
	if (mkdtemp(sim.base) == NULL)
		sim_fail("no directory", NULL, 0, 0);
	new_dir(sim.dir, sizeof(sim.dir));
	open_fixture(false);
}

static void collect_tally(void)
{
	struct mr_cache_stats cache;

	mr_cache_stats(sim.f.node.cache, &cache);
	sim.tally.evictions += cache.evictions[MR_CACHE_EVICT_CAPACITY];
	sim.tally.hits += mr_fixture_rx_count(&sim.f, hits);
	sim.tally.negatives += mr_fixture_rx_count(&sim.f, negatives);
	sim.tally.shed += mr_fixture_rx_count(&sim.f, shed);
	sim.tally.torn += mr_fixture_rx_count(&sim.f, torn);
	sim.tally.no_mbuf += mr_fixture_reason(&sim.f, no_mbuf);
	sim.tally.tx_full += mr_fixture_reason(&sim.f, tx_full);
	sim.tally.fills += mr_fixture_io_count(&sim.f, fills);
	sim.tally.fills_stale += mr_fixture_io_count(&sim.f, fills_stale);
}

static void free_filters(void)
{
	mr_store_scan_end(sim.scan);
	sim.scan = NULL;
	for (unsigned i = 0; i < 2; i++) {
		mr_mem_free(sim.filter_mem[i]);
		sim.filter_mem[i] = NULL;
	}
	sim.filter_swapped = false;
}

static void close_fixture(void)
{
	release_hoard();
	collect_tally();
	free_filters();
	mr_fixture_done(&sim.f);
}

void sim_close(void)
{
	sim_settle();
	close_fixture();
	run("rm -rf", sim.base, "");
	model_clear(&sim.model);
}

void sim_settle(void)
{
	struct mr_err err = {0};
	unsigned work;

	release_hoard();
	do {
		work = 0;
		for (unsigned i = 0; i < SIM_RX; i++)
			work += sim_turn_rx(i);
		for (unsigned i = 0; i < SIM_IO; i++)
			work += sim_turn_io(i);
		sim_receive();
	} while (work > 0);
	sim_forget();
	if (!mr_fixture_balanced(&sim.f))
		sim_fail("answered + sum(reasons) is not received", NULL, 0, 0);
	if (mr_fixture_missing_mbufs(&sim.f) != 0)
		sim_fail("mbufs are missing", NULL, 0, 0);
	if (mr_cache_check(sim.f.node.cache, &err) < 0)
		sim_fail(err.text, NULL, 0, 0);
}

void sim_advance_clock(void)
{
	if (sim_chance(3))
		hoard_mbufs();
	else if (n_hoard > 0)
		release_hoard();
	sim.client_sleeps = sim_chance(4);
	sim.now_us += sim_below(1500000);
	mr_fixture_set_time(&sim.f, sim.now_us);
}

// ---- the operator
// --------------------------------------------------------------------------------

static uint64_t hash_of(const struct mr_store_item *item)
{
	return mr_hash_row(mr_hash_key(item->key, item->key_bytes), item->space);
}

static void begin_rebuild(void)
{
	struct mr_bloom_params params = {.capacity_keys = FILTER_KEYS, .fpr = 0.01};
	size_t bytes = mr_bloom_memsize(&params);
	unsigned next = !sim.filter_used;

	sim.filter_mem[next] = mr_mem_alloc("sim", bytes, MR_CACHE_LINE_BYTES, 0);
	// The writers first, the snapshot then.
	atomic_store(&sim.f.node.bloom_next, mr_bloom_init(sim.filter_mem[next], bytes, &params));
	sim.scan = mr_store_scan_begin(sim.f.store, 0);
}

static void end_rebuild(void)
{
	atomic_store(&sim.f.node.bloom_next, NULL);
	mr_mem_free(sim.filter_mem[sim.filter_used]);
	sim.filter_mem[sim.filter_used] = NULL;
	sim.filter_used = !sim.filter_used;
	sim.filter_swapped = false;
	sim.tally.rebuilds++;
}

void sim_rebuild_step(void)
{
	struct mr_bloom *next = atomic_load(&sim.f.node.bloom_next);
	struct mr_store_item item;

	if (sim.filter_swapped) {
		end_rebuild();
		return;
	}
	if (sim.scan == NULL) {
		begin_rebuild();
		return;
	}
	for (unsigned i = 0; i < KEYS_A_REBUILD_STEP; i++) {
		if (mr_store_scan_next(sim.scan, &item, NULL) == 1) {
			mr_bloom_add(next, hash_of(&item));
			continue;
		}
		mr_store_scan_end(sim.scan);
		sim.scan = NULL;
		atomic_store(&sim.f.node.bloom, next);
		sim.filter_swapped = true;
		return;
	}
}

void sim_switch(void)
{
	unsigned set = sim_below(MODEL_SETS);

	// All that were ever in force stay there, as they do until every lcore has let go of them.
	if (sim.n_switches + 1 == SIM_SWITCHES_MAX)
		return;
	sim.current[sim.n_switches + 1] = (uint8_t)(sim.current[sim.n_switches] ^ 1u << set);
	sim.n_switches++;
	atomic_store(&sim.f.tiers.published, sim.published[sim.current[sim.n_switches]]);
	sim.tally.switches++;
}

static void fill_filter(void)
{
	struct mr_store_scan *scan = mr_store_scan_begin(sim.f.store, 0);
	struct mr_store_item item;

	while (mr_store_scan_next(scan, &item, NULL) == 1)
		mr_bloom_add(mr_node_bloom(&sim.f.node), hash_of(&item));
	mr_store_scan_end(scan);
}

// Kills the appliance: what its files are at this moment is all that is left of it.
void sim_restart(void)
{
	char dir[sizeof(sim.dir)];
	bool serve_first = sim_chance(2);
	struct mr_store_stats stats;

	// Files are copied one by one, so none may come or go meanwhile.
	do
		mr_store_stats(sim.f.store, &stats);
	while (stats.running_compactions + stats.running_flushes > 0);
	new_dir(dir, sizeof(dir));
	run("cp -r", sim.dir, dir);
	sim_receive();
	sim_forget();
	close_fixture();
	run("rm -rf", sim.dir, "");
	memcpy(sim.dir, dir, sizeof(dir));
	open_fixture(serve_first);
	if (!serve_first)
		fill_filter();
	sim.tally.restarts++;
}
