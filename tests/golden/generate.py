#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the golden vectors of protocol version 1 and the seeds of the wire fuzz target.

This is a second implementation of docs/protocol.md, made from its byte tables and nothing else: it
shares no code with lib/wire, so that a vector on which both agree is evidence.

  generate.py            compare the files with what this script makes; exit 1 if they differ
  generate.py --write    write them

A vector is frozen once it is committed: tests/unit/wire/golden_test.c holds its SHA-256.
"""
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).resolve().parent
V1 = HERE / "v1"
CORPUS = HERE.parent / "fuzz" / "corpus"

HELLO, PING, GET, PUT, DELETE, DESCRIBE = 1, 2, 3, 4, 5, 6
STRONG, ASOF, TRACE, MAC, PADDED, TIMES = 1, 2, 4, 8, 16, 64
OK, NOT_FOUND, EXPIRED, BUSY = 0, 1, 2, 3

vectors = []  # (name, kind, defect, comment, [(label, bytes)])


def pad8(data):
    return data + bytes(-len(data) % 8)


def request(op, flags=0, view=0, count=0, key_bytes=0, deadline=0, rid=0x1122334455667788, cookie=0,
        magic=b"MRRQ", version=1):
    return [
        ("magic, version, op, flags", magic + struct.pack("<BBH", version, op, flags)),
        ("request id", struct.pack("<Q", rid)),
        ("cookie", struct.pack("<Q", cookie)),
        ("view or set, key count, key bytes, deadline us",
            struct.pack("<HBBI", view, count, key_bytes, deadline)),
    ]


def reply(op, result=0, flags=0, keys=0, sets=0, frag=0, frags=1, first=0, entries=0, layout=0,
        rid=0x1122334455667788, magic=b"MRRP", version=1, zero=0):
    return [
        ("magic, version, op, flags", magic + struct.pack("<BBH", version, op, flags)),
        ("request id", struct.pack("<Q", rid)),
        ("result, key count, set count, 0, fragment, fragments",
            struct.pack("<BBBBHH", result, keys, sets, zero, frag, frags)),
        ("first entry, entries, layout", struct.pack("<HHI", first, entries, layout)),
    ]


def keys(*what):
    return [(f"key {i}", k) for i, k in enumerate(what)]


def lengths(*what):
    return [("key lengths", bytes(what))]


def write_head(layout, version=0, zero=0):
    return [("layout, set version, 0", struct.pack("<IHH", layout, version, zero))]


def record(event, key, row=b"", key_bytes=None, row_bytes=None, zero0=0, zero1=0):
    return [
        ("event time us", struct.pack("<Q", event)),
        ("row bytes, key bytes, 0", struct.pack("<HBBI", len(row) if row_bytes is None else row_bytes,
            len(key) if key_bytes is None else key_bytes, zero0, zero1)),
        ("key, padded", pad8(key)),
    ] + ([("row, padded", pad8(row))] if row else [])


def entry(status, event=0, row=b"", whole=None, offset=0, piece_bytes=None, zero=0):
    return [
        ("event time us", struct.pack("<Q", event)),
        ("row bytes, piece offset, piece bytes, status, 0", struct.pack("<HHHBB",
            len(row) if whole is None else whole, offset,
            len(row) if piece_bytes is None else piece_bytes, status, zero)),
    ] + ([("piece, padded", pad8(row))] if row else [])


def ack(status, zero=bytes(7)):
    return [("status, 0", bytes([status]) + zero)]


def word(label, value):
    return [(label, struct.pack("<Q", value))]


def mac(key_id, value, reserved=0):
    return [("MAC key id, 0", struct.pack("<II", key_id, reserved)), ("MAC", struct.pack("<Q", value))]


def times(trace, *ns, met=0, zero=0):
    return [("trace id", struct.pack("<Q", trace)),
        ("ns: total, parse, probe, ring, queue, lock, read, commit", struct.pack("<8I", *ns)),
        ("met, 0", struct.pack("<II", met, zero))]


def hello(vmin=1, vmax=1, nonce=0x0123456789abcdef, zero1=bytes(16)):
    return [("version min, max, 0", struct.pack("<BB6x", vmin, vmax)), ("nonce", struct.pack("<Q", nonce)),
        ("0", zero1)]


def describe(name, offset=0, name_bytes=None, zero=b"\0\0\0"):
    return [("offset, name bytes, 0", struct.pack("<IB", offset,
        len(name) if name_bytes is None else name_bytes) + zero), ("name", name)]


def zeros(n, label="padding"):
    return [(label, bytes(n))]


def add(name, kind, comment, *parts, defect="none"):
    vectors.append((name, kind, defect, comment, [p for part in parts for p in part]))


def refuse(defect, what, kind, comment, *parts):
    add(f"refused-{kind}-{what}", kind, comment, *parts, defect=defect)


K1 = struct.pack(">Q", 42)
T = 1700000000000000  # 2023-11-14 22:13:20 UTC in us

# ---- requests ---------------------------------------------------------------------------------
add("get-one", "request", "GET of one u64 key, 42, through view 7: the key sits at byte 32",
    request(GET, view=7, count=1, key_bytes=8), keys(K1))
add("get-fixed-three", "request", "GET of three keys of four bytes, with a cookie and a deadline",
    request(GET, view=258, count=3, key_bytes=4, deadline=2500, cookie=0xfeedfacecafebeef),
    keys(b"aaaa", b"bbbb", b"cccc"))
add("get-table", "request", "GET of keys of different lengths: a table of lengths comes first",
    request(GET, view=7, count=3), lengths(1, 4, 2), keys(b"x", b"abcd", b"yz"))
add("get-longest-key", "request", "GET of one key of 255 bytes",
    request(GET, view=7, count=1, key_bytes=255), keys(bytes(range(1, 256))))
add("get-asof-trace", "request", "strong GET as of a time, traced: the two words follow the header",
    request(GET, STRONG | ASOF | TRACE, view=7, count=1, key_bytes=8), word("as of us", T),
    word("trace id", 0xabcdef), keys(K1))
add("get-padded", "request", "GET padded to 72 bytes, so that the reply may be as long",
    request(GET, PADDED, view=7, count=1, key_bytes=8), keys(K1), zeros(32))
add("get-hint", "request", "GET with an unknown hint (bit 15): the hint is ignored",
    request(GET, 0x8000, view=7, count=1, key_bytes=8), keys(K1))
add("get-times", "request", "traced GET that asks for the times of its stages",
    request(GET, TRACE | TIMES, view=7, count=1, key_bytes=8), word("trace id", 0xabcdef), keys(K1))
add("put-two", "request", "PUT of two rows into set 5",
    request(PUT, view=5, count=2), write_head(0xa1b2c3d4), record(T, K1, bytes(range(1, 17))),
    record(T + 1, b"user:0001", b"row bytes"))
add("put-mac", "request", "PUT of one row into version 3 of set 5, with a MAC at the end",
    request(PUT, MAC, view=5, count=1), write_head(0xa1b2c3d4, 3), record(T, K1, bytes(range(1, 9))),
    mac(9, 0x8877665544332211))
add("put-padded-mac", "request", "the MAC stands behind the padding, at the very end",
    request(PUT, PADDED | MAC, view=5, count=1), write_head(1), record(T, K1, b"12345678"), zeros(8),
    mac(9, 0x8877665544332211))
add("delete-one", "request", "DELETE of one key: a record without a row",
    request(DELETE, view=5, count=1), write_head(0), record(T, b"abc"))
add("hello", "request", "HELLO: as long as its reply", request(HELLO), hello())
add("ping", "request", "PING: a header alone", request(PING))
add("ping-trace", "request", "PING, traced", request(PING, TRACE), word("trace id", 0xabcdef))
add("describe", "request", "DESCRIBE of view \"risk\", padded to the least length of 64 bytes",
    request(DESCRIBE, PADDED), describe(b"risk"), zeros(20))
add("describe-offset", "request", "DESCRIBE from byte 1000 on, with a name that leaves no room to pad",
    request(DESCRIBE, PADDED), describe(b"a-name-of-twenty-four-by", 1000))

full = request(GET, view=7, count=1, key_bytes=8) + keys(K1)
refuse("truncated", "short-header", "request", "31 bytes: a header has 32",
    [("header, one byte short", b"".join(b for _, b in request(PING))[:31])])
refuse("bad_magic", "magic", "request", "HTTP on this port",
    request(GET, view=7, count=1, key_bytes=8, magic=b"GET "), keys(K1))
refuse("bad_version", "version", "request", "protocol version 2",
    request(GET, view=7, count=1, key_bytes=8, version=2), keys(K1))
refuse("unknown_op", "op-zero", "request", "operation 0", request(0))
refuse("unknown_op", "op-seven", "request", "operation 7", request(7))
refuse("bad_flags", "flag-unknown", "request", "critical flag bit 5",
    request(GET, 0x20, view=7, count=1, key_bytes=8), keys(K1))
refuse("bad_flags", "flag-mac-get", "request", "a MAC goes with PUT and DELETE only",
    request(GET, MAC, view=7, count=1, key_bytes=8), keys(K1), mac(0, 0))
refuse("bad_flags", "flag-strong-put", "request", "STRONG goes with GET only",
    request(PUT, STRONG, view=5, count=1), write_head(1), record(T, K1, b"12345678"))
refuse("bad_flags", "flag-times-ping", "request", "TIMES goes with GET, PUT and DELETE",
    request(PING, TIMES))
refuse("truncated", "no-asof", "request", "the as-of word is not there",
    request(GET, ASOF, view=7, count=1, key_bytes=8))
refuse("truncated", "no-trace", "request", "the trace word is not there", request(PING, TRACE), zeros(7))
refuse("truncated", "no-mac", "request", "the MAC is not there",
    request(PUT, MAC, view=5, count=1), write_head(1))
refuse("truncated", "put-short", "request", "PUT without its fixed part", request(PUT, view=5, count=1),
    zeros(7))
refuse("truncated", "hello-short", "request", "HELLO without the last byte of its body", request(HELLO),
    hello(zero1=bytes(15)))
refuse("truncated", "describe-short", "request", "DESCRIBE of 63 bytes", request(DESCRIBE, PADDED),
    describe(b"risk"), zeros(19))
refuse("no_keys", "get-no-keys", "request", "GET of no keys", request(GET, view=7))
refuse("no_keys", "put-no-keys", "request", "PUT of no rows", request(PUT, view=5), write_head(1))
refuse("key_count", "count-high", "request", "two keys said, one there",
    request(GET, view=7, count=2, key_bytes=8), keys(K1))
refuse("key_count", "table-short", "request", "three keys said, a table of two bytes",
    request(GET, view=7, count=3), lengths(1, 1))
refuse("key_count", "put-count-high", "request", "two rows said, one there",
    request(PUT, view=5, count=2), write_head(1), record(T, K1, b"12345678"))
refuse("key_length", "table-zero", "request", "a key of no bytes in the table",
    request(GET, view=7, count=2), lengths(1, 0), keys(b"x"))
refuse("key_length", "table-overrun", "request", "a key that overruns the datagram",
    request(GET, view=7, count=2), lengths(1, 200), keys(b"x", b"abc"))
refuse("key_length", "put-key-zero", "request", "PUT with a key of no bytes",
    request(PUT, view=5, count=1), write_head(1), record(T, K1, b"12345678", key_bytes=0))
refuse("key_length", "put-key-overrun", "request", "PUT with a key that overruns the datagram",
    request(PUT, view=5, count=1), write_head(1), record(T, K1, b"12345678", key_bytes=25))
refuse("key_length", "name-zero", "request", "DESCRIBE of no name", request(DESCRIBE, PADDED),
    describe(b""), zeros(24))
refuse("key_length", "name-long", "request", "DESCRIBE of a name of 64 bytes", request(DESCRIBE),
    describe(b"n" * 64))
refuse("row_length", "put-row-overrun", "request", "PUT with a row that overruns the datagram",
    request(PUT, view=5, count=1), write_head(1), record(T, K1, b"12345678", row_bytes=9))
refuse("row_length", "delete-row", "request", "DELETE with a row", request(DELETE, view=5, count=1),
    write_head(0), record(T, K1, b"12345678"))
refuse("not_zero", "hello-view", "request", "HELLO with a view", request(HELLO, view=1), hello())
refuse("not_zero", "ping-count", "request", "PING with a key count", request(PING, count=1))
refuse("not_zero", "hello-reserved", "request", "HELLO with a reserved byte set", request(HELLO),
    hello(zero1=bytes(15) + b"\1"))
refuse("not_zero", "put-key-bytes", "request", "PUT with key_bytes in the header",
    request(PUT, view=5, count=1, key_bytes=8), write_head(1), record(T, K1, b"12345678"))
refuse("not_zero", "put-reserved", "request", "PUT with its reserved field set",
    request(PUT, view=5, count=1), write_head(1, zero=1), record(T, K1, b"12345678"))
refuse("not_zero", "delete-layout", "request", "DELETE with a layout", request(DELETE, view=5, count=1),
    write_head(1), record(T, K1))
refuse("not_zero", "record-reserved", "request", "a record with a reserved field set",
    request(PUT, view=5, count=1), write_head(1), record(T, K1, b"12345678", zero1=1))
refuse("not_zero", "record-padding", "request", "a key padded with something else than zeros",
    request(PUT, view=5, count=1), write_head(1), record(T, b"abc\0\0\0\0\1", b"12345678", key_bytes=3))
refuse("not_zero", "row-padding", "request", "a row padded with something else than zeros",
    request(PUT, view=5, count=1), write_head(1), record(T, K1, b"abc\0\0\0\0\1", row_bytes=3))
refuse("not_zero", "mac-reserved", "request", "a MAC with its reserved field set",
    request(PUT, MAC, view=5, count=1), write_head(1), record(T, K1, b"12345678"), mac(9, 0, 1))
refuse("not_zero", "describe-reserved", "request", "DESCRIBE with a reserved byte set",
    request(DESCRIBE, PADDED), describe(b"risk", zero=b"\0\1\0"), zeros(20))
refuse("trailing", "get-trailing", "request", "a byte after the last key", full, zeros(1, "trailing"))
refuse("trailing", "table-trailing", "request", "a byte after the last key of a table",
    request(GET, view=7, count=2), lengths(1, 2), keys(b"x", b"yz"), zeros(1, "trailing"))
refuse("trailing", "ping-trailing", "request", "PING with padding, but without the flag", request(PING),
    zeros(8, "trailing"))
refuse("trailing", "put-trailing", "request", "PUT with bytes after the last record",
    request(PUT, view=5, count=1), write_head(1), record(T, K1, b"12345678"), zeros(8, "trailing"))

# ---- replies ----------------------------------------------------------------------------------
ROW = bytes(range(0x10, 0x24))  # 20 bytes: padded to 24
add("get-one", "reply", "the reply to get-one: one set, a row of 20 bytes",
    reply(GET, keys=1, sets=1, entries=1, layout=0x5eed0001), entry(OK, T, ROW))
add("get-mixed", "reply", "three keys of a view of two sets, every outcome by itself",
    reply(GET, keys=3, sets=2, entries=6, layout=0x5eed0002), entry(OK, T, ROW), entry(NOT_FOUND),
    entry(EXPIRED, T - 1), entry(OK, T + 1, b"12345678"), entry(BUSY), entry(OK, T + 2))
BIG = bytes(i & 0xff for i in range(60))
add("get-pieces-0", "reply", "first of three datagrams: entry 0, and the first 16 bytes of entry 1",
    reply(GET, keys=2, sets=1, frags=3, entries=2, layout=3), entry(OK, T, b"12345678"),
    entry(OK, T, BIG[:16], whole=60))
add("get-pieces-1", "reply", "second: the next 24 bytes of entry 1",
    reply(GET, keys=2, sets=1, frag=1, frags=3, first=1, entries=1, layout=3),
    entry(OK, T, BIG[16:40], whole=60, offset=16))
add("get-pieces-2", "reply", "third: the last 20 bytes of entry 1",
    reply(GET, keys=2, sets=1, frag=2, frags=3, first=1, entries=1, layout=3),
    entry(OK, T, BIG[40:], whole=60, offset=40))
add("get-future-status", "reply", "a status that this version does not name reads as ERROR",
    reply(GET, keys=1, sets=1, entries=1), entry(77))
add("get-times", "reply", "the reply to get-times, read from the store while it compacted",
    reply(GET, flags=2, keys=1, sets=1, entries=1, layout=0x5eed0001), entry(OK, T, ROW),
    times(0xabcdef, 250000, 0, 0, 9000, 1000, 0, 230000, 0, met=3))
add("put-times", "reply", "one row written; an unknown thing met (bit 31) is ignored",
    reply(PUT, flags=3, keys=1, entries=1), ack(OK),
    times(0, 5000000, 0, 0, 0x7fff, 12, 34, 56, 0xffffffff, met=0x80000001))
add("put-two", "reply", "one row durable, one superseded",
    reply(PUT, flags=1, keys=2, entries=2), ack(OK), ack(6))
add("delete-one", "reply", "deleted, not synced", reply(DELETE, keys=1, entries=1), ack(OK))
add("hello", "reply", "versions 1 to 1, 1472 bytes, 255 keys, no cookie needed", reply(HELLO),
    [("version min, max, flags, payload bytes, keys, 0", struct.pack("<BBHHBB", 1, 1, 0, 1472, 255, 0)),
     ("cookie", bytes(8)), ("cookie valid s, 0", bytes(8)), ("server time us", struct.pack("<Q", T))])
add("ping", "reply", "PING: a header alone", reply(PING))
TEXT = b"[set users]\nid="
add("describe", "reply", "15 of 300 bytes of text", reply(DESCRIBE),
    [("view, bytes, layout", struct.pack("<HHI", 7, len(TEXT), 0x5eed0001)),
     ("offset, total", struct.pack("<II", 0, 300)), ("text", TEXT)])
add("refusal", "reply", "an unknown view", reply(GET, result=4, keys=1))
add("refusal-future", "reply", "an operation and a result that this version does not name",
    reply(99, result=200))

ONE = dict(keys=1, sets=1, entries=1)
refuse("truncated", "short-header", "reply", "31 bytes",
    [("header, one byte short", b"".join(b for _, b in reply(PING))[:31])])
refuse("bad_magic", "magic", "reply", "a request sent back", request(PING))
refuse("bad_version", "version", "reply", "the server speaks version 2 only", reply(GET, result=2, version=2))
refuse("unknown_op", "op", "reply", "OK to operation 7", reply(7))
refuse("not_zero", "reserved", "reply", "the reserved byte of the header", reply(PING, zero=1))
refuse("not_zero", "set-count", "reply", "sets in a reply that is not to a GET", reply(PING, sets=1))
refuse("not_zero", "entry-reserved", "reply", "the reserved byte of an entry", reply(GET, **ONE),
    entry(OK, T, ROW, zero=1))
refuse("not_zero", "entry-padding", "reply", "a row padded with something else than zeros",
    reply(GET, **ONE), entry(OK, T, b"abc\0\0\0\0\1", whole=3, piece_bytes=3))
refuse("not_zero", "ack-reserved", "reply", "the reserved bytes of an acknowledgement",
    reply(PUT, keys=1, entries=1), ack(OK, b"\0\0\0\0\0\0\1"))
refuse("not_zero", "hello-reserved", "reply", "a reserved byte of HELLO", reply(HELLO),
    [("body", bytes(7) + b"\1" + bytes(24))])
refuse("no_keys", "get-no-keys", "reply", "GET answered OK for no keys", reply(GET, sets=1, entries=1))
refuse("no_keys", "put-no-keys", "reply", "PUT answered OK for no keys", reply(PUT))
refuse("key_count", "no-sets", "reply", "no sets", reply(GET, keys=1, entries=1), entry(OK))
refuse("key_count", "many-sets", "reply", "17 sets", reply(GET, keys=1, sets=17, entries=17),
    *[entry(NOT_FOUND)] * 17)
refuse("key_count", "no-entries", "reply", "no entries", reply(GET, keys=1, sets=1))
refuse("key_count", "entries-short", "reply", "two entries said, one there",
    reply(GET, keys=2, sets=1, entries=2), entry(NOT_FOUND))
refuse("key_count", "acks-short", "reply", "two acknowledgements said, one there",
    reply(PUT, keys=2, entries=2), ack(OK))
refuse("key_count", "refusal-entries", "reply", "a refusal with entries",
    reply(GET, result=1, keys=1, entries=1), entry(OK))
refuse("row_length", "piece-overrun", "reply", "a piece that overruns the datagram",
    reply(GET, **ONE), entry(OK, T, ROW, whole=25, piece_bytes=25))
refuse("row_length", "piece-past-row", "reply", "a piece past the end of its row", reply(GET, **ONE),
    entry(OK, T, ROW, whole=19))
refuse("row_length", "row-too-long", "reply", "a row above 32768 bytes",
    reply(GET, keys=1, sets=1, frags=2, entries=1), entry(OK, T, ROW, whole=32769))
refuse("row_length", "row-not-found", "reply", "a row with NOT_FOUND", reply(GET, **ONE),
    entry(NOT_FOUND, 0, ROW))
refuse("row_length", "text-overrun", "reply", "text that overruns the datagram", reply(DESCRIBE),
    [("body", struct.pack("<HHIII", 7, 9, 1, 0, 300)), ("text", b"12345678")])
refuse("truncated", "hello-short", "reply", "HELLO without the last byte of its body", reply(HELLO), zeros(31))
refuse("truncated", "describe-short", "reply", "DESCRIBE without the last byte of its body",
    reply(DESCRIBE), zeros(15))
refuse("truncated", "times-short", "reply", "times said, but 40 bytes of them there",
    reply(PUT, flags=2, keys=1, entries=1), zeros(40, "body"))
refuse("not_zero", "times-reserved", "reply", "the reserved word of the times",
    reply(PUT, flags=2, keys=1, entries=1), ack(OK), times(0, *[0] * 8, zero=1))
refuse("fragment", "frag-past-count", "reply", "datagram 1 of 1", reply(GET, frag=1, **ONE), entry(OK, T, ROW))
refuse("fragment", "frag-none", "reply", "datagram 0 of 0", reply(PING, frags=0))
refuse("fragment", "ping-two", "reply", "PING in two datagrams", reply(PING, frags=2))
refuse("fragment", "first-entry", "reply", "the first datagram begins with entry 1",
    reply(GET, keys=2, sets=1, first=1, entries=1), entry(NOT_FOUND))
refuse("fragment", "past-last-entry", "reply", "more entries than keys",
    reply(GET, keys=1, sets=1, entries=2), entry(NOT_FOUND), entry(NOT_FOUND))
refuse("fragment", "last-incomplete", "reply", "the last datagram ends before the last entry",
    reply(GET, keys=2, sets=1, entries=1), entry(NOT_FOUND))
refuse("fragment", "piece-alone", "reply", "a piece that no datagram continues", reply(GET, **ONE),
    entry(OK, T, ROW, whole=24))
refuse("fragment", "piece-late", "reply", "a row that begins in the middle", reply(GET, **ONE),
    entry(OK, T, ROW, whole=24, offset=4))
refuse("fragment", "piece-empty", "reply", "a piece of no bytes",
    reply(GET, keys=1, sets=1, frags=2, entries=1), entry(OK, T, b"", whole=24))
refuse("trailing", "get-trailing", "reply", "bytes after the last entry", reply(GET, **ONE),
    entry(OK, T, ROW), zeros(8, "trailing"))
refuse("trailing", "refusal-trailing", "reply", "a refusal with a body", reply(GET, result=4, keys=1),
    zeros(8, "trailing"))
refuse("trailing", "ping-trailing", "reply", "PING with a body", reply(PING), zeros(8, "trailing"))


def hex_file(kind, defect, comment, parts):
    lines = [f"# {comment}", f"# kind: {kind}", f"# defect: {defect}"]
    for label, data in parts:
        for at in range(0, len(data), 16):
            text = data[at:at + 16].hex(" ")
            lines.append(f"{text:<48}# {label}" if at == 0 else text)
    return ("\n".join(lines) + "\n").encode()


def outputs():
    for name, kind, defect, comment, parts in vectors:
        file = name if name.startswith("refused-") else f"{kind}-{name}"
        yield V1 / f"{file}.hex", hex_file(kind, defect, comment, parts)
        yield CORPUS / f"wire-{kind}" / f"{file}.bin", b"".join(data for _, data in parts)


def main():
    write = sys.argv[1:] == ["--write"]
    files = dict(outputs())
    assert len(files) == 2 * len(vectors), "two vectors of one name"
    wrong = []
    for path, data in files.items():
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        elif not path.exists() or path.read_bytes() != data:
            wrong.append(path)
    for path in wrong:
        print(f"{path}: differs from what generate.py makes", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
