// SPDX-License-Identifier: BSD-3-Clause
#include "mr_warm_priv.h"

#include <rte_cycles.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mr_log.h"
#include "mr_thread.h"
#include "mr_units.h"

// What a rate that was not used up is remembered for: a pause is not caught up in one burst.
#define CATCH_UP_US (100 * MR_US_PER_MS)
// Of a row whose lease was broken: by a write, or by a row of this batch in the same bucket.
#define TRIES 8u

/** One node's part. W: the thread; figures are read by anyone. */
struct node_warm {
	struct mr_warm_file file;
	_Atomic int state; //!< enum mr_warm_state
	_Atomic uint64_t keys, done, rows, us;
	unsigned no_room; //!< rows in a row that there was no room for
};

struct mr_warm {
	struct mr_warm_params p;
	struct node_warm *nodes;
	uint64_t start_us;
	bool started;

	// The batch in hand.
	struct mr_store_reader *reader;
	struct mr_warm_chunk *chunk;
	unsigned n;
	struct mr_store_get gets[MR_WARM_BATCH];
	const struct mr_schema *schemas[MR_WARM_BATCH];
	struct mr_cache_past pasts[MR_WARM_BATCH];
	struct mr_cache_lease leases[MR_WARM_BATCH];
	uint64_t hashes[MR_WARM_BATCH];

	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; //!< what follows
	pthread_cond_t wake;
	bool stop;
	uint64_t keys_per_s;
};

const char *mr_warm_state_name(enum mr_warm_state state)
{
	static const char *const names[MR_WARM_STATE_COUNT] = {
		"off", "reading", "done", "full", "refused", "failed", "stopped"};

	return (unsigned)state < MR_WARM_STATE_COUNT ? names[state] : "off";
}

// why relaxed, here and below: figures of one writer.
static enum mr_warm_state state_of(const struct node_warm *node)
{
	return (enum mr_warm_state)atomic_load_explicit(&node->state, memory_order_relaxed);
}

static void add(_Atomic uint64_t *figure, uint64_t n)
{
	atomic_store_explicit(figure, atomic_load_explicit(figure, memory_order_relaxed) + n,
		memory_order_relaxed);
}

static uint64_t figure(const _Atomic uint64_t *figure)
{
	return atomic_load_explicit(figure, memory_order_relaxed);
}

static void note_time(struct mr_warm *w, struct node_warm *node)
{
	atomic_store_explicit(&node->us, mr_thread_now_us() - w->start_us, memory_order_relaxed);
}

// ---- a batch
// -------------------------------------------------------------------------------------

// The schema by which a key may be read now, or NULL: the set or its version is gone.
static const struct mr_schema *schema_of(const struct mr_catalog *catalog, mr_space_t space)
{
	const struct mr_schema *schema = mr_catalog_set_by_id(catalog, mr_space_set(space));

	return schema != NULL && mr_schema_has_version(schema, mr_space_version(space)) ? schema
	                                                                                : NULL;
}

// Accesses of before the stop are older by what was accessed since the start.
static struct mr_cache_past past_now(const struct mr_cache_past *past, uint64_t now_ticks)
{
	return (struct mr_cache_past){
		.age_ticks = (uint16_t)MR_MIN(past->age_ticks + now_ticks, (uint64_t)UINT16_MAX),
		.spread = past->spread,
	};
}

// Keys of the chunk that are to be read, each with a lease.
static void choose(struct mr_warm *w, const struct mr_node *node, const struct mr_catalog *catalog)
{
	uint64_t now_ticks = mr_node_ticks(node);
	uint32_t offset = 0;

	w->n = 0;
	for (uint32_t i = 0; i < w->chunk->head.n_keys; i++) {
		struct mr_warm_key key = mr_warm_chunk_key(w->chunk, &offset);
		uint64_t hash = mr_hash_row(mr_hash_key(key.key, key.key_bytes), key.space);
		const struct mr_schema *schema = schema_of(catalog, key.space);

		if (schema == NULL ||
			mr_cache_has(node->cache, hash, key.space, key.key, key.key_bytes))
			continue;
		w->gets[w->n] = (struct mr_store_get){
			.space = key.space,
			.key = key.key,
			.key_bytes = key.key_bytes,
			.fast = schema->tables == MR_TABLES_FAST,
		};
		w->schemas[w->n] = schema;
		w->pasts[w->n] = past_now(&key.past, now_ticks);
		w->hashes[w->n] = hash;
		// The lease comes before the read: a write in between breaks it.
		w->leases[w->n++] = mr_cache_lease(node->cache, hash);
	}
}

static bool is_wanted(
	const struct mr_store_get *get, const struct mr_schema *schema, uint64_t now_us)
{
	return get->result == 0 && (get->deleted || get->layout == schema->layout) &&
	       !mr_schema_expired(schema, get->event_time_us, now_us);
}

