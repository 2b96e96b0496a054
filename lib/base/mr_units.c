// SPDX-License-Identifier: BSD-3-Clause
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mr_cc.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit byte_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", MR_KIB },
	{ "KiB", MR_KIB },
	{ "M", MR_MIB },
	{ "MiB", MR_MIB },
	{ "G", MR_GIB },
	{ "GiB", MR_GIB },
	{ "T", MR_GIB * 1024 },
	{ "TiB", MR_GIB * 1024 },
};

// Largest last: mr_format_duration_us() walks it backwards.
static const struct unit time_units[] = {
	{ "us", 1 },
	{ "ms", MR_US_PER_MS },
	{ "s", MR_US_PER_S },
	{ "m", 60 * MR_US_PER_S },
	{ "h", 3600 * MR_US_PER_S },
	{ "d", 86400 * MR_US_PER_S },
	{ "w", 7 * 86400 * MR_US_PER_S },
};

static int parse_digits(const char **text, uint64_t *ret_value)
{
	const char *p = *text;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(v, UINT64_C(10), &v))
			return -ERANGE;
		if (__builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return -ERANGE;
	}
	*text = p;
	*ret_value = v;
	return 0;
}

static int parse_with_unit(const char *text, const struct unit *units, unsigned n_units,
	uint64_t *ret_value)
{
	uint64_t v;
	int ret = parse_digits(&text, &v);

	if (ret < 0)
		return ret;
	for (unsigned i = 0; i < n_units; i++) {
		if (strcmp(text, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, &v))
			return -ERANGE;
		*ret_value = v;
		return 0;
	}
	return -EINVAL;
}

int mr_parse_bytes(const char *text, uint64_t *ret_bytes)
{
	return parse_with_unit(text, byte_units, MR_ARRAY_SIZE(byte_units), ret_bytes);
}

int mr_parse_duration_us(const char *text, uint64_t *ret_us)
{
	if (strcmp(text, "0") == 0) {
		*ret_us = 0;
		return 0;
	}
	return parse_with_unit(text, time_units, MR_ARRAY_SIZE(time_units), ret_us);
}

int mr_parse_u64(const char *text, uint64_t *ret_value)
{
	static const struct unit none = { "", 1 };

	return parse_with_unit(text, &none, 1, ret_value);
}

const char *mr_format_duration_us(uint64_t us, char *text, unsigned text_bytes)
{
	unsigned i = MR_ARRAY_SIZE(time_units) - 1;

	while (i > 0 && (us == 0 || us % time_units[i].factor != 0))
		i--;
	snprintf(text, text_bytes, "%" PRIu64 "%s", us / time_units[i].factor,
		us == 0 ? "" : time_units[i].name);
	return text;
}
