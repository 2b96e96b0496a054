// SPDX-License-Identifier: BSD-3-Clause

#include "exposition.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

/** A dictionary of the telemetry whose numbers become metrics. */
struct group {
	const char *source; //!< command
	const char *prefix; //!< of the names, behind "millrace_"
	const char *label;  //!< names the children of the dictionary; NULL: it has none
	const char *child;  //!< prefix of the children's names that is left out of the label
	bool is_counter;    //!< what its fields are, but for the exceptions
	const char *const *exceptions;
};

static const char *const no_exceptions[] = {NULL};
static const char *const cache_counters[] = {"fills", "updates", "evictions_capacity",
	"evictions_bucket", "evictions_overwrite", "evictions_delete", "evictions_expiry",
	"evictions_version", "evictions_rebalance", "fills_stale", "fills_too_big", "history_hits",
	"pages_moved", NULL};
static const char *const filter_counters[] = {"rebuilds", "failures", NULL};
static const char *const store_counters[] = {
	"reads", "keys_read", "commits", "rows_written", "syncs", "errors", NULL};
static const char *const family_counters[] = {"stall_delays", "stall_stops", NULL};
static const char *const set_counters[] = {"hits", "negatives", "misses", "rows_written", NULL};
static const char *const age_counters[] = {"count", NULL};
static const char *const port_gauges[] = {
	"port_id", "started", "queues", "mtu_bytes", "link_up", "link_mbps", NULL};

static const struct group info_group = {"/millrace/info", "info", NULL, "", false, no_exceptions};
static const struct group rx_group = {"/millrace/lcores", "rx", "lcore", "", true, no_exceptions};
static const struct group io_group = {"/millrace/lcores", "io", "lcore", "", true, no_exceptions};
static const struct group cache_group = {
	"/millrace/cache", "cache", "node", "node", false, cache_counters};
static const struct group filter_group = {
	"/millrace/bloom", "filter", NULL, "", false, filter_counters};
static const struct group replica_group = {
	"/millrace/bloom", "filter", "node", "node", false, no_exceptions};
static const struct group store_group = {
	"/millrace/store", "store", NULL, "", false, store_counters};
static const struct group family_group = {
	"/millrace/store", "store_family", "family", "", false, family_counters};
static const struct group handoff_group = {
	"/millrace/handoff", "handoff", "lcore", "", false, no_exceptions};
static const struct group port_group = {"/millrace/ports", "port", "port", "", true, port_gauges};
static const struct group set_group = {"/millrace/sets", "set", "set", "", false, set_counters};
static const struct group age_group = {
	"/millrace/ages", "served_age", NULL, "", false, age_counters};

// ---- names -------------------------------------------------------------------------------------

/** From the telemetry's units to Prometheus' base units. */
static const struct {
	const char *suffix, *becomes;
	double factor; //!< 0: of cycles, known at run time
} units[] = {
	{"_ns", "_seconds", 1e-9},
	{"_us", "_seconds", 1e-6},
	{"_cycles", "_seconds", 0},
	{"_ppm", "_ratio", 1e-6},
};

static double name_metric(const struct group *group, const char *field, double ns_per_cycle,
	char *name, size_t bytes, bool *ret_is_counter)
{
	size_t len = strlen(field);
	const char *unit = "";
	double factor = 1;

	*ret_is_counter = group->is_counter;
	for (const char *const *e = group->exceptions; *e != NULL; e++)
		if (strcmp(*e, field) == 0)
			*ret_is_counter = !group->is_counter;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(units); i++) {
		size_t suffix = strlen(units[i].suffix);

		if (len <= suffix || strcmp(field + len - suffix, units[i].suffix) != 0)
			continue;
		len -= suffix;
		unit = units[i].becomes;
		factor = units[i].factor != 0 ? units[i].factor : ns_per_cycle * 1e-9;
		break;
	}
	snprintf(name, bytes, "millrace_%s_%.*s%s%s", group->prefix, (int)len, field, unit,
		*ret_is_counter ? "_total" : "");
	return factor;
}

