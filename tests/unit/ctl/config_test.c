// SPDX-License-Identifier: BSD-3-Clause
#include "ctl_test.h"
#include "mr_config.h"
#include "mr_config_params.h"
#include "mr_rng.h"

#include <dirent.h>
#include <sys/stat.h>

#define SEED UINT64_C(0x6d72636f6e6669)
#define LEAST "[store]\npath = /s\n[port a]\ndevice = net_null0\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(struct mr_config *config, const char *text, struct mr_err *err)
{
	err->text[0] = '\0';
	return mr_config_parse(config, "f.ini", text, strlen(text), err);
}

static char *printed(const struct mr_config *config)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(out);
	mr_config_print(config, out);
	fclose(out);
	return text;
}

static void test_defaults(void **state)
{
	static struct mr_config c;
	struct mr_err err;

	(void)state;
	assert_int_equal(parse(&c, LEAST, &err), 0);
	assert_string_equal(c.lcores.control, "0");
	assert_string_equal(c.lcores.rx, "0");
	assert_int_equal(c.lcores.rx_idle, MR_IDLE_AUTO);
	assert_int_equal(c.lcores.sleep_us, 50);
	assert_int_equal(c.lcores.watchdog_us, 20000);
	assert_true(c.memory.huge);
	assert_int_equal(c.memory.total_bytes, 0);
	assert_string_equal(c.memory.file_prefix, "millrace");
	assert_string_equal(c.store.path, "/s");
	assert_int_equal(c.store.block_cache_bytes, 256 << 20);
	assert_int_equal(c.store.compression, MR_COMPRESSION_ZSTD);
	assert_int_equal(c.filter.keys, 1000000);
	assert_true(c.filter.fpr == 0.001 && c.filter.rebuild_above == 0.01 && c.filter.save);
	assert_int_equal(c.cache.memory_bytes, 64 << 20);
	assert_true(c.cache.crp_ratio == -1 && c.cache.history_ratio == -1);
	assert_int_equal(c.handoff_depth, 1024);
	assert_string_equal(c.admin_socket, "/run/millrace/admin.sock");
	assert_int_equal(c.log_level, MR_LOG_INFO);
	assert_int_equal(c.n_ports, 1);
	assert_string_equal(c.ports[0].name, "a");
	assert_string_equal(c.ports[0].device, "net_null0");
	assert_int_equal(c.ports[0].udp_port, 7411);
}

