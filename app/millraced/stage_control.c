// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "mr_units.h"

// Between two looks at the clock, the caches' stamps and the watchdog.
#define HOUSEKEEPING_MS 100u

int control_start(struct millraced *m, struct mr_err *err)
{
	struct mr_ctl_params ctl = {
		.version = MR_VERSION,
		.config_file = m->config_file,
		.config = &m->config,
		.plan = &m->plan,
		.tiers = &m->tiers,
		.store = m->store,
		.handoff = &m->handoff,
		.ports = m->ports,
		.n_ports = m->n_ports,
		.rx = m->rx_counters,
		.io = m->io_counters,
		.rx_sets = m->rx_sets,
		.io_sets = m->io_sets,
		.registry = m->registry,
		.filter = m->filter,
		.warm = m->warm,
		.policy = m->policy,
		.stop = &m->stop,
	};
	struct mr_admin_params admin = {
		.path = m->config.admin_socket,
		.verbs = mr_ctl_verbs,
		.n_verbs = mr_ctl_n_verbs,
	};
	int ret;

	m->ctl = mr_ctl_create(&ctl, err);
	if (m->ctl == NULL)
		return -errno;
	admin.arg = m->ctl;
	if (CPU_COUNT(&m->background) > 0)
		admin.cpus = &m->background;
	admin.cancel = mr_ctl_cancel(m->ctl);
	m->admin = mr_admin_create(&admin, err);
	if (m->admin == NULL)
		return -errno;
	ret = mr_filter_start(m->filter, err);
	// The lcores answer already.
	return ret < 0 ? ret : mr_warm_start(m->warm, m->config.cache.warm, err);
}

void control_stop(struct millraced *m)
{
	mr_admin_free(m->admin);
	mr_ctl_free(m->ctl);
	if (m->warm != NULL)
		mr_warm_stop(m->warm);
	if (m->filter != NULL)
		mr_filter_stop(m->filter);
}

static void reload(struct millraced *m)
{
	struct mr_err err = {0};
	char text[4096] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (out == NULL)
		return;
	notify("RELOADING=1");
	if (mr_ctl_reload(m->ctl, out, &err) < 0)
		mr_log(MR_LOG_ERROR, "config", "%s: the old one stays in force", err.text);
	fclose(out);
	if (text[0] != '\0')
		mr_log(MR_LOG_INFO, "config", "%s", text);
	notify("READY=1");
}

void control_loop(struct millraced *m)
{
	struct timespec wait = {.tv_nsec = HOUSEKEEPING_MS * (long)MR_NS_PER_MS};
	struct notify_watchdog watchdog;
	sigset_t set;

	notify_watchdog_init(&watchdog);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	// why relaxed: the flag stands for itself; a stop may be seen one wait late.
	while (!atomic_load_explicit(&m->stop, memory_order_relaxed)) {
		int signal = sigtimedwait(&set, NULL, &wait);

		if (signal == SIGTERM || signal == SIGINT)
			break;
		if (signal == SIGHUP)
			reload(m);
		mr_ctl_housekeeping(m->ctl);
		links_follow(m);
		notify_watchdog(&watchdog, m);
	}
}
