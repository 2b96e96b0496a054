// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The configuration: one table of keys (mr_config_keys) that parses a file, validates it, prints
 * what is in force, and writes docs/configuration.md and deploy/millrace.ini. A key that is not in
 * the table does not exist; adding one is a line there and a field here.
 *
 * struct mr_config is plain data without pointers: it is copied by assignment and compared key by
 * key. Owner: the caller. Loading touches the target only when the whole file is good. Not for
 * lcores: what they need is handed to them at start. Cost: milliseconds, at start and reload only.
 */

#include "mr_cc.h"
#include "mr_env.h"
#include "mr_err.h"
#include "mr_log.h"
#include "mr_net.h"
#include "mr_port.h"

#include <stdbool.h>
#include <stdio.h>

#define MR_CONFIG_TEXT_BYTES 1024u //!< longest text value, terminator included
#define MR_CONFIG_FILE_MAX_BYTES (1u << 20)

/** Choices of [store] compression, in order. */
enum mr_compression {
	MR_COMPRESSION_NONE,
	MR_COMPRESSION_LZ4,
	MR_COMPRESSION_ZSTD,
	MR_COMPRESSION_COUNT,
};

/** Choices of [port] router_advertisements, in order. */
enum mr_routers {
	MR_ROUTERS_IGNORE,
	MR_ROUTERS_MTU,
};

/** Choices of [port] steering, in order. */
enum mr_steering {
	MR_STEERING_RSS,
	MR_STEERING_KEY,
};

struct mr_config_lcores {
	char control[MR_CONFIG_TEXT_BYTES]; //!< for mr_plan_make()
	char rx[MR_CONFIG_TEXT_BYTES];
	char io[MR_CONFIG_TEXT_BYTES];
	unsigned rx_idle; //!< enum mr_idle
	unsigned io_idle;
	uint64_t sleep_us;
	uint64_t watchdog_us;   //!< 0: no watchdog
	uint64_t io_watchdog_us; //!< likewise
	uint64_t slow_above_us; //!< 0: no slow log
};

struct mr_config_memory {
	bool huge;
	uint64_t per_node_mbufs;
	uint64_t total_bytes; //!< without hugepages; 0: computed
	char file_prefix[MR_CONFIG_TEXT_BYTES];
	char eal_args[MR_CONFIG_TEXT_BYTES]; //!< separated by blanks
};

/** Addresses of a port, as text and parsed. */
struct mr_config_addresses {
	char text[MR_CONFIG_TEXT_BYTES];
	uint8_t n_ip4, n_ip6;
	uint32_t ip4_be[MR_NET_ADDRS_MAX];
	uint8_t ip6[MR_NET_ADDRS_MAX][16];
};

struct mr_config_port {
	char name[32];
	char device[MR_CONFIG_TEXT_BYTES];
	struct mr_config_addresses address;
	uint64_t udp_port;
	uint64_t mtu_bytes; //!< 0: the device's
	uint64_t queues;    //!< 0: one for each RX lcore
	uint64_t unreachable_rate;
	char kernel_device[MR_CONFIG_TEXT_BYTES]; //!< "": none
	uint64_t kernel_rate;
	unsigned routers;  //!< enum mr_routers
	unsigned steering; //!< enum mr_steering
};

struct mr_config_store {
	char path[MR_CONFIG_TEXT_BYTES];
	uint64_t block_cache_bytes;
	uint64_t memtable_bytes;
	uint64_t background_threads;
	uint64_t block_bytes;
	uint64_t blob_min_bytes;
	unsigned compression; //!< enum mr_compression
	uint64_t wal_keep_us; //!< for the change feed
	uint64_t wal_keep_bytes;
};

struct mr_config_filter {
	uint64_t keys;
	double fpr;
	double rebuild_above;
	bool save;
};

struct mr_config_writes {
	uint64_t max_future_us; //!< 0: any event time is taken
	uint64_t group_rows;
	uint64_t group_age_us; //!< 0: writes do not wait for others
};

struct mr_config_breaker {
	uint64_t failures; //!< 0: no breaker
	uint64_t open_us;
};

struct mr_config_cache {
	uint64_t memory_bytes; //!< per NUMA node
	uint64_t k;
	uint64_t mean_row_bytes;
	double crp_ratio;     //!< -1: the cache's default
	double history_ratio; //!< -1: the cache's default
	bool plain;
	uint64_t max_rows; //!< 0: as many as fit
	bool warm;
	uint64_t warm_rate; //!< keys a second; 0: no limit
};

