// SPDX-License-Identifier: BSD-3-Clause
//
// The policy at work in an RX lcore: who is answered, with how many bytes, and what is counted for
// the others.
#include "frames.h"

#include <rte_ip.h>
#include <rte_udp.h>

#include <errno.h>
#include <stdlib.h>

#include "mr_guard.h"
#include "mr_units.h"

#define CLIENT 0x0a000002u // what the fixture sends from
#define OTHER 0x0a000063u
#define OUTSIDE 0xc0000263u
#define N_ROWS 8u
#define MUTANTS 60000u

static struct path path;
static const struct mr_wire_keys secret = {.n_secrets = 1, .secrets = {{11, 12}}};
static const struct mr_wire_keys macs = {
	.n_secrets = 1, .secrets = {{11, 12}}, .n_mac = 2, .mac = {{1, {5, 6}}, {2, {7, 8}}}};
static uint64_t generation;

static struct mr_guard_params defaults(void)
{
	return (struct mr_guard_params){
		.allow = "10.0.0.0/8, fd00::/8",
		.limit_burst_us = MR_US_PER_S,
		.unproven_rate = 1000000,
		.rotation_us = PATH_HOUR_US,
		.n_shares = 1,
		.tsc_hz = UINT64_C(1) << 31,
		.now_us = PATH_NOW_US,
		.keys = &secret,
	};
}

static void publish(struct mr_guard_params *params)
{
	struct mr_guard *old = (struct mr_guard *)(uintptr_t)mr_tiers_guard(&path.f.tiers), *guard;
	struct mr_err err = {""};

	params->generation = ++generation;
	guard = mr_guard_create(params, &err);
	if (guard == NULL)
		fail_msg("%s", err.text);
	atomic_store(&path.f.tiers.guard, guard);
	mr_guard_free(old);
}

static int begin(void **state)
{
	(void)state;
	path_begin(&path, &(struct mr_fixture_params){0});
	for (unsigned set = PATH_USER; set <= PATH_WIDE; set++)
		path_populate(&path, set, 60);
	return 0;
}

static int end(void **state)
{
	(void)state;
	mr_guard_free((struct mr_guard *)(uintptr_t)mr_tiers_guard(&path.f.tiers));
	atomic_store(&path.f.tiers.guard, NULL);
	path_end(&path);
	return 0;
}

// ---- exchanges ---------------------------------------------------------------------------------

/** What came back for one datagram. */
struct heard {
	unsigned n, bytes; //!< datagrams, and payload in all of them
	struct mr_wire_reply reply;
	uint8_t last[65536];
};

static struct heard heard;

static void hear(void)
{
	struct rte_mbuf *m;

	heard.n = heard.bytes = 0;
	mr_fixture_settle(&path.f);
	while (mr_fixture_receive(&path.f, &m, 1) == 1) {
		const struct mr_packet *at = mr_packet(m);

		heard.n++;
		if (m->pkt_len > at->payload_at) {
			unsigned bytes = m->pkt_len - at->payload_at;

			heard.bytes += bytes;
			memcpy(heard.last, rte_pktmbuf_mtod_offset(m, void *, at->payload_at),
				bytes);
			mr_wire_reply_decode(heard.last, bytes, &heard.reply);
		}
		rte_pktmbuf_free(m);
	}
	assert_true(mr_fixture_balanced(&path.f));
}

// Sends a datagram from an address and takes the answer. @return the result, or -1: none came.
static int ask_from(uint32_t from, const void *request, unsigned bytes)
{
	struct rte_mbuf *m = mr_fixture_frame(&path.f, request, bytes);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	ip->src_addr = rte_cpu_to_be_32(from);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->dgram_cksum = 0;
	udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
	hear();
	return heard.n == 0 ? -1 : heard.reply.result;
}

static void set_cookie(uint8_t *request, uint64_t cookie)
{
	mr_store_le64(request + offsetof(struct mr_wire_req, cookie), cookie);
}

static uint64_t hello(uint32_t from)
{
	struct mr_wire_ask ask = {.request_id = ++path.request_id};
	struct mr_wire_hello_reply terms;
	uint8_t request[64];

	assert_int_equal(mr_wire_hello_encode(request, sizeof(request), &ask, ask.request_id), 64);
	assert_int_equal(ask_from(from, request, 64), MR_WIRE_RESULT_OK);
	assert_int_equal(heard.bytes, 64);
	mr_wire_hello_reply_get(&heard.reply, &terms);
	assert_int_equal((terms.flags & MR_WIRE_HELLO_COOKIE_NEEDED) != 0, terms.cookie != 0);
	if (terms.cookie != 0)
		assert_in_range(terms.cookie_valid_s, 3600, 7200);
	return terms.cookie;
}

