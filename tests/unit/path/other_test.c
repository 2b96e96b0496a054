// SPDX-License-Identifier: BSD-3-Clause
//
// Frames that are no requests: what is answered all the same.
#include "path_util.h"

#include <rte_bus_vdev.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

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

// ---- the kernel's share ------------------------------------------------------------------------

#define KERNEL_SLOTS 64u

static struct mr_port kernel;
static struct rte_ring *to_kernel, *from_kernel;

static void begin_with_kernel(uint64_t rate)
{
	static struct mr_rx_other other;
	struct rte_eth_conf conf = {0};
	int id;

	other = (struct mr_rx_other){
		.unreachable_rate = 1000, .kernel = &kernel, .kernel_rate = rate};
	path_begin(&path, &(struct mr_fixture_params){.other = &other});
	to_kernel = rte_ring_create("to_kernel", KERNEL_SLOTS, 0, 0);
	from_kernel = rte_ring_create("from_kernel", KERNEL_SLOTS, 0, 0);
	id = rte_eth_from_rings("kernel", &from_kernel, 1, &to_kernel, 1, 0);
	assert_true(id >= 0);
	kernel.port_id = (uint16_t)id;
	assert_int_equal(rte_eth_dev_configure(kernel.port_id, 1, 1, &conf), 0);
	assert_int_equal(rte_eth_rx_queue_setup(kernel.port_id, 0, 64, 0, NULL, path.f.pool), 0);
	assert_int_equal(rte_eth_tx_queue_setup(kernel.port_id, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start(kernel.port_id), 0);
}

static void end_with_kernel(void)
{
	rte_eth_dev_stop(kernel.port_id);
	rte_eth_dev_close(kernel.port_id);
	rte_vdev_uninit("net_ring_kernel");
	rte_ring_free(to_kernel);
	rte_ring_free(from_kernel);
	path_end(&path);
}

/** Changes a byte of a request over IPv4 (its header's sum with it), sends it. */
static void send_changed(unsigned at, uint8_t value, bool mend)
{
	static const uint8_t payload[64];
	struct rte_mbuf *m = mr_fixture_frame(&path.f, payload, sizeof(payload));
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	frame[at] = value;
	if (mend) {
		mr_store_be16(frame + 24, 0);
		mr_store_be16(
			frame + 24, be16toh((uint16_t)~mr_net_fold(mr_net_sum(frame + 14, 20, 0))));
	}
	assert_int_equal(mr_fixture_send(&path.f, 0, &m, 1), 1);
	mr_fixture_settle(&path.f);
}

/** Takes the frames that the kernel got. @return how many. */
static unsigned drain(void)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	for (; rte_ring_dequeue(to_kernel, (void **)&m) == 0; n++)
		rte_pktmbuf_free(m);
	return n;
}

static void the_kernels_share(void **state)
{
	static const struct {
		const char *name;
		unsigned at;
		uint8_t value;
		bool mend, to_kernel;
	} cases[] = {
		{"tcp", 23, 6, true, true},
		{"another address", 33, 99, true, true},
		{"another port", 37, 1, false, true},
		{"a fragment", 20, 0x20, true, true},
		{"options", 14, 0x46, true, true},
		{"lldp", 12, 0x88, false, true},
		{"a broadcast", 0, 0xff, false, true},
		{"another host's", 1, 9, false, false},
		{"a wrong sum", 24, 1, false, false},
		{"from loopback", 26, 127, true, false},
		{"no magic", 50, 1, false, false},
	};
	uint64_t n = 0;

	(void)state;
	begin_with_kernel(1000000);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		send_changed(cases[i].at, cases[i].value, cases[i].mend);
		if (drain() != cases[i].to_kernel)
			fail_msg("%s", cases[i].name);
		n += cases[i].to_kernel;
	}
	assert_int_equal(mr_fixture_reason(&path.f, to_kernel), n);
	assert_int_equal(mr_fixture_rx_count(&path.f, unreachable), 0);
	// Its port takes no more.
	for (unsigned i = 0; i < KERNEL_SLOTS + 9; i++)
		send_changed(23, 6, true);
	assert_int_equal(mr_fixture_reason(&path.f, kernel_full), 10);
	assert_int_equal(drain(), KERNEL_SLOTS - 1);
	end_with_kernel();
}

static void the_kernels_rate(void **state)
{
	unsigned n = 0;

	(void)state;
	begin_with_kernel(1000);
	for (unsigned i = 0; i < 3000; i++) {
		send_changed(23, 6, true);
		n += drain();
	}
	assert_in_range(n, 1, 2900);
	assert_int_equal(mr_fixture_reason(&path.f, to_kernel), n);
	assert_int_equal(mr_fixture_reason(&path.f, kernel_limited), 3000 - n);
	end_with_kernel();
}

static void what_the_kernel_sends(void **state)
{
	static const uint8_t sent[60] = {1, 2, 3};
	struct rte_mbuf *m;
	unsigned got = 0;

	(void)state;
	begin_with_kernel(1000);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(
			rte_ring_enqueue(from_kernel, mr_fixture_raw(&path.f, sent, sizeof(sent))),
			0);
	// At most a hundredth of a second's worth at once; the rest waits its turn.
	mr_rx_turn(path.f.rx[0]);
	assert_in_range(rte_ring_count(from_kernel), 40 - 16, 39);
	while (got < 40) {
		mr_rx_turn(path.f.rx[0]);
		while (mr_fixture_receive(&path.f, &m, 1) == 1) {
			assert_int_equal(m->pkt_len, sizeof(sent));
			assert_memory_equal(rte_pktmbuf_mtod(m, void *), sent, sizeof(sent));
			rte_pktmbuf_free(m);
			got++;
		}
	}
	assert_int_equal(mr_fixture_rx_count(&path.f, from_kernel), 40);
	assert_int_equal(mr_fixture_rx_count(&path.f, received), 0);
	end_with_kernel();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unreachable),
		cmocka_unit_test(routers),
		cmocka_unit_test(the_kernels_share),
		cmocka_unit_test(the_kernels_rate),
		cmocka_unit_test(what_the_kernel_sends),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
