// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>

#include "mr_guard_priv.h"

// Why ranges and not rte_lpm: a flood from random addresses touches a few KiB here and a table of
// 64 MiB there, and the list is one that a person writes.

static const mr_address_t ip4_last = MR_ADDRESS_IP4 | UINT32_MAX;

static bool is_ip4(mr_address_t address)
{
	return address >= MR_ADDRESS_IP4 && address <= ip4_last;
}

// The longest prefix of a list that holds @p address; NULL: none.
static const struct mr_prefix *longest(
	const struct mr_guard_lists *lists, enum mr_guard_list list, mr_address_t address)
{
	const struct mr_prefix *best = NULL;

	for (unsigned i = 0; i < lists->n[list]; i++) {
		const struct mr_prefix *prefix = &lists->prefixes[list][i];

		// ::/0 means every IPv6 address, and no IPv4 address.
		if (prefix->is_ip6 == is_ip4(address) || address < prefix->first ||
			address > prefix->last)
			continue;
		if (best == NULL || prefix->bits > best->bits)
			best = prefix;
	}
	return best;
}

static mr_guard_class_t class_of(const struct mr_guard_lists *lists, mr_address_t address)
{
	static const mr_guard_class_t meaning[] = {
		[MR_GUARD_LIST_ALLOW] = MR_GUARD_ALLOWED,
		[MR_GUARD_LIST_TRUSTED] = MR_GUARD_ALLOWED | MR_GUARD_TRUSTED,
		[MR_GUARD_LIST_REFUSE] = 0,
	};
	const struct mr_prefix *best = NULL, *limit;
	mr_guard_class_t class = 0;

	// ::/64 holds the unspecified address, loopback, and IPv4 in IPv6's clothes: no sender.
	if (!is_ip4(address) && address >> 64 == 0)
		return 0;
	for (enum mr_guard_list list = MR_GUARD_LIST_ALLOW; list <= MR_GUARD_LIST_REFUSE; list++) {
		const struct mr_prefix *prefix = longest(lists, list, address);

		if (prefix != NULL && (best == NULL || prefix->bits > best->bits)) {
			best = prefix;
			class = meaning[list];
		}
	}
	if (class == 0)
		return 0;
	if (lists->all_write || longest(lists, MR_GUARD_LIST_WRITERS, address) != NULL)
		class |= MR_GUARD_WRITE;
	limit = longest(lists, MR_GUARD_LIST_LIMITS, address);
	if (limit != NULL)
		class |= (mr_guard_class_t)(limit - lists->prefixes[MR_GUARD_LIST_LIMITS] + 1)
		         << MR_GUARD_LIMIT_SHIFT;
	return class;
}

static int compare(const void *a, const void *b)
{
	mr_address_t x = *(const mr_address_t *)a, y = *(const mr_address_t *)b;

	return x < y ? -1 : x > y;
}

// Every address at which a class may begin, in order.
static unsigned collect_starts(const struct mr_guard_lists *lists, mr_address_t *starts)
{
	unsigned n = 0;

	starts[n++] = 0;
	starts[n++] = MR_ADDRESS_IP4;
	starts[n++] = ip4_last + 1;
	starts[n++] = (mr_address_t)1 << 64;
	for (unsigned list = 0; list < MR_GUARD_LIST_COUNT; list++)
		for (unsigned i = 0; i < lists->n[list]; i++) {
			const struct mr_prefix *prefix = &lists->prefixes[list][i];

			starts[n++] = prefix->first;
			// Behind the last address of all there is none.
			starts[n++] = prefix->last + 1;
		}
	qsort(starts, n, sizeof(*starts), compare);
	return n;
}

int mr_guard_ranges_build(
	struct mr_guard *guard, const struct mr_guard_lists *lists, struct mr_err *err)
{
	unsigned most = 4, n;

	for (unsigned list = 0; list < MR_GUARD_LIST_COUNT; list++)
		most += 2 * lists->n[list];
	guard->starts = calloc(most, sizeof(*guard->starts));
	guard->classes = calloc(most, sizeof(*guard->classes));
	if (guard->starts == NULL || guard->classes == NULL)
		return mr_fail(err, ENOMEM, "no memory for %u address ranges", most);
	n = collect_starts(lists, guard->starts);
	for (unsigned i = 0; i < n; i++) {
		mr_address_t start = guard->starts[i];
		mr_guard_class_t class = class_of(lists, start);

		if (guard->n_ranges > 0 && guard->classes[guard->n_ranges - 1] == class)
			continue;
		guard->starts[guard->n_ranges] = start;
		guard->classes[guard->n_ranges++] = class;
	}
	return 0;
}

mr_guard_class_t mr_guard_classify(const struct mr_guard *guard, mr_address_t address)
{
	unsigned first = 0, n = guard->n_ranges;

	// The first range starts at 0, so there is always one that begins at or before the address.
	while (n > 1) {
		unsigned half = n / 2;

		first += guard->starts[first + half] <= address ? half : 0;
		n -= half;
	}
	return guard->classes[first];
}

mr_guard_class_t mr_guard_admit_stranger(const struct mr_guard *guard, struct mr_guard_lcore *lcore,
	mr_address_t address, uint64_t cookie)
{
	struct mr_guard_known *known = &lcore->known[mr_guard_slot(address)];
	mr_guard_class_t class = mr_guard_classify(guard, address);

	if (class == 0)
		return 0;
	if ((class & MR_GUARD_TRUSTED) == 0 && !mr_guard_cookie_holds(guard, address, cookie))
		return class;
	class |= MR_GUARD_PROVEN;
	*known = (struct mr_guard_known){
		.address = address,
		.cookie = cookie,
		.generation = (uint32_t)guard->generation,
		.class = class,
	};
	return class;
}
