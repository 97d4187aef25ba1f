#!/usr/bin/env python3
"""Runs tools/matrix.sh on rows made up here: what was not run never counts as passed, what failed always fails.
Gives tools/matrix/statistics.py a driver's statistics, made up too.

Standard library only. Prints one line a case, as cmocka does.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FRAME = ("tools/matrix.sh", "tools/matrix/row.sh", "tools/matrix/table.py", "tools/packages.sh", "tools/drivers.sh",
         "tools/count_cases.sh")
PASSES = 'line "good device" proof=ran kernels="3 passed"\nend_row'


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
    matrix = Matrix({"a": "LIB\n" + PASSES})
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
    matrix = Matrix({"a": 'LIB\nline "bad device" kernels="FAILED 1, 2 passed"\n' + PASSES})
    assert matrix.status == 1 and matrix.outcome("a") == "FAILED"
    assert "**FAILED**" in matrix.out


def a_failed_cell_fails_whatever_the_status():
    matrix = Matrix({"a": 'LIB\nline "bad device" kernels="FAILED 1, 2 passed"\nexit 0',
                     "b": 'LIB\nline "bad device" messages="FAILED: 3"\nnot_run "tired"'})
    assert matrix.status == 1 and matrix.outcome("a") == matrix.outcome("b") == "FAILED"


def a_failed_command_fails():
    matrix = Matrix({"a": "LIB\nfalse\n" + PASSES, "b": 'LIB\necho "$no_such_variable"\n' + PASSES, "c": "LIB\n("})
    assert matrix.status == 1
    assert [matrix.outcome(row) for row in "abc"] == ["FAILED"] * 3


def a_check_that_dies_fails():
    matrix = Matrix({"a": 'LIB\nline "device" kernels="$(no_such_check)"\nend_row'})
    assert matrix.status == 1 and matrix.rows["a"]["lines"][0]["kernels"] == "FAILED: no answer"


def a_row_that_says_nothing_fails():
    matrix = Matrix({"a": "LIB\nend_row"})
    assert matrix.status == 1 and matrix.outcome("a") == "FAILED"


def one_failure_fails_all():
    matrix = Matrix({"a": "LIB\n" + PASSES, "b": "LIB\nexit 1", "c": 'LIB\nnot_run "no such driver"'})
    assert matrix.status == 1
    assert "1 passed, 1 failed, 1 not run" in matrix.err


def quick_runs_quick_rows_alone():
    matrix = Matrix({"a": "# quick\nLIB\n" + PASSES, "b": "LIB\nexit 1"}, "--quick")
    assert matrix.status == 0 and list(matrix.rows) == ["a"]


def what_an_earlier_run_saw_is_forgotten():
    with tempfile.TemporaryDirectory() as root:
        assert Matrix({"a": "LIB\n" + PASSES}, root=root).status == 0
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


def told(kernel, *statistics, purpose="default", variant="direct-16x64", precision="fp32"):
    """A line as tests/compile_pipelines writes it: four outputs a lane."""
    return "\t".join((precision, purpose, kernel, variant, "256", "64", *statistics))


def told_of(name, value, **about):
    return told("linear-few", "compute", "16", "Instructions=30", f"{name}={value}", "Spills=0", **about)


class Statistics:
    """What tools/matrix/statistics.py said of some lines."""

    def __init__(self, *lines, root=None, driver="radv Mesa 26.2.6-1 (LLVM 22)", options=()):
        with tempfile.TemporaryDirectory() as fresh:
            folder = root or fresh
            with open(os.path.join(folder, "told"), "w", encoding="ascii") as file:
                file.writelines(line + "\n" for line in lines)
            if not root:
                self.run(folder, driver, ("--renew",))
            done = self.run(folder, driver, options)
            self.status, self.out = done.returncode, done.stdout.strip()
            with open(os.path.join(folder, "table"), encoding="utf-8") as file:
                self.table = file.read()

    @staticmethod
    def run(folder, driver, options):
        return subprocess.run((sys.executable, os.path.join(REPOSITORY, "tools/matrix/statistics.py"),
                               "--precision", "fp32", "--table", os.path.join(folder, "table"),
                               "--baseline", os.path.join(folder, "compilers", "row.csv"), "--part", "part",
                               "--driver", driver, *options, os.path.join(folder, "told")),
                              check=False, timeout=60, capture_output=True, text=True)


GOOD = told("linear-few", "compute", "16", "Instructions=30", "Spills=0")
GOOD_MEAN = "\t".join(("fp32", "default", "mean", "", "", "", "compute", "16", "Instructions=12", "Spills=0"))
TUNED = told("linear", "compute", "16", "Instructions=30", "Spills=0", purpose="ladder")


def compilers_that_spill_nothing_pass():
    said = Statistics(GOOD, GOOD_MEAN, TUNED, told("mean", "compute", "16", "Spills=9", precision="fp16"))
    assert said.status == 0, said.out
    assert said.out == "2 kernels, 42 instructions, 0 spills; 1 variants; estimates up to 100 % of Mesa 26.2.6-1's"
    assert "| default | linear-few | direct-16x64 | 16 | 30 | 30 | 0 | 0 | 1.88 | 0 |" in said.table, said.table


def a_spill_of_a_default_fails_whatever_its_name():
    for name in ("Spilled VGPRs", "Spills to memory", "Fills from memory", "STP Count", "LDP Count", "TMU Spills",
                 "TMU Fills", "Spill count", "Fills", "Fills of another name"):
        said = Statistics(GOOD_MEAN, TUNED, told_of(name, 3))
        assert said.status == 1 and f"linear-few: spills: 3 {name}; " in said.out, said.out


def a_spill_of_a_variant_is_told():
    said = Statistics(GOOD, GOOD_MEAN, told_of("Fills", 3, purpose="ladder", variant="direct-64x32"))
    assert said.status == 0 and "1 variants, of which spill direct-64x32" in said.out, said.out


def scratch_is_for_the_results_of_linear_alone():
    for name, most in (("Scratch size", 16), ("SLM size", 16), ("Spill Size", 16 * 16)):
        assert Statistics(told_of(name, most), TUNED).status == 0
        assert Statistics(told_of(name, most + 1), TUNED).status == 1
        assert Statistics(GOOD, GOOD_MEAN + f"\t{name}=4", TUNED).status == 1


def silence_about_spills_is_not_a_pass():
    for lines in ((told("linear-few"), TUNED), (told("linear-few", "compute", "16", "Scratch=0"), TUNED),
                  (GOOD, told("linear", purpose="ladder"))):
        said = Statistics(*lines)
        assert said.status == 1 and "nothing is told of spills" in said.out, said.out


def what_does_not_compile_fails():
    for lines in ((told("linear-few", "no memory"), TUNED), (GOOD, told("linear", "no memory", purpose="ladder"))):
        said = Statistics(*lines)
        assert said.status == 1 and ": no memory; " in said.out, said.out


def a_driver_that_says_nothing_fails():
    for lines in ((), (GOOD,), (TUNED,)):
        assert Statistics(*lines).status == 1


def a_kernel_without_a_baseline_fails():
    with tempfile.TemporaryDirectory() as root:
        said = Statistics(GOOD, TUNED, root=root)
        assert said.status == 1 and "linear-few direct-16x64 is not in" in said.out, said.out
        assert Statistics(GOOD, TUNED, root=root, options=("--renew",)).status == 0
        assert Statistics(GOOD, TUNED, root=root).status == 0
        assert Statistics(GOOD, GOOD_MEAN, TUNED, root=root).status == 1
        assert Statistics(GOOD.replace("16x64", "64x32"), TUNED, root=root).status == 1


def an_estimate_may_be_a_tenth_worse():
    with tempfile.TemporaryDirectory() as root:
        Statistics(told_of("Cycles", 1000), TUNED, root=root, options=("--renew",))
        assert Statistics(told_of("Cycles", 1100), TUNED, root=root).status == 0
        said = Statistics(told_of("Cycles", 1101), TUNED, root=root)
        assert said.status == 1 and "linear-few: 1101 where 1000 was" in said.out, said.out
        said = Statistics(told_of("Cycles", 1101), TUNED, root=root, driver="radv Mesa 27.0.0")
        assert said.status == 0 and "estimates up to 110 % of Mesa 26.2.6-1's" in said.out, said.out


CASES = (what_ran_passes, what_cannot_run_is_not_run_and_says_why, what_cannot_go_on_has_not_passed,
         a_failed_cell_fails, a_failed_cell_fails_whatever_the_status, a_failed_command_fails,
         a_check_that_dies_fails, a_row_that_says_nothing_fails, one_failure_fails_all, quick_runs_quick_rows_alone,
         what_an_earlier_run_saw_is_forgotten, no_test_and_no_message_is_not_a_pass,
         compilers_that_spill_nothing_pass, a_spill_of_a_default_fails_whatever_its_name, a_spill_of_a_variant_is_told,
         scratch_is_for_the_results_of_linear_alone, silence_about_spills_is_not_a_pass, what_does_not_compile_fails,
         a_driver_that_says_nothing_fails, a_kernel_without_a_baseline_fails, an_estimate_may_be_a_tenth_worse)


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
