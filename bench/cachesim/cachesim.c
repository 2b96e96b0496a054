// SPDX-License-Identifier: BSD-3-Clause
//
// Hit ratios of millrace's cache beside those of exact policies, over generated streams and traces.
// JSON lines to stdout, words for people to stderr; docs/cache.md says what to make of them.
#include "sim_run.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX 16u

struct options {
	const char *traces_dir;
	const char *streams[LIST_MAX], *policies[LIST_MAX];
	double percents[LIST_MAX];
	unsigned n_streams, n_policies, n_percents, n_threads;
	double crp_ratio, history_ratio;
	bool generators;
};

static void usage(FILE *to)
{
	fputs("usage: cachesim [OPTION]... [TRACE]...\n"
	      "  --traces DIR    every NAME.u64 and NAME.u64.zst of DIR\n"
	      "  --stream NAME   this generator (default, if no TRACE: all)\n"
	      "  --policy NAME   this policy (default: all)\n"
	      "  --percent P     rows in per cent of the keys (default: 0.1 1 5 10 20)\n"
	      "  --crp R         correlated reference period over rows, millrace and lru2\n"
	      "  --history R     remembered keys over rows, millrace and lru2\n"
	      "  --threads N     runs at a time (default: one a CPU)\n"
	      "TRACE: NAME.u64 holds little-endian u64, other files a key in a line; .zst: "
	      "packed\n",
		to);
}

static _Noreturn void die(const char *format, const char *what)
{
	fprintf(stderr, "cachesim: ");
	fprintf(stderr, format, what);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !(value >= 0))
		die("%s is not a number of 0 or more", text);
	return value;
}

static void add(const char *list[LIST_MAX], unsigned *n, const char *text)
{
	if (*n == LIST_MAX)
		die("too many options like %s: 16 are possible", text);
	list[(*n)++] = text;
}

static void set_option(struct options *o, int option, const char *value)
{
	switch (option) {
	case 'd':
		o->traces_dir = value;
		break;
	case 's':
		add(o->streams, &o->n_streams, value);
		break;
	case 'p':
		if (sim_policy_by_name(value) == NULL)
			die("there is no policy %s", value);
		add(o->policies, &o->n_policies, value);
		break;
	case 'c':
		if (o->n_percents == LIST_MAX)
			die("--percent %s: 16 are possible", value);
		o->percents[o->n_percents++] = number(value);
		break;
	case 'r':
		o->crp_ratio = number(value);
		break;
	case 'h':
		o->history_ratio = number(value);
		break;
	case 't':
		o->n_threads = (unsigned)number(value);
		break;
	case 'H':
		usage(stdout);
		exit(EXIT_SUCCESS);
	default:
		usage(stderr);
		exit(EXIT_FAILURE);
	}
}

static void defaults(struct options *o)
{
	static const double percents[] = {0.1, 1, 5, 10, 20};

	if (o->n_percents == 0) {
		o->n_percents = MR_ARRAY_SIZE(percents);
		memcpy(o->percents, percents, sizeof(percents));
	}
	if (o->n_policies == 0) {
		for (unsigned i = 0; i < sim_n_policies; i++)
			add(o->policies, &o->n_policies, sim_policies[i]->name);
	}
}

static struct options read_options(int argc, char **argv)
{
	static const struct option known[] = {{"traces", required_argument, NULL, 'd'},
		{"stream", required_argument, NULL, 's'}, {"policy", required_argument, NULL, 'p'},
		{"percent", required_argument, NULL, 'c'}, {"crp", required_argument, NULL, 'r'},
		{"history", required_argument, NULL, 'h'},
		{"threads", required_argument, NULL, 't'}, {"help", no_argument, NULL, 'H'}, {0}};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct options o = {.n_threads = cpus > 0 ? (unsigned)cpus : 1};
	struct sim_params params;
	int option;

	sim_params_default(&params);
	o.crp_ratio = params.crp_ratio;
	o.history_ratio = params.history_ratio;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		set_option(&o, option, optarg);
	o.generators = o.n_streams > 0 || optind == argc;
	defaults(&o);
	return o;
}

// ---- lines -------------------------------------------------------------------------------------

static void line(const struct sim_stream *stream, const char *part, const struct sim_cell *cell,
	const char *metric, double value, const char *unit)
{
	printf("{\"bench\":\"cache-hit\",\"case\":\"%s%s\",\"capacity\":%u,\"percent\":%g,"
	       "\"policy\":\"%s\",\"metric\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n",
		stream->name, part, cell->params.capacity, cell->percent, cell->policy->name,
		metric, value, unit);
}

