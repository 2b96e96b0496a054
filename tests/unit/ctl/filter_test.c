// SPDX-License-Identifier: BSD-3-Clause
#include "ctl_eal.h"
#include "mr_filter.h"
#include "mr_hash.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#define KEYS 4000u

static uint64_t hash_of(uint64_t key)
{
	return mr_hash_row(mr_hash_key(&key, sizeof(key)), mr_space(7, 1));
}

/** Commits keys [first, first + n). */
static void put_keys(struct rig *rig, uint64_t first, unsigned n, bool deleted)
{
	uint64_t keys[64];
	struct mr_store_put puts[64];
	struct mr_err err = {""};

	for (unsigned done = 0; done < n;) {
		unsigned burst = MR_MIN(n - done, 64u);

		for (unsigned i = 0; i < burst; i++) {
			keys[i] = first + done + i;
			puts[i] = (struct mr_store_put){
				.space = mr_space(7, 1),
				.key = &keys[i],
				.key_bytes = sizeof(keys[i]),
				.deleted = deleted,
				.event_time_us = 1,
				.row = "12345678",
				.row_bytes = deleted ? 0 : 8,
			};
		}
		if (mr_store_commit(rig->store, puts, burst, false, &err) < 0)
			fail_msg("%s", err.text);
		done += burst;
	}
}

static struct mr_filter_params params_of(struct rig *rig)
{
	return (struct mr_filter_params){
		.tiers = &rig->tiers,
		.store = rig->store,
		.path = rig->dir,
		.keys = KEYS,
		.fpr = 0.001,
		.rebuild_above = 0.01,
		.check_ms = 5,
	};
}

static struct mr_filter *start(const struct mr_filter_params *params)
{
	struct mr_err err = {""};
	struct mr_filter *f = mr_filter_create(params, &err);

	if (f == NULL || mr_filter_start(f, &err) < 0)
		fail_msg("%s", err.text);
	return f;
}

static struct mr_filter_stats wait_rebuilds(struct mr_filter *f, uint64_t rebuilds)
{
	struct timespec nap = {.tv_nsec = 1000000};
	struct mr_filter_stats stats;

	for (unsigned i = 0; i < 10000; i++) {
		mr_filter_stats(f, &stats);
		if (stats.rebuilds >= rebuilds && stats.state == MR_FILTER_READY)
			return stats;
		nanosleep(&nap, NULL);
	}
	fail_msg("no rebuild number %u", (unsigned)rebuilds);
	return stats;
}

static void check_present(struct rig *rig, uint64_t first, unsigned n)
{
	for (unsigned node = 0; node < RIG_NODES; node++)
		for (unsigned i = 0; i < n; i++)
			if (!mr_bloom_test(mr_node_bloom(&rig->nodes[node]), hash_of(first + i)))
				fail_msg("node %u: key %u absent", node, (unsigned)first + i);
}

static unsigned count_maybe(struct rig *rig, uint64_t first, unsigned n)
{
	unsigned maybe = 0;

	for (unsigned i = 0; i < n; i++)
		maybe += mr_bloom_test(mr_node_bloom(&rig->nodes[0]), hash_of(first + i));
	return maybe;
}

static void test_build(void **state)
{
	struct mr_filter_params params;
	struct mr_filter_stats stats;
	struct mr_bloom_stats bloom;
	struct mr_filter *f;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	put_keys(&rig, 0, KEYS, false);
	put_keys(&rig, KEYS, 100, true);
	params = params_of(&rig);
	f = mr_filter_create(&params, NULL);
	assert_non_null(f);
	mr_filter_stats(f, &stats);
	assert_int_equal(stats.state, MR_FILTER_NONE);
	assert_false(stats.in_force);
	assert_null(mr_node_bloom(&rig.nodes[0]));
	assert_false(mr_filter_node_stats(f, 0, &bloom));
	assert_int_equal(mr_filter_start(f, NULL), 0);
	stats = wait_rebuilds(f, 1);
	assert_true(stats.in_force);
	assert_false(stats.loaded);
	assert_int_equal(stats.done_keys, KEYS + 100);
	assert_string_equal(stats.last_error, "");
	assert_string_equal(mr_filter_state_name(stats.state), "ready");
	// Deleted keys stay known.
	check_present(&rig, 0, KEYS + 100);
	assert_true(count_maybe(&rig, 1 << 20, 10000) < 50);
	assert_null(atomic_load(&rig.nodes[0].bloom_next));
	assert_true(mr_filter_node_stats(f, 1, &bloom));
	assert_int_equal(bloom.added_keys, KEYS + 100);
	assert_false(mr_filter_node_stats(f, 2, &bloom));
	mr_filter_rebuild(f);
	wait_rebuilds(f, 2);
	mr_filter_free(f);
	assert_null(mr_node_bloom(&rig.nodes[0]));
	mr_filter_free(NULL);
	rig_done(&rig);
}

