// SPDX-License-Identifier: BSD-3-Clause
//
// What the policy costs a single-key hit: requests through a whole RX lcore over an in-memory port
// with prefixes, cookie and limit checked, and without a policy, pass by pass in turn; `ratio` is
// the rate with over the rate without. One client, a thousand, and only strangers, whose cookies
// have to be computed. Then a flood: two forged datagrams from refused addresses beside each good
// one; `ratio` is the rate of good ones over what their and the flood's own costs leave room for.
//
// bench_security [--rows N] [--memory]; --memory prints the MB of hugepages wanted.
#include <rte_mbuf.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_work.h"
#include "mr_guard.h"
#include "mr_units.h"

#define ROUNDS 15u
#define BATCH 256u
#define REQUESTS (1u << 16)
#define PREFIXES 60u
#define STRANGERS (1u << 16)
#define IP_SRC_AT 26u
#define COOKIE_AT (42u + offsetof(struct mr_wire_req, cookie))

/** Who sends. */
struct senders {
	const char *name;
	unsigned n;         //!< addresses
	unsigned n_refused; //!< of every three frames
};

static const struct senders kinds[] = {
	{"get-uniform", 1, 0},
	{"get-uniform-1000-clients", 1000, 0},
	{"get-uniform-strangers", STRANGERS, 0},
	{"flood-alone", 1, 3},
	{"flood", 1, 2},
};

/** One client's address, and its cookie. */
struct client {
	uint32_t ip_be;
	uint64_t cookie;
};

static struct bench_work *work;
static struct bench_keys keys;
static struct client clients[STRANGERS];
static struct mr_guard *guard;
static uint64_t next_client, next_frame;

static void make_guard(void)
{
	struct mr_wire_keys secrets = {.n_secrets = 2, .secrets = {{1, 2}, {3, 4}}};
	char allow[PREFIXES * 24];
	struct mr_guard_params params = {
		.allow = allow,
		.limits = "10.0.0.0/8 1000000000",
		.limit_burst_us = MR_US_PER_S,
		.unproven_rate = 1000000,
		.rotation_us = 3600 * MR_US_PER_S,
		.n_shares = 1,
		.tsc_hz = (uint64_t)(1e9 / bench_ns_per_cycle()),
		.now_us = work->now_us,
		.generation = 1,
		.keys = &secrets,
	};
	unsigned at = (unsigned)snprintf(allow, sizeof(allow), "10.0.0.0/8");
	struct mr_err err = {""};

	for (unsigned i = 0; i < PREFIXES - 1; i++)
		at += (unsigned)snprintf(allow + at, sizeof(allow) - at, ", 100.%u.0.0/16", i);
	guard = mr_guard_create(&params, &err);
	if (guard == NULL)
		bench_fail("%s", err.text);
	for (unsigned i = 0; i < STRANGERS; i++) {
		uint32_t ip = UINT32_C(10) << 24 | (i + 2);

		clients[i].ip_be = htobe32(ip);
		clients[i].cookie = mr_guard_cookie(guard, MR_ADDRESS_IP4 | ip, i);
	}
}

static void set_sender(uint8_t *frame, const struct senders *kind)
{
	const struct client *client = &clients[next_client++ % kind->n];
	bool refused = next_frame++ % 3 < kind->n_refused;
	uint32_t ip_be = client->ip_be;

	// From all over the Internet.
	if (refused)
		ip_be = htobe32(UINT32_C(11) << 24 | (uint32_t)(next_frame * 2654435761u) >> 8);
	memcpy(frame + IP_SRC_AT, &ip_be, sizeof(ip_be));
	mr_store_le64(frame + COOKIE_AT, client->cookie);
}

// A pass. @return ns of RX turns that found work, for each frame.
static double pass(const struct senders *kind)
{
	static struct bench_gauge busy;
	struct rte_mbuf *frames[BATCH];

	bench_gauge_reset(&busy);
	while (busy.ops < REQUESTS) {
		unsigned n = bench_work_make(work, &keys, frames, BATCH);

		for (unsigned i = 0; i < n; i++)
			set_sender(rte_pktmbuf_mtod(frames[i], uint8_t *), kind);
		bench_work_turns(work, mr_rx_turn, frames, n, &busy);
	}
	return bench_gauge_ns(&busy);
}

