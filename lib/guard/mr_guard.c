// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mr_guard_priv.h"
#include "mr_units.h"

// Prefixes of public space that are shorter than this hold more hosts than one operator answers
// for.
#define WIDE_IP4_BITS 16u
#define WIDE_IP6_BITS 32u

static const char *const list_keys[MR_GUARD_LIST_COUNT] = {
	[MR_GUARD_LIST_ALLOW] = "allow",
	[MR_GUARD_LIST_TRUSTED] = "trusted",
	[MR_GUARD_LIST_REFUSE] = "refuse",
	[MR_GUARD_LIST_WRITERS] = "writers",
	[MR_GUARD_LIST_LIMITS] = "limits",
};

static int read_lists(
	struct mr_guard_lists *lists, const struct mr_guard_params *params, struct mr_err *err)
{
	const char *texts[MR_GUARD_LIST_COUNT] = {
		params->allow, params->trusted, params->refuse, params->writers, params->limits};

	for (unsigned i = 0; i < MR_GUARD_LIST_COUNT; i++) {
		int n = mr_prefixes_parse(lists->prefixes[i], texts[i] != NULL ? texts[i] : "",
			i == MR_GUARD_LIST_LIMITS, err);

		if (n < 0) {
			mr_err_prefix(err, "[security] %s: ", list_keys[i]);
			return n;
		}
		lists->n[i] = (unsigned)n;
	}
	lists->all_write = lists->n[MR_GUARD_LIST_WRITERS] == 0 && params->keys->n_mac > 0;
	return 0;
}

// The same prefix in two lists that say who may ask: which did they mean?
static int check_conflicts(const struct mr_guard_lists *lists, struct mr_err *err)
{
	char text[MR_PREFIX_TEXT_BYTES];

	for (unsigned a = MR_GUARD_LIST_ALLOW; a < MR_GUARD_LIST_REFUSE; a++)
		for (unsigned b = a + 1; b <= MR_GUARD_LIST_REFUSE; b++)
			for (unsigned i = 0; i < lists->n[a] * lists->n[b]; i++) {
				const struct mr_prefix *x = &lists->prefixes[a][i / lists->n[b]];
				const struct mr_prefix *y = &lists->prefixes[b][i % lists->n[b]];

				if (x->first == y->first && x->bits == y->bits &&
					x->is_ip6 == y->is_ip6)
					return mr_fail(err, EINVAL,
						"[security] %s is in %s and in %s: take it out of "
						"one",
						mr_prefix_text(x, text), list_keys[a],
						list_keys[b]);
			}
	return 0;
}

static bool is_inside(const struct mr_prefix *prefix, mr_address_t first, mr_address_t last)
{
	return prefix->first >= first && prefix->last <= last;
}

static bool is_private(const struct mr_prefix *prefix)
{
	static const struct {
		uint32_t first, last;
	} ip4[] = {
		{0x0a000000, 0x0affffff}, // 10/8
		{0xac100000, 0xac1fffff}, // 172.16/12
		{0xc0a80000, 0xc0a8ffff}, // 192.168/16
		{0xa9fe0000, 0xa9feffff}, // 169.254/16
		{0x64400000, 0x647fffff}, // 100.64/10
		{0xc6120000, 0xc613ffff}, // 198.18/15: benchmarks
	};
	const mr_address_t ula = (mr_address_t)0xfc << 120,
			   link_local = (mr_address_t)0xfe80 << 112;

	if (prefix->is_ip6)
		return is_inside(prefix, ula, ula | (((mr_address_t)1 << 121) - 1)) ||
		       is_inside(prefix, link_local, link_local | (((mr_address_t)1 << 118) - 1));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(ip4); i++)
		if (is_inside(prefix, MR_ADDRESS_IP4 | ip4[i].first, MR_ADDRESS_IP4 | ip4[i].last))
			return true;
	return false;
}

static bool is_wide(const struct mr_prefix *prefix)
{
	return !is_private(prefix) &&
	       prefix->bits < (prefix->is_ip6 ? WIDE_IP6_BITS : WIDE_IP4_BITS);
}

static void warn(struct mr_guard *guard, const char *format, ...) mr_printf(2, 3);

static void warn(struct mr_guard *guard, const char *format, ...)
{
	va_list args;

	if (guard->n_warnings == MR_GUARD_WARNINGS_MAX)
		return;
	va_start(args, format);
	vsnprintf(guard->warnings[guard->n_warnings++], sizeof(guard->warnings[0]), format, args);
	va_end(args);
}

// Refuses, or only warns where the operator said `unsafe`.
static int insecure(struct mr_guard *guard, bool unsafe, struct mr_err *err, const char *what)
{
	if (!unsafe)
		return mr_fail(err, EINVAL, "[security] %s (unsafe = yes would accept this)", what);
	warn(guard, "UNSAFE: %s", what);
	return 0;
}

static int check_trusted(
	struct mr_guard *guard, const struct mr_guard_lists *lists, bool unsafe, struct mr_err *err)
{
	for (unsigned i = 0; i < lists->n[MR_GUARD_LIST_TRUSTED]; i++) {
		const struct mr_prefix *prefix = &lists->prefixes[MR_GUARD_LIST_TRUSTED][i];
		char name[MR_PREFIX_TEXT_BYTES], what[256];
		int ret;

		mr_prefix_text(prefix, name);
		snprintf(what, sizeof(what),
			"trusted = %s: whoever forges a source address in that much public space "
			"makes this appliance flood its owner: name the hosts you mean",
			name);
		ret = is_wide(prefix) ? insecure(guard, unsafe, err, what) : 0;
		if (ret < 0)
			return ret;
		warn(guard,
			"%s is TRUSTED: senders there need no cookie, and get replies longer than "
			"their requests even if the address is forged",
			name);
	}
	return 0;
}

