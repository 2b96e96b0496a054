// SPDX-License-Identifier: BSD-3-Clause
#include "mr_ctl.h"
#include "mr_ctl_priv.h"
#include "mr_ctl_store.h"
#include "mr_log.h"
#include "mr_store_trouble.h"
#include "mr_telemetry.h"
#include "mr_units.h"

#include <rte_cycles.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

// Buckets looked at in a round of housekeeping: all of a large cache within minutes.
#define AGE_BUCKETS 16384u
// Where rows are read too: about a millisecond.
#define EXPIRE_BUCKETS 2048u

struct mr_ctl *mr_ctl_create(const struct mr_ctl_params *params, struct mr_err *err)
{
	struct mr_ctl *ctl = calloc(1, sizeof(*ctl));
	int ret;

	if (ctl == NULL) {
		mr_fail(err, ENOMEM, "no memory for control");
		return NULL;
	}
	ctl->p = *params;
	ctl->churn = calloc(params->tiers->n_nodes, sizeof(*ctl->churn));
	ctl->expire_cursors = calloc(params->tiers->n_nodes, sizeof(*ctl->expire_cursors));
	if (ctl->churn == NULL || ctl->expire_cursors == NULL) {
		free(ctl->churn);
		free(ctl->expire_cursors);
		free(ctl);
		mr_fail(err, ENOMEM, "no memory for control");
		errno = ENOMEM;
		return NULL;
	}
	ctl->start_us = mr_clock_us(params->tiers->clock, rte_rdtsc());
	ctl->bulk = (struct mr_bulk){
		.registry = params->registry,
		.filter = params->filter,
		.store = params->store,
		.future_max_us = params->config->writes.max_future_us,
	};
	mr_bulk_init(&ctl->bulk);
	pthread_mutex_init(&ctl->config, NULL);
	ret = mr_telemetry_start(ctl, err);
	if (ret < 0) {
		mr_ctl_free(ctl);
		errno = -ret;
		return NULL;
	}
	return ctl;
}

void mr_ctl_free(struct mr_ctl *ctl)
{
	if (ctl == NULL)
		return;
	mr_telemetry_stop();
	mr_bulk_done(&ctl->bulk);
	mr_ctl_store_done(ctl);
	pthread_mutex_destroy(&ctl->config);
	free(ctl->churn);
	free(ctl->expire_cursors);
	free(ctl);
}

static const char *stage_help(enum mr_stage stage)
{
	return stage < MR_STAGE_COUNT ? mr_stage_help(stage)
	                              : "receiving, or the CPU was taken away";
}

_Atomic bool *mr_ctl_cancel(struct mr_ctl *ctl)
{
	return &ctl->cancel;
}

static void log_overruns(struct mr_ctl *ctl, uint64_t limit_us)
{
	struct mr_overrun overruns[MR_LCORES_MAX];
	unsigned n = mr_watchdog_check(&ctl->watchdog, ctl->p.rx, ctl->p.plan->n_rx,
		ctl->p.tiers->clock, rte_rdtsc(), limit_us, overruns);

	for (unsigned i = 0; i < n; i++)
		mr_log_limited(MR_LOG_WARNING, "watchdog",
			"RX lcore %u has been in one turn for %" PRIu64 " us, now in stage %s (%s)",
			overruns[i].rx, overruns[i].us, mr_stage_name(overruns[i].stage),
			stage_help(overruns[i].stage));
	n = mr_watchdog_ended(
		&ctl->watchdog, ctl->p.rx, ctl->p.plan->n_rx, ctl->p.tiers->clock, overruns);
	for (unsigned i = 0; i < n; i++)
		mr_log_limited(MR_LOG_WARNING, "watchdog",
			"RX lcore %u: %" PRIu64 " turn(s) too long; the last took %" PRIu64
			" us, %" PRIu64 " us of it in stage %s (%s)",
			overruns[i].rx, overruns[i].n, overruns[i].us, overruns[i].stage_us,
			mr_stage_name(overruns[i].stage), stage_help(overruns[i].stage));
}

