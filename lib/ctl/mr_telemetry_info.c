// SPDX-License-Identifier: BSD-3-Clause
//
// What the appliance is: /millrace/info, /millrace/ports, /millrace/config.
#include "mr_telemetry_priv.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_version.h>

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

// ---- /millrace/info
// ------------------------------------------------------------------------------

struct info {
	const char *version, *dpdk, *config_file, *filter_state;
	uint64_t pid, started_us, uptime_us, tsc_hz, rx_lcores, io_lcores, numa_nodes, ports, sets,
		views, generation;
	bool shares_cpus;
};

static const struct mr_tel_field info_fields[] = {
	MR_TEL(info, version, POINTER, "text", "of millraced"),
	MR_TEL(info, dpdk, POINTER, "text", "version of DPDK that it runs on"),
	MR_TEL(info, pid, U64, "", "process id"),
	MR_TEL(info, config_file, POINTER, "text", "configuration file"),
	MR_TEL(info, started_us, U64, "us", "start, since the epoch"),
	MR_TEL(info, uptime_us, U64, "us", "time since then"),
	MR_TEL(info, tsc_hz, U64, "Hz", "rate of the cycle counters"),
	MR_TEL(info, rx_lcores, U64, "lcores", "RX lcores"),
	MR_TEL(info, io_lcores, U64, "lcores", "I/O lcores"),
	MR_TEL(info, numa_nodes, U64, "nodes", "NUMA nodes in use"),
	MR_TEL(info, shares_cpus, BOOL, "0 or 1", "lcores share CPUs"),
	MR_TEL(info, ports, U64, "ports", "ports"),
	MR_TEL(info, sets, U64, "sets", "feature sets registered"),
	MR_TEL(info, views, U64, "views", "explicit views registered"),
	MR_TEL(info, generation, U64, "",
		"of the catalog: counts up with every change since start"),
	MR_TEL(info, filter_state, POINTER, "text", "none, building or ready"),
};

static const struct mr_tel_block info_blocks[] = {
	{"", "", info_fields, MR_ARRAY_SIZE(info_fields)},
};

static int info_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	const struct mr_plan *plan = ctl->p.plan;
	uint64_t now_us = mr_clock_us(ctl->p.tiers->clock, rte_rdtsc());
	struct mr_filter_stats filter;
	const struct mr_published *published;
	struct info info = {
		.version = ctl->p.version,
		.dpdk = rte_version(),
		.config_file = ctl->p.config_file,
		.pid = (uint64_t)getpid(),
		.started_us = ctl->start_us,
		.uptime_us = now_us > ctl->start_us ? now_us - ctl->start_us : 0,
		.tsc_hz = ctl->p.tiers->clock->hz,
		.rx_lcores = plan->n_rx,
		.io_lcores = plan->n_io,
		.numa_nodes = plan->n_nodes,
		.ports = ctl->p.n_ports,
		.shares_cpus = plan->shares_cpus,
	};

	(void)params;
	published = mr_registry_read_begin(ctl->p.registry);
	info.sets = published->catalog->n_sets;
	info.views = published->catalog->n_views;
	info.generation = published->generation;
	mr_registry_read_end(ctl->p.registry);
	mr_filter_stats(ctl->p.filter, &filter);
	info.filter_state = mr_filter_state_name(filter.state);
	return mr_tel_fields(d, &info_blocks[0], &info);
}

const struct mr_tel_group mr_tel_info = {
	.command = "/millrace/info",
	.params = "",
	.help = "The appliance: version, start, lcores, what is registered",
	.blocks = info_blocks,
	.n_blocks = MR_ARRAY_SIZE(info_blocks),
	.fill = info_fill,
};

// ---- /millrace/ports
// -----------------------------------------------------------------------------

struct port_figures {
	const char *device, *driver;
	uint64_t port_id, queues, mtu_bytes, link_up, link_mbps;
	bool started;
	uint64_t ipackets, opackets, ibytes, obytes, imissed, ierrors, oerrors, rx_nombuf;
};

