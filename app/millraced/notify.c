// SPDX-License-Identifier: BSD-3-Clause
//
// What systemd wants to hear from a service of Type=notify, said in its own protocol: a datagram of
// VARIABLE=VALUE lines to the socket that NOTIFY_SOCKET names. See sd_notify(3).

#include "millraced.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "mr_units.h"

void notify(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	char text[512];
	va_list ap;
	size_t n;
	int fd;

	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
		strlen(path) >= sizeof(to.sun_path))
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	n = strlen(path);
	memcpy(to.sun_path, path, n);
	// An abstract socket's name starts with a zero byte and ends where the length says.
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	// A manager that does not listen is no reason to stop serving.
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		mr_log(MR_LOG_WARNING, "systemd", "%s: %s", path, strerror(errno));
	close(fd);
}

void notify_watchdog_init(struct notify_watchdog *w)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	memset(w, 0, sizeof(*w));
	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return;
	w->period_us = strtoull(usec, NULL, 10) / 2;
}

void notify_watchdog(struct notify_watchdog *w, const struct millraced *m)
{
	struct timespec now;
	uint64_t now_us;
	bool turned = true;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * MR_US_PER_S + (uint64_t)now.tv_nsec / MR_NS_PER_US;
	if (w->period_us == 0 || now_us < w->next_us)
		return;
	for (unsigned i = 0; i < m->plan.n_rx; i++)
		turned &= mr_counted(&m->rx_counters[i]->turns) != w->turns[i];
	// Silence while an RX lcore stands still is what lets the manager act.
	if (!turned)
		return;
	for (unsigned i = 0; i < m->plan.n_rx; i++)
		w->turns[i] = mr_counted(&m->rx_counters[i]->turns);
	w->next_us = now_us + w->period_us;
	notify("WATCHDOG=1");
}