static void log_stuck(struct mr_ctl *ctl, uint64_t limit_us)
{
	struct mr_stuck stuck[MR_LCORES_MAX];
	unsigned n = mr_watchdog_check_io(&ctl->watchdog, ctl->p.io, ctl->p.plan->n_io,
		ctl->p.tiers->clock, rte_rdtsc(), limit_us, stuck);

	for (unsigned i = 0; i < n; i++)
		mr_log_limited(MR_LOG_WARNING, "watchdog",
			"I/O lcore %u has been at one burst for %" PRIu64
			" ms, now in stage %s (%s)%s%s",
			stuck[i].io, stuck[i].us / 1000, mr_io_stage_name(stuck[i].stage),
			mr_io_stage_help(stuck[i].stage), stuck[i].where[0] != '\0' ? ": " : "",
			stuck[i].where);
}

static void turn_secrets(struct mr_ctl *ctl)
{
	struct mr_err err = {0};

	if (mr_policy_turn(ctl->p.policy, &err) < 0)
		mr_log_limited(
			MR_LOG_ERROR, "security", "cookie secrets do not turn: %s", err.text);
}

// Clients see ERROR; what failed and what to do about it is for the operator to read.
static void log_failures(struct mr_ctl *ctl)
{
	struct mr_err err = {""};
	uint64_t n = mr_store_trouble(ctl->p.store, &err);

	if (n != ctl->told_failures)
		mr_log_limited(MR_LOG_ERROR, "store", "%s", err.text);
	ctl->told_failures = n;
}

// Clients see DEGRADED.
static void log_unwritable(struct mr_ctl *ctl)
{
	struct mr_err err = {""};

	if (ctl->told_unwritable || mr_store_check_writable(ctl->p.store, &err) == 0)
		return;
	ctl->told_unwritable = true;
	mr_log(MR_LOG_ERROR, "store", "%s", err.text);
}

/** What judges rows: the catalog, at one time. */
struct judge {
	const struct mr_catalog *catalog;
	uint64_t now_us;
};

static bool is_expired(mr_space_t space, uint64_t event_time_us, void *arg)
{
	const struct judge *judge = arg;
	const struct mr_schema *schema = mr_catalog_set_by_id(judge->catalog, mr_space_set(space));

	return schema != NULL && mr_schema_expired(schema, event_time_us, judge->now_us);
}

static bool any_expires(const struct mr_catalog *catalog)
{
	for (unsigned i = 0; i < catalog->n_sets; i++)
		if (catalog->sets[i]->ttl_us != 0)
			return true;
	return false;
}

static void expire(struct mr_ctl *ctl, uint64_t now_us)
{
	struct judge judge = {mr_registry_read_begin(ctl->p.registry)->catalog, now_us};

	for (unsigned i = 0; any_expires(judge.catalog) && i < ctl->p.tiers->n_nodes; i++) {
		const struct mr_node *node = &ctl->p.tiers->nodes[i];

		mr_cache_expire(node->cache, mr_node_ticks(node), &ctl->expire_cursors[i],
			EXPIRE_BUCKETS, is_expired, &judge);
	}
	mr_registry_read_end(ctl->p.registry);
}

static void note_churn(struct mr_ctl *ctl, uint64_t now_us)
{
	for (unsigned i = 0; i < ctl->p.tiers->n_nodes; i++) {
		const struct mr_node *node = &ctl->p.tiers->nodes[i];
		struct mr_cache_stats *stats;

		if (!mr_churn_due(&ctl->churn[i], now_us))
			continue;
		// With its histogram it is large for a stack.
		stats = aligned_alloc(_Alignof(struct mr_cache_stats), sizeof(*stats));
		if (stats == NULL)
			return;
		mr_cache_stats(node->cache, stats);
		mr_churn_note(&ctl->churn[i], stats, mr_node_ticks(node), now_us);
		free(stats);
	}
}

static void keep_caches(struct mr_ctl *ctl)
{
	struct mr_tiers *tiers = ctl->p.tiers;
	uint64_t now_us = mr_clock_us(tiers->clock, rte_rdtsc());

	for (unsigned i = 0; i < tiers->n_nodes; i++)
		mr_cache_age(tiers->nodes[i].cache, mr_node_ticks(&tiers->nodes[i]), AGE_BUCKETS);
	expire(ctl, now_us);
	note_churn(ctl, now_us);
}

