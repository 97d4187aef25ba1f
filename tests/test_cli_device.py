#!/usr/bin/env python3
"""Tests of the vkclip program on a Vulkan device, with the demo model.

    test_cli_device.py VKCLIP [WORD...]

runs the cases whose name has one of the words, or all. Standard library only. A case that needs
the demo model or a Vulkan device is skipped, and says so, where there is none. A name carries the
id of the fault it plants, where there is one.
"""
import array
import csv
import io
import json
import math
import os
import pathlib
import random
import stat
import struct
import subprocess
import sys

from cli_testing import *

@case("device")
def c02_locale_changes_no_number(tmp):
    line = ("classify", "--format", "json", "-l", "round cells", "-l", "star cells", IMAGES[0])
    want = fine(*line).out
    for locale in ("tr_TR.UTF-8", "de_DE.UTF-8"):
        assert fine(*line, env={"LC_ALL": locale, "HOME": None, "XDG_CACHE_HOME": None}).out == want


@case("device")
def f04_an_unusable_cache_directory_is_done_without(tmp):
    line = ("classify", "-l", "round cells", IMAGES[0])
    want = fine(*line).out
    (tmp / "file").write_text("not a directory")
    (tmp / "planted").mkdir()
    (tmp / "planted/vkclip").symlink_to(tmp)
    for cache in (tmp / "file", tmp / "planted", "/proc", "/nonexistent"):
        assert fine(*line, env={"XDG_CACHE_HOME": str(cache)}).out == want
    leftovers(tmp, "file", "planted")
    fresh = tmp / "fresh"
    fine(*line, env={"XDG_CACHE_HOME": str(fresh)})
    assert stat.S_IMODE(os.stat(fresh / "vkclip").st_mode) == 0o700


def of_another_device(cache):
    """The same file with its checksum right and a byte of the driver's UUID wrong."""
    payload = bytearray(cache[24:])
    payload[16] ^= 1
    checksum = 0xcbf29ce484222325
    for byte in payload:
        checksum = (checksum ^ byte) * 0x100000001b3 % 2**64
    return cache[:16] + struct.pack("=Q", checksum) + payload


@case("device")
def d09_a_pipeline_cache_that_is_not_ours_is_done_without(tmp):
    line = ("classify", "-v", "-l", "round cells", IMAGES[0])
    cached = {"XDG_CACHE_HOME": str(tmp)}
    want = fine(*line, env=cached).out
    path = next(tmp.glob("vkclip/pipelines-*"), None)
    if not path:
        raise Skip("the driver gives no pipeline cache")
    good = path.read_bytes()
    assert b".bin: loaded" in fine(*line, env=cached).err

    def is_done_without():
        result = fine(*line, env=cached)
        assert result.out == want and b".bin: none" in result.err, result.err

    bad = [good[:count] for count in (0, 1, 23, 24, 39, len(good) - 1)]
    bad += [good + b"x", bytes(len(good)), good[:-1] + bytes([good[-1] ^ 1]), of_another_device(good),
            good[:8] + b"\xff" * 16 + good[24:]]
    for content in bad:
        path.write_bytes(content)
        is_done_without()
        assert b".bin: loaded" in fine(*line, env=cached).err, "was not written anew"
    os.truncate(path, 2 << 30)
    is_done_without()
    path.unlink()
    path.symlink_to(tmp / "elsewhere")
    (tmp / "elsewhere").write_bytes(good)
    is_done_without()
    assert not path.is_symlink() and (tmp / "elsewhere").read_bytes() == good


@case("device")
def label_files_may_have_crlf_a_mark_and_blank_lines(tmp):
    content = b"\xef\xbb\xbfround cells\r\n\r\nstar cells\n\nring cells"
    (tmp / "labels").write_bytes(content)
    want = classify("-l", "round cells", "-l", "star cells", "-l", "ring cells", IMAGES[0])
    assert classify("--labels", str(tmp / "labels"), IMAGES[0]) == want
    assert classify("--labels", "-", IMAGES[0], stdin=content) == want


