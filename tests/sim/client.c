// SPDX-License-Identifier: BSD-3-Clause
//
// The client: sends requests at random and holds every answer against the model.
#include "sim.h"

#include <string.h>

static uint8_t request[16384], row[MR_WIRE_ROW_MAX_BYTES];

// A few keys get most of the traffic, so that writes and reads meet.
static unsigned any_key(void)
{
	return sim_chance(2) ? sim_below(6) : sim_below(MODEL_KEYS);
}

static void key_bytes(unsigned key, uint8_t *bytes)
{
	mr_store_be64(bytes, key);
}

static unsigned first_set(const struct sim_op *op)
{
	return op->view & MR_VIEW_EXPLICIT ? 0 : op->view - 1u;
}

static unsigned n_sets(const struct sim_op *op)
{
	return op->view & MR_VIEW_EXPLICIT ? MODEL_SETS : 1;
}

static int encode_get(struct sim_op *op)
{
	struct mr_wire_ask ask = {.request_id = op->request_id, .view = op->view};
	uint8_t bytes[SIM_KEYS_MAX][8];
	struct mr_wire_key keys[SIM_KEYS_MAX];

	for (unsigned i = 0; i < op->n; i++) {
		op->keys[i] = any_key();
		key_bytes(op->keys[i], bytes[i]);
		keys[i] = (struct mr_wire_key){bytes[i], 8};
		for (unsigned s = 0; s < MODEL_SETS; s++)
			op->floors[i][s] = sim.model.keys[s][op->keys[i]].floor;
	}
	return mr_wire_get_encode(request, sim.mtu_bytes - 28u, &ask, keys, op->n);
}

// Event times come close together, in any order and often twice.
static uint64_t any_event_time(void)
{
	if (sim_chance(20))
		return sim.now_us - 60000000 + sim_below(1000);
	return sim.now_us - sim_below(8) * 1000000;
}

static unsigned any_row_bytes(void)
{
	static const unsigned most[] = {20, 60, 60, 200, 900, 1300};
	unsigned max = most[sim_below(MR_ARRAY_SIZE(most))];

	if (sim.mtu_bytes > 9000 && sim_chance(6))
		max = 9200; // more than the cache takes
	return 13 + sim_below(max);
}

static int encode_write(struct sim_op *op)
{
	const struct mr_schema *schema = mr_catalog_set_by_id(sim.f.catalog, op->view);
	struct mr_wire_ask ask = {.request_id = op->request_id, .view = op->view};
	bool deletes = op->op == MR_WIRE_OP_DELETE;
	unsigned wanted = op->n;
	struct mr_wire_writer w;

	mr_wire_write_begin(&w, request, sim.mtu_bytes - 28u, (enum mr_wire_op)op->op, &ask,
		deletes ? 0 : schema->layout, 0);
	for (op->n = 0; op->n < wanted; op->n++) {
		struct model_write write = {.event_time_us = any_event_time(),
			.number = sim.next_number,
			.bytes = deletes ? 0 : any_row_bytes(),
			.deleted = deletes};
		struct mr_wire_row record = {
			.event_time_us = write.event_time_us,
			.row = row,
			.row_bytes = (uint16_t)write.bytes,
			.key_bytes = 8,
		};
		uint8_t bytes[8];
		unsigned key = any_key();
		struct model_key *at = &sim.model.keys[op->view - 1u][key];

		// The very same write again, as a client does that got no answer.
		if (at->n > 0 && sim_chance(6)) {
			const struct model_write *again = &at->writes[at->n - 1];

			if (again->deleted == deletes) {
				write = *again;
				write.shed = false;
				record.event_time_us = write.event_time_us;
				record.row_bytes = (uint16_t)write.bytes;
			}
		}
		if (!deletes)
			model_row(&write, row);
		key_bytes(key, bytes);
		record.key = bytes;
		if (mr_wire_write_add(&w, &record) != 0)
			break;
		sim.next_number++;
		op->keys[op->n] = key;
		op->writes[op->n] = model_send(at, &write);
	}
	return op->n > 0 ? mr_wire_write_end(&w) : -1;
}

void sim_send(void)
{
	static const uint16_t views[] = {1, 2, 3, MR_VIEW_EXPLICIT | 1};
	struct sim_op *op = &sim.ops[sim_below(SIM_OPS)];
	struct rte_mbuf *m;
	int bytes;

	if (op->used)
		return;
	*op = (struct sim_op){.used = true,
		.request_id = sim.next_request_id++,
		.sent_us = sim.now_us,
		.op = MR_WIRE_OP_GET,
		.n = sim_chance(2) ? 1 : 1 + sim_below(SIM_KEYS_MAX)};
	if (sim_chance(3))
		op->op = sim_chance(5) ? MR_WIRE_OP_DELETE : MR_WIRE_OP_PUT;
	op->view = views[sim_below(op->op == MR_WIRE_OP_GET ? 4 : 3)];
	bytes = op->op == MR_WIRE_OP_GET ? encode_get(op) : encode_write(op);
	op->used = bytes > 0;
	if (bytes <= 0)
		return;
	// What gets no buffer or no place in the ring is lost on the wire.
	m = mr_fixture_frame(&sim.f, request, (unsigned)bytes);
	if (m != NULL)
		mr_fixture_send(&sim.f, sim_below(SIM_RX), &m, 1);
}

