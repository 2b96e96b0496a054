// SPDX-License-Identifier: BSD-3-Clause
#include "mr_ctl_fault.h"
#include "mr_ctl_store.h"

#include <rte_cycles.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

// ---- JSON
// ----------------------------------------------------------------------------------------

static int print_json(json_t *json, FILE *out, struct mr_err *err)
{
	int ret = json != NULL && json_dumpf(json, out, JSON_INDENT(2)) == 0
	                  ? 0
	                  : mr_fail(err, ENOMEM, "no memory for the reply");

	fputc('\n', out);
	json_decref(json);
	return ret;
}

static json_t *key_json(const struct mr_schema *schema)
{
	json_t *parts = json_array();

	for (unsigned i = 0; i < schema->n_key_parts; i++)
		json_array_append_new(
			parts, json_pack("{s:s, s:s}", "name", schema->key_parts[i].name, "type",
				       mr_type_name(schema->key_parts[i].type)));
	return parts;
}

static json_t *columns_json(const struct mr_shape *shape)
{
	json_t *columns = json_array();
	char type[32];

	for (unsigned i = 0; i < shape->n_columns; i++)
		json_array_append_new(columns,
			json_pack("{s:s, s:s}", "name", shape->columns[i].name, "type",
				mr_column_type_text(&shape->columns[i], type, sizeof(type))));
	return columns;
}

static json_t *beside_json(const struct mr_schema *schema)
{
	json_t *beside = json_array();

	for (unsigned i = 0; i < schema->n_beside; i++)
		json_array_append_new(beside, json_integer(schema->beside[i]));
	return beside;
}

static json_t *set_json(const struct mr_schema *schema)
{
	return json_pack("{s:s, s:i, s:i, s:o, s:I, s:I, s:s, s:s, s:o, s:o}", "name", schema->name,
		"id", (int)schema->id, "version", (int)schema->version, "beside",
		beside_json(schema), "ttl_us", (json_int_t)schema->ttl_us, "history_us",
		(json_int_t)schema->history_us, "durability",
		mr_durability_name(schema->durability), "tables", mr_tables_name(schema->tables),
		"key", key_json(schema), "columns", columns_json(&schema->shape));
}

static json_t *view_json(const struct mr_view *view)
{
	json_t *columns = json_array();
	char name[2 * MR_NAME_MAX_BYTES + 2];

	for (unsigned p = 0; p < view->n_parts; p++)
		for (unsigned c = 0; c < view->parts[p].shape.n_columns; c++) {
			snprintf(name, sizeof(name), "%s.%s", view->parts[p].schema->name,
				view->parts[p].shape.columns[c].name);
			json_array_append_new(columns, json_string(name));
		}
	return json_pack("{s:s, s:i, s:o}", "name", view->name, "id",
		(int)(view->id & ~MR_VIEW_EXPLICIT), "columns", columns);
}

static json_t *catalog_json(const struct mr_published *published)
{
	const struct mr_catalog *catalog = published->catalog;
	json_t *sets = json_array(), *views = json_array();

	for (unsigned i = 0; i < catalog->n_sets; i++)
		json_array_append_new(sets, set_json(catalog->sets[i]));
	for (unsigned i = 0; i < catalog->n_views; i++)
		json_array_append_new(views, view_json(catalog->views[i]));
	return json_pack("{s:I, s:o, s:o}", "generation", (json_int_t)published->generation, "sets",
		sets, "views", views);
}

// ---- sets
// ----------------------------------------------------------------------------------------

static int sets_apply(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;

	return mr_registry_apply(ctl->p.registry, r->args, r->payload, r->payload_bytes, out, err);
}

static int sets_plan(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;

	return mr_registry_plan(ctl->p.registry, r->args, r->payload, r->payload_bytes, out, err);
}

