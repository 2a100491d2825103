#!/usr/bin/env python3
"""Reads a qpk container by docs/format.md alone: python3 read_container.py MODEL.qpk [DIRECTORY]

Checks its structure (all but XXH3, which Python's standard library lacks), lists its tensors, and
with DIRECTORY gives its source files back there. Knows the codecs store, constant and
lane_huffman. It shares no code with the library: where the two disagree, the document or one of them is wrong.

read_container.py --chunks DIRECTORY FILE... decodes files of tests/golden/chunks into DIRECTORY.
"""
import pathlib
import re
import struct
import sys

sys.dont_write_bytecode = True
import lane_huffman

NONE = 0xFFFFFFFF
DTYPES = {1: ("F32", 1, 4), 2: ("F16", 1, 2), 3: ("BF16", 1, 2), 4: ("F64", 1, 8), 5: ("I8", 1, 1),
          6: ("U8", 1, 1), 7: ("I16", 1, 2), 8: ("U16", 1, 2), 9: ("I32", 1, 4), 10: ("U32", 1, 4),
          11: ("I64", 1, 8), 12: ("U64", 1, 8), 13: ("BOOL", 1, 1), 22: ("F4", 2, 1),
          258: ("Q4_0", 32, 18), 264: ("Q8_0", 32, 34)}
SECTIONS = {1: ("names", 1), 2: ("files", 96), 3: ("tensors", 120), 4: ("shapes", 8),
            5: ("chunks", 56), 6: ("streams", 16), 7: ("extents", 32), 8: ("groups", 32),
            9: ("order", 4)}
# Block bytes, and the bytes of a block that each stream gets, as docs/format.md writes them.
FILTER_TABLE = {
    0: (1, "0"),
    1: (2, "0; 1"),
    2: (4, "0; 1; 2; 3"),
    3: (8, "0; 1; 2; 3; 4; 5; 6; 7"),
    4: (2, "0; 1"),
    5: (4, "0; 1; 2; 3"),
    6: (8, "0; 1; 2; 3; 4; 5; 6; 7"),
    16: (18, "0; 1; 2-17"),
    17: (20, "0, 2; 1; 3; 4-19"),
    18: (22, "0; 1; 2-5; 6-21"),
    19: (24, "0, 2; 1; 3; 4-7; 8-23"),
    20: (34, "0; 1; 2-33"),
    21: (36, "0, 2; 1; 3; 4-35"),
    22: (84, "0-15; 16-79; 80, 82; 81; 83"),
    23: (110, "0-31; 32-95; 96-103; 104-107; 108; 109"),
    24: (144, "0, 2; 1; 3; 4-7; 8-11; 12-15; 16-143"),
    25: (176, "0, 2; 1; 3; 4-7; 8-11; 12-15; 16-47; 48-175"),
    26: (210, "0-127; 128-191; 192-207; 208; 209"),
    27: (292, "0-2; 3; 4-259; 260-291"),
    28: (66, "0; 1; 2-5 (8 of step 8); 6-8 (8 of step 8); 9 (8 of step 8)"),
    29: (74, "0; 1; 2 (32 of step 2); 3 (32 of step 2); 66-73"),
    30: (98, "0; 1; 2-65; 66-68 (8 of step 4); 69 (8 of step 4)"),
    31: (50, "0; 1; 2-33; 34 (8 of step 2); 35 (8 of step 2)"),
    32: (110, "0; 1; 2-65; 66-73; 74-105; 106-109"),
    33: (82, "0; 1; 2-33; 34-65; 66-73; 74-81"),
    34: (136, "0; 1; 2-3; 4-7; 8-135"),
    35: (56, "0-31; 32-47; 48 (4 of step 2); 49 (4 of step 2)"),
    36: (54, "0-47; 48-51; 52; 53"),
    37: (66, "0-63; 64; 65"),
    38: (17, "0; 1-16"),
    39: (36, "0-3; 4-35"),
}
ROTATED_FILTERS = (4, 5, 6)
RUN = re.compile(r"(\d+)(?:-(\d+))?(?: \((\d+) of step (\d+)\))?")


def offsets_of(stream):
    """The offsets in "0, 2", "4-7" or "6-8 (8 of step 8)"."""
    offsets = []
    for first, last, count, step in RUN.findall(stream):
        for run in range(int(count or 1)):
            start = run * int(step or 0)
            offsets += range(start + int(first), start + int(last or first) + 1)
    return offsets


FILTERS = {number: (size, [offsets_of(stream) for stream in streams.split(";")])
           for number, (size, streams) in FILTER_TABLE.items()}


