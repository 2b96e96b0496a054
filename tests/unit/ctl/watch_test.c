// SPDX-License-Identifier: BSD-3-Clause
//
// Who is slow, stuck or busy: the slow log, the watchdog and the clients that talk most.
#include "ctl_whole.h"
#include "mr_watchdog.h"
#include "mr_wire.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

// ---- slow log

/** A request of 10.1.2.3:4000 for user 42. */
static struct mr_slow a_slow(uint64_t request_id, uint64_t cycles)
{
	return (struct mr_slow){
		.tsc = rte_rdtsc(),
		.cycles = cycles,
		.request_id = request_id,
		.address = {10, 1, 2, 3},
		.port = 4000,
		.view = 7,
		.op = MR_WIRE_OP_GET,
		.n_keys = 3,
		.key_bytes = 8,
		.key = {[7] = 42},
	};
}

static void test_slow(void **state)
{
	double ns = w.rig.tiers.clock->ns_per_cycle;
	struct mr_slow slow;
	json_t *reply, *requests;

	(void)state;
	for (unsigned i = 0; i < N_RX; i++)
		mr_slowlog_init(&w.rx[i]->slowlog, 1000, rte_get_tsc_hz());
	for (unsigned i = 0; i < N_IO; i++)
		mr_slowlog_init(&w.io[i]->slowlog, 1000, rte_get_tsc_hz());
	// The I/O lcore knows why, the RX lcore how long in all.
	slow = a_slow(100, 9000000);
	slow.spent[MR_SPENT_read] = 8000000;
	slow.met = MR_WIRE_MET_IO | MR_WIRE_MET_COMPACTION;
	mr_slowlog_add(&w.io[1]->slowlog, &slow);
	slow = (struct mr_slow){.tsc = rte_rdtsc(),
		.cycles = 10000000,
		.request_id = 100,
		.address = {10, 1, 2, 3},
		.port = 4000};
	mr_slowlog_add(&w.rx[0]->slowlog, &slow);
	slow = a_slow(101, 20000000);
	slow.op = MR_WIRE_OP_PUT;
	slow.key_bytes = 200;
	slow.trace_id = 77;
	mr_slowlog_add(&w.rx[1]->slowlog, &slow);
	reply = ask("/millrace/slow");
	assert_int_equal(number(reply, NULL, "total"), 2);
	assert_int_equal(number(reply, NULL, "above_us"), 1000);
	requests = json_object_get(reply, "requests");
	assert_string_equal(text_of(json_object_get(requests, "0"), "request_id"), "65");
	assert_string_equal(text_of(json_object_get(requests, "0"), "trace_id"), "4d");
	assert_string_equal(text_of(json_object_get(requests, "0"), "view"), "user");
	assert_int_equal(strlen(text_of(json_object_get(requests, "0"), "key")), 123);
	assert_int_equal(number(requests, "1", "total_ns"), (uint64_t)(10000000 * ns));
	assert_int_equal(number(requests, "1", "read_ns"), (uint64_t)(8000000 * ns));
	assert_int_equal(number(requests, "1", "n_keys"), 3);
	requests = json_object_get(requests, "1");
	assert_string_equal(text_of(requests, "client"), "10.1.2.3:4000");
	assert_string_equal(text_of(requests, "key"), "42");
	assert_string_equal(text_of(requests, "waited_for"), "read, store compacting");
	assert_string_equal(text_of(requests, "lcore"), "io1");
	assert_string_equal(text_of(requests, "result"), "ok");
	json_decref(reply);

	slow = a_slow(102, 500);
	slow.is_ip6 = 1;
	slow.result = MR_WIRE_RESULT_BUSY;
	mr_slowlog_sample(&w.rx[0]->slowlog, &slow);
	slow.tsc++;
	slow.op = 0;
	slow.view = 0;
	slow.key_bytes = 0;
	slow.result = 0;
	slow.reason = MR_REASON_acl_refused + 1;
	mr_slowlog_sample(&w.rx[0]->slowlog, &slow);
	reply = ask("/millrace/slow,refused");
	requests = json_object_get(reply, "requests");
	assert_string_equal(text_of(json_object_get(requests, "0"), "reason"), "acl_refused");
	assert_string_equal(text_of(json_object_get(requests, "1"), "result"), "busy");
	assert_string_equal(text_of(json_object_get(requests, "1"), "client"), "[a01:203::]:4000");
	json_decref(reply);

	// The longest records there can be, a page of them.
	memset(&slow, 0xfe, sizeof(slow));
	slow.tsc = rte_rdtsc();
	slow.reason = slow.result = 1;
	slow.is_ip6 = 1;
	for (unsigned i = 0; i < MR_SLOW_RECORDS; i++) {
		slow.request_id++;
		mr_slowlog_add(&w.rx[0]->slowlog, &slow);
	}
	reply = ask("/millrace/slow,slowest,20");
	assert_int_equal(number(reply, NULL, "offset"), 20);
	assert_int_equal(json_object_size(json_object_get(reply, "requests")), 10);
	json_decref(reply);
}

