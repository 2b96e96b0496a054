// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mr_store_fault.h"
#include "mr_store_impl.h"
#include "mr_units.h"

// A compaction works by the table that was in force when it began and may run for minutes, so
// tables are counted: the current one by the store, each by its compactions. The lock is taken
// once per compaction and per mr_store_set_policy().

struct table {
	unsigned refs; // under the lock
	unsigned n;
	struct mr_store_policy entries[]; // by space
};

struct mr_store_policies {
	pthread_mutex_t lock;
	struct table *table; // under the lock; NULL: nothing to drop
	uint64_t (*now_us)(void *arg);
	void *now_arg;
};

/** One (sub)compaction: used by one thread, keys ascending. */
struct filter {
	struct mr_store_policies *policies;
	struct table *table;
	uint64_t now_us;
	const struct mr_store_policy *policy; // of the last space; NULL: none
	mr_space_t space;
	bool space_known;
	// History: the entity whose newest row past its time has gone by already.
	uint8_t superseded[MR_STORE_HISTORY_KEY_MAX_BYTES];
	size_t superseded_bytes;
};

static uint64_t wall_clock_us(void *arg)
{
	struct timespec ts;

	(void)arg;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * MR_US_PER_S + (uint64_t)ts.tv_nsec / MR_NS_PER_US;
}

struct mr_store_policies *mr_store_policies_create(const struct mr_store_params *params)
{
	struct mr_store_policies *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	p->now_us = params->now_us != NULL ? params->now_us : wall_clock_us;
	p->now_arg = params->now_arg;
	return p;
}

// The table that a release frees, if this was the last reference. Under the lock.
static struct table *unref(struct table *table)
{
	return table != NULL && --table->refs == 0 ? table : NULL;
}

static void release(struct mr_store_policies *policies, struct table *table)
{
	pthread_mutex_lock(&policies->lock);
	table = unref(table);
	pthread_mutex_unlock(&policies->lock);
	free(table);
}

void mr_store_policies_free(struct mr_store_policies *policies)
{
	if (policies == NULL)
		return;
	release(policies, policies->table);
	pthread_mutex_destroy(&policies->lock);
	free(policies);
}

static int compare_spaces(const void *a, const void *b)
{
	const struct mr_store_policy *x = a, *y = b;

	return x->space < y->space ? -1 : x->space > y->space;
}

int mr_store_set_policy(struct mr_store *store, const struct mr_store_policy *policies, unsigned n)
{
	struct mr_store_policies *p = store->policies;
	struct table *table = NULL, *old;

	if (n > 0) {
		table = malloc(sizeof(*table) + n * sizeof(table->entries[0]));
		if (table == NULL)
			return -ENOMEM;
		table->refs = 1;
		table->n = n;
		memcpy(table->entries, policies, n * sizeof(table->entries[0]));
		qsort(table->entries, n, sizeof(table->entries[0]), compare_spaces);
	}
	for (unsigned i = 1; i < n; i++) {
		if (table->entries[i - 1].space == table->entries[i].space) {
			free(table);
			return -EINVAL;
		}
	}
	pthread_mutex_lock(&p->lock);
	old = unref(p->table);
	p->table = table;
	pthread_mutex_unlock(&p->lock);
	free(old);
	return 0;
}

// ---- the filter --------------------------------------------------------------------------------

static const struct mr_store_policy *policy_of(struct filter *f, mr_space_t space)
{
	struct mr_store_policy key = {.space = space};

	if (f->space_known && f->space == space)
		return f->policy;
	f->space = space;
	f->space_known = true;
	f->policy = bsearch(&key, f->table->entries, f->table->n, sizeof(key), compare_spaces);
	return f->policy;
}

static bool has_age(const struct filter *f, uint64_t event_time_us, uint64_t age_us)
{
	return age_us != 0 && f->now_us >= age_us && event_time_us <= f->now_us - age_us;
}

