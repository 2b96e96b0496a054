// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"
#include "mr_units.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/** Rounds of MR_CLIENT_BURST that one socket may take before the others have their turn. */
#define ROUNDS_MAX 8

static void want_out(struct mr_client *client, struct mr_client_link *link, bool wants_out)
{
	struct epoll_event event = {
		.events = EPOLLIN | (wants_out ? EPOLLOUT : 0),
		.data.u32 = (uint32_t)(link - client->links),
	};

	if (link->wants_out == wants_out)
		return;
	link->wants_out = wants_out;
	epoll_ctl(client->epoll_fd, EPOLL_CTL_MOD, link->fd, &event);
}

// The cookie may be newer than the request, or another socket's, and the MAC covers it.
static void stamp(
	const struct mr_client *client, const struct mr_client_link *link, struct mr_client_part *part)
{
	mr_store_le64(part->data + offsetof(struct mr_wire_req, cookie), link->cookie);
	if (client->mac_key.id != 0 &&
		(part->op == MR_WIRE_OP_PUT || part->op == MR_WIRE_OP_DELETE))
		mr_wire_mac_sign(part->data, part->bytes, &client->mac_key);
}

static unsigned fill(const struct mr_client *client, struct mr_client_link *link,
	struct mmsghdr *messages, struct iovec *iovs)
{
	struct mr_client_part *part;
	unsigned n = 0;

	TAILQ_FOREACH(part, &link->sendq, next)
	{
		if (n == MR_CLIENT_BURST)
			break;
		stamp(client, link, part);
		iovs[n] = (struct iovec){.iov_base = part->data, .iov_len = part->bytes};
		messages[n].msg_hdr = (struct msghdr){.msg_iov = &iovs[n], .msg_iovlen = 1};
		n++;
	}
	return n;
}

static void flown(struct mr_client *client, struct mr_client_link *link, unsigned n)
{
	uint64_t now_ns = mr_client_now_ns();
	struct mr_client_part *part;

	for (unsigned i = 0; i < n; i++) {
		part = TAILQ_FIRST(&link->sendq);
		part->attempts++;
		part->sent_ns = now_ns;
		part->deadline_ns = now_ns + client->options.timeout_us * MR_NS_PER_US;
		mr_client_part_move(part, &client->flying);
	}
	client->stats.sent += n;
}

/** The first part of the queue could not be sent. @return true to go on with the next. */
static bool send_failed(struct mr_client *client, struct mr_client_link *link, int error)
{
	struct mr_client_part *part = TAILQ_FIRST(&link->sendq);

	if (error == EAGAIN || error == EWOULDBLOCK) {
		want_out(client, link, true);
		return false;
	}
	if (error == EINTR)
		return true;
	if (error == ECONNREFUSED) {
		// The kernel reports an earlier datagram's fate; this one has not been tried yet.
		mr_client_server_gone(client, link->server);
		return true;
	}
	if (error == EMSGSIZE) {
		mr_client_part_end(client, part, MR_CLIENT_TOO_LONG);
		return true;
	}
	// No route, no buffers, a firewall: as good as lost on the way, so the timeout handles it.
	flown(client, link, 1);
	return true;
}

static void flush_link(struct mr_client *client, struct mr_client_link *link)
{
	struct mmsghdr messages[MR_CLIENT_BURST];
	struct iovec iovs[MR_CLIENT_BURST];
	unsigned n, errors = 0;

	if (link->cookie != 0 && link->renew_ns <= mr_client_now_ns())
		mr_client_hello(client, link);
	memset(messages, 0, sizeof(messages));
	while ((n = fill(client, link, messages, iovs)) > 0) {
		int sent = sendmmsg(link->fd, messages, n, MSG_DONTWAIT);

		if (sent > 0)
			flown(client, link, (unsigned)sent);
		else if (++errors > MR_CLIENT_BURST || !send_failed(client, link, errno))
			return;
	}
	want_out(client, link, false);
}

void mr_client_flush(struct mr_client *client)
{
	for (unsigned i = 0; i < client->n_links; i++)
		if (!TAILQ_EMPTY(&client->links[i].sendq))
			flush_link(client, &client->links[i]);
}

static unsigned receive_link(struct mr_client *client, struct mr_client_link *link)
{
	struct mmsghdr messages[MR_CLIENT_BURST];
	struct iovec iovs[MR_CLIENT_BURST];
	unsigned total = 0;
	int n = MR_CLIENT_BURST;

	memset(messages, 0, sizeof(messages));
	for (unsigned i = 0; i < MR_CLIENT_BURST; i++) {
		iovs[i] = (struct iovec){
			.iov_base = client->rx_memory + (size_t)i * MR_CLIENT_DATAGRAM_BYTES,
			.iov_len = MR_CLIENT_DATAGRAM_BYTES,
		};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovs[i], .msg_iovlen = 1};
	}
	for (unsigned round = 0; round < ROUNDS_MAX && n == MR_CLIENT_BURST; round++) {
		n = recvmmsg(link->fd, messages, MR_CLIENT_BURST, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == ECONNREFUSED)
			mr_client_server_gone(client, link->server);
		for (int i = 0; i < n; i++)
			mr_client_datagram(client, link, iovs[i].iov_base, messages[i].msg_len);
		total += n > 0 ? (unsigned)n : 0;
	}
	return total;
}

unsigned mr_client_receive(struct mr_client *client)
{
	struct epoll_event events[MR_CLIENT_BURST];
	int n = epoll_wait(client->epoll_fd, events, MR_CLIENT_BURST, 0);
	unsigned total = 0;

	for (int i = 0; i < n; i++)
		if (events[i].events & (EPOLLIN | EPOLLERR))
			total += receive_link(client, &client->links[events[i].data.u32]);
	return total;
}
