// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The keys of a burst as RocksDB wants them: packed, sorted, equal ones once. All memory is taken
 * at creation.
 */

#include "mr_store_impl.h"
#include "mr_store_multiget.h"

/** A wanted key, by the caller's index. */
struct mr_store_wanted {
	const uint8_t *key;
	uint32_t key_bytes;
};

struct mr_store_keys {
	unsigned n_max;
	unsigned n; //!< different keys
	struct mr_store_slice *key;
	bool *fast;     //!< as asked; the same for all keys of a space
	uint32_t *slot; //!< caller's index to index of its key
	uint8_t *bytes;
	struct mr_store_wanted *wanted;
	uint64_t *sort, *merge; //!< words that stand for keys while they are sorted
};

/** @return 0 or -ENOMEM; mr_store_keys_free() afterwards in both cases. */
int mr_store_keys_init(struct mr_store_keys *keys, unsigned n_max);
void mr_store_keys_free(struct mr_store_keys *keys);

/** Fills in the keys of a burst of up to n_max. */
void mr_store_keys_set(struct mr_store_keys *keys, const struct mr_store_get *gets, unsigned n);
