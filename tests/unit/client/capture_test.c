// SPDX-License-Identifier: BSD-3-Clause
//
// Captures: written ones read back, pcapng in both byte orders, and files that are damaged.

#include "capture.h"
#include "mr_bytes.h"
#include "mr_rng.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define SEED UINT64_C(0x6d72706361707321)

static uint8_t file[1 << 16];
static size_t file_bytes;

/** Reads all of `bytes`. @return packets, or -errno. */
static int read_all(const uint8_t *data, size_t bytes, unsigned *ret_kinds, struct mr_err *err)
{
	FILE *in = fmemopen((void *)(uintptr_t)data, bytes, "rb");
	struct capture *capture = capture_new(in, "x.pcap", err);
	struct capture_datagram datagram;
	struct capture_packet packet;
	int n = 0, rc = -EINVAL;

	while (capture != NULL && (rc = capture_next(capture, &packet, err)) == 1) {
		ret_kinds[capture_datagram(&packet, &datagram)]++;
		n++;
	}
	capture_free(capture);
	fclose(in);
	return rc < 0 ? rc : n;
}

static struct capture_route route(const char *from, const char *to, int tag)
{
	struct capture_route r = {.tag = tag, .from_mac = {2, 1}, .to_mac = {2, 2}};

	assert_int_equal(capture_end_parse(from, 1, &r.from), 0);
	assert_int_equal(capture_end_parse(to, 7411, &r.to), 0);
	return r;
}

/** A frame with a payload of this length. @return its length. */
static unsigned make(const struct capture_route *r, uint8_t *frame, unsigned payload_bytes)
{
	for (unsigned i = 0; i < payload_bytes; i++)
		frame[capture_head_bytes(r) + i] = (uint8_t)(i * 7);
	return capture_fill_head(r, frame, payload_bytes);
}

static void round_trip(void **state)
{
	static const struct {
		const char *from, *to;
		int tag;
		unsigned payload_bytes;
	} cases[] = {
		{"10.0.0.1:40000", "10.0.0.2", -1, 40},
		{"10.0.0.1:40000", "10.0.0.2:9", 7, 33},
		{"[fd00::1]:1", "fd00::2", -1, 0},
		{"fd00::1", "[fd00::2]:65535", 4094, 1400},
	};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct capture_route r = route(cases[i].from, cases[i].to, cases[i].tag);
		uint8_t frame[CAPTURE_HEAD_MAX_BYTES + 1400];
		unsigned bytes = make(&r, frame, cases[i].payload_bytes);
		struct capture_packet packet = {
			.link = CAPTURE_LINK_ETHERNET, .data = frame, .bytes = bytes};
		struct capture_datagram d;
		char from[64], to[64];

		assert_int_equal(capture_datagram(&packet, &d), CAPTURE_UDP);
		assert_int_equal(d.payload_bytes, cases[i].payload_bytes);
		assert_int_equal(d.n_tags, cases[i].tag >= 0);
		if (cases[i].tag >= 0)
			assert_int_equal(d.tags[0], cases[i].tag);
		assert_memory_equal(&d.from, &r.from, sizeof(d.from));
		assert_memory_equal(&d.to, &r.to, sizeof(d.to));
		for (unsigned k = 0; k < d.payload_bytes; k++)
			assert_int_equal(d.payload[k], (uint8_t)(k * 7));
		// What is printed is parsed again.
		assert_int_equal(capture_end_parse(
					 capture_end_text(&d.from, from, sizeof(from)), 0, &r.from),
			0);
		assert_memory_equal(&d.from, &r.from, sizeof(d.from));
		capture_end_text(&d.to, to, sizeof(to));
		// Cut anywhere, it is no datagram.
		for (unsigned cut = 0; cut < bytes; cut++) {
			uint8_t *exact = malloc(cut + 1u);

			memcpy(exact, frame, cut);
			packet.data = exact;
			packet.bytes = cut;
			assert_int_not_equal(capture_datagram(&packet, &d), CAPTURE_UDP);
			free(exact);
		}
	}
}