static void print_type(const char *name, const char *help, bool is_counter, FILE *out)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
		is_counter ? "counter" : "gauge");
}

/** A label's value: what is not allowed in quotes is escaped. */
static void print_label(const char *text, FILE *out)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text == '\n' ? ' ' : *text, out);
	}
}

// ---- groups ------------------------------------------------------------------------------------

/** A dictionary of numbers, and its label's value. */
struct member {
	const char *label;
	const json_t *fields;
};

static void print_field(const struct group *group, const char *field, const struct member *members,
	unsigned n, double ns_per_cycle, FILE *out)
{
	char name[160], help[160];
	bool is_counter;
	double factor = name_metric(group, field, ns_per_cycle, name, sizeof(name), &is_counter);

	snprintf(help, sizeof(help), "%s of %s: see docs/telemetry.md", field, group->source);
	print_type(name, help, is_counter, out);
	for (unsigned i = 0; i < n; i++) {
		const json_t *value = json_object_get(members[i].fields, field);

		if (!json_is_integer(value))
			continue;
		fputs(name, out);
		if (group->label != NULL) {
			fprintf(out, "{%s=\"", group->label);
			print_label(members[i].label, out);
			fputs("\"}", out);
		}
		if (factor == 1)
			fprintf(out, " %" PRIu64 "\n", (uint64_t)json_integer_value(value));
		else
			fprintf(out, " %.9g\n", (double)json_integer_value(value) * factor);
	}
}

/** All samples of a name stand together, whichever member they are of. */
static void print_members(const struct group *group, const struct member *members, unsigned n,
	double ns_per_cycle, FILE *out)
{
	const char *field;
	json_t *value;

	if (n == 0)
		return;
	json_object_foreach(
		(json_t *)(uintptr_t)members[0].fields, field, value) if (json_is_integer(value))
		print_field(group, field, members, n, ns_per_cycle, out);
}

static void print_children(
	const struct group *group, const json_t *parent, double ns_per_cycle, FILE *out)
{
	struct member members[256];
	size_t prefix = strlen(group->child);
	unsigned n = 0;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)parent, name,
		value) if (json_is_object(value) && strncmp(name, group->child, prefix) == 0 &&
			   n < MR_ARRAY_SIZE(members)) members[n++] =
		(struct member){name + prefix, value};
	print_members(group, members, n, ns_per_cycle, out);
}

static void print_top(const struct group *group, const json_t *json, double ns_per_cycle, FILE *out)
{
	print_members(group, &(struct member){"", json}, 1, ns_per_cycle, out);
}

// ---- lcores ------------------------------------------------------------------------------------

static void print_role(
	const struct snapshot *s, const struct group *group, const char *role, FILE *out)
{
	struct member members[SNAPSHOT_LCORES_MAX];
	char names[SNAPSHOT_LCORES_MAX][16];
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_lcores; i++) {
		const json_t *fields = json_object_get(s->lcore[i], role);

		if (fields == NULL)
			continue;
		snapshot_lcore_name(s, i, names[n], sizeof(names[n]));
		members[n] = (struct member){names[n], fields};
		n++;
	}
	print_members(group, members, n, s->ns_per_cycle, out);
}

/** A dictionary of counters whose keys are a label's values. */
static void print_by(
	const json_t *counters, const char *name, const char *label, const char *prefix, FILE *out)
{
	size_t len = strlen(prefix);
	char help[64];
	const char *key;
	json_t *value;

	snprintf(help, sizeof(help), "by %s: see docs/telemetry.md", label);
	print_type(name, help, true, out);
	json_object_foreach((json_t *)(uintptr_t)counters, key, value)
		fprintf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label,
			strncmp(key, prefix, len) == 0 ? key + len : key,
			(uint64_t)json_integer_value(value));
}

// ---- latency -----------------------------------------------------------------------------------

