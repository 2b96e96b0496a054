// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What is left of a datagram while a decoder walks through it. Inside lib/wire only: the one place
 * where a length from the network is compared with the bytes that are there. Owner: the decoder's
 * stack.
 */

#include "mr_cc.h"

#include <stdbool.h>

struct mr_wire_span {
	const uint8_t *at;
	uint32_t left;
};

/** @return the next @p bytes, or NULL when they are not there (nothing is taken then). */
static inline const uint8_t *mr_wire_span_take(struct mr_wire_span *span, uint32_t bytes)
{
	const uint8_t *at = span->at;

	if (bytes > span->left)
		return NULL;
	span->at += bytes;
	span->left -= bytes;
	return at;
}

/** Bytes that @p bytes take on the wire, padded to 8. */
static inline uint32_t mr_wire_padded(uint32_t bytes)
{
	return MR_ALIGN_UP(bytes, 8u);
}

static inline bool mr_wire_all_zero(const uint8_t *p, uint32_t bytes)
{
	uint8_t any = 0;

	for (uint32_t i = 0; i < bytes; i++)
		any |= p[i];
	return any == 0;
}

/** Takes @p bytes padded to 8 with zeros. @return as mr_wire_span_take(). */
static inline const uint8_t *mr_wire_span_take_padded(
	struct mr_wire_span *span, uint32_t bytes, bool *ret_pad_is_zero)
{
	const uint8_t *at = mr_wire_span_take(span, mr_wire_padded(bytes));

	if (at != NULL)
		*ret_pad_is_zero = mr_wire_all_zero(at + bytes, mr_wire_padded(bytes) - bytes);
	return at;
}