static int put(struct mr_warm *w, unsigned i, const struct mr_node *node)
{
	const struct mr_store_get *get = &w->gets[i];
	struct mr_cache_row row = {
		.hash = w->hashes[i],
		.space = get->space,
		.key = get->key,
		.key_bytes = get->key_bytes,
		.row = get->row,
		.row_bytes = get->row_bytes,
		.deleted = get->deleted,
		.event_time_us = get->event_time_us,
	};
	bool alike = w->chunk->head.form == mr_cache_past_form(node->cache);

	return mr_cache_warm(
		node->cache, &row, w->leases[i], alike ? &w->pasts[i] : NULL, mr_node_ticks(node));
}

// Once more, with a new lease, after the others of this batch that were chosen again.
static void choose_again(struct mr_warm *w, unsigned i, unsigned n, const struct mr_node *node)
{
	w->gets[n] = w->gets[i];
	w->schemas[n] = w->schemas[i];
	w->pasts[n] = w->pasts[i];
	w->hashes[n] = w->hashes[i];
	w->leases[n] = mr_cache_lease(node->cache, w->hashes[n]);
}

// Reads what was chosen and puts it in; what came too late is chosen again.
// @return 0; -ENOSPC: it is time to give up; -EIO.
static int fill(struct mr_warm *w, struct node_warm *to, const struct mr_node *node)
{
	uint64_t now_us = mr_clock_us(w->p.tiers->clock, rte_rdtsc());
	unsigned failed = 0, rows = 0, again = 0, n = w->n;
	int ret = mr_store_read(w->reader, w->gets, w->n);

	for (unsigned i = 0; ret == 0 && i < n; i++) {
		int done;

		failed += w->gets[i].result == -EIO;
		if (!is_wanted(&w->gets[i], w->schemas[i], now_us))
			continue;
		done = put(w, i, node);
		rows += done == 0;
		// Other sizes may still have room.
		to->no_room = done == 0 ? 0 : to->no_room + (done == -ENOSPC);
		if (done == -ESTALE)
			choose_again(w, i, again++, node);
	}
	w->n = again;
	add(&to->rows, rows);
	mr_store_release(w->reader);
	if (ret < 0 || (failed > 0 && failed == n))
		return -EIO;
	return to->no_room >= MR_WARM_BATCH ? -ENOSPC : 0;
}

static void end(struct mr_warm *w, unsigned i, enum mr_warm_state state)
{
	struct node_warm *node = &w->nodes[i];
	const char *why = "";

	if (state == MR_WARM_FULL)
		why = ": there is no room for the rest";
	else if (state == MR_WARM_REFUSED)
		why = ": the rest of the file is damaged";
	else if (state == MR_WARM_FAILED)
		why = ": the store cannot be read";
	note_time(w, node);
	atomic_store_explicit(&node->state, (int)state, memory_order_relaxed);
	mr_log(state == MR_WARM_REFUSED || state == MR_WARM_FAILED ? MR_LOG_WARNING : MR_LOG_INFO,
		"cache",
		"node %u: %" PRIu64 " rows of %" PRIu64 " keys are back after %" PRIu64 " ms%s", i,
		figure(&node->rows), figure(&node->keys), figure(&node->us) / MR_US_PER_MS, why);
}

// One chunk of one node. @return keys looked at.
static unsigned step(struct mr_warm *w, unsigned i)
{
	struct node_warm *to = &w->nodes[i];
	const struct mr_node *node = &w->p.tiers->nodes[i];
	int ret = mr_warm_file_next(&to->file, w->chunk);

	if (ret <= 0) {
		end(w, i, ret == 0 ? MR_WARM_DONE : MR_WARM_REFUSED);
		return 0;
	}
	// Held until the rows are in: a version that is dropped is dropped before or after that.
	choose(w, node, mr_registry_read_begin(w->p.registry)->catalog);
	for (unsigned tries = 0; ret >= 0 && w->n > 0 && tries < TRIES; tries++)
		ret = fill(w, to, node);
	mr_registry_read_end(w->p.registry);
	if (ret == -EIO) {
		mr_warm_file_undo(&to->file, w->chunk);
		end(w, i, MR_WARM_FAILED);
		return 0;
	}
	add(&to->done, w->chunk->head.n_keys);
	note_time(w, to);
	if (ret == -ENOSPC)
		end(w, i, MR_WARM_FULL);
	return w->chunk->head.n_keys;
}

// ---- the thread
// ----------------------------------------------------------------------------------

// Waits until @p keys more may be looked at. @return false: told to stop.
static bool pace(struct mr_warm *w, unsigned keys, uint64_t *due_us)
{
	bool go;

	pthread_mutex_lock(&w->lock);
	*due_us = MR_MAX(*due_us, mr_thread_now_us() - CATCH_UP_US);
	if (w->keys_per_s != 0)
		*due_us += keys * MR_US_PER_S / w->keys_per_s;
	while (!w->stop && w->keys_per_s != 0 && mr_thread_now_us() < *due_us)
		mr_thread_wait_us(&w->wake, &w->lock, *due_us - mr_thread_now_us());
	go = !w->stop;
	pthread_mutex_unlock(&w->lock);
	return go;
}

