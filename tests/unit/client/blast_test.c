// SPDX-License-Identifier: BSD-3-Clause
//
// The load generator: skew as Zipf's law says, latencies as queueing theory says, loss told from
// lateness.

#include "blast.h"
#include "command.h"
#include "fake_server.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

static struct fake fake;
static char dir[64];
static char out[1 << 20];

// blast_work.c asks for it.
uint64_t now_us(void)
{
	return FAKE_EVENT_TIME_US;
}

static int start(void **state)
{
	char path[128];
	FILE *keys;

	(void)state;
	strcpy(dir, "/tmp/millrace-blast-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fake_start(&fake);
	setenv("MILLRACE_SERVER", fake.address, 1);
	setenv("DIR", dir, 1);
	snprintf(path, sizeof(path), "%s/keys", dir);
	keys = fopen(path, "w");
	assert_non_null(keys);
	// Such as the fake server has.
	for (int i = 0; i < 50; i++)
		fprintf(keys, "%d\n\n", i * 10);
	fclose(keys);
	return 0;
}

static int stop(void **state)
{
	char command[128];

	(void)state;
	fake_stop(&fake);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/** Starts "millrace blast user ARGS" in a shell. */
static FILE *begin(const char *args)
{
	char command[1024];
	FILE *pipe;

	snprintf(command, sizeof(command),
		"cd $DIR && %s blast user --timeout 300ms --attempts 20 %s 2>&1", MR_TOOL, args);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	return pipe;
}

/** Its output goes to `out`. @return exit code. */
static int end(FILE *pipe)
{
	int status;

	out[fread(out, 1, sizeof(out) - 1, pipe)] = '\0';
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static json_t *parse(void)
{
	json_t *json = json_loads(out, 0, NULL);

	if (json == NULL)
		print_error("%s\n", out);
	assert_non_null(json);
	return json;
}

/** A number of the first run, by "name" or "group.name". */
static double figure(const json_t *json, const char *name)
{
	json_t *at = json_array_get(json_object_get(json, "runs"), 0);
	const char *dot = strchr(name, '.');
	char group[32];

	if (dot != NULL) {
		snprintf(group, sizeof(group), "%.*s", (int)(dot - name), name);
		at = json_object_get(at, group);
		name = dot + 1;
	}
	at = json_object_get(at, name);
	assert_true(json_is_number(at));
	return json_number_value(at);
}

static void assert_between(const char *what, double value, double low, double high)
{
	if (!(value >= low && value <= high))
		print_error("%s is %g, not between %g and %g\n", what, value, low, high);
	assert_true(value >= low && value <= high);
}

// ---- what is asked -----------------------------------------------------------------------------

static void test_zipf(void **state)
{
	static const double exponents[] = {0.5, 0.99, 1, 1.5, 3};
	enum { N = 50, DRAWS = 200000 };

	(void)state;
	for (unsigned e = 0; e < MR_ARRAY_SIZE(exponents); e++) {
		struct mr_rng rng = {.state = 7 + e};
		unsigned seen[N + 1] = {0};
		double sum = 0;
		struct zipf zipf;

		zipf_init(&zipf, exponents[e], N);
		for (unsigned i = 0; i < DRAWS; i++)
			seen[zipf_next(&zipf, &rng)]++;
		assert_int_equal(seen[0], 0);
		for (unsigned k = 1; k <= N; k++)
			sum += pow(k, -exponents[e]);
		for (unsigned k = 1; k <= N; k++) {
			double want = DRAWS * pow(k, -exponents[e]) / sum;

			// Five standard deviations.
			assert_between("draws", seen[k], want - 5 * sqrt(want) - 1,
				want + 5 * sqrt(want) + 1);
		}
	}
}

static void test_zipf_large(void **state)
{
	struct mr_rng rng = {.state = 3};
	struct zipf zipf;
	uint64_t top = 0;

	(void)state;
	zipf_init(&zipf, 0.99, UINT64_C(1) << 40);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t k = zipf_next(&zipf, &rng);

		assert_true(k >= 1 && k <= UINT64_C(1) << 40);
		top = MR_MAX(top, k);
	}
	assert_true(top > UINT64_C(1) << 36);
}

// ---- how it goes -------------------------------------------------------------------------------

static void test_stall(void **state)
{
	// Of the requests, a tenth is due in a stall, anywhere in it: their latency is uniform
	// between 0 and 100 ms. So a share of 0.1 * (1 - x / 100 ms) takes longer than x: p95 is
	// 50 ms, p99 is 90 ms, p99.9 is 99 ms. A client that waits for each answer meets a stall
	// once a second, among thousands of quick answers.
	const struct fake_faults faults = {.stall_us = 100000, .stall_every_us = 1000000};
	const char *open_args = "--rate 1000 --duration 2s --keys-from keys --json --report r.html";
	const char *closed_args = "--closed 1 --duration 2s --keys-from keys --json";
	json_t *open_json, *closed_json;
	FILE *open_pipe, *closed_pipe;
	int open_code, closed_code;

	(void)state;
	fake_set(&fake, &faults);
	open_pipe = begin(open_args);
	closed_pipe = begin(closed_args);
	open_code = end(open_pipe);
	open_json = parse();
	closed_code = end(closed_pipe);
	closed_json = parse();
	fake_set(&fake, &(struct fake_faults){0});

	assert_int_equal(open_code, 0);
	assert_int_equal(closed_code, 0);
	// The machine's own noise only adds.
	assert_between("sent", figure(open_json, "sent"), 1700, 2300);
	assert_between("open p50", figure(open_json, "latency.p50_ns"), 0, 20e6);
	assert_between("open p99", figure(open_json, "latency.p99_ns"), 80e6, 125e6);
	assert_between("open p99.9", figure(open_json, "latency.p999_ns"), 92e6, 150e6);
	assert_between("closed p99", figure(closed_json, "latency.p99_ns"), 0, 30e6);
	assert_between("closed max", figure(closed_json, "latency.max_ns"), 80e6, 200e6);
	assert_between("lost", figure(open_json, "lost"), 0, 0);
	json_decref(open_json);
	json_decref(closed_json);
}

static void test_stopped_generator(void **state)
{
	// Three tenths of the requests are due while the generator itself is stopped. They wait up
	// to 300 ms for their turn: counted from when they were due, p90 is 200 ms; from when they
	// were sent, they were quick.
	char command[1024];
	json_t *json;
	FILE *pipe;

	(void)state;
	snprintf(command, sizeof(command),
		"cd $DIR && %s blast user --rate 1000 --duration 1s --keys-from keys --json "
	        "--timeout 5s & "
		"pid=$!; sleep 0.4; kill -STOP $pid; sleep 0.3; kill -CONT $pid; wait $pid",
		MR_TOOL);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(end(pipe), 0);
	json = parse();
	assert_between("from when due", figure(json, "latency.p90_ns"), 150e6, 400e6);
	assert_between("from when sent", figure(json, "service.p90_ns"), 0, 100e6);
	assert_between("lag", figure(json, "lag.p90_ns"), 150e6, 400e6);
	json_decref(json);
}

static void test_late_and_lost(void **state)
{
	const struct fake_faults late = {.delay_us = 30000};
	const struct fake_faults lost = {.drop_percent = 50};
	json_t *json;

	(void)state;
	fake_set(&fake, &late);
	assert_int_equal(
		end(begin("--rate 20 --duration 500ms --late 10ms --keys-from keys --json")), 0);
	json = parse();
	assert_true(figure(json, "late") > 0);
	assert_true(figure(json, "late") == figure(json, "answered"));
	assert_true(figure(json, "lost") == 0);
	json_decref(json);

	fake_set(&fake, &lost);
	assert_int_equal(end(begin("--rate 1000 --duration 500ms --give-up 300ms --keys-from keys "
				   "--json --sockets 1 --timeout 50ms --attempts 100")),
		1);
	json = parse();
	assert_true(figure(json, "answered") + figure(json, "lost") == figure(json, "sent"));
	assert_between("lost", figure(json, "lost") / figure(json, "sent"), 0.35, 0.65);
	json_decref(json);
	fake_set(&fake, &(struct fake_faults){0});
}

static void test_mix(void **state)
{
	json_t *json;

	(void)state;
	assert_int_equal(end(begin("--rate 2000 --duration 500ms --keys 1000 --batch 2-6 --writes "
				   "25 --zipf 1 --json")),
		1);
	json = parse();
	// Four keys a request; of those read, the fake has 7 in 10, and of those written it keeps
	// all.
	assert_between("keys",
		(figure(json, "statuses.ok") + figure(json, "statuses.not_found") +
			figure(json, "statuses.expired") + figure(json, "statuses.busy") +
			figure(json, "statuses.superseded")) /
			figure(json, "answered"),
		3.7, 4.3);
	assert_true(figure(json, "shed") == figure(json, "statuses.busy"));
	assert_true(fake.n_requests[MR_WIRE_OP_PUT] > 100);
	json_decref(json);
}

static void test_knee(void **state)
{
	// A server that takes 1 ms for each request holds less than 1000 a second; within 200 ms the
	// backlog of a fifth more stays below the 40 ms allowed.
	const struct fake_faults slow = {.delay_us = 1000};
	json_t *json;
	double knee;
	char page[1 << 17];
	FILE *file;

	(void)state;
	fake_set(&fake, &slow);
	assert_int_equal(end(begin("--knee --rate 400 --p99 40ms --duration 200ms --give-up 200ms "
				   "--keys-from keys --json --report knee.html")),
		0);
	json = parse();
	knee = json_number_value(json_object_get(json, "knee_per_s"));
	assert_between("knee", knee, 50, 1200);
	json_decref(json);
	fake_set(&fake, &(struct fake_faults){0});

	assert_int_equal(chdir(dir), 0);
	file = fopen("knee.html", "r");
	assert_non_null(file);
	page[fread(page, 1, sizeof(page) - 1, file)] = '\0';
	fclose(file);
	assert_non_null(strstr(page, "Percentiles over load"));
	assert_non_null(strstr(page, "Throughput over time"));
	assert_non_null(strstr(page, "</html>"));
	assert_null(strstr(page, "nan"));
	assert_null(strstr(page, "http://"));
	assert_null(strstr(page, "<script"));
}

static void test_usage(void **state)
{
	static const struct {
		const char *args, *text;
	} cases[] = {
		{"", "either --rate, --closed or --knee"},
		{"--rate 1 --closed 1", "either --rate, --closed or --knee"},
		{"--rate 1 --batch 0", "--batch '0'"},
		{"--rate 1 --batch 5-3", "--batch '5-3'"},
		{"--rate 1 --absent 101", "--absent '101'"},
		{"--rate 1 --zipf x", "--zipf 'x'"},
		{"--rate 1 --keys 0", "no keys"},
		{"--rate 1 --give-up 1ms", "--give-up is at least --late"},
		{"--rate 1 more", "one view or set"},
		{"--rate 1 --keys-from nowhere", "nowhere: No such file"},
	};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		int code = end(begin(cases[i].args));

		if (strstr(out, cases[i].text) == NULL)
			print_error("%s -> %s\n", cases[i].args, out);
		assert_non_null(strstr(out, cases[i].text));
		assert_int_equal(code, i == MR_ARRAY_SIZE(cases) - 1 ? EXIT_BAD_INPUT : EXIT_USAGE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zipf),
		cmocka_unit_test(test_zipf_large),
		cmocka_unit_test(test_stall),
		cmocka_unit_test(test_stopped_generator),
		cmocka_unit_test(test_late_and_lost),
		cmocka_unit_test(test_mix),
		cmocka_unit_test(test_knee),
		cmocka_unit_test(test_usage),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
