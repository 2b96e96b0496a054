// SPDX-License-Identifier: BSD-3-Clause
//
// What happens at the edges: full rings, no mbufs, a port that takes nothing, deadlines, requests
// that are none, frames that are no requests. Everything is answered or counted, and nothing leaks.
#include "path_util.h"

#include <rte_cycles.h>
#include <rte_ip.h>

static struct path path;
static uint8_t row[MR_ROW_MAX_BYTES], request[65536];
static unsigned row_bytes;

static int teardown(void **state)
{
	(void)state;
	path_end(&path);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	path_begin(&path, &(struct mr_fixture_params){.handoff_depth = 8});
	row_bytes = path_row_make(&path, PATH_USER, 10, row);
	return 0;
}

static void submit(unsigned bytes)
{
	struct rte_mbuf *m = mr_fixture_frame(&path.f, request, bytes);

	assert_non_null(m);
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
}

// Takes one reply, of one datagram, into path.answer. @return false: there is none.
static bool hear_one(void)
{
	struct rte_mbuf *m;
	const uint8_t *payload;
	unsigned bytes;

	if (mr_fixture_receive(&path.f, &m, 1) == 0)
		return false;
	payload = mr_fixture_payload(m, &bytes);
	mr_answer_clear(&path.answer);
	assert_int_equal(mr_answer_take(&path.answer, payload, bytes), 0);
	rte_pktmbuf_free(m);
	return true;
}

// ---- full rings
// ----------------------------------------------------------------------------------

// The I/O lcore takes nothing: once the ring is full, misses are BUSY, hits and negatives are not.
static void a_full_handoff_ring(void **state)
{
	unsigned keys[3] = {100, 0, 399}, n_busy = 0, n = 0;

	(void)state;
	path_put(&path, PATH_USER, 100, PATH_CACHE, PATH_NOW_US, row, row_bytes);
	for (unsigned i = 0; i < 20; i++)
		path_put(&path, PATH_USER, i, PATH_STORE, PATH_NOW_US, row, row_bytes);
	for (unsigned i = 0; i < 20; i++) {
		keys[1] = i;
		submit(path_get(&path, request, sizeof(request), PATH_USER, keys, 3));
	}
	mr_rx_turn(path.f.rx[0]);
	while (hear_one()) {
		keys[1] = (unsigned)(path.answer.request_id - 1001);
		path.request_id = path.answer.request_id;
		path_check(&path, PATH_USER, keys, 3, 1u << MR_STATUS_BUSY);
		assert_int_equal(path.answer.got[0].status, MR_STATUS_OK);
		assert_int_equal(path.answer.got[1].status, MR_STATUS_BUSY);
		assert_int_equal(path.answer.got[2].status, MR_STATUS_NOT_FOUND);
		n_busy++;
	}
	assert_int_equal(n_busy, 12);
	assert_int_equal(mr_fixture_rx_count(&path.f, shed), 12);
	mr_fixture_settle(&path.f);
	while (hear_one()) {
		keys[1] = (unsigned)(path.answer.request_id - 1001);
		path.request_id = path.answer.request_id;
		path_check(&path, PATH_USER, keys, 3, 0);
		n++;
	}
	assert_int_equal(n, 8);
}

static void writes_to_a_full_ring(void **state)
{
	struct path_write writes[2] = {
		{1, PATH_NOW_US, row, row_bytes}, {2, PATH_NOW_US, row, row_bytes}};
	unsigned n_busy = 0, n_ok = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		writes[1].event_time_us = writes[0].event_time_us = PATH_NOW_US + i;
		submit(path_write(
			&path, request, sizeof(request), MR_WIRE_OP_PUT, PATH_USER, writes, 2));
	}
	mr_fixture_settle(&path.f);
	while (hear_one()) {
		assert_int_equal(path.answer.result, MR_WIRE_RESULT_OK);
		assert_int_equal(path.answer.n, 2);
		n_busy += path.answer.got[0].status == MR_STATUS_BUSY &&
		          path.answer.got[1].status == MR_STATUS_BUSY && path.answer.flags == 0;
		n_ok += path.answer.got[0].status == MR_STATUS_OK;
	}
	assert_int_equal(n_busy, 12);
	// Of the eight in one burst the newest wins.
	assert_int_equal(n_ok, 1);
	assert_int_equal(path_get_one(&path, PATH_USER, 1), MR_STATUS_OK);
	assert_int_equal(path.answer.got[0].event_time_us, PATH_NOW_US + 7);
}

