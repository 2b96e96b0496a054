// SPDX-License-Identifier: BSD-3-Clause
//
// One run: a turn fills requests that are due, sends them, takes what came, gives up on what did
// not.

#include "blast.h"
#include "blast_port.h"
#include "clock.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define BURST 32u
#define DATAGRAM_BYTES 65536u
#define SOCKET_BYTES (4 << 20)
#define SLOTS_MAX (UINT64_C(1) << 24)
#define HELLO_NONCE UINT64_C(0x6d696c6c72616365)
// Ids of HELLO requests; others count up from far below.
#define HELLO_ID (UINT64_C(1) << 63)

struct slot {
	uint64_t due_ns;
	uint64_t sent_ns;
	uint16_t datagrams_left; //!< of its reply; 0: none has come yet
	bool is_open;
};

struct run {
	const struct blast_params *p;
	struct blast_result *r;
	unsigned n_sockets, turn;
	struct pollfd fds[BLAST_SOCKETS_MAX];
	uint64_t cookies[BLAST_SOCKETS_MAX];
	uint64_t hello_at_ns[BLAST_SOCKETS_MAX];
	bool is_greeted[BLAST_SOCKETS_MAX];
	struct slot *slots;
	uint64_t mask, oldest_id, next_id; //!< ids in [oldest, next) have a slot
	uint64_t n_open;
	uint64_t start_ns, end_ns;
	double next_due_ns; //!< since the start
	// Filled and not yet sent: the last n_filled - n_gone ids.
	unsigned n_filled, n_gone, socket;
	struct mmsghdr out[BURST], in[BURST];
	struct iovec out_iov[BURST], in_iov[BURST];
	unsigned in_sockets[BURST];
	uint8_t *out_data, *in_data;
	// The present bin.
	struct blast_bin bin;
	struct mr_hist *bin_ns;
	uint64_t bin_start_ns, bin_ns_each, progress_at_ns, shed_before;
	unsigned bins_capacity;
};

/** Filled, but not yet taken by the socket. */
static unsigned unsent(const struct run *run)
{
	return run->n_filled - run->n_gone;
}

static struct slot *slot_of(struct run *run, uint64_t id)
{
	return &run->slots[id & run->mask];
}

// ---- sockets and cookies -----------------------------------------------------------------------

/** As sendmmsg(), by socket @p i. */
static int send_some(struct run *run, unsigned i, struct mmsghdr *messages, unsigned n)
{
	if (run->p->port != NULL)
		return run->p->port->send(run->p->port, i, messages, n);
	return sendmmsg(run->fds[i].fd, messages, n, MSG_DONTWAIT);
}

static void say_hello(struct run *run, unsigned i, uint64_t now_ns)
{
	struct mr_wire_ask ask = {.request_id = HELLO_ID};
	uint8_t data[128];
	int bytes = mr_wire_hello_encode(data, sizeof(data), &ask, HELLO_NONCE + i);
	struct iovec iov = {.iov_base = data, .iov_len = (size_t)bytes};
	struct mmsghdr message = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};

	// Again in a while, unless the answer says how long its cookie holds.
	run->hello_at_ns[i] = now_ns + MR_NS_PER_S / 10;
	if (bytes >= 0)
		(void)send_some(run, i, &message, 1);
}

static void take_hello(
	struct run *run, unsigned i, const struct mr_wire_reply *reply, uint64_t now_ns)
{
	struct mr_wire_hello_reply hello;

	if (reply->result != MR_WIRE_RESULT_OK)
		return;
	mr_wire_hello_reply_get(reply, &hello);
	run->is_greeted[i] = true;
	run->cookies[i] = hello.cookie;
	run->hello_at_ns[i] = hello.cookie == 0 || hello.cookie_valid_s == 0
	                              ? UINT64_MAX
	                              : now_ns + hello.cookie_valid_s * (MR_NS_PER_S / 2);
}