/** Lists of prefixes as text that mr_prefixes_parse() takes. */
struct mr_config_security {
	char allow[MR_CONFIG_TEXT_BYTES];
	char trusted[MR_CONFIG_TEXT_BYTES];
	char refuse[MR_CONFIG_TEXT_BYTES];
	char writers[MR_CONFIG_TEXT_BYTES];
	char limits[MR_CONFIG_TEXT_BYTES];
	char keys_file[MR_CONFIG_TEXT_BYTES]; //!< "": no MAC keys, and a cookie secret of our own
	uint64_t limit_burst_us;
	uint64_t unproven_rate;
	uint64_t rotation_us;
	bool limit_dry_run;
	bool unsafe;
};

struct mr_config_process {
	char user[MR_CONFIG_TEXT_BYTES]; //!< "": stay who we are
	char group[MR_CONFIG_TEXT_BYTES];
};

struct mr_config {
	struct mr_config_process process;
	struct mr_config_lcores lcores;
	struct mr_config_memory memory;
	struct mr_config_store store;
	struct mr_config_filter filter;
	struct mr_config_cache cache;
	struct mr_config_security security;
	struct mr_config_writes writes;
	struct mr_config_breaker breaker;
	uint64_t handoff_depth;
	uint64_t handoff_max_age_us; //!< 0: any age is served
	char admin_socket[MR_CONFIG_TEXT_BYTES];
	char drivers_dir[MR_CONFIG_TEXT_BYTES]; //!< "auto": mr_config_drivers_dir()
	unsigned log_level;                     //!< enum mr_log_level
	unsigned n_ports;
	struct mr_config_port ports[MR_PORTS_MAX];
};

enum mr_config_type {
	MR_CONFIG_TEXT,
	MR_CONFIG_CPUS,      //!< "0,2-3"
	MR_CONFIG_ADDRESSES, //!< "192.0.2.1, fd00::1"
	MR_CONFIG_PREFIXES,  //!< "10.0.0.0/8, fd00::/8"
	MR_CONFIG_RATES,     //!< "10.0.0.0/8 500000"
	MR_CONFIG_SWITCH,    //!< yes | no
	MR_CONFIG_CHOICE,    //!< one of a few words
	MR_CONFIG_COUNT,
	MR_CONFIG_BYTES,    //!< "64M"
	MR_CONFIG_DURATION, //!< "50us"
	MR_CONFIG_RATIO,    //!< decimal fraction; "auto" where the minimum is -1
};

/** Where a key's value lives, and what it may be. */
struct mr_config_key {
	const char *section; //!< "port" stands for [port NAME]
	const char *key;
	enum mr_config_type type;
	const char *unit;    //!< "" when the type says it all
	double min, max;     //!< of numbers; of texts: bytes
	const char *initial; //!< default; NULL: the key is required
	const char *example; //!< for required keys
	const char *choices; //!< "auto|poll|pause|sleep", in enum order
	bool power_of_two;
	bool reloadable;
	size_t offset; //!< in struct mr_config, or in struct mr_config_port
	const char *help;
};

/** The table. */
extern const struct mr_config_key mr_config_keys[];
extern const unsigned mr_config_n_keys;

/** Help of a section ("port" for [port NAME]); NULL when there is no such section. */
const char *mr_config_section_help(const char *section);

/** Fills in the defaults; no ports, no store path. */
void mr_config_init(struct mr_config *config);

/**
 * Reads a file over the defaults.
 *
 * @param config
 *   Replaced when 0 is returned; untouched otherwise.
 * @return
 *   0; -EINVAL with "FILE:LINE: [SECTION] KEY = VALUE: ..." for what is wrong with it; -ENOENT,
 *   -EACCES, ... when it cannot be read.
 */
int mr_config_load(struct mr_config *config, const char *file, struct mr_err *err);

/** As mr_config_load(), from memory; @p file is for messages. */
int mr_config_parse(struct mr_config *config, const char *file, const char *text, size_t text_bytes,
	struct mr_err *err);

/** The value of a key in the form that a file would have; @p port for keys of "port", else NULL. */
void mr_config_value(const struct mr_config *config, const struct mr_config_port *port,
	const struct mr_config_key *key, char *text, size_t text_bytes);

/** Writes what is in force as INI text; parsing that gives an equal configuration. */
void mr_config_print(const struct mr_config *config, FILE *out);

/** Writes docs/configuration.md. */
void mr_config_print_markdown(FILE *out);

/** Writes deploy/millrace.ini: every key with its help, defaults commented out. */
void mr_config_print_annotated(FILE *out);

/**
 * Writes one line for each key that differs: "[filter] save = no (was yes)", followed by ": at the
 * next start" for keys that cannot be reloaded. @return number of lines.
 */
unsigned mr_config_print_changes(
	const struct mr_config *from, const struct mr_config *to, FILE *out);

/** Copies the reloadable keys of @p from to @p to. */
void mr_config_take_reloadable(struct mr_config *to, const struct mr_config *from);