// ---- watchdog
// ------------------------------------------------------------------------------------

static void test_watchdog(void **state)
{
	struct mr_clock clock = {.us_per_cycle = 0.001};
	struct mr_overrun o[N_RX];
	struct mr_watchdog dog = {0};
	// Turn started at, now, in us; what is reported, 0: nothing.
	static const struct {
		uint64_t start_us, now_us, limit_us, want_us;
	} steps[] = {
		{0, 500, 100, 0},                             // no turn yet
		{1000, 1050, 100, 0},                         // within the limit
		{1000, 1100, 100, 100}, {1000, 1150, 100, 0}, // said already
		{1000, 1200, 100, 200}, {1000, 1399, 100, 0}, {1000, 1400, 100, 400},
		{1500, 1599, 100, 0},                         // a new turn
		{1500, 1650, 0, 0},                           // no watchdog
		{1500, 1650, 100, 150}, {1700, 1690, 100, 0}, // started after `now` was read
	};

	(void)state;
	atomic_store(&w.rx[1]->stage_now, MR_STAGE_reply);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(steps); i++) {
		unsigned n;

		atomic_store(&w.rx[1]->turn_start_tsc, steps[i].start_us * 1000);
		n = mr_watchdog_check(
			&dog, w.rx, N_RX, &clock, steps[i].now_us * 1000, steps[i].limit_us, o);
		if (n != (steps[i].want_us != 0))
			fail_msg("step %u: %u reports", i, n);
		if (n == 0)
			continue;
		assert_int_equal(o[0].rx, 1);
		assert_int_equal(o[0].stage, MR_STAGE_reply);
		assert_in_range(o[0].us, steps[i].want_us - 1, steps[i].want_us);
	}
}

// An overrun that has ended is told once, with what the lcore noted of it.
static void test_watchdog_ended(void **state)
{
	struct mr_clock clock = {.us_per_cycle = 0.001};
	struct mr_watchdog dog = {0};
	struct mr_overrun o[N_RX];

	(void)state;
	assert_int_equal(mr_watchdog_ended(&dog, w.rx, N_RX, &clock, o), 0);
	mr_count(&w.rx[1]->overruns, 3);
	atomic_store(&w.rx[1]->overrun_stage, MR_STAGE_transmit);
	atomic_store(&w.rx[1]->overrun_cycles, 30000000);
	atomic_store(&w.rx[1]->overrun_stage_cycles, 29000000);
	assert_int_equal(mr_watchdog_ended(&dog, w.rx, N_RX, &clock, o), 1);
	assert_int_equal(o[0].rx, 1);
	assert_int_equal(o[0].stage, MR_STAGE_transmit);
	assert_int_equal(o[0].us, 30000);
	assert_int_equal(o[0].stage_us, 29000);
	assert_int_equal(o[0].n, 3);
	assert_int_equal(mr_watchdog_ended(&dog, w.rx, N_RX, &clock, o), 0);
}

struct reader {
	int fifo;
	_Atomic int syscall_file;
};

static void *read_for_ever(void *arg)
{
	struct reader *reader = arg;
	char byte;

	atomic_store(&reader->syscall_file, open("/proc/thread-self/syscall", O_RDONLY));
	while (read(reader->fifo, &byte, 1) == 1 && byte != 'q')
		;
	return NULL;
}