static int open_sockets(struct run *run, struct mr_err *err)
{
	int bytes = SOCKET_BYTES;

	if (run->p->port != NULL) {
		run->n_sockets = run->p->n_sockets;
		return 0;
	}
	for (unsigned i = 0; i < run->p->n_sockets; i++) {
		int fd = socket(run->p->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)&run->p->address,
				      run->p->address_bytes) != 0) {
			int error = errno;

			if (fd >= 0)
				close(fd);
			return mr_fail(err, error, "socket: %s", strerror(error));
		}
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
		run->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
		run->n_sockets++;
		run->hello_at_ns[i] = 0;
	}
	return 0;
}

// ---- what is told ------------------------------------------------------------------------------

static void end_bin(struct run *run, uint64_t now_ns)
{
	struct blast_result *r = run->r;
	uint64_t shed = blast_shed(r);

	run->bin.start_s = (double)(run->bin_start_ns - run->start_ns) / (double)MR_NS_PER_S;
	run->bin.seconds = (double)(now_ns - run->bin_start_ns) / (double)MR_NS_PER_S;
	run->bin.shed = shed - run->shed_before;
	run->bin.p50_ns = mr_hist_quantile(run->bin_ns, 0.5);
	run->bin.p99_ns = mr_hist_quantile(run->bin_ns, 0.99);
	run->bin.max_ns = run->bin_ns->max;
	if (r->n_bins < run->bins_capacity)
		r->bins[r->n_bins++] = run->bin;
	memset(&run->bin, 0, sizeof(run->bin));
	memset(run->bin_ns, 0, sizeof(*run->bin_ns));
	run->bin_start_ns = now_ns;
	run->shed_before = shed;
}

static void keep_time(struct run *run, uint64_t now_ns)
{
	if (now_ns >= run->bin_start_ns + run->bin_ns_each)
		end_bin(run, now_ns);
	if (run->p->progress != NULL && now_ns >= run->progress_at_ns) {
		run->progress_at_ns = now_ns + MR_NS_PER_S;
		run->r->seconds = (double)(now_ns - run->start_ns) / (double)MR_NS_PER_S;
		run->p->progress(run->r);
	}
}

// ---- answers -----------------------------------------------------------------------------------

static void count_statuses(struct blast_result *r, const struct mr_wire_reply *reply)
{
	struct mr_wire_value value;
	uint32_t cursor = 0;

	if (reply->op == MR_WIRE_OP_PUT)
		for (unsigned i = 0; i < reply->entry_count; i++)
			r->statuses[mr_wire_ack_status(reply, i)]++;
	else
		while (mr_wire_entry_next(reply, &cursor, &value))
			// The last piece of a row counts for all of them.
			if (value.piece_offset + value.piece_bytes == value.row_bytes)
				r->statuses[value.status]++;
}

static void complete(struct run *run, struct slot *slot, uint64_t now_ns)
{
	struct blast_result *r = run->r;
	uint64_t latency_ns = now_ns - slot->due_ns;

	slot->is_open = false;
	run->n_open--;
	r->answered++;
	run->bin.answered++;
	if (latency_ns > run->p->timeout_ns) {
		r->late++;
		run->bin.late++;
	}
	mr_hist_record(r->latency_ns, latency_ns, 1);
	mr_hist_record(r->service_ns, now_ns - slot->sent_ns, 1);
	mr_hist_record(run->bin_ns, latency_ns, 1);
}

static void take_datagram(
	struct run *run, unsigned i, const uint8_t *data, size_t bytes, uint64_t now_ns)
{
	struct blast_result *r = run->r;
	struct mr_wire_reply reply;
	struct slot *slot;

