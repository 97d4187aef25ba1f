#!/usr/bin/env python3
"""Plants one forbidden line at a time in a small tree and expects tools/arrows.sh to find it.

Standard library only. Prints one line a case, as cmocka does.
"""
import os
import subprocess
import sys
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

CLEAN = {
    "src/base/error.c": '#include "base/error.h"\n#include <stdio.h>\n',
    "src/host/image.c": '#include "base/error.h"\n#include "host/image.h"\n#include <stb_image.h>\n',
    "src/gpu/stream.c": '#include "gpu/internal.h"\n#include "base/log.h"\n',
    "src/gpu/internal.h": '#include <volk.h>\n',
    "src/model/vit.c": '#include "host/weights.h"\n#include "gpu/gpu.h"\n#include "shared/kernel_args.h"\n',
    "src/verify/cases.c": '#include "model/plan.h"\n#include "engine.h"\n',
    "src/engine.c": '#include "model/vit.h"\n#include "vkclip.h"\nint n = snprintf(text, 4, "a");\n',
    "tools/vkclip/main.c": '#include "vkclip.h"\n#include "options.h"\nvoid f(void) { exit(1); }\n',
    "tests/test_engine.c": '#include "vkclip.h"\n#include "test.h"\n',
    "tests/test_image.c": '#include "host/image.h"\n',
}

FORBIDDEN = {
    "base_does_not_know_host": ("src/base/error.c", '#include "host/image.h"'),
    "base_does_not_know_vulkan": ("src/base/error.c", "#include <vulkan/vulkan.h>"),
    "host_does_not_know_gpu": ("src/host/image.c", '#include "gpu/gpu.h"'),
    "host_does_not_know_gpu_by_another_path": ("src/host/image.c", '#  include "../gpu/gpu.h"'),
    "gpu_does_not_know_host": ("src/gpu/stream.c", '#include "host/image.h"'),
    "gpu_does_not_know_model": ("src/gpu/stream.c", '#include "model/plan.h"'),
    "model_does_not_know_vulkan": ("src/model/vit.c", "#include <volk.h>"),
    "model_stays_outside_the_gpu_room": ("src/model/vit.c", '#include "gpu/internal.h"'),
    "model_does_not_know_verify": ("src/model/vit.c", '#include "verify/cases.h"'),
    "verify_stays_outside_the_gpu_room": ("src/verify/cases.c", '#include "gpu/internal.h"'),
    "engine_stays_outside_the_gpu_room": ("src/engine.c", '#include "gpu/internal.h"'),
    "programs_see_only_the_public_header": ("tools/vkclip/main.c", '#include "model/vit.h"'),
    "programs_do_not_climb_out": ("tools/vkclip/main.c", '#include "../../src/engine.h"'),
    "the_test_of_the_library_sees_only_the_public_header": ("tests/test_engine.c", '#include "base/error.h"'),
    "the_library_does_not_read_the_environment": ("src/engine.c", 'char *home = getenv("HOME");'),
    "the_library_does_not_print": ("src/engine.c", 'fprintf(stderr, "here");'),
    "the_library_does_not_exit": ("src/engine.c", "    exit(1);"),
}


def arrows(planted=None):
    """Exit status and output for the clean tree, with one line more in one file if given."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in CLEAN.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="ascii") as file:
                file.write(text)
                if planted and planted[0] == path:
                    file.write(planted[1] + "\n")
        result = subprocess.run([os.path.join(REPOSITORY, "tools", "arrows.sh"), root], check=False,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return result.returncode, result.stdout + result.stderr


def main():
    failed = 0
    for name, planted in {"a_clean_tree_passes": None, **FORBIDDEN}.items():
        status, output = arrows(planted)
        good = (status, output) == (0, "") if planted is None else status == 1 and planted[1] in output
        print(f"[       OK ] {name}" if good else f"[  FAILED  ] {name}\n{status} {output}", flush=True)
        failed += not good
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
