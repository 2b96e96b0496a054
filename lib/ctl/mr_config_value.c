// SPDX-License-Identifier: BSD-3-Clause
#include "mr_config_priv.h"
#include "mr_prefix.h"
#include "mr_units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool mr_config_is_port_key(const struct mr_config_key *key)
{
	return strcmp(key->section, "port") == 0;
}

// ---- to text
// -------------------------------------------------------------------------------------

static void bytes_text(uint64_t bytes, char *text, size_t text_bytes)
{
	static const char suffixes[] = "KMGT";
	char suffix[2] = "";

	for (unsigned i = 0; i < 4 && bytes > 0 && bytes % MR_KIB == 0; i++) {
		bytes /= MR_KIB;
		suffix[0] = suffixes[i];
	}
	snprintf(text, text_bytes, "%" PRIu64 "%s", bytes, suffix);
}

// The shortest form that reads back as the same number.
static void ratio_text(double value, char *text, size_t text_bytes)
{
	if (value < 0) {
		snprintf(text, text_bytes, "auto");
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, text_bytes, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

void mr_config_number_text(
	const struct mr_config_key *key, double value, char *text, size_t text_bytes)
{
	if (key->type == MR_CONFIG_RATIO)
		ratio_text(value, text, text_bytes);
	else if (key->type == MR_CONFIG_BYTES)
		bytes_text((uint64_t)value, text, text_bytes);
	else if (key->type == MR_CONFIG_DURATION)
		mr_format_duration_us((uint64_t)value, text, (unsigned)text_bytes);
	else
		snprintf(text, text_bytes, "%" PRIu64, (uint64_t)value);
}

// The choice number @p index of "a|b|c".
static void choice_text(const char *choices, unsigned index, char *text, size_t text_bytes)
{
	for (; index > 0; index--)
		choices = strchr(choices, '|') + 1;
	snprintf(text, text_bytes, "%.*s", (int)strcspn(choices, "|"), choices);
}

void mr_config_value(const struct mr_config *config, const struct mr_config_port *port,
	const struct mr_config_key *key, char *text, size_t text_bytes)
{
	const void *at = mr_config_at(config, port, key);
	uint64_t number;
	double ratio;

	switch (key->type) {
	case MR_CONFIG_TEXT:
	case MR_CONFIG_CPUS:
	case MR_CONFIG_PREFIXES:
	case MR_CONFIG_RATES:
		snprintf(text, text_bytes, "%s", (const char *)at);
		return;
	case MR_CONFIG_ADDRESSES:
		snprintf(text, text_bytes, "%s", ((const struct mr_config_addresses *)at)->text);
		return;
	case MR_CONFIG_SWITCH:
		snprintf(text, text_bytes, "%s", *(const bool *)at ? "yes" : "no");
		return;
	case MR_CONFIG_CHOICE:
		choice_text(key->choices, *(const unsigned *)at, text, text_bytes);
		return;
	case MR_CONFIG_RATIO:
		memcpy(&ratio, at, sizeof(ratio));
		ratio_text(ratio, text, text_bytes);
		return;
	case MR_CONFIG_COUNT:
	case MR_CONFIG_BYTES:
	case MR_CONFIG_DURATION:
		// Not through a double: a u64 keeps all its digits.
		memcpy(&number, at, sizeof(number));
		if (key->type == MR_CONFIG_BYTES)
			bytes_text(number, text, text_bytes);
		else if (key->type == MR_CONFIG_DURATION)
			mr_format_duration_us(number, text, (unsigned)text_bytes);
		else
			snprintf(text, text_bytes, "%" PRIu64, number);
		return;
	}
}

// "a, b, c" of "a|b|c".
static void choices_text(const char *choices, char *text, size_t text_bytes)
{
	size_t n = 0;

	for (const char *p = choices; *p != '\0' && n + 3 < text_bytes; p++) {
		text[n++] = *p == '|' ? ',' : *p;
		if (*p == '|')
			text[n++] = ' ';
	}
	text[n] = '\0';
}

void mr_config_range_text(const struct mr_config_key *key, char *text, size_t text_bytes)
{
	char min[32], max[32];
	double least = key->min < 0 ? 0 : key->min;

	switch (key->type) {
	case MR_CONFIG_TEXT:
		snprintf(text, text_bytes, "%s%.0f bytes", key->min > 0 ? "1 to " : "at most ",
			key->max);
		return;
	case MR_CONFIG_CPUS:
		snprintf(text, text_bytes, "CPU list: 0,2-3");
		return;
	case MR_CONFIG_ADDRESSES:
		snprintf(text, text_bytes, "addresses, separated by commas");
		return;
	case MR_CONFIG_PREFIXES:
		snprintf(text, text_bytes, "prefixes, separated by commas");
		return;
	case MR_CONFIG_RATES:
		snprintf(text, text_bytes, "prefixes with a rate each, separated by commas");
		return;
	case MR_CONFIG_SWITCH:
		snprintf(text, text_bytes, "yes, no");
		return;
	case MR_CONFIG_CHOICE:
		choices_text(key->choices, text, text_bytes);
		return;
	case MR_CONFIG_COUNT:
	case MR_CONFIG_BYTES:
	case MR_CONFIG_DURATION:
	case MR_CONFIG_RATIO:
		mr_config_number_text(key, least, min, sizeof(min));
		mr_config_number_text(key, key->max, max, sizeof(max));
		snprintf(text, text_bytes, "%s%s to %s", key->min < 0 ? "auto, or " : "", min, max);
		return;
	}
}

// ---- from text
// -----------------------------------------------------------------------------------

static int range_fail(const struct mr_config_key *key, struct mr_err *err)
{
	char range[128];

	mr_config_range_text(key, range, sizeof(range));
	return mr_fail(err, EINVAL, "out of range: %s", range);
}

static int parse_number(
	const struct mr_config_key *key, void *at, const char *text, struct mr_err *err)
{
	uint64_t value = 0;
	int ret;

	if (key->type == MR_CONFIG_BYTES)
		ret = mr_parse_bytes(text, &value);
	else if (key->type == MR_CONFIG_DURATION)
		ret = mr_parse_duration_us(text, &value);
	else
		ret = mr_parse_u64(text, &value);
	if (ret == -EINVAL)
		return mr_fail(err, EINVAL, "want %s",
			key->type == MR_CONFIG_BYTES      ? "a size such as 512K, 64M or 2G"
			: key->type == MR_CONFIG_DURATION ? "a duration such as 50us, 20ms or 1s"
							  : "a whole number");
	if (ret < 0 || (double)value < key->min || (double)value > key->max)
		return range_fail(key, err);
	if (key->power_of_two && (value & (value - 1)) != 0)
		return mr_fail(err, EINVAL, "not a power of two");
	memcpy(at, &value, sizeof(value));
	return 0;
}

static int parse_ratio(
	const struct mr_config_key *key, void *at, const char *text, struct mr_err *err)
{
	double value = -1;
	char *end;

	if (key->min >= 0 || strcmp(text, "auto") != 0) {
		// Digits only: strtod() would take "nan", "inf" and hexadecimal too.
		if (text[0] == '\0' || strspn(text, "0123456789.eE-+") != strlen(text))
			return mr_fail(err, EINVAL, "want a decimal number such as 0.01");
		value = strtod(text, &end);
		if (*end != '\0')
			return mr_fail(err, EINVAL, "want a decimal number such as 0.01");
		// Minus zero is zero; "-0.5" must not pass for "auto".
		if (value < MR_MAX(key->min, 0) || value > key->max)
			return range_fail(key, err);
		value = fabs(value);
	}
	memcpy(at, &value, sizeof(value));
	return 0;
}

static int parse_choice(
	const struct mr_config_key *key, void *at, const char *text, struct mr_err *err)
{
	const char *p = key->choices;
	size_t len = strlen(text);

	for (unsigned i = 0;; i++) {
		size_t n = strcspn(p, "|");

		if (n == len && memcmp(p, text, n) == 0) {
			memcpy(at, &i, sizeof(i));
			return 0;
		}
		if (p[n] == '\0')
			return mr_fail(err, EINVAL, "want one of %s", key->choices);
		p += n + 1;
	}
}

static int parse_text(
	const struct mr_config_key *key, void *at, const char *text, struct mr_err *err)
{
	size_t len = strlen(text);

	if (len == 0 && key->min > 0)
		return mr_fail(err, EINVAL, "must not be empty");
	if ((double)len > key->max)
		return mr_fail(err, EINVAL, "%zu bytes, at most %.0f", len, key->max);
	// Written back after "key = " it would be a comment.
	if (text[0] == '#' || text[0] == ';')
		return mr_fail(err, EINVAL, "must not start with '%c'", text[0]);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return mr_fail(
				err, EINVAL, "control character 0x%02x", (unsigned char)text[i]);
	memcpy(at, text, len + 1);
	return 0;
}

// Whether "0,2-3" is well-formed; which CPUs there are is for mr_plan_make().
static bool is_cpu_list(const char *p)
{
	for (;;) {
		unsigned long first, last;
		char *end;

		if (*p < '0' || *p > '9')
			return false;
		first = last = strtoul(p, &end, 10);
		if (*end == '-') {
			p = end + 1;
			if (*p < '0' || *p > '9')
				return false;
			last = strtoul(p, &end, 10);
		}
		if (last < first || last > UINT16_MAX)
			return false;
		if (*end == '\0')
			return true;
		if (*end != ',')
			return false;
		for (p = end + 1; *p == ' ';)
			p++;
	}
}

static int parse_cpus(void *at, const char *text, struct mr_err *err)
{
	size_t len = strlen(text);

	if (len >= MR_CONFIG_TEXT_BYTES || !is_cpu_list(text))
		return mr_fail(err, EINVAL, "want CPUs such as 0,2-3");
	memcpy(at, text, len + 1);
	return 0;
}

// ---- addresses
// -----------------------------------------------------------------------------------

static int add_ip4(
	struct mr_config_addresses *a, const char *text, struct in_addr ip, struct mr_err *err)
{
	uint32_t host = ntohl(ip.s_addr);

	if (host >> 24 == 0 || host >> 24 == 127 || host >> 28 >= 14)
		return mr_fail(err, EINVAL, "%s is not an address that a port can have", text);
	for (unsigned i = 0; i < a->n_ip4; i++)
		if (a->ip4_be[i] == ip.s_addr)
			return mr_fail(err, EINVAL, "%s stands there twice", text);
	if (a->n_ip4 == MR_NET_ADDRS_MAX)
		return mr_fail(err, EINVAL, "more than %u IPv4 addresses", MR_NET_ADDRS_MAX);
	a->ip4_be[a->n_ip4++] = ip.s_addr;
	return 0;
}

static int add_ip6(struct mr_config_addresses *a, const char *text, const struct in6_addr *ip,
	struct mr_err *err)
{
	if (IN6_IS_ADDR_UNSPECIFIED(ip) || IN6_IS_ADDR_LOOPBACK(ip) || IN6_IS_ADDR_MULTICAST(ip) ||
		IN6_IS_ADDR_V4MAPPED(ip))
		return mr_fail(err, EINVAL, "%s is not an address that a port can have", text);
	for (unsigned i = 0; i < a->n_ip6; i++)
		if (memcmp(a->ip6[i], ip, sizeof(*ip)) == 0)
			return mr_fail(err, EINVAL, "%s stands there twice", text);
	if (a->n_ip6 == MR_NET_ADDRS_MAX)
		return mr_fail(err, EINVAL, "more than %u IPv6 addresses", MR_NET_ADDRS_MAX);
	memcpy(a->ip6[a->n_ip6++], ip, sizeof(*ip));
	return 0;
}

// One "ADDRESS" or "ADDRESS/LENGTH", blanks already removed.
static int add_address(struct mr_config_addresses *a, char *text, struct mr_err *err)
{
	char *slash = strchr(text, '/');
	struct in6_addr ip6;
	struct in_addr ip4;
	uint64_t prefix = 0;

	if (slash != NULL) {
		*slash = '\0';
		if (mr_parse_u64(slash + 1, &prefix) < 0)
			return mr_fail(err, EINVAL, "'%s' is not a prefix length", slash + 1);
	}
	if (inet_pton(AF_INET, text, &ip4) == 1)
		return prefix <= 32 ? add_ip4(a, text, ip4, err)
		                    : mr_fail(err, EINVAL, "prefix length over 32");
	if (inet_pton(AF_INET6, text, &ip6) == 1)
		return prefix <= 128 ? add_ip6(a, text, &ip6, err)
		                     : mr_fail(err, EINVAL, "prefix length over 128");
	return mr_fail(err, EINVAL, "'%s' is not an IPv4 or IPv6 address", text);
}

static int parse_addresses(void *at, const char *text, struct mr_err *err)
{
	struct mr_config_addresses a = {0};
	size_t len = strlen(text);
	char copy[sizeof(a.text)], *p = copy;

	if (len >= sizeof(a.text))
		return mr_fail(err, EINVAL, "%zu bytes, at most %zu", len, sizeof(a.text) - 1);
	memcpy(a.text, text, len + 1);
	memcpy(copy, text, len + 1);
	while (len > 0 && p != NULL) {
		char *one = p + strspn(p, " \t"), *comma = strchr(one, ',');
		int ret;

		p = comma != NULL ? comma + 1 : NULL;
		one[strcspn(one, ",")] = '\0';
		for (size_t n = strlen(one); n > 0 && (one[n - 1] == ' ' || one[n - 1] == '\t');
			n--)
			one[n - 1] = '\0';
		ret = add_address(&a, one, err);
		if (ret < 0)
			return ret;
	}
	memcpy(at, &a, sizeof(a));
	return 0;
}

static int parse_prefixes(
	const struct mr_config_key *key, void *at, const char *text, struct mr_err *err)
{
	struct mr_prefix prefixes[MR_PREFIXES_MAX];
	int n = mr_prefixes_parse(prefixes, text, key->type == MR_CONFIG_RATES, err);

	return n < 0 ? n : parse_text(key, at, text, err);
}

int mr_config_value_parse(
	const struct mr_config_key *key, void *base, const char *text, struct mr_err *err)
{
	void *at = (uint8_t *)base + key->offset;

	switch (key->type) {
	case MR_CONFIG_TEXT:
		return parse_text(key, at, text, err);
	case MR_CONFIG_CPUS:
		return parse_cpus(at, text, err);
	case MR_CONFIG_ADDRESSES:
		return parse_addresses(at, text, err);
	case MR_CONFIG_PREFIXES:
	case MR_CONFIG_RATES:
		return parse_prefixes(key, at, text, err);
	case MR_CONFIG_SWITCH:
		if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
			return mr_fail(err, EINVAL, "want yes or no");
		*(bool *)at = strcmp(text, "yes") == 0;
		return 0;
	case MR_CONFIG_CHOICE:
		return parse_choice(key, at, text, err);
	case MR_CONFIG_RATIO:
		return parse_ratio(key, at, text, err);
	case MR_CONFIG_COUNT:
	case MR_CONFIG_BYTES:
	case MR_CONFIG_DURATION:
		return parse_number(key, at, text, err);
	}
	return mr_fail(err, EINVAL, "a key of an unknown type");
}
