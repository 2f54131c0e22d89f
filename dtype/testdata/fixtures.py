#!/usr/bin/env python3
"""Writes decode.bin.gz: what ggml's portable C makes of blocks of every format.

    echo 'char ggml_abort, ggml_row_size, ggml_type_name, ggml_type_size;' > unused.c
    gcc -O1 -ffp-contract=off -shared -fPIC -IGGML/include -IGGML/src GGML/src/ggml-quants.c unused.c -o libq.so -lm
    python3 fixtures.py ./libq.so          # needs numpy; checks against the gguf package too where that is installed

For each format the file holds, little endian: length of name (u8), name, then
    3 blocks and their values (f32), for reading when something is wrong;
    the number (u32) and the bytes of blocks with hostile scales, and the sha256 of their values;
    the sha256 of the values of 512 blocks of the splitmix64 stream of seed 1.
Every NaN counts as 7FC00000: which NaN a product gives is the machine's choice.
"""
import ctypes, gzip, hashlib, os, struct, sys
import numpy as np

# name: elements, bytes, offsets of f16 scales
FORMATS = {
    "q4_0": (32, 18, [0]), "q4_1": (32, 20, [0, 2]), "q5_0": (32, 22, [0]), "q5_1": (32, 24, [0, 2]), "q8_0": (32, 34, [0]),
    "q2_k": (256, 84, [80, 82]), "q3_k": (256, 110, [108]), "q4_k": (256, 144, [0, 2]), "q5_k": (256, 176, [0, 2]),
    "q6_k": (256, 210, [208]), "q8_k": (256, 292, []), "iq1_s": (256, 50, [0]), "iq1_m": (256, 56, []), "iq2_xxs": (256, 66, [0]),
    "iq2_xs": (256, 74, [0]), "iq2_s": (256, 82, [0]), "iq3_xxs": (256, 98, [0]), "iq3_s": (256, 110, [0]), "iq4_nl": (32, 18, [0]),
    "iq4_xs": (256, 136, [0]), "tq1_0": (256, 54, [52]), "tq2_0": (256, 66, [64]), "mxfp4": (32, 17, []),
}
HOSTILE16 = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x0400, 0x7BFF, 0xFBFF, 0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFFFF, 0x3C00]
HOSTILE32 = [0, 0x80000000, 1, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7F800001, 0x7FC00000, 0x3F800000]

lib = ctypes.CDLL(os.path.abspath(sys.argv[1]))


def splitmix64(seed, n):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def stream(seed, size):
    return splitmix64(seed, (size + 7) // 8).tobytes()[:size]


def decode(name, block, raw):
    n = len(raw) // FORMATS[name][1] * block
    out = np.empty(n, np.float32)
    f = getattr(lib, "dequantize_row_" + (name[:-1] + "K" if name.endswith("_k") else name))
    f(ctypes.c_char_p(raw), out.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(n))
    bits = out.view(np.uint32)
    bits[np.isnan(out)] = 0x7FC00000
    return out


def crosscheck(name, raw, want):
    try:
        import gguf
    except ImportError:
        return
    t = gguf.GGMLQuantizationType["Q8_K" if name == "q8_k" else name.upper()]
    if t not in gguf.quants._type_traits:
        print(name, "not in the gguf package")
        return
    with np.errstate(all="ignore"):
        got = gguf.quants.dequantize(np.frombuffer(raw, np.uint8), t).astype(np.float32)
    bits = got.view(np.uint32).copy()
    bits[np.isnan(got)] = 0x7FC00000
    bad = int((bits != want.view(np.uint32)).sum())
    if bad:
        print(f"{name}: the gguf package differs in {bad} of {len(want)} values")


def hostile(name):
    block, size, f16 = FORMATS[name]
    out = []
    for i in range(len(HOSTILE16)):
        b = bytearray(stream(100 + i, size))
        for k, at in enumerate(f16):
            b[at:at + 2] = struct.pack("<H", HOSTILE16[(i + 5 * k) % len(HOSTILE16)])
        if name == "q8_k":
            b[0:4] = struct.pack("<I", HOSTILE32[i % len(HOSTILE32)])
        if name == "mxfp4":
            b[0] = [0, 1, 2, 3, 127, 128, 253, 254, 255][i % 9]
        if name == "iq1_m":
            for k in range(4):
                b[49 + 2 * k] = b[49 + 2 * k] & 0x0F | (HOSTILE16[i] >> (4 * k) & 15) << 4
        out.append(bytes(b))
    for fill in (0x00, 0xFF):
        b = bytearray([fill] * size)
        for at in f16:
            b[at:at + 2] = struct.pack("<H", 0x3C00)
        out.append(bytes(b))
    return b"".join(out)


def main():
    blob = b""
    for name, (block, size, _) in FORMATS.items():
        sample, bad, bulk = stream(7, 3 * size), hostile(name), stream(1, 512 * size)
        values = [decode(name, block, raw) for raw in (sample, bad, bulk)]
        for raw, v in zip((sample, bad, bulk), values):
            crosscheck(name, raw, v)
        blob += bytes([len(name)]) + name.encode() + sample + values[0].tobytes()
        blob += struct.pack("<I", len(bad) // size) + bad + hashlib.sha256(values[1].tobytes()).digest()
        blob += hashlib.sha256(values[2].tobytes()).digest()
    with open("decode.bin.gz", "wb") as f:
        f.write(gzip.compress(blob, 9, mtime=0))


if __name__ == "__main__":
    main()
