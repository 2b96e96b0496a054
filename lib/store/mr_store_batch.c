// SPDX-License-Identifier: BSD-3-Clause
#include "mr_store_batch.h"

#include <errno.h>

// 8 bytes sequence, 4 bytes count, both little-endian; then records: tag, column family where the
// tag has one, strings with their length in front. Numbers are varint32.
#define HEADER_BYTES MR_STORE_BATCH_HEADER_BYTES

enum tag {
	TAG_DELETE = 0x0,
	TAG_PUT = 0x1,
	TAG_CF_DELETE = 0x4,
	TAG_CF_PUT = 0x5,
	TAG_NOOP = 0xd,
	TAG_CF_DELETE_RANGE = 0xe,
	TAG_DELETE_RANGE = 0xf,
};

int mr_store_batch_init(
	struct mr_store_batch *batch, const char *bytes, size_t n, uint64_t sequence)
{
	if (n < HEADER_BYTES)
		return -EUCLEAN;
	*batch = (struct mr_store_batch){
		.at = (const uint8_t *)bytes + HEADER_BYTES,
		.end = (const uint8_t *)bytes + n,
		.sequence = sequence,
		.limit = sequence + mr_load_le32(bytes + 8),
	};
	return 0;
}

static bool take_u32(struct mr_store_batch *b, uint32_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift <= 28 && b->at < b->end; shift += 7) {
		uint8_t byte = *b->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0) {
			*ret_value = (uint32_t)value;
			return value <= UINT32_MAX;
		}
	}
	return false;
}

static bool take_string(struct mr_store_batch *b, const char **ret_string, uint32_t *ret_bytes)
{
	if (!take_u32(b, ret_bytes) || (size_t)(b->end - b->at) < *ret_bytes)
		return false;
	*ret_string = (const char *)b->at;
	b->at += *ret_bytes;
	return true;
}

static bool take_body(
	struct mr_store_batch *b, bool has_cf, bool has_value, struct mr_store_record *ret_record)
{
	ret_record->cf = 0;
	ret_record->value = NULL;
	ret_record->value_bytes = 0;
	if (has_cf && !take_u32(b, &ret_record->cf))
		return false;
	if (!take_string(b, &ret_record->key, &ret_record->key_bytes))
		return false;
	return !has_value || take_string(b, &ret_record->value, &ret_record->value_bytes);
}

int mr_store_batch_next(struct mr_store_batch *batch, struct mr_store_record *ret_record)
{
	struct mr_store_record r = {.kind = MR_STORE_RECORD_PUT};
	uint8_t tag;
	bool good;

	do {
		if (batch->at == batch->end)
			return batch->sequence == batch->limit ? 0 : -EUCLEAN;
		tag = *batch->at++;
	} while (tag == TAG_NOOP);
	switch (tag) {
	case TAG_PUT:
	case TAG_CF_PUT:
		good = take_body(batch, tag == TAG_CF_PUT, true, &r);
		break;
	case TAG_DELETE:
	case TAG_CF_DELETE:
		r.kind = MR_STORE_RECORD_DELETE;
		good = take_body(batch, tag == TAG_CF_DELETE, false, &r);
		break;
	case TAG_DELETE_RANGE:
	case TAG_CF_DELETE_RANGE:
		r.kind = MR_STORE_RECORD_DELETE_RANGE;
		good = take_body(batch, tag == TAG_CF_DELETE_RANGE, true, &r);
		break;
	default:
		good = false;
	}
	if (!good || batch->sequence == batch->limit)
		return -EUCLEAN;
	r.sequence = batch->sequence++;
	*ret_record = r;
	return 1;
}

// ---- putting together --------------------------------------------------------------------------

void mr_store_batch_begin(struct mr_store_batch_maker *maker, void *bytes)
{
	memset(bytes, 0, HEADER_BYTES);
	*maker = (struct mr_store_batch_maker){
		.bytes = bytes, .at = (uint8_t *)bytes + HEADER_BYTES};
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (uint8_t)(value | 0x80);
	*at++ = (uint8_t)value;
	return at;
}

void mr_store_batch_put(struct mr_store_batch_maker *maker, uint32_t cf, const void *key,
	uint32_t key_bytes, const struct mr_store_head *head, const void *row, uint32_t row_bytes)
{
	uint8_t *at = maker->at;

	*at++ = TAG_CF_PUT;
	at = put_u32(at, cf);
	at = put_u32(at, key_bytes);
	memcpy(at, key, key_bytes);
	at = put_u32(at + key_bytes, MR_STORE_HEAD_BYTES + row_bytes);
	memcpy(at, head, sizeof(*head));
	at += sizeof(*head);
	if (row_bytes > 0)
		memcpy(at, row, row_bytes);
	maker->at = at + row_bytes;
	maker->n++;
}

size_t mr_store_batch_end(struct mr_store_batch_maker *maker)
{
	mr_store_le32(maker->bytes + 8, maker->n);
	return (size_t)(maker->at - maker->bytes);
}
