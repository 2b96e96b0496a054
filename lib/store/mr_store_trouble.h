// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What last went wrong with the store, in words for the operator. Clients see an ERROR or DEGRADED
 * for a key; what to do about it has to be read somewhere.
 *
 * Threads: any. Cost: a short lock, which failures take as well and nothing else does.
 */

#include "mr_store.h"

/**
 * The newest failure of a read, a write, a sync or a background job that a call was told of.
 * @param ret_err
 *   What, where, and what to do; left alone while there was none.
 * @return how many failures there were: more than the last time means that the text is new.
 */
uint64_t mr_store_trouble(struct mr_store *store, struct mr_err *ret_err);
