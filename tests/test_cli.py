#!/usr/bin/env python3
"""Tests of the vkclip program that need no Vulkan device.

    test_cli.py VKCLIP [WORD...]

runs the cases whose name has one of the words, or all. Standard library only. A case that needs
the demo model or a Vulkan device is skipped, and says so, where there is none. A name carries the
id of the fault it plants, where there is one.
"""
import json
import os
import pathlib
import resource
import shutil
import signal
import stat
import struct
import subprocess
import sys
import time
import zlib

from cli_testing import *

# ---- the command line ------------------------------------------------------------------------

COMMANDS = ["devices", "info", "classify", "embed image", "embed text", "tokenize", "preprocess",
            "bench", "verify", "index", "index merge", "search", "ask", "eval classify", "eval probe",
            "eval retrieval"]


@case()
def help_of_every_command_has_examples_and_its_options(tmp):
    for command in COMMANDS:
        text = fine(*command.split(), "--help").out.decode()
        assert text.startswith(f"usage: vkclip {command} ") and "\nexamples:\n  vkclip" in text
        assert command in ("devices", "verify", "index merge") or "--model" in text
    overview = fine("--help").out.decode()
    assert all(f"  {command} " in overview for command in COMMANDS)


@case()
def version_is_printed_by_every_command(tmp):
    line = fine("--version").out
    assert line.startswith(b"vkclip ") and line.count(b"\n") == 1
    assert all(fine(*command.split(), "--version").out == line for command in COMMANDS)


@case()
def c01_wrong_command_lines_are_refused_with_the_usage(tmp):
    usage_error(says="no command")
    usage_error("clasify", says="clasify")
    usage_error("--nonsense")
    usage_error("embed", says="image")
    usage_error("embed", "video", "x")
    usage_error("devices", "surplus", says="surplus")
    usage_error("info", "surplus")
    usage_error("bench", "surplus")
    usage_error("verify", "surplus")
    usage_error("classify", "-l", "x", says="image")
    usage_error("classify", "x.png", says="label")
    usage_error("tokenize", says="text")
    usage_error("embed", "text", "-o", "x.npy", says="text")
    usage_error("embed", "text", "hello", says="output")
    usage_error("embed", "image", "-o", "x.npy", says="image")
    usage_error("preprocess", "x.png", says="output")


@case()
def c01_unknown_and_duplicate_options_are_refused(tmp):
    usage_error("classify", "--nope", says="--nope")
    usage_error("classify", "-z", says="-z")
    usage_error("classify", "--lab", "x", says="--lab")
    usage_error("classify", "-m", "a", "--model", "b", says="twice")
    usage_error("classify", "--top=1", "--top", "2", says="twice")
    usage_error("classify", "-q", "-q", says="twice")
    usage_error("devices", "--json=yes", says="takes no value")
    usage_error("tokenize", "-d", "0", "x", says="-d")


@case()
def c01_contradicting_options_are_refused(tmp):
    usage_error("classify", "-q", "-v", "-l", "x", "y", says="contradict")
    usage_error("classify", "-l", "x", "--labels", "y", "z", says="not both")
    usage_error("embed", "text", "-o", "x.npy", "--texts", "y", "z", says="not both")


@case()
def c01_standard_output_is_no_place_for_an_array(tmp):
    usage_error("embed", "text", "-o", "-", "x", says="-o -")
    usage_error("embed", "image", "-o", "-", "x", says="-o -")
    usage_error("preprocess", "-o", "-", "x", says="-o -")


@case()
def c01_missing_values_are_refused(tmp):
    for option in ("-l", "--labels", "--template", "--top", "--format", "-m", "-d", "--precision",
                   "--batch", "--window"):
        usage_error("classify", "x", option, says="needs a value")


@case()
def c01_numbers_are_strict(tmp):
    for value in ("-1", "0", "1e9", "0x10", "nan", "", " 1", "1 ", "+1", "1.0", "4097", "4294967297",
                  "99999999999999999999999"):
        usage_error("classify", "-l", "x", "--batch", value, "y", says="number from 1 to 4096")
    usage_error("bench", "--runs", "1001")
    usage_error("bench", "--synthetic", "-m", "x", says="contradict")
    usage_error("classify", "-l", "x", "--top", "0", "y")


