// SPDX-License-Identifier: BSD-3-Clause
#include "millraced.h"

#include <errno.h>

static void log_warning(const char *warning, void *arg)
{
	(void)arg;
	mr_log(MR_LOG_WARNING, "security", "%s", warning);
}

int policy_start(struct millraced *m, struct mr_err *err)
{
	m->policy = mr_policy_create(&m->tiers, &m->config.security, m->plan.n_rx, err);
	if (m->policy == NULL)
		return -errno;
	mr_policy_warnings(m->policy, log_warning, NULL);
	return 0;
}

void policy_stop(struct millraced *m)
{
	mr_policy_free(m->policy);
	m->policy = NULL;
}
