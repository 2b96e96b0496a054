// SPDX-License-Identifier: BSD-3-Clause

#include "fake_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CATALOG_BYTES (2u << 20)
#define DATAGRAM_BYTES 65536u
#define DATAGRAMS_MAX 4096

#define SETS                                                                        \
	"[set item]\nid = 9\nkey = u64\ncolumn price = f32\ncolumn tags = string\n" \
	"column emb = f32[16]\n"                                                    \
	"[set big]\nid = 11\nkey = u64\ncolumn blob = bytes\ncolumn n = i64\n"      \
	"[view ctr]\nid = 3\ncolumns = user.age, user.city\n"                       \
	"columns = item.price, item.emb\n"

static const char *const texts[2] = {
	"[set user]\nid = 7\nkey = u64\ncolumn age = i32\ncolumn score = f64\n"
	"column city = string\n" SETS,
	"[set user]\nid = 7\nkey = u64\ncolumn age = i64\ncolumn score = f64\n"
	"column city = string\ncolumn extra = bool\n" SETS,
};

struct datagram {
	uint8_t *data;
	size_t bytes;
	unsigned first_entry, n_entries;
};

/** A reply under construction. */
struct out {
	struct datagram datagrams[DATAGRAMS_MAX];
	unsigned n;
	size_t max;
	const struct mr_wire_request *req;
};

static void die(const char *what)
{
	perror(what);
	abort();
}

static uint64_t key_number(const uint8_t *key, unsigned key_bytes)
{
	return key_bytes == 8 ? mr_load_be64(key) : 0;
}

uint32_t fake_row(const struct mr_schema *schema, uint64_t key, bool second, uint8_t *row)
{
	struct mr_row_builder b;
	void *scratch = malloc(mr_row_builder_scratch_bytes(&schema->shape) + 1);
	char text[4096];
	int bytes;

	mr_row_begin(&b, &schema->shape, row, MR_ROW_MAX_BYTES, scratch);
	for (unsigned i = 0; i < schema->shape.n_columns; i++) {
		const struct mr_column *column = &schema->shape.columns[i];

		// Every fifth value is null; text has a length that depends on the key.
		if ((key + i) % 5 == 4)
			continue;
		if (column->type == MR_TYPE_BOOL)
			snprintf(text, sizeof(text), "%d", (int)(key % 2));
		else if (column->is_variable) {
			size_t len = column->type == MR_TYPE_BYTES ? 3000 : key % 40;

			memset(text, (second ? 'A' : 'a') + (int)(key % 26), len);
			text[len] = '\0';
		} else if (column->is_array) {
			size_t at = 0;

			for (unsigned e = 0; e < column->count; e++)
				at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u",
					e > 0 ? ";" : "", (unsigned)(key % 1000 + e));
		} else
			snprintf(text, sizeof(text), "%u", (unsigned)(key % 1000000 + i));
		if (mr_row_set_text(&b, column, text, strlen(text), NULL) != 0)
			die("mr_row_set_text");
	}
	bytes = mr_row_end(&b);
	free(scratch);
	return (uint32_t)bytes;
}

// ---- building replies --------------------------------------------------------------------------

static struct datagram *out_new(struct out *out, unsigned first_entry)
{
	struct datagram *d = &out->datagrams[out->n++];

	if (out->n == DATAGRAMS_MAX)
		die("too many datagrams");
	d->data = calloc(1, DATAGRAM_BYTES);
	d->bytes = sizeof(struct mr_wire_rep);
	d->first_entry = first_entry;
	d->n_entries = 0;
	mr_wire_reply_begin(d->data, out->req, MR_WIRE_RESULT_OK);
	return d;
}

static struct datagram *out_last(struct out *out)
{
	return &out->datagrams[out->n - 1];
}

