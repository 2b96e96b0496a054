// SPDX-License-Identifier: BSD-3-Clause
#include "mr_row_impl.h"

#include <stdio.h>
#include <string.h>

void mr_sink_put(struct mr_sink *sink, const void *data, size_t bytes)
{
	size_t room = 0;

	if (sink->bytes < sink->capacity_bytes)
		room = MR_MIN(bytes, sink->capacity_bytes - sink->bytes - 1);
	if (room > 0)
		memcpy(sink->text + sink->bytes, data, room);
	if (sink->bytes < sink->capacity_bytes)
		sink->text[sink->bytes + room] = '\0';
	sink->bytes += bytes;
}

void mr_sink_printf(struct mr_sink *sink, const char *fmt, ...)
{
	char text[256];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	assert(n >= 0 && (size_t)n < sizeof(text));
	mr_sink_put(sink, text, (size_t)n);
}

void mr_sink_hex(struct mr_sink *sink, const uint8_t *data, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";

	mr_sink_put(sink, "0x", 2);
	for (size_t i = 0; i < bytes; i++) {
		char pair[2] = {digits[data[i] >> 4], digits[data[i] & 15]};

		mr_sink_put(sink, pair, 2);
	}
}

// Length of the sequence at p, 0 when there is none.
static unsigned utf8_sequence(const uint8_t *p, size_t bytes)
{
	// Second byte's range closes what its first byte leaves open: long forms, surrogates,
	// and what is above U+10FFFF.
	uint8_t low = 0x80, high = 0xbf;
	unsigned n;

	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (bytes < n || p[1] < low || p[1] > high)
		return 0;
	for (unsigned i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

bool mr_utf8_check(const uint8_t *data, size_t bytes)
{
	size_t i = 0;

	while (i < bytes) {
		unsigned n;

		// Most text is ASCII: eight bytes at a time.
		if (bytes - i >= 8 &&
			(mr_load_le64(data + i) & UINT64_C(0x8080808080808080)) == 0) {
			i += 8;
			continue;
		}
		if (data[i] < 0x80) {
			i++;
			continue;
		}
		n = utf8_sequence(data + i, bytes - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

const char *mr_text_shown(struct mr_text text, char *buf, size_t buf_bytes)
{
	size_t n = MR_MIN(text.bytes, buf_bytes - 4);
	bool is_utf8 = mr_utf8_check((const uint8_t *)text.data, text.bytes);

	// A cut inside a character would make the message itself invalid.
	while (is_utf8 && n < text.bytes && n > 0 && ((uint8_t)text.data[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++) {
		uint8_t c = (uint8_t)text.data[i];

		buf[i] = c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8) ? '?' : (char)c;
	}
	memcpy(buf + n, "...", 4);
	if (n == text.bytes)
		buf[n] = '\0';
	return buf;
}
