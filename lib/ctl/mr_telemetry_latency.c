// SPDX-License-Identifier: BSD-3-Clause
//
// How long requests and stages took: /millrace/latency, and the histograms behind it,
// /millrace/cells.
#include "mr_telemetry_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// ---- /millrace/latency
// ---------------------------------------------------------------------------

struct latency {
	uint64_t count, mean_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
};

static const struct mr_tel_field latency_fields[] = {
	MR_TEL(latency, count, U64, "records", "how many were measured"),
	MR_TEL(latency, mean_ns, U64, "ns", "mean"),
	MR_TEL(latency, p50_ns, U64, "ns", "median; quantiles are within 0.8 %"),
	MR_TEL(latency, p90_ns, U64, "ns", "90th percentile"),
	MR_TEL(latency, p99_ns, U64, "ns", "99th percentile"),
	MR_TEL(latency, p999_ns, U64, "ns", "99.9th percentile"),
	MR_TEL(latency, max_ns, U64, "ns", "largest since start"),
};

#define X(name, help) {"stage_" #name, help, NULL, 0},
static const struct mr_tel_block latency_blocks[] = {
	{"<what>", "each of the following, with these fields.", latency_fields,
		MR_ARRAY_SIZE(latency_fields)},
	{"total", "requests from receive burst to transmit, however they were answered", NULL, 0},
	{"inline", "those answered by the RX lcore alone", NULL, 0},
	{"handoff", "those that went through an I/O lcore", NULL, 0},
	MR_STAGES(X){"io_ring", "requests waiting in the ring for an I/O lcore", NULL, 0},
	{"io_read", "a burst's store reads", NULL, 0},
	{"io_commit", "a burst's commit", NULL, 0},
};
#undef X

/** Histograms of the lcores asked for, merged. */
struct latencies {
	struct mr_hist total, inlined, handoff, stages[MR_STAGE_COUNT], ring, read, commit;
};

static void merge_rx(struct latencies *l, const struct mr_rx_counters *rx)
{
	mr_hist_merge(&l->total, &rx->inline_cycles);
	mr_hist_merge(&l->total, &rx->handoff_cycles);
	mr_hist_merge(&l->inlined, &rx->inline_cycles);
	mr_hist_merge(&l->handoff, &rx->handoff_cycles);
	for (unsigned i = 0; i < MR_STAGE_COUNT; i++)
		mr_hist_merge(&l->stages[i], &rx->stage_cycles[i]);
}

static void merge_io(struct latencies *l, const struct mr_io_counters *io)
{
	mr_hist_merge(&l->ring, &io->ring_cycles);
	mr_hist_merge(&l->read, &io->read_cycles);
	mr_hist_merge(&l->commit, &io->commit_cycles);
}

static int add_latency(
	const struct mr_ctl *ctl, struct rte_tel_data *d, const char *name, const struct mr_hist *h)
{
	double ns = ctl->p.tiers->clock->ns_per_cycle;
	struct latency l = {
		.count = mr_hist_total(h),
		.mean_ns = (uint64_t)(mr_hist_mean(h) * ns),
		.p50_ns = (uint64_t)((double)mr_hist_quantile(h, 0.5) * ns),
		.p90_ns = (uint64_t)((double)mr_hist_quantile(h, 0.9) * ns),
		.p99_ns = (uint64_t)((double)mr_hist_quantile(h, 0.99) * ns),
		.p999_ns = (uint64_t)((double)mr_hist_quantile(h, 0.999) * ns),
		.max_ns = (uint64_t)((double)atomic_load_explicit(&h->max, memory_order_relaxed) *
				     ns),
	};

	return mr_tel_child_fields(d, name, &latency_blocks[0], &l);
}

static int add_rx_latencies(
	const struct mr_ctl *ctl, struct rte_tel_data *d, const struct latencies *l)
{
	int ret = add_latency(ctl, d, "total", &l->total);
	char name[64];

	if (ret == 0)
		ret = add_latency(ctl, d, "inline", &l->inlined);
	if (ret == 0)
		ret = add_latency(ctl, d, "handoff", &l->handoff);
	for (unsigned i = 0; ret == 0 && i < MR_STAGE_COUNT; i++) {
		snprintf(name, sizeof(name), "stage_%s", mr_stage_name((enum mr_stage)i));
		ret = add_latency(ctl, d, name, &l->stages[i]);
	}
	return ret;
}