@case()
def c01_words_are_strict(tmp):
    usage_error("classify", "-l", "x", "--format", "JSON", "y", says="table, csv, json")
    usage_error("classify", "-l", "x", "--precision", "fp64", "y", says="fp32")
    usage_error("preprocess", "--stage", "", "-o", "o.npy", "y", says="pixels")


@case()
def c01_windows_are_strict(tmp):
    for value in ("", "Auto", "5", "5,", ",5", "5,0.5", "5,-5", "5,nan", "5,inf", "5,1e9", "0x5,5", " 5,5",
                  "5 ,5", "5,5,5", "5;5", "5," + "9" * 400):
        for command in (["classify", "-l", "x"], ["embed", "image", "-o", "o.npy"],
                        ["preprocess", "-o", "o.npy"]):
            usage_error(*command, "--window", value, "y", says="want auto or CENTER,WIDTH")


@case()
def c01_frames_are_strict(tmp):
    for value in ("", "0", "-1", "1.5", "two", "99999999999"):
        usage_error("preprocess", "-o", "o.npy", "--frame", value, "y", says="want a number from 1")


def dicom_of_two_frames():
    """224 x 224 of 8 bits, the first all 50, the second all 200."""
    def element(group, number, kind, value):
        length = struct.pack("<HI" if kind == b"OB" else "<H", *([0] if kind == b"OB" else []), len(value))
        return struct.pack("<HH", group, number) + kind + length + value

    head = element(2, 1, b"OB", b"\0\1") + element(2, 16, b"UI", b"1.2.840.10008.1.2.1\0")
    head = element(2, 0, b"UL", struct.pack("<I", len(head))) + head
    shorts = {0x10: 224, 0x11: 224, 0x100: 8, 0x101: 8, 0x102: 7, 0x103: 0}
    return (bytes(128) + b"DICM" + head + element(0x28, 2, b"US", b"\1\0") + element(0x28, 4, b"CS", b"MONOCHROME2 ")
            + element(0x28, 8, b"IS", b"2 ")
            + b"".join(element(0x28, tag, b"US", struct.pack("<H", value)) for tag, value in shorts.items())
            + element(0x7fe0, 16, b"OB", bytes([50]) * 224 ** 2 + bytes([200]) * 224 ** 2))


@case("side")
def the_frame_of_a_dicom_file_is_chosen(tmp):
    if b"This build reads DICOM" not in fine("--help").out:
        raise Skip("this build reads no DICOM")
    file = tmp / "two.dcm"
    file.write_bytes(dicom_of_two_frames())
    for options, want in (((), 50), (("--frame", "1"), 50), (("--frame", "2"), 200)):
        fine("preprocess", "-o", str(tmp / "o.npy"), *options, str(file))
        assert set(rows(tmp / "o.npy")[0]) == {want}, options
    refused(1, "preprocess", "-o", str(tmp / "o.npy"), "--frame", "3", str(file), says="2 frames has no frame 3")
    refused(1, "preprocess", "-o", str(tmp / "o.npy"), "--frame", "2", IMAGES[0], says="frame 2 is wanted")


@case()
def c02_a_closed_standard_error_changes_nothing(tmp):
    assert run("--version", preexec_fn=lambda: os.close(2)).out.startswith(b"vkclip ")
    assert run("clasify", preexec_fn=lambda: os.close(2)).status == 2


@case("side")
def c02_closed_standard_streams_do_not_lend_their_numbers(tmp):
    def close_all():
        for number in range(3):
            os.close(number)
    target = tmp / "o.npy"
    for close in (lambda: os.close(2), close_all):
        # The message about the image that is missing must not end up in the file.
        result = run("preprocess", "-o", str(target), str(tmp / "missing"), IMAGES[0],
                     preexec_fn=close)
        assert result.status == 1 and read_npy(target)[0][0] == 2


@case("side")
def c02_locale_and_environment_change_no_byte(tmp):
    want = fine("tokenize", "I am a TITLE, 0.5").out
    for locale in ("tr_TR.UTF-8", "de_DE.UTF-8", "C", "nonsense"):
        got = fine("tokenize", "I am a TITLE, 0.5",
                   env={"LC_ALL": locale, "LANG": locale, "LANGUAGE": locale, "TZ": "nowhere"})
        assert got.out == want
    bare = fine("tokenize", "I am a TITLE, 0.5", env={"HOME": None, "XDG_CACHE_HOME": None,
                                                      "TMPDIR": None, "PATH": None})
    assert bare.out == want


