// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Reader of drivers-cfg/<driver>.ini: what a poll-mode driver needs that others do not. Unknown
 * keys and values are refused with file and line. The reason for each value is a comment in its
 * file. docs/drivers.md lists the keys. No state; any thread; costs a directory scan, so for start
 * only.
 */

#include "mr_err.h"

#include <stdbool.h>

enum mr_switch {
	MR_SWITCH_AUTO, //!< use it when the device says it can
	MR_SWITCH_ON,   //!< refuse to start without it
	MR_SWITCH_OFF,  //!< never use it
};

struct mr_driver {
	char file[256];  //!< where this came from
	char driver[32]; //!< PMD name this applies to (net_tap, net_af_packet, mlx5_pci, ...)
	uint16_t rx_descriptors; //!< 0: the device's own default
	uint16_t tx_descriptors;
	uint16_t max_queues; //!< 0: what the device says
	enum mr_switch rx_checksum, tx_checksum, rss, fast_free;
	char rss_fields[64];    //!< "ip,udp"
	bool promiscuous;       //!< needed where the driver cannot filter by MAC or VF limits it
	bool has_link;          //!< wait for link at start
	uint16_t mtu_max_bytes; //!< 0: what the device says
	bool verify_checksum;   //!< verify in software when the device does not (false: in-memory
	                        //!< ports)
};

/**
 * Reads the file of the driver called @p pmd in @p dir: the one whose `driver` key lists it. All
 * *.ini files there are read, so that a bad one is found by whoever starts first, and two files
 * that list the same driver are an error rather than a matter of luck.
 * @return 0; -ENOENT: none matches (the message lists what there is); -EINVAL: file, line, value;
 *   or why the directory or a file could not be read.
 */
int mr_driver_load(struct mr_driver *ret, const char *dir, const char *pmd, struct mr_err *err);

/**
 * Reads the text of one file.
 *
 * @param file
 *   Its path, for messages and for ret->file.
 * @param pmd
 *   The driver looked for.
 * @param names, names_bytes
 *   NULL and 0, or where the drivers that the file lists are appended, ", " between them; what has
 *   no room is left out.
 * @return
 *   1: the file lists @p pmd, and @p ret is filled; 0: it is fine but about others; -EINVAL.
 */
int mr_driver_read(struct mr_driver *ret, const char *file, const char *text, size_t text_bytes,
	const char *pmd, char *names, size_t names_bytes, struct mr_err *err);

/** "auto", "on", "off". */
const char *mr_switch_name(enum mr_switch value);