	if (mr_wire_reply_decode(data, bytes, &reply) != MR_WIRE_DEFECT_NONE) {
		r->malformed++;
		return;
	}
	if (reply.op == MR_WIRE_OP_HELLO) {
		take_hello(run, i, &reply, now_ns);
		return;
	}
	if (reply.request_id - run->oldest_id >= run->next_id - run->oldest_id ||
		!slot_of(run, reply.request_id)->is_open) {
		r->stray++;
		return;
	}
	slot = slot_of(run, reply.request_id);
	if (reply.result == MR_WIRE_RESULT_OK)
		count_statuses(r, &reply);
	if (reply.result == MR_WIRE_RESULT_COOKIE_NEEDED &&
		run->hello_at_ns[i] > now_ns + MR_NS_PER_S / 2)
		run->hello_at_ns[i] = now_ns;
	if (slot->datagrams_left == 0) {
		slot->datagrams_left = reply.frag_count;
		if (reply.result < MR_WIRE_RESULT_COUNT)
			r->results[reply.result]++;
	}
	if (--slot->datagrams_left == 0)
		complete(run, slot, now_ns);
}

static void take_answers(struct run *run, unsigned i)
{
	int n;

	do {
		uint64_t now_ns;

		n = recvmmsg(run->fds[i].fd, run->in, BURST, MSG_DONTWAIT, NULL);
		now_ns = clock_ns();
		for (int k = 0; k < n; k++)
			take_datagram(run, i, run->in_data + (size_t)k * DATAGRAM_BYTES,
				run->in[k].msg_len, now_ns);
	} while (n == (int)BURST);
}

static void take_from_port(struct run *run)
{
	int n;

	do {
		uint64_t now_ns;

		n = run->p->port->receive(run->p->port, run->in, run->in_sockets, BURST);
		now_ns = clock_ns();
		for (int k = 0; k < n; k++)
			take_datagram(run, run->in_sockets[k],
				run->in_data + (size_t)k * DATAGRAM_BYTES, run->in[k].msg_len,
				now_ns);
	} while (n == (int)BURST);
}

static void give_up(struct run *run, uint64_t now_ns)
{
	while (run->oldest_id < run->next_id - unsent(run)) {
		struct slot *slot = slot_of(run, run->oldest_id);

		if (slot->is_open) {
			if (now_ns - slot->sent_ns < run->p->give_up_ns)
				break;
			slot->is_open = false;
			run->n_open--;
			run->r->lost++;
			run->bin.lost++;
		}
		run->oldest_id++;
	}
}

// ---- requests ----------------------------------------------------------------------------------

/** Time between two requests, in ns. */
static double gap_ns(struct run *run)
{
	double mean_ns = (double)MR_NS_PER_S / run->p->rate_per_s;

	return run->p->even ? mean_ns : -log(1 - mr_rng_unit(&run->p->work->rng)) * mean_ns;
}

static bool is_due(const struct run *run, uint64_t now_ns)
{
	if (now_ns >= run->end_ns || run->next_id - run->oldest_id > run->mask)
		return false;
	if (run->p->rate_per_s > 0)
		return run->start_ns + (uint64_t)run->next_due_ns <= now_ns;
	return run->n_open < run->p->window;
}

static void fill(struct run *run, uint64_t now_ns)
{
	if (unsent(run) > 0)
		return;
	run->n_filled = run->n_gone = 0;
	run->socket = run->turn++ % run->n_sockets;
	while (run->n_filled < BURST && is_due(run, now_ns)) {
		uint8_t *data = run->out_data + (size_t)run->n_filled * DATAGRAM_BYTES;
		struct slot *slot = slot_of(run, run->next_id);
		size_t bytes = blast_work_next(
			run->p->work, data, run->next_id, run->cookies[run->socket]);

		slot->is_open = true;
		slot->datagrams_left = 0;
		slot->due_ns = now_ns;
		if (run->p->rate_per_s > 0) {
			slot->due_ns = run->start_ns + (uint64_t)run->next_due_ns;
			run->next_due_ns += gap_ns(run);
		}
		run->out_iov[run->n_filled++].iov_len = bytes;
		run->next_id++;
		run->n_open++;
	}
}

