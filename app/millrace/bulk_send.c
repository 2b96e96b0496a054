// SPDX-License-Identifier: BSD-3-Clause

#include "bulk.h"

#include "admin.h"
#include "mr_bytes.h"
#include "mr_catalog.h"
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK_BYTES (1u << 20)
#define RECORD_BYTES 16u
#define BEGIN_TRIES 300u // seconds that a filter may take to be built
#define LOOK_NS (100 * MR_NS_PER_MS)
#define SCHEMA_MAX_BYTES (1u << 30)

struct sending;

/** A range of keys on its way, by a thread of its own. */
struct part {
	struct sending *all;
	unsigned index;
	pthread_t thread;
	int fd;
	uint8_t *chunk;
	size_t chunk_bytes;
	uint64_t chunk_rows;
	uint64_t rows; //!< that the appliance has, also from before
	uint8_t after[MR_KEY_MAX_BYTES];
	unsigned after_bytes; //!< 0: from the beginning
	uint64_t duplicates;
	uint8_t apart[MR_CACHE_LINE_BYTES]; //!< from the next part, which another thread writes to
};

struct sending {
	const struct bulk_send_params *p;
	uint64_t token;
	uint32_t version;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	unsigned n_running;
	uint64_t rows; //!< sent, and from before
	int code;      //!< the first failure's exit code
	char text[1024];
	struct part parts[SORTER_PARTS_MAX];
};

/** The first failure is the one that counts: the others follow from it. @return its code */
static int fail(struct sending *s, int code, const char *text)
{
	pthread_mutex_lock(&s->mutex);
	if (s->code == 0) {
		s->code = code;
		snprintf(s->text, sizeof(s->text), "%.1000s", text);
	}
	code = s->code;
	pthread_mutex_unlock(&s->mutex);
	return code;
}

/** Asks; the answer, or the refusal, is in @p text. @return 0 or an exit code. */
static int exchange(const struct sending *s, int fd, const char *verb, const void *payload,
	size_t bytes, char *text, size_t text_bytes)
{
	struct admin_reply reply = {0};
	struct mr_err err = {""};
	int rc = fd >= 0 ? admin_ask_on(fd, s->p->admin, verb, payload, bytes, &reply, &err)
	                 : admin_ask(s->p->admin, verb, payload, bytes, &reply, &err);

	if (rc != 0) {
		snprintf(text, text_bytes, "%s", err.text);
		return rc == -ENOMEM ? EXIT_LOCAL : EXIT_NO_ANSWER;
	}
	snprintf(text, text_bytes, "%s", reply.text);
	rc = reply.is_ok ? 0 : EXIT_REFUSED;
	free(reply.text);
	return rc;
}

// ---- a part ------------------------------------------------------------------------------------

static int flush(struct part *part)
{
	struct sending *s = part->all;
	char verb[64], text[1024];
	int rc;

	if (part->chunk_bytes == 0)
		return 0;
	snprintf(verb, sizeof(verb), "bulk-rows %" PRIu64 " %u", s->token, part->index);
	rc = exchange(s, part->fd, verb, part->chunk, part->chunk_bytes, text, sizeof(text));
	if (rc != 0)
		return fail(s, rc, text);
	pthread_mutex_lock(&s->mutex);
	s->rows += part->chunk_rows;
	rc = s->code;
	pthread_mutex_unlock(&s->mutex);
	part->rows += part->chunk_rows;
	part->chunk_bytes = 0;
	part->chunk_rows = 0;
	return rc;
}

static int add(struct part *part, const struct sorted_row *row)
{
	size_t bytes = RECORD_BYTES + (size_t)row->key_bytes + row->row_bytes;
	uint8_t *at;

	if (CHUNK_BYTES - part->chunk_bytes < bytes) {
		int rc = flush(part);

		if (rc != 0)
			return rc;
	}
	at = part->chunk + part->chunk_bytes;
	memset(at, 0, RECORD_BYTES);
	mr_store_le64(at, row->event_time_us);
	mr_store_le32(at + 8, row->row_bytes);
	at[12] = row->key_bytes;
	mr_copy_short(at + RECORD_BYTES, row->key, row->key_bytes);
	memcpy(at + RECORD_BYTES + row->key_bytes, row->row, row->row_bytes);
	part->chunk_bytes += bytes;
	part->chunk_rows++;
	return 0;
}

