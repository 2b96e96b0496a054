// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A DPDK port for `millrace blast`, in place of kernel sockets: a source port of UDP for each
 * socket. It takes and gives bursts of messages as sendmmsg() and recvmmsg() do, and never waits.
 *
 * DPDK is in a program of its own, millrace-blast, which `millrace blast --port` becomes, so that
 * the tool goes without it.
 *
 * Owner: one thread, which leaves it alone while the relay runs.
 */

#include "mr_err.h"

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

struct blast_port {
	/** Sends the first part of each message. @return how many went out. */
	int (*send)(struct blast_port *port, unsigned socket, struct mmsghdr *messages, unsigned n);
	/** Takes answers, and the sockets that they are for. @return how many. */
	int (*receive)(
		struct blast_port *port, struct mmsghdr *messages, unsigned *sockets, unsigned n);
};

struct blast_port_params {
	const char *device;        //!< "net_af_packet0,iface=eth1", a PCI address
	const char *address;       //!< ours, IPv4
	const char *eal;           //!< EAL's memory and other arguments, parted by blanks; or NULL
	struct sockaddr_in server; //!< on the same link
	unsigned n_sockets;
};

#ifdef MR_BLAST_PORTS

/** Starts EAL and the port, and asks for the server's hardware address. @return NULL and errno. */
struct blast_port *blast_port_open(const struct blast_port_params *params, struct mr_err *err);
void blast_port_close(struct blast_port *port);

/** Carries what the client library sends to @p ret_name, an address of this machine, over the port
 *  and back. @return 0 or -errno. */
int blast_port_relay(struct blast_port *port, char *ret_name, size_t bytes, struct mr_err *err);
void blast_port_relay_stop(struct blast_port *port);

#else

/** Becomes the program that has ports. @return only if it does not start: -errno. */
int blast_port_become(char **argv, struct mr_err *err);

#endif