static void flush(struct run *run)
{
	uint64_t now_ns = clock_ns(), id = run->next_id - unsent(run);
	int n;

	if (unsent(run) == 0)
		return;
	// Before they leave: an answer may be there when the call returns.
	for (uint64_t k = id; k < run->next_id; k++)
		slot_of(run, k)->sent_ns = now_ns;
	n = send_some(run, run->socket, run->out + run->n_gone, unsent(run));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		// What an earlier datagram met (ICMP) is told here; this one is then tried again.
		run->r->send_errors++;
		return;
	}
	for (uint64_t k = id; k < id + (unsigned)n; k++)
		mr_hist_record(run->r->lag_ns, now_ns - MR_MIN(now_ns, slot_of(run, k)->due_ns), 1);
	run->n_gone += (unsigned)n;
	run->r->sent += (unsigned)n;
	run->bin.sent += (unsigned)n;
}

// ---- a turn ------------------------------------------------------------------------------------

/** Until when there is nothing to do but answers. */
static uint64_t wait_ns(const struct run *run, uint64_t now_ns)
{
	uint64_t due_ns = run->start_ns + (uint64_t)run->next_due_ns;

	if (unsent(run) > 0 || run->p->spin || is_due(run, now_ns))
		return 0;
	if (now_ns >= run->end_ns || run->p->rate_per_s == 0)
		return MR_NS_PER_MS;
	return due_ns > now_ns ? MR_MIN(due_ns - now_ns, MR_NS_PER_MS) : 0;
}

/** Takes what has come by @p wait_ns from now. A port is asked at once: it can wake nobody. */
static void take_all(struct run *run, uint64_t wait_ns)
{
	struct timespec wait = {.tv_nsec = (long)wait_ns};
	int n;

	if (run->p->port != NULL) {
		take_from_port(run);
		return;
	}
	n = ppoll(run->fds, run->n_sockets, &wait, NULL);
	for (unsigned i = 0; n > 0 && i < run->n_sockets; i++)
		if (run->fds[i].revents != 0)
			take_answers(run, i);
}

static void greet(struct run *run, uint64_t now_ns)
{
	for (unsigned i = 0; i < run->n_sockets; i++)
		if (now_ns >= run->hello_at_ns[i])
			say_hello(run, i, now_ns);
}

/** Gets a cookie for each socket. @return false: no answer. */
static bool greet_all(struct run *run)
{
	uint64_t now_ns = clock_ns(), end_ns = now_ns + 3 * MR_NS_PER_S;
	unsigned n = 0;

	while (n < run->n_sockets && now_ns < end_ns) {
		greet(run, now_ns);
		take_all(run, 10 * MR_NS_PER_MS);
		now_ns = clock_ns();
		n = 0;
		for (unsigned i = 0; i < run->n_sockets; i++)
			n += run->is_greeted[i];
	}
	return n == run->n_sockets;
}

static void drive(struct run *run)
{
	uint64_t now_ns = clock_ns();

	run->start_ns = run->bin_start_ns = now_ns;
	run->progress_at_ns = now_ns + MR_NS_PER_S;
	run->end_ns = now_ns + run->p->duration_ns;
	while (now_ns < run->end_ns || run->n_open > unsent(run) ||
		(unsent(run) > 0 && now_ns < run->end_ns + run->p->give_up_ns)) {
		greet(run, now_ns);
		fill(run, now_ns);
		flush(run);
		take_all(run, wait_ns(run, now_ns));
		now_ns = clock_ns();
		give_up(run, now_ns);
		keep_time(run, now_ns);
	}
	end_bin(run, now_ns);
	run->r->seconds = (double)run->p->duration_ns / (double)MR_NS_PER_S;
	run->r->offered_per_s = run->p->rate_per_s > 0 ? run->p->rate_per_s
	                                               : (double)run->r->sent / run->r->seconds;
}

// ---- memory ------------------------------------------------------------------------------------

static struct mr_hist *hist_new(void)
{
	struct mr_hist *h = aligned_alloc(_Alignof(struct mr_hist), sizeof(*h));

	if (h != NULL)
		memset(h, 0, sizeof(*h));
	return h;
}