# ---- which model -----------------------------------------------------------------------------

@case()
def without_any_model_the_error_says_how_to_get_one(tmp):
    env = {"VKCLIP_MODEL": None, "XDG_CACHE_HOME": str(tmp), "HOME": None}
    result = refused(3, "tokenize", "x", says="no model", env=env)
    assert b"tools/fetch_model.sh" in result.err and b"-m" in result.err
    refused(3, "tokenize", "x", says="no model", env=dict(env, XDG_CACHE_HOME="relative"))


@case()
def a_model_that_is_not_there_is_named(tmp):
    refused(3, "tokenize", "-m", str(tmp / "nowhere"), "x", says="nowhere")
    refused(3, "info", "-m", str(tmp), says=str(tmp))
    refused(3, "classify", "-m", "", "-l", "x", "y")


@case("side")
def the_model_is_the_option_then_the_variable_then_the_cache(tmp):
    want = fine("tokenize", "round cells").out
    (tmp / "vkclip").mkdir()
    (tmp / "vkclip/biomedclip").symlink_to(MODEL)
    cache = {"VKCLIP_MODEL": None, "XDG_CACHE_HOME": str(tmp)}
    assert fine("tokenize", "round cells", env=cache).out == want
    (tmp / ".cache").symlink_to(tmp)
    home = {"VKCLIP_MODEL": "", "XDG_CACHE_HOME": None, "HOME": str(tmp)}
    assert fine("tokenize", "round cells", env=home).out == want
    refused(3, "tokenize", "x", env=dict(cache, VKCLIP_MODEL=str(tmp / "elsewhere")),
            says="elsewhere")
    assert fine("tokenize", "-m", str(MODEL), "round cells",
                env=dict(cache, VKCLIP_MODEL="elsewhere")).out == want


@case("side")
def v03_the_vocabulary_of_another_model_is_named(tmp):
    data = ROOT.parent / "shared/data"
    published = data / "biomedclip"
    if not published.is_dir():
        raise Skip("the published vocabulary is not there")
    config = json.loads((MODEL / "open_clip_config.json").read_text())
    text = config["model_cfg"]["text_cfg"]

    def tokenize(vocabulary, name, says="", status=0):
        shutil.copyfile(vocabulary, tmp / "vocab.txt")
        text["hf_tokenizer_name"] = name
        (tmp / "open_clip_config.json").write_text(json.dumps(config))
        line = ("tokenize", "-m", str(tmp), "lymphoma")
        if status:
            return refused(status, *line, says=says)
        result = fine(*line)
        assert (says in result.err.decode()) if says else not result.err, result.err.decode()

    ours, fulltext = published / "vocab.txt", data / "vocab/pubmedbert-fulltext/vocab.txt"
    bert = data / "vocab/bert-base-uncased/vocab.txt"
    abstract = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
    tokenize(ours, abstract)
    tokenize(bert, "bert-base-uncased")
    tokenize(bert, abstract, "is that of bert-base-uncased", 3)
    tokenize(fulltext, abstract, "is that of PubMedBERT full text", 3)
    tokenize(ours, abstract + "-fulltext", "is that of BiomedCLIP", 3)
    tokenize(bert, "mine", "bert-base-uncased, which is not BiomedCLIP's")
    changed = tmp / "changed.txt"
    changed.write_bytes(ours.read_bytes().replace(b"\nlymphoma\n", b"\nlymphomata\n"))
    tokenize(changed, abstract, "not that of BiomedCLIP")
    tokenize(changed, "mine")


# ---- tokenize and preprocess -----------------------------------------------------------------

@case("side")
def tokenize_prints_a_json_array_a_line(tmp):
    lines = json_lines(fine("tokenize", "round cells", "", "round cells"))
    assert len(lines) == 3 and lines[0] == lines[2]
    assert lines[1] == [lines[0][0], lines[0][-1]], "an empty text is [CLS] [SEP]"


@case("side")
def t06_texts_that_look_like_options_are_taken_literally(tmp):
    word = fine("tokenize", "m").out
    assert fine("tokenize", "--", "m").out == word
    assert fine("tokenize", "--", "-m").out == fine("tokenize", " - m").out
    assert fine("tokenize", "--", "--", "--help").out.count(b"\n") == 2
    assert fine("tokenize", "-").out == fine("tokenize", "--", "-").out
    assert fine("tokenize", "a\nb; $(touch x) `x` '\"").out.count(b"\n") == 1


