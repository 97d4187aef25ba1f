#!/usr/bin/env python3
"""Tests of 'vkclip verify' on a Vulkan device.

    test_verify.py VKCLIP [WORD...]

runs the cases whose name has one of the words, or all. Standard library only. Faults are planted by
the layer of tests/layer, built beside the program; without it the cases that need it are skipped.
"""
import json
import math
import os
import pathlib
import shutil
import sys

from cli_testing import *

# As the program, but takes the demo model for the one whose probabilities were published.
DEMO_PUBLISHED = str(pathlib.Path(PROGRAM).parent / "tests" / pathlib.Path(PROGRAM).name.replace("vkclip", "vkclip_demo_published"))
LAYERS = pathlib.Path(PROGRAM).parent / "tests/layer"
KERNELS = {"patchify", "embed_tokens", "layernorm", "linear, few rows", "linear, some rows", "linear, many rows", "attention", "attention, causal", "mean", "normalize", "top_k"}
MIXED = {f"linear, to fp32, {rows} rows" for rows in ("few", "some", "many")} # fp32 outputs of fp16 inputs
TOWERS = {"image tower", "text tower"}
CLASSIFY = ("classify", "-q", "--precision", "fp32", "-l", "round cells", IMAGES[0])


def planted(tmp, clauses):
    """The environment that plants faults, with a cache of the case's own."""
    if not (LAYERS / "VkLayer_vkclip_test.json").exists():
        raise Skip("the test layer is not built")
    return {"XDG_CACHE_HOME": str(tmp), "VK_INSTANCE_LAYERS": "VK_LAYER_VKCLIP_test",
            "VK_LAYER_PATH": str(LAYERS), "VKCLIP_LAYER": clauses}


def marks(tmp):
    return sorted(path.name[:len("failed-fp32")] for path in tmp.glob("vkclip/failed-*"))


def verify(status, *arguments, env=None, program=PROGRAM):
    result = run("verify", "--json", *arguments, env=env, program=program)
    assert result.status == status, (result.status, result.err.decode())
    return json.loads(result.out), result


@case("device")
def every_kernel_and_tower_passes_and_is_told_in_json(tmp):
    report, _ = verify(0, env={"XDG_CACHE_HOME": str(tmp)})
    assert report["passed"] is True and report["error"] is None
    assert report["vkclip"] == fine("--version").out.decode().split()[-1]
    default = next(d for d in json.loads(fine("devices", "--json").out) if d.pop("index") >= 0 and d["default"])
    assert report["device"] == default
    names = {"fp32": KERNELS | TOWERS}
    if default["fp16_storage"]:
        names["fp16"] = KERNELS | MIXED | TOWERS
    assert {check["precision"] for check in report["checks"]} == set(names)
    for precision, wanted in names.items():
        found = [check["name"] for check in report["checks"] if check["precision"] == precision]
        assert sorted(found) == sorted(wanted), found
    for check in report["checks"]:
        assert 0 <= check["worst"] <= check["allowed"] < 1e-2 and check["cases"] > 0 and check["worst_case"]
        assert check["repeatable"] and check["contained"] and check["passed"], check
    assert not marks(tmp)


@case("device")
def the_table_has_a_line_a_check_and_no_progress_goes_to_a_pipe(tmp):
    result = fine("verify", "--precision", "fp32", env={"XDG_CACHE_HOME": str(tmp)})
    lines = [line for line in result.out.decode().splitlines() if line.startswith("fp32 ")]
    assert len(lines) == len(KERNELS | TOWERS) and all(line.endswith(" PASS") for line in lines), lines
    assert b"checks" not in result.err


@case("device")
def a_wrong_bit_in_every_result_fails_every_check(tmp):
    report, result = verify(1, "--precision", "fp32", env=planted(tmp, "flip=1:30"))
    assert not report["passed"] and report["error"] in result.errors[0]
    assert [check["name"] for check in report["checks"] if check["passed"]] == []
    assert {check["name"] for check in report["checks"]} == KERNELS | TOWERS
    assert report["error"].startswith("linear, few rows in fp32 (")


