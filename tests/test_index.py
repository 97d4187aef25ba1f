#!/usr/bin/env python3
"""Tests of 'vkclip index' and 'vkclip index merge': test_index.py VKCLIP [WORD...]

as test_cli.py is run. They defend that an index is the same to the byte however often its writer was
ended, that nothing in a collection stops or blocks it, and that what a collection says survives.
"""
import base64
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import time
import zlib

import cli_testing
from cli_testing import *

FILES = ["embeddings.npy", "failed.jsonl", "index.json", "items.jsonl"]


def write_picture(path, seed):
    """A small picture of its own: PPM, the cheapest to read."""
    numbers = random.Random(seed)
    path.write_bytes(b"P6 6 6 255\n" + bytes(numbers.randrange(256) for _ in range(108)))


def make_pictures(folder, count, first=0):
    folder.mkdir(exist_ok=True)
    for i in range(first, first + count):
        write_picture(folder / f"{i:05}.ppm", i)
    return folder


def index(output, *arguments, **options):
    return run("index", "-q", "-o", str(output), *map(str, arguments), **options)


def index_fine(output, *arguments, **options):
    result = index(output, *arguments, **options)
    assert result.status == 0, (result.status, result.err.decode())


def content(folder):
    """The four files; nothing is left beside them but the lock."""
    leftovers(folder, "lock", *FILES)
    return {name: (folder / name).read_bytes() for name in FILES}


def same(a, b):
    a, b = content(a), content(b)
    for name in FILES:
        assert a[name] == b[name], f"{name} differs: {len(a[name])} and {len(b[name])} bytes"


def items(folder, name="items.jsonl"):
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


def facts(folder):
    return json.loads((folder / "index.json").read_bytes())


def failures(folder):
    return {item["path"]: item["reason"] for item in items(folder, "failed.jsonl")}


# ---- what it writes --------------------------------------------------------------------------

@case("device")
def rows_are_those_of_embed_image(tmp):
    pictures = tmp / "pictures"
    pictures.mkdir()
    for image in IMAGES:
        shutil.copy(image, pictures)
    index_fine(tmp / "index", pictures)
    paths = [str(pictures / os.path.basename(image)) for image in IMAGES]
    fine("embed", "image", "-o", str(tmp / "all.npy"), *paths)
    assert read_npy(tmp / "index/embeddings.npy") == read_npy(tmp / "all.npy")
    found = items(tmp / "index")
    assert [item["path"] for item in found] == paths
    for item, path in zip(found, paths):
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))
        assert item["size"] == os.path.getsize(path)
        assert list(item) == ["path", "size", "modified"]
    index_fine(tmp / "again", pictures)
    assert items(tmp / "again")[0]["modified"] == "2023-11-14T22:13:20.123456789Z"
    says = facts(tmp / "index")
    sha256 = subprocess.run(["sha256sum", MODEL / "open_clip_model.safetensors"], stdout=subprocess.PIPE, check=True)
    assert says["model_sha256"] == sha256.stdout.decode().split()[0]
    assert says["embeddings"] == {"rows": len(paths), "width": 96, "type": "float32"}
    assert says["complete"] is True and says["precision"] in ("fp32", "fp16")


@case("device")
def half_rows_are_rounded_ones(tmp):
    make_pictures(tmp / "p", 5)
    index_fine(tmp / "whole", tmp / "p")
    index_fine(tmp / "half", "--half", tmp / "p")
    want = struct.pack("<480e", *read_npy(tmp / "whole/embeddings.npy")[1])
    got = (tmp / "half/embeddings.npy").read_bytes()
    assert b"'<f2'" in got[:128] and got[128:] == want
    refused(2, "index", "-q", "-o", str(tmp / "half"), str(tmp / "p"), says="was made with --half")
    refused(2, "index", "-q", "-o", str(tmp / "whole"), "--half", str(tmp / "p"), says="without --half")


@case("device")
def order_is_that_of_the_names(tmp):
    for name in ("b/2", "b/10", "a.b/x", "a/x", "a/y/z", "a/Y/z", "B/1"):
        (tmp / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp / "p" / f"{name}.ppm", name)
    index_fine(tmp / "index", "p/", "p/b/2.ppm", cwd=tmp)
    assert [item["path"] for item in items(tmp / "index")] == [
        "p/B/1.ppm", "p/a/Y/z.ppm", "p/a/x.ppm", "p/a/y/z.ppm", "p/a.b/x.ppm", "p/b/10.ppm", "p/b/2.ppm", "p/b/2.ppm"]


