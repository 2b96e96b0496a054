// SPDX-License-Identifier: BSD-3-Clause
//
// The millrace program itself, run against the fake server and fake sockets: what it prints, and
// its exit codes.

#include "fake_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// cmocka.h wants the others before it.
// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
// clang-format on

static struct fake fake;
static char dir[64];
static char out[1 << 20];

static int start(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/millrace-tool-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fake_start(&fake);
	setenv("MILLRACE_SERVER", fake.address, 1);
	setenv("DIR", dir, 1);
	setenv("T", MR_TOOL, 1);
	return 0;
}

static int stop(void **state)
{
	char command[128];

	(void)state;
	fake_stop(&fake);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/** Runs "millrace ARGS" in a shell, stderr joined; the output goes to `out`. @return exit code. */
static int run(const char *args)
{
	static const char *const talkers[] = {"get ", "put ", "del ", "load ", "ping "};
	char command[2048];
	const char *patience = "";
	size_t n, name = strcspn(args, " ");
	FILE *pipe;
	int status;

	// A busy machine is no lost datagram.
	for (size_t i = 0; i < sizeof(talkers) / sizeof(talkers[0]); i++)
		if (strncmp(args, talkers[i], strlen(talkers[i])) == 0 &&
			strstr(args, "--timeout") == NULL)
			patience = " --timeout 5s";
	snprintf(command, sizeof(command), "cd $DIR && %s %.*s%s%s 2>&1", MR_TOOL, (int)name, args,
		patience, args + name);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	n = fread(out, 1, sizeof(out) - 1, pipe);
	out[n] = '\0';
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void read_file(const char *name, char *text, size_t bytes)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, bytes - 1, file)] = '\0';
	fclose(file);
}

#define CHECK(args, code, text)                                          \
	do {                                                             \
		int got = run(args);                                     \
		if (got != (code) || strstr(out, text) == NULL)          \
			print_error("%s\n-> %d:\n%s\n", args, got, out); \
		assert_int_equal(got, code);                             \
		assert_non_null(strstr(out, text));                      \
	} while (0)

static void test_usage(void **state)
{
	(void)state;
	CHECK("", 2, "commands:");
	CHECK("--help", 0, "commands:");
	CHECK("--version", 0, "millrace 0.");
	CHECK("fly", 2, "unknown command 'fly'");
	CHECK("get", 2, "which view?");
	CHECK("get user", 2, "which keys?");
	CHECK("get --jsn user 1", 2, "unknown option '--jsn'");
	CHECK("get -j user 1", 2, "unknown option '-j'");
	CHECK("get --json=1 user 1", 2, "takes no value");
	CHECK("get user 1 --timeout", 2, "needs a value");
	CHECK("get user 1 --timeout soon", 2, "--timeout 'soon': a duration is expected");
	CHECK("put user 1 --time never", 2, "--time: a time since 1970");
	CHECK("sets fly", 2, "'list', 'show NAME' or 'apply FILE'");
	CHECK("ctl", 2, "which verb?");
	CHECK("load user", 2, "one set and one file");
	CHECK("load user x.dat", 2, "is it CSV or JSON lines?");
}

static void test_get(void **state)
{
	(void)state;
	CHECK("get user 121", 0, "key  status  age  score  city\n121  ok      121  122    r\n");
	CHECK("get user 128 129", 1, "128  expired    -    -      -\n129  not_found");
	CHECK("get user 124", 0, "124  ok      null");
	CHECK("get ctr 121 --json", 0,
		"{\"key\":121,\"sets\":{\"user\":{\"status\":\"ok\",\"event_time_us\":");
	assert_non_null(strstr(out, "\"columns\":{\"age\":121,\"city\":\"r\"}"));
	assert_non_null(strstr(out, "\"item\":{\"status\":\"ok\""));
	CHECK("get user x7", 4, "u64 expected, got 'x7'");
	CHECK("get nobody 1", 5, "no view or set 'nobody'");
	write_file("keys", "1\r\n\n2\n3");
	CHECK("get user --json --keys-from keys | wc -l", 0, "3");
	CHECK("get user --keys-from nothere", 4, "nothere: No such file");
	CHECK("get user 1 --server 127.0.0.1:1 --timeout 5ms", 3, "no server answered");
	fake_set(&fake, &(struct fake_faults){.result = MR_WIRE_RESULT_DENIED});
	CHECK("get user 1", 5, "the server refused: denied");
}