@case("device")
def a_bit_that_turns_wrong_late_is_told_of_the_kernel_that_had_it(tmp):
    verify(0, "--precision", "fp32", env=planted(tmp / "whole", f"count={tmp}/count"))
    counts = dict(line.split()[:2] for line in (tmp / "count").read_text().splitlines())
    waits = int(counts["vkWaitForFences"])
    report, _ = verify(1, "--precision", "fp32", env=planted(tmp, f"flip={waits}:30"))
    assert [check["name"] for check in report["checks"] if not check["passed"]] == ["text tower"]
    assert report["error"].startswith("text tower in fp32 (")


def refusal_is_lifted(tmp):
    """The mark of fp32 is there: other commands refuse the device, --force and a new pass do not."""
    plain = {"XDG_CACHE_HOME": str(tmp)}
    assert marks(tmp) == ["failed-fp32"]
    refused(3, *CLASSIFY, env=plain, says="failed 'vkclip verify' in fp32")
    answer = fine(*CLASSIFY, "--force", env=plain).out
    mark = next(tmp.glob("vkclip/failed-*"))
    content = mark.read_bytes()
    for junk in (b"", b"junk", content[:-1], content[:-1] + b"\0", content + b"x"):
        mark.write_bytes(junk)
        assert fine(*CLASSIFY, env=plain).out == answer
    mark.write_bytes(content)
    refused(3, *CLASSIFY, env=plain)
    verify(0, "--precision", "fp32", env=plain)
    assert not marks(tmp)
    assert fine(*CLASSIFY, env=plain).out == answer


@case("device")
def a_device_that_failed_is_refused_until_it_passes(tmp):
    verify(1, "--precision", "fp32", env=planted(tmp, "flip=20:30"))
    refusal_is_lifted(tmp)


@case("device")
def a_lost_device_is_marked(tmp):
    report, result = verify(4, "--precision", "fp32", env=planted(tmp, "lose=wait:20"))
    assert "was lost" in result.errors[0] and not report["passed"]
    assert marks(tmp) == ["failed-fp32"]


@case("device")
def a_device_that_hangs_is_marked(tmp):
    report, result = verify(4, "--precision", "fp32", env=planted(tmp, "swallow=submit:20"))
    assert "no answer" in result.errors[0] and not report["passed"]
    assert marks(tmp) == ["failed-fp32"]


@case("device")
def a_device_that_cannot_be_tried_is_not_marked(tmp):
    result = run("verify", "--json", "--precision", "fp32",
                 env=planted(tmp, "fail=vkAllocateMemory:20:VK_ERROR_OUT_OF_DEVICE_MEMORY:on"))
    assert result.status == 3 and len(result.errors) == 1, (result.status, result.err.decode())
    assert not marks(tmp)


@case("device")
def the_command_line_is_strict(tmp):
    usage_error("verify", "picture.png")
    usage_error("verify", "--precision", "fp64")
    usage_error("verify", "--examples", str(tmp), says="--examples needs -m")
    refused(3, "verify", "-d", "no such device")


# ---- the model -------------------------------------------------------------------------------

def precisions():
    default = next(d for d in json.loads(fine("devices", "--json").out) if d["default"])
    return ["fp32", "fp16"] if default["fp16_storage"] else ["fp32"]


def copy_model(tmp, change=lambda golden: golden):
    """The demo model with its golden changed, which then names the pictures from there."""
    folder = tmp / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(MODEL, folder)
    golden = json.loads((MODEL / "vkclip_golden.json").read_text())
    golden["pictures"] = [os.path.relpath(MODEL / name, folder) for name in golden["pictures"]]
    (folder / "vkclip_golden.json").write_text(json.dumps(change(golden)))
    return str(folder)


@case("device")
def without_a_model_none_is_spoken_of(tmp):
    report, _ = verify(0, "--precision", "fp32")
    assert "model" not in report


@case("device")
def a_model_is_checked_against_the_golden_beside_it(tmp):
    for path in (str(MODEL), str(MODEL / "open_clip_model.safetensors")):
        report, _ = verify(0, "-m", path)
        assert report["passed"] is True and report["error"] is None
        model = report["model"]
        assert model["path"] == path and model["against"] == str(MODEL / "vkclip_golden.json")
        assert [(check["name"], check["precision"], check["cases"]) for check in model["checks"]] == [
            (name, precision, cases) for precision in precisions() for name, cases in (("image tower", 8), ("text tower", 12))]
        for check in model["checks"]:
            assert 0 < check["worst"] <= check["allowed"] and check["repeatable"] and check["passed"], check
            assert "1 - cosine" in check["worst_case"]


