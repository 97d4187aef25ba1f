#!/usr/bin/env python3
"""Judges what a driver's compiler told of a device's pipelines: all compile, those it gets untuned do not spill,
and these are no worse than they were.

    statistics.py --precision PRECISION --table FILE --baseline FILE --part PART --driver DRIVER [--renew] STATISTICS

STATISTICS is what tests/compile_pipelines printed. Writes a Markdown table of the compiler's numbers to FILE and
prints a summary. The baseline is tests/compilers/ROW.csv: of each device of the row (PART) and each kernel what the
compiler told when it was renewed. By a driver of the same version an estimate may be a tenth worse than there; by
another one it is only told. --renew writes the baseline's lines of PART and PRECISION anew.
Status: 1 when something does not compile, when the driver tells nothing of spills, or when a default spills or is
worse than the allowance; 0 otherwise.
"""
import argparse
import csv
import os
import re
import sys

# What RADV, NVK, Turnip, Honeykrisp, V3DV, PanVK, powervr and ANV of Mesa 26.2.6 call it.
INSTRUCTIONS = ("Instructions", "Instruction count", "Instruction Count", "Inst group count")
REGISTERS = ("VGPRs", "Number of GPRs", "Registers used", "GPRs", "Temp count", "Max live registers", "Registers")
OCCUPANCY = ("Subgroups per SIMD", "Max warps/SM", "Max Waves Per Core", "Threads", "Thread Count", "Thread count")
# The compiler's estimate of a subgroup's cycles; instructions, and the stalls it expects, where it makes none.
CYCLES = ("Inverse Throughput", "Static cycle count", "Cycles", "Cycle count")
STALLS = ("Estimated cycles stalled on SS", "Estimated cycles stalled on SY")
# A lane's memory in bytes, for spills and for arrays whose index only the running kernel knows. V3DV counts a
# subgroup's.
SCRATCH = re.compile("scratch|^SLM size$|^Spill Size$", re.IGNORECASE)
OF_SUBGROUP = "Spill Size"
# PanVK tells a spill cost where it counts 0 spills and 0 fills, too.
SPILLS = re.compile("spill(?! cost)|fill|^(STP|LDP) Count$", re.IGNORECASE)

ALLOWANCE = 1.1
COLUMNS = ("part", "precision", "kernel", "variant", "estimate", "instructions", "registers", "occupancy")
# Inputs that go into an iteration of the innermost loop, by the method in a variant's name.
INPUTS = {"matrix": 32, "staged": 16}


class Shader:
    """A line of the statistics: a pipeline, or one of several shaders the driver made of it."""

    def __init__(self, line):
        self.precision, self.purpose, self.kernel, self.variant, *rest = line.split("\t")
        self.outputs, self.lanes = (int(cell or 0) for cell in rest[:2])
        self.error = rest[2] if len(rest) == 3 else ""
        self.subgroup = rest[3] if len(rest) > 3 else ""
        self.told = dict(cell.rsplit("=", 1) for cell in rest[4:])
        self.scratch = [name for name in self.told if SCRATCH.search(name)]
        self.spills = [name for name in self.told if SPILLS.search(name) and name not in self.scratch]

    def first(self, names):
        return next((float(self.told[name]) for name in names if name in self.told), 0.0)

    def estimate(self):
        return self.first(CYCLES) or self.first(INSTRUCTIONS) + sum(float(self.told.get(name, 0)) for name in STALLS)

    def outputs_a_lane(self):
        # Parts share an output among so many lanes; matrices pass their results through shared memory.
        parts = re.search(r"-in-(\d+)$", self.variant)
        return self.outputs * int(parts[1] if parts else 1) // self.lanes if self.lanes else 0

    def cost(self):
        """The estimate by the products a lane adds in an iteration. What is before and behind the loop counts as some
        iterations more, which flatters large tiles."""
        methods = [INPUTS[word] for word in self.variant.split("-") if word in INPUTS]
        products = self.outputs_a_lane() * (methods[0] if methods else 4)
        return f"{self.estimate() / products:.2f}" if products else ""

    def own_array(self):
        """Bytes of the one array there is whose index only the running kernel knows: linear's results, on the way to
        what follows the product."""
        return 4 * self.outputs_a_lane()

    def faults(self):
        if not self.spills:
            return [self.error or "nothing is told of spills"]
        found = []
        for name in self.spills + self.scratch:
            lanes = int(self.subgroup) if name == OF_SUBGROUP else 1
            allowed = self.own_array() * lanes if name in self.scratch else 0
            if float(self.told[name]) > allowed:
                found.append(f"spills: {self.told[name]} {name}")
        return found

    def numbers(self):
        return tuple(f"{value:g}" for value in (round(self.estimate()), self.first(INSTRUCTIONS),
                                                self.first(REGISTERS), self.first(OCCUPANCY)))