static void check_read(struct sim_op *op)
{
	for (unsigned i = 0; i < op->answer.n; i++) {
		unsigned key = i / n_sets(op), set = first_set(op) + i % n_sets(op);
		const struct mr_got *got = &op->answer.got[i];
		struct model_answer answer = {
			.status = (enum mr_status)got->status,
			.event_time_us = got->event_time_us,
			.row = got->row,
			.row_bytes = got->row_bytes,
			.floor = op->floors[key][set],
			.sent_us = op->sent_us,
			.received_us = sim.now_us,
			.ttl_us = mr_catalog_set_by_id(sim.f.catalog, (uint16_t)(set + 1))->ttl_us,
		};
		const char *wrong = NULL;

		sim.tally.rows += got->status == MR_STATUS_OK;
		sim.tally.absent += got->status == MR_STATUS_NOT_FOUND;
		sim.tally.expired += got->status == MR_STATUS_EXPIRED;
		sim.tally.busy += got->status == MR_STATUS_BUSY;
		sim.tally.errors += got->status == MR_STATUS_ERROR;
		// Errors are ours: see world.c.
		if (got->status != MR_STATUS_ERROR || sim.tally.read_faults == 0)
			wrong = model_read(&sim.model.keys[set][op->keys[key]], &answer);
		if (wrong != NULL)
			sim_fail(wrong, op, op->keys[key], set);
	}
}

static void check_write(struct sim_op *op)
{
	bool faults = sim.tally.commit_faults + sim.tally.read_faults > 0;

	for (unsigned i = 0; i < op->answer.n; i++) {
		struct model_key *key = &sim.model.keys[op->view - 1u][op->keys[i]];
		enum mr_status status = (enum mr_status)op->answer.got[i].status;
		const char *wrong;

		sim.tally.acked += status == MR_STATUS_OK;
		sim.tally.superseded += status == MR_STATUS_SUPERSEDED;
		// After an error nobody knows; it stays a write that may have been.
		if (status == MR_STATUS_ERROR && faults)
			continue;
		wrong = model_acknowledge(key, op->writes[i], status);
		if (wrong != NULL)
			sim_fail(wrong, op, op->keys[i], op->view - 1u);
	}
}

static void finish(struct sim_op *op)
{
	struct mr_answer *a = &op->answer;

	sim.tally.replies++;
	if (a->op != op->op || a->key_count != op->n)
		sim_fail("an answer to another question", op, 0, 0);
	// An I/O lcore without a buffer for a further datagram sheds the request.
	if (a->result == MR_WIRE_RESULT_OK && op->op == MR_WIRE_OP_GET)
		check_read(op);
	else if (a->result == MR_WIRE_RESULT_OK)
		check_write(op);
	else if (a->result != MR_WIRE_RESULT_BUSY || op->op != MR_WIRE_OP_GET)
		sim_fail("a refusal", op, 0, 0);
	mr_answer_clear(a);
	op->used = false;
}

static void take(const uint8_t *payload, unsigned bytes)
{
	uint64_t id = mr_load_le64(payload + offsetof(struct mr_wire_rep, request_id));

	for (unsigned i = 0; i < SIM_OPS; i++) {
		struct sim_op *op = &sim.ops[i];

		if (!op->used || op->request_id != id)
			continue;
		if (mr_answer_take(&op->answer, payload, bytes) < 0)
			sim_fail(op->answer.wrong, op, 0, 0);
		sim.tally.pieces += op->answer.n_seen > 1;
		if (mr_answer_complete(&op->answer))
			finish(op);
		return;
	}
	sim_fail("a datagram that nobody asked for", NULL, 0, 0);
}

void sim_receive(void)
{
	struct rte_mbuf *m;

	while (mr_fixture_receive(&sim.f, &m, 1) == 1) {
		unsigned bytes;
		const uint8_t *payload = mr_fixture_payload(m, &bytes);

		take(payload, bytes);
		rte_pktmbuf_free(m);
	}
}

// Drops writes that can no longer show: what is beaten by what is known to be there.
static void prune(struct model_key *key)
{
	unsigned n = 0;

	if (key->floor < 0)
		return;
	for (unsigned i = 0; i < key->n; i++) {
		bool is_floor = (int)i == key->floor;

		if (!is_floor && (key->writes[i].shed ||
					 model_beats(&key->writes[key->floor], &key->writes[i])))
			continue;
		key->writes[n] = key->writes[i];
		if (is_floor)
			key->floor = (int)n;
		n++;
	}
	key->n = n;
}

void sim_forget(void)
{
	for (unsigned i = 0; i < SIM_OPS; i++) {
		sim.tally.lost += sim.ops[i].used;
		mr_answer_clear(&sim.ops[i].answer);
		sim.ops[i].used = false;
	}
	for (unsigned s = 0; s < MODEL_SETS; s++)
		for (unsigned i = 0; i < MODEL_KEYS; i++)
			prune(&sim.model.keys[s][i]);
}
