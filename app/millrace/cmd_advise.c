// SPDX-License-Identifier: BSD-3-Clause
//
// millrace advise: what to change on this very machine and why, and a configuration that fits it.

#include "command.h"
#include "machine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "mr_units.h"

// Beyond this many RX lcores a node's cards are the limit, not its lcores.
#define RX_MAX 8u
#define PORTS_MAX 16u
#define LIST_BYTES 1024u
// Of a node's free memory, how much its cache gets when nobody says.
#define CACHE_SHARE 2u

/** What was decided. */
struct advice {
	const struct machine *m;
	unsigned n_cards;
	const struct machine_card *cards[PORTS_MAX];
	unsigned control;
	unsigned n_rx, n_io;
	unsigned rx[RX_MAX * MACHINE_NODES_MAX], io[RX_MAX * MACHINE_NODES_MAX];
	bool node_used[MACHINE_NODES_MAX];
	bool shared; //!< lcores share CPUs: the machine is small
	uint64_t cache_mib, keys, mtu, mbufs;
	uint64_t node_mib; //!< hugepage memory of each node in use
	unsigned n_findings;
};

// ---- who does what -----------------------------------------------------------------------------

static bool suits(const struct machine_card *card)
{
	// The host's own way in is left alone.
	return strcmp(card->driver, "vfio-pci") == 0 || (!card->routed && !card->virtual) ||
	       strcmp(card->driver, "mlx5_core") == 0;
}

static int choose_cards(const struct invocation *inv, struct advice *a)
{
	const struct machine *m = a->m;
	bool bound = false;

	for (int i = 0; i < inv->n_args; i++) {
		unsigned k = 0;

		while (k < m->n_cards && strcmp(m->cards[k].address, inv->args[i]) != 0)
			k++;
		if (k == m->n_cards || a->n_cards == PORTS_MAX)
			return complain(inv, EXIT_BAD_INPUT,
				"%s: no network card has this PCI address; `lspci -D -d ::0200` "
				"lists them",
				inv->args[i]);
		a->cards[a->n_cards++] = &m->cards[k];
	}
	for (unsigned i = 0; i < m->n_cards; i++)
		bound |= strcmp(m->cards[i].driver, "vfio-pci") == 0;
	for (unsigned i = 0; i < m->n_cards && inv->n_args == 0; i++)
		if (a->n_cards < PORTS_MAX &&
			(bound ? strcmp(m->cards[i].driver, "vfio-pci") == 0 : suits(&m->cards[i])))
			a->cards[a->n_cards++] = &m->cards[i];
	return EXIT_OK;
}

static unsigned node_of_card(const struct advice *a, const struct machine_card *card)
{
	// A card without a node is served where the control lcore is.
	return card->node >= 0 && (unsigned)card->node < a->m->n_nodes
	               ? (unsigned)card->node
	               : a->m->cpus[a->control].node;
}

// Whole cores of a node, the control lcore's left out. @return how many.
static unsigned cores_of(const struct advice *a, unsigned node, unsigned ret[MACHINE_CPUS_MAX])
{
	const struct machine *m = a->m;
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_cpus; i++)
		if (m->cpus[i].online && m->cpus[i].node == node && m->cpus[i].first_sibling == i &&
			m->cpus[a->control].first_sibling != i)
			ret[n++] = i;
	return n;
}

// Two thirds of a node's cores look things up, the others read the store.
static void place_lcores(struct advice *a, unsigned node, uint64_t rx_wanted)
{
	unsigned cores[MACHINE_CPUS_MAX];
	unsigned n = cores_of(a, node, cores), rx, io;

	if (n == 0) {
		cores[n++] = a->control;
		a->shared = true;
	}
	rx = rx_wanted != 0 ? (unsigned)rx_wanted : MR_MAX(n * 2 / 3, 1u);
	rx = MR_MIN(MR_MIN(rx, n), RX_MAX);
	io = MR_MIN(n - rx, RX_MAX);
	for (unsigned i = 0; i < rx; i++)
		a->rx[a->n_rx++] = cores[i];
	for (unsigned i = 0; i < io; i++)
		a->io[a->n_io++] = cores[rx + i];
	if (io == 0) {
		a->io[a->n_io++] = cores[0];
		a->shared = true;
	}
}

static void plan_lcores(struct advice *a, uint64_t rx_wanted)
{
	while (a->control < a->m->n_cpus && !a->m->cpus[a->control].online)
		a->control++;
	for (unsigned i = 0; i < a->n_cards; i++)
		a->node_used[node_of_card(a, a->cards[i])] = true;
	if (a->n_cards == 0)
		a->node_used[a->m->cpus[a->control].node] = true;
	for (unsigned node = 0; node < a->m->n_nodes; node++)
		if (a->node_used[node])
			place_lcores(a, node, rx_wanted);
}

