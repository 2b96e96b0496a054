// SPDX-License-Identifier: BSD-3-Clause
//
// Two RX lcores that answer requests for the same ten rows write no line that both of them read,
// but for the rows' access history, once per row and correlated reference period: else the lines
// of hot rows would travel between their caches. Cache, filter and catalog are made read-only
// while the lcores work, and a write anywhere in them is a fault.
#include "path_util.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "mr_units.h"

#define HOT_ROWS 10u
#define LCORES 2u
#define CACHE_BYTES (2 * MR_MIB)
#define PAGE_BYTES 4096u
#define PERIODS 20u

static struct path path;
static struct mr_cache_stats stats;
static uint8_t *before; // a copy of the cache
static const struct mr_bloom_params filter = {.capacity_keys = 100000, .fpr = 0.001};
static uint8_t request[1400];
static unsigned request_bytes;

// ---- faults ------------------------------------------------------------------------------------

static sigjmp_buf back;
static const uint8_t *fault_at;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	fault_at = info->si_addr;
	siglongjmp(back, 1);
}

static void protect(void *mem, uint64_t bytes, int how)
{
	uintptr_t from = MR_ALIGN_UP((uintptr_t)mem, (uintptr_t)PAGE_BYTES);
	uintptr_t to = ((uintptr_t)mem + bytes) / PAGE_BYTES * PAGE_BYTES;

	assert_true(to > from);
	assert_int_equal(mprotect((void *)from, to - from, how), 0);
}

static void protect_all(int how)
{
	protect(path.f.cache_mem, stats.budget_bytes, how);
	protect(path.f.filter_mem, mr_bloom_memsize(&filter), how);
	protect(path.f.arena_mem, path.f.arena.used_bytes, how);
}

// ---- work --------------------------------------------------------------------------------------

// Both lcores get a request for all hot rows.
static void ask_both(void)
{
	struct rte_mbuf *m;

	for (unsigned i = 0; i < LCORES; i++) {
		m = mr_fixture_frame(&path.f, request, request_bytes);
		mr_fixture_send(&path.f, i, &m, 1);
	}
	for (unsigned i = 0; i < LCORES; i++)
		mr_rx_turn(path.f.rx[i]);
	while (mr_fixture_receive(&path.f, &m, 1) == 1)
		rte_pktmbuf_free(m);
}

// @return words of the cache that changed since the last call.
static unsigned changes(void)
{
	const uint8_t *now = path.f.cache_mem;
	unsigned n = 0;

	if (memcmp(before, now, stats.budget_bytes) == 0)
		return 0;
	for (uint64_t i = 0; i < stats.budget_bytes; i += 4)
		n += memcmp(before + i, now + i, 4) != 0;
	memcpy(before, now, stats.budget_bytes);
	return n;
}

// Accesses of a correlated reference period, in requests to both.
static unsigned period_asks(void)
{
	uint64_t accesses = mr_cache_tick_accesses(path.f.node.cache) * (stats.crp_ticks + 1);

	return (unsigned)(accesses / (HOT_ROWS * LCORES)) + 1;
}

static int setup(void **state)
{
	static uint8_t row[MR_ROW_MAX_BYTES];
	unsigned keys[HOT_ROWS], bytes;

	(void)state;
	path_begin(&path, &(struct mr_fixture_params){.n_rx = LCORES,
				  .cache_bytes = CACHE_BYTES,
				  .filter_keys = filter.capacity_keys});
	bytes = path_row_make(&path, PATH_USER, 10, row);
	for (unsigned i = 0; i < HOT_ROWS; i++) {
		keys[i] = i;
		path_put(&path, PATH_USER, i, PATH_CACHE, PATH_NOW_US, row, bytes);
	}
	request_bytes = path_get(&path, request, sizeof(request), PATH_USER, keys, HOT_ROWS);
	mr_cache_stats(path.f.node.cache, &stats);
	assert_true(stats.crp_ticks > 0);
	before = malloc(stats.budget_bytes);
	assert_non_null(before);
	memcpy(before, path.f.cache_mem, stats.budget_bytes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(before);
	path_end(&path);
	return 0;
}

static void ask_read_only(unsigned asks)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;

	fault_at = NULL;
	sigaction(SIGSEGV, &action, &old);
	if (sigsetjmp(back, 1) == 0) {
		protect_all(PROT_READ);
		for (unsigned i = 0; i < asks; i++)
			ask_both();
	}
	protect_all(PROT_READ | PROT_WRITE);
	sigaction(SIGSEGV, &old, NULL);
}

// From the end of one period a whole one is quiet.
static void hot_rows_are_only_read(void **state)
{
	unsigned asks = period_asks() / 2, left = 4 * period_asks();
	uint64_t hits;

	(void)state;
	while (changes() == 0 && left-- > 0)
		ask_both();
	assert_true(left > 0);
	hits = mr_fixture_rx_count(&path.f, hits);
	ask_read_only(asks);
	if (fault_at != NULL)
		fail_msg("a write, %td bytes from the start of the cache",
			fault_at - (const uint8_t *)path.f.cache_mem);
	assert_int_equal(
		mr_fixture_rx_count(&path.f, hits) - hits, (uint64_t)asks * HOT_ROWS * LCORES);
}

static void history_is_written_once_a_period(void **state)
{
	unsigned n = 0;

	(void)state;
	changes();
	for (unsigned i = 0; i < PERIODS * period_asks(); i++) {
		ask_both();
		n += changes();
	}
	assert_in_range(n, HOT_ROWS * (PERIODS - 2), HOT_ROWS * (PERIODS + 1));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hot_rows_are_only_read, setup, teardown),
		cmocka_unit_test_setup_teardown(history_is_written_once_a_period, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
