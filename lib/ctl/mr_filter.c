// SPDX-License-Identifier: BSD-3-Clause
#include "mr_filter_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mr_log.h"
#include "mr_thread.h"
#include "mr_units.h"

#define CHECK_DEFAULT_MS 5000u
#define LOOK_SHARE 100u // a look at a large filter takes at most 1/this of the time
#define RETRY_S 60u     // after a rebuild that failed, for lack of memory for example

const char *mr_filter_state_name(enum mr_filter_state state)
{
	static const char *const names[MR_FILTER_STATE_COUNT] = {"none", "building", "ready"};

	return (unsigned)state < MR_FILTER_STATE_COUNT ? names[state] : "none";
}

static void set_state(struct mr_filter *f, enum mr_filter_state state)
{
	// why relaxed: a figure; lookups go by the pointers.
	atomic_store_explicit(&f->state, (int)state, memory_order_relaxed);
}

// ---- the thread
// ----------------------------------------------------------------------------------

// Looks at the filter in force; under the lock, which keeps its memory. Milliseconds when large.
static void refresh_stats(struct mr_filter *f)
{
	uint64_t start_us = mr_thread_now_us();

	for (unsigned i = 0; i < f->now.n_nodes; i++)
		mr_bloom_stats(f->now.blooms[i], &f->node_stats[i]);
	f->has_stats = f->now.n_nodes > 0;
	f->look_us = mr_thread_now_us() - start_us;
}

// Whether a rebuild would help: the rate is over the limit, or the store holds far more keys than
// there is room for; and a tenth of the room was filled since the last one, so that a rebuild which
// could not bring the rate down is not tried over and over.
static bool outgrown(struct mr_filter *f)
{
	const struct mr_bloom_stats *s = &f->node_stats[0];

	if (!f->has_stats || s->added_keys < f->added_after + s->capacity_keys / 10)
		return false;
	return s->fpr_load > f->rebuild_above ||
	       mr_store_estimated_keys(f->p.store) > s->capacity_keys + s->capacity_keys / 4;
}

// One rebuild and its book-keeping. Returns with the lock held, as it is called.
static int rebuild(struct mr_filter *f)
{
	uint64_t start_us = mr_thread_now_us(), start_cpu_us = mr_thread_cpu_us();
	struct mr_err err = {""};
	int ret;

	set_state(f, MR_FILTER_BUILDING);
	pthread_mutex_unlock(&f->lock);
	ret = mr_filter_build(f, &err);
	pthread_mutex_lock(&f->lock);
	set_state(f, f->now.n_nodes > 0 ? MR_FILTER_READY : MR_FILTER_NONE);
	if (ret == -ECANCELED)
		return ret;
	if (ret < 0) {
		mr_log(MR_LOG_ERROR, "filter", "%s; lookups go on %s", err.text,
			f->now.n_nodes > 0 ? "with the filter there is" : "without a filter");
		f->failures++;
		memcpy(f->last_error, err.text, sizeof(f->last_error) - 1);
		return ret;
	}
	f->rebuilds++;
	f->loaded = false;
	f->build_cpu_us = mr_thread_cpu_us() - start_cpu_us;
	f->build_us = mr_thread_now_us() - start_us;
	f->built_keys = atomic_load_explicit(&f->done_keys, memory_order_relaxed);
	refresh_stats(f);
	f->added_after = f->node_stats[0].added_keys;
	mr_log(MR_LOG_INFO, "filter",
		"built from %" PRIu64 " keys in %" PRIu64 " ms, %" PRIu64
		" of them on a CPU, room for %" PRIu64,
		f->built_keys, f->build_us / MR_US_PER_MS, f->build_cpu_us / MR_US_PER_MS,
		f->node_stats[0].capacity_keys);
	return 0;
}

