#!/usr/bin/env python3
"""Runs tools/matrix.sh on rows made up here: what was not run never counts as passed, what failed always fails.
Gives tools/matrix/statistics.py pipelines and a driver's statistics, made up too.

Standard library only. Prints one line a case, as cmocka does.
"""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FRAME = ("tools/matrix.sh", "tools/matrix/row.sh", "tools/matrix/table.py", "tools/packages.sh", "tools/drivers.sh",
         "tools/count_cases.sh")
GOOD = 'line "good device" proof=ran kernels="3 passed"\nend_row'


class Matrix:
    """What tools/matrix.sh said of some rows."""

    def __init__(self, rows, *options, root=None):
        with tempfile.TemporaryDirectory() as fresh:
            root = root or fresh
            for path in FRAME:
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                shutil.copy(os.path.join(REPOSITORY, path), os.path.join(root, path))
            os.makedirs(os.path.join(root, "tools/matrix/rows"), exist_ok=True)
            for name, text in rows.items():
                with open(os.path.join(root, "tools/matrix/rows", name + ".sh"), "w", encoding="ascii") as file:
                    file.write(f"#!/usr/bin/env bash\n# Row {name}\n{text}\n".replace("LIB", ". tools/matrix/row.sh"))
            done = subprocess.run((os.path.join(root, "tools/matrix.sh"), *options), check=False, timeout=60,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  env={**os.environ, "VKCLIP_MATRIX_CACHE": os.path.join(root, "cache")})
            self.status, self.out, self.err = done.returncode, done.stdout, done.stderr
            with open(os.path.join(root, "build/matrix/matrix.json"), encoding="utf-8") as file:
                self.rows = {row["row"]: row for row in json.load(file)["rows"]}

    def outcome(self, row):
        return self.rows[row]["outcome"]


def what_ran_passes():
    matrix = Matrix({"a": "LIB\n" + GOOD})
    assert matrix.status == 0 and matrix.outcome("a") == "passed"
    assert "| good device | ran | 3 passed |" in matrix.out
    assert "1 passed, 0 failed, 0 not run" in matrix.err


def what_cannot_run_is_not_run_and_says_why():
    matrix = Matrix({"a": 'LIB\nnot_run "no such driver"'})
    assert matrix.status == 0 and matrix.outcome("a") == "not run"
    assert "**not run**: no such driver" in matrix.out and matrix.rows["a"]["reason"] == "no such driver"
    assert "0 passed, 0 failed, 1 not run" in matrix.err


def what_cannot_go_on_has_not_passed():
    matrix = Matrix({"a": 'LIB\nline "good device" kernels="3 passed"\nnot_run "no second device"'})
    assert matrix.status == 0 and matrix.outcome("a") == "not run"


def a_failed_cell_fails():
    matrix = Matrix({"a": 'LIB\nline "bad device" kernels="FAILED 1, 2 passed"\n' + GOOD})
    assert matrix.status == 1 and matrix.outcome("a") == "FAILED"
    assert "**FAILED**" in matrix.out


def a_failed_cell_fails_whatever_the_status():
    matrix = Matrix({"a": 'LIB\nline "bad device" kernels="FAILED 1, 2 passed"\nexit 0',
                     "b": 'LIB\nline "bad device" messages="FAILED: 3"\nnot_run "tired"'})
    assert matrix.status == 1 and matrix.outcome("a") == matrix.outcome("b") == "FAILED"


def a_failed_command_fails():
    matrix = Matrix({"a": "LIB\nfalse\n" + GOOD, "b": 'LIB\necho "$no_such_variable"\n' + GOOD, "c": "LIB\n("})
    assert matrix.status == 1
    assert [matrix.outcome(row) for row in "abc"] == ["FAILED"] * 3


def a_check_that_dies_fails():
    matrix = Matrix({"a": 'LIB\nline "device" kernels="$(no_such_check)"\nend_row'})
    assert matrix.status == 1 and matrix.rows["a"]["lines"][0]["kernels"] == "FAILED: no answer"


def a_row_that_says_nothing_fails():
    matrix = Matrix({"a": "LIB\nend_row"})
    assert matrix.status == 1 and matrix.outcome("a") == "FAILED"


def one_failure_fails_all():
    matrix = Matrix({"a": "LIB\n" + GOOD, "b": "LIB\nexit 1", "c": 'LIB\nnot_run "no such driver"'})
    assert matrix.status == 1
    assert "1 passed, 1 failed, 1 not run" in matrix.err


def quick_runs_quick_rows_alone():
    matrix = Matrix({"a": "# quick\nLIB\n" + GOOD, "b": "LIB\nexit 1"}, "--quick")
    assert matrix.status == 0 and list(matrix.rows) == ["a"]


def what_an_earlier_run_saw_is_forgotten():
    with tempfile.TemporaryDirectory() as root:
        assert Matrix({"a": "LIB\n" + GOOD}, root=root).status == 0
        matrix = Matrix({"a": 'LIB\nnot_run "no such driver"'}, root=root)
        assert matrix.outcome("a") == "not run" and "good device" not in matrix.out


def no_test_and_no_message_is_not_a_pass():
    cells = Matrix({"a": """LIB
mkdir -p "$out/empty"
line "nothing" kernels="$(run_tests "$out/empty" "$out/log" test_kernels)"
echo "Validation Error: [ VUID-x ]" >"$out/messages"
line "message" messages="$(count_messages "$out/messages")"
line "silence" messages="$(count_messages /dev/null)"
end_row"""}).rows["a"]["lines"]
    assert cells[0]["kernels"] == "FAILED: no test ran"
    assert cells[1]["messages"] == "FAILED: 1" and cells[2]["messages"] == "0"