@case("device")
def globs_choose_files_of_folders(tmp):
    for name in ("a.ppm", "b.txt", "c", "d/a.ppm", "d/c.PPM", "e/f/a.ppm", "e/f/[x].ppm", ".h/a.ppm", ".i.ppm"):
        (tmp / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp / "p" / name, name)

    def chosen(*options):
        shutil.rmtree(tmp / "index", ignore_errors=True)
        index_fine(tmp / "index", *options, "p", cwd=tmp)
        return [item["path"][2:] for item in items(tmp / "index")]

    assert chosen() == ["a.ppm", "d/a.ppm", "d/c.PPM", "e/f/[x].ppm", "e/f/a.ppm"]
    assert chosen("--exclude", "d", "--exclude", "f/a*") == ["a.ppm", "e/f/[x].ppm", "e/f/a.ppm"]
    assert chosen("--exclude", "e/*") == ["a.ppm", "d/a.ppm", "d/c.PPM"]
    assert chosen("--exclude", "e/**/a.*") == ["a.ppm", "d/a.ppm", "d/c.PPM", "e/f/[x].ppm"]
    assert chosen("--include", "?.*") == ["a.ppm", "b.txt", "d/a.ppm", "d/c.PPM", "e/f/a.ppm"]
    assert chosen("--include", "**") == ["a.ppm", "b.txt", "c", "d/a.ppm", "d/c.PPM", "e/f/[x].ppm", "e/f/a.ppm"]
    assert chosen("--include", "\\[x].ppm") == chosen("--include", "[[]x[]].ppm") == ["e/f/[x].ppm"]
    assert chosen("--include", "[!a-b].*") == ["d/c.PPM"]
    assert chosen("--include", "d/a.ppm", "--include", "c") == ["c", "d/a.ppm"]


@case("device")
def lists_come_from_standard_input(tmp):
    make_pictures(tmp / "p", 3)
    name = b"new\nline \xff.ppm"
    write_picture(pathlib.Path(os.fsdecode(bytes(tmp) + b"/p/" + name)), 1)
    index_fine(tmp / "lines", "-", stdin=b"p/00002.ppm\r\n\np/00000.ppm", cwd=tmp)
    assert [item["path"] for item in items(tmp / "lines")] == ["p/00002.ppm", "p/00000.ppm"]
    index_fine(tmp / "zeros", "p/00001.ppm", "-0", "-", stdin=b"p/" + name + b"\0p/00000.ppm\0", cwd=tmp)
    found = items(tmp / "zeros")
    assert [item["path"] for item in found] == ["p/00001.ppm", "p/new\nline \ufffd.ppm", "p/00000.ppm"]
    assert base64.b64decode(found[1]["path_base64"]) == b"p/" + name
    assert "path_base64" not in found[0]
    assert index(tmp / "no", "-", stdin=b"gone.ppm\n", cwd=tmp).status == 1
    assert failures(tmp / "no") == {"gone.ppm": "No such file or directory"}
    refused(1, "index", "-q", "-o", str(tmp / "wrong"), "-", stdin=b"a\nb\0\n", says="line 2: has a zero byte")


# ---- metadata --------------------------------------------------------------------------------

