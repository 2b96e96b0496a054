// SPDX-License-Identifier: BSD-3-Clause
#include "mr_key.h"

#include "mr_row_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SIGN_BIT (UINT64_C(1) << 63)

static bool is_number(enum mr_type type)
{
	return type == MR_TYPE_U64 || type == MR_TYPE_I64;
}

// Whether a length byte stands before a variable part.
static bool has_length(const struct mr_schema *schema, unsigned part)
{
	return part + 1u < schema->n_key_parts;
}

static int encode_part(const struct mr_schema *schema, unsigned part, const struct mr_key_value *v,
	uint8_t *key, unsigned at)
{
	enum mr_type type = schema->key_parts[part].type;
	unsigned prefix = has_length(schema, part);

	if (is_number(type)) {
		if (at + 8 > MR_KEY_MAX_BYTES)
			return -E2BIG;
		mr_store_be64(key + at, type == MR_TYPE_I64 ? v->u64 ^ SIGN_BIT : v->u64);
		return (int)at + 8;
	}
	if (v->bytes > MR_KEY_MAX_BYTES || at + prefix + v->bytes > MR_KEY_MAX_BYTES)
		return -E2BIG;
	if (prefix)
		key[at++] = (uint8_t)v->bytes;
	if (v->bytes > 0)
		memcpy(key + at, v->data, v->bytes);
	return (int)(at + v->bytes);
}

int mr_key_encode(const struct mr_schema *schema, const struct mr_key_value *parts,
	unsigned n_parts, uint8_t *key)
{
	int at = 0;

	if (n_parts != schema->n_key_parts)
		return -EINVAL;
	for (unsigned i = 0; i < n_parts; i++) {
		at = encode_part(schema, i, &parts[i], key, (unsigned)at);
		if (at < 0)
			return at;
	}
	return at > 0 ? at : -EINVAL;
}

// Splits a key; ret_parts may be NULL when only the form is asked for.
static mr_always_inline int walk(const struct mr_schema *schema, const uint8_t *key,
	unsigned key_bytes, struct mr_key_value *ret_parts)
{
	unsigned at = 0;

	if (key_bytes == 0 || key_bytes > MR_KEY_MAX_BYTES)
		return -EBADMSG;
	for (unsigned i = 0; i < schema->n_key_parts; i++) {
		enum mr_type type = schema->key_parts[i].type;
		unsigned bytes = is_number(type) ? 8 : key_bytes - at;

		if (!is_number(type) && has_length(schema, i)) {
			if (at == key_bytes)
				return -EBADMSG;
			bytes = key[at++];
		}
		if (bytes > key_bytes - at)
			return -EBADMSG;
		if (ret_parts != NULL && is_number(type))
			ret_parts[i] =
				(struct mr_key_value){.u64 = mr_load_be64(key + at) ^
			                                     (type == MR_TYPE_I64 ? SIGN_BIT : 0)};
		else if (ret_parts != NULL)
			ret_parts[i] = (struct mr_key_value){.data = key + at, .bytes = bytes};
		at += bytes;
	}
	return at == key_bytes ? schema->n_key_parts : -EBADMSG;
}

int mr_key_decode(const struct mr_schema *schema, const uint8_t *key, unsigned key_bytes,
	struct mr_key_value *ret_parts)
{
	struct mr_key_value parts[MR_KEY_PARTS_MAX];
	int n = walk(schema, key, key_bytes, parts);

	if (n > 0)
		memcpy(ret_parts, parts, (unsigned)n * sizeof(*parts));
	return n;
}

bool mr_key_check(const struct mr_schema *schema, const uint8_t *key, unsigned key_bytes)
{
	if (schema->key_fixed_bytes != 0)
		return key_bytes == schema->key_fixed_bytes;
	return walk(schema, key, key_bytes, NULL) > 0;
}

// Hex is decoded into hex_room, which the value then points into.
static int parse_part(
	enum mr_type type, struct mr_text text, uint8_t *hex_room, struct mr_key_value *ret_value)
{
	int ret;

