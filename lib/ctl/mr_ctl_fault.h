// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Inside lib/ctl: the verb `fault`, in builds with fault points.

#include "mr_ctl.h"

#ifdef MR_FAULT_INJECTION
int mr_ctl_fault(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);
#endif
