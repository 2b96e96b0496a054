// SPDX-License-Identifier: BSD-3-Clause

#include "pcap_show.h"
#include "mr_row.h"
#include "mr_units.h"
#include "mr_wire.h"
#include "show.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static void set(json_t *json, const char *name, uint64_t value)
{
	json_object_set_new(json, name, json_integer((json_int_t)value));
}

static void set_text(json_t *json, const char *name, const char *text)
{
	json_object_set_new(json, name, json_string(text));
}

// Ids and cookies use all 64 bits, more than JSON's numbers have for many readers.
static void set_hex64(json_t *json, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%016" PRIx64, value);
	set_text(json, name, text);
}

static void set_layout(json_t *json, uint32_t layout)
{
	char text[16];

	snprintf(text, sizeof(text), "%08" PRIx32, layout);
	set_text(json, "layout", text);
}

static json_t *hex_json(const uint8_t *data, size_t bytes)
{
	static char text[2 * MR_WIRE_ROW_MAX_BYTES + 3];

	strcpy(text, "0x");
	for (size_t i = 0; i < bytes && i < MR_WIRE_ROW_MAX_BYTES; i++)
		snprintf(text + 2 + 2 * i, 3, "%02x", data[i]);
	return json_string(text);
}

static json_t *any_key_json(const struct mr_schema *schema, const uint8_t *key, unsigned bytes)
{
	return schema != NULL && mr_key_check(schema, key, bytes) ? key_json(schema, key, bytes)
	                                                          : hex_json(key, bytes);
}

// Columns of a row of this shape, or its bytes where it is of none.
static void set_row(
	json_t *json, const struct mr_shape *shape, const uint8_t *row, uint32_t row_bytes)
{
	json_t *columns;

	if (shape == NULL || mr_row_check(shape, row, row_bytes) < 0) {
		json_object_set_new(json, "row", hex_json(row, row_bytes));
		return;
	}
	columns = json_object();
	for (unsigned i = 0; i < shape->n_columns; i++) {
		struct mr_value value;

		if (mr_row_get(&shape->columns[i], row, row_bytes, &value) == 0)
			json_object_set_new(columns, shape->columns[i].name, value_json(&value));
	}
	json_object_set_new(json, "columns", columns);
}

// ---- requests ----------------------------------------------------------------------------------

static void set_flags(json_t *json, unsigned flags)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{MR_WIRE_F_STRONG, "strong"},
		{MR_WIRE_F_ASOF, "as_of"},
		{MR_WIRE_F_TRACE, "trace"},
		{MR_WIRE_F_MAC, "mac"},
		{MR_WIRE_F_PADDED, "padded"},
	};
	json_t *list;

	if (flags == 0)
		return;
	list = json_array();
	for (unsigned i = 0; i < MR_ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	if ((flags & ~MR_WIRE_F_KNOWN) != 0)
		json_array_append_new(list, json_sprintf("0x%04x", flags & ~MR_WIRE_F_KNOWN));
	json_object_set_new(json, "flags", list);
}

static void add_get(
	json_t *json, const struct mr_wire_request *req, const struct mr_catalog *catalog)
{
	const struct mr_view *view = catalog != NULL ? mr_catalog_view(catalog, req->view) : NULL;
	json_t *keys = json_array();
	uint32_t cursor = 0;
	const uint8_t *key;
	unsigned key_bytes;

	set(json, "view_id", req->view);
	if (view != NULL)
		set_text(json, "view", view->name);
	if (req->flags & MR_WIRE_F_ASOF)
		set(json, "as_of_us", req->as_of_us);
	while ((key = mr_wire_key_next(req, &cursor, &key_bytes)) != NULL)
		json_array_append_new(keys,
			any_key_json(view != NULL ? view->parts[0].schema : NULL, key, key_bytes));
	json_object_set_new(json, "keys", keys);
}

static void add_write(
	json_t *json, const struct mr_wire_request *req, const struct mr_catalog *catalog)
{
	const struct mr_schema *schema =
		catalog != NULL ? mr_catalog_set_by_id(catalog, req->view) : NULL;
	json_t *records = json_array();
	struct mr_wire_row row;
	uint32_t cursor = 0;

	set(json, "set_id", req->view);
	if (schema != NULL)
		set_text(json, "set", schema->name);
	set(json, "version", req->version);
	set_layout(json, req->layout);
	if (req->mac != NULL)
		set(json, "mac_key", mr_load_le32(req->mac));
	while (mr_wire_record_next(req, &cursor, &row)) {
		json_t *record = json_object();

		json_object_set_new(record, "key", any_key_json(schema, row.key, row.key_bytes));
		set(record, "event_time_us", row.event_time_us);
		if (req->op == MR_WIRE_OP_PUT)
			set_row(record,
				schema != NULL && schema->layout == req->layout ? &schema->shape
										: NULL,
				row.row, row.row_bytes);
		json_array_append_new(records, record);
	}
	json_object_set_new(json, "records", records);
}