static void out_piece(struct out *out, unsigned entry, enum mr_status status, uint64_t time_us,
	const uint8_t *row, unsigned row_bytes, unsigned offset, unsigned piece)
{
	struct datagram *d = out_last(out);

	if (d->n_entries == 0)
		d->first_entry = entry;
	mr_wire_entry_put(d->data + d->bytes, status, time_us, row_bytes, offset, piece);
	d->bytes += sizeof(struct mr_wire_entry);
	if (piece > 0)
		memcpy(d->data + d->bytes, row + offset, piece);
	d->bytes += MR_ALIGN_UP(piece, 8u);
	d->n_entries++;
}

static void out_entry(struct out *out, unsigned entry, enum mr_status status, uint64_t time_us,
	const uint8_t *row, unsigned row_bytes)
{
	unsigned offset = 0;

	do {
		struct datagram *d = out_last(out);
		size_t room = out->max - d->bytes;
		unsigned piece = row_bytes - offset;

		if (room < sizeof(struct mr_wire_entry) + MR_MIN(MR_ALIGN_UP(piece, 8u), 64u)) {
			out_new(out, entry);
			continue;
		}
		room = (room - sizeof(struct mr_wire_entry)) & ~(size_t)7;
		piece = MR_MIN(piece, (unsigned)room);
		out_piece(out, entry, status, time_us, row, row_bytes, offset, piece);
		offset += piece;
		if (offset < row_bytes)
			out_new(out, entry);
		else
			return;
	} while (true);
}

static const struct mr_catalog *catalog_of(const struct fake *fake)
{
	return fake->catalogs[fake->faults.new_layout];
}

/** Slot of a key: its own, or the free one where it belongs. */
static struct fake_written *slot_of(struct fake *fake, uint64_t key)
{
	uint64_t at = key * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	while (fake->written[at % FAKE_WRITTEN_SLOTS].is_used &&
		fake->written[at % FAKE_WRITTEN_SLOTS].key != key)
		at++;
	return &fake->written[at % FAKE_WRITTEN_SLOTS];
}

static void answer_key(struct fake *fake, struct out *out, const struct mr_view *view,
	unsigned first_entry, uint64_t key)
{
	static const enum mr_status endings[10] = {
		[7] = MR_STATUS_BUSY, [8] = MR_STATUS_EXPIRED, [9] = MR_STATUS_NOT_FOUND};
	uint8_t row[MR_ROW_MAX_BYTES], partial[MR_ROW_MAX_BYTES];
	uint64_t time_us = FAKE_EVENT_TIME_US + fake->faults.second_value;

	for (unsigned set = 0; set < view->n_parts; set++) {
		const struct mr_schema *schema = view->parts[set].schema;
		const struct fake_written *w = slot_of(fake, key);
		enum mr_status status;
		uint32_t row_bytes;
		int bytes = 0;

		if (schema->id != 7 || !w->is_used)
			w = NULL;
		status = w != NULL ? MR_STATUS_OK : endings[key % 10];

		if (status == MR_STATUS_OK) {
			row_bytes = w != NULL
			                    ? w->row_bytes
			                    : fake_row(schema, key, fake->faults.second_value, row);
			bytes = mr_view_part_copy(&view->parts[set], w != NULL ? w->row : row,
				row_bytes, partial, sizeof(partial));
			if (bytes < 0)
				die("mr_view_part_copy");
			if (fake->faults.bad_rows > 0) {
				fake->faults.bad_rows--;
				partial[0] ^= 0xff;
			}
		}
		out_entry(out, first_entry + set, status,
			w != NULL                                               ? w->event_time_us
			: status == MR_STATUS_OK || status == MR_STATUS_EXPIRED ? time_us
										: 0,
			partial, (unsigned)bytes);
	}
}

