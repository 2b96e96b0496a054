// SPDX-License-Identifier: BSD-3-Clause
#include "mr_config_params.h"

#include "mr_units.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void mr_config_store_params(
	const struct mr_config *config, int numa_node, struct mr_store_params *ret_params)
{
	static const char *const compressions[MR_COMPRESSION_COUNT] = {"none", "lz4", "zstd"};
	const struct mr_config_store *store = &config->store;

	*ret_params = (struct mr_store_params){
		.path = store->path,
		.block_cache_bytes = store->block_cache_bytes,
		.memtable_bytes = store->memtable_bytes,
		.background_threads = (uint32_t)store->background_threads,
		.block_bytes = (uint32_t)store->block_bytes,
		.blob_min_bytes = (uint32_t)store->blob_min_bytes,
		.compression = compressions[store->compression],
		.numa_node = numa_node,
		.wal_keep_s = (store->wal_keep_us + MR_US_PER_S - 1) / MR_US_PER_S,
		.wal_keep_bytes = store->wal_keep_bytes,
	};
}

void mr_config_cache_params(
	const struct mr_config *config, uint64_t seed, struct mr_cache_params *ret_params)
{
	*ret_params = (struct mr_cache_params){
		.budget_bytes = config->cache.memory_bytes,
		.mean_row_bytes = (uint32_t)config->cache.mean_row_bytes,
		.k = (uint8_t)config->cache.k,
		.crp_ratio = config->cache.crp_ratio,
		.history_ratio = config->cache.history_ratio,
		.plain = config->cache.plain,
		.max_rows = config->cache.max_rows,
		.seed = seed,
	};
}

void mr_config_port_params(const struct mr_config_port *port, unsigned n_rx,
	const char *drivers_dir, struct mr_port_params *ret_params)
{
	*ret_params = (struct mr_port_params){
		.name = port->name,
		.device = port->device,
		.drivers_dir = drivers_dir,
		.n_queues = (uint16_t)(port->queues != 0 ? port->queues : n_rx),
		.mtu_bytes = (uint16_t)port->mtu_bytes,
		.udp_port = (uint16_t)port->udp_port,
		.steer_by_key = port->steering == MR_STEERING_KEY,
		.n_ip4 = port->address.n_ip4,
		.n_ip6 = port->address.n_ip6,
	};
	memcpy(ret_params->ip4_be, port->address.ip4_be, sizeof(ret_params->ip4_be));
	memcpy(ret_params->ip6, port->address.ip6, sizeof(ret_params->ip6));
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int mr_config_drivers_dir(const struct mr_config *config, const char *source_dir, char *ret_dir,
	size_t dir_bytes, struct mr_err *err)
{
	char program[PATH_MAX] = "", installed[PATH_MAX + 64];
	const char *found = NULL;

	if (strcmp(config->drivers_dir, "auto") != 0) {
		if (!is_directory(config->drivers_dir))
			return mr_fail(err, ENOENT, "[registry] drivers = %s: no such directory",
				config->drivers_dir);
		snprintf(ret_dir, dir_bytes, "%s", config->drivers_dir);
		return 0;
	}
	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		program[0] = '\0';
	snprintf(
		installed, sizeof(installed), "%s/../share/millrace/drivers-cfg", dirname(program));
	if (is_directory(installed))
		found = installed;
	else if (source_dir != NULL && is_directory(source_dir))
		found = source_dir;
	if (found == NULL)
		return mr_fail(err, ENOENT,
			"[registry] drivers = auto: neither %s nor %s is a directory", installed,
			source_dir != NULL ? source_dir : "a source tree");
	if (strlen(found) >= dir_bytes)
		return mr_fail(err, ENAMETOOLONG, "%s: path too long", found);
	memcpy(ret_dir, found, strlen(found) + 1);
	return 0;
}
