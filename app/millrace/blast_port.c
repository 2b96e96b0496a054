// SPDX-License-Identifier: BSD-3-Clause
//
// Requests over a DPDK port: Ethernet, IPv4 and UDP around them, without checksums of UDP.
#include "blast_port.h"
#include "clock.h"

#include <rte_arp.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BURST 32u
#define MBUFS 8191u
#define FRAME_BYTES (RTE_PKTMBUF_HEADROOM + 9216u)
#define DESCRIPTORS 1024u
#define HEADERS_BYTES 42u
#define ARGS_MAX 64u
// Source ports: the relay's, then those of the sockets.
#define FIRST_PORT 40000u
#define ARP_BYTES 60u // the shortest frame
#define ARP_TRIES 30u
#define ARP_TRY_NS (100 * MR_NS_PER_MS)

struct dpdk_port {
	struct blast_port base;
	uint16_t id;
	struct rte_mempool *pool;
	struct rte_ether_addr mac, server_mac;
	uint32_t ip_be, server_ip_be;
	uint16_t server_port_be;
	unsigned n_sockets;
	// The relay.
	int fd;
	pthread_t thread;
	_Atomic bool stop;
};

struct headers {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
} __attribute__((packed, aligned(2)));

// ---- EAL ---------------------------------------------------------------------------------------

static bool is_pci(const char *device)
{
	unsigned a, b, c, d;

	return sscanf(device, "%x:%x:%x.%x", &a, &b, &c, &d) == 4 ||
	       sscanf(device, "%x:%x.%x", &a, &b, &c) == 3;
}

// The main lcore may run where this process may.
static void print_lcores(char *text, size_t bytes)
{
	size_t at = (size_t)snprintf(text, bytes, "--lcores=0@(");
	const char *comma = "";
	cpu_set_t cpus;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && at < bytes; cpu++)
		if (CPU_ISSET(cpu, &cpus)) {
			at += (size_t)snprintf(text + at, bytes - at, "%s%u", comma, cpu);
			comma = ",";
		}
	if (at < bytes)
		snprintf(text + at, bytes - at, ")");
}

static int start_eal(const struct blast_port_params *p, struct mr_err *err)
{
	static char lcores[4096], device[512], prefix[64], words[4096], level[] = "--log-level=*:4";
	static char name[] = "millrace-blast", no_pci[] = "--no-pci",
		    no_telemetry[] = "--no-telemetry";
	char *argv[ARGS_MAX + 1] = {name, lcores, device, prefix, level, no_telemetry},
			      *rest = words;
	int argc = 6;

	print_lcores(lcores, sizeof(lcores));
	snprintf(device, sizeof(device), "%s=%s", is_pci(p->device) ? "-a" : "--vdev", p->device);
	if (is_pci(p->device))
		snprintf(device, sizeof(device), "--allow=%s", p->device);
	else
		argv[argc++] = no_pci;
	snprintf(prefix, sizeof(prefix), "--file-prefix=mrblast%d", (int)getpid());
	snprintf(words, sizeof(words), "%s",
		p->eal != NULL ? p->eal : "--no-huge --no-shconf -m 128");
	for (char *word; argc < (int)ARGS_MAX && (word = strsep(&rest, " ")) != NULL;)
		if (word[0] != '\0')
			argv[argc++] = word;
	if (rte_eal_init(argc, argv) < 0)
		return mr_fail(err, rte_errno != 0 ? rte_errno : EINVAL,
			"DPDK does not start with %s: %s (its own message is above)", p->device,
			rte_strerror(rte_errno));
	return 0;
}

static int start_port(struct dpdk_port *port, const char *device, struct mr_err *err)
{
	struct rte_eth_conf conf = {.rxmode = {.mq_mode = RTE_ETH_MQ_RX_NONE}};
	uint16_t rx = DESCRIPTORS, tx = DESCRIPTORS;
	int ret;

	port->id = (uint16_t)rte_eth_find_next(0);
	if (port->id >= RTE_MAX_ETHPORTS)
		return mr_fail(err, ENODEV, "%s: DPDK finds no port", device);
	port->pool = rte_pktmbuf_pool_create(
		"blast", MBUFS, 256, 0, FRAME_BYTES, rte_eth_dev_socket_id(port->id));
	if (port->pool == NULL)
		return mr_fail(err, ENOMEM, "no memory for packets: give more with --eal");
	ret = rte_eth_dev_configure(port->id, 1, 1, &conf);
	if (ret == 0)
		ret = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);
	if (ret == 0)
		ret = rte_eth_rx_queue_setup(port->id, 0, rx, SOCKET_ID_ANY, NULL, port->pool);
	if (ret == 0)
		ret = rte_eth_tx_queue_setup(port->id, 0, tx, SOCKET_ID_ANY, NULL);
	if (ret == 0)
		ret = rte_eth_dev_start(port->id);
	if (ret == 0)
		ret = rte_eth_macaddr_get(port->id, &port->mac);
	return ret == 0 ? 0 : mr_fail(err, -ret, "%s does not start: %s", device, strerror(-ret));
}