// Takes mbufs away until @p left remain.
static unsigned hold_mbufs(struct rte_mbuf **held, unsigned left)
{
	unsigned n = 0;

	while (rte_mempool_avail_count(path.f.pool) > left)
		held[n++] = rte_pktmbuf_alloc(path.f.pool);
	return n;
}

// A reply of five datagrams with four, three, ... mbufs left: dropped and counted by the RX lcore,
// shed by the I/O lcore, whole with enough of them.
static void no_mbufs(void **state)
{
	static struct rte_mbuf *held[4096];
	unsigned key = 1, bytes;

	(void)state;
	bytes = path_row_make(&path, PATH_BLOB, 6000, row);
	for (unsigned where = PATH_STORE; where <= PATH_CACHE; where++) {
		for (unsigned left = 1; left <= 5; left++, key++) {
			uint64_t dropped = mr_fixture_reason(&path.f, no_mbuf);
			unsigned length, n;
			int ret;

			path_put(&path, PATH_BLOB, key, where, PATH_NOW_US, row, bytes);
			length = path_get(&path, request, sizeof(request), PATH_BLOB, &key, 1);
			n = hold_mbufs(held, left);
			ret = mr_fixture_ask(&path.f, request, length, &path.answer);
			rte_pktmbuf_free_bulk(held, n);
			dropped = mr_fixture_reason(&path.f, no_mbuf) - dropped;
			if (left == 5) {
				assert_int_equal(ret, 1);
				assert_int_equal(path.answer.n_datagrams, 5);
				path_check(&path, PATH_BLOB, &key, 1, 0);
			} else if (where == PATH_CACHE) {
				assert_int_equal(ret, 0);
				assert_int_equal(dropped, 1);
			} else {
				assert_int_equal(ret, 1);
				assert_int_equal(path.answer.result, MR_WIRE_RESULT_BUSY);
			}
			path_assert_at_rest(&path);
		}
	}
}

// The port takes less than there is: what it did not take is counted, a request at a time.
static void a_port_that_takes_nothing(void **state)
{
	unsigned key = 1, n_answers = 0, n_frames = 0, bytes;
	struct rte_mbuf *m;

	(void)state;
	path_end(&path);
	path_begin(&path, &(struct mr_fixture_params){.ring_slots = 64});
	bytes = path_row_make(&path, PATH_BLOB, 4000, row);
	path_put(&path, PATH_BLOB, 1, PATH_CACHE, PATH_NOW_US, row, bytes);
	for (unsigned i = 0; i < 40; i++)
		submit(path_get(&path, request, sizeof(request), PATH_BLOB, &key, 1));
	mr_fixture_settle(&path.f);
	assert_int_equal(mr_fixture_rx_count(&path.f, answered), 21);
	assert_int_equal(mr_fixture_reason(&path.f, tx_full), 19);
	mr_answer_clear(&path.answer);
	while (mr_fixture_receive(&path.f, &m, 1) == 1) {
		struct mr_wire_reply rep;
		unsigned length;
		const uint8_t *payload = mr_fixture_payload(m, &length);

		assert_int_equal(mr_wire_reply_decode(payload, length, &rep), MR_WIRE_DEFECT_NONE);
		n_answers += rep.frag + 1 == rep.frag_count;
		n_frames++;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(n_frames, 63); // all that such a ring holds
	assert_int_equal(n_answers, 21);
}

// ---- deadlines
// -----------------------------------------------------------------------------------

static void deadlines(void **state)
{
	static const struct {
		uint32_t deadline_us;
		enum mr_wire_result result;
	} cases[] = {{0, MR_WIRE_RESULT_OK}, {1, MR_WIRE_RESULT_TOO_LATE},
		{UINT32_MAX, MR_WIRE_RESULT_OK}};

	(void)state;
	mr_clock_init(&path.f.clock);
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_wire_ask ask = {
			.request_id = c, .view = PATH_USER, .deadline_us = cases[c].deadline_us};
		uint8_t key[MR_KEY_MAX_BYTES];
		struct mr_wire_key wire = {key, (uint8_t)path_key(&path, PATH_USER, c, key)};
		uint64_t start = rte_rdtsc();
		int n = mr_wire_get_encode(request, sizeof(request), &ask, &wire, 1);

		path_put(&path, PATH_USER, c, PATH_STORE, PATH_NOW_US, row, row_bytes);
		submit((unsigned)n);
		mr_rx_turn(path.f.rx[0]);
		while (rte_rdtsc() - start < path.f.clock.hz / 50000)
			;
		mr_fixture_settle(&path.f);
		assert_true(hear_one());
		assert_int_equal(path.answer.result, cases[c].result);
	}
	mr_fixture_set_time(&path.f, PATH_NOW_US);
}

