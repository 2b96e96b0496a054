// SPDX-License-Identifier: BSD-3-Clause
//
// An RX lcore in steady state allocates nothing, takes no lock and makes no system call, whatever
// it answers. Heap and locks: this program's own malloc() and pthread_mutex_lock() stand before the
// C library's for every shared object, DPDK's included, and count. System calls: a child whose
// seccomp filter lets nothing through but its end.
#include "path_util.h"

#include "mr_small.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 100000u
#define KINDS 6u

// ---- counting
// ------------------------------------------------------------------------------------

static __thread bool counting;
static __thread unsigned n_heap, n_locks;

// Sanitizers bring their own heap.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS_HEAP 1

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *p);

void *malloc(size_t bytes)
{
	n_heap += counting;
	return __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
	n_heap += counting;
	return __libc_calloc(n, bytes);
}

void *realloc(void *p, size_t bytes)
{
	n_heap += counting;
	return __libc_realloc(p, bytes);
}

void free(void *p)
{
	n_heap += counting;
	__libc_free(p);
}

void *aligned_alloc(size_t align, size_t bytes)
{
	n_heap += counting;
	return __libc_memalign(align, bytes);
}

int posix_memalign(void **ret, size_t align, size_t bytes)
{
	n_heap += counting;
	*ret = __libc_memalign(align, bytes);
	return *ret != NULL ? 0 : ENOMEM;
}
#endif

static int (*real_mutex_lock)(pthread_mutex_t *mutex);
static int (*real_rwlock_rdlock)(pthread_rwlock_t *lock);

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (real_mutex_lock == NULL)
		real_mutex_lock =
			(int (*)(pthread_mutex_t *))dlsym(RTLD_NEXT, "pthread_mutex_lock");
	n_locks += counting;
	return real_mutex_lock(mutex);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
	if (real_rwlock_rdlock == NULL)
		real_rwlock_rdlock =
			(int (*)(pthread_rwlock_t *))dlsym(RTLD_NEXT, "pthread_rwlock_rdlock");
	n_locks += counting;
	return real_rwlock_rdlock(lock);
}

// ---- the work
// ------------------------------------------------------------------------------------

static struct path path;
static struct {
	unsigned bytes;
	uint8_t data[2048];
} requests[KINDS];

// Stands in for the I/O lcore: answers what was handed over, without a store.
static void answer_misses(void)
{
	struct mr_wire_request wire = {.op = MR_WIRE_OP_GET};
	struct rte_mbuf *mbufs[64];
	unsigned n = mr_handoff_take(&path.f.handoff, 0, 0, mbufs, 64);

	for (unsigned i = 0; i < n; i++)
		mr_small_refuse(mbufs[i], &path.f.port, &wire, MR_WIRE_RESULT_BUSY);
	if (n > 0)
		mr_handoff_give(&path.f.handoff, 0, 0, mbufs, n);
}

static void turn(unsigned i)
{
	struct rte_mbuf *burst[16], *m;

	// Every other turn finds nothing, as most do.
	for (unsigned k = 0; i % 2 == 0 && k < 16; k++) {
		unsigned kind = (i / 2 + k) % KINDS;

		burst[k] = mr_fixture_raw(&path.f, requests[kind].data, requests[kind].bytes);
	}
	if (i % 2 == 0)
		mr_fixture_send(&path.f, 0, burst, 16);
	mr_rx_turn(path.f.rx[0]);
	answer_misses();
	while (mr_fixture_receive(&path.f, &m, 1) == 1)
		rte_pktmbuf_free(m);
}

static void keep(unsigned kind, const uint8_t *request, unsigned bytes)
{
	struct rte_mbuf *m = mr_fixture_frame(&path.f, request, bytes);

	requests[kind].bytes = m->pkt_len;
	memcpy(requests[kind].data, rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len);
	rte_pktmbuf_free(m);
}

