// SPDX-License-Identifier: BSD-3-Clause
//
// What the system tests do with the SDK: make a table, look it up and compare, write while the
// appliance is killed, and check afterwards.
//
//     rows gen FILE ROWS SEED               writes a CSV of ROWS users, ids 0, 2, 4, ...
//     rows verify SERVER FILE LOOKUPS SEED  looks ids up, compares with the file field by field
//     rows storm SERVER LOG KEYS WRITES     writes, logs what was acknowledged, ends when the
//     server does rows check SERVER LOG                 every logged row is there, in that form or
//     a newer one

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mr_client.h"
#include "mr_rng.h"

#define KEYS_MAX 255
#define LINE_BYTES 512
#define FIELDS 8

static const char *const cities[] = {
	"Graz", "São Paulo", "Zürich", "Oslo", "New York, NY", "東京", "say \"hi\"", ""};

static int die(const char *what, const char *why)
{
	fprintf(stderr, "rows: %s: %s\n", what, why);
	return 1;
}

static int gen(const char *path, uint64_t n, uint64_t seed)
{
	struct mr_rng rng = {seed};
	FILE *out = fopen(path, "w");

	if (out == NULL)
		return die(path, strerror(errno));
	fprintf(out, "key,age,score,vec,city,active,seen,big\n");
	for (uint64_t i = 0; i < n; i++) {
		uint64_t r = mr_rng_next(&rng);
		const char *city = cities[r % 8];

		fprintf(out, "%" PRIu64 ",", i * 2);
		if (r >> 8 & 7)
			fprintf(out, "%d", (int)(int32_t)(r >> 16));
		fprintf(out, ",%.17g,%g;%g;%g;%g,", (double)(int64_t)mr_rng_next(&rng) / 1e6,
			(double)(r & 1023) / 8, -(double)(r >> 10 & 1023) / 4, 0.5, 1e-3);
		if (strchr(city, '"') != NULL)
			fprintf(out, "\"say \"\"hi\"\"\"");
		else
			fprintf(out, "\"%s\"", city);
		fprintf(out, ",%s,%" PRIu64 ",%" PRId64 "\n", r >> 40 & 1 ? "true" : "false",
			UINT64_C(1700000000000000) + (r >> 30), (int64_t)r);
	}
	return fclose(out) == 0 ? 0 : die(path, strerror(errno));
}

/** The source file: line i + 1 is id 2 i. */
struct table {
	char *text;
	char **lines;
	uint64_t n;
};

static int load(const char *path, struct table *t)
{
	FILE *in = fopen(path, "r");
	long bytes;

	if (in == NULL)
		return die(path, strerror(errno));
	fseek(in, 0, SEEK_END);
	bytes = ftell(in);
	rewind(in);
	t->text = malloc((size_t)bytes + 1);
	t->lines = malloc(sizeof(char *) * ((size_t)bytes / 16 + 2));
	if (t->text == NULL || t->lines == NULL ||
		fread(t->text, 1, (size_t)bytes, in) != (size_t)bytes)
		return die(path, "cannot read it");
	fclose(in);
	t->text[bytes] = '\0';
	t->n = 0;
	for (char *p = strchr(t->text, '\n') + 1; *p != '\0';) {
		char *end = strchr(p, '\n');

		*end = '\0';
		t->lines[t->n++] = p;
		p = end + 1;
	}
	return 0;
}

// Splits a line into its fields; quotes are taken off. Independent of the tool's own reader.
static void split(const char *line, char fields[FIELDS][LINE_BYTES])
{
	for (unsigned f = 0; f < FIELDS; f++) {
		char *to = fields[f];
		int quoted = *line == '"';

		if (quoted)
			line++;
		for (; *line != '\0' && (quoted || *line != ','); line++) {
			if (quoted && *line == '"' && *++line != '"')
				break;
			*to++ = *line;
		}
		*to = '\0';
		if (*line == ',')
			line++;
	}
}

static int same_vec(const struct mr_value *v, const char *text)
{
	float want[4], got[4];

	if (v->count != 4 ||
		sscanf(text, "%f;%f;%f;%f", &want[0], &want[1], &want[2], &want[3]) != 4)
		return 0;
	memcpy(got, v->data, sizeof(got));
	return memcmp(want, got, sizeof(got)) == 0;
}

static int same(unsigned field, const struct mr_value *v, const char *text)
{
	if (v->is_null)
		return field == 1 && *text == '\0';
	switch (field) {
	case 1:
		return *text != '\0' && v->i32 == (int32_t)strtol(text, NULL, 10);
	case 2:
		return v->f64 == strtod(text, NULL);
	case 3:
		return same_vec(v, text);
	case 4:
		return v->bytes == strlen(text) && memcmp(v->data, text, v->bytes) == 0;
	case 5:
		return v->b == (strcmp(text, "true") == 0);
	default:
		return v->i64 == strtoll(text, NULL, 10);
	}
}

