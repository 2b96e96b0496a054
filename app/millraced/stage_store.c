// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <errno.h>

int store_start(struct millraced *m, struct mr_err *err)
{
	struct mr_store_params params;

	// One node: bind RocksDB's threads and cache to it. Several: let them roam.
	mr_config_store_params(
		&m->config, m->plan.n_nodes == 1 ? (int)m->plan.nodes[0] : -1, &params);
	if (CPU_COUNT(&m->background) > 0)
		params.background_cpus = &m->background;
	m->store = mr_store_open(&params, err);
	return m->store != NULL ? 0 : -errno;
}

void store_stop(struct millraced *m)
{
	struct mr_err err = {0};

	if (mr_store_close(m->store, &err) < 0)
		mr_log(MR_LOG_ERROR, "store", "closing: %s", err.text);
	m->store = NULL;
}