static unsigned get(uint8_t *request, unsigned room, uint64_t cookie)
{
	static const unsigned keys[N_ROWS] = {1, 2, 3, 4, 5, 6, 7, 8};
	unsigned bytes = path_get(&path, request, room, PATH_USER, keys, N_ROWS);

	set_cookie(request, cookie);
	return bytes;
}

// ---- cookies -----------------------------------------------------------------------------------

static void test_a_cookie_proves_one_address(void **state)
{
	struct mr_guard_params params = defaults();
	uint8_t request[512];
	uint64_t cookie;
	unsigned bytes;

	(void)state;
	publish(&params);
	bytes = get(request, sizeof(request), 0);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_COOKIE_NEEDED);
	assert_int_equal(heard.bytes, 32);
	cookie = hello(CLIENT);
	bytes = get(request, sizeof(request), cookie);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_OK);
	assert_true(heard.bytes > bytes);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_OK);
	// Seen by another, or guessed.
	assert_int_equal(ask_from(OTHER, request, bytes), MR_WIRE_RESULT_COOKIE_NEEDED);
	set_cookie(request, cookie ^ UINT64_C(1) << 63);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_COOKIE_NEEDED);
	// The secret turns once, and twice.
	set_cookie(request, cookie);
	params.now_us += PATH_HOUR_US;
	publish(&params);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_OK);
	params.now_us += PATH_HOUR_US;
	publish(&params);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_COOKIE_NEEDED);
	// Another master.
	params = defaults();
	params.keys = &(struct mr_wire_keys){.n_secrets = 1, .secrets = {{1, 1}}};
	publish(&params);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_COOKIE_NEEDED);
}

static void test_trusted_need_no_cookie(void **state)
{
	struct mr_guard_params params = defaults();
	uint8_t request[512];
	unsigned bytes;

	(void)state;
	params.trusted = "10.0.0.2";
	publish(&params);
	assert_true(hello(CLIENT) == 0);
	assert_true(hello(OTHER) != 0);
	bytes = get(request, sizeof(request), 0);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_OK);
	set_cookie(request, 4711);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_OK);
	assert_int_equal(ask_from(OTHER, request, bytes), MR_WIRE_RESULT_COOKIE_NEEDED);
}

static void test_the_refused_are_counted(void **state)
{
	struct mr_guard_params params = defaults();
	static struct frame frames[FRAMES_MAX + 1];
	uint64_t before = mr_fixture_reason(&path.f, acl_refused);
	unsigned n = frames_make(&path, frames), control;
	uint8_t request[512];
	unsigned bytes;

	(void)state;
	publish(&params);
	bytes = get(request, sizeof(request), 0);
	assert_int_equal(ask_from(OUTSIDE, request, bytes), -1);
	assert_int_equal(mr_fixture_reason(&path.f, acl_refused), before + 1);
	// Nobody may ask: of all good frames only address resolution is answered.
	params.allow = "";
	publish(&params);
	before = mr_fixture_reason(&path.f, acl_refused);
	control = (unsigned)mr_fixture_rx_count(&path.f, control);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = mr_fixture_raw(&path.f, frames[i].data, frames[i].bytes);

		assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
		hear();
		if (heard.n > 0)
			control++;
	}
	assert_int_equal(mr_fixture_rx_count(&path.f, control), control);
	assert_true(mr_fixture_reason(&path.f, acl_refused) - before > n / 2);
}

// ---- amplification -----------------------------------------------------------------------------

// Sends what somebody forged, and checks that nobody is flooded with the answer.
static void forge(const void *request, unsigned bytes, bool is_valid)
{
	int result = ask_from(CLIENT, request, bytes);
	unsigned op = ((const uint8_t *)request)[5];

	assert_true(heard.bytes <= bytes);
	assert_true(heard.n <= 1);
	if (is_valid && op != MR_WIRE_OP_HELLO) {
		assert_int_equal(result, MR_WIRE_RESULT_COOKIE_NEEDED);
		assert_int_equal(heard.bytes, 32);
	}
}

static void forge_all_cookies(uint8_t *request, unsigned bytes, bool is_valid)
{
	const struct mr_guard *guard = mr_tiers_guard(&path.f.tiers);
	uint64_t others = mr_guard_cookie(guard, MR_ADDRESS_IP4 | OTHER, 5);
	uint64_t cookies[] = {0, 1, UINT64_MAX, others, mr_rng_next(&path.rng)};

	for (unsigned i = 0; i < MR_ARRAY_SIZE(cookies); i++) {
		if (bytes >= sizeof(struct mr_wire_req))
			set_cookie(request, cookies[i]);
		forge(request, bytes, is_valid);
	}
}