static double guarded_pass(const struct senders *kind, bool with)
{
	double ns;

	atomic_store(&work->f.tiers.guard, with ? guard : NULL);
	ns = pass(kind);
	atomic_store(&work->f.tiers.guard, NULL);
	return ns;
}

static void check(const struct senders *kind, uint64_t hits, uint64_t frames)
{
	double share = (double)(mr_fixture_rx_count(&work->f, hits) - hits) / (double)frames;
	double want = 1 - kind->n_refused / 3.0;

	// A row in ten million has no place in the cache: its requests wait for a store that is not
	// there.
	if (mr_fixture_unanswered(&work->f) != mr_fixture_in_flight(&work->f) ||
		share < want - 0.01 || share > want + 0.01)
		bench_fail("%s: %.3f of the frames were hits, want %.3f", kind->name, share, want);
}

// With the policy and without it in turn; each pair of passes gives a ratio, and the middle counts,
// because neighbours that take the CPU away do it to single passes.
static void compare(const struct senders *kind)
{
	double with[ROUNDS], without[ROUNDS], ratios[ROUNDS];
	struct bench_stat a, b, ratio;
	uint64_t hits;

	guarded_pass(kind, true);
	guarded_pass(kind, false);
	hits = mr_fixture_rx_count(&work->f, hits);
	for (unsigned i = 0; i < ROUNDS; i++) {
		without[i] = guarded_pass(kind, false);
		with[i] = guarded_pass(kind, true);
		ratios[i] = without[i] / with[i];
	}
	check(kind, hits, 2 * ROUNDS * REQUESTS);
	a = bench_stat_of(with, ROUNDS);
	b = bench_stat_of(without, ROUNDS);
	ratio = bench_stat_of(ratios, ROUNDS);
	bench_line_stat(kind->name, "time", &a, "ns/request");
	bench_line_stat(kind->name, "time-without", &b, "ns/request");
	bench_line_ratio(kind->name, "requests", ratio.median * 1e9 / b.median, NULL, "requests/s",
		1e9 / b.median);
	bench_say("%-26s %6.1f ns with the policy, %6.1f ns without: %.3f of the rate", kind->name,
		a.median, b.median, ratio.median);
}

static void flood(void)
{
	double alone[ROUNDS], ratios[ROUNDS], rates[ROUNDS];
	uint64_t hits = mr_fixture_rx_count(&work->f, hits);
	struct bench_stat refused, ratio, rate;

	for (unsigned i = 0; i < ROUNDS; i++) {
		double good = guarded_pass(&kinds[0], true), mixed;

		alone[i] = guarded_pass(&kinds[3], true);
		mixed = guarded_pass(&kinds[4], true);
		rates[i] = 1e9 / (3 * mixed);
		ratios[i] = (good + 2 * alone[i]) / (3 * mixed);
	}
	// Of three passes one is all hits, one none, and one a third.
	if (mr_fixture_rx_count(&work->f, hits) - hits < ROUNDS * REQUESTS * 13 / 10)
		bench_fail("flood: good requests were not answered");
	refused = bench_stat_of(alone, ROUNDS);
	ratio = bench_stat_of(ratios, ROUNDS);
	rate = bench_stat_of(rates, ROUNDS);
	bench_line_stat("flood-alone", "time", &refused, "ns/frame");
	bench_line_ratio("flood", "good-requests", rate.median, NULL, "requests/s",
		rate.median / ratio.median);
	bench_say("%-26s a refused frame costs %.1f ns; good ones keep %.3f of what that leaves",
		"flood", refused.median, ratio.median);
}

int main(int argc, char **argv)
{
	work = bench_work_begin("security", argc, argv, &keys);
	make_guard();
	for (unsigned i = 0; i < 3; i++)
		compare(&kinds[i]);
	flood();
	mr_guard_free(guard);
	bench_work_end(work);
	return 0;
}
