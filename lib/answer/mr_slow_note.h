// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What RX and I/O lcores write into their slow logs: who asked, and for what. No path that is taken
 * often comes here.
 */

#include "mr_handoff.h"
#include "mr_slowlog.h"
#include "mr_tiers.h"
#include "mr_wire.h"

/** Sets the client. @param is_reply  the headers of @p m have been turned around. */
void mr_slow_client(struct mr_slow *slow, struct rte_mbuf *m, bool is_reply);

/** Sets what was asked for, without the key. Any valid request. */
void mr_slow_request(struct mr_slow *slow, const struct mr_wire_request *wire);

/** Sets the first key of a GET or write whose body has not been written over. */
void mr_slow_first_key(struct mr_slow *slow, const struct mr_wire_request *wire);

void mr_slow_key(struct mr_slow *slow, const void *key, unsigned key_bytes);

/** The times that a client is told. */
struct mr_wire_times mr_slow_times(const struct mr_slow *slow, const struct mr_clock *clock);
