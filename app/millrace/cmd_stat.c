// SPDX-License-Identifier: BSD-3-Clause

#include "clock.h"
#include "command.h"
#include "show.h"
#include "telemetry.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct option_def options[] = {
	{"json", NULL, "one JSON object a reading and line"},
	{"interval", "DURATION", "reads again and again, with rates; default: once"},
	{"count", "N", "readings to take with --interval; default: until interrupted"},
	{"telemetry", "PATH",
		"DPDK's telemetry socket; default $MILLRACE_TELEMETRY, else "
		"/var/run/dpdk/millrace/dpdk_telemetry.v2"},
	{NULL, NULL, NULL},
};

static const char *const default_questions[] = {
	"/millrace/lcores",
	"/millrace/latency",
	"/millrace/cache",
	"/millrace/bloom",
	"/millrace/store",
	"/millrace/drops",
};

/** Readings of this turn and the last, by question. */
struct stat {
	const struct invocation *inv;
	struct telemetry telemetry;
	const char *const *questions;
	unsigned n_questions;
	json_t *now, *before;
	uint64_t now_ns, before_ns;
};

static int take_reading(struct stat *stat)
{
	struct mr_err err;

	json_decref(stat->before);
	stat->before = stat->now;
	stat->before_ns = stat->now_ns;
	stat->now = json_object();
	stat->now_ns = clock_ns();
	for (unsigned i = 0; i < stat->n_questions; i++) {
		json_t *value = telemetry_ask(&stat->telemetry, stat->questions[i], &err);

		if (value == NULL)
			return complain(stat->inv, EXIT_NO_ANSWER, "%s", err.text);
		json_object_set_new(stat->now, stat->questions[i], value);
	}
	return 0;
}

static void print_reading(const struct stat *stat)
{
	double interval_s = stat->before != NULL
	                            ? (double)(stat->now_ns - stat->before_ns) / (double)MR_NS_PER_S
	                            : 0;

	if (option(stat->inv, "json") != NULL) {
		json_dumpf(stat->now, stdout, JSON_COMPACT);
		putchar('\n');
	} else
		for (unsigned i = 0; i < stat->n_questions; i++) {
			const char *question = stat->questions[i];
			const json_t *value = json_object_get(stat->now, question);

			// What this build of the appliance does not tell is left out.
			if (json_is_null(value))
				continue;
			printf("%s\n", question);
			print_json_as_pairs(
				value, json_object_get(stat->before, question), interval_s, stdout);
			putchar('\n');
		}
	fflush(stdout);
}

static int watch(struct stat *stat, uint64_t interval_us, uint64_t count)
{
	for (uint64_t i = 0; count == 0 || i < count; i++) {
		int rc = take_reading(stat);

		if (rc != 0)
			return rc;
		print_reading(stat);
		if (ferror(stdout))
			return EXIT_LOCAL;
		if (interval_us == 0)
			break;
		if (i + 1 != count)
			usleep((useconds_t)interval_us);
	}
	return EXIT_OK;
}

static int run(const struct invocation *inv)
{
	struct stat stat = {
		.inv = inv,
		.questions = inv->n_args > 0 ? (const char *const *)inv->args : default_questions,
		.n_questions =
			inv->n_args > 0 ? (unsigned)inv->n_args : MR_ARRAY_SIZE(default_questions),
	};
	struct mr_err err;
	uint64_t interval_us, count;
	int rc = option_duration_us(inv, "interval", 0, &interval_us);

	if (rc == 0)
		rc = option_u64(inv, "count", 0, &count);
	if (rc != 0)
		return rc;
	if (telemetry_open(&stat.telemetry, telemetry_path(option(inv, "telemetry")), &err) != 0)
		return complain(inv, EXIT_NO_ANSWER, "%s", err.text);
	rc = watch(&stat, interval_us, count);
	telemetry_close(&stat.telemetry);
	json_decref(stat.now);
	json_decref(stat.before);
	return rc;
}

const struct command cmd_stat = {
	.name = "stat",
	.args = "[QUESTION...]",
	.summary = "shows counters, latency, cache, filter and store",
	.text = "Reads DPDK's telemetry socket and prints what the appliance says under "
		"/millrace/, or\n"
		"the answers to other QUESTIONs (/ lists them all).",
	.example = "  millrace stat\n"
		   "  millrace stat --interval 1s /millrace/drops\n"
		   "  millrace stat --json /ethdev/stats,0",
	.options = options,
	.run = run,
};
