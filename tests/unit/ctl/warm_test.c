// SPDX-License-Identifier: BSD-3-Clause
#include "ctl_eal.h"
#include "mr_hash.h"
#include "mr_registry.h"
#include "mr_warm.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <time.h>

#include <rte_cycles.h>

#define USER "[set user]\nid = 7\nkey = u64\nttl = 7d\ncolumn age = i32\n"
#define KEYS 1500u
#define LARGE (4u << 20)

/** An appliance that can be stopped and started again; the store stays. */
struct world {
	struct rig rig;
	struct mr_registry *registry;
	void *mem[RIG_NODES];
	struct mr_warm *warm;
	uint32_t layout;
	uint64_t now_us;
};

static struct world w;

static void make_caches(uint64_t max_rows, unsigned k)
{
	struct mr_cache_params params = {.budget_bytes = LARGE,
		.max_rows = max_rows,
		.k = (uint8_t)k,
		.crp_ratio = -1,
		.history_ratio = -1};
	size_t bytes = mr_cache_memsize(&params);

	for (unsigned i = 0; i < RIG_NODES; i++) {
		struct mr_node *node = &w.rig.nodes[i];

		free(w.mem[i]);
		w.mem[i] = aligned_alloc(MR_CACHE_ALIGN, bytes);
		node->cache = mr_cache_init(w.mem[i], bytes, &params);
		assert_non_null(node->cache);
		node->tick_shift = (uint32_t)__builtin_ctzll(mr_cache_tick_accesses(node->cache));
		atomic_store(&node->accesses, 0);
	}
}

