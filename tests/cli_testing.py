"""What the tests of the vkclip program share. A test file registers cases and calls main()."""
import array
import atexit
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "tools/demo/model"
IMAGES = sorted(str(p) for p in (ROOT / "tools/demo/images").glob("*") if p.suffix in (".png", ".jpg"))
PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
CACHE = tempfile.mkdtemp()
atexit.register(shutil.rmtree, CACHE)
CASES = []
SANITIZER = {} # settings of AddressSanitizer for the case that runs


class Skip(Exception):
    pass


def case(needs=""):
    """Registers a test; needs: "side" files of the demo model, its "weights", or a "device"."""
    def register(function):
        CASES.append((function, needs))
        return function
    return register


class Result:
    def __init__(self, process, out, err):
        self.status, self.out, self.err = process.returncode, out, err
        self.errors = [line for line in err.decode().splitlines() if line.startswith("error: ")]


def run(*arguments, env=None, stdin=b"", timeout=300, **options):
    """Runs the program with VKCLIP_MODEL as the demo model and a cache of its own."""
    settings = dict(os.environ, VKCLIP_MODEL=str(MODEL), XDG_CACHE_HOME=CACHE, **SANITIZER)
    for name, value in (env or {}).items():
        settings.pop(name, None)
        if value is not None:
            settings[name] = value
    process = subprocess.Popen([options.pop("program", PROGRAM), *arguments], env=settings, stdin=subprocess.PIPE,
                               stdout=options.pop("stdout", subprocess.PIPE),
                               stderr=subprocess.PIPE, **options)
    try:
        out, err = process.communicate(stdin, timeout)
    finally:
        process.kill()
    assert b"Sanitizer" not in err and b"runtime error" not in err, err.decode()
    return Result(process, out, err)


def fine(*arguments, **options):
    result = run(*arguments, **options)
    assert result.status == 0, (result.status, result.err.decode())
    return result


def refused(status, *arguments, says="", **options):
    """One error line that says what it should, nothing on standard output."""
    result = run(*arguments, **options)
    assert result.status == status, (result.status, result.err.decode())
    assert len(result.errors) == 1, result.err.decode()
    assert says in result.errors[0], result.errors[0]
    assert not result.out, result.out
    return result


def usage_error(*arguments, says=""):
    result = refused(2, *arguments, says=says)
    assert b"usage: vkclip" in result.err


def read_npy(path):
    """The shape and the values of a .npy file, its header checked on the way."""
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    length = struct.unpack("<H", data[8:10])[0]
    assert (10 + length) % 64 == 0 and data[9 + length:10 + length] == b"\n"
    header = eval(data[10:10 + length], {"__builtins__": {}})
    assert header["fortran_order"] is False
    values = array.array({"<f4": "f", "|u1": "B"}[header["descr"]])
    values.frombytes(data[10 + length:])
    assert len(values) == math.prod(header["shape"])
    return header["shape"], values


def rows(path):
    shape, values = read_npy(path)
    width = math.prod(shape[1:])
    return [values[i * width:(i + 1) * width] for i in range(shape[0])]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def json_lines(result):
    return [json.loads(line) for line in result.out.decode().splitlines()]


def classify(*arguments, **options):
    return json_lines(fine("classify", "--format", "json", *arguments, **options))


def leftovers(folder, *wanted):
    found = sorted(os.listdir(folder))
    assert found == sorted(wanted), found


# llvmpipe leaks when it is unloaded, and its frames have no name by which to leave it out.
def look_for_leaks(is_wanted):
    options = os.environ.get("ASAN_OPTIONS", "")
    SANITIZER["ASAN_OPTIONS"] = f"{options}:detect_leaks={int(is_wanted)}"


def available():
    look_for_leaks(False)
    found = {""}
    if (MODEL / "vocab.txt").exists() and IMAGES:
        found.add("side")
        if (MODEL / "open_clip_model.safetensors").exists():
            found.add("weights")
            if run("devices").status == 0:
                found.add("device")
    return found


def main():
    passed = failed = skipped = 0
    wanted = sys.argv[2:]
    found = available()
    for function, needs in CASES:
        name = function.__name__
        if wanted and not any(word in name for word in wanted):
            continue
        try:
            if needs not in found:
                raise Skip("no Vulkan device" if "weights" in found else "no demo model")
            look_for_leaks(needs != "device")
            with tempfile.TemporaryDirectory() as tmp:
                function(pathlib.Path(tmp))
        except Skip as reason:
            print(f"[  SKIPPED ] {name}: {reason}", flush=True)
            skipped += 1
        except Exception:
            traceback.print_exc(file=sys.stdout)
            print(f"[  FAILED  ] {name}", flush=True)
            failed += 1
        else:
            print(f"[       OK ] {name}", flush=True)
            passed += 1
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0
