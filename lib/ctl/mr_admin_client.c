// SPDX-License-Identifier: BSD-3-Clause
#include "mr_admin_priv.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mr_thread.h"
#include "mr_units.h"

#define IN_FIRST_BYTES 4096u

void mr_admin_client_init(const struct mr_admin *a, struct mr_admin_client *c, int fd)
{
	*c = (struct mr_admin_client){.fd = fd, .deadline_ms = mr_admin_now_ms() + a->p.timeout_ms};
}

void mr_admin_client_done(struct mr_admin_client *c)
{
	close(c->fd);
	free(c->in);
	free(c->out);
}

short mr_admin_client_events(const struct mr_admin_client *c)
{
	if (c->job != NULL)
		return 0;
	return c->out != NULL ? POLLOUT : POLLIN;
}

// ---- replies
// -------------------------------------------------------------------------------------

/** Puts a reply in place. @return false: no memory, the connection has to go. */
static bool reply(const struct mr_admin *a, struct mr_admin_client *c, const char *result,
	const char *text, size_t bytes)
{
	char head[64];
	int n = snprintf(head, sizeof(head), "%s %zu\n", result, bytes);

	c->out = malloc((size_t)n + bytes);
	if (c->out == NULL)
		return false;
	memcpy(c->out, head, (size_t)n);
	memcpy(c->out + n, text, bytes);
	c->out_bytes = (size_t)n + bytes;
	c->out_sent = 0;
	c->deadline_ms = mr_admin_now_ms() + a->p.timeout_ms;
	return true;
}

static bool reply_error(
	const struct mr_admin *a, struct mr_admin_client *c, const struct mr_err *err)
{
	return reply(a, c, "error", err->text, strlen(err->text));
}

// ---- requests
// ------------------------------------------------------------------------------------

/** Reads the line of c->in_bytes. @return 0, or -EINVAL with a message. */
static int parse_line(struct mr_admin_client *c, char *end, struct mr_err *err)
{
	char *bytes, *args;
	uint64_t n;

	*end = '\0';
	if (memchr(c->in, '\0', (size_t)(end - c->in)) != NULL)
		return mr_fail(err, EINVAL, "NUL byte in the request's line");
	bytes = strrchr(c->in, ' ');
	if (bytes == NULL || mr_parse_u64(bytes + 1, &n) < 0)
		return mr_fail(err, EINVAL, "want VERB [ARG...] BYTES, got '%.64s'", c->in);
	if (n > MR_ADMIN_PAYLOAD_MAX_BYTES)
		return mr_fail(err, EINVAL, "payload of %llu bytes, at most %u",
			(unsigned long long)n, MR_ADMIN_PAYLOAD_MAX_BYTES);
	*bytes = '\0';
	args = strchr(c->in, ' ');
	if (args != NULL)
		*args = '\0';
	c->line_bytes = (size_t)(end - c->in) + 1;
	c->payload_bytes = n;
	return 0;
}

static const struct mr_admin_verb *find_verb(const struct mr_admin *a, const char *verb)
{
	for (unsigned i = 0; i < a->p.n_verbs; i++)
		if (strcmp(a->p.verbs[i].verb, verb) == 0)
			return &a->p.verbs[i];
	return NULL;
}

static int check_request(const struct mr_admin *a, const struct mr_admin_request *r,
	const struct mr_admin_verb **ret_verb, struct mr_err *err)
{
	const struct mr_admin_verb *verb = find_verb(a, r->verb);

	if (verb == NULL)
		return mr_fail(err, EINVAL, "unknown verb '%.64s'", r->verb);
	if ((verb->args[0] != '\0') != (r->args[0] != '\0'))
		return mr_fail(err, EINVAL, "%s takes %s", verb->verb,
			verb->args[0] != '\0' ? verb->args : "no arguments");
	if (!verb->takes_payload && r->payload_bytes != 0)
		return mr_fail(err, EINVAL, "%s takes no payload", verb->verb);
	*ret_verb = verb;
	return 0;
}

/** Runs a verb to its end. */
static void run_verb(struct mr_admin_job *job)
{
	struct mr_err err = {""};
	FILE *out = open_memstream(&job->text, &job->bytes);
	int ret;

	if (out == NULL) {
		job->failed = true;
		return;
	}
	ret = job->verb->fn(&job->request, out, &err, job->admin->p.arg);
	if (fclose(out) != 0)
		ret = mr_fail(&err, ENOMEM, "no memory for the reply");
	if (ret < 0 && err.text[0] == '\0')
		mr_fail(&err, -ret, "%s", strerror(-ret));
	job->ok = ret >= 0;
	if (job->ok)
		return;
	free(job->text);
	job->text = strdup(err.text);
	job->bytes = strlen(err.text);
	job->failed = job->text == NULL;
}

static bool reply_job(const struct mr_admin *a, struct mr_admin_client *c, struct mr_admin_job *job)
{
	bool ok = !job->failed && reply(a, c, job->ok ? "ok" : "error", job->text, job->bytes);

	free(job->text);
	return ok;
}

static void *run_job(void *arg)
{
	struct mr_admin_job *job = arg;

	run_verb(job);
	// why release: pairs with the acquire in mr_admin_client_waits(): the reply before the
	// flag.
	atomic_store_explicit(&job->done, true, memory_order_release);
	eventfd_write(job->admin->wake, 1);
	return NULL;
}