@case("device")
def a_golden_may_have_one_tower(tmp):
    texts = copy_model(tmp, lambda golden: {name: golden[name] for name in ("texts", "text_embeddings")})
    report, _ = verify(0, "-m", texts, "--precision", "fp32")
    assert [check["name"] for check in report["model"]["checks"]] == ["text tower"]


@case("device")
def the_table_of_a_model_has_a_line_a_tower(tmp):
    lines = fine("verify", "--precision", "fp32", "-m", str(MODEL)).out.decode().splitlines()
    at = lines.index(f"{MODEL} against {MODEL}/vkclip_golden.json")
    assert [line.split()[:3] for line in lines[at + 3:]] == [["fp32", "image", "tower"], ["fp32", "text", "tower"]]


@case("device")
def a_model_that_gives_something_else_fails(tmp):
    def exchange(golden):
        rows = golden["image_embeddings"]
        rows[2], rows[3] = rows[3], rows[2]
        return golden
    report, result = verify(1, "-m", copy_model(tmp, exchange), "--precision", "fp32")
    image, text = report["model"]["checks"]
    assert not image["passed"] and text["passed"] and report["passed"] is False
    assert image["worst_case"].startswith(("picture 3,", "picture 4,")) and image["worst"] > 0.01
    assert report["error"].startswith("the model's image tower in fp32: picture ")
    assert report["error"] in result.errors[0]


@case("device")
def a_difference_that_fp16_makes_fails_in_fp32_alone(tmp):
    def shift(golden):
        golden["text_embeddings"][4][7] += 1e-4
        return golden
    report, _ = verify(1, "-m", copy_model(tmp, shift))
    checks = report["model"]["checks"]
    assert len(checks) == 2 * len(precisions())
    assert [(c["name"], c["precision"]) for c in checks if not c["passed"]] == [("text tower", "fp32")]
    assert checks[1]["worst_case"].startswith("text 5,") and abs(checks[1]["worst"] - 1e-4) < 2e-6


@case("device")
def a_turned_embedding_fails_though_no_number_is_far_off(tmp):
    if "fp16" not in precisions():
        raise Skip("the device does not store fp16")
    def turn(golden):
        row = [x + (-1) ** i * 2e-3 for i, x in enumerate(golden["text_embeddings"][0])]
        golden["text_embeddings"][0] = [x / math.hypot(*row) for x in row]
        return golden
    report, _ = verify(1, "-m", copy_model(tmp, turn), "--precision", "fp16")
    text = report["model"]["checks"][1]
    assert not text["passed"] and text["worst"] < text["allowed"], text


@case("device")
def a_wrong_bit_late_is_the_models(tmp):
    def repeat(golden):
        for name in ("texts", "text_embeddings"):
            golden[name] *= 40 # the layer counts a device's waits, and the check of the device has many
        return golden
    line = ("--precision", "fp32", "-m", copy_model(tmp, repeat))
    verify(0, *line, env=planted(tmp / "whole", f"count={tmp}/count"))
    counts = dict(line.split()[:2] for line in (tmp / "count").read_text().splitlines())
    last = counts["vkWaitForFences"]
    report, _ = verify(1, *line, env=planted(tmp, f"flip={last}:30"))
    assert "computes wrongly: an embedding has length" in report["error"], report["error"]
    report, _ = verify(1, *line, env=planted(tmp, f"flip={last}:10"))
    assert all(check["passed"] for check in report["checks"])
    (check,) = [check for check in report["model"]["checks"] if not check["passed"]]
    assert check["name"] == "text tower" and not check["repeatable"]


@case("device")
def on_a_device_that_fails_no_model_is_tried(tmp):
    report, _ = verify(1, "--precision", "fp32", "-m", str(MODEL), env=planted(tmp, "flip=20:30"))
    assert report["model"]["checks"] == [] and report["error"].startswith("linear, few rows in fp32")