static int send_rows(struct part *part, struct sorter_merge *merge)
{
	struct mr_err err = {""};
	struct sorted_row row;
	char verb[64], text[1024];
	int rc;

	while ((rc = sorter_merge_next(merge, &row, &err)) == 1) {
		rc = add(part, &row);
		if (rc != 0)
			return rc;
	}
	if (rc < 0)
		return fail(part->all, EXIT_LOCAL, err.text);
	rc = flush(part);
	if (rc != 0 || part->rows == 0)
		return rc;
	snprintf(verb, sizeof(verb), "bulk-part-end %" PRIu64 " %u", part->all->token, part->index);
	rc = exchange(part->all, part->fd, verb, NULL, 0, text, sizeof(text));
	return rc == 0 ? 0 : fail(part->all, rc, text);
}

static void *run_part(void *arg)
{
	struct part *part = arg;
	struct sending *s = part->all;
	struct mr_err err = {""};
	struct sorter_merge *merge = sorter_merge_begin(s->p->sorter, part->index,
		part->after_bytes > 0 ? part->after : NULL, part->after_bytes, &err);

	part->fd = admin_open(s->p->admin, &err);
	part->chunk = malloc(CHUNK_BYTES);
	if (merge == NULL || part->chunk == NULL)
		fail(s, EXIT_LOCAL, err.text[0] != '\0' ? err.text : "out of memory");
	else if (part->fd < 0)
		fail(s, EXIT_NO_ANSWER, err.text);
	else
		send_rows(part, merge);
	part->duplicates = sorter_merge_end(merge);
	free(part->chunk);
	if (part->fd >= 0)
		close(part->fd);
	pthread_mutex_lock(&s->mutex);
	s->n_running--;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

// ---- all of them -------------------------------------------------------------------------------

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/** "PART ROWS KEY": what the appliance has of a load that goes on. */
static bool parse_part(struct sending *s, const char *line)
{
	unsigned index, n = 0;
	uint64_t rows;
	int at = 0;

	if (sscanf(line, "%u %" SCNu64 " %n", &index, &rows, &at) != 2 || at == 0 ||
		index >= s->p->n_parts)
		return false;
	for (const char *p = line + at; hex_digit(p[0]) >= 0 && hex_digit(p[1]) >= 0; p += 2) {
		if (n == MR_KEY_MAX_BYTES)
			return false;
		s->parts[index].after[n++] = (uint8_t)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
	}
	s->parts[index].after_bytes = n;
	s->parts[index].rows = rows;
	s->rows += rows;
	return n > 0;
}

static int parse_begin(struct sending *s, char *text)
{
	char *line = text;

	if (sscanf(text, "%" SCNu32 " %" SCNu64, &s->version, &s->token) != 2)
		return fail(s, EXIT_NO_ANSWER, "what comes is no answer to bulk-begin");
	while ((line = strchr(line, '\n')) != NULL && *++line != '\0')
		if (!parse_part(s, line))
			return fail(s, EXIT_REFUSED,
				"the appliance has other parts of this load than those sorted "
				"here");
	return 0;
}

static int begin(struct sending *s)
{
	const struct mr_schema *schema = s->p->schema;
	char verb[256], text[SORTER_PARTS_MAX * (2 * MR_KEY_MAX_BYTES + 64)];
	int rc = 0;

	for (unsigned i = 0; i < BEGIN_TRIES; i++) {
		snprintf(verb, sizeof(verb), "bulk-begin %s %u %x %" PRIx64, schema->name,
			s->p->version, schema->layout, s->p->id);
		rc = exchange(s, -1, verb, NULL, 0, text, sizeof(text));
		if (rc != EXIT_REFUSED || strstr(text, "filter is being built") == NULL)
			break;
		sleep(1);
	}
	return rc == 0 ? parse_begin(s, text) : fail(s, rc, text);
}

static void wait_for_parts(struct sending *s)
{
	struct timespec until;

	pthread_mutex_lock(&s->mutex);
	while (s->n_running > 0) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += (long)LOOK_NS;
		until.tv_sec += until.tv_nsec / (long)MR_NS_PER_S;
		until.tv_nsec %= (long)MR_NS_PER_S;
		pthread_cond_timedwait(&s->changed, &s->mutex, &until);
		progress_show_now(s->p->progress, s->rows, s->rows);
	}
	pthread_mutex_unlock(&s->mutex);
}

