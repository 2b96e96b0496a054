// SPDX-License-Identifier: BSD-3-Clause
//
// Admin verbs that are about the store: bulk loads, the change feed, backups, verification.
#include "mr_ctl_store.h"

#include <rte_cycles.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mr_units.h"

// What one answer to `tail` holds at most; whoever follows asks again.
#define TAIL_CHANGES 10000u
#define TAIL_BYTES (4 * MR_MIB)

// ---- bulk loads
// ----------------------------------------------------------------------------------

static uint64_t now_us(const struct mr_ctl *ctl)
{
	return mr_clock_us(ctl->p.tiers->clock, rte_rdtsc());
}

int mr_ctl_bulk_begin(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	char set[MR_NAME_MAX_BYTES + 1];
	struct mr_ctl *ctl = arg;
	unsigned version, layout;
	uint64_t id;
	int end = 0;

	if (sscanf(r->args, "%63s %u %x %" SCNx64 "%n", set, &version, &layout, &id, &end) != 4 ||
		r->args[end] != '\0' || version > UINT16_MAX)
		return mr_fail(err, EINVAL, "'%.64s': SET VERSION LAYOUT ID is expected", r->args);
	return mr_bulk_begin(&ctl->bulk, set, (uint16_t)version, layout, id, now_us(ctl), out, err);
}

static int parse_part(const struct mr_admin_request *r, uint64_t *ret_token, unsigned *ret_part,
	struct mr_err *err)
{
	int end = 0;

	if (sscanf(r->args, "%" SCNu64 " %u%n", ret_token, ret_part, &end) != 2 ||
		r->args[end] != '\0')
		return mr_fail(err, EINVAL, "'%.64s': TOKEN PART is expected", r->args);
	return 0;
}

int mr_ctl_bulk_rows(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	uint64_t token;
	unsigned part;
	int ret = parse_part(r, &token, &part, err);

	return ret < 0 ? ret
	               : mr_bulk_rows(&ctl->bulk, token, part, r->payload, r->payload_bytes,
				 now_us(ctl), out, err);
}

int mr_ctl_bulk_part_end(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	uint64_t token;
	unsigned part;
	int ret = parse_part(r, &token, &part, err);

	(void)out;
	return ret < 0 ? ret : mr_bulk_part_end(&ctl->bulk, token, part, err);
}

int mr_ctl_bulk_finish(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	char *rest;
	uint64_t token = strtoull(r->args, &rest, 10);

	if (rest == r->args || (rest[0] != '\0' && strcmp(rest, " activate") != 0))
		return mr_fail(err, EINVAL, "'%.64s': TOKEN [activate] is expected", r->args);
	return mr_bulk_finish(&ctl->bulk, token, rest[0] != '\0', out, err);
}

int mr_ctl_bulk_abort(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	int ret = mr_bulk_abort(&ctl->bulk, strtoull(r->args, NULL, 10), err);

	if (ret == 0)
		fprintf(out, "given up\n");
	return ret;
}

// ---- change feed
// ---------------------------------------------------------------------------------

void mr_ctl_store_done(struct mr_ctl *ctl)
{
	mr_store_feed_close(ctl->feed);
	ctl->feed = NULL;
}

// The feed at a position: the one at hand where it stands there, since opening one reads the log.
static struct mr_store_feed *feed_at(struct mr_ctl *ctl, uint64_t from, struct mr_err *err)
{
	if (ctl->feed != NULL && mr_store_feed_position(ctl->feed) == from)
		return ctl->feed;
	mr_ctl_store_done(ctl);
	ctl->feed = mr_store_feed_open(ctl->p.store, from, err);
	return ctl->feed;
}

static uint64_t put_hex(FILE *out, const uint8_t *data, uint32_t bytes)
{
	fputc(' ', out);
	if (bytes == 0)
		fputc('-', out);
	for (uint32_t i = 0; i < bytes; i++)
		fprintf(out, "%02x", data[i]);
	return bytes;
}