static const struct mr_tel_field port_fields[] = {
	MR_TEL(port_figures, device, POINTER, "text", "as in the configuration"),
	MR_TEL(port_figures, driver, POINTER, "text", "poll-mode driver"),
	MR_TEL(port_figures, port_id, U64, "", "number that DPDK's own commands know it by"),
	MR_TEL(port_figures, started, BOOL, "0 or 1", "receiving"),
	MR_TEL(port_figures, queues, U64, "queue pairs", "in use"),
	MR_TEL(port_figures, mtu_bytes, U64, "bytes", "largest IP packet"),
	MR_TEL(port_figures, link_up, U64, "0 or 1", "link"),
	MR_TEL(port_figures, link_mbps, U64, "Mb/s", "its speed; 0: unknown"),
	MR_TEL(port_figures, ipackets, U64, "packets", "received, by the device's count"),
	MR_TEL(port_figures, opackets, U64, "packets", "sent"),
	MR_TEL(port_figures, ibytes, U64, "bytes", "received"),
	MR_TEL(port_figures, obytes, U64, "bytes", "sent"),
	MR_TEL(port_figures, imissed, U64, "packets",
		"lost by the device because no RX lcore took them in time"),
	MR_TEL(port_figures, ierrors, U64, "packets", "received broken"),
	MR_TEL(port_figures, oerrors, U64, "packets", "that could not be sent"),
	MR_TEL(port_figures, rx_nombuf, U64, "packets", "lost because there was no packet buffer"),
};

static const struct mr_tel_block ports_blocks[] = {
	{"<NAME>", "the port of that name.", port_fields, MR_ARRAY_SIZE(port_fields)},
};

static int add_port(const struct mr_port *port, struct rte_tel_data *d)
{
	struct rte_eth_link link = {0};
	struct rte_eth_stats stats = {0};
	struct port_figures f = {
		.device = port->device,
		.driver = port->driver.driver,
		.port_id = port->port_id,
		.queues = port->n_queues,
		.mtu_bytes = port->mtu_bytes,
		.started = port->started,
	};

	// A driver without statistics or link leaves zeros.
	rte_eth_stats_get(port->port_id, &stats);
	if (rte_eth_link_get_nowait(port->port_id, &link) == 0) {
		f.link_up = link.link_status;
		f.link_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	}
	f.ipackets = stats.ipackets;
	f.opackets = stats.opackets;
	f.ibytes = stats.ibytes;
	f.obytes = stats.obytes;
	f.imissed = stats.imissed;
	f.ierrors = stats.ierrors;
	f.oerrors = stats.oerrors;
	f.rx_nombuf = stats.rx_nombuf;
	return mr_tel_child_fields(d, port->name, &ports_blocks[0], &f);
}

static int ports_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	int ret = 0;

	(void)params;
	for (unsigned i = 0; ret == 0 && i < ctl->p.n_ports; i++)
		ret = add_port(&ctl->p.ports[i], d);
	return ret;
}

const struct mr_tel_group mr_tel_ports = {
	.command = "/millrace/ports",
	.params = "",
	.help = "The ports, by the devices' own counts",
	.blocks = ports_blocks,
	.n_blocks = MR_ARRAY_SIZE(ports_blocks),
	.fill = ports_fill,
};

// ---- /millrace/config
// ----------------------------------------------------------------------------

static const struct mr_tel_block config_blocks[] = {
	{"<SECTION>/<KEY>", "text: the value in force (docs/configuration.md), at most 127 bytes.",
		NULL, 0},
	{"port/<NAME>/<KEY>", "text: the same for a port.", NULL, 0},
};

static int add_key(const struct mr_config *config, const struct mr_config_port *port,
	const struct mr_config_key *key, struct rte_tel_data *d)
{
	char name[RTE_TEL_MAX_STRING_LEN], value[MR_CONFIG_TEXT_BYTES];

	snprintf(name, sizeof(name), "%s/%s%s%s", key->section, port != NULL ? port->name : "",
		port != NULL ? "/" : "", key->key);
	mr_config_value(config, port, key, value, sizeof(value));
	return mr_tel_text(d, name, value);
}

static int config_fill(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	const struct mr_config *config = ctl->p.config;
	int ret = 0;

	(void)params;
	for (unsigned i = 0; ret == 0 && i < mr_config_n_keys; i++) {
		const struct mr_config_key *key = &mr_config_keys[i];
		bool of_port = strcmp(key->section, "port") == 0;

		for (unsigned p = 0; ret == 0 && of_port && p < config->n_ports; p++)
			ret = add_key(config, &config->ports[p], key, d);
		if (!of_port)
			ret = add_key(config, NULL, key, d);
	}
	return ret;
}

static int config_fill_locked(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d)
{
	int ret;

	pthread_mutex_lock(&ctl->config);
	ret = config_fill(ctl, params, d);
	pthread_mutex_unlock(&ctl->config);
	return ret;
}

const struct mr_tel_group mr_tel_config = {
	.command = "/millrace/config",
	.params = "",
	.help = "The configuration in force",
	.blocks = config_blocks,
	.n_blocks = MR_ARRAY_SIZE(config_blocks),
	.fill = config_fill_locked,
};