static unsigned char drop_live(void *state, int level, const char *key, size_t key_bytes,
	const char *value, size_t value_bytes, char **new_value, size_t *new_value_bytes,
	unsigned char *changed)
{
	struct filter *f = state;
	const struct mr_store_policy *p;
	struct mr_store_head head;

	(void)level;
	(void)new_value;
	(void)new_value_bytes;
	(void)changed;
	if (key_bytes < MR_STORE_PREFIX_BYTES)
		return 0;
	p = policy_of(f, mr_load_be32(key));
	if (p == NULL)
		return 0;
	if (p->dropped)
		return 1;
	if (!mr_store_parse_head(value, value_bytes, &head))
		return 0;
	if (has_age(f, head.event_time_us, p->ttl_us))
		return 1;
	return (head.flags & MR_STORE_DELETED) != 0 &&
	       has_age(f, head.event_time_us, p->tombstone_keep_us);
}

// Rows of one entity come newest first. The first that is past its time still answers reads as of
// the start of the period, those after it answer none.
static unsigned char drop_historical(void *state, int level, const char *key, size_t key_bytes,
	const char *value, size_t value_bytes, char **new_value, size_t *new_value_bytes,
	unsigned char *changed)
{
	struct filter *f = state;
	const struct mr_store_policy *p;
	size_t entity_bytes;
	uint64_t event_time_us;

	(void)level;
	(void)value;
	(void)value_bytes;
	(void)new_value;
	(void)new_value_bytes;
	(void)changed;
	if (key_bytes <= MR_STORE_PREFIX_BYTES + MR_STORE_HISTORY_TIME_BYTES ||
		key_bytes > sizeof(f->superseded))
		return 0;
	p = policy_of(f, mr_load_be32(key));
	if (p == NULL)
		return 0;
	if (p->dropped)
		return 1;
	entity_bytes = key_bytes - MR_STORE_HISTORY_TIME_BYTES;
	event_time_us = ~mr_load_be64(key + entity_bytes);
	if (!has_age(f, event_time_us, p->history_keep_us))
		return 0;
	if (f->superseded_bytes == entity_bytes && memcmp(f->superseded, key, entity_bytes) == 0)
		return 1;
	memcpy(f->superseded, key, entity_bytes);
	f->superseded_bytes = entity_bytes;
	return 0;
}

static const char *filter_name(void *state)
{
	(void)state;
	return "millrace.policy";
}

static void filter_free(void *state)
{
	struct filter *f = state;

	release(f->policies, f->table);
	free(f);
}

static struct filter *filter_make(struct mr_store_policies *policies)
{
	struct filter *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->policies = policies;
	f->now_us = policies->now_us(policies->now_arg);
	pthread_mutex_lock(&policies->lock);
	f->table = policies->table;
	if (f->table != NULL)
		f->table->refs++;
	pthread_mutex_unlock(&policies->lock);
	if (f->table != NULL)
		return f;
	free(f);
	return NULL;
}

typedef unsigned char drop_fn(void *state, int level, const char *key, size_t key_bytes,
	const char *value, size_t value_bytes, char **new_value, size_t *new_value_bytes,
	unsigned char *changed);

// No filter is fine for RocksDB: without memory, or with nothing to drop, all rows stay.
static rocksdb_compactionfilter_t *filter_of(struct mr_store_policies *policies, drop_fn *drop)
{
	struct filter *f;

	free(mr_store_fault(MR_STORE_FAULT_COMPACT));
	f = filter_make(policies);
	return f != NULL ? rocksdb_compactionfilter_create(f, filter_free, drop, filter_name)
	                 : NULL;
}

static rocksdb_compactionfilter_t *make_live(
	void *state, rocksdb_compactionfiltercontext_t *context)
{
	(void)context;
	return filter_of(state, drop_live);
}

static rocksdb_compactionfilter_t *make_historical(
	void *state, rocksdb_compactionfiltercontext_t *context)
{
	(void)context;
	return filter_of(state, drop_historical);
}

static void factory_free(void *state)
{
	// The store frees the policies after RocksDB and its options are gone.
	(void)state;
}

rocksdb_compactionfilterfactory_t *mr_store_filter_factory(
	struct mr_store_policies *policies, enum mr_store_cf cf)
{
	return rocksdb_compactionfilterfactory_create(policies, factory_free,
		mr_store_cf_is_live(cf) ? make_live : make_historical, filter_name);
}
