// SPDX-License-Identifier: BSD-3-Clause
//
// A sample of who asks for what, one request in MR_CLIENTS_EVERY.
#include "mr_rx_priv.h"

static void add(struct mr_rx *rx, const struct mr_rx_request *request)
{
	bool write = request->wire.op != MR_WIRE_OP_GET;
	const struct mr_packet *at = mr_packet(request->m);
	const uint8_t *ip = rte_pktmbuf_mtod_offset(request->m, const uint8_t *, at->l2_bytes);
	uint32_t tag = (at->is_ip6 ? MR_CLIENTS_IP6 : 0) | (write ? MR_CLIENTS_WRITE : 0);
	uint64_t prefix;
	const struct mr_view *view;

	prefix = at->is_ip6 ? mr_load_be64(ip + 8) : mr_load_be32(ip + 12) & MR_CLIENTS_IP4_MASK;
	if (write) {
		mr_sketch_add(&rx->counters.clients, prefix, tag | request->wire.view);
		return;
	}
	view = mr_catalog_view(rx->published->catalog, request->wire.view);
	for (unsigned p = 0; view != NULL && p < view->n_parts; p++)
		mr_sketch_add(&rx->counters.clients, prefix, tag | view->parts[p].schema->id);
}

// Gaps at random, so that a client with a rhythm is sampled as others are.
static uint32_t next_gap(struct mr_rx *rx)
{
	return 1 + (uint32_t)mr_rng_below(&rx->rng, 2 * MR_CLIENTS_EVERY - 1);
}

void mr_rx_sample(struct mr_rx *rx)
{
	uint32_t at = rx->sample_in;

	while (at < rx->n_requests) {
		add(rx, &rx->requests[at]);
		at += next_gap(rx);
	}
	rx->sample_in = at - rx->n_requests;
}