static bool allocate(struct run *run)
{
	const struct blast_params *p = run->p;
	struct blast_result *r = run->r;
	double give_up_s = (double)p->give_up_ns / (double)MR_NS_PER_S;
	double wanted = p->rate_per_s > 0 ? p->rate_per_s * give_up_s * 1.25 : p->window * 2.0;
	uint64_t n = 4096;

	while (n < SLOTS_MAX && (double)n < wanted + 4096)
		n *= 2;
	run->mask = n - 1;
	run->slots = calloc(n, sizeof(*run->slots));
	run->out_data = malloc((size_t)BURST * DATAGRAM_BYTES);
	run->in_data = malloc((size_t)BURST * DATAGRAM_BYTES);
	// 200 bins at most, of tenths of a second.
	run->bin_ns_each = (p->duration_ns / 200 / (MR_NS_PER_S / 10) + 1) * (MR_NS_PER_S / 10);
	run->bins_capacity =
		(unsigned)((p->duration_ns + 2 * p->give_up_ns) / run->bin_ns_each) + 8;
	r->bins = calloc(run->bins_capacity, sizeof(*r->bins));
	run->bin_ns = hist_new();
	r->latency_ns = hist_new();
	r->service_ns = hist_new();
	r->lag_ns = hist_new();
	return run->slots != NULL && run->out_data != NULL && run->in_data != NULL &&
	       r->bins != NULL && run->bin_ns != NULL && r->latency_ns != NULL &&
	       r->service_ns != NULL && r->lag_ns != NULL;
}

static void point_at_buffers(struct run *run)
{
	for (unsigned i = 0; i < BURST; i++) {
		run->out_iov[i].iov_base = run->out_data + (size_t)i * DATAGRAM_BYTES;
		run->in_iov[i].iov_base = run->in_data + (size_t)i * DATAGRAM_BYTES;
		run->in_iov[i].iov_len = DATAGRAM_BYTES;
		run->out[i].msg_hdr.msg_iov = &run->out_iov[i];
		run->in[i].msg_hdr.msg_iov = &run->in_iov[i];
		run->out[i].msg_hdr.msg_iovlen = run->in[i].msg_hdr.msg_iovlen = 1;
	}
}

static void release(struct run *run)
{
	for (unsigned i = 0; run->p->port == NULL && i < run->n_sockets; i++)
		close(run->fds[i].fd);
	free(run->slots);
	free(run->out_data);
	free(run->in_data);
	free(run->bin_ns);
}

int blast_run(
	const struct blast_params *params, struct blast_result *ret_result, struct mr_err *err)
{
	struct blast_result result = {.window = params->window};
	struct run run = {.p = params, .r = &result};
	int rc = 0;

	// Sleeps end when asked, not 50 us later.
	prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
	run.next_id = run.oldest_id = mr_rng_next(&params->work->rng) >> 2;
	if (!allocate(&run))
		rc = mr_fail(err, ENOMEM, "out of memory");
	if (rc == 0) {
		point_at_buffers(&run);
		rc = open_sockets(&run, err);
	}
	if (rc == 0 && !greet_all(&run))
		rc = mr_fail(err, ETIMEDOUT, "no answer to HELLO");
	if (rc == 0)
		drive(&run);
	release(&run);
	if (rc == 0)
		*ret_result = result;
	else
		blast_result_free(&result);
	return rc;
}

void blast_result_free(struct blast_result *result)
{
	free(result->bins);
	free(result->latency_ns);
	free(result->service_ns);
	free(result->lag_ns);
	memset(result, 0, sizeof(*result));
}

double blast_answered_per_s(const struct blast_result *result)
{
	return result->seconds > 0 ? (double)result->answered / result->seconds : 0;
}

double blast_lost_share(const struct blast_result *result)
{
	return result->sent > 0 ? (double)result->lost / (double)result->sent : 0;
}

uint64_t blast_shed(const struct blast_result *result)
{
	return result->results[MR_WIRE_RESULT_BUSY] + result->statuses[MR_STATUS_BUSY] +
	       result->statuses[MR_STATUS_DEGRADED];
}
