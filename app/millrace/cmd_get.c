// SPDX-License-Identifier: BSD-3-Clause

#include "command.h"
#include "rows.h"
#include "show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct option_def options[] = {
	{"json", NULL, "one JSON object a key and line, instead of a table"},
	{"strong", NULL, "all keys at one snapshot, none older than any acknowledged write"},
	{"as-of", "TIME", "as it was then: RFC 3339, or microseconds; the sets must keep history"},
	{"keys-from", "FILE", "more keys, one a line; - is stdin"},
	{"times", NULL, "say on stderr where the time went inside the server"},
	{"trace", "ID", "a number that the server's slow log notes"},
	{NULL, NULL, NULL},
};

/** Keys parsed so far. */
struct keys {
	struct mr_client_key *keys;
	size_t n, capacity;
};

static int add_key(const struct invocation *inv, const struct mr_schema *schema, const char *text,
	struct keys *keys)
{
	uint8_t bytes[MR_KEY_MAX_BYTES];
	struct mr_err err = {""};
	int n = parse_key(schema, text, bytes, &err);
	uint8_t *copy;

	if (n < 0)
		return complain(inv, EXIT_BAD_INPUT, "key '%s': %s", text, err.text);
	if (keys->n == keys->capacity) {
		size_t capacity = keys->capacity * 2 + 64;
		void *grown = realloc(keys->keys, capacity * sizeof(*keys->keys));

		if (grown == NULL)
			return complain(inv, EXIT_LOCAL, "out of memory");
		keys->keys = grown;
		keys->capacity = capacity;
	}
	copy = malloc((size_t)n);
	if (copy == NULL)
		return complain(inv, EXIT_LOCAL, "out of memory");
	memcpy(copy, bytes, (size_t)n);
	keys->keys[keys->n++] = (struct mr_client_key){copy, (uint8_t)n};
	return 0;
}

static int add_keys_from(const struct invocation *inv, const struct mr_schema *schema,
	const char *path, struct keys *keys)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t n;
	int rc = 0;

	if (file == NULL)
		return complain(inv, EXIT_BAD_INPUT, "%s: %s", path, strerror(errno));
	while (rc == 0 && (n = getline(&line, &capacity, file)) > 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (n > 0)
			rc = add_key(inv, schema, line, keys);
	}
	if (rc == 0 && ferror(file))
		rc = complain(inv, EXIT_BAD_INPUT, "%s: %s", path, strerror(errno));
	free(line);
	if (file != stdin)
		fclose(file);
	return rc;
}

static void free_keys(struct keys *keys)
{
	for (size_t i = 0; i < keys->n; i++)
		free((void *)(uintptr_t)keys->keys[i].data);
	free(keys->keys);
}

// ---- table -------------------------------------------------------------------------------------

static void add_header(struct table *table, const struct mr_view *view)
{
	char text[2 * MR_NAME_MAX_BYTES + 2];
	bool several = view->n_parts > 1;

	table_add(table, "key");
	for (unsigned set = 0; set < view->n_parts; set++) {
		const struct mr_view_part *part = &view->parts[set];

		snprintf(text, sizeof(text), "%s%sstatus", several ? part->schema->name : "",
			several ? "." : "");
		table_add(table, text);
		for (unsigned i = 0; i < part->shape.n_columns; i++) {
			snprintf(text, sizeof(text), "%s%s%s", several ? part->schema->name : "",
				several ? "." : "", part->shape.columns[i].name);
			table_add(table, text);
		}
	}
	table->n_columns = (unsigned)table->n_cells;
}

static void add_set(
	struct table *table, const struct mr_client_result *result, size_t key, unsigned set)
{
	const struct mr_shape *shape = &mr_client_result_view(result)->parts[set].shape;

	table_add(table, mr_client_status_name(mr_client_result_status(result, key, set)));
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_client_column column = {(uint16_t)set, (uint16_t)i};
		struct mr_value value;
		char *text = NULL;

		if (mr_client_result_value(result, key, column, &value) == 0)
			text = value_text(&value);
		table_add(table, text != NULL ? text : "-");
		free(text);
	}
}

static void print_table(const struct mr_client_result *result, const struct keys *keys)
{
	const struct mr_view *view = mr_client_result_view(result);
	struct table table = {0};
	char text[1024];

	add_header(&table, view);
	for (size_t i = 0; i < keys->n; i++) {
		mr_key_print(view->parts[0].schema, keys->keys[i].data, keys->keys[i].bytes, text,
			sizeof(text));
		table_add(&table, text);
		for (unsigned set = 0; set < view->n_parts; set++)
			add_set(&table, result, i, set);
	}
	table_print(&table, stdout);
	table_free(&table);
}

// ---- JSON --------------------------------------------------------------------------------------

static json_t *set_json(const struct mr_client_result *result, size_t key, unsigned set)
{
	const struct mr_shape *shape = &mr_client_result_view(result)->parts[set].shape;
	enum mr_client_status status = mr_client_result_status(result, key, set);
	uint64_t time_us = mr_client_result_event_time_us(result, key, set);
	json_t *json = json_object(), *columns;

	json_object_set_new(json, "status", json_string(mr_client_status_name(status)));
	if (time_us != 0)
		json_object_set_new(json, "event_time_us", json_integer((json_int_t)time_us));
	if (status != MR_CLIENT_OK)
		return json;
	columns = json_object();
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_client_column column = {(uint16_t)set, (uint16_t)i};
		struct mr_value value;

		if (mr_client_result_value(result, key, column, &value) == 0)
			json_object_set_new(columns, shape->columns[i].name, value_json(&value));
	}
	json_object_set_new(json, "columns", columns);
	return json;
}

