// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include "mr_io_priv.h"

static void refuse(
	struct mr_io *io, const struct mr_io_request *request, enum mr_wire_result result)
{
	if (mr_slowlog_samples(&io->counters.slowlog, io->now_tsc))
		mr_io_note_refused(io, request, result);
	mr_small_refuse(request->m, request->port, &request->wire, result);
}

static double age_us(const struct mr_io *io, const struct mr_io_request *request)
{
	return (double)(io->now_tsc - mr_packet(request->m)->rx_tsc) *
	       io->p.tiers->clock->us_per_cycle;
}

static bool too_late(const struct mr_io *io, const struct mr_io_request *request)
{
	return request->wire.deadline_us != 0 &&
	       age_us(io, request) > (double)request->wire.deadline_us;
}

// Whether every set of a view keeps history that reaches back to a time.
static bool reaches_back(const struct mr_io *io, const struct mr_view *view, uint64_t as_of_us)
{
	for (unsigned p = 0; p < view->n_parts; p++) {
		uint64_t history_us = view->parts[p].schema->history_us;

		if (history_us == 0 ||
			(as_of_us < io->now_us && io->now_us - as_of_us > history_us))
			return false;
	}
	return true;
}

static void sort_get(struct mr_io *io, const struct mr_io_request *request)
{
	struct mr_io_request *get = &io->gets[io->n_gets];

	*get = *request;
	// The catalog may have changed since the RX lcore looked.
	get->view = mr_catalog_view(io->published->catalog, get->wire.view);
	if (get->view == NULL) {
		refuse(io, get, MR_WIRE_RESULT_UNKNOWN_VIEW);
		return;
	}
	get->strong = (get->wire.flags & (MR_WIRE_F_STRONG | MR_WIRE_F_ASOF)) != 0;
	if (get->wire.flags & MR_WIRE_F_ASOF) {
		if (!reaches_back(io, get->view, get->wire.as_of_us)) {
			refuse(io, get, MR_WIRE_RESULT_UNSUPPORTED);
			return;
		}
		io->as_of = true;
		io->as_of_us = get->wire.as_of_us;
	}
	if (get->strong && get->late) {
		refuse(io, get, MR_WIRE_RESULT_BUSY);
		return;
	}
	io->strong |= get->strong;
	if (get->strong)
		mr_count(&io->counters.strong, 1);
	get->first = io->probe.n;
	mr_probe_add(&io->probe, &get->wire, get->view, get->wire.keys);
	get->n = io->probe.n - get->first;
	io->n_gets++;
}

// Whether the write is for rows as this appliance knows them.
static enum mr_wire_result check_write(const struct mr_io_request *write)
{
	const struct mr_schema *schema = write->schema;

	if (schema == NULL)
		return MR_WIRE_RESULT_UNKNOWN_VIEW;
	if (write->wire.version != 0 && !mr_schema_has_version(schema, write->wire.version))
		return MR_WIRE_RESULT_UNKNOWN_VIEW;
	if (write->wire.op == MR_WIRE_OP_PUT && write->wire.layout != schema->layout)
		return MR_WIRE_RESULT_STALE_LAYOUT;
	return MR_WIRE_RESULT_OK;
}

// An event time far ahead of the clock is a mistake, and one that no later write could undo.
static bool is_future(struct mr_io *io, uint64_t event_time_us)
{
	if (io->p.future_max_us == 0 || event_time_us <= io->now_us ||
		event_time_us - io->now_us <= io->p.future_max_us)
		return false;
	mr_count(&io->counters.rows_future, 1);
	return true;
}

static void shed_write(struct mr_io *io, const struct mr_io_request *write)
{
	uint8_t statuses[MR_WIRE_KEYS_MAX];

	if (mr_slowlog_samples(&io->counters.slowlog, io->now_tsc))
		mr_io_note_refused(io, write, MR_WIRE_RESULT_BUSY);

	memset(statuses, MR_STATUS_BUSY, write->wire.key_count);
	mr_small_ack(write->m, write->port, &write->wire, statuses, false, NULL);
}