// ---- small requests
// ------------------------------------------------------------------------------

static void hello_and_ping(void **state)
{
	struct mr_wire_ask ask = {.request_id = 42};
	struct mr_wire_hello_reply hello;

	(void)state;
	assert_int_equal(path_ask(&path, request,
				 (unsigned)mr_wire_ping_encode(request, sizeof(request), &ask)),
		MR_WIRE_RESULT_OK);
	assert_int_equal(path.answer.request_id, 42);
	assert_int_equal(path.answer.op, MR_WIRE_OP_PING);
	assert_int_equal(path.answer.body_bytes, 0);
	assert_int_equal(
		path_ask(&path, request, (unsigned)mr_wire_hello_encode(request, 64, &ask, 7)),
		MR_WIRE_RESULT_OK);
	memcpy(&hello, path.answer.body, sizeof(hello));
	assert_int_equal(path.answer.body_bytes, sizeof(hello));
	assert_int_equal(le16toh(hello.max_payload_bytes), 1500 - 28);
	assert_int_equal(hello.max_keys, 255);
	assert_int_equal(le64toh(hello.server_time_us), PATH_NOW_US);
}

// A client learns a view page by page, whatever length it pads to.
static void describe_in_pages(void **state)
{
	static const unsigned rooms[] = {64, 65, 100, 1472};
	static const char *const names[] = {"user", "four", "wide250", "pair"};
	static char want[65536], got[65536];

	(void)state;
	for (unsigned r = 0; r < MR_ARRAY_SIZE(rooms); r++) {
		for (unsigned v = 0; v < MR_ARRAY_SIZE(names); v++) {
			const struct mr_view *view =
				mr_catalog_view_by_name(path.f.catalog, names[v]);
			size_t total = mr_catalog_print_view(view, want, sizeof(want));
			uint32_t at = 0;

			while (at < total) {
				struct mr_wire_ask ask = {.request_id = at};
				struct mr_wire_describe_reply page;
				int n = mr_wire_describe_encode(
					request, rooms[r], &ask, names[v], at);

				assert_int_equal(
					path_ask(&path, request, (unsigned)n), MR_WIRE_RESULT_OK);
				assert_true(path.answer.longest_bytes <= rooms[r]);
				memcpy(&page, path.answer.body, sizeof(page));
				assert_int_equal(le16toh(page.view), view->id);
				assert_int_equal(le32toh(page.layout), view->layout);
				assert_int_equal(le32toh(page.offset), at);
				assert_int_equal(le32toh(page.total_bytes), total);
				assert_true(le16toh(page.bytes) > 0);
				memcpy(got + at, path.answer.body + sizeof(page),
					le16toh(page.bytes));
				at += le16toh(page.bytes);
			}
			assert_int_equal(at, total);
			assert_memory_equal(got, want, total);
		}
	}
}

static void describe_what_is_not_there(void **state)
{
	static const struct {
		const char *name;
		unsigned bytes;
		uint32_t offset;
		enum mr_wire_result result;
	} cases[] = {
		{"user", 4, 0, MR_WIRE_RESULT_OK},
		{"use", 3, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"users", 5, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"nobody", 6, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"user", 4, 1u << 30, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"user\0", 5, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"user\0\0\0\0\0\0\0\0\0\0\0", 15, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"user\0age", 8, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"\0", 1, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"wide250\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 36, 0,
			MR_WIRE_RESULT_UNKNOWN_VIEW},
	};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		struct mr_wire_ask ask = {.request_id = c};
		int n = mr_wire_describe_encode(request, 200, &ask, "x", cases[c].offset);

		// The encoder takes a C string; these names are not.
		request[sizeof(struct mr_wire_req) +
			offsetof(struct mr_wire_describe, name_bytes)] = (uint8_t)cases[c].bytes;
		memcpy(request + sizeof(struct mr_wire_req) + sizeof(struct mr_wire_describe),
			cases[c].name, cases[c].bytes);
		print_message("case %u\n", c);
		assert_int_equal(path_ask(&path, request, (unsigned)n), cases[c].result);
	}
}

