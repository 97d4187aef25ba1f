#!/usr/bin/env python3
"""Every run of the program gives an embedding the same bits, as test_same_bits.c has it within one process.

    test_same_bits_cli.py VKCLIP [WORD...]

runs the cases whose name has one of the words, or all. Standard library only.
"""
import sys

from cli_testing import *

TEXTS = ["", "cells", "purple round cells", "this is a photo of green crescent cells", "dense blue " * 20]


def embed(kind, out, precision, inputs, *options, cache=None):
    """The rows of a process of its own, as bytes."""
    env = {"XDG_CACHE_HOME": str(cache)} if cache else None
    result = run("embed", kind, "--precision", precision, "-o", str(out), *options, "--", *inputs, env=env)
    if result.status == 3 and b"does not store fp16" in result.err:
        raise Skip("the device does not store fp16")
    assert result.status == 0, (result.status, result.err.decode())
    return [row.tobytes() for row in rows(out)]


def check(tmp, kind, precision, inputs, *batch_options):
    """The first run compiles its pipelines, later ones find them in the cache."""
    want = embed(kind, tmp / "first.npy", precision, inputs, cache=tmp)
    assert len(want) == len(inputs) and len(set(want)) == len(inputs)
    assert embed(kind, tmp / "again.npy", precision, inputs, cache=tmp) == want
    for options in batch_options:
        assert embed(kind, tmp / "batch.npy", precision, inputs, *options) == want, options
    assert embed(kind, tmp / "reverse.npy", precision, inputs[::-1]) == want[::-1]
    alone = [embed(kind, tmp / "alone.npy", precision, [one]) for one in inputs]
    assert alone == [[row] for row in want]


def check_images(tmp, precision):
    check(tmp, "image", precision, IMAGES[:5], ("--batch", "1"), ("--batch", "3"))


@case("device")
def images_in_fp32_have_the_same_bits_in_every_process(tmp):
    check_images(tmp, "fp32")


@case("device")
def images_in_fp16_have_the_same_bits_in_every_process(tmp):
    check_images(tmp, "fp16")


@case("device")
def texts_in_fp32_have_the_same_bits_in_every_process(tmp):
    check(tmp, "text", "fp32", TEXTS)


@case("device")
def images_in_int8_have_the_same_bits_in_every_process(tmp):
    check_images(tmp, "int8")


@case("device")
def texts_in_int8_have_the_same_bits_in_every_process(tmp):
    check(tmp, "text", "int8", TEXTS)


@case("device")
def texts_in_fp16_have_the_same_bits_in_every_process(tmp):
    check(tmp, "text", "fp16", TEXTS)


sys.exit(main())
