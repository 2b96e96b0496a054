// SPDX-License-Identifier: BSD-3-Clause

#include "top.h"

#include "blast_show.h"
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BAR_CELLS 20u
#define SHARE_CELLS 14u
#define LOAD_LINES 3u

/** Both snapshots, and the seconds between them. */
struct span {
	const struct snapshot *before, *now;
	double seconds;
};

static void line(struct top_screen *s, enum top_style style, const char *fmt, ...) mr_printf(3, 4);

static void line(struct top_screen *s, enum top_style style, const char *fmt, ...)
{
	va_list args;

	if (s->n == TOP_LINES)
		return;
	va_start(args, fmt);
	vsnprintf(s->text[s->n], sizeof(s->text[0]), fmt, args);
	va_end(args);
	s->style[s->n++] = style;
}

static double rate(
	const struct span *span, const json_t *before, const json_t *now, const char *path)
{
	uint64_t a = snapshot_number(before, path), b = snapshot_number(now, path);

	return b > a && span->seconds > 0 ? (double)(b - a) / span->seconds : 0;
}

#define RATE(span, part, path) rate(span, (span)->before->part, (span)->now->part, path)

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

/** "123", "45.6k", "7.89M". @return text. */
static const char *short_number(double v, char *text, size_t bytes)
{
	static const char *const units[] = {"", "k", "M", "G", "T", "P"};
	unsigned i = 0;

	for (; v >= 9999.5 && i < MR_ARRAY_SIZE(units) - 1; i++)
		v /= 1000;
	snprintf(text, bytes, "%.*f%s", i == 0 || v >= 99.95 ? 0 : 1, v, units[i]);
	return text;
}

struct text {
	char at[16];
};

static struct text num(double v)
{
	struct text t;

	short_number(v, t.at, sizeof(t.at));
	return t;
}

static struct text size(uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double v = (double)bytes;
	struct text t;
	unsigned i = 0;

	for (; v >= 1023.5 && i < MR_ARRAY_SIZE(units) - 1; i++)
		v /= 1024;
	snprintf(t.at, sizeof(t.at), "%.*f%s", i == 0 || v >= 99.95 ? 0 : 1, v, units[i]);
	return t;
}

// ---- parts of the screen -----------------------------------------------------------------------

static void head(struct top_screen *s, const struct span *span)
{
	const json_t *info = span->now->info;
	const char *version = json_string_value(json_object_get(info, "version"));
	const char *filter = json_string_value(json_object_get(info, "filter_state"));
	uint64_t up = snapshot_number(info, "uptime_us") / MR_US_PER_S;
	time_t now = time(NULL);
	char left[TOP_COLUMNS + 1], clock[16] = "";
	struct tm tm;

	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(left, sizeof(left),
		"millrace %s  up %" PRIu64 "d %02" PRIu64 ":%02" PRIu64 "  %" PRIu64 " rx %" PRIu64
		" io  %" PRIu64 " sets  filter %s",
		version != NULL ? version : "", up / 86400, up / 3600 % 24, up / 60 % 60,
		snapshot_number(info, "rx_lcores"), snapshot_number(info, "io_lcores"),
		snapshot_number(info, "sets"), filter != NULL ? filter : "");
	line(s, TOP_HEAD, "%-70.70s %8s", left, clock);
	line(s, TOP_PLAIN, "%s", "");
}

static void traffic(struct top_screen *s, const struct span *span)
{
	double requests = RATE(span, lcores, "rx/requests");
	double shed = RATE(span, lcores, "rx/shed"), refused = RATE(span, lcores, "rx/refused");

	line(s, TOP_PLAIN, "requests %8s/s  get %s  write %s  other %s  in the hands of I/O %s/s",
		num(requests).at, num(RATE(span, lcores, "rx/requests_get")).at,
		num(RATE(span, lcores, "rx/requests_write")).at,
		num(RATE(span, lcores, "rx/requests_other")).at,
		num(RATE(span, lcores, "rx/handed_off")).at);
	line(s, shed + refused > 0 ? TOP_ALARM : TOP_PLAIN,
		"packets  %8s/s  answered %s/s  refused %s/s  shed %s/s",
		num(RATE(span, lcores, "rx/received")).at,
		num(RATE(span, lcores, "rx/answered")).at, num(refused).at, num(shed).at);
}

/** A bar of '#', with @p more of another sign behind it. */
static void bar(char *text, unsigned cells, double share, double more, char sign)
{
	unsigned n = (unsigned)(share * cells + 0.5), m = (unsigned)((share + more) * cells + 0.5);

	for (unsigned i = 0; i < cells; i++)
		text[i] = i < n ? '#' : i < m ? sign : '.';
	text[cells] = '\0';
}

