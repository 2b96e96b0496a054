// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Entity keys as bytes. u64: 8 bytes big-endian. i64: the same with the sign bit flipped, so that
 * bytes sort as numbers do. string, bytes: as they are. Composite: the parts in order; a string or
 * bytes part that is not the last has one length byte in front. 1 to 255 bytes in all.
 * Stateless, any thread.
 */

#include "mr_schema.h"

/** One part of a key, by the type the schema declares. */
struct mr_key_value {
	union {
		uint64_t u64;
		int64_t i64;
	};
	const void *data; //!< string, bytes
	uint32_t bytes;
};

/**
 * Writes a key. @p key has room for MR_KEY_MAX_BYTES.
 * @return its length; -EINVAL: empty key, or a wrong number of parts; -E2BIG: over 255 bytes.
 */
int mr_key_encode(const struct mr_schema *schema, const struct mr_key_value *parts,
	unsigned n_parts, uint8_t *key);

/** Reads a key back. @return number of parts, or -EBADMSG when it is not a key of this set. */
int mr_key_decode(const struct mr_schema *schema, const uint8_t *key, unsigned key_bytes,
	struct mr_key_value *ret_parts);

/** @return true when the bytes are a key of this set. A few ns; no allocation. */
bool mr_key_check(const struct mr_schema *schema, const uint8_t *key, unsigned key_bytes);

/**
 * Parses a key from text, one text per part. Strings are taken as they are; bytes as hex when the
 * text starts with 0x, else as they are.
 * @return length of the key, or -errno with a message that names the part and the value.
 */
int mr_key_parse(const struct mr_schema *schema, const char *const *texts, unsigned n_texts,
	uint8_t *key, struct mr_err *err);

/** Prints a key, parts joined by ','. @return length as snprintf does, or -EBADMSG. */
int mr_key_print(const struct mr_schema *schema, const uint8_t *key, unsigned key_bytes, char *text,
	size_t text_bytes);