// Hits in one datagram and in several, negatives, misses, a refusal, a write.
static void make_requests(void)
{
	static uint8_t request[1400], row[MR_ROW_MAX_BYTES];
	struct mr_wire_ask ask = {.request_id = 1};
	unsigned keys[] = {1, 2, 3, 399}, miss = 5, big = 6;
	unsigned bytes = path_row_make(&path, PATH_USER, 10, row);
	struct path_write write = {9, PATH_NOW_US, row, bytes};

	for (unsigned i = 1; i <= 3; i++)
		path_put(&path, PATH_USER, i, PATH_CACHE, PATH_NOW_US, row, bytes);
	path_put(&path, PATH_USER, miss, PATH_STORE, PATH_NOW_US, row, bytes);
	keep(0, request, path_get(&path, request, 1400, PATH_USER, keys, 4));
	keep(1, request, path_get(&path, request, 1400, PATH_USER, &keys[3], 1));
	keep(2, request, path_get(&path, request, 1400, PATH_USER, &miss, 1));
	keep(3, request, path_write(&path, request, 1400, MR_WIRE_OP_PUT, PATH_USER, &write, 1));
	bytes = path_row_make(&path, PATH_BLOB, 4000, row);
	path_put(&path, PATH_BLOB, big, PATH_CACHE, PATH_NOW_US, row, bytes);
	keep(4, request, path_get(&path, request, 1400, PATH_BLOB, &big, 1));
	keep(5, request, (unsigned)mr_wire_describe_encode(request, 1400, &ask, "nobody", 0));
}

static int setup(void **state)
{
	(void)state;
	path_begin(&path, &(struct mr_fixture_params){.handoff_depth = 16});
	make_requests();
	// What is bound and touched lazily is so by then.
	for (unsigned i = 0; i < 1000; i++)
		turn(i);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++)
		turn(1);
	path_end(&path);
	return 0;
}

static void no_heap_no_locks(void **state)
{
	uint64_t hits = mr_fixture_rx_count(&path.f, hits);
	uint64_t misses = mr_fixture_rx_count(&path.f, misses);

	(void)state;
	counting = true;
	for (unsigned i = 0; i < TURNS; i++)
		turn(i);
	counting = false;
	assert_int_equal(n_heap, 0);
	assert_int_equal(n_locks, 0);
	assert_true(mr_fixture_rx_count(&path.f, hits) - hits > TURNS);
	assert_true(mr_fixture_rx_count(&path.f, misses) - misses > TURNS / 2);
	assert_true(mr_fixture_rx_count(&path.f, shed) > 0 ||
		    mr_fixture_rx_count(&path.f, collected) > TURNS / 2);
}

// The counters themselves count.
static void the_counters_see(void **state)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	void *volatile p;

	(void)state;
	n_heap = n_locks = 0;
	counting = true;
	p = malloc(10);
	free(p);
	pthread_mutex_lock(&mutex);
	counting = false;
	pthread_mutex_unlock(&mutex);
#ifdef COUNTS_HEAP
	assert_int_equal(n_heap, 2);
#endif
	assert_int_equal(n_locks, 1);
	n_heap = n_locks = 0;
}

// ---- system calls
// --------------------------------------------------------------------------------

// Sanitizers do more than that in _exit().
static void leave(int status)
{
	syscall(SYS_exit_group, status);
}

static void on_system_call(int signal, siginfo_t *info, void *context)
{
	char text[] = "system call ....\n";

	(void)signal;
	(void)context;
	for (int i = 15, n = info->si_syscall; i > 11; i--, n /= 10)
		text[i] = (char)('0' + n % 10);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		leave(3);
	leave(2);
}

static int forbid_system_calls(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_write, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = MR_ARRAY_SIZE(code), .filter = code};
	struct sigaction action = {.sa_sigaction = on_system_call, .sa_flags = SA_SIGINFO};

	sigaction(SIGSYS, &action, NULL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

// Runs in a child. @return its exit status, or 128 and the signal that killed it.
static int in_child(void (*work)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (forbid_system_calls() < 0)
			leave(4);
		work();
		leave(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void all_turns(void)
{
	for (unsigned i = 0; i < TURNS; i++)
		turn(i);
}

static void one_system_call(void)
{
	syscall(SYS_getppid);
}

static void no_system_calls(void **state)
{
	(void)state;
	assert_int_equal(in_child(one_system_call), 2);
	assert_int_equal(in_child(all_turns), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_counters_see),
		cmocka_unit_test_setup_teardown(no_heap_no_locks, setup, teardown),
		cmocka_unit_test_setup_teardown(no_system_calls, setup, teardown),
	};

	(void)argc;
	if (mr_fixture_eal(argv[0], 512) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