static void apply(const char *text)
{
	struct mr_err err = {""};

	if (mr_registry_apply(w.registry, "f", text, strlen(text), NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void version(enum mr_registry_op op, uint16_t number)
{
	struct mr_err err = {""};
	FILE *out = fopen("/dev/null", "w");

	if (mr_registry_version(w.registry, op, "user", number, false, out, &err) < 0)
		fail_msg("%s", err.text);
	fclose(out);
}

static int set_up(void **state)
{
	struct mr_err err = {""};

	(void)state;
	memset(&w, 0, sizeof(w));
	rig_make(&w.rig);
	w.registry = mr_registry_create(&w.rig.tiers, w.rig.store, 0, &err);
	assert_non_null(w.registry);
	apply(USER);
	w.layout =
		mr_catalog_set_by_name(mr_tiers_published(&w.rig.tiers)->catalog, "user")->layout;
	w.now_us = mr_clock_us(&w.rig.clock, rte_rdtsc());
	make_caches(0, 2);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	mr_warm_free(w.warm);
	mr_registry_free(w.registry);
	for (unsigned i = 0; i < RIG_NODES; i++)
		free(w.mem[i]);
	rig_done(&w.rig);
	return 0;
}

// ---- rows: their bytes follow from key and event time -------------------------------------------

static void make_bytes(uint64_t key, uint64_t event_time_us, uint8_t bytes[16])
{
	uint64_t words[2] = {key * UINT64_C(0x9e3779b97f4a7c15), event_time_us ^ key};

	memcpy(bytes, words, sizeof(words));
}

static void store_row(mr_space_t space, uint64_t key, uint64_t event_time_us, uint32_t layout)
{
	uint8_t bytes[16];
	struct mr_store_put put = {.space = space,
		.key = &key,
		.key_bytes = sizeof(key),
		.event_time_us = event_time_us,
		.layout = layout,
		.row = bytes,
		.row_bytes = sizeof(bytes)};

	make_bytes(key, event_time_us, bytes);
	assert_int_equal(mr_store_commit(w.rig.store, &put, 1, false, NULL), 0);
}

static uint64_t hash_of(mr_space_t space, uint64_t key)
{
	return mr_hash_row(mr_hash_key(&key, sizeof(key)), space);
}

static struct mr_cache_row row_of(
	mr_space_t space, const uint64_t *key, uint64_t event_time_us, uint8_t bytes[16])
{
	make_bytes(*key, event_time_us, bytes);
	return (struct mr_cache_row){.hash = hash_of(space, *key),
		.space = space,
		.key = key,
		.key_bytes = sizeof(*key),
		.row = bytes,
		.row_bytes = 16,
		.event_time_us = event_time_us};
}

static void cache_row(unsigned node, mr_space_t space, uint64_t key, uint64_t event_time_us)
{
	struct mr_cache *cache = w.rig.nodes[node].cache;
	uint8_t bytes[16];
	struct mr_cache_row row = row_of(space, &key, event_time_us, bytes);

	assert_int_equal(mr_cache_fill(cache, &row, mr_cache_lease(cache, row.hash),
				 mr_node_ticks(&w.rig.nodes[node])),
		0);
}

/** The event time of what is cached, or 0; fails when its bytes are wrong. */
static uint64_t cached(unsigned node, mr_space_t space, uint64_t key)
{
	struct mr_cache_ref ref;
	uint8_t got[16], want[16];

	if (!mr_cache_get(w.rig.nodes[node].cache, hash_of(space, key), space, &key, sizeof(key),
		    mr_node_ticks(&w.rig.nodes[node]), got, sizeof(got), &ref))
		return 0;
	make_bytes(key, ref.event_time_us, want);
	assert_int_equal(ref.row_bytes, 16);
	assert_memory_equal(got, want, sizeof(got));
	return ref.event_time_us;
}

static unsigned count_cached(unsigned node, uint64_t first, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++)
		found += cached(node, mr_space(7, 1), first + i) != 0;
	return found;
}

/** Rows 0 to KEYS - 1: on node 0 all but the last 500, on node 1 all but the first 500. */
static void fill_both(void)
{
	for (uint64_t key = 0; key < KEYS; key++)
		store_row(mr_space(7, 1), key, w.now_us, w.layout);
	for (uint64_t key = 0; key < KEYS - 500; key++) {
		cache_row(0, mr_space(7, 1), key, w.now_us);
		cache_row(1, mr_space(7, 1), 500 + key, w.now_us);
	}
}

// ---- stop and start
// ------------------------------------------------------------------------------

static void create(uint64_t keys_per_s)
{
	struct mr_warm_params params = {.tiers = &w.rig.tiers,
		.store = w.rig.store,
		.registry = w.registry,
		.path = w.rig.dir,
		.keys_per_s = keys_per_s};

	mr_warm_free(w.warm);
	w.warm = mr_warm_create(&params, NULL);
	assert_non_null(w.warm);
}

static void start(uint64_t keys_per_s, bool load)
{
	struct mr_err err = {""};

	create(keys_per_s);
	if (mr_warm_start(w.warm, load, &err) < 0)
		fail_msg("%s", err.text);
}

/** A clean stop of what runs. */
static void save(void)
{
	struct mr_err err = {""};

	if (w.warm == NULL)
		start(0, false);
	mr_warm_stop(w.warm);
	if (mr_warm_save(w.warm, &err) < 0)
		fail_msg("%s", err.text);
}

static struct mr_warm_stats stats_of(unsigned node)
{
	struct mr_warm_stats stats;

	mr_warm_stats(w.warm, node, &stats);
	return stats;
}

static void wait_over(void)
{
	struct timespec nap = {.tv_nsec = 1000000};

	for (unsigned node = 0; node < RIG_NODES; node++)
		while (stats_of(node).state == MR_WARM_READING)
			nanosleep(&nap, NULL);
}

static void expect(
	unsigned node, enum mr_warm_state state, uint64_t keys, uint64_t done, uint64_t rows)
{
	struct mr_warm_stats s = stats_of(node);

	if (s.state != state || s.keys != keys || s.done != done || s.rows != rows)
		fail_msg("node %u: %s, %" PRIu64 " keys, %" PRIu64 " done, %" PRIu64 " rows", node,
			mr_warm_state_name(s.state), s.keys, s.done, s.rows);
}

static void test_both_nodes_are_back(void **state)
{
	(void)state;
	fill_both();
	save();
	make_caches(0, 2);
	start(0, true);
	wait_over();
	expect(0, MR_WARM_DONE, 1000, 1000, 1000);
	expect(1, MR_WARM_DONE, 1000, 1000, 1000);
	assert_int_equal(count_cached(0, 0, 1000), 1000);
	assert_int_equal(count_cached(0, 1000, 500), 0);
	assert_int_equal(count_cached(1, 0, 500), 0);
	assert_int_equal(count_cached(1, 500, 1000), 1000);
	assert_true(stats_of(0).us > 0);
	// Once more, from a stop without any traffic: the file is the same.
	save();
	make_caches(0, 2);
	start(0, true);
	wait_over();
	expect(1, MR_WARM_DONE, 1000, 1000, 1000);
	// Without wanting it: nothing is read, and nothing is in the way of saving.
	make_caches(0, 2);
	start(0, false);
	expect(0, MR_WARM_OFF, 0, 0, 0);
	save();
	start(0, true);
	wait_over();
	expect(0, MR_WARM_DONE, 0, 0, 0);
}

// A smaller cache gets the best rows, and those that were asked for again are known to it.
static void test_best_first(void **state)
{
	struct mr_cache *cache;
	unsigned best = 0;

	(void)state;
	fill_both();
	atomic_store(&w.rig.nodes[0].accesses, 1000 << w.rig.nodes[0].tick_shift);
	for (uint64_t key = 300; key < 500; key++)
		assert_true(cached(0, mr_space(7, 1), key) != 0);
	// Past any window, so that only being known makes them better than newer strangers.
	atomic_store(&w.rig.nodes[0].accesses, 9000 << w.rig.nodes[0].tick_shift);
	save();
	make_caches(256, 2);
	start(0, true);
	wait_over();
	assert_int_equal(stats_of(0).state, MR_WARM_FULL);
	assert_int_equal(stats_of(0).rows, 256);
	cache = w.rig.nodes[0].cache;
	for (uint64_t key = 300; key < 500; key++) {
		uint64_t hash = hash_of(mr_space(7, 1), key);

		best += mr_cache_has(cache, hash, mr_space(7, 1), &key, sizeof(key));
	}
	assert_int_equal(best, 200);
	// Nothing else was displaced for the rest.
	for (unsigned i = 0; i < MR_CACHE_EVICT_COUNT; i++) {
		struct mr_cache_stats s;

		mr_cache_stats(cache, &s);
		assert_int_equal(s.evictions[i], 0);
	}
}

// Between stop and start the world may change.
static void test_what_is_gone_stays_away(void **state)
{
	uint64_t key = 900;
	uint8_t bytes[16];
	struct mr_cache_row row;

	(void)state;
	version(MR_REGISTRY_ADD, 2);
	version(MR_REGISTRY_ADD, 3);
	for (key = 0; key < 800; key++) {
		uint16_t v = key < 500 ? 1 : key < 600 ? 2 : 3;

		// Rows 0 to 99: never there; 100 to 199: expired; 200 to 299: another layout.
		if (key >= 100)
			store_row(mr_space(7, v), key,
				key < 200 ? w.now_us - UINT64_C(8) * 86400 * MR_US_PER_S : w.now_us,
				key >= 200 && key < 300 ? w.layout + 1 : w.layout);
		cache_row(0, mr_space(7, v), key, w.now_us);
	}
	cache_row(0, mr_space(99, 1), 1, w.now_us);
	save();
	version(MR_REGISTRY_SWITCH, 2);
	version(MR_REGISTRY_DROP, 3);
	// 300 to 399: written since, in the store alone or in the cache as well.
	for (key = 300; key < 400; key++)
		store_row(mr_space(7, 1), key, w.now_us + 7, w.layout);
	make_caches(0, 2);
	for (key = 300; key < 350; key++) {
		row = row_of(mr_space(7, 1), &key, w.now_us + 7, bytes);
		assert_int_equal(mr_cache_update(w.rig.nodes[0].cache, &row, true, 1), 0);
	}
	start(0, true);
	wait_over();
	expect(0, MR_WARM_DONE, 801, 801, 250);
	for (key = 0; key < 800; key++) {
		uint64_t want = key < 300                 ? 0
		                : key >= 400 && key < 600 ? w.now_us
		                : key < 400               ? w.now_us + 7
		                                          : 0;
		uint16_t v = key < 500 ? 1 : key < 600 ? 2 : 3;

		if (cached(0, mr_space(7, v), key) != want)
			fail_msg("key %" PRIu64 ": %" PRIu64, key, cached(0, mr_space(7, v), key));
	}
	assert_int_equal(cached(0, mr_space(99, 1), 1), 0);
}

static int open_saved(unsigned node)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/" MR_WARM_FILE, w.rig.dir, node);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	return fd;
}

// Any byte changed, or any cut: what stands before the damage is used, and nothing after it.
static void test_damaged_file(void **state)
{
	enum { CHUNK = 24 + 256 * 17 };
	static const struct {
		long at; //!< negative: cut there
		uint64_t keys, done;
	} cases[] = {
		{0, 0, 0},
		{9, 0, 0},
		{17, 0, 0},
		{30, 0, 0},
		{32, 1000, 0},
		{37, 1000, 0},
		{45, 1000, 0},
		{50, 1000, 0},
		{60, 1000, 0},
		{32 + CHUNK - 1, 1000, 0},
		{32 + CHUNK, 1000, 256},
		{32 + 2 * CHUNK + 1000, 1000, 512},
		{-20, 0, 0},
		{-(32 + 10), 1000, 0},
		{-(32 + CHUNK), 1000, 256},
		{-(32 + 3 * CHUNK - 1), 1000, 512},
	};

	(void)state;
	fill_both();
	save();
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		int fd = open_saved(0);
		uint8_t byte;

		if (cases[i].at < 0) {
			assert_int_equal(ftruncate(fd, -cases[i].at), 0);
		} else {
			assert_int_equal(pread(fd, &byte, 1, cases[i].at), 1);
			byte ^= 0x10;
			assert_int_equal(pwrite(fd, &byte, 1, cases[i].at), 1);
		}
		close(fd);
		make_caches(0, 2);
		start(0, true);
		wait_over();
		expect(0, MR_WARM_REFUSED, cases[i].keys, cases[i].done, cases[i].done);
		expect(1, MR_WARM_DONE, 1000, 1000, 1000);
		assert_int_equal(count_cached(0, 0, KEYS), cases[i].done);
		for (uint64_t key = 0; key < 1000; key++)
			if (cached(0, mr_space(7, 1), key) == 0)
				cache_row(0, mr_space(7, 1), key, w.now_us);
		save();
	}
}

