// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bulk.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mr_key.h"
#include "mr_units.h"

#define IDLE_US (60 * MR_US_PER_S)
#define SCHEMA_FIRST_BYTES (1 * MR_MIB)
#define SCHEMA_MAX_BYTES (1 * MR_GIB)

void mr_bulk_init(struct mr_bulk *b)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	// Chunks come without a pause: whoever wants to end the load must not wait for one.
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&b->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

// The load is over, in the store in one way or the other.
static void end_load(struct mr_bulk *b)
{
	b->load = NULL;
	free(b->schema_mem);
	b->schema_mem = NULL;
	b->schema = NULL;
	mr_filter_release(b->filter);
}

static void give_up(struct mr_bulk *b)
{
	if (b->load == NULL)
		return;
	mr_store_bulk_abort(b->load);
	end_load(b);
}

void mr_bulk_done(struct mr_bulk *b)
{
	give_up(b);
	pthread_rwlock_destroy(&b->lock);
}

// The load that a request is about.
static int check_token(const struct mr_bulk *b, uint64_t token, struct mr_err *err)
{
	if (b->load != NULL && token == b->token)
		return 0;
	return mr_fail(err, ENOENT, "no such bulk load: it ended, or another took its place");
}

// ---- beginning
// ----------------------------------------------------------------------------------

static uint16_t next_version(const struct mr_schema *schema)
{
	uint16_t greatest = schema->version;

	for (unsigned i = 0; i < schema->n_beside; i++)
		greatest = MR_MAX(greatest, schema->beside[i]);
	return greatest == UINT16_MAX ? 0 : (uint16_t)(greatest + 1);
}

// A schema of our own: the catalog's lives only while it is held, and a load takes long.
static int copy_schema(struct mr_bulk *b, const struct mr_schema *schema, struct mr_err *err)
{
	size_t text_bytes = mr_catalog_print_set(schema, NULL, 0);
	char *text = malloc(text_bytes + 1);
	const struct mr_catalog *catalog = NULL;
	struct mr_arena arena;

	if (text != NULL)
		mr_catalog_print_set(schema, text, text_bytes + 1);
	for (size_t bytes = SCHEMA_FIRST_BYTES;
		text != NULL && catalog == NULL && bytes <= SCHEMA_MAX_BYTES; bytes *= 2) {
		free(b->schema_mem);
		b->schema_mem = aligned_alloc(MR_CACHE_LINE_BYTES, bytes);
		if (b->schema_mem == NULL)
			break;
		mr_arena_init(&arena, b->schema_mem, bytes);
		catalog = mr_catalog_build(&arena, "bulk load", text, text_bytes, err);
		if (catalog == NULL && errno != ENOMEM)
			break;
	}
	free(text);
	if (catalog != NULL) {
		b->schema = catalog->sets[0];
		return 0;
	}
	free(b->schema_mem);
	b->schema_mem = NULL;
	return mr_fail(err, ENOMEM, "no memory for a copy of the set's schema");
}

static int check_version(const struct mr_schema *schema, uint16_t version, struct mr_err *err)
{
	if (version == 0)
		return mr_fail(err, EINVAL, "set %s: versions end at 65535: name a free one",
			schema->name);
	if (mr_schema_has_version(schema, version))
		return mr_fail(err, EEXIST,
			"set %s has a version %u: a bulk load makes a new one; drop it, or name "
			"another",
			schema->name, version);
	if (schema->n_beside == MR_SET_BESIDE_MAX)
		return mr_fail(err, EINVAL, "set %s has %u versions already: drop one",
			schema->name, MR_SET_BESIDE_MAX + 1);
	return 0;
}

static int look_up(
	struct mr_bulk *b, const char *set, uint16_t version, uint32_t layout, struct mr_err *err)
{
	const struct mr_catalog *catalog = mr_registry_read_begin(b->registry)->catalog;
	const struct mr_schema *schema = mr_catalog_set_by_name(catalog, set);
	int ret = 0;

	if (schema == NULL)
		ret = mr_fail(err, ENOENT, "there is no set called '%.64s'", set);
	else if (schema->layout != layout)
		ret = mr_fail(err, ESTALE, "set %s has another layout than the rows", set);
	if (ret == 0) {
		version = version != 0 ? version : next_version(schema);
		ret = check_version(schema, version, err);
	}
	if (ret == 0)
		ret = copy_schema(b, schema, err);
	if (ret == 0) {
		b->version = version;
		b->space = mr_space(schema->id, version);
	}
	mr_registry_read_end(b->registry);
	return ret;
}

static int begin(
	struct mr_bulk *b, const char *set, uint16_t version, uint32_t layout, struct mr_err *err)
{
	int ret = mr_filter_hold(b->filter);

	if (ret < 0)
		return mr_fail(err, -ret, "the filter is being built: try again when it is ready");
	ret = look_up(b, set, version, layout, err);
	// An earlier load of that number may have left rows, in the store and in caches.
	if (ret == 0)
		ret = mr_store_drop_space(b->store, b->space, err);
	if (ret == 0) {
		mr_registry_forget_cached(b->registry, b->space);
		b->load = mr_store_bulk_begin(
			b->store, b->space, b->schema->tables == MR_TABLES_FAST, err);
		ret = b->load != NULL ? 0 : -errno;
	}
	if (ret < 0)
		end_load(b);
	return ret;
}

