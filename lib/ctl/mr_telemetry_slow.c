// SPDX-License-Identifier: BSD-3-Clause
//
// Who waited, for what, and who was refused: /millrace/slow.
#include "mr_telemetry_priv.h"

#include "mr_key.h"
#include "mr_slowlog.h"
#include "mr_units.h"

#include <rte_cycles.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// In one reply: what fits 16 KiB with the longest names, keys and numbers.
#define PAGE 10u
// Of a key in hex: a text of DPDK's telemetry has 127 characters.
#define KEY_SHOWN_BYTES 60u
// A stage that took this share of the time, as 1 / this, is what the request waited for.
#define WAITED_SHARE 4u

struct slow_page {
	uint64_t total, offset, seen, above_us, keep_s;
};

static const struct mr_tel_field page_fields[] = {
	MR_TEL(slow_page, total, U64, "records", "how many there are"),
	MR_TEL(slow_page, offset, U64, "records",
		"how many were left out before the first one here"),
	MR_TEL(slow_page, seen, U64, "requests",
		"slower than above_us since start, or refusals sampled; those that went through an "
		"I/O lcore count there and where they came back"),
	MR_TEL(slow_page, above_us, U64, "us", "[lcores] slow_above; 0: no request is slow"),
	MR_TEL(slow_page, keep_s, U64, "s", "how long one of the slowest keeps its place"),
};

struct slow_figures {
	uint64_t ago_us, total_ns, spent_ns[MR_SPENT_COUNT], rest_ns;
	uint64_t n_keys, key_bytes, others;
	char request_id[24], trace_id[24], client[64], lcore[16], view[80],
		key[2 * MR_SLOW_KEY_BYTES + 8], waited_for[128];
	const char *op, *result, *reason;
};

