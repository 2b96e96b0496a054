// SPDX-License-Identifier: BSD-3-Clause
#include "mr_port_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#define RX_CKSUM (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CKSUM (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define LINK_POLL_MS 50u

#define UDP4_HEAD_BYTES 28u
// IPv4 and UDP headers, and the longest HELLO: without it nobody could ask for anything. RFC 8200
// says what IPv6 takes.
#define MTU_MIN_BYTES (UDP4_HEAD_BYTES + 64u)
#define MTU_MIN6_BYTES 1280u

// What mr_port_open() works with; the device's own words on what it can.
struct opening {
	struct mr_port *port;
	const struct mr_port_params *params;
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf;
	struct mr_err *err;
};

static int fail(const struct mr_port *port, struct mr_err *err, int errnum, const char *fmt, ...)
	mr_printf(4, 5);

static int fail(const struct mr_port *port, struct mr_err *err, int errnum, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = mr_vfail(err, errnum, fmt, args);
	va_end(args);
	mr_err_prefix(err, "port %s (%s): ", port->name, port->device);
	return ret;
}

// The ethdev name of a device string: what stands before the arguments, "3b:00.0" with its domain.
static void device_name(const char *device, char *name, size_t name_bytes)
{
	size_t bytes = strcspn(device, ",");
	bool is_short_pci = bytes == 7 && device[2] == ':' && device[5] == '.';

	snprintf(name, name_bytes, "%s%.*s", is_short_pci ? "0000:" : "", (int)bytes, device);
}

bool mr_port_same_device(const char *a, const char *b)
{
	char name_a[RTE_DEV_NAME_MAX_LEN], name_b[RTE_DEV_NAME_MAX_LEN];

	device_name(a, name_a, sizeof(name_a));
	device_name(b, name_b, sizeof(name_b));
	return strcasecmp(name_a, name_b) == 0;
}

static bool is_pci(const char *name)
{
	unsigned domain, bus, device, function;
	int end = 0;

	return sscanf(name, "%x:%x:%x.%x%n", &domain, &bus, &device, &function, &end) == 4 &&
	       name[end] == '\0';
}

static bool find_port(const char *name, uint16_t *ret_id)
{
	struct rte_dev_iterator iterator;
	uint16_t id;

	if (rte_eth_dev_get_port_by_name(name, ret_id) == 0)
		return true;
	// Drivers such as mlx5 give their ports names of their own on the device.
	if (rte_eth_iterator_init(&iterator, name) != 0)
		return false;
	id = rte_eth_iterator_next(&iterator);
	if (id == RTE_MAX_ETHPORTS)
		return false;
	rte_eth_iterator_cleanup(&iterator);
	*ret_id = id;
	return true;
}

static int probe(struct opening *o, const char *name)
{
	int error = rte_dev_probe(o->params->device);

	if (error == 0) {
		if (find_port(name, &o->port->port_id)) {
			o->port->origin = MR_PORT_ATTACHED;
			return 0;
		}
		return fail(o->port, o->err, ENODEV,
			"the device was probed, but made no Ethernet port; is it a network card?");
	}
	if (is_pci(name))
		return fail(o->port, o->err, -error,
			"no such device, or no driver took it (%s): see `dpdk-devbind.py "
			"--status`; "
			"bind it to vfio-pci, or load its kernel driver where DPDK needs that "
			"(mlx5), "
			"and allow it to EAL",
			strerror(-error));
	return fail(o->port, o->err, -error,
		"cannot be made (%s): want a PCI address or a virtual device with what it needs: "
		"net_tap0,iface=X  net_af_packet0,iface=X,qpairs=N  net_af_xdp0,iface=X  net_ring0 "
		" "
		"net_memif0  net_virtio_user0,path=X  net_vhost0,iface=X  net_null0; or port:NAME",
		strerror(-error));
}