static void print_histogram(const struct snapshot *s, enum snapshot_hist which, FILE *out)
{
	const struct mr_hist *h = &s->hists[which];
	const char *what = snapshot_hist_name(which);
	uint64_t below = 0;
	unsigned cell = 0;

	// 1, 2 and 5 of each power of ten, from a microsecond to ten seconds.
	for (unsigned i = 0; i <= 21; i++) {
		static const double steps[] = {1e-6, 2e-6, 5e-6};
		double le = steps[i % 3];

		for (unsigned k = 0; k < i / 3; k++)
			le *= 10;
		for (; cell < MR_HIST_CELLS &&
			(double)mr_hist_cell_value(cell) * s->ns_per_cycle <= le * 1e9;
			cell++)
			below += h->count[cell];
		fprintf(out, "millrace_latency_seconds_bucket{what=\"%s\",le=\"%g\"} %" PRIu64 "\n",
			what, le, below);
	}
	for (; cell < MR_HIST_CELLS; cell++)
		below += h->count[cell];
	fprintf(out,
		"millrace_latency_seconds_bucket{what=\"%s\",le=\"+Inf\"} %" PRIu64 "\n"
		"millrace_latency_seconds_sum{what=\"%s\"} %.9g\n"
		"millrace_latency_seconds_count{what=\"%s\"} %" PRIu64 "\n",
		what, below, what, (double)h->sum * s->ns_per_cycle * 1e-9, what, below);
}

static void print_latency(const struct snapshot *s, FILE *out)
{
	fputs("# HELP millrace_latency_seconds as in /millrace/latency: see docs/telemetry.md\n"
	      "# TYPE millrace_latency_seconds histogram\n",
		out);
	for (unsigned i = 0; i < SNAPSHOT_HISTS; i++)
		print_histogram(s, (enum snapshot_hist)i, out);
}

// ---- page --------------------------------------------------------------------------------------

static void print_build(const json_t *info, FILE *out)
{
	const char *version = json_string_value(json_object_get(info, "version"));
	const char *dpdk = json_string_value(json_object_get(info, "dpdk"));

	fputs("# HELP millrace_build_info versions\n# TYPE millrace_build_info "
	      "gauge\nmillrace_build_info{version=\"",
		out);
	print_label(version != NULL ? version : "", out);
	fputs("\",dpdk=\"", out);
	print_label(dpdk != NULL ? dpdk : "", out);
	fputs("\"} 1\n", out);
}

void exposition_print(const struct snapshot *s, FILE *out)
{
	double cycle = s->ns_per_cycle;

	fputs("# HELP millrace_up 1 when millraced answers on its telemetry socket\n"
	      "# TYPE millrace_up gauge\nmillrace_up 1\n",
		out);
	print_build(s->info, out);
	print_top(&info_group, s->info, cycle, out);
	print_role(s, &rx_group, "rx", out);
	print_role(s, &io_group, "io", out);
	print_by(json_object_get(s->lcores, "bursts"), "millrace_bursts_total", "size", "of_", out);
	print_by(
		json_object_get(s->lcores, "results"), "millrace_results_total", "result", "", out);
	print_by(json_object_get(s->lcores, "overruns"), "millrace_overruns_total", "stage", "in_",
		out);
	print_by(json_object_get(s->drops, "reasons"), "millrace_drops_total", "reason", "", out);
	print_children(&cache_group, s->cache, cycle, out);
	print_top(&filter_group, s->bloom, cycle, out);
	print_children(&replica_group, s->bloom, cycle, out);
	print_top(&store_group, s->store, cycle, out);
	print_children(&family_group, json_object_get(s->store, "families"), cycle, out);
	print_children(&handoff_group, s->handoff, cycle, out);
	print_children(&port_group, s->ports, cycle, out);
	print_children(&set_group, s->sets, cycle, out);
	print_top(&age_group, s->ages, cycle, out);
	print_latency(s, out);
}

void exposition_print_down(FILE *out)
{
	fputs("# HELP millrace_up 1 when millraced answers on its telemetry socket\n"
	      "# TYPE millrace_up gauge\nmillrace_up 0\n",
		out);
}