static void bad_ends(void **state)
{
	static const char *const texts[] = {"", "1.2.3", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:65536",
		"[::1", "[::1]:", "[::1]x:1", "::1]:1", "host", "1.2.3.4:-1",
		"11111111111111111111111111111111111111111111111111111111111"};
	struct capture_end end;

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(texts); i++)
		if (capture_end_parse(texts[i], 1, &end) != -EINVAL)
			fail_msg("'%s' was taken", texts[i]);
}

// ---- files -------------------------------------------------------------------------------------

static void put(const void *data, size_t bytes)
{
	assert_true(file_bytes + bytes <= sizeof(file));
	memcpy(file + file_bytes, data, bytes);
	file_bytes += bytes;
}

static void put16(uint16_t v, bool big)
{
	uint8_t b[2];

	if (big)
		mr_store_be16(b, v);
	else
		mr_store_le16(b, v);
	put(b, 2);
}

static void put32(uint32_t v, bool big)
{
	uint8_t b[4];

	if (big)
		mr_store_be32(b, v);
	else
		mr_store_le32(b, v);
	put(b, 4);
}

static void put_ng(
	bool big, unsigned resolution, uint64_t ticks, const uint8_t *frame, unsigned bytes)
{
	unsigned padded = (bytes + 3) & ~3u;
	uint8_t option[4] = {(uint8_t)resolution};

	put32(0x0a0d0d0a, big);
	put32(28, big);
	put32(0x1a2b3c4d, big);
	put16(1, big);
	put16(0, big);
	put32(UINT32_MAX, big); // section of unknown length
	put32(UINT32_MAX, big);
	put32(28, big);
	put32(1, big); // interface
	put32(20 + 12, big);
	put16(1, big);
	put16(0, big);
	put32(0, big);
	put16(9, big); // if_tsresol
	put16(1, big);
	put(option, 4);
	put32(0, big); // end of options
	put32(32, big);
	put32(0x0bad, big); // of a kind that nobody knows
	put32(16, big);
	put32(1, big);
	put32(16, big);
	put32(6, big); // packet
	put32(32 + padded, big);
	put32(0, big);
	put32((uint32_t)(ticks >> 32), big);
	put32((uint32_t)ticks, big);
	put32(bytes, big);
	put32(bytes, big);
	put(frame, padded);
	put32(32 + padded, big);
	put32(3, big); // simple packet
	put32(16 + padded, big);
	put32(bytes, big);
	put(frame, padded);
	put32(16 + padded, big);
}

static void pcapng(void **state)
{
	struct capture_route r = route("10.0.0.1", "10.0.0.2", -1);
	static const struct {
		unsigned resolution;
		uint64_t ticks;
	} clocks[] = {
		{6, UINT64_C(1700000000123456)},
		{9, UINT64_C(1700000000123456000)},
		{0x80 | 20, UINT64_C(1700000000) << 20 | 129452},
	};
	uint8_t frame[128] = {0};
	unsigned bytes = make(&r, frame, 33);

	(void)state;
	for (unsigned i = 0; i < 2 * MR_ARRAY_SIZE(clocks); i++) {
		struct capture_packet packet;
		struct capture *capture;
		struct mr_err err;
		FILE *in;

		file_bytes = 0;
		put_ng(i % 2, clocks[i / 2].resolution, clocks[i / 2].ticks, frame, bytes);
		in = fmemopen(file, file_bytes, "rb");
		capture = capture_new(in, "x", &err);
		assert_non_null(capture);
		assert_int_equal(capture_next(capture, &packet, &err), 1);
		assert_in_range(packet.time_ns, UINT64_C(1700000000123455000),
			UINT64_C(1700000000123457000));
		assert_int_equal(packet.bytes, bytes);
		assert_memory_equal(packet.data, frame, bytes);
		assert_int_equal(capture_next(capture, &packet, &err), 1);
		assert_int_equal(packet.bytes, bytes);
		assert_int_equal(capture_next(capture, &packet, &err), 0);
		capture_free(capture);
		fclose(in);
	}
}

