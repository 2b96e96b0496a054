// SPDX-License-Identifier: BSD-3-Clause
//
// put and del: single rows, by hand.

#include "command.h"
#include "rows.h"

#include <stdlib.h>
#include <string.h>

static const struct option_def options[] = {
	{"time", "TIME",
		"event time: microseconds since 1970, or 2026-01-02T03:04:05Z; default now"},
	{"version", "N",
		"version of the set to write to, current or beside it; default the current"},
	{NULL, NULL, NULL},
};

/** Prints what is not OK. @return exit code. */
static int report(const struct invocation *inv, const struct mr_client_result *result, char **keys)
{
	for (size_t i = 0; i < mr_client_result_n_keys(result); i++) {
		enum mr_client_status status = mr_client_result_status(result, i, 0);

		if (status == MR_CLIENT_SUPERSEDED)
			complain(inv, 0, "key %s: superseded: an equal or newer event is there",
				keys[i]);
		else if (status != MR_CLIENT_OK)
			complain(inv, 0, "key %s: %s", keys[i], mr_client_status_name(status));
	}
	return exit_code_of_result(inv, result);
}

static int finish(const struct invocation *inv, int rc, struct mr_client_result *result)
{
	if (rc != 0)
		return complain(inv, exit_code_of(-rc), "%s", strerror(-rc));
	rc = report(inv, result, inv->args + 1);
	mr_client_result_free(result);
	return rc;
}

// ---- put ---------------------------------------------------------------------------------------

static int set_columns(const struct invocation *inv, const struct mr_schema *schema,
	struct mr_row_builder *builder)
{
	for (int i = 2; i < inv->n_args; i++) {
		char *name = inv->args[i];
		char *equals = strchr(name, '=');
		const struct mr_column *column;
		struct mr_err err = {""};
		bool is_null;

		if (equals == NULL)
			return usage_error(inv, "'%s': COLUMN=VALUE is expected", name);
		*equals = '\0';
		column = mr_shape_column(&schema->shape, name);
		if (column == NULL)
			return complain(inv, EXIT_BAD_INPUT, "set %s has no column '%s'",
				schema->name, name);
		is_null = equals[1] == '\0' && !column->is_variable;
		if (!is_null &&
			mr_row_set_text(builder, column, equals + 1, strlen(equals + 1), &err) != 0)
			return complain(inv, EXIT_BAD_INPUT, "%s", err.text);
	}
	return 0;
}

static int build(
	const struct invocation *inv, const struct mr_schema *schema, struct made_row *made)
{
	void *scratch = malloc(mr_row_builder_scratch_bytes(&schema->shape) + 1);
	struct mr_row_builder builder;
	struct mr_err err = {""};
	int rc = parse_key(schema, inv->args[1], made->key, &err);

	if (rc < 0 || scratch == NULL) {
		free(scratch);
		return complain(inv, rc < 0 ? EXIT_BAD_INPUT : EXIT_LOCAL, "%s",
			rc < 0 ? err.text : "out of memory");
	}
	made->key_bytes = (uint8_t)rc;
	mr_row_begin(&builder, &schema->shape, made->row, sizeof(made->row), scratch);
	rc = set_columns(inv, schema, &builder);
	if (rc == 0) {
		int bytes = mr_row_end(&builder);

		if (bytes < 0)
			rc = complain(inv, EXIT_BAD_INPUT, "the row is longer than %u bytes",
				MR_ROW_MAX_BYTES);
		made->row_bytes = (uint32_t)bytes;
	}
	free(scratch);
	return rc;
}

static int put(const struct invocation *inv, struct mr_client *client, uint64_t time_us)
{
	struct mr_client_result *result = NULL;
	const struct mr_schema *schema;
	struct made_row *made = malloc(sizeof(*made));
	int rc = resolve_set(inv, client, inv->args[0], &schema);

	if (rc == 0 && made == NULL)
		rc = complain(inv, EXIT_LOCAL, "out of memory");
	if (rc == 0)
		rc = build(inv, schema, made);
	if (rc == 0) {
		struct mr_client_row row = {
			.key = {made->key, made->key_bytes},
			.event_time_us = time_us,
			.row = made->row,
			.row_bytes = made->row_bytes,
		};

		rc = mr_client_put(client, schema, &row, 1, &result);
		rc = finish(inv, rc, result);
	}
	free(made);
	return rc;
}

// ---- del ---------------------------------------------------------------------------------------

static int del(const struct invocation *inv, struct mr_client *client, uint64_t time_us)
{
	size_t n = (size_t)inv->n_args - 1;
	struct mr_client_result *result = NULL;
	const struct mr_schema *schema;
	struct mr_client_row *rows = calloc(n, sizeof(*rows));
	uint8_t *keys = calloc(n, MR_KEY_MAX_BYTES);
	int rc = resolve_set(inv, client, inv->args[0], &schema);

	if (rc == 0 && (rows == NULL || keys == NULL))
		rc = complain(inv, EXIT_LOCAL, "out of memory");
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct mr_err err = {""};
		int bytes = parse_key(schema, inv->args[1 + i], keys + i * MR_KEY_MAX_BYTES, &err);

		if (bytes < 0)
			rc = complain(inv, EXIT_BAD_INPUT, "%s", err.text);
		rows[i].key = (struct mr_client_key){keys + i * MR_KEY_MAX_BYTES, (uint8_t)bytes};
		rows[i].event_time_us = time_us;
	}
	if (rc == 0) {
		rc = mr_client_delete(client, schema, rows, n, &result);
		rc = finish(inv, rc, result);
	}
	free(rows);
	free(keys);
	return rc;
}

static int run(const struct invocation *inv)
{
	struct mr_client *client;
	uint64_t time_us;
	int rc;

	if (inv->n_args < 2)
		return usage_error(inv, "which set, and which key?");
	rc = option_time(inv, now_us(), &time_us);
	if (rc == 0)
		rc = connect_server(inv, &client);
	if (rc != 0)
		return rc;
	rc = inv->command == &cmd_put ? put(inv, client, time_us) : del(inv, client, time_us);
	mr_client_close(client);
	return rc;
}

const struct command cmd_put = {
	.name = "put",
	.args = "SET KEY COLUMN=VALUE...",
	.summary = "writes one row",
	.text = "Writes a whole row: a column that is not named becomes null, and so does a number "
		"whose\n"
		"VALUE is empty. An array's elements are parted by semicolons. The row is dropped, "
		"and\n"
		"said to be superseded, when one of an equal or newer event time is there.",
	.example = "  millrace put user 17 age=42 city=Paris 'embedding=0.1;0.2;0.3'",
	.options = options,
	.talks_to_server = true,
	.run = run,
};

const struct command cmd_del = {
	.name = "del",
	.args = "SET KEY...",
	.summary = "deletes rows",
	.text = "Deletes rows whose event time is older than --time.",
	.example = "  millrace del user 17 18",
	.options = options,
	.talks_to_server = true,
	.run = run,
};
