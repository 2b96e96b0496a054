// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the appliance may answer: for each key all writes that were ever sent, and which of them are
 * known to be there. A read may show any write that is not beaten by one that was acknowledged
 * before the read was sent, and nothing else. Owner: the simulation's thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "mr_wire.h"

#define MODEL_KEYS 64u
#define MODEL_SETS 3u

/** A write, as its sender knows it. Its row is made from its number. */
struct model_write {
	uint64_t event_time_us;
	uint32_t number; //!< of all writes; what the row's bytes come from
	uint32_t bytes;  //!< of the row
	bool deleted;
	bool shed; //!< answered BUSY: it never was
};

struct model_key {
	unsigned n, room;
	struct model_write *writes;
	int floor; //!< index of the greatest write that is known to be there; -1: none
};

struct model {
	struct model_key keys[MODEL_SETS][MODEL_KEYS];
};

void model_clear(struct model *model);

/** Notes a write that is about to be sent. @return its index. */
unsigned model_send(struct model_key *key, const struct model_write *write);

/** Makes the row of a write. @p row has room for write->bytes. */
void model_row(const struct model_write *write, uint8_t *row);

/** Whether write @p a wins over @p b by the rules of mr_io.h. */
bool model_beats(const struct model_write *a, const struct model_write *b);

/** Notes an acknowledgement. @return NULL, or why it cannot be right. */
const char *model_acknowledge(struct model_key *key, unsigned write, enum mr_status status);

/** What a read was answered. */
struct model_answer {
	enum mr_status status;
	uint64_t event_time_us;
	const uint8_t *row;
	uint32_t row_bytes;
	int floor;                     //!< of the key, when the read was sent
	uint64_t sent_us, received_us; //!< by the server's clock
	uint64_t ttl_us;
};

/** @return NULL, or why the answer cannot be right. */
const char *model_read(const struct model_key *key, const struct model_answer *answer);
