// SPDX-License-Identifier: BSD-3-Clause
#include "ctl_whole.h"

#include <sys/socket.h>
#include <sys/un.h>

struct whole w;

void whole_write_config(const char *more)
{
	FILE *out = fopen(w.config_file, "w");

	fprintf(out, "[store]\npath = %s\n[port front]\ndevice = net_null0\n%s", w.rig.dir, more);
	fclose(out);
}

static void make_plan(void)
{
	w.plan = (struct mr_plan){
		.n_lcores = 1 + N_RX + N_IO, .n_rx = N_RX, .n_io = N_IO, .n_nodes = RIG_NODES};
	for (unsigned i = 0; i < w.plan.n_lcores; i++)
		w.plan.lcores[i] = (struct mr_lcore){
			.role = i == 0      ? MR_ROLE_CONTROL
		                : i <= N_RX ? MR_ROLE_RX
		                            : MR_ROLE_IO,
			.index = (uint16_t)(i == 0 ? 0 : (i - 1) % N_RX),
			.lcore_id = (uint16_t)i,
			.cpu = (uint16_t)i,
		};
}

static void make_caches(void)
{
	struct mr_cache_params params = {
		.budget_bytes = 1 << 20, .crp_ratio = -1, .history_ratio = -1};
	size_t bytes;

	assert_int_equal(mr_cache_params_check(&params), 0);
	bytes = mr_cache_memsize(&params);
	for (unsigned i = 0; i < RIG_NODES; i++) {
		w.cache_mem[i] = mr_mem_alloc("cache", bytes, MR_CACHE_ALIGN, 0);
		w.rig.nodes[i].cache = mr_cache_init(w.cache_mem[i], bytes, &params);
		assert_non_null(w.rig.nodes[i].cache);
	}
}

struct mr_set_counters set_counters[N_RX + N_IO][MR_SET_ID_MAX + 1];
struct mr_set_counters *rx_sets[N_RX], *io_sets[N_IO];

void whole_make_ctl(void)
{
	struct mr_ctl_params params = {
		.version = "0.1 \"test\"",
		.config_file = w.config_file,
		.config = &w.config,
		.plan = &w.plan,
		.tiers = &w.rig.tiers,
		.store = w.rig.store,
		.handoff = &w.handoff,
		.ports = w.ports,
		.n_ports = 1,
		.rx = w.rx,
		.io = w.io,
		.rx_sets = rx_sets,
		.io_sets = io_sets,
		.registry = w.registry,
		.filter = w.filter,
		.stop = &w.stop,
	};
	struct mr_err err = {""};

	memset(set_counters, 0, sizeof(set_counters));
	for (unsigned i = 0; i < N_RX; i++)
		rx_sets[i] = set_counters[i];
	for (unsigned i = 0; i < N_IO; i++)
		io_sets[i] = set_counters[N_RX + i];
	w.ctl = mr_ctl_create(&params, &err);
	if (w.ctl == NULL)
		fail_msg("%s", err.text);
}

int whole_set_up(void **state)
{
	struct mr_filter_params filter;
	struct mr_err err = {""};

	(void)state;
	memset(&w, 0, sizeof(w));
	rig_make(&w.rig);
	snprintf(w.config_file, sizeof(w.config_file), "%s/millrace.ini", w.rig.dir);
	whole_write_config("");
	assert_int_equal(mr_config_load(&w.config, w.config_file, &err), 0);
	make_plan();
	make_caches();
	for (unsigned i = 0; i < N_RX; i++)
		w.rx[i] = mr_mem_alloc("rx", sizeof(*w.rx[i]), MR_CACHE_LINE_BYTES, 0);
	for (unsigned i = 0; i < N_IO; i++)
		w.io[i] = mr_mem_alloc("io", sizeof(*w.io[i]), MR_CACHE_LINE_BYTES, 0);
	assert_int_equal(mr_handoff_init(&w.handoff, &w.plan, 64), 0);
	w.registry = mr_registry_create(&w.rig.tiers, w.rig.store, 0, &err);
	assert_non_null(w.registry);
	assert_int_equal(mr_registry_apply(w.registry, "f", SETS, strlen(SETS), NULL, &err), 0);
	filter = (struct mr_filter_params){.tiers = &w.rig.tiers,
		.store = w.rig.store,
		.path = w.rig.dir,
		.keys = 1000,
		.fpr = 0.001,
		.rebuild_above = 0.01};
	w.filter = mr_filter_create(&filter, &err);
	assert_non_null(w.filter);
	snprintf(w.ports[0].name, sizeof(w.ports[0].name), "front");
	w.ports[0].port_id = 77; // no such port: its figures are zero
	whole_make_ctl();
	return 0;
}

int whole_tear_down(void **state)
{
	(void)state;
	mr_ctl_free(w.ctl);
	mr_ctl_free(NULL);
	mr_filter_free(w.filter);
	mr_registry_free(w.registry);
	mr_handoff_done(&w.handoff);
	for (unsigned i = 0; i < N_RX; i++)
		mr_mem_free(w.rx[i]);
	for (unsigned i = 0; i < N_IO; i++)
		mr_mem_free(w.io[i]);
	for (unsigned i = 0; i < RIG_NODES; i++)
		mr_mem_free(w.cache_mem[i]);
	rig_done(&w.rig);
	return 0;
}

json_t *ask(const char *request)
{
	static char reply[32768];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char command[64];
	json_error_t error;
	json_t *whole, *value;
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s/dpdk_telemetry.v2",
		rte_eal_get_runtime_dir());
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(recv(fd, reply, sizeof(reply), 0) > 0);
	assert_true(send(fd, request, strlen(request), 0) > 0);
	n = recv(fd, reply, sizeof(reply) - 1, 0);
	close(fd);
	assert_true(n > 0);
	reply[n] = '\0';
	whole = json_loads(reply, 0, &error);
	if (whole == NULL)
		fail_msg("%s: %s at %d of %zd: %s", request, error.text, error.position, n, reply);
	snprintf(command, sizeof(command), "%.*s", (int)strcspn(request, ","), request);
	value = json_incref(json_object_get(whole, command));
	json_decref(whole);
	assert_non_null(value);
	return value;
}

uint64_t number(json_t *reply, const char *block, const char *field)
{
	json_t *at = block != NULL ? json_object_get(reply, block) : reply;

	at = json_object_get(at, field);
	if (!json_is_integer(at))
		fail_msg("no number %s/%s", block != NULL ? block : "", field);
	return (uint64_t)json_integer_value(at);
}

const char *text_of(json_t *request, const char *field)
{
	return json_string_value(json_object_get(request, field));
}

static char runtime[256];

int whole_begin(void)
{
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "--file-prefix=mrt%d", (int)getpid());
	if (eal_start(prefix) < 0)
		return 1;
	snprintf(runtime, sizeof(runtime), "%s", rte_eal_get_runtime_dir());
	return 0;
}

void whole_end(void)
{
	rte_eal_cleanup();
	dir_remove(runtime);
}