// The stages that the server names, others left out, and what it met with.
static void test_times(void **state)
{
	struct fake_faults faults = {
		.times = {.total_ns = 11345,
			.parse_ns = 300,
			.ring_ns = 4000,
			.read_ns = 7000,
			.met = MR_WIRE_MET_IO | MR_WIRE_MET_COMPACTION},
	};

	(void)state;
	fake_set(&fake, &faults);
	CHECK("get user 121 --times", 0,
		"times: total 12.3 us, parse 0.3 us, ring 4.0 us, read 7.0 us; answered through an "
		"I/O lcore; store compacting\n");
	assert_non_null(strstr(out, "121  ok      121  122    r\n"));
	CHECK("get user 121", 0, "121  ok      121  122    r\n");
	assert_null(strstr(out, "times:"));
	faults.times = (struct mr_wire_times){
		.total_ns = 1000,
		.probe_ns = 100,
		.queue_ns = 200,
		.lock_ns = 300,
		.commit_ns = 400,
		.met = MR_WIRE_MET_STALL | MR_WIRE_MET_BREAKER | MR_WIRE_MET_LOOP,
	};
	fake_set(&fake, &faults);
	CHECK("get user 121 --times", 0,
		"times: total 2.0 us, probe 0.1 us, queue 0.2 us, lock 0.3 us, commit 0.4 us; "
		"store stalling writes; breaker open; loop stood still\n");
	fake_set(&fake, &(struct fake_faults){0});
	CHECK("get user 121 --times", 0, "times: none came\n");
}

static void test_lost(void **state)
{
	(void)state;
	// HELLO and DESCRIBE get through, the key does not.
	fake_set(&fake, &(struct fake_faults){.result = MR_WIRE_RESULT_TOO_LATE});
	CHECK("get user 1", 1, "busy");
	fake_set(&fake, &(struct fake_faults){.silent = true});
	CHECK("get user 1 --timeout 5ms", 3, "no server answered");
}

static void test_put_and_del(void **state)
{
	(void)state;
	CHECK("put user 9 age=-3 'city=O\"Hare' --time 1000", 0, "");
	CHECK("get user 9 --json", 0, "{\"age\":-3,\"score\":null,\"city\":\"O\\\"Hare\"}");
	CHECK("put user 9 age=4 --time 1000", 1, "superseded");
	CHECK("put user 9 age=x", 4, "column age: i32 expected, got 'x'");
	CHECK("put user 9 agee=1", 4, "set user has no column 'agee'");
	CHECK("put user 9 age", 2, "COLUMN=VALUE is expected");
	CHECK("put ctr 9 age=1", 2, "'ctr' is a view");
	CHECK("del user 9 -- 10", 0, "");
	CHECK("del user 9 --time 5", 1, "key 9: superseded");
}

static void test_ping(void **state)
{
	(void)state;
	CHECK("ping", 0, "answered in");
	CHECK("ping --count 3 --interval 1ms | wc -l", 0, "3");
}

// ---- load --------------------------------------------------------------------------------------

#define GOOD_CSV "user_id,age,city\n1,10,Paris\n2,,\"\"\n3,30,\"x,\"\"y\"\"\"\n4,40,\xc3\xa9\n"

static void test_load(void **state)
{
	(void)state;
	write_file("a.csv", GOOD_CSV);
	CHECK("load user a.csv --time 100", 0, "loaded 4 rows");
	assert_non_null(strstr(out, "4 stored, 0 superseded"));
	CHECK("get user --json 2", 0, "{\"age\":null,\"score\":null,\"city\":\"\"}");
	CHECK("get user --json 3", 0, "\"city\":\"x,\\\"y\\\"\"");
	// The same file again changes nothing; with a later time everything.
	CHECK("load user a.csv --time 100", 0, "0 stored, 4 superseded");
	CHECK("load user a.csv --time 101", 0, "4 stored, 0 superseded");
	CHECK("load user a.csv", 0, "4 stored");
	CHECK("load user - --format csv --time 7 < a.csv", 0, "4 superseded");
	write_file("b.jsonl", "{\"key\":50,\"age\":1,\"city\":\"B\"}\n{\"age\":2,\"key\":51}\n");
	CHECK("load user b.jsonl", 0, "2 stored");
	CHECK("get user --json 50", 0, "\"city\":\"B\"");
	write_file("t.csv", "id,age,when\n60,1,2000-01-01T00:00:00Z\n60,2,2001-01-01T00:00:00Z\n");
	CHECK("load user t.csv --time-column when", 0, "2 stored");
	CHECK("get user --json 60", 0, "\"event_time_us\":978307200000000");
}

