#!/usr/bin/env python3
"""Writes encode.json: what ggml's quantisers make of some distributions. See fixtures.py for libq.so; python3 encode.py ./libq.so

bytes: sha256 of the blocks, for the formats whose rule we follow to the byte.
rmse:  relative root mean square error, and the same weighted by the squares of the elements, for the formats with a search.
"""
import ctypes, hashlib, json, os, sys
import numpy as np
from fixtures import FORMATS, lib, splitmix64, decode

N = 256 * 256
SIZES = {t: f[:2] for t, f in FORMATS.items()} | {"q8_1": (32, 36)}
BYTES = ["q4_0", "q4_1", "q5_0", "q5_1", "q8_0", "q8_1", "q8_k", "iq4_nl", "mxfp4", "tq1_0", "tq2_0"]
SEARCH = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_xs"]


def bells(seed, n):
    """Integers that look normal with deviation 37837: sums of four 16-bit words, centred."""
    return splitmix64(seed, n).view(np.uint16).reshape(n, 4).astype(np.int64).sum(1) - 131070


def data():
    g, h, u = bells(1, N), bells(2, N), splitmix64(3, N)
    f = lambda v, scale: v.astype(np.float32) * np.float32(scale)
    yield "normal", f(g, 2**-21)
    yield "heavy", f(g * h // 65536, 2**-20)
    yield "positive", f(abs(g), 2**-17)
    yield "sparse", f(g * (u % np.uint64(8) == 0), 2**-19)
    yield "uniform", f((u >> np.uint64(44)).astype(np.int64) - 2**19, 2**-19)
    yield "ramps", f(np.arange(N) % 1021 * ((np.arange(N) // 700) % 5 - 2), 2**-13)


def encode(t, x):
    block, size = SIZES[t]
    out = np.zeros(len(x) // block * size, np.uint8)
    name = t[:-1] + "K" if t.endswith("_k") else t
    args = [x.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p)]
    if t.startswith("iq4"):
        getattr(lib, "quantize_" + name)(*args, ctypes.c_int64(1), ctypes.c_int64(len(x)), None)
    else:
        getattr(lib, f"quantize_row_{name}_ref")(*args, ctypes.c_int64(len(x)))
    return out.tobytes()


result = {}
for name, x in data():
    x = np.ascontiguousarray(x)
    one = {"input": hashlib.sha256(x.tobytes()).hexdigest(), "bytes": {}, "rmse": {}}
    for t in BYTES:
        one["bytes"][t] = hashlib.sha256(encode(t, x)).hexdigest()
    for t in SEARCH if name != "ramps" else []:  # ramps are for odd cases of the rule, no likeness of weights
        y, x64 = decode(t, 256, encode(t, x)).astype(np.float64), x.astype(np.float64)
        e, p = (y - x64) ** 2, x64**2
        one["rmse"][t] = [float(np.sqrt(e.sum() / p.sum())), float(np.sqrt((e * p).sum() / (p * p).sum()))]
    result[name] = one
json.dump(result, open("encode.json", "w"), indent=1)