	if (type == MR_TYPE_U64)
		return mr_text_u64(text, &ret_value->u64);
	if (type == MR_TYPE_I64)
		return mr_text_i64(text, &ret_value->i64);
	if (type == MR_TYPE_STRING && !mr_utf8_check((const uint8_t *)text.data, text.bytes))
		return -EINVAL;
	if (type == MR_TYPE_BYTES && mr_text_is_hex(text)) {
		if (text.bytes / 2 - 1 > MR_KEY_MAX_BYTES)
			return -E2BIG;
		ret = mr_text_hex(text, hex_room);
		if (ret < 0)
			return ret;
		ret_value->data = hex_room;
		ret_value->bytes = (uint32_t)ret;
		return 0;
	}
	if (text.bytes > MR_KEY_MAX_BYTES)
		return -E2BIG;
	ret_value->data = text.data;
	ret_value->bytes = (uint32_t)text.bytes;
	return 0;
}

static int fail_part(
	const struct mr_key_part *part, struct mr_text text, int ret, struct mr_err *err)
{
	char shown[MR_TEXT_SHOWN_BYTES];

	return mr_fail(err, -ret, "key part %s: %s expected, got '%s'%s", part->name,
		mr_type_name(part->type), mr_text_shown(text, shown, sizeof(shown)),
		ret == -ERANGE                 ? ": out of range"
		: ret == -E2BIG                ? ": a key has at most 255 bytes"
		: is_number(part->type)        ? ""
		: part->type == MR_TYPE_STRING ? ": not UTF-8"
					       : ": an even number of hex digits after 0x");
}

int mr_key_parse(const struct mr_schema *schema, const char *const *texts, unsigned n_texts,
	uint8_t *key, struct mr_err *err)
{
	struct mr_key_value parts[MR_KEY_PARTS_MAX] = {0};
	uint8_t room[MR_KEY_PARTS_MAX][MR_KEY_MAX_BYTES];
	int ret;

	if (n_texts != schema->n_key_parts)
		return mr_fail(err, EINVAL, "set %s: key has %u part%s, got %u", schema->name,
			schema->n_key_parts, schema->n_key_parts == 1 ? "" : "s", n_texts);
	for (unsigned i = 0; i < n_texts; i++) {
		struct mr_text text = {texts[i], strlen(texts[i])};

		ret = parse_part(schema->key_parts[i].type, text, room[i], &parts[i]);
		if (ret < 0)
			return fail_part(&schema->key_parts[i], text, ret, err);
	}
	ret = mr_key_encode(schema, parts, n_texts, key);
	if (ret == -E2BIG)
		return mr_fail(err, E2BIG, "set %s: key longer than %u bytes, starts with '%.40s'",
			schema->name, MR_KEY_MAX_BYTES, texts[0]);
	if (ret < 0)
		return mr_fail(err, -ret, "set %s: key part %s: empty key, got ''", schema->name,
			schema->key_parts[0].name);
	return ret;
}

int mr_key_print(const struct mr_schema *schema, const uint8_t *key, unsigned key_bytes, char *text,
	size_t text_bytes)
{
	struct mr_key_value parts[MR_KEY_PARTS_MAX];
	struct mr_sink sink = {text, text_bytes, 0};
	int n = mr_key_decode(schema, key, key_bytes, parts);

	for (int i = 0; i < n; i++) {
		mr_sink_put(&sink, ",", i > 0);
		switch (schema->key_parts[i].type) {
		case MR_TYPE_U64:
			mr_sink_printf(&sink, "%" PRIu64, parts[i].u64);
			break;
		case MR_TYPE_I64:
			mr_sink_printf(&sink, "%" PRId64, parts[i].i64);
			break;
		case MR_TYPE_BYTES:
			mr_sink_hex(&sink, parts[i].data, parts[i].bytes);
			break;
		default:
			mr_sink_put(&sink, parts[i].data, parts[i].bytes);
			break;
		}
	}
	return n < 0 ? n : (int)sink.bytes;
}
