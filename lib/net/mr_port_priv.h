// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Private to lib/net: what the parts of a port's opening call of each other.
 */

#include "mr_port.h"

/** Tells a started device which queue each value of the source port's low bits goes to, where that
 * was asked for; what came of it is in port->steering. */
void mr_port_steer(struct mr_port *port);