static int attach(struct opening *o)
{
	char name[RTE_DEV_NAME_MAX_LEN];

	if (strncmp(o->params->device, "port:", 5) == 0) {
		o->port->origin = MR_PORT_FOREIGN;
		if (!find_port(o->params->device + 5, &o->port->port_id))
			return fail(o->port, o->err, ENODEV, "there is no port of that name");
		return 0;
	}
	device_name(o->params->device, name, sizeof(name));
	if (find_port(name, &o->port->port_id)) {
		o->port->origin = MR_PORT_FOUND;
		return 0;
	}
	return probe(o, name);
}

static int check_queues(struct opening *o)
{
	struct mr_port *port = o->port;
	uint16_t device_max = MR_MIN(o->info.max_rx_queues, o->info.max_tx_queues);
	bool file_says = port->driver.max_queues != 0 && port->driver.max_queues < device_max;

	port->max_queues = file_says ? port->driver.max_queues : device_max;
	if (port->n_queues == 0)
		return fail(port, o->err, EINVAL, "0 queues; a port needs at least one RX lcore");
	if (port->n_queues > port->max_queues)
		return fail(port, o->err, E2BIG,
			"%u queues asked for, at most %u (%s): use that many RX lcores%s",
			port->n_queues, port->max_queues,
			file_says ? port->driver.file : "the device says",
			rte_eth_dev_socket_id(port->port_id) < 0
				? ", or make the device with more (qpairs=, queues=)"
				: "");
	return 0;
}

// Drivers that set no MTU limit of their own have one in the longest frame; ethdev counts so, too.
static uint16_t device_max_mtu(const struct rte_eth_dev_info *info)
{
	uint32_t overhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;

	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		overhead = info->max_rx_pktlen - info->max_mtu;
	if (info->max_rx_pktlen <= overhead)
		return info->max_mtu;
	return (uint16_t)MR_MIN(info->max_mtu, info->max_rx_pktlen - overhead);
}

static int check_mtu(struct opening *o)
{
	struct mr_port *port = o->port;
	uint16_t max = device_max_mtu(&o->info), mtu = 0;
	uint16_t min =
		MR_MAX(o->info.min_mtu, port->self.n_ip6 > 0 ? MTU_MIN6_BYTES : MTU_MIN_BYTES);
	bool file_says = port->driver.mtu_max_bytes != 0 && port->driver.mtu_max_bytes < max;

	if (file_says)
		max = port->driver.mtu_max_bytes;
	if (o->params->mtu_bytes == 0 && rte_eth_dev_get_mtu(port->port_id, &mtu) == 0)
		port->mtu_bytes = MR_MIN(mtu, max);
	if (port->mtu_bytes < min || port->mtu_bytes > max)
		return fail(port, o->err, ERANGE, "MTU of %u bytes; it must be %u%s to %u (%s)",
			port->mtu_bytes, min, min == MTU_MIN6_BYTES ? ", as IPv6 asks," : "", max,
			file_says ? port->driver.file : "the device says");
	atomic_store_explicit(&port->max_payload_bytes,
		(uint16_t)(port->mtu_bytes - UDP4_HEAD_BYTES), memory_order_relaxed);
	return 0;
}

// Buffers must hold a whole frame: one in several segments would be refused when it arrives.
static int check_buffers(struct opening *o)
{
	const struct mr_port *port = o->port;

	for (uint16_t q = 0; q < port->n_queues; q++) {
		struct rte_mempool *pool = o->params->pools[q];
		unsigned room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;

		if (room < port->mtu_bytes + MR_PORT_L2_BYTES)
			return fail(port, o->err, EINVAL,
				"buffers of %u bytes (pool %s), but an MTU of %u needs %u: make "
				"the buffers larger or the MTU smaller",
				room, pool->name, port->mtu_bytes,
				port->mtu_bytes + MR_PORT_L2_BYTES);
	}
	return 0;
}

