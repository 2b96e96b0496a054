// SPDX-License-Identifier: BSD-3-Clause
//
// Who talks to what: /millrace/clients.
#include "mr_telemetry_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// In one reply: what fits 16 KiB with the longest names and numbers.
#define PAGE 48u

struct clients_page {
	uint64_t total, offset, sample_every, sampled, missed_at_most;
};

static const struct mr_tel_field page_fields[] = {
	MR_TEL(clients_page, total, U64, "entries", "how many there are"),
	MR_TEL(clients_page, offset, U64, "entries",
		"how many were left out before the first one here"),
	MR_TEL(clients_page, sample_every, U64, "requests",
		"one of so many is looked at, at random gaps; an estimate of n requests is off by "
		"sqrt(sample_every / n) of them (standard error)"),
	MR_TEL(clients_page, sampled, U64, "requests", "looked at, a view's once for each set"),
	MR_TEL(clients_page, missed_at_most, U64, "requests",
		"what may be missing of an entry, or an entry that is missing, besides that: there "
		"is room for 128 on each RX lcore"),
};

struct client_figures {
	char prefix[80], set[80];
	const char *access;
	uint64_t requests, over_at_most, share_ppm;
};

static const struct mr_tel_field client_fields[] = {
	MR_TEL(client_figures, prefix, TEXT, "text", "of the clients: /24, or /64 in IPv6"),
	MR_TEL(client_figures, set, TEXT, "text", "feature set, by itself or in a view"),
	MR_TEL(client_figures, access, POINTER, "text", "read or write"),
	MR_TEL(client_figures, requests, U64, "requests", "since start, estimated"),
	MR_TEL(client_figures, over_at_most, U64, "requests",
		"by which that may be too many, because its place was another's before"),
	MR_TEL(client_figures, share_ppm, U64, "ppm", "of all that was looked at"),
};

static const struct mr_tel_block clients_blocks[] = {
	{"", "", page_fields, MR_ARRAY_SIZE(page_fields)},
	{"clients/<N>", "a prefix and a set; numbered from OFFSET on, the most requests first.",
		client_fields, MR_ARRAY_SIZE(client_fields)},
};

struct clients {
	unsigned n;
	uint64_t total, missed;
	struct mr_sketch_entry *at;
};

static void merge(struct clients *all, const struct mr_sketch *sketch)
{
	all->total += sketch->total;
	all->missed += mr_sketch_least(sketch);
	for (unsigned i = 0; i < sketch->n; i++) {
		const struct mr_sketch_entry *entry = &sketch->at[i];
		unsigned k = 0;

		while (k < all->n && (all->at[k].key != entry->key || all->at[k].tag != entry->tag))
			k++;
		if (k == all->n)
			all->at[all->n++] =
				(struct mr_sketch_entry){.key = entry->key, .tag = entry->tag};
		all->at[k].count += entry->count;
		all->at[k].error += entry->error;
	}
}

static int by_count(const void *a, const void *b)
{
	uint64_t x = ((const struct mr_sketch_entry *)a)->count;
	uint64_t y = ((const struct mr_sketch_entry *)b)->count;

	return (x < y) - (x > y);
}

static void name_prefix(const struct mr_sketch_entry *entry, char *text, size_t bytes)
{
	bool ip6 = (entry->tag & MR_CLIENTS_IP6) != 0;
	uint8_t address[16] = {0};
	char name[INET6_ADDRSTRLEN] = "";

	if (ip6)
		mr_store_be64(address, entry->key);
	else
		mr_store_be32(address, (uint32_t)entry->key);
	inet_ntop(ip6 ? AF_INET6 : AF_INET, address, name, sizeof(name));
	snprintf(text, bytes, "%s/%u", name, ip6 ? 64 : 24);
}

static int add_client(const struct mr_catalog *catalog, const struct clients *all, unsigned i,
	struct rte_tel_data *d)
{
	const struct mr_sketch_entry *entry = &all->at[i];
	uint16_t id = (uint16_t)entry->tag;
	const struct mr_schema *set = mr_catalog_set_by_id(catalog, id);
	struct client_figures f = {
		.access = entry->tag & MR_CLIENTS_WRITE ? "write" : "read",
		.requests = entry->count * MR_CLIENTS_EVERY,
		.over_at_most = entry->error * MR_CLIENTS_EVERY,
		.share_ppm = mr_ppm(entry->count, all->total),
	};
	char name[16];

	name_prefix(entry, f.prefix, sizeof(f.prefix));
	if (set != NULL)
		snprintf(f.set, sizeof(f.set), "%s", set->name);
	else
		snprintf(f.set, sizeof(f.set), "%u", id);
	snprintf(name, sizeof(name), "%u", i);
	return mr_tel_child_fields(d, name, &clients_blocks[1], &f);
}

static int add_clients(
	struct mr_ctl *ctl, const struct clients *all, uint64_t offset, struct rte_tel_data *d)
{
	struct clients_page page = {
		.total = all->n,
		.offset = MR_MIN(offset, all->n),
		.sample_every = MR_CLIENTS_EVERY,
		.sampled = all->total,
		.missed_at_most = all->missed * MR_CLIENTS_EVERY,
	};
	uint64_t end = MR_MIN(page.total, page.offset + PAGE);
	const struct mr_catalog *catalog;
	struct rte_tel_data *list;
	int ret = mr_tel_fields(d, &clients_blocks[0], &page);

	if (ret < 0)
		return ret;
	list = mr_tel_child(d, "clients");
	if (list == NULL)
		return -errno;
	catalog = mr_registry_read_begin(ctl->p.registry)->catalog;
	for (uint64_t i = page.offset; ret == 0 && i < end; i++)
		ret = add_client(catalog, all, (unsigned)i, list);
	mr_registry_read_end(ctl->p.registry);
	return ret;
}

static int clients_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct mr_sketch copy;
	struct clients all = {0};
	uint64_t offset;
	int ret = mr_tel_number(params, &offset);

	if (ret < 0)
		return ret;
	all.at = calloc(ctl->p.plan->n_rx * MR_SKETCH_PLACES + 1, sizeof(*all.at));
	if (all.at == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < ctl->p.plan->n_rx; i++)
		if (ctl->p.rx[i] != NULL && mr_sketch_read(&ctl->p.rx[i]->clients, &copy))
			merge(&all, &copy);
	qsort(all.at, all.n, sizeof(*all.at), by_count);
	ret = add_clients(ctl, &all, offset, d);
	free(all.at);
	return ret;
}

const struct mr_tel_group mr_tel_clients = {
	.command = "/millrace/clients",
	.params = "OFFSET",
	.help = "Which client prefixes read and write which sets, sampled, 48 in one reply from "
		"OFFSET on",
	.blocks = clients_blocks,
	.n_blocks = MR_ARRAY_SIZE(clients_blocks),
	.fill = clients_fill,
};
