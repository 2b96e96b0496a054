// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the sources of lib/row share and nobody else sees: text in and out, and the 4-byte cell of
 * a variable column. Stateless; nothing allocates.
 */

#include "mr_bytes.h"
#include "mr_schema.h"

/** Text with its length; not terminated. */
struct mr_text {
	const char *data;
	size_t bytes;
};

static inline bool mr_text_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/** @return the text without the blanks at both ends. */
static inline struct mr_text mr_text_trim(const char *data, size_t bytes)
{
	while (bytes > 0 && mr_text_is_blank(*data)) {
		data++;
		bytes--;
	}
	while (bytes > 0 && mr_text_is_blank(data[bytes - 1]))
		bytes--;
	return (struct mr_text){data, bytes};
}

/** Collects output as snprintf does: counts what does not fit, always terminates. */
struct mr_sink {
	char *text;
	size_t capacity_bytes;
	size_t bytes; //!< wanted so far
};

void mr_sink_put(struct mr_sink *sink, const void *data, size_t bytes);
void mr_sink_printf(struct mr_sink *sink, const char *fmt, ...) mr_printf(2, 3);
void mr_sink_hex(struct mr_sink *sink, const uint8_t *data, size_t bytes); //!< with 0x in front
void mr_sink_double(struct mr_sink *sink, double value);
void mr_sink_float(struct mr_sink *sink, float value);

/** @return true when the bytes are UTF-8 (RFC 3629: shortest form, no surrogates). */
bool mr_utf8_check(const uint8_t *data, size_t bytes);

// Parsers of whole texts, whatever the locale. 0; -EINVAL: not of that form; -ERANGE.
int mr_text_u64(struct mr_text text, uint64_t *ret_value);
int mr_text_i64(struct mr_text text, int64_t *ret_value);
int mr_text_float(struct mr_text text, float *ret_value);
int mr_text_double(struct mr_text text, double *ret_value);
int mr_text_bool(struct mr_text text, bool *ret_value);
int mr_text_timestamp(struct mr_text text, int64_t *ret_us);

/** @return true when the text starts with 0x, and bytes are meant in hex. */
static inline bool mr_text_is_hex(struct mr_text text)
{
	return text.bytes >= 2 && text.data[0] == '0' && (text.data[1] | 0x20) == 'x';
}

/** Decodes "0x..." into @p ret_data, which has room for text.bytes / 2. @return length, -EINVAL. */
int mr_text_hex(struct mr_text text, uint8_t *ret_data);

/** Copy of a value for a message: shortened, with '?' for what does not print. @return buf. */
const char *mr_text_shown(struct mr_text text, char *buf, size_t buf_bytes);
#define MR_TEXT_SHOWN_BYTES 128

/** Cell of a variable column: where its bytes are. {0, 0}: null. */
struct mr_cell {
	uint16_t offset, bytes;
};

static mr_always_inline struct mr_cell mr_cell_unpack(uint32_t v)
{
	return (struct mr_cell){.offset = (uint16_t)v, .bytes = (uint16_t)(v >> 16)};
}

static mr_always_inline uint32_t mr_cell_pack(uint32_t offset, uint32_t bytes)
{
	return offset | bytes << 16;
}

/** Bytes of one element; 4 for string and bytes, whose cell that is. */
unsigned mr_type_cell_bytes(enum mr_type type);

/** @return true when keys of the two sets have parts of the same types. */
bool mr_schema_same_key(const struct mr_schema *a, const struct mr_schema *b);

/** Folds text or a number into a layout hash. */
uint64_t mr_layout_add(uint64_t hash, const void *data, size_t bytes);

/** Hash of key types and a list of columns, as schemas and views carry it; never 0. */
uint64_t mr_layout_add_keys(uint64_t hash, const struct mr_schema *schema);
uint64_t mr_layout_add_columns(uint64_t hash, const struct mr_shape *shape);
uint32_t mr_layout_end(uint64_t hash);