// ---- requests that are none
// ----------------------------------------------------------------------

enum { SILENT = 255 };

static void malformed(void **state)
{
	struct mr_wire_req *head = (struct mr_wire_req *)request;
	static const struct {
		const char *what;
		unsigned at; // a byte to change, counted in the payload
		uint8_t value;
		int longer;      // than the good request
		unsigned result; // or SILENT
	} cases[] = {
		{"good", 0, 'M', 0, MR_WIRE_RESULT_OK},
		{"empty", 0, 'M', -64, SILENT},
		{"truncated header", 0, 'M', -33, SILENT},
		{"header alone", 0, 'M', -32, MR_WIRE_RESULT_MALFORMED},
		{"truncated keys", 0, 'M', -1, MR_WIRE_RESULT_MALFORMED},
		{"a byte too many", 0, 'M', 1, MR_WIRE_RESULT_MALFORMED},
		{"oversized", 0, 'M', 1300, MR_WIRE_RESULT_MALFORMED},
		{"wrong magic", 0, 'X', 0, SILENT},
		{"reply magic", 3, 'P', 0, SILENT},
		{"wrong version", 4, 2, 0, MR_WIRE_RESULT_BAD_VERSION},
		{"version 0", 4, 0, 0, MR_WIRE_RESULT_BAD_VERSION},
		{"operation 0", 5, 0, 0, MR_WIRE_RESULT_UNKNOWN_OP},
		{"operation 7", 5, 7, 0, MR_WIRE_RESULT_UNKNOWN_OP},
		{"critical flag", 6, 0x80, 0, MR_WIRE_RESULT_UNSUPPORTED},
		{"MAC on a GET", 6, 0x08, 0, MR_WIRE_RESULT_UNSUPPORTED},
		{"trace id that is a key", 6, 0x04, 0, MR_WIRE_RESULT_MALFORMED},
		{"unknown view", 24, 200, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"view 0", 24, 0, 0, MR_WIRE_RESULT_UNKNOWN_VIEW},
		{"zero keys", 26, 0, 0, MR_WIRE_RESULT_MALFORMED},
		{"key count that lies", 26, 5, 0, MR_WIRE_RESULT_MALFORMED},
		{"key count 255", 26, 255, 0, MR_WIRE_RESULT_MALFORMED},
		{"key length that overruns", 27, 9, 0, MR_WIRE_RESULT_MALFORMED},
		{"key length 255", 27, 255, 0, MR_WIRE_RESULT_MALFORMED},
		{"a table that overruns", 27, 0, 0, MR_WIRE_RESULT_MALFORMED},
		{"DELETE without records", 5, 5, 0, MR_WIRE_RESULT_MALFORMED},
		{"PUT without records", 5, 4, 0, MR_WIRE_RESULT_MALFORMED},
		{"HELLO with keys", 5, 1, 0, MR_WIRE_RESULT_MALFORMED},
		{"PING with keys", 5, 2, 0, MR_WIRE_RESULT_MALFORMED},
		{"DESCRIBE with keys", 5, 6, 0, MR_WIRE_RESULT_MALFORMED},
	};
	static const unsigned keys[] = {1, 2, 3, 4};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		uint64_t silent = mr_fixture_reason(&path.f, wire_magic) +
		                  mr_fixture_reason(&path.f, wire_truncated);
		unsigned n = path_get(&path, request, sizeof(request), PATH_USER, keys, 4);
		int ret;

		print_message("%s\n", cases[c].what);
		memset(request + n, 0, 2000);
		request[cases[c].at] = cases[c].value;
		ret = mr_fixture_ask(
			&path.f, request, (unsigned)((int)n + cases[c].longer), &path.answer);
		assert_int_equal(ret, cases[c].result != SILENT);
		if (ret == 1)
			assert_int_equal(path.answer.result, cases[c].result);
		if (ret == 1 && cases[c].result != MR_WIRE_RESULT_OK)
			assert_int_equal(path.answer.request_id, le64toh(head->request_id));
		assert_int_equal(mr_fixture_reason(&path.f, wire_magic) +
					 mr_fixture_reason(&path.f, wire_truncated) - silent,
			ret == 0);
		path_assert_at_rest(&path);
	}
}

