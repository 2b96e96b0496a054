// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of the client's receiving side: one call is open, datagrams of a hostile server come
// in, and whatever completes is read to the last value.
//
// Input: a byte that picks the call, a byte with the number of keys, then datagrams: a byte of
// flags, two of length (little-endian), the datagram. Flag 1 sets magic, version, request id and
// operation right, flag 2 the layout too, flag 4 sends it twice: without them no fuzzer gets past
// a 64-bit id.

#include <stdlib.h>
#include <string.h>

#include "mr_client_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A defect that the sanitizers cannot see must still stop the program.
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static const char schema_text[] =
	"[set user]\nid = 7\nkey = u64\ncolumn age = i32\n"
	"column score = f64\ncolumn city = string\n"
	"[set item]\nid = 9\nkey = u64\ncolumn price = f32\n"
	"[view both]\nid = 1\ncolumns = user.age, user.city, item.price\n";

static const struct mr_catalog *catalog(void)
{
	static uint8_t mem[1 << 20];
	static struct mr_catalog *built;
	struct mr_arena arena;

	if (built == NULL) {
		mr_arena_init(&arena, mem, sizeof(mem));
		built = mr_catalog_build(&arena, "s", schema_text, sizeof(schema_text) - 1, NULL);
	}
	MUST(built != NULL);
	return built;
}

/** A view that is known already, without a server that described it. */
static struct mr_client_view *add_view(struct mr_client *client, const char *name)
{
	struct mr_client_view *view = calloc(1, sizeof(*view));
	struct mr_client_def *def = calloc(1, sizeof(*def));

	MUST(view != NULL && def != NULL);
	def->refs = 1;
	def->view = mr_catalog_view_by_name(catalog(), name);
	MUST(def->view != NULL);
	view->name = strdup(name);
	view->def = def;
	view->defs[view->n_defs++] = def;
	TAILQ_INIT(&view->waiters);
	TAILQ_INSERT_TAIL(&client->views, view, next);
	return view;
}

static struct mr_client *new_client(void)
{
	const struct mr_client_options options = {
		.max_in_flight = 4, .n_sockets = 1, .max_payload_bytes = 1472};
	struct mr_client *client = mr_client_new(&options, NULL);

	MUST(client != NULL);
	client->n_servers = 1;
	client->n_links = 1;
	client->servers[0].name = strdup("fuzz");
	return client;
}

static void submit(struct mr_client *client, unsigned pick, unsigned n_keys)
{
	static uint8_t bytes[8];
	struct mr_client_view *user = add_view(client, "user");
	struct mr_client_view *both = add_view(client, "both");
	const struct mr_schema *schema = mr_catalog_set_by_name(catalog(), "user");
	struct mr_client_key keys[256];
	struct mr_client_row rows[256];
	static const uint8_t row[24] = {7};

	for (unsigned i = 0; i < 256; i++) {
		keys[i] = (struct mr_client_key){bytes, 8};
		rows[i] = (struct mr_client_row){keys[i], i, row, sizeof(row)};
	}
	switch (pick % 6) {
	case 0:
		MUST(mr_client_submit_get(client, user, keys, n_keys, NULL) == 0);
		break;
	case 1:
		MUST(mr_client_submit_get(client, both, keys, n_keys, NULL) == 0);
		break;
	case 2:
		MUST(mr_client_submit_put(client, schema, rows, n_keys, NULL) == 0);
		break;
	case 3:
		MUST(mr_client_call_ping(client, NULL) == 0);
		break;
	case 4:
		mr_client_hello(client, &client->links[0]);
		break;
	default:
		mr_client_describe(client, both);
	}
}

static const struct mr_client_part *any_part(const struct mr_client *client)
{
	for (uint32_t i = 0; i < client->n_slots; i++)
		if (client->slots[i].request_id != 0)
			return &client->slots[i];
	return NULL;
}

static void mend(const struct mr_client *client, uint8_t *data, size_t size, unsigned flags)
{
	const struct mr_client_part *part = any_part(client);

	if (part == NULL || size < sizeof(struct mr_wire_rep))
		return;
	if (flags & 1) {
		mr_store_le32(data, MR_WIRE_MAGIC_REPLY);
		data[4] = MR_WIRE_VERSION;
		data[5] = part->op;
		mr_store_le64(data + offsetof(struct mr_wire_rep, request_id), part->request_id);
	}
	if (flags & 2 && part->call != NULL && part->call->def != NULL)
		mr_store_le32(
			data + offsetof(struct mr_wire_rep, layout), part->call->def->view->layout);
}

static void read_result(const struct mr_client_result *result)
{
	const struct mr_view *view = mr_client_result_view(result);

	for (size_t key = 0; key < mr_client_result_n_keys(result); key++)
		for (unsigned set = 0; set < mr_client_result_n_sets(result); set++) {
			unsigned n = view != NULL ? view->parts[set].shape.n_columns : 0;

			MUST(mr_client_result_status(result, key, set) < MR_CLIENT_STATUS_COUNT);
			for (unsigned i = 0; i < n; i++) {
				struct mr_client_column column = {(uint16_t)set, (uint16_t)i};
				struct mr_value value;
				int rc = mr_client_result_value(result, key, column, &value);
				enum mr_client_status status =
					mr_client_result_status(result, key, set);

				MUST(rc == mr_client_status_errno(status));
			}
		}
}

static void feed(struct mr_client *client, const uint8_t *data, size_t size)
{
	while (size >= 3) {
		unsigned flags = data[0];
		size_t bytes = mr_load_le16(data + 1);
		uint8_t *copy;

		bytes = MR_MIN(bytes, size - 3);
		copy = malloc(bytes + 1);
		MUST(copy != NULL);
		memcpy(copy, data + 3, bytes);
		mend(client, copy, bytes, flags);
		mr_client_datagram(client, &client->links[0], copy, bytes);
		if (flags & 4)
			mr_client_datagram(client, &client->links[0], copy, bytes);
		free(copy);
		mr_client_describes_start(client);
		mr_client_calls_start(client);
		data += 3 + bytes;
		size -= 3 + bytes;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_client_result *result;
	struct mr_client *client;

	if (size < 2)
		return 0;
	client = new_client();
	submit(client, data[0], data[1] + 1u);
	mr_client_describes_start(client);
	mr_client_calls_start(client);
	feed(client, data + 2, size - 2);
	while ((result = mr_client_take(client)) != NULL) {
		read_result(result);
		mr_client_result_free(result);
	}
	mr_client_close(client);
	return 0;
}
