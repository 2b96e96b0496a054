// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

// Multiples of every number of sockets.
#define STEERED_FIRST 32768u
#define STEERED_PORTS 28160u

#define UDP_IPV4_BYTES 28u
#define UDP_IPV6_BYTES 48u

/** Cuts "HOST:PORT", "[IPV6]:PORT", "HOST" or a bare IPv6 address in place. */
static int split(char *text, char **ret_host, char **ret_port)
{
	char *colon = strrchr(text, ':');
	char *end;

	*ret_host = text;
	*ret_port = NULL;
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		*ret_host = text + 1;
		*ret_port = end[1] == ':' ? end + 2 : NULL;
		*end = '\0';
	} else if (colon != NULL && strchr(text, ':') == colon) {
		*ret_port = colon + 1;
		*colon = '\0';
	}
	if ((*ret_host)[0] == '\0' || (*ret_port != NULL && (*ret_port)[0] == '\0'))
		return -EINVAL;
	return 0;
}

static int resolve_server(struct mr_client_server *server, struct mr_err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *found = NULL;
	char *text = strdup(server->name);
	char *host, *port;
	int rc;

	if (text == NULL)
		return -ENOMEM;
	if (split(text, &host, &port) != 0) {
		rc = mr_fail(err, EINVAL, "server '%s': expected HOST, HOST:PORT or [IPV6]:PORT",
			server->name);
		goto out;
	}
	rc = getaddrinfo(host, port != NULL ? port : MR_CLIENT_DEFAULT_PORT, &hints, &found);
	if (rc != 0) {
		rc = mr_fail(err, EHOSTUNREACH, "server '%s': %s: check the name and the port",
			server->name, gai_strerror(rc));
		goto out;
	}
	memcpy(&server->address, found->ai_addr, found->ai_addrlen);
	server->address_bytes = found->ai_addrlen;
	freeaddrinfo(found);
out:
	free(text);
	return rc;
}

int mr_client_servers_parse(struct mr_client *client, const char *servers, struct mr_err *err)
{
	const char *at = servers;
	int rc;

	for (;;) {
		size_t len = strcspn(at, ",");
		struct mr_client_server *server = &client->servers[client->n_servers];

		if (client->n_servers == MR_CLIENT_SERVERS_MAX)
			return mr_fail(err, EINVAL, "more than %u servers in '%s'",
				MR_CLIENT_SERVERS_MAX, servers);
		server->name = strndup(at, len);
		if (server->name == NULL)
			return -ENOMEM;
		client->n_servers++;
		rc = resolve_server(server, err);
		if (rc != 0)
			return rc;
		if (at[len] == '\0')
			return 0;
		at += len + 1;
	}
}

static void set_buffers(const struct mr_client *client, int fd)
{
	int bytes = (int)client->options.socket_bytes;

	// Best effort: the system's limits (net.core.rmem_max, wmem_max) may say less.
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/** Nodes do not put IP fragments together: let the kernel refuse to send any. */
static void forbid_fragments(int fd, int family)
{
	int how = IP_PMTUDISC_DO;

	if (family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof(how));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof(how));
}

// Binds to a source port whose low bits are the socket's number, anywhere in the range that the
// kernel itself gives ports from by default.
static int bind_steered(const struct mr_client *client, const struct mr_client_link *link)
{
	unsigned n = client->options.n_sockets, number = (unsigned)(link - client->links) % n;
	const struct mr_client_server *server = &client->servers[link->server];
	struct sockaddr_storage own = {.ss_family = server->address.ss_family};
	// Where clients start differs, so that they seldom meet.
	unsigned at = (unsigned)(mr_client_now_ns() >> 8);

	for (unsigned i = 0; i < STEERED_PORTS / n; i++) {
		unsigned port = STEERED_FIRST + (at + i) % (STEERED_PORTS / n) * n + number;

		if (own.ss_family == AF_INET)
			((struct sockaddr_in *)&own)->sin_port = htons((uint16_t)port);
		else
			((struct sockaddr_in6 *)&own)->sin6_port = htons((uint16_t)port);
		if (bind(link->fd, (const struct sockaddr *)&own, server->address_bytes) == 0)
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	return -errno;
}

static int open_link(struct mr_client *client, struct mr_client_link *link, struct mr_err *err)
{
	const struct mr_client_server *server = &client->servers[link->server];
	struct epoll_event event = {
		.events = EPOLLIN,
		.data.u32 = (uint32_t)(link - client->links),
	};

	link->fd = socket(server->address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (link->fd < 0)
		return mr_fail(
			err, errno, "server '%s': socket: %s", server->name, strerror(errno));
	set_buffers(client, link->fd);
	forbid_fragments(link->fd, server->address.ss_family);
	if (client->options.steer_by_key && bind_steered(client, link) != 0)
		return mr_fail(err, errno, "server '%s': no source port for steering by key: %s",
			server->name, strerror(errno));
	if (connect(link->fd, (const struct sockaddr *)&server->address, server->address_bytes) !=
			0 ||
		epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, link->fd, &event) != 0)
		return mr_fail(
			err, errno, "server '%s': connect: %s", server->name, strerror(errno));
	return 0;
}

int mr_client_sockets_open(struct mr_client *client, struct mr_err *err)
{
	unsigned n_sockets = client->options.n_sockets;
	int rc;

	client->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll_fd < 0)
		return mr_fail(err, errno, "epoll: %s", strerror(errno));
	while (client->n_links < client->n_servers * n_sockets) {
		struct mr_client_link *link = &client->links[client->n_links];

		link->server = (uint16_t)(client->n_links / n_sockets);
		client->n_links++;
		rc = open_link(client, link, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

void mr_client_sockets_close(struct mr_client *client)
{
	for (unsigned i = 0; i < client->n_links; i++)
		if (client->links[i].fd >= 0)
			close(client->links[i].fd);
	if (client->epoll_fd >= 0)
		close(client->epoll_fd);
	for (unsigned i = 0; i < client->n_servers; i++)
		free(client->servers[i].name);
}

uint32_t mr_client_path_payload(const struct mr_client_link *link)
{
	struct sockaddr_storage address;
	socklen_t address_bytes = sizeof(address);
	int mtu = 0;
	socklen_t mtu_bytes = sizeof(mtu);
	bool v4;

	if (link->fd < 0 || getsockname(link->fd, (struct sockaddr *)&address, &address_bytes) != 0)
		return UINT16_MAX;
	v4 = address.ss_family == AF_INET;
	if (getsockopt(link->fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU, &mtu,
		    &mtu_bytes) != 0 ||
		mtu <= (int)UDP_IPV6_BYTES)
		return UINT16_MAX;
	return MR_MIN((uint32_t)mtu, UINT32_C(65535)) - (v4 ? UDP_IPV4_BYTES : UDP_IPV6_BYTES);
}
