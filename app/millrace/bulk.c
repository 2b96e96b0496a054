// SPDX-License-Identifier: BSD-3-Clause

#include "bulk.h"

#include "admin.h"
#include "mr_bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES (4u << 20)
#define RECORD_BYTES 16u
#define BEGIN_TRIES 300u // seconds that a filter may take to be built

struct bulk {
	const struct invocation *inv;
	const char *admin;
	uint64_t token;
	uint8_t *chunk;
	size_t chunk_bytes;
	struct bulk_done done;
};

/** Asks; the answer, or the refusal, is in @p text. @return 0 or an exit code. */
static int exchange(struct bulk *b, const char *verb, char *text, size_t text_bytes)
{
	struct admin_reply reply = {0};
	struct mr_err err = {""};
	int rc = admin_ask(b->admin, verb, b->chunk, b->chunk_bytes, &reply, &err);

	b->chunk_bytes = 0;
	if (rc != 0) {
		snprintf(text, text_bytes, "%s", err.text);
		return rc == -ENOMEM ? EXIT_LOCAL : EXIT_NO_ANSWER;
	}
	snprintf(text, text_bytes, "%s", reply.text);
	rc = reply.is_ok ? 0 : EXIT_REFUSED;
	free(reply.text);
	return rc;
}

static int begin(struct bulk *b, const struct mr_schema *schema, uint32_t version)
{
	char verb[256], text[1024];
	int rc = 0;

	for (unsigned i = 0; i < BEGIN_TRIES; i++) {
		snprintf(verb, sizeof(verb), "bulk-begin %s %u %x", schema->name, version,
			schema->layout);
		rc = exchange(b, verb, text, sizeof(text));
		if (rc != EXIT_REFUSED || strstr(text, "filter is being built") == NULL)
			break;
		sleep(1);
	}
	if (rc == 0 && sscanf(text, "%" SCNu32 " %" SCNu64, &b->done.version, &b->token) != 2)
		return complain(b->inv, EXIT_NO_ANSWER, "'%s' is no answer to bulk-begin", text);
	return rc == 0 ? 0 : complain(b->inv, rc, "%s", text);
}

static int flush(struct bulk *b)
{
	char verb[64], text[1024];
	int rc;

	if (b->chunk_bytes == 0)
		return 0;
	snprintf(verb, sizeof(verb), "bulk-rows %" PRIu64, b->token);
	rc = exchange(b, verb, text, sizeof(text));
	return rc == 0 ? 0 : complain(b->inv, rc, "%s", text);
}

static int add(struct bulk *b, const struct sorted_row *row)
{
	size_t bytes = RECORD_BYTES + (size_t)row->key_bytes + row->row_bytes;
	uint8_t *at;

	if (CHUNK_BYTES - b->chunk_bytes < bytes) {
		int rc = flush(b);

		if (rc != 0)
			return rc;
	}
	at = b->chunk + b->chunk_bytes;
	memset(at, 0, RECORD_BYTES);
	mr_store_le64(at, row->event_time_us);
	mr_store_le32(at + 8, row->row_bytes);
	at[12] = row->key_bytes;
	memcpy(at + RECORD_BYTES, row->key, row->key_bytes);
	memcpy(at + RECORD_BYTES + row->key_bytes, row->row, row->row_bytes);
	b->chunk_bytes += bytes;
	b->done.rows++;
	return 0;
}

static int send_all(struct bulk *b, struct sorter *sorter)
{
	struct mr_err err = {""};
	struct sorted_row row;
	int rc = sorter_rewind(sorter, &err);

	while (rc == 0 && (rc = sorter_next(sorter, &row, &err)) == 1) {
		int code = add(b, &row);

		if (code != 0)
			return code;
		rc = 0;
	}
	return rc < 0 ? complain(b->inv, EXIT_LOCAL, "%s", err.text) : flush(b);
}

static int end(struct bulk *b, bool activate)
{
	char verb[64], text[1024];
	int rc;

	snprintf(verb, sizeof(verb), "bulk-finish %" PRIu64 "%s", b->token,
		activate ? " activate" : "");
	rc = exchange(b, verb, text, sizeof(text));
	if (rc != 0)
		return complain(b->inv, rc, "%s", text);
	fputs(text, stderr);
	return 0;
}

int bulk_send(const struct invocation *inv, const struct mr_schema *schema, uint32_t version,
	bool activate, struct sorter *sorter, struct bulk_done *ret_done)
{
	struct bulk b = {.inv = inv, .admin = admin_path(inv), .chunk = malloc(CHUNK_BYTES)};
	char verb[64], text[1024];
	int rc;

	if (b.chunk == NULL)
		return complain(inv, EXIT_LOCAL, "out of memory");
	rc = begin(&b, schema, version);
	if (rc == 0) {
		rc = send_all(&b, sorter);
		if (rc == 0)
			rc = end(&b, activate);
		b.chunk_bytes = 0;
		snprintf(verb, sizeof(verb), "bulk-abort %" PRIu64, b.token);
		if (rc != 0)
			exchange(&b, verb, text, sizeof(text));
	}
	free(b.chunk);
	*ret_done = b.done;
	return rc;
}