static void test_other_version(void **state)
{
	struct {
		char magic[8];
		uint32_t version, node;
		uint64_t n_keys, check;
	} head;
	int fd;

	(void)state;
	fill_both();
	save();
	fd = open_saved(0);
	assert_int_equal(pread(fd, &head, sizeof(head), 0), sizeof(head));
	assert_int_equal(head.version, 1);
	assert_int_equal(head.check, mr_hash_key(&head, 24));
	head.version = 2;
	head.check = mr_hash_key(&head, 24);
	assert_int_equal(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	close(fd);
	make_caches(0, 2);
	start(0, true);
	wait_over();
	expect(0, MR_WARM_REFUSED, 0, 0, 0);
	assert_int_equal(count_cached(0, 0, KEYS), 0);
}

// Stopped before all was read back: the rest is read back the next time.
static void test_rest_is_carried_over(void **state)
{
	(void)state;
	fill_both();
	save();
	make_caches(0, 2);
	start(1, true);
	while (stats_of(0).done < 256)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	save();
	assert_int_equal(stats_of(0).state, MR_WARM_STOPPED);
	assert_true(stats_of(0).done < 1000);
	assert_int_equal(count_cached(0, 0, KEYS), stats_of(0).done);
	// A start that failed before caches were warmed saves nothing.
	make_caches(0, 2);
	create(0);
	assert_int_equal(mr_warm_save(w.warm, NULL), 0);
	// A rate that is lifted is lifted at once.
	start(1, true);
	mr_warm_set_rate(w.warm, 0);
	wait_over();
	expect(0, MR_WARM_DONE, 1000, 1000, 1000);
	expect(1, MR_WARM_DONE, 1000, 1000, 1000);
	assert_int_equal(count_cached(0, 0, 1000), 1000);
	assert_int_equal(count_cached(1, 500, 1000), 1000);
}

// Another K, or another size: the rows come back, their past means nothing.
static void test_other_form(void **state)
{
	char path[128];

	(void)state;
	fill_both();
	save();
	make_caches(0, 3);
	start(0, true);
	wait_over();
	expect(0, MR_WARM_DONE, 1000, 1000, 1000);
	// A node that had no file of its own.
	save();
	snprintf(path, sizeof(path), "%s/" MR_WARM_FILE, w.rig.dir, 1);
	assert_int_equal(unlink(path), 0);
	make_caches(0, 3);
	start(0, true);
	wait_over();
	expect(1, MR_WARM_DONE, 1000, 1000, 1000);
	assert_int_equal(count_cached(1, 0, 1000), 1000);
}

struct writer {
	_Atomic bool stop;
	_Atomic uint64_t acked[KEYS]; //!< event times
};

// Writes as I/O lcores do: the store, then the caches, then the acknowledgement.
static void *write_on(void *arg)
{
	struct writer *writer = arg;

	for (uint64_t i = 1; !atomic_load(&writer->stop); i++) {
		uint64_t key = i * 7919 % KEYS, time_us = w.now_us + i;
		uint8_t bytes[16];
		struct mr_cache_row row = row_of(mr_space(7, 1), &key, time_us, bytes);

		store_row(mr_space(7, 1), key, time_us, w.layout);
		for (unsigned node = 0; node < RIG_NODES; node++)
			mr_cache_update(w.rig.nodes[node].cache, &row, false, 1);
		atomic_store(&writer->acked[key], time_us);
	}
	return NULL;
}

static void test_writes_meanwhile(void **state)
{
	static struct writer writer;
	pthread_t thread;

	(void)state;
	fill_both();
	for (unsigned node = 0; node < RIG_NODES; node++)
		for (uint64_t key = 0; key < KEYS; key++)
			if (cached(node, mr_space(7, 1), key) == 0)
				cache_row(node, mr_space(7, 1), key, w.now_us);
	save();
	memset(&writer, 0, sizeof(writer));
	for (unsigned round = 0; round < 8; round++) {
		make_caches(0, 2);
		atomic_store(&writer.stop, false);
		pthread_create(&thread, NULL, write_on, &writer);
		start(0, true);
		wait_over();
		atomic_store(&writer.stop, true);
		pthread_join(thread, NULL);
		for (unsigned node = 0; node < RIG_NODES; node++)
			for (uint64_t key = 0; key < KEYS; key++) {
				uint64_t have = cached(node, mr_space(7, 1), key);

				if (have != 0 && have < atomic_load(&writer.acked[key]))
					fail_msg("round %u, node %u, key %" PRIu64 ": stale", round,
						node, key);
			}
		assert_true(count_cached(0, 0, KEYS) > KEYS / 2);
	}
}

static void test_save_refused(void **state)
{
	struct mr_err err = {""};
	char path[128];

	(void)state;
	start(0, true);
	expect(0, MR_WARM_OFF, 0, 0, 0);
	snprintf(path, sizeof(path), "%s/" MR_WARM_FILE, w.rig.dir, 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(mr_warm_save(w.warm, &err) < 0);
	assert_non_null(strstr(err.text, "cannot save the keys"));
	mr_warm_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_nodes_are_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_best_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_gone_stays_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_file, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_rest_is_carried_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_other_form, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_writes_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_save_refused, set_up, tear_down),
	};

	if (eal_start("--no-telemetry") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
