#!/usr/bin/env python3
"""Tests of vkclip search and of its pages; see cli_testing.py.

    test_search_cli.py VKCLIP [WORD...]

Pages are looked at in Chromium, and results compared with FAISS, where these are; else the cases
are skipped and say so.
"""
import csv
import html.parser
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import zlib

from cli_testing import *
from write_index import write_index

WEIGHTS = MODEL / "open_clip_model.safetensors"


def make_index(tmp, *sources, name="index"):
    fine("index", "-o", str(tmp / name), *(str(s) for s in sources or IMAGES))
    return str(tmp / name)


def search(index, *arguments, **options):
    """The hits of every query: (row, score, item)."""
    result = fine("search", "-i", index, "--format", "json", *arguments, **options)
    return [[(hit["row"], hit["score"], hit["item"]) for hit in query["hits"]] for query in json_lines(result)]


def embed(tmp, kind, *inputs):
    fine("embed", kind, "-o", str(tmp / "embedded.npy"), *inputs)
    return rows(tmp / "embedded.npy")


def by_score(query, embeddings):
    """Every row and its score in double precision, best first, the first row of equals first."""
    scores = [(row, dot(query, values)) for row, values in enumerate(embeddings)]
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))


def check_hits(hits, want, what):
    """The same rows; printed scores have nine digits."""
    assert [hit[0] for hit in hits] == [row for row, _ in want], (what, hits, want)
    worst = max((abs(hit[1] - score) for hit, (_, score) in zip(hits, want)), default=0.0)
    print(f"{what}: scores differ by at most {worst:.1e}, allowed 1.0e-07")
    assert worst < 1e-7


@case("device")
def c01_wrong_command_lines_are_refused(tmp):
    usage_error("search", "x", says="no index")
    usage_error("search", "-i", "x", says="no text")
    usage_error("search", "-i", "x", "y", "--where", "z", says="KEY=VALUE")
    usage_error("search", "-i", "x", "y", "--where", "=z", says="KEY=VALUE")
    usage_error("search", "-i", "x", "y", "--top", "0", says="--top")
    usage_error("search", "-i", "x", "y", "--top", "10001", says="--top")
    usage_error("search", "-i", "x", "y", "--html", "-", says="--html")
    usage_error("search", "-i", "x", "--image", "y", "--template", "{}", says="--template")
    refused(1, "search", "-i", str(tmp), "x", says="index.json")


@case("device")
def texts_and_pictures_find_what_is_nearest(tmp):
    index, texts = make_index(tmp), ["purple round cells", "a green crescent"]
    pictures = rows(tmp / "index/embeddings.npy")
    found = search(index, *texts, "--image", IMAGES[5])
    order = [item["path"] for _, _, item in sorted(found[0])]
    assert sorted(order) == sorted(IMAGES)
    queries = embed(tmp, "text", *texts) + embed(tmp, "image", IMAGES[5])
    assert len(found) == 3
    for hits, query in zip(found, queries):
        check_hits(hits, by_score(query, pictures), "demo pictures")
    assert found[2][0][2]["path"] == IMAGES[5] and abs(found[2][0][1] - 1.0) < 1e-6
    assert "purple" in found[0][0][2]["path"]


@case("device")
def and_searches_by_the_mean_of_all(tmp):
    index = make_index(tmp)
    found = search(index, "--and", "blue cells", "--image", IMAGES[0], "--top", "3")
    text, picture = embed(tmp, "text", "blue cells")[0], embed(tmp, "image", IMAGES[0])[0]
    mean = [a + b for a, b in zip(text, picture)]
    mean = [x / math.sqrt(dot(mean, mean)) for x in mean]
    assert len(found) == 1
    check_hits(found[0], by_score(mean, rows(tmp / "index/embeddings.npy"))[:3], "--and")


@case("device")
def template_is_applied_where_it_is_given(tmp):
    index = make_index(tmp)
    assert search(index, "cells", "--template", "blue {}") == search(index, "blue cells")
    assert search(index, "cells") != search(index, "blue cells")


@case("device")
def where_filters_before_the_search(tmp):
    table = "path,organ,note\r\n" + "".join(
        f'{path},{"colon" if i % 3 else "lung"},"said ""{i}"",\nthen left"\r\n' for i, path in enumerate(IMAGES))
    (tmp / "t.csv").write_text(table, newline="")
    index = make_index(tmp, tmp / "t.csv")
    everything = search(index, "cells")[0]
    lung = [hit for hit in everything if hit[2]["metadata"]["organ"] == "lung"]
    assert 0 < len(lung) < len(IMAGES)
    assert search(index, "cells", "--where", "organ=lung")[0] == lung
    assert search(index, "cells", "--where", "organ=lung", "--top", "1")[0] == lung[:1]
    one = search(index, "cells", "--where", "organ=lung", "--where", 'note=said "3",\nthen left')[0]
    assert [hit[2]["path"] for hit in one] == [IMAGES[3]]
    refused(1, "search", "-i", index, "cells", "--where", "organ=lun", says="--where")
    refused(1, "search", "-i", index, "cells", "--where", "organ=colon", "--where", "organ=lung", says="--where")