@case("device")
def devices_are_listed_with_one_default(tmp):
    listed = json.loads(fine("devices", "--json").out)
    assert [device["index"] for device in listed] == list(range(len(listed)))
    assert sum(device["default"] for device in listed) == 1
    table = fine("devices").out.decode().splitlines()
    assert sum(line.startswith("*") for line in table[:-1]) == 1
    assert all(any(device["name"] in line for line in table) for device in listed)


@case("device")
def d04_a_device_that_is_not_there_is_refused(tmp):
    for name in ("99", "no such device", "-1", "4294967296", ""):
        result = run("classify", "-d", name, "-l", "x", IMAGES[0])
        assert result.status in (2, 3) and len(result.errors) == 1, (name, result.status, result.err)
        assert not result.out


@case("device")
def a_device_is_chosen_by_index_and_by_name(tmp):
    default = next(d for d in json.loads(fine("devices", "--json").out) if d["default"])
    line = ("-l", "round cells", IMAGES[0])
    want = classify(*line)
    assert classify("-d", str(default["index"]), *line) == want
    assert classify("-d", default["name"].upper(), *line) == want


@case("device")
def the_software_driver_is_named_unless_quiet(tmp):
    default = next(d for d in json.loads(fine("devices", "--json").out) if d["default"])
    if default["type"] != "software":
        raise Skip("the default device is a GPU")
    line = ("classify", "-l", "round cells", IMAGES[0])
    lines = fine(*line).err.decode().splitlines()
    assert len(lines) == 1 and "no GPU found" in lines[0] and default["name"] in lines[0], lines
    assert not fine(*line, "-q").err
    assert not fine(*line, "-d", str(default["index"])).err


LABELS = ["purple round cells", "pink spindle cells", "brown star cells", "blue ring cells"]
LABEL_OPTIONS = [word for label in LABELS for word in ("-l", label)]