static void answer_get(struct fake *fake, struct out *out)
{
	const struct mr_view *view = mr_catalog_view(catalog_of(fake), out->req->view);
	const uint8_t *key;
	uint32_t cursor = 0;
	unsigned key_bytes, entry = 0;

	if (view == NULL) {
		mr_wire_reply_begin(out_new(out, 0)->data, out->req, MR_WIRE_RESULT_UNKNOWN_VIEW);
		return;
	}
	fake->n_keys_max = MR_MAX(fake->n_keys_max, (unsigned)out->req->key_count);
	out_new(out, 0);
	while ((key = mr_wire_key_next(out->req, &cursor, &key_bytes)) != NULL) {
		answer_key(fake, out, view, entry, key_number(key, key_bytes));
		entry += view->n_parts;
	}
	for (unsigned i = 0; i < out->n; i++) {
		struct datagram *d = &out->datagrams[i];

		mr_wire_reply_fragment(d->data, i, out->n, d->first_entry, d->n_entries);
		mr_wire_reply_view(d->data, view->n_parts, view->layout);
	}
}

static enum mr_status write_one(struct fake *fake, const struct mr_schema *schema,
	const struct mr_wire_request *req, const struct mr_wire_row *row)
{
	uint64_t key = key_number(row->key, row->key_bytes);
	struct fake_written *w = slot_of(fake, key);

	if (!mr_key_check(schema, row->key, row->key_bytes))
		return MR_STATUS_BAD_KEY;
	if (req->op == MR_WIRE_OP_PUT &&
		mr_row_check(&schema->shape, row->row, row->row_bytes) != 0)
		return MR_STATUS_BAD_ROW;
	if (w->is_used && w->event_time_us >= row->event_time_us)
		return MR_STATUS_SUPERSEDED;
	// Only so many are kept: what tests read back is written first.
	if ((!w->is_used && fake->n_written >= FAKE_WRITTEN_SLOTS / 2) ||
		row->row_bytes > sizeof(w->row))
		return MR_STATUS_OK;
	fake->n_written += !w->is_used;
	w->is_used = true;
	w->key = key;
	w->event_time_us = row->event_time_us;
	w->row_bytes = row->row_bytes;
	memcpy(w->row, row->row, row->row_bytes);
	return MR_STATUS_OK;
}

static void answer_write(struct fake *fake, struct out *out)
{
	const struct mr_schema *schema = mr_catalog_set_by_id(catalog_of(fake), out->req->view);
	struct datagram *d = out_new(out, 0);
	struct mr_wire_row row;
	uint32_t cursor = 0;
	unsigned n = 0;

	if (schema == NULL ||
		(out->req->op == MR_WIRE_OP_PUT && out->req->layout != schema->layout)) {
		mr_wire_reply_begin(d->data, out->req,
			schema == NULL ? MR_WIRE_RESULT_UNKNOWN_VIEW : MR_WIRE_RESULT_STALE_LAYOUT);
		return;
	}
	while (mr_wire_record_next(out->req, &cursor, &row)) {
		d->data[d->bytes] = (uint8_t)write_one(fake, schema, out->req, &row);
		d->bytes += sizeof(struct mr_wire_ack);
		n++;
	}
	mr_store_le16(d->data + offsetof(struct mr_wire_rep, flags), MR_WIRE_R_DURABLE);
	mr_wire_reply_fragment(d->data, 0, 1, 0, n);
}

static void answer_hello(struct fake *fake, struct out *out)
{
	struct datagram *d = out_new(out, 0);
	struct mr_wire_hello_reply hello = {
		.version_min = fake->faults.version != 0 ? (uint8_t)fake->faults.version : 1,
		.version_max = fake->faults.version != 0 ? (uint8_t)fake->faults.version : 1,
		.max_payload_bytes = (uint16_t)out->max,
		.max_keys = 255,
		.cookie = fake->cookie,
		.cookie_valid_s = fake->faults.cookie_valid_s,
	};

	memcpy(d->data + d->bytes, &hello, sizeof(hello));
	d->bytes += sizeof(hello);
}