// ---- frames that are no requests
// -----------------------------------------------------------------

static unsigned exchange_raw(const uint8_t *frame, unsigned bytes, uint8_t *reply)
{
	struct rte_mbuf *m = mr_fixture_raw(&path.f, frame, bytes);
	unsigned n = 0;

	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
	mr_fixture_settle(&path.f);
	if (mr_fixture_receive(&path.f, &m, 1) == 1) {
		n = m->pkt_len;
		memcpy(reply, rte_pktmbuf_mtod(m, const uint8_t *), n);
		rte_pktmbuf_free(m);
	}
	path_assert_at_rest(&path);
	return n;
}

static void arp(void **state)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 8, 6, 0, 1, 8, 0,
		6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1};
	static const uint8_t want[] = {10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2};
	uint8_t reply[2048];

	(void)state;
	assert_int_equal(exchange_raw(frame, sizeof(frame), reply), 42);
	assert_int_equal(reply[21], 2);
	assert_memory_equal(reply, frame + 6, 6);
	assert_memory_equal(reply + 6, path.f.port.self.mac, 6);
	assert_memory_equal(reply + 22, path.f.port.self.mac, 6);
	assert_memory_equal(reply + 28, want, sizeof(want));
	assert_int_equal(mr_fixture_rx_count(&path.f, control), 1);
	frame[41] = 9;
	assert_int_equal(exchange_raw(frame, sizeof(frame), reply), 0);
	assert_int_equal(mr_fixture_reason(&path.f, arp_not_ours), 1);
}

static void echo(void **state)
{
	struct rte_mbuf *m = mr_fixture_frame(&path.f, "pingpingpingping", 16);
	uint8_t frame[128], reply[2048];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 14);
	unsigned bytes = m->pkt_len;
	uint32_t sum;

	(void)state;
	memcpy(frame, rte_pktmbuf_mtod(m, const uint8_t *), bytes);
	rte_pktmbuf_free(m);
	ip->next_proto_id = IPPROTO_ICMP;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(frame + 34, "\x08\0\0\0\0\7\0\1", 8);
	sum = mr_net_sum(frame + 34, bytes - 34, 0);
	*(uint16_t *)(void *)(frame + 36) = (uint16_t)~mr_net_fold(sum);
	assert_int_equal(exchange_raw(frame, bytes, reply), bytes);
	assert_int_equal(reply[34], 0);
	assert_int_equal(mr_net_fold(mr_net_sum(reply + 34, bytes - 34, 0)), 0xffff);
	assert_memory_equal(reply + 38, frame + 38, bytes - 38);
	assert_memory_equal(reply + 30, frame + 26, 4);
}

// Neighbour discovery: the reply has an option that the solicitation need not have.
static void solicitation(void **state)
{
	uint8_t frame[78] = {0}, reply[2048], sent[16] = MR_FIXTURE_IP6;
	uint32_t sum;

	(void)state;
	mr_net_solicited_mac(sent, frame);
	memcpy(frame + 6, "\x02\0\0\0\0\x02\x86\xdd\x60", 9);
	frame[19] = 24;
	frame[20] = 58;
	frame[21] = 255;
	frame[22] = 0xfd;
	frame[37] = 2;
	memcpy(frame + 38, "\xff\x02\0\0\0\0\0\0\0\0\0\1\xff\0\0\1", 16);
	frame[54] = 135;
	memcpy(frame + 62, sent, 16);
	sum = mr_net_sum(frame + 22, 32, 0);
	sum = mr_net_sum("\0\0\0\x18\0\0\0\x3a", 8, sum);
	sum = mr_net_sum(frame + 54, 24, sum);
	*(uint16_t *)(void *)(frame + 56) = (uint16_t)~mr_net_fold(sum);
	assert_int_equal(exchange_raw(frame, sizeof(frame), reply), 86);
	assert_int_equal(reply[54], 136);
	assert_memory_equal(reply + 80, path.f.port.self.mac, 6);
}