#define X(name, help)                         \
	{#name "_ns", MR_TEL_U64, "ns", help, \
		offsetof(struct slow_figures, spent_ns) + MR_SPENT_##name * sizeof(uint64_t)},
static const struct mr_tel_field slow_fields[] = {
	MR_TEL(slow_figures, ago_us, U64, "us", "when it was recorded, before now"),
	MR_TEL(slow_figures, total_ns, U64, "ns", "from receiving it until then"),
	MR_TEL(slow_figures, waited_for, TEXT, "text",
		"the stages that took most of that, and what it met: the store compacting or "
		"stalling writes, the breaker open, the RX lcore's loop standing still"),
	MR_TEL(slow_figures, client, TEXT, "text",
		"address and UDP port; empty: it was with the port already"),
	MR_TEL(slow_figures, op, POINTER, "text", "operation"),
	MR_TEL(slow_figures, view, TEXT, "text", "view, or set of a write"),
	MR_TEL(slow_figures, n_keys, U64, "keys", "in the request"),
	MR_TEL(slow_figures, key, TEXT, "text",
		"the first of them; hex when it is long or of no set"),
	MR_TEL(slow_figures, key_bytes, U64, "bytes", "of that key"),
	MR_TEL(slow_figures, others, U64, "requests", "of the same burst, which took as long"),
	MR_TEL(slow_figures, result, POINTER, "text", "it was answered with"),
	MR_TEL(slow_figures, reason, POINTER, "text",
		"it was dropped under; none: it was answered"),
	MR_TEL(slow_figures, lcore, TEXT, "text", "that recorded it"),
	MR_TEL(slow_figures, request_id, TEXT, "hex", "of the client"),
	MR_TEL(slow_figures, trace_id, TEXT, "hex", "of the client; 0: none"),
	MR_SPENTS(X) MR_TEL(slow_figures, rest_ns, U64, "ns", "none of these"),
};
#undef X

static const struct mr_tel_block slow_blocks[] = {
	{"", "", page_fields, MR_ARRAY_SIZE(page_fields)},
	{"requests/<N>", "one request; numbered from OFFSET on, the slowest or the newest first.",
		slow_fields, MR_ARRAY_SIZE(slow_fields)},
};

// ---- gathering
// -----------------------------------------------------------------------------------

struct record {
	struct mr_slow slow;
	enum mr_role role;
	unsigned index;
};

struct records {
	unsigned n;
	uint64_t seen;
	struct record *at;
};

static void gather(struct records *all, const struct mr_slowlog *log, enum mr_slow_kind kind,
	enum mr_role role, unsigned index)
{
	struct mr_slow found[MR_SLOW_RECORDS];
	unsigned n = mr_slowlog_read(log, kind, found);
	uint64_t now_tsc = rte_rdtsc();

	all->seen += atomic_load_explicit(&log->seen[kind], memory_order_relaxed);
	for (unsigned i = 0; i < n; i++) {
		if (kind == MR_SLOW_SLOWEST && now_tsc - found[i].tsc >= log->keep_cycles)
			continue;
		all->at[all->n++] = (struct record){found[i], role, index};
	}
}

static bool is_same(const struct mr_slow *a, const struct mr_slow *b)
{
	return a->request_id == b->request_id && a->port == b->port && a->is_ip6 == b->is_ip6 &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

// The I/O lcore knows where the time went, the RX lcore how long it was in all: one record of both.
static void join(struct records *all)
{
	unsigned n = 0;

	for (unsigned i = 0; i < all->n; i++) {
		struct record *rx = &all->at[i], *io = NULL;

		for (unsigned k = 0; k < all->n && io == NULL; k++)
			if (rx->role == MR_ROLE_RX && all->at[k].role == MR_ROLE_IO &&
				is_same(&rx->slow, &all->at[k].slow))
				io = &all->at[k];
		if (io == NULL || io->slow.cycles > rx->slow.cycles)
			continue;
		io->slow.cycles = rx->slow.cycles;
		io->slow.met |= rx->slow.met;
		io->slow.spent[MR_SPENT_loop] = rx->slow.spent[MR_SPENT_loop];
		rx->slow.cycles = 0;
	}
	for (unsigned i = 0; i < all->n; i++)
		if (all->at[i].slow.cycles != 0)
			all->at[n++] = all->at[i];
	all->n = n;
}

static int by_cycles(const void *a, const void *b)
{
	uint64_t x = ((const struct record *)a)->slow.cycles;
	uint64_t y = ((const struct record *)b)->slow.cycles;

	return (x < y) - (x > y);
}

static int by_age(const void *a, const void *b)
{
	uint64_t x = ((const struct record *)a)->slow.tsc;
	uint64_t y = ((const struct record *)b)->slow.tsc;

	return (x < y) - (x > y);
}

// ---- telling
// -------------------------------------------------------------------------------------

static void name_client(const struct mr_slow *slow, char *text, size_t bytes)
{
	char address[INET6_ADDRSTRLEN] = "";

	text[0] = '\0';
	if (slow->port == 0)
		return;
	inet_ntop(slow->is_ip6 ? AF_INET6 : AF_INET, slow->address, address, sizeof(address));
	snprintf(text, bytes, slow->is_ip6 ? "[%s]:%u" : "%s:%u", address, slow->port);
}

static const struct mr_schema *name_view(
	const struct mr_catalog *catalog, const struct mr_slow *slow, char *text, size_t bytes)
{
	bool write = slow->op == MR_WIRE_OP_PUT || slow->op == MR_WIRE_OP_DELETE;
	const struct mr_view *view = write ? NULL : mr_catalog_view(catalog, slow->view);
	const struct mr_schema *set = write ? mr_catalog_set_by_id(catalog, slow->view) : NULL;

	if (slow->view == 0)
		text[0] = '\0';
	else if (view != NULL)
		snprintf(text, bytes, "%s", view->name);
	else if (set != NULL)
		snprintf(text, bytes, "%s", set->name);
	else
		snprintf(text, bytes, "%u", slow->view);
	return view != NULL ? view->parts[0].schema : set;
}

static void name_key(
	const struct mr_slow *slow, const struct mr_schema *schema, char *text, size_t bytes)
{
	unsigned kept = MR_MIN(slow->key_bytes, MR_SLOW_KEY_BYTES);
	int n = -1;

	if (schema != NULL && kept == slow->key_bytes && kept > 0)
		n = mr_key_print(schema, slow->key, kept, text, bytes);
	if (n >= 0 && (size_t)n < bytes)
		return;
	text[0] = '\0';
	kept = MR_MIN(kept, KEY_SHOWN_BYTES);
	for (unsigned i = 0; i < kept; i++)
		snprintf(text + 2 * i, bytes - 2 * i, "%02x", slow->key[i]);
	if (kept < slow->key_bytes)
		snprintf(text + 2 * kept, bytes - 2 * kept, "...");
}

static void append(char *text, size_t bytes, const char *what)
{
	size_t n = strlen(text);

	snprintf(text + n, bytes - n, "%s%s", n > 0 ? ", " : "", what);
}

static void name_waits(const struct mr_slow *slow, char *text, size_t bytes)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} met[] = {
		{MR_WIRE_MET_COMPACTION, "store compacting"},
		{MR_WIRE_MET_STALL, "store stalling writes"},
		{MR_WIRE_MET_BREAKER, "breaker open"},
		{MR_WIRE_MET_LOOP, "loop stood still"},
	};

	text[0] = '\0';
	for (unsigned i = 0; i < MR_SPENT_COUNT; i++)
		if (slow->spent[i] > slow->cycles / WAITED_SHARE)
			append(text, bytes, mr_spent_name((enum mr_spent)i));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(met); i++)
		if (slow->met & met[i].bit)
			append(text, bytes, met[i].name);
}

