// SPDX-License-Identifier: BSD-3-Clause
//
// UDP datagrams in captured packets, and headers for new ones.

#include "capture.h"
#include "mr_bytes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ETH_BYTES = 14,
	TAG_BYTES = 4,
	COOKED_BYTES = 16,
	COOKED2_BYTES = 20,
	IP4_BYTES = 20,
	IP6_BYTES = 40,
	UDP_BYTES = 8,
	TYPE_IP4 = 0x0800,
	TYPE_TAG = 0x8100,
	TYPE_IP6 = 0x86dd,
	TYPE_TAG_OUTER = 0x88a8,
	PROTOCOL_UDP = 17,
	NEXT_FRAGMENT = 44,
	TTL = 64,
	DF = 0x4000,
};

// A packet while it is read: what is behind the headers so far.
struct cursor {
	const uint8_t *at;
	uint32_t bytes;
};

static void go_on(struct cursor *c, uint32_t bytes)
{
	c->at += bytes;
	c->bytes -= bytes;
}

// ---- reading -----------------------------------------------------------------------------------

static enum capture_kind skip_tags(struct cursor *c, unsigned *type, struct capture_datagram *ret)
{
	while (*type == TYPE_TAG || *type == TYPE_TAG_OUTER) {
		if (ret->n_tags == MR_ARRAY_SIZE(ret->tags))
			return CAPTURE_OTHER;
		if (c->bytes < TAG_BYTES)
			return CAPTURE_CUT;
		ret->tags[ret->n_tags++] = mr_load_be16(c->at) & 0x0fff;
		*type = mr_load_be16(c->at + 2);
		go_on(c, TAG_BYTES);
	}
	return CAPTURE_UDP;
}

// Goes to the IP header. @return CAPTURE_UDP: it is one, as far as is known.
static enum capture_kind find_ip(
	struct cursor *c, uint32_t link, unsigned *type, struct capture_datagram *ret)
{
	unsigned head, type_at;

	switch (link) {
	case CAPTURE_LINK_RAW:
		*type = c->bytes > 0 && c->at[0] >> 4 == 6 ? TYPE_IP6 : TYPE_IP4;
		return CAPTURE_UDP;
	case CAPTURE_LINK_ETHERNET:
		head = ETH_BYTES;
		type_at = 12;
		break;
	case CAPTURE_LINK_COOKED:
		head = COOKED_BYTES;
		type_at = 14;
		break;
	case CAPTURE_LINK_COOKED2:
		head = COOKED2_BYTES;
		type_at = 0;
		break;
	default:
		return CAPTURE_LINK;
	}
	if (c->bytes < head)
		return CAPTURE_CUT;
	*type = mr_load_be16(c->at + type_at);
	go_on(c, head);
	return skip_tags(c, type, ret);
}

static enum capture_kind skip_ip4(struct cursor *c, struct capture_datagram *ret)
{
	unsigned head, total;

	if (c->bytes < IP4_BYTES)
		return CAPTURE_CUT;
	head = (c->at[0] & 0x0fu) * 4;
	total = mr_load_be16(c->at + 2);
	if (c->at[0] >> 4 != 4 || head < IP4_BYTES)
		return CAPTURE_OTHER;
	if (total < head || c->bytes < total)
		return CAPTURE_CUT;
	if ((mr_load_be16(c->at + 6) & 0x3fff) != 0)
		return CAPTURE_FRAGMENT;
	if (c->at[9] != PROTOCOL_UDP)
		return CAPTURE_OTHER;
	memcpy(ret->from.ip, c->at + 12, 4);
	memcpy(ret->to.ip, c->at + 16, 4);
	c->bytes = total; // without padding
	go_on(c, head);
	return CAPTURE_UDP;
}

static enum capture_kind skip_ip6(struct cursor *c, struct capture_datagram *ret)
{
	unsigned payload;

	if (c->bytes < IP6_BYTES)
		return CAPTURE_CUT;
	payload = mr_load_be16(c->at + 4);
	if (c->at[0] >> 4 != 6)
		return CAPTURE_OTHER;
	if (c->bytes - IP6_BYTES < payload)
		return CAPTURE_CUT;
	if (c->at[6] != PROTOCOL_UDP)
		return c->at[6] == NEXT_FRAGMENT ? CAPTURE_FRAGMENT : CAPTURE_OTHER;
	ret->from.is_ip6 = ret->to.is_ip6 = true;
	memcpy(ret->from.ip, c->at + 8, 16);
	memcpy(ret->to.ip, c->at + 24, 16);
	c->bytes = IP6_BYTES + payload;
	go_on(c, IP6_BYTES);
	return CAPTURE_UDP;
}

enum capture_kind capture_datagram(
	const struct capture_packet *packet, struct capture_datagram *ret)
{
	struct cursor c = {packet->data, packet->bytes};
	enum capture_kind kind;
	unsigned type, udp_bytes;

	*ret = (struct capture_datagram){0};
	kind = find_ip(&c, packet->link, &type, ret);
	if (kind == CAPTURE_UDP)
		kind = type == TYPE_IP4   ? skip_ip4(&c, ret)
		       : type == TYPE_IP6 ? skip_ip6(&c, ret)
		                          : CAPTURE_OTHER;
	if (kind != CAPTURE_UDP)
		return kind;
	if (c.bytes < UDP_BYTES)
		return CAPTURE_CUT;
	udp_bytes = mr_load_be16(c.at + 4);
	if (udp_bytes < UDP_BYTES || udp_bytes > c.bytes)
		return CAPTURE_CUT;
	ret->from.port = mr_load_be16(c.at);
	ret->to.port = mr_load_be16(c.at + 2);
	ret->payload = c.at + UDP_BYTES;
	ret->payload_bytes = (uint16_t)(udp_bytes - UDP_BYTES);
	return CAPTURE_UDP;
}