static void test_load_stops_at_a_bad_row(void **state)
{
	(void)state;
	write_file("bad.csv", "user_id,age\n1,1\n2,2\n3,3\n4,4\n5,5\n6,six\n7,7\n8,8\n");
	CHECK("load user bad.csv --time 9", 4, "bad.csv:7: column age: i32 expected, got 'six'");
	assert_non_null(strstr(out, "loaded 5 rows"));
	assert_non_null(strstr(out, "safe to run it again"));
	assert_int_equal(fake.n_written, 5);
	CHECK("load user bad.csv --check", 4, "bad.csv:7: ");
	assert_non_null(strstr(out, "checked 5 rows"));
	assert_int_equal(fake.n_written, 5);
}

static void test_load_sets_rejects_aside(void **state)
{
	char text[4096];

	(void)state;
	write_file("bad.csv", "user_id,age\n1,1\n2,two\n3,3,3\n4,\"4\n\"\n5,5\n");
	CHECK("load user bad.csv --time 9 --rejects r.csv", 1, "2 stored");
	assert_non_null(strstr(out, "3 bad rows are in r.csv"));
	read_file("r.csv", text, sizeof(text));
	assert_string_equal(text, "user_id,age,reject_reason\n"
				  "2,two,\"bad.csv:3: column age: i32 expected, got 'two'\"\n"
				  "3,3,3,\"bad.csv:4: 3 cells, but the header has 2 columns\"\n"
				  "4,\"4\n\",\"bad.csv:5: column age: i32 expected, got '4?'\"\n");
	// Mended, it can be loaded as it is.
	write_file("r.csv", "user_id,age,reject_reason\n2,2,\"x\"\n");
	CHECK("load user r.csv --ignore-unknown", 0, "1 stored");
	write_file("bad.jsonl", "{\"key\":1,\"age\":\"x\"}\n{oops\n{\"key\":7}\n");
	CHECK("load user bad.jsonl --rejects r.jsonl", 1, "2 bad rows");
	read_file("r.jsonl", text, sizeof(text));
	assert_non_null(strstr(text, "{\"key\":1,\"age\":\"x\",\"reject_reason\":\"bad.jsonl:1: "));
	assert_non_null(strstr(text, "{\"raw\":\"{oops\",\"reject_reason\":\"bad.jsonl:2: "));
	CHECK("load user bad.csv --rejects /nonexistent/r.csv", 6, "/nonexistent/r.csv");
}

static void test_load_refuses_bad_files(void **state)
{
	(void)state;
	write_file("u.csv", "user_id,age,shoe\n1,1,1\n");
	CHECK("load user u.csv", 4, "u.csv:1: column shoe: set user has no column");
	CHECK("load user u.csv --ignore-unknown", 0, "1 stored");
	CHECK("load user u.csv --ignore-unknown --key-columns id", 4, "no key column 'id'");
	CHECK("load user nothere.csv", 4, "nothere.csv: No such file");
	CHECK("load nobody u.csv", 5, "no view or set 'nobody'");
	write_file("e.csv", "");
	CHECK("load user e.csv", 4, "no header");
	write_file("q.csv", "user_id,age\n1,1\n2,\"2\n3,3\n");
	CHECK("load user q.csv", 4,
		"q.csv:3: column 2: the quote that opens on line 3 is never closed");
	assert_non_null(strstr(out, "loaded 1 rows"));
}

static void write_many(const char *name, unsigned n)
{
	char *text = malloc(n * 40u + 100);
	size_t at = (size_t)sprintf(text, "user_id,age,city\n");

	for (unsigned i = 0; i < n; i++)
		at += (size_t)sprintf(text + at, "%u,%u,city %u\n", i, i * 3, i % 1000);
	write_file(name, text);
	free(text);
}

