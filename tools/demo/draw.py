#!/usr/bin/env python3
"""Draws the micrographs of the demo model: picture `number` of `split`, 224 x 224 RGB.

Six attributes are independent of each other: cell shape, stain, density, size, background, artefact.
Every picture is the same to the bit wherever it is drawn, so tests redraw it instead of storing it:
randomness is a counter-based integer hash, and what reaches a pixel is made with IEEE + - * / sqrt,
floor, min and max in float64 only, element by element (no sin, exp or pow, whose last bit depends on
the C library, and no sums or matrix products, whose order depends on the CPU).

    draw.py images    writes the eight pictures of tools/demo/images (needs Pillow for the two JPEGs)
    draw.py hash      prints the sha256 over the first 100 pictures of the test split
"""
import hashlib
import os
import struct
import sys
import zlib

import numpy as np

SIDE = 224
ATTRIBUTES = {
    "shape": ("round", "spindle", "star", "ring", "crescent"),
    "stain": ("pink", "purple", "brown", "blue", "green"),
    "density": ("sparse", "dense"),
    "size": ("small", "large"),
    "background": ("clear", "grainy", "fibrous"),
    "artefact": ("clean", "bubbles", "scratches"),
}
# One pair for each shape and each stain; the trainer never sees them.
HELD_OUT = {("round", "green"), ("spindle", "blue"), ("star", "purple"), ("ring", "pink"), ("crescent", "brown")}
SPLITS = {"train": 1, "test": 2, "demo": 3}

# Share of red, green and blue light that passes through the body of a cell and through its nucleus.
INKS = {
    "pink": ((0.95, 0.66, 0.78), (0.74, 0.22, 0.46)),
    "purple": ((0.76, 0.64, 0.88), (0.34, 0.17, 0.56)),
    "brown": ((0.84, 0.69, 0.52), (0.44, 0.25, 0.11)),
    "blue": ((0.64, 0.79, 0.95), (0.12, 0.30, 0.68)),
    "green": ((0.66, 0.88, 0.72), (0.07, 0.44, 0.29)),
}
DEMO_PICTURES = (  # file, number of the picture in the demo split, attributes in the order above
    ("round_purple_dense.png", 4, ("round", "purple", "dense", "large", "clear", "clean")),
    ("spindle_pink_fibrous.png", 1, ("spindle", "pink", "dense", "large", "fibrous", "clean")),
    ("star_brown_sparse.png", 32, ("star", "brown", "sparse", "large", "grainy", "clean")),
    ("ring_blue_dense.png", 3, ("ring", "blue", "dense", "small", "clear", "clean")),
    ("crescent_green_bubbles.png", 4, ("crescent", "green", "dense", "large", "clear", "bubbles")),
    ("round_brown_fibrous.png", 15, ("round", "brown", "sparse", "small", "fibrous", "clean")),
    ("star_blue_scratches.jpg", 6, ("star", "blue", "dense", "small", "grainy", "scratches")),
    ("spindle_green_large.jpg", 37, ("spindle", "green", "sparse", "large", "clear", "clean")),
)

MASK = 0xFFFFFFFF


def mix(word):
    """Finalizer of MurmurHash3 (public domain), on a Python integer."""
    word ^= word >> 16
    word = word * 0x85EBCA6B & MASK
    word ^= word >> 13
    word = word * 0xC2B2AE35 & MASK
    return word ^ word >> 16


def noise(key, rows, cols):
    """[rows, cols] float64 in [0, 1): the same mixing, on a whole array."""
    word = np.arange(rows * cols, dtype=np.uint64) * np.uint64(0x9E3779B9) + np.uint64(key)
    word = word & np.uint64(MASK)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        word = (word ^ (word >> np.uint64(shift))) * np.uint64(factor) & np.uint64(MASK)
    word ^= word >> np.uint64(16)
    return (word.astype(np.float64) / 4294967296.0).reshape(rows, cols)


class Dice:
    """The numbers of one picture: the n-th throw is hash(split, picture, n)."""

    def __init__(self, split, number):
        self.key = mix(mix(SPLITS[split] * 0x9E3779B9 & MASK) + number & MASK)
        self.throws = 0

    def word(self):
        self.throws += 1
        return mix(self.throws * 0x9E3779B9 + self.key & MASK)

    def between(self, low, high):
        return low + (high - low) * (self.word() / 4294967296.0)

    def choice(self, names):
        return names[self.word() % len(names)]

    def direction(self):
        """A unit vector, even over the circle: the first point of the square inside the ring."""
        while True:
            x, y = self.between(-1.0, 1.0), self.between(-1.0, 1.0)
            square = x * x + y * y
            if 0.04 < square < 1.0:
                length = float(np.sqrt(square))
                return x / length, y / length


def attributes_of(split, number):
    """The six attributes of a picture. The train split throws again when it meets a held-out pair."""
    dice = Dice(split, number)
    while True:
        chosen = {name: dice.choice(values) for name, values in ATTRIBUTES.items()}
        if split != "train" or (chosen["shape"], chosen["stain"]) not in HELD_OUT:
            return chosen