static void print_parts(const struct mr_bulk *b, FILE *out)
{
	for (unsigned i = 0; i < MR_STORE_BULK_PARTS_MAX; i++) {
		const uint8_t *key;
		uint32_t key_bytes;
		uint64_t rows = mr_store_bulk_part(b->load, i, &key, &key_bytes);

		if (rows == 0)
			continue;
		fprintf(out, "%u %" PRIu64 " ", i, rows);
		for (uint32_t k = 0; k < key_bytes; k++)
			fprintf(out, "%02x", key[k]);
		fputc('\n', out);
	}
}

static bool goes_on(
	const struct mr_bulk *b, const char *set, uint16_t version, uint32_t layout, uint64_t id)
{
	return b->load != NULL && id != 0 && id == b->id && strcmp(set, b->schema->name) == 0 &&
	       (version == 0 || version == b->version) && layout == b->schema->layout;
}

static uint64_t last_us(const struct mr_bulk *b)
{
	// why relaxed: a time, which orders nothing.
	return atomic_load_explicit(&b->last_us, memory_order_relaxed);
}

int mr_bulk_begin(struct mr_bulk *b, const char *set, uint16_t version, uint32_t layout,
	uint64_t id, uint64_t now_us, FILE *out, struct mr_err *err)
{
	int ret = 0;

	pthread_rwlock_wrlock(&b->lock);
	if (!goes_on(b, set, version, layout, id)) {
		if (b->load != NULL && now_us - last_us(b) < IDLE_US) {
			ret = mr_fail(
				err, EBUSY, "a bulk load of set %s is under way", b->schema->name);
			goto done;
		}
		give_up(b);
		ret = begin(b, set, version, layout, err);
		b->id = id;
	}
	if (ret == 0) {
		// Whoever fed it before is no longer heard.
		b->token++;
		atomic_store_explicit(&b->last_us, now_us, memory_order_relaxed);
		fprintf(out, "%u %" PRIu64 "\n", b->version, b->token);
		print_parts(b, out);
	}
done:
	pthread_rwlock_unlock(&b->lock);
	return ret;
}

// ---- rows
// ----------------------------------------------------------------------------------------

/** A chunk on its way in. */
struct chunk {
	struct mr_bulk *bulk;
	unsigned part;
	uint64_t now_us, n;
	uint64_t hashes[MR_BLOOM_BURST]; // of rows that the filter does not know yet
	unsigned n_hashes;
};

static int check_row(const struct chunk *c, const struct mr_store_put *put, struct mr_err *err)
{
	const struct mr_schema *schema = c->bulk->schema;
	uint64_t future_max_us = c->bulk->future_max_us;

	if (!mr_key_check(schema, put->key, put->key_bytes))
		return mr_fail(err, EINVAL, "row %" PRIu64 " of a chunk: not a key of set %s", c->n,
			schema->name);
	if (mr_row_check(&schema->shape, put->row, put->row_bytes) < 0)
		return mr_fail(err, EINVAL, "row %" PRIu64 " of a chunk: not a row of set %s", c->n,
			schema->name);
	if (future_max_us != 0 && put->event_time_us > c->now_us + future_max_us)
		return mr_fail(err, EINVAL,
			"row %" PRIu64 " of a chunk: event time too far in the future", c->n);
	return 0;
}

static void add_to_filter(struct chunk *c)
{
	mr_filter_add(c->bulk->filter, c->hashes, c->n_hashes);
	c->n_hashes = 0;
}

static int add_row(
	struct chunk *c, const uint8_t *at, const struct mr_bulk_record *head, struct mr_err *err)
{
	const struct mr_bulk *b = c->bulk;
	struct mr_store_put put = {
		.space = b->space,
		.key = at,
		.key_bytes = head->key_bytes,
		.keep_history = b->schema->history_us != 0,
		.event_time_us = le64toh(head->event_time_us),
		.layout = b->schema->layout,
		.row = at + head->key_bytes,
		.row_bytes = le32toh(head->row_bytes),
	};
	int ret = check_row(c, &put, err);

	if (ret == 0)
		ret = mr_store_bulk_add(b->load, c->part, &put, err);
	if (ret < 0)
		return ret;
	c->hashes[c->n_hashes++] = mr_hash_row(mr_hash_key(put.key, put.key_bytes), b->space);
	if (c->n_hashes == MR_BLOOM_BURST)
		add_to_filter(c);
	c->n++;
	return 0;
}

static int add_rows(struct chunk *c, const uint8_t *at, const uint8_t *end, struct mr_err *err)
{
	int ret = 0;

	while (ret == 0 && at < end) {
		struct mr_bulk_record head;
		uint64_t bytes;

		if ((size_t)(end - at) < sizeof(head))
			return mr_fail(err, EINVAL, "the chunk ends inside a row");
		memcpy(&head, at, sizeof(head));
		at += sizeof(head);
		bytes = (uint64_t)head.key_bytes + le32toh(head.row_bytes);
		if ((uint64_t)(end - at) < bytes)
			return mr_fail(err, EINVAL, "the chunk ends inside a row");
		ret = add_row(c, at, &head, err);
		at += bytes;
	}
	add_to_filter(c);
	return ret;
}