// A thread that is stuck in a read is named with the file.
static void test_watchdog_io(void **state)
{
	struct mr_clock clock = {.us_per_cycle = 0.001};
	struct mr_watchdog dog = {0};
	struct mr_stuck stuck[N_IO];
	struct reader reader = {.syscall_file = -1};
	char path[160];
	pthread_t thread;

	(void)state;
	snprintf(path, sizeof(path), "%s/999917.sst", w.rig.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	reader.fifo = open(path, O_RDWR);
	assert_int_equal(pthread_create(&thread, NULL, read_for_ever, &reader), 0);
	while (atomic_load(&reader.syscall_file) < 0)
		usleep(1000);
	atomic_store(&w.io[1]->syscall_file, atomic_load(&reader.syscall_file) + 1);
	atomic_store(&w.io[1]->stage_now, MR_IO_STAGE_read);
	atomic_store(&w.io[1]->turn_start_tsc, 1000000);
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 1999000, 1000, stuck), 0);
	do {
		memset(&dog, 0, sizeof(dog));
		assert_int_equal(
			mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 3000000, 1000, stuck), 1);
	} while (strstr(stuck[0].where, "999917.sst") == NULL);
	assert_int_equal(strncmp(stuck[0].where, "read of /", 9), 0);
	assert_int_equal(stuck[0].io, 1);
	assert_int_equal(stuck[0].stage, MR_IO_STAGE_read);
	assert_int_equal(stuck[0].us, 2000);
	// Said, until it has taken twice as long; an lcore without a burst is not stuck.
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 4000000, 1000, stuck), 0);
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 5000000, 1000, stuck), 1);
	atomic_store(&w.io[1]->turn_start_tsc, 0);
	assert_int_equal(mr_watchdog_check_io(&dog, w.io, N_IO, &clock, 90000000, 1000, stuck), 0);
	assert_int_equal(write(reader.fifo, "q", 1), 1);
	pthread_join(thread, NULL);
	close(reader.fifo);
	close(atomic_load(&reader.syscall_file));
	mr_watchdog_where(-1, path, sizeof(path));
	assert_string_equal(path, "");
}

// ---- clients

static void test_clients(void **state)
{
	json_t *reply, *clients;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		mr_sketch_add(&w.rx[0]->clients, 0x0a010200, 7);
	for (unsigned i = 0; i < 100; i++)
		mr_sketch_add(&w.rx[1]->clients, 0x0a010200, 7);
	for (unsigned i = 0; i < 50; i++)
		mr_sketch_add(&w.rx[1]->clients, UINT64_C(0xfd00000000000001),
			99 | MR_CLIENTS_IP6 | MR_CLIENTS_WRITE);
	reply = ask("/millrace/clients");
	assert_int_equal(number(reply, NULL, "total"), 2);
	assert_int_equal(number(reply, NULL, "sampled"), 450);
	assert_int_equal(number(reply, NULL, "missed_at_most"), 0);
	clients = json_object_get(reply, "clients");
	assert_int_equal(number(clients, "0", "requests"), 400 * MR_CLIENTS_EVERY);
	assert_int_equal(number(clients, "0", "share_ppm"), 888888);
	assert_string_equal(text_of(json_object_get(clients, "0"), "prefix"), "10.1.2.0/24");
	assert_string_equal(text_of(json_object_get(clients, "0"), "set"), "user");
	assert_string_equal(text_of(json_object_get(clients, "0"), "access"), "read");
	assert_string_equal(text_of(json_object_get(clients, "1"), "prefix"), "fd00:0:0:1::/64");
	assert_string_equal(text_of(json_object_get(clients, "1"), "set"), "99");
	assert_string_equal(text_of(json_object_get(clients, "1"), "access"), "write");
	json_decref(reply);

	// More than there is room for: counts are never too small, and too large as said at most.
	for (unsigned i = 0; i < 20000; i++)
		mr_sketch_add(&w.rx[0]->clients,
			UINT64_C(0xfedcba9800000000) + (i % 10 < 3 ? 1 : i * 77 % 500 + 2),
			0x7fff | MR_CLIENTS_IP6);
	reply = ask("/millrace/clients");
	assert_true(number(reply, NULL, "missed_at_most") > 0);
	clients = json_object_get(reply, "clients");
	assert_int_equal(json_object_size(clients), 48);
	assert_string_equal(text_of(json_object_get(clients, "0"), "prefix"), "fedc:ba98:0:1::/64");
	assert_true(number(clients, "0", "requests") >= 6000 * MR_CLIENTS_EVERY);
	assert_true(number(clients, "0", "requests") - number(clients, "0", "over_at_most") <=
		    6000 * MR_CLIENTS_EVERY);
	json_decref(reply);
	json_decref(ask("/millrace/clients,100"));
}

static const struct CMUnitTest tests[] = {
	WHOLE_TEST(test_slow),
	WHOLE_TEST(test_watchdog),
	WHOLE_TEST(test_watchdog_ended),
	WHOLE_TEST(test_watchdog_io),
	WHOLE_TEST(test_clients),
};

WHOLE_MAIN(tests)