static int add_io_latencies(
	const struct mr_ctl *ctl, struct rte_tel_data *d, const struct latencies *l)
{
	int ret = add_latency(ctl, d, "io_ring", &l->ring);

	if (ret == 0)
		ret = add_latency(ctl, d, "io_read", &l->read);
	return ret == 0 ? add_latency(ctl, d, "io_commit", &l->commit) : ret;
}

/** @return histograms merged, for the caller to free; NULL: no memory. */
static struct latencies *merge(const struct mr_ctl *ctl, bool rx, bool io, int only)
{
	// Too large for a telemetry thread's stack.
	struct latencies *l = aligned_alloc(_Alignof(struct latencies), sizeof(*l));

	if (l == NULL)
		return NULL;
	*l = (struct latencies){0};
	for (unsigned i = 0; rx && i < ctl->p.plan->n_rx; i++)
		if (ctl->p.rx[i] != NULL && (only < 0 || i == (unsigned)only))
			merge_rx(l, ctl->p.rx[i]);
	for (unsigned i = 0; io && i < ctl->p.plan->n_io; i++)
		if (ctl->p.io[i] != NULL && (only < 0 || i == (unsigned)only))
			merge_io(l, ctl->p.io[i]);
	return l;
}

static int latency_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	enum mr_role role = MR_ROLE_RX;
	unsigned index = 0;
	int ret = mr_tel_lcore(ctl, params, &role, &index);
	bool rx = ret == 0 || role == MR_ROLE_RX, io = ret == 0 || role == MR_ROLE_IO;
	struct latencies *l;

	if (ret < 0)
		return ret;
	l = merge(ctl, rx, io, ret > 0 ? (int)index : -1);
	if (l == NULL)
		return -ENOMEM;
	ret = rx ? add_rx_latencies(ctl, d, l) : 0;
	if (ret == 0 && io)
		ret = add_io_latencies(ctl, d, l);
	free(l);
	return ret;
}

const struct mr_tel_group mr_tel_latency = {
	.command = "/millrace/latency",
	.params = "LCORE",
	.help = "Latency of every request and stage: of all lcores, or of one such as rx0 or io1",
	.blocks = latency_blocks,
	.n_blocks = MR_ARRAY_SIZE(latency_blocks),
	.fill = latency_fill,
};

// ---- /millrace/cells
// -----------------------------------------------------------------------------

// Pairs in one reply: an array has 512 places.
#define PAGE 256u

struct cells {
	uint64_t sum_cycles, max_cycles, next;
};

static const struct mr_tel_field cells_fields[] = {
	MR_TEL(cells, sum_cycles, U64, "cycles",
		"of all records; info/tsc_hz of them are a second"),
	MR_TEL(cells, max_cycles, U64, "cycles", "largest since start"),
	MR_TEL(cells, next, U64, "", "FROM of the next page; 0: this is the last"),
};

static const struct mr_tel_block cells_blocks[] = {
	{"", "", cells_fields, MR_ARRAY_SIZE(cells_fields)},
	{"cells",
		"array of numbers in pairs: a cell and its count, without those that are 0. Cell "
		"numbers below 64 are cycles; above, cell c holds (64 + c % 64) << (c / 64 - 1) "
		"and what is less than a 64th more.",
		NULL, 0},
};

static const struct mr_hist *find_hist(const struct latencies *l, const char *name, size_t len)
{
	const struct {
		const char *name;
		const struct mr_hist *hist;
	} fixed[] = {
		{"total", &l->total},
		{"inline", &l->inlined},
		{"handoff", &l->handoff},
		{"io_ring", &l->ring},
		{"io_read", &l->read},
		{"io_commit", &l->commit},
	};
	char stage[64];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(fixed); i++)
		if (strlen(fixed[i].name) == len && memcmp(fixed[i].name, name, len) == 0)
			return fixed[i].hist;
	for (unsigned i = 0; i < MR_STAGE_COUNT; i++) {
		snprintf(stage, sizeof(stage), "stage_%s", mr_stage_name((enum mr_stage)i));
		if (strlen(stage) == len && memcmp(stage, name, len) == 0)
			return &l->stages[i];
	}
	return NULL;
}

