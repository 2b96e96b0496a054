// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A policy being built, for lib/guard only.
 */

#include "mr_guard.h"

enum mr_guard_list {
	MR_GUARD_LIST_ALLOW,
	MR_GUARD_LIST_TRUSTED,
	MR_GUARD_LIST_REFUSE,
	MR_GUARD_LIST_WRITERS,
	MR_GUARD_LIST_LIMITS,
	MR_GUARD_LIST_COUNT,
};

struct mr_guard_lists {
	unsigned n[MR_GUARD_LIST_COUNT];
	struct mr_prefix prefixes[MR_GUARD_LIST_COUNT][MR_PREFIXES_MAX];
	bool all_write; // whoever may ask may write
};

/** Lays the lists over each other into the policy's ranges. @return 0 or -ENOMEM. */
int mr_guard_ranges_build(
	struct mr_guard *guard, const struct mr_guard_lists *lists, struct mr_err *err);

/** Derives the secrets of the period at @p now_us. */
void mr_guard_secrets_derive(struct mr_guard *guard, const struct mr_wire_keys *keys,
	uint64_t rotation_us, uint64_t now_us);
