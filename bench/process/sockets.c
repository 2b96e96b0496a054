// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mr_wire.h"
#include "process.h"

#define BATCH 64u
#define BUFFER_BYTES 2048u
#define SOCKET_BYTES (4 << 20)
#define FILL_BATCH 1000u

/** Buffers for sendmmsg() and recvmmsg(). */
struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	struct sockaddr_in names[BATCH];
	uint8_t data[BATCH][BUFFER_BYTES];
};

static struct batch in;

static void batch_init(struct batch *b)
{
	for (unsigned i = 0; i < BATCH; i++) {
		b->parts[i] = (struct iovec){b->data[i], BUFFER_BYTES};
		b->messages[i].msg_hdr = (struct msghdr){.msg_iov = &b->parts[i], .msg_iovlen = 1};
	}
}

int open_socket(const struct options *o, int type, bool is_server)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), size = SOCKET_BYTES, yes = 1;
	char host[64];
	unsigned port;

	if (o->server == NULL || sscanf(o->server, "%63[^:]:%u", host, &port) != 2 ||
		inet_pton(AF_INET, host, &address.sin_addr) != 1)
		bench_fail("--server wants ADDRESS:PORT");
	address.sin_port = htons((uint16_t)port);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if ((is_server ? bind : connect)(fd, (void *)&address, sizeof(address)) < 0)
		bench_fail("%s: %s", o->server, strerror(errno));
	return fd;
}

// ---- echo --------------------------------------------------------------------------------------

int run_echo(const struct options *o)
{
	int fd = open_socket(o, SOCK_DGRAM, true);

	batch_init(&in);
	for (;;) {
		int n, sent = 0, got;

		for (unsigned i = 0; i < BATCH; i++) {
			in.parts[i].iov_len = BUFFER_BYTES;
			in.messages[i].msg_hdr.msg_name = &in.names[i];
			in.messages[i].msg_hdr.msg_namelen = sizeof(in.names[i]);
		}
		n = recvmmsg(fd, in.messages, BATCH, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++)
			in.parts[i].iov_len = in.messages[i].msg_len;
		while (sent < n) {
			got = sendmmsg(fd, in.messages + sent, (unsigned)(n - sent), 0);
			if (got <= 0)
				break;
			sent += got;
		}
	}
}

// ---- UDP client --------------------------------------------------------------------------------

/** millrace wants its clients to prove their addresses. */
static uint64_t ask_cookie(int fd)
{
	struct mr_wire_hello_reply hello;
	struct mr_wire_ask ask = {.request_id = 1};
	struct mr_wire_reply reply;
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	uint8_t data[256];

	for (unsigned i = 0; i < 20; i++) {
		int bytes = mr_wire_hello_encode(data, sizeof(data), &ask, bench_tsc());

		if (send(fd, data, (size_t)bytes, 0) < 0 || poll(&ready, 1, 500) <= 0)
			continue;
		bytes = (int)recv(fd, data, sizeof(data), 0);
		if (bytes > 0 &&
			mr_wire_reply_decode(data, (size_t)bytes, &reply) == MR_WIRE_DEFECT_NONE) {
			mr_wire_hello_reply_get(&reply, &hello);
			return hello.cookie;
		}
	}
	bench_fail("no answer to HELLO");
}

// All at once: the kernel cuts them apart (UDP_SEGMENT), so that the client keeps up with more than
// a system call and a walk through the stack for each request would let it.
static void send_some(struct loop *loop, const struct question *q, int fd)
{
	static uint8_t data[BATCH * sizeof(q->data)];
	uint64_t ids[KEYS_MAX], tsc;
	uint16_t slots[BATCH];
	unsigned n = loop_take(loop, slots, BATCH);

	for (unsigned i = 0; i < n; i++) {
		memcpy(data + i * q->bytes, q->data, q->bytes);
		loop_rows(loop, ids);
		question_put(q, data + i * q->bytes, slots[i], ids);
	}
	tsc = bench_tsc();
	for (unsigned i = 0; i < n; i++)
		loop_sent(loop, slots[i], tsc);
	if (n > 0 && send(fd, data, n * q->bytes, 0) < 0)
		bench_fail("send: %s", strerror(errno));
}

static unsigned take_some(struct loop *loop, const struct question *q, int fd)
{
	int n = recvmmsg(fd, in.messages, BATCH, MSG_DONTWAIT, NULL);
	uint64_t tsc = bench_tsc();

	for (int i = 0; i < n; i++)
		loop_heard(loop, q, in.data[i], in.messages[i].msg_len, tsc);
	return n > 0 ? (unsigned)n : 0;
}

int run_udp(const struct options *o)
{
	int fd = open_socket(o, SOCK_DGRAM, false);
	struct question q;
	struct loop loop;
	unsigned n = 0;
	int segment;

	question_init(&q, o->peer, o->n_keys, o->peer == PEER_MILLRACE ? ask_cookie(fd) : 0);
	batch_init(&in);
	segment = (int)q.bytes;
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0)
		bench_fail("UDP_SEGMENT: %s", strerror(errno));
	loop_begin(&loop, o);
	while (loop_goes_on(&loop, bench_tsc())) {
		// A system call for each request would make the client the bottleneck: what is
		// free waits until there is a batch of it, or nothing else to do.
		if (n == 0 || loop.n_free >= MR_MIN(o->window / 2, BATCH))
			send_some(&loop, &q, fd);
		n = take_some(&loop, &q, fd);
	}
	close(fd);
	return loop_report(&loop);
}