@case("device")
def metadata_survive(tmp):
    make_pictures(tmp / "p", 4)
    values = ['quotes " and, commas', "new\r\nlines\ttabs", "=1+1", "caf\u00e9 \U0001f600", "", "\\u0041 \x7f \x01"]
    with open(tmp / "t.csv", "wb") as file:
        file.write(b"id,path,note,\n")
        for i, value in enumerate(values[:3]):
            quoted = value.replace('"', '""')
            file.write(f'{i},p/0000{i}.ppm,"{quoted}",{values[i + 3]}\n'.encode())
        file.write(b'3,p/00003.ppm,\xe9 latin "1",x\n')
    index_fine(tmp / "csv", "t.csv", cwd=tmp)
    found = items(tmp / "csv")
    for i in range(3):
        assert found[i]["metadata"] == {"id": str(i), "note": values[i], "": values[i + 3]}, found[i]
        assert "metadata_base64" not in found[i]
    assert found[3]["metadata"] == {"id": "3", "note": '\ufffd latin "1"', "": "x"}
    assert base64.b64decode(found[3]["metadata_base64"]["note"]) == b'\xe9 latin "1"'

    lines = [b'{"file": "p/00000.ppm", "age": 12345678901234567890, "x": -0.10e3, "tags": ["a\\u0022", null], "n": null}',
             b'{"age": true, "file": "p/00001.ppm"}', b'{"file": "p/00002.ppm"}',
             b'{"file": "p/00003.ppm", "note": "\xff\\n", "deep": {"a": ["\xfe"]}}']
    (tmp / "t.jsonl").write_bytes(b"\n".join(lines))
    index_fine(tmp / "json", "--path-column", "file", "t.jsonl", cwd=tmp)
    raw = (tmp / "json/items.jsonl").read_bytes().splitlines()
    assert raw[0].endswith(b'"metadata": {"age": 12345678901234567890, "x": -0.10e3, '
                           b'"tags": ["a\\u0022", null], "n": null}}'), raw[0]
    found = items(tmp / "json")
    assert found[1]["metadata"] == {"age": True} and "metadata" not in found[2]
    assert found[3]["metadata"] == {"note": "\ufffd\n", "deep": '{"a": ["\ufffd"]}'}
    bytes_of = {name: base64.b64decode(value) for name, value in found[3]["metadata_base64"].items()}
    assert bytes_of == {"note": b"\xff\n", "deep": b'{"a": ["\xfe"]}'}


@case("device")
def wrong_tables_are_refused_before_the_work(tmp):
    make_pictures(tmp / "p", 1)
    cases = {"a.csv": (b"file,label\np/00000.ppm,x\n", "line 2: has no 'path'; --path-column names another"),
             "b.csv": (b"path,label\np/00000.ppm\n", "b.csv: line 2: has 1 fields, not 2"),
             "c.jsonl": (b'{"path": "p/00000.ppm"}\n{"path": ""}\n', "c.jsonl: line 2: has no 'path'"),
             "d.jsonl": (b'{"path": "p/00000.ppm"}\nnonsense\n', "d.jsonl: line 2: is not a JSON object")}
    for name, (text, says) in cases.items():
        (tmp / name).write_bytes(text)
        refused(1, "index", "-q", "-o", str(tmp / "index"), name, says=says, cwd=tmp)
        assert not (tmp / "index").exists()
    refused(1, "index", "-q", "-o", str(tmp / "index"), "gone", says="gone: No such file", cwd=tmp)
    refused(1, "index", "-q", "-o", str(tmp / "a/b"), "p", says="a/b: No such file", cwd=tmp)


# ---- what lies in a collection ---------------------------------------------------------------

