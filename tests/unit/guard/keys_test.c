// SPDX-License-Identifier: BSD-3-Clause
#include "guard_test.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mr_rng.h"
#include "mr_siphash.h"
#include "mr_wire.h"
#include "mr_wire_keys.h"

#define HEX0 "000102030405060708090a0b0c0d0e0f"
#define HEX1 "101112131415161718191A1B1C1D1E1F"

static void fill(struct mr_rng *rng, uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)mr_rng_next(rng);
}

void test_siphash_is_libsodiums(void **state)
{
	struct mr_rng rng = {1};
	uint8_t key[16], data[300], want[8];

	(void)state;
	static_assert(crypto_shorthash_siphash24_KEYBYTES == MR_SIPHASH_KEY_BYTES, "keys");
	for (unsigned i = 0; i < 3000; i++) {
		struct mr_siphash_key k;
		size_t bytes = i < 260 ? i : mr_rng_below(&rng, sizeof(data));

		fill(&rng, key, sizeof(key));
		fill(&rng, data, bytes);
		k = mr_siphash_key_load(key);
		crypto_shorthash_siphash24(want, data, bytes, key);
		assert_true(mr_siphash(&k, data, bytes) == mr_load_le64(want));
	}
	assert_true(mr_siphash_equal(7, 7));
	for (unsigned bit = 0; bit < 64; bit++)
		assert_false(mr_siphash_equal(7, UINT64_C(7) ^ UINT64_C(1) << bit));
}

static const struct {
	const char *text, *error; // error NULL: good
	unsigned n_secrets, n_mac;
} files[] = {
	{"[cookie]\nsecret = " HEX0 "\n", NULL, 1, 0},
	{"[cookie]\nsecret = " HEX0 "\nsecret = " HEX1 "\n[mac]\n1 = " HEX0 "\n", NULL, 2, 1},
	{"[mac]\n7 = " HEX1 "\n4294967295 = " HEX0 "\n", NULL, 0, 2},
	{"", "f: no keys in it", 0, 0},
	{"[mac]\n", "f: no keys in it", 0, 0},
	{"[mac]\n0 = " HEX0 "\n", "f:2: [mac] 0: want a key id from 1 to 4294967295", 0, 0},
	{"[mac]\n1 = " HEX0 "\n1 = " HEX1 "\n", "f:3: [mac] 1: this id stands there twice", 0, 0},
	{"[mac]\n1 = 0011\n", "f:2: [mac] 1: want 16 bytes as 32 hexadecimal digits", 0, 0},
	{"[mac]\n1 = g0010203040506070809" HEX0 "\n",
		"f:2: [mac] 1: want 16 bytes as 32 hexadecimal digits", 0, 0},
	{"[mac]\n1 = 0g0102030405060708090a0b0c0d0e0f\n",
		"f:2: [mac] 1: want 16 bytes as 32 hexadecimal digits", 0, 0},
	{"[mac]\n1 = 00000000000000000000000000000000\n",
		"f:2: [mac] 1: a key of zeros is no secret", 0, 0},
	{"[cookie]\nsecret = " HEX0 "\nsecret = " HEX1 "\nsecret = " HEX0 "\n",
		"f:4: [cookie] secret: two secrets at most: the new one and the one before", 0, 0},
	{"[cookie]\nsecrets = " HEX0 "\n",
		"f:2: [cookie] secrets: unknown key; [cookie] has secret", 0, 0},
	{"[cooky]\n", "f:1: [cooky] : unknown section; there are [cookie] and [mac]", 0, 0},
	{"[mac]\n" HEX0 "\n", "f:2: neither [section] nor KEY = VALUE", 0, 0},
	{"[mac]\n1 = " HEX0 "\n" HEX1 "\n", "f:3: neither [section] nor KEY = VALUE", 0, 0},
};

void test_keys_file(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(files); i++) {
		struct mr_wire_keys keys = {.n_mac = 99};
		struct mr_err err = {""};
		int ret =
			mr_wire_keys_parse(&keys, "f", files[i].text, strlen(files[i].text), &err);

		if (files[i].error != NULL) {
			assert_int_equal(ret, -EINVAL);
			assert_string_equal(err.text, files[i].error);
			assert_int_equal(keys.n_mac, 99);
			continue;
		}
		assert_int_equal(ret, 0);
		assert_int_equal(keys.n_secrets, files[i].n_secrets);
		assert_int_equal(keys.n_mac, files[i].n_mac);
		if (keys.n_secrets > 0)
			assert_true(keys.secrets[0].k0 == UINT64_C(0x0706050403020100));
		mr_wire_keys_wipe(&keys);
		assert_int_equal(keys.n_mac, 0);
	}
}

void test_keys_file_is_private(void **state)
{
	char path[] = "/tmp/mr_keys.XXXXXX";
	int fd = mkstemp(path);
	struct mr_wire_keys keys;
	struct mr_err err = {""};
	static char large[20000];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(dprintf(fd, "[mac]\n3 = %s\n", HEX0), 6 + 4 + 32 + 1);
	assert_int_equal(mr_wire_keys_load(&keys, path, &err), 0);
	assert_int_equal(keys.mac[0].id, 3);
	assert_int_equal(fchmod(fd, 0640), 0);
	assert_int_equal(mr_wire_keys_load(&keys, path, &err), -EPERM);
	assert_non_null(strstr(err.text, "(mode 0640): chmod 600 it"));
	assert_int_equal(fchmod(fd, 0600), 0);
	memset(large, '\n', sizeof(large));
	assert_int_equal(write(fd, large, sizeof(large)), sizeof(large));
	assert_int_equal(mr_wire_keys_load(&keys, path, &err), -EINVAL);
	close(fd);
	unlink(path);
	assert_int_equal(mr_wire_keys_load(&keys, path, &err), -ENOENT);
}

void test_mac(void **state)
{
	struct mr_wire_mac_key keys[2] = {{1, {1, 2}}, {9, {3, 4}}};
	struct mr_wire_ask ask = {.request_id = 5, .view = 1, .flags = MR_WIRE_F_MAC};
	struct mr_wire_row row = {.event_time_us = 7, .key = (const uint8_t *)"k", .key_bytes = 1};
	struct mr_wire_request request;
	struct mr_wire_writer w;
	uint8_t data[256];
	int bytes;

	(void)state;
	assert_int_equal(
		mr_wire_write_begin(&w, data, sizeof(data), MR_WIRE_OP_DELETE, &ask, 0, 0), 0);
	assert_int_equal(mr_wire_write_add(&w, &row), 0);
	bytes = mr_wire_write_end(&w);
	assert_true(bytes > 0);
	assert_false(mr_wire_mac_holds(data, (size_t)bytes, keys, 2));
	mr_wire_mac_sign(data, (size_t)bytes, &keys[1]);
	assert_int_equal(mr_wire_request_decode(data, (size_t)bytes, &request), 0);
	assert_true(mr_wire_mac_holds(data, (size_t)bytes, keys, 2));
	assert_false(mr_wire_mac_holds(data, (size_t)bytes, keys, 1));
	assert_false(mr_wire_mac_holds(data, (size_t)bytes, NULL, 0));
	for (int i = 0; i < 8 * bytes; i++) {
		data[i / 8] ^= (uint8_t)(1u << (i % 8));
		assert_false(mr_wire_mac_holds(data, (size_t)bytes, keys, 2));
		data[i / 8] ^= (uint8_t)(1u << (i % 8));
	}
	assert_true(mr_wire_mac_holds(data, (size_t)bytes, keys, 2));
}
