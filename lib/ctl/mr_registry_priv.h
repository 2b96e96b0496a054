// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The inside of the registry: mr_registry.c builds, publishes and applies text, and
 * mr_registry_versions.c makes changes of its own: versions added, switched to and dropped.
 */

#include "mr_registry.h"

#include <pthread.h>

struct mr_registry {
	struct mr_tiers *tiers;
	struct mr_store *store;
	unsigned node;
	pthread_mutex_t change;   // held by a change from its first look to its last
	pthread_mutex_t forget;   // a cache takes one drop of a space at a time
	pthread_rwlock_t publish; // write: while the pointer turns over; read: while it is used
	struct mr_published *published;
	void *mem;           // what it lives in
	uint64_t publish_us; // from the new pointer to the last lcore that used the old one
};

/** How a change is to be made. */
struct mr_registry_how {
	bool plan;                         // says what would change, and changes nothing
	const struct mr_store_meta *extra; // committed with the catalog; NULL: nothing
};

/**
 * Puts @p change over what is registered. reg->change is held.
 * @return 0 or -errno with a message; nothing changed then.
 */
int mr_registry_change(struct mr_registry *reg, const char *file, const struct mr_catalog *change,
	const struct mr_registry_how *how, FILE *summary, struct mr_err *err);

/**
 * Tells the store's compactions what they may drop: by @p catalog, and where @p other (NULL: none)
 * would keep a row longer, by that.
 */
int mr_registry_set_policy(struct mr_registry *reg, const struct mr_catalog *catalog,
	const struct mr_catalog *other, struct mr_err *err);

/** Finishes drops of versions that a crash cut short. */
int mr_registry_finish_drops(struct mr_registry *reg, struct mr_err *err);
