// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The registry: owner of the catalog of sets and views. Its text is kept in the store (metadata
 * entry "catalog"), so that it is there after a restart; what is published to the lcores is built
 * from that text.
 *
 * A change is checked and built first, then made durable, then published: lcores never see a set
 * that a power cut could forget, and a change that is refused leaves everything as it was.
 *
 * Threads: lcores read tiers->published by themselves under their quiescent states. Every other
 * thread reads it between mr_registry_read_begin() and _end(). Changes are serialised inside; they
 * block (store, quiescent states), so they are for control threads only.
 */

#include "mr_store.h"
#include "mr_tiers.h"

#include <stdio.h>

struct mr_registry;

/**
 * Loads the catalog from the store and publishes it; an empty one when the store has none.
 *
 * @param tiers, store
 *   Must outlive the registry.
 * @param node
 *   NUMA node for the catalog's memory.
 * @return
 *   The registry, or NULL with errno and a message: EUCLEAN: the stored text does not build;
 *   ENOMEM; EIO.
 */
struct mr_registry *mr_registry_create(
	struct mr_tiers *tiers, struct mr_store *store, unsigned node, struct mr_err *err);

/** Takes the catalog back and frees it. No lcore may be running. NULL is allowed. */
void mr_registry_free(struct mr_registry *registry);

/**
 * Puts the sets and views of @p text over those there are.
 *
 * @param file
 *   Name of the text, for messages.
 * @param summary
 *   Receives a line for each set and view of @p text ("set user: added", "view ctr: unchanged"),
 * and a last one with what there is now or that nothing changed. NULL: not wanted.
 * @return
 *   0; -EINVAL: refused, with a message that names file and line; -EIO, -ENOSPC, -EROFS: the store
 *   did not take it; -ENOMEM. Nothing changed unless 0 is returned.
 */
int mr_registry_apply(struct mr_registry *registry, const char *file, const char *text,
	size_t text_bytes, FILE *summary, struct mr_err *err);

/** As mr_registry_apply(), but only says what would change, or what is wrong with @p text. */
int mr_registry_plan(struct mr_registry *registry, const char *file, const char *text,
	size_t text_bytes, FILE *summary, struct mr_err *err);

enum mr_registry_op {
	MR_REGISTRY_SWITCH, //!< makes a version that exists the current one
	MR_REGISTRY_ADD,    //!< adds an empty version beside the current one
	MR_REGISTRY_DROP,   //!< deletes a version that is not the current one, with its rows
	MR_REGISTRY_ADOPT,  //!< adds a version whose rows mr_registry_adopt_begin() announced
};

/**
 * Changes the versions of a set. Requests see one catalog each, so none sees half of a switch; when
 * this returns, every lcore has taken the change over.
 *
 * @param plan
 *   Says what would happen, and does nothing.
 * @return 0; -ENOENT: no such set or version; -EBUSY: the current version cannot be dropped;
 *   -EINVAL: too many versions; else as mr_registry_apply(). After a drop that fails half-way the
 *   version is gone for everybody, and the rest is done at the next start, add or drop.
 */
int mr_registry_version(struct mr_registry *registry, enum mr_registry_op op, const char *set,
	uint16_t version, bool plan, FILE *out, struct mr_err *err);

/**
 * Notes that rows of a space come into the store, to be adopted as a version. Until they are, the
 * next start, add or drop deletes them. @return 0 or -errno with a message.
 */
int mr_registry_adopt_begin(struct mr_registry *registry, mr_space_t space, struct mr_err *err);

/** Drops what the caches hold of a space, because its rows in the store were replaced. */
void mr_registry_forget_cached(struct mr_registry *registry, mr_space_t space);

/** What is published; valid until mr_registry_read_end(). For threads that are not lcores. */
const struct mr_published *mr_registry_read_begin(struct mr_registry *registry);
void mr_registry_read_end(struct mr_registry *registry);