static int send_parts(struct sending *s)
{
	unsigned n = 0;

	for (; n < s->p->n_parts; n++) {
		s->parts[n].all = s;
		s->parts[n].index = n;
		pthread_mutex_lock(&s->mutex);
		s->n_running++;
		pthread_mutex_unlock(&s->mutex);
		if (pthread_create(&s->parts[n].thread, NULL, run_part, &s->parts[n]) != 0) {
			pthread_mutex_lock(&s->mutex);
			s->n_running--;
			pthread_mutex_unlock(&s->mutex);
			fail(s, EXIT_LOCAL, "cannot start threads");
			break;
		}
	}
	wait_for_parts(s);
	while (n-- > 0)
		pthread_join(s->parts[n].thread, NULL);
	return s->code;
}

static int finish(struct sending *s)
{
	char verb[64], text[1024];
	int rc;

	snprintf(verb, sizeof(verb), "bulk-finish %" PRIu64 "%s", s->token,
		s->p->activate ? " activate" : "");
	rc = exchange(s, -1, verb, NULL, 0, text, sizeof(text));
	if (rc != 0)
		return fail(s, rc, text);
	fputs(text, stderr);
	return 0;
}

/** A load that can be gone on with stays; another one makes room. */
static void give_up(struct sending *s)
{
	char verb[64], text[1024];

	if (s->token == 0 || s->p->id != 0)
		return;
	snprintf(verb, sizeof(verb), "bulk-abort %" PRIu64, s->token);
	exchange(s, -1, verb, NULL, 0, text, sizeof(text));
}

int bulk_send(const struct bulk_send_params *params, struct bulk_done *ret_done)
{
	struct sending *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return complain(params->inv, EXIT_LOCAL, "out of memory");
	s->p = params;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	rc = begin(s);
	if (rc == 0)
		rc = send_parts(s);
	if (rc == 0)
		rc = finish(s);
	if (rc != 0)
		give_up(s);
	*ret_done = (struct bulk_done){.version = s->version};
	for (unsigned i = 0; i < params->n_parts; i++) {
		ret_done->rows += s->parts[i].rows;
		ret_done->duplicates += s->parts[i].duplicates;
	}
	if (rc != 0)
		complain(params->inv, rc, "%s", s->text);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->mutex);
	free(s);
	return rc;
}

// ---- the set -----------------------------------------------------------------------------------

int bulk_schema(const struct invocation *inv, const char *set, const struct mr_schema **ret_schema,
	void **ret_mem)
{
	const struct mr_catalog *catalog = NULL;
	struct admin_reply reply = {0};
	struct mr_err err = {""};
	struct mr_arena arena;
	char verb[256];
	int rc;

	if (strpbrk(set, " \n") != NULL || strlen(set) > 64)
		return usage_error(inv, "'%s' is no name of a set", set);
	snprintf(verb, sizeof(verb), "sets-show %s", set);
	rc = admin_ask(admin_path(inv), verb, NULL, 0, &reply, &err);
	if (rc != 0)
		return complain(inv, EXIT_NO_ANSWER, "%s", err.text);
	if (!reply.is_ok) {
		complain(inv, EXIT_REFUSED, "%s", reply.text);
		free(reply.text);
		return EXIT_REFUSED;
	}
	for (size_t bytes = 1u << 20; catalog == NULL && bytes <= SCHEMA_MAX_BYTES; bytes *= 2) {
		free(*ret_mem);
		*ret_mem = aligned_alloc(MR_CACHE_LINE_BYTES, bytes);
		if (*ret_mem == NULL)
			break;
		mr_arena_init(&arena, *ret_mem, bytes);
		catalog = mr_catalog_build(&arena, set, reply.text, reply.bytes, &err);
		if (catalog == NULL && errno != ENOMEM)
			break;
	}
	free(reply.text);
	if (catalog == NULL)
		return complain(inv, EXIT_LOCAL, "%s: %s", set,
			err.text[0] != '\0' ? err.text : "out of memory");
	*ret_schema = mr_catalog_set_by_name(catalog, set);
	if (*ret_schema == NULL || catalog->n_views > 0)
		return usage_error(inv, "'%s' is a view; rows go into sets", set);
	return 0;
}