@case("device")
def a_golden_that_cannot_be_used_is_refused(tmp):
    def misplace(golden):
        golden["pictures"][0] = "nowhere.png"
        return golden
    report, result = verify(3, "-m", copy_model(tmp, misplace), "--precision", "fp32")
    assert report["error"] == f"{tmp}/model/nowhere.png: No such file or directory", report["error"]
    assert report["error"] in result.errors[0] and report["model"]["checks"] == [] and report["checks"]
    report, _ = verify(3, "-m", copy_model(tmp, lambda golden: [golden]), "--precision", "fp32")
    assert report["error"].endswith("vkclip_golden.json: is not a JSON object"), report["error"]


@case("device")
def a_model_with_nothing_to_compare_with_is_not_passed(tmp):
    folder = copy_model(tmp)
    os.remove(folder + "/vkclip_golden.json")
    report, _ = verify(3, "-m", folder, "--precision", "fp32")
    assert "nothing to compare with" in report["error"] and report["passed"] is False
    assert verify(3, "-m", str(tmp / "nothing"), "--precision", "fp32")[0]["error"].endswith("No such file or directory")


@case("device")
def published_probabilities_are_for_the_published_weights(tmp):
    line = ("--precision", "fp32", "--examples", str(ROOT / "tools/demo/images"))
    error = verify(3, "-m", str(MODEL), *line)[0]["error"]
    assert "the published weights of BiomedCLIP, which are 783705670 bytes long; these are 4541682" in error, error
    folder = pathlib.Path(copy_model(tmp))
    weights = bytearray((folder / "open_clip_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "open_clip_model.safetensors").write_bytes(weights)
    report, _ = verify(3, "-m", str(folder), *line, program=DEMO_PUBLISHED)
    assert "the published weights of the demo model; these have the sha256 " in report["error"], report["error"]
    assert report["model"]["checks"] == []


@case("device")
def published_probabilities_are_compared_one_by_one(tmp):
    golden = json.loads((MODEL / "vkclip_golden.json").read_text())
    report, _ = verify(0, "-m", str(MODEL), "--examples", str(ROOT / "tools/demo/images"), program=DEMO_PUBLISHED)
    model = report["model"]
    assert model["against"] == "the probabilities published with the demo model"
    assert [(check["name"], check["precision"], check["cases"]) for check in model["checks"]] == [
        ("published probabilities", precision, 40) for precision in precisions()]
    assert all(check["worst"] <= (1e-3 if check["precision"] == "fp32" else 0.03) for check in model["checks"]), model["checks"]
    assert len(model["probabilities"]) == 40 * len(precisions())
    prompts = [i for i, text in enumerate(golden["texts"]) if text.startswith("this is a photo of ")]
    for row in model["probabilities"]:
        picture = golden["pictures"].index("../images/" + row["picture"])
        logits = [golden["logits"][picture][i] for i in prompts]
        logit = logits[[golden["texts"][i] for i in prompts].index("this is a photo of " + row["label"])]
        want = math.exp(logit) / sum(map(math.exp, logits))
        assert abs(row["published"] / want - 1) < 1e-4 and abs(row["ours"] / want - 1) < 0.03, row
        assert abs(math.log(row["ours"] / row["published"]) - row["log_difference"]) < 1e-6
    table = fine("verify", "-m", str(MODEL), "--precision", "fp32", "--examples", str(ROOT / "tools/demo/images"),
                 program=DEMO_PUBLISHED).out.decode().splitlines()
    assert sum(line.endswith(("+0.0000", "-0.0000")) for line in table) == 40


@case("device")
def a_picture_for_another_is_seen_in_the_probabilities(tmp):
    for path in IMAGES:
        shutil.copy(path, tmp)
    line = ("-m", str(MODEL), "--precision", "fp32", "--examples", str(tmp))
    a, b = tmp / "star_brown_sparse.png", tmp / "round_purple_dense.png"
    a.rename(tmp / "c"), b.rename(a), (tmp / "c").rename(b)
    report, _ = verify(1, *line, program=DEMO_PUBLISHED)
    (check,) = report["model"]["checks"]
    assert not check["passed"] and check["worst"] > 1
    assert check["worst_case"].startswith(("star_brown_sparse.png, ", "round_purple_dense.png, "))
    assert check["worst_case"] in report["error"]
    a.unlink()
    report, _ = verify(3, *line, program=DEMO_PUBLISHED)
    assert report["error"] == f"{a}: No such file or directory", report["error"]


sys.exit(main())