// A filter that fills up is rebuilt larger, once.
static void test_outgrown(void **state)
{
	struct mr_filter_params params;
	struct mr_bloom_stats bloom;
	struct mr_filter *f;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	params = params_of(&rig);
	f = start(&params);
	wait_rebuilds(f, 1);
	// One turn of an I/O lcore: the rebuild may start within it, its scan only after it.
	mr_rcu_join(&rig.rcu, 0);
	put_keys(&rig, 0, 3 * KEYS, false);
	for (unsigned node = 0; node < RIG_NODES; node++)
		for (unsigned i = 0; i < 3 * KEYS; i++)
			mr_bloom_add(mr_node_bloom(&rig.nodes[node]), hash_of(i));
	mr_rcu_leave(&rig.rcu, 0);
	wait_rebuilds(f, 2);
	check_present(&rig, 0, 3 * KEYS);
	assert_true(mr_filter_node_stats(f, 0, &bloom));
	assert_true(bloom.capacity_keys >= 3 * KEYS);
	assert_true(bloom.fpr_load < 0.01);
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	assert_int_equal(wait_rebuilds(f, 2).rebuilds, 2);
	// A threshold below what there is does not start one after the other.
	mr_filter_set_rebuild_above(f, 1e-9);
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	assert_int_equal(wait_rebuilds(f, 2).rebuilds, 2);
	mr_filter_free(f);
	rig_done(&rig);
}

// A start that finds more rows in tables than were configured makes room for them at once.
static void test_sized_by_the_store(void **state)
{
	struct mr_filter_params params;
	struct mr_filter_stats stats;
	struct mr_bloom_stats bloom;
	struct mr_filter *f;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	put_keys(&rig, 0, 3 * KEYS, false);
	assert_int_equal(mr_store_flush(rig.store, NULL), 0);
	rig_close_store(&rig);
	rig_open_store(&rig);
	params = params_of(&rig);
	f = start(&params);
	stats = wait_rebuilds(f, 1);
	assert_int_equal(stats.rebuilds, 1);
	assert_int_equal(stats.estimate_keys, 3 * KEYS);
	assert_true(mr_filter_node_stats(f, 0, &bloom));
	assert_true(bloom.capacity_keys >= 3 * KEYS);
	assert_true(stats.build_cpu_us > 0 && stats.build_cpu_us <= stats.build_us + 1);
	mr_filter_free(f);
	rig_done(&rig);
}

static char *saved_path(struct rig *rig, char *path, size_t path_bytes)
{
	snprintf(path, path_bytes, "%s/" MR_FILTER_FILE, rig->dir);
	return path;
}

/** Builds, saves and closes, so that the directory holds a good file. */
static void save_one(struct rig *rig)
{
	struct mr_filter_params params = params_of(rig);
	struct mr_err err = {""};
	struct mr_filter *f = start(&params);
	char path[128];

	wait_rebuilds(f, 1);
	mr_filter_stop(f);
	if (mr_filter_save(f, &err) < 0)
		fail_msg("%s", err.text);
	mr_filter_free(f);
	assert_int_equal(access(saved_path(rig, path, sizeof(path)), F_OK), 0);
	rig_close_store(rig);
	rig_open_store(rig);
}

static bool loads(struct rig *rig, const struct mr_filter_params *params)
{
	struct mr_filter *f = mr_filter_create(params, NULL);
	struct mr_filter_stats stats;
	char path[128];

	assert_non_null(f);
	mr_filter_stats(f, &stats);
	assert_true(stats.loaded == stats.in_force);
	if (stats.loaded) {
		assert_int_equal(stats.state, MR_FILTER_READY);
		check_present(rig, 0, KEYS);
	}
	// Loaded or not, a crash from here on must not find it.
	assert_int_equal(access(saved_path(rig, path, sizeof(path)), F_OK), -1);
	mr_filter_free(f);
	return stats.loaded;
}