@case("device")
def index_of_another_model_is_refused(tmp):
    index = make_index(tmp)
    facts = tmp / "index/index.json"
    text = facts.read_text()
    facts.write_text(text.replace('"model_sha256": "1', '"model_sha256": "2'))
    assert facts.read_text() != text
    refused(1, "search", "-i", index, "x", says="another model")


@case("device")
def query_that_cannot_be_read_is_refused(tmp):
    refused(1, "search", "-i", make_index(tmp), "--image", str(tmp / "none.png"), says="none.png")


# ---- many rows -------------------------------------------------------------------------------

def check_synthetic(tmp, half):
    write_index(tmp / "index", 20000, 96, WEIGHTS, half)
    data = (tmp / "index/embeddings.npy").read_bytes()[128:]
    values = struct.unpack(f"<{20000 * 96}{'e' if half else 'f'}", data)
    embeddings = [values[i:i + 96] for i in range(0, len(values), 96)]
    texts = ["one", "two", "three"]
    found = search(str(tmp / "index"), *texts, "--top", "20")
    queries = embed(tmp, "text", *texts)
    for hits, query in zip(found, queries):
        check_hits(hits, by_score(query, embeddings)[:20], f"20,000 rows{' of float16' if half else ''}")
    for hits, query in zip(search(str(tmp / "index"), *texts, "--where", "part=3"), queries):
        want = [pair for pair in by_score(query, embeddings) if pair[0] % 7 == 3]
        check_hits(hits, want[:10], "a seventh of them")


@case("device")
def many_rows_are_searched_exactly(tmp):
    check_synthetic(tmp, False)


@case("device")
def rows_of_float16_are_searched_exactly(tmp):
    check_synthetic(tmp, True)


@case("device")
def rows_that_score_alike_are_in_their_order(tmp):
    def copies(count, width, half, write):
        for row in range(count):
            write(struct.pack(f"<{width}f", *[1.0 if i == row % 5 else 0.0 for i in range(width)]))
    write_index(tmp / "index", 3000, 96, WEIGHTS, write_rows=copies)
    for hits in search(str(tmp / "index"), "one", "two", "--top", "700"):
        found = [hit[0] for hit in hits]
        assert found[:600] == list(range(found[0], 3000, 5)), found[:10]
        assert found[600:] == list(range(found[600], 500 + found[600], 5))


@case("device")
def rows_of_zeros_and_nan_are_not_found(tmp):
    def odd(count, width, half, write):
        for row in range(count):
            write(struct.pack(f"<{width}f", *[0.0, math.nan, math.inf, 0.1][row % 4:row % 4 + 1] * width))
    write_index(tmp / "index", 400, 96, WEIGHTS, write_rows=odd)
    for hits in search(str(tmp / "index"), "one", "--top", "400"):
        assert [hit[0] for hit in hits] == list(range(3, 400, 4))


@case("device")
def faiss_finds_the_same(tmp):
    try:
        import faiss
        import numpy
    except ImportError:
        raise Skip("no faiss")
    write_index(tmp / "index", 20000, 96, WEIGHTS)
    fine("embed", "text", "-o", str(tmp / "q.npy"), "one", "two", "three")
    # The README's recipe.
    vectors = numpy.load(tmp / "index/embeddings.npy").astype("float32")
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    scores, found = index.search(numpy.load(tmp / "q.npy"), 10)
    for hits, of_query, of_faiss in zip(search(str(tmp / "index"), "one", "two", "three"), found, scores):
        assert [hit[0] for hit in hits] == list(of_query)
        assert max(abs(hit[1] - score) for hit, score in zip(hits, of_faiss)) < 1e-5


# ---- formats ---------------------------------------------------------------------------------

HOSTILE = b"<script>alert(1)</script>\"'&amp;,\n\xff\xc3\xa9.png"


def hostile_index(tmp):
    """Of three pictures, one of a hostile name and one that is gone."""
    folder = tmp / "pictures"
    folder.mkdir()
    # From the second folder on a name has a slash only between folders.
    hostile = os.fsencode(folder) + b"/" + HOSTILE.replace(b"/", b"|")
    with open(hostile, "wb") as file:
        file.write(pathlib.Path(IMAGES[0]).read_bytes())
    shutil.copy(IMAGES[1], folder / "plain.png")
    shutil.copy(IMAGES[2], folder / "gone.png")
    index = make_index(tmp, folder)
    (folder / "gone.png").unlink()
    return index, hostile