static void frames_that_are_not_ours(void **state)
{
	static const struct {
		const char *what;
		unsigned at;
		uint8_t value;
		int longer;
		enum mr_reason reason;
	} cases[] = {
		{"runt", 0, 0, -1000, MR_REASON_eth_short},
		{"another MAC", 5, 0x77, 0, MR_REASON_eth_not_ours},
		{"a group's MAC", 0, 0x01, 0, MR_REASON_eth_group},
		{"ethertype", 12, 0x99, 0, MR_REASON_eth_type},
		{"another IP", 33, 99, 0, MR_REASON_ip_not_ours},
		{"IP version", 14, 0x55, 0, MR_REASON_ip_header},
		{"fragment", 20, 0x20, 0, MR_REASON_ip_fragment},
		{"TCP", 23, 6, 0, MR_REASON_ip_protocol},
		{"another port", 37, 1, 0, MR_REASON_udp_port},
		{"UDP length", 38, 0x20, 0, MR_REASON_udp_length},
		{"cut off", 0, 2, -3, MR_REASON_ip_header},
	};
	static const unsigned keys[] = {1, 2, 3, 4};

	(void)state;
	for (unsigned c = 0; c < MR_ARRAY_SIZE(cases); c++) {
		unsigned n = path_get(&path, request, sizeof(request), PATH_USER, keys, 4), bytes;
		struct rte_mbuf *m = mr_fixture_frame(&path.f, request, n);
		uint8_t frame[2048], reply[2048];
		size_t at = offsetof(struct mr_rx_counters, reasons[cases[c].reason]);

		bytes = m->pkt_len;
		memcpy(frame, rte_pktmbuf_mtod(m, const uint8_t *), bytes);
		rte_pktmbuf_free(m);
		if (cases[c].longer == 0)
			frame[cases[c].at] = cases[c].value;
		bytes = cases[c].longer < -100 ? 10 : (unsigned)((int)bytes + cases[c].longer);
		print_message("%s\n", cases[c].what);
		assert_int_equal(exchange_raw(frame, bytes, reply), 0);
		assert_int_equal(
			mr_fixture_rx_sum(&path.f, at), 1 + (c == MR_ARRAY_SIZE(cases) - 1));
	}
}

static void a_chained_frame(void **state)
{
	struct rte_mbuf *m = mr_fixture_raw(&path.f, request, 60);
	struct rte_mbuf *tail = mr_fixture_raw(&path.f, request, 60);

	(void)state;
	assert_int_equal(rte_pktmbuf_chain(m, tail), 0);
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
	mr_fixture_settle(&path.f);
	assert_int_equal(mr_fixture_reason(&path.f, mbuf_chained), 1);
}

// The view that a request names is gone by the time an I/O lcore looks.
static void a_view_that_goes(void **state)
{
	static uint8_t mem[1 << 21];
	struct mr_err err = {0};
	struct mr_arena arena;
	const struct mr_catalog *empty;
	struct path_write write = {7, PATH_NOW_US, row, row_bytes};
	unsigned key = 1;

	(void)state;
	mr_arena_init(&arena, mem, sizeof(mem));
	empty = mr_catalog_build(&arena, "none", "", 0, &err);
	assert_non_null(empty);
	path_put(&path, PATH_USER, 1, PATH_STORE, PATH_NOW_US, row, row_bytes);
	submit(path_get(&path, request, sizeof(request), PATH_USER, &key, 1));
	submit(path_write(&path, request, sizeof(request), MR_WIRE_OP_PUT, PATH_USER, &write, 1));
	mr_rx_turn(path.f.rx[0]);
	atomic_store(&path.f.tiers.published, mr_published_build(&arena, empty, 2));
	mr_fixture_settle(&path.f);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(hear_one());
		assert_int_equal(path.answer.result, MR_WIRE_RESULT_UNKNOWN_VIEW);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_full_handoff_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(writes_to_a_full_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(no_mbufs, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_that_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(deadlines, setup, teardown),
		cmocka_unit_test_setup_teardown(hello_and_ping, setup, teardown),
		cmocka_unit_test_setup_teardown(describe_in_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(describe_what_is_not_there, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(arp, setup, teardown),
		cmocka_unit_test_setup_teardown(echo, setup, teardown),
		cmocka_unit_test_setup_teardown(solicitation, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_that_are_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(a_chained_frame, setup, teardown),
		cmocka_unit_test_setup_teardown(a_view_that_goes, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