// ---- frames ------------------------------------------------------------------------------------

static struct rte_mbuf *make_frame(
	struct dpdk_port *port, uint16_t from, const void *payload, size_t bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(port->pool);
	struct headers *h;

	if (m == NULL)
		return NULL;
	h = (struct headers *)(void *)rte_pktmbuf_append(m, (uint16_t)(HEADERS_BYTES + bytes));
	if (h == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	h->eth.dst_addr = port->server_mac;
	h->eth.src_addr = port->mac;
	h->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	h->ip = (struct rte_ipv4_hdr){
		.version_ihl = 0x45,
		.total_length =
			rte_cpu_to_be_16((uint16_t)(bytes + sizeof(h->ip) + sizeof(h->udp))),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = port->ip_be,
		.dst_addr = port->server_ip_be,
	};
	h->ip.hdr_checksum = rte_ipv4_cksum(&h->ip);
	h->udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(from),
		.dst_port = port->server_port_be,
		.dgram_len = rte_cpu_to_be_16((uint16_t)(bytes + sizeof(h->udp))),
	};
	memcpy(h + 1, payload, bytes);
	return m;
}

// The payload of an answer to us. @return its port, from FIRST_PORT on; 0: it is none.
static uint16_t open_frame(const struct dpdk_port *port, struct rte_mbuf *m,
	const uint8_t **ret_payload, unsigned *ret_bytes)
{
	const struct headers *h = rte_pktmbuf_mtod(m, const struct headers *);
	unsigned bytes;

	if (m->nb_segs != 1 || m->data_len < HEADERS_BYTES ||
		h->eth.ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4) || h->ip.version_ihl != 0x45 ||
		h->ip.next_proto_id != IPPROTO_UDP || h->ip.src_addr != port->server_ip_be ||
		h->ip.dst_addr != port->ip_be || h->udp.src_port != port->server_port_be)
		return 0;
	bytes = rte_be_to_cpu_16(h->udp.dgram_len);
	if (bytes < sizeof(h->udp) || bytes + HEADERS_BYTES - sizeof(h->udp) > m->data_len)
		return 0;
	*ret_payload = (const uint8_t *)(h + 1);
	*ret_bytes = bytes - (unsigned)sizeof(h->udp);
	return rte_be_to_cpu_16(h->udp.dst_port);
}

static int port_send(struct blast_port *base, unsigned socket, struct mmsghdr *messages, unsigned n)
{
	struct dpdk_port *port = (struct dpdk_port *)base;
	struct rte_mbuf *frames[BURST];
	unsigned made = 0, sent;

	for (; made < n && made < BURST; made++) {
		const struct iovec *part = messages[made].msg_hdr.msg_iov;

		frames[made] = make_frame(
			port, (uint16_t)(FIRST_PORT + 1 + socket), part->iov_base, part->iov_len);
		if (frames[made] == NULL)
			break;
	}
	sent = made > 0 ? rte_eth_tx_burst(port->id, 0, frames, (uint16_t)made) : 0;
	if (sent < made)
		rte_pktmbuf_free_bulk(frames + sent, made - sent);
	return (int)sent;
}

static int port_receive(
	struct blast_port *base, struct mmsghdr *messages, unsigned *sockets, unsigned n)
{
	struct dpdk_port *port = (struct dpdk_port *)base;
	struct rte_mbuf *frames[BURST];
	uint16_t got = rte_eth_rx_burst(port->id, 0, frames, (uint16_t)RTE_MIN(n, BURST));
	unsigned taken = 0;

	for (unsigned i = 0; i < got; i++) {
		const struct iovec *part = messages[taken].msg_hdr.msg_iov;
		const uint8_t *payload;
		unsigned bytes, to = open_frame(port, frames[i], &payload, &bytes);

		if (to <= FIRST_PORT || to > FIRST_PORT + port->n_sockets || bytes > part->iov_len)
			continue;
		memcpy(part->iov_base, payload, bytes);
		messages[taken].msg_len = bytes;
		sockets[taken++] = to - FIRST_PORT - 1;
	}
	rte_pktmbuf_free_bulk(frames, got);
	return (int)taken;
}

// ---- the server's address ----------------------------------------------------------------------