static void answer_describe(struct fake *fake, struct out *out, size_t request_bytes)
{
	static char text[1 << 16];
	char name[MR_WIRE_NAME_MAX_BYTES + 1] = "";
	struct mr_wire_describe ask;
	const char *asked;
	const struct mr_view *view;
	struct datagram *d = out_new(out, 0);
	struct mr_wire_describe_reply reply;
	size_t bytes;

	mr_wire_describe_get(out->req, &ask, &asked);
	memcpy(name, asked, ask.name_bytes);
	view = mr_catalog_view_by_name(catalog_of(fake), name);
	if (view == NULL) {
		mr_wire_reply_begin(d->data, out->req, MR_WIRE_RESULT_UNKNOWN_VIEW);
		return;
	}
	bytes = view->id & MR_VIEW_EXPLICIT
	                ? mr_catalog_print_view(view, text, sizeof(text))
	                : mr_catalog_print_set(view->parts[0].schema, text, sizeof(text));
	reply = (struct mr_wire_describe_reply){
		.view = view->id,
		.layout = view->layout,
		.offset = ask.offset,
		.total_bytes = (uint32_t)bytes,
	};
	// Little at a time, so that descriptions take several turns.
	reply.bytes = (uint16_t)MR_MIN(bytes - MR_MIN(ask.offset, bytes), (size_t)100);
	if (sizeof(struct mr_wire_rep) + sizeof(reply) + reply.bytes > request_bytes)
		die("a reply longer than its request");
	memcpy(d->data + d->bytes, &reply, sizeof(reply));
	memcpy(d->data + d->bytes + sizeof(reply), text + ask.offset, reply.bytes);
	d->bytes += sizeof(reply) + reply.bytes;
}

// ---- sending -----------------------------------------------------------------------------------

static void send_garbage(
	struct fake *fake, const struct datagram *d, const struct sockaddr *to, socklen_t to_bytes)
{
	uint8_t junk[256];
	uint8_t *damaged = malloc(d->bytes);
	size_t bytes = mr_rng_below(&fake->rng, sizeof(junk));
	size_t at = mr_rng_below(&fake->rng, sizeof(struct mr_wire_rep));

	for (size_t i = 0; i < bytes; i++)
		junk[i] = (uint8_t)mr_rng_next(&fake->rng);
	sendto(fake->fd, junk, bytes, 0, to, to_bytes);
	// Cut, and with another id: neither may be taken for an answer.
	memcpy(damaged, d->data, d->bytes);
	sendto(fake->fd, damaged, mr_rng_below(&fake->rng, d->bytes), 0, to, to_bytes);
	damaged[offsetof(struct mr_wire_rep, request_id) + at % 8] ^= 0x40;
	sendto(fake->fd, damaged, d->bytes, 0, to, to_bytes);
	free(damaged);
}

static void send_out(
	struct fake *fake, struct out *out, const struct sockaddr *to, socklen_t to_bytes)
{
	for (unsigned i = 0; i < out->n; i++) {
		unsigned which = fake->faults.reverse ? out->n - 1 - i : i;
		struct datagram *d = &out->datagrams[which];

		if (fake->faults.garbage)
			send_garbage(fake, d, to, to_bytes);
		if (mr_rng_below(&fake->rng, 100) < fake->faults.drop_percent)
			continue;
		for (unsigned n = 0; n < 1u + fake->faults.duplicate; n++)
			sendto(fake->fd, d->data, d->bytes, 0, to, to_bytes);
	}
}

/** @return how often this request has arrived, with this time. */
static unsigned arrivals(struct fake *fake, uint64_t id)
{
	for (unsigned i = 0; i < fake->n_seen; i++)
		if (fake->seen_ids[i] == id)
			return ++fake->seen_counts[i];
	if (fake->n_seen == MR_ARRAY_SIZE(fake->seen_ids))
		fake->n_seen = 0;
	fake->seen_ids[fake->n_seen] = id;
	fake->seen_counts[fake->n_seen] = 1;
	fake->n_seen++;
	return 1;
}