static void print_json(const struct mr_client_result *result, const struct keys *keys)
{
	const struct mr_view *view = mr_client_result_view(result);

	for (size_t i = 0; i < keys->n; i++) {
		json_t *line = json_object(), *sets = json_object();

		json_object_set_new(line, "key",
			key_json(view->parts[0].schema, keys->keys[i].data, keys->keys[i].bytes));
		for (unsigned set = 0; set < view->n_parts; set++)
			json_object_set_new(
				sets, view->parts[set].schema->name, set_json(result, i, set));
		json_object_set_new(line, "sets", sets);
		json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
		putchar('\n');
		json_decref(line);
	}
}

static void print_times(const struct mr_client_result *result)
{
	static const char *const met[] = {"answered through an I/O lcore", "store compacting",
		"store stalling writes", "breaker open", "loop stood still"};
	struct mr_client_times t;

	if (!mr_client_result_times(result, &t)) {
		fprintf(stderr, "times: none came\n");
		return;
	}
	const struct {
		const char *name;
		uint32_t ns;
	} stages[] = {{"parse", t.parse_ns}, {"probe", t.probe_ns}, {"ring", t.ring_ns},
		{"queue", t.queue_ns}, {"lock", t.lock_ns}, {"read", t.read_ns},
		{"commit", t.commit_ns}};

	fprintf(stderr, "times: total %.1f us", t.total_ns * 1e-3);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(stages); i++)
		if (stages[i].ns != 0)
			fprintf(stderr, ", %s %.1f us", stages[i].name, stages[i].ns * 1e-3);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(met); i++)
		if (t.met & 1u << i)
			fprintf(stderr, "; %s", met[i]);
	fputc('\n', stderr);
}

static int get_and_print(const struct invocation *inv, struct mr_client *client,
	struct mr_client_view *view, const struct keys *keys)
{
	struct mr_client_read read = {.strong = option(inv, "strong") != NULL};
	struct mr_client_result *result;
	uint64_t trace_id;
	int rc = option_time_of(inv, "as-of", 0, &read.as_of_us);

	if (rc == 0)
		rc = option_u64(inv, "trace", 0, &trace_id);
	if (rc != 0)
		return rc;
	mr_client_trace(client, trace_id, option(inv, "times") != NULL);
	rc = mr_client_get_as(client, view, &read, keys->keys, keys->n, &result);
	if (rc == -EMSGSIZE)
		return complain(inv, EXIT_BAD_INPUT,
			"%zu keys do not fit one request, which is what --strong reads at one "
			"snapshot: ask for fewer",
			keys->n);
	if (rc != 0)
		return complain(inv, exit_code_of(-rc), "%s", strerror(-rc));
	if (option(inv, "json") != NULL)
		print_json(result, keys);
	else
		print_table(result, keys);
	if (option(inv, "times") != NULL)
		print_times(result);
	rc = exit_code_of_result(inv, result);
	mr_client_result_free(result);
	return rc;
}

static int run(const struct invocation *inv)
{
	const char *keys_from = option(inv, "keys-from");
	struct mr_client *client = NULL;
	struct mr_client_view *view;
	struct keys keys = {0};
	int rc;

	if (inv->n_args < 1)
		return usage_error(inv, "which view?");
	if (inv->n_args < 2 && keys_from == NULL)
		return usage_error(inv, "which keys?");
	rc = connect_server(inv, &client);
	if (rc == 0)
		rc = resolve_view(inv, client, inv->args[0], &view);
	for (int i = 1; i < inv->n_args && rc == 0; i++)
		rc = add_key(inv, mr_client_view_schema(view, 0), inv->args[i], &keys);
	if (rc == 0 && keys_from != NULL)
		rc = add_keys_from(inv, mr_client_view_schema(view, 0), keys_from, &keys);
	if (rc == 0 && keys.n == 0)
		rc = complain(inv, EXIT_BAD_INPUT, "%s: no keys in it", keys_from);
	if (rc == 0)
		rc = get_and_print(inv, client, view, &keys);
	free_keys(&keys);
	mr_client_close(client);
	return rc;
}

const struct command cmd_get = {
	.name = "get",
	.args = "VIEW KEY...",
	.summary = "looks entities up",
	.text = "Prints the features of entities: the columns of VIEW, or all those of a set when "
		"VIEW\n"
		"is its name. Each (key, set) has a status: ok, not_found, expired, busy, "
		"degraded,\n"
		"error, lost. A null column of an ok row prints as null, a column of a row that is "
		"not\n"
		"there as -. The parts of a composite key are joined by commas: 17,DE.",
	.example = "  millrace get user 17 18\n"
		   "  millrace get ctr --json --keys-from keys.txt\n"
		   "  millrace get account 17 --strong\n"
		   "  millrace get account 17 --as-of 2025-11-01T12:00:00Z",
	.options = options,
	.talks_to_server = true,
	.run = run,
};