static int compare(
	const struct mr_client_result *r, unsigned key, uint64_t id, const struct table *t)
{
	static const char *const names[FIELDS] = {
		"", "age", "score", "vec", "city", "active", "seen", "big"};
	enum mr_client_status want =
		id % 2 == 0 && id / 2 < t->n ? MR_CLIENT_OK : MR_CLIENT_NOT_FOUND;
	static char fields[FIELDS][LINE_BYTES];

	if (mr_client_result_status(r, key, 0) != want) {
		fprintf(stderr, "rows: id %" PRIu64 ": %s, want %s\n", id,
			mr_client_status_name(mr_client_result_status(r, key, 0)),
			mr_client_status_name(want));
		return 1;
	}
	if (want != MR_CLIENT_OK)
		return 0;
	split(t->lines[id / 2], fields);
	for (unsigned f = 1; f < FIELDS; f++) {
		struct mr_client_column column;
		struct mr_value value;

		if (mr_client_result_find(r, names[f], &column) < 0 ||
			mr_client_result_value(r, key, column, &value) < 0 ||
			!same(f, &value, fields[f])) {
			fprintf(stderr, "rows: id %" PRIu64 ", column %s: not '%s'\n", id, names[f],
				fields[f]);
			return 1;
		}
	}
	return 0;
}

// No answer, or "try again", says nothing of a row: all are asked for again.
static struct mr_client_result *get_for_sure(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_key *keys, unsigned n_keys)
{
	for (unsigned n = 0;; n++) {
		struct mr_client_result *r;
		unsigned open = 0;

		if (mr_client_get(client, view, keys, n_keys, &r) < 0)
			return NULL;
		for (unsigned i = 0; i < n_keys; i++) {
			enum mr_client_status status = mr_client_result_status(r, i, 0);

			open += status == MR_CLIENT_LOST || status == MR_CLIENT_BUSY ||
			        status == MR_CLIENT_DEGRADED;
		}
		if (open == 0 || n == 20)
			return r;
		mr_client_result_free(r);
		usleep(100000);
	}
}

// Present, absent and repeated ids: a quarter from a hot thousand, a quarter odd (absent).
static uint64_t pick(struct mr_rng *rng, uint64_t n)
{
	uint64_t r = mr_rng_next(rng);

	if ((r & 3) == 0)
		return mr_rng_below(rng, n < 1000 ? n : 1000) * 2;
	if ((r & 3) == 1)
		return mr_rng_below(rng, n) * 2 + 1;
	return mr_rng_below(rng, n) * 2;
}

static int verify(const char *server, const char *path, uint64_t lookups, uint64_t seed)
{
	static const unsigned batches[] = {1, 16, 255};
	struct mr_client_options options = {.timeout_us = 1000000, .attempts = 5};
	struct mr_rng rng = {seed};
	struct mr_err err = {0};
	struct mr_client *client = mr_client_open(server, &options, &err);
	struct mr_client_view *view = client ? mr_client_resolve(client, "user", &err) : NULL;
	uint64_t done = 0, wrong = 0, calls = 0;
	struct table t;

	if (view == NULL)
		return die(server, err.text);
	if (load(path, &t) != 0)
		return 1;
	while (done < lookups && wrong < 10) {
		unsigned n = batches[calls++ % 3];
		uint8_t bytes[KEYS_MAX][8];
		uint64_t ids[KEYS_MAX];
		struct mr_client_key keys[KEYS_MAX];
		struct mr_client_result *r;

		for (unsigned i = 0; i < n; i++) {
			ids[i] = pick(&rng, t.n);
			mr_store_be64(bytes[i], ids[i]);
			keys[i] = (struct mr_client_key){bytes[i], 8};
		}
		r = get_for_sure(client, view, keys, n);
		if (r == NULL)
			return die("get", "failed");
		for (unsigned i = 0; i < n; i++)
			wrong += (uint64_t)compare(r, i, ids[i], &t);
		mr_client_result_free(r);
		done += n;
	}
	mr_client_close(client);
	printf("%" PRIu64 " lookups in %" PRIu64 " calls, %" PRIu64 " wrong (seed %" PRIu64 ")\n",
		done, calls, wrong, seed);
	return wrong == 0 ? 0 : 1;
}

