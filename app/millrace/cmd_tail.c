// SPDX-License-Identifier: BSD-3-Clause

#include "cmd_admin.h"
#include "mr_catalog.h"
#include "mr_units.h"
#include "show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FOLLOW_EVERY_MS 200
#define CATALOG_BYTES (4u << 20)

static const struct option_def options[] = {
	ADMIN_OPTION,
	{"from", "N", "sequence number to begin at; default: what is written from now on"},
	{"follow", NULL, "waits for more at the end"},
	{NULL, NULL, NULL},
};

struct tail {
	const struct invocation *inv;
	const char *set;
	const struct mr_schema *schema;
	void *mem;
	uint64_t next;
	bool more; //!< there is more already
};

/** Learns the set's columns from its text. */
static int learn(struct tail *t)
{
	struct admin_reply reply = {0};
	struct mr_err err = {""};
	struct mr_catalog *catalog;
	struct mr_arena arena;
	char verb[128];
	int rc;

	snprintf(verb, sizeof(verb), "sets-show %s", t->set);
	rc = ask(t->inv, verb, NULL, &reply);
	if (rc != EXIT_OK)
		return rc;
	t->mem = malloc(CATALOG_BYTES);
	if (t->mem == NULL) {
		free(reply.text);
		return complain(t->inv, EXIT_LOCAL, "out of memory");
	}
	mr_arena_init(&arena, t->mem, CATALOG_BYTES);
	catalog = mr_catalog_build(&arena, t->set, reply.text, reply.bytes, &err);
	free(reply.text);
	if (catalog != NULL)
		t->schema = mr_catalog_set_by_name(catalog, t->set);
	return t->schema != NULL
	               ? EXIT_OK
	               : complain(t->inv, EXIT_NO_ANSWER, "%s: not a set %s", t->set, err.text);
}

/** Turns hex digits into bytes where they stand. @return bytes; "-": none. */
static unsigned unhex(char *text)
{
	unsigned n = 0;

	if (strcmp(text, "-") == 0)
		return 0;
	for (const char *at = text; at[0] != '\0' && at[1] != '\0'; at += 2) {
		char digits[3] = {at[0], at[1], '\0'};

		((uint8_t *)text)[n++] = (uint8_t)strtoul(digits, NULL, 16);
	}
	return n;
}

static json_t *columns_json(const struct mr_schema *schema, const uint8_t *row, unsigned bytes)
{
	json_t *columns = json_object();

	for (unsigned i = 0; i < schema->shape.n_columns; i++) {
		const struct mr_column *column = &schema->shape.columns[i];
		struct mr_value value;

		if (mr_row_get(column, row, bytes, &value) == 0)
			json_object_set_new(columns, column->name, value_json(&value));
	}
	return columns;
}

static void put_row(const struct tail *t, json_t *line, char *words[7])
{
	const struct mr_schema *schema = t->schema;
	unsigned key_bytes = unhex(words[5]), row_bytes = unhex(words[6]);
	uint8_t *row = malloc(row_bytes + 8u);

	json_object_set_new(line, "event_time_us", json_integer(atoll(words[3])));
	json_object_set_new(line, "key", key_json(schema, words[5], key_bytes));
	// Rows are read aligned.
	if (row != NULL && strcmp(words[1], "put") == 0 &&
		strtoul(words[4], NULL, 16) == schema->layout) {
		memcpy(row, words[6], row_bytes);
		if (mr_row_check(&schema->shape, row, row_bytes) >= 0)
			json_object_set_new(line, "columns", columns_json(schema, row, row_bytes));
	}
	free(row);
}

/** "SEQUENCE KIND VERSION EVENT_TIME LAYOUT KEY ROW" as a line of JSON. */
static void print_change(const struct tail *t, char *text)
{
	char *words[7], *save = NULL;
	json_t *line;
	unsigned n = 0;

	for (char *w = strtok_r(text, " ", &save); w != NULL && n < 7;
		w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	if (n < 7)
		return;
	line = json_object();
	json_object_set_new(line, "sequence", json_integer(atoll(words[0])));
	json_object_set_new(line, "kind", json_string(words[1]));
	json_object_set_new(line, "set", json_string(t->set));
	json_object_set_new(line, "version", json_integer(atoll(words[2])));
	if (strcmp(words[1], "put") == 0 || strcmp(words[1], "delete") == 0)
		put_row(t, line, words);
	else if (strcmp(words[1], "bulk") == 0)
		json_object_set_new(line, "rows", json_integer(atoll(words[3])));
	json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
	putchar('\n');
	json_decref(line);
}

static int take(struct tail *t)
{
	struct admin_reply reply = {0};
	char verb[160], *save = NULL, more[8] = "";
	int rc;

	snprintf(verb, sizeof(verb), "tail %s %" PRIu64, t->set, t->next);
	rc = ask(t->inv, verb, NULL, &reply);
	if (rc != EXIT_OK)
		return rc;
	t->more = false;
	for (char *line = strtok_r(reply.text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "next %" SCNu64 " %7s", &t->next, more) == 2)
			t->more = strcmp(more, "more") == 0;
		else
			print_change(t, line);
	}
	free(reply.text);
	fflush(stdout);
	return EXIT_OK;
}

static int run(const struct invocation *inv)
{
	struct timespec pause = {.tv_nsec = FOLLOW_EVERY_MS * (long)MR_NS_PER_MS};
	struct tail t = {.inv = inv};
	int rc;

	if (inv->n_args != 1 || strlen(inv->args[0]) > MR_NAME_MAX_BYTES ||
		strpbrk(inv->args[0], " \t\n") != NULL)
		return usage_error(inv, "one set is expected");
	t.set = inv->args[0];
	rc = option_u64(inv, "from", 0, &t.next);
	if (rc == EXIT_OK)
		rc = learn(&t);
	while (rc == EXIT_OK) {
		rc = take(&t);
		if (rc != EXIT_OK || t.more)
			continue;
		if (option(inv, "follow") == NULL || ferror(stdout))
			break;
		nanosleep(&pause, NULL);
	}
	if (rc == EXIT_OK)
		fprintf(stderr, "next: --from %" PRIu64 "\n", t.next);
	free(t.mem);
	return rc;
}

const struct command cmd_tail = {
	.name = "tail",
	.args = "SET",
	.summary = "prints what was written to a set, in order, as JSON lines",
	.text = "Every committed write of SET in the order of commits, one JSON object a line, "
                "each "
		"with\n"
		"its sequence number; what came by bulk load, and a dropped version, are one line "
		"each.\n"
		"To go on later, pass the number after the last one, which is also said at the "
		"end.\n"
		"A number that the log no longer reaches back to is refused ([store] wal_keep).",
	.example = "  millrace tail user --follow\n"
		   "  millrace tail user --from 18212",
	.options = options,
	.run = run,
};
