// SPDX-License-Identifier: BSD-3-Clause
//
// Two hundred thousand mutated frames through RX and I/O lcores: no sanitizer finding, no mbuf
// lost, every frame answered or counted, every answer a good one. A failure prints the seed.
#include "frames.h"

#include <stdlib.h>

#define FRAMES 200000u // MR_MUTATE_FRAMES in the environment says otherwise
#define BURST 32u

static struct path path;
static struct frame frames[FRAMES_MAX + 1];

static void take_replies(unsigned *ret_n)
{
	struct rte_mbuf *m;

	while (mr_fixture_receive(&path.f, &m, 1) == 1) {
		const uint8_t *payload = rte_pktmbuf_mtod(m, const uint8_t *);
		unsigned at = mr_packet(m)->payload_at;
		struct mr_wire_reply rep;

		assert_int_equal(m->nb_segs, 1);
		// ARP and echo replies have no such magic.
		if (m->pkt_len > at + 32u && mr_load_le32(payload + at) == MR_WIRE_MAGIC_REPLY)
			assert_int_equal(mr_wire_reply_decode(payload + at, m->pkt_len - at, &rep),
				MR_WIRE_DEFECT_NONE);
		++*ret_n;
		rte_pktmbuf_free(m);
	}
}

static void mutants(void **state)
{
	const char *wanted = getenv("MR_MUTATE_FRAMES");
	unsigned n = wanted != NULL ? (unsigned)strtoul(wanted, NULL, 10) / BURST * BURST : FRAMES;
	const struct mr_rx_other other = {.unreachable_rate = 1000000};
	uint64_t seed = UINT64_C(0x6d696c6c72616365);
	struct mr_rng rng = {seed};
	struct rte_mbuf *burst[BURST];
	unsigned n_frames, n_replies = 0;

	(void)state;
	path_begin(&path, &(struct mr_fixture_params){
				  .n_io = 2, .n_mbufs = 6000, .ring_slots = 4096, .other = &other});
	for (unsigned set = PATH_USER; set <= PATH_WIDE; set++)
		path_populate(&path, set, 60);
	n_frames = frames_make(&path, frames);
	print_message("seed 0x%llx, %u kinds\n", (unsigned long long)seed, n_frames);
	for (unsigned i = 0; i < n; i += BURST) {
		struct frame mutant;

		for (unsigned k = 0; k < BURST; k++) {
			frames_mutate(&rng, frames, n_frames, &mutant);
			burst[k] = mr_fixture_raw(&path.f, mutant.data, mutant.bytes);
			assert_non_null(burst[k]);
		}
		assert_int_equal(mr_fixture_send(&path.f, 0, burst, BURST), BURST);
		mr_fixture_settle(&path.f);
		take_replies(&n_replies);
		assert_int_equal(mr_fixture_missing_mbufs(&path.f), 0);
		assert_true(mr_fixture_balanced(&path.f));
	}
	assert_int_equal(mr_fixture_rx_count(&path.f, received), n);
	// Both ends of the table are exercised: plenty of answers, plenty of refusals, writes too.
	assert_true(mr_fixture_rx_count(&path.f, answered) > n / 4);
	assert_true(mr_fixture_rx_count(&path.f, refused) > n / 20);
	assert_true(mr_fixture_rx_count(&path.f, requests_write) > n / 100);
	assert_true(mr_fixture_rx_count(&path.f, handed_off) > n / 100);
	assert_true(mr_fixture_rx_count(&path.f, unreachable) > n / 10000);
	path_end(&path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(mutants)};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
