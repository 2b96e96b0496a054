// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Requests and replies out of captured datagrams, for people and for programs. No state.
 */

#include "capture.h"
#include "mr_catalog.h"

#include <jansson.h>

/** Does a payload start as our requests or replies do? */
bool pcap_is_ours(const struct capture_datagram *datagram);

/**
 * A request or reply as JSON: what it says, or its defect.
 * @param catalog  Sets and views, to name them and to decode keys and rows; NULL: ids and hex.
 */
json_t *pcap_datagram_json(const struct capture_datagram *datagram, uint64_t time_ns,
	const struct mr_catalog *catalog);

/** The same as text: a line, and one for each of its records or entries. */
void pcap_print_text(const json_t *datagram, FILE *out);
