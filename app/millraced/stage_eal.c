// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_pdump.h>

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <mntent.h>
#include <string.h>
#include <unistd.h>

#include "mr_units.h"

#define ARGS_MAX 128u

/** EAL's command line, built up. */
struct args {
	unsigned n;
	char *argv[ARGS_MAX];
	size_t used;
	char text[16384];
};

static void add(struct args *a, const char *format, ...) mr_printf(2, 3);

static void add(struct args *a, const char *format, ...)
{
	size_t room = sizeof(a->text) - a->used;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(a->text + a->used, room, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= room || a->n >= ARGS_MAX - 1)
		return;
	a->argv[a->n++] = a->text + a->used;
	a->used += (size_t)n + 1;
}

// The user's own arguments, parted by blanks; they come last and so win.
static void add_words(struct args *a, const char *words)
{
	while (*words != '\0') {
		size_t n = strcspn(words, " \t");

		if (n > 0)
			add(a, "%.*s", (int)n, words);
		words += n;
		words += strspn(words, " \t");
	}
}

static bool is_pci(const char *device)
{
	unsigned domain, bus, slot, function;
	int end = 0;

	return sscanf(device, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &end) == 4 ||
	       sscanf(device, "%x:%x.%x%n", &bus, &slot, &function, &end) == 3;
}

static void add_devices(struct args *a, const struct millraced *m)
{
	bool any = false;

	for (unsigned i = 0; i < m->config.n_ports; i++) {
		if (!is_pci(m->config.ports[i].device))
			continue;
		add(a, "-a");
		add(a, "%s", m->config.ports[i].device);
		any = true;
	}
	if (!any)
		add(a, "--no-pci");
}

static void add_memory(struct args *a, const struct millraced *m)
{
	uint64_t bytes = m->config.memory.total_bytes;

	if (m->config.memory.huge)
		return;
	if (bytes == 0)
		bytes = plan_node_bytes(m) * m->plan.n_nodes;
	add(a, "--no-huge");
	add(a, "-m");
	add(a, "%" PRIu64, (bytes + MR_MIB - 1) / MR_MIB);
}

static uint64_t read_number(const char *path)
{
	FILE *file = fopen(path, "re");
	uint64_t value = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%" SCNu64, &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

// Free hugepage memory of a node, of both sizes.
static uint64_t free_huge_bytes(unsigned node)
{
	static const unsigned sizes_kib[] = {2048, 1048576};
	uint64_t bytes = 0;
	char path[128];

	for (unsigned i = 0; i < MR_ARRAY_SIZE(sizes_kib); i++) {
		snprintf(path, sizeof(path),
			"/sys/devices/system/node/node%u/hugepages/hugepages-%ukB/free_hugepages",
			node, sizes_kib[i]);
		bytes += read_number(path) * sizes_kib[i] * MR_KIB;
	}
	return bytes;
}

static bool hugetlbfs_mounted(void)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *entry;
	bool found = false;

	if (mounts == NULL)
		return false;
	while (!found && (entry = getmntent(mounts)) != NULL)
		found = strcmp(entry->mnt_type, "hugetlbfs") == 0;
	endmntent(mounts);
	return found;
}

// EAL's own words for missing hugepages do not tell what to do.
static int check_hugepages(const struct millraced *m, struct mr_err *err)
{
	uint64_t want = plan_node_bytes(m);

	if (!m->config.memory.huge)
		return 0;
	for (unsigned i = 0; i < m->plan.n_nodes; i++) {
		unsigned node = m->plan.nodes[i];
		uint64_t have = free_huge_bytes(node);

		if (have < want)
			return mr_fail(err, ENOMEM,
				"node %u has %" PRIu64
				" MiB of free hugepages, the plan asks for %" PRIu64
				" MiB: run scripts/hugepages.sh set %" PRIu64
				" --node %u, or set huge = no in [memory] of %s",
				node, have / MR_MIB, want / MR_MIB,
				(want + 2 * MR_MIB - 1) / (2 * MR_MIB), node, m->config_file);
	}
	if (!hugetlbfs_mounted())
		return mr_fail(err, ENOENT,
			"hugepages are there, but no hugetlbfs is mounted: run "
			"scripts/hugepages.sh "
			"set N, or mount -t hugetlbfs none /dev/hugepages");
	return 0;
}

int eal_start(struct millraced *m, struct mr_err *err)
{
	static struct args a;
	char lcores[1024];
	int ret = check_hugepages(m, err);

	if (ret < 0)
		return ret;
	mr_plan_eal(&m->plan, lcores, sizeof(lcores));
	add(&a, "millraced");
	add(&a, "--lcores=%s", lcores);
	add(&a, "--main-lcore=0");
	add(&a, "--file-prefix=%s", m->config.memory.file_prefix);
	add(&a, "--log-level=*:4");
	add_memory(&a, m);
	add_devices(&a, m);
	add_words(&a, m->config.memory.eal_args);
	if (rte_eal_init((int)a.n, a.argv) >= 0) {
		// Answers dpdk-dumpcap, and costs nothing until it asks.
		if (rte_pdump_init() < 0)
			mr_log(MR_LOG_WARNING, "eal", "no capture by dpdk-dumpcap: %s",
				rte_strerror(rte_errno));
		return 0;
	}
	if (rte_errno == EALREADY || rte_errno == EAGAIN)
		return mr_fail(err, EBUSY,
			"DPDK did not start: is another process using file_prefix = %s? Stop it, "
			"or "
			"set another prefix in [memory]",
			m->config.memory.file_prefix);
	return mr_fail(err, rte_errno != 0 ? rte_errno : EINVAL,
		"DPDK did not start: %s (its own message is above)", rte_strerror(rte_errno));
}

// EAL leaves the files of pages that it still had in use: they would hold the pages until the
// next start.
static void unlink_pages(const char *mount, const char *prefix)
{
	char pattern[2048];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/%smap_*", mount, prefix);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}

void eal_stop(struct millraced *m)
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *entry;

	rte_pdump_uninit();
	rte_eal_cleanup();
	if (mounts == NULL)
		return;
	while ((entry = getmntent(mounts)) != NULL)
		if (strcmp(entry->mnt_type, "hugetlbfs") == 0)
			unlink_pages(entry->mnt_dir, m->config.memory.file_prefix);
	endmntent(mounts);
}
