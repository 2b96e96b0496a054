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

/**
 * A request on a thread of its own. It reads the connection's input, which stays where it is until
 * the job is done and joined.
 */
struct mr_admin_job {
	const struct mr_admin *admin;
	const struct mr_admin_verb *verb;
	struct mr_admin_request request;
	pthread_t thread;
	char *text; // of the reply
	size_t bytes;
	bool ok, failed; // failed: no memory for a reply
	_Atomic bool done;
};

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

	struct mr_admin_job *job; // NULL: none
	char after;               // the byte behind the request, while a terminator stands there

	char *out; // reply being sent
	size_t out_bytes, out_sent;
};

struct mr_admin {
	struct mr_admin_params p;
	int listener, wake; // wake: eventfd: stop, or a job is done
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

/** Whether it waits for a job: then it must neither be served nor dropped. */
bool mr_admin_client_waits(const struct mr_admin_client *c);

/** Turns a job that is done into a reply. @return false when the connection is over. */
bool mr_admin_client_finish(const struct mr_admin *a, struct mr_admin_client *c);

/**
 * Reads, serves and writes what can be without waiting.
 * @return false when the connection is over.
 */
bool mr_admin_client_serve(const struct mr_admin *a, struct mr_admin_client *c);
