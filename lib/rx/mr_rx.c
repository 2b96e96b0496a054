// SPDX-License-Identifier: BSD-3-Clause
#include <rte_cycles.h>

#include <errno.h>
#include <time.h>

#include "mr_rx_priv.h"
#include "mr_units.h"

// Turns that a stopping lcore waits for its requests at I/O lcores, sleeping 100 us in each.
#define DRAIN_TURNS 100000u

static int check_params(const struct mr_rx_params *params)
{
	if (params->burst > MR_RX_BURST_MAX)
		return EINVAL;
	for (unsigned i = 0; i < params->n_ports; i++)
		if (!mr_reply_fits_port(&params->ports[i]))
			return EMSGSIZE;
	return 0;
}

struct mr_rx *mr_rx_create(const struct mr_rx_params *params)
{
	bool same_node = false;
	struct mr_rx *rx;

	errno = check_params(params);
	if (errno != 0)
		return NULL;
	rx = mr_mem_alloc("mr_rx", sizeof(*rx), MR_CACHE_LINE_BYTES, params->lcore->node);
	if (rx == NULL)
		return NULL;
	rx->p = *params;
	if (rx->p.burst == 0)
		rx->p.burst = 64;
	rx->node = &params->tiers->nodes[params->lcore->node_index];
	rx->slot = params->lcore->lcore_id;
	rx->rng.state = params->lcore->index;
	rx->sample_in = (uint32_t)mr_rng_below(&rx->rng, MR_CLIENTS_EVERY);
	mr_slowlog_init(&rx->counters.slowlog, params->slow_above_us, rte_get_tsc_hz());
	rx->slow_above_cycles = rx->counters.slowlog.above_cycles;
	for (unsigned i = 0; i < params->n_ports; i++)
		rx->queues[i] = params->queues != NULL ? params->queues[i] : params->lcore->index;
	mr_rx_other_init(rx);
	// I/O lcores of this node serve it; where it has none, all do.
	for (unsigned i = 0; i < params->plan->n_io; i++)
		same_node |= mr_plan_io(params->plan, i)->node == params->lcore->node;
	for (unsigned i = 0; i < params->plan->n_io; i++)
		if (!same_node || mr_plan_io(params->plan, i)->node == params->lcore->node)
			rx->io[rx->n_io++] = (uint16_t)i;
	return rx;
}

void mr_rx_free(struct mr_rx *rx)
{
	mr_mem_free(rx);
}

struct mr_rx_counters *mr_rx_counters(struct mr_rx *rx)
{
	return &rx->counters;
}

struct mr_set_counters *mr_rx_set_counters(struct mr_rx *rx)
{
	return rx->sets;
}

uint64_t mr_rx_in_flight(const struct mr_rx *rx)
{
	return rx->in_flight;
}

#ifndef MR_TELEMETRY_OFF
// Runs a stage and records how long the group's requests waited for it.
#define TIMED(rx, stage, weight, call)                                                       \
	do {                                                                                 \
		uint64_t before_ = tsc;                                                      \
                                                                                             \
		mr_rx_enter(rx, stage);                                                      \
		call;                                                                        \
		tsc = rte_rdtsc();                                                           \
		(rx)->turn_cycles[stage] += tsc - before_;                                   \
		if ((weight) > 0)                                                            \
			mr_hist_record(                                                      \
				&(rx)->counters.stage_cycles[stage], tsc - before_, weight); \
	} while (0)
#else
#define TIMED(rx, stage, weight, call) \
	do {                           \
		(void)tsc;             \
		(void)(weight);        \
		call;                  \
	} while (0)
#endif

// Looks at a request in so many.
static mr_always_inline void sample(struct mr_rx *rx)
{
#ifndef MR_TELEMETRY_OFF
	if (mr_likely(rx->sample_in >= rx->n_requests))
		rx->sample_in -= rx->n_requests;
	else
		mr_rx_sample(rx);
#else
	(void)rx;
#endif
}

// Notes a burst that took long, while its mbufs are here to be looked at.
static mr_always_inline void note_slow(struct mr_rx *rx, uint64_t now_tsc)
{
#ifndef MR_TELEMETRY_OFF
	if (mr_unlikely(now_tsc - rx->burst_tsc > rx->slow_above_cycles))
		mr_rx_note_slow(rx, now_tsc, false);
#else
	(void)rx;
	(void)now_tsc;
#endif
}