static double over(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

static void report(const struct sim_stream *stream, const struct sim_cell *cell)
{
	if (cell->error != 0)
		die("a run failed: %s", strerror(-cell->error));
	line(stream, "", cell, "hit_ratio", over(cell->hits, cell->accesses), "ratio");
	if (cell->quiet_accesses != cell->accesses)
		line(stream, "/zipf", cell, "hit_ratio",
			over(cell->quiet_hits, cell->quiet_accesses), "ratio");
	line(stream, "", cell, "byte_hit_ratio", over(cell->hit_bytes, cell->bytes), "ratio");
	line(stream, "", cell, "metadata", over(cell->metadata_bytes, cell->params.capacity),
		"B/row");
	line(stream, "", cell, "time", cell->ns, "ns");
}

static void table(const struct sim_stream *stream, const struct options *o,
	const struct sim_cell *cells, bool quiet)
{
	fprintf(stderr, "%-24s%7s", quiet ? "  without the noise" : stream->name, "");
	for (unsigned p = 0; p < o->n_policies; p++)
		fprintf(stderr, "%15s", o->policies[p]);
	fputc('\n', stderr);
	for (unsigned c = 0; c < o->n_percents; c++) {
		fprintf(stderr, "%22u%7g %%", cells->params.capacity, o->percents[c]);
		for (unsigned p = 0; p < o->n_policies; p++, cells++)
			fprintf(stderr, "%15.2f",
				100 * (quiet ? over(cells->quiet_hits, cells->quiet_accesses)
					     : over(cells->hits, cells->accesses)));
		fputc('\n', stderr);
	}
}

// Runs a stream, which it then frees.
static void run_stream(const struct options *o, struct sim_stream *stream)
{
	static struct sim_cell cells[LIST_MAX * LIST_MAX];
	unsigned n = 0;

	for (unsigned c = 0; c < o->n_percents; c++) {
		for (unsigned p = 0; p < o->n_policies; p++)
			cells[n++] = (struct sim_cell){
				.policy = sim_policy_by_name(o->policies[p]),
				.percent = o->percents[c],
				.params = {.crp_ratio = o->crp_ratio,
					.history_ratio = o->history_ratio},
			};
	}
	fprintf(stderr, "%s: %u accesses, %u keys\n", stream->name, stream->n_accesses,
		stream->n_keys);
	sim_run(stream, cells, n, o->n_threads);
	for (unsigned i = 0; i < n; i++)
		report(stream, &cells[i]);
	fflush(stdout);
	table(stream, o, cells, false);
	if (cells->quiet_accesses != cells->accesses)
		table(stream, o, cells, true);
	sim_stream_free(stream);
}

static void run_trace(const struct options *o, const char *path)
{
	struct sim_stream stream;
	struct mr_err err = {.text = ""};

	if (sim_trace_read(&stream, path, &err) != 0)
		die("%s", err.text);
	run_stream(o, &stream);
}

static bool wanted(const struct options *o, const char *name)
{
	for (unsigned i = 0; i < o->n_streams; i++) {
		if (strcmp(o->streams[i], name) == 0)
			return true;
	}
	return o->n_streams == 0;
}

static void run_generators(const struct options *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sim_n_generators; i++) {
		const struct sim_generator *g = &sim_generators[i];
		struct sim_stream stream;

		if (!wanted(o, g->name))
			continue;
		n++;
		if (g->make(&stream, g) != 0)
			die("%s: not enough memory", g->name);
		run_stream(o, &stream);
	}
	if (n < o->n_streams) {
		fputs("cachesim: the generators are:", stderr);
		for (unsigned i = 0; i < sim_n_generators; i++)
			fprintf(stderr, " %s", sim_generators[i].name);
		die("%s", "");
	}
}

static int is_trace(const struct dirent *entry)
{
	const char *end = strstr(entry->d_name, ".u64");

	// The last one: a name may have dots.
	while (end != NULL && strstr(end + 1, ".u64") != NULL)
		end = strstr(end + 1, ".u64");
	return end != NULL && (strcmp(end, ".u64") == 0 || strcmp(end, ".u64.zst") == 0);
}

static void run_dir(const struct options *o)
{
	struct dirent **entries;
	int n = scandir(o->traces_dir, &entries, is_trace, alphasort);
	char path[4096];

	if (n <= 0)
		die("%s: no NAME.u64 or NAME.u64.zst there", o->traces_dir);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", o->traces_dir, entries[i]->d_name);
		run_trace(o, path);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	struct options o = read_options(argc, argv);

	if (o.generators)
		run_generators(&o);
	if (o.traces_dir != NULL)
		run_dir(&o);
	for (int i = optind; i < argc; i++)
		run_trace(&o, argv[i]);
	return EXIT_SUCCESS;
}
