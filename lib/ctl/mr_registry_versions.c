// SPDX-License-Identifier: BSD-3-Clause
#include "mr_registry_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// Rows that are still to be dropped: one space, in text. There while a drop is under way.
#define META_DROP "catalog.drop"

// ---- what compactions may drop
// -------------------------------------------------------------------

// The longer of two durations of which 0 means for ever.
static uint64_t longer_us(uint64_t a, uint64_t b)
{
	return a == 0 || b == 0 ? 0 : MR_MAX(a, b);
}

// History that nobody may read any more goes at the next compaction.
static uint64_t history_us(const struct mr_schema *schema)
{
	return MR_MAX(schema->history_us, (uint64_t)1);
}

static void add_policies(struct mr_store_policy *policies, unsigned *n,
	const struct mr_schema *schema, const struct mr_schema *other)
{
	for (unsigned i = 0; i <= schema->n_beside; i++) {
		uint16_t version = i == 0 ? schema->version : schema->beside[i - 1];

		policies[(*n)++] = (struct mr_store_policy){
			.space = mr_space(schema->id, version),
			.ttl_us = other != NULL ? longer_us(schema->ttl_us, other->ttl_us)
		                                : schema->ttl_us,
			.history_keep_us = other != NULL
		                                   ? MR_MAX(history_us(schema), history_us(other))
		                                   : history_us(schema),
		};
	}
}

int mr_registry_set_policy(struct mr_registry *reg, const struct mr_catalog *catalog,
	const struct mr_catalog *other, struct mr_err *err)
{
	struct mr_store_policy *policies =
		calloc(catalog->n_sets * (MR_SET_BESIDE_MAX + 1u) + 1u, sizeof(*policies));
	unsigned n = 0;
	int ret;

	if (policies == NULL)
		return mr_fail(err, ENOMEM, "no memory for the store's policies");
	for (unsigned i = 0; i < catalog->n_sets; i++)
		add_policies(policies, &n, catalog->sets[i],
			other != NULL ? mr_catalog_set_by_id(other, catalog->sets[i]->id) : NULL);
	ret = mr_store_set_policy(reg->store, policies, n);
	free(policies);
	return ret == 0 ? 0 : mr_fail(err, -ret, "the store's policies: %s", strerror(-ret));
}

// ---- dropping rows
// -------------------------------------------------------------------------------

void mr_registry_forget_cached(struct mr_registry *reg, mr_space_t space)
{
	pthread_mutex_lock(&reg->forget);
	for (unsigned i = 0; i < reg->tiers->n_nodes; i++) {
		uint64_t cursor = 0;

		if (reg->tiers->nodes[i].cache != NULL)
			mr_cache_drop_space(reg->tiers->nodes[i].cache, space, &cursor, UINT64_MAX);
	}
	pthread_mutex_unlock(&reg->forget);
}

static int drop_rows(struct mr_registry *reg, mr_space_t space, struct mr_err *err)
{
	int ret = mr_store_drop_space(reg->store, space, err);

	if (ret < 0)
		return ret;
	mr_registry_forget_cached(reg, space);
	return mr_store_meta_put(reg->store, META_DROP, NULL, 0, err);
}

int mr_registry_finish_drops(struct mr_registry *reg, struct mr_err *err)
{
	size_t bytes;
	char *text = mr_store_meta_get(reg->store, META_DROP, &bytes);
	unsigned long space;

	if (text == NULL)
		return errno == ENOENT
		               ? 0
		               : mr_fail(err, errno, "cannot read what is to be dropped: %s",
					 strerror(errno));
	space = strtoul(text, NULL, 16);
	free(text);
	return drop_rows(reg, (mr_space_t)space, err);
}

// ---- changes
// -------------------------------------------------------------------------------------

// A change of one set, made of the one that is there. Its views stay where they are.
static int change_set(struct mr_registry *reg, const struct mr_schema *changed,
	const struct mr_registry_how *how, struct mr_err *err)
{
	struct mr_schema schema = *changed, *sets[1] = {&schema};
	struct mr_view *views[1] = {NULL};
	struct mr_catalog change = {.n_sets = 1, .sets = sets, .set_views = views};

	for (unsigned i = 0; i < reg->published->catalog->n_sets; i++)
		if (reg->published->catalog->sets[i]->id == schema.id)
			views[0] = reg->published->catalog->set_views[i];
	schema.has_version = true;
	return mr_registry_change(reg, "versions", &change, how, NULL, err);
}

static const struct mr_schema *find_set(
	const struct mr_registry *reg, const char *set, struct mr_err *err)
{
	const struct mr_schema *schema = mr_catalog_set_by_name(reg->published->catalog, set);

	if (schema == NULL)
		mr_fail(err, ENOENT, "there is no set called '%.64s'", set);
	return schema;
}