// And there must be enough of them to fill the rings of the queues that a pool serves.
static int check_pools(struct opening *o)
{
	const struct mr_port *port = o->port;

	for (uint16_t q = 0; q < port->n_queues; q++) {
		const struct rte_mempool *pool = o->params->pools[q];
		unsigned n = 0;

		for (uint16_t i = 0; i < port->n_queues; i++)
			n += o->params->pools[i] == pool ? port->rx_descriptors : 0u;
		if (pool->size <= n)
			return fail(port, o->err, ENOMEM,
				"pool %s has %u buffers, but the RX rings alone hold %u: give it "
				"more",
				pool->name, pool->size, n);
	}
	return 0;
}

// Applies a switch of the file to what the device offers.
static int choose(struct opening *o, enum mr_switch value, const char *key, uint64_t want,
	uint64_t capa, uint64_t *ret)
{
	if (value == MR_SWITCH_ON && (capa & want) != want)
		return fail(o->port, o->err, ENOTSUP,
			"%s says %s = on, but the device cannot (offers 0x%llx of 0x%llx): say "
			"auto",
			o->port->driver.file, key, (unsigned long long)(capa & want),
			(unsigned long long)want);
	*ret = value == MR_SWITCH_OFF ? 0 : capa & want;
	return 0;
}

