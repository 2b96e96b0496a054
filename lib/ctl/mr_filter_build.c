// SPDX-License-Identifier: BSD-3-Clause
#include "mr_filter_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "mr_log.h"
#include "mr_units.h"

#define OWN_ALIGN (2 * MR_MIB) // a transparent huge page
#define LOG_EVERY_KEYS 65536u  // keys between looks at whether a second has passed

// ---- generations
// ---------------------------------------------------------------------------------

static struct mr_bloom_params params_of(const struct mr_filter *f, uint64_t capacity_keys)
{
	return (struct mr_bloom_params){.capacity_keys = capacity_keys, .fpr = f->p.fpr};
}

int mr_filter_generation_make(const struct mr_filter *f, uint64_t capacity_keys,
	struct mr_filter_generation *ret, struct mr_err *err)
{
	const struct mr_tiers *tiers = f->p.tiers;
	struct mr_bloom_params params = params_of(f, capacity_keys);
	struct mr_filter_generation g = {.n_nodes = tiers->n_nodes};
	size_t bytes = mr_bloom_memsize(&params);

	g.blooms = calloc(g.n_nodes, sizeof(*g.blooms));
	if (g.blooms == NULL || bytes == 0)
		goto fail;
	for (unsigned i = 0; i < g.n_nodes; i++) {
		void *mem =
			mr_mem_alloc("mr_bloom", bytes, MR_CACHE_LINE_BYTES, tiers->nodes[i].node);

		if (mem == NULL)
			goto fail;
		g.blooms[i] = mr_bloom_init(mem, bytes, &params);
		if (g.blooms[i] == NULL) {
			mr_mem_free(mem);
			goto fail;
		}
	}
	*ret = g;
	return 0;
fail:
	mr_filter_generation_free(&g);
	return mr_fail(err, ENOMEM,
		"no %zu MiB on each of %u NUMA nodes for a Bloom filter of %" PRIu64 " keys",
		(size_t)(bytes / MR_MIB) + 1, tiers->n_nodes, capacity_keys);
}

void mr_filter_generation_free(struct mr_filter_generation *g)
{
	for (unsigned i = 0; g->blooms != NULL && i < g->n_nodes; i++)
		mr_mem_free(g->blooms[i]);
	free(g->blooms);
	memset(g, 0, sizeof(*g));
}

static void set_next(struct mr_filter *f, const struct mr_filter_generation *next)
{
	for (unsigned i = 0; i < f->p.tiers->n_nodes; i++)
		// why release: pairs with the writers' acquire: the empty filter before its
		// address.
		atomic_store_explicit(&f->p.tiers->nodes[i].bloom_next,
			next != NULL ? next->blooms[i] : NULL, memory_order_release);
}

void mr_filter_generation_publish(struct mr_filter *f, struct mr_filter_generation *next)
{
	struct mr_filter_generation old;

	pthread_mutex_lock(&f->lock);
	old = f->now;
	f->now = *next;
	memset(next, 0, sizeof(*next));
	f->has_stats = false;
	for (unsigned i = 0; i < f->now.n_nodes; i++)
		// why release: pairs with mr_node_bloom(): the bits before the address.
		atomic_store_explicit(
			&f->p.tiers->nodes[i].bloom, f->now.blooms[i], memory_order_release);
	pthread_mutex_unlock(&f->lock);
	// A writer that took the old one as `bloom` must not find bloom_next empty: it would add to
	// the old one only. So every turn that may hold the old one ends before that.
	mr_rcu_wait(f->p.tiers->rcu);
	set_next(f, NULL);
	mr_rcu_wait(f->p.tiers->rcu);
	mr_filter_generation_free(&old);
}

// ---- a rebuild
// -----------------------------------------------------------------------------------

