// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Addresses as numbers, and lists of prefixes as a person writes them: "10.0.0.0/8, fd00::/8,
 * 192.0.2.7". IPv4 and IPv6 share one order: an IPv4 address a.b.c.d is the number of
 * ::ffff:a.b.c.d, a form in which no IPv6 packet may name its sender (mr_guard.h refuses it).
 */

#include <stdbool.h>
#include <stddef.h>

#include "mr_bytes.h"
#include "mr_err.h"

typedef unsigned __int128 mr_address_t;

#define MR_ADDRESS_IP4 ((mr_address_t)0xffff << 32)
#define MR_PREFIXES_MAX 256u
#define MR_PREFIX_TEXT_BYTES 64u

struct mr_prefix {
	mr_address_t first, last; //!< inclusive
	uint64_t rate;            //!< in a list with rates; else 0
	uint8_t bits;             //!< as written
	bool is_ip6;
};

static mr_always_inline mr_address_t mr_address_ip4(const void *be)
{
	return MR_ADDRESS_IP4 | mr_load_be32(be);
}

static mr_always_inline mr_address_t mr_address_ip6(const void *be)
{
	return (mr_address_t)mr_load_be64(be) << 64 | mr_load_be64((const uint8_t *)be + 8);
}

/**
 * Reads a list parted by commas; an empty text is an empty list. With @p with_rates every prefix is
 * followed by blanks and a number from 1: "10.0.0.0/8 500000, ...".
 *
 * @return
 *   Prefixes written to @p prefixes, or -EINVAL with a message: not an address, a length too great,
 *   bits set behind the prefix, a prefix that stands there twice, more than MR_PREFIXES_MAX.
 */
int mr_prefixes_parse(struct mr_prefix prefixes[MR_PREFIXES_MAX], const char *text, bool with_rates,
	struct mr_err *err);

/** "10.0.0.0/8". @return text. */
const char *mr_prefix_text(const struct mr_prefix *prefix, char text[MR_PREFIX_TEXT_BYTES]);
