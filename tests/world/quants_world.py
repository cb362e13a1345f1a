#!/usr/bin/env python3
"""Compares Quern's block formats with gguf-py's NumPy implementation.

Talks to quern_world_quants, which is built from quants_tool.cpp. Exit status 0 when all agree.

decode: random blocks, every byte pattern but non-finite scales, must decode to the same bits.
encode: gguf-py must decode what Quern encoded to the same values as Quern does, and the error must
        not exceed that of gguf-py's own quantiser where it has one.
"""

import subprocess
import sys

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize
from report import tool_path

N_BLOCKS = 4096

# Byte offsets of the f16 fields of a block.
F16_FIELDS = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": [],
}  # fmt: skip
EXTREME_F16 = [0x0000, 0x8000, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF]


def tool(path, action, type_name, data):
    done = subprocess.run([path, action, type_name], input=data, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{action} {type_name}: {done.stderr.decode().strip()}")
    return done.stdout


def random_blocks(type_name, rng):
    size = GGML_QUANT_SIZES[GGMLQuantizationType[type_name]][1]
    blocks = rng.integers(0, 256, (N_BLOCKS, size), dtype=np.uint8)
    for offset in F16_FIELDS[type_name]:
        bits = rng.integers(0, 0x10000, N_BLOCKS).astype(np.uint16)
        bits[: N_BLOCKS // 4] = rng.choice(EXTREME_F16, N_BLOCKS // 4)
        infinite_or_nan = (bits & 0x7C00) == 0x7C00
        bits[infinite_or_nan] &= 0xBFFF  # a finite scale instead
        blocks[:, offset : offset + 2] = bits.reshape(-1, 1).view(np.uint8)
    if type_name == "MXFP4":
        blocks[:256, 0] = np.arange(256)  # every exponent
    return blocks


def check_decode(path, type_name, blocks):
    with np.errstate(over="ignore"):  # MXFP4's last exponent
        want = dequantize(blocks, GGMLQuantizationType[type_name]).ravel()
    got = np.frombuffer(tool(path, "decode", type_name, blocks.tobytes()), dtype=np.float32)
    same = got.shape == want.shape and np.array_equal(got, want, equal_nan=True)
    print(f"decode {type_name:7} {want.size:8} values  {'equal' if same else 'DIFFERENT'}")
    if not same and got.shape == want.shape:
        i = np.flatnonzero(~((got == want) | (np.isnan(got) & np.isnan(want))))[0]
        print(f"  first at {i}: got {got[i]}, want {want[i]}")
    return same


def rms(values):
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def check_encode(path, type_name, rng):
    qtype = GGMLQuantizationType[type_name]
    x = (rng.standard_normal((64, 1024)) * 0.02).astype(np.float32)
    x[:, ::97] *= 8.0  # outliers, as weights have them
    encoded = tool(path, "encode", type_name, x.tobytes())
    blocks = np.frombuffer(encoded, dtype=np.uint8).reshape(64, -1)
    theirs = dequantize(blocks, qtype)
    ours = np.frombuffer(tool(path, "decode", type_name, encoded), dtype=np.float32)
    error = rms(theirs - x)
    try:
        limit = rms(dequantize(quantize(x, qtype), qtype) - x)
    except NotImplementedError:
        limit = 0.5 * rms(x)  # gguf-py has no quantiser for it: only that the rows survive
    good = np.array_equal(ours, theirs.ravel()) and error <= limit * 1.0001
    print(f"encode {type_name:7} rms error {error:.3e}, limit {limit:.3e}  {'ok' if good else 'BAD'}")
    return good


def main():
    path = tool_path("quern_world_quants")
    rng = np.random.default_rng(20240607)
    results = [check_decode(path, name, random_blocks(name, rng)) for name in F16_FIELDS]
    every_half = np.arange(0x10000, dtype=np.uint16).view(np.uint8).reshape(1, -1)
    results += [check_decode(path, name, every_half) for name in ("F16", "BF16")]
    results += [check_encode(path, name, rng) for name in [*F16_FIELDS, "F16", "BF16"]]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