const struct mr_wire_mac_key fake_mac_key = {
	7, {UINT64_C(0x7766554433221100), UINT64_C(0xffeeddccbbaa9988)}};

static void answer(struct fake *fake, struct out *out, const uint8_t *request, size_t request_bytes)
{
	const struct mr_wire_request *req = out->req;
	bool on_keys = req->op == MR_WIRE_OP_GET || req->op == MR_WIRE_OP_PUT ||
	               req->op == MR_WIRE_OP_DELETE;

	if (fake->faults.need_cookie && req->op != MR_WIRE_OP_HELLO && req->cookie != fake->cookie)
		mr_wire_reply_begin(out_new(out, 0)->data, req, MR_WIRE_RESULT_COOKIE_NEEDED);
	else if (fake->faults.need_mac && on_keys && req->op != MR_WIRE_OP_GET &&
		 (req->mac == NULL || !mr_wire_mac_holds(request, request_bytes, &fake_mac_key, 1)))
		mr_wire_reply_begin(out_new(out, 0)->data, req, MR_WIRE_RESULT_DENIED);
	else if (on_keys && fake->faults.result != MR_WIRE_RESULT_OK)
		mr_wire_reply_begin(
			out_new(out, 0)->data, req, (enum mr_wire_result)fake->faults.result);
	else if (req->op == MR_WIRE_OP_GET)
		answer_get(fake, out);
	else if (on_keys)
		answer_write(fake, out);
	else if (req->op == MR_WIRE_OP_HELLO)
		answer_hello(fake, out);
	else if (req->op == MR_WIRE_OP_DESCRIBE)
		answer_describe(fake, out, request_bytes);
	else
		out_new(out, 0);
}

static bool wants_times(const struct fake *fake, const struct mr_wire_request *req)
{
	return (req->flags & MR_WIRE_F_TIMES) && fake->faults.times.total_ns != 0;
}

// At the end of an answer's last datagram.
static void answer_times(const struct fake *fake, struct out *out)
{
	struct mr_wire_times times = fake->faults.times;
	struct datagram *d = out_last(out);
	uint8_t *flags = d->data + offsetof(struct mr_wire_rep, flags);

	if (d->data[offsetof(struct mr_wire_rep, result)] != MR_WIRE_RESULT_OK)
		return;
	times.trace_id = out->req->trace_id;
	times.total_ns += 1000u * out->req->key_count;
	mr_wire_times_put(d->data + d->bytes, &times);
	d->bytes += sizeof(times);
	mr_store_le16(flags, (uint16_t)(mr_load_le16(flags) | MR_WIRE_R_TIMES));
}

static void handle(struct fake *fake, const uint8_t *data, size_t bytes, const struct sockaddr *to,
	socklen_t to_bytes)
{
	static _Thread_local struct out out;
	struct mr_wire_request req;

	if (mr_wire_request_decode(data, bytes, &req) != MR_WIRE_DEFECT_NONE)
		die("the client sent a malformed request");
	fake->n_requests[req.op]++;
	if (fake->faults.silent ||
		(req.op != MR_WIRE_OP_HELLO &&
			arrivals(fake, req.request_id) <= fake->faults.drop_attempts))
		return;
	if (fake->faults.delay_us > 0)
		usleep(fake->faults.delay_us);
	if (fake->faults.alternate && req.op == MR_WIRE_OP_GET)
		fake->faults.second_value = !fake->faults.second_value;
	out.n = 0;
	out.req = &req;
	out.max = fake->faults.max_payload != 0 ? fake->faults.max_payload : 1472;
	if (bytes > out.max)
		die("the client sent more than the payload it was told");
	if (wants_times(fake, &req))
		out.max -= sizeof(struct mr_wire_times);
	answer(fake, &out, data, bytes);
	if (wants_times(fake, &req))
		answer_times(fake, &out);
	send_out(fake, &out, to, to_bytes);
	for (unsigned i = 0; i < out.n; i++)
		free(out.datagrams[i].data);
}