@case("device")
def i01_f01_hostile_files_stop_nothing(tmp):
    folder = make_pictures(tmp / "p", 2)
    jpeg = pathlib.Path(next(image for image in IMAGES if image.endswith(".jpg"))).read_bytes()
    png = pathlib.Path(next(image for image in IMAGES if image.endswith(".png"))).read_bytes()
    header = b"IHDR" + struct.pack(">IIBBBBB", 2 ** 31 - 1, 2 ** 31 - 1, 8, 2, 0, 0, 0)
    hostile = {"empty.png": b"", "byte.jpg": b"\xff", "signature.png": png[:8], "text.png": b"no picture\n",
               "cut.jpg": jpeg[:len(jpeg) // 2], "cut.png": png[:-100], "tiff.png": b"II*\0" + bytes(100),
               "webp.jpg": b"RIFF\x10\0\0\0WEBPVP8 ", "zeros.tga": bytes(5000), "crc.png": png[:40] + b"x" + png[41:],
               "huge.png": png[:8] + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + bytes(99)}
    for name, data in hostile.items():
        (folder / name).write_bytes(data)
    (folder / "broken.png").symlink_to("gone.png")
    (folder / "self.png").symlink_to("self.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(".")
    (folder / "linked.ppm").symlink_to("00000.ppm")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "fifo.png")
    long_name = "n" * 251 + ".ppm"
    write_picture(folder / long_name, 7)
    (folder / "renamed.png").write_bytes(jpeg)
    (folder / "closed").mkdir()
    write_picture(folder / "closed/a.ppm", 1)
    (folder / "closed").chmod(0)
    deep = folder
    for _ in range(30):
        deep = deep / ("d" * 60)
    deep.mkdir(parents=True)
    write_picture(deep / "deep.ppm", 8)

    result = run("index", "-o", str(tmp / "index"), str(folder), timeout=60)
    (folder / "closed").chmod(0o700)
    assert result.status == 1 and len(result.errors) == 1, result.err.decode()
    wrong = {os.path.basename(path): reason for path, reason in failures(tmp / "index").items()}
    expected = set(hostile) | {"broken.png", "self.png"} | (set() if os.geteuid() == 0 else {"closed"})
    assert set(wrong) == expected, wrong
    assert f"{len(wrong)} of " in result.errors[0] and "failed.jsonl says why" in result.errors[0]
    assert wrong["text.png"] == "is a text file, not a picture" and wrong["broken.png"] == "No such file or directory"
    good = [os.path.basename(item["path"]) for item in items(tmp / "index")]
    assert good == ["00000.ppm", "00001.ppm"] + ["a.ppm"] * (os.geteuid() == 0) + [
        "deep.ppm", "linked.ppm", long_name, "renamed.png"], good
    assert index(tmp / "index", folder).status == 1
    # The same, named one by one: here a FIFO and a device are asked for, and refused.
    names = [str(folder / name) for name in ("fifo.png", "zero.png", "folder.png/", "00000.ppm")]
    result = index(tmp / "named", *names, timeout=60)
    assert result.status == 1 and len(items(tmp / "named")) == 1
    assert set(failures(tmp / "named").values()) == {"is not a regular file"}
    assert index(tmp / "list", "-", stdin=str(folder).encode(), timeout=60).status == 1
    assert failures(tmp / "list") == {str(folder): "is a directory"}


@case("device")
def f05_an_index_of_others_files_is_left_alone(tmp):
    make_pictures(tmp / "p", 1)
    (tmp / "other").mkdir()
    (tmp / "other/items.jsonl").write_text("mine")
    refused(1, "index", "-q", "-o", str(tmp / "other"), str(tmp / "p"), says="is not empty, and no index")
    leftovers(tmp / "other", "items.jsonl")
    assert (tmp / "other/items.jsonl").read_text() == "mine"
    (tmp / "file").write_text("")
    refused(1, "index", "-q", "-o", str(tmp / "file"), str(tmp / "p"), says="file: Not a directory")
    index_fine(tmp / "index", tmp / "p")
    for text in ("", "{}", "[", '{"format": 2}', (tmp / "index/index.json").read_text().replace('"rows": 1', '"rows": -1')):
        (tmp / "index/index.json").write_text(text)
        refused(1, "index", "-q", "-o", str(tmp / "index"), str(tmp / "p"), says="index.json: ")


# ---- interruptions ---------------------------------------------------------------------------

def start(output, *arguments, env=None, **options):
    settings = dict(os.environ, VKCLIP_MODEL=str(MODEL), XDG_CACHE_HOME=cli_testing.CACHE, **SANITIZER, **(env or {}))
    return subprocess.Popen([PROGRAM, "index", "-o", str(output), *map(str, arguments)], env=settings,
                            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)


def rows_done(folder):
    try:
        return facts(folder)["embeddings"]["rows"]
    except (OSError, ValueError):
        return 0


def check_between(folder, whole):
    """What a killed writer leaves: index.json whole, and as many rows and lines as it says."""
    if not (folder / "index.json").exists():
        return
    says = facts(folder)
    data = (folder / "embeddings.npy").read_bytes() if says["embeddings"]["rows"] else b""
    row_bytes = says["embeddings"]["rows"] * says["embeddings"]["width"] * 4
    assert whole["embeddings.npy"][128:].startswith(data[128:128 + row_bytes]) and len(data) >= row_bytes
    for name, length in (("items.jsonl", says["items_bytes"]), ("failed.jsonl", says["failed_bytes"])):
        kept = (folder / name).read_bytes()[:length] if length else b""
        assert len(kept) == length and whole[name].startswith(kept)


@case("device")
def f03_killed_at_200_random_moments_gives_the_same_bytes(tmp):
    if b"__asan_init" in pathlib.Path(PROGRAM).read_bytes():
        raise Skip("takes a minute; the build without sanitizers does it")
    unwatched = {"VK_INSTANCE_LAYERS": ""} # validation of a layer would take most of the time
    folder = make_pictures(tmp / "p", 200)
    for i in range(0, 200, 7):
        (folder / f"{i:05}x.png").write_bytes(b"damaged")
    assert index(tmp / "whole", folder, "--batch", "1", env=unwatched).status == 1
    whole, numbers = content(tmp / "whole"), random.Random(1)
    began = time.monotonic()
    assert index(tmp / "whole", folder, "--batch", "1", env=unwatched).status == 1
    longest = time.monotonic() - began
    output, kills, done, seen = tmp / "killed", 0, 0, set()
    while kills < 200:
        process = start(output, "-q", "--batch", "1", folder, env=unwatched)
        before, deadline = rows_done(output), time.monotonic() + 60
        if kills % 4:
            # In the midst of the work, which is over in a moment: from the first commit on.
            while process.poll() is None and rows_done(output) == before and time.monotonic() < deadline:
                time.sleep(0.0005)
            time.sleep(numbers.random() * 0.03)
        else:
            time.sleep(numbers.random() * longest)
        process.kill()
        process.communicate()
        if process.returncode == -signal.SIGKILL:
            kills += 1
            check_between(output, whole)
            seen.add(rows_done(output))
        else:
            assert process.returncode == 1, process.returncode
            same(output, tmp / "whole")
            shutil.rmtree(output)
            done += 1
    assert index(output, folder, "--batch", "1", env=unwatched).status == 1
    same(output, tmp / "whole")
    print(f"killed {kills} times, at {len(seen)} different counts of rows; {done + 1} indexes, all equal")
    assert len(seen) > 5


@case("device")
def f03_half_written_tails_are_cut_off(tmp):
    folder = make_pictures(tmp / "p", 12)
    index_fine(tmp / "whole", folder)
    process = start(tmp / "index", "-q", "-", cwd=tmp)
    process.stdin.write(b"".join(f"{folder}/{i:05}.ppm\n".encode() for i in range(5)))
    process.stdin.flush()
    # The list goes on, so that nothing is complete when it is killed.
    time.sleep(0.1)
    process.kill()
    process.communicate()
    index(tmp / "index", *sorted(folder.iterdir())[:5])
    for name in FILES[:2] + FILES[3:]:
        with open(tmp / "index" / name, "ab") as file:
            file.write(b"{\"path\": \"half a li")
    text = (tmp / "index/index.json").read_text()
    (tmp / "index/index.json").write_text(text.replace('"complete": true', '"complete": false'))
    (tmp / "index/index.json.new").write_text("{")
    index_fine(tmp / "index", folder)
    same(tmp / "index", tmp / "whole")
    with open(tmp / "index/items.jsonl", "r+b") as file:
        file.truncate(100)
    refused(1, "index", "-q", "-o", str(tmp / "index"), str(folder), says="items.jsonl: is shorter than index.json says")


@case("device")
def f03_a_full_disk_loses_nothing_that_was_there(tmp):
    folder = make_pictures(tmp / "p", 60)
    index_fine(tmp / "whole", folder)
    whole = content(tmp / "whole")

    def limit(byte_count):
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, byte_count))

    for byte_count in (0, 100, 500, 2000, 6000, 12000, 20000):
        result = index(tmp / "index", folder, "--batch", "2", preexec_fn=limit(byte_count))
        assert result.status == 1 and len(result.errors) == 1, (byte_count, result.status, result.err.decode())
        assert ": File too large" in result.errors[0], result.errors[0]
        if byte_count > 500:
            check_between(tmp / "index", whole)
    assert 0 < rows_done(tmp / "index") < 60
    index_fine(tmp / "index", folder)
    same(tmp / "index", tmp / "whole")
    # An update that finds no room leaves what was there.
    write_picture(folder / "0.ppm", "new")
    result = index(tmp / "index", "--update", folder, preexec_fn=limit(6000))
    assert result.status == 1 and ": File too large" in result.errors[0]
    for name in FILES:
        assert (tmp / "index" / name).read_bytes() == whole[name], name
    index_fine(tmp / "index", "--update", folder)
    index_fine(tmp / "anew", folder)
    same(tmp / "index", tmp / "anew")


