// SPDX-License-Identifier: BSD-3-Clause
#include "mr_driver.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "corpus.h"

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int read_text(struct mr_driver *ret, const char *text, const char *pmd, struct mr_err *err)
{
	return mr_driver_read(ret, "x.ini", text, strlen(text), pmd, NULL, 0, err);
}

static void every_key_is_read(void **state)
{
	static const char text[] = "# reasons\n[driver]\n"
				   "driver = net_a, net_tap net_b\n"
				   "rx_descriptors = 1024\ntx_descriptors = 512\nmax_queues = 8\n"
				   "rx_checksum = on\ntx_checksum = off\nrss = auto\n"
				   "rss_fields = udp ; no addresses\nfast_free = on\n"
				   "promiscuous = yes\nhas_link = no\nmtu_max_bytes = 9000\n"
				   "verify_checksum = no\n";
	struct mr_driver d;
	struct mr_err err;

	(void)state;
	assert_int_equal(read_text(&d, text, "net_tap", &err), 1);
	assert_string_equal(d.file, "x.ini");
	assert_string_equal(d.driver, "net_tap");
	assert_int_equal(d.rx_descriptors, 1024);
	assert_int_equal(d.tx_descriptors, 512);
	assert_int_equal(d.max_queues, 8);
	assert_int_equal(d.rx_checksum, MR_SWITCH_ON);
	assert_int_equal(d.tx_checksum, MR_SWITCH_OFF);
	assert_int_equal(d.rss, MR_SWITCH_AUTO);
	assert_int_equal(d.fast_free, MR_SWITCH_ON);
	assert_string_equal(d.rss_fields, "udp");
	assert_true(d.promiscuous);
	assert_false(d.has_link);
	assert_int_equal(d.mtu_max_bytes, 9000);
	assert_false(d.verify_checksum);
	assert_int_equal(read_text(&d, text, "net_b", &err), 1);
	assert_int_equal(read_text(&d, text, "net_", &err), 0);
	assert_int_equal(read_text(&d, text, "net_tap0", &err), 0);
}

static void defaults_are_the_careful_ones(void **state)
{
	struct mr_driver d;

	(void)state;
	assert_int_equal(read_text(&d, "[driver]\ndriver = net_x\n", "net_x", NULL), 1);
	assert_int_equal(d.rx_descriptors, 0);
	assert_int_equal(d.rx_checksum, MR_SWITCH_AUTO);
	assert_string_equal(d.rss_fields, "ip,udp");
	assert_true(d.verify_checksum);
	assert_true(d.has_link);
	assert_false(d.promiscuous);
}

static void mistakes_name_file_line_and_value(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"[driver]\ndriver = a\nqueues = 4\n", "x.ini:3: [driver] queues = 4: no such key"},
		{"[port]\n", "x.ini:1: [port]: the only section is [driver]"},
		{"[driver]\nrss = on\n", "x.ini: no 'driver' key"},
		{"", "x.ini: no 'driver' key"},
		{"[driver]\ndriver = ,\n", "x.ini:2: [driver] driver = ,: want the names"},
		{"[driver]\ndriver = abcdefghijklmnopqrstuvwxyzabcdefg\n", "a name of 33 bytes"},
		{"[driver]\nrss = yes\n", "rss = yes: want auto, on or off"},
		{"[driver]\nrss =\n", "want auto, on or off"},
		{"[driver]\npromiscuous = on\n", "want yes or no"},
		{"[driver]\nrx_descriptors = 1k\n", "want a number from 0 to 32768"},
		{"[driver]\nrx_descriptors = 32769\n", "want a number from 0 to 32768"},
		{"[driver]\nmax_queues = -1\n", "want a number from 0 to 1024"},
		{"[driver]\nmtu_max_bytes = 65536\n", "want a number from 0 to 65535"},
		{"[driver]\nrss_fields = ip,tcp\n", "'tcp' is neither ip nor udp"},
		{"[driver]\nrss_fields =\n", "want a list of: ip, udp"},
		{"[driver]\nrss = on\nrss = on\n", "x.ini:3: [driver] rss = on: this key stands"},
		{"driver = a\n", "x.ini:1: key before the first [section]"},
	};

	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(cases); i++) {
		struct mr_driver d = {.mtu_max_bytes = 4711};
		struct mr_err err = {""};

		assert_int_equal(read_text(&d, cases[i].text, "a", &err), -EINVAL);
		if (strstr(err.text, cases[i].message) == NULL)
			fail_msg("'%s' is not in '%s'", cases[i].message, err.text);
		assert_int_equal(d.mtu_max_bytes, 4711);
	}
}