@case("device")
def json_has_all_labels_best_first_and_sums_to_one(tmp):
    lines = classify(*LABEL_OPTIONS, *IMAGES)
    assert [line["image"] for line in lines] == IMAGES
    for line in lines:
        assert sorted(label["label"] for label in line["labels"]) == sorted(LABELS)
        probabilities = [label["probability"] for label in line["labels"]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert abs(sum(probabilities) - 1) < 1e-5
        logits = [label["logit"] for label in line["labels"]]
        for label in line["labels"]:
            want = math.exp(label["logit"] - max(logits))
            want /= sum(math.exp(logit - max(logits)) for logit in logits)
            assert abs(label["probability"] - want) < 1e-5 and -1 <= label["cosine"] <= 1


@case("device")
def floats_in_json_round_trip(tmp):
    for line in classify(*LABEL_OPTIONS, IMAGES[0]):
        for label in line["labels"]:
            for key in ("probability", "logit", "cosine"):
                as_float = struct.unpack("f", struct.pack("f", label[key]))[0]
                assert float("%.9g" % as_float) == label[key]


@case("device")
def csv_and_table_agree_with_json(tmp):
    lines = classify(*LABEL_OPTIONS, *IMAGES[:2])
    text = fine("classify", "--format", "csv", *LABEL_OPTIONS, *IMAGES[:2]).out.decode()
    assert text.count("\r\n") == text.count("\n") == 1 + 2 * len(LABELS)
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    flat = [(line["image"], label["label"], label["probability"], label["logit"], label["cosine"])
            for line in lines for label in line["labels"]]
    assert [(row["image"], row["label"], float(row["probability"]), float(row["logit"]),
             float(row["cosine"])) for row in table] == flat
    shown = fine("classify", *LABEL_OPTIONS, *IMAGES[:2]).out.decode()
    for image, label, probability, _, cosine in flat:
        assert image in shown and label in shown
        assert f"{100 * probability:6.2f} %" in shown and f"{cosine:7.4f}" in shown


@case("device")
def top_shows_the_best_of_all_labels(tmp):
    everything = classify(*LABEL_OPTIONS, IMAGES[0])[0]["labels"]
    assert classify("--top", "2", *LABEL_OPTIONS, IMAGES[0])[0]["labels"] == everything[:2]
    assert classify("--top", "99", *LABEL_OPTIONS, IMAGES[0])[0]["labels"] == everything


@case("device")
def t07_one_label_and_equal_labels_are_fine(tmp):
    only = classify("-l", "round cells", IMAGES[0])[0]["labels"]
    assert len(only) == 1 and only[0]["probability"] == 1
    twice = classify("-l", "round cells", "-l", "round cells", IMAGES[0])[0]["labels"]
    assert [label["probability"] for label in twice] == [0.5, 0.5]


@case("device")
def t07_ten_thousand_labels_are_fine(tmp):
    count = 10000
    labels = "\n".join(f"cell {i}" for i in range(count)).encode()
    got = classify("--labels", "-", "--template", "{}", IMAGES[0], stdin=labels)[0]["labels"]
    assert len(got) == count and abs(sum(label["probability"] for label in got) - 1) < 1e-3


@case("device")
def c05_hostile_labels_stay_valid_json_and_csv(tmp):
    generator = random.Random(5)
    pieces = [b'"', b"\\", b",", b"\t", b"\r", b"\x1b[2J", b"\x01", b"\x7f", b"\xff", b"\xc0\xaf",
              b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", "é€😀".encode(), b"cell", b" "]
    labels = [b"x" + b"".join(generator.choices(pieces, k=generator.randrange(1, 12)))
              for _ in range(200)]
    options = [word for label in labels for word in ("-l", label)]
    want = sorted(label.decode(errors="replace") for label in labels)
    got = classify(*options, IMAGES[0])[0]["labels"]
    assert sorted(label["label"] for label in got) == want
    text = fine("classify", "--format", "csv", *options, IMAGES[0]).out.decode()
    assert sorted(row["label"] for row in csv.DictReader(io.StringIO(text, newline=""))) == want
    table = fine("classify", *options, IMAGES[0]).out
    table.decode()
    assert b"\x1b" not in table and b"\r" not in table


@case("device")
def t06_labels_that_look_like_options_are_taken_literally(tmp):
    got = classify("-l", "--help", "-l-m", "--label=-q", "--", IMAGES[0])[0]["labels"]
    assert sorted(label["label"] for label in got) == ["--help", "-m", "-q"]


@case("device")
def classify_agrees_with_the_embeddings(tmp):
    fine("embed", "image", "-o", str(tmp / "i.npy"), *IMAGES)
    fine("embed", "text", "-o", str(tmp / "t.npy"),
         *(f"this is a photo of {label}" for label in LABELS))
    images, texts = rows(tmp / "i.npy"), rows(tmp / "t.npy")
    assert all(abs(dot(row, row) - 1) < 1e-5 for row in images + texts)
    for line, image in zip(classify(*LABEL_OPTIONS, *IMAGES), images):
        for label in line["labels"]:
            assert abs(label["cosine"] - dot(image, texts[LABELS.index(label["label"])])) < 1e-5


@case("device")
def several_templates_are_averaged(tmp):
    templates = ["a micrograph of {}", "{} under the microscope", "slide of "]
    prompts = ["a micrograph of ring cells", "ring cells under the microscope", "slide of ring cells"]
    fine("embed", "image", "-o", str(tmp / "i.npy"), IMAGES[0])
    fine("embed", "text", "-o", str(tmp / "t.npy"), "--texts", "-", stdin="\n".join(prompts).encode())
    mean = [sum(column) / 3 for column in zip(*rows(tmp / "t.npy"))]
    want = dot(rows(tmp / "i.npy")[0], mean) / math.sqrt(dot(mean, mean))
    options = [word for template in templates for word in ("--template", template)]
    got = classify("-l", "ring cells", *options, IMAGES[0])[0]["labels"][0]["cosine"]
    assert abs(got - want) < 1e-5, (got, want)


@case("device")
def unreadable_images_do_not_stop_the_others(tmp):
    (tmp / "broken.png").write_bytes(pathlib.Path(IMAGES[0]).read_bytes()[:2000])
    broken = str(tmp / "broken.png")
    paths = [broken, IMAGES[0], str(tmp), IMAGES[1]]
    result = run("classify", "--format", "json", "-l", "round cells", *paths)
    assert result.status == 1 and len(result.errors) == 2 and broken in result.errors[0]
    assert [line["image"] for line in json_lines(result)] == IMAGES[:2]
    result = run("embed", "image", "-o", str(tmp / "o.npy"), *paths)
    assert result.status == 1 and [any(row) for row in rows(tmp / "o.npy")] == [False, True] * 2


@case("device")
def image_options_reach_the_embeddings(tmp):
    generator = random.Random(1)
    values = [generator.randrange(256) for _ in range(64)]
    shallow, deep = tmp / "shallow.pgm", tmp / "deep.pgm"
    shallow.write_bytes(b"P5 8 8 255\n" + bytes(values))
    deep.write_bytes(b"P5 8 8 65535\n" + b"".join(bytes([value, value]) for value in values))
    options = ("-l", "round cells", "-l", "star cells")
    wanted = classify(*options, str(shallow))[0]["labels"]
    assert classify(*options, str(deep))[0]["labels"] != wanted
    assert classify(*options, "--window", "32768,65536", str(deep))[0]["labels"] == wanted
    fine("embed", "image", "-o", str(tmp / "a.npy"), str(shallow))
    fine("embed", "image", "-o", str(tmp / "b.npy"), "--window=32768,65536", str(deep))
    assert rows(tmp / "a.npy") == rows(tmp / "b.npy")
    warned = fine("classify", *options, str(deep), str(deep)).err.decode()
    assert warned.count("become white") == 1 and "--window" in warned


@case("device")
def f03_classify_stops_when_its_output_is_full(tmp):
    with open("/dev/full", "wb") as full:
        result = run("classify", "-l", "round cells", *(IMAGES * 100), stdout=full)
    assert result.status == 1 and len(result.errors) == 1, result.err


@case("device")
def nothing_is_drawn_when_standard_error_is_no_terminal(tmp):
    assert b"\r" not in fine("embed", "image", "-o", str(tmp / "o.npy"), *IMAGES).err


@case("device")
def progress_on_a_terminal_is_erased_in_the_end(tmp):
    try:
        controller, terminal = os.openpty()
    except OSError as reason:
        raise Skip(f"no pseudo-terminal: {reason}") from reason
    process = subprocess.Popen([PROGRAM, "embed", "image", "-m", str(MODEL), "-d", "0", "-o",
                                str(tmp / "o.npy"), *IMAGES], stderr=terminal,
                               env=dict(os.environ, **SANITIZER))
    os.close(terminal)
    drawn = b""
    while True:
        try:
            piece = os.read(controller, 4096)
        except OSError: # how Linux tells that the other side was closed
            break
        if not piece:
            break
        drawn += piece
    os.close(controller)
    assert process.wait() == 0
    assert f"{len(IMAGES)} of {len(IMAGES)} pictures".encode() in drawn, drawn
    assert drawn.endswith(b"\r\x1b[K"), drawn


def is_sound_row(row):
    """Quantiles in order, rates that follow from them."""
    assert 0 < row["p10_s"] <= row["median_s"] <= row["p90_s"] and row["runs"] >= 1
    assert abs(row["per_s"] * row["median_s"] / row["batch"] - 1) < 1e-6
    if row["what"] == "text":
        assert abs(row["tokens_per_s"] / (row["per_s"] * row["tokens"]) - 1) < 1e-6
    return isinstance(row["warm"], bool)


def is_sound_bench(result):
    """What every run of bench tells."""
    device = next(d for d in json.loads(fine("devices", "--json").out) if d["default"])
    assert result["version"] == fine("--version").out.decode().split()[-1]
    assert (result["device"], result["driver"], result["vulkan"]) == (
        device["name"], device["driver"], device["vulkan"])
    assert result["precision"] in ("fp32", "fp16") and "linear" in result["variants"]
    assert result["peak_memory_bytes"] > 1e6 and result["arena_bytes"] > 0
    first = result["first_embedding"]
    parts = ("open_s", "device_s", "pipelines_s", "weights_s", "plan_s", "first_run_s")
    assert all(first[part] > 0 for part in parts)
    assert abs(sum(first[part] for part in parts) - first["total_s"]) < 1e-6
    weights = first["weights"]
    assert all(weights[part] > 0 for part in ("read_s", "convert_s", "upload_s"))
    assert sum(weights.values()) <= first["weights_s"] + 1e-9
    assert all(is_sound_row(row) for row in result["measurements"])
    roof = result["roof"]
    assert roof["fp32_gflop_per_s"] > 0 and (roof["fp16_gflop_per_s"] > 0) == device["fp16_arithmetic"]
    assert (roof["dot4_gop_per_s"] > 0) == device["dot4"]
    assert (roof["matrix_gflop_per_s"] > 0) == (device["matrix"] != [0, 0, 0])
    memory = max(roof["read_gigabytes_per_s"], roof["copy_gigabytes_per_s"])
    for tower in ("image_kernels", "text_kernels"):
        kernels = result[tower]["kernels"]
        assert bool(kernels) == device["timestamps"]
        assert not kernels or sum(k["gflop"] for k in kernels) > 0
        for k in kernels:
            for of in ("matrix", "dot4"):
                assert (k["arithmetic"] == of) == (f"{k['kernel']} {of}-" in result["variants"])
            rate = "_gop_per_s" if k["arithmetic"] == "dot4" else "_gflop_per_s"
            near = {"memory": k["gigabytes_per_s"] / memory,
                    k["arithmetic"]: k["gflop_per_s"] / roof[k["arithmetic"] + rate]}
            assert abs(k["roof_fraction"] - max(near.values())) < 1e-6 and k["gigabytes"] > 0
            assert abs(near[k["roof"]] - k["roof_fraction"]) < 1e-6
            assert abs(k["gflop_per_s"] * k["milliseconds"] * 1e-3 - k["gflop"]) < 1e-6 * (1 + k["gflop"])
    return True


@case("device")
def bench_measures_both_towers_at_the_batch_that_was_asked_for(tmp):
    result = json.loads(fine("bench", "--runs", "4", "--batch", "2", "--json").out)
    assert is_sound_bench(result) and not result["synthetic"]
    rows = [(row["what"], row["batch"], row.get("tokens")) for row in result["measurements"]]
    assert rows[:2] == [("image", 2, None), ("text", 2, 11)]
    assert rows[2:] == [("text", 1, tokens) for tokens in (8, 16, 32, 64)][:len(rows) - 2]
    assert all(row["runs"] in (3, 4) for row in result["measurements"])
    table = fine("bench", "--runs", "2", "--batch", "2").out.decode()
    assert "image x 2" in table and "text x 2, 11 tokens" in table and "peak memory" in table
    assert "first embedding" in table and "\x1b" not in table


@case("device")
def bench_sweeps_batches_up_to_64(tmp):
    result = json.loads(fine("bench", "-m", "tests/golden/tiny/tiny.safetensors", "--runs", "1", "--json").out)
    for what in ("image", "text"):
        batches = [row["batch"] for row in result["measurements"]
                   if row["what"] == what and row.get("tokens") in (None, 11)]
        assert batches == [1, 2, 4, 8, 16, 32, 64][:len(batches)]
        assert len(batches) == 7 or result["cut"]
        assert not result[what + "_kernels"]["kernels"] or result[what + "_kernels"]["batch"] == batches[-1]


@case("device")
def bench_needs_no_model_of_full_size(tmp):
    result = json.loads(fine("bench", "--synthetic", "--batch", "1", "--runs", "1", "--json",
                             env={"VKCLIP_MODEL": None, "HOME": str(tmp)}).out)
    assert is_sound_bench(result) and result["synthetic"]
    bytes_each = 4 if result["precision"] == "fp32" else 2
    assert 195e6 * bytes_each < result["weights_bytes"] < 197e6 * bytes_each
    # A picture has 197 tokens. All linear layers together have 85.9 million weights, each a
    # multiplication and an addition a token, but what follows attention in the last layer is computed
    # for one token alone; attention is 4 operations a query, key and column. The weights are read once,
    # and of each token in each layer 10 times 768 and twice 3072 numbers are read or written, fewer in
    # the last.
    kernels = {kernel["kernel"]: kernel for kernel in result["image_kernels"]["kernels"]}
    if kernels:
        unneeded = 196 * (768 * 768 + 2 * 768 * 3072)
        linear = 2e-9 * (12 * 197 * 7077888 + 197 * 768 * 768 + 768 * 512 - unneeded)
        assert abs(kernels["linear"]["gflop"] - linear) < 1e-3 * linear
        attention = 4e-9 * 768 * (11 * 197 * 197 + 197)
        assert abs(kernels["attention"]["gflop"] - attention) < 1e-3 * attention
        moved = 85.9e6 + 197 * 768 * 3 + 197 * 12 * (10 * 768 + 2 * 3072) - 196 * (6 * 768 + 2 * 3072)
        if result["precision"] == "fp32":
            assert abs(kernels["linear"]["gigabytes"] - moved * 4e-9) < 0.01 * moved * 4e-9


def write_classifier(folder):
    """A ViT of one layer in timm's names whose logits are 1, 2 and 4, whatever the picture."""
    width, hidden = 64, 128
    block = {"norm1.weight": [width], "norm1.bias": [width], "norm2.weight": [width], "norm2.bias": [width]}
    block |= {"attn.qkv.weight": [3 * width, width], "attn.qkv.bias": [3 * width]}
    block |= {"attn.proj.weight": [width, width], "attn.proj.bias": [width]}
    block |= {"mlp.fc1.weight": [hidden, width], "mlp.fc1.bias": [hidden]}
    block |= {"mlp.fc2.weight": [width, hidden], "mlp.fc2.bias": [width]}
    shapes = {"blocks.0." + name: shape for name, shape in block.items()}
    shapes |= {"cls_token": [1, 1, width], "pos_embed": [1, 5, width], "norm.weight": [width]}
    shapes |= {"norm.bias": [width], "patch_embed.proj.weight": [width, 3, 16, 16]}
    shapes |= {"patch_embed.proj.bias": [width], "head.weight": [3, width], "head.bias": [3]}
    header, data = {}, b""
    for name, shape in shapes.items():
        values = [1.0, 2.0, 4.0] if name == "head.bias" else [0.0] * math.prod(shape)
        piece = array.array("f", values).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(piece)]}
        data += piece
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {"architecture": "vit_tiny_patch16_32", "num_classes": 3, "global_pool": "token"}
    config["pretrained_cfg"] = {"input_size": [3, 32, 32], "label_names": ["cat", "dog", "a, bird"]}
    (folder / "config.json").write_text(json.dumps(config))


