// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that are no requests: what is answered all the same.
#include "path_util.h"

static struct path path;

/** Sends a datagram of @p bytes to another port. @return the reply's length; 0: none came. */
static unsigned other_port(bool is_ip6, unsigned bytes)
{
	static uint8_t payload[1400];
	struct rte_mbuf *m = is_ip6 ? mr_fixture_frame6(&path.f, payload, bytes)
	                            : mr_fixture_frame(&path.f, payload, bytes);
	unsigned udp = is_ip6 ? 54 : 34, length;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t before = mr_load_be16(frame + udp + 2), sum = mr_load_be16(frame + udp + 6);

	mr_store_be16(frame + udp + 2, (uint16_t)(before + 1));
	// One word is one more: so is the sum, its complement one less.
	mr_store_be16(frame + udp + 6, (uint16_t)(sum - 1));
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
	mr_fixture_settle(&path.f);
	if (mr_fixture_receive(&path.f, &m, 1) == 0)
		return 0;
	length = m->pkt_len;
	rte_pktmbuf_free(m);
	return length;
}

static void unreachable(void **state)
{
	const struct mr_rx_other other = {.unreachable_rate = 1000};
	unsigned answered = 0;

	(void)state;
	path_begin(&path, &(struct mr_fixture_params){.other = &other});
	assert_int_equal(other_port(false, 100), 14 + 128);
	assert_int_equal(other_port(true, 100), 14 + 148);
	assert_int_equal(other_port(false, 1400), 14 + 576);
	assert_int_equal(other_port(false, 27), 0);
	assert_int_equal(other_port(true, 47), 0);
	assert_int_equal(mr_fixture_rx_count(&path.f, unreachable), 3);
	assert_int_equal(mr_fixture_reason(&path.f, udp_port), 2);
	path_assert_at_rest(&path);
	// A hundredth of a second's worth at once, and what time gives meanwhile: not all of them.
	for (unsigned i = 0; i < 3000; i++)
		answered += other_port(false, 100) != 0;
	assert_in_range(answered, 1, 2900);
	assert_int_equal(mr_fixture_reason(&path.f, udp_port), 2 + 3000 - answered);
	path_end(&path);
	// Unless asked for, there is none.
	path_begin(&path, &(struct mr_fixture_params){.n_io = 1});
	assert_int_equal(other_port(false, 100), 0);
	assert_int_equal(mr_fixture_reason(&path.f, udp_port), 1);
	path_end(&path);
}

static void routers(void **state)
{
	// To all nodes, from fe80::2: flags and lifetime, then an MTU of 1400.
	static const uint8_t head[] = {0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60,
		0, 0, 0, 0, 24, 58, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0xff,
		2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	uint8_t frame[78] = {0};
	struct rte_mbuf *m;
	uint32_t sum = 24 + 58;

	(void)state;
	memcpy(frame, head, sizeof(head));
	frame[54] = 134;
	frame[70] = 5;
	frame[71] = 1;
	mr_store_be32(frame + 74, 1400);
	for (unsigned i = 22; i < sizeof(frame); i += 2)
		sum += mr_load_be16(frame + i);
	sum = (sum & 0xffff) + (sum >> 16);
	mr_store_be16(frame + 56, (uint16_t)~sum);
	path_begin(&path, &(struct mr_fixture_params){.n_io = 1});
	assert_int_equal(mr_rx_router_mtu(path.f.rx[0], 0), 0);
	m = mr_fixture_raw(&path.f, frame, sizeof(frame));
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
	mr_fixture_settle(&path.f);
	assert_int_equal(mr_fixture_reason(&path.f, nd_not_ours), 1);
	assert_int_equal(mr_rx_router_mtu(path.f.rx[0], 0), 1400);
	// A smaller one is adopted, a greater one or one below IPv6's least is not.
	assert_true(mr_port_adopt_mtu(&path.f.port, 1400));
	assert_int_equal(mr_port_max_payload(&path.f.port), 1372);
	assert_false(mr_port_adopt_mtu(&path.f.port, 1400));
	assert_false(mr_port_adopt_mtu(&path.f.port, 1500));
	assert_false(mr_port_adopt_mtu(&path.f.port, 1279));
	assert_int_equal(mr_port_max_payload(&path.f.port), 1372);
	path_end(&path);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unreachable),
		cmocka_unit_test(routers),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