@case("side")
def tokenize_gives_the_byte_pairs_of_a_clip(tmp):
    folder = MODEL.parents[2] / "tests" / "golden" / "bpe"
    texts = json.loads((folder / "goldens.json").read_text())["texts"][2:5]
    got = json_lines(fine("tokenize", "-m", str(folder), "--", *(text["text"] for text in texts)))
    assert got == [text["ids"] for text in texts]


@case("side")
def tokenize_takes_bytes_that_are_no_utf8(tmp):
    assert fine("tokenize", b"\xff\xfe cell \xed\xa0\x80").out == fine("tokenize", "cell").out


@case("side")
def preprocess_writes_pixels_and_their_tensor(tmp):
    pixels, tensor = tmp / "pixels.npy", tmp / "tensor.npy"
    fine("preprocess", "-o", str(pixels), *IMAGES[:2])
    fine("preprocess", "--stage", "tensor", "-o", str(tensor), *IMAGES[:2])
    config = json.loads((MODEL / "open_clip_config.json").read_text())
    side = config["model_cfg"]["vision_cfg"]["image_size"]
    mean, std = config["preprocess_cfg"]["mean"], config["preprocess_cfg"]["std"]
    shape, values = read_npy(pixels)
    assert shape == (2, side, side, 3)
    tensor_shape, tensor_values = read_npy(tensor)
    assert tensor_shape == (2, 3, side, side)
    for picture, y, x, c in ((0, 0, 0, 0), (1, 5, 9, 1), (1, side - 1, side - 1, 2)):
        value = values[((picture * side + y) * side + x) * 3 + c]
        want = (value / 255 - mean[c]) / std[c]
        got = tensor_values[((picture * 3 + c) * side + y) * side + x]
        assert abs(got - want) < 1e-5, (got, want)


def preprocessed(tmp, picture, *options):
    """The first pixel of every row of the square."""
    fine("preprocess", "-q", "-o", str(tmp / "o.npy"), *options, str(picture))
    return [row[0] for row in square_rows(tmp / "o.npy")]


def square_rows(path):
    values = rows(path)[0]
    return [values[i:i + 224 * 3] for i in range(0, len(values), 224 * 3)]


@case("side")
def sixteen_bit_greys_are_white_but_for_a_window_and_said_to_be_so_once(tmp):
    deep = tmp / "deep.pgm" # the left half 300, the right half 60000
    deep.write_bytes(b"P5 224 224 65535\n" + (struct.pack(">H", 300) * 112 + struct.pack(">H", 60000) * 112) * 224)
    flat = tmp / "flat.pgm"
    flat.write_bytes(b"P5 224 224 65535\n" + struct.pack(">H", 200) * 224 * 224)
    result = fine("preprocess", "-o", str(tmp / "o.npy"), *[str(deep)] * 3, str(flat))
    warnings = [line for line in result.err.decode().splitlines() if "warning" in line]
    assert len(warnings) == 1 and "100 %" in warnings[0] and "--window" in warnings[0], warnings
    assert [set(row) for row in rows(tmp / "o.npy")] == [{255}] * 3 + [{200}]
    assert not fine("preprocess", "-q", "-o", str(tmp / "o.npy"), str(deep)).err

    for window, want in (("auto", (0, 255)), ("30000,60000", (1, 255)), ("-600.5,1500", (255, 255)),
                         ("500.5,801", (64, 255)), ("500.5,1", (0, 255))):
        result = fine("preprocess", "-o", str(tmp / "o.npy"), "--window", window, str(deep))
        assert b"warning" not in result.err, result.err
        row = square_rows(tmp / "o.npy")[100]
        assert (row[0], row[-1]) == want, (window, row[0], row[-1])