@case("device")
def a_model_with_a_classifier_needs_no_labels(tmp):
    write_classifier(tmp)
    line = ("classify", "-m", str(tmp), IMAGES[0])
    total = sum(math.exp(logit) for logit in (1, 2, 4))
    found = json_lines(fine(*line, "--format", "json"))[0]["labels"]
    assert [row["label"] for row in found] == ["a, bird", "dog", "cat"]
    assert [row["logit"] for row in found] == [4, 2, 1] and "cosine" not in found[0]
    assert abs(found[1]["probability"] - math.exp(2) / total) < 1e-6
    table = list(csv.reader(io.StringIO(fine(*line, "--format", "csv", "--top", "1").out.decode())))
    assert table[0] == ["image", "label", "probability", "logit"] and table[1][1] == "a, bird"
    facts = json.loads(fine("info", "-m", str(tmp), "--json").out)
    assert facts["class_count"] == 3 and facts["family"] == "timm's ViT" and facts["text_layers"] == 0
    assert 'architecture "vit_tiny_patch16_32"' in facts["evidence"]


@case("device")
def what_a_model_lacks_is_said(tmp):
    write_classifier(tmp)
    refused(3, "embed", "text", "-m", str(tmp), "-o", str(tmp / "o.npy"), "x", says="no text tower")
    refused(3, "tokenize", "-m", str(tmp), "x", says="no text tower")
    refused(3, "classify", "-m", str(tmp), "-l", "x", IMAGES[0], says="no text tower")
    usage_error("classify", IMAGES[0], says="no label is given")
    fine("bench", "-m", str(tmp), "--runs", "1")
    leftovers(tmp, "model.safetensors", "config.json")


sys.exit(main())
