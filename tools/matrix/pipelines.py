#!/usr/bin/env python3
"""Checks pipelines written by tests/write_pipelines, as tools/matrix/rows/spirv.sh and metal.sh do.

    pipelines.py spirv FOLDER   the rules of SPIR-V, what a tier may ask for, the limits Vulkan guarantees
    pipelines.py metal FOLDER   the translation to Metal that MoltenVK does, and what is known to break it

Needs spirv-tools, and spirv-cross for metal. Prints a line a pipeline and a line a fault; the last line is a
summary. Status: 0 no fault, 1 some.
"""
import glob
import os
import re
import subprocess
import sys

# What the modules of a tier may ask of a device: each beyond Shader is a feature that src/gpu/device.c
# probes and switches on. Extensions of SPIR-V: none but that of dot4, all else is in SPIR-V 1.3, the one of
# Vulkan 1.1.
CAPABILITIES = {
    "fp32": {"Shader"},
    "fp16": {"Shader", "StorageBuffer16BitAccess"},
    "int8": {"Shader"},
    "dot4": {"Shader", "DotProduct", "DotProductInput4x8BitPacked"},
}
EXTENSIONS = {"dot4": {"SPV_KHR_integer_dot_product"}}
IMPORTS = {"GLSL.std.450"}
ENVIRONMENT = "vulkan1.1"

# Guaranteed by Vulkan, "Required Limits"; args are bounded by GPU_MAX_ARGS_BYTES in src/gpu/gpu.h.
MAX_SHARED_BYTES = 16384
MAX_LANES = 128
MAX_STORAGE_BUFFERS = 4
MAX_UNIFORM_BUFFERS = 1
MAX_ARGS_BYTES = 64

# Broken on one Mac or another when MoltenVK translates them, or not translated yet.
BROKEN_ON_METAL = {
    r"GroupNonUniform\w+|Subgroup\w+": "subgroups: llama.cpp #15846, #20029",
    r"CooperativeMatrix\w+": "cooperative matrices: MoltenVK #2753",
    r"PhysicalStorageBufferAddresses": "device addresses: MoltenVK #2111",
    r"Float64|Int64": "not in the Metal of every GPU",
}
MSL_VERSION = "20300"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout, (done.stderr or done.stdout).strip()


class Module:
    """Instructions of a module, by result id and in order."""

    def __init__(self, path):
        status, text, message = run("spirv-dis", "--raw-id", "--no-indent", "--no-header", path)
        if status:
            raise ValueError(message)
        self.ops, self.by_id = [], {}
        for line in text.splitlines():
            words = line.split()
            result = None
            if len(words) > 2 and words[1] == "=":
                result, words = words[0], words[2:]
                self.by_id[result] = words
            self.ops.append((result, words))

    def named(self, name):
        return [(result, words[1:]) for result, words in self.ops if words[0] == name]

    def decorations(self, name):
        """Target -> value of one decoration."""
        return {words[0]: words[2] if len(words) > 2 else None
                for _, words in self.named("OpDecorate") if words[1] == name}

    def constant(self, identifier):
        name, *words = self.by_id[identifier]
        if name in ("OpConstantTrue", "OpSpecConstantTrue"):
            return 1
        if name in ("OpConstantFalse", "OpSpecConstantFalse"):
            return 0
        if name not in ("OpConstant", "OpSpecConstant"):
            raise ValueError(f"{identifier} is {name}, not a constant")
        return int(words[1])

    def size(self, identifier):
        """Bytes of a type."""
        name, *words = self.by_id[identifier]
        if name in ("OpTypeInt", "OpTypeFloat"):
            return int(words[0]) // 8
        if name == "OpTypeVector":
            return self.size(words[0]) * int(words[1])
        if name == "OpTypeArray":
            return self.size(words[0]) * self.constant(words[1])
        if name == "OpTypeStruct":
            offsets = [int(o[3]) for _, o in self.named("OpMemberDecorate") if o[0] == identifier and o[2] == "Offset"]
            return max(o + self.size(member) for o, member in zip(offsets, words, strict=True))
        raise ValueError(f"no size of {name}")

    def variables(self, storage):
        """Id and type of each variable of a storage class."""
        return [(result, self.by_id[words[0]][2]) for result, words in self.named("OpVariable")
                if words[1] == storage]


def freeze(path):
    """The module with its specialization constants turned into constants; None and why where that fails."""
    frozen = path + ".frozen"
    status, _, message = run("spirv-opt", "--freeze-spec-const", "--fold-spec-const-op-composite",
                             f"--target-env={ENVIRONMENT}", path, "-o", frozen)
    return (None, message) if status else (frozen, "")


def wrong_defaults(path):
    """Defaults that differ from what the pipeline sets."""
    module = Module(path)
    with open(path + ".constants", encoding="ascii") as file:
        constants = [int(line) for line in file]
    for identifier, number in module.decorations("SpecId").items():
        default, given = module.constant(identifier), constants[int(number)]
        if default != (given if module.by_id[identifier][0] == "OpSpecConstant" else int(given != 0)):
            yield f"constant {number} defaults to {default}, the pipeline sets {given}"


def tier_of(path):
    """What the name of a module says."""
    name = os.path.basename(path)
    return "dot4" if "-dot4-" in name else name.split("-")[0]


