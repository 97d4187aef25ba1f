#!/usr/bin/env python3
"""Runs tools/matrix.sh on rows made up here: what was not run never counts as passed, what failed always fails.

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


CASES = (what_ran_passes, what_cannot_run_is_not_run_and_says_why, what_cannot_go_on_has_not_passed,
         a_failed_cell_fails, a_failed_cell_fails_whatever_the_status, a_failed_command_fails,
         a_check_that_dies_fails, a_row_that_says_nothing_fails, one_failure_fails_all, quick_runs_quick_rows_alone,
         what_an_earlier_run_saw_is_forgotten, no_test_and_no_message_is_not_a_pass)


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
