#!/usr/bin/env python3
"""Tests of 'vkclip verify' on a Vulkan device.

    test_verify.py VKCLIP [WORD...]

runs the cases whose name has one of the words, or all. Standard library only. Faults are planted by
the layer of tests/layer, built beside the program; without it the cases that need it are skipped.
"""
import json
import pathlib
import sys

from cli_testing import *

LAYERS = pathlib.Path(PROGRAM).parent / "tests/layer"
KERNELS = {"patchify", "embed_tokens", "layernorm", "linear", "linear, few rows", "attention", "attention, causal", "mean", "normalize"}
MIXED = {"linear, to fp32", "linear, to fp32, few rows"} # fp32 outputs of fp16 inputs
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


def verify(status, *arguments, env):
    result = run("verify", "--json", *arguments, env=env)
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
    assert report["error"].startswith("linear in fp32 (")


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
    refused(3, "verify", "-d", "no such device")


sys.exit(main())
