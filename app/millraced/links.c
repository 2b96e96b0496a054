// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <time.h>

#include "mr_units.h"

// Announcements of a link that came up, and between them (RFC 5227, section 1.1).
#define ANNOUNCEMENTS 2u
#define ANNOUNCE_INTERVAL_US (2 * MR_US_PER_S)

static uint64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MR_US_PER_S + (uint64_t)now.tv_nsec / 1000;
}

// An RX lcore that has a queue of the port: every open port has one.
static unsigned lcore_of(const struct millraced *m, unsigned port)
{
	unsigned i = 0;

	while (i + 1 < m->plan.n_rx && m->queues[i][port] == MR_RX_NO_QUEUE)
		i++;
	return i;
}

// Switches and neighbours may know the addresses by another port, or not at all.
static void announce(struct millraced *m, unsigned i, uint64_t now_us)
{
	struct link *link = &m->links[i];

	if (link->left == 0 || now_us < link->next_us)
		return;
	mr_rx_announce(m->rx[lcore_of(m, i)], i);
	link->left--;
	link->next_us = now_us + ANNOUNCE_INTERVAL_US;
}

// Makes replies fit what a router says that the link carries.
static void follow_router(struct millraced *m, unsigned i)
{
	for (unsigned k = 0; k < m->plan.n_rx; k++) {
		uint32_t mtu = mr_rx_router_mtu(m->rx[k], i);

		if (mtu != 0 && mr_port_adopt_mtu(&m->ports[i], mtu))
			mr_log(MR_LOG_INFO, m->ports[i].name,
				"a router advertises an MTU of %u: replies fit it from now on",
				mtu);
	}
}

void links_follow(struct millraced *m)
{
	uint64_t now_us = monotonic_us();

	for (unsigned i = 0; i < m->n_ports; i++) {
		bool up = mr_port_link_up(&m->ports[i]);
		struct link *link = &m->links[i];

		if (up != link->up) {
			mr_log(up ? MR_LOG_INFO : MR_LOG_WARNING, m->ports[i].name, "link is %s",
				up ? "up" : "down");
			link->up = up;
			link->left = up ? ANNOUNCEMENTS : 0;
			link->next_us = now_us;
		}
		announce(m, i, now_us);
		if (m->config.ports[i].routers == MR_ROUTERS_MTU)
			follow_router(m, i);
	}
}
