// SPDX-License-Identifier: BSD-3-Clause
//
// What the memory system does: random line reads on one core, in a chain where each must wait for
// the one before, and independent ones prefetched in batches; on 2 MiB pages and on 4 KiB pages.
// Case L is the unit of the other benches.
#include "bench.h"

#include <stdio.h>

#define READS (1u << 20)
#define CHAIN_READS (1u << 17)
#define ROUNDS 15u

// batch 0: a chain.
static struct bench_stat measure(struct bench_lines *lines, unsigned batch)
{
	double ns[ROUNDS];

	for (unsigned i = 0; i <= ROUNDS; i++)
		ns[i > 0 ? i - 1 : 0] = batch == 0 ? bench_lines_chain(lines, CHAIN_READS)
		                                   : bench_lines_pass(lines, batch, READS);
	return bench_stat_of(ns, ROUNDS);
}

static void run(enum bench_pages want, const char *pages)
{
	static const unsigned batches[] = {0, 1, 8, 16, 32, 64};
	struct bench_lines lines;

	bench_lines_open(&lines, want);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(batches); i++) {
		struct bench_stat stat = measure(&lines, batches[i]);
		char name[64];

		if (batches[i] == 0)
			snprintf(name, sizeof(name), "chain-%s", pages);
		else
			snprintf(name, sizeof(name), "independent-%s-b%u", pages, batches[i]);
		bench_line_stat(name, "time", &stat, "ns");
		bench_say("%-24s %7.1f ns (min %.1f, max %.1f)", name, stat.median, stat.min,
			stat.max);
		if (batches[i] == BENCH_LINE_BATCH && want != BENCH_PAGES_SMALL)
			bench_line_stat("L", "time", &stat, "ns");
	}
	bench_lines_close(&lines);
}

int main(void)
{
	bench_begin("memory");
	run(BENCH_PAGES_RESERVED, "2m");
	run(BENCH_PAGES_SMALL, "4k");
	return 0;
}