# ---- statistics of compilers -------------------------------------------------------------------

# Two kernels by their constants. What follows a module's head of five words and a capability is all that is marked.
CONSTANTS = {"linear": (64, 4, 4), "attention": (64, 64)}
BODIES = {kernel: struct.pack("<6I", 5 << 16 | 54, *range(i, i + 4), 1 << 16 | 56)
          for i, kernel in enumerate(CONSTANTS)}


def told(kernel, *statistics, body=None):
    """A line as tests/layer/statistics.c writes it."""
    mark = 0xcbf29ce484222325
    for byte in body or BODIES[kernel]:
        mark = (mark ^ byte) * 0x100000001b3 % 2**64
    constants = " ".join(map(str, CONSTANTS[kernel]))
    return "\t".join((f"{mark:016x}", constants, *(("compute", "16", *statistics) if statistics else ())))


class Statistics:
    """What tools/matrix/statistics.py said of some lines."""

    def __init__(self, *lines):
        with tempfile.TemporaryDirectory() as folder:
            listed = []
            for kernel, body in BODIES.items():
                with open(os.path.join(folder, kernel + ".spv"), "wb") as file:
                    file.write(struct.pack("<7I", *range(5), 2 << 16 | 17, 1) + body)
                with open(os.path.join(folder, kernel + ".spv.constants"), "w", encoding="ascii") as file:
                    file.writelines(f"{constant}\n" for constant in CONSTANTS[kernel])
                listed.append(f"fp32-hardware\t{len(listed)}-{kernel}\t{kernel}.spv\n")
            with open(os.path.join(folder, "pipelines.tsv"), "w", encoding="ascii") as file:
                file.writelines(listed)
            with open(os.path.join(folder, "told"), "w", encoding="ascii") as file:
                file.writelines(line + "\n" for line in lines)
            done = subprocess.run((sys.executable, os.path.join(REPOSITORY, "tools/matrix/statistics.py"),
                                   "--pipelines", folder, "--precision", "fp32",
                                   "--table", os.path.join(folder, "table"), os.path.join(folder, "told")),
                                  check=False, timeout=60, capture_output=True, text=True)
            self.status, self.out = done.returncode, done.stdout.strip()
            with open(os.path.join(folder, "table"), encoding="utf-8") as file:
                self.table = file.read()


GOOD_LINEAR = told("linear", "Instructions=30", "Spills=0")
GOOD_ATTENTION = told("attention", "Instructions=12", "Spills=0")


def compilers_that_spill_nothing_pass():
    # Two engines make the same pipelines twice; what the driver does not name is not shown.
    said = Statistics(GOOD_LINEAR, GOOD_ATTENTION, GOOD_LINEAR)
    assert said.status == 0 and said.out == "2 pipelines, 42 instructions, 0 spills", said.out
    assert "| kernel | constants | subgroup | Instructions | Spills |" in said.table
    assert "| 0-linear | 64 4 4 | 16 | 30 | 0 |" in said.table


def a_spill_fails_whatever_its_name():
    for name in ("Spilled VGPRs", "Spills to memory", "Fills from memory", "STP Count", "LDP Count", "TMU Spills",
                 "TMU Fills", "Spill count", "Spills", "Fills", "Fills of another name"):
        said = Statistics(GOOD_LINEAR, told("attention", "Spilled SGPRs=0", f"{name}=3"))
        assert said.status == 1 and f"1-attention spills: 3 {name}; 2 pipelines" in said.out, said.out


def scratch_is_for_the_results_of_linear_alone():
    for name, most in (("Scratch size", 64), ("SLM size", 64), ("Spill Size", 64 * 16)):
        assert Statistics(told("linear", "Spills=0", f"{name}={most}"), GOOD_ATTENTION).status == 0
        assert Statistics(told("linear", "Spills=0", f"{name}={most + 1}"), GOOD_ATTENTION).status == 1
        assert Statistics(GOOD_LINEAR, told("attention", "Spills=0", f"{name}=4")).status == 1


def silence_about_spills_is_not_a_pass():
    for line in (told("attention"), told("attention", "Instructions=12", "Scratch=0")):
        said = Statistics(GOOD_LINEAR, line)
        assert said.status == 1 and "1-attention: nothing is told of spills" in said.out, said.out


def a_missing_pipeline_fails():
    said = Statistics(GOOD_ATTENTION)
    assert said.status == 1 and "no 0-linear" in said.out, said.out
    assert Statistics().status == 1


def a_foreign_pipeline_fails():
    said = Statistics(GOOD_LINEAR, GOOD_ATTENTION, told("linear", "Spills=0", body=b"other"))
    assert said.status == 1 and "none of the program's" in said.out, said.out


CASES = (what_ran_passes, what_cannot_run_is_not_run_and_says_why, what_cannot_go_on_has_not_passed,
         a_failed_cell_fails, a_failed_cell_fails_whatever_the_status, a_failed_command_fails,
         a_check_that_dies_fails, a_row_that_says_nothing_fails, one_failure_fails_all, quick_runs_quick_rows_alone,
         what_an_earlier_run_saw_is_forgotten, no_test_and_no_message_is_not_a_pass,
         compilers_that_spill_nothing_pass, a_spill_fails_whatever_its_name,
         scratch_is_for_the_results_of_linear_alone, silence_about_spills_is_not_a_pass, a_missing_pipeline_fails,
         a_foreign_pipeline_fails)


def main():
    failed = 0
    for test in CASES:
        try:
            test()
            print(f"[       OK ] {test.__name__}")
        except AssertionError as error:
            failed += 1
            print(f"[  FAILED  ] {test.__name__}: {error}")
            print("  line", error.__traceback__.tb_next.tb_lineno)
    sys.exit(failed > 0)


main()
