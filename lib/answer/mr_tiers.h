// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The tiers in memory: what RX and I/O lcores look things up in. One struct mr_tiers for the
 * appliance, one struct mr_node per NUMA node. Pointers that change at run time (catalog, policy,
 * filter)
 * are swapped by the control lcore and read once per burst; what they pointed to is freed only
 * after every lcore has passed a quiescent state (mr_env.h).
 */

#include <stdatomic.h>

#include "mr_bloom.h"
#include "mr_cache.h"
#include "mr_catalog.h"
#include "mr_env.h"
#include "mr_guard.h"

/** What DESCRIBE answers for one name. */
struct mr_description {
	const char *name;
	const struct mr_view *view;
	const char *text; //!< INI text of the view and its sets
	uint32_t text_bytes;
};

/** The catalog with what DESCRIBE answers. Built by control, immutable. */
struct mr_published {
	const struct mr_catalog *catalog;
	uint64_t generation; //!< counts up with every change
	unsigned n_descriptions;
	const struct mr_description *descriptions; //!< by name, ascending
};

/**
 * Makes what is published for @p catalog, in the same arena.
 * @return NULL and errno ENOMEM when the arena is too small.
 */
struct mr_published *mr_published_build(
	struct mr_arena *arena, const struct mr_catalog *catalog, uint64_t generation);

/** Description of a set or view (views go first), or NULL. O(log n). */
const struct mr_description *mr_published_find(
	const struct mr_published *published, const char *name, unsigned name_bytes);

/** One NUMA node's tiers. */
struct mr_node {
	unsigned node;
	struct mr_cache *cache;
	uint32_t tick_shift; //!< log2 of row accesses per cache tick

	// R: every burst. W: control.
	_Atomic(struct mr_bloom *) bloom
		mr_cache_aligned;              //!< NULL: not built yet, all keys "maybe"
	_Atomic(struct mr_bloom *) bloom_next; //!< being built: adds go to both; NULL: no rebuild

	// R: every burst. W: an RX lcore once per tick.
	_Atomic uint64_t accesses mr_cache_aligned; //!< row accesses, in whole ticks
} mr_cache_aligned;

struct mr_tiers {
	_Atomic(const struct mr_published *) published;
	_Atomic(const struct mr_guard *) guard; //!< NULL: anyone may do anything (tests, benches)
	struct mr_clock *clock;
	struct mr_rcu *rcu;
	unsigned n_nodes;
	struct mr_node *nodes; //!< by mr_lcore.node_index
};

/** Never NULL while lcores run: an empty registry publishes an empty catalog. */
static mr_always_inline const struct mr_published *mr_tiers_published(const struct mr_tiers *tiers)
{
	// why acquire: pairs with the control lcore's release; the catalog's bytes must be visible.
	return atomic_load_explicit(&tiers->published, memory_order_acquire);
}

/** NULL: no policy. */
static mr_always_inline const struct mr_guard *mr_tiers_guard(const struct mr_tiers *tiers)
{
	// why acquire: as above, for the policy's bytes.
	return atomic_load_explicit(&tiers->guard, memory_order_acquire);
}

static mr_always_inline struct mr_bloom *mr_node_bloom(const struct mr_node *node)
{
	// why acquire: as above, for the filter's bytes.
	return atomic_load_explicit(&node->bloom, memory_order_acquire);
}

/** Cache time of a node. */
static mr_always_inline uint64_t mr_node_ticks(const struct mr_node *node)
{
	return atomic_load_explicit(&node->accesses, memory_order_relaxed) >> node->tick_shift;
}

/** Adds row accesses that an lcore has made; @p local is its own running count. */
static mr_always_inline void mr_node_access(struct mr_node *node, uint64_t *local, unsigned n)
{
	uint64_t before = *local;

	*local = before + n;
	// The shared line is written once per tick and lcore, not once per burst.
	if (mr_unlikely((before ^ *local) >> node->tick_shift))
		atomic_fetch_add_explicit(&node->accesses,
			((*local >> node->tick_shift) - (before >> node->tick_shift))
				<< node->tick_shift,
			memory_order_relaxed);
}
