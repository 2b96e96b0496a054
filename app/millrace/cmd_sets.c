// SPDX-License-Identifier: BSD-3-Clause

#include "cmd_admin.h"
#include "mr_units.h"
#include "show.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_def options[] = {
	ADMIN_OPTION,
	{"json", NULL, "list: one JSON object with every column"},
	{NULL, NULL, NULL},
};

/** The file's name goes along for messages: without blanks, which would end it. */
static int apply(const struct invocation *inv, const char *path)
{
	char verb[512];
	int n = snprintf(verb, sizeof(verb), "sets-apply %s", path);

	if (n >= (int)sizeof(verb))
		return usage_error(inv, "'%s': too long a path", path);
	for (char *p = verb + strlen("sets-apply "); *p != '\0'; p++)
		if (isspace((unsigned char)*p))
			*p = '_';
	return ask_and_print(inv, verb, path);
}

static int show(const struct invocation *inv, const char *name)
{
	char verb[512];

	if (name[0] == '\0' || strlen(name) > MR_NAME_MAX_BYTES || strpbrk(name, " \t\n") != NULL)
		return usage_error(inv, "'%s' is not the name of a set or view", name);
	snprintf(verb, sizeof(verb), "sets-show %s", name);
	return ask_and_print(inv, verb, NULL);
}

static int add(struct table *table, const char *format, ...) mr_printf(2, 3);

static int add(struct table *table, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return table_add(table, text);
}

static int add_header(struct table *table, const char *const *names)
{
	int rc = 0;

	for (unsigned i = 0; i < table->n_columns && rc == 0; i++)
		rc = table_add(table, names[i]);
	return rc;
}

// Types of a composite key, parted by commas.
static void key_text(const json_t *parts, char *text, size_t text_bytes)
{
	size_t i, at = 0;
	json_t *part;

	text[0] = '\0';
	json_array_foreach(parts, i, part)
	{
		const char *type = json_string_value(json_object_get(part, "type"));

		at += (size_t)snprintf(text + at, text_bytes - at, "%s%s", i > 0 ? "," : "",
			type != NULL ? type : "?");
		if (at >= text_bytes)
			return;
	}
}

static int add_set(struct table *table, const json_t *set)
{
	uint64_t ttl_us = (uint64_t)json_integer_value(json_object_get(set, "ttl_us"));
	char key[128], ttl[32];
	int rc;

	key_text(json_object_get(set, "key"), key, sizeof(key));
	mr_format_duration_us(ttl_us, ttl, sizeof(ttl));
	rc = table_add(table, json_string_value(json_object_get(set, "name")));
	if (rc == 0)
		rc = add(table, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(set, "id")));
	if (rc == 0)
		rc = add(table, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(set, "version")));
	if (rc == 0)
		rc = table_add(table, key);
	if (rc == 0)
		rc = table_add(table, ttl_us != 0 ? ttl : "-");
	if (rc == 0)
		rc = table_add(table, json_string_value(json_object_get(set, "durability")));
	if (rc == 0)
		rc = add(table, "%zu", json_array_size(json_object_get(set, "columns")));
	return rc;
}

// The sets of a view: what stands before the dot of its columns, which come set by set.
static void sets_text(const json_t *columns, char *text, size_t text_bytes)
{
	const char *last = "";
	size_t i, at = 0, last_bytes = 0;
	json_t *column;

	text[0] = '\0';
	json_array_foreach(columns, i, column)
	{
		const char *name = json_string_value(column);
		size_t bytes = name != NULL ? strcspn(name, ".") : 0;

		if (bytes == last_bytes && strncmp(name, last, bytes) == 0)
			continue;
		last = name;
		last_bytes = bytes;
		at += (size_t)snprintf(
			text + at, text_bytes - at, "%s%.*s", at > 0 ? "," : "", (int)bytes, name);
		if (at >= text_bytes)
			return;
	}
}

static int add_view(struct table *table, const json_t *view)
{
	const json_t *columns = json_object_get(view, "columns");
	int rc = table_add(table, json_string_value(json_object_get(view, "name")));
	char sets[256];

	sets_text(columns, sets, sizeof(sets));
	if (rc == 0)
		rc = add(table, "%" JSON_INTEGER_FORMAT,
			json_integer_value(json_object_get(view, "id")));
	if (rc == 0)
		rc = table_add(table, sets);
	if (rc == 0)
		rc = add(table, "%zu", json_array_size(columns));
	return rc;
}

// A table of all elements of an array, with a header; nothing when there are none.
static int print_all(const json_t *array, const char *const *names, unsigned n_names,
	int (*add_one)(struct table *, const json_t *))
{
	struct table table = {.n_columns = n_names};
	json_t *one;
	size_t i;
	int rc;

	if (json_array_size(array) == 0)
		return 0;
	rc = add_header(&table, names);
	json_array_foreach(array, i, one) if (rc == 0) rc = add_one(&table, one);
	if (rc == 0)
		table_print(&table, stdout);
	table_free(&table);
	return rc;
}

static int list(const struct invocation *inv)
{
	static const char *const set_names[] = {
		"set", "id", "version", "key", "ttl", "durability", "columns"};
	static const char *const view_names[] = {"view", "id", "sets", "columns"};
	struct admin_reply reply = {0};
	json_t *all;
	int rc;

	if (option(inv, "json") != NULL)
		return ask_and_print(inv, "sets-list", NULL);
	rc = ask(inv, "sets-list", NULL, &reply);
	if (rc != EXIT_OK)
		return rc;
	all = json_loads(reply.text, 0, NULL);
	free(reply.text);
	if (all == NULL)
		return complain(inv, EXIT_NO_ANSWER, "the answer is not JSON");
	rc = print_all(json_object_get(all, "sets"), set_names, MR_ARRAY_SIZE(set_names), add_set);
	if (rc == 0 && json_array_size(json_object_get(all, "views")) > 0) {
		putchar('\n');
		rc = print_all(json_object_get(all, "views"), view_names, MR_ARRAY_SIZE(view_names),
			add_view);
	}
	json_decref(all);
	return rc == 0 ? EXIT_OK : complain(inv, EXIT_LOCAL, "out of memory");
}

static int run(const struct invocation *inv)
{
	const char *what = inv->n_args > 0 ? inv->args[0] : "list";

	if (strcmp(what, "list") == 0 && inv->n_args <= 1)
		return list(inv);
	if (strcmp(what, "apply") == 0 && inv->n_args == 2)
		return apply(inv, inv->args[1]);
	if (strcmp(what, "show") == 0 && inv->n_args == 2)
		return show(inv, inv->args[1]);
	return usage_error(inv, "'list', 'show NAME' or 'apply FILE' is expected");
}

const struct command cmd_sets = {
	.name = "sets",
	.args = "[list | show NAME | apply FILE]",
	.summary = "lists, shows and registers feature sets and views",
	.text = "Without an argument, lists the sets and views that are registered. `apply` "
		"registers\n"
		"those in FILE (- is stdin), or changes them; a file with an error changes "
		"nothing.",
	.example = "  millrace sets\n"
		   "  millrace sets show user\n"
		   "  millrace sets apply user.ini",
	.options = options,
	.run = run,
};