static int put_batch(struct mr_client *client, const struct mr_schema *schema, uint64_t first,
	unsigned n, uint64_t n_keys, uint64_t base_us, FILE *log)
{
	static uint8_t rows[64][256], keys[64][8];
	static uint8_t scratch[65536];
	struct mr_client_row put[64];
	struct mr_client_result *r;

	for (unsigned i = 0; i < n; i++) {
		const struct mr_column *big = mr_shape_column(&schema->shape, "big");
		struct mr_value value = {
			.type = MR_TYPE_I64, .count = 1, .i64 = (int64_t)(base_us + first + i)};
		struct mr_row_builder b;

		mr_store_be64(keys[i], UINT64_C(1) << 40 | ((first + i) % n_keys));
		mr_row_begin(&b, &schema->shape, rows[i], sizeof(rows[i]), scratch);
		mr_row_set(&b, big, &value);
		put[i] = (struct mr_client_row){.key = {keys[i], 8},
			.event_time_us = base_us + first + i,
			.row = rows[i],
			.row_bytes = (uint32_t)mr_row_end(&b)};
	}
	if (mr_client_put(client, schema, put, n, &r) < 0)
		return -1;
	for (unsigned i = 0; i < n; i++) {
		if (mr_client_result_status(r, i, 0) != MR_CLIENT_OK ||
			!mr_client_result_durable(r))
			continue;
		fprintf(log, "%" PRIu64 " %" PRIu64 "\n", (first + i) % n_keys,
			put[i].event_time_us);
	}
	fflush(log);
	n = (unsigned)mr_client_result_count(r, MR_CLIENT_OK);
	mr_client_result_free(r);
	return (int)n;
}

static int storm(const char *server, const char *path, uint64_t n_keys, uint64_t writes)
{
	const char *patience_ms = getenv("ROWS_PATIENCE_MS"); // of servers that are slow themselves
	struct mr_client_options options = {
		.timeout_us = patience_ms != NULL ? strtoul(patience_ms, NULL, 10) * 1000 : 500000,
		.attempts = 2};
	struct mr_err err = {0};
	struct mr_client *client = mr_client_open(server, &options, &err);
	struct mr_client_view *view = client ? mr_client_resolve(client, "user", &err) : NULL;
	const struct mr_schema *schema;
	uint64_t acked = 0;
	struct timespec now;
	FILE *log = fopen(path, "w");

	if (view == NULL || log == NULL)
		return die(server, err.text);
	schema = mr_client_view_schema(view, 0);
	clock_gettime(CLOCK_REALTIME, &now);
	for (uint64_t at = 0; at < writes; at += 32) {
		int n = put_batch(
			client, schema, at, 32, n_keys, (uint64_t)now.tv_sec * 1000000, log);

		if (n <= 0)
			break;
		acked += (uint64_t)n;
	}
	fclose(log);
	printf("%" PRIu64 " writes acknowledged\n", acked);
	return 0;
}

static int check(const char *server, const char *path)
{
	struct mr_client_options options = {.timeout_us = 1000000, .attempts = 5};
	struct mr_err err = {0};
	struct mr_client *client = mr_client_open(server, &options, &err);
	struct mr_client_view *view = client ? mr_client_resolve(client, "user", &err) : NULL;
	uint64_t key, time_us, n = 0, wrong = 0;
	FILE *log = fopen(path, "r");

	if (view == NULL || log == NULL)
		return die(server, err.text);
	while (fscanf(log, "%" SCNu64 " %" SCNu64, &key, &time_us) == 2) {
		struct mr_client_result *r;
		struct mr_client_column big;
		struct mr_value value;
		uint8_t bytes[8];
		struct mr_client_key k = {bytes, 8};

		mr_store_be64(bytes, UINT64_C(1) << 40 | key);
		r = get_for_sure(client, view, &k, 1);
		if (r == NULL)
			return die("get", "failed");
		n++;
		if (mr_client_result_status(r, 0, 0) != MR_CLIENT_OK ||
			mr_client_result_event_time_us(r, 0, 0) < time_us ||
			mr_client_result_find(r, "big", &big) < 0 ||
			mr_client_result_value(r, 0, big, &value) < 0 ||
			(uint64_t)value.i64 != mr_client_result_event_time_us(r, 0, 0)) {
			fprintf(stderr,
				"rows: key %" PRIu64 ": acknowledged at %" PRIu64
				", found %s at %" PRIu64 "\n",
				key, time_us,
				mr_client_status_name(mr_client_result_status(r, 0, 0)),
				mr_client_result_event_time_us(r, 0, 0));
			wrong++;
		}
		mr_client_result_free(r);
	}
	printf("%" PRIu64 " acknowledged writes checked, %" PRIu64 " lost\n", n, wrong);
	mr_client_close(client);
	return wrong == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "gen") == 0)
		return gen(argv[2], strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	if (argc == 6 && strcmp(argv[1], "verify") == 0)
		return verify(
			argv[2], argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	if (argc == 6 && strcmp(argv[1], "storm") == 0)
		return storm(
			argv[2], argv[3], strtoull(argv[4], NULL, 10), strtoull(argv[5], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "check") == 0)
		return check(argv[2], argv[3]);
	fprintf(stderr, "usage: rows gen|verify|storm|check ... (see the source)\n");
	return 2;
}