// Claims a part. Call with the lock held for reading.
static int take_part(struct mr_bulk *b, uint64_t token, unsigned part, struct mr_err *err)
{
	int ret = check_token(b, token, err);

	if (ret < 0)
		return ret;
	if (part >= MR_STORE_BULK_PARTS_MAX)
		return mr_fail(err, EINVAL, "part %u: there are %u, from 0", part,
			MR_STORE_BULK_PARTS_MAX);
	// why acquire: what the part's last thread wrote comes first; pairs with let_part_go().
	if (atomic_exchange_explicit(&b->part_busy[part], true, memory_order_acquire))
		return mr_fail(err, EBUSY, "part %u is being added to by somebody else", part);
	return 0;
}

static void let_part_go(struct mr_bulk *b, unsigned part)
{
	// why release: pairs with take_part().
	atomic_store_explicit(&b->part_busy[part], false, memory_order_release);
}

int mr_bulk_rows(struct mr_bulk *b, uint64_t token, unsigned part, const void *bytes, size_t n,
	uint64_t now_us, FILE *out, struct mr_err *err)
{
	struct chunk chunk = {.bulk = b, .part = part, .now_us = now_us};
	const uint8_t *key;
	uint32_t key_bytes;
	int ret;

	pthread_rwlock_rdlock(&b->lock);
	ret = take_part(b, token, part, err);
	if (ret < 0) {
		pthread_rwlock_unlock(&b->lock);
		return ret;
	}
	ret = add_rows(&chunk, bytes, (const uint8_t *)bytes + n, err);
	if (ret == 0)
		fprintf(out, "%" PRIu64 "\n", mr_store_bulk_part(b->load, part, &key, &key_bytes));
	atomic_store_explicit(&b->last_us, now_us, memory_order_relaxed);
	let_part_go(b, part);
	pthread_rwlock_unlock(&b->lock);
	if (ret < 0)
		mr_bulk_abort(b, token, NULL);
	return ret;
}

int mr_bulk_part_end(struct mr_bulk *b, uint64_t token, unsigned part, struct mr_err *err)
{
	int ret;

	pthread_rwlock_rdlock(&b->lock);
	ret = take_part(b, token, part, err);
	if (ret < 0) {
		pthread_rwlock_unlock(&b->lock);
		return ret;
	}
	ret = mr_store_bulk_part_end(b->load, part, err);
	let_part_go(b, part);
	pthread_rwlock_unlock(&b->lock);
	if (ret < 0)
		mr_bulk_abort(b, token, NULL);
	return ret;
}

// ---- ending
// --------------------------------------------------------------------------------------

// The set may have changed since the load began.
static int check_layout(const struct mr_bulk *b, struct mr_err *err)
{
	const struct mr_catalog *catalog = mr_registry_read_begin(b->registry)->catalog;
	const struct mr_schema *schema = mr_catalog_set_by_name(catalog, b->schema->name);
	int ret = 0;

	if (schema == NULL || schema->layout != b->schema->layout ||
		schema->id != mr_space_set(b->space))
		ret = mr_fail(err, ESTALE, "set %s changed during the load", b->schema->name);
	mr_registry_read_end(b->registry);
	return ret;
}

static int finish(struct mr_bulk *b, bool activate, FILE *out, struct mr_err *err)
{
	uint64_t rows = mr_store_bulk_rows(b->load);
	int ret = check_layout(b, err);

	if (ret == 0)
		ret = mr_registry_adopt_begin(b->registry, b->space, err);
	if (ret < 0) {
		give_up(b);
		return ret;
	}
	ret = mr_store_bulk_finish(b->load, err);
	if (ret == 0)
		ret = mr_registry_version(b->registry, MR_REGISTRY_ADOPT, b->schema->name,
			b->version, false, out, err);
	if (ret == 0)
		fprintf(out, "%" PRIu64 " rows\n", rows);
	if (ret == 0 && activate)
		ret = mr_registry_version(b->registry, MR_REGISTRY_SWITCH, b->schema->name,
			b->version, false, out, err);
	// From here on a rebuild finds the rows in the store.
	end_load(b);
	return ret;
}

int mr_bulk_finish(struct mr_bulk *b, uint64_t token, bool activate, FILE *out, struct mr_err *err)
{
	int ret;

	pthread_rwlock_wrlock(&b->lock);
	ret = check_token(b, token, err);
	if (ret == 0)
		ret = finish(b, activate, out, err);
	pthread_rwlock_unlock(&b->lock);
	return ret;
}

int mr_bulk_abort(struct mr_bulk *b, uint64_t token, struct mr_err *err)
{
	int ret;

	pthread_rwlock_wrlock(&b->lock);
	ret = check_token(b, token, err);
	if (ret == 0)
		give_up(b);
	pthread_rwlock_unlock(&b->lock);
	return ret;
}
