// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Telemetry as Prometheus' text format (version 0.0.4). Names follow from the telemetry's own by
 * the rule in docs/prometheus.md, so that what the appliance learns to tell is exported without a
 * change here.
 */

#include "snapshot.h"

#include <stdio.h>

/** Writes all metrics of one snapshot. */
void exposition_print(const struct snapshot *snapshot, FILE *out);

/** Writes what is said when the appliance does not answer. */
void exposition_print_down(FILE *out);
