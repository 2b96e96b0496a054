// SPDX-License-Identifier: BSD-3-Clause
#include "mr_rx_priv.h"

// Adds one request's outcomes to the counters of the sets it asked.
static mr_always_inline void count_sets(struct mr_rx *rx, const struct mr_rx_request *request,
	const unsigned n[static MR_OUTCOME_COUNT])
{
	struct mr_set_counters *set = &rx->sets[request->view->parts[0].schema->id];
	unsigned end = request->first_lookup + request->n_lookups;

	if (mr_likely(request->view->n_parts == 1)) {
		if (n[MR_OUTCOME_HIT] > 0)
			mr_count(&set->hits, n[MR_OUTCOME_HIT]);
		if (n[MR_OUTCOME_NEGATIVE] > 0)
			mr_count(&set->negatives, n[MR_OUTCOME_NEGATIVE]);
		if (n[MR_OUTCOME_MISS] > 0)
			mr_count(&set->misses, n[MR_OUTCOME_MISS]);
		return;
	}
	for (unsigned k = request->first_lookup; k < end; k++) {
		const struct mr_lookup *lookup = &rx->probe.lookups[k];

		set = &rx->sets[lookup->part->schema->id];
		mr_count(&set->hits, lookup->outcome == MR_OUTCOME_HIT);
		mr_count(&set->negatives, lookup->outcome == MR_OUTCOME_NEGATIVE);
		mr_count(&set->misses, lookup->outcome == MR_OUTCOME_MISS);
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
		unsigned end = request->first_lookup + request->n_lookups;
		unsigned own[MR_OUTCOME_COUNT] = {0};

		if (request->view == NULL)
			continue;
		for (unsigned k = request->first_lookup; k < end; k++)
			own[probe->lookups[k].outcome]++;
		for (unsigned k = 0; k < MR_OUTCOME_COUNT; k++)
			n[k] += own[k];
		request->to_io = own[MR_OUTCOME_MISS] > 0;
		count_sets(rx, request, own);
	}
	mr_count(&rx->counters.lookups, probe->n);
	mr_count(&rx->counters.hits, n[MR_OUTCOME_HIT]);
	mr_count(&rx->counters.negatives, n[MR_OUTCOME_NEGATIVE]);
	mr_count(&rx->counters.misses, n[MR_OUTCOME_MISS]);
}
