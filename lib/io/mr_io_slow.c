// SPDX-License-Identifier: BSD-3-Clause
//
// Records of slow and refused requests, and what clients that ask are told of the time it took.
#include <rte_cycles.h>

#include "mr_io_priv.h"

static uint32_t met(const struct mr_io *io)
{
	uint32_t weather = mr_store_weather(io->p.store);

	return MR_WIRE_MET_IO | (weather & MR_STORE_COMPACTING ? MR_WIRE_MET_COMPACTION : 0) |
	       (weather & MR_STORE_STALLING ? MR_WIRE_MET_STALL : 0) |
	       (io->p.breaker != NULL && mr_breaker_is_open(io->p.breaker) ? MR_WIRE_MET_BREAKER
									   : 0);
}

static struct mr_slow describe(
	const struct mr_io *io, const struct mr_io_request *request, uint64_t now_tsc)
{
	uint64_t rx_tsc = mr_packet(request->m)->rx_tsc;
	struct mr_slow slow = {.tsc = now_tsc, .cycles = now_tsc - rx_tsc, .met = met(io)};

	memcpy(slow.spent, io->spent, sizeof(slow.spent));
	slow.spent[MR_SPENT_ring] = io->now_tsc - rx_tsc;
	mr_slow_request(&slow, &request->wire);
	return slow;
}

void mr_io_note_slow(struct mr_io *io, const struct mr_io_request *requests, unsigned n)
{
	uint64_t now_tsc = rte_rdtsc();

	for (unsigned i = 0; i < n; i++) {
		uint64_t cycles = now_tsc - mr_packet(requests[i].m)->rx_tsc;
		struct mr_slow slow;

		if (mr_likely(cycles <= io->slow_above_cycles) ||
			!mr_slowlog_wants(&io->counters.slowlog, cycles, now_tsc))
			continue;
		slow = describe(io, &requests[i], now_tsc);
		slow.others = (uint16_t)(n - 1);
		mr_slow_client(&slow, requests[i].m, false);
		mr_slow_first_key(&slow, &requests[i].wire);
		mr_slowlog_add(&io->counters.slowlog, &slow);
	}
}

void mr_io_note_refused(
	struct mr_io *io, const struct mr_io_request *request, enum mr_wire_result result)
{
	struct mr_slow slow = describe(io, request, rte_rdtsc());

	slow.result = (uint8_t)result;
	mr_slow_client(&slow, request->m, false);
	if (result != MR_WIRE_RESULT_MALFORMED)
		mr_slow_first_key(&slow, &request->wire);
	mr_slowlog_sample(&io->counters.slowlog, &slow);
}

struct mr_wire_times mr_io_times(const struct mr_io *io, const struct mr_io_request *request)
{
	struct mr_slow slow = describe(io, request, rte_rdtsc());

	return mr_slow_times(&slow, io->p.tiers->clock);
}
