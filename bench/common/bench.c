// SPDX-License-Identifier: BSD-3-Clause
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "mr_rng.h"
#include "mr_units.h"

#define HUGE_BYTES ((uint64_t)2 * MR_MIB)
#define SPAN_BYTES ((uint64_t)4 * MR_GIB)
#define LINES_A_PASS (1u << 18)
#define LINES_A_GAUGE 1024u
#define LINES_WARM_PASSES 8u

const char *const bench_pages_names[] = {"2 MiB, reserved", "2 MiB, transparent", "4 KiB"};

static const char *bench_name = "?", *bench_suffix = "";

void bench_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", bench_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

void bench_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", bench_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

// The value of the first "key : value" line of a /proc file that starts with @p key.
static bool proc_value(const char *file, const char *key, char *ret, size_t ret_bytes)
{
	FILE *f = fopen(file, "r");
	bool found = false;
	char line[512];

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL) {
		char *colon = strchr(line, ':');

		found = strncmp(line, key, strlen(key)) == 0 && colon != NULL;
		if (found)
			snprintf(ret, ret_bytes, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
	}
	if (f != NULL)
		fclose(f);
	return found;
}

void bench_rename(const char *name, const char *suffix)
{
	bench_name = name;
	bench_suffix = suffix;
}

uint64_t bench_memory_available(void)
{
	char text[64];

	if (!proc_value("/proc/meminfo", "MemAvailable", text, sizeof(text)))
		return MR_GIB;
	return strtoull(text, NULL, 10) * 1024;
}

void bench_begin(const char *name)
{
	char model[128] = "unknown CPU", cache[64] = "";
	struct utsname system;

	bench_name = name;
	proc_value("/proc/cpuinfo", "model name", model, sizeof(model));
	proc_value("/proc/cpuinfo", "cache size", cache, sizeof(cache));
	uname(&system);
	bench_say("%s (last-level cache %s), %ld CPUs, TSC %.0f MHz, Linux %s, gcc %s%s", model,
		cache, sysconf(_SC_NPROCESSORS_ONLN), 1e3 / bench_ns_per_cycle(), system.release,
		__VERSION__,
#ifdef __AVX2__
		", compiled for this CPU"
#else
		""
#endif
	);
}

// ---- lines -------------------------------------------------------------------------------------

static void line(const char *name, const char *metric, double value, const char *unit,
	const struct bench_stat *stat, const double *baseline)
{
	printf("{\"bench\":\"%s\",\"case\":\"%s%s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%"
	       "s\"",
		bench_name, name, bench_suffix, metric, value, unit);
	if (baseline != NULL)
		printf(",\"baseline\":%.6g,\"ratio\":%.4g", *baseline,
			*baseline != 0 ? value / *baseline : 0.0);
	if (stat != NULL)
		printf(",\"min\":%.6g,\"max\":%.6g,\"q1\":%.6g,\"q3\":%.6g,\"n\":%u", stat->min,
			stat->max, stat->q1, stat->q3, stat->n);
	printf("}\n");
	fflush(stdout);
}

void bench_line(const char *name, const char *metric, double value, const char *unit)
{
	line(name, metric, value, unit, NULL, NULL);
}

void bench_line_stat(
	const char *name, const char *metric, const struct bench_stat *stat, const char *unit)
{
	line(name, metric, stat->median, unit, stat, NULL);
}

void bench_line_ratio(const char *name, const char *metric, double value,
	const struct bench_stat *stat, const char *unit, double baseline)
{
	line(name, metric, value, unit, stat, &baseline);
}

// ---- time and figures --------------------------------------------------------------------------

double bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

