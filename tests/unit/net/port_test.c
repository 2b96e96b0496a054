// SPDX-License-Identifier: BSD-3-Clause
//
// Ports that need neither root nor hugepages: net_null through the device string, and a net_ring
// port made here, through which frames really go.
#include "mr_port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_log.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

#define DRIVERS MR_SOURCE_ROOT "/drivers-cfg"

static struct rte_mempool *pool;

static struct mr_port_params params_of(const char *device)
{
	struct mr_port_params params = {
		.name = "lan",
		.device = device,
		.drivers_dir = DRIVERS,
		.n_queues = 1,
		.udp_port = 4100,
		.n_ip4 = 1,
		.n_ip6 = 1,
		.ip4_be = {0x010200c0},
	};

	for (unsigned q = 0; q < MR_PORT_QUEUES_MAX; q++)
		params.pools[q] = pool;
	return params;
}

static void null_port_opens_and_closes_again_and_again(void **state)
{
	struct mr_port_params params = params_of("net_null0,no-rx=1");
	struct mr_port port;
	struct mr_err err;
	char text[2048];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		params.n_queues = (uint16_t)(1 + i);
		if (mr_port_open(&port, &params, &err) < 0)
			fail_msg("%s", err.text);
		assert_int_equal(port.n_queues, 1 + i);
		assert_int_equal(port.mtu_bytes, 1500);
		assert_int_equal(port.max_payload_bytes, 1472);
		assert_string_equal(port.driver.driver, "net_null");
		assert_int_equal(port.origin, MR_PORT_ATTACHED);
		assert_int_equal(port.self.udp_port, 4100);
		assert_int_equal(port.self.n_ip4, 1);
		assert_int_equal(mr_port_start(&port, &err), 0);
		assert_true(port.started && port.link_up);
		assert_in_range(mr_port_describe(&port, text, sizeof(text)), 300, sizeof(text) - 1);
		assert_non_null(strstr(text, "port lan: net_null0,no-rx=1, driver net_null"));
		assert_non_null(strstr(text, "null.ini"));
		mr_port_close(&port);
		assert_int_equal(rte_eth_dev_count_avail(), 1); // the ring port of set_up()
		mr_port_close(&port);
	}
}

static void steering_that_the_device_refuses_is_said(void **state)
{
	struct mr_port_params params = params_of("net_null0,no-rx=1");
	struct mr_port port;
	struct mr_err err;
	char text[2048];

	(void)state;
	params.steer_by_key = true;
	for (unsigned n_queues = 1; n_queues <= 3; n_queues++) {
		params.n_queues = (uint16_t)n_queues;
		if (mr_port_open(&port, &params, &err) < 0 || mr_port_start(&port, &err) < 0)
			fail_msg("%s", err.text);
		mr_port_describe(&port, text, sizeof(text));
		assert_non_null(
			strstr(text, n_queues == 1 ? "steering by key: not needed; one queue"
						   : "steering by key: REFUSED by the device ("));
		assert_true(port.started);
		mr_port_close(&port);
	}
}

static void descriptions_are_cut_to_size(void **state)
{
	struct mr_port_params params = params_of("net_null0,no-rx=1");
	char whole[4096], cut[100], empty[1] = {'x'};
	struct mr_port port;
	int length;

	(void)state;
	assert_int_equal(mr_port_open(&port, &params, NULL), 0);
	length = mr_port_describe(&port, whole, sizeof(whole));
	assert_int_equal(strlen(whole), length);
	assert_int_equal(mr_port_describe(&port, cut, sizeof(cut)), length);
	assert_int_equal(strlen(cut), sizeof(cut) - 1);
	assert_memory_equal(cut, whole, sizeof(cut) - 1);
	assert_int_equal(mr_port_describe(&port, empty, 1), length);
	assert_int_equal(empty[0], '\0');
	assert_int_equal(mr_port_describe(&port, NULL, 0), length);
	mr_port_close(&port);
}

struct mistake {
	const char *device;
	uint16_t n_queues, mtu_bytes;
	int error;
	const char *message;
};

static void mistakes_say_what_to_do(void **state)
{
	static const struct mistake cases[] = {
		{"net_nul0", 1, 0, 0, "net_tap0,iface=X"},
		{"net_null0,no-such=1", 1, 0, 0, "port lan (net_null0,no-such=1)"},
		{"0000:ff:1f.7", 1, 0, 0, "dpdk-devbind.py"},
		{"ff:1f.7", 1, 0, 0, "dpdk-devbind.py"},
		{"port:none", 1, 0, -ENODEV, "port lan (port:none): there is no port of that name"},
		{"", 1, 0, -EINVAL, "port lan (): no device"},
		{"net_null0,no-rx=1", 0, 0, -EINVAL, "0 queues"},
		{"net_null0,no-rx=1", 65, 0, -E2BIG, "65 queues asked for, at most 64"},
		{"port:net_ring_t", 3, 0, -E2BIG, "3 queues asked for, at most 2"},
		{"net_null0,no-rx=1", 1, 1501, -ERANGE,
			"MTU of 1501 bytes; it must be 1280, as IPv6 asks, to 1500"},
		{"net_null0,no-rx=1", 1, 60, -ERANGE, "MTU of 60 bytes"},
		{"port:net_ring_t", 1, 9000, -EINVAL, "an MTU of 9000 needs 9022"},
		{"port:net_ring_t", 2, 0, -ENOMEM, "the RX rings alone hold 2048"},
	};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_port_params params = params_of(cases[i].device);
		struct mr_err err = {""};
		struct mr_port port;
		int error;

		params.n_queues = cases[i].n_queues;
		params.mtu_bytes = cases[i].mtu_bytes;
		error = mr_port_open(&port, &params, &err);
		if (error >= 0 || (cases[i].error != 0 && error != cases[i].error) ||
			strstr(err.text, cases[i].message) == NULL)
			fail_msg("%s: %d, %s", cases[i].device, error, err.text);
		assert_int_equal(rte_eth_dev_count_avail(), 1);
		mr_port_close(&port);
	}
}

