// SPDX-License-Identifier: BSD-3-Clause
#include "mr_port.h"

#include <stdio.h>
#include <string.h>

struct text {
	char *at;
	size_t bytes;
	size_t used; // what the whole text needs
};

static void add(struct text *t, const char *fmt, ...) mr_printf(2, 3);

static void add(struct text *t, const char *fmt, ...)
{
	size_t room = t->used < t->bytes ? t->bytes - t->used : 0;
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(room > 0 ? t->at + t->used : NULL, room, fmt, args);
	va_end(args);
	if (n > 0)
		t->used += (size_t)n;
}

// Why an offload is on or off.
static const char *why(enum mr_switch value, bool is_on, bool can)
{
	if (is_on)
		return value == MR_SWITCH_ON ? "drivers-cfg demands it" : "the device can";
	if (!can)
		return "the device cannot";
	return value == MR_SWITCH_OFF ? "drivers-cfg says off" : "not used";
}

static void add_checksum(
	struct text *t, const char *what, enum mr_switch value, bool is_on, bool can)
{
	add(t, "  %s: %s; %s\n", what, is_on ? "by the device" : "in software",
		why(value, is_on, can));
}

static void add_checksums(struct text *t, const struct mr_port *port)
{
	const struct mr_driver *d = &port->driver;

	if (!d->verify_checksum) {
		add(t, "  rx checksums: taken as right; drivers-cfg says that they never left "
		       "memory\n");
	} else {
		add_checksum(t, "rx IPv4 checksum", d->rx_checksum,
			(port->rx_offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0,
			(port->rx_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0);
		add_checksum(t, "rx UDP checksum", d->rx_checksum,
			(port->rx_offloads & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0,
			(port->rx_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0);
	}
	add_checksum(t, "tx IPv4 checksum", d->tx_checksum,
		(port->tx_offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0,
		(port->tx_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0);
	add_checksum(t, "tx UDP checksum", d->tx_checksum,
		(port->tx_offloads & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0,
		(port->tx_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0);
}

static void add_rss(struct text *t, const struct mr_port *port)
{
	if (port->n_queues == 1)
		add(t, "  rss: not needed; one queue\n");
	else if (port->rss_hf != 0)
		add(t, "  rss: over %s (0x%llx of what the device offers, 0x%llx)\n",
			port->driver.rss_fields, (unsigned long long)port->rss_hf,
			(unsigned long long)port->rss_capa);
	else
		add(t, "  rss: off; %s, so whatever feeds the queues spreads the packets\n",
			port->driver.rss == MR_SWITCH_OFF ? "drivers-cfg says off"
							  : "the device cannot");
}

static void add_steering(struct text *t, const struct mr_port *port)
{
	if (port->steering == MR_PORT_STEERING_RSS)
		return;
	add(t, "  steering by key: ");
	if (port->n_queues == 1)
		add(t, "not needed; one queue\n");
	else if (port->steering == MR_PORT_STEERING_WANTED)
		add(t, "asked of the device when started\n");
	else if (port->steering == MR_PORT_STEERING_KEY)
		add(t, "on; the low bits of the source port choose the queue\n");
	else
		add(t, "REFUSED by the device (%s), so keys go to any queue\n",
			port->steering_error);
}

static void add_tx(struct text *t, const struct mr_port *port)
{
	bool is_on = (port->tx_offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
	bool can = (port->tx_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;

	if ((port->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0)
		add(t, "  tx buffers: chained ones allowed, so no fast free\n");
	else
		add(t, "  fast free: %s; %s\n", is_on ? "on" : "off",
			why(port->driver.fast_free, is_on, can));
}

static void add_filters(struct text *t, const struct mr_port *port)
{
	static const char *const multicast[] = {
		"not yet asked for",
		"our solicited-node list",
		"all; the device has no list",
		"all, by promiscuous mode; the device has no other way",
		"as it comes; the device has no filter to set",
	};

	if (!port->driver.promiscuous)
		add(t, "  promiscuous: off\n");
	else
		add(t, "  promiscuous: %s\n",
			port->is_promiscuous ? "on; drivers-cfg asks for it"
			: port->started      ? "REFUSED by the device; drivers-cfg asks for it"
					     : "on when started; drivers-cfg asks for it");
	if (port->self.n_ip6 > 0)
		add(t, "  multicast: %s\n", multicast[port->multicast]);
}

int mr_port_describe(const struct mr_port *port, char *text, size_t text_bytes)
{
	struct text t = {text, text_bytes, 0};
	const uint8_t *mac = port->self.mac;
	const struct mr_driver *d = &port->driver;

	if (text_bytes > 0)
		text[0] = '\0';
	add(&t, "port %s: %s, driver %s, by %s\n", port->name, port->device, d->driver, d->file);
	add(&t, "  id %u, MAC %02x:%02x:%02x:%02x:%02x:%02x, NUMA node ", port->port_id, mac[0],
		mac[1], mac[2], mac[3], mac[4], mac[5]);
	if (port->numa_node < 0)
		add(&t, "unknown\n");
	else
		add(&t, "%d\n", port->numa_node);
	add(&t, "  MTU %u: at most %u bytes of UDP payload over IPv4, %d over IPv6\n",
		port->mtu_bytes, mr_port_max_payload(port), mr_port_max_payload(port) - 20);
	add(&t, "  queues %u of at most %u%s\n", port->n_queues, port->max_queues,
		d->max_queues == port->max_queues ? ", the limit of drivers-cfg" : "");
	add(&t, "  rx ring %u (%s), tx ring %u (%s)\n", port->rx_descriptors,
		d->rx_descriptors != 0 ? "drivers-cfg" : "the device's default",
		port->tx_descriptors,
		d->tx_descriptors != 0 ? "drivers-cfg" : "the device's default");
	add_rss(&t, port);
	add_steering(&t, port);
	add_checksums(&t, port);
	add_tx(&t, port);
	add_filters(&t, port);
	if (port->started)
		add(&t, "  link: %s\n",
			!d->has_link    ? "none; the driver has no carrier"
			: port->link_up ? "up"
					: "DOWN; waited 9 s");
	return (int)t.used;
}