// ---- TCP ---------------------------------------------------------------------------------------

static void send_all(int fd, const void *data, size_t bytes)
{
	const uint8_t *at = data;

	while (bytes > 0) {
		ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);

		if (n < 0)
			bench_fail("send: %s", strerror(errno));
		at += n;
		bytes -= (size_t)n;
	}
}

/** Replies on a stream come in order and are all of one length. */
struct stream {
	int fd;
	unsigned in_reply; //!< bytes of the next reply that are here
	unsigned head, n;  //!< slots under way, oldest first
	uint16_t slots[WINDOW_MAX];
};

static void stream_send(struct stream *s, struct loop *loop, const struct question *q)
{
	static uint8_t data[WINDOW_MAX * sizeof(((struct question *)0)->data)];
	uint16_t slots[WINDOW_MAX];
	unsigned n = loop_take(loop, slots, WINDOW_MAX);
	uint64_t ids[KEYS_MAX], tsc = bench_tsc();

	for (unsigned i = 0; i < n; i++) {
		memcpy(data + i * q->bytes, q->data, q->bytes);
		loop_rows(loop, ids);
		question_put(q, data + i * q->bytes, slots[i], ids);
		loop_sent(loop, slots[i], tsc);
		s->slots[(s->head + s->n++) % WINDOW_MAX] = slots[i];
	}
	if (n > 0)
		send_all(s->fd, data, n * q->bytes);
}

static unsigned stream_take(struct stream *s, struct loop *loop, const struct question *q)
{
	static uint8_t data[1 << 18];
	ssize_t n = recv(s->fd, data, sizeof(data), MSG_DONTWAIT);
	uint64_t tsc = bench_tsc();
	unsigned taken = 0;

	if (n == 0 || (n < 0 && errno != EAGAIN))
		bench_fail("the server hung up");
	// A key that is not there makes a reply shorter, and the rest unreadable.
	if (n > 0 && s->in_reply == 0 && data[0] != (q->n_keys > 1 ? '*' : '$'))
		bench_fail("not the reply that was expected: %.40s", data);
	for (s->in_reply += n > 0 ? (unsigned)n : 0; s->in_reply >= q->reply_bytes && s->n > 0;
		s->in_reply -= q->reply_bytes, s->n--, taken++)
		loop_answered(loop, s->slots[s->head++ % WINDOW_MAX], true, tsc);
	return taken;
}

int run_redis(const struct options *o)
{
	struct stream s = {.fd = open_socket(o, SOCK_STREAM, false)};
	struct question q;
	struct loop loop;
	unsigned n = 0;

	question_init(&q, PEER_REDIS, o->n_keys, 0);
	loop_begin(&loop, o);
	while (loop_goes_on(&loop, bench_tsc())) {
		if (n == 0 || loop.n_free >= MR_MIN(o->window / 2, BATCH))
			stream_send(&s, &loop, &q);
		n = stream_take(&s, &loop, &q);
	}
	close(s.fd);
	return loop_report(&loop);
}

// Reads until the text ends in @p end.
static void wait_for(int fd, const char *end)
{
	static char text[1 << 18];
	size_t at = 0, want = strlen(end);

	while (at < want || memcmp(text + at - want, end, want) != 0) {
		ssize_t n;

		if (at > sizeof(text) / 2) {
			memmove(text, text + at - want, want);
			at = want;
		}
		n = recv(fd, text + at, sizeof(text) - at, 0);
		if (n <= 0)
			bench_fail("the server hung up while it was filled");
		at += (size_t)n;
	}
}

/** Stores the rows in memcached or Redis. */
int run_fill(const struct options *o)
{
	static char text[FILL_BATCH * 160];
	int fd = open_socket(o, SOCK_STREAM, false);
	bool redis = o->peer == PEER_REDIS;
	char value[VALUE_BYTES + 1];
	size_t at = 0;

	for (uint64_t id = 0; id < o->n_rows; id++) {
		snprintf(value, sizeof(value), "%064llu", (unsigned long long)id);
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			redis ? "*3\r\n$3\r\nSET\r\n$7\r\n%07llu\r\n$64\r\n%s\r\n"
			      : "set %07llu 0 0 64 noreply\r\n%s\r\n",
			(unsigned long long)id, value);
		if (id % FILL_BATCH == FILL_BATCH - 1 || id == o->n_rows - 1) {
			at += (size_t)snprintf(text + at, sizeof(text) - at,
				redis ? "*1\r\n$4\r\nPING\r\n" : "mn\r\n");
			send_all(fd, text, at);
			wait_for(fd, redis ? "+PONG\r\n" : "MN\r\n");
			at = 0;
		}
	}
	close(fd);
	return 0;
}
