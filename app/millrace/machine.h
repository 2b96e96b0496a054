// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What `millrace advise` looks at: CPUs, NUMA nodes, hugepages, network cards and kernel settings,
 * as /sys and /proc under a root tell them (the root is "" but in tests).
 */

#include "mr_err.h"

#include <stdbool.h>
#include <stdint.h>

#define MACHINE_CPUS_MAX 1024u
#define MACHINE_NODES_MAX 16u
#define MACHINE_CARDS_MAX 64u

struct machine_cpu {
	bool online;
	bool isolated;
	bool ticks; //!< not in nohz_full
	unsigned node;
	unsigned first_sibling; //!< lowest CPU of its core; itself, where there is no SMT
	char governor[32];      //!< "" where the kernel scales nothing
};

struct machine_node {
	bool present;
	uint64_t memory_kib, free_kib;
	uint64_t pages_2m, pages_1g; //!< hugepages reserved
	bool has_1g;
	unsigned distance[MACHINE_NODES_MAX];
};

struct machine_card {
	char address[32]; //!< 0000:3b:00.0
	char id[16];      //!< vendor:device, hexadecimal
	char driver[32];  //!< "" when none is bound
	char interface[32];
	int node;     //!< -1: the firmware does not say
	bool virtual; //!< virtio and the like
	bool routed;  //!< the host has a route over it: not to be taken away
	bool iommu;   //!< is in an IOMMU group
};

struct machine {
	unsigned n_cpus; //!< highest online CPU + 1
	struct machine_cpu cpus[MACHINE_CPUS_MAX];
	unsigned n_nodes;
	struct machine_node nodes[MACHINE_NODES_MAX];
	unsigned n_cards;
	struct machine_card cards[MACHINE_CARDS_MAX];
	bool intel;
	bool pages_1g_cpu; //!< the CPU has pages of 1 GiB
	bool tsc_steady;   //!< constant_tsc and nonstop_tsc
	char cmdline[4096];
	char clocksource[32];
	char thp[32]; //!< always, madvise or never
	bool numa_balancing;
	char vulnerabilities[512]; //!< those that are mitigated, parted by commas
};

/** Reads everything. @return 0, or -errno with a message. */
int machine_read(struct machine *m, const char *root, struct mr_err *err);
