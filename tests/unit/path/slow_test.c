// SPDX-License-Identifier: BSD-3-Clause
//
// The slow log, sampled refusals and the times in replies, over the whole path. The linker puts
// __wrap_ functions behind the lcores, so that a test decides which stage is slow.
#include "mr_probe.h"
#include "path_util.h"

#include <rte_cycles.h>

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define ABOVE_US 2000u
#define DELAY_US 5000u

static struct path path;
static uint8_t row[MR_ROW_MAX_BYTES], request[4096];
static unsigned row_bytes;
static bool slow_probe, slow_read, slow_commit;

void __real_mr_probe_run(
	struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node, uint64_t ticks);
void __wrap_mr_probe_run(
	struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node, uint64_t ticks);
void __real_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
void __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n);
int __real_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);
int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err);

static void delay(bool is_slow)
{
	if (is_slow)
		rte_delay_us_block(DELAY_US);
}

void __wrap_mr_probe_run(
	struct mr_probe *probe, unsigned first, unsigned end, struct mr_node *node, uint64_t ticks)
{
	delay(slow_probe);
	__real_mr_probe_run(probe, first, end, node, ticks);
}

void __wrap_mr_store_read(struct mr_store_reader *reader, struct mr_store_get *gets, unsigned n)
{
	delay(slow_read);
	__real_mr_store_read(reader, gets, n);
}

int __wrap_mr_store_commit(struct mr_store *store, const struct mr_store_put *puts, unsigned n,
	bool sync, struct mr_err *err)
{
	delay(slow_commit);
	return __real_mr_store_commit(store, puts, n, sync, err);
}

static int setup(void **state)
{
	(void)state;
	slow_probe = slow_read = slow_commit = false;
	path_begin(&path,
		&(struct mr_fixture_params){.slow_above_us = ABOVE_US, .overrun_us = DELAY_US / 2});
	row_bytes = path_row_make(&path, PATH_USER, 10, row);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	path_end(&path);
	return 0;
}

static uint64_t cycles(uint64_t us)
{
	return (uint64_t)((double)us * 1e-6 * (double)rte_get_tsc_hz());
}

static unsigned read_log(bool io, enum mr_slow_kind kind, struct mr_slow *ret)
{
	const struct mr_slowlog *log = io ? &mr_io_counters(path.f.io[0])->slowlog
	                                  : &mr_rx_counters(path.f.rx[0])->slowlog;

	return mr_slowlog_read(log, kind, ret);
}

// The record of the last request. A loaded machine may make others slow, too.
static struct mr_slow find(bool io, enum mr_slow_kind kind)
{
	struct mr_slow found[MR_SLOW_RECORDS];
	unsigned n = read_log(io, kind, found);

	for (unsigned i = 0; i < n; i++)
		if (found[i].request_id == path.request_id)
			return found[i];
	fail_msg("request %lu is not among %u", (unsigned long)path.request_id, n);
	return (struct mr_slow){0};
}

// Who asks is 10.0.0.2 in all of the fixture's frames.
static void check_slow(
	const struct mr_slow *slow, enum mr_wire_op op, unsigned key, enum mr_spent spent)
{
	uint8_t want[MR_KEY_MAX_BYTES];
	unsigned bytes = path_key(&path, PATH_USER, key, want);

	assert_true(slow->cycles > cycles(DELAY_US));
	assert_true(slow->spent[spent] >= cycles(DELAY_US) * 99 / 100);
	assert_int_equal(slow->op, op);
	assert_int_equal(slow->view, PATH_USER);
	assert_int_equal(slow->n_keys, 1);
	assert_int_equal(slow->key_bytes, bytes);
	assert_memory_equal(slow->key, want, bytes);
	assert_false(slow->is_ip6);
	assert_int_equal(slow->address[0], 10);
	assert_true(slow->port != 0);
}

