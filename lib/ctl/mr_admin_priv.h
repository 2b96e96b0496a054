// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the parts of the admin socket share: mr_admin.c (the socket and its thread),
 * mr_admin_client.c (one connection).
 */

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "mr_admin.h"

/** One connection. Owner: the socket's thread. */
struct mr_admin_client {
	int fd;
	bool ended;   // the other side has closed its sending side
	bool closing; // no further request is read
	uint64_t deadline_ms;

	// What has been read of requests: a line, then its payload, then perhaps the next line.
	char *in;
	size_t in_bytes, in_room;
	size_t line_bytes; // of the request whose payload is awaited, '\n' included; 0: no line yet
	size_t payload_bytes; // that it announced

	char *out; // reply being sent
	size_t out_bytes, out_sent;
};

struct mr_admin {
	struct mr_admin_params p;
	int listener, wake; // wake: eventfd
	pthread_t thread;
	bool has_thread, bound;
	dev_t dev; // of the socket file, so that only ours is removed
	ino_t inode;
	_Atomic bool stop;
	struct mr_admin_client clients[MR_ADMIN_CLIENTS_MAX];
	unsigned n_clients;
};

/** Milliseconds since some start, never backwards. */
uint64_t mr_admin_now_ms(void);

void mr_admin_client_init(const struct mr_admin *a, struct mr_admin_client *c, int fd);
void mr_admin_client_done(struct mr_admin_client *c);

/** What to wait for on its socket, as poll() wants it. */
short mr_admin_client_events(const struct mr_admin_client *c);

/**
 * Reads, serves and writes what can be without waiting.
 * @return false when the connection is over.
 */
bool mr_admin_client_serve(const struct mr_admin *a, struct mr_admin_client *c);
