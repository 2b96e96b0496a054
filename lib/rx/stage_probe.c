// SPDX-License-Identifier: BSD-3-Clause
#include "mr_rx_priv.h"

void mr_rx_probe(struct mr_rx *rx)
{
	struct mr_probe *probe = &rx->probe;
	unsigned n[4] = {0};

	static_assert(MR_RX_GROUP_LOOKUPS <= MR_PROBE_GROUP_MAX, "a group fits the probe");
	if (probe->n == 0)
		return;
	mr_probe_run(probe, 0, probe->n, rx->node, mr_node_ticks(rx->node));
	mr_node_access(rx->node, &rx->accesses, probe->n);
	for (unsigned i = 0; i < rx->n_requests; i++) {
		struct mr_rx_request *request = &rx->requests[i];
		unsigned end = request->first_lookup + request->n_lookups;
		bool miss = false;

		if (request->view == NULL)
			continue;
		for (unsigned k = request->first_lookup; k < end; k++) {
			unsigned outcome = probe->lookups[k].outcome;

			n[outcome]++;
			miss |= outcome == MR_OUTCOME_MISS;
		}
		request->to_io = miss;
	}
	mr_count(&rx->counters.lookups, probe->n);
	mr_count(&rx->counters.hits, n[MR_OUTCOME_HIT]);
	mr_count(&rx->counters.negatives, n[MR_OUTCOME_NEGATIVE]);
	mr_count(&rx->counters.misses, n[MR_OUTCOME_MISS]);
}