static void add_request(
	json_t *json, const struct capture_datagram *d, const struct mr_catalog *catalog)
{
	struct mr_wire_request req;
	enum mr_wire_defect defect = mr_wire_request_decode(d->payload, d->payload_bytes, &req);
	struct mr_wire_describe describe;
	struct mr_wire_hello hello;
	const char *name;

	set_text(json, "kind", "request");
	if (defect != MR_WIRE_DEFECT_NONE) {
		set_text(json, "defect", mr_wire_defect_name(defect));
		return;
	}
	set_text(json, "op", mr_wire_op_name(req.op));
	set_hex64(json, "request_id", req.request_id);
	set_hex64(json, "cookie", req.cookie);
	set_flags(json, req.flags);
	if (req.deadline_us != 0)
		set(json, "deadline_us", req.deadline_us);
	if (req.flags & MR_WIRE_F_TRACE)
		set_hex64(json, "trace_id", req.trace_id);
	switch (req.op) {
	case MR_WIRE_OP_GET:
		add_get(json, &req, catalog);
		break;
	case MR_WIRE_OP_PUT:
	case MR_WIRE_OP_DELETE:
		add_write(json, &req, catalog);
		break;
	case MR_WIRE_OP_HELLO:
		mr_wire_hello_get(&req, &hello);
		set(json, "version_min", hello.version_min);
		set(json, "version_max", hello.version_max);
		set_hex64(json, "nonce", hello.nonce);
		break;
	case MR_WIRE_OP_DESCRIBE:
		mr_wire_describe_get(&req, &describe, &name);
		json_object_set_new(json, "name", json_sprintf("%.*s", describe.name_bytes, name));
		set(json, "offset", describe.offset);
		break;
	default:
		break;
	}
}

// ---- replies -----------------------------------------------------------------------------------

// A reply says its layout, which tells how to read it; not its view.
static const struct mr_view *view_of_layout(
	const struct mr_catalog *catalog, const struct mr_wire_reply *rep)
{
	for (unsigned i = 0; catalog != NULL && i < catalog->n_sets + catalog->n_views; i++) {
		const struct mr_view *view = i < catalog->n_sets
		                                     ? catalog->set_views[i]
		                                     : catalog->views[i - catalog->n_sets];

		if (view->layout == rep->layout && view->n_parts == rep->set_count)
			return view;
	}
	return NULL;
}

static json_t *entry_json(const struct mr_wire_reply *rep, const struct mr_wire_value *value,
	const struct mr_view *view)
{
	unsigned i = value->entry % rep->set_count;
	const struct mr_view_part *part = view != NULL ? &view->parts[i] : NULL;
	json_t *json = json_object();

	set(json, "key", value->entry / rep->set_count);
	if (part != NULL)
		set_text(json, "set", part->schema->name);
	else
		set(json, "set", i);
	set_text(json, "status", mr_status_name(value->status));
	if (value->event_time_us != 0)
		set(json, "event_time_us", value->event_time_us);
	if (value->status != MR_STATUS_OK)
		return json;
	set(json, "row_bytes", value->row_bytes);
	if (value->piece_bytes == value->row_bytes) {
		set_row(json, part != NULL ? &part->shape : NULL, value->piece, value->piece_bytes);
	} else {
		set(json, "piece_offset", value->piece_offset);
		json_object_set_new(json, "piece", hex_json(value->piece, value->piece_bytes));
	}
	return json;
}

static void add_entries(
	json_t *json, const struct mr_wire_reply *rep, const struct mr_catalog *catalog)
{
	const struct mr_view *view = view_of_layout(catalog, rep);
	json_t *entries = json_array();
	struct mr_wire_value value;
	uint32_t cursor = 0;

	if (view != NULL)
		set_text(json, "view", view->name);
	set_layout(json, rep->layout);
	if (rep->frag_count > 1) {
		set(json, "frag", rep->frag);
		set(json, "frag_count", rep->frag_count);
	}
	while (mr_wire_entry_next(rep, &cursor, &value))
		json_array_append_new(entries, entry_json(rep, &value, view));
	json_object_set_new(json, "entries", entries);
}