static void *run(void *arg)
{
	struct mr_filter *f = arg;
	uint64_t retry_us = 0;

	pthread_mutex_lock(&f->lock);
	// why relaxed: also set under the lock.
	while (!atomic_load_explicit(&f->stop, memory_order_relaxed)) {
		bool wanted = f->wanted;

		refresh_stats(f);
		if (f->holds == 0 && (wanted || (outgrown(f) && mr_thread_now_us() >= retry_us))) {
			f->wanted = false;
			if (rebuild(f) < 0)
				retry_us = mr_thread_now_us() + RETRY_S * MR_US_PER_S;
			continue;
		}
		// A first build that failed is tried again.
		if (f->holds == 0 && f->now.n_nodes == 0 && mr_thread_now_us() >= retry_us)
			f->wanted = true;
		else
			mr_thread_wait_us(&f->wake, &f->lock,
				MR_MAX(f->p.check_ms * MR_US_PER_MS, LOOK_SHARE * f->look_us));
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

// ---- start and stop
// ------------------------------------------------------------------------------

struct mr_filter *mr_filter_create(const struct mr_filter_params *params, struct mr_err *err)
{
	struct mr_filter *f = calloc(1, sizeof(*f));

	if (f != NULL)
		f->node_stats = calloc(params->tiers->n_nodes, sizeof(*f->node_stats));
	if (f == NULL || f->node_stats == NULL) {
		free(f);
		mr_fail(err, ENOMEM, "no memory for the filter's books");
		errno = ENOMEM;
		return NULL;
	}
	f->p = *params;
	f->p.check_ms = params->check_ms != 0 ? params->check_ms : CHECK_DEFAULT_MS;
	f->rebuild_above = params->rebuild_above;
	pthread_mutex_init(&f->lock, NULL);
	mr_thread_cond_init(&f->wake);
	f->loaded = mr_filter_file_load(f);
	if (f->loaded) {
		set_state(f, MR_FILTER_READY);
		refresh_stats(f);
		f->added_after = f->node_stats[0].added_keys;
	}
	return f;
}

int mr_filter_start(struct mr_filter *f, struct mr_err *err)
{
	int ret;

	f->wanted = !f->loaded;
	ret = mr_thread_start(&f->thread, "mr-filter", f->p.cpus, run, f);
	if (ret < 0)
		return mr_fail(err, -ret, "no thread for the filter: %s", strerror(-ret));
	f->has_thread = true;
	return 0;
}

void mr_filter_rebuild(struct mr_filter *f)
{
	pthread_mutex_lock(&f->lock);
	f->wanted = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

int mr_filter_hold(struct mr_filter *f)
{
	int ret = 0;

	pthread_mutex_lock(&f->lock);
	// why relaxed: set under the lock.
	if (atomic_load_explicit(&f->state, memory_order_relaxed) == MR_FILTER_BUILDING)
		ret = -EAGAIN;
	else
		f->holds++;
	pthread_mutex_unlock(&f->lock);
	return ret;
}

void mr_filter_release(struct mr_filter *f)
{
	pthread_mutex_lock(&f->lock);
	f->holds--;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

void mr_filter_add(struct mr_filter *f, const uint64_t *hashes, unsigned n)
{
	// The holder keeps `now` what it is.
	for (unsigned i = 0; i < f->now.n_nodes; i++)
		for (unsigned k = 0; k < n; k += MR_BLOOM_BURST)
			mr_bloom_add_bulk(f->now.blooms[i], hashes + k,
				MR_MIN((unsigned)MR_BLOOM_BURST, n - k));
}

void mr_filter_set_rebuild_above(struct mr_filter *f, double rate)
{
	pthread_mutex_lock(&f->lock);
	f->rebuild_above = rate;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

void mr_filter_stop(struct mr_filter *f)
{
	if (!f->has_thread)
		return;
	pthread_mutex_lock(&f->lock);
	// why relaxed: the lock orders it for the waiting thread, and a scan may see it late.
	atomic_store_explicit(&f->stop, true, memory_order_relaxed);
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	f->has_thread = false;
}

void mr_filter_free(struct mr_filter *f)
{
	if (f == NULL)
		return;
	mr_filter_stop(f);
	for (unsigned i = 0; i < f->p.tiers->n_nodes; i++)
		// why relaxed: no lcore is left to read it.
		atomic_store_explicit(&f->p.tiers->nodes[i].bloom, NULL, memory_order_relaxed);
	mr_filter_generation_free(&f->now);
	pthread_cond_destroy(&f->wake);
	pthread_mutex_destroy(&f->lock);
	free(f->node_stats);
	free(f);
}

// ---- figures
// -------------------------------------------------------------------------------------

void mr_filter_stats(struct mr_filter *f, struct mr_filter_stats *ret)
{
	pthread_mutex_lock(&f->lock);
	*ret = (struct mr_filter_stats){
		// why relaxed: figures.
		.state =
			(enum mr_filter_state)atomic_load_explicit(&f->state, memory_order_relaxed),
		.in_force = f->now.n_nodes > 0,
		.loaded = f->loaded,
		.done_keys = atomic_load_explicit(&f->done_keys, memory_order_relaxed),
		.estimate_keys = atomic_load_explicit(&f->estimate_keys, memory_order_relaxed),
		.rebuilds = f->rebuilds,
		.failures = f->failures,
		.build_us = f->build_us,
		.build_cpu_us = f->build_cpu_us,
		.n_nodes = f->p.tiers->n_nodes,
	};
	memcpy(ret->last_error, f->last_error, sizeof(ret->last_error));
	pthread_mutex_unlock(&f->lock);
}

bool mr_filter_node_stats(struct mr_filter *f, unsigned node_index, struct mr_bloom_stats *ret)
{
	bool has;

	pthread_mutex_lock(&f->lock);
	has = f->has_stats && node_index < f->now.n_nodes;
	if (has)
		*ret = f->node_stats[node_index];
	pthread_mutex_unlock(&f->lock);
	return has;
}
