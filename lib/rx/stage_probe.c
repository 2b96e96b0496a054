// SPDX-License-Identifier: BSD-3-Clause
#include "mr_rx_priv.h"

// Four counts in one word: adding to it waits for no store.
#define OUTCOME_BITS 16u
#define ONE_OF(outcome) (UINT64_C(1) << ((outcome)*OUTCOME_BITS))

static mr_always_inline unsigned of_outcome(uint64_t own, enum mr_outcome outcome)
{
	return own >> (outcome * OUTCOME_BITS) & ((1u << OUTCOME_BITS) - 1);
}

// Adds outcomes of lookups in one set to its counters and to those of the group.
static void add_outcomes(struct mr_rx *rx, const struct mr_view_part *part, uint64_t own,
	unsigned n[static MR_OUTCOME_COUNT])
{
	struct mr_set_counters *set = &rx->sets[part->schema->id];

	mr_count(&set->hits, of_outcome(own, MR_OUTCOME_HIT));
	mr_count(&set->negatives, of_outcome(own, MR_OUTCOME_NEGATIVE));
	mr_count(&set->misses, of_outcome(own, MR_OUTCOME_MISS));
	for (unsigned k = 0; k < MR_OUTCOME_COUNT; k++)
		n[k] += of_outcome(own, (enum mr_outcome)k);
}

// Lookups next to each other are mostly in one set: its counters are written once for them.
static void count_outcomes(struct mr_rx *rx, unsigned n[static MR_OUTCOME_COUNT])
{
	static const uint64_t one[MR_OUTCOME_COUNT] = {ONE_OF(0), ONE_OF(1), ONE_OF(2), ONE_OF(3)};
	const struct mr_lookup *lookup = rx->probe.lookups, *end = lookup + rx->probe.n;
	const struct mr_view_part *part = lookup->part;
	uint64_t own = 0;

	static_assert(MR_OUTCOME_COUNT * OUTCOME_BITS <= 64 && MR_PROBE_MAX < 1 << OUTCOME_BITS,
		"all fit a word");
	for (; lookup < end; lookup++) {
		if (mr_unlikely(lookup->part != part)) {
			add_outcomes(rx, part, own, n);
			part = lookup->part;
			own = 0;
		}
		own += one[lookup->outcome];
	}
	add_outcomes(rx, part, own, n);
}

static void mark_misses(struct mr_rx *rx)
{
	for (unsigned i = 0; i < rx->n_requests; i++) {
		struct mr_rx_request *request = &rx->requests[i];
		unsigned end = request->first_lookup + request->n_lookups;

		for (unsigned k = request->first_lookup; request->view != NULL && k < end; k++)
			request->to_io |= rx->probe.lookups[k].outcome == MR_OUTCOME_MISS;
	}
}

void mr_rx_probe(struct mr_rx *rx)
{
	struct mr_probe *probe = &rx->probe;
	unsigned n[MR_OUTCOME_COUNT] = {0};

	static_assert(MR_RX_GROUP_LOOKUPS <= MR_PROBE_GROUP_MAX, "a group fits the probe");
	if (probe->n == 0)
		return;
	mr_probe_run(probe, 0, probe->n, rx->node, mr_node_ticks(rx->node));
	mr_node_access(rx->node, &rx->accesses, probe->n);
	count_outcomes(rx, n);
	if (n[MR_OUTCOME_MISS] > 0)
		mark_misses(rx);
	mr_count(&rx->counters.lookups, probe->n);
	mr_count(&rx->counters.hits, n[MR_OUTCOME_HIT]);
	mr_count(&rx->counters.negatives, n[MR_OUTCOME_NEGATIVE]);
	mr_count(&rx->counters.misses, n[MR_OUTCOME_MISS]);
}