def check(condition, message):
    if not condition:
        raise SystemExit("corrupt: " + message)


def supported(condition, message):
    if not condition:
        raise SystemExit("unsupported: " + message)


def zero(data, what):
    check(not any(data), what + " is not zero")


def up8(value):
    return (value + 7) // 8 * 8


def check_digest(record, what):
    algorithm, reserved = struct.unpack_from("<II", record)
    supported(algorithm <= 1, what + " digest algorithm")
    check(reserved == 0, what + " digest reserved")
    zero(record[8 + 16 * algorithm:], what + " digest's unused bytes")


def rotate_right(element):
    """A little-endian element whose bits each move down by one, the lowest to the top."""
    value = int.from_bytes(element, "little")
    return (value >> 1 | (value & 1) << (8 * len(element) - 1)).to_bytes(len(element), "little")


def decode_chunk(number, size, parts, stored):
    block, offsets = FILTERS[number]
    out, at = bytearray(size), 0
    end = size // block * block
    for (codec, _, stored_size, decoded), places in zip(parts, offsets):
        supported(codec in (0, 1, 3), "codec %d" % codec)
        stream = stored[at:at + stored_size]
        at += stored_size
        if codec == 1:
            stream = stream * decoded
        elif codec == 3:
            try:
                stream = lane_huffman.decode(stream, decoded)
            except lane_huffman.Corrupt as error:
                check(False, "lane_huffman: %s" % error)
        for i, place in enumerate(places):
            out[place:end:block] = stream[i:end // block * len(places):len(places)]
    out[end:] = stream[len(stream) - (size - end):]
    if number in ROTATED_FILTERS:
        for i in range(0, end, block):
            out[i:i + block] = rotate_right(out[i:i + block])
    return bytes(out)


def decode_golden_chunk(data):
    """A file of tests/golden/chunks: filter, stream count, size; codec and sizes of each stream."""
    number, count, size = struct.unpack_from("<BBI", data)
    parts = [struct.unpack_from("<BII", data, 6 + 9 * i) for i in range(count)]
    return decode_chunk(number, size, [(codec, b"", stored, decoded)
                                       for codec, stored, decoded in parts], data[6 + 9 * count:])


class Container:
    def __init__(self, data):
        self.data = data
        check(data[:8] == b"\x89QPK\r\n\x1a\n", "no container")
        check(len(data) >= 4096, "truncated superblock")
        version, self.alignment = struct.unpack_from("<II", data, 8)
        supported(version == 1, "version %d" % version)
        (_, incompatible, size, self.index_offset, index_bytes, _,
         self.decoded_bytes) = struct.unpack_from("<7Q", data, 16)
        supported(incompatible == 0, "incompatible features %x" % incompatible)
        zero(data[112:4088], "superblock's reserved field")
        check(self.alignment in (4096, 8192, 16384, 32768, 65536), "alignment")
        check(size == len(data), "%d bytes, expected %d" % (len(data), size))
        check(self.index_offset % self.alignment == 0 and self.index_offset >= 4096, "index offset")
        check(self.index_offset + index_bytes == size and index_bytes <= 1 << 31, "index bytes")
        check(struct.unpack_from("<I", data, 72)[0] == 1, "model digest")
        check_digest(data[72:112], "model")
        self.read_sections()
        self.read_names()
        self.read_tensors()
        self.read_chunks()
        self.check_runs()
        self.check_groups()

    def read_sections(self):
        data, base = self.data, self.index_offset
        check(len(data) - base >= 8 and data[base:base + 4] == b"QIDX", "index magic")
        count = struct.unpack_from("<I", data, base + 4)[0]
        check(8 + 32 * count <= len(data) - base, "section count")
        end, tables = base + 8 + 32 * count, {}
        for i in range(count):
            kind, compatibility, offset, size, _ = struct.unpack_from("<IIQQQ", data,
                                                                      base + 8 + 32 * i)
            supported(compatibility <= 1, "compatibility")
            check(offset == up8(end) and offset + size <= len(data), "section %d's place" % i)
            zero(data[end:offset], "padding")
            end = offset + size
            if kind not in SECTIONS:
                supported(compatibility == 1, "section type %d" % kind)
                continue
            name, record = SECTIONS[kind]
            check(compatibility == 0 and name not in tables, "section " + name)
            check(size % record == 0, "section %s's size" % name)
            tables[name] = [data[j:j + record] for j in range(offset, end, record)]
            if name == "names":
                tables[name] = data[offset:end]
        check(up8(end) == len(data), "index end")
        zero(data[end:], "padding")
        check(len(tables) == len(SECTIONS), "a section is missing")
        self.names = tables["names"]
        self.shapes = [struct.unpack("<Q", r)[0] for r in tables["shapes"]]
        self.files = [dict(zip(("path_at", "path_bytes", "format", "reserved", "bytes", "header",
                                "kept", "first", "count"), struct.unpack_from("<QIHH5Q", r)),
                           digest=r[56:]) for r in tables["files"]]
        self.tensors = [dict(zip(("name_at", "name_bytes", "dtype", "rank", "dimension", "bytes",
                                  "stored", "first", "count", "at", "file", "stack", "layer",
                                  "reserved"), struct.unpack_from("<QIHH6Q4I", r)),
                             digest=r[80:]) for r in tables["tensors"]]
        self.chunks = [dict(zip(("offset", "decoded_at", "stored", "decoded", "stream", "filter",
                                 "streams", "reserved", "reserved2"),
                                struct.unpack("<QQ16xIIQBBHI", r))) for r in tables["chunks"]]
        self.streams = [struct.unpack("<B7sII", r) for r in tables["streams"]]
        self.extents = [struct.unpack("<4Q", r) for r in tables["extents"]]
        self.groups = [struct.unpack("<IIQQQ", r) for r in tables["groups"]]
        self.order = [struct.unpack("<I", r)[0] for r in tables["order"]]

    def read_names(self):
        at = 0
        for owner, field in [(f, "path") for f in self.files] + [(t, "name") for t in self.tensors]:
            size = owner[field + "_bytes"]
            check(owner[field + "_at"] == at and size <= 65535, field + " range")
            text = self.names[at:at + size]
            at += size
            check(at <= len(self.names) and b"\0" not in text, field)
            owner["name"] = text
            try:
                text.decode("utf-8")
            except UnicodeDecodeError:
                check(False, field + " is not UTF-8")
        check(at == len(self.names), "names section")
        for file in self.files:
            check(not {b"", b".", b".."} & set(file["name"].split(b"/")), "path")
        check(len({f["name"] for f in self.files}) == len(self.files), "path repeats")
        check(sorted(self.order) == list(range(len(self.tensors))), "name order")
        ordered = [self.tensors[i]["name"] for i in self.order]
        check(all(a < b for a, b in zip(ordered, ordered[1:])), "name order ascends")

    def read_tensors(self):
        at = 0
        for file in self.files:
            supported(file["format"] <= 3, "format")
            check(file["reserved"] == 0 and file["header"] <= file["bytes"], "file")
            check_digest(file["digest"], "file")
        for tensor in self.tensors:
            supported(tensor["dtype"] in DTYPES, "dtype %d" % tensor["dtype"])
            _, elements, size = DTYPES[tensor["dtype"]]
            check(tensor["reserved"] == 0 and tensor["rank"] <= 64, "tensor")
            check(tensor["dimension"] == at, "first dimension")
            shape = tensor["shape"] = self.shapes[at:at + tensor["rank"]]
            at += tensor["rank"]
            check(at <= len(self.shapes), "shape")
            count = 1
            for dimension in shape:
                count *= dimension
            row = ([1] + shape)[-1] if tensor["dtype"] >= 256 else count
            check(row % elements == 0 and count // elements * size == tensor["bytes"], "shape")
            check_digest(tensor["digest"], "tensor")
            check(tensor["file"] < len(self.files), "file number")
            file = self.files[tensor["file"]]
            check(tensor["at"] >= file["header"], "tensor in the header")
            check(tensor["at"] + tensor["bytes"] <= file["bytes"], "tensor past its file")
        check(at == len(self.shapes), "shapes section")
        for number, file in enumerate(self.files):
            end = total = 0
            for tensor in self.tensors_of(number):
                check(tensor["bytes"] == 0 or tensor["at"] >= end, "tensors overlap")
                end = max(end, tensor["at"] + tensor["bytes"])
                total += tensor["bytes"]
            check(file["kept"] == file["bytes"] - total, "kept bytes")
        check(sum(t["bytes"] for t in self.tensors) == self.decoded_bytes, "decoded bytes")

    def tensors_of(self, number):
        return sorted((t for t in self.tensors if t["file"] == number),
                      key=lambda t: (t["at"], t["name"]))

    def read_chunks(self):
        at = 0
        for chunk in self.chunks:
            check(chunk["reserved"] == chunk["reserved2"] == 0, "chunk reserved")
            check(1 <= chunk["stored"] <= chunk["decoded"] <= 1 << 24, "chunk sizes")
            supported(chunk["filter"] in FILTERS, "filter %d" % chunk["filter"])
            block, offsets = FILTERS[chunk["filter"]]
            count = len(offsets)
            check(chunk["streams"] == count and chunk["stream"] == at, "streams")
            parts = chunk["parts"] = self.streams[at:at + count]
            at += count
            check(len(parts) == count, "streams")
            check(sum(stored for _, _, stored, _ in parts) == chunk["stored"], "stored sizes")
            for p, (codec, reserved, stored, decoded) in enumerate(parts):
                zero(reserved, "stream's reserved field")
                tail = chunk["decoded"] % block if p == count - 1 else 0
                check(decoded == chunk["decoded"] // block * len(offsets[p]) + tail, "stream size")
                check(stored == decoded if codec == 0 else 1 <= stored < decoded, "stream")
                check(codec != 1 or stored == 1, "constant stream")
        check(at == len(self.streams), "streams section")
        chunk_at, end = 0, 4096
        for offset, size, first, count in self.extents:
            check(offset % self.alignment == 0 and size % self.alignment == 0, "extent alignment")
            check(offset >= end and offset + size <= self.index_offset, "extent place")
            check(first == chunk_at and 1 <= count <= len(self.chunks) - first, "extent chunks")
            position, end, chunk_at = offset, offset + size, first + count
            for chunk in self.chunks[first:chunk_at]:
                check(chunk["offset"] >= position, "chunk order")
                position = chunk["offset"] + chunk["stored"]
                check(position <= end, "chunk past its extent")
        check(chunk_at == len(self.chunks), "chunks without an extent")

    def check_runs(self):
        runs = {}
        for owner in self.tensors + self.files:
            first, count = owner["first"], owner["count"]
            check(first + count <= len(self.chunks) and (count or not first), "chunk run")
            at = stored = 0
            for chunk in self.chunks[first:first + count]:
                check(chunk["decoded_at"] == at, "decoded offset")
                at += chunk["decoded"]
                stored += chunk["stored"]
            check(at == owner.get("kept", owner["bytes"]), "run's size")
            check(stored == owner.get("stored", stored), "stored bytes")
            if count:
                shared = runs.setdefault((first, first + count), owner["digest"])
                check(shared == owner["digest"], "digests of a shared run")
        end = 0
        for first, last in sorted(runs):
            check(first == end, "runs")
            end = last
        check(end == len(self.chunks), "chunk without an owner")

    def check_groups(self):
        at, layers = 0, set()
        for stack, layer, first, count, size in self.groups:
            check((stack == NONE) == (layer == NONE) and (stack, layer) not in layers, "layer")
            if layer != NONE:
                layers.add((stack, layer))
            check(first == at and 1 <= count <= len(self.tensors) - at, "group")
            at += count
            members = self.tensors[first:at]
            check(all((t["stack"], t["layer"]) == (stack, layer) for t in members), "group layer")
            check(sum(t["bytes"] for t in members) == size, "group bytes")
        check(at == len(self.tensors), "tensors without a group")

    def decode(self, chunk):
        at = chunk["offset"]
        return decode_chunk(chunk["filter"], chunk["decoded"], chunk["parts"],
                            self.data[at:at + chunk["stored"]])

    def bytes_of(self, owner):
        run = self.chunks[owner["first"]:owner["first"] + owner["count"]]
        return b"".join(self.decode(chunk) for chunk in run)

    def restore(self, number):
        kept = self.bytes_of(self.files[number])
        out = b""
        taken = 0
        for tensor in self.tensors_of(number):
            gap = tensor["at"] - len(out)
            out += kept[taken:taken + gap] + self.bytes_of(tensor)
            taken += gap
        return out + kept[taken:]


def main():
    if sys.argv[1] == "--chunks":
        for name in sys.argv[3:]:
            decoded = decode_golden_chunk(pathlib.Path(name).read_bytes())
            (pathlib.Path(sys.argv[2]) / pathlib.Path(name).name).write_bytes(decoded)
        return
    container = Container(pathlib.Path(sys.argv[1]).read_bytes())
    for tensor in container.tensors:
        place = "no layer"
        if tensor["layer"] != NONE:
            place = "layer %d.%d" % (tensor["stack"], tensor["layer"])
        print("%s %s %s %d bytes, %s" % (tensor["name"].decode(), DTYPES[tensor["dtype"]][0],
                                         tensor["shape"], tensor["bytes"], place))
    for number, file in enumerate(container.files if len(sys.argv) > 2 else []):
        path = pathlib.Path(sys.argv[2]) / file["name"].decode()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(container.restore(number))


if __name__ == "__main__":
    main()