static void a_driver_without_a_file_is_named(void **state)
{
	struct mr_port_params params = params_of("net_null0,no-rx=1");
	struct mr_port port;
	struct mr_err err;

	(void)state;
	params.drivers_dir = MR_SOURCE_ROOT "/tests/unit/net";
	assert_int_equal(mr_port_open(&port, &params, &err), -ENOENT);
	assert_non_null(strstr(err.text, "port lan (net_null0,no-rx=1): "));
	assert_non_null(strstr(err.text, "lists driver net_null"));
}

static void frames_go_through_a_ring_port(void **state)
{
	struct mr_port_params params = params_of("port:net_ring_t");
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *got = NULL;
	struct mr_port port;
	struct mr_err err;
	uint8_t *data;

	(void)state;
	if (mr_port_open(&port, &params, &err) < 0 || mr_port_start(&port, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(port.origin, MR_PORT_FOREIGN);
	assert_int_equal(mr_port_rx_checked(&port, 0), 3); // never left memory
	data = (uint8_t *)(void *)rte_pktmbuf_append(m, MR_NET_ANNOUNCE_BYTES);
	mr_net_announce(&port.self, 0, data);
	assert_int_equal(rte_eth_tx_burst(port.port_id, 0, &m, 1), 1);
	assert_int_equal(rte_eth_rx_burst(port.port_id, 0, &got, 1), 1);
	assert_ptr_equal(got, m);
	rte_pktmbuf_free(got);
	mr_port_close(&port);
	assert_int_equal(rte_eth_dev_count_avail(), 1); // foreign: still there
}

static void flags_say_what_the_port_checked(void **state)
{
	static const struct {
		uint64_t ol_flags;
		unsigned checked;
	} cases[] = {
		{0, 0},
		{RTE_MBUF_F_RX_IP_CKSUM_GOOD, MR_NET_RX_IP_CHECKED},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, MR_NET_RX_L4_CHECKED},
		{RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, 3},
		{RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_BAD, 0},
		{RTE_MBUF_F_RX_IP_CKSUM_NONE, MR_NET_RX_IP_CHECKED},
		{RTE_MBUF_F_RX_L4_CKSUM_NONE, MR_NET_RX_L4_CHECKED},
		{RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_VLAN, 0},
	};
	struct mr_port port = {.rx_checked = 3};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		port.rx_checked = 3;
		assert_int_equal(mr_port_rx_checked(&port, cases[i].ol_flags), cases[i].checked);
		port.rx_checked = MR_NET_RX_L4_CHECKED;
		assert_int_equal(mr_port_rx_checked(&port, cases[i].ol_flags),
			cases[i].checked & MR_NET_RX_L4_CHECKED);
	}
	port = (struct mr_port){.rx_assumed = 3};
	assert_int_equal(mr_port_rx_checked(&port, 0), 3);
}

static int set_up(void **state)
{
	char *args[] = {(char[]){"port_test"}, (char[]){"--no-huge"}, (char[]){"--no-shconf"},
		(char[]){"--no-pci"}, (char[]){"--no-telemetry"}, (char[]){"-m"}, (char[]){"64"},
		(char[]){"-l"}, (char[]){"0"}, (char[]){"--log-level=error"}};
	struct rte_ring *rings[2];

	(void)state;
	if (rte_eal_init(MR_ARRAY_SIZE(args), args) < 0)
		return -1;
	rte_log_set_global_level(RTE_LOG_EMERG); // the mistakes below are on purpose
	pool = rte_pktmbuf_pool_create("pool", 2047, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	rings[0] = rte_ring_create("r0", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	rings[1] = rte_ring_create("r1", 1024, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (pool == NULL || rings[0] == NULL || rings[1] == NULL)
		return -1;
	// The driver puts "net_ring_" in front.
	return rte_eth_from_rings("t", rings, 2, rings, 2, 0) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(null_port_opens_and_closes_again_and_again),
		cmocka_unit_test(steering_that_the_device_refuses_is_said),
		cmocka_unit_test(descriptions_are_cut_to_size),
		cmocka_unit_test(mistakes_say_what_to_do),
		cmocka_unit_test(a_driver_without_a_file_is_named),
		cmocka_unit_test(frames_go_through_a_ring_port),
		cmocka_unit_test(flags_say_what_the_port_checked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
