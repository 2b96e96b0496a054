// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The catalog: every registered set and view, as one immutable object built from INI text. The
 * server publishes it to its lcores by pointer and frees the arena when none reads it any more; the
 * client builds its own from what DESCRIBE sends.
 *
 *     [set user]
 *     id = 7                      # 1 to 32767, unique among sets
 *     key = u64                   # u64 | i64 | string | bytes; composite: "user:u64, site:string"
 *     version = 1                 # current version; default 1
 *     beside = 2, 3               # versions that exist beside it; default none
 *     ttl = 7d                    # default 0: never expires
 *     durability = sync           # sync | wal; default sync
 *     tables = compact            # compact | fast; default compact
 *     history = 30d               # keeps earlier rows this long for as-of reads; default 0: none
 *     column age = i32
 *     column embedding = f32[16]
 *     column city = string
 *
 *     [view ctr]
 *     id = 3                      # 1 to 32767, unique among views
 *     columns = user.age, user.city
 *     columns = item.*            # may repeat; sets must have the same key types; order is kept,
 *                                 # columns of one set are gathered in one part
 *
 * Unknown keys, duplicate names and ids, bad types, missing id, key or columns are errors that name
 * file, line and value, and nothing is built.
 */

#include "mr_view.h"

struct mr_catalog {
	unsigned n_sets, n_views;    //!< views: explicit ones only
	struct mr_schema **sets;     //!< by id, ascending
	struct mr_view **views;      //!< by id, ascending
	struct mr_view **set_views;  //!< the implicit view of sets[i]
	struct mr_view **by_wire_id; //!< 65536 pointers
};

/**
 * Builds a catalog in @p arena.
 * @return the catalog, or NULL with errno: EINVAL with a message; ENOMEM: the arena is too small,
 *   try again with a larger one (no message). Empty text is an empty catalog.
 */
struct mr_catalog *mr_catalog_build(struct mr_arena *arena, const char *file, const char *text,
	size_t text_bytes, struct mr_err *err);

/**
 * As mr_catalog_build(), for text that is to be merged into @p base: views may also name sets that
 * only @p base has. The result points into @p base, which must outlive it.
 */
struct mr_catalog *mr_catalog_build_change(struct mr_arena *arena, const struct mr_catalog *base,
	const char *file, const char *text, size_t text_bytes, struct mr_err *err);

/** View for a wire id: a set's own or an explicit one; NULL when there is none. O(1). */
static mr_always_inline const struct mr_view *mr_catalog_view(
	const struct mr_catalog *catalog, uint16_t wire_id)
{
	return catalog->by_wire_id[wire_id];
}

const struct mr_schema *mr_catalog_set_by_name(const struct mr_catalog *catalog, const char *name);
const struct mr_schema *mr_catalog_set_by_id(const struct mr_catalog *catalog, uint16_t id);

/** Set's own view or explicit view of that name; explicit ones go first. NULL: none. */
const struct mr_view *mr_catalog_view_by_name(const struct mr_catalog *catalog, const char *name);

/** Prints the canonical text of everything: building it again gives the same catalog. @return
 *  length as snprintf does. */
size_t mr_catalog_print(const struct mr_catalog *catalog, char *text, size_t text_bytes);

/** Canonical text of one set ([set ...] section), or of one view with the sets it names. */
size_t mr_catalog_print_set(const struct mr_schema *schema, char *text, size_t text_bytes);
size_t mr_catalog_print_view(const struct mr_view *view, char *text, size_t text_bytes);

/**
 * Puts @p change over @p base: sections of the same name are replaced, others kept. The result is
 * text for mr_catalog_build().
 *
 * A set's id, key, columns and tables cannot change while it has rows of that layout: such a change
 * is refused here with a message that says what differs. TTL, durability, history and views can. A
 * set whose text states no version keeps the one it has.
 *
 * @return length as snprintf does, or -EINVAL with a message.
 */
int64_t mr_catalog_merge(const struct mr_catalog *base, const struct mr_catalog *change, char *text,
	size_t text_bytes, struct mr_err *err);
