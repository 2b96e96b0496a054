// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What all benches share: JSON lines on stdout, medians and spreads, memory on 2 MiB pages, and L,
 * the unit that costs are given in: one random line read with full prefetch on 2 MiB pages. L and
 * what is measured in it take turns, pass by pass, so that both see the machine in the same mood.
 *
 * One thread. Failures that leave nothing to measure are told on stderr and end the program.
 */

#include "mr_cc.h"

#include <stdbool.h>

/** Of the passes of one measurement. */
struct bench_stat {
	double median, min, max, q1, q3;
	unsigned n;
};

/** Kinds of pages, best first. */
enum bench_pages {
	BENCH_PAGES_RESERVED,    //!< 2 MiB, from the kernel's pool
	BENCH_PAGES_TRANSPARENT, //!< 2 MiB, if the kernel found them
	BENCH_PAGES_SMALL,       //!< 4 KiB
};

extern const char *const bench_pages_names[];

/** Names the bench that lines belong to, and says on stderr what it runs on. */
void bench_begin(const char *name);

/** From here on lines say this bench, and cases end in @p suffix. */
void bench_rename(const char *name, const char *suffix);

/** Says something to people, on stderr. */
void bench_say(const char *format, ...) mr_printf(1, 2);
/** Says why there is nothing to measure, and exits with 1. */
_Noreturn void bench_fail(const char *format, ...) mr_printf(1, 2);

// ---- lines -------------------------------------------------------------------------------------

/** Prints {bench, case, metric, value, unit}. */
void bench_line(const char *name, const char *metric, double value, const char *unit);

/** The same with a median's spread: min, max, q1, q3, n. */
void bench_line_stat(
	const char *name, const char *metric, const struct bench_stat *stat, const char *unit);

/** The same with baseline and ratio = value / baseline; @p stat may be NULL for @p value alone. */
void bench_line_ratio(const char *name, const char *metric, double value,
	const struct bench_stat *stat, const char *unit, double baseline);

// ---- time and figures --------------------------------------------------------------------------

double bench_now_ns(void);

static mr_always_inline uint64_t bench_tsc(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t v;

	__asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(v));
	return v;
#else
	return (uint64_t)bench_now_ns();
#endif
}

/** Nanoseconds of a TSC cycle; measured once, in 20 ms. */
double bench_ns_per_cycle(void);

/** Sorts @p values. */
struct bench_stat bench_stat_of(double *values, unsigned n);

/** Makes the compiler believe that somebody looks at @p p. */
static mr_always_inline void bench_keep(const void *p)
{
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

#define BENCH_INTERVALS_MAX 32768u
#define BENCH_GAP_RATIO 4.0

/**
 * Times what is made of many short intervals. A CPU that is taken away makes some of them long:
 * what took over BENCH_GAP_RATIO times the median, per operation, is a gap of the machine, is left
 * out and told apart.
 */
struct bench_gauge {
	unsigned n;
	uint64_t ops;                   //!< of all intervals
	double gap_share;               //!< of the time; set by bench_gauge_ns()
	double ns[BENCH_INTERVALS_MAX]; //!< an operation
	uint32_t interval_ops[BENCH_INTERVALS_MAX];
};

void bench_gauge_reset(struct bench_gauge *gauge);
void bench_gauge_add(struct bench_gauge *gauge, uint64_t cycles, unsigned ops);

/** @return mean ns an operation, without the gaps. */
double bench_gauge_ns(struct bench_gauge *gauge);

// ---- memory ------------------------------------------------------------------------------------

/**
 * Maps @p bytes, touched and zero, on the best pages to be had from @p want down.
 * @return never NULL.
 */
void *bench_map(uint64_t bytes, enum bench_pages want, enum bench_pages *ret_got);
void bench_unmap(void *mem, uint64_t bytes);

/** MemAvailable. */
uint64_t bench_memory_available(void);

// ---- L -----------------------------------------------------------------------------------------

#define BENCH_LINE_BATCH 32u

/** Where random lines are read: far larger than the last-level cache. */
struct bench_lines {
	uint8_t *span;
	uint64_t bytes;
	enum bench_pages pages;
	uint64_t seed; //!< no two passes read the same lines
};

/** Maps the span: 4 GiB, or a third of what memory there is. */
void bench_lines_open(struct bench_lines *lines, enum bench_pages want);
void bench_lines_close(struct bench_lines *lines);

/** One pass of independent reads, prefetched in batches (at most 64). @return ns a line. */
double bench_lines_pass(struct bench_lines *lines, unsigned batch, unsigned n);

/** One pass of a dependent chain. @return ns a line. */
double bench_lines_chain(struct bench_lines *lines, unsigned n);

/** What a measurement in units of L gave. */
struct bench_cost {
	struct bench_stat ns, line_ns, cost; //!< cost: of each pass, over L around it
};

/** One pass. @return ns an operation. */
typedef double (*bench_pass_fn)(void *arg);

#define BENCH_ROUNDS_MAX 64u

/** @p rounds times a pass to warm up and one that counts, between passes over lines as warm. */
struct bench_cost bench_measure(
	struct bench_lines *lines, bench_pass_fn pass, void *arg, unsigned rounds);

/** Prints time (ns), cycles, line (ns) and cost (L). */
void bench_line_cost(const char *name, const struct bench_cost *cost);