static void add_record(
	struct mr_io *io, const struct mr_io_request *write, const struct mr_wire_row *row)
{
	struct mr_io_record *record = &io->records[io->n_records];
	const struct mr_schema *schema = write->schema;

	record->behind = (uint16_t)io->n_records++;
	record->row = *row;
	record->schema = schema;
	record->space = mr_space(
		schema->id, write->wire.version != 0 ? write->wire.version : schema->version);
	record->hash = mr_hash_row(mr_hash_key(row->key, row->key_bytes), record->space);
	record->deleted = write->wire.op == MR_WIRE_OP_DELETE;
	record->wins = false;
	record->status = MR_STATUS_OK;
	if (!mr_key_check(schema, row->key, row->key_bytes))
		record->status = MR_STATUS_BAD_KEY;
	else if (is_future(io, row->event_time_us))
		record->status = MR_STATUS_BAD_ROW;
	else if (!record->deleted && mr_row_check(&schema->shape, row->row, row->row_bytes) < 0)
		record->status = MR_STATUS_BAD_ROW;
}

static void sort_write(struct mr_io *io, const struct mr_io_request *request)
{
	struct mr_io_request *write = &io->writes[io->n_writes];
	enum mr_wire_result result;
	struct mr_wire_row row;
	uint32_t cursor = 0;

	if (request->late) {
		shed_write(io, request);
		return;
	}
	*write = *request;
	write->schema = mr_catalog_set_by_id(io->published->catalog, write->wire.view);
	result = check_write(write);
	if (result != MR_WIRE_RESULT_OK) {
		refuse(io, write, result);
		return;
	}
	write->first = io->n_records;
	while (mr_wire_record_next(&write->wire, &cursor, &row))
		add_record(io, write, &row);
	write->n = io->n_records - write->first;
	io->n_writes++;
}

static void sort_valid(struct mr_io *io, struct mr_io_request *request)
{
	request->late = io->p.age_max_us != 0 && age_us(io, request) > (double)io->p.age_max_us;
	if (request->late)
		mr_count(&io->counters.shed, 1);
	if (request->wire.op == MR_WIRE_OP_GET)
		sort_get(io, request);
	else
		sort_write(io, request);
}

// Takes a request into the group. False: it needs a group of its own.
static bool sort_one(struct mr_io *io, unsigned i)
{
	struct rte_mbuf *m = io->mbufs[i];
	struct mr_io_request request = {
		.m = m,
		.rx = io->from[i],
		.port = &io->p.ports[m->port],
		.node = &io->p.tiers->nodes[mr_plan_rx(io->p.plan, io->from[i])->node_index],
	};

	// The RX lcore has validated it, and nobody has touched it since: it must still hold.
	if (mr_wire_request_decode(mr_packet_payload(m), mr_packet(m)->payload_bytes,
		    &request.wire) != MR_WIRE_DEFECT_NONE)
		refuse(io, &request, MR_WIRE_RESULT_MALFORMED);
	else if (too_late(io, &request))
		refuse(io, &request, MR_WIRE_RESULT_TOO_LATE);
	else if ((request.wire.flags & MR_WIRE_F_ASOF) && io->n_gets > 0)
		return false;
	else
		sort_valid(io, &request);
	return true;
}

void mr_io_sort(struct mr_io *io)
{
	io->n_gets = 0;
	io->strong = false;
	io->as_of = false;
	io->n_writes = 0;
	io->n_records = 0;
	io->probe.n = 0;
	mr_io_enter(io, MR_IO_STAGE_sort);
	memset(io->spent, 0, sizeof(io->spent));
	io->spent[MR_SPENT_queue] = rte_rdtsc() - io->now_tsc;
	while (io->next < io->n_mbufs && io->probe.n < MR_IO_GROUP_LOOKUPS &&
		io->n_records < MR_IO_GROUP_RECORDS && !io->as_of) {
		if (!sort_one(io, io->next))
			break;
		io->next++;
	}
	mr_count(&io->counters.reads, io->n_gets);
	mr_count(&io->counters.writes, io->n_writes);
}
