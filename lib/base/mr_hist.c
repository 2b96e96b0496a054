// SPDX-License-Identifier: BSD-3-Clause
#include "mr_hist.h"

#include <math.h>

static uint64_t get(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void put(_Atomic uint64_t *p, uint64_t v)
{
	atomic_store_explicit(p, v, memory_order_relaxed);
}

uint64_t mr_hist_cell_value(unsigned cell)
{
	unsigned shift;
	uint64_t low;

	if (cell < MR_HIST_SUB)
		return cell;
	shift = (cell >> MR_HIST_SUB_BITS) - 1;
	low = (uint64_t)((cell & (MR_HIST_SUB - 1)) | MR_HIST_SUB) << shift;
	return low + ((UINT64_C(1) << shift) >> 1);
}

void mr_hist_merge(struct mr_hist *into, const struct mr_hist *from)
{
	for (unsigned i = 0; i < MR_HIST_CELLS; i++)
		put(&into->count[i], get(&into->count[i]) + get(&from->count[i]));
	put(&into->sum, get(&into->sum) + get(&from->sum));
	put(&into->max, MR_MAX(get(&into->max), get(&from->max)));
}

void mr_hist_subtract(struct mr_hist *into, const struct mr_hist *earlier)
{
	for (unsigned i = 0; i < MR_HIST_CELLS; i++)
		put(&into->count[i], get(&into->count[i]) - get(&earlier->count[i]));
	put(&into->sum, get(&into->sum) - get(&earlier->sum));
}

uint64_t mr_hist_total(const struct mr_hist *h)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < MR_HIST_CELLS; i++)
		total += get(&h->count[i]);
	return total;
}

uint64_t mr_hist_quantile(const struct mr_hist *h, double q)
{
	uint64_t total = mr_hist_total(h), rank, seen = 0;
	unsigned last = 0;

	if (total == 0)
		return 0;
	rank = (uint64_t)ceil(q * (double)total);
	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < MR_HIST_CELLS; i++) {
		uint64_t n = get(&h->count[i]);

		if (n == 0)
			continue;
		seen += n;
		last = i;
		if (seen >= rank)
			break;
	}
	return mr_hist_cell_value(last);
}

double mr_hist_mean(const struct mr_hist *h)
{
	uint64_t total = mr_hist_total(h);

	return total == 0 ? 0.0 : (double)get(&h->sum) / (double)total;
}