// ---- addresses ---------------------------------------------------------------------------------

const char *capture_end_text(const struct capture_end *end, char *text, size_t text_bytes)
{
	char ip[INET6_ADDRSTRLEN];

	inet_ntop(end->is_ip6 ? AF_INET6 : AF_INET, end->ip, ip, sizeof(ip));
	snprintf(text, text_bytes, end->is_ip6 ? "[%s]:%u" : "%s:%u", ip, end->port);
	return text;
}

int capture_end_parse(const char *text, uint16_t default_port, struct capture_end *ret_end)
{
	struct capture_end end = {.port = default_port};
	const char *colon = strrchr(text, ':');
	char ip[INET6_ADDRSTRLEN + 2];
	unsigned long port;
	size_t bytes;
	char *rest;

	// Without brackets, several colons are an address alone.
	if (colon != NULL && text[0] != '[' && strchr(text, ':') != colon)
		colon = NULL;
	if (colon != NULL && text[0] == '[' && colon[-1] != ']')
		colon = NULL;
	if (colon != NULL) {
		port = strtoul(colon + 1, &rest, 10);
		if (colon[1] < '0' || colon[1] > '9' || *rest != '\0' || port > UINT16_MAX)
			return -EINVAL;
		end.port = (uint16_t)port;
	}
	bytes = colon != NULL ? (size_t)(colon - text) : strlen(text);
	if (text[0] == '[' && bytes >= 2 && text[bytes - 1] == ']') {
		text++;
		bytes -= 2;
	}
	if (bytes >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, bytes);
	ip[bytes] = '\0';
	end.is_ip6 = strchr(ip, ':') != NULL;
	if (inet_pton(end.is_ip6 ? AF_INET6 : AF_INET, ip, end.ip) != 1)
		return -EINVAL;
	*ret_end = end;
	return 0;
}

// ---- writing -----------------------------------------------------------------------------------

// Internet checksum (RFC 1071), not yet folded; of several pieces only the last may be odd.
static uint32_t add_sum(const uint8_t *at, size_t bytes, uint32_t sum)
{
	for (; bytes >= 2; at += 2, bytes -= 2)
		sum += mr_load_be16(at);
	return bytes > 0 ? sum + ((uint32_t)at[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

unsigned capture_head_bytes(const struct capture_route *route)
{
	return (route->tag >= 0 ? ETH_BYTES + TAG_BYTES : ETH_BYTES) +
	       (route->from.is_ip6 ? IP6_BYTES : IP4_BYTES) + UDP_BYTES;
}

static void fill_ip(const struct capture_route *route, uint8_t *ip, unsigned udp_bytes)
{
	if (route->from.is_ip6) {
		mr_store_be32(ip, 0x60000000u);
		mr_store_be16(ip + 4, (uint16_t)udp_bytes);
		ip[6] = PROTOCOL_UDP;
		ip[7] = TTL;
		memcpy(ip + 8, route->from.ip, 16);
		memcpy(ip + 24, route->to.ip, 16);
		return;
	}
	memset(ip, 0, IP4_BYTES);
	ip[0] = 0x45;
	mr_store_be16(ip + 2, (uint16_t)(IP4_BYTES + udp_bytes));
	mr_store_be16(ip + 6, DF);
	ip[8] = TTL;
	ip[9] = PROTOCOL_UDP;
	memcpy(ip + 12, route->from.ip, 4);
	memcpy(ip + 16, route->to.ip, 4);
	mr_store_be16(ip + 10, fold(add_sum(ip, IP4_BYTES, 0)));
}

unsigned capture_fill_head(
	const struct capture_route *route, uint8_t *frame, unsigned payload_bytes)
{
	unsigned head = capture_head_bytes(route), udp_bytes = UDP_BYTES + payload_bytes;
	uint8_t *udp = frame + head - UDP_BYTES;
	uint8_t *ip = udp - (route->from.is_ip6 ? IP6_BYTES : IP4_BYTES);
	unsigned address_bytes = route->from.is_ip6 ? 32 : 8;
	uint16_t sum;

	memcpy(frame, route->to_mac, 6);
	memcpy(frame + 6, route->from_mac, 6);
	if (route->tag >= 0) {
		mr_store_be16(frame + 12, TYPE_TAG);
		mr_store_be16(frame + ETH_BYTES, (uint16_t)route->tag);
	}
	mr_store_be16(ip - 2, route->from.is_ip6 ? TYPE_IP6 : TYPE_IP4);
	fill_ip(route, ip, udp_bytes);
	mr_store_be16(udp, route->from.port);
	mr_store_be16(udp + 2, route->to.port);
	mr_store_be16(udp + 4, (uint16_t)udp_bytes);
	mr_store_be16(udp + 6, 0);
	// Addresses, protocol and length are summed too.
	sum = fold(add_sum(udp, udp_bytes,
		add_sum(udp - address_bytes, address_bytes, PROTOCOL_UDP + udp_bytes)));
	mr_store_be16(udp + 6, sum == 0 ? UINT16_MAX : sum);
	return head + payload_bytes;
}