static void test_save_and_load(void **state)
{
	struct mr_filter_params params;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	put_keys(&rig, 0, KEYS, false);
	save_one(&rig);
	params = params_of(&rig);
	assert_true(loads(&rig, &params));
	assert_false(loads(&rig, &params)); // the file is gone

	save_one(&rig);
	params = params_of(&rig);
	params.fpr = 0.002;
	assert_false(loads(&rig, &params));

	save_one(&rig);
	params = params_of(&rig);
	params.keys = 10 * KEYS;
	assert_false(loads(&rig, &params));

	save_one(&rig);
	params = params_of(&rig);
	put_keys(&rig, KEYS, 1, false); // another sequence number
	assert_false(loads(&rig, &params));
	rig_done(&rig);
}

// Any byte changed, or any cut: built anew.
static void test_damaged_file(void **state)
{
	static const long places[] = {0, 9, 20, 30, 40, 57, 64, 80, 200, 1000, -1};
	struct mr_filter_params params;
	struct rig rig;
	char path[128];

	(void)state;
	rig_make(&rig);
	put_keys(&rig, 0, KEYS, false);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(places); i++) {
		uint8_t byte;
		int fd;

		save_one(&rig);
		fd = open(saved_path(&rig, path, sizeof(path)), O_RDWR);
		assert_true(fd >= 0);
		if (places[i] < 0) {
			assert_int_equal(ftruncate(fd, 1000), 0);
		} else {
			assert_int_equal(pread(fd, &byte, 1, places[i]), 1);
			byte ^= 0x10;
			assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
		}
		close(fd);
		params = params_of(&rig);
		if (loads(&rig, &params))
			fail_msg("taken over with byte %ld changed", places[i]);
	}
	rig_done(&rig);
}

static void test_save_refused(void **state)
{
	struct mr_filter_params params;
	struct mr_err err = {""};
	struct mr_filter *f;
	struct rig rig;
	char path[128];

	(void)state;
	rig_make(&rig);
	params = params_of(&rig);
	f = mr_filter_create(&params, NULL);
	assert_int_equal(mr_filter_save(f, &err), -ENOENT);
	assert_int_equal(mr_filter_start(f, &err), 0);
	wait_rebuilds(f, 1);
	mr_filter_stop(f);
	// A directory in the place of the file.
	assert_int_equal(mkdir(saved_path(&rig, path, sizeof(path)), 0700), 0);
	assert_true(mr_filter_save(f, &err) < 0);
	assert_non_null(strstr(err.text, "cannot save the filter"));
	mr_filter_free(f);
	rig_done(&rig);
}

// No memory for a filter of that size: said, and lookups go on without one.
static void test_no_memory(void **state)
{
	struct timespec nap = {.tv_nsec = 1000000};
	struct mr_filter_params params;
	struct mr_filter_stats stats;
	struct mr_filter *f;
	int stderr_fd, null_fd;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	params = params_of(&rig);
	params.keys = UINT64_C(1) << 36;
	stderr_fd = dup(STDERR_FILENO);
	null_fd = open("/dev/null", O_WRONLY);
	dup2(null_fd, STDERR_FILENO);
	f = start(&params);
	do {
		nanosleep(&nap, NULL);
		mr_filter_stats(f, &stats);
	} while (stats.failures == 0);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	close(null_fd);
	assert_int_equal(stats.state, MR_FILTER_NONE);
	assert_false(stats.in_force);
	assert_non_null(strstr(stats.last_error, "for a Bloom filter of 68719476736 keys"));
	mr_filter_free(f);
	rig_done(&rig);
}

struct writer {
	struct rig *rig;
	_Atomic bool stop;
	_Atomic uint64_t written;
};