double bench_ns_per_cycle(void)
{
	static double ns_per_cycle;

	if (ns_per_cycle == 0) {
		double start_ns = bench_now_ns(), now;
		uint64_t start = bench_tsc();

		do
			now = bench_now_ns();
		while (now - start_ns < 20e6);
		ns_per_cycle = (now - start_ns) / (double)(bench_tsc() - start);
	}
	return ns_per_cycle;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct bench_stat bench_stat_of(double *values, unsigned n)
{
	qsort(values, n, sizeof(*values), by_value);
	return (struct bench_stat){
		.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2,
		.min = values[0],
		.max = values[n - 1],
		.q1 = values[n / 4],
		.q3 = values[n - 1 - n / 4],
		.n = n,
	};
}

// ---- memory ------------------------------------------------------------------------------------

static uint64_t whole_pages(uint64_t bytes)
{
	return MR_ALIGN_UP(bytes, HUGE_BYTES);
}

// Aligned to 2 MiB: more is mapped, and the ends are given back.
static void *map_aligned(uint64_t bytes)
{
	uint8_t *mem = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *at;

	if (mem == MAP_FAILED)
		return MAP_FAILED;
	at = (uint8_t *)MR_ALIGN_UP((uintptr_t)mem, (uintptr_t)HUGE_BYTES);
	if (at > mem)
		munmap(mem, (size_t)(at - mem));
	munmap(at + bytes, (size_t)(mem + HUGE_BYTES - at));
	return at;
}

void *bench_map(uint64_t bytes, enum bench_pages want, enum bench_pages *ret_got)
{
	void *mem = MAP_FAILED;

	bytes = whole_pages(bytes);
	*ret_got = want;
	if (want == BENCH_PAGES_RESERVED)
		mem = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED) {
		mem = map_aligned(bytes);
		if (mem == MAP_FAILED)
			bench_fail("no memory for %.1f GiB: %s", (double)bytes / (double)MR_GIB,
				strerror(errno));
		if (want != BENCH_PAGES_SMALL && madvise(mem, bytes, MADV_HUGEPAGE) == 0) {
			*ret_got = BENCH_PAGES_TRANSPARENT;
		} else {
			madvise(mem, bytes, MADV_NOHUGEPAGE);
			*ret_got = BENCH_PAGES_SMALL;
		}
	}
	for (uint64_t at = 0; at < bytes; at += 4096)
		((uint8_t *)mem)[at] = 1;
	return mem;
}

void bench_unmap(void *mem, uint64_t bytes)
{
	munmap(mem, whole_pages(bytes));
}

// ---- L -----------------------------------------------------------------------------------------

void bench_lines_open(struct bench_lines *lines, enum bench_pages want)
{
	lines->bytes = MR_MIN(SPAN_BYTES, bench_memory_available() / 3) / HUGE_BYTES * HUGE_BYTES;
	lines->span = bench_map(lines->bytes, want, &lines->pages);
	lines->seed = 1;
	bench_say("random lines are read from %.1f GiB on pages of %s",
		(double)lines->bytes / (double)MR_GIB, bench_pages_names[lines->pages]);
}

void bench_lines_close(struct bench_lines *lines)
{
	bench_unmap(lines->span, lines->bytes);
	lines->span = NULL;
}

void bench_gauge_reset(struct bench_gauge *gauge)
{
	gauge->n = 0;
	gauge->ops = 0;
}

void bench_gauge_add(struct bench_gauge *gauge, uint64_t cycles, unsigned ops)
{
	gauge->ops += ops;
	if (gauge->n == BENCH_INTERVALS_MAX)
		return;
	gauge->ns[gauge->n] = (double)cycles * bench_ns_per_cycle() / ops;
	gauge->interval_ops[gauge->n++] = ops;
}

double bench_gauge_ns(struct bench_gauge *gauge)
{
	static double sorted[BENCH_INTERVALS_MAX];
	double all_ns = 0, ns = 0, ops = 0, limit;

	if (gauge->n == 0)
		return 0;
	memcpy(sorted, gauge->ns, gauge->n * sizeof(sorted[0]));
	limit = BENCH_GAP_RATIO * bench_stat_of(sorted, gauge->n).median;
	for (unsigned i = 0; i < gauge->n; i++) {
		double interval_ns = gauge->ns[i] * gauge->interval_ops[i];

		all_ns += interval_ns;
		if (gauge->ns[i] > limit)
			continue;
		ns += interval_ns;
		ops += gauge->interval_ops[i];
	}
	gauge->gap_share = 1 - ns / all_ns;
	return ns / ops;
}