// Where the keys of the scan go: an ordinary add takes eight atomic ORs, because I/O lcores add to
// the next generation meanwhile. One of our own takes none, and is merged into it at the end. NULL
// without memory.
static struct mr_bloom *make_own(const struct mr_bloom_params *params)
{
	size_t bytes = MR_ALIGN_UP(mr_bloom_memsize(params), (size_t)OWN_ALIGN);
	void *mem = aligned_alloc(OWN_ALIGN, bytes);

	if (mem == NULL)
		return NULL;
	// Where the kernel has none to give, it takes longer.
	madvise(mem, bytes, MADV_HUGEPAGE);
	return mr_bloom_init(mem, bytes, params);
}

static void add(const struct mr_filter_generation *next, struct mr_bloom *own,
	const uint64_t *hashes, unsigned n)
{
	if (own != NULL)
		mr_bloom_add_alone_bulk(own, hashes, n);
	for (unsigned i = 0; own == NULL && i < next->n_nodes; i++)
		mr_bloom_add_bulk(next->blooms[i], hashes, n);
}

static void tell(struct mr_filter *f, unsigned n)
{
	// why relaxed: progress for people.
	uint64_t before = atomic_fetch_add_explicit(&f->done_keys, n, memory_order_relaxed);

	if ((before + n) / LOG_EVERY_KEYS != before / LOG_EVERY_KEYS)
		mr_log_limited(MR_LOG_INFO, "filter", "%" PRIu64 " of about %" PRIu64 " keys",
			before + n, atomic_load_explicit(&f->estimate_keys, memory_order_relaxed));
}

static int scan(struct mr_filter *f, const struct mr_filter_generation *next,
	const struct mr_bloom_params *params, struct mr_err *err)
{
	struct mr_store_scan *s = mr_store_scan_begin(f->p.store, 0);
	uint64_t hashes[MR_BLOOM_BURST];
	struct mr_bloom *own;
	int ret;

	if (s == NULL)
		return mr_fail(err, errno, "cannot scan the store: %s", strerror(errno));
	own = make_own(params);
	while ((ret = mr_store_scan_hashes(s, hashes, MR_BLOOM_BURST, err)) > 0) {
		add(next, own, hashes, (unsigned)ret);
		tell(f, (unsigned)ret);
		// why relaxed: a stop may be seen a batch late.
		if (atomic_load_explicit(&f->stop, memory_order_relaxed)) {
			ret = -ECANCELED;
			break;
		}
	}
	for (unsigned i = 0; own != NULL && ret == 0 && i < next->n_nodes; i++)
		mr_bloom_merge(next->blooms[i], own);
	free(own);
	mr_store_scan_end(s);
	return ret;
}

// Room for what the store may hold: its own estimate, or what the last scan really found.
static uint64_t capacity(const struct mr_filter *f, uint64_t estimate_keys)
{
	uint64_t keys = MR_MAX(estimate_keys, f->built_keys);

	return MR_MAX(f->p.keys, keys + keys / 5);
}

int mr_filter_build(struct mr_filter *f, struct mr_err *err)
{
	uint64_t estimate = mr_store_estimated_keys(f->p.store);
	struct mr_bloom_params params = params_of(f, capacity(f, estimate));
	struct mr_filter_generation next;
	int ret;

	// why relaxed: progress for people.
	atomic_store_explicit(&f->done_keys, 0, memory_order_relaxed);
	atomic_store_explicit(&f->estimate_keys, estimate, memory_order_relaxed);
	ret = mr_filter_generation_make(f, params.capacity_keys, &next, err);
	if (ret < 0)
		return ret;
	set_next(f, &next);
	// Whoever did not see it has committed by now, so the scan's snapshot has what he wrote.
	mr_rcu_wait(f->p.tiers->rcu);
	ret = scan(f, &next, &params, err);
	if (ret < 0) {
		set_next(f, NULL);
		mr_rcu_wait(f->p.tiers->rcu);
		mr_filter_generation_free(&next);
		return ret;
	}
	mr_filter_generation_publish(f, &next);
	return 0;
}
