// SPDX-License-Identifier: BSD-3-Clause

#include "machine.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mr_units.h"

#define PATH_BYTES 1024

// One reading: where, and the path in hand.
struct reader {
	const char *root;
	char path[PATH_BYTES];
};

static const char *path_of(struct reader *r, const char *format, va_list ap)
{
	int n = snprintf(r->path, sizeof(r->path), "%s", r->root);

	if (n < 0 || (size_t)n >= sizeof(r->path))
		return "";
	vsnprintf(r->path + n, sizeof(r->path) - (size_t)n, format, ap);
	return r->path;
}

// The file's text without the last newline; "" where there is no such file.
static bool text_of(struct reader *r, char *ret, size_t bytes, const char *format, ...)
	mr_printf(4, 5);

static bool text_of(struct reader *r, char *ret, size_t bytes, const char *format, ...)
{
	va_list ap;
	FILE *file;
	size_t n;

	va_start(ap, format);
	file = fopen(path_of(r, format, ap), "re");
	va_end(ap);
	ret[0] = '\0';
	if (file == NULL)
		return false;
	n = fread(ret, 1, bytes - 1, file);
	fclose(file);
	ret[n] = '\0';
	while (n > 0 && isspace((unsigned char)ret[n - 1]))
		ret[--n] = '\0';
	return true;
}

static int64_t number_of(struct reader *r, int64_t fallback, const char *format, ...)
	mr_printf(3, 4);

static int64_t number_of(struct reader *r, int64_t fallback, const char *format, ...)
{
	char path[PATH_BYTES], text[64];
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	if (!text_of(r, text, sizeof(text), "%s", path) || text[0] == '\0')
		return fallback;
	return strtoll(text, NULL, 0);
}

// Last part of what a link leads to; "" where there is no link.
static void link_of(struct reader *r, char *ret, size_t bytes, const char *format, ...)
	mr_printf(4, 5);

static void link_of(struct reader *r, char *ret, size_t bytes, const char *format, ...)
{
	char target[PATH_BYTES];
	const char *last;
	va_list ap;
	ssize_t n;

	va_start(ap, format);
	n = readlink(path_of(r, format, ap), target, sizeof(target) - 1);
	va_end(ap);
	target[n > 0 ? n : 0] = '\0';
	last = strrchr(target, '/');
	snprintf(ret, bytes, "%.*s", (int)bytes - 1, last != NULL ? last + 1 : target);
}

// Calls back for each CPU of a list such as 0,2-3.
static void each_cpu(const char *list, struct machine *m, void (*set)(struct machine *, unsigned))
{
	const char *p = list;

	while (isdigit((unsigned char)*p)) {
		char *end;
		unsigned long from = strtoul(p, &end, 10), to = from;

		if (*end == '-')
			to = strtoul(end + 1, &end, 10);
		for (; from <= to && from < MACHINE_CPUS_MAX; from++)
			set(m, (unsigned)from);
		p = *end == ',' ? end + 1 : end;
	}
}

static void set_online(struct machine *m, unsigned cpu)
{
	m->cpus[cpu].online = true;
	m->n_cpus = MR_MAX(m->n_cpus, cpu + 1);
}

static void set_isolated(struct machine *m, unsigned cpu)
{
	m->cpus[cpu].isolated = true;
}

static void set_tickless(struct machine *m, unsigned cpu)
{
	m->cpus[cpu].ticks = false;
}

static void read_cpus(struct reader *r, struct machine *m)
{
	char list[4096];

	for (unsigned i = 0; i < MACHINE_CPUS_MAX; i++)
		m->cpus[i].ticks = true;
	text_of(r, list, sizeof(list), "/sys/devices/system/cpu/online");
	each_cpu(list, m, set_online);
	text_of(r, list, sizeof(list), "/sys/devices/system/cpu/isolated");
	each_cpu(list, m, set_isolated);
	text_of(r, list, sizeof(list), "/sys/devices/system/cpu/nohz_full");
	each_cpu(list, m, set_tickless);
	for (unsigned i = 0; i < m->n_cpus; i++) {
		text_of(r, list, sizeof(list),
			"/sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", i);
		m->cpus[i].first_sibling = list[0] != '\0' ? (unsigned)strtoul(list, NULL, 10) : i;
		text_of(r, m->cpus[i].governor, sizeof(m->cpus[i].governor),
			"/sys/devices/system/cpu/cpu%u/cpufreq/scaling_governor", i);
	}
}

