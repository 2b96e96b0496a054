// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The keys of a burst as RocksDB wants them: packed, sorted, equal ones once. All memory is taken
 * at creation.
 */

#include "mr_store_impl.h"

/** A wanted key while it is sorted: enough of it to decide most comparisons in a register. */
struct mr_store_wanted {
	uint64_t first8; //!< of what not all begin with; big-endian, zero-padded
	const uint8_t *key;
	uint16_t key_bytes;
	uint32_t index; //!< in the caller's burst
};

struct mr_store_keys {
	unsigned n_max;
	unsigned n; //!< different keys
	const char **key;
	size_t *key_bytes;
	bool *fast;     //!< as asked; the same for all keys of a space
	uint32_t *slot; //!< caller's index to index of its key
	uint8_t *bytes;
	struct mr_store_wanted *wanted, *merge;
};

/** @return 0 or -ENOMEM; mr_store_keys_free() afterwards in both cases. */
int mr_store_keys_init(struct mr_store_keys *keys, unsigned n_max);
void mr_store_keys_free(struct mr_store_keys *keys);

/** Fills in the keys of a burst of up to n_max. */
void mr_store_keys_set(struct mr_store_keys *keys, const struct mr_store_get *gets, unsigned n);