static int choose_offloads(struct opening *o)
{
	const struct mr_driver *driver = &o->port->driver;
	struct mr_port *port = o->port;
	uint64_t fast_free = 0;
	int error;

	port->rx_capa = o->info.rx_offload_capa;
	port->tx_capa = o->info.tx_offload_capa;
	if (o->params->is_kernel)
		return 0;
	error = choose(
		o, driver->rx_checksum, "rx_checksum", RX_CKSUM, port->rx_capa, &port->rx_offloads);
	if (error == 0)
		error = choose(o, driver->tx_checksum, "tx_checksum", TX_CKSUM, port->tx_capa,
			&port->tx_offloads);
	if (error == 0 && !o->params->tx_segments)
		error = choose(o, driver->fast_free, "fast_free", RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
			port->tx_capa, &fast_free);
	if (error < 0)
		return error;
	port->tx_offloads |= fast_free;
	if (o->params->tx_segments) {
		if ((port->tx_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) == 0)
			return fail(port, o->err, ENOTSUP, "the device cannot send chained mbufs");
		port->tx_offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	}
	if ((port->rx_offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0)
		port->rx_checked |= MR_NET_RX_IP_CHECKED;
	if ((port->rx_offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0)
		port->rx_checked |= MR_NET_RX_L4_CHECKED;
	if (!driver->verify_checksum)
		port->rx_assumed = MR_NET_RX_IP_CHECKED | MR_NET_RX_L4_CHECKED;
	if ((port->tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0)
		port->tx_cksum |= MR_NET_TX_IP_CKSUM;
	if ((port->tx_offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0)
		port->tx_cksum |= MR_NET_TX_UDP_CKSUM;
	return 0;
}

static int choose_rss(struct opening *o)
{
	struct mr_port *port = o->port;
	const char *fields = port->driver.rss_fields;
	uint64_t want = 0;

	// strstr() suffices: the reader lets nothing but these two words through.
	if (strstr(fields, "ip") != NULL)
		want |= RTE_ETH_RSS_IP;
	if (strstr(fields, "udp") != NULL)
		want |= RTE_ETH_RSS_UDP;
	port->rss_capa = o->info.flow_type_rss_offloads;
	if (port->n_queues == 1 || port->driver.rss == MR_SWITCH_OFF || o->params->is_kernel)
		return 0;
	port->rss_hf = want & port->rss_capa;
	if (port->rss_hf == 0 && port->driver.rss == MR_SWITCH_ON)
		return fail(port, o->err, ENOTSUP,
			"%s says rss = on, but the device cannot hash %s: say auto, or use 1 queue",
			port->driver.file, fields);
	return 0;
}

static int configure(struct opening *o)
{
	struct mr_port *port = o->port;
	uint16_t rx = port->driver.rx_descriptors, tx = port->driver.tx_descriptors;
	int error;

	o->conf.rxmode.mtu = port->mtu_bytes;
	o->conf.rxmode.offloads = port->rx_offloads;
	o->conf.txmode.offloads = port->tx_offloads;
	if (port->rss_hf != 0) {
		o->conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		o->conf.rx_adv_conf.rss_conf.rss_hf = port->rss_hf;
	}
	error = rte_eth_dev_configure(port->port_id, port->n_queues, port->n_queues, &o->conf);
	if (error < 0)
		return fail(port, o->err, -error, "refuses %u queues with MTU %u: %s",
			port->n_queues, port->mtu_bytes, strerror(-error));
	port->rx_descriptors = rx != 0 ? rx : MR_MAX(o->info.default_rxportconf.ring_size, 512);
	port->tx_descriptors = tx != 0 ? tx : MR_MAX(o->info.default_txportconf.ring_size, 512);
	error = rte_eth_dev_adjust_nb_rx_tx_desc(
		port->port_id, &port->rx_descriptors, &port->tx_descriptors);
	if (error < 0)
		return fail(port, o->err, -error, "rings of %u and %u descriptors: %s",
			port->rx_descriptors, port->tx_descriptors, strerror(-error));
	return 0;
}

static int set_up_queues(struct opening *o)
{
	struct mr_port *port = o->port;

	for (uint16_t q = 0; q < port->n_queues; q++) {
		struct rte_mempool *pool = o->params->pools[q];
		struct rte_eth_rxconf rx = o->info.default_rxconf;
		struct rte_eth_txconf tx = o->info.default_txconf;
		unsigned node = (unsigned)pool->socket_id;
		int error;

		rx.offloads = port->rx_offloads & o->info.rx_queue_offload_capa;
		tx.offloads = port->tx_offloads & o->info.tx_queue_offload_capa;
		error = rte_eth_rx_queue_setup(
			port->port_id, q, port->rx_descriptors, node, &rx, pool);
		if (error == 0)
			error = rte_eth_tx_queue_setup(
				port->port_id, q, port->tx_descriptors, node, &tx);
		if (error < 0)
			return fail(port, o->err, -error,
				"queue %u with %u RX and %u TX descriptors: %s", q,
				port->rx_descriptors, port->tx_descriptors, strerror(-error));
	}
	return 0;
}

// Tells devices that have an MTU of their own behind them, such as the kernel's interface of a tap.
static int set_mtu(struct opening *o)
{
	struct mr_port *port = o->port;
	int error = 0;

	if (o->params->mtu_bytes != 0)
		error = rte_eth_dev_set_mtu(port->port_id, port->mtu_bytes);
	if (error < 0 && error != -ENOTSUP)
		return fail(port, o->err, -error, "MTU of %u bytes: %s", port->mtu_bytes,
			strerror(-error));
	return 0;
}

static int identify(struct opening *o)
{
	struct mr_port *port = o->port;
	struct rte_ether_addr mac;
	int error = rte_eth_dev_info_get(port->port_id, &o->info);

	if (error == 0)
		error = rte_eth_macaddr_get(port->port_id, &mac);
	if (error < 0)
		return fail(
			port, o->err, -error, "cannot be asked what it is: %s", strerror(-error));
	memcpy(port->self.mac, mac.addr_bytes, sizeof(port->self.mac));
	port->numa_node = rte_eth_dev_socket_id(port->port_id);
	error = mr_driver_load(&port->driver, o->params->drivers_dir, o->info.driver_name, o->err);
	if (error < 0)
		mr_err_prefix(o->err, "port %s (%s): ", port->name, port->device);
	return error;
}

static int check_params(
	const struct mr_port *port, const struct mr_port_params *params, struct mr_err *err)
{
	if (strlen(params->name) >= sizeof(port->name) ||
		strlen(params->device) >= sizeof(port->device))
		return fail(port, err, ENAMETOOLONG, "name of over %zu or device of over %zu bytes",
			sizeof(port->name) - 1, sizeof(port->device) - 1);
	if (params->device[0] == '\0')
		return fail(port, err, EINVAL,
			"no device: want a PCI address, a virtual device or port:NAME");
	if (params->n_queues > MR_PORT_QUEUES_MAX)
		return fail(port, err, E2BIG, "%u queues asked for, at most %u in this build",
			params->n_queues, MR_PORT_QUEUES_MAX);
	if (params->n_ip4 + params->n_ip6 == 0 && !params->is_kernel)
		return fail(port, err, EINVAL, "no IP address: nothing could ever reach it");
	if (params->n_ip4 > MR_NET_ADDRS_MAX || params->n_ip6 > MR_NET_ADDRS_MAX)
		return fail(port, err, E2BIG, "at most %u IPv4 and %u IPv6 addresses",
			MR_NET_ADDRS_MAX, MR_NET_ADDRS_MAX);
	for (uint16_t q = 0; q < params->n_queues; q++)
		assert(params->pools[q] != NULL);
	return 0;
}

static void take_params(struct mr_port *port, const struct mr_port_params *params)
{
	*port = (struct mr_port){
		.n_queues = params->n_queues,
		.mtu_bytes = params->mtu_bytes,
		.steering = params->steer_by_key ? MR_PORT_STEERING_WANTED : MR_PORT_STEERING_RSS,
		.self =
			{
				.udp_port = params->udp_port,
				.n_ip4 = params->n_ip4,
				.n_ip6 = params->n_ip6,
			},
	};
	snprintf(port->name, sizeof(port->name), "%s", params->name);
	snprintf(port->device, sizeof(port->device), "%s", params->device);
	memcpy(port->self.ip4_be, params->ip4_be, sizeof(port->self.ip4_be));
	memcpy(port->self.ip6, params->ip6, sizeof(port->self.ip6));
}

int mr_port_open(struct mr_port *port, const struct mr_port_params *params, struct mr_err *err)
{
	static int (*const steps[])(struct opening * o) = {identify, check_queues, check_mtu,
		check_buffers, choose_offloads, choose_rss, configure, check_pools, set_up_queues,
		set_mtu};
	struct opening o = {.port = port, .params = params, .err = err};
	int error;

	take_params(port, params);
	error = check_params(port, params, err);
	if (error == 0)
		error = attach(&o);
	if (error < 0) {
		*port = (struct mr_port){0};
		return error;
	}
	for (unsigned i = 0; i < MR_ARRAY_SIZE(steps); i++) {
		error = steps[i](&o);
		if (error < 0) {
			mr_port_close(port);
			return error;
		}
	}
	return 0;
}

// Kernel and card share one address, so that neither has to know of the other.
static int share_mac(struct mr_port *port, const struct mr_port *of, struct mr_err *err)
{
	struct rte_ether_addr mac;
	int error;

	if (memcmp(port->self.mac, of->self.mac, sizeof(of->self.mac)) == 0)
		return 0;
	memcpy(mac.addr_bytes, of->self.mac, sizeof(mac.addr_bytes));
	error = rte_eth_dev_default_mac_addr_set(port->port_id, &mac);
	if (error < 0)
		return fail(port, err, -error,
			"cannot take the MAC address of %s: %s; say mac=... behind the device",
			of->device, strerror(-error));
	memcpy(port->self.mac, of->self.mac, sizeof(of->self.mac));
	return 0;
}

int mr_port_open_kernel(struct mr_port *port, struct mr_port *of, const char *device,
	const char *drivers_dir, struct rte_mempool *const *pools, struct mr_err *err)
{
	struct mr_port_params params = {
		.name = of->name,
		.device = device,
		.drivers_dir = drivers_dir,
		.n_queues = of->n_queues,
		.mtu_bytes = of->mtu_bytes,
		.is_kernel = true,
	};
	int error;

	memcpy(params.pools, pools, of->n_queues * sizeof(params.pools[0]));
	error = mr_port_open(port, &params, err);
	if (error < 0)
		return error;
	error = share_mac(port, of, err);
	if (error < 0) {
		mr_port_close(port);
		return error;
	}
	// The kernel has groups of its own; cards that cannot do this have no filter.
	if (rte_eth_allmulticast_enable(of->port_id) == 0)
		of->multicast = MR_PORT_MULTICAST_ALL;
	return 0;
}

bool mr_port_adopt_mtu(struct mr_port *port, uint32_t mtu_bytes)
{
	if (mtu_bytes < MTU_MIN6_BYTES || mtu_bytes >= mr_port_max_payload(port) + UDP4_HEAD_BYTES)
		return false;
	atomic_store_explicit(&port->max_payload_bytes, (uint16_t)(mtu_bytes - UDP4_HEAD_BYTES),
		memory_order_relaxed);
	return true;
}

bool mr_port_link_up(const struct mr_port *port)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(port->port_id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

// Solicitations come to multicast MAC addresses, which a card drops unless told.
static void join_multicast(struct mr_port *port)
{
	struct rte_ether_addr macs[MR_NET_ADDRS_MAX];

	if (port->self.n_ip6 == 0)
		return;
	for (unsigned i = 0; i < port->self.n_ip6; i++)
		mr_net_solicited_mac(port->self.ip6[i], macs[i].addr_bytes);
	if (rte_eth_dev_set_mc_addr_list(port->port_id, macs, port->self.n_ip6) == 0)
		port->multicast = MR_PORT_MULTICAST_LIST;
	else if (rte_eth_allmulticast_enable(port->port_id) == 0)
		port->multicast = MR_PORT_MULTICAST_ALL;
	else if (rte_eth_promiscuous_enable(port->port_id) == 0)
		port->multicast = MR_PORT_MULTICAST_PROMISCUOUS;
	else
		port->multicast = MR_PORT_MULTICAST_REFUSED;
}

int mr_port_start(struct mr_port *port, struct mr_err *err)
{
	int error = rte_eth_dev_start(port->port_id);

	if (error < 0)
		return fail(port, err, -error, "does not start: %s", strerror(-error));
	port->started = true;
	if (port->driver.promiscuous)
		port->is_promiscuous = rte_eth_promiscuous_enable(port->port_id) == 0;
	join_multicast(port);
	mr_port_steer(port);
	port->link_up = !port->driver.has_link || mr_port_link_up(port);
	for (unsigned ms = 0; !port->link_up && ms < MR_PORT_LINK_WAIT_MS; ms += LINK_POLL_MS) {
		rte_delay_us_sleep(LINK_POLL_MS * 1000);
		port->link_up = mr_port_link_up(port);
	}
	return 0;
}

void mr_port_stop(struct mr_port *port)
{
	if (!port->started)
		return;
	rte_eth_dev_stop(port->port_id);
	port->started = false;
	port->link_up = false;
}

// NULL where the port is unknown.
static struct rte_device *device_of(const struct mr_port *port)
{
	struct rte_eth_dev_info info = {.device = NULL};

	return rte_eth_dev_info_get(port->port_id, &info) == 0 ? info.device : NULL;
}

void mr_port_close(struct mr_port *port)
{
	// A zeroed struct is no port, although 0 is a port's number.
	if (port->name[0] == '\0')
		return;
	mr_port_stop(port);
	if (port->origin != MR_PORT_FOREIGN) {
		struct rte_device *device = device_of(port);

		rte_eth_dev_close(port->port_id);
		if (device != NULL && port->origin == MR_PORT_ATTACHED)
			rte_dev_remove(device);
	}
	*port = (struct mr_port){0};
}