static void add_body(
	json_t *json, const struct mr_wire_reply *rep, const struct mr_catalog *catalog)
{
	struct mr_wire_describe_reply describe;
	struct mr_wire_hello_reply hello;
	const char *text;
	json_t *statuses;

	switch (rep->op) {
	case MR_WIRE_OP_GET:
		add_entries(json, rep, catalog);
		break;
	case MR_WIRE_OP_PUT:
	case MR_WIRE_OP_DELETE:
		statuses = json_array();
		for (unsigned i = 0; i < rep->entry_count; i++)
			json_array_append_new(
				statuses, json_string(mr_status_name(mr_wire_ack_status(rep, i))));
		json_object_set_new(json, "statuses", statuses);
		json_object_set_new(
			json, "durable", json_boolean((rep->flags & MR_WIRE_R_DURABLE) != 0));
		break;
	case MR_WIRE_OP_HELLO:
		mr_wire_hello_reply_get(rep, &hello);
		set(json, "version_min", hello.version_min);
		set(json, "version_max", hello.version_max);
		set(json, "max_payload_bytes", hello.max_payload_bytes);
		set(json, "max_keys", hello.max_keys);
		set_hex64(json, "cookie", hello.cookie);
		set(json, "cookie_valid_s", hello.cookie_valid_s);
		set(json, "server_time_us", hello.server_time_us);
		break;
	case MR_WIRE_OP_DESCRIBE:
		mr_wire_describe_reply_get(rep, &describe, &text);
		set(json, "view_id", describe.view);
		set(json, "offset", describe.offset);
		set(json, "total_bytes", describe.total_bytes);
		json_object_set_new(json, "text", json_sprintf("%.*s", describe.bytes, text));
		break;
	default:
		break;
	}
}

static void add_reply(
	json_t *json, const struct capture_datagram *d, const struct mr_catalog *catalog)
{
	struct mr_wire_reply rep;
	enum mr_wire_defect defect = mr_wire_reply_decode(d->payload, d->payload_bytes, &rep);

	set_text(json, "kind", "reply");
	if (defect != MR_WIRE_DEFECT_NONE) {
		set_text(json, "defect", mr_wire_defect_name(defect));
		return;
	}
	set_text(json, "op", mr_wire_op_name(rep.op));
	set_hex64(json, "request_id", rep.request_id);
	set_text(json, "result", mr_wire_result_name(rep.result));
	if (rep.result == MR_WIRE_RESULT_OK)
		add_body(json, &rep, catalog);
}

// ---- either ------------------------------------------------------------------------------------

bool pcap_is_ours(const struct capture_datagram *datagram)
{
	uint32_t magic;

	if (datagram->payload_bytes < sizeof(magic))
		return false;
	magic = mr_load_le32(datagram->payload);
	return magic == MR_WIRE_MAGIC_REQUEST || magic == MR_WIRE_MAGIC_REPLY;
}

static void set_time(json_t *json, uint64_t ns)
{
	time_t seconds = (time_t)(ns / MR_NS_PER_S);
	char text[40];
	struct tm tm;
	size_t n;

	if (ns == 0 || gmtime_r(&seconds, &tm) == NULL)
		return;
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%09" PRIu64 "Z", ns % MR_NS_PER_S);
	set_text(json, "time", text);
}

json_t *pcap_datagram_json(
	const struct capture_datagram *datagram, uint64_t time_ns, const struct mr_catalog *catalog)
{
	json_t *json = json_object();
	char text[64];

	set_time(json, time_ns);
	set_text(json, "from", capture_end_text(&datagram->from, text, sizeof(text)));
	set_text(json, "to", capture_end_text(&datagram->to, text, sizeof(text)));
	for (unsigned i = 0; i < datagram->n_tags; i++)
		set(json, i == 0 ? "vlan" : "inner_vlan", datagram->tags[i]);
	set(json, "bytes", datagram->payload_bytes);
	if (mr_load_le32(datagram->payload) == MR_WIRE_MAGIC_REQUEST)
		add_request(json, datagram, catalog);
	else
		add_reply(json, datagram, catalog);
	return json;
}

static bool is_list_of_objects(const json_t *json)
{
	return json_is_array(json) && json_is_object(json_array_get(json, 0));
}

static void print_pairs(const json_t *json, const char *without, FILE *out)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)json, name, value)
	{
		// " name " in a list of those that are shown otherwise.
		const char *found = strstr(without, name);

		if (found != NULL && found[-1] == ' ' && found[strlen(name)] == ' ')
			continue;
		if (is_list_of_objects(value))
			continue;
		fprintf(out, " %s=", name);
		if (json_is_string(value) && strpbrk(json_string_value(value), " \n\t\"") == NULL)
			fputs(json_string_value(value), out);
		else
			json_dumpf(value, out,
				JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
	}
	fputc('\n', out);
}

static const char *text_of(const json_t *json, const char *name)
{
	const char *text = json_string_value(json_object_get(json, name));

	return text != NULL ? text : "-";
}

void pcap_print_text(const json_t *datagram, FILE *out)
{
	const char *name;
	json_t *value, *line;
	size_t i;

	fprintf(out, "%s %s > %s %s %s", text_of(datagram, "time"), text_of(datagram, "from"),
		text_of(datagram, "to"), text_of(datagram, "op"), text_of(datagram, "kind"));
	print_pairs(datagram, " time from to op kind ", out);
	json_object_foreach((json_t *)(uintptr_t)datagram, name, value)
	{
		if (!is_list_of_objects(value))
			continue;
		json_array_foreach(value, i, line)
		{
			fputs("   ", out);
			print_pairs(line, "  ", out);
		}
	}
}
