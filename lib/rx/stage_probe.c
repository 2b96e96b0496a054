// SPDX-License-Identifier: BSD-3-Clause
#include "mr_rx_priv.h"

static mr_always_inline void count_set(struct mr_set_counters *set, enum mr_outcome outcome)
{
	if (mr_likely(outcome == MR_OUTCOME_HIT))
		mr_count(&set->hits, 1);
	else if (mr_likely(outcome == MR_OUTCOME_NEGATIVE))
		mr_count(&set->negatives, 1);
	else if (outcome == MR_OUTCOME_MISS)
		mr_count(&set->misses, 1);
}

// Adds a request's outcomes to `n` and to the counters of the sets it asked.
static mr_always_inline void settle(
	struct mr_rx *rx, struct mr_rx_request *request, unsigned n[static MR_OUTCOME_COUNT])
{
	unsigned end = request->first_lookup + request->n_lookups;

	for (unsigned k = request->first_lookup; k < end; k++) {
		const struct mr_lookup *lookup = &rx->probe.lookups[k];

		n[lookup->outcome]++;
		request->to_io |= lookup->outcome == MR_OUTCOME_MISS;
		count_set(&rx->sets[lookup->part->schema->id], lookup->outcome);
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
	for (unsigned i = 0; i < rx->n_requests; i++) {
		struct mr_rx_request *request = &rx->requests[i];

		if (mr_likely(request->view != NULL))
			settle(rx, request, n);
	}
	mr_count(&rx->counters.lookups, probe->n);
	mr_count(&rx->counters.hits, n[MR_OUTCOME_HIT]);
	mr_count(&rx->counters.negatives, n[MR_OUTCOME_NEGATIVE]);
	mr_count(&rx->counters.misses, n[MR_OUTCOME_MISS]);
}