static void read_memory(struct reader *r, struct machine_node *node, unsigned id)
{
	char text[8192];
	const char *p;

	text_of(r, text, sizeof(text), "/sys/devices/system/node/node%u/meminfo", id);
	p = strstr(text, "MemTotal:");
	node->memory_kib = p != NULL ? strtoull(p + 9, NULL, 10) : 0;
	p = strstr(text, "MemFree:");
	node->free_kib = p != NULL ? strtoull(p + 8, NULL, 10) : 0;
	node->pages_2m = (uint64_t)number_of(r, 0,
		"/sys/devices/system/node/node%u/hugepages/hugepages-2048kB/nr_hugepages", id);
	node->pages_1g = (uint64_t)number_of(r, 0,
		"/sys/devices/system/node/node%u/hugepages/hugepages-1048576kB/nr_hugepages", id);
	node->has_1g = number_of(r, -1,
			       "/sys/devices/system/node/node%u/hugepages/"
			       "hugepages-1048576kB/nr_hugepages",
			       id) >= 0;
}

static void read_distances(struct reader *r, struct machine_node *node, unsigned id)
{
	char text[256];
	char *p = text;

	text_of(r, text, sizeof(text), "/sys/devices/system/node/node%u/distance", id);
	for (unsigned i = 0; i < MACHINE_NODES_MAX; i++)
		node->distance[i] = (unsigned)strtoul(p, &p, 10);
}

static void read_nodes(struct reader *r, struct machine *m)
{
	char text[4096];

	for (unsigned id = 0; id < MACHINE_NODES_MAX; id++) {
		struct machine_node *node = &m->nodes[id];
		unsigned long from, to;

		if (!text_of(r, text, sizeof(text), "/sys/devices/system/node/node%u/cpulist", id))
			continue;
		node->present = true;
		m->n_nodes = id + 1;
		read_memory(r, node, id);
		read_distances(r, node, id);
		// The list again, for the node's number is no argument of each_cpu().
		text_of(r, text, sizeof(text), "/sys/devices/system/node/node%u/cpulist", id);
		for (char *p = text; isdigit((unsigned char)*p); p += *p == ',') {
			from = to = strtoul(p, &p, 10);
			if (*p == '-')
				to = strtoul(p + 1, &p, 10);
			for (; from <= to && from < MACHINE_CPUS_MAX; from++)
				m->cpus[from].node = id;
		}
	}
	if (m->n_nodes == 0) { // a kernel without NUMA
		m->n_nodes = 1;
		m->nodes[0].present = true;
	}
}

static bool has_route(struct reader *r, const char *interface)
{
	char text[16384], *save = NULL;
	size_t n = strlen(interface);

	text_of(r, text, sizeof(text), "/proc/net/route");
	for (char *line = strtok_r(text, "\n", &save); line != NULL && n > 0;
		line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, interface, n) == 0 && isspace((unsigned char)line[n]))
			return true;
	return false;
}

// An interface's folder is in the device's own, or, of virtio, in that of the device below it.
static void read_interface(struct reader *r, struct machine_card *card)
{
	static const char *const folders[] = {"/sys/bus/pci/devices/%s/net",
		"/sys/bus/pci/devices/%s/virtio0/net", "/sys/bus/pci/devices/%s/virtio1/net",
		"/sys/bus/pci/devices/%s/virtio2/net", "/sys/bus/pci/devices/%s/virtio3/net"};

	for (unsigned i = 0; i < MR_ARRAY_SIZE(folders) && card->interface[0] == '\0'; i++) {
		char path[PATH_BYTES];
		struct dirent *entry;
		DIR *dir;
		int n = snprintf(
			path, sizeof(path), "%s/sys/bus/pci/devices/%s", r->root, card->address);

		snprintf(path + n, sizeof(path) - (size_t)n, "%s", strstr(folders[i], "%s") + 2);
		dir = opendir(path);
		if (dir == NULL)
			continue;
		while ((entry = readdir(dir)) != NULL)
			if (entry->d_name[0] != '.')
				snprintf(card->interface, sizeof(card->interface), "%.31s",
					entry->d_name);
		closedir(dir);
	}
}