// "SEQUENCE KIND VERSION EVENT_TIME LAYOUT KEY ROW". @return its bytes, roughly.
static uint64_t put_change(FILE *out, const struct mr_store_change *change)
{
	static const char *const kinds[] = {"put", "drop", "bulk"};
	const struct mr_store_item *item = &change->item;
	uint64_t bytes = 64;
	bool is_row = change->kind == MR_STORE_CHANGE_PUT;

	fprintf(out, "%" PRIu64 " %s %u %" PRIu64 " %x", change->sequence,
		is_row && item->deleted ? "delete" : kinds[change->kind],
		mr_space_version(item->space), is_row ? item->event_time_us : change->bulk_rows,
		is_row ? item->layout : 0);
	bytes += put_hex(out, item->key, is_row ? item->key_bytes : 0);
	bytes += put_hex(out, item->row, is_row ? item->row_bytes : 0);
	fputc('\n', out);
	return 2 * bytes;
}

// Clients tell by it that asking again will not help.
static int mark_too_old(int ret, struct mr_err *err)
{
	if (ret == -ESTALE)
		mr_err_prefix(err, "too old: ");
	return ret;
}

static int put_changes(struct mr_ctl *ctl, uint16_t set_id, FILE *out, struct mr_err *err)
{
	struct mr_store_change change;
	uint64_t bytes = 0;
	int ret = 0;

	for (unsigned n = 0; n < TAIL_CHANGES && bytes < TAIL_BYTES; n++) {
		ret = mr_store_feed_next(ctl->feed, &change, err);
		if (ret <= 0)
			break;
		if (mr_space_set(change.item.space) == set_id)
			bytes += put_change(out, &change);
	}
	// The last line: where to go on, and whether there is more already.
	if (ret >= 0)
		fprintf(out, "next %" PRIu64 " %s\n", mr_store_feed_position(ctl->feed),
			ret > 0 ? "more" : "end");
	return MR_MIN(ret, 0);
}

int mr_ctl_tail(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	char set[MR_NAME_MAX_BYTES + 1];
	const struct mr_schema *schema;
	struct mr_ctl *ctl = arg;
	uint64_t from = 0;
	uint16_t id = 0;
	int end = 0, ret;

	if (sscanf(r->args, "%63s %" SCNu64 "%n", set, &from, &end) != 2 || r->args[end] != '\0')
		return mr_fail(err, EINVAL, "'%.64s': SET SEQUENCE is expected", r->args);
	schema = mr_catalog_set_by_name(mr_registry_read_begin(ctl->p.registry)->catalog, set);
	if (schema != NULL)
		id = schema->id;
	mr_registry_read_end(ctl->p.registry);
	if (id == 0)
		return mr_fail(err, ENOENT, "there is no set called '%.64s'", set);
	if (from == 0)
		from = mr_store_sequence(ctl->p.store) + 1;
	if (feed_at(ctl, from, err) == NULL)
		return mark_too_old(-errno, err);
	ret = mark_too_old(put_changes(ctl, id, out, err), err);
	if (ret < 0)
		mr_ctl_store_done(ctl);
	return ret;
}

// ---- upkeep
// --------------------------------------------------------------------------------------

int mr_ctl_backup(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	int ret;

	if (r->args[0] != '/')
		return mr_fail(err, EINVAL, "'%.200s': an absolute path is expected", r->args);
	ret = mr_store_checkpoint(ctl->p.store, r->args, err);
	if (ret == 0)
		fprintf(out, "backup at sequence %" PRIu64 " or later in %s\n",
			mr_store_sequence(ctl->p.store), r->args);
	return ret;
}

int mr_ctl_verify(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	struct mr_store_verified v;
	int ret = mr_store_verify(ctl->p.store, &ctl->cancel, &v, err);

	(void)r;
	if (ret == 0)
		fprintf(out,
			"%" PRIu64 " files, %" PRIu64 " entries, %" PRIu64 " bytes: all good\n",
			v.files, v.entries, v.bytes);
	return ret;
}

int mr_ctl_compact(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	int ret = mr_store_compact(ctl->p.store, err);

	(void)r;
	if (ret == 0)
		fprintf(out, "compacted\n");
	return ret;
}