static void test_every_operation_amplifies_nothing(void **state)
{
	static struct frame frames[FRAMES_MAX + 1];
	struct mr_guard_params params = defaults();
	unsigned n = frames_make(&path, frames), n_requests = 0;

	(void)state;
	publish(&params);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *payload = frames[i].data + 42;
		unsigned bytes;

		if (mr_load_be16(frames[i].data + 12) != 0x0800 || frames[i].data[23] != 17)
			continue;
		bytes = mr_load_be16(frames[i].data + 38) - 8u;
		n_requests++;
		forge_all_cookies(payload, bytes, true);
		// Every flag, operation and version that there is not, and every length.
		for (unsigned bit = 0; bit < 16; bit++) {
			mr_store_le16(
				payload + 6, mr_load_le16(payload + 6) ^ (uint16_t)(1u << bit));
			forge_all_cookies(payload, bytes, false);
			mr_store_le16(
				payload + 6, mr_load_le16(payload + 6) ^ (uint16_t)(1u << bit));
		}
		for (unsigned at = 4; at < 6; at++)
			for (unsigned v = 0; v < 256; v += 5) {
				uint8_t was = payload[at];

				payload[at] = (uint8_t)v;
				forge(payload, bytes, false);
				payload[at] = was;
			}
		for (unsigned cut = 0; cut < bytes; cut++)
			forge(payload, cut, false);
	}
	assert_true(n_requests >= 6);
}

static void test_mutants_amplify_nothing(void **state)
{
	static struct frame frames[FRAMES_MAX + 1], mutant;
	struct mr_guard_params params = defaults();
	unsigned n = frames_make(&path, frames);
	struct mr_rng rng = {UINT64_C(0x6775617264)};
	uint64_t requests = mr_fixture_io_count(&path.f, requests);
	unsigned answered = 0;

	(void)state;
	publish(&params);
	for (unsigned i = 0; i < MUTANTS; i++) {
		struct rte_mbuf *m;

		frames_mutate(&rng, frames, n, &mutant);
		m = mr_fixture_raw(&path.f, mutant.data, mutant.bytes);
		assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
		hear();
		answered += heard.n;
		if (heard.n > 0 && mr_load_le32(heard.last) == MR_WIRE_MAGIC_REPLY &&
			heard.bytes + 28 > mutant.bytes - 14u)
			fail_msg("mutant %u: %u bytes for a frame of %u", i, heard.bytes,
				mutant.bytes);
	}
	assert_true(answered > MUTANTS / 10);
	assert_int_equal(mr_fixture_io_count(&path.f, requests), requests);
}

// ---- writes ------------------------------------------------------------------------------------

static unsigned make_delete(
	uint8_t *request, unsigned room, unsigned key, uint64_t time_us, bool mac)
{
	struct mr_wire_ask ask = {.request_id = ++path.request_id, .view = PATH_USER};
	uint8_t data[256];
	struct mr_wire_row row = {.event_time_us = time_us, .key = data};
	struct mr_wire_writer w;

	ask.flags = mac ? MR_WIRE_F_MAC : 0;
	row.key_bytes = (uint8_t)path_key(&path, PATH_USER, key, data);
	assert_int_equal(mr_wire_write_begin(&w, request, room, MR_WIRE_OP_DELETE, &ask, 0, 0), 0);
	assert_int_equal(mr_wire_write_add(&w, &row), 0);
	return (unsigned)mr_wire_write_end(&w);
}

static void test_writes_need_their_mac(void **state)
{
	static const struct mr_wire_mac_key unknown = {3, {5, 6}}, wrong = {1, {5, 7}};
	struct mr_guard_params params = defaults();
	uint64_t cookie, requests;
	uint8_t request[512], other[512];
	unsigned bytes, length;

	(void)state;
	params.keys = &macs;
	publish(&params);
	cookie = hello(CLIENT);
	requests = mr_fixture_io_count(&path.f, requests);
	bytes = make_delete(request, sizeof(request), 3, PATH_NOW_US, false);
	set_cookie(request, cookie);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_DENIED);
	assert_int_equal(heard.bytes, 32);
	assert_int_equal(mr_fixture_rx_count(&path.f, mac_missing), 1);

	bytes = make_delete(request, sizeof(request), 3, PATH_NOW_US, true);
	set_cookie(request, cookie);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_DENIED);
	mr_wire_mac_sign(request, bytes, &unknown);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_DENIED);
	mr_wire_mac_sign(request, bytes, &wrong);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_DENIED);
	// A good MAC, of another datagram.
	length = make_delete(other, sizeof(other), 4, PATH_NOW_US, true);
	set_cookie(other, cookie);
	mr_wire_mac_sign(other, length, &macs.mac[0]);
	memcpy(request + bytes - 16, other + length - 16, 16);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_DENIED);
	assert_int_equal(heard.bytes, 32);
	assert_int_equal(mr_fixture_rx_count(&path.f, mac_wrong), 4);
	assert_int_equal(mr_fixture_io_count(&path.f, requests), requests);

	// Either key writes, and writing again changes nothing: a replay is harmless.
	for (unsigned i = 0; i < 4; i++) {
		mr_wire_mac_sign(request, bytes, &macs.mac[i % 2]);
		assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_OK);
		assert_int_equal(mr_wire_ack_status(&heard.reply, 0), MR_STATUS_OK);
	}
	// Without a cookie not even that.
	set_cookie(request, 0);
	mr_wire_mac_sign(request, bytes, &macs.mac[0]);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_COOKIE_NEEDED);
}

