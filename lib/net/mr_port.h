// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Ports: from a line in the configuration to configured and started queues, with what differs
 * between cards kept in drivers-cfg/<driver>.ini.
 *
 * Opening, starting, stopping and closing happen on the control lcore, before and after the RX
 * lcores run. While they run, the struct is read-only and each (port, queue) belongs to one lcore.
 *
 * What the caller must keep to: where MR_PORT_FAST_FREE is among the choices, every mbuf sent on
 * queue q comes from pools[q], has one owner and one segment. tx_segments in the parameters asks
 * for chained replies instead.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "mr_driver.h"
#include "mr_err.h"
#include "mr_net.h"

#define MR_PORTS_MAX 16u
#define MR_PORT_QUEUES_MAX 64u
#define MR_PORT_LINK_WAIT_MS 9000u

/** Ethernet header and two VLAN tags: what a frame is longer than the MTU. */
#define MR_PORT_L2_BYTES 22u

/** Data room (headroom included) that the mbufs of a port of this MTU should have. */
#define MR_PORT_DATA_ROOM_BYTES(mtu_bytes) \
	(MR_ALIGN_UP((mtu_bytes) + MR_PORT_L2_BYTES + 4u, 1024u) + RTE_PKTMBUF_HEADROOM)

struct mr_port_params {
	const char *name; //!< in the configuration, for messages
	/**
	 * PCI address ("0000:3b:00.0", "3b:00.0"), or vdev with arguments ("net_tap0,iface=mr0"),
	 * or "port:NAME" for an ethdev port that somebody else made and will close.
	 */
	const char *device;
	const char *drivers_dir; //!< where drivers-cfg/*.ini are
	uint16_t n_queues;       //!< pairs; one RX lcore each
	uint16_t mtu_bytes;      //!< 0: the device's
	uint16_t udp_port;
	bool steer_by_key; //!< low bits of the source port choose the queue, where the device can
	bool is_kernel;    //!< of mr_port_open_kernel(): no addresses, no offloads
	bool tx_segments;  //!< replies may be chained mbufs; costs the drivers' fastest TX paths
	uint8_t n_ip4, n_ip6;
	uint32_t ip4_be[MR_NET_ADDRS_MAX];
	uint8_t ip6[MR_NET_ADDRS_MAX][16];
	struct rte_mempool *pools[MR_PORT_QUEUES_MAX]; //!< of the node of each queue's lcore
};

/** Where a port came from, which says what closing it means. */
enum mr_port_origin {
	MR_PORT_FOUND,    //!< EAL had probed it; closed, not removed
	MR_PORT_ATTACHED, //!< probed by us; closed and removed
	MR_PORT_FOREIGN,  //!< "port:NAME"; stopped only
};

/** How the port hears of the multicast addresses that neighbour discovery uses. */
enum mr_port_multicast {
	MR_PORT_MULTICAST_NONE,        //!< no IPv6 address, or not yet started
	MR_PORT_MULTICAST_LIST,        //!< the device filters by a list
	MR_PORT_MULTICAST_ALL,         //!< all multicast
	MR_PORT_MULTICAST_PROMISCUOUS, //!< everything
	MR_PORT_MULTICAST_REFUSED,     //!< the device offers none of these
};

/** Who chooses a request's queue. */
enum mr_port_steering {
	MR_PORT_STEERING_RSS,     //!< the device's hash, or whatever feeds the queues
	MR_PORT_STEERING_WANTED,  //!< by key, once the port is started
	MR_PORT_STEERING_KEY,     //!< the sender, by the low bits of its source port
	MR_PORT_STEERING_REFUSED, //!< by key was asked for; steering_error says why not
};