// The arithmetic of docs/operations.md.
static void plan_memory(struct advice *a, uint64_t cache_mib)
{
	uint64_t least_kib = UINT64_MAX, filter_mib, mbuf_mib;
	unsigned n_queues = MR_MAX(a->n_rx, 1u) * MR_MAX(a->n_cards, 1u);

	for (unsigned i = 0; i < a->m->n_nodes; i++)
		if (a->node_used[i]) {
			const struct machine_node *n = &a->m->nodes[i];

			least_kib = MR_MIN(
				least_kib, n->free_kib + n->pages_2m * 2048 + n->pages_1g * MR_MIB);
		}
	// 2^n - 1 buffers: two for each of 1024 descriptors of every queue, and what waits at I/O
	// lcores.
	a->mbufs = 8191;
	while (a->mbufs < 2048ull * n_queues + 1024ull * a->n_io && a->mbufs < 1048575)
		a->mbufs = a->mbufs * 2 + 1;
	filter_mib = a->keys * 2 / MR_MIB + 1;
	mbuf_mib = a->mbufs * (a->mtu + 512) / MR_MIB + 1;
	a->cache_mib = cache_mib;
	if (cache_mib == 0)
		a->cache_mib = MR_MAX(least_kib / 1024 / CACHE_SHARE / 64 * 64, UINT64_C(64));
	a->node_mib =
		a->cache_mib + 2 * filter_mib + mbuf_mib + 2ull * a->n_rx + 4ull * a->n_io + 96;
}

// ---- what to change ----------------------------------------------------------------------------

static void finding(struct advice *a, const char *what, const char *why, const char *how, ...)
	mr_printf(4, 5);

static void finding(struct advice *a, const char *what, const char *why, const char *how, ...)
{
	va_list ap;

	printf("%u. %s\n   why: %s\n   do:  ", ++a->n_findings, what, why);
	va_start(ap, how);
	vprintf(how, ap);
	va_end(ap);
	printf("\n");
}

// "1-4,6" of CPUs with a mark.
static void list_cpus(const bool *marked, unsigned n, char ret[LIST_BYTES])
{
	size_t used = 0;

	ret[0] = '\0';
	for (unsigned i = 0; i < n; i++) {
		unsigned first = i;

		if (!marked[i])
			continue;
		while (i + 1 < n && marked[i + 1])
			i++;
		used += (size_t)snprintf(ret + used, LIST_BYTES - used,
			first == i ? "%s%u" : "%s%u-%u", used > 0 ? "," : "", first, i);
		if (used >= LIST_BYTES)
			return;
	}
}

/** CPUs that lcores run on, the control lcore's and what is shared with it left out; and the rest.
 */
struct cpu_lists {
	char lcores[LIST_BYTES], others[LIST_BYTES];
	bool is_lcore[MACHINE_CPUS_MAX];
};

static void split_cpus(const struct advice *a, struct cpu_lists *ret)
{
	bool others[MACHINE_CPUS_MAX] = {false};

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < a->n_rx; i++)
		ret->is_lcore[a->rx[i]] = true;
	for (unsigned i = 0; i < a->n_io; i++)
		ret->is_lcore[a->io[i]] = true;
	ret->is_lcore[a->control] = false;
	for (unsigned i = 0; i < a->m->n_cpus; i++)
		others[i] = a->m->cpus[i].online && !ret->is_lcore[i];
	list_cpus(ret->is_lcore, a->m->n_cpus, ret->lcores);
	list_cpus(others, a->m->n_cpus, ret->others);
}