static void read_lines(
	const struct bench_lines *lines, struct mr_rng *rng, unsigned batch, unsigned n)
{
	uint64_t n_lines = lines->bytes / MR_CACHE_LINE_BYTES, sum = 0;

	for (unsigned i = 0; i < n; i += batch) {
		const uint8_t *at[64];

		for (unsigned j = 0; j < batch; j++) {
			at[j] = lines->span + mr_rng_below(rng, n_lines) * MR_CACHE_LINE_BYTES;
			mr_prefetch(at[j]);
		}
		for (unsigned j = 0; j < batch; j++)
			sum += *(const uint64_t *)(const void *)at[j];
	}
	bench_keep(&sum);
}

double bench_lines_pass(struct bench_lines *lines, unsigned batch, unsigned n)
{
	struct mr_rng rng = {lines->seed++ << 32};
	static struct bench_gauge gauge;

	bench_gauge_reset(&gauge);
	for (unsigned i = 0; i < n; i += LINES_A_GAUGE) {
		uint64_t start = bench_tsc();

		read_lines(lines, &rng, batch, LINES_A_GAUGE);
		bench_gauge_add(&gauge, bench_tsc() - start, LINES_A_GAUGE);
	}
	return bench_gauge_ns(&gauge);
}

double bench_lines_chain(struct bench_lines *lines, unsigned n)
{
	uint64_t n_lines = lines->bytes / MR_CACHE_LINE_BYTES, last = 0;
	struct mr_rng rng = {lines->seed++ << 32};
	double start = bench_now_ns();

	for (unsigned i = 0; i < n; i++) {
		// What was read decides, by nothing, where to read next.
		rng.state += last >> 63;
		last = *(const uint64_t *)(const void *)(lines->span + mr_rng_below(&rng, n_lines) *
									       MR_CACHE_LINE_BYTES);
	}
	bench_keep(&last);
	return (bench_now_ns() - start) / n;
}

// L once the machine's translations of the span are back in its caches: under a hypervisor with
// small pages the first pass after other work takes twice as long, and L would flatter what it
// measures.
static double warm_line_ns(struct bench_lines *lines)
{
	for (unsigned i = 0; i < LINES_WARM_PASSES; i++)
		bench_lines_pass(lines, BENCH_LINE_BATCH, LINES_A_PASS);
	return bench_lines_pass(lines, BENCH_LINE_BATCH, LINES_A_PASS);
}

struct bench_cost bench_measure(
	struct bench_lines *lines, bench_pass_fn pass, void *arg, unsigned rounds)
{
	double ns[BENCH_ROUNDS_MAX], line_ns[BENCH_ROUNDS_MAX], cost[BENCH_ROUNDS_MAX];
	double before = warm_line_ns(lines);

	rounds = MR_MIN(rounds, BENCH_ROUNDS_MAX);
	for (unsigned i = 0; i < rounds; i++) {
		double after;

		pass(arg);
		ns[i] = pass(arg);
		after = warm_line_ns(lines);
		line_ns[i] = (before + after) / 2;
		cost[i] = ns[i] / line_ns[i];
		before = after;
	}
	return (struct bench_cost){
		.ns = bench_stat_of(ns, rounds),
		.line_ns = bench_stat_of(line_ns, rounds),
		.cost = bench_stat_of(cost, rounds),
	};
}

void bench_line_cost(const char *name, const struct bench_cost *cost)
{
	bench_line_stat(name, "time", &cost->ns, "ns");
	bench_line(name, "cycles", cost->ns.median / bench_ns_per_cycle(), "cycles");
	bench_line_stat(name, "line", &cost->line_ns, "ns");
	bench_line_stat(name, "cost", &cost->cost, "L");
	bench_say("%-24s %7.1f ns  %5.2f L  (q1 %.2f, q3 %.2f; L = %.1f ns)", name, cost->ns.median,
		cost->cost.median, cost->cost.q1, cost->cost.q3, cost->line_ns.median);
}
