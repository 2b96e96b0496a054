// SPDX-License-Identifier: BSD-3-Clause

#include "command.h"
#include "show.h"
#include "telemetry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct option_def options[] = {
	{"refused", NULL, "a sample of refusals, the newest first, instead of the slowest"},
	{"count", "N", "how many to print; 20"},
	{"json", NULL, "one JSON object a request and line, with everything that is known of it"},
	{"telemetry", "PATH",
		"the socket; $MILLRACE_TELEMETRY, else /var/run/dpdk/millrace/dpdk_telemetry.v2"},
	{NULL, NULL, NULL},
};

static uint64_t number(const json_t *request, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(request, name));
}

static const char *text(const json_t *request, const char *name)
{
	const char *value = json_string_value(json_object_get(request, name));

	return value != NULL && value[0] != '\0' ? value : "-";
}

static void add_row(struct table *table, const json_t *request, bool refused)
{
	const char *reason = text(request, "reason");
	char cell[64];

	snprintf(cell, sizeof(cell), "%.0f s", (double)number(request, "ago_us") * 1e-6);
	table_add(table, cell);
	if (!refused) {
		snprintf(cell, sizeof(cell), "%.3f ms", (double)number(request, "total_ns") * 1e-6);
		table_add(table, cell);
	}
	table_add(table, text(request, "client"));
	table_add(table, text(request, "op"));
	table_add(table, text(request, "view"));
	snprintf(cell, sizeof(cell), "%" PRIu64, number(request, "n_keys"));
	table_add(table, cell);
	table_add(table, text(request, "key"));
	table_add(table, !refused                      ? text(request, "waited_for")
			 : strcmp(reason, "none") == 0 ? text(request, "result")
						       : reason);
}

static void print_table(const json_t *requests, bool refused)
{
	static const char *const slowest_head[] = {
		"ago", "took", "client", "op", "view", "keys", "first key", "waited for"};
	static const char *const refused_head[] = {
		"ago", "client", "op", "view", "keys", "first key", "refused"};
	unsigned n = refused ? MR_ARRAY_SIZE(refused_head) : MR_ARRAY_SIZE(slowest_head);
	struct table table = {.n_columns = n};
	size_t i;
	json_t *request;

	for (unsigned k = 0; k < n; k++)
		table_add(&table, refused ? refused_head[k] : slowest_head[k]);
	json_array_foreach((json_t *)(uintptr_t)requests, i, request)
		add_row(&table, request, refused);
	table_print(&table, stdout);
	table_free(&table);
}

static void print_lines(const json_t *requests)
{
	size_t i;
	json_t *request;

	json_array_foreach((json_t *)(uintptr_t)requests, i, request)
	{
		json_dumpf(request, stdout, JSON_COMPACT);
		putchar('\n');
	}
}

// Appends a page. @return records that there are in all, or -1 with a message.
static int64_t take_page(const struct invocation *inv, struct telemetry *telemetry, bool refused,
	uint64_t count, json_t *requests)
{
	size_t have = json_array_size(requests);
	char question[64], name[24];
	struct mr_err err;
	json_t *page, *request;
	int64_t total;

	snprintf(question, sizeof(question), "/millrace/slow,%s,%zu",
		refused ? "refused" : "slowest", have);
	page = telemetry_ask(telemetry, question, &err);
	if (page == NULL || !json_is_object(page)) {
		complain(inv, EXIT_NO_ANSWER, "%s",
			page == NULL ? err.text : "this appliance keeps no slow log");
		json_decref(page);
		return -1;
	}
	total = (int64_t)number(page, "total");
	for (size_t i = have; i < count; i++) {
		snprintf(name, sizeof(name), "%zu", i);
		request = json_object_get(json_object_get(page, "requests"), name);
		if (request == NULL)
			break;
		json_array_append(requests, request);
	}
	json_decref(page);
	return total;
}

static int run(const struct invocation *inv)
{
	bool refused = option(inv, "refused") != NULL;
	struct telemetry telemetry;
	json_t *requests;
	struct mr_err err;
	uint64_t count;
	int64_t total;
	size_t before;
	int rc = option_u64(inv, "count", 20, &count);

	if (rc != 0)
		return rc;
	if (telemetry_open(&telemetry, telemetry_path(option(inv, "telemetry")), &err) != 0)
		return complain(inv, EXIT_NO_ANSWER, "%s", err.text);
	requests = json_array();
	do {
		before = json_array_size(requests);
		total = take_page(inv, &telemetry, refused, count, requests);
	} while (total > 0 && json_array_size(requests) > before &&
		 json_array_size(requests) < MR_MIN(count, (uint64_t)total));
	telemetry_close(&telemetry);
	if (total < 0)
		rc = EXIT_NO_ANSWER;
	else if (option(inv, "json") != NULL)
		print_lines(requests);
	else
		print_table(requests, refused);
	json_decref(requests);
	return rc;
}

const struct command cmd_slow = {
	.name = "slow",
	.args = "",
	.summary = "shows the slowest requests, or a sample of refusals",
	.text = "Prints the slowest requests of the last ten minutes, with their client, view and "
		"first\n"
		"key, and what they waited for: the stages that took most of the time, and what "
		"the\n"
		"appliance was at meanwhile (docs/telemetry.md, /millrace/slow). Requests count "
                "as\n"
		"slow from [lcores] slow_above on.",
	.example = "  millrace slow\n"
		   "  millrace slow --refused --count 5\n"
		   "  millrace slow --json | jq 'select(.view == \"risk\")'",
	.options = options,
	.run = run,
};