static bool has_word(const char *cmdline, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(cmdline, word); p != NULL; p = strstr(p + 1, word))
		if ((p == cmdline || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
			return true;
	return false;
}

static void advise_command_line(struct advice *a, const struct cpu_lists *cpus)
{
	const struct machine *m = a->m;
	char words[8][LIST_BYTES + 64];
	char line[4096] = "";
	unsigned n = 0;
	bool isolated = true;

	for (unsigned i = 0; i < m->n_cpus; i++)
		isolated &= !cpus->is_lcore[i] || (m->cpus[i].isolated && !m->cpus[i].ticks);
	if (cpus->lcores[0] != '\0' && !isolated) {
		snprintf(words[n++], sizeof(words[0]), "isolcpus=managed_irq,domain,%s",
			cpus->lcores);
		snprintf(words[n++], sizeof(words[0]), "nohz_full=%s", cpus->lcores);
		snprintf(words[n++], sizeof(words[0]), "rcu_nocbs=%s", cpus->lcores);
		snprintf(words[n++], sizeof(words[0]), "irqaffinity=%s", cpus->others);
	}
	if (m->intel)
		snprintf(words[n++], sizeof(words[0]), "intel_iommu=on");
	snprintf(words[n++], sizeof(words[0]), "iommu=pt");
	for (unsigned i = 0; i < n; i++)
		if (!has_word(m->cmdline, words[i]))
			snprintf(line + strlen(line), sizeof(line) - strlen(line), " %s", words[i]);
	if (line[0] == '\0')
		return;
	finding(a, "The kernel's command line leaves lcores disturbed, or cards without an IOMMU",
		"an isolated, tickless CPU is interrupted by nothing, and each interruption is a "
		"latency outlier;\n        vfio-pci needs the IOMMU, and iommu=pt keeps it out of "
		"the way "
		"of everything else",
		"add to GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub and reboot:\n    "
		"   %s",
		line);
}

static bool unbindable(const struct machine_card *card)
{
	return strcmp(card->driver, "mlx5_core") == 0 || strcmp(card->driver, "mlx4_core") == 0;
}

static void advise_card(struct advice *a, const struct machine_card *card)
{
	char what[256];
	unsigned cores[MACHINE_CPUS_MAX];

	if (card->routed) {
		snprintf(what, sizeof(what), "Card %s (%s) is the host's own way to the network",
			card->address, card->interface);
		finding(a, what, "what DPDK takes, the host loses: this shell, perhaps",
			"give millrace another card");
	}
	if (strcmp(card->driver, "vfio-pci") != 0 && !unbindable(card)) {
		snprintf(what, sizeof(what), "Card %s (%s) is on the driver %s", card->address,
			card->id, card->driver[0] != '\0' ? card->driver : "of nobody");
		finding(a, what, "DPDK drives it through vfio-pci",
			"driverctl set-override %s vfio-pci    (undo: driverctl unset-override %s)",
			card->address, card->address);
	}
	if (!card->iommu && !unbindable(card)) {
		snprintf(what, sizeof(what), "Card %s is in no IOMMU group", card->address);
		finding(a, what,
			"without an IOMMU the card can write anywhere, and vfio-pci refuses it",
			"switch VT-d or AMD-Vi on in the firmware, and see the command line above");
	}
	if (card->node < 0 && a->m->n_nodes > 1) {
		snprintf(what, sizeof(what), "The firmware does not say which node card %s is on",
			card->address);
		finding(a, what, "a packet that crosses nodes costs a trip of its own",
			"look into the board's manual which CPU the slot hangs on, and name that "
			"node's CPUs in [lcores]");
	}
	if (card->node >= 0 && a->m->n_nodes > 1 && cores_of(a, (unsigned)card->node, cores) == 0) {
		snprintf(what, sizeof(what), "Node %d has card %s, but no core left for it",
			card->node, card->address);
		finding(a, what, "lcores of another node pay for every packet",
			"move the card to a slot of a node with free cores");
	}
}

static void advise_hugepages(struct advice *a)
{
	bool giant = a->m->pages_1g_cpu && a->node_mib >= 4096;

	for (unsigned i = 0; i < a->m->n_nodes; i++) {
		const struct machine_node *node = &a->m->nodes[i];
		uint64_t have = node->pages_2m * 2 + node->pages_1g * 1024;
		char what[256];

		if (!a->node_used[i] || have >= a->node_mib)
			continue;
		snprintf(what, sizeof(what),
			"Node %u has %" PRIu64
			" MiB of hugepages, the configuration below asks for %" PRIu64,
			i, have, a->node_mib);
		finding(a, what,
			"caches, filters and packet buffers live there: fewer TLB misses, and the "
			"card "
			"can be given them",
			giant ? "scripts/hugepages.sh set %" PRIu64 " --size 1G --node %u --persist"
			      : "scripts/hugepages.sh set %" PRIu64 " --node %u --persist",
			giant ? (a->node_mib + 1023) / 1024 : (a->node_mib + 1) / 2, i);
	}
}

static void advise_cpus(struct advice *a, const struct cpu_lists *cpus)
{
	const struct machine *m = a->m;
	bool slow[MACHINE_CPUS_MAX] = {false}, sibling[MACHINE_CPUS_MAX] = {false};
	char list[LIST_BYTES];

	for (unsigned i = 0; i < m->n_cpus; i++) {
		unsigned core = m->cpus[i].first_sibling;

		slow[i] = cpus->is_lcore[i] && m->cpus[i].governor[0] != '\0' &&
		          strcmp(m->cpus[i].governor, "performance") != 0;
		sibling[i] = m->cpus[i].online && core != i && cpus->is_lcore[core];
	}
	list_cpus(slow, m->n_cpus, list);
	if (list[0] != '\0')
		finding(a, "The frequency governor of lcores' CPUs is not performance",
			"a clock that ramps up when work comes makes the first requests wait",
			"cpupower -c %s frequency-set -g performance    (tuned: profile "
			"cpu-partitioning does it)",
			list);
	list_cpus(sibling, m->n_cpus, list);
	if (list[0] != '\0')
		finding(a, "Lcores' cores have a second hardware thread",
			"what runs on it takes half the core, and the L1 and L2 caches, from the "
			"lcore",
			"keep it idle; to take it offline: for c in %s: echo 0 > "
			"/sys/devices/system/cpu/cpuC/online",
			list);
	if (a->shared)
		finding(a, "There are too few cores for every lcore to have one",
			"lcores that share a CPU sleep when idle, which adds up to idle_sleep to a "
			"request",
			"fine for a trial; a machine of its own has 4 cores or more on the card's "
			"node");
}

static void advise_kernel(struct advice *a)
{
	const struct machine *m = a->m;

	if (strcmp(m->clocksource, "tsc") != 0 && m->clocksource[0] != '\0')
		finding(a, "The kernel's clock is not the TSC",
			"clients and I/O lcores ask the kernel for the time: a slow clock costs a "
			"microsecond each",
			"it is %s; see why with dmesg | grep -i tsc", m->clocksource);
	if (!m->tsc_steady)
		finding(a, "The CPU does not promise a steady TSC",
			"every latency is measured with it",
			"trust no latency figure of this machine");
	if (strcmp(m->thp, "always") == 0)
		finding(a, "Transparent hugepages are given to everybody",
			"the kernel stops a process to gather them, RocksDB among them",
			"echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, or "
			"transparent_hugepage=madvise on the command line");
	if (m->numa_balancing)
		finding(a, "The kernel moves pages between nodes by itself",
			"it finds out who uses a page by taking it away, and lcores stumble over "
			"that",
			"sysctl kernel.numa_balancing=0, to last: in "
			"/etc/sysctl.d/90-millrace.conf");
	if (m->vulnerabilities[0] != '\0' && !has_word(m->cmdline, "mitigations=off"))
		finding(a, "Mitigations of CPU vulnerabilities are on",
			"they cost where the kernel is entered: reads of the store, not hits, for "
			"RX "
			"lcores make no system calls",
			"nothing, unless all that runs here is yours: then mitigations=off (%s)",
			m->vulnerabilities);
}

// ---- output ------------------------------------------------------------------------------------

static void print_machine(const struct advice *a)
{
	const struct machine *m = a->m;
	struct utsname name;

	uname(&name);
	printf("This machine (Linux %s)\n", name.release);
	for (unsigned i = 0; i < m->n_nodes; i++) {
		const struct machine_node *node = &m->nodes[i];
		bool here[MACHINE_CPUS_MAX] = {false};
		char list[LIST_BYTES];

		if (!node->present)
			continue;
		for (unsigned c = 0; c < m->n_cpus; c++)
			here[c] = m->cpus[c].online && m->cpus[c].node == i;
		list_cpus(here, m->n_cpus, list);
		printf("  node %u: CPUs %s; %" PRIu64 " MiB, %" PRIu64 " free; hugepages %" PRIu64
		       " x 2M, %" PRIu64 " x 1G; distances",
			i, list[0] != '\0' ? list : "none", node->memory_kib / 1024,
			node->free_kib / 1024, node->pages_2m, node->pages_1g);
		for (unsigned k = 0; k < m->n_nodes; k++)
			printf(" %u", node->distance[k]);
		printf("\n");
	}
	for (unsigned i = 0; i < m->n_cards; i++)
		printf("  card %s: %s, node %d, driver %s%s%s%s\n", m->cards[i].address,
			m->cards[i].id, m->cards[i].node,
			m->cards[i].driver[0] != '\0' ? m->cards[i].driver : "none",
			m->cards[i].interface[0] != '\0' ? ", interface " : "",
			m->cards[i].interface, m->cards[i].routed ? ", routes go over it" : "");
	if (m->n_cards == 0)
		printf("  no network card on PCI\n");
}

static void print_list(const char *key, const unsigned *cpus, unsigned n, unsigned times)
{
	printf("%s = ", key);
	for (unsigned t = 0; t < times; t++)
		for (unsigned i = 0; i < n; i++)
			printf("%s%u", t + i > 0 ? "," : "", cpus[i]);
	printf("\n");
}

static void print_config(const struct advice *a)
{
	printf("# For this machine, by `millrace advise`; every other key: docs/configuration.md.\n"
	       "[lcores]\ncontrol = %u\n",
		a->control);
	print_list("rx", a->rx, a->n_rx, 1);
	printf("# Twice each: a cold read blocks, and a second I/O lcore uses the time.\n");
	print_list("io", a->io, a->n_io, 2);
	printf("\n[memory]\n");
	printf("# %" PRIu64 " MiB on each node in use", a->node_mib);
	printf(a->n_cards > 0 ? ", of hugepages.\n"
			      : ". No card: a TAP port on ordinary pages.\nhuge = no\n");
	printf("per_node_mbufs = %" PRIu64 "\n\n[cache]\nmemory = %" PRIu64
	       "M\n\n[filter]\nkeys = %" PRIu64 "\n\n[store]\npath = /var/lib/millrace\n",
		a->mbufs, a->cache_mib, a->keys);
	for (unsigned i = 0; i < a->n_cards; i++) {
		printf("\n[port port%u]\ndevice = %s\n# The address that clients send to.\n"
		       "address = 192.0.2.%u\n",
			i, a->cards[i]->address, i + 1);
		if (a->mtu != 1500)
			printf("mtu = %" PRIu64 "\n", a->mtu);
	}
	printf("\n[security]\n# Nobody else may ask; who may write: writers, or MAC keys.\n"
	       "allow = 192.0.2.0/24\n");
	if (a->n_cards == 0)
		printf("\n[port tap]\ndevice = net_tap0,iface=mr0\naddress = 192.0.2.1\n");
}

static void print_findings(struct advice *a)
{
	struct cpu_lists cpus;

	split_cpus(a, &cpus);
	printf("\nWhat to change, and why\n");
	advise_command_line(a, &cpus);
	if (a->n_cards == 0)
		finding(a, "There is no card for millrace",
			"one that carries the host's own routes is left alone",
			"name one: millrace advise 0000:3b:00.0");
	for (unsigned i = 0; i < a->n_cards; i++)
		advise_card(a, a->cards[i]);
	if (a->n_cards > 0)
		advise_hugepages(a);
	advise_cpus(a, &cpus);
	advise_kernel(a);
	if (a->n_findings == 0)
		printf("nothing\n");
}

static int run(const struct invocation *inv)
{
	static struct machine m;
	struct advice a = {.m = &m};
	uint64_t rx, cache_mib;
	struct mr_err err = {""};
	const char *root = option(inv, "root");
	int rc = option_u64(inv, "rx", 0, &rx);

	if (rc == 0)
		rc = option_u64(inv, "cache", 0, &cache_mib);
	if (rc == 0)
		rc = option_u64(inv, "keys", 1000000, &a.keys);
	if (rc == 0)
		rc = option_u64(inv, "mtu", 1500, &a.mtu);
	if (rc != 0)
		return rc;
	if (machine_read(&m, root != NULL ? root : "", &err) < 0)
		return complain(inv, EXIT_LOCAL, "%s", err.text);
	rc = choose_cards(inv, &a);
	if (rc != 0)
		return rc;
	plan_lcores(&a, rx);
	plan_memory(&a, cache_mib);
	if (option(inv, "config") == NULL) {
		print_machine(&a);
		print_findings(&a);
		printf("\nA configuration that fits (millrace advise --config > "
		       "/etc/millrace/millrace.ini)\n\n");
	}
	print_config(&a);
	return EXIT_OK;
}

static const struct option_def options[] = {
	{"config", NULL, "print the configuration and nothing else"},
	{"rx", "N",
		"RX lcores on each node with a card; default two thirds of its cores, at most 8"},
	{"cache", "MIB", "row cache of each node in MiB; default half of its free memory"},
	{"keys", "N", "keys that the Bloom filter is sized for; default 1000000"},
	{"mtu", "BYTES", "largest IP packet; default 1500"},
	{"root", "DIR", "read the copy of another machine's /sys and /proc in DIR"},
	{NULL, NULL, NULL},
};

const struct command cmd_advise = {
	.name = "advise",
	.args = "[PCI-ADDRESS...]",
	.summary = "what to change on this machine, and a configuration that fits it",
	.text = "Reads topology, cards, hugepages, isolated CPUs, governor and mitigations; "
		"changes "
		"nothing.\nWithout an address it plans for the cards that are bound to vfio-pci "
		"or, if "
		"there are none,\nfor those that carry none of the host's routes.",
	.example = "  millrace advise 0000:3b:00.0 --keys 50000000",
	.options = options,
	.run = run,
};
