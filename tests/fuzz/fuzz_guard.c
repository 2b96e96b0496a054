// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of what an operator writes about security: keys files, and lists of prefixes, which
// are built into a policy and looked up at their edges. The first byte says which.
#include <stdlib.h>
#include <string.h>

#include "mr_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A defect that the sanitizers cannot see must still stop the program.
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void fuzz_keys(const char *text, size_t bytes)
{
	struct mr_wire_keys keys = {0};
	struct mr_err err = {""};

	if (mr_wire_keys_parse(&keys, "f", text, bytes, &err) < 0) {
		MUST(err.text[0] != '\0' && keys.n_mac == 0 && keys.n_secrets == 0);
		return;
	}
	MUST(keys.n_secrets + keys.n_mac > 0);
	MUST(keys.n_secrets <= MR_WIRE_SECRETS_MAX && keys.n_mac <= MR_WIRE_MAC_KEYS_MAX);
	for (unsigned i = 0; i < keys.n_mac; i++)
		MUST(keys.mac[i].id != 0);
}

// Inside a prefix that alone says who may ask everything is allowed; just outside, what others say.
static void check_edges(const struct mr_guard *guard, const char *text)
{
	struct mr_prefix prefixes[MR_PREFIXES_MAX];
	int n = mr_prefixes_parse(prefixes, text, false, NULL);

	MUST(n >= 0);
	for (int i = 0; i < n; i++) {
		// No sender has an address in ::/64, whatever the list says.
		bool ip6_zero = prefixes[i].is_ip6 && prefixes[i].first >> 64 == 0;

		MUST(prefixes[i].first <= prefixes[i].last);
		MUST(ip6_zero || mr_guard_classify(guard, prefixes[i].first) != 0);
		MUST(prefixes[i].is_ip6 || mr_guard_classify(guard, prefixes[i].last) != 0);
	}
}

static void fuzz_lists(const char *allow, const char *limits)
{
	const struct mr_wire_keys keys = {.n_secrets = 1, .secrets = {{1, 2}}};
	struct mr_guard_params params = {
		.allow = allow,
		.limits = limits,
		.unproven_rate = 1,
		.rotation_us = 1000000,
		.n_shares = 3,
		.tsc_hz = 1000000000,
		.generation = 1,
		.keys = &keys,
	};
	struct mr_err err = {""};
	struct mr_guard *guard = mr_guard_create(&params, &err);
	char text[4096];

	if (guard == NULL) {
		MUST(err.text[0] != '\0');
		return;
	}
	check_edges(guard, allow);
	mr_guard_describe(guard, text, sizeof(text));
	mr_guard_free(guard);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text, *second;

	if (size == 0)
		return 0;
	text = malloc(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if ((data[0] & 1) == 0) {
		fuzz_keys(text, size - 1);
	} else {
		second = strchr(text, '\n');
		if (second != NULL)
			*second++ = '\0';
		fuzz_lists(text, second != NULL ? second : "");
	}
	free(text);
	return 0;
}
