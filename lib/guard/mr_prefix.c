// SPDX-License-Identifier: BSD-3-Clause
#include "mr_prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mr_units.h"

#define BLANKS " \t"

// The numbers of a prefix whose address is @p address.
static int set_range(
	struct mr_prefix *prefix, mr_address_t address, const char *text, struct mr_err *err)
{
	unsigned host_bits = (prefix->is_ip6 ? 128u : 32u) - prefix->bits;
	mr_address_t hosts =
		host_bits == 128 ? ~(mr_address_t)0 : ((mr_address_t)1 << host_bits) - 1;

	if ((address & hosts) != 0)
		return mr_fail(err, EINVAL,
			"'%s' has bits set behind its %u: write the network's address", text,
			prefix->bits);
	prefix->first = address;
	prefix->last = address | hosts;
	return 0;
}

static int read_prefix(struct mr_prefix *prefix, const char *text, struct mr_err *err)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned most;
	uint8_t be[16];
	uint64_t bits;

	if (n >= sizeof(address))
		return mr_fail(err, EINVAL, "'%s' is not a prefix such as 10.0.0.0/8", text);
	memcpy(address, text, n);
	address[n] = '\0';
	if (inet_pton(AF_INET, address, be) == 1)
		prefix->is_ip6 = false;
	else if (inet_pton(AF_INET6, address, be) == 1)
		prefix->is_ip6 = true;
	else
		return mr_fail(err, EINVAL, "'%s' is not a prefix such as 10.0.0.0/8", text);
	most = prefix->is_ip6 ? 128 : 32;
	bits = most;
	if (slash != NULL && (mr_parse_u64(slash + 1, &bits) < 0 || bits > most))
		return mr_fail(err, EINVAL, "'%s': the length is from 0 to %u", text, most);
	prefix->bits = (uint8_t)bits;
	return set_range(
		prefix, prefix->is_ip6 ? mr_address_ip6(be) : mr_address_ip4(be), text, err);
}

// One "PREFIX" or "PREFIX RATE".
static int read_item(struct mr_prefix *prefix, char *text, bool with_rate, struct mr_err *err)
{
	char *rate = text + strcspn(text, BLANKS);

	*prefix = (struct mr_prefix){0};
	if (*rate != '\0') {
		*rate++ = '\0';
		rate += strspn(rate, BLANKS);
	}
	if (with_rate && (mr_parse_u64(rate, &prefix->rate) < 0 || prefix->rate == 0))
		return mr_fail(err, EINVAL, "'%s' wants a rate behind it: 10.0.0.0/8 500000", text);
	if (!with_rate && *rate != '\0')
		return mr_fail(err, EINVAL, "'%s' is followed by '%s': want a comma", text, rate);
	return read_prefix(prefix, text, err);
}

static int check_new(const struct mr_prefix *prefixes, unsigned n, struct mr_err *err)
{
	char text[MR_PREFIX_TEXT_BYTES];

	for (unsigned i = 0; i < n; i++)
		if (prefixes[i].first == prefixes[n].first && prefixes[i].last == prefixes[n].last)
			return mr_fail(err, EINVAL, "%s stands there twice",
				mr_prefix_text(&prefixes[n], text));
	return 0;
}

int mr_prefixes_parse(struct mr_prefix prefixes[MR_PREFIXES_MAX], const char *text, bool with_rates,
	struct mr_err *err)
{
	unsigned n = 0;
	int ret;

	text += strspn(text, BLANKS);
	while (*text != '\0') {
		size_t bytes = strcspn(text, ","), end = bytes;
		char item[128];

		while (end > 0 && strchr(BLANKS, text[end - 1]) != NULL)
			end--;
		if (end >= sizeof(item))
			return mr_fail(err, EINVAL, "'%.40s...' is not a prefix", text);
		if (n == MR_PREFIXES_MAX)
			return mr_fail(err, EINVAL, "more than %u prefixes", MR_PREFIXES_MAX);
		memcpy(item, text, end);
		item[end] = '\0';
		ret = read_item(&prefixes[n], item, with_rates, err);
		if (ret == 0)
			ret = check_new(prefixes, n, err);
		if (ret < 0)
			return ret;
		n++;
		text += bytes;
		if (*text == '\0')
			break;
		text++;
		text += strspn(text, BLANKS);
		if (*text == '\0')
			return mr_fail(err, EINVAL, "ends in a comma");
	}
	return (int)n;
}

const char *mr_prefix_text(const struct mr_prefix *prefix, char text[MR_PREFIX_TEXT_BYTES])
{
	char address[INET6_ADDRSTRLEN];
	uint8_t be[16];

	mr_store_be64(be, (uint64_t)(prefix->first >> 64));
	mr_store_be64(be + 8, (uint64_t)prefix->first);
	if (prefix->is_ip6)
		inet_ntop(AF_INET6, be, address, sizeof(address));
	else
		inet_ntop(AF_INET, be + 12, address, sizeof(address));
	snprintf(text, MR_PREFIX_TEXT_BYTES, "%s/%u", address, prefix->bits);
	return text;
}