@case("device")
def f03_a_full_file_system_is_named(tmp):
    mount = tmp / "small"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", mount], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no right to mount a small file system")
    try:
        folder = make_pictures(tmp / "p", 400)
        index_fine(tmp / "whole", folder)
        refused(1, "index", "-q", "-o", str(mount / "index"), str(folder), says=": No space left on device")
        subprocess.run(["mount", "-o", "remount,size=8m", mount], check=True)
        index_fine(mount / "index", folder)
        same(mount / "index", tmp / "whole")
    finally:
        subprocess.run(["umount", mount], check=True)


def wait_for(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)


@case("device")
def x03_the_second_writer_is_refused(tmp):
    folder = make_pictures(tmp / "p", 2)
    process = start(tmp / "index", "-q", "-")
    wait_for((tmp / "index/lock").exists, process)
    time.sleep(0.1)
    for command in (["index"], ["index", "--update"]):
        refused(1, *command, "-q", "-o", str(tmp / "index"), str(folder), says="is being written by another program")
    process.communicate(f"{folder}/00000.ppm\n{folder}/00001.ppm\n".encode())
    assert process.returncode == 0
    index_fine(tmp / "index", folder)


@case("device")
def c03_a_signal_ends_it_after_what_it_does(tmp):
    folder = make_pictures(tmp / "p", 3)
    for number in (signal.SIGINT, signal.SIGTERM):
        output = tmp / f"index{number}"
        process = start(output, "-", "--batch", "1")
        process.stdin.write(f"{folder}/00000.ppm\n{folder}/00001.ppm\n".encode())
        process.stdin.flush()
        wait_for(lambda: rows_done(output) == 1, process) # the second may be done when the signal comes
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == -number, process.returncode
        assert f"stopped with {rows_done(output)} pictures in {output}; the same command goes on from there".encode() in err, err
        assert facts(output)["complete"] is False and b"error" not in err
        index_fine(output, folder)
        index_fine(tmp / "whole", folder)
        same(output, tmp / "whole")