static void test_values(void **state)
{
	static struct mr_config c;
	struct mr_port_params port;
	struct mr_store_params store;
	struct mr_cache_params cache;
	struct mr_err err;

	(void)state;
	assert_int_equal(
		parse(&c,
			"[lcores]\nrx = 2-3, 5\nrx_idle = poll\nidle_sleep = 1ms\n"
			"[memory]\nhuge = no\neal_args = --log-level=6 --iova-mode=va\n"
			"[store]\npath = /s t\ncompression = lz4\nblock_size = 4K\n"
			"[cache]\ncrp = 0.25\nk = 3\nplain = yes\nmax_rows = 77\nmemory = 3M\n"
			"mean_row = 200\n[log]\nlevel = debug\n"
			"[port x_1]\ndevice = net_tap0,iface=mr0 # comment\n"
			"address = 10.0.0.1/24, fd00::1 ,10.0.0.2\nudp_port = 9\nmtu = 9000\n"
			"[port y]\ndevice = 0000:3b:00.0\nqueues = 3\n",
			&err),
		0);
	assert_string_equal(c.lcores.rx, "2-3, 5");
	assert_int_equal(c.lcores.rx_idle, MR_IDLE_POLL);
	assert_int_equal(c.lcores.sleep_us, 1000);
	assert_false(c.memory.huge);
	assert_int_equal(c.log_level, MR_LOG_DEBUG);
	mr_config_store_params(&c, 1, &store);
	assert_string_equal(store.path, "/s t");
	assert_string_equal(store.compression, "lz4");
	assert_int_equal(store.block_bytes, 4096);
	mr_config_cache_params(&c, 7, &cache);
	assert_int_equal(cache.k, 3);
	assert_true(cache.crp_ratio == 0.25 && cache.history_ratio < 0);
	assert_true(cache.plain);
	assert_int_equal(cache.max_rows, 77);
	assert_int_equal(cache.budget_bytes, 3 << 20);
	assert_int_equal(cache.mean_row_bytes, 200);
	assert_int_equal(cache.seed, 7);
	mr_config_port_params(&c.ports[0], 2, "/d", &port);
	assert_string_equal(port.name, "x_1");
	assert_string_equal(port.device, "net_tap0,iface=mr0");
	assert_int_equal(port.n_queues, 2);
	assert_int_equal(port.mtu_bytes, 9000);
	assert_int_equal(port.n_ip4, 2);
	assert_int_equal(port.n_ip6, 1);
	assert_memory_equal(port.ip4_be, "\x0a\0\0\1\x0a\0\0\2", 8);
	assert_memory_equal(port.ip6[0], "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	mr_config_port_params(&c.ports[1], 2, "/d", &port);
	assert_int_equal(port.n_queues, 3);
}

// Each text stands before LEAST, unless it has what LEAST would give.
// What stands before the least configuration, and what is said of it.
static const struct {
	const char *text, *message;
} mistakes[] = {
	{"[lcors]\nrx = 1\n", "f.ini:1: [lcors]: unknown section"},
	{"[lcores]\nrxx = 1\n",
		"f.ini:2: [lcores] rxx = 1: unknown key; this section has control, rx, io, "
		"rx_idle, io_idle, idle_sleep, watchdog, io_watchdog, "
		"slow_above"},
	{"[lcores]\nrx = 1\nrx = 2\n", "f.ini:3: [lcores] rx = 2: was set in line 2"},
	{"[log]\n[lcores]\n[log]\n", "f.ini:3: [log]: section was begun in line 1"},
	{"[lcores]\nrx = 1-\n", "f.ini:2: [lcores] rx = 1-: want CPUs such as 0,2-3"},
	{"[lcores]\nrx =\n", "f.ini:2: [lcores] rx = : want CPUs such as 0,2-3"},
	{"[lcores]\nrx = 3-2\n", "f.ini:2: [lcores] rx = 3-2: want CPUs such as 0,2-3"},
	{"[lcores]\nrx_idle = never\n",
		"f.ini:2: [lcores] rx_idle = never: want one of auto|poll|pause|sleep"},
	{"[lcores]\nidle_sleep = 50\n", "f.ini:2: [lcores] idle_sleep = 50: want a "
					"duration such as 50us, 20ms or 1s"},
	{"[lcores]\nidle_sleep = 1s\n",
		"f.ini:2: [lcores] idle_sleep = 1s: out of range: 1us to 10ms"},
	{"[memory]\nhuge = true\n", "f.ini:2: [memory] huge = true: want yes or no"},
	{"[memory]\nper_node_mbufs = 5\n",
		"f.ini:2: [memory] per_node_mbufs = 5: out of range: 1023 to 16777215"},
	{"[memory]\nfile_prefix = a/b\n",
		"f.ini:2: [memory] file_prefix = a/b: must not hold blanks, '/' or ','"},
	{"[memory]\neal_args = --iova-mode=va  --file-prefix=x\n",
		"f.ini:2: [memory] eal_args: --file-prefix is not for here, use [memory] "
		"file_prefix"},
	{"[memory]\neal_args = -l 3\n",
		"f.ini:2: [memory] eal_args: -l is not for here, use [lcores]"},
	{"[cache]\nmemory = 64MB\n",
		"f.ini:2: [cache] memory = 64MB: want a size such as 512K, 64M or 2G"},
	{"[cache]\nmemory = 1K\n", "f.ini:2: [cache] memory = 1K: out of range: 1M to 16T"},
	{"[cache]\nmemory = 99999999999999999999\n",
		"f.ini:2: [cache] memory = 99999999999999999999: out of range: 1M to 16T"},
	{"[cache]\nk = 4\n", "f.ini:2: [cache] k = 4: out of range: 1 to 3"},
	{"[cache]\nk = two\n", "f.ini:2: [cache] k = two: want a whole number"},
	{"[cache]\ncrp = -0.5\n", "f.ini:2: [cache] crp = -0.5: out of range: auto, or 0 to 16"},
	{"[cache]\ncrp = nan\n", "f.ini:2: [cache] crp = nan: want a decimal number such as 0.01"},
	{"[filter]\nfpr = 0x1p-3\n",
		"f.ini:2: [filter] fpr = 0x1p-3: want a decimal number such as 0.01"},
	{"[filter]\nfpr = auto\n",
		"f.ini:2: [filter] fpr = auto: want a decimal number such as 0.01"},
	{"[filter]\nfpr = 0.6\n", "f.ini:2: [filter] fpr = 0.6: out of range: 1e-06 to 0.5"},
	{"[filter]\nfpr = 0.02\n",
		"f.ini:2: [filter] rebuild_above = 0.01: must be above fpr, which is 0.02"},
	{"[handoff]\ndepth = 1000\n", "f.ini:2: [handoff] depth = 1000: not a power of two"},
	{"[admin]\nsocket =\n", "f.ini:2: [admin] socket = : must not be empty"},
	{"[admin]\nsocket =#x\n", "f.ini:2: [admin] socket = #x: must not start with '#'"},
	{"[admin]\nsocket = a\x01z\n", "f.ini:2: [admin] socket = a\x01z: control character 0x01"},
	{"[port]\n", "f.ini:1: [port]: want [port NAME], NAME of 1 to 31 letters, digits "
		     "and '_'"},
	{"[port a b]\n", "f.ini:1: [port a b]: want [port NAME], NAME of 1 to 31 letters, "
			 "digits and '_'"},
	{"[port b]\n", "f.ini: [port b] device is required, for example device = "
		       "net_tap0,iface=mr0"},
	{"[port b]\n[port  b]\n", "f.ini:2: [port  b]: there is a port of that name"},
	{"[port b]\ndevice = net_null0\n",
		"f.ini:6: [port a] device = net_null0: is that of [port b]"},
	{"[port b]\ndevice = net_null0,no-rx=1\n",
		"f.ini:6: [port a] device = net_null0: is that of [port b]"},
	{"[port b]\ndevice = x\nkernel_device = net_null0,a=b\n",
		"f.ini:7: [port a] device = net_null0: is that of [port b]"},
	{"[port b]\ndevice = x\nkernel_device = x,a=b\n",
		"f.ini:3: [port b] kernel_device = x,a=b: is that of [port b]"},
	{"[port b]\ndevice = 3B:00.0\n[port c]\ndevice = 0000:3b:00.0\n",
		"f.ini:4: [port c] device = 0000:3b:00.0: is that of [port b]"},
	{"[port b]\nmtu = 576\ndevice = x\n",
		"f.ini:2: [port b] mtu = 576: 0 or at least 1280, as IPv6 asks"},
	{"[port b]\nudp_port = 0\n", "f.ini:2: [port b] udp_port = 0: out of range: 1 to 65535"},
	{"[port b]\naddress = 10.0.0.256\n", "f.ini:2: [port b] address = 10.0.0.256: "
					     "'10.0.0.256' is not an IPv4 or IPv6 "
					     "address"},
	{"[port b]\naddress = 10.0.0.1 10.0.0.2\n",
		"f.ini:2: [port b] address = 10.0.0.1 10.0.0.2: '10.0.0.1 10.0.0.2' is not "
		"an "
		"IPv4 or IPv6 address"},
	{"[port b]\naddress = 10.0.0.1,\n",
		"f.ini:2: [port b] address = 10.0.0.1,: '' is not an IPv4 or IPv6 address"},
	{"[port b]\naddress = 10.0.0.1/33\n",
		"f.ini:2: [port b] address = 10.0.0.1/33: prefix length over 32"},
	{"[port b]\naddress = fd00::1/x\n",
		"f.ini:2: [port b] address = fd00::1/x: 'x' is not a prefix length"},
	{"[port b]\naddress = 127.0.0.1\n", "f.ini:2: [port b] address = 127.0.0.1: "
					    "127.0.0.1 is not an address that a port "
					    "can have"},
	{"[port b]\naddress = ff02::1\n", "f.ini:2: [port b] address = ff02::1: ff02::1 is "
					  "not an address that a port can "
					  "have"},
	{"[port b]\naddress = fd00::1,fd00:0::1\n",
		"f.ini:2: [port b] address = fd00::1,fd00:0::1: fd00:0::1 stands there "
		"twice"},
	{"rx = 1\n", "f.ini:1: key before the first [section]: rx = 1"},
};

static void test_errors(void **state)
{
	static struct mr_config config, before;
	char text[1024];
	struct mr_err err;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(mistakes); i++) {
		config = before;
		snprintf(text, sizeof(text), "%s" LEAST, mistakes[i].text);
		assert_int_equal(parse(&config, text, &err), -EINVAL);
		assert_string_equal(err.text, mistakes[i].message);
		assert_memory_equal(&config, &before, sizeof(config));
	}
}