static void slow_stages(void **state)
{
	struct mr_slow slow, back;

	(void)state;
	path_put(&path, PATH_USER, 1, PATH_CACHE, PATH_NOW_US, row, row_bytes);
	path_put(&path, PATH_USER, 2, PATH_STORE, PATH_NOW_US, row, row_bytes);

	slow_probe = true;
	assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_OK);
	slow_probe = false;
	slow = find(false, MR_SLOW_SLOWEST);
	check_slow(&slow, MR_WIRE_OP_GET, 1, MR_SPENT_probe);
	assert_int_equal(slow.met, 0);

	slow_read = true;
	assert_int_equal(path_get_one(&path, PATH_USER, 2), MR_STATUS_OK);
	slow_read = false;
	slow = find(true, MR_SLOW_SLOWEST);
	check_slow(&slow, MR_WIRE_OP_GET, 2, MR_SPENT_read);
	assert_int_equal(slow.met & MR_WIRE_MET_IO, MR_WIRE_MET_IO);
	assert_int_equal(slow.spent[MR_SPENT_commit], 0);
	// The RX lcore notes it as well, and for longer.
	back = find(false, MR_SLOW_SLOWEST);
	assert_true(back.cycles > slow.cycles);
	assert_memory_equal(back.address, slow.address, sizeof(slow.address));
	assert_int_equal(back.port, slow.port);

	slow_commit = true;
	assert_int_equal(
		path_write_one(&path, PATH_USER, 3, PATH_NOW_US, row, row_bytes), MR_STATUS_OK);
	slow_commit = false;
	slow = find(true, MR_SLOW_SLOWEST);
	check_slow(&slow, MR_WIRE_OP_PUT, 3, MR_SPENT_commit);
}

static void refusals(void **state)
{
	struct mr_slow found[MR_SLOW_RECORDS], slow;
	uint64_t start = rte_rdtsc();
	unsigned key = 5, bytes, n;

	(void)state;
	bytes = path_get(&path, request, sizeof(request), PATH_USER, &key, 1);
	mr_store_le16(request + offsetof(struct mr_wire_req, view), 999);
	assert_int_equal(path_ask(&path, request, bytes), MR_WIRE_RESULT_UNKNOWN_VIEW);
	slow = find(false, MR_SLOW_REFUSED);
	assert_int_equal(slow.result, MR_WIRE_RESULT_UNKNOWN_VIEW);
	assert_int_equal(slow.reason, 0);
	assert_int_equal(slow.view, 999);
	assert_int_equal(slow.address[0], 10);
	assert_int_equal(slow.key_bytes, 8);

	// Ten in a second at most, however many there are.
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(path_ask(&path, request, bytes), MR_WIRE_RESULT_UNKNOWN_VIEW);
	n = read_log(false, MR_SLOW_REFUSED, found);
	assert_true(n >= 1);
	assert_true(n <= 2 + (rte_rdtsc() - start) / (rte_get_tsc_hz() / 10));
}

// ---- times in replies ---------------------------------------------------------------------------

static void ask_times(uint16_t view, unsigned key, enum mr_wire_result result)
{
	uint8_t bytes[MR_KEY_MAX_BYTES];
	struct mr_wire_key wire = {bytes, (uint8_t)path_key(&path, PATH_USER, key, bytes)};
	struct mr_wire_ask ask = {.request_id = ++path.request_id,
		.view = view,
		.flags = MR_WIRE_F_TRACE | MR_WIRE_F_TIMES,
		.trace_id = 4711};
	int n = mr_wire_get_encode(request, sizeof(request), &ask, &wire, 1);

	assert_int_equal(path_ask(&path, request, (unsigned)n), result);
}

static void times_of_gets(void **state)
{
	const struct mr_wire_times *t = &path.answer.times;

	(void)state;
	path_put(&path, PATH_USER, 1, PATH_CACHE, PATH_NOW_US, row, row_bytes);
	path_put(&path, PATH_USER, 2, PATH_STORE, PATH_NOW_US, row, row_bytes);
	ask_times(PATH_USER, 1, MR_WIRE_RESULT_OK);
	path_check(&path, PATH_USER, (unsigned[]){1}, 1, 0);
	assert_true(path.answer.has_times);
	assert_int_equal(t->trace_id, 4711);
	assert_int_equal(t->met, 0);
	assert_true(t->total_ns > 0 && t->parse_ns > 0 && t->probe_ns > 0);
	assert_true(t->parse_ns + t->probe_ns <= t->total_ns);
	assert_int_equal(t->ring_ns + t->read_ns + t->commit_ns, 0);

	slow_read = true;
	ask_times(PATH_USER, 2, MR_WIRE_RESULT_OK);
	slow_read = false;
	path_check(&path, PATH_USER, (unsigned[]){2}, 1, 0);
	assert_true(path.answer.has_times);
	assert_int_equal(t->met & MR_WIRE_MET_IO, MR_WIRE_MET_IO);
	assert_true(t->read_ns >= DELAY_US * 990);
	assert_true(t->ring_ns > 0 && t->ring_ns + t->queue_ns + t->read_ns <= t->total_ns);
	assert_int_equal(t->probe_ns + t->commit_ns, 0);

	// A refusal stays as short as ever; who does not ask is told nothing.
	ask_times(999, 1, MR_WIRE_RESULT_UNKNOWN_VIEW);
	assert_false(path.answer.has_times);
	assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_OK);
	assert_false(path.answer.has_times);
}