def write_table(path, shaders):
    names = dict.fromkeys(name for shader in shaders for name in shader.spills + shader.scratch)
    table = [("for", "kernel", "variant", "subgroup", "estimate", "instructions", "registers", "occupancy",
              "estimate a product", *names), ("---",) * (9 + len(names))]
    for shader in shaders:
        table.append((shader.purpose, shader.kernel, shader.variant, shader.subgroup, *shader.numbers(), shader.cost(),
                      *(shader.told.get(name, "") for name in names)))
    with open(path, "w", encoding="utf-8") as file:
        file.writelines("| " + " | ".join(cells) + " |\n" for cells in table)


class Baseline:
    """The file, and what it has of one device in one precision: kernel -> its line."""

    def __init__(self, path, part, precision):
        self.path, self.about = path, (part, precision)
        self.driver, self.others, self.lines = "", [], {}
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8") as file:
            self.driver = file.readline().removeprefix("# ").strip()
            for line in csv.DictReader(file):
                if (line["part"], line["precision"]) == self.about:
                    self.lines[line["kernel"]] = line
                else:
                    self.others.append(tuple(line.values()))

    def renew(self, driver, shaders):
        ours = {shader.kernel: (*self.about, shader.kernel, shader.variant, *shader.numbers()) for shader in shaders}
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "w", encoding="utf-8", newline="") as file:
            file.write(f"# {driver}\n")
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(sorted(self.others + list(ours.values())))

    def compare(self, shaders):
        """What is worse, in words, and the worst of all as a part of what it was."""
        worse, worst = [], 0.0
        for shader in shaders:
            line = self.lines.get(shader.kernel)
            if not line or line["variant"] != shader.variant:
                worse.append(f"{shader.kernel} {shader.variant} is not in {self.path}")
                continue
            ratio = shader.estimate() / float(line["estimate"])
            worst = max(worst, ratio)
            if ratio > ALLOWANCE:
                worse.append(f"{shader.kernel}: {shader.estimate():g} where {line['estimate']} was")
        return worse, worst


def mesa_of(driver):
    found = re.search(r"Mesa (\S+)", driver)
    return found[1] if found else driver


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    for name in ("--precision", "--table", "--baseline", "--part", "--driver"):
        parser.add_argument(name, required=True)
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("statistics")
    options = parser.parse_args()
    with open(options.statistics, encoding="utf-8") as file:
        shaders = [Shader(line) for line in dict.fromkeys(file.read().splitlines())]
    shaders = [shader for shader in shaders if shader.precision == options.precision]
    defaults = [shader for shader in shaders if shader.purpose == "default"]
    ladder = [shader for shader in shaders if shader.purpose == "ladder"]
    write_table(options.table, shaders)

    wrong = [f"{shader.kernel}: {fault}" for shader in defaults for fault in shader.faults()]
    wrong += [f"{shader.variant}: {shader.error or 'nothing is told of spills'}" for shader in ladder
              if not shader.spills]
    if not defaults or not ladder:
        wrong.append("no pipelines")
    spilling = dict.fromkeys(shader.variant for shader in ladder if shader.faults())

    mesa = mesa_of(options.driver)
    baseline = Baseline(options.baseline, options.part, options.precision)
    if options.renew and not wrong:
        baseline.renew(f"Mesa {mesa}", defaults)
        baseline = Baseline(options.baseline, options.part, options.precision)
    worse, worst = baseline.compare(defaults)
    if mesa == mesa_of(baseline.driver) or not baseline.driver:
        wrong += worse
    found = f"{len(defaults)} kernels, {sum(shader.first(INSTRUCTIONS) for shader in defaults):g} instructions"
    found += "" if wrong else ", 0 spills"
    found += f"; {len({shader.variant for shader in ladder})} variants"
    found += f", of which spill {', '.join(spilling)}" if spilling else ""
    found += f"; estimates up to {100 * worst:.0f} % of {baseline.driver}'s" if worst else ""
    print("; ".join(wrong + [found]))
    sys.exit(bool(wrong))


main()