static unsigned serve_port(struct mr_rx *rx, unsigned port_index)
{
	unsigned n = mr_rx_receive(rx, &rx->p.ports[port_index]);
	uint64_t tsc = rx->burst_tsc;

	if (n == 0)
		return 0;
	while (rx->next < n) {
		unsigned first = rx->next, n_left = 0;

		TIMED(rx, MR_STAGE_parse, rx->next - first, mr_rx_parse(rx));
		if (rx->n_requests == 0)
			continue;
		sample(rx);
		TIMED(rx, MR_STAGE_probe, rx->n_requests, mr_rx_probe(rx));
		TIMED(rx, MR_STAGE_reply, rx->n_requests, n_left = mr_rx_reply(rx));
		if (n_left > 0)
			TIMED(rx, MR_STAGE_handoff, rx->n_requests, mr_rx_handoff(rx));
	}
	note_slow(rx, tsc);
	TIMED(rx, MR_STAGE_transmit, n, mr_rx_transmit(rx, port_index));
	if (mr_unlikely(rx->n_to_kernel > 0))
		mr_rx_to_kernel(rx);
	if (rx->n_answered > 0)
		mr_hist_record(&rx->counters.inline_cycles, tsc - rx->burst_tsc, rx->n_answered);
	return n;
}

static unsigned serve_finished(struct mr_rx *rx)
{
	uint64_t tsc = rte_rdtsc();
	unsigned n = 0;

	TIMED(rx, MR_STAGE_collect, n, n = mr_rx_collect(rx));
	if (n > 0)
		for (unsigned i = 0; i < rx->p.n_ports; i++)
			mr_rx_transmit(rx, i);
	return n;
}

unsigned mr_rx_turn(struct mr_rx *rx)
{
	unsigned n = 0;

#ifndef MR_TELEMETRY_OFF
	memset(rx->turn_cycles, 0, sizeof(rx->turn_cycles));
#endif
	// why relaxed: an announcement may go out a turn late.
	if (mr_unlikely(atomic_load_explicit(&rx->announce, memory_order_relaxed) != 0))
		mr_rx_announce_asked(rx);
	for (unsigned i = 0; i < rx->p.n_ports; i++)
		if (mr_likely(rx->queues[i] != MR_RX_NO_QUEUE))
			n += serve_port(rx, i);
	if (rx->in_flight > 0)
		n += serve_finished(rx);
	if (mr_unlikely(rx->has_kernel))
		n += mr_rx_from_kernel(rx);
	mr_rcu_quiescent(rx->p.tiers->rcu, rx->slot);
	return n;
}

static void account(struct mr_rx *rx, uint64_t start, unsigned n)
{
	uint64_t cycles = rte_rdtsc() - start;

	mr_rx_enter(rx, MR_STAGE_COUNT);
	rx->last_turn_cycles = cycles;
	mr_count(&rx->counters.turns, 1);
	if (n > 0) {
		mr_idler_worked(&rx->p.idler);
		mr_count(&rx->counters.busy_cycles, cycles);
		if (rx->p.overrun_cycles != 0 && cycles > rx->p.overrun_cycles)
			mr_rx_overran(rx, cycles);
	} else {
		mr_count(&rx->counters.turns_idle, 1);
		mr_count(&rx->counters.idle_cycles, cycles);
	}
}

// Finishes what is in hand; requests that never come back are counted, so that sums hold.
static void drain(struct mr_rx *rx)
{
	struct timespec nap = {.tv_nsec = 100 * (long)MR_NS_PER_US};

	for (unsigned i = 0; i < DRAIN_TURNS && rx->in_flight > 0; i++) {
		if (serve_finished(rx) == 0)
			nanosleep(&nap, NULL);
		mr_rcu_quiescent(rx->p.tiers->rcu, rx->slot);
	}
	mr_count(&rx->counters.reasons[MR_REASON_stopping], rx->in_flight);
}

int mr_rx_run(void *arg)
{
	struct mr_rx *rx = arg;

	mr_rcu_join(rx->p.tiers->rcu, rx->slot);
	// why relaxed: a stop may be seen a turn late, and nothing else hangs on it.
	while (!atomic_load_explicit(rx->p.stop, memory_order_relaxed)) {
		uint64_t start = rte_rdtsc();
		unsigned n;

		atomic_store_explicit(&rx->counters.turn_start_tsc, start, memory_order_relaxed);
		n = mr_rx_turn(rx);
		if (n == 0)
			mr_idler_rest(&rx->p.idler);
		account(rx, start, n);
	}
	drain(rx);
	mr_rcu_leave(rx->p.tiers->rcu, rx->slot);
	return 0;
}
