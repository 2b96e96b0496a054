// SPDX-License-Identifier: BSD-3-Clause
//
// The generator: a client of millrace on a DPDK port, whose other end is a port of the appliance.
#include <rte_arp.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_dpdk.h"
#include "mr_wire.h"
#include "process.h"

#define HEADERS_BYTES 42u // Ethernet, IPv4, UDP
#define BURST 32u
#define MBUFS 8191u
#define MEGABYTES 64u
#define DESCRIPTORS 1024u
#define TRIES 40u
#define TRY_S 0.25
#define CLIENT_PORT 40000u

struct generator {
	const struct options *o;
	uint16_t port;
	struct rte_mempool *pool;
	struct rte_ether_addr mac, server_mac;
	uint32_t ip_be, server_ip_be;
	uint16_t server_port;
	uint8_t frame[2048]; //!< headers and the question
	unsigned frame_bytes;
	struct question q;
	uint64_t cookie;
};

static void start_port(struct generator *g)
{
	struct rte_eth_conf conf = {.rxmode = {.mq_mode = RTE_ETH_MQ_RX_NONE}};
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(g->o->device, ","), g->o->device);
	g->pool = rte_pktmbuf_pool_create(
		"frames", MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, (int)rte_socket_id());
	if (g->pool == NULL || rte_dev_probe(g->o->device) < 0 ||
		rte_eth_dev_get_port_by_name(name, &g->port) < 0)
		bench_fail("no port %s", g->o->device);
	if (rte_eth_dev_configure(g->port, 1, 1, &conf) < 0 ||
		rte_eth_dev_adjust_nb_rx_tx_desc(g->port, &rx, &tx) < 0 ||
		rte_eth_rx_queue_setup(g->port, 0, rx, 0, NULL, g->pool) < 0 ||
		rte_eth_tx_queue_setup(g->port, 0, tx, 0, NULL) < 0 ||
		rte_eth_dev_start(g->port) < 0)
		bench_fail("port %s does not start", g->o->device);
	rte_eth_macaddr_get(g->port, &g->mac);
}

// Sends a copy of the frame, and waits for what @p is_answer takes. Replies may get lost while the
// other end comes up.
static void ask(struct generator *g,
	bool (*is_answer)(struct generator *, const uint8_t *, unsigned), const char *what)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(g->pool), *got[BURST];
		double start = bench_now_ns();

		memcpy(rte_pktmbuf_append(m, (uint16_t)g->frame_bytes), g->frame, g->frame_bytes);
		if (rte_eth_tx_burst(g->port, 0, &m, 1) == 0)
			rte_pktmbuf_free(m);
		while (bench_now_ns() - start < TRY_S * 1e9) {
			uint16_t n = rte_eth_rx_burst(g->port, 0, got, BURST);
			bool done = false;

			for (unsigned k = 0; k < n; k++) {
				done |= is_answer(
					g, rte_pktmbuf_mtod(got[k], uint8_t *), got[k]->data_len);
				rte_pktmbuf_free(got[k]);
			}
			if (done)
				return;
		}
	}
	bench_fail("no answer to %s from %s", what, g->o->server);
}

static bool is_arp_reply(struct generator *g, const uint8_t *frame, unsigned bytes)
{
	const struct rte_ether_hdr *eth = (const void *)frame;
	const struct rte_arp_hdr *arp = (const void *)(eth + 1);

	if (bytes < sizeof(*eth) + sizeof(*arp) ||
		eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP) ||
		arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY))
		return false;
	g->server_mac = arp->arp_data.arp_sha;
	return true;
}

static void resolve(struct generator *g)
{
	struct rte_ether_hdr *eth = (void *)g->frame;
	struct rte_arp_hdr *arp = (void *)(eth + 1);

	memset(g->frame, 0, sizeof(g->frame));
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = g->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = 6;
	arp->arp_plen = 4;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	arp->arp_data.arp_sha = g->mac;
	arp->arp_data.arp_sip = g->ip_be;
	arp->arp_data.arp_tip = g->server_ip_be;
	g->frame_bytes = 60;
	ask(g, is_arp_reply, "ARP");
}

// Headers around @p payload. No UDP checksum, which IPv4 allows: keys change.
static void build(struct generator *g, const void *payload, unsigned bytes)
{
	struct rte_ether_hdr *eth = (void *)g->frame;
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(ip + 1);

	eth->dst_addr = g->server_mac;
	eth->src_addr = g->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.total_length = rte_cpu_to_be_16((uint16_t)(bytes + sizeof(*ip) + sizeof(*udp))),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = g->ip_be,
		.dst_addr = g->server_ip_be,
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){
		.src_port = RTE_BE16(CLIENT_PORT),
		.dst_port = rte_cpu_to_be_16(g->server_port),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(bytes + sizeof(*udp))),
	};
	memcpy(g->frame + HEADERS_BYTES, payload, bytes);
	g->frame_bytes = HEADERS_BYTES + bytes;
}

static bool is_hello(struct generator *g, const uint8_t *frame, unsigned bytes)
{
	struct mr_wire_hello_reply hello;
	struct mr_wire_reply reply;

	if (bytes <= HEADERS_BYTES || mr_wire_reply_decode(frame + HEADERS_BYTES,
					      bytes - HEADERS_BYTES, &reply) != MR_WIRE_DEFECT_NONE)
		return false;
	mr_wire_hello_reply_get(&reply, &hello);
	g->cookie = hello.cookie;
	return true;
}