// "SET VERSION" or "SET VERSION plan".
static int version_op(const struct mr_admin_request *r, enum mr_registry_op op, FILE *out,
	struct mr_err *err, struct mr_ctl *ctl)
{
	char set[MR_NAME_MAX_BYTES + 1], plan[8] = "";
	unsigned version = 0;
	int end = 0, n = sscanf(r->args, "%63s %u%n %7s%n", set, &version, &end, plan, &end);

	if (n < 2 || version < 1 || version > UINT16_MAX || r->args[end] != '\0' ||
		(n == 3 && strcmp(plan, "plan") != 0))
		return mr_fail(err, EINVAL, "'%.64s': SET VERSION [plan] is expected", r->args);
	return mr_registry_version(ctl->p.registry, op, set, (uint16_t)version, n == 3, out, err);
}

static int version_switch(
	const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	return version_op(r, MR_REGISTRY_SWITCH, out, err, arg);
}

static int version_add(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	return version_op(r, MR_REGISTRY_ADD, out, err, arg);
}

static int version_drop(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	return version_op(r, MR_REGISTRY_DROP, out, err, arg);
}

static int sets_list(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	json_t *json = catalog_json(mr_registry_read_begin(ctl->p.registry));

	(void)r;
	mr_registry_read_end(ctl->p.registry);
	return print_json(json, out, err);
}

static int sets_show(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	size_t bytes = strlen(r->args);
	const struct mr_published *published = mr_registry_read_begin(ctl->p.registry);
	const struct mr_description *d =
		bytes <= MR_NAME_MAX_BYTES ? mr_published_find(published, r->args, (unsigned)bytes)
					   : NULL;
	int ret = 0;

	if (d != NULL)
		fwrite(d->text, 1, d->text_bytes, out);
	else
		ret = mr_fail(err, ENOENT, "there is no set or view called '%.64s'", r->args);
	mr_registry_read_end(ctl->p.registry);
	return ret;
}

// ---- the appliance
// -------------------------------------------------------------------------------

static json_t *filter_json(struct mr_filter *filter)
{
	struct mr_filter_stats stats;

	mr_filter_stats(filter, &stats);
	return json_pack("{s:s, s:b, s:I, s:I, s:s}", "state", mr_filter_state_name(stats.state),
		"in_force", (int)stats.in_force, "done_keys", (json_int_t)stats.done_keys,
		"estimate_keys", (json_int_t)stats.estimate_keys, "last_error", stats.last_error);
}

static json_t *ports_json(const struct mr_ctl *ctl)
{
	json_t *ports = json_array();

	for (unsigned i = 0; i < ctl->p.n_ports; i++) {
		const struct mr_port *port = &ctl->p.ports[i];

		json_array_append_new(
			ports, json_pack("{s:s, s:s, s:i, s:i, s:b}", "name", port->name, "device",
				       port->device, "queues", (int)port->n_queues, "mtu",
				       (int)port->mtu_bytes, "started", (int)port->started));
	}
	return ports;
}

static json_t *packets_json(const struct mr_ctl *ctl)
{
	struct mr_rx_totals totals;
	struct mr_balance b;

	mr_rx_totals_all(ctl, &totals);
	mr_balance_make(&totals, &b);
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "received", (json_int_t)b.received,
		"answered", (json_int_t)b.answered, "reasons", (json_int_t)b.reasons, "missing",
		(json_int_t)b.missing, "surplus", (json_int_t)b.surplus);
}

static int status(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;
	const struct mr_catalog *catalog = mr_registry_read_begin(ctl->p.registry)->catalog;
	int n_sets = (int)catalog->n_sets, n_views = (int)catalog->n_views;
	uint64_t now_us = mr_clock_us(ctl->p.tiers->clock, rte_rdtsc());
	json_t *json;

	(void)r;
	mr_registry_read_end(ctl->p.registry);
	json = json_pack("{s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "version",
		ctl->p.version, "started_us", (json_int_t)ctl->start_us, "uptime_us",
		(json_int_t)(now_us > ctl->start_us ? now_us - ctl->start_us : 0), "rx_lcores",
		(int)ctl->p.plan->n_rx, "io_lcores", (int)ctl->p.plan->n_io, "numa_nodes",
		(int)ctl->p.plan->n_nodes, "sets", n_sets, "views", n_views, "filter",
		filter_json(ctl->p.filter), "ports", ports_json(ctl), "packets", packets_json(ctl));
	return print_json(json, out, err);
}