static void send_arp(struct dpdk_port *port)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(port->pool);
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (m == NULL)
		return;
	eth = (struct rte_ether_hdr *)(void *)rte_pktmbuf_append(m, ARP_BYTES);
	if (eth == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	memset(eth, 0, ARP_BYTES);
	arp = (struct rte_arp_hdr *)(eth + 1);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = port->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(uint32_t);
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	arp->arp_data.arp_sha = port->mac;
	arp->arp_data.arp_sip = port->ip_be;
	arp->arp_data.arp_tip = port->server_ip_be;
	if (rte_eth_tx_burst(port->id, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

static bool is_arp_answer(struct dpdk_port *port, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(eth + 1);

	if (m->data_len < sizeof(*eth) + sizeof(*arp) ||
		eth->ether_type != RTE_BE16(RTE_ETHER_TYPE_ARP) ||
		arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REPLY) ||
		arp->arp_data.arp_sip != port->server_ip_be)
		return false;
	port->server_mac = arp->arp_data.arp_sha;
	return true;
}

static int resolve(struct dpdk_port *port, const char *device, struct mr_err *err)
{
	for (unsigned i = 0; i < ARP_TRIES; i++) {
		uint64_t end_ns = clock_ns() + ARP_TRY_NS;
		bool found = false;

		send_arp(port);
		while (!found && clock_ns() < end_ns) {
			struct rte_mbuf *frames[BURST];
			uint16_t n = rte_eth_rx_burst(port->id, 0, frames, BURST);

			for (unsigned k = 0; k < n; k++)
				found |= is_arp_answer(port, frames[k]);
			rte_pktmbuf_free_bulk(frames, n);
		}
		if (found)
			return 0;
	}
	return mr_fail(err, ETIMEDOUT,
		"nobody answers ARP for the server behind %s: is it on the same link?", device);
}

// ---- the relay ---------------------------------------------------------------------------------

static void *relay(void *arg)
{
	struct dpdk_port *port = arg;
	struct sockaddr_in peer = {0};
	uint8_t data[9216];

	while (!atomic_load_explicit(&port->stop, memory_order_relaxed)) {
		struct pollfd fd = {.fd = port->fd, .events = POLLIN};
		socklen_t peer_bytes = sizeof(peer);
		struct rte_mbuf *frames[BURST];
		uint16_t n;

		if (poll(&fd, 1, 1) > 0) {
			ssize_t bytes = recvfrom(port->fd, data, sizeof(data), 0,
				(struct sockaddr *)&peer, &peer_bytes);
			struct rte_mbuf *m =
				bytes > 0 ? make_frame(port, FIRST_PORT, data, (size_t)bytes)
					  : NULL;

			if (m != NULL && rte_eth_tx_burst(port->id, 0, &m, 1) == 0)
				rte_pktmbuf_free(m);
		}
		n = rte_eth_rx_burst(port->id, 0, frames, BURST);
		for (unsigned i = 0; i < n; i++) {
			const uint8_t *payload;
			unsigned bytes;

			if (open_frame(port, frames[i], &payload, &bytes) == FIRST_PORT)
				(void)sendto(port->fd, payload, bytes, 0, (struct sockaddr *)&peer,
					sizeof(peer));
		}
		rte_pktmbuf_free_bulk(frames, n);
	}
	return NULL;
}

int blast_port_relay(struct blast_port *base, char *ret_name, size_t bytes, struct mr_err *err)
{
	struct dpdk_port *port = (struct dpdk_port *)base;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t at_bytes = sizeof(at);
	int ret = 0;

	port->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (port->fd < 0 || bind(port->fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		getsockname(port->fd, (struct sockaddr *)&at, &at_bytes) < 0)
		ret = errno;
	else
		ret = pthread_create(&port->thread, NULL, relay, port);
	if (ret != 0) {
		if (port->fd >= 0)
			close(port->fd);
		port->fd = -1;
		return mr_fail(err, ret, "relay: %s", strerror(ret));
	}
	snprintf(ret_name, bytes, "127.0.0.1:%u", ntohs(at.sin_port));
	return 0;
}

void blast_port_relay_stop(struct blast_port *base)
{
	struct dpdk_port *port = (struct dpdk_port *)base;

	if (port->fd < 0)
		return;
	atomic_store_explicit(&port->stop, true, memory_order_relaxed);
	pthread_join(port->thread, NULL);
	close(port->fd);
	port->fd = -1;
}

// ---- opening -----------------------------------------------------------------------------------

struct blast_port *blast_port_open(const struct blast_port_params *params, struct mr_err *err)
{
	struct dpdk_port *port = calloc(1, sizeof(*port));
	int ret = 0;

	if (port == NULL) {
		mr_fail(err, ENOMEM, "out of memory");
		return NULL;
	}
	*port = (struct dpdk_port){.base = {.send = port_send, .receive = port_receive},
		.fd = -1,
		.id = RTE_MAX_ETHPORTS,
		.n_sockets = params->n_sockets,
		.server_ip_be = params->server.sin_addr.s_addr,
		.server_port_be = params->server.sin_port};
	if (inet_pton(AF_INET, params->address, &port->ip_be) != 1)
		ret = mr_fail(err, EINVAL, "--address '%s': an IPv4 address is expected",
			params->address);
	if (ret == 0)
		ret = start_eal(params, err);
	if (ret == 0)
		ret = start_port(port, params->device, err);
	if (ret == 0)
		ret = resolve(port, params->device, err);
	if (ret == 0)
		return &port->base;
	blast_port_close(&port->base);
	errno = -ret;
	return NULL;
}

void blast_port_close(struct blast_port *base)
{
	struct dpdk_port *port = (struct dpdk_port *)base;

	if (port == NULL)
		return;
	blast_port_relay_stop(base);
	if (port->id < RTE_MAX_ETHPORTS) {
		rte_eth_dev_stop(port->id);
		rte_eth_dev_close(port->id);
	}
	rte_eal_cleanup();
	free(port);
}
