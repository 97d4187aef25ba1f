#!/usr/bin/env python3
"""vkclip's pixels are Pillow's, byte for byte, after decoding, resizing and cropping.

    compare_pixels.py VKCLIP WRITE_PICTURES [WORD...]

WRITE_PICTURES is build/tests/write_pictures. Compares with tests/golden/pixels.txt, which Pillow wrote (see
tools/reference/pillow_pixels.py), over the pictures that WRITE_PICTURES makes and those of ../shared/data, and
with the Pillow of this Python where there is one. Refusals count as equal when both refuse. Where vkclip
refuses what Pillow takes, or leaves what Pillow changes, the list says so, and is held to.
"""
import collections
import pathlib
import sys
import tempfile
import warnings

WRITE_PICTURES = sys.argv.pop(2)

from cli_testing import * # noqa: E402

sys.path.insert(0, str(ROOT / "tools/reference"))
import pillow_pixels # noqa: E402

SQUARE_BYTES = 224 * 224 * 3


class Pictures:
    """The pictures there are, and what vkclip makes of them."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, self.folder)
        subprocess.run([WRITE_PICTURES, self.folder], check=True)
        self.paths = pillow_pixels.pictures(self.folder)
        self.head, self.lines = pillow_pixels.read_list()
        self.found = {}

    def names(self, start):
        """Those whose name begins so, if they are those that the list was made of."""
        names = [name for name in self.paths if name.startswith(start)]
        strange = [name for name in names if (name, "-") not in self.lines
                   or self.lines[name, "-"].file != pillow_pixels.file_digest(self.paths[name])]
        if strange:
            print(f"{len(strange)} files are not those of the list: {', '.join(strange[:5])} ...")
        return [name for name in names if name not in strange]

    def wanted(self, name, option):
        """The line of the list; an option that changes nothing has none of its own."""
        return self.lines.get((name, option)) or self.lines[name, "-"]

    def options(self, name):
        """Windows are for 16-bit grey; --allow-truncated is for JPEG, and changes nothing else."""
        is_deep = (name, "--window=auto") in self.lines
        return [option for option in pillow_pixels.OPTIONS if is_deep or not option.startswith("--window")]

    def preprocess(self, names, option):
        """name -> digest, or the reason for the refusal."""
        paths = {name: str(self.paths[name]) for name in names}
        with tempfile.TemporaryDirectory() as folder:
            output = f"{folder}/o.npy"
            result = run("preprocess", "-q", "-o", output, *([] if option == "-" else [option]), *paths.values())
            data = pathlib.Path(output).read_bytes()[-len(names) * SQUARE_BYTES:]
        reasons = {}
        for line in result.errors:
            path, reason = line[len("error: "):].split(": ", 1)
            reasons[path] = reason
        assert (result.status == 1) == bool(reasons), result.err.decode()
        found = {}
        for index, (name, path) in enumerate(paths.items()):
            pixels = data[index * SQUARE_BYTES:(index + 1) * SQUARE_BYTES]
            found[name] = "refused: " + reasons[path] if path in reasons else pillow_pixels.digest(pixels)
        return found

    def ours(self, name, option):
        if (name, option) not in self.found:
            names = [other for other in self.paths if (other, "-") in self.lines and option in self.options(other)]
            self.found.update({(other, option): found for other, found in self.preprocess(names, option).items()})
        return self.found[name, option]


PICTURES = Pictures()


def judge(name, option, line, pixels):
    """How vkclip's answer stands to Pillow's pixels, the note of the list being heeded."""
    ours = PICTURES.ours(name, option)
    if line.note.startswith("unchanged here: "):
        return "unchanged here on purpose" if ours == PICTURES.ours(name, "-") else "WRONG"
    if line.note.startswith("refused here: "):
        wanted = line.note[len("refused here: "):]
        return "refused here on purpose" if ours.startswith("refused: ") and wanted in ours else "WRONG"
    if ours.startswith("refused: "):
        return "refused by both" if pixels == "refused" else "WRONG"
    if ours == pixels:
        return "equal"
    old = pillow_pixels.OLD_LIBJPEG.match(line.note)
    return "equal but for libjpeg-turbo's version" if old and ours in (old[1], line.pixels) else "WRONG"


def compare(start):
    names = PICTURES.names(start)
    if not names:
        raise Skip(f"no pictures {start}* here")
    counts = collections.Counter()
    for name in names:
        for option in PICTURES.options(name):
            line = PICTURES.wanted(name, option)
            outcome = judge(name, option, line, line.pixels)
            counts[outcome] += 1
            if outcome == "WRONG":
                print(f"{name} {option}: {PICTURES.ours(name, option)}, Pillow {line.pixels} {line.note}")
    print(f"{PICTURES.head[2:].split(';')[0]}, {start}*: {len(names)} files, {dict(counts)}")
    assert not counts["WRONG"]


@case("side")
def made_jpegs_have_the_listed_pixels(tmp):
    compare("made/jpeg")


@case("side")
def made_pngs_have_the_listed_pixels(tmp):
    compare("made/png")


@case("side")
def published_examples_have_the_listed_pixels(tmp):
    compare("data/biomedclip/")


@case("side")
def biomedical_pictures_have_the_listed_pixels(tmp):
    compare("data/images/")


@case("side")
def test_pictures_of_decoders_have_the_listed_pixels(tmp):
    compare("data/decoder/")


@case("side")
def the_pillow_that_is_here_makes_the_same_pixels(tmp):
    if not pillow_pixels.PIL:
        raise Skip("this Python has no Pillow")
    warnings.simplefilter("ignore")
    version = tuple(map(int, pillow_pixels.PIL.__version__.split(".")[:2]))
    counts = collections.Counter()
    for name in PICTURES.names(""):
        width, height = pillow_pixels.size_of(PICTURES.paths[name])
        is_deep = (name, "--window=auto") in PICTURES.lines
        for option, (pixels, _) in pillow_pixels.answers(PICTURES.paths[name]).items():
            line = PICTURES.wanted(name, option)
            if version < (13, 0) and pillow_pixels.is_tall(width, height):
                outcome = "not compared: tall, before Pillow 13"
            elif version < (13, 0) and is_deep and not option.startswith("--window"):
                outcome = "not compared: 16-bit grey, before Pillow 13"
            elif version < (13, 0) and pixels == "refused" != line.pixels:
                outcome = "not compared: refused, before Pillow 13"
            else:
                outcome = judge(name, option, line, pixels)
            counts[outcome] += 1
            if outcome == "WRONG":
                print(f"{name} {option}: {PICTURES.ours(name, option)}, Pillow here {pixels}")
    print(f"Pillow {pillow_pixels.PIL.__version__}, libjpeg-turbo "
          f"{pillow_pixels.features.version('libjpeg_turbo')}: {dict(counts)}")
    assert not counts["WRONG"]


if __name__ == "__main__":
    sys.exit(main())