static void test_load_survives_a_bad_network(void **state)
{
	(void)state;
	write_many("many.csv", 5000);
	fake_set(&fake, &(struct fake_faults){.drop_percent = 20, .duplicate = true});
	CHECK("load user many.csv --time 5 --timeout 10ms --attempts 2", 0, "loaded 5000 rows");
	assert_non_null(strstr(out, "sent again"));
	fake_set(&fake, &(struct fake_faults){0});
	assert_int_equal(fake.n_written, 5000);
	CHECK("get user 4999 --json", 0, "{\"age\":14997,\"score\":null,\"city\":\"city 999\"}");
	fake_set(&fake, &(struct fake_faults){.result = MR_WIRE_RESULT_BUSY});
	CHECK("load user many.csv --give-up 200ms", 3, "no row was acknowledged for");
	fake_set(&fake, &(struct fake_faults){.result = MR_WIRE_RESULT_DENIED});
	CHECK("load user many.csv", 5, "the server refused rows: refused: denied");
}

// ---- sockets -----------------------------------------------------------------------------------

/** Answers one connection on a Unix socket: each message got is appended to @p got. */
struct answerer {
	int fd;
	pthread_t thread;
	const char *greeting, *reply;
	unsigned n_replies;
	char got[4096];
};

static void *answer_one(void *arg)
{
	struct answerer *a = arg;
	int fd = accept(a->fd, NULL, NULL);
	size_t at = 0;
	ssize_t n;

	if (a->greeting != NULL)
		send(fd, a->greeting, strlen(a->greeting), MSG_NOSIGNAL);
	for (unsigned i = 0; i < a->n_replies; i++) {
		char reply[1024];

		n = recv(fd, a->got + at, sizeof(a->got) - 1 - at, 0);
		if (n <= 0)
			break;
		a->got[at + (size_t)n] = '\0';
		snprintf(reply, sizeof(reply), a->reply, a->got + at);
		at += (size_t)n;
		send(fd, reply, strlen(reply), MSG_NOSIGNAL);
	}
	close(fd);
	return NULL;
}

