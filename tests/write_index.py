#!/usr/bin/env python3
"""Writes an INDEX of random unit rows, as 'vkclip index' would for pictures that do not exist.

    write_index.py FOLDER ROWS WIDTH MODEL [--half]

MODEL is a weights file, whose checksum the index gets. With NumPy for a million rows; without it
for some ten thousand.
"""
import array
import hashlib
import json
import math
import os
import pathlib
import random
import struct
import sys

try:
    import numpy
except ImportError:
    numpy = None


def header(rows, width, kind):
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
    text = text.ljust(128 - 10 - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def random_rows(rows, width, half, write):
    """Pieces of at most 10,000 rows."""
    if numpy is None:
        numbers = random.Random(1)
        for _ in range(rows):
            row = [numbers.random() - 0.5 for _ in range(width)]
            length = math.sqrt(sum(x * x for x in row))
            row = [x / length for x in row]
            write(struct.pack(f"<{width}e", *row) if half else array.array("f", row).tobytes())
        return
    numbers = numpy.random.default_rng(1)
    for first in range(0, rows, 10000):
        piece = numbers.standard_normal((min(10000, rows - first), width), dtype=numpy.float32)
        piece /= numpy.linalg.norm(piece, axis=1, keepdims=True)
        write(piece.astype("<f2" if half else "<f4").tobytes())


def write_index(folder, rows, width, model, half=False, write_rows=None):
    folder = pathlib.Path(folder)
    folder.mkdir()
    with open(folder / "embeddings.npy", "wb") as file:
        file.write(header(rows, width, "<f2" if half else "<f4"))
        (write_rows or random_rows)(rows, width, half, file.write)
    items = b"".join(b'{"path": "%d.png", "size": 0, "modified": "2026-01-01T00:00:00.000000000Z", '
                     b'"metadata": {"part": "%d"}}\n' % (i, i % 7) for i in range(rows))
    (folder / "items.jsonl").write_bytes(items)
    (folder / "failed.jsonl").write_bytes(b"")
    digest = hashlib.sha256()
    with open(model, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    (folder / "index.json").write_text(json.dumps({
        "format": 1, "version": "0.1.0", "model_sha256": digest.hexdigest(), "precision": "fp32",
        "preprocessing": {"image_size_px": 224, "allow_truncated": False, "exif": False, "window": None, "frame": 1},
        "embeddings": {"rows": rows, "width": width, "type": "float16" if half else "float32"},
        "items_bytes": len(items), "failed": 0, "failed_bytes": 0, "complete": True}))


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6) or len(sys.argv) == 6 and sys.argv[5] != "--half":
        sys.exit(__doc__)
    write_index(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], len(sys.argv) == 6)