def check_limits(module, about):
    sizes = [words for result, words in module.ops if result in module.decorations("BuiltIn")
             and module.decorations("BuiltIn")[result] == "WorkgroupSize"]
    lanes = 1
    for identifier in sizes[0][2:] if sizes else ():
        lanes *= module.constant(identifier)
    shared = sum(module.size(kind) for _, kind in module.variables("Workgroup"))
    buffers = len(module.variables("StorageBuffer"))
    uniforms = len(module.variables("Uniform"))
    args = sum(module.size(kind) for _, kind in module.variables("PushConstant"))
    about.update({"lanes": lanes, "bytes of shared memory": shared})
    if not sizes:
        yield "no workgroup size"
    for what, value, limit in (("lanes", lanes, MAX_LANES), ("bytes of shared memory", shared, MAX_SHARED_BYTES),
                               ("storage buffers", buffers, MAX_STORAGE_BUFFERS),
                               ("uniform buffers", uniforms, MAX_UNIFORM_BUFFERS),
                               ("bytes of push constants", args, MAX_ARGS_BYTES)):
        if value > limit:
            yield f"{value} {what}, at most {limit} are guaranteed"


def check_spirv(path, about):
    tier = tier_of(path)
    for file, what in ((path, ""), (freeze(path)[0], "specialized: ")):
        if not file:
            yield f"spirv-opt: {freeze(path)[1]}"
            return
        status, _, message = run("spirv-val", "--target-env", ENVIRONMENT, file)
        if status:
            yield f"{what}spirv-val: {message}"
    module = Module(path)
    for _, words in module.named("OpCapability"):
        if words[0].removesuffix("KHR") not in CAPABILITIES[tier]:
            yield f"capability {words[0]} is not one of tier {tier}"
    for _, words in module.named("OpExtension"):
        if words[0].strip('"') not in EXTENSIONS.get(tier, ()):
            yield f"extension {words[0]} is not one of tier {tier}"
    for _, words in module.named("OpExtInstImport"):
        if words[0].strip('"') not in IMPORTS:
            yield f"instructions {words[0]} are not those of Vulkan 1.1"
    yield from wrong_defaults(path)
    yield from check_limits(Module(path + ".frozen"), about)


def tainted_lengths(msl):
    """Array lengths that come from function constants: Metal refuses them (MoltenVK #2585)."""
    tainted = set(re.findall(r"(\w+) \[\[function_constant\(", msl))
    for name, value in re.findall(r"^constant \w+ (\w+)(?: \[\[\w+\]\])? = (.*);", msl, re.MULTILINE):
        if tainted & set(re.findall(r"\w+", value)):
            tainted.add(name)
    lengths = re.findall(r"spvUnsafeArray<[^;]*?, (\w+)>", msl) + re.findall(r"threadgroup \w+ \w+\[(\w+)\]", msl)
    return sorted(tainted & set(lengths))


def check_metal(path, about):
    module = Module(path)
    for _, words in module.named("OpCapability"):
        for pattern, why in BROKEN_ON_METAL.items():
            if re.fullmatch(pattern, words[0]):
                yield f"capability {words[0]}: {why}"
    # One binding declared twice, once readonly and once writeonly, does not compile (llama.cpp #15498,
    # SPIRV-Cross #2541). Qualifiers of a binding declared once are sound, and tell synchronization
    # validation what a kernel does not write.
    bindings = list(module.decorations("Binding").values())
    if len(bindings) != len(set(bindings)):
        yield f"a binding is declared twice: {' '.join(sorted(bindings))}"
    # Through MoltenVK before 1.3 array lengths are the defaults.
    yield from wrong_defaults(path)

    frozen, message = freeze(path)
    if not frozen:
        yield f"spirv-opt: {message}"
        return
    for file, option in ((path, ()), (path, ("--msl-argument-buffers",)), (frozen, ())):
        status, msl, message = run("spirv-cross", "--msl", "--msl-version", MSL_VERSION, *option, file)
        if status or "kernel void" not in msl:
            yield f"spirv-cross: {message}"
            continue
        about["lines of Metal"] = len(msl.splitlines())
        # Metal forbids two function constants of one index; SPIRV-Cross knows since #2108 (MoltenVK 1.2.3).
        indices = re.findall(r"\[\[function_constant\((\d+)\)\]\]", msl)
        if len(indices) != len(set(indices)):
            yield "a function constant is declared twice: use gl_WorkGroupSize, or make it an array length"
        for name in tainted_lengths(msl):
            yield f"array length {name} is a function constant"


def main():
    checks = {"spirv": check_spirv, "metal": check_metal}
    if len(sys.argv) != 3 or sys.argv[1] not in checks:
        sys.exit(__doc__)
    paths = sorted(glob.glob(os.path.join(sys.argv[2], "*.spv")))
    faults, worst = 0, {}
    if sys.argv[1] == "metal":
        # SPIRV-Cross of Debian 12 has no word for dot4. No Mac gets it untuned, unless its driver says that it is fast.
        paths = [path for path in paths if tier_of(path) != "dot4"]
    for path in paths:
        about = {}
        for fault in checks[sys.argv[1]](path, about):
            print(f"{os.path.basename(path)}: FAILED: {fault}")
            faults += 1
        print(f"{os.path.basename(path)}: " + ", ".join(f"{value} {name}" for name, value in about.items()))
        for name, value in about.items():
            worst[name] = max(value, worst.get(name, 0))
    if not paths:
        sys.exit("no pipelines")
    print(f"{len(paths)} pipelines, {faults} faults, at most " +
          ", ".join(f"{value} {name}" for name, value in worst.items()))
    sys.exit(faults > 0)


main()