static void test_only_writers_write(void **state)
{
	struct mr_guard_params params = defaults();
	uint64_t denied = mr_fixture_rx_count(&path.f, write_denied);
	uint8_t request[512];
	unsigned bytes;

	(void)state;
	publish(&params);
	bytes = make_delete(request, sizeof(request), 5, PATH_NOW_US, false);
	set_cookie(request, hello(CLIENT));
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_DENIED);
	params.writers = "10.0.0.2";
	publish(&params);
	assert_int_equal(ask_from(CLIENT, request, bytes), MR_WIRE_RESULT_OK);
	set_cookie(request, hello(OTHER));
	assert_int_equal(ask_from(OTHER, request, bytes), MR_WIRE_RESULT_DENIED);
	assert_int_equal(mr_fixture_rx_count(&path.f, write_denied), denied + 2);
}

// ---- limits ------------------------------------------------------------------------------------

static unsigned ask_often(uint32_t from, const uint8_t *request, unsigned bytes, unsigned times)
{
	unsigned answered = 0;

	for (unsigned i = 0; i < times; i++)
		answered += ask_from(from, request, bytes) >= 0;
	return answered;
}

static void test_limits(void **state)
{
	struct mr_guard_params params = defaults();
	uint64_t before = mr_fixture_reason(&path.f, rate_limited);
	uint8_t request[512];
	unsigned bytes;

	(void)state;
	// A request takes hours: a burst of one, whatever the time that this takes.
	params.limits = "10.0.0.0/24 1";
	params.limit_burst_us = 0;
	params.tsc_hz = UINT64_C(1) << 45;
	params.unproven_rate = UINT64_C(1) << 45;
	publish(&params);
	bytes = get(request, sizeof(request), hello(CLIENT));
	assert_int_equal(ask_often(CLIENT, request, bytes, 20), 1);
	assert_int_equal(mr_fixture_reason(&path.f, rate_limited), before + 19);
	// Forged requests take nothing from the prefix that they name.
	publish(&params);
	set_cookie(request, 99);
	assert_int_equal(ask_often(CLIENT, request, bytes, 20), 20);
	params.limit_dry_run = true;
	publish(&params);
	set_cookie(request, hello(CLIENT));
	assert_int_equal(ask_often(CLIENT, request, bytes, 20), 20);
	assert_int_equal(mr_fixture_rx_count(&path.f, would_limit), 19);
}

static void test_answers_to_the_unproven_are_limited(void **state)
{
	struct mr_guard_params params = defaults();
	uint64_t before = mr_fixture_reason(&path.f, unproven_limited);
	uint8_t request[512];
	unsigned bytes, good;

	(void)state;
	publish(&params);
	good = get(request, sizeof(request), hello(OTHER));
	params.unproven_rate = 1;
	params.limit_burst_us = 0;
	params.tsc_hz = UINT64_C(1) << 45;
	publish(&params);
	assert_int_equal(ask_often(OTHER, request, good, 20), 20);
	bytes = get(request, sizeof(request), 0);
	assert_true(ask_often(CLIENT, request, bytes, 20) <= 1);
	assert_true(mr_fixture_reason(&path.f, unproven_limited) - before >= 19);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cookie_proves_one_address),
		cmocka_unit_test(test_trusted_need_no_cookie),
		cmocka_unit_test(test_the_refused_are_counted),
		cmocka_unit_test(test_every_operation_amplifies_nothing),
		cmocka_unit_test(test_mutants_amplify_nothing),
		cmocka_unit_test(test_writes_need_their_mac),
		cmocka_unit_test(test_only_writers_write),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_answers_to_the_unproven_are_limited),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, begin, end);
}
