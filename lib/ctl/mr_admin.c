// SPDX-License-Identifier: BSD-3-Clause
#include "mr_admin.h"
#include "mr_admin_priv.h"
#include "mr_thread.h"
#include "mr_units.h"

#include <errno.h>
#include <libgen.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_DEFAULT_MS 30000u
#define DRAIN_MS 1000u
#define BACKLOG 16

uint64_t mr_admin_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / MR_NS_PER_MS;
}

// ---- the thread
// ----------------------------------------------------------------------------------

static void drop_client(struct mr_admin *a, unsigned i)
{
	mr_admin_client_done(&a->clients[i]);
	a->clients[i] = a->clients[--a->n_clients];
}

static void accept_client(struct mr_admin *a)
{
	int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	// Nothing to do about a failure: the client is gone, or descriptors are short for a while.
	if (fd >= 0)
		mr_admin_client_init(a, &a->clients[a->n_clients++], fd);
}

/** How long to wait: to the nearest deadline. */
static int wait_ms(const struct mr_admin *a, uint64_t now_ms)
{
	uint64_t nearest = now_ms + 60000;

	for (unsigned i = 0; i < a->n_clients; i++)
		if (a->clients[i].job == NULL)
			nearest = MR_MIN(nearest, a->clients[i].deadline_ms);
	return nearest > now_ms ? (int)(nearest - now_ms) : 0;
}

/** After poll(): @return false when the connection is over. */
static bool serve_client(struct mr_admin *a, struct mr_admin_client *c, short revents)
{
	if (mr_admin_client_waits(c))
		return true;
	if (c->job != NULL && !mr_admin_client_finish(a, c))
		return false;
	if (revents != 0 && !mr_admin_client_serve(a, c))
		return false;
	return c->job != NULL || mr_admin_now_ms() < c->deadline_ms;
}

/** One round of poll(). @param accepting false: only clients whose reply is not out yet. */
static void serve(struct mr_admin *a, bool accepting)
{
	struct pollfd fds[2 + MR_ADMIN_CLIENTS_MAX];
	uint64_t now_ms = mr_admin_now_ms();
	unsigned n = a->n_clients;
	bool room = n < MR_ADMIN_CLIENTS_MAX;
	eventfd_t events;

	fds[0] = (struct pollfd){.fd = a->wake, .events = POLLIN};
	// With all places taken, the rest waits in the backlog: places fall free at their deadline.
	fds[1] = (struct pollfd){.fd = accepting && room ? a->listener : -1, .events = POLLIN};
	for (unsigned i = 0; i < n; i++)
		fds[2 + i] = (struct pollfd){
			// With a job under way not even a hang-up is of interest.
			.fd = a->clients[i].job != NULL ? -1 : a->clients[i].fd,
			.events = mr_admin_client_events(&a->clients[i]),
		};
	if (poll(fds, 2 + n, MR_MIN(wait_ms(a, now_ms), accepting ? 60000 : 50)) < 0)
		return;
	if (fds[0].revents != 0)
		eventfd_read(a->wake, &events);
	// Backwards: dropping one moves the last into its place.
	for (unsigned i = n; i-- > 0;) {
		struct mr_admin_client *c = &a->clients[i];

		if (!serve_client(a, c, fds[2 + i].revents) ||
			(!accepting && c->out == NULL && c->job == NULL))
			drop_client(a, i);
	}
	if (fds[1].revents != 0)
		accept_client(a);
}

static bool any_job(const struct mr_admin *a)
{
	for (unsigned i = 0; i < a->n_clients; i++)
		if (a->clients[i].job != NULL)
			return true;
	return false;
}

static void *run(void *arg)
{
	struct mr_admin *a = arg;
	uint64_t until_ms;

	// why relaxed: the eventfd wakes the thread after it was set.
	while (!atomic_load_explicit(&a->stop, memory_order_relaxed))
		serve(a, true);
	while (any_job(a))
		serve(a, false);
	until_ms = mr_admin_now_ms() + DRAIN_MS;
	while (a->n_clients > 0 && mr_admin_now_ms() < until_ms)
		serve(a, false);
	while (a->n_clients > 0)
		drop_client(a, a->n_clients - 1);
	return NULL;
}