static void *run(void *arg)
{
	struct mr_warm *w = arg;
	uint64_t due_us = mr_thread_now_us();
	unsigned left;

	// Nodes in turn, so that all of them are warm at the same time.
	do {
		left = 0;
		for (unsigned i = 0; i < w->p.tiers->n_nodes; i++) {
			if (state_of(&w->nodes[i]) != MR_WARM_READING)
				continue;
			if (!pace(w, step(w, i), &due_us))
				return NULL;
			left++;
		}
	} while (left > 0);
	return NULL;
}

// ---- start and stop
// ------------------------------------------------------------------------------

struct mr_warm *mr_warm_create(const struct mr_warm_params *params, struct mr_err *err)
{
	struct mr_warm *w = calloc(1, sizeof(*w));

	if (w != NULL)
		w->nodes = calloc(params->tiers->n_nodes, sizeof(*w->nodes));
	if (w == NULL || w->nodes == NULL) {
		free(w);
		mr_fail(err, ENOMEM, "no memory to bring back what was cached");
		errno = ENOMEM;
		return NULL;
	}
	w->p = *params;
	w->keys_per_s = params->keys_per_s;
	for (unsigned i = 0; i < params->tiers->n_nodes; i++)
		w->nodes[i].file.fd = -1;
	pthread_mutex_init(&w->lock, NULL);
	mr_thread_cond_init(&w->wake);
	return w;
}

static void open_file(struct mr_warm *w, unsigned i)
{
	struct node_warm *node = &w->nodes[i];
	const char *defect = mr_warm_file_open(&node->file, w->p.path, i);
	enum mr_warm_state state = MR_WARM_READING;

	if (defect != NULL) {
		mr_log(MR_LOG_WARNING, "cache",
			"node %u: %s/" MR_WARM_FILE " %s: the cache starts empty", i, w->p.path, i,
			defect);
		mr_warm_file_close(&node->file);
		state = MR_WARM_REFUSED;
	} else if (node->file.fd < 0) {
		state = MR_WARM_OFF;
	}
	atomic_store_explicit(&node->keys, node->file.n_keys, memory_order_relaxed);
	atomic_store_explicit(&node->state, (int)state, memory_order_relaxed);
}

int mr_warm_start(struct mr_warm *w, bool load, struct mr_err *err)
{
	bool any = false;
	int ret;

	w->started = true;
	w->start_us = mr_thread_now_us();
	if (!load)
		return 0;
	for (unsigned i = 0; i < w->p.tiers->n_nodes; i++) {
		open_file(w, i);
		any |= state_of(&w->nodes[i]) == MR_WARM_READING;
	}
	if (!any)
		return 0;
	w->reader = mr_store_reader_create(w->p.store, MR_WARM_BATCH);
	w->chunk = malloc(sizeof(*w->chunk));
	if (w->reader == NULL || w->chunk == NULL)
		return mr_fail(err, ENOMEM, "no memory to bring back what was cached");
	ret = mr_thread_start(&w->thread, "mr-warm", w->p.cpus, run, w);
	if (ret < 0)
		return mr_fail(
			err, -ret, "no thread to bring back what was cached: %s", strerror(-ret));
	w->has_thread = true;
	return 0;
}

void mr_warm_set_rate(struct mr_warm *w, uint64_t keys_per_s)
{
	pthread_mutex_lock(&w->lock);
	w->keys_per_s = keys_per_s;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

void mr_warm_stop(struct mr_warm *w)
{
	if (!w->has_thread)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->has_thread = false;
	for (unsigned i = 0; i < w->p.tiers->n_nodes; i++)
		if (state_of(&w->nodes[i]) == MR_WARM_READING)
			end(w, i, MR_WARM_STOPPED);
}

int mr_warm_save(struct mr_warm *w, struct mr_err *err)
{
	for (unsigned i = 0; w->started && i < w->p.tiers->n_nodes; i++) {
		struct node_warm *node = &w->nodes[i];
		int ret;

		// What had no room, or cannot be trusted, is not carried over.
		if (state_of(node) == MR_WARM_FULL || state_of(node) == MR_WARM_REFUSED)
			mr_warm_file_close(&node->file);
		ret = mr_warm_file_save(w->p.path, i, &w->p.tiers->nodes[i], &node->file);
		if (ret < 0)
			return mr_fail(err, -ret, "%s/" MR_WARM_FILE ": cannot save the keys: %s",
				w->p.path, i, strerror(-ret));
	}
	return 0;
}

void mr_warm_free(struct mr_warm *w)
{
	if (w == NULL)
		return;
	mr_warm_stop(w);
	for (unsigned i = 0; i < w->p.tiers->n_nodes; i++)
		mr_warm_file_close(&w->nodes[i].file);
	mr_store_reader_free(w->reader);
	free(w->chunk);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->nodes);
	free(w);
}

void mr_warm_stats(struct mr_warm *w, unsigned node_index, struct mr_warm_stats *ret)
{
	const struct node_warm *node;

	memset(ret, 0, sizeof(*ret));
	if (w == NULL)
		return;
	node = &w->nodes[node_index];
	*ret = (struct mr_warm_stats){
		.state = state_of(node),
		.keys = figure(&node->keys),
		.done = figure(&node->done),
		.rows = figure(&node->rows),
		.us = figure(&node->us),
	};
}
