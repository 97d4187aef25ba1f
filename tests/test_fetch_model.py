#!/usr/bin/env python3
"""Runs tools/fetch_model.sh against a local HTTP server that misbehaves in the ways that matter.

The script runs as a copy beside a table of small files of our own, with every client it knows.
Standard library only. Prints one line a case, as cmocka does.
"""
import hashlib
import http.server
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import traceback

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLIENTS = [client for client in ("curl", "wget") if shutil.which(client)]
WEIGHTS = random.Random(1).randbytes(300_000)
CONFIG = b'{"model_cfg": {"embed_dim": 4}}\n'
LFS_POINTER = (
    b"version https://git-lfs.github.com/spec/v1\n"
    b"oid sha256:" + hashlib.sha256(WEIGHTS).hexdigest().encode() + b"\nsize 300000\n"
)


class Server(http.server.ThreadingHTTPServer):
    """Serves self.files; self.cuts holds after how many bytes each coming answer breaks off."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"weights.bin": WEIGHTS, "open_clip_config.json": CONFIG}
        self.cuts = []
        self.knows_ranges = True
        self.requests = []
        self.address = f"http://127.0.0.1:{self.server_port}/model"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.removeprefix("/model/")
        wanted = self.headers.get("Range", "")
        self.server.requests.append((name, wanted))
        if name not in self.server.files:
            self.send_error(404)
            return
        body = self.server.files[name]
        if wanted and self.server.knows_ranges:
            first = int(wanted.removeprefix("bytes=").split("-")[0])
            if first >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
            body = body[first:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if name == "weights.bin" and self.server.cuts:
            body = body[: self.server.cuts.pop(0)]
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Bench:
    """A copy of the script beside a table of our own, a server, a target and one client."""

    def __init__(self, root, client):
        self.root = root
        self.server = Server()
        self.target = os.path.join(root, "cache", "vkclip", "biomedclip")
        os.makedirs(os.path.join(root, "tools"))
        shutil.copy(os.path.join(REPOSITORY, "tools", "fetch_model.sh"), os.path.join(root, "tools"))
        self.table()
        self.environment = {
            "PATH": self.programs(client),
            "XDG_CACHE_HOME": os.path.join(root, "cache"),
            "VKCLIP_MIRROR": self.server.address,
        }

    def table(self, extra=""):
        with open(os.path.join(self.root, "tools", "model_files.txt"), "w", encoding="ascii") as table:
            table.write("# comment\n\nopen_clip_config.json - - required\nconfig.json - - optional\n")
            table.write(f"weights.bin {len(WEIGHTS)} {hashlib.sha256(WEIGHTS).hexdigest()} required\n")
            table.write(extra)

    def programs(self, client):
        """A directory with what the script uses and no HTTP client but this one."""
        directory = os.path.join(self.root, "bin")
        os.mkdir(directory)
        for program in ("bash", "cat", "cut", "dirname", "head", "mkdir", "mv", "rm", "sed", "sha256sum",
                        "tail", "tr", "wc", client):
            os.symlink(shutil.which(program), os.path.join(directory, program))
        return directory

    def path(self, name):
        return os.path.join(self.target, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def run(self, *arguments):
        return subprocess.run(
            [shutil.which("bash"), os.path.join(self.root, "tools", "fetch_model.sh"), *arguments],
            env=self.environment, cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=60, check=False)

    def fails(self, *words, status=1):
        """Runs; expects the status, one error line with all the words, and nothing half-done."""
        result = self.run()
        errors = result.stderr.splitlines()
        assert result.returncode == status, result
        assert len(errors) == 1 and errors[0].startswith("fetch_model: error: "), result
        for word in words:
            assert word in errors[0], (word, errors[0])
        assert not os.path.exists(self.path("weights.bin")), "a wrong file is in place"

    def succeeds(self):
        result = self.run()
        assert result.returncode == 0 and result.stderr == "", result
        assert self.read("weights.bin") == WEIGHTS
        assert self.read("open_clip_config.json") == CONFIG
        assert not [name for name in os.listdir(self.target) if name.endswith((".part", ".log"))]
        return result.stdout


CASES = []


def case(function):
    CASES.append(function)
    return function


@case
def whole_files_arrive_in_the_default_directory(bench):
    output = bench.succeeds()
    assert "config.json: left out" in output and output.endswith(f"BiomedCLIP is in {bench.target}\n")


@case
def files_already_there_are_not_fetched_again(bench):
    bench.succeeds()
    bench.server.requests.clear()
    bench.succeeds()
    assert bench.server.requests == [("config.json", "")], bench.server.requests


@case
def a_damaged_file_is_fetched_again(bench):
    bench.succeeds()
    with open(bench.path("weights.bin"), "r+b") as file:
        file.write(b"damage")
    bench.succeeds()


@case
def a_line_that_breaks_now_and_then_is_resumed_at_once(bench):
    bench.server.cuts = [100_000, 50_000]
    bench.succeeds()
    assert [r[1] for r in bench.server.requests if r[0] == "weights.bin"] == [
        "", "bytes=100000-", "bytes=150000-"], bench.server.requests


@case
def a_dead_line_is_named_and_resumed_by_the_next_run(bench):
    bench.server.cuts = [100_000, 0]
    bench.fails("weights.bin", "byte 100000", "run again to resume")
    assert bench.read("weights.bin.part") == WEIGHTS[:100_000]
    bench.server.requests.clear()
    assert "resuming at byte 100000 of 300000" in bench.succeeds()
    assert ("weights.bin", "bytes=100000-") in bench.server.requests


@case
def a_server_without_ranges_starts_again(bench):
    bench.server.knows_ranges = False
    bench.server.cuts = [100_000]
    bench.succeeds()


@case
def a_wrong_file_of_the_right_size_is_refused(bench):
    bench.server.files["weights.bin"] = WEIGHTS[:-1] + b"?"
    bench.fails("weights.bin", "wrong checksum")
    assert not os.path.exists(bench.path("weights.bin.part"))
    bench.server.files["weights.bin"] = WEIGHTS
    bench.succeeds()


@case
def a_file_of_the_wrong_size_is_refused(bench):
    for wrong in (WEIGHTS + b"more", WEIGHTS[:1000], b""):
        bench.server.files["weights.bin"] = wrong
        bench.fails("weights.bin", "300000" if wrong else "published")


@case
def m10_lfs_pointer_is_named(bench):
    bench.server.files["weights.bin"] = LFS_POINTER
    bench.fails("weights.bin", "Git LFS pointer")


@case
def m10_lfs_pointer_is_named_when_it_answers_a_resumed_download(bench):
    bench.server.cuts = [100_000, 0]
    bench.fails("run again")
    bench.server.files["weights.bin"] = LFS_POINTER
    bench.fails("weights.bin", "Git LFS pointer")


@case
def an_error_page_is_no_configuration(bench):
    bench.server.files["open_clip_config.json"] = b"<html>log in first</html>"
    bench.fails("open_clip_config.json", "not a JSON object")


@case
def a_file_not_offered_is_named_with_the_answer(bench):
    del bench.server.files["weights.bin"]
    bench.fails("weights.bin", "does not offer", "HTTP 404")


@case
def an_optional_file_that_is_wrong_is_left_out(bench):
    bench.table(f"extra/a.jpg 3 {'0' * 64} optional\n")
    bench.server.files["extra/a.jpg"] = b"abc"
    assert "extra/a.jpg: left out: wrong checksum" in bench.succeeds()
    assert os.listdir(bench.path("extra")) == []


@case
def a_server_that_is_not_there_is_named(bench):
    bench.server.shutdown()
    bench.server.server_close()
    bench.fails("open_clip_config.json", bench.server.address)


@case
def a_directory_can_be_given(bench):
    bench.target = os.path.join(bench.root, "a place")
    result = bench.run(bench.target)
    assert result.returncode == 0 and bench.read("weights.bin") == WEIGHTS, result


@case
def f3_directory_that_cannot_be_made_is_named(bench):
    with open(os.path.join(bench.root, "cache"), "wb"):
        pass
    bench.fails("cannot be created")


@case
def c1_wrong_arguments_are_usage_errors(bench):
    for arguments in (("--frobnicate",), ("a", "b")):
        result = bench.run(*arguments)
        assert result.returncode == 2 and result.stderr.startswith("usage: "), result


@case
def c2_no_home_is_an_error_by_name(bench):
    del bench.environment["XDG_CACHE_HOME"]
    bench.fails("HOME")


def main():
    failed = 0
    if not CLIENTS:
        print("[  SKIPPED ] fetch_model: neither curl nor wget is here")
    for client in CLIENTS:
        for function in CASES:
            name = f"{function.__name__} ({client})"
            try:
                with tempfile.TemporaryDirectory() as root:
                    function(Bench(root, client))
                print(f"[       OK ] {name}", flush=True)
            except Exception:
                failed += 1
                print(f"[  FAILED  ] {name}", flush=True)
                traceback.print_exc()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