static int add_record(const struct mr_ctl *ctl, const struct mr_catalog *catalog,
	const struct record *r, unsigned number, struct rte_tel_data *d)
{
	const struct mr_slow *slow = &r->slow;
	double ns = ctl->p.tiers->clock->ns_per_cycle;
	struct slow_figures f = {
		.ago_us = (uint64_t)((double)(rte_rdtsc() - slow->tsc) * ns / 1e3),
		.total_ns = (uint64_t)((double)slow->cycles * ns),
		.n_keys = slow->n_keys,
		.key_bytes = slow->key_bytes,
		.others = slow->others,
		.op = slow->op != 0 ? mr_wire_op_name((enum mr_wire_op)slow->op) : "unknown",
		.result = mr_wire_result_name((enum mr_wire_result)slow->result),
		.reason = slow->reason != 0 ? mr_reason_name((enum mr_reason)(slow->reason - 1))
	                                    : "none",
	};
	const struct mr_schema *schema = name_view(catalog, slow, f.view, sizeof(f.view));
	char name[16];

	f.rest_ns = f.total_ns;
	for (unsigned i = 0; i < MR_SPENT_COUNT; i++) {
		f.spent_ns[i] = (uint64_t)((double)slow->spent[i] * ns);
		// What the loop stood still for may be part of another stage.
		f.rest_ns -= i == MR_SPENT_loop ? 0 : MR_MIN(f.rest_ns, f.spent_ns[i]);
	}
	// Numbers above 2^63 are more than JSON's readers take.
	snprintf(f.request_id, sizeof(f.request_id), "%" PRIx64, slow->request_id);
	snprintf(f.trace_id, sizeof(f.trace_id), "%" PRIx64, slow->trace_id);
	snprintf(f.lcore, sizeof(f.lcore), "%s%u", mr_role_name(r->role), r->index);
	name_client(slow, f.client, sizeof(f.client));
	name_key(slow, schema, f.key, sizeof(f.key));
	name_waits(slow, f.waited_for, sizeof(f.waited_for));
	snprintf(name, sizeof(name), "%u", number);
	return mr_tel_child_fields(d, name, &slow_blocks[1], &f);
}

static int add_records(struct mr_ctl *ctl, const struct records *all, struct slow_page *page,
	struct rte_tel_data *d)
{
	uint64_t end = MR_MIN(page->total, page->offset + PAGE);
	const struct mr_catalog *catalog;
	struct rte_tel_data *requests;
	int ret = mr_tel_fields(d, &slow_blocks[0], page);

	if (ret < 0)
		return ret;
	requests = mr_tel_child(d, "requests");
	if (requests == NULL)
		return -errno;
	catalog = mr_registry_read_begin(ctl->p.registry)->catalog;
	for (uint64_t i = page->offset; ret == 0 && i < end; i++)
		ret = add_record(ctl, catalog, &all->at[i], (unsigned)i, requests);
	mr_registry_read_end(ctl->p.registry);
	return ret;
}

static void gather_all(const struct mr_ctl *ctl, enum mr_slow_kind kind, struct records *all)
{
	for (unsigned i = 0; i < ctl->p.plan->n_rx; i++)
		if (ctl->p.rx[i] != NULL)
			gather(all, &ctl->p.rx[i]->slowlog, kind, MR_ROLE_RX, i);
	for (unsigned i = 0; i < ctl->p.plan->n_io; i++)
		if (ctl->p.io[i] != NULL)
			gather(all, &ctl->p.io[i]->slowlog, kind, MR_ROLE_IO, i);
	if (kind == MR_SLOW_SLOWEST)
		join(all);
	if (all->n > 0)
		qsort(all->at, all->n, sizeof(*all->at),
			kind == MR_SLOW_SLOWEST ? by_cycles : by_age);
}

static int read_params(const char *params, enum mr_slow_kind *ret_kind, uint64_t *ret_offset)
{
	size_t len = params != NULL ? strcspn(params, ",") : 0;

	*ret_kind = MR_SLOW_SLOWEST;
	if (len == strlen("refused") && memcmp(params, "refused", len) == 0)
		*ret_kind = MR_SLOW_REFUSED;
	else if (len != 0 && (len != strlen("slowest") || memcmp(params, "slowest", len) != 0))
		return -EINVAL;
	return mr_tel_number(len > 0 && params[len] == ',' ? params + len + 1 : NULL, ret_offset);
}

static int slow_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	unsigned room = (ctl->p.plan->n_rx + ctl->p.plan->n_io) * MR_SLOW_RECORDS;
	struct slow_page page = {
		.above_us = ctl->p.config->lcores.slow_above_us,
		.keep_s = MR_SLOW_KEEP_S,
	};
	struct records all = {0};
	enum mr_slow_kind kind;
	int ret = read_params(params, &kind, &page.offset);

	if (ret < 0)
		return ret;
	all.at = calloc(room, sizeof(*all.at));
	if (all.at == NULL)
		return -ENOMEM;
	gather_all(ctl, kind, &all);
	page.total = all.n;
	page.seen = all.seen;
	page.offset = MR_MIN(page.offset, page.total);
	ret = add_records(ctl, &all, &page, d);
	free(all.at);
	return ret;
}

const struct mr_tel_group mr_tel_slow = {
	.command = "/millrace/slow",
	.params = "slowest|refused[,OFFSET]",
	.help = "The slowest requests, or a sample of refusals, 10 in one reply from OFFSET on",
	.blocks = slow_blocks,
	.n_blocks = MR_ARRAY_SIZE(slow_blocks),
	.fill = slow_fill,
};