struct mr_port {
	uint16_t port_id;
	uint16_t n_queues;
	uint16_t mtu_bytes;
	//! UDP payload over IPv4 that fits the MTU; IPv6: 20 less. mr_port_adopt_mtu() changes it
	//! under running lcores.
	_Atomic uint16_t max_payload_bytes;
	uint8_t rx_checked; //!< MR_NET_RX_* that this port's good-flag can vouch for
	uint8_t rx_assumed; //!< MR_NET_RX_* that hold for every packet (in-memory ports)
	uint8_t tx_cksum;   //!< MR_NET_TX_*
	int numa_node;      //!< -1 unknown
	bool started;
	bool link_up; //!< when mr_port_start() ended
	bool is_promiscuous;
	uint8_t origin;          //!< enum mr_port_origin
	uint8_t multicast;       //!< enum mr_port_multicast
	uint16_t rx_descriptors; //!< per queue, as the device takes them
	uint16_t tx_descriptors;
	uint16_t max_queues;           //!< of device and file, the smaller
	uint64_t rss_hf;               //!< RTE_ETH_RSS_* in force; 0: none
	uint64_t rss_capa;             //!< what the device could
	uint64_t rx_offloads, rx_capa; //!< RTE_ETH_RX_OFFLOAD_*
	uint64_t tx_offloads, tx_capa; //!< RTE_ETH_TX_OFFLOAD_*
	uint8_t steering;              //!< enum mr_port_steering
	char steering_error[96];
	struct mr_net_self self;
	struct mr_driver driver; //!< what drivers-cfg said
	char name[64];
	char device[256];
};

/**
 * Attaches (hotplugs) or finds the device, reads its driver's file, configures queues and offloads.
 * On failure nothing stays attached.
 * @return 0, or -errno with a message: no such device, too few queues, MTU out of range, ...
 */
int mr_port_open(struct mr_port *port, const struct mr_port_params *params, struct mr_err *err);

/**
 * Opens a port whose other side is the kernel's (net_tap, net_virtio_user), for what arrives at
 * @p of and is not for us: as many queues, the same pools, MTU and MAC address; frames pass through
 * as they are, so that no offload is used. From then on @p of, which is started, takes all
 * multicast.
 * @return as mr_port_open().
 */
int mr_port_open_kernel(struct mr_port *port, struct mr_port *of, const char *device,
	const char *drivers_dir, struct rte_mempool *const *pools, struct mr_err *err);

/** Do two device strings name one device, whatever their arguments? */
bool mr_port_same_device(const char *a, const char *b);

/**
 * Starts the port and waits (at most MR_PORT_LINK_WAIT_MS) for its link where the driver has one. A
 * link that stays down is no failure, because a switch may come up later than its hosts: see
 * link_up.
 */
int mr_port_start(struct mr_port *port, struct mr_err *err);

/**
 * Makes replies fit a smaller MTU than the port's own, as routers tell it; the port takes as long
 * frames as before. Control lcore.
 * @param mtu_bytes  At least 1280.
 * @return true: it is smaller than what held so far.
 */
bool mr_port_adopt_mtu(struct mr_port *port, uint32_t mtu_bytes);

/** UDP payload over IPv4 that fits. */
static inline uint16_t mr_port_max_payload(const struct mr_port *port)
{
	// why relaxed: nothing hangs on it but the lengths of replies.
	return atomic_load_explicit(&port->max_payload_bytes, memory_order_relaxed);
}

/** Reads the link's state now. @return true when up. */
bool mr_port_link_up(const struct mr_port *port);

/** Stops the port; no lcore may be in its burst functions. No effect on a stopped one. */
void mr_port_stop(struct mr_port *port);

/** Stops, closes and detaches, as the port's origin says. No effect on a zeroed or closed one. */
void mr_port_close(struct mr_port *port);

/**
 * What the port got and why, a line each, for --check and the start plan.
 * @return
 *   Length of the whole text; when it is text_bytes or more, the text was cut to fit.
 */
int mr_port_describe(const struct mr_port *port, char *text, size_t text_bytes);

/**
 * What the port found right in a packet, for mr_net_parse(). A packet whose flags say bad or
 * nothing is verified in software: some cards call a missing UDP checksum bad.
 */
static inline unsigned mr_port_rx_checked(const struct mr_port *port, uint64_t ol_flags)
{
	// GOOD and NONE (integrity known by other means) share a bit, for IP and for L4.
	static_assert(RTE_MBUF_F_RX_IP_CKSUM_GOOD >> 7 == MR_NET_RX_IP_CHECKED, "bit 7");
	static_assert(RTE_MBUF_F_RX_L4_CKSUM_GOOD >> 7 == MR_NET_RX_L4_CHECKED, "bit 8");

	return port->rx_assumed | (port->rx_checked & (unsigned)(ol_flags >> 7));
}