static int switch_to(struct mr_registry *reg, const struct mr_schema *schema, uint16_t version,
	const struct mr_registry_how *how, FILE *out, struct mr_err *err)
{
	struct mr_schema next = *schema;
	uint16_t was = schema->version;
	int ret;

	if (was == version) {
		fprintf(out, "set %s: version %u is the current one already\n", schema->name,
			version);
		return 0;
	}
	if (!mr_schema_has_version(schema, version))
		return mr_fail(err, ENOENT, "set %s has no version %u: add and load it first",
			schema->name, version);
	// The schema dies with the catalog that is replaced.
	fprintf(out, "set %s: version %u%s current, %u stays beside it\n", schema->name, version,
		how->plan ? " would be" : " is", was);
	next.version = version;
	next.has_beside = false;
	ret = change_set(reg, &next, how, err);
	if (ret == 0 && !how->plan)
		fprintf(out, "in force on every lcore after %" PRIu64 " us\n", reg->publish_us);
	return ret;
}

static int add(struct mr_registry *reg, const struct mr_schema *schema, uint16_t version,
	const struct mr_registry_how *how, FILE *out, struct mr_err *err)
{
	struct mr_schema next = *schema;
	int ret;

	if (mr_schema_has_version(schema, version)) {
		fprintf(out, "set %s: version %u is there already\n", schema->name, version);
		return 0;
	}
	if (schema->n_beside == MR_SET_BESIDE_MAX)
		return mr_fail(err, EINVAL, "set %s has %u versions already: drop one",
			schema->name, MR_SET_BESIDE_MAX + 1);
	// What an earlier version of that number left behind must not come back.
	ret = mr_registry_finish_drops(reg, err);
	if (ret < 0)
		return ret;
	fprintf(out, "set %s: version %u %s beside %u\n", schema->name, version,
		how->plan ? "would be added" : "added", schema->version);
	next.has_beside = true;
	next.beside[next.n_beside++] = version;
	return change_set(reg, &next, how, err);
}

static int drop(struct mr_registry *reg, const struct mr_schema *schema, uint16_t version,
	const struct mr_registry_how *how, FILE *out, struct mr_err *err)
{
	mr_space_t space = mr_space(schema->id, version);
	struct mr_registry_how with = *how;
	struct mr_schema next = *schema;
	struct mr_store_meta note;
	char text[16];
	int ret;

	if (schema->version == version)
		return mr_fail(err, EBUSY, "set %s: version %u is the current one: switch first",
			schema->name, version);
	if (!mr_schema_has_version(schema, version))
		return mr_fail(err, ENOENT, "set %s has no version %u", schema->name, version);
	ret = mr_registry_finish_drops(reg, err);
	if (ret < 0)
		return ret;
	fprintf(out, "set %s: version %u %s\n", schema->name, version,
		how->plan ? "would be dropped with all its rows" : "dropped");
	snprintf(text, sizeof(text), "%08x", (unsigned)space);
	note = (struct mr_store_meta){META_DROP, text, strlen(text)};
	with.extra = &note;
	next.has_beside = true;
	next.n_beside = 0;
	for (unsigned i = 0; i < schema->n_beside; i++)
		if (schema->beside[i] != version)
			next.beside[next.n_beside++] = schema->beside[i];
	// Once no lcore knows the version any more, nobody reads or writes it.
	ret = change_set(reg, &next, &with, err);
	return ret < 0 || how->plan ? ret : drop_rows(reg, space, err);
}

static int adopt(struct mr_registry *reg, const struct mr_schema *schema, uint16_t version,
	const struct mr_registry_how *how, FILE *out, struct mr_err *err)
{
	struct mr_registry_how with = *how;
	struct mr_schema next = *schema;
	struct mr_store_meta done = {META_DROP, NULL, 0};

	if (mr_schema_has_version(schema, version) || schema->n_beside == MR_SET_BESIDE_MAX)
		return mr_fail(err, EEXIST,
			"set %s: version %u cannot be added: versions changed during the load",
			schema->name, version);
	fprintf(out, "set %s: version %u loaded beside %u\n", schema->name, version,
		schema->version);
	with.extra = &done;
	next.has_beside = true;
	next.beside[next.n_beside++] = version;
	return change_set(reg, &next, &with, err);
}

int mr_registry_adopt_begin(struct mr_registry *reg, mr_space_t space, struct mr_err *err)
{
	char text[16];
	int ret;

	pthread_mutex_lock(&reg->change);
	ret = mr_registry_finish_drops(reg, err);
	snprintf(text, sizeof(text), "%08x", (unsigned)space);
	if (ret == 0)
		ret = mr_store_meta_put(reg->store, META_DROP, text, strlen(text), err);
	pthread_mutex_unlock(&reg->change);
	return ret;
}

int mr_registry_version(struct mr_registry *reg, enum mr_registry_op op, const char *set,
	uint16_t version, bool plan, FILE *out, struct mr_err *err)
{
	static int (*const ops[])(struct mr_registry *, const struct mr_schema *, uint16_t,
		const struct mr_registry_how *, FILE *,
		struct mr_err *) = {switch_to, add, drop, adopt};
	struct mr_registry_how how = {.plan = plan};
	const struct mr_schema *schema;
	int ret = -ENOENT;

	pthread_mutex_lock(&reg->change);
	schema = find_set(reg, set, err);
	if (schema != NULL)
		ret = ops[op](reg, schema, version, &how, out, err);
	pthread_mutex_unlock(&reg->change);
	return ret;
}