def smooth_noise(key, cells):
    """[SIDE, SIDE] in [0, 1): noise on a coarse lattice, blended by smoothstep."""
    lattice = noise(key, cells + 2, cells + 2)
    at = np.arange(SIDE) * (cells / float(SIDE))
    low = np.floor(at).astype(np.int64)
    part = at - low
    part = part * part * (3.0 - 2.0 * part)
    rows = lattice[low] * (1.0 - part[:, None]) + lattice[low + 1] * part[:, None]
    return rows[:, low] * (1.0 - part) + rows[:, low + 1] * part


def fibres(dice):
    """[SIDE, SIDE] in [0, 1]: wavy bundles running in one direction."""
    x, y = dice.direction()
    across = np.arange(SIDE) * x + (np.arange(SIDE) * y)[:, None]
    across = across + 42.0 * smooth_noise(dice.word(), 4) + 9.0 * smooth_noise(dice.word(), 14)
    phase = across * (1.0 / 17.0)
    wave = np.abs(phase - np.floor(phase) - 0.5) * 2.0
    return wave * wave * (0.45 + 0.55 * smooth_noise(dice.word(), 9))


def draw_background(kind, dice):
    """[SIDE, SIDE, 3] light that reaches the cells: a lamp brighter in the middle, and the ground."""
    at = (np.arange(SIDE) - 111.5) / 111.5
    light = 0.97 - 0.05 * (at * at + (at * at)[:, None]) - 0.03 * smooth_noise(dice.word(), 5)
    tint = [dice.between(0.955, 1.0) for _ in range(3)]
    canvas = np.empty((SIDE, SIDE, 3))
    shade = np.zeros((SIDE, SIDE))
    dark = (0.0, 0.0, 0.0)
    if kind == "grainy":
        speck = np.repeat(np.repeat(noise(dice.word(), SIDE // 2, SIDE // 2), 2, axis=0), 2, axis=1)
        shade = np.maximum(speck - 0.55, 0.0) * 0.42 + 0.10 * noise(dice.word(), SIDE, SIDE)
        dark = (1.0, 1.05, 1.1)
    elif kind == "fibrous":
        shade = fibres(dice) * 0.30
        dark = (0.55, 1.0, 0.85)
    for channel in range(3):
        canvas[:, :, channel] = light * tint[channel] * (1.0 - shade * dark[channel])
    return canvas


def cell_fields(shape, radius, x, y, bend):
    """Signed distances in pixels, about right near the edge, negative inside: body and nucleus.

    x, y are pixels in the frame of the cell; bend is a unit vector that makes each outline its own."""
    r = np.sqrt(x * x + y * y) + 1e-6
    u, v = x / r, y / r
    cos2, sin2 = u * u - v * v, 2.0 * u * v
    wobble = 1.0 + 0.06 * (cos2 * bend[0] - sin2 * bend[1])
    nucleus_x, nucleus_y = x - 0.16 * radius * bend[0], y - 0.16 * radius * bend[1]
    nucleus = np.sqrt(nucleus_x * nucleus_x + nucleus_y * nucleus_y)
    if shape == "round":
        return r * wobble - radius, nucleus - 0.45 * radius
    if shape == "spindle":
        along = x / (1.9 * radius)
        side = y + 0.22 * radius * bend[0] * (along * along - 0.3)
        width = 0.50 * radius * (1.0 - along * along)
        inner = np.sqrt(x * x * 0.16 + side * side)
        return np.abs(side) - width, inner - 0.24 * radius
    if shape == "star":
        cos4, sin4 = cos2 * cos2 - sin2 * sin2, 2.0 * cos2 * sin2
        spike = 0.5 + 0.5 * (cos4 * u - sin4 * v)
        return (r - radius * (0.40 + 1.05 * spike * spike)) * 0.7, r - 0.27 * radius
    if shape == "ring":
        return np.abs(r * wobble - 0.86 * radius) - 0.22 * radius, None
    hollow_x = x - 0.55 * radius
    hollow = np.sqrt(hollow_x * hollow_x + y * y)
    return np.maximum(r - 1.1 * radius, 0.86 * radius - hollow), None


def draw_cell(canvas, shape, stain, radius, centre, dice):
    """Multiplies the light under one cell by what its stain lets through, so overlaps darken."""
    reach = int(2.0 * radius) + 3
    left, top = max(int(centre[0]) - reach, 0), max(int(centre[1]) - reach, 0)
    right, bottom = min(int(centre[0]) + reach, SIDE), min(int(centre[1]) + reach, SIDE)
    if left >= right or top >= bottom:
        return
    turn, bend = dice.direction(), dice.direction()
    strength = dice.between(0.85, 1.1)
    dx = np.arange(left, right) - centre[0]
    dy = (np.arange(top, bottom) - centre[1])[:, None]
    body, nucleus = cell_fields(shape, radius, dx * turn[0] + dy * turn[1], dy * turn[0] - dx * turn[1], bend)
    edge = np.maximum(1.0 - np.abs(body + 1.2) * 0.5, 0.0)
    if nucleus is None:
        core = 0.62 + 0.38 * edge
    else:
        core = np.maximum(np.minimum(np.maximum(0.5 - nucleus * 0.7, 0.0), 1.0), 0.35 * edge)
    cover = np.minimum(np.maximum(0.5 - body, 0.0), 1.0) * strength
    cover = np.minimum(cover, 1.0)
    for channel in range(3):
        light, dark = INKS[stain][0][channel], INKS[stain][1][channel]
        canvas[top:bottom, left:right, channel] *= 1.0 - cover * (1.0 - light + core * (light - dark))


def place_cells(count, radius, dice):
    """Centres that keep apart as well as a few throws allow."""
    apart = 2.1 * radius
    centres = []
    for _ in range(count):
        best, best_gap = None, -1.0
        for _ in range(12):
            x, y = dice.between(2.0, SIDE - 2.0), dice.between(2.0, SIDE - 2.0)
            gap = min([(x - a) * (x - a) + (y - b) * (y - b) for a, b in centres], default=1e9)
            if gap > best_gap:
                best, best_gap = (x, y), gap
            if gap > apart * apart:
                break
        centres.append(best)
    return centres


def draw_artefact(canvas, kind, dice):
    """Air bubbles under the cover glass, or scratches in it."""
    at = np.arange(SIDE)
    for _ in range({"clean": 0, "bubbles": 2, "scratches": 3}[kind] + (dice.word() % 2 if kind != "clean" else 0)):
        x, y = dice.between(20.0, SIDE - 20.0), dice.between(20.0, SIDE - 20.0)
        if kind == "bubbles":
            radius = dice.between(19.0, 36.0)
            dx, dy = at - x, (at - y)[:, None]
            field = np.sqrt(dx * dx + dy * dy) - radius
            inside = np.minimum(np.maximum(0.5 - field, 0.0), 1.0)
            rim = np.maximum(1.0 - np.abs(field) * 0.4, 0.0)
            gleam = np.maximum(1.0 - np.abs(field + 6.0) * 0.22, 0.0)
        else:
            u, v = dice.direction()
            line = (at - x) * u + ((at - y) * v)[:, None] + 5.0 * smooth_noise(dice.word(), 6)
            inside = np.zeros((SIDE, SIDE))
            rim = np.maximum(1.0 - np.abs(line - 2.0) * 0.6, 0.0) * 0.8
            gleam = np.maximum(1.0 - np.abs(line) * 0.45, 0.0)
        fade = 1.0 - 0.28 * inside
        canvas *= fade[:, :, None]
        canvas += (0.28 * inside * 0.90)[:, :, None]
        canvas *= (1.0 - 0.62 * rim)[:, :, None]
        canvas += (0.55 * gleam)[:, :, None] * (1.0 - canvas)


def draw(split, number, attributes=None):
    """[224, 224, 3] uint8."""
    chosen = attributes or attributes_of(split, number)
    dice = Dice(split, number + 0x40000000)
    canvas = draw_background(chosen["background"], dice)
    low, high = (6.5, 9.0) if chosen["size"] == "small" else (13.0, 18.0)
    middle = dice.between(low, high)
    if chosen["density"] == "sparse":
        count = 6 + dice.word() % 4
    else:
        count = (40 if chosen["size"] == "small" else 24) + dice.word() % 10
    for centre in place_cells(count, middle, dice):
        draw_cell(canvas, chosen["shape"], chosen["stain"], middle * dice.between(0.85, 1.15), centre, dice)
    draw_artefact(canvas, chosen["artefact"], dice)
    canvas += (noise(dice.word(), SIDE, SIDE) * 0.03 - 0.015)[:, :, None]
    return np.floor(np.minimum(np.maximum(canvas, 0.0), 1.0) * 255.0 + 0.5).astype(np.uint8)


def write_ppm(path, pixels):
    with open(path, "wb") as file:
        file.write(b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes())


def write_png(path, pixels):
    """The smallest true-colour PNG writer: every row with the Up filter, one IDAT."""
    rows = pixels.reshape(pixels.shape[0], -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.hstack([np.full((len(rows), 1), 2, np.uint8), rows - above]).tobytes()
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(filtered, 9)), (b"IEND", b"")):
            file.write(struct.pack(">I", len(body)) + kind + body)
            file.write(struct.pack(">I", zlib.crc32(kind + body)))


def write_demo_pictures(folder):
    os.makedirs(folder, exist_ok=True)
    for name, number, values in DEMO_PICTURES:
        pixels = draw("demo", number, dict(zip(ATTRIBUTES, values)))
        path = os.path.join(folder, name)
        if name.endswith(".png"):
            write_png(path, pixels)
        else:
            from PIL import Image  # JPEG only

            Image.fromarray(pixels).save(path, quality=95)
        print(path)


def main():
    if sys.argv[1:] == ["images"]:
        write_demo_pictures(os.path.join(os.path.dirname(os.path.abspath(__file__)), "images"))
    elif sys.argv[1:] == ["hash"]:
        whole = hashlib.sha256()
        for number in range(100):
            whole.update(draw("test", number).tobytes())
        print(whole.hexdigest())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
