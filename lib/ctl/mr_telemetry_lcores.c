// SPDX-License-Identifier: BSD-3-Clause
//
// What lcores count: /millrace/lcores, /millrace/drops.
#include "mr_telemetry_priv.h"

#include <errno.h>

// ---- /millrace/lcores
// ----------------------------------------------------------------------------

#define X(name, unit, help) MR_TEL(mr_rx_totals, name, U64, unit, help),
static const struct mr_tel_field rx_fields[] = {MR_RX_COUNTERS(X)};
#undef X
#define X(name, unit, help) MR_TEL(mr_io_totals, name, U64, unit, help),
static const struct mr_tel_field io_fields[] = {MR_IO_COUNTERS(X)};
#undef X

#define BURST(n, name, help)                                                          \
	{                                                                             \
		name, MR_TEL_U64, "bursts", help,                                     \
			offsetof(struct mr_rx_totals, burst) + (n) * sizeof(uint64_t) \
	}
static const struct mr_tel_field burst_fields[] = {
	BURST(0, "of_0", "of no frame"),
	BURST(1, "of_1", "of one frame"),
	BURST(2, "of_2", "of 2 or 3"),
	BURST(3, "of_4", "of 4 to 7"),
	BURST(4, "of_8", "of 8 to 15"),
	BURST(5, "of_16", "of 16 to 31"),
	BURST(6, "of_32", "of 32 to 63"),
	BURST(7, "of_64", "of 64 and more"),
};

#define X(name, help)                                           \
	{"in_" #name, MR_TEL_U64, "turns", help,                \
		offsetof(struct mr_rx_totals, overrun_stages) + \
			MR_STAGE_##name * sizeof(uint64_t)},
static const struct mr_tel_field overrun_fields[] = {
	MR_STAGES(X){"in_none", MR_TEL_U64, "turns", "receiving, or the CPU was taken away",
		offsetof(struct mr_rx_totals, overrun_stages) + MR_STAGE_COUNT * sizeof(uint64_t)},
};
#undef X

#define RESULT(result, name, help)                                         \
	{                                                                  \
		name, MR_TEL_U64, "requests", help,                        \
			offsetof(struct mr_rx_totals, results) +           \
				MR_WIRE_RESULT_##result * sizeof(uint64_t) \
	}
static const struct mr_tel_field result_fields[] = {
	RESULT(OK, "ok", "answered"),
	RESULT(MALFORMED, "malformed", "not a request"),
	RESULT(BAD_VERSION, "bad_version", "protocol version not spoken here"),
	RESULT(UNKNOWN_OP, "unknown_op", "operation not known"),
	RESULT(UNKNOWN_VIEW, "unknown_view", "no such view, set, version or name"),
	RESULT(UNSUPPORTED, "unsupported", "a flag that this server does not know or allow"),
	RESULT(STALE_LAYOUT, "stale_layout", "rows made for another schema"),
	RESULT(COOKIE_NEEDED, "cookie_needed", "no valid cookie"),
	RESULT(DENIED, "denied", "sender or MAC not allowed"),
	RESULT(TOO_LATE, "too_late", "the deadline had passed"),
	RESULT(BUSY, "busy", "shed whole"),
};
static_assert(MR_ARRAY_SIZE(result_fields) == MR_WIRE_RESULT_COUNT, "a result without a name");

static const struct mr_tel_block lcores_blocks[] = {
	{"lcores", "array of texts, one for each lcore: role and index, CPU, NUMA node.", NULL, 0},
	{"rx", "counters of the RX lcore, or of all of them added up.", rx_fields,
		MR_ARRAY_SIZE(rx_fields)},
	{"io", "counters of the I/O lcore, or of all of them added up.", io_fields,
		MR_ARRAY_SIZE(io_fields)},
	{"bursts", "receive bursts of the RX lcores by their size.", burst_fields,
		MR_ARRAY_SIZE(burst_fields)},
	{"results", "requests by the result they were answered with.", result_fields,
		MR_ARRAY_SIZE(result_fields)},
	{"overruns", "turns longer than [lcores] watchdog, by the stage that took most of them.",
		overrun_fields, MR_ARRAY_SIZE(overrun_fields)},
};

static int add_rx(const struct mr_rx_totals *rx, struct rte_tel_data *d)
{
	int ret = mr_tel_child_fields(d, "rx", &lcores_blocks[1], rx);

	if (ret == 0)
		ret = mr_tel_child_fields(d, "bursts", &lcores_blocks[3], rx);
	if (ret == 0)
		ret = mr_tel_child_fields(d, "overruns", &lcores_blocks[5], rx);
	return ret == 0 ? mr_tel_child_fields(d, "results", &lcores_blocks[4], rx) : ret;
}

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
		return add_rx(&rx, d);
	}
	if (ret > 0) {
		mr_io_totals_add(&io, ctl->p.io[index]);
		return mr_tel_child_fields(d, "io", &lcores_blocks[2], &io);
	}
	mr_rx_totals_all(ctl, &rx);
	mr_io_totals_all(ctl, &io);
	ret = add_lcore_list(ctl->p.plan, d);
	if (ret == 0)
		ret = add_rx(&rx, d);
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
	.help = "Packets that were not answered, by reason: of all RX lcores, or of one such as "
		"rx0",
	.blocks = drops_blocks,
	.n_blocks = MR_ARRAY_SIZE(drops_blocks),
	.fill = drops_fill,
};
