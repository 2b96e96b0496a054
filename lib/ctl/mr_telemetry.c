// SPDX-License-Identifier: BSD-3-Clause
#include "mr_telemetry.h"
#include "mr_telemetry_priv.h"
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const struct mr_tel_group *const groups[] = {
	&mr_tel_info,
	&mr_tel_lcores,
	&mr_tel_drops,
	&mr_tel_latency,
	&mr_tel_cells,
	&mr_tel_ages,
	&mr_tel_cache,
	&mr_tel_bloom,
	&mr_tel_store,
	&mr_tel_handoff,
	&mr_tel_memory,
	&mr_tel_sets,
	&mr_tel_views,
	&mr_tel_ports,
	&mr_tel_clients,
	&mr_tel_slow,
	&mr_tel_config,
};

// DPDK's callbacks carry no pointer of ours. Read: while a command runs; write: start and stop.
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct mr_ctl *live;
static bool registered;

static int answer(const char *command, const char *params, struct rte_tel_data *d)
{
	int ret = -ENODEV;

	pthread_rwlock_rdlock(&lock);
	rte_tel_data_start_dict(d);
	for (unsigned i = 0; live != NULL && i < MR_ARRAY_SIZE(groups); i++)
		if (strcmp(groups[i]->command, command) == 0)
			ret = groups[i]->fill(live, params, d);
	pthread_rwlock_unlock(&lock);
	return ret < 0 ? -1 : 0;
}

int mr_telemetry_start(struct mr_ctl *ctl, struct mr_err *err)
{
	int ret = 0;

	pthread_rwlock_wrlock(&lock);
	for (unsigned i = 0; !registered && ret == 0 && i < MR_ARRAY_SIZE(groups); i++) {
		ret = rte_telemetry_register_cmd(groups[i]->command, answer, groups[i]->help);
		if (ret < 0)
			mr_fail(err, -ret, "telemetry command %s: %s", groups[i]->command,
				strerror(-ret));
	}
	registered = registered || ret == 0;
	if (ret == 0)
		live = ctl;
	pthread_rwlock_unlock(&lock);
	return ret;
}

void mr_telemetry_stop(void)
{
	pthread_rwlock_wrlock(&lock);
	live = NULL;
	pthread_rwlock_unlock(&lock);
}

// ---- replies
// -------------------------------------------------------------------------------------

int mr_tel_text(struct rte_tel_data *d, const char *name, const char *text)
{
	char copy[RTE_TEL_MAX_STRING_LEN];

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *p = copy; *p != '\0'; p++) {
		if (*p == '"')
			*p = '\'';
		else if (*p == '\\' || (unsigned char)*p < ' ')
			*p = '?';
	}
	return rte_tel_data_add_dict_string(d, name, copy);
}

static int add_field(struct rte_tel_data *d, const struct mr_tel_field *f, const void *base)
{
	const void *at = (const uint8_t *)base + f->offset;

	switch (f->kind) {
	case MR_TEL_U64:
		return rte_tel_data_add_dict_u64(d, f->name, *(const uint64_t *)at);
	case MR_TEL_U32:
		return rte_tel_data_add_dict_u64(d, f->name, *(const uint32_t *)at);
	case MR_TEL_U16:
		return rte_tel_data_add_dict_u64(d, f->name, *(const uint16_t *)at);
	case MR_TEL_BOOL:
		return rte_tel_data_add_dict_u64(d, f->name, *(const bool *)at);
	case MR_TEL_TEXT:
		return mr_tel_text(d, f->name, at);
	case MR_TEL_POINTER:
		return mr_tel_text(d, f->name, *(const char *const *)at);
	}
	return -EINVAL;
}

int mr_tel_fields(struct rte_tel_data *d, const struct mr_tel_block *block, const void *base)
{
	int ret = 0;

	for (unsigned i = 0; ret == 0 && i < block->n_fields; i++)
		ret = add_field(d, &block->fields[i], base);
	return ret;
}

// Frees what its parent did not take.
static struct rte_tel_data *adopt(
	struct rte_tel_data *d, const char *name, struct rte_tel_data *child)
{
	int ret = rte_tel_data_add_dict_container(d, name, child, 0);

	if (ret == 0)
		return child;
	rte_tel_data_free(child);
	errno = -ret;
	return NULL;
}

struct rte_tel_data *mr_tel_child(struct rte_tel_data *d, const char *name)
{
	struct rte_tel_data *child = rte_tel_data_alloc();

