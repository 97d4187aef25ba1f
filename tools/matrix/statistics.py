#!/usr/bin/env python3
"""Judges what a driver's compiler told of the program's pipelines: none is missing and none spills.

    statistics.py --pipelines FOLDER --precision PRECISION --table FILE STATISTICS

FOLDER is what tests/write_pipelines wrote in the same build, STATISTICS what tests/layer/statistics.c did while
'vkclip verify' ran; a pipeline is known by the mark of its SPIR-V and by its constants. Writes a Markdown table
of the driver's own numbers to FILE and prints a summary. Status: 1 when a pipeline is missing or is none of the
program's, when one spills, or when the driver tells nothing of its spills; 0 otherwise.
"""
import argparse
import os
import re
import struct
import sys

# What RADV, NVK, Turnip, Honeykrisp, V3DV, PanVK, powervr and ANV of Mesa 26.2.6 call it.
INSTRUCTIONS = ("Instructions", "Instruction count", "Instruction Count", "Inst group count")
REGISTERS = ("VGPRs", "Number of GPRs", "Registers used", "GPRs", "Temp count", "Max live registers")
OCCUPANCY = ("Subgroups per SIMD", "Max warps/SM", "Max Waves Per Core", "Threads", "Thread Count")
# A lane's memory in bytes, for spills and for arrays whose index only the running kernel knows. V3DV counts a
# subgroup's.
SCRATCH = re.compile("scratch|^SLM size$|^Spill Size$", re.IGNORECASE)
OF_SUBGROUP = "Spill Size"
SPILLS = re.compile("spill|fill|^(STP|LDP) Count$", re.IGNORECASE)


def own_array(kernel, constants):
    """Bytes of the one such array there is: linear's results, on the way to what follows the product."""
    return 4 * int(constants[1]) * int(constants[2]) if kernel == "linear" else 0


def mark_of(path):
    """FNV-1a of a module from its first function on, as tests/layer/statistics.c makes it."""
    with open(path, "rb") as file:
        data = file.read()
    at, op_function = 20, 54  # after the header
    while at < len(data) and struct.unpack_from("<H", data, at)[0] != op_function:
        at += 4 * struct.unpack_from("<H", data, at + 2)[0]
    mark = 0xcbf29ce484222325
    for byte in data[at:]:
        mark = (mark ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return f"{mark:016x}"


def read_sets(folder, precision):
    """Sets of pipelines that a GPU may get: {(mark, constants): [NUMBER-KERNEL, ...]} each."""
    sets = {}
    with open(os.path.join(folder, "pipelines.tsv"), encoding="ascii") as file:
        for line in file:
            name, kernel, module = line.rstrip("\n").split("\t")
            if name.split("-")[0] != precision or "-software" in name or "-ladder-" in name:
                continue
            path = os.path.join(folder, module)
            with open(path + ".constants", encoding="ascii") as constants:
                key = (mark_of(path), tuple(constants.read().split()))
            sets.setdefault(name, {}).setdefault(key, []).append(kernel)
    return list(sets.values())


class Shader:
    """A line of the statistics: a pipeline, or one of several shaders the driver made of it."""

    def __init__(self, line):
        mark, constants, *rest = line.split("\t")
        self.key = (mark, tuple(constants.split()))
        self.subgroup = rest[1] if rest else ""
        self.told = dict(cell.rsplit("=", 1) for cell in rest[2:])
        self.scratch = [name for name in self.told if SCRATCH.search(name)]
        self.spills = [name for name in self.told if SPILLS.search(name) and name not in self.scratch]

    def instructions(self):
        return sum(int(self.told[name]) for name in INSTRUCTIONS if name in self.told)

    def faults(self, kernel):
        for name in self.spills + self.scratch:
            lanes = int(self.subgroup) if name == OF_SUBGROUP else 1
            allowed = own_array(kernel, self.key[1]) * lanes if name in self.scratch else 0
            if float(self.told[name]) > allowed:
                yield f"{self.told[name]} {name}"


def write_table(path, rows):
    shown = dict.fromkeys(name for _, shader in rows for name in shader.told if name in shader.spills + shader.scratch
                          or name in INSTRUCTIONS + REGISTERS + OCCUPANCY)
    table = [("kernel", "constants", "subgroup", *shown), ("---",) * (3 + len(shown))]
    for kernel, shader in rows:
        table.append((kernel, " ".join(shader.key[1]), shader.subgroup, *(shader.told.get(name, "") for name in shown)))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("| " + " | ".join(cells) + " |\n" for cells in table)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("--pipelines", "--precision", "--table"):
        parser.add_argument(name, required=True)
    parser.add_argument("statistics")
    options = parser.parse_args()
    with open(options.statistics, encoding="utf-8") as file:
        shaders = [Shader(line) for line in dict.fromkeys(file.read().splitlines())]

    seen = {shader.key for shader in shaders}
    pipelines = min(read_sets(options.pipelines, options.precision), key=lambda keys: len(keys.keys() ^ seen))
    rows = [(kernel, shader) for key, kernels in pipelines.items() for kernel in kernels
            for shader in shaders if shader.key == key]
    write_table(options.table, rows)

    wrong = ["no " + ", ".join(kernels) for key, kernels in pipelines.items() if key not in seen]
    wrong += ["a pipeline that is none of the program's" for key in seen if key not in pipelines]
    for kernel, shader in rows:
        faults = list(shader.faults(kernel.split("-")[1]))
        if not shader.spills:
            wrong.append(f"{kernel}: nothing is told of spills")
        elif faults:
            wrong.append(f"{kernel} spills: {', '.join(faults)}")
    count = len({kernel for kernel, _ in rows})
    instructions = sum(shader.instructions() for _, shader in rows)
    found = f"{count} pipelines, {instructions} instructions"
    print("; ".join(wrong + [found if wrong else found + ", 0 spills"]))
    sys.exit(bool(wrong))


main()