static void answer_start(struct answerer *a, int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", dir);
	unlink(address.sun_path);
	a->got[0] = '\0';
	a->fd = socket(AF_UNIX, type, 0);
	assert_int_equal(bind(a->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(a->fd, 1), 0);
	assert_int_equal(pthread_create(&a->thread, NULL, answer_one, a), 0);
}

static void answer_stop(struct answerer *a)
{
	pthread_join(a->thread, NULL);
	close(a->fd);
}

// What sets-list answers: a set with a composite key, and a view over two sets.
static const char listed[] =
	"ok 258\n"
	"{\"sets\":[{\"name\":\"user\",\"id\":7,\"version\":2,\"ttl_us\":604800"
	"000000,\"durability\":\"wal\",\"key\":[{\"name\":\"a\",\"type\":\"u64\""
	"},{\"name\":\"b\",\"type\":\"string\"}],\"columns\":[{\"name\":\"x\",\""
	"type\":\"i32\"}]}],\"views\":[{\"name\":\"ctr\",\"id\":3,\"columns\":["
	"\"user.x\",\"item.y\",\"item.z\"]}]}";

static void check_admin(
	const char *args, const char *reply, int code, const char *text, const char *want_got)
{
	struct answerer a = {.reply = reply, .n_replies = 1};

	answer_start(&a, SOCK_STREAM);
	CHECK(args, code, text);
	answer_stop(&a);
	assert_string_equal(a.got, want_got);
}

static void test_admin(void **state)
{
	(void)state;
	write_file("u.ini", "[set x]\n");
	check_admin("sets --admin sock --json", "ok 5\na b\nc", 0, "a b\nc\n", "sets-list 0\n");
	check_admin("sets --admin sock", "ok 5\na b\nc", 3, "not JSON", "sets-list 0\n");
	check_admin("sets --admin sock", listed, 0,
		"set   id  version  key         ttl  durability  columns\n"
		"user  7   2        u64,string  1w   wal         1\n"
		"\n"
		"view  id  sets       columns\n"
		"ctr   3   user,item  3\n",
		"sets-list 0\n");
	check_admin("sets show user --admin=sock", "ok 0\n", 0, "", "sets-show user 0\n");
	check_admin("ctl reload --admin sock", "error 4\nno, ", 5, "no, \n", "reload 0\n");
	check_admin("ctl stop --admin sock", "what 4\nno", 3, "no answer to 'stop'", "stop 0\n");
	check_admin("ctl stop --admin sock", "ok 40\nno", 3, "no answer to 'stop'", "stop 0\n");
	check_admin("ctl stop --admin sock", "ok 99999999999\nno", 3, "no answer", "stop 0\n");
	CHECK("sets --admin nothere", 3, "is millraced running");
	CHECK("sets apply nothere.ini --admin sock", 4, "nothere.ini: No such file");
	CHECK("ctl 'a b' --admin sock", 2, "no blanks");
}

static void test_stat(void **state)
{
	struct answerer a = {
		.greeting = "{\"version\":\"DPDK 22.11\",\"pid\":1,\"max_output_len\":16384}",
		.reply = "{\"%s\":{\"hits\":3,\"rate\":0.5,\"lcore\":{\"1\":[7,8]}}}",
		.n_replies = 1,
	};

	(void)state;
	answer_start(&a, SOCK_SEQPACKET);
	CHECK("stat --telemetry sock /x", 0, "/x\nhits ");
	assert_non_null(strstr(out, "lcore.1.0"));
	answer_stop(&a);
	assert_string_equal(a.got, "/x");
	a.n_replies = 2;
	answer_start(&a, SOCK_SEQPACKET);
	CHECK("stat --telemetry sock /x --interval 10ms --count 2", 0, "0.0/s");
	answer_stop(&a);
	a.n_replies = 6;
	answer_start(&a, SOCK_SEQPACKET);
	CHECK("stat --telemetry sock --json", 0, "{\"/millrace/lcores\":{\"hits\":3,");
	answer_stop(&a);
	a.greeting = "hello";
	answer_start(&a, SOCK_SEQPACKET);
	CHECK("stat --telemetry sock", 3, "no DPDK telemetry");
	answer_stop(&a);
	CHECK("stat --telemetry nothere", 3, "is millraced running");
}

static void test_pcap(void **state)
{
	(void)state;
	write_file("s.ini", "[set u]\nid = 7\nkey = string\ncolumn age = i32\n"
			    "[view v]\nid = 3\ncolumns = u.age\n");
	CHECK("pcap", 2, "one capture is expected");
	CHECK("pcap --write x.pcap", 2, "one view or set");
	CHECK("pcap --write x.pcap --from 1.2.3.4 --to ::1 v", 2, "different IP versions");
	CHECK("pcap --write x.pcap --to-mac 1:2:3:4:5:6 v", 2, "MAC address");
	CHECK("pcap --write x.pcap --flows 0 v", 2, "--flows");
	CHECK("pcap --write x.pcap --cookie xyz v", 2, "hexadecimal");
	CHECK("pcap --write x.pcap --sets s.ini other", 4, "no set or view");
	CHECK("pcap --write x.pcap --sets nothere v", 4, "nothere");
	CHECK("pcap --write x.pcap --sets s.ini --count 4 --flows 2 --keys 1 --batch 2 "
	      "--cookie ff v",
		0, "4 requests");
	CHECK("pcap --sets s.ini x.pcap", 0,
		":40001 > 10.77.0.1:7411 get request bytes=34 request_id=0x0000000000000002 "
		"cookie=0x00000000000000ff view_id=32771 view=v keys=[\"0\",\"0\"]");
	assert_non_null(strstr(out, "4 shown; left out: 0 other UDP"));
	CHECK("pcap --json --count 1 x.pcap", 0, "\"keys\":[\"0x30\",\"0x30\"]");
	CHECK("pcap --port 9 x.pcap", 0, "0 shown; left out: 4 other UDP");
	// Without descriptions the server knows the view.
	CHECK("pcap --write - --count 2 user | $T pcap -", 0, "2 shown");
	CHECK("pcap s.ini", 4, "s.ini: neither a pcap nor a pcapng");
	assert_int_equal(system("head -c 130 $DIR/x.pcap > $DIR/cut.pcap"), 0);
	CHECK("pcap cut.pcap", 4, "cut.pcap: byte 130: the file ends");
	assert_non_null(strstr(out, "request_id=0x0000000000000001"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_usage),
		TEST(test_get),
		TEST(test_times),
		TEST(test_lost),
		TEST(test_put_and_del),
		TEST(test_ping),
		TEST(test_load),
		TEST(test_load_stops_at_a_bad_row),
		TEST(test_load_sets_rejects_aside),
		TEST(test_load_refuses_bad_files),
		TEST(test_load_survives_a_bad_network),
		TEST(test_admin),
		TEST(test_stat),
		TEST(test_pcap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
