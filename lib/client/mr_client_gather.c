// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"

#include <stdlib.h>
#include <string.h>

#define SLAB_BYTES (32u << 10)

/** Memory for rows, freed with the result. */
struct mr_client_slab {
	struct mr_client_slab *next;
	uint32_t used_bytes, size_bytes;
	uint8_t mem[];
};

void mr_client_slabs_free(struct mr_client_slab *slabs)
{
	while (slabs != NULL) {
		struct mr_client_slab *next = slabs->next;

		free(slabs);
		slabs = next;
	}
}

/** Room for a row, 8-byte aligned as rows are on the wire. */
static uint8_t *slab_alloc(struct mr_client_result *call, uint32_t bytes)
{
	struct mr_client_slab *slab = call->slabs;
	uint32_t padded = MR_ALIGN_UP(bytes, 8u);
	uint32_t size;

	if (slab == NULL || slab->size_bytes - slab->used_bytes < padded) {
		// A call for a few keys should not pay for a call for many.
		size = slab == NULL ? MR_MAX(padded, 512u) : MR_MAX(padded, SLAB_BYTES);
		slab = malloc(sizeof(*slab) + size);
		if (slab == NULL)
			return NULL;
		slab->size_bytes = size;
		slab->used_bytes = 0;
		slab->next = call->slabs;
		call->slabs = slab;
	}
	slab->used_bytes += padded;
	return slab->mem + slab->used_bytes - padded;
}

void mr_client_entry_drop_pieces(struct mr_client_entry *entry)
{
	if (entry->state != MR_CLIENT_ENTRY_PIECES)
		return;
	free(entry->pieces);
	entry->pieces = NULL;
	entry->state = MR_CLIENT_ENTRY_OPEN;
}

static struct mr_client_pieces *pieces_new(uint32_t row_bytes)
{
	uint32_t seen_bytes = (row_bytes + 7) / 8;
	struct mr_client_pieces *pieces = calloc(1, sizeof(*pieces) + row_bytes + seen_bytes);

	if (pieces != NULL)
		pieces->seen = pieces->row + row_bytes;
	return pieces;
}

/** @return false when all of the piece was there already. */
static bool pieces_add(struct mr_client_pieces *pieces, const struct mr_wire_value *value)
{
	uint32_t before = pieces->got_bytes;

	for (uint32_t i = value->piece_offset;
		i < (uint32_t)value->piece_offset + value->piece_bytes; i++) {
		uint8_t bit = (uint8_t)(1u << (i % 8));

		pieces->got_bytes += (pieces->seen[i / 8] & bit) == 0;
		pieces->seen[i / 8] |= bit;
	}
	memcpy(pieces->row + value->piece_offset, value->piece, value->piece_bytes);
	return pieces->got_bytes != before;
}

/** Takes a piece of a row. @return the row when it is whole, else NULL. */
static const uint8_t *add_piece(
	struct mr_client *client, struct mr_client_entry *entry, const struct mr_wire_value *value)
{
	// Attempts may be answered differently: pieces of two versions of a row must not mix.
	if (entry->state == MR_CLIENT_ENTRY_PIECES &&
		(entry->row_bytes != value->row_bytes ||
			entry->event_time_us != value->event_time_us))
		mr_client_entry_drop_pieces(entry);
	if (entry->state == MR_CLIENT_ENTRY_OPEN) {
		struct mr_client_pieces *pieces = pieces_new(value->row_bytes);

		if (pieces == NULL)
			return NULL;
		entry->pieces = pieces;
		entry->row_bytes = value->row_bytes;
		entry->event_time_us = value->event_time_us;
		entry->state = MR_CLIENT_ENTRY_PIECES;
	}
	if (!pieces_add(entry->pieces, value))
		client->stats.duplicates++;
	return entry->pieces->got_bytes == entry->row_bytes ? entry->pieces->row : NULL;
}

/** @return false when nothing could be made of it: no memory, or not a row of this shape. */
static bool finish_row(struct mr_client *client, struct mr_client_result *call,
	struct mr_client_entry *entry, const struct mr_shape *shape, const uint8_t *row,
	const struct mr_wire_value *value)
{
	uint8_t *copy;

	if (mr_row_check(shape, row, value->row_bytes) != 0) {
		client->stats.malformed++;
		mr_client_entry_drop_pieces(entry);
		return false;
	}
	copy = slab_alloc(call, value->row_bytes);
	if (copy == NULL)
		return false;
	memcpy(copy, row, value->row_bytes);
	mr_client_entry_drop_pieces(entry);
	entry->row = copy;
	entry->row_bytes = value->row_bytes;
	return true;
}

/** @return true when the entry has become done. */
static bool gather_entry(struct mr_client *client, struct mr_client_result *call, size_t index,
	const struct mr_wire_value *value)
{
	struct mr_client_entry *entry = &call->entries[index];
	const struct mr_shape *shape = &call->def->view->parts[index % call->n_sets].shape;

	if (entry->state == MR_CLIENT_ENTRY_DONE) {
		client->stats.duplicates++;
		return false;
	}
	if (value->status == MR_STATUS_OK) {
		const uint8_t *row = value->piece;

		// A length that no row of this shape has is not worth memory.
		if (value->row_bytes < shape->fixed_bytes ||
			(shape->n_variable == 0 && value->row_bytes != shape->fixed_bytes)) {
			client->stats.malformed++;
			return false;
		}
		if (value->piece_bytes != value->row_bytes)
			row = add_piece(client, entry, value);
		if (row == NULL || !finish_row(client, call, entry, shape, row, value))
			return false;
	} else {
		mr_client_entry_drop_pieces(entry);
		entry->row = NULL;
		entry->row_bytes = 0;
	}
	entry->event_time_us = value->event_time_us;
	entry->status = value->status;
	entry->state = MR_CLIENT_ENTRY_DONE;
	return true;
}

void mr_client_gather(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply)
{
	struct mr_client_result *call = part->call;
	size_t first = part->first_key * call->n_sets;
	struct mr_wire_value value;
	uint32_t cursor = 0;

	while (mr_wire_entry_next(reply, &cursor, &value))
		part->entries_left -= gather_entry(client, call, first + value.entry, &value);
	if (part->entries_left == 0)
		mr_client_part_end(client, part, MR_CLIENT_OK);
}
