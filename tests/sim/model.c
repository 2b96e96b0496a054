// SPDX-License-Identifier: BSD-3-Clause
#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "mr_hash.h"
#include "mr_rng.h"

void model_clear(struct model *model)
{
	struct model_key *keys = &model->keys[0][0][0];

	for (unsigned i = 0; i < sizeof(model->keys) / sizeof(*keys); i++) {
		free(keys[i].writes);
		free(keys[i].states);
	}
	memset(model, 0, sizeof(*model));
	for (unsigned i = 0; i < sizeof(model->keys) / sizeof(*keys); i++)
		keys[i].floor = -1;
}

unsigned model_send(struct model_key *key, const struct model_write *write)
{
	if (key->n == key->room) {
		key->room = key->room * 2 + 16;
		key->writes = realloc(key->writes, key->room * sizeof(*key->writes));
	}
	key->writes[key->n] = *write;
	return key->n++;
}

// A row of the sets of the simulation: null bits and a cell of bytes, then those bytes.
void model_row(const struct model_write *write, uint8_t *row)
{
	struct mr_rng rng = {write->number};

	memset(row, 0, 12);
	mr_store_le16(row + 8, 12);
	mr_store_le16(row + 10, (uint16_t)(write->bytes - 12));
	for (unsigned i = 12; i < write->bytes; i++)
		row[i] = (uint8_t)mr_rng_next(&rng);
}

bool model_beats(const struct model_write *a, const struct model_write *b)
{
	static uint8_t row_a[MR_WIRE_ROW_MAX_BYTES], row_b[MR_WIRE_ROW_MAX_BYTES];
	int order;

	if (a->event_time_us != b->event_time_us)
		return a->event_time_us > b->event_time_us;
	if (a->deleted || b->deleted)
		return a->deleted && !b->deleted;
	model_row(a, row_a);
	model_row(b, row_b);
	order = memcmp(row_a, row_b, MR_MIN(a->bytes, b->bytes));
	return order != 0 ? order > 0 : a->bytes > b->bytes;
}

static bool beaten(const struct model_key *key, int write, int by)
{
	return by >= 0 && model_beats(&key->writes[by], &key->writes[write]);
}

static void raise_floor(struct model_key *key, unsigned write)
{
	if (key->floor < 0 || beaten(key, key->floor, (int)write))
		key->floor = (int)write;
}

const char *model_acknowledge(
	struct model_key *key, unsigned write, int floor, enum mr_status status)
{
	bool loses = false;

	if (status == MR_STATUS_BUSY) {
		key->writes[write].shed = true;
		return NULL;
	}
	if (status == MR_STATUS_SUPERSEDED) {
		for (unsigned i = 0; i < key->n && !loses; i++)
			loses = !key->writes[i].shed && beaten(key, (int)write, (int)i);
		if (!loses)
			return "a write was superseded by none";
	} else if (status != MR_STATUS_OK) {
		return "a write was answered an error";
	} else if (beaten(key, (int)write, floor)) {
		return "a write was accepted that is older than what was known";
	}
	// Superseded, too: something is there that is no less.
	raise_floor(key, write);
	return NULL;
}

static bool is_write(const struct model_write *write, const struct model_answer *answer)
{
	static uint8_t row[MR_WIRE_ROW_MAX_BYTES];

	if (write->event_time_us != answer->event_time_us || write->deleted)
		return false;
	if (answer->status == MR_STATUS_EXPIRED)
		return true;
	if (write->bytes != answer->row_bytes)
		return false;
	model_row(write, row);
	return memcmp(row, answer->row, write->bytes) == 0;
}

static const char *check_row(const struct model_key *key, const struct model_answer *answer)
{
	const char *wrong = "a row that nobody wrote";

	for (unsigned i = 0; i < key->n; i++) {
		if (key->writes[i].shed || !is_write(&key->writes[i], answer))
			continue;
		if (!beaten(key, (int)i, answer->floor))
			return NULL;
		wrong = "a row older than one that was acknowledged";
	}
	return wrong;
}

static const char *check_absence(const struct model_key *key, const struct model_answer *answer)
{
	if (answer->floor < 0)
		return NULL;
	for (unsigned i = 0; i < key->n; i++)
		if (key->writes[i].deleted && !key->writes[i].shed &&
			!beaten(key, (int)i, answer->floor))
			return NULL;
	return "an acknowledged row is gone";
}

const char *model_read(const struct model_key *key, const struct model_answer *answer)
{
	uint64_t end_us = answer->event_time_us + answer->ttl_us;

	switch (answer->status) {
	case MR_STATUS_BUSY:
		return NULL;
	case MR_STATUS_NOT_FOUND:
		return check_absence(key, answer);
	case MR_STATUS_EXPIRED:
		if (answer->ttl_us == 0 || answer->received_us <= end_us)
			return "a row is called expired that is not";
		return check_row(key, answer);
	case MR_STATUS_OK:
		if (answer->ttl_us != 0 && answer->sent_us > end_us)
			return "an expired row";
		return check_row(key, answer);
	default:
		return "an error";
	}
}

void model_show(struct model_key *key, const struct model_answer *answer)
{
	for (unsigned i = 0; i < key->n; i++)
		if (!key->writes[i].shed && is_write(&key->writes[i], answer))
			raise_floor(key, i);
}

void model_commit(struct model_key *key, uint64_t commit, uint64_t event_time_us, const void *row,
	uint32_t bytes)
{
	if (key->n_states == key->states_room) {
		key->states_room = key->states_room * 2 + 16;
		key->states = realloc(key->states, key->states_room * sizeof(*key->states));
	}
	key->states[key->n_states++] = (struct model_state){
		.commit = commit,
		.event_time_us = event_time_us,
		.row_hash = row != NULL ? mr_hash_key(row, bytes) : 0,
		.bytes = bytes,
		.deleted = row == NULL,
	};
}

// The state after a commit; of an as-of read the newest by event time of those until then. Event
// times rise with commits.
static const struct model_state *state_after(
	const struct model_key *key, uint64_t commit, const struct model_strong *answer)
{
	for (unsigned i = key->n_states; i-- > 0;) {
		const struct model_state *s = &key->states[i];

		if (s->commit <= commit && (!answer->as_of || s->event_time_us <= answer->as_of_us))
			return s;
	}
	return NULL;
}

bool model_stood(const struct model_key *key, uint64_t commit, const struct model_strong *answer)
{
	const struct model_state *s = state_after(key, commit, answer);
	// The clock may stand anywhere between sending and receiving.
	uint64_t first_us = answer->as_of ? answer->as_of_us : answer->sent_us;
	uint64_t last_us = answer->as_of ? answer->as_of_us : answer->received_us;
	uint64_t end_us;

	if (s == NULL || s->deleted)
		return answer->status == MR_STATUS_NOT_FOUND;
	if (answer->event_time_us != s->event_time_us)
		return false;
	end_us = s->event_time_us + answer->ttl_us;
	if (answer->status == MR_STATUS_EXPIRED)
		return answer->ttl_us != 0 && last_us > end_us;
	return answer->status == MR_STATUS_OK && answer->row_bytes == s->bytes &&
	       answer->row_hash == s->row_hash && (answer->ttl_us == 0 || first_us <= end_us);
}

void model_forget(struct model_key *key, uint64_t until_us)
{
	unsigned first = key->n_states;

	if (first == 0)
		return;
	while (first > 0 && key->states[--first].event_time_us > until_us)
		;
	key->n_states -= first;
	memmove(key->states, key->states + first, key->n_states * sizeof(*key->states));
}