static void test_required(void **state)
{
	static struct mr_config config;
	struct mr_err err;

	(void)state;
	assert_int_equal(parse(&config, "", &err), -EINVAL);
	assert_string_equal(
		err.text, "f.ini: [store] path is required, for example path = /var/lib/millrace");
	assert_int_equal(parse(&config, "[store]\npath = /s\n", &err), -EINVAL);
	assert_string_equal(
		err.text, "f.ini: no [port NAME]: at least one is required, with its device");
	assert_int_equal(mr_config_parse(&config, "f", "x", 1, NULL), -EINVAL);
}

static void test_many_ports(void **state)
{
	static struct mr_config config;
	char text[4096];
	struct mr_err err;
	int n = snprintf(text, sizeof(text), "[store]\npath = /s\n");

	(void)state;
	for (unsigned i = 0; i <= MR_PORTS_MAX; i++) {
		assert_int_equal(parse(&config, text, &err), i == 0 ? -EINVAL : 0);
		n += snprintf(text + n, sizeof(text) - (size_t)n,
			"[port p%u]\ndevice = net_null%u\n", i, i);
	}
	assert_int_equal(config.n_ports, MR_PORTS_MAX);
	assert_int_equal(parse(&config, text, &err), -EINVAL);
	assert_string_equal(err.text, "f.ini:35: [port p16]: more than 16 ports");
	n = snprintf(text, sizeof(text), LEAST "address = ");
	for (unsigned i = 0; i < 9; i++)
		n += snprintf(
			text + n, sizeof(text) - (size_t)n, "%s10.0.0.%u", i > 0 ? "," : "", i + 1);
	assert_int_equal(parse(&config, text, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than 8 IPv4 addresses"));
}

static void test_files(void **state)
{
	static struct mr_config config;
	char dir[64], path[128];
	struct mr_err err;
	FILE *out;

	(void)state;
	dir_make(dir, sizeof(dir));
	snprintf(path, sizeof(path), "%s/c.ini", dir);
	assert_int_equal(mr_config_load(&config, path, &err), -ENOENT);
	assert_non_null(strstr(err.text, "c.ini: No such file"));
	assert_int_equal(mr_config_load(&config, dir, &err), -EISDIR);
	out = fopen(path, "w");
	fputs(LEAST, out);
	fclose(out);
	assert_int_equal(mr_config_load(&config, path, &err), 0);
	assert_string_equal(config.store.path, "/s");
	assert_int_equal(truncate(path, MR_CONFIG_FILE_MAX_BYTES + 1), 0);
	assert_int_equal(mr_config_load(&config, path, &err), -EINVAL);
	assert_non_null(strstr(err.text, "over 1048576 bytes"));
	dir_remove(dir);
}

static void test_drivers_dir(void **state)
{
	static struct mr_config config;
	char dir[64], found[256];
	struct mr_err err;

	(void)state;
	mr_config_init(&config);
	dir_make(dir, sizeof(dir));
	assert_int_equal(mr_config_drivers_dir(&config, dir, found, sizeof(found), &err), 0);
	assert_string_equal(found, dir);
	assert_int_equal(mr_config_drivers_dir(&config, NULL, found, sizeof(found), &err), -ENOENT);
	assert_non_null(strstr(err.text, "share/millrace/drivers-cfg"));
	snprintf(config.drivers_dir, sizeof(config.drivers_dir), "%s/none", dir);
	assert_int_equal(mr_config_drivers_dir(&config, dir, found, sizeof(found), &err), -ENOENT);
	assert_non_null(strstr(err.text, "/none: no such directory"));
	dir_remove(dir);
}

// A value of a key, often a good one.
static void random_value(
	struct mr_rng *rng, const struct mr_config_key *key, char *text, size_t text_bytes)
{
	static const char *const words[] = {"yes", "no", "auto", "0", "1", "17", "1K", "64M", "2G",
		"50us", "1s", "7d", "0.5", "1e-3", "lz4", "none", "debug", "poll", "10.1.2.3",
		"10.1.2.3/8, fd00::7", "0,2-3", "a b", "/x/y", "", "-1", "18446744073709551615"};

	if (key->initial != NULL && mr_rng_below(rng, 4) > 0)
		snprintf(text, text_bytes, "%s", key->initial);
	else
		snprintf(text, text_bytes, "%s", words[mr_rng_below(rng, MR_ARRAY_SIZE(words))]);
}

// What is printed reads back as an equal configuration, whatever was set.
static void test_round_trip(void **state)
{
	static struct mr_config config, again;
	struct mr_rng rng = {SEED};
	unsigned good = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		char text[8192], value[128], *one, *two;
		const char *section = "";
		struct mr_err err;
		int n = 0;

		for (unsigned i = 0; i < mr_config_n_keys; i++) {
			const struct mr_config_key *key = &mr_config_keys[i];

			if (strcmp(section, key->section) != 0)
				n += snprintf(text + n, sizeof(text) - (size_t)n, "[%s%s]\n",
					key->section, strcmp(key->section, "port") ? "" : " p");
			section = key->section;
			if (key->initial != NULL && mr_rng_below(&rng, 8) > 0)
				continue;
			random_value(&rng, key, value, sizeof(value));
			n += snprintf(
				text + n, sizeof(text) - (size_t)n, "%s=%s\n", key->key, value);
		}
		if (parse(&config, text, &err) < 0) {
			assert_memory_equal(err.text, "f.ini:", 6);
			continue;
		}
		good++;
		one = printed(&config);
		if (parse(&again, one, &err) < 0)
			fail_msg("round %u, seed %#jx: %s", round, (uintmax_t)SEED, err.text);
		two = printed(&again);
		assert_string_equal(one, two);
		assert_memory_equal(&config, &again, sizeof(config));
		free(one);
		free(two);
	}
	assert_true(good > 100);
}

static void test_changes(void **state)
{
	static struct mr_config a, b;
	char *text = NULL;
	struct mr_err err;
	size_t bytes;
	FILE *out;

	(void)state;
	assert_int_equal(parse(&a, LEAST "[port c]\ndevice = c\n", &err), 0);
	assert_int_equal(parse(&b,
				 "[store]\npath = /t\n[log]\nlevel = debug\n[filter]\nsave = no\n"
				 "[port a]\ndevice = net_null0\nmtu = 1500\n[port b]\ndevice = b\n",
				 &err),
		0);
	out = open_memstream(&text, &bytes);
	assert_int_equal(mr_config_print_changes(&a, &a, out), 0);
	assert_int_equal(mr_config_print_changes(&a, &b, out), 6);
	fclose(out);
	assert_string_equal(text, "[port c] removed: at the next start\n"
				  "[port a] mtu = 1500 (was 0): at the next start\n"
				  "[port b] added: at the next start\n"
				  "[store] path = /t (was /s): at the next start\n"
				  "[filter] save = no (was yes)\n"
				  "[log] level = debug (was info)\n");
	free(text);
	mr_config_take_reloadable(&a, &b);
	assert_string_equal(a.store.path, "/s");
	assert_int_equal(a.log_level, MR_LOG_DEBUG);
	assert_false(a.filter.save);
}

// The table itself: defaults and examples are values, and every key is explained.
static void test_table(void **state)
{
	static struct mr_config config;

	(void)state;
	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		const struct mr_config_key *key = &mr_config_keys[i];

		assert_non_null(mr_config_section_help(key->section));
		assert_true((key->initial == NULL) == (key->example != NULL));
		assert_true(strlen(key->help) > 10);
		for (unsigned j = 0; j < i; j++)
			assert_false(strcmp(mr_config_keys[j].key, key->key) == 0 &&
				     strcmp(mr_config_keys[j].section, key->section) == 0);
	}
	mr_config_init(&config);
	assert_null(mr_config_section_help("none"));
}

static void test_documents(void **state)
{
	static struct mr_config config;
	struct mr_err err;

	(void)state;
	document_check("docs/configuration.md", mr_config_print_markdown);
	document_check("deploy/millrace.ini", mr_config_print_annotated);
	if (mr_config_load(&config, MR_SOURCE_ROOT "/deploy/millrace.ini", &err) < 0)
		fail_msg("%s", err.text);
}

// The corpus of the fuzz target, through the target itself.
static void test_corpus(void **state)
{
	DIR *dir = opendir(MR_SOURCE_ROOT "/tests/fuzz/corpus/config");
	struct dirent *entry;
	unsigned n = 0;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[512], *text;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/config/%s", MR_SOURCE_ROOT,
			entry->d_name);
		text = file_read(path);
		assert_non_null(text);
		assert_int_equal(LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text)), 0);
		free(text);
		n++;
	}
	closedir(dir);
	assert_true(n >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_many_ports),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_drivers_dir),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_corpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