static int reload(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	(void)r;
	return mr_ctl_reload(arg, out, err);
}

static int stop(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;

	(void)r;
	(void)err;
	// why release: whoever sees it sees what was done before.
	atomic_store_explicit(ctl->p.stop, true, memory_order_release);
	fprintf(out, "stopping\n");
	return 0;
}

static int config(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;

	(void)r;
	(void)err;
	pthread_mutex_lock(&ctl->config);
	mr_config_print(ctl->p.config, out);
	pthread_mutex_unlock(&ctl->config);
	return 0;
}

static int policy(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;

	(void)r;
	if (ctl->p.policy == NULL)
		return mr_fail(err, ENOENT, "no policy: anyone may do anything");
	mr_policy_print(ctl->p.policy, out);
	return 0;
}

static int rebuild(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	struct mr_ctl *ctl = arg;

	(void)r;
	(void)err;
	mr_filter_rebuild(ctl->p.filter);
	fprintf(out, "rebuilding the filter\n");
	return 0;
}

const struct mr_admin_verb mr_ctl_verbs[] = {
	{"sets-apply", "FILENAME", true, sets_apply, "registers the payload's sets and views",
		false},
	{"sets-plan", "FILENAME", true, sets_plan, "says what sets-apply would change", false},
	{"switch", "SET VERSION [plan]", false, version_switch, "makes a version the current one",
		false},
	{"version-add", "SET VERSION [plan]", false, version_add, "adds an empty version", false},
	{"version-drop", "SET VERSION [plan]", false, version_drop,
		"deletes a version that is not current, with its rows", false},
	{"bulk-begin", "SET VERSION LAYOUT ID", false, mr_ctl_bulk_begin,
		"starts a bulk load, or goes on with the one of that ID; VERSION 0: next", true},
	{"bulk-rows", "TOKEN PART", true, mr_ctl_bulk_rows, "takes the payload's sorted rows",
		true},
	{"bulk-part-end", "TOKEN PART", false, mr_ctl_bulk_part_end,
		"writes out a part whose rows have all come", true},
	{"bulk-finish", "TOKEN [activate]", false, mr_ctl_bulk_finish,
		"makes them a version of the set", true},
	{"bulk-abort", "TOKEN", false, mr_ctl_bulk_abort, "gives a bulk load up", true},
	{"tail", "SET SEQUENCE", false, mr_ctl_tail, "changes of a set from a sequence number on",
		false},
	{"backup", "DIRECTORY", false, mr_ctl_backup,
		"copies the store as it is now, while serving", true},
	{"verify", "", false, mr_ctl_verify, "reads the whole store and compares checksums", true},
	{"compact", "", false, mr_ctl_compact, "compacts the whole store: slow, and never needed",
		true},
	{"sets-list", "", false, sets_list, "all sets and views, JSON", false},
	{"sets-show", "NAME", false, sets_show, "a set or view as INI text", false},
	{"status", "", false, status, "the appliance, JSON", false},
	{"config", "", false, config, "the configuration in force, INI text", false},
	{"reload", "", false, reload, "reads the configuration file again", false},
	{"policy", "", false, policy, "who may ask and write, as it is in force", false},
	{"filter-rebuild", "", false, rebuild, "starts a rebuild of the Bloom filter", false},
	{"stop", "", false, stop, "stops the appliance cleanly", false},
#ifdef MR_FAULT_INJECTION
	{"fault", "off | clock SECONDS | POINT fail | POINT slow DURATION", false, mr_ctl_fault,
		"breaks the store or the clock on purpose", false},
#endif
};

const unsigned mr_ctl_n_verbs = MR_ARRAY_SIZE(mr_ctl_verbs);
