// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Reader of drivers-cfg/<driver>.ini: what a poll-mode driver needs that others do not. Unknown keys
 * and values are refused with file and line. The reason for each value is a comment in its file.
 */

#include <stdbool.h>

#include "mr_err.h"

enum mr_switch {
	MR_SWITCH_AUTO, //!< use it when the device says it can
	MR_SWITCH_ON,   //!< refuse to start without it
	MR_SWITCH_OFF,  //!< never use it
};

struct mr_driver {
	char file[256];          //!< where this came from
	char driver[32];         //!< PMD name this applies to (net_tap, net_af_packet, mlx5_pci, ...)
	uint16_t rx_descriptors; //!< 0: the device's own default
	uint16_t tx_descriptors;
	uint16_t max_queues;     //!< 0: what the device says
	enum mr_switch rx_checksum, tx_checksum, rss, fast_free;
	char rss_fields[64];     //!< "ip,udp"
	bool promiscuous;        //!< needed where the driver cannot filter by MAC or VF limits it
	bool has_link;           //!< wait for link at start
	uint16_t mtu_max_bytes;  //!< 0: what the device says
	bool verify_checksum;    //!< verify in software when the device does not (false: in-memory ports)
};

/**
 * Reads the file of the driver called @p pmd in @p dir: the one whose `driver` key lists it.
 * @return 0; -ENOENT: none matches (the message lists what there is); -EINVAL: file, line, value.
 */
int mr_driver_load(struct mr_driver *ret, const char *dir, const char *pmd, struct mr_err *err);
