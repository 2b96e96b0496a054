// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "mr_guard_priv.h"
#include "mr_units.h"

/** Text being written; goes on counting when it is full. */
struct out {
	char *text;
	size_t bytes, used;
};

static void add(struct out *out, const char *format, ...) mr_printf(2, 3);

static void add(struct out *out, const char *format, ...)
{
	size_t at = MR_MIN(out->used, out->bytes);
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out->text + at, out->bytes - at, format, args);
	va_end(args);
	out->used += n > 0 ? (size_t)n : 0;
}

static const char *address_text(mr_address_t address, char text[INET6_ADDRSTRLEN])
{
	uint8_t be[16];

	mr_store_be64(be, (uint64_t)(address >> 64));
	mr_store_be64(be + 8, (uint64_t)address);
	if (address >> 32 == 0xffff)
		inet_ntop(AF_INET, be + 12, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, be, text, INET6_ADDRSTRLEN);
	return text;
}

static void add_range(struct out *out, const struct mr_guard *guard, unsigned i)
{
	mr_guard_class_t class = guard->classes[i];
	mr_address_t last = i + 1 < guard->n_ranges ? guard->starts[i + 1] - 1 : ~(mr_address_t)0;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	unsigned limit = class >> MR_GUARD_LIMIT_SHIFT;

	if (class == 0)
		return;
	add(out, "%s to %s: %s%s", address_text(guard->starts[i], from), address_text(last, to),
		class & MR_GUARD_TRUSTED ? "trusted" : "allowed, with a cookie",
		!(class & MR_GUARD_WRITE) ? ", reads only"
		: guard->macs_needed      ? ", writes with a MAC"
					  : ", writes without a MAC");
	if (limit != 0)
		add(out, ", limit %u%s", limit, guard->dry_run ? " (dry run)" : "");
	add(out, "\n");
}

int mr_guard_describe(const struct mr_guard *guard, char *text, size_t text_bytes)
{
	struct out out = {text, text_bytes, 0};
	char turns[32];

	for (unsigned i = 0; i < guard->n_ranges; i++)
		add_range(&out, guard, i);
	add(&out, "all other senders: refused\n");
	add(&out, "cookies: %u secret%s, turned every %s; MAC keys: %u\n", guard->n_secrets,
		guard->n_secrets == 1 ? "" : "s",
		mr_format_duration_us(guard->rotation_us, turns, sizeof(turns)), guard->n_mac);
	return (int)out.used;
}
