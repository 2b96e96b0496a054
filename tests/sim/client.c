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
	return op->view == SIM_VIEW_ALL    ? MODEL_SETS
	       : op->view == SIM_VIEW_PAST ? SIM_PAST_SETS
	                                   : 1;
}

static bool has_past(const struct sim_op *op)
{
	return first_set(op) + n_sets(op) <= SIM_PAST_SETS;
}

static void note_floors(struct sim_op *op, unsigned i)
{
	for (unsigned s = 0; s < MODEL_SETS; s++)
		for (unsigned v = 0; v < MODEL_VERSIONS; v++)
			op->floors[i][s][v] = sim.model.keys[s][v][op->keys[i]].floor;
}

static int encode_get(struct sim_op *op)
{
	struct mr_wire_ask ask = {.request_id = op->request_id,
		.view = op->view,
		.flags = op->flags,
		.as_of_us = op->as_of_us};
	uint8_t bytes[SIM_KEYS_MAX][8];
	struct mr_wire_key keys[SIM_KEYS_MAX];

	for (unsigned i = 0; i < op->n; i++) {
		op->keys[i] = any_key();
		key_bytes(op->keys[i], bytes[i]);
		keys[i] = (struct mr_wire_key){bytes[i], 8};
		note_floors(op, i);
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

// A new write, or the very same again, as a client does that got no answer.
static struct model_write any_write(const struct model_key *key, bool deletes)
{
	struct model_write write = {.event_time_us = any_event_time(),
		.number = sim.next_number,
		.bytes = deletes ? 0 : any_row_bytes(),
		.deleted = deletes};

	if (key->n > 0 && sim_chance(6) && key->writes[key->n - 1].deleted == deletes) {
		write = key->writes[key->n - 1];
		write.shed = false;
	}
	return write;
}

// Notes a record in every version that it may go to.
static void note_write(struct sim_op *op, unsigned i, const struct model_write *write)
{
	for (unsigned v = 0; v < MODEL_VERSIONS; v++)
		if (op->version == 0 || op->version == v + 1)
			op->writes[i][v] =
				model_send(&sim.model.keys[op->view - 1u][v][op->keys[i]], write);
}

static int encode_write(struct sim_op *op)
{
	const struct mr_schema *schema = mr_catalog_set_by_id(sim.f.catalog, op->view);
	struct mr_wire_ask ask = {.request_id = op->request_id, .view = op->view};
	bool deletes = op->op == MR_WIRE_OP_DELETE;
	unsigned wanted = op->n;
	struct mr_wire_writer w;

	op->version = (uint16_t)sim_below(MODEL_VERSIONS + 1);
	mr_wire_write_begin(&w, request, sim.mtu_bytes - 28u, (enum mr_wire_op)op->op, &ask,
		deletes ? 0 : schema->layout, op->version);
	for (op->n = 0; op->n < wanted; op->n++) {
		unsigned key = any_key();
		unsigned v = op->version != 0 ? op->version - 1u
		                              : sim_version(sim.n_switches, op->view - 1u);
		struct model_write write =
			any_write(&sim.model.keys[op->view - 1u][v][key], deletes);
		struct mr_wire_row record = {
			.event_time_us = write.event_time_us,
			.row = row,
			.row_bytes = (uint16_t)write.bytes,
			.key_bytes = 8,
		};
		uint8_t bytes[8];

		if (!deletes)
			model_row(&write, row);
		key_bytes(key, bytes);
		record.key = bytes;
		if (mr_wire_write_add(&w, &record) != 0)
			break;
		sim.next_number++;
		op->keys[op->n] = key;
		note_floors(op, op->n);
		note_write(op, op->n, &write);
	}
	return op->n > 0 ? mr_wire_write_end(&w) : -1;
}

static void any_op(struct sim_op *op)
{
	static const uint16_t views[] = {1, 2, 3, SIM_VIEW_ALL, SIM_VIEW_PAST};

	*op = (struct sim_op){.used = true,
		.request_id = sim.next_request_id++,
		.sent_us = sim.now_us,
		.sent_commit = sim.model.commits,
		.sent_switch = sim.n_switches,
		.op = MR_WIRE_OP_GET,
		.n = sim_chance(2) ? 1 : 1 + sim_below(SIM_KEYS_MAX)};
	if (sim_chance(3)) {
		op->op = sim_chance(5) ? MR_WIRE_OP_DELETE : MR_WIRE_OP_PUT;
		op->view = views[sim_below(MODEL_SETS)];
		return;
	}
	op->view = views[sim_below(MR_ARRAY_SIZE(views))];
	if (sim_chance(4)) {
		op->flags = MR_WIRE_F_STRONG;
	} else if (sim_chance(6)) {
		op->flags = MR_WIRE_F_ASOF;
		op->as_of_us = sim.now_us + 1000000 - sim_below(SIM_PAST_US);
	}
}

void sim_send(void)
{
	struct sim_op *op = &sim.ops[sim_below(SIM_OPS)];
	struct rte_mbuf *m;
	int bytes;

	if (op->used)
		return;
	any_op(op);
	bytes = op->op == MR_WIRE_OP_GET ? encode_get(op) : encode_write(op);
	op->used = bytes > 0;
	if (bytes <= 0)
		return;
	// What gets no buffer or no place in the ring is lost on the wire.
	m = mr_fixture_frame(&sim.f, request, (unsigned)bytes);
	if (m != NULL)
		mr_fixture_send(&sim.f, sim_below(SIM_RX), &m, 1);
}

static uint64_t ttl_us(unsigned set)
{
	return mr_catalog_set_by_id(sim.f.catalog, (uint16_t)(set + 1))->ttl_us;
}

static unsigned set_of(const struct sim_op *op, unsigned i)
{
	return first_set(op) + i % n_sets(op);
}

static unsigned key_of(const struct sim_op *op, unsigned i)
{
	return op->keys[i / n_sets(op)];
}

// Errors are ours: see world.c.
static bool is_ours(const struct mr_got *got)
{
	return got->status == MR_STATUS_ERROR && sim.tally.read_faults > 0;
}

static struct model_answer answer_of(const struct sim_op *op, unsigned i, unsigned version)
{
	const struct mr_got *got = &op->answer.got[i];
	unsigned set = set_of(op, i);

	return (struct model_answer){
		.status = (enum mr_status)got->status,
		.event_time_us = got->event_time_us,
		.row = got->row,
		.row_bytes = got->row_bytes,
		.floor = op->floors[i / n_sets(op)][set][version],
		.sent_us = op->sent_us,
		.received_us = sim.now_us,
		.ttl_us = ttl_us(set),
	};
}

// What a read has shown no later one may take back.
static void show(const struct sim_op *op)
{
	for (unsigned i = 0; i < op->answer.n; i++) {
		unsigned set = set_of(op, i), v = sim_version(sim.n_switches, set);
		struct model_answer answer = answer_of(op, i, v);

		if (answer.status == MR_STATUS_OK)
			model_show(&sim.model.keys[set][v][key_of(op, i)], &answer);
	}
}

// What is wrong with an answer if it was given after a switch. @param ret_i Of which entry.
static const char *check_fast(const struct sim_op *op, unsigned nth_switch, unsigned *ret_i)
{
	const char *wrong = NULL;

	for (unsigned i = 0; i < op->answer.n && wrong == NULL; i++) {
		unsigned set = set_of(op, i), v = sim_version(nth_switch, set);
		struct model_answer answer = answer_of(op, i, v);

		*ret_i = i;
		if (!is_ours(&op->answer.got[i]))
			wrong = model_read(&sim.model.keys[set][v][key_of(op, i)], &answer);
	}
	return wrong;
}

// Whether all keys stood so after one commit.
static bool stood(const struct sim_op *op, unsigned nth_switch, uint64_t commit, unsigned *ret_i)
{
	bool stands = true;

	for (unsigned i = 0; i < op->answer.n && stands; i++) {
		const struct mr_got *got = &op->answer.got[i];
		unsigned set = set_of(op, i);
		struct model_strong answer = {
			.status = (enum mr_status)got->status,
			.event_time_us = got->event_time_us,
			.row_hash = got->status == MR_STATUS_OK
		                            ? mr_hash_key(got->row, got->row_bytes)
		                            : 0,
			.row_bytes = got->row_bytes,
			.as_of = (op->flags & MR_WIRE_F_ASOF) != 0,
			.as_of_us = op->as_of_us,
			.sent_us = op->sent_us,
			.received_us = sim.now_us,
			.ttl_us = ttl_us(set),
		};

		*ret_i = i;
		stands = is_ours(got) ||
		         model_stood(
				 &sim.model.keys[set][sim_version(nth_switch, set)][key_of(op, i)],
				 commit, &answer);
	}
	return stands;
}

static const char *check_strong(const struct sim_op *op, unsigned nth_switch, unsigned *ret_i)
{
	for (uint64_t c = op->sent_commit; c <= sim.model.commits; c++) {
		if (!stood(op, nth_switch, c, ret_i))
			continue;
		sim.tally.over_a_commit += c > op->sent_commit;
		return NULL;
	}
	return op->flags & MR_WIRE_F_ASOF ? "keys of no one state, or not as of then"
	                                  : "keys of no one state";
}

static void count_read(const struct sim_op *op)
{
	for (unsigned i = 0; i < op->answer.n; i++) {
		unsigned status = op->answer.got[i].status;

		sim.tally.rows += status == MR_STATUS_OK;
		sim.tally.absent += status == MR_STATUS_NOT_FOUND;
		sim.tally.expired += status == MR_STATUS_EXPIRED;
		sim.tally.busy += status == MR_STATUS_BUSY;
		sim.tally.errors += status == MR_STATUS_ERROR;
	}
	sim.tally.strong += op->flags == MR_WIRE_F_STRONG;
	sim.tally.as_of += op->flags == MR_WIRE_F_ASOF;
}

// A request looks at one catalog: some switch since it was sent must explain all of the answer.
static void check_read(struct sim_op *op)
{
	const char *wrong = NULL;
	unsigned i = 0;

	count_read(op);
	if ((op->flags & MR_WIRE_F_ASOF) && !has_past(op))
		sim_fail("a past that is not kept", op, 0, 0);
	for (unsigned s = op->sent_switch; s <= sim.n_switches; s++) {
		wrong = op->flags != 0 ? check_strong(op, s, &i) : check_fast(op, s, &i);
		if (wrong != NULL)
			continue;
		sim.tally.over_a_switch += s > op->sent_switch;
		if (sim.n_switches == op->sent_switch && !(op->flags & MR_WIRE_F_ASOF))
			show(op);
		return;
	}
	sim_fail(wrong, op, key_of(op, i), set_of(op, i));
}

// An acknowledgement of a write to the current version, which changed meanwhile: it went to one of
// them, and nobody says to which.
static void check_either(struct sim_op *op, unsigned i, enum mr_status status)
{
	struct model_key *keys = &sim.model.keys[op->view - 1u][0][op->keys[i]];
	const char *wrong = NULL;

	for (unsigned v = 0; v < MODEL_VERSIONS; v++) {
		struct model_key trial = keys[v * MODEL_KEYS];

		if (status == MR_STATUS_BUSY)
			trial.writes[op->writes[i][v]].shed = true;
		wrong = model_acknowledge(
			&trial, op->writes[i][v], op->floors[i][op->view - 1u][v], status);
		if (wrong == NULL)
			break;
	}
	if (wrong != NULL)
		sim_fail(wrong, op, op->keys[i], op->view - 1u);
}

// @return -1: it may have been either.
static int version_of(const struct sim_op *op)
{
	unsigned v = sim_version(op->sent_switch, op->view - 1u);

	if (op->version != 0)
		return op->version - 1;
	for (unsigned s = op->sent_switch; s <= sim.n_switches; s++)
		if (sim_version(s, op->view - 1u) != v)
			return -1;
	return (int)v;
}

static void acknowledge(struct sim_op *op, unsigned i, unsigned version, enum mr_status status)
{
	struct model_key(*keys)[MODEL_KEYS] = sim.model.keys[op->view - 1u];
	const char *wrong;

	if (op->version == 0)
		keys[!version][op->keys[i]].writes[op->writes[i][!version]].shed = true;
	wrong = model_acknowledge(&keys[version][op->keys[i]], op->writes[i][version],
		op->floors[i][op->view - 1u][version], status);
	if (wrong != NULL)
		sim_fail(wrong, op, op->keys[i], op->view - 1u);
}

static void check_write(struct sim_op *op)
{
	bool faults = sim.tally.commit_faults + sim.tally.read_faults > 0;
	int version = version_of(op);

	for (unsigned i = 0; i < op->answer.n; i++) {
		enum mr_status status = (enum mr_status)op->answer.got[i].status;

		sim.tally.acked += status == MR_STATUS_OK;
		sim.tally.superseded += status == MR_STATUS_SUPERSEDED;
		// After an error nobody knows; it stays a write that may have been.
		if (status == MR_STATUS_ERROR && faults)
			continue;
		if (version >= 0)
			acknowledge(op, i, (unsigned)version, status);
		else
			check_either(op, i, status);
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
	else if (a->result == MR_WIRE_RESULT_UNSUPPORTED && (op->flags & MR_WIRE_F_ASOF) &&
		 !has_past(op))
		sim.tally.refused++;
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
	struct model_key *keys = &sim.model.keys[0][0][0];

	for (unsigned i = 0; i < SIM_OPS; i++) {
		sim.tally.lost += sim.ops[i].used;
		mr_answer_clear(&sim.ops[i].answer);
		sim.ops[i].used = false;
	}
	for (unsigned i = 0; i < sizeof(sim.model.keys) / sizeof(*keys); i++) {
		prune(&keys[i]);
		model_forget(&keys[i], sim.now_us - SIM_PAST_US);
	}
	sim.current[0] = sim.current[sim.n_switches];
	sim.n_switches = 0;
}