void mr_ctl_housekeeping(struct mr_ctl *ctl)
{
	uint64_t limit_us, io_limit_us;

	mr_clock_calibrate(ctl->p.tiers->clock);
	mr_store_watch(ctl->p.store);
	keep_caches(ctl);
	pthread_mutex_lock(&ctl->config);
	limit_us = ctl->p.config->lcores.watchdog_us;
	io_limit_us = ctl->p.config->lcores.io_watchdog_us;
	pthread_mutex_unlock(&ctl->config);
	log_overruns(ctl, limit_us);
	log_stuck(ctl, io_limit_us);
	log_failures(ctl);
	log_unwritable(ctl);
	if (ctl->p.policy != NULL)
		turn_secrets(ctl);
}

static void print_warning(const char *warning, void *arg)
{
	fprintf(arg, "WARNING: %s\n", warning);
}

int mr_ctl_reload(struct mr_ctl *ctl, FILE *out, struct mr_err *err)
{
	struct mr_config *config = ctl->p.config, *new = malloc(sizeof(*new));
	int ret;

	if (new == NULL)
		return mr_fail(err, ENOMEM, "no memory for a configuration");
	ret = mr_config_load(new, ctl->p.config_file, err);
	if (ret == 0 && ctl->p.policy != NULL)
		ret = mr_policy_reload(ctl->p.policy, &new->security, err);
	if (ret == 0) {
		pthread_mutex_lock(&ctl->config);
		if (mr_config_print_changes(config, new, out) == 0)
			fprintf(out, "nothing changed\n");
		mr_config_take_reloadable(config, new);
		mr_log_set_level((enum mr_log_level)config->log_level);
		mr_filter_set_rebuild_above(ctl->p.filter, config->filter.rebuild_above);
		if (ctl->p.warm != NULL)
			mr_warm_set_rate(ctl->p.warm, config->cache.warm_rate);
		pthread_mutex_unlock(&ctl->config);
	}
	if (ret == 0 && ctl->p.policy != NULL)
		mr_policy_warnings(ctl->p.policy, print_warning, out);
	free(new);
	return ret;
}

// ---- sums
// ----------------------------------------------------------------------------------------

void mr_rx_totals_add(struct mr_rx_totals *totals, const struct mr_rx_counters *counters)
{
	uint64_t received = totals->received;

	for (unsigned i = 0; i < MR_REASON_COUNT; i++)
		totals->reasons[i] += mr_counted(&counters->reasons[i]);
	for (unsigned i = 0; i < MR_WIRE_RESULT_COUNT; i++)
		totals->results[i] += mr_counted(&counters->results[i]);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(totals->burst); i++)
		totals->burst[i] += mr_counted(&counters->burst[i]);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(totals->overrun_stages); i++)
		totals->overrun_stages[i] += mr_counted(&counters->overrun_stages[i]);
#define X(name, unit, help) totals->name += mr_counted(&counters->name);
	MR_RX_COUNTERS(X)
#undef X
	// Read last, so that a packet counted as ended was counted as received too.
	totals->received = received + mr_counted(&counters->received);
}

void mr_io_totals_add(struct mr_io_totals *totals, const struct mr_io_counters *counters)
{
#define X(name, unit, help) totals->name += mr_counted(&counters->name);
	MR_IO_COUNTERS(X)
#undef X
}

void mr_rx_totals_all(const struct mr_ctl *ctl, struct mr_rx_totals *ret)
{
	*ret = (struct mr_rx_totals){0};
	for (unsigned i = 0; i < ctl->p.plan->n_rx; i++)
		if (ctl->p.rx[i] != NULL)
			mr_rx_totals_add(ret, ctl->p.rx[i]);
}

void mr_io_totals_all(const struct mr_ctl *ctl, struct mr_io_totals *ret)
{
	*ret = (struct mr_io_totals){0};
	for (unsigned i = 0; i < ctl->p.plan->n_io; i++)
		if (ctl->p.io[i] != NULL)
			mr_io_totals_add(ret, ctl->p.io[i]);
}

void mr_balance_make(const struct mr_rx_totals *totals, struct mr_balance *ret)
{
	uint64_t ended;

	*ret = (struct mr_balance){.received = totals->received, .answered = totals->answered};
	for (unsigned i = 0; i < MR_REASON_COUNT; i++)
		ret->reasons += totals->reasons[i];
	ended = ret->answered + ret->reasons;
	ret->missing = ret->received > ended ? ret->received - ended : 0;
	ret->surplus = ended > ret->received ? ended - ret->received : 0;
}

uint64_t mr_ppm(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (uint64_t)((double)part / (double)whole * 1e6);
}