static void lookups(struct top_screen *s, const struct span *span)
{
	double all = RATE(span, lcores, "rx/lookups"), hits = RATE(span, lcores, "rx/hits");
	double negatives = RATE(span, lcores, "rx/negatives");
	char text[SHARE_CELLS + 1];

	bar(text, SHARE_CELLS, percent(hits, all) / 100, percent(negatives, all) / 100, '-');
	line(s, TOP_PLAIN, "lookups  %8s/s  [%s] #cache %.1f%% -filter %.1f%% .store %.1f%%",
		num(all).at, text, percent(hits, all), percent(negatives, all),
		percent(RATE(span, lcores, "rx/misses"), all));
	line(s, TOP_PLAIN, "%s", "");
}

static void latency_line(struct top_screen *s, const struct span *span, enum snapshot_hist which,
	const char *name, struct mr_hist *h)
{
	static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 1};
	char text[TOP_COLUMNS + 1] = "";
	size_t at = 0;

	*h = span->now->hists[which];
	mr_hist_subtract(h, &span->before->hists[which]);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(quantiles); i++) {
		double ns = (double)mr_hist_quantile(h, quantiles[i]) * span->now->ns_per_cycle;
		char time[24];

		at += (size_t)snprintf(text + at, sizeof(text) - at, "%9s",
			blast_time((uint64_t)ns, time, sizeof(time)));
	}
	line(s, TOP_PLAIN, "%-22s%9s%s", name, num((double)mr_hist_total(h) / span->seconds).at,
		text);
}

static void latency(struct top_screen *s, const struct span *span, struct mr_hist *h)
{
	line(s, TOP_HEAD, "%-22s%9s%9s%9s%9s%9s%9s", "latency of", "each s", "p50", "p90", "p99",
		"p99.9", "max");
	latency_line(s, span, SNAPSHOT_INLINE, "requests from cache", h);
	latency_line(s, span, SNAPSHOT_HANDOFF, "requests through I/O", h);
	latency_line(s, span, SNAPSHOT_IO_RING, "waiting for I/O", h);
	latency_line(s, span, SNAPSHOT_IO_READ, "store reads", h);
	latency_line(s, span, SNAPSHOT_IO_COMMIT, "commits", h);
	line(s, TOP_PLAIN, "%s", "");
}

struct load {
	char name[12];
	double share;
};

static int by_share(const void *a, const void *b)
{
	const struct load *x = a, *y = b;

	return (x->share < y->share) - (x->share > y->share);
}

static unsigned find_loads(const struct span *span, struct load *loads)
{
	unsigned n = 0;

	for (unsigned i = 0; i < span->now->n_lcores; i++) {
		const json_t *now = span->now->lcore[i];
		const json_t *before = i < span->before->n_lcores ? span->before->lcore[i] : NULL;
		const char *busy = "rx/busy_cycles", *idle = "rx/idle_cycles";
		double b;

		if (now == NULL)
			continue;
		snapshot_lcore_name(span->now, i, loads[n].name, sizeof(loads[n].name));
		if (loads[n].name[0] == 'i') {
			busy = "io/busy_cycles";
			idle = "io/idle_cycles";
		}
		b = rate(span, before, now, busy);
		loads[n].share = percent(b, b + rate(span, before, now, idle)) / 100;
		n++;
	}
	return n;
}

static void load(struct top_screen *s, const struct span *span)
{
	struct load loads[SNAPSHOT_LCORES_MAX];
	unsigned n = find_loads(span, loads), shown = MR_MIN(n, 2 * LOAD_LINES);
	char bars[2][BAR_CELLS + 1];

	// When they do not all fit, the busiest are worth the room.
	if (n > shown)
		qsort(loads, n, sizeof(loads[0]), by_share);
	for (unsigned i = 0; i < shown; i += 2) {
		const struct load *right = i + 1 < shown ? &loads[i + 1] : NULL;

		bar(bars[0], BAR_CELLS, loads[i].share, 0, '.');
		bar(bars[1], BAR_CELLS, right != NULL ? right->share : 0, 0, '.');
		if (right != NULL)
			line(s, TOP_PLAIN, "%-5s [%s] %3.0f%%    %-5s [%s] %3.0f%%  %s",
				loads[i].name, bars[0], 100 * loads[i].share, right->name, bars[1],
				100 * right->share, i == 0 && n > shown ? "(busiest)" : "");
		else
			line(s, TOP_PLAIN, "%-5s [%s] %3.0f%%", loads[i].name, bars[0],
				100 * loads[i].share);
	}
	line(s, TOP_PLAIN, "%s", "");
}

static uint64_t over_nodes(const json_t *json, const char *field)
{
	const char *name;
	json_t *node;
	uint64_t sum = 0;

	json_object_foreach((json_t *)(uintptr_t)json, name,
		node) if (strncmp(name, "node", 4) == 0) sum += snapshot_number(node, field);
	return sum;
}

