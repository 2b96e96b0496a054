// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Ports: from a line in the configuration to configured and started queues, with what differs
 * between cards kept in drivers-cfg/<driver>.ini.
 *
 * Opening, starting, stopping and closing happen on the control lcore, before and after the RX
 * lcores run. While they run, the struct is read-only and each (port, queue) belongs to one lcore.
 */

#include <rte_mempool.h>

#include "mr_driver.h"
#include "mr_err.h"
#include "mr_net.h"

#define MR_PORTS_MAX 16u
#define MR_PORT_QUEUES_MAX 64u

struct mr_port_params {
	const char *name;       //!< in the configuration, for messages
	const char *device;     //!< PCI address, or vdev with arguments ("net_tap0,iface=mr0")
	const char *drivers_dir; //!< where drivers-cfg/*.ini are
	uint16_t n_queues;      //!< pairs; one RX lcore each
	uint16_t mtu_bytes;     //!< 0: the device's
	uint16_t udp_port;
	uint8_t n_ip4, n_ip6;
	uint32_t ip4_be[MR_NET_ADDRS_MAX];
	uint8_t ip6[MR_NET_ADDRS_MAX][16];
	struct rte_mempool *pools[MR_PORT_QUEUES_MAX]; //!< of the node of each queue's lcore
};

struct mr_port {
	uint16_t port_id;
	uint16_t n_queues;
	uint16_t mtu_bytes;
	uint16_t max_payload_bytes; //!< UDP payload over IPv4 that fits the MTU; IPv6: 20 less
	uint8_t rx_checked;         //!< MR_NET_RX_* that this port's good-flag can vouch for
	uint8_t tx_cksum;           //!< MR_NET_TX_*
	int numa_node;              //!< -1 unknown
	bool started;
	struct mr_net_self self;
	struct mr_driver driver;    //!< what drivers-cfg said
	char name[64];
	char device[256];
};

/**
 * Attaches (hotplugs) or finds the device, reads its driver's file, configures queues and offloads.
 * @return 0, or -errno with a message: no such device, too few queues, MTU out of range, ...
 */
int mr_port_open(struct mr_port *port, const struct mr_port_params *params, struct mr_err *err);

/** Starts the port and waits (at most 9 s) for its link where the driver has one. */
int mr_port_start(struct mr_port *port, struct mr_err *err);
void mr_port_stop(struct mr_port *port);
void mr_port_close(struct mr_port *port);

/** What the port got and why, a line each, for --check and the start plan. @return length. */
int mr_port_describe(const struct mr_port *port, char *text, size_t text_bytes);
