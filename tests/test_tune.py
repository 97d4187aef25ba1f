#!/usr/bin/env python3
"""Tests of 'vkclip tune' on a Vulkan device.

    test_tune.py VKCLIP [WORD...]

runs the cases whose name has one of the words, or all. Standard library only. Faults are planted by
the layer of tests/layer, built beside the program; without it the cases that need it are skipped.
"""
import json
import math
import pathlib
import sys

from cli_testing import *

LAYERS = pathlib.Path(PROGRAM).parent / "tests/layer"
LINEAR = ["few rows", "some rows", "many rows"]
ATTENTION = ["attention, text", "attention, image"]
TUNE = ("tune", "-q", "--json", "--precision", "fp32")


def environment(tmp, clauses=None):
    plain = {"XDG_CACHE_HOME": str(tmp)}
    if not clauses:
        return plain
    if not (LAYERS / "VkLayer_vkclip_test.json").exists():
        raise Skip("the test layer is not built")
    return {**plain, "VK_INSTANCE_LAYERS": "VK_LAYER_VKCLIP_test", "VK_LAYER_PATH": str(LAYERS), "VKCLIP_LAYER": clauses}


def tuned(tmp):
    """What 'devices -v' tells of the default device."""
    devices = json.loads(fine("devices", "-v", "--json", env=environment(tmp)).out)
    return next(device["tuned"] for device in devices if device["default"])


def embeddings(tmp):
    fine("embed", "image", "-q", "--precision", "fp32", "-o", str(tmp / "embeddings.npy"), *IMAGES[:3], env=environment(tmp))
    return (tmp / "embeddings.npy").read_bytes()


def notes(tmp):
    return sorted(path.name.split("-")[0] for path in tmp.glob("vkclip/*-fp32-*"))


@case("device")
def the_fastest_is_remembered_used_and_forgotten(tmp):
    assert tuned(tmp) == []
    before = embeddings(tmp)
    found = json.loads(fine(*TUNE, env=environment(tmp)).out)
    assert [of["class"] for of in found["classes"]] == [*LINEAR, *ATTENTION]
    timed = {v["variant"]: v["microseconds"] for v in found["variants"] if "microseconds" in v}
    assert all(list(times) in (LINEAR, ATTENTION) for times in timed.values()), found
    assert sum(LINEAR[0] in times for times in timed.values()) >= 2, found
    chosen = {of["class"]: of["chosen"] for of in found["classes"]}
    for of in LINEAR:
        assert timed[chosen[of]][of] == min(times[of] for times in timed.values() if of in times), found
    # One variant for all: that whose times multiplied are least.
    assert len({chosen[of] for of in ATTENTION}) == 1
    products = {v: math.prod(times.values()) for v, times in timed.items() if ATTENTION[0] in times}
    assert products[chosen[ATTENTION[0]]] <= min(products.values()) * (1 + 1e-6), found
    assert tuned(tmp) == [found] and notes(tmp) == ["tuned"]
    # One family of linear on software drivers: where attention is the default, the same bits as before.
    after = embeddings(tmp)
    assert after == before or chosen[ATTENTION[0]] != "alone-32x1"

    (kept,) = tmp.glob("vkclip/tuned-fp32-*")
    content = kept.read_bytes()
    for junk in (b"", b"junk", content[:-1], content.replace(b"chosen", b"chosem"), content + b"x"):
        kept.write_bytes(junk)
        assert tuned(tmp) == [] and embeddings(tmp) == before
    kept.write_bytes(content)
    assert tuned(tmp) == [found]
    fine("tune", "-q", "--precision", "fp32", "--forget", env=environment(tmp))
    assert tuned(tmp) == [] and notes(tmp) == []


@case("device")
def a_note_of_unknown_variants_is_ignored(tmp):
    """Of this version, device and shaders, whole, and still not ours."""
    fine(*TUNE, env=environment(tmp))
    (kept,) = tmp.glob("vkclip/tuned-fp32-*")
    header, payload = kept.read_bytes()[:24], kept.read_bytes()[24:]
    for name in (b"direct-12x33", b"\x1b[2Jab-12x32"):
        changed, mark = payload.replace(b"direct-12x32", name), 0xcbf29ce484222325
        assert len(changed) == len(payload) and changed != payload
        for byte in changed:
            mark = (mark ^ byte) * 0x100000001b3 & 0xffffffffffffffff
        kept.write_bytes(header[:16] + mark.to_bytes(8, sys.byteorder) + changed)
        assert tuned(tmp) == []
    kept.write_bytes(header + payload)
    assert len(tuned(tmp)) == 1


@case("device")
def fp16_is_refused_where_it_is_not_stored(tmp):
    devices = json.loads(fine("devices", "--json").out)
    if next(device["fp16_storage"] for device in devices if device["default"]):
        raise Skip("the device stores fp16")
    refused(3, "tune", "-q", "--precision", "fp16", env=environment(tmp), says="does not store fp16: use fp32")


@case("device")
def a_variant_with_wrong_numbers_is_struck_off(tmp):
    fine(*TUNE, env=environment(tmp / "whole", f"count={tmp}/count"))
    counts = dict(line.split()[:2] for line in (tmp / "count").read_text().splitlines())
    found = json.loads(fine(*TUNE, env=environment(tmp, f"flip={int(counts['vkWaitForFences']) // 2}:30")).out)
    struck = [v["variant"] for v in found["variants"] if v.get("struck", "").startswith("wrong: ")]
    assert 0 < len(struck) < len(found["variants"]), found
    assert not set(struck) & {of["chosen"] for of in found["classes"]}, found


@case("device")
def where_every_number_is_wrong_nothing_is_chosen(tmp):
    result = run(*TUNE, env=environment(tmp, "flip=1:30"))
    assert result.status == 1 and "no variant of linear computes right" in result.errors[0], result.err.decode()
    found = json.loads(result.out)
    assert found["classes"] == [] and all("wrong: " in v["struck"] for v in found["variants"]), found
    assert tuned(tmp) == []


@case("device")
def a_variant_that_loses_the_device_is_not_tried_again(tmp):
    refused(4, *TUNE, env=environment(tmp, "lose=wait:20"), says="was lost")
    assert notes(tmp) == ["trying"] and tuned(tmp) == []
    found = json.loads(fine(*TUNE, env=environment(tmp)).out)
    struck = [v["variant"] for v in found["variants"] if "ended the program" in v.get("struck", "")]
    assert struck == [found["variants"][0]["variant"]], found
    assert notes(tmp) == ["struck", "tuned"]


sys.exit(main())
