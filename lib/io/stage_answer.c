// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>

#include "mr_io_priv.h"

// How fresh what is answered is. What was asked for as of a time is as old as was asked.
static void count_age(struct mr_io *io, const struct mr_schema *schema, uint64_t event_time_us)
{
	uint64_t age_us = io->now_us > event_time_us ? io->now_us - event_time_us : 0;

	mr_hist_record(&io->counters.served_age, age_us / MR_AGE_UNIT_US, 1);
	mr_count_event(&io->sets[schema->id], event_time_us);
}

static int answer_row(struct mr_io *io, struct mr_reply *reply, unsigned i)
{
	const struct mr_view_part *part = io->probe.lookups[i].part;
	const struct mr_io_row *row = &io->rows[i];
	uint64_t now_us = io->as_of ? io->as_of_us : io->now_us;
	int ret;

	if (row->status != MR_STATUS_OK)
		return mr_reply_status(reply, row->status, 0);
	if (mr_schema_expired(part->schema, row->event_time_us, now_us))
		return mr_reply_status(reply, MR_STATUS_EXPIRED, row->event_time_us);
	ret = mr_reply_row(reply, part, row->row, row->row_bytes, row->event_time_us);
	if (ret == 0 && !io->as_of)
		count_age(io, part->schema, row->event_time_us);
	// A stored row that is not one of its set: damage that only this key shall suffer from.
	return ret == -EBADMSG ? mr_reply_status(reply, MR_STATUS_ERROR, 0) : ret;
}

static void answer(struct mr_io *io, const struct mr_io_request *get)
{
	// The RX lcore's own pool: ports may take back only what came from there.
	struct rte_mempool *pool = io->p.pools[get->node - io->p.tiers->nodes];
	struct mr_reply reply;
	int ret = 0;

	mr_reply_begin(&reply, get->m, pool, get->port, &get->wire, get->view, io->scratch);
	for (unsigned i = get->first; i < get->first + get->n && ret == 0; i++)
		ret = answer_row(io, &reply, i);
	if (ret == 0 && (get->wire.flags & MR_WIRE_F_TIMES)) {
		struct mr_wire_times times = mr_io_times(io, get);

		mr_reply_times(&reply, &times);
	}
	if (ret == 0) {
		mr_reply_finish(&reply, get->port);
		return;
	}
	// No mbuf for a further datagram: shed the request, which takes none.
	mr_reply_abandon(&reply);
	mr_small_refuse(get->m, get->port, &get->wire, MR_WIRE_RESULT_BUSY);
}

void mr_io_answer(struct mr_io *io)
{
	mr_io_note_slow(io, io->gets, io->n_gets);
	mr_io_enter(io, MR_IO_STAGE_answer);
	for (unsigned g = 0; g < io->n_gets; g++)
		answer(io, &io->gets[g]);
	mr_store_release(io->reader);
}
