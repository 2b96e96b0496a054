# SPDX-License-Identifier: BSD-3-Clause
"""The protocol, as far as tests speak it by hand: see docs/protocol.md."""

import random
import socket
import struct

import harness

HELLO, PING, GET, PUT, DELETE, DESCRIBE = 1, 2, 3, 4, 5, 6
STRONG, ASOF, PADDED = 1, 2, 0x10
(OK, NOT_FOUND, EXPIRED, BUSY, DEGRADED, ERROR, SUPERSEDED, BAD_KEY, BAD_ROW) = range(9)
RESULT_OK, RESULT_BUSY = 0, 10
HEADER = struct.Struct("<IBBHQQHBBI")
REPLY = struct.Struct("<IBBHQBBBBHHHHI")
RECORD = struct.Struct("<QHBBI")
ENTRY = struct.Struct("<QHHHBB")


class NoAnswer(Exception):
    pass


def u64(key):
    return struct.pack(">Q", key)


def padded(data):
    return data.ljust((len(data) + 7) & ~7, b"\0")


class Client:
    """A socket of its own and the cookie that its address has to show; one request at a time."""

    def __init__(self, rng=random, seconds=0.5):
        self.rng = rng
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(seconds)
        self.sock.connect((harness.ADDRESS, 7411))
        self.cookie = 0
        self.cookie = self.hello(tries=20)

    def hello(self, tries):
        body = struct.pack("<BB6xQ16x", 1, 1, self.rng.getrandbits(63))
        try:
            return struct.unpack_from("<Q", self.ask(HELLO, body=body)[0][1], 8)[0]
        except NoAnswer:
            if tries <= 1:
                raise
            return self.hello(tries - 1)

    def close(self):
        self.sock.close()

    def ask(self, op, flags=0, view=0, count=0, key_bytes=0, body=b"", pad_to=0):
        """Returns the datagrams of the reply in their order, each as (header, body)."""
        request = self.rng.getrandbits(63)
        datagram = HEADER.pack(0x5152524D, 1, op, flags, request, self.cookie, view, count,
                               key_bytes, 0) + body
        parts = {}
        try:
            self.sock.send(datagram.ljust(pad_to, b"\0"))
            while not parts or len(parts) < next(iter(parts.values()))[0][10]:
                reply = self.sock.recv(65536)
                header = REPLY.unpack_from(reply)
                if header[4] == request:
                    parts[header[9]] = (header, reply[REPLY.size:])
        except OSError:
            raise NoAnswer() from None
        return [parts[i] for i in sorted(parts)]

    def describe(self, name):
        """(view or set id, layout) of a name."""
        name = name.encode()
        header, body = self.ask(DESCRIBE, flags=PADDED, pad_to=512,
                                body=struct.pack("<IB3x", 0, len(name)) + name)[0]
        assert header[5] == RESULT_OK, header
        view, _, layout = struct.unpack_from("<HHI", body)
        return view, layout

    def get(self, view, keys, flags=0, as_of=None):
        """(result, [(status, event time, row)]) of keys of one length."""
        body = b"" if as_of is None else struct.pack("<Q", as_of)
        parts = self.ask(GET, flags, view, len(keys), len(keys[0]), body + b"".join(keys))
        entries = {}
        for header, body in parts:
            at = 0
            for i in range(header[12]):
                when, row_bytes, offset, piece_bytes, status, _ = ENTRY.unpack_from(body, at)
                at += ENTRY.size
                _, _, row = entries.get(header[11] + i, (0, 0, b""))
                assert len(row) == offset, "a piece that does not continue"
                entries[header[11] + i] = (status, when, row + body[at:at + piece_bytes])
                at += (piece_bytes + 7) & ~7
        return parts[0][0][5], [entries[i] for i in sorted(entries)]

    def write(self, op, set_id, layout, records, version=0):
        """(result, [status], flags) of records (key, event time, row); DELETE: row b""."""
        body = struct.pack("<IHH", layout if op == PUT else 0, version, 0)
        for key, when, row in records:
            body += RECORD.pack(when, len(row), len(key), 0, 0) + padded(key) + padded(row)
        header, acks = self.ask(op, 0, set_id, len(records), 0, body)[0]
        return header[5], [acks[8 * i] for i in range(len(acks) // 8)], header[3]
