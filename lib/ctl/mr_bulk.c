// SPDX-License-Identifier: BSD-3-Clause
#include "mr_bulk.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "mr_key.h"
#include "mr_units.h"

#define IDLE_US (60 * MR_US_PER_S)

void mr_bulk_abort(struct mr_bulk *b)
{
	if (b->load == NULL)
		return;
	mr_store_bulk_abort(b->load);
	b->load = NULL;
	mr_filter_release(b->filter);
}

static uint16_t next_version(const struct mr_schema *schema)
{
	uint16_t greatest = schema->version;

	for (unsigned i = 0; i < schema->n_beside; i++)
		greatest = MR_MAX(greatest, schema->beside[i]);
	return greatest == UINT16_MAX ? 0 : (uint16_t)(greatest + 1);
}

// What the load is for, copied: schemas live only while the catalog is held.
static int look_up(
	struct mr_bulk *b, const char *set, uint16_t version, uint32_t layout, struct mr_err *err)
{
	const struct mr_catalog *catalog = mr_registry_read_begin(b->registry)->catalog;
	const struct mr_schema *schema = mr_catalog_set_by_name(catalog, set);
	int ret = 0;

	if (schema == NULL) {
		ret = mr_fail(err, ENOENT, "there is no set called '%.64s'", set);
		goto done;
	}
	if (version == 0)
		version = next_version(schema);
	if (schema->layout != layout)
		ret = mr_fail(err, ESTALE, "set %s has another layout than the rows", set);
	else if (version == 0)
		ret = mr_fail(err, EINVAL, "set %s: versions end at 65535: name a free one", set);
	else if (mr_schema_has_version(schema, version))
		ret = mr_fail(err, EEXIST,
			"set %s has a version %u: a bulk load makes a new one; drop it, or name "
			"another",
			set, version);
	else if (schema->n_beside == MR_SET_BESIDE_MAX)
		ret = mr_fail(err, EINVAL, "set %s has %u versions already: drop one", set,
			MR_SET_BESIDE_MAX + 1);
	if (ret < 0)
		goto done;
	snprintf(b->set, sizeof(b->set), "%s", schema->name);
	b->version = version;
	b->layout = layout;
	b->space = mr_space(schema->id, version);
done:
	mr_registry_read_end(b->registry);
	return ret;
}

int mr_bulk_begin(struct mr_bulk *b, const char *set, uint16_t version, uint32_t layout,
	uint64_t now_us, struct mr_err *err)
{
	int ret;

	if (b->load != NULL && now_us - b->last_us < IDLE_US)
		return mr_fail(err, EBUSY, "a bulk load of set %s is under way", b->set);
	mr_bulk_abort(b);
	ret = look_up(b, set, version, layout, err);
	if (ret < 0)
		return ret;
	ret = mr_filter_hold(b->filter);
	if (ret < 0)
		return mr_fail(err, -ret, "the filter is being built: try again when it is ready");
	// An earlier load of that number may have left rows, in the store and in caches.
	ret = mr_store_drop_space(b->store, b->space, err);
	if (ret == 0) {
		mr_registry_forget_cached(b->registry, b->space);
		b->load = mr_store_bulk_begin(b->store, b->space, err);
		ret = b->load != NULL ? 0 : -errno;
	}
	if (ret < 0) {
		mr_filter_release(b->filter);
		return ret;
	}
	b->token++;
	b->rows = 0;
	b->last_us = now_us;
	return 0;
}

static int check_row(const struct mr_bulk *b, const struct mr_schema *schema,
	const struct mr_store_put *put, uint64_t now_us, struct mr_err *err)
{
	if (!mr_key_check(schema, put->key, put->key_bytes))
		return mr_fail(
			err, EINVAL, "row %" PRIu64 ": not a key of set %s", b->rows, schema->name);
	if (mr_row_check(&schema->shape, put->row, put->row_bytes) < 0)
		return mr_fail(
			err, EINVAL, "row %" PRIu64 ": not a row of set %s", b->rows, schema->name);
	if (b->future_max_us != 0 && put->event_time_us > now_us + b->future_max_us)
		return mr_fail(
			err, EINVAL, "row %" PRIu64 ": event time too far in the future", b->rows);
	return 0;
}

static int add_row(struct mr_bulk *b, const struct mr_schema *schema, const uint8_t *at,
	const struct mr_bulk_record *head, uint64_t now_us, struct mr_err *err)
{
	struct mr_store_put put = {
		.space = b->space,
		.key = at,
		.key_bytes = head->key_bytes,
		.keep_history = schema->history_us != 0,
		.event_time_us = le64toh(head->event_time_us),
		.layout = b->layout,
		.row = at + head->key_bytes,
		.row_bytes = le32toh(head->row_bytes),
	};
	uint64_t hash = mr_hash_row(mr_hash_key(put.key, put.key_bytes), b->space);
	int ret = check_row(b, schema, &put, now_us, err);

	if (ret == 0)
		ret = mr_store_bulk_add(b->load, &put, err);
	if (ret < 0)
		return ret;
	mr_filter_add(b->filter, &hash, 1);
	b->rows++;
	return 0;
}

static int add_rows(struct mr_bulk *b, const struct mr_schema *schema, const uint8_t *at,
	const uint8_t *end, uint64_t now_us, struct mr_err *err)
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
		ret = add_row(b, schema, at, &head, now_us, err);
		at += bytes;
	}
	return ret;
}

int mr_bulk_rows(
	struct mr_bulk *b, const void *chunk, size_t bytes, uint64_t now_us, struct mr_err *err)
{
	const struct mr_catalog *catalog = mr_registry_read_begin(b->registry)->catalog;
	const struct mr_schema *schema = mr_catalog_set_by_name(catalog, b->set);
	int ret;

	if (schema == NULL || schema->layout != b->layout)
		ret = mr_fail(err, ESTALE, "set %s changed during the load", b->set);
	else
		ret = add_rows(b, schema, chunk, (const uint8_t *)chunk + bytes, now_us, err);
	mr_registry_read_end(b->registry);
	b->last_us = now_us;
	if (ret < 0)
		mr_bulk_abort(b);
	return ret;
}

int mr_bulk_finish(struct mr_bulk *b, bool activate, FILE *out, struct mr_err *err)
{
	struct mr_store_bulk *load = b->load;
	int ret = mr_registry_adopt_begin(b->registry, b->space, err);

	b->load = NULL;
	if (ret == 0)
		ret = mr_store_bulk_finish(load, err);
	else
		mr_store_bulk_abort(load);
	if (ret == 0)
		ret = mr_registry_version(
			b->registry, MR_REGISTRY_ADOPT, b->set, b->version, false, out, err);
	// From here on a rebuild finds the rows in the store.
	mr_filter_release(b->filter);
	if (ret == 0)
		fprintf(out, "%" PRIu64 " rows\n", b->rows);
	if (ret == 0 && activate)
		ret = mr_registry_version(
			b->registry, MR_REGISTRY_SWITCH, b->set, b->version, false, out, err);
	return ret;
}