// Rows of every length around what a datagram holds: the times always find room in the last.
static void times_of_long_replies(void **state)
{
	static uint8_t blob[MR_ROW_MAX_BYTES];
	uint8_t key[MR_KEY_MAX_BYTES];

	(void)state;
	for (unsigned tail = 1300; tail < 3000; tail += 7) {
		unsigned bytes = path_row_make(&path, PATH_BLOB, tail, blob);
		struct mr_wire_ask ask = {.request_id = ++path.request_id,
			.view = PATH_BLOB,
			.flags = MR_WIRE_F_TIMES};
		struct mr_wire_key wire = {key, (uint8_t)path_key(&path, PATH_BLOB, 1, key)};
		int n = mr_wire_get_encode(request, sizeof(request), &ask, &wire, 1);

		path_put(&path, PATH_BLOB, 1, PATH_CACHE, PATH_NOW_US + tail, blob, bytes);
		assert_int_equal(path_ask(&path, request, (unsigned)n), MR_WIRE_RESULT_OK);
		path_check(&path, PATH_BLOB, (unsigned[]){1}, 1, 0);
		assert_true(path.answer.has_times);
		assert_int_equal(path.answer.times.trace_id, 0);
	}
}

static void times_of_writes(void **state)
{
	struct path_write write = {7, PATH_NOW_US, row, row_bytes};
	unsigned bytes =
		path_write(&path, request, sizeof(request), MR_WIRE_OP_PUT, PATH_USER, &write, 1);

	(void)state;
	mr_store_le16(request + offsetof(struct mr_wire_req, flags), MR_WIRE_F_TIMES);
	slow_commit = true;
	assert_int_equal(path_ask(&path, request, bytes), MR_WIRE_RESULT_OK);
	slow_commit = false;
	assert_int_equal(path.answer.got[0].status, MR_STATUS_OK);
	assert_true(path.answer.has_times);
	assert_true(path.answer.times.commit_ns >= DELAY_US * 990);
	assert_true(path.answer.times.total_ns >= path.answer.times.commit_ns);
	assert_true((path.answer.flags & MR_WIRE_R_DURABLE) != 0);
}

// Ages of rows that I/O lcores answer with are counted as those of hits are.
static void ages(void **state)
{
	struct mr_hist *age = &mr_io_counters(path.f.io[0])->served_age;

	(void)state;
	path_put(&path, PATH_USER, 2, PATH_STORE, PATH_NOW_US - 60000000, row, row_bytes);
	assert_int_equal(path_get_one(&path, PATH_USER, 2), MR_STATUS_OK);
	assert_int_equal(mr_hist_total(age), 1);
	assert_in_range(mr_hist_quantile(age, 1) * MR_AGE_UNIT_US, 59000000, 61000000);
	assert_int_equal(path_get_one(&path, PATH_USER, 300), MR_STATUS_NOT_FOUND);
	assert_int_equal(mr_hist_total(age), 1);
}

// Of many hits at once one in eight is taken, for eight: in sum none is missing for long.
static void ages_of_hits(void **state)
{
	struct mr_hist *age = &mr_rx_counters(path.f.rx[0])->served_age;
	unsigned keys[20], hits = 0;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(keys); i++) {
		keys[i] = i;
		// A fifth of the keys have no row.
		if (i % 5 != 0)
			path_put(&path, PATH_USER, i, PATH_CACHE, PATH_NOW_US - 60000000, row,
				row_bytes);
	}
	for (unsigned n = 1; n <= MR_ARRAY_SIZE(keys); n++) {
		unsigned bytes = path_get(&path, request, sizeof(request), PATH_USER, keys, n);

		assert_int_equal(path_ask(&path, request, bytes), MR_WIRE_RESULT_OK);
		hits += n - (n + 4) / 5;
		assert_in_range(mr_hist_total(age), hits - MR_MIN(hits, MR_AGE_SAMPLE - 1), hits);
	}
	assert_in_range(mr_hist_quantile(age, 0) * MR_AGE_UNIT_US, 59000000, 61000000);
	assert_in_range(mr_hist_quantile(age, 1) * MR_AGE_UNIT_US, 59000000, 61000000);
}