// ---- the socket
// ----------------------------------------------------------------------------------

static int make_directory(const char *path, struct mr_err *err)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return mr_fail(err, errno, "%s: cannot make the directory %s: %s", path, dir,
			strerror(errno));
	return 0;
}

/** Whether somebody answers on the socket file. */
static bool answers(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes;

	if (fd < 0)
		return true;
	yes = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	      errno != ECONNREFUSED;
	close(fd);
	return yes;
}

/** Removes what a process that died has left; refuses to remove anything else. */
static int clear_stale(const struct sockaddr_un *address, struct mr_err *err)
{
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : mr_fail(err, errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return mr_fail(err, EADDRINUSE, "%s: is there and is not a socket", path);
	if (answers(address))
		return mr_fail(err, EADDRINUSE,
			"%s: another process answers there: is millraced running?", path);
	if (unlink(path) < 0)
		return mr_fail(
			err, errno, "%s: cannot remove the old socket: %s", path, strerror(errno));
	return 0;
}

static int open_socket(struct mr_admin *a, struct mr_err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = a->p.path;
	struct stat st;
	int ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return mr_fail(err, ENAMETOOLONG, "%s: path of more than %zu bytes", path,
			sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	ret = make_directory(path, err);
	if (ret == 0)
		ret = clear_stale(&address, err);
	if (ret < 0)
		return ret;
	a->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	// The mode before the name: there is no moment at which others could connect.
	if (a->listener < 0 || fchmod(a->listener, 0600) < 0 ||
		bind(a->listener, (struct sockaddr *)&address, sizeof(address)) < 0)
		return mr_fail(err, errno, "%s: cannot make the socket: %s", path, strerror(errno));
	a->bound = true;
	if (chmod(path, 0600) < 0 || stat(path, &st) < 0 || listen(a->listener, BACKLOG) < 0)
		return mr_fail(err, errno, "%s: cannot open the socket: %s", path, strerror(errno));
	a->dev = st.st_dev;
	a->inode = st.st_ino;
	return 0;
}

struct mr_admin *mr_admin_create(const struct mr_admin_params *params, struct mr_err *err)
{
	struct mr_admin *a = calloc(1, sizeof(*a));
	int ret;

	if (a == NULL) {
		mr_fail(err, ENOMEM, "no memory for the admin socket");
		return NULL;
	}
	a->p = *params;
	a->p.timeout_ms = params->timeout_ms != 0 ? params->timeout_ms : TIMEOUT_DEFAULT_MS;
	a->listener = -1;
	a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = a->wake < 0 ? mr_fail(err, errno, "no eventfd: %s", strerror(errno))
	                  : open_socket(a, err);
	if (ret == 0) {
		ret = mr_thread_start(&a->thread, "mr-admin", a->p.cpus, run, a);
		if (ret < 0)
			mr_fail(err, -ret, "no thread for the admin socket: %s", strerror(-ret));
		a->has_thread = ret == 0;
	}
	if (ret < 0) {
		mr_admin_free(a);
		errno = -ret;
		return NULL;
	}
	return a;
}

static void remove_file(const struct mr_admin *a)
{
	struct stat st;

	if (a->bound && lstat(a->p.path, &st) == 0 &&
		(a->inode == 0 || (st.st_dev == a->dev && st.st_ino == a->inode)))
		unlink(a->p.path);
}

void mr_admin_free(struct mr_admin *a)
{
	if (a == NULL)
		return;
	if (a->has_thread) {
		// why relaxed: the write to the eventfd is what the thread wakes on; a verb that
		// takes long may see the other one a little late.
		atomic_store_explicit(&a->stop, true, memory_order_relaxed);
		if (a->p.cancel != NULL)
			atomic_store_explicit(a->p.cancel, true, memory_order_relaxed);
		eventfd_write(a->wake, 1);
		pthread_join(a->thread, NULL);
	}
	remove_file(a);
	if (a->listener >= 0)
		close(a->listener);
	if (a->wake >= 0)
		close(a->wake);
	free(a);
}