// Without MACs a writer is whoever has, or can forge, the address.
static int check_writers(
	struct mr_guard *guard, const struct mr_guard_lists *lists, bool unsafe, struct mr_err *err)
{
	for (unsigned i = 0; i < lists->n[MR_GUARD_LIST_WRITERS] && !guard->macs_needed; i++) {
		const struct mr_prefix *prefix = &lists->prefixes[MR_GUARD_LIST_WRITERS][i];
		char name[MR_PREFIX_TEXT_BYTES], other[MR_PREFIX_TEXT_BYTES], what[256];
		int ret = 0;

		mr_prefix_text(prefix, name);
		snprintf(what, sizeof(what),
			"writers = %s, without MAC keys: too many hosts to let them all write: "
		        "name "
			"the hosts you mean, or give [mac] keys in the keys file",
			name);
		if (is_wide(prefix))
			ret = insecure(guard, unsafe, err, what);
		for (unsigned t = 0; t < lists->n[MR_GUARD_LIST_TRUSTED] && ret == 0; t++) {
			const struct mr_prefix *trusted =
				&lists->prefixes[MR_GUARD_LIST_TRUSTED][t];

			if (trusted->is_ip6 != prefix->is_ip6 || trusted->last < prefix->first ||
				trusted->first > prefix->last)
				continue;
			snprintf(what, sizeof(what),
				"writers = %s and trusted = %s, without MAC keys: whoever forges "
				"such an address writes: give [mac] keys in the keys file",
				name, mr_prefix_text(trusted, other));
			ret = insecure(guard, unsafe, err, what);
		}
		if (ret < 0)
			return ret;
		warn(guard, "%s may write WITHOUT a MAC: a cookie is all that is asked of it",
			name);
	}
	return 0;
}

static int check_secure(
	struct mr_guard *guard, const struct mr_guard_lists *lists, bool unsafe, struct mr_err *err)
{
	int ret = check_conflicts(lists, err);

	if (lists->n[MR_GUARD_LIST_ALLOW] + lists->n[MR_GUARD_LIST_TRUSTED] == 0)
		warn(guard, "nobody may ask: neither allow nor trusted names a prefix, so every "
			    "request is refused");
	if (ret == 0)
		ret = check_trusted(guard, lists, unsafe, err);
	if (ret == 0)
		ret = check_writers(guard, lists, unsafe, err);
	return ret;
}

// This lcore's share of a rate.
static struct mr_guard_limit make_limit(
	uint64_t rate, uint64_t burst_us, const struct mr_guard_params *params)
{
	__extension__ typedef unsigned __int128 wide;
	wide cost = (wide)params->tsc_hz * 16 * params->n_shares / rate;
	wide burst = (wide)params->tsc_hz * 16 * burst_us / MR_US_PER_S;

	// However slow the rate and short the burst, one request at a time must pass.
	return (struct mr_guard_limit){
		.cost = (uint64_t)MR_MAX(cost, 1u),
		.burst = (uint64_t)burst,
	};
}

static int set_limits(struct mr_guard *guard, const struct mr_guard_lists *lists,
	const struct mr_guard_params *params, struct mr_err *err)
{
	unsigned n = lists->n[MR_GUARD_LIST_LIMITS];

	if (n > MR_GUARD_LIMITS_MAX)
		return mr_fail(err, EINVAL, "[security] limits: more than %u", MR_GUARD_LIMITS_MAX);
	for (unsigned i = 0; i < n; i++)
		guard->limits[i + 1] = make_limit(lists->prefixes[MR_GUARD_LIST_LIMITS][i].rate,
			params->limit_burst_us, params);
	guard->unproven = make_limit(params->unproven_rate, params->limit_burst_us, params);
	return 0;
}

static int build(struct mr_guard *guard, struct mr_guard_lists *lists,
	const struct mr_guard_params *params, struct mr_err *err)
{
	int ret = read_lists(lists, params, err);

	guard->generation = params->generation;
	guard->dry_run = params->limit_dry_run;
	guard->macs_needed = params->keys->n_mac > 0;
	guard->n_mac = params->keys->n_mac;
	memcpy(guard->mac, params->keys->mac, sizeof(guard->mac));
	mr_guard_secrets_derive(guard, params->keys, params->rotation_us, params->now_us);
	if (ret == 0)
		ret = check_secure(guard, lists, params->unsafe, err);
	if (ret == 0)
		ret = set_limits(guard, lists, params, err);
	if (ret == 0)
		ret = mr_guard_ranges_build(guard, lists, err);
	return ret;
}

struct mr_guard *mr_guard_create(const struct mr_guard_params *params, struct mr_err *err)
{
	struct mr_guard *guard = calloc(1, sizeof(*guard));
	struct mr_guard_lists *lists = calloc(1, sizeof(*lists));
	int ret = -ENOMEM;

	if (guard == NULL || lists == NULL)
		mr_fail(err, ENOMEM, "no memory for the security policy");
	else
		ret = build(guard, lists, params, err);
	free(lists);
	if (ret == 0)
		return guard;
	mr_guard_free(guard);
	errno = -ret;
	return NULL;
}

void mr_guard_free(struct mr_guard *guard)
{
	if (guard == NULL)
		return;
	free(guard->starts);
	free(guard->classes);
	explicit_bzero(guard, sizeof(*guard));
	free(guard);
}