# ---- changes ---------------------------------------------------------------------------------

@case("device")
def what_is_there_stays_as_it_was_made(tmp):
    folder = make_pictures(tmp / "p", 3)
    index_fine(tmp / "index", "--precision", "fp32", folder)
    before = content(tmp / "index")
    model = tmp / "model"
    shutil.copytree(MODEL, model)
    weights = bytearray((model / "open_clip_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "open_clip_model.safetensors").write_bytes(weights)
    for options, says in ((["-m", str(model)], "another model"), (["--precision", "fp16"], "another --precision"),
                          (["--exif"], "another --exif"), (["--window", "auto"], "another --window"),
                          (["--frame", "2"], "another --frame"), (["--allow-truncated"], "another --allow-truncated")):
        for update in ([], ["--update"]):
            result = run("index", "-q", "-o", str(tmp / "index"), *update, *options, str(folder))
            if "fp16" in options and b"fp16" in result.err and result.status == 3:
                continue # the device stores none
            assert result.status == 2 and says in result.errors[0], result.err.decode()
    assert content(tmp / "index") == before


@case("device")
def changes_want_an_update(tmp):
    folder = make_pictures(tmp / "p", 3)
    index_fine(tmp / "index", folder)
    before = content(tmp / "index")
    index_fine(tmp / "index", folder)
    assert content(tmp / "index") == before

    def is_refused(says):
        refused(1, "index", "-q", "-o", str(tmp / "index"), str(folder), says=says)
        assert content(tmp / "index") == before

    write_picture(folder / "z.ppm", 9)
    is_refused("not those that were there when it was completed")
    (folder / "z.ppm").rename(folder / "0.ppm")
    is_refused("not those that were there when it was begun")
    (folder / "0.ppm").unlink()
    os.utime(folder / "00001.ppm", (1, 1))
    is_refused("not those that were there when it was begun")
    (folder / "00002.ppm").unlink()
    (folder / "00001.ppm").unlink()
    is_refused("not those that were there when it was begun")


@case("device")
def updates_embed_what_is_new_and_drop_what_is_gone(tmp):
    folder = make_pictures(tmp / "p", 20)
    (folder / "00003.ppm").write_bytes(b"damaged")
    (folder / "00004.ppm").write_bytes(b"damaged")
    assert index(tmp / "index", folder).status == 1
    old = dict(zip((item["path"] for item in items(tmp / "index")), rows(tmp / "index/embeddings.npy")))

    def change_unseen(number):
        """Other content behind the same size and time: whoever reads it again, tells."""
        path = folder / f"{number:05}.ppm"
        times = path.stat()
        data = path.read_bytes()
        path.write_bytes(data[:-50] + bytes(50))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    write_picture(folder / "0.ppm", "new")
    write_picture(folder / "zz.ppm", "newest")
    write_picture(folder / "00003.ppm", "repaired")
    write_picture(folder / "00010.ppm", "changed")
    (folder / "00011.ppm").unlink()
    (folder / "00012.ppm").write_bytes(b"damaged now")
    change_unseen(5)
    change_unseen(15)
    assert index(tmp / "index", "--update", folder).status == 1
    assert index(tmp / "anew", folder).status == 1
    for name in ("items.jsonl", "failed.jsonl"):
        assert (tmp / "index" / name).read_bytes() == (tmp / "anew" / name).read_bytes(), name
    assert set(map(os.path.basename, failures(tmp / "index"))) == {"00004.ppm", "00012.ppm"}
    new_rows, want_rows = rows(tmp / "index/embeddings.npy"), rows(tmp / "anew/embeddings.npy")
    for item, got, want in zip(items(tmp / "index"), new_rows, want_rows):
        name = os.path.basename(item["path"])
        assert got == (old[item["path"]] if name in ("00005.ppm", "00015.ppm") else want), name
    leftovers(tmp / "index", "lock", *FILES)

    # Metadata alone may change too.
    (tmp / "t.csv").write_text("path,label\np/00000.ppm,a\np/00001.ppm,b\n")
    index_fine(tmp / "table", "t.csv", cwd=tmp)
    (tmp / "t.csv").write_text("path,label\np/00001.ppm,c\np/00000.ppm,a\n")
    index_fine(tmp / "table", "--update", "t.csv", cwd=tmp)
    assert [item["metadata"]["label"] for item in items(tmp / "table")] == ["c", "a"]
    assert rows(tmp / "table/embeddings.npy") == rows(tmp / "index/embeddings.npy")[1:3][::-1]


@case("device")
def killed_updates_go_on_or_leave_the_old(tmp):
    folder = make_pictures(tmp / "p", 60)
    index_fine(tmp / "old", folder)
    for i in range(0, 60, 5):
        write_picture(folder / f"{i:05}a.ppm", i + 0.5)
    (folder / "00000.ppm").unlink()
    index_fine(tmp / "whole", folder)
    old, numbers, killed = content(tmp / "old"), random.Random(2), 0
    shutil.copytree(tmp / "old", tmp / "undisturbed")
    began = time.monotonic()
    index_fine(tmp / "undisturbed", "--update", "--batch", "1", folder)
    span = time.monotonic() - began
    for _ in range(4):
        shutil.rmtree(tmp / "index", ignore_errors=True)
        shutil.copytree(tmp / "old", tmp / "index")
        while True:
            process = start(tmp / "index", "-q", "--update", "--batch", "1", folder)
            try:
                process.wait(numbers.random() * 1.2 * span) # it goes on, so less and less is left
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
            if process.returncode == 0:
                break
            killed += 1
            if not (tmp / "index/swap").exists() and (tmp / "index/update").exists():
                assert all((tmp / "index" / name).read_bytes() == old[name] for name in FILES)
        same(tmp / "index", tmp / "whole")
    assert killed > 0
    print(f"killed {killed} times")


@case("device")
def a_swap_that_was_cut_short_is_finished(tmp):
    folder = make_pictures(tmp / "p", 4)
    index_fine(tmp / "old", folder)
    write_picture(folder / "0.ppm", 0.5)
    index_fine(tmp / "new", folder)
    # What has been done when it stops: index.json removed, then 0 to 4 files moved.
    for moved in range(-1, 5):
        output = tmp / f"index{moved}"
        shutil.copytree(tmp / "old", output)
        shutil.copytree(tmp / "new", output / "swap")
        (output / "swap/lock").unlink()
        if moved >= 0:
            (output / "index.json").unlink()
        for name in ["embeddings.npy", "items.jsonl", "failed.jsonl", "index.json"][:max(moved, 0)]:
            os.rename(output / "swap" / name, output / name)
        index_fine(output, folder)
        same(output, tmp / "new")


@case("device")
def an_interrupted_update_wants_to_be_finished(tmp):
    folder = make_pictures(tmp / "p", 3)
    index_fine(tmp / "index", folder)
    shutil.copytree(tmp / "index", tmp / "index/update", ignore=shutil.ignore_patterns("lock"))
    refused(1, "index", "-q", "-o", str(tmp / "index"), str(folder), says="an update of it was interrupted")
    # What it has of other pictures is dropped.
    write_picture(folder / "00001.ppm", "changed")
    index_fine(tmp / "index", "--update", folder)
    index_fine(tmp / "anew", folder)
    same(tmp / "index", tmp / "anew")


# ---- shards ----------------------------------------------------------------------------------

@case("device")
def merged_shards_have_the_rows_of_the_whole(tmp):
    folder = make_pictures(tmp / "p", 40)
    for i in range(0, 40, 9):
        (folder / f"{i:05}.ppm").write_bytes(b"damaged")
    assert index(tmp / "whole", folder).status == 1
    for shard in range(1, 4):
        assert index(tmp / f"part{shard}", "--shard", f"{shard}/3", folder).status in (0, 1)
        for name in ("items.jsonl", "failed.jsonl"):
            for item in items(tmp / f"part{shard}", name):
                assert zlib.crc32(item["path"].encode()) % 3 == shard - 1
        # What a merge that was killed left is begun anew.
    (tmp / "merged/update").mkdir(parents=True)
    shutil.copy(tmp / "part1/index.json", tmp / "merged/update")
    parts = [str(tmp / f"part{shard}") for shard in range(1, 4)]
    fine("index", "merge", "-o", str(tmp / "merged"), *parts)

    def all_of(output):
        return sorted(zip((tmp / output / "items.jsonl").read_bytes().splitlines(),
                          map(bytes, rows(tmp / output / "embeddings.npy"))))

    assert all_of("merged") == all_of("whole")
    assert failures(tmp / "merged") == failures(tmp / "whole")
    assert facts(tmp / "merged")["complete"] is True
    content(tmp / "merged")
    refused(1, "index", "merge", "-q", "-o", str(tmp / "merged"), *parts, says="is an index already")
    # What differs from the first is refused, and so is what is not complete, or not there.
    index_fine(tmp / "other", "--exif", tmp / "whole/../p/00001.ppm")
    refused(1, "index", "merge", "-o", str(tmp / "m"), *parts, str(tmp / "other"), says="other: was made with another --exif")
    index_fine(tmp / "half", "--half", folder / "00001.ppm")
    refused(1, "index", "merge", "-o", str(tmp / "m"), *parts, str(tmp / "half"), says="half: is of another type")
    refused(1, "index", "merge", "-o", str(tmp / "m"), *parts, str(tmp / "gone"), says="gone/index.json: No such file")
    text = (tmp / "part2/index.json").read_text()
    (tmp / "part2/index.json").write_text(text.replace('"complete": true', '"complete": false'))
    refused(1, "index", "merge", "-o", str(tmp / "m"), *parts, says="part2: is not complete")
    assert not (tmp / "m").exists()


@case()
def help_tells_the_options_and_the_files(tmp):
    for command, words in (("index", ["--update", "--shard", "--half", *FILES]), ("index merge", ["--output"])):
        text = fine(*command.split(), "--help").out.decode()
        assert text.startswith(f"usage: vkclip {command} ") and "\nexamples:\n  vkclip" in text
        assert all(word in text for word in words)


@case()
def c01_wrong_command_lines_are_refused(tmp):
    usage_error("index", says="-o INDEX")
    usage_error("index", "x", says="-o INDEX")
    usage_error("index", "-o", "x", says="no pictures")
    usage_error("index", "-o", "-", "x", says="folder")
    usage_error("index", "merge", "x", says="-o INDEX")
    usage_error("index", "merge", "-o", "x", says="no shards")
    for value in ("", "1", "0/2", "3/2", "1/", "/2", "1/2/3", "-1/2", "1/2x", "a/b", "1/99999999999999999999", " 1/2"):
        usage_error("index", "-o", "x", "--shard", value, "y", says="want I/N")


if __name__ == "__main__":
    sys.exit(main())
