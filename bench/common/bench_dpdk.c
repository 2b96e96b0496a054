// SPDX-License-Identifier: BSD-3-Clause
#include "bench_dpdk.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_memory.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PING_PONGS 20000u

static unsigned free_hugepages_mb(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned pages = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%u", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages * 2;
}

// "0@3,1@5": the first CPUs that this process may use.
static void print_lcores(char *text, size_t bytes, unsigned most)
{
	cpu_set_t cpus;
	unsigned n = 0;
	size_t at = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < most; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			at += (size_t)snprintf(
				text + at, bytes - at, "%s%u@%u", n > 0 ? "," : "", n, cpu),
				n++;
}

static int ask_transparent(const struct rte_memseg_list *list, void *arg)
{
	(void)arg;
	return madvise(list->base_va, list->len, MADV_HUGEPAGE) < 0;
}

static void start_eal(const char *program, unsigned megabytes, unsigned most, bool shared)
{
	char name[256], heap[16], lcores[BENCH_LCORES_MAX * 8];
	char in_memory[] = "--in-memory", no_huge[] = "--no-huge", no_shconf[] = "--no-shconf";
	char no_pci[] = "--no-pci", one_file[] = "--single-file-segments";
	char m[] = "-m", l[] = "--lcores", telemetry[] = "--no-telemetry",
	     level[] = "--log-level=*:4";
	bool huge = free_hugepages_mb() >= megabytes;
	char *argv[12] = {
		name, huge ? in_memory : no_shconf, no_pci, m, heap, l, lcores, telemetry, level};
	int argc = 9;

	snprintf(name, sizeof(name), "%s", program);
	snprintf(heap, sizeof(heap), "%u", megabytes);
	print_lcores(lcores, sizeof(lcores), MR_MIN(most, BENCH_LCORES_MAX));
	if (!huge)
		argv[argc++] = no_huge;
	if (shared && huge)
		argv[argc++] = one_file;
	if (rte_eal_init(argc, argv) < 0)
		bench_fail("EAL does not start with %u MB: %s", megabytes, rte_strerror(rte_errno));
	if (!huge && rte_memseg_list_walk(ask_transparent, NULL) != 0)
		bench_say("no transparent hugepages");
	bench_say("%u MB of heap on %s; lcores %s", megabytes,
		bench_pages_names[huge ? BENCH_PAGES_RESERVED : BENCH_PAGES_TRANSPARENT], lcores);
}

void bench_eal(const char *program, unsigned megabytes)
{
	start_eal(program, megabytes, 2, false);
}

void bench_eal_lcores(const char *program, unsigned megabytes, unsigned most)
{
	start_eal(program, megabytes, most, false);
}

void bench_eal_shared(const char *program, unsigned megabytes)
{
	start_eal(program, megabytes, 2, true);
}

unsigned bench_other_lcore(void)
{
	return rte_get_next_lcore(rte_lcore_id(), 1, 0);
}

struct ping {
	_Atomic uint64_t here mr_cache_aligned;
	_Atomic uint64_t there mr_cache_aligned;
};

static int pong(void *arg)
{
	struct ping *ping = arg;

	for (uint64_t i = 1; i <= PING_PONGS; i++) {
		while (atomic_load_explicit(&ping->here, memory_order_acquire) != i)
			mr_pause();
		atomic_store_explicit(&ping->there, i, memory_order_release);
	}
	return 0;
}

double bench_ping_pong(unsigned other)
{
	static struct ping ping;
	double start, ns[5];

	for (unsigned round = 0; round < MR_ARRAY_SIZE(ns); round++) {
		atomic_store(&ping.here, 0);
		atomic_store(&ping.there, 0);
		rte_eal_remote_launch(pong, &ping, other);
		start = bench_now_ns();
		for (uint64_t i = 1; i <= PING_PONGS; i++) {
			atomic_store_explicit(&ping.here, i, memory_order_release);
			while (atomic_load_explicit(&ping.there, memory_order_acquire) != i)
				mr_pause();
		}
		ns[round] = (bench_now_ns() - start) / PING_PONGS / 2;
		rte_eal_wait_lcore(other);
	}
	return bench_stat_of(ns, MR_ARRAY_SIZE(ns)).median;
}
