"""Adds a text to the metadata of a GGUF file (version 2 or 3), by the layout in ggml's docs/gguf.md."""
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
        for _ in range(self.n_pairs):
            self.skip_string()
            self.skip_value(self.take("<I"))
        self.pairs_end = self.at
        for _ in range(self.n_tensors):
            self.skip_string()
            n_dims = self.take("<I")
            self.at += 8 * n_dims + 4 + 8
        self.tensors_end = self.at

    def take(self, form):
        (number,) = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return number

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


def with_text(data, key, text):
    """The file's bytes with one more pair; offsets of tensors count from the data's start, and stay."""
    header = Header(data)
    encoded = [part.encode() for part in (key, text)]
    pair = (struct.pack("<Q", len(encoded[0])) + encoded[0] + struct.pack("<IQ", STRING, len(encoded[1])) + encoded[1])
    begin = (data[:16] + struct.pack("<Q", header.n_pairs + 1) + data[24:header.pairs_end] + pair +
             data[header.pairs_end:header.tensors_end])
    return begin.ljust(padded(len(begin)), b"\0") + data[padded(header.tensors_end):]