static const char *const shipped[] = {"mlx5_pci", "mlx5_auxiliary", "net_ice", "net_i40e",
	"net_iavf", "net_ixgbe", "net_ixgbe_vf", "net_e1000_igb", "net_e1000_igb_vf",
	"net_e1000_em", "net_ena", "net_gve", "net_virtio", "net_virtio_user", "net_vmxnet3",
	"net_af_xdp", "net_af_packet", "net_tap", "net_memif", "net_vhost", "net_ring", "net_null",
	"net_bonding"};

static void shipped_files_are_good(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(shipped); i++) {
		struct mr_err err = {""};
		struct mr_driver d;

		if (mr_driver_load(&d, MR_SOURCE_ROOT "/drivers-cfg", shipped[i], &err) < 0)
			fail_msg("%s", err.text);
		assert_string_equal(d.driver, shipped[i]);
	}
}

static bool is_key_line(const char *line)
{
	return line[0] != '#' && line[0] != '[' && line[0] != '\n';
}

// A key stands right under the comment that gives its reason, and every key stands in every file.
static void shipped_keys_have_reasons(void **state)
{
	struct dirent **entries;
	int n = scandir(MR_SOURCE_ROOT "/drivers-cfg", &entries, NULL, alphasort), n_files = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		char path[1024], line[256];
		bool is_after_comment = false;
		unsigned n_keys = 0;
		FILE *file;

		snprintf(path, sizeof(path), MR_SOURCE_ROOT "/drivers-cfg/%s", entries[i]->d_name);
		free(entries[i]);
		if (strstr(path, ".ini") == NULL)
			continue;
		file = fopen(path, "r");
		assert_non_null(file);
		while (fgets(line, sizeof(line), file) != NULL) {
			if (is_key_line(line) && !is_after_comment)
				fail_msg("%s: no reason above: %s", path, line);
			n_keys += is_key_line(line);
			is_after_comment = line[0] == '#';
		}
		fclose(file);
		assert_int_equal(n_keys, 13);
		n_files++;
	}
	free(entries);
	assert_int_equal(n_files, 18);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void a_directory_must_be_unambiguous(void **state)
{
	char dir[] = "/tmp/mr_driver_XXXXXX", path[256];
	struct mr_driver d = {.mtu_max_bytes = 4711};
	struct mr_err err;

	(void)state;
	assert_int_equal(mr_driver_load(&d, "/nonexistent/dir", "net_a", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/dir"));
	assert_non_null(mkdtemp(dir));
	write_file(dir, "a.ini", "[driver]\ndriver = net_a\nmax_queues = 3\n");
	write_file(dir, "b.ini", "[driver]\ndriver = net_b, net_c\n");
	write_file(dir, "notes.txt", "not a driver file");
	assert_int_equal(mr_driver_load(&d, dir, "net_x", &err), -ENOENT);
	assert_non_null(strstr(err.text, "net_a, net_b, net_c"));
	assert_int_equal(d.mtu_max_bytes, 4711);
	assert_int_equal(mr_driver_load(&d, dir, "net_a", &err), 0);
	assert_int_equal(d.max_queues, 3);
	assert_non_null(strstr(d.file, "/a.ini"));

	write_file(dir, "c.ini", "[driver]\ndriver = net_a\n");
	assert_int_equal(mr_driver_load(&d, dir, "net_a", &err), -EINVAL);
	assert_non_null(strstr(err.text, "/a.ini"));
	assert_non_null(strstr(err.text, "/c.ini"));
	write_file(dir, "c.ini", "[driver]\ndriver = net_d\nrss = maybe\n");
	assert_int_equal(mr_driver_load(&d, dir, "net_a", &err), -EINVAL);
	assert_non_null(strstr(err.text, "c.ini:3: [driver] rss = maybe"));
	for (const char *const *name =
			(const char *const[]){"a.ini", "b.ini", "c.ini", "notes.txt", NULL};
		*name != NULL; name++) {
		snprintf(path, sizeof(path), "%s/%s", dir, *name);
		unlink(path);
	}
	rmdir(dir);
}

static void the_corpus_does_no_harm(void **state)
{
	(void)state;
	assert_in_range(corpus_replay("driver", LLVMFuzzerTestOneInput), 5, 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(defaults_are_the_careful_ones),
		cmocka_unit_test(mistakes_name_file_line_and_value),
		cmocka_unit_test(shipped_files_are_good),
		cmocka_unit_test(shipped_keys_have_reasons),
		cmocka_unit_test(a_directory_must_be_unambiguous),
		cmocka_unit_test(the_corpus_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