static void make_classic(unsigned n)
{
	struct capture_route r = route("10.0.0.1", "10.0.0.2", -1);
	FILE *out = fmemopen(file, sizeof(file), "wb");
	uint8_t frame[512];

	assert_int_equal(capture_write_begin(out), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
			capture_write(out, UINT64_C(1700000000123456), frame, make(&r, frame, i)),
			0);
	file_bytes = (size_t)ftell(out);
	fclose(out);
}

static void refused(const uint8_t *data, size_t bytes, const char *why)
{
	unsigned kinds[CAPTURE_KINDS];
	struct mr_err err = {""};

	assert_int_equal(read_all(data, bytes, kinds, &err), -EINVAL);
	if (strstr(err.text, why) == NULL || strstr(err.text, "x.pcap") == NULL)
		fail_msg("'%s' does not say '%s'", err.text, why);
}

static void damage(void **state)
{
	unsigned kinds[CAPTURE_KINDS] = {0};
	struct capture_route r = route("10.0.0.1", "10.0.0.2", -1);
	uint8_t frame[128] = {0};
	struct mr_err err;

	(void)state;
	make_classic(3);
	assert_int_equal(read_all(file, file_bytes, kinds, &err), 3);
	assert_int_equal(kinds[CAPTURE_UDP], 3);
	refused(file, 3, "neither a pcap nor a pcapng");
	refused(file, 23, "byte 23: the file ends");
	refused(file, file_bytes - 1, "the file ends");
	mr_store_le32(file + 24 + 8, CAPTURE_PACKET_MAX_BYTES + 1);
	refused(file, file_bytes, "more than 1 MiB");
	file[0] ^= 1;
	refused(file, file_bytes, "neither a pcap nor a pcapng");

	file_bytes = 0;
	put_ng(false, 6, 1, frame, make(&r, frame, 33));
	mr_store_le32(file + 28 + 32 + 16 + 8, 1); // interface of the packet
	refused(file, file_bytes, "not described");
	mr_store_le32(file + 28 + 32 + 16 + 8, 0);
	mr_store_le32(file + 28 + 32 + 16 + 20, 4000); // its length
	refused(file, file_bytes, "over the end of its block");
	mr_store_le32(file + 28 + 32 + 16 + 4, 13); // its block's length
	refused(file, file_bytes, "length that cannot be");
	file[28 + 20] = 0x7f; // the clock's grain
	refused(file, file_bytes, "clock of unknown grain");
	file[28 + 18] = 200; // the option's length
	refused(file, file_bytes, "over the end of its block");
	mr_store_le32(file + 28 + 28, 36); // the length behind the block
	refused(file, file_bytes, "two lengths differ");
	mr_store_le32(file + 8, 0);
	refused(file, file_bytes, "byte-order");
}

/** Whatever is in it: an end or an error, never a read outside, never more packets than bytes. */
static void mutants(void **state)
{
	struct capture_route r = route("fd00::1", "fd00::2", 3);
	struct mr_rng rng = {SEED};
	uint8_t frame[128] = {0};

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		unsigned kinds[CAPTURE_KINDS] = {0};
		struct mr_err err;
		uint8_t *copy;
		size_t bytes;
		int n;

		file_bytes = 0;
		if (i % 2 == 0)
			make_classic(3);
		else
			put_ng(i % 4 == 1, 6, 1, frame, make(&r, frame, 40));
		bytes = i % 8 < 2 ? 1 + mr_rng_below(&rng, file_bytes - 1) : file_bytes;
		for (unsigned k = (unsigned)mr_rng_below(&rng, 4); k > 0; k--)
			file[mr_rng_below(&rng, bytes)] = (uint8_t)mr_rng_next(&rng);
		copy = malloc(bytes);
		memcpy(copy, file, bytes);
		n = read_all(copy, bytes, kinds, &err);
		if (n > (int)bytes / 16)
			fail_msg("seed %llx, %u: %d packets", (unsigned long long)SEED, i, n);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(bad_ends),
		cmocka_unit_test(pcapng),
		cmocka_unit_test(damage),
		cmocka_unit_test(mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
