// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <rte_mbuf.h>

#include <inttypes.h>

#include "mr_units.h"

// Every CPU that this process may use and no RX lcore does; if there is none, all it may use.
static void plan_background(struct millraced *m)
{
	cpu_set_t all;

	if (sched_getaffinity(0, sizeof(all), &all) < 0)
		CPU_ZERO(&all);
	m->background = all;
	for (unsigned i = 0; i < m->plan.n_rx; i++)
		CPU_CLR(mr_plan_rx(&m->plan, i)->cpu, &m->background);
	if (CPU_COUNT(&m->background) == 0)
		m->background = all;
}

int lcores_plan(struct millraced *m, struct mr_err *err)
{
	const struct mr_config_lcores *l = &m->config.lcores;
	int ret = mr_plan_make(&m->plan, l->control, l->rx, l->io, err);

	if (ret < 0)
		mr_err_prefix(err, "%s: [lcores]: ", m->config_file);
	else if (m->plan.n_nodes > NODES_MAX)
		ret = mr_fail(err, EINVAL, "%s: [lcores]: %u NUMA nodes, at most %u",
			m->config_file, m->plan.n_nodes, NODES_MAX);
	if (ret == 0)
		plan_background(m);
	return ret;
}

// Room for VLAN tags and what drivers ask for beyond the MTU.
#define FRAME_SLACK_BYTES 64u
// What a packet buffer takes up beside its data: mbuf, pool header, ring entry.
#define MBUF_OVERHEAD_BYTES 256u

uint16_t plan_mbuf_bytes(const struct millraced *m)
{
	uint64_t mtu = 1500, bytes = RTE_MBUF_DEFAULT_DATAROOM;

	for (unsigned i = 0; i < m->config.n_ports; i++)
		mtu = MR_MAX(mtu, m->config.ports[i].mtu_bytes);
	// Some cards (e1000) round receive buffers down to a power of two, and would split frames.
	while (bytes < mtu + FRAME_SLACK_BYTES)
		bytes *= 2;
	return (uint16_t)(RTE_PKTMBUF_HEADROOM + bytes);
}

static uint64_t filter_bytes(const struct millraced *m)
{
	struct mr_bloom_params params = {
		.capacity_keys = m->config.filter.keys,
		.fpr = m->config.filter.fpr,
	};

	return mr_bloom_memsize(&params);
}

uint64_t plan_node_bytes(const struct millraced *m)
{
	uint64_t mbufs =
		m->config.memory.per_node_mbufs * (plan_mbuf_bytes(m) + MBUF_OVERHEAD_BYTES);
	uint64_t rings = (uint64_t)m->plan.n_rx * m->plan.n_io * m->config.handoff_depth * 3 * 8;
	uint64_t lcores = (uint64_t)m->plan.n_rx * 2 * MR_MIB + (uint64_t)m->plan.n_io * 4 * MR_MIB;

	// Twice the filter: while it is rebuilt, two generations live side by side.
	return m->config.cache.memory_bytes + 2 * filter_bytes(m) + mbufs + rings + lcores +
	       64 * MR_MIB;
}

static void print_lcores(const struct millraced *m, FILE *out)
{
	for (unsigned i = 0; i < m->plan.n_lcores; i++) {
		const struct mr_lcore *l = &m->plan.lcores[i];

		fprintf(out, "  lcore %-2u  %-7s %-2u  CPU %-3u  node %u\n", l->lcore_id,
			mr_role_name(l->role), l->index, l->cpu, l->node);
	}
	fprintf(out, "  background     CPUs");
	for (unsigned cpu = 0, n = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &m->background))
			fprintf(out, "%s%u", n++ > 0 ? "," : " ", cpu);
	fputc('\n', out);
	if (m->plan.shares_cpus)
		fprintf(out, "  lcores share CPUs: idle ones sleep unless told otherwise\n");
}

static void print_nodes(const struct millraced *m, FILE *out)
{
	for (unsigned i = 0; i < m->plan.n_nodes; i++)
		fprintf(out,
			"  node %-3u  cache %" PRIu64 " MiB, filter %" PRIu64 " MiB, %" PRIu64
			" packet buffers; %" PRIu64 " MiB in all, from %s\n",
			m->plan.nodes[i], m->config.cache.memory_bytes / MR_MIB,
			filter_bytes(m) / MR_MIB, m->config.memory.per_node_mbufs,
			plan_node_bytes(m) / MR_MIB,
			m->config.memory.huge ? "hugepages" : "ordinary pages (huge = no)");
}

void plan_print(const struct millraced *m, FILE *out)
{
	fprintf(out, "plan of %s\n", m->config_file);
	print_lcores(m, out);
	print_nodes(m, out);
	for (unsigned i = 0; i < m->config.n_ports; i++) {
		const struct mr_config_port *p = &m->config.ports[i];

		fprintf(out, "  port %s  %s  %s  UDP %" PRIu64 "  %" PRIu64 " queues\n", p->name,
			p->device, p->address.text, p->udp_port,
			p->queues != 0 ? p->queues : m->plan.n_rx);
		if (p->kernel_device[0] != '\0')
			fprintf(out, "    what is not for millrace  %s  %" PRIu64 " frames/s\n",
				p->kernel_device, p->kernel_rate);
	}
	fprintf(out, "  store    %s\n", m->config.store.path);
	fprintf(out, "  admin    %s\n", m->config.admin_socket);
}
