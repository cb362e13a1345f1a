"""Changes the metadata of a GGUF file (version 2 or 3), by the layout in ggml's docs/gguf.md."""
import math
import struct

ALIGNMENT = 32  # of files that do not say otherwise
STRING, ARRAY = 8, 9
WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


class Header:
    """Walks over the directory at the beginning of a file."""

    def __init__(self, data):
        self.data = data
        magic, _, self.n_tensors, self.n_pairs = struct.unpack_from("<4sIQQ", data)
        assert magic == b"GGUF"
        self.at = 24
        self.pairs = {}  # key: where it begins and ends
        for _ in range(self.n_pairs):
            begin = self.at
            key = self.take_string()
            self.skip_value(self.take("<I"))
            self.pairs[key] = (begin, self.at)
        self.pairs_end = self.at
        self.tensors = {}  # name: dimensions, offset in the data
        for _ in range(self.n_tensors):
            name = self.take_string()
            dims = [self.take("<Q") for _ in range(self.take("<I"))]
            self.take("<I")
            self.tensors[name] = (dims, self.take("<Q"))
        self.tensors_end = self.at

    def take(self, form):
        (number,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return number

    def take_string(self):
        begin = self.at + 8
        self.skip_string()
        return self.data[begin:self.at].decode()

    def skip_string(self):
        n_bytes = self.take("<Q")
        self.at += n_bytes

    def skip_value(self, kind):
        if kind == STRING:
            self.skip_string()
        elif kind == ARRAY:
            element = self.take("<I")
            for _ in range(self.take("<Q")):
                self.skip_value(element)
        else:
            self.at += WIDTHS[kind]


def padded(n_bytes):
    return (n_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


def text_pair(key, text):
    encoded = [part.encode() for part in (key, text)]
    return (struct.pack("<Q", len(encoded[0])) + encoded[0] + struct.pack("<IQ", STRING, len(encoded[1])) + encoded[1])


def with_pair(data, key, pair):
    """The file's bytes with `pair` instead of, or besides, its own; offsets of tensors count from the data's start, and
    stay."""
    header = Header(data)
    begin, end = header.pairs.get(key, (header.pairs_end, header.pairs_end))
    n_pairs = header.n_pairs + (0 if key in header.pairs else 1)
    directory = (data[:16] + struct.pack("<Q", n_pairs) + data[24:begin] + pair + data[end:header.tensors_end])
    return directory.ljust(padded(len(directory)), b"\0") + data[padded(header.tensors_end):]


def with_text(data, key, text):
    return with_pair(data, key, text_pair(key, text))


def tensor_place(data, name):
    """Where a tensor's bytes begin, and how many numbers it has."""
    header = Header(data)
    dims, offset = header.tensors[name]
    return padded(header.tensors_end) + offset, math.prod(dims)