	if (child == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	rte_tel_data_start_dict(child);
	return adopt(d, name, child);
}

static struct rte_tel_data *array(
	struct rte_tel_data *d, const char *name, enum rte_tel_value_type type)
{
	struct rte_tel_data *child = rte_tel_data_alloc();

	if (child == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	rte_tel_data_start_array(child, type);
	return adopt(d, name, child);
}

struct rte_tel_data *mr_tel_texts(struct rte_tel_data *d, const char *name)
{
	return array(d, name, RTE_TEL_STRING_VAL);
}

struct rte_tel_data *mr_tel_numbers(struct rte_tel_data *d, const char *name)
{
	return array(d, name, RTE_TEL_U64_VAL);
}

int mr_tel_child_fields(struct rte_tel_data *d, const char *name, const struct mr_tel_block *block,
	const void *base)
{
	struct rte_tel_data *child = mr_tel_child(d, name);

	return child != NULL ? mr_tel_fields(child, block, base) : -errno;
}

// ---- parameters
// ----------------------------------------------------------------------------------

int mr_tel_number(const char *params, uint64_t *ret_number)
{
	if (params == NULL || params[0] == '\0') {
		*ret_number = 0;
		return 0;
	}
	return mr_parse_u64(params, ret_number);
}

int mr_tel_lcore(
	const struct mr_ctl *ctl, const char *params, enum mr_role *ret_role, unsigned *ret_index)
{
	const struct mr_plan *plan = ctl->p.plan;
	enum mr_role role;
	uint64_t index;

	if (params == NULL || params[0] == '\0')
		return 0;
	if (strncmp(params, "rx", 2) == 0)
		role = MR_ROLE_RX;
	else if (strncmp(params, "io", 2) == 0)
		role = MR_ROLE_IO;
	else
		return -EINVAL;
	if (mr_parse_u64(params + 2, &index) < 0 ||
		index >= (role == MR_ROLE_RX ? plan->n_rx : plan->n_io))
		return -EINVAL;
	if (role == MR_ROLE_RX ? ctl->p.rx[index] == NULL : ctl->p.io[index] == NULL)
		return -EINVAL;
	*ret_role = role;
	*ret_index = (unsigned)index;
	return 1;
}

// ---- the document
// --------------------------------------------------------------------------------

static void print_block(const struct mr_tel_block *block, FILE *out)
{
	if (block->path[0] != '\0')
		fprintf(out, "\n`%s`: %s\n", block->path, block->help);
	else if (block->help[0] != '\0')
		fprintf(out, "\n%s\n", block->help);
	if (block->n_fields == 0)
		return;
	fprintf(out, "\n| field | unit | meaning |\n|---|---|---|\n");
	for (unsigned i = 0; i < block->n_fields; i++)
		fprintf(out, "| `%s` | %s | %s |\n", block->fields[i].name, block->fields[i].unit,
			block->fields[i].help);
}

void mr_telemetry_print_markdown(FILE *out)
{
	fprintf(out, "# Telemetry\n"
		     "\n"
		     "The appliance answers on DPDK's telemetry socket,\n"
		     "`/var/run/dpdk/PREFIX/dpdk_telemetry.v2` (PREFIX is `[memory] file_prefix`), "
		     "which\n"
		     "`dpdk-telemetry.py -f PREFIX` reads as it is. The commands below are "
		     "read-only; DPDK's\n"
		     "own ones (`/`, `/ethdev/xstats`, `/mempool/info`, ...) are there too.\n"
		     "\n"
		     "Counters start at 0 with the appliance and are never reset: rates are "
		     "differences.\n"
		     "Ratios are parts per million (`_ppm`), switches 0 or 1. A command with a "
		     "parameter that\n"
		     "it does not know answers null.\n"
		     "\n"
		     "For Prometheus, `millrace exporter` tells all of it under names that follow "
		     "from these\n"
		     "(docs/prometheus.md).\n"
		     "\n"
		     "This page is printed from the tables in `lib/ctl/mr_telemetry_*.c`; a test "
		     "compares\n"
		     "them.\n");
	for (unsigned i = 0; i < MR_ARRAY_SIZE(groups); i++) {
		const struct mr_tel_group *g = groups[i];

		fprintf(out, "\n## %s%s%s%s\n\n%s.\n", g->command, g->params[0] != '\0' ? "[," : "",
			g->params, g->params[0] != '\0' ? "]" : "", g->help);
		for (unsigned b = 0; b < g->n_blocks; b++)
			print_block(&g->blocks[b], out);
	}
}