/** Runs the verb of a whole request, here or on a thread of its own. */
static bool run(
	const struct mr_admin *a, struct mr_admin_client *c, const struct mr_admin_request *r)
{
	struct mr_admin_job here = {.admin = a, .request = *r}, *job;
	struct mr_err err = {""};
	int ret = check_request(a, r, &here.verb, &err);

	if (ret < 0)
		return reply_error(a, c, &err);
	if (!here.verb->own_thread) {
		run_verb(&here);
		return reply_job(a, c, &here);
	}
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return false;
	*job = here;
	ret = mr_thread_start(&job->thread, "mr-admin-job", a->p.cpus, run_job, job);
	if (ret < 0) {
		free(job);
		mr_fail(&err, -ret, "no thread for '%s': %s", r->verb, strerror(-ret));
		return reply_error(a, c, &err);
	}
	c->job = job;
	return true;
}

bool mr_admin_client_waits(const struct mr_admin_client *c)
{
	// why acquire: pairs with run_job().
	return c->job != NULL && !atomic_load_explicit(&c->job->done, memory_order_acquire);
}

/** Takes the request that was served off the input. */
static void end_request(struct mr_admin_client *c)
{
	size_t used = c->line_bytes + c->payload_bytes;

	c->in[used] = c->after;
	memmove(c->in, c->in + used, c->in_bytes - used);
	c->in_bytes -= used;
	c->line_bytes = 0;
}

bool mr_admin_client_finish(const struct mr_admin *a, struct mr_admin_client *c)
{
	bool ok;

	pthread_join(c->job->thread, NULL);
	ok = reply_job(a, c, c->job);
	free(c->job);
	c->job = NULL;
	end_request(c);
	return ok;
}

/** Serves the request that c->in starts with, if it is whole. */
static bool serve_request(const struct mr_admin *a, struct mr_admin_client *c)
{
	struct mr_admin_request r;
	size_t used;
	bool ok;

	if (c->line_bytes == 0) {
		char *end = c->in_bytes > 0 ? memchr(c->in, '\n', c->in_bytes) : NULL;
		struct mr_err err = {""};

		if (end == NULL && c->in_bytes < MR_ADMIN_LINE_MAX_BYTES)
			return true;
		if (end == NULL || (size_t)(end - c->in) >= MR_ADMIN_LINE_MAX_BYTES)
			mr_fail(&err, EINVAL, "line of more than %u bytes",
				MR_ADMIN_LINE_MAX_BYTES);
		else
			parse_line(c, end, &err);
		if (c->line_bytes == 0) {
			c->closing = true;
			return reply_error(a, c, &err);
		}
	}
	used = c->line_bytes + c->payload_bytes;
	if (c->in_bytes < used)
		return true;
	r.verb = c->in;
	// The blanks became terminators: arguments stand after the first, or there are none.
	r.args = c->in + strlen(c->in) + 1;
	if (r.args + strlen(r.args) + 1 >= c->in + c->line_bytes)
		r.args = "";
	r.payload = c->in + c->line_bytes;
	r.payload_bytes = c->payload_bytes;
	// There is always room for one byte more.
	c->after = c->in[used];
	c->in[used] = '\0';
	ok = run(a, c, &r);
	if (c->job == NULL)
		end_request(c);
	return ok;
}

// ---- bytes
// ---------------------------------------------------------------------------------------

/** Room for at least one byte more and a terminator; grows with what comes, not with a promise. */
static bool make_room(struct mr_admin_client *c)
{
	size_t room = c->in_room == 0 ? IN_FIRST_BYTES : 2 * c->in_room;
	char *in;

	if (c->in_bytes + 1 < c->in_room)
		return true;
	in = realloc(c->in, room);
	if (in == NULL)
		return false;
	c->in = in;
	c->in_room = room;
	return true;
}

static bool take_in(const struct mr_admin *a, struct mr_admin_client *c)
{
	ssize_t n;

	if (!make_room(c))
		return false;
	n = recv(c->fd, c->in + c->in_bytes, c->in_room - c->in_bytes - 1, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		c->ended = true;
		return true;
	}
	if (c->in_bytes == 0)
		c->deadline_ms = mr_admin_now_ms() + a->p.timeout_ms;
	c->in_bytes += (size_t)n;
	return true;
}

static bool send_out(struct mr_admin_client *c)
{
	ssize_t n = send(c->fd, c->out + c->out_sent, c->out_bytes - c->out_sent,
		MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->out_sent += (size_t)n;
	if (c->out_sent < c->out_bytes)
		return true;
	free(c->out);
	c->out = NULL;
	return !c->closing;
}

bool mr_admin_client_serve(const struct mr_admin *a, struct mr_admin_client *c)
{
	if (c->out == NULL && !take_in(a, c))
		return false;
	if (c->out == NULL && !serve_request(a, c))
		return false;
	if (c->out != NULL && !send_out(c))
		return false;
	// The next request may be here already.
	while (c->out == NULL && c->job == NULL && c->in_bytes > 0) {
		size_t before = c->in_bytes;

		if (!serve_request(a, c) || (c->out != NULL && !send_out(c)))
			return false;
		if (c->in_bytes == before && c->out == NULL)
			break;
	}
	// Nothing more can come: what is there is half a request.
	return c->out != NULL || c->job != NULL || !c->ended;
}