static void say_hello(struct generator *g)
{
	struct mr_wire_ask request = {.request_id = 1};
	uint8_t payload[64];
	int bytes = mr_wire_hello_encode(payload, sizeof(payload), &request, bench_tsc());

	build(g, payload, (unsigned)bytes);
	ask(g, is_hello, "HELLO");
}

static void send_some(struct generator *g, struct loop *loop)
{
	struct rte_mbuf *frames[BURST];
	uint64_t ids[KEYS_MAX], tsc;
	uint16_t slots[BURST], sent = 0;
	unsigned n = loop_is_due(loop) ? loop_take(loop, slots, BURST) : 0;

	if (n == 0 || rte_pktmbuf_alloc_bulk(g->pool, frames, n) < 0)
		n = 0;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *frame = rte_pktmbuf_mtod(frames[i], uint8_t *);

		frames[i]->data_len = (uint16_t)g->frame_bytes;
		frames[i]->pkt_len = g->frame_bytes;
		memcpy(frame, g->frame, g->frame_bytes);
		loop_rows(loop, ids);
		question_put(&g->q, frame + HEADERS_BYTES, slots[i], ids);
	}
	tsc = bench_tsc();
	for (unsigned i = 0; i < n; i++)
		loop_sent(loop, slots[i], tsc);
	if (n > 0)
		sent = rte_eth_tx_burst(g->port, 0, frames, (uint16_t)n);
	for (unsigned i = sent; i < n; i++) {
		loop_unsent(loop, slots[i]);
		rte_pktmbuf_free(frames[i]);
	}
}

static void take_some(struct generator *g, struct loop *loop)
{
	struct rte_mbuf *got[BURST];
	uint16_t n = rte_eth_rx_burst(g->port, 0, got, BURST);
	uint64_t tsc = bench_tsc();

	for (unsigned i = 0; i < n; i++)
		mr_prefetch(rte_pktmbuf_mtod(got[i], void *));
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *reply = rte_pktmbuf_mtod(got[i], uint8_t *) + HEADERS_BYTES;

		if (got[i]->data_len > HEADERS_BYTES)
			loop_heard(loop, &g->q, reply, got[i]->data_len - HEADERS_BYTES, tsc);
	}
	rte_pktmbuf_free_bulk(got, n);
}

static void turn_around(struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(ip + 1);
	struct rte_ether_addr mac = eth->dst_addr;
	rte_be32_t address = ip->dst_addr;
	rte_be16_t port = udp->dst_port;

	eth->dst_addr = eth->src_addr;
	eth->src_addr = mac;
	ip->dst_addr = ip->src_addr;
	ip->src_addr = address;
	udp->dst_port = udp->src_port;
	udp->src_port = port;
}

// Sends frames back where they came from, until it is killed.
int run_turn(const struct options *o)
{
	static struct generator g;
	struct rte_mbuf *frames[BURST];

	g.o = o;
	if (o->device == NULL)
		bench_fail("turn wants --device");
	bench_eal_shared(o->program, MEGABYTES);
	start_port(&g);
	for (;;) {
		uint16_t n = rte_eth_rx_burst(g.port, 0, frames, BURST), sent = 0;

		for (unsigned i = 0; i < n; i++)
			mr_prefetch(rte_pktmbuf_mtod(frames[i], void *));
		for (unsigned i = 0; i < n; i++)
			turn_around(frames[i]);
		if (n > 0)
			sent = rte_eth_tx_burst(g.port, 0, frames, n);
		if (sent < n)
			rte_pktmbuf_free_bulk(frames + sent, n - sent);
	}
}

// A line on stdin: window, keys, seconds, whether to sweep, pace in us. One port serves all runs,
// because a virtio device that comes back loses what is under way.
static bool next_run(struct options *o)
{
	char text[128];
	int sweep;

	if (fgets(text, sizeof(text), stdin) == NULL)
		return false;
	if (sscanf(text, "%u %u %lf %d %lf", &o->window, &o->n_keys, &o->seconds, &sweep,
		    &o->pace_us) != 5)
		bench_fail("what is %s", text);
	if (o->pace_us > 0 && o->window > BURST)
		bench_fail("a window that is sent at once has at most %u requests", BURST);
	o->sweep = sweep != 0;
	return true;
}

int run_frames(const struct options *o)
{
	static struct generator g;
	static struct loop loop;
	unsigned port;
	char host[64];

	g.o = o;
	if (o->device == NULL || o->client == NULL || o->server == NULL ||
		sscanf(o->server, "%63[^:]:%u", host, &port) != 2 ||
		inet_pton(AF_INET, host, &g.server_ip_be) != 1 ||
		inet_pton(AF_INET, o->client, &g.ip_be) != 1)
		bench_fail("frames wants --device, --server ADDRESS:PORT and --client ADDRESS");
	g.server_port = (uint16_t)port;
	bench_eal_shared(o->program, MEGABYTES);
	start_port(&g);
	if (o->peer != PEER_ECHO) {
		resolve(&g);
		say_hello(&g);
	}
	for (struct options run = *o; next_run(&run);) {
		g.o = &run;
		question_init(&g.q, run.peer, run.n_keys, g.cookie);
		build(&g, g.q.data, g.q.bytes);
		loop_begin(&loop, &run);
		while (loop_goes_on(&loop, bench_tsc())) {
			send_some(&g, &loop);
			take_some(&g, &loop);
		}
		loop_report(&loop);
	}
	return 0;
}