// Writes as an I/O lcore does: filters first, then the store, then a quiescent state.
static void *write_on(void *arg)
{
	struct writer *w = arg;

	mr_rcu_join(&w->rig->rcu, 0);
	for (uint64_t key = 0; !atomic_load(&w->stop); key += 8) {
		for (unsigned node = 0; node < RIG_NODES; node++) {
			struct mr_node *at = &w->rig->nodes[node];
			struct mr_bloom *now = mr_node_bloom(at);
			struct mr_bloom *next = atomic_load(&at->bloom_next);

			for (unsigned i = 0; i < 8; i++) {
				if (now != NULL)
					mr_bloom_add(now, hash_of(key + i));
				if (next != NULL)
					mr_bloom_add(next, hash_of(key + i));
			}
		}
		put_keys(w->rig, key, 8, false);
		atomic_store(&w->written, key + 8);
		mr_rcu_quiescent(&w->rig->rcu, 0);
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	mr_rcu_leave(&w->rig->rcu, 0);
	return NULL;
}

// No false negative, whatever was being rebuilt while a key was written.
static void test_writes_during_rebuilds(void **state)
{
	static struct writer writer;
	struct mr_filter_params params;
	struct mr_filter *f;
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	params = params_of(&rig);
	params.check_ms = 1000;
	writer = (struct writer){.rig = &rig};
	f = start(&params);
	pthread_create(&thread, NULL, write_on, &writer);
	for (unsigned i = 2; i <= 8; i++) {
		uint64_t written;

		mr_filter_rebuild(f);
		wait_rebuilds(f, i);
		written = atomic_load(&writer.written);
		check_present(&rig, 0, (unsigned)written);
	}
	atomic_store(&writer.stop, true);
	pthread_join(thread, NULL);
	check_present(&rig, 0, (unsigned)writer.written);
	mr_filter_free(f);
	rig_done(&rig);
}

static struct mr_bloom *next_of(struct rig *rig)
{
	return atomic_load(&rig->nodes[RIG_NODES - 1].bloom_next);
}

static void nap_ms(unsigned ms)
{
	nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

// The order in which generations change, held up by an lcore (this thread) at each step.
static void test_waits_for_lcores(void **state)
{
	struct mr_filter_params params;
	struct mr_filter_stats stats;
	struct mr_bloom *old, *next;
	struct mr_filter *f;
	struct rig rig;

	(void)state;
	rig_make(&rig);
	put_keys(&rig, 0, KEYS, false);
	params = params_of(&rig);
	f = start(&params);
	wait_rebuilds(f, 1);
	put_keys(&rig, KEYS, 64, false);
	mr_rcu_join(&rig.rcu, 0);
	mr_rcu_quiescent(&rig.rcu, 0);
	old = mr_node_bloom(&rig.nodes[1]);
	mr_filter_rebuild(f);
	while (next_of(&rig) == NULL)
		nap_ms(1);
	// What this lcore is writing may not be in the next one: no scan before it has finished.
	next = next_of(&rig);
	nap_ms(20);
	mr_filter_stats(f, &stats);
	assert_int_equal(stats.done_keys, 0);
	assert_int_equal(stats.state, MR_FILTER_BUILDING);
	mr_rcu_quiescent(&rig.rcu, 0);
	while (mr_node_bloom(&rig.nodes[1]) == old)
		nap_ms(1);
	// It may still add to the old one alone if bloom_next were gone.
	nap_ms(20);
	assert_ptr_equal(mr_node_bloom(&rig.nodes[1]), next);
	assert_ptr_equal(next_of(&rig), next);
	mr_rcu_quiescent(&rig.rcu, 0);
	while (next_of(&rig) != NULL)
		nap_ms(1);
	// It may still hold the old one: it is not freed, and the rebuild not over.
	nap_ms(20);
	mr_filter_stats(f, &stats);
	assert_int_equal(stats.rebuilds, 1);
	assert_true(mr_bloom_test(old, hash_of(1)));
	mr_rcu_quiescent(&rig.rcu, 0);
	wait_rebuilds(f, 2);
	check_present(&rig, 0, KEYS + 64);
	mr_rcu_leave(&rig.rcu, 0);
	mr_filter_free(f);
	rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_outgrown),
		cmocka_unit_test(test_sized_by_the_store),
		cmocka_unit_test(test_save_and_load),
		cmocka_unit_test(test_damaged_file),
		cmocka_unit_test(test_save_refused),
		cmocka_unit_test(test_waits_for_lcores),
		cmocka_unit_test(test_writes_during_rebuilds),
		cmocka_unit_test(test_no_memory),
	};

	if (eal_start("--no-telemetry") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