@case("device")
def formats_hold_any_name(tmp):
    index, hostile = hostile_index(tmp)
    names = [hostile, os.fsencode(tmp / "pictures/plain.png"), os.fsencode(tmp / "pictures/gone.png")]
    paths = fine("search", "-i", index, "--format", "paths0", "x").out
    assert paths.endswith(b"\0") and sorted(paths[:-1].split(b"\0")) == sorted(names)

    text = fine("search", "-i", index, "--format", "csv", "a \"b\",\nc", "d").out.decode()
    table = list(csv.reader(io.StringIO(text, newline="")))
    assert table[0] == ["query", "rank", "score", "row", "path"] and len(table) == 7
    assert [row[0] for row in table[1:]] == ["a \"b\",\nc"] * 3 + ["d"] * 3
    assert hostile.decode(errors="replace") in [row[4] for row in table]

    lines = fine("search", "-i", index, "x", "y").out.decode().split("\n")
    assert len(lines) == 9 and lines[0] == "x" and lines[4] == "y" and lines[8] == ""


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.attributes = [], "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_data(self, data):
        self.text += data


def write_page(tmp):
    index, hostile = hostile_index(tmp)
    page = tmp / "page.html"
    fine("search", "-i", index, "<b>bold</b> & \"quoted\"", "--image", IMAGES[3], "--html", str(page))
    return page, hostile


@case("device")
def page_is_self_contained_and_escapes_everything(tmp):
    page, hostile = write_page(tmp)
    text = page.read_bytes().decode() # strictly
    parsed = Page(text)
    assert set(parsed.tags) <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "section", "p", "div",
                                "figure", "img"}, set(parsed.tags)
    # Two queries of three hits, of which one is gone, and the query's own picture.
    assert parsed.tags.count("img") == 5 and parsed.text.count("missing: ") == 2
    assert parsed.tags.count("section") == 2
    assert "<b>bold</b> & \"quoted\"" in parsed.text
    shown = hostile.decode(errors="replace").replace("\n", "\u240a")
    assert parsed.text.count(shown) == 2
    sources = [value for tag, name, value in parsed.attributes if name == "src"]
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert not [name for tag, name, value in parsed.attributes if name == "href" or name.startswith("on")]
    assert "http" not in text.replace("http-equiv", "")
    scores = [hit[1] for hits in search(str(tmp / "index"), "<b>bold</b> & \"quoted\"", "--image", IMAGES[3])
              for hit in hits]
    assert all(f"{score:.4f}" in parsed.text for score in scores)


def find_browser():
    for name in (os.environ.get("CHROMIUM"), "chromium-headless-shell", "chromium", "google-chrome"):
        if name and shutil.which(name):
            return shutil.which(name)
    raise Skip("no Chromium; CHROMIUM=PATH names one")


def browse(tmp, *arguments):
    # A profile of its own, and no network: a page that wanted one would show it.
    return subprocess.run([find_browser(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                           f"--user-data-dir={tmp / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND",
                           *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120,
                          check=True).stdout


def read_png(path):
    """Width, height and rows of samples of an 8-bit PNG without interlace."""
    data, position, body = path.read_bytes(), 8, b""
    while position < len(data):
        length, kind = struct.unpack(">I4s", data[position:position + 8])
        if kind == b"IHDR":
            width, height, depth, colour = struct.unpack(">IIBB", data[position + 8:position + 18])
        if kind == b"IDAT":
            body += data[position + 8:position + 8 + length]
        position += 12 + length
    channels = {2: 3, 6: 4}[colour]
    assert depth == 8
    stride, lines, before, raw = width * channels, [], bytes(width * channels), zlib.decompress(body)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride if kind else 0):
            left = line[x - channels] if x >= channels else 0
            up, corner = before[x], before[x - channels] if x >= channels else 0
            best = left + up - corner
            paeth = min((abs(best - value), order, value) for order, value in enumerate((left, up, corner)))[2]
            line[x] = (line[x] + (0, left, up, (left + up) // 2, paeth)[kind]) & 255
        lines.append(bytes(line))
        before = line
    return width, height, [[line[x:x + 3] for x in range(0, stride, channels)] for line in lines]


@case("device")
def page_is_shown_by_a_browser(tmp):
    page, hostile = write_page(tmp)
    dom = browse(tmp, "--dump-dom", page.as_uri()).decode()
    parsed = Page(dom)
    assert parsed.tags.count("img") == 5 and parsed.text.count("missing: ") == 2
    assert "script" not in parsed.tags and parsed.text.count("<script>alert(1)") == 2

    browse(tmp, "--window-size=640,900", f"--screenshot={tmp / 'page.png'}", page.as_uri())
    width, height, pixels = read_png(tmp / "page.png")
    assert (width, height) == (640, 900)
    colours = {pixel for line in pixels for pixel in line}
    # Text on a plain ground has some hundred shades of grey; pictures have thousands of colours.
    coloured = sum(max(pixel) - min(pixel) > 40 for line in pixels for pixel in line)
    print(f"{len(colours)} colours, {coloured} of {width * height} pixels are of pictures")
    assert len(colours) > 2000 and coloured > 20000


if __name__ == "__main__":
    sys.exit(main())
