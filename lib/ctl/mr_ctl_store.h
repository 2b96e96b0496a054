// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Admin verbs about the store, for the table in mr_ctl_verbs.c. They run on the admin socket's
 * thread; their arg is the struct mr_ctl.
 */

#include "mr_ctl_priv.h"

/** "tail SET SEQUENCE": changes of a set from a sequence number on (0: from now on). */
int mr_ctl_tail(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** "backup DIRECTORY": a copy of the store as it is now. */
int mr_ctl_backup(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** "verify": reads everything, compares checksums. */
int mr_ctl_verify(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** Closes what the verbs keep open. */
void mr_ctl_store_done(struct mr_ctl *ctl);
