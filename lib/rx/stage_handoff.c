// SPDX-License-Identifier: BSD-3-Clause
#include "mr_rx_priv.h"

// The I/O lcore of a request: equal keys go to the same one, where bursts read them once.
static unsigned choose_io(const struct mr_rx *rx, const struct mr_rx_request *request)
{
	struct mr_wire_row row;
	uint32_t cursor = 0;
	unsigned key_bytes = 0;
	uint64_t hash;

	if (request->view != NULL) {
		hash = rx->probe.hashes[request->first_lookup];
	} else if (request->wire.op == MR_WIRE_OP_GET) {
		const uint8_t *key = mr_wire_key_next(&request->wire, &cursor, &key_bytes);

		hash = mr_hash_key(key, key_bytes);
	} else {
		mr_wire_record_next(&request->wire, &cursor, &row);
		hash = mr_hash_key(row.key, row.key_bytes);
	}
	return rx->io[((hash >> 32) * rx->n_io) >> 32];
}

// No key of it was looked at here, so there is nothing to answer one by one.
static void shed_strong(struct mr_rx *rx, struct mr_rx_request *request)
{
	mr_small_refuse(request->m, rx->port, &request->wire, MR_WIRE_RESULT_BUSY);
	mr_count(&rx->counters.refused, 1);
	mr_count(&rx->counters.results[MR_WIRE_RESULT_BUSY], 1);
	rx->n_answered++;
	mr_rx_send(rx, request->m);
}

static void shed_write(struct mr_rx *rx, struct mr_rx_request *request)
{
	uint8_t statuses[MR_WIRE_KEYS_MAX];

	memset(statuses, MR_STATUS_BUSY, request->wire.key_count);
	mr_small_ack(request->m, rx->port, &request->wire, statuses, false, NULL);
	mr_count(&rx->counters.results[MR_WIRE_RESULT_OK], 1);
	rx->n_answered++;
	mr_rx_send(rx, request->m);
}

static void shed(struct mr_rx *rx, struct mr_rx_request *request)
{
	unsigned answered = rx->n_answered;

	mr_count(&rx->counters.shed, 1);
	if (mr_rx_samples(rx))
		mr_rx_note_refused(
			rx, request->m, &request->wire, MR_WIRE_RESULT_BUSY, MR_REASON_NONE);
	if (request->view != NULL) {
		mr_rx_reply_get(rx, request, true);
		mr_count(&rx->counters.results[MR_WIRE_RESULT_OK], rx->n_answered - answered);
		mr_rx_ages(rx);
	} else if (request->wire.op == MR_WIRE_OP_GET) {
		shed_strong(rx, request);
	} else {
		shed_write(rx, request);
	}
}

static void submit(struct mr_rx *rx, unsigned io)
{
	struct mr_rx_request **requests = rx->to_io[io];
	struct rte_mbuf *mbufs[MR_RX_BURST_MAX];
	unsigned n = rx->n_to_io[io], taken;

	for (unsigned i = 0; i < n; i++)
		mbufs[i] = requests[i]->m;
	taken = mr_handoff_submit(rx->p.handoff, rx->p.lcore->index, io, mbufs, n);
	rx->in_flight += taken;
	mr_count(&rx->counters.handed_off, taken);
	for (unsigned i = taken; i < n; i++)
		shed(rx, requests[i]);
	rx->n_to_io[io] = 0;
}

void mr_rx_handoff(struct mr_rx *rx)
{
	uint64_t touched = 0;

	for (unsigned i = 0; i < rx->n_requests; i++) {
		struct mr_rx_request *request = &rx->requests[i];
		unsigned io;

		if (mr_likely(!request->to_io))
			continue;
		io = choose_io(rx, request);
		rx->to_io[io][rx->n_to_io[io]++] = request;
		touched |= UINT64_C(1) << io;
	}
	for (; touched != 0; touched &= touched - 1)
		submit(rx, (unsigned)__builtin_ctzll(touched));
}
