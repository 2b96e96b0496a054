// SPDX-License-Identifier: BSD-3-Clause
//
// What lcores count: /millrace/lcores, /millrace/drops, /millrace/latency.
#include "mr_telemetry_priv.h"

#include <errno.h>
#include <stdlib.h>

// ---- /millrace/lcores
// ----------------------------------------------------------------------------

#define X(name, unit, help) MR_TEL(mr_rx_totals, name, U64, unit, help),
static const struct mr_tel_field rx_fields[] = {MR_RX_COUNTERS(X)};
#undef X
#define X(name, unit, help) MR_TEL(mr_io_totals, name, U64, unit, help),
static const struct mr_tel_field io_fields[] = {MR_IO_COUNTERS(X)};
#undef X

static const struct mr_tel_block lcores_blocks[] = {
	{"lcores", "array of texts, one for each lcore: role and index, CPU, NUMA node.", NULL, 0},
	{"rx", "counters of the RX lcore, or of all of them added up.", rx_fields,
		MR_ARRAY_SIZE(rx_fields)},
	{"io", "counters of the I/O lcore, or of all of them added up.", io_fields,
		MR_ARRAY_SIZE(io_fields)},
};

static int add_lcore_list(const struct mr_plan *plan, struct rte_tel_data *d)
{
	struct rte_tel_data *list = mr_tel_texts(d, "lcores");
	char text[64];
	int ret = list != NULL ? 0 : -errno;

	for (unsigned i = 0; ret == 0 && i < plan->n_lcores; i++) {
		const struct mr_lcore *l = &plan->lcores[i];

		snprintf(text, sizeof(text), "%s%u cpu %u node %u", mr_role_name(l->role), l->index,
			l->cpu, l->node);
		ret = rte_tel_data_add_array_string(list, text);
	}
	return ret;
}

static int lcores_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct mr_rx_totals rx = {0};
	struct mr_io_totals io = {0};
	enum mr_role role;
	unsigned index;
	int ret = mr_tel_lcore(ctl, params, &role, &index);

	if (ret < 0)
		return ret;
	if (ret > 0 && role == MR_ROLE_RX) {
		mr_rx_totals_add(&rx, ctl->p.rx[index]);
		return mr_tel_child_fields(d, "rx", &lcores_blocks[1], &rx);
	}
	if (ret > 0) {
		mr_io_totals_add(&io, ctl->p.io[index]);
		return mr_tel_child_fields(d, "io", &lcores_blocks[2], &io);
	}
	mr_rx_totals_all(ctl, &rx);
	mr_io_totals_all(ctl, &io);
	ret = add_lcore_list(ctl->p.plan, d);
	if (ret == 0)
		ret = mr_tel_child_fields(d, "rx", &lcores_blocks[1], &rx);
	return ret == 0 ? mr_tel_child_fields(d, "io", &lcores_blocks[2], &io) : ret;
}

const struct mr_tel_group mr_tel_lcores = {
	.command = "/millrace/lcores",
	.params = "LCORE",
	.help = "Counters of all lcores added up, or of one such as rx0 or io1",
	.blocks = lcores_blocks,
	.n_blocks = MR_ARRAY_SIZE(lcores_blocks),
	.fill = lcores_fill,
};

// ---- /millrace/drops
// -----------------------------------------------------------------------------

static const struct mr_tel_field sum_fields[] = {
	MR_TEL(mr_balance, received, U64, "packets", "frames taken from ports"),
	MR_TEL(mr_balance, answered, U64, "packets", "frames answered"),
	MR_TEL(mr_balance, reasons, U64, "packets", "frames counted under a reason"),
	MR_TEL(mr_balance, missing, U64, "packets", "neither: in hand at this moment; 0 at rest"),
	MR_TEL(mr_balance, surplus, U64, "packets", "answered or counted twice; always 0"),
};

#define X(name, help)                        \
	{#name, MR_TEL_U64, "packets", help, \
		offsetof(struct mr_rx_totals, reasons) + MR_REASON_##name * sizeof(uint64_t)},
static const struct mr_tel_field reason_fields[] = {MR_REASONS(X)};
#undef X

static const struct mr_tel_block drops_blocks[] = {
	{"sum", "received = answered + reasons + missing - surplus.", sum_fields,
		MR_ARRAY_SIZE(sum_fields)},
	{"reasons", "every way that a packet can end other than with an answer.", reason_fields,
		MR_ARRAY_SIZE(reason_fields)},
};

static int drops_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	struct mr_rx_totals rx = {0};
	struct mr_balance balance;
	enum mr_role role;
	unsigned index;
	int ret = mr_tel_lcore(ctl, params, &role, &index);

	if (ret < 0 || (ret > 0 && role != MR_ROLE_RX))
		return -EINVAL;
	if (ret > 0)
		mr_rx_totals_add(&rx, ctl->p.rx[index]);
	else
		mr_rx_totals_all(ctl, &rx);
	mr_balance_make(&rx, &balance);
	ret = mr_tel_child_fields(d, "sum", &drops_blocks[0], &balance);
	return ret == 0 ? mr_tel_child_fields(d, "reasons", &drops_blocks[1], &rx) : ret;
}

const struct mr_tel_group mr_tel_drops = {
	.command = "/millrace/drops",
	.params = "LCORE",
	.help = "Packets that were not answered, by reason: of all RX lcores, or of one such as rx0",
	.blocks = drops_blocks,
	.n_blocks = MR_ARRAY_SIZE(drops_blocks),
	.fill = drops_fill,
};

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

static int latency_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	bool one, rx, io;
	struct latencies *l;
	enum mr_role role;
	unsigned index;
	int ret = mr_tel_lcore(ctl, params, &role, &index);

	if (ret < 0)
		return ret;
	// Too large for a telemetry thread's stack.
	l = aligned_alloc(_Alignof(struct latencies), sizeof(*l));
	if (l == NULL)
		return -ENOMEM;
	*l = (struct latencies){0};
	one = ret > 0;
	rx = !one || role == MR_ROLE_RX;
	io = !one || role == MR_ROLE_IO;
	for (unsigned i = 0; rx && i < ctl->p.plan->n_rx; i++)
		if (ctl->p.rx[i] != NULL && (!one || i == index))
			merge_rx(l, ctl->p.rx[i]);
	for (unsigned i = 0; io && i < ctl->p.plan->n_io; i++)
		if (ctl->p.io[i] != NULL && (!one || i == index))
			merge_io(l, ctl->p.io[i]);
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
