// SPDX-License-Identifier: BSD-3-Clause
//
// Runs the simulation: several seeds for a moment each, or with --seed one for as long as told.
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: sim [--steps N] [--seed S] [--seeds N]\n"
	"\n"
	"Takes N steps (default 25000) from seed S (default 1), then from the seeds after\n"
	"it (default 8 of them). Each step is a request, a turn of some lcore, a moment of\n"
	"the clock, a switch of versions, a step of a filter's rebuild, or a kill. Prints\n"
	"what it went through; ends with 1 at the first answer that cannot be right, and\n"
	"says how to see it again. A long run:\n"
	"\n"
	"    sim --seeds 200 --steps 50000\n";

static void step(void)
{
	unsigned what = sim_below(10000);

	if (what < 3500)
		sim_send();
	else if (what < 6200)
		sim_turn_rx(sim_below(SIM_RX));
	else if (what < 8500)
		sim_turn_io(sim_below(SIM_IO));
	else if (what < 9600 && !sim.client_sleeps)
		sim_receive();
	else if (what < 9780)
		sim_rebuild_step();
	else if (what < 9800)
		sim_switch();
	else if (what < 9940)
		sim_advance_clock();
	else if (what < 9997)
		sim_settle();
	else if (sim_chance(2))
		sim_restart();
}

static void add(struct sim_tally *sum, const struct sim_tally *tally)
{
#define X(name) sum->name += tally->name;
	SIM_TALLIES(X)
#undef X
}

// What never happened was not tested.
static int report(const struct sim_tally *sum, bool all_wanted)
{
	int missing = 0;

#define X(name)                                       \
	printf("%s %" PRIu64 "\n", #name, sum->name); \
	missing += sum->name == 0;
	SIM_TALLIES(X)
#undef X
	if (!all_wanted || missing == 0)
		return 0;
	fprintf(stderr, "sim: some of this never happened: more steps or other odds are needed\n");
	return 1;
}

int main(int argc, char **argv)
{
	uint64_t steps = 25000, seed = 1, seeds = 8;
	struct sim_tally sum = {0};

	for (int i = 1; i < argc; i += 2) {
		uint64_t *to = strcmp(argv[i], "--steps") == 0   ? &steps
		               : strcmp(argv[i], "--seed") == 0  ? &seed
		               : strcmp(argv[i], "--seeds") == 0 ? &seeds
		                                                 : NULL;

		if (to == NULL || i + 1 == argc) {
			fputs(usage, stderr);
			return 2;
		}
		*to = strtoull(argv[i + 1], NULL, 0);
	}
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	for (uint64_t s = seed; s < seed + seeds; s++) {
		sim_open(s);
		for (sim.step = 0; sim.step < steps; sim.step++)
			step();
		sim_close();
		add(&sum, &sim.tally);
		if ((s - seed + 1) % 20 == 0)
			fprintf(stderr, "sim: %" PRIu64 " of %" PRIu64 " seeds\n", s - seed + 1,
				seeds);
	}
	return report(&sum, steps * seeds >= 200000);
}
