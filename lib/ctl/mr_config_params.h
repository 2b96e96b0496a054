// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * From the configuration to what the libraries below take. Pointers in what is filled in point into
 * the configuration, which must outlive it.
 */

#include "mr_bloom.h"
#include "mr_cache.h"
#include "mr_config.h"
#include "mr_port.h"
#include "mr_store.h"

/** @p numa_node as in struct mr_store_params. */
void mr_config_store_params(
	const struct mr_config *config, int numa_node, struct mr_store_params *ret_params);

void mr_config_cache_params(
	const struct mr_config *config, uint64_t seed, struct mr_cache_params *ret_params);

/**
 * Everything but the pools.
 * @param n_rx
 *   RX lcores: the number of queues where the configuration says 0.
 * @param drivers_dir
 *   From mr_config_drivers_dir().
 */
void mr_config_port_params(const struct mr_config_port *port, unsigned n_rx,
	const char *drivers_dir, struct mr_port_params *ret_params);

/**
 * The directory of the drivers-cfg files: what the configuration says, or for "auto" the first that
 * exists of share/millrace/drivers-cfg beside the program's bin directory and @p source_dir.
 *
 * @param source_dir
 *   The source tree's drivers-cfg as the build knows it; NULL: none.
 * @return 0, or -ENOENT with a message that says where it looked.
 */
int mr_config_drivers_dir(const struct mr_config *config, const char *source_dir, char *ret_dir,
	size_t dir_bytes, struct mr_err *err);
