#!/usr/bin/env python3
"""Decodes lane_huffman streams by docs/format_lane_huffman.md alone, bit by bit.

As a module: decode(stored, decoded_bytes). As a program: python3 lane_huffman.py BUNDLE
prints a line for each stream of the file BUNDLE: "ok" and the decoded bytes' CRC-32, or "corrupt:"
and why. A bundle is, for each stream, u32 decoded bytes, u32 stored bytes and the stored bytes. It
shares no code with the library: where the two disagree, the document or one of them is wrong.
"""
import pathlib
import struct
import sys
import zlib

LANES = 64


class Corrupt(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Corrupt(message)


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        check(count <= len(self.data) - self.at, "cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))


def decode(stored, decoded_bytes, nested=False):
    reader = Reader(stored)
    flags, segment_log, reserved = reader.unpack("<BBH")
    check(flags in (0, 1) and reserved == 0, "stream header")
    check(segment_log == 0 or 16 <= segment_log <= 24, "segment_log")
    out = bytearray()
    while len(out) < decoded_bytes:
        left = decoded_bytes - len(out)
        size = left if segment_log == 0 else min(left, 1 << segment_log)
        out += decode_segment(reader, size, flags == 1, nested)
    check(reader.at == len(stored), "bytes behind the last segment")
    return bytes(out)


def make_codes(first, lengths, count, escape_length):
    """{(length, code): symbol or None for the escape}, or nothing for the lone code."""
    if len(lengths) == 1 and escape_length == 0 and lengths[0] == 0:
        return {}
    codes, start = {}, 0
    for length in range(1, 9):
        for place, l in enumerate(lengths):
            if l == length:
                codes[(length, start >> (8 - length))] = (first + place) % count
                start += 1 << (8 - length)
    if escape_length:
        codes[(escape_length, (1 << escape_length) - 1)] = None
        start += 1 << (8 - escape_length)
    check(start == 256, "the code is not complete")
    return codes


class Group:
    """64 lanes of bits; `shared` are the bytes in the order of need."""

    def __init__(self, data, codes):
        self.codes = codes
        if not codes:
            check(len(data) == 0, "a lone code's group is not empty")
            return
        check(len(data) >= 128, "a group without windows")
        self.bits = [format(data[j], "08b") + format(data[64 + j], "08b") for j in range(LANES)]
        self.used = [0] * LANES
        self.shared = Reader(data[128:])

    def row(self, lone):
        if not self.codes:
            return [lone] * LANES
        symbols, due = [], []
        for j in range(LANES):
            length = 1
            while (length, int(self.bits[j][self.used[j]:self.used[j] + length], 2)) not in self.codes:
                length += 1
            bits = self.bits[j][self.used[j]:self.used[j] + length]
            symbols.append(self.codes[(length, int(bits, 2))])
            if (self.used[j] + length) // 8 > self.used[j] // 8:
                due.append(j)
            self.used[j] += length
        for j in due:
            self.bits[j] += format(self.shared.take(1)[0], "08b")
        return symbols

    def end(self):
        if self.codes:
            check(self.shared.at == len(self.shared.data), "a group's stream has bytes left")
            check("1" not in "".join(b[u:] for b, u in zip(self.bits, self.used)), "unused bits")


def low_bits(raw, k, j):
    if k == 0:
        return 0
    if k == 1:
        return raw[j % 8] >> j // 8 & 1
    if k == 4:
        return raw[j % 32] >> 4 * (j // 32) & 15
    pair = raw[j % 16] >> 2 * (j // 16) & 3
    return pair if k == 2 else pair | (raw[16 + j % 8] >> j // 8 & 1) << 2


def read_escapes(data, count, nested):
    if len(data) == count:
        return Reader(data)
    check(not nested, "nested in a nested stream")
    return Reader(decode(data, count, True))


def decode_segment(reader, size, nibbles, nested):
    (groups, k, first, span, escape_length, reserved, escape_count,
     escape_bytes) = reader.unpack("<5B3sII")
    check(reserved == bytes(3), "reserved")
    if groups == 0:
        check((k, first, span, escape_length, escape_count, escape_bytes) == (0,) * 6, "groups 0")
        return reader.take(size)
    span += 1
    check(groups in (1, 4), "groups")
    check(k <= (0 if nibbles else 4) and escape_length <= (0 if nibbles else 8), "K or escape")
    count = 16 if nibbles else 256 >> k
    check(first < count and span <= count, "the list of lengths")
    step = max(groups, 2) if nibbles else groups
    rows = (2 * size if nibbles else size) // (LANES * step) * step
    check(rows >= 1, "no row")
    group_bytes = reader.unpack("<%dI" % groups)
    packed = reader.take((span + 1) // 2)
    lengths = [half for byte in packed for half in (byte & 15, byte >> 4)]
    check(not any(lengths[span:]) and max(lengths) <= 8, "lengths")
    codes = make_codes(first, lengths[:span], count, escape_length)
    check(escape_count <= (LANES * rows if escape_length else 0), "escape_count")
    check(escape_bytes <= escape_count, "escape_bytes")
    streams = [Group(reader.take(b), codes) for b in group_bytes]
    escapes = read_escapes(reader.take(escape_bytes), escape_count, nested)
    table = []
    for q in range(rows):
        raw = reader.take(8 * k)
        row = streams[q % groups].row(first)
        table.append([escapes.take(1)[0] if s is None else s << k | low_bits(raw, k, j)
                      for j, s in enumerate(row)])
    for stream in streams:
        stream.end()
    check(escapes.at == escape_count, "escaped bytes left over")
    if nibbles:
        table = [[a | b << 4 for a, b in zip(low, high)] for low, high in zip(table[::2], table[1::2])]
    out = b"".join(bytes(row) for row in table)
    return out + reader.take(size - len(out))


def main():
    bundle = Reader(pathlib.Path(sys.argv[1]).read_bytes())
    while bundle.at < len(bundle.data):
        decoded_bytes, stored_bytes = bundle.unpack("<II")
        try:
            print("ok %08x" % zlib.crc32(decode(bundle.take(stored_bytes), decoded_bytes)))
        except Corrupt as error:
            print("corrupt: %s" % error)


if __name__ == "__main__":
    main()
