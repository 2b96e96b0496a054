// SPDX-License-Identifier: BSD-3-Clause
#include "mr_env.h"

#include <errno.h>
#include <numa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Reads "3" or "4-6" and moves *text past it.
static int parse_range(const char **text, long *ret_first, long *ret_last)
{
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	*ret_first = *ret_last = strtol(*text, &end, 10);
	if (*end == '-') {
		*text = end + 1;
		if (**text < '0' || **text > '9')
			return -EINVAL;
		*ret_last = strtol(*text, &end, 10);
	}
	*text = end;
	return *ret_last >= *ret_first ? 0 : -EINVAL;
}

static unsigned node_index(struct mr_plan *plan, uint16_t node)
{
	for (unsigned i = 0; i < plan->n_nodes; i++)
		if (plan->nodes[i] == node)
			return i;
	plan->nodes[plan->n_nodes] = node;
	return plan->n_nodes++;
}

static int add_lcore(
	struct mr_plan *plan, enum mr_role role, unsigned *n_role, long cpu, struct mr_err *err)
{
	struct mr_lcore *lcore = &plan->lcores[plan->n_lcores];
	int node = numa_available() < 0 ? 0 : numa_node_of_cpu((int)cpu);

	if (cpu >= sysconf(_SC_NPROCESSORS_CONF))
		return mr_fail(err, EINVAL, "CPU %ld for an %s lcore: this machine has CPUs 0-%ld",
			cpu, mr_role_name(role), sysconf(_SC_NPROCESSORS_CONF) - 1);
	if (plan->n_lcores >= MR_LCORES_MAX)
		return mr_fail(err, EINVAL, "more than %u lcores", MR_LCORES_MAX);
	for (unsigned i = 0; i < plan->n_lcores; i++)
		if (plan->lcores[i].cpu == cpu)
			plan->shares_cpus = true;
	lcore->role = role;
	lcore->index = (uint16_t)(*n_role)++;
	lcore->lcore_id = (uint16_t)plan->n_lcores++;
	lcore->cpu = (uint16_t)cpu;
	lcore->node = node < 0 ? 0 : (uint16_t)node;
	// The control lcore owns no memory of its own: its node alone gets no cache.
	if (role != MR_ROLE_CONTROL)
		lcore->node_index = (uint16_t)node_index(plan, lcore->node);
	return 0;
}

static int add_list(struct mr_plan *plan, enum mr_role role, unsigned *n_role, const char *list,
	struct mr_err *err)
{
	const char *p = list;

	for (;;) {
		long first, last;
		int ret = parse_range(&p, &first, &last);

		if (ret < 0 || (*p != ',' && *p != '\0'))
			return mr_fail(err, EINVAL,
				"CPU list '%s' of the %s lcores: want \"0,2-3\"", list,
				mr_role_name(role));
		for (long cpu = first; cpu <= last; cpu++) {
			ret = add_lcore(plan, role, n_role, cpu, err);
			if (ret < 0)
				return ret;
		}
		if (*p++ == '\0')
			return 0;
		while (*p == ' ')
			p++;
	}
}

int mr_plan_make(struct mr_plan *plan, const char *control_cpu, const char *rx_cpus,
	const char *io_cpus, struct mr_err *err)
{
	unsigned n_control = 0;
	int ret;

	memset(plan, 0, sizeof(*plan));
	ret = add_list(plan, MR_ROLE_CONTROL, &n_control, control_cpu, err);
	if (ret == 0 && n_control != 1)
		ret = mr_fail(
			err, EINVAL, "control lcore on CPUs '%s': want exactly one", control_cpu);
	// RX before I/O: nodes are numbered by the RX lcores that serve them.
	if (ret == 0)
		ret = add_list(plan, MR_ROLE_RX, &plan->n_rx, rx_cpus, err);
	if (ret == 0)
		ret = add_list(plan, MR_ROLE_IO, &plan->n_io, io_cpus, err);
	return ret;
}

int mr_plan_eal(const struct mr_plan *plan, char *text, size_t text_bytes)
{
	int n = 0;

	for (unsigned i = 0; i < plan->n_lcores; i++) {
		size_t room = (size_t)n < text_bytes ? text_bytes - (size_t)n : 0;

		n += snprintf(text + (room ? n : 0), room, "%s%u@%u", i > 0 ? "," : "",
			plan->lcores[i].lcore_id, plan->lcores[i].cpu);
	}
	return n;
}

const struct mr_lcore *mr_plan_rx(const struct mr_plan *plan, unsigned index)
{
	return &plan->lcores[1 + index];
}

const struct mr_lcore *mr_plan_io(const struct mr_plan *plan, unsigned index)
{
	return &plan->lcores[1 + plan->n_rx + index];
}