@case("side")
def pictures_are_turned_and_mended_only_when_asked(tmp):
    # A PNG of two halves, black above white, that says it lies on its right side.
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 274, 3, 1, 6, 0, 0)
    pixels = (b"\0" + b"\0" * 224) * 112 + (b"\0" + b"\xff" * 224) * 112
    turned = tmp / "turned.png"
    turned.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 224, 224, 8, 0, 0, 0, 0))
                       + chunk(b"eXIf", exif) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b""))
    assert preprocessed(tmp, turned) == [0] * 112 + [255] * 112
    assert preprocessed(tmp, turned, "--exif") == [255] * 224

    whole = next(image for image in IMAGES if image.endswith(".jpg"))
    cut = tmp / "cut.jpg"
    data = pathlib.Path(whole).read_bytes()
    cut.write_bytes(data[:len(data) * 3 // 4])
    refused(1, "preprocess", "-o", str(tmp / "o.npy"), str(cut), says="--allow-truncated")
    fine("preprocess", "-o", str(tmp / "o.npy"), "--allow-truncated", str(cut), whole)
    taken, sound = rows(tmp / "o.npy")
    assert taken[:224 * 3 * 100] == sound[:224 * 3 * 100] and taken != sound


@case("side")
def unreadable_images_are_reported_and_keep_their_row(tmp):
    (tmp / "text.png").write_text("this is no picture")
    (tmp / "empty.jpg").touch()
    wrong = [str(tmp / "text.png"), str(tmp / "empty.jpg"), str(tmp / "missing.png"), str(tmp)]
    for stage in ("pixels", "tensor"):
        target = tmp / "o.npy"
        result = run("preprocess", "--stage", stage, "-o", str(target), wrong[0], IMAGES[0],
                     *wrong[1:], IMAGES[1])
        assert result.status == 1 and len(result.errors) == len(wrong)
        for path, line in zip(wrong, result.errors):
            assert path in line, line
        written = rows(target)
        assert [any(row) for row in written] == [False, True, False, False, False, True]


@case("side")
def f01_directories_and_fifos_among_images_do_not_block(tmp):
    os.mkfifo(tmp / "fifo.png")
    result = run("preprocess", "-o", str(tmp / "o.npy"), str(tmp / "fifo.png"), str(tmp), "/dev/null",
                 timeout=20)
    assert result.status == 1 and len(result.errors) == 3, result.err
    assert b"hint: name the pictures in it" in result.err


@case("side")
def f01_hostile_file_names_stay_on_one_line(tmp):
    names = [str(tmp / "new\nline"), str(tmp / "\x1b[31mred"), "x" * 5000]
    result = run("preprocess", "-o", str(tmp / "o.npy"), *names,
                 os.fsencode(tmp) + b"/\xff\xfe.png")
    assert result.status == 1 and len(result.errors) == 4
    assert len(result.err.splitlines()) == 4 and b"\x1b" not in result.err


@case("side")
def r07_two_thousand_images_take_no_more_memory_than_twenty(tmp):
    # AddressSanitizer keeps freed memory for a while.
    settings = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"

    def peak(count):
        process = subprocess.Popen([PROGRAM, "preprocess", "-m", str(MODEL), "-o",
                                    str(tmp / "o.npy"), *(IMAGES[:1] * count)],
                                   env=dict(os.environ, ASAN_OPTIONS=settings))
        status, usage = os.wait4(process.pid, 0)[1:]
        process.returncode = status
        assert status == 0
        return usage.ru_maxrss
    few, many = peak(20), peak(2000)
    assert many < few * 1.1 + 4096, (few, many)


# ---- output files ----------------------------------------------------------------------------

@case("side")
def f03_a_failed_run_leaves_the_old_file_and_nothing_else(tmp):
    target = tmp / "o.npy"
    target.write_text("precious")
    refused(3, "preprocess", "-m", str(tmp / "nowhere"), "-o", str(target), IMAGES[0])
    assert target.read_text() == "precious"
    leftovers(tmp, "o.npy")


@case("side")
def f03_a_full_disk_is_reported_and_leaves_nothing(tmp):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    result = refused(1, "preprocess", "-o", str(tmp / "o.npy"), *IMAGES, preexec_fn=limit,
                     says="o.npy: File too large")
    assert result.status == 1
    leftovers(tmp)


@case("side")
def f03_targets_that_are_no_files_are_refused(tmp):
    refused(1, "preprocess", "-o", "/dev/null", IMAGES[0], says="/dev/null: is not a regular file")
    refused(1, "preprocess", "-o", str(tmp), IMAGES[0], says="is a directory")
    refused(1, "preprocess", "-o", str(tmp / "no/where.npy"), IMAGES[0], says="No such file")
    refused(1, "preprocess", "-o", "/proc/o.npy", IMAGES[0], says="/proc/o.npy")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@case("side")
def output_keeps_links_and_modes(tmp):
    (tmp / "real.npy").touch(0o600)
    (tmp / "link.npy").symlink_to("real.npy")
    fine("preprocess", "-o", str(tmp / "link.npy"), IMAGES[0])
    assert (tmp / "link.npy").is_symlink() and read_npy(tmp / "real.npy")[0][0] == 1
    assert stat.S_IMODE(os.stat(tmp / "real.npy").st_mode) == 0o600
    fine("preprocess", "-o", str(tmp / "new.npy"), IMAGES[0], preexec_fn=lambda: os.umask(0o027))
    assert stat.S_IMODE(os.stat(tmp / "new.npy").st_mode) == 0o640
    leftovers(tmp, "real.npy", "link.npy", "new.npy")


def start_long_run(tmp):
    """A run that writes for seconds, waited for until its temporary file is there."""
    process = subprocess.Popen([PROGRAM, "preprocess", "-m", str(MODEL), "-o", str(tmp / "o.npy"),
                                *(IMAGES * 2000)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not any(p.name.startswith("o.npy.") and p.stat().st_size > 100000 for p in tmp.iterdir()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    return process


@case("side")
def c03_signals_end_the_program_at_once_and_leave_nothing(tmp):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        (tmp / "o.npy").write_text("precious")
        process = start_long_run(tmp)
        start = time.monotonic()
        process.send_signal(number)
        err = process.communicate(timeout=20)[1]
        assert time.monotonic() - start < 1
        # Died of the signal, which a shell shows as 128 + number.
        assert process.returncode == -number and not err, (process.returncode, err)
        assert (tmp / "o.npy").read_text() == "precious"
        leftovers(tmp, "o.npy")


@case("side")
def f03_a_kill_between_leaves_the_old_file_intact(tmp):
    (tmp / "o.npy").write_text("precious")
    for _ in range(20):
        start_long_run(tmp).kill()
        assert (tmp / "o.npy").read_text() == "precious"
        for path in tmp.glob("o.npy.*"):
            path.unlink()


@case()
def f03_a_full_standard_output_is_an_error(tmp):
    with open("/dev/full", "wb") as full:
        result = run("--help", stdout=full)
    assert result.status == 1 and result.errors == ["error: standard output: No space left on device"]


@case()
def f03_a_closed_standard_output_is_an_error(tmp):
    result = run("--help", preexec_fn=lambda: os.close(1))
    assert result.status == 1 and len(result.errors) == 1, result.err


@case("side")
def f03_a_reader_that_went_away_ends_the_program_quietly(tmp):
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = run("tokenize", *(["round cells"] * 1000), stdout=write_end)
    os.close(write_end)
    assert result.status == 0 and not result.err, result.err


# ---- label files -----------------------------------------------------------------------------

@case()
def label_files_that_cannot_be_used_are_named(tmp):
    (tmp / "empty").write_bytes(b"\xef\xbb\xbf\r\n \n\n")
    (tmp / "zero").write_bytes(b"a\0b\n")
    line = ("classify", "x.png", "--labels")
    refused(1, *line, str(tmp / "missing"), says="missing: No such file")
    refused(1, *line, str(tmp), says="Is a directory")
    refused(1, *line, str(tmp / "empty"), says="empty: has no lines")
    refused(1, *line, str(tmp / "zero"), says="zero byte")
    refused(1, *line, "/dev/zero", says="64 MiB")
    refused(1, *line, "-", says="standard input: has no lines")


@case()
def d01_without_a_driver_the_error_has_a_remedy(tmp):
    env = {name: "/nonexistent" for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")}
    for line in (["devices"], ["devices", "--json"]):
        result = refused(3, *line, env=env)
        assert b"\nhint: " in result.err


@case("weights")
def d01_classify_without_a_driver_has_the_same_remedy(tmp):
    env = {name: "/nonexistent" for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")}
    result = refused(3, "classify", "-l", "x", IMAGES[0], env=env)
    assert b"\nhint: " in result.err


@case("weights")
def info_tells_the_sizes_without_a_device(tmp):
    env = {name: "/nonexistent" for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")}
    facts = json.loads(fine("info", "--json", env=env).out)
    config = json.loads((MODEL / "open_clip_config.json").read_text())["model_cfg"]
    assert facts["embedding_width"] == config["embed_dim"]
    assert facts["image_size_px"] == config["vision_cfg"]["image_size"]
    assert facts["parameter_count"] > 0 and facts["file_bytes"] > facts["parameter_count"]
    assert str(facts["parameter_count"]) in fine("info", env=env).out.decode()


sys.exit(main())