/** Sleeps to the end of the stall when there is one. */
static void stall(const struct fake_faults *faults)
{
	struct timespec now;
	uint64_t phase_us;

	if (faults->stall_every_us == 0)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	phase_us = ((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000) %
	           faults->stall_every_us;
	if (phase_us < faults->stall_us)
		usleep((useconds_t)(faults->stall_us - phase_us));
}

static void *run(void *arg)
{
	struct fake *fake = arg;
	struct pollfd fds[2] = {
		{.fd = fake->fd, .events = POLLIN}, {.fd = fake->stop_fd, .events = POLLIN}};
	uint8_t *data = malloc(DATAGRAM_BYTES);

	while (poll(fds, 2, -1) >= 0 && fds[1].revents == 0) {
		struct sockaddr_storage from;
		socklen_t from_bytes = sizeof(from);
		ssize_t n = recvfrom(fake->fd, data, DATAGRAM_BYTES, MSG_DONTWAIT,
			(struct sockaddr *)&from, &from_bytes);

		if (n <= 0)
			continue;
		pthread_mutex_lock(&fake->lock);
		stall(&fake->faults);
		if ((size_t)n > offsetof(struct mr_wire_req, op) &&
			data[offsetof(struct mr_wire_req, op)] == MR_WIRE_OP_GET &&
			fake->n_requests[MR_WIRE_OP_GET] < 256)
			fake->get_ports[fake->n_requests[MR_WIRE_OP_GET]] =
				ntohs(((struct sockaddr_in *)&from)->sin_port);
		handle(fake, data, (size_t)n, (struct sockaddr *)&from, from_bytes);
		pthread_mutex_unlock(&fake->lock);
	}
	free(data);
	return NULL;
}

void fake_set(struct fake *fake, const struct fake_faults *faults)
{
	pthread_mutex_lock(&fake->lock);
	fake->faults = *faults;
	pthread_mutex_unlock(&fake->lock);
}

void fake_start(struct fake *fake)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof(address);
	int buffer = 4 << 20;

	memset(fake, 0, sizeof(*fake));
	pthread_mutex_init(&fake->lock, NULL);
	fake->rng.state = 42;
	fake->cookie = UINT64_C(0x1122334455667788);
	for (unsigned i = 0; i < 2; i++) {
		struct mr_arena arena;
		struct mr_err err;

		fake->catalog_mem[i] = malloc(CATALOG_BYTES);
		mr_arena_init(&arena, fake->catalog_mem[i], CATALOG_BYTES);
		fake->catalogs[i] =
			mr_catalog_build(&arena, "fake", texts[i], strlen(texts[i]), &err);
		if (fake->catalogs[i] == NULL)
			die(err.text);
	}
	fake->fd = socket(AF_INET, SOCK_DGRAM, 0);
	fake->stop_fd = eventfd(0, 0);
	setsockopt(fake->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (bind(fake->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		getsockname(fake->fd, (struct sockaddr *)&address, &address_bytes) != 0)
		die("bind");
	snprintf(fake->address, sizeof(fake->address), "127.0.0.1:%u", ntohs(address.sin_port));
	if (pthread_create(&fake->thread, NULL, run, fake) != 0)
		die("pthread_create");
}

void fake_stop(struct fake *fake)
{
	uint64_t one = 1;

	if (write(fake->stop_fd, &one, sizeof(one)) != sizeof(one))
		die("eventfd");
	pthread_join(fake->thread, NULL);
	close(fake->fd);
	close(fake->stop_fd);
	for (unsigned i = 0; i < 2; i++)
		free(fake->catalog_mem[i]);
	pthread_mutex_destroy(&fake->lock);
}
