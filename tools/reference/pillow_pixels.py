#!/usr/bin/env python3
"""The pixels that Pillow makes of pictures, for vkclip to be compared with.

    pillow_pixels.py WRITE_PICTURES

writes tests/golden/pixels.txt. WRITE_PICTURES is build/tests/write_pictures; the files of ../shared/data are
listed as well. Run it with Pillow 13.0.0, then with 10.1.0: a Pillow whose libjpeg-turbo is older than 3.0.1
only adds what that makes of JPEGs where it is something else. A line is

    PIXELS FILE OPTION NAME [NOTE]

the first 32 digits of the sha256 of 224 x 224 x 3 bytes, or "refused"; the first 16 of that of the file; the
option of vkclip, "-" for none; where the file is; and what vkclip does otherwise on purpose. Where --exif or
--allow-truncated changes nothing there is no line for it, and windows are for 16-bit grey alone.
"""
import array
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

try:
    import PIL
    from PIL import Image, ImageFile, ImageOps, features
except ImportError: # the list can be read without
    PIL = None

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DATA = ROOT.parent / "shared/data"
LIST = ROOT / "tests/golden/pixels.txt"
SIDE = 224
OPTIONS = ("-", "--exif", "--allow-truncated", "--window=auto", "--window=30000,45000")

# What vkclip does otherwise, and what its refusal says.
NOTES = {
    ("-", "data/decoder/pillow/hopper_bad_exif.jpg"): "refused here: bad Huffman code",
    ("--exif", "data/decoder/pillow/hopper_bad_exif.jpg"): "refused here: bad Huffman code",
    ("--exif", "data/decoder/png-wuffs/exif.png"): "unchanged here: what is no EXIF data is no reason to fail",
    ("--exif", "data/decoder/pillow/exif_imagemagick_orientation.png"): "unchanged here: EXIF data as text",
}
NO_ROW = "refused here: no row can be read"
OLD_LIBJPEG = re.compile("before libjpeg-turbo 3.0.1: ([0-9a-f]{32})")


def is_tall(width, height):
    """Pillow 13 resizes these vertically first, Pillow before never or only where they are 100 times so."""
    return width > SIDE and height > 2 * width


def is_deep(image):
    """16-bit grey. Pillow before 13 let what overshoots 0 or 65535 wrap around, or had other modes for it."""
    return image.mode.startswith("I")


def window_picture(image, window):
    """Pillow has no windows: DICOM PS3.3 C.11.2.1.2.1 in Python."""
    values = array.array("i", image.convert("I").tobytes())
    if window == "auto":
        order = sorted(values)
        low, high = (order[-(-len(order) * permille // 1000) - 1] for permille in (5, 995))
        center, width = (low + high + 1) / 2, high - low + 1
    else:
        center, width = map(float, window.split(","))

    def grey(value):
        distance = value - (center - 0.5)
        if distance <= -(width - 1) / 2:
            return 0
        if distance > (width - 1) / 2:
            return 255
        return int((distance / (width - 1) + 0.5) * 255 + 0.5)

    greys = {value: grey(value) for value in set(values)}
    return Image.frombytes("L", image.size, bytes(greys[value] for value in values))


def open_picture(path, option):
    ImageFile.LOAD_TRUNCATED_IMAGES = option == "--allow-truncated"
    image = Image.open(path)
    image.load()
    if option == "--exif":
        image = ImageOps.exif_transpose(image)
    elif option.startswith("--window="):
        image = window_picture(image, option.split("=")[1])
    return image


def square(image):
    """torchvision's Resize and CenterCrop and open_clip's convert("RGB"), on Pillow alone."""
    width, height = image.size
    if width <= height:
        size = SIDE, int(SIDE * height / width)
    else:
        size = int(SIDE * width / height), SIDE
    if size != image.size:
        image = image.resize(size, Image.BICUBIC)
    left, top = (int(round((length - SIDE) / 2.0)) for length in size)
    return image.crop((left, top, left + SIDE, top + SIDE)).convert("RGB").tobytes()


def options_of(path, image):
    """The options that could make a difference, none first."""
    chosen = ["-", "--exif"]
    if path.read_bytes()[:2] == b"\xff\xd8":
        chosen.append("--allow-truncated")
    if image and is_deep(image):
        chosen += [option for option in OPTIONS if option.startswith("--window=")]
    return chosen


def digest(pixels):
    return hashlib.sha256(pixels).hexdigest()[:32]


def answers(path):
    """What Pillow makes of a file: option -> (digest or "refused", note)."""
    found = {}
    try:
        image = open_picture(path, "-")
    except Exception: # whatever a damaged file makes it raise
        image = None
    for option in options_of(path, image):
        try:
            pixels = square(open_picture(path, option))
        except Exception:
            found[option] = "refused", ""
        else:
            is_blank = set(pixels) in ({0}, {255}) # the memory that no row was written to
            found[option] = digest(pixels), NO_ROW if is_blank and not image else ""
    return found


def pictures(made_folder):
    """Name -> path of all pictures there are: those of write_pictures and those of ../shared/data."""
    found = {f"made/{path.name}": path for path in sorted(pathlib.Path(made_folder).iterdir())}
    for folder in ("biomedclip/examples", "images", "decoder"):
        for path in sorted((DATA / folder).rglob("*")):
            if path.suffix in (".png", ".jpg", ".jpeg", ".gif", ".ppm"):
                found[f"data/{path.relative_to(DATA)}"] = path
    return found


class Line:
    def __init__(self, pixels, file, option, name, note=""):
        self.pixels, self.file, self.option, self.name, self.note = pixels, file, option, name, note

    def __str__(self):
        return f"{self.pixels:32} {self.file} {self.option} {self.name} {self.note}".rstrip()


def read_list():
    """The first line of the list and (name, option) -> Line."""
    with open(LIST, encoding="ascii") as file:
        head, *rest = file.read().splitlines()
    lines = [Line(*text.split(None, 4)) for text in rest if text[0] != "#"]
    return head, {(line.name, line.option): line for line in lines}


def file_digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def list_all(paths):
    lines = []
    for name, path in paths.items():
        plain = None
        for option, (pixels, note) in answers(path).items():
            line = Line(pixels, file_digest(path), option, name, NOTES.get((option, name), note))
            plain = plain or line
            is_same = line is not plain and (line.pixels, line.note) == (plain.pixels, plain.note)
            if not is_same or option.startswith("--window="):
                lines.append(line)
    return lines


def add_old_libjpeg(paths, lines):
    for name, path in paths.items():
        if path.read_bytes()[:2] != b"\xff\xd8" or is_tall(*size_of(path)):
            continue
        for option, (pixels, _) in answers(path).items():
            line = lines.get((name, option))
            if line and pixels not in (line.pixels, "refused"):
                line.note = f"before libjpeg-turbo 3.0.1: {pixels}"
    return lines.values()


def size_of(path):
    try:
        return Image.open(path).size
    except Exception:
        return 0, 0


def has_old_libjpeg():
    version = features.version("libjpeg_turbo") or "0"
    return tuple(map(int, version.split("."))) < (3, 0, 1)


def main():
    if len(sys.argv) != 2 or not PIL:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.abspath(sys.argv[1]), folder], check=True)
        paths = pictures(folder)
        if has_old_libjpeg():
            head, lines = read_list()
            lines = add_old_libjpeg(paths, lines)
        else:
            head = f"# Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"
            head += "; see tools/reference/pillow_pixels.py"
            lines = list_all(paths)
    LIST.write_text("\n".join([head] + [str(line) for line in lines]) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