static int add_cells(const struct mr_hist *h, uint64_t from, struct rte_tel_data *d)
{
	struct cells cells = {
		.sum_cycles = atomic_load_explicit(&h->sum, memory_order_relaxed),
		.max_cycles = atomic_load_explicit(&h->max, memory_order_relaxed),
	};
	struct rte_tel_data *list = mr_tel_numbers(d, "cells");
	int ret = list != NULL ? 0 : -errno;
	unsigned n = 0;

	for (uint64_t i = from; ret == 0 && i < MR_HIST_CELLS && cells.next == 0; i++) {
		uint64_t count = atomic_load_explicit(&h->count[i], memory_order_relaxed);

		if (count == 0)
			continue;
		if (n == PAGE) {
			cells.next = i;
			continue;
		}
		n++;
		ret = rte_tel_data_add_array_u64(list, i);
		if (ret == 0)
			ret = rte_tel_data_add_array_u64(list, count);
	}
	return ret == 0 ? mr_tel_fields(d, &cells_blocks[0], &cells) : ret;
}

static int cells_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	size_t len = params != NULL ? strcspn(params, ",") : 0;
	const struct mr_hist *h = NULL;
	struct latencies *l;
	uint64_t from;
	int ret = len > 0 ? mr_tel_number(params[len] == ',' ? params + len + 1 : NULL, &from)
	                  : -EINVAL;

	if (ret < 0)
		return ret;
	l = merge(ctl, true, true, -1);
	if (l == NULL)
		return -ENOMEM;
	h = find_hist(l, params, len);
	ret = h != NULL ? add_cells(h, from, d) : -EINVAL;
	free(l);
	return ret;
}

const struct mr_tel_group mr_tel_cells = {
	.command = "/millrace/cells",
	.params = "WHAT[,FROM]",
	.help = "The histogram behind one of /millrace/latency, 256 cells in one reply from FROM "
		"on",
	.blocks = cells_blocks,
	.n_blocks = MR_ARRAY_SIZE(cells_blocks),
	.fill = cells_fill,
};

// ---- /millrace/ages
// -----------------------------------------------------------------------------

struct ages {
	uint64_t count, mean_us, p50_us, p90_us, p99_us, max_us;
};

static const struct mr_tel_field ages_fields[] = {
	MR_TEL(ages, count, U64, "rows", "how many were answered; within 8 an RX lcore"),
	MR_TEL(ages, mean_us, U64, "us", "mean age"),
	MR_TEL(ages, p50_us, U64, "us", "median; to the millisecond, or within 0.8 %"),
	MR_TEL(ages, p90_us, U64, "us", "90th percentile"),
	MR_TEL(ages, p99_us, U64, "us", "99th percentile"),
	MR_TEL(ages, max_us, U64, "us", "oldest that was taken since start"),
};

static const struct mr_tel_block ages_blocks[] = {
	{"",
		"Age: now minus the row's event time. When an RX lcore has more than eight lookups "
		"at once, one hit in eight is taken, for eight.",
		ages_fields, MR_ARRAY_SIZE(ages_fields)},
};

static int ages_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct mr_hist *h = aligned_alloc(_Alignof(struct mr_hist), sizeof(*h));
	struct ages ages;

	(void)params;
	if (h == NULL)
		return -ENOMEM;
	memset(h, 0, sizeof(*h));
	for (unsigned i = 0; i < ctl->p.plan->n_rx; i++)
		if (ctl->p.rx[i] != NULL)
			mr_hist_merge(h, &ctl->p.rx[i]->served_age);
	for (unsigned i = 0; i < ctl->p.plan->n_io; i++)
		if (ctl->p.io[i] != NULL)
			mr_hist_merge(h, &ctl->p.io[i]->served_age);
	ages = (struct ages){
		.count = mr_hist_total(h),
		.mean_us = (uint64_t)(mr_hist_mean(h) * (double)MR_AGE_UNIT_US),
		.p50_us = mr_hist_quantile(h, 0.5) * MR_AGE_UNIT_US,
		.p90_us = mr_hist_quantile(h, 0.9) * MR_AGE_UNIT_US,
		.p99_us = mr_hist_quantile(h, 0.99) * MR_AGE_UNIT_US,
		.max_us = atomic_load_explicit(&h->max, memory_order_relaxed) * MR_AGE_UNIT_US,
	};
	free(h);
	return mr_tel_fields(d, &ages_blocks[0], &ages);
}

const struct mr_tel_group mr_tel_ages = {
	.command = "/millrace/ages",
	.params = "",
	.help = "How old the rows were that were answered; those of as-of reads are left out",
	.blocks = ages_blocks,
	.n_blocks = MR_ARRAY_SIZE(ages_blocks),
	.fill = ages_fill,
};