static unsigned drain(void)
{
	struct rte_mbuf *frames[64];
	unsigned n = mr_fixture_receive(&path.f, frames, MR_ARRAY_SIZE(frames));

	rte_pktmbuf_free_bulk(frames, n);
	return n;
}

static void *run_loop(void *rx)
{
	mr_rx_run(rx);
	return NULL;
}

// A turn of the loop that takes too long is counted, with the stage that took most of it.
static void overruns(void **state)
{
	struct mr_rx_counters *c = mr_rx_counters(path.f.rx[0]);
	const unsigned key = 1;
	pthread_t thread;
	unsigned bytes, answered = 0, sent = 0;

	(void)state;
	path_put(&path, PATH_USER, key, PATH_CACHE, PATH_NOW_US, row, row_bytes);
	bytes = path_get(&path, request, sizeof(request), PATH_USER, &key, 1);
	slow_probe = true;
	assert_int_equal(pthread_create(&thread, NULL, run_loop, path.f.rx[0]), 0);
	// On a loaded machine the CPU may be taken away for longer than the stage takes.
	while (mr_counted(&c->overrun_stages[MR_STAGE_probe]) == 0) {
		struct rte_mbuf *frame = mr_fixture_frame(&path.f, request, bytes);

		sent += mr_fixture_send(&path.f, 0, &frame, 1);
		while (answered < sent)
			answered += drain();
		usleep(1000);
	}
	atomic_store(&path.f.stop, true);
	pthread_join(thread, NULL);
	assert_true(mr_counted(&c->overruns) >= 1);
	assert_int_equal(atomic_load(&c->overrun_stage), MR_STAGE_probe);
	assert_true(mr_counted(&c->overrun_stage_cycles) >= cycles(DELAY_US) * 99 / 100);
	assert_true(mr_counted(&c->overrun_cycles) >= mr_counted(&c->overrun_stage_cycles));
}

// ---- the log itself -----------------------------------------------------------------------------

static void keeps_the_slowest(void **state)
{
	static struct mr_slowlog log;
	struct mr_rng rng = {.state = 12345};
	struct mr_slow found[MR_SLOW_RECORDS];
	uint64_t want[1000], least = UINT64_MAX;

	(void)state;
	mr_slowlog_init(&log, 1, 1000000); // a cycle is a microsecond
	assert_int_equal(log.above_cycles, 1);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(want); i++) {
		struct mr_slow slow = {.tsc = 1000 + i, .cycles = 2 + mr_rng_below(&rng, 1000000)};

		want[i] = slow.cycles;
		if (mr_slowlog_wants(&log, slow.cycles, slow.tsc))
			mr_slowlog_add(&log, &slow);
	}
	assert_int_equal(mr_slowlog_read(&log, MR_SLOW_SLOWEST, found), MR_SLOW_RECORDS);
	for (unsigned i = 0; i < MR_SLOW_RECORDS; i++)
		least = MR_MIN(least, found[i].cycles);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(want); i++) {
		bool kept = false;

		for (unsigned k = 0; k < MR_SLOW_RECORDS; k++)
			kept |= found[k].cycles == want[i];
		assert_int_equal(kept, want[i] >= least);
	}
	assert_int_equal(log.seen[MR_SLOW_SLOWEST], 1000);

	// Later any slow request finds a place again.
	assert_false(mr_slowlog_wants(&log, least, 3000));
	assert_true(mr_slowlog_wants(&log, 2, 3000 + log.keep_cycles));
	mr_slowlog_init(&log, 0, 1000000);
	assert_true(log.above_cycles == UINT64_MAX);
	assert_int_equal(mr_slowlog_read(&log, MR_SLOW_SLOWEST, found), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_slowest),
		cmocka_unit_test_setup_teardown(slow_stages, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(times_of_gets, setup, teardown),
		cmocka_unit_test_setup_teardown(times_of_long_replies, setup, teardown),
		cmocka_unit_test_setup_teardown(times_of_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(ages, setup, teardown),
		cmocka_unit_test_setup_teardown(ages_of_hits, setup, teardown),
		cmocka_unit_test_setup_teardown(overruns, setup, teardown),
	};

	if (mr_fixture_eal("slow_test", 256) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