static void tiers(struct top_screen *s, const struct span *span)
{
	const json_t *c = span->now->cache, *cb = span->before->cache, *b = span->now->bloom;
	uint64_t evicted = over_nodes(c, "evictions_capacity") + over_nodes(c, "evictions_bucket");
	uint64_t before = over_nodes(cb, "evictions_capacity") + over_nodes(cb, "evictions_bucket");

	line(s, TOP_PLAIN, "cache   %s rows  %s of %s  fills %s/s  evictions %s/s",
		num((double)over_nodes(c, "rows")).at, size(over_nodes(c, "slot_bytes")).at,
		size(over_nodes(c, "budget_bytes")).at,
		num((double)(over_nodes(c, "fills") - over_nodes(cb, "fills")) / span->seconds).at,
		num((double)(evicted - before) / span->seconds).at);
	line(s, TOP_PLAIN, "filter  %s  %s keys  fpr formula %.3f%%  load %.3f%%  measured %.3f%%",
		json_string_value(json_object_get(b, "state")),
		num((double)snapshot_number(b, "node0/added_keys")).at,
		(double)snapshot_number(b, "node0/fpr_formula_ppm") / 1e4,
		(double)snapshot_number(b, "node0/fpr_load_ppm") / 1e4,
		(double)snapshot_number(b, "measured_fpr_ppm") / 1e4);
}

static void store(struct top_screen *s, const struct span *span)
{
	const json_t *now = span->now->store;
	bool is_stopped = snapshot_number(now, "write_stopped") != 0;
	uint64_t slowed = snapshot_number(now, "delayed_write_bytes_per_s");

	line(s, is_stopped || slowed > 0 ? TOP_ALARM : TOP_PLAIN,
		"store   %s keys  %s on disk  read %s/s  written %s/s  synced %s/s%s",
		num((double)snapshot_number(now, "estimated_keys")).at,
		size(snapshot_number(now, "sst_bytes") + snapshot_number(now, "blob_bytes")).at,
		num(RATE(span, store, "keys_read")).at, num(RATE(span, store, "rows_written")).at,
		num(RATE(span, store, "syncs")).at,
		is_stopped   ? "  WRITES STOPPED"
		: slowed > 0 ? "  WRITES SLOWED"
			     : "");
	line(s, TOP_PLAIN,
		"        memtables %s  WAL %s  to compact %s  %" PRIu64
		" compactions  errors %" PRIu64,
		size(snapshot_number(now, "memtable_bytes")).at,
		size(snapshot_number(now, "wal_bytes")).at,
		size(snapshot_number(now, "pending_compaction_bytes")).at,
		snapshot_number(now, "running_compactions"), snapshot_number(now, "errors"));
}

struct drop {
	const char *name;
	double rate;
};

static int by_rate(const void *a, const void *b)
{
	const struct drop *x = a, *y = b;

	return (x->rate < y->rate) - (x->rate > y->rate);
}

static void drops(struct top_screen *s, const struct span *span)
{
	const json_t *reasons = json_object_get(span->now->drops, "reasons");
	const json_t *before = json_object_get(span->before->drops, "reasons");
	struct drop list[64];
	char text[TOP_COLUMNS + 1] = "none";
	size_t at = 0;
	unsigned n = 0;
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)reasons, name, value)
	{
		double r = rate(span, before, reasons, name);

		if (r > 0 && n < MR_ARRAY_SIZE(list))
			list[n++] = (struct drop){name, r};
	}
	qsort(list, n, sizeof(list[0]), by_rate);
	for (unsigned i = 0; i < n && at < sizeof(text); i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s %s/s", i > 0 ? "  " : "",
			list[i].name, num(list[i].rate).at);
	line(s, n > 0 ? TOP_ALARM : TOP_PLAIN, "dropped %s", text);
}

static void rings(struct top_screen *s, const struct span *span)
{
	char text[TOP_COLUMNS + 1] = "";
	size_t at = 0;
	const char *name;
	json_t *value;
	uint64_t missed = 0;

	json_object_foreach(span->now->handoff, name, value) if (at < sizeof(text)) at +=
		(size_t)snprintf(text + at, sizeof(text) - at, " %s %" PRIu64, name,
			snapshot_number(value, "waiting"));
	json_object_foreach(span->now->ports, name, value) missed +=
		snapshot_number(value, "imissed");
	line(s, TOP_PLAIN, "rings   waiting:%s  missed by ports %" PRIu64, text, missed);
}

int top_compose(
	struct top_screen *screen, const struct snapshot *before, const struct snapshot *now)
{
	struct span span = {before, now,
		(double)MR_MAX(now->at_ns - before->at_ns, UINT64_C(1)) / (double)MR_NS_PER_S};
	struct mr_hist *h = aligned_alloc(_Alignof(struct mr_hist), sizeof(*h));

	if (h == NULL)
		return -ENOMEM;
	memset(screen, 0, sizeof(*screen));
	head(screen, &span);
	traffic(screen, &span);
	lookups(screen, &span);
	latency(screen, &span, h);
	load(screen, &span);
	tiers(screen, &span);
	store(screen, &span);
	rings(screen, &span);
	drops(screen, &span);
	free(h);
	return 0;
}