static void read_card(struct reader *r, struct machine *m, const char *address)
{
	struct machine_card *card = &m->cards[m->n_cards];
	char group[32];
	int64_t vendor;

	// 0x02....: network controllers.
	if (m->n_cards == MACHINE_CARDS_MAX ||
		number_of(r, 0, "/sys/bus/pci/devices/%s/class", address) >> 16 != 0x02)
		return;
	memset(card, 0, sizeof(*card));
	snprintf(card->address, sizeof(card->address), "%.31s", address);
	vendor = number_of(r, 0, "/sys/bus/pci/devices/%s/vendor", address);
	snprintf(card->id, sizeof(card->id), "%04x:%04x", (unsigned)vendor & 0xffff,
		(unsigned)number_of(r, 0, "/sys/bus/pci/devices/%s/device", address) & 0xffff);
	card->node = (int)number_of(r, -1, "/sys/bus/pci/devices/%s/numa_node", address);
	card->virtual = vendor == 0x1af4 || vendor == 0x15ad || vendor == 0x1d0f;
	link_of(r, card->driver, sizeof(card->driver), "/sys/bus/pci/devices/%s/driver", address);
	link_of(r, group, sizeof(group), "/sys/bus/pci/devices/%s/iommu_group", address);
	card->iommu = group[0] != '\0';
	read_interface(r, card);
	card->routed = has_route(r, card->interface);
	m->n_cards++;
}

static void read_cards(struct reader *r, struct machine *m)
{
	struct dirent **names = NULL;
	char path[PATH_BYTES];
	int n;

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices", r->root);
	n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			read_card(r, m, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static void read_vulnerabilities(struct reader *r, struct machine *m)
{
	struct dirent **names = NULL;
	char path[PATH_BYTES], text[256];
	int n;

	snprintf(path, sizeof(path), "%s/sys/devices/system/cpu/vulnerabilities", r->root);
	n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		size_t used = strlen(m->vulnerabilities);

		if (names[i]->d_name[0] != '.' &&
			text_of(r, text, sizeof(text), "/sys/devices/system/cpu/vulnerabilities/%s",
				names[i]->d_name) &&
			strncmp(text, "Mitigation", 10) == 0)
			snprintf(m->vulnerabilities + used, sizeof(m->vulnerabilities) - used,
				"%s%s", used > 0 ? ", " : "", names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static void read_kernel(struct reader *r, struct machine *m)
{
	char text[65536];
	const char *from, *to;

	text_of(r, m->cmdline, sizeof(m->cmdline), "/proc/cmdline");
	text_of(r, text, sizeof(text), "/proc/cpuinfo");
	m->intel = strstr(text, "GenuineIntel") != NULL;
	m->pages_1g_cpu = strstr(text, " pdpe1gb") != NULL;
	m->tsc_steady =
		strstr(text, " constant_tsc") != NULL && strstr(text, " nonstop_tsc") != NULL;
	text_of(r, m->clocksource, sizeof(m->clocksource),
		"/sys/devices/system/clocksource/clocksource0/current_clocksource");
	text_of(r, text, sizeof(text), "/sys/kernel/mm/transparent_hugepage/enabled");
	from = strchr(text, '[');
	to = from != NULL ? strchr(from, ']') : NULL;
	if (to != NULL)
		snprintf(m->thp, sizeof(m->thp), "%.*s", (int)MR_MIN(to - from - 1, 31), from + 1);
	m->numa_balancing = number_of(r, 0, "/proc/sys/kernel/numa_balancing") != 0;
	read_vulnerabilities(r, m);
}

int machine_read(struct machine *m, const char *root, struct mr_err *err)
{
	struct reader r = {.root = root};

	memset(m, 0, sizeof(*m));
	read_cpus(&r, m);
	if (m->n_cpus == 0)
		return mr_fail(err, ENOENT,
			"%s/sys/devices/system/cpu/online lists no CPU: is /sys mounted?", root);
	read_nodes(&r, m);
	read_cards(&r, m);
	read_kernel(&r, m);
	return 0;
}
