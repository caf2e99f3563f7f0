"""A disk that is full at a random write: what every verb does then, and whether it goes on later.

Each event runs one command in a process of its own on a small disk (a tmpfs, which needs root; or
``--limit``, where no file may grow beyond a random size) of which a random part is free. It counts

* tracebacks, and exit codes that are not of the contract (0, 1, 2);
* files that are half written: outside of ``*.partial`` every file must be whole;
* temporary files that are left behind;
* commands that do not end well when they are given again with space enough, with ``--resume``
  where there is something to go on with.

    python -m benchmarks.disk_full --events 200
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Command = Sequence[str]
_MEMORY = ("--memory", "1500MiB")
_DISK = 96 << 20
_RESUMABLE = ("train", "predict")


@dataclass(frozen=True, slots=True)
class Event:
    """What came of one command on a full disk.

    Attributes:
        verb: of the command.
        code: its exit code.
        faults: what is wrong, a word or two each.
        message: the last line that it said.
    """

    verb: str
    code: int
    faults: tuple[str, ...]
    message: str


@dataclass(slots=True)
class Disk:
    """A small disk, and how much of it is free.

    Attributes:
        folder: where it is.
        limit: whether it is made of limits on the size of files instead.
    """

    folder: Path
    limit: bool
    _free: int = field(default=0)

    def leave(self, free: int) -> None:
        """Leaves so many bytes free."""
        self._free = free
        if self.limit:
            return
        ballast = self.folder / "ballast"
        ballast.unlink(missing_ok=True)
        status = os.statvfs(self.folder)
        size = status.f_bavail * status.f_frsize - free
        if size > 0:
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    def all_free(self) -> None:
        """Leaves all of it free."""
        (self.folder / "ballast").unlink(missing_ok=True)
        self._free = 0

    def limits(self) -> None:
        """Called in the process that is to be limited."""
        if self.limit and self._free:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self._free, self._free))


@contextmanager
def small_disk(*, limit: bool) -> Iterator[Disk]:
    """A disk of 96 MiB, gone in the end."""
    with tempfile.TemporaryDirectory(prefix="disk-full-") as name:
        folder = Path(name) / "disk"
        folder.mkdir()
        if not limit:
            command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "none", str(folder)]
            subprocess.run(command, check=True)
        try:
            yield Disk(folder, limit)
        finally:
            if not limit:
                subprocess.run(["umount", str(folder)], check=True)


class Runner:
    """Runs commands in forks of this process, which has loaded what most of them need."""

    def __init__(self, disk: Disk) -> None:
        import anysize.api
        import anysize.cli.main
        import anysize.training.loop  # noqa: F401 - loaded once for all

        self._disk = disk

    def __call__(self, command: Command, errors: Path) -> int:
        """The exit code; what is said on standard error goes to a file on another disk."""
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        code = 70
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            scratch = self._disk.folder / "tmp"
            scratch.mkdir(exist_ok=True)
            os.environ |= {
                "TMPDIR": str(scratch),
                "ANYSIZE_CACHE": str(self._disk.folder / "cache"),
            }
            tempfile.tempdir = None
            self._disk.limits()
            sys.argv = ["anysize", *command]
            from anysize.cli.main import run

            run()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # noqa: BLE001 - this is what is counted
            import traceback

            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(code)


def half_written(folder: Path) -> list[str]:
    """Files that are there under their names and not whole, and what was left behind."""
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if inside[0] in ("ballast", "cache") or any(part.endswith(".partial") for part in inside):
            continue
        if ".anysize-" in path.name or path.name.startswith("anysize-") or path.suffix == ".lock":
            found.append(f"left behind: {path.name}")
        elif path.is_file() and not _whole(path):
            found.append(f"half written: {'/'.join(inside)}")
    return found


def _whole(path: Path) -> bool:
    check = _CHECKS.get(path.suffix)
    if check is None or path.name == "training.jsonl":  # a log; resuming cuts off its last line
        return True
    try:
        check(path)
    except Exception:  # noqa: BLE001 - whatever the reader dislikes
        return False
    return True


def _tensors(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        file.keys()


def _lines(path: Path) -> None:
    for line in path.read_text().splitlines():
        json.loads(line)


def _rows(path: Path) -> None:
    with path.open(newline="") as file:
        widths = {len(row) for row in csv.reader(file)}
    if len(widths) != 1 or not path.read_bytes().endswith(b"\n"):
        raise ValueError(path)


def _parquet(path: Path) -> None:
    from pyarrow import parquet

    parquet.read_table(path)


def _picture(path: Path) -> None:
    from PIL import Image

    Image.open(path).load()


def _onnx(path: Path) -> None:
    import onnx

    onnx.load(path)


def _toml(path: Path) -> None:
    import tomllib

    tomllib.loads(path.read_text())


def _page(path: Path) -> None:
    if not path.read_text().rstrip().endswith("</html>"):
        raise ValueError(path)


def _xml(path: Path) -> None:
    from xml.etree import ElementTree

    ElementTree.parse(path)
    if not path.with_suffix(".bin").is_file():
        raise ValueError(path)


_CHECKS: dict[str, Callable[[Path], object]] = {
    ".json": lambda path: json.loads(path.read_text()),
    ".jsonl": _lines,
    ".csv": _rows,
    ".parquet": _parquet,
    ".safetensors": _tensors,
    ".png": _picture,
    ".jpg": _picture,
    ".onnx": _onnx,
    ".toml": _toml,
    ".html": _page,
    ".xml": _xml,
}


def make_data(folder: Path) -> None:
    """Two small tables and a folder of pictures."""
    import numpy as np
    from PIL import Image

    words = [f"word{number}" for number in range(40)]
    generator = random.Random(1)
    with (folder / "texts.csv").open("w") as texts, (folder / "numbers.csv").open("w") as numbers:
        texts.write("id,text,label\n")
        numbers.write("a,b,label\n")
        for number in range(80):
            label = number % 2
            known = generator.choices(words[20 * label : 20 * label + 20], k=12)
            texts.write(f"{number},{' '.join(known)},{'yn'[label]}\n")
            numbers.write(f"{generator.gauss(label, 1)},{generator.gauss(0, 1)},{'yn'[label]}\n")
    pixels = np.random.default_rng(1)
    for number in range(24):
        place = folder / "pictures" / ("dark", "light")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        low = 120 * (number % 2)
        picture = pixels.integers(low, low + 120, (24, 24, 3)).astype(np.uint8)
        Image.fromarray(picture).save(place / f"{number}.png")


def commands(data: Path, models: Path, disk: Path) -> list[tuple[str, list[str]]]:
    """The commands by verb, each with its output on the small disk."""
    texts, pictures = str(data / "texts.csv"), str(data / "pictures")
    numbers = str(data / "numbers.csv")
    small = ["--steps", "3", "--batch", "16", *_MEMORY]
    text, picture, number = (str(models / name) for name in ("text", "picture", "number"))

    def out(name: str) -> list[str]:
        return ["--out", str(disk / "out" / name)]

    return [
        ("train", ["image-classification", pictures, "--model", "cnn", *small, *out("run")]),
        ("train", ["text-classification", texts, "--model", "lstm", *small, *out("run")]),
        ("train", ["tabular-classification", numbers, "--model", "dense", *small, *out("run")]),
        *(
            ("predict", [model, source, *_MEMORY, *out(f"results{suffix}")])
            for suffix in (".jsonl", ".csv", ".parquet")
            for model, source in ((text, texts), (number, numbers))
        ),
        (
            "predict",
            [picture, pictures, "--draw", str(disk / "out" / "drawn"), *_MEMORY, *out("p.jsonl")],
        ),
        ("evaluate", [number, numbers, *_MEMORY, *out("report")]),
        ("evaluate", [picture, pictures, *_MEMORY, *out("report")]),
        ("export", [picture, "--format", "onnx", *out("exported")]),
        ("export", [number, "--format", "openvino", *out("exported")]),
        ("export", [text, "--format", "huggingface", *out("exported")]),
        ("augment", [pictures, *out("sheet.png")]),
        ("compress", [number, "--data", numbers, "--method", "bf16", *_MEMORY, *out("small")]),
        ("inspect", [texts]),
        ("plan", ["tabular-classification", numbers, "--model", "dense", *_MEMORY]),
    ]


def one_event(
    runner: Runner, disk: Disk, verb: str, arguments: list[str], share: float, errors: Path
) -> Event:
    """Runs a command with a part of what it needs, then again with enough."""
    free = _needed(runner, disk, verb, arguments, errors)
    _empty(disk.folder)
    disk.leave(max(int(share * free), 4096))
    code = runner([verb, *arguments], errors)
    said = errors.read_text(errors="replace")
    faults = ["traceback"] if "Traceback (most recent call last)" in said else []
    if code not in (0, 1, 2):
        faults.append(f"exit code {code}")
    disk.all_free()
    faults += half_written(disk.folder)
    if code != 0:
        again = list(arguments)
        if verb in _RESUMABLE and _begun(disk.folder / "out"):
            again.append("--resume")
        if runner([verb, *again], errors) != 0:
            last = _last(errors.read_text(errors="replace"))
            if "nothing is shipped" not in last:  # compress: on a busy machine nothing is faster
                faults.append(f"not resumable: {last}")
        faults += [f"afterwards {fault}" for fault in half_written(disk.folder)]
    return Event(verb, code, tuple(faults), _last(said))


def _begun(out: Path) -> bool:
    return (out / "run" / "recipe.toml").exists() or any(out.glob("*.partial"))


_sizes: dict[tuple[str, ...], int] = {}


def _needed(runner: Runner, disk: Disk, verb: str, arguments: list[str], errors: Path) -> int:
    """What the command leaves when it ends well, and a third of it on the way."""
    key = (verb, *arguments)
    if key not in _sizes:
        _empty(disk.folder)
        disk.all_free()
        code = runner([verb, *arguments], errors)
        if code != 0 and verb != "compress":  # on a busy machine nothing may be faster
            raise RuntimeError(f"{verb}: {errors.read_text()}")
        files = [path.stat().st_size for path in disk.folder.rglob("*") if path.is_file()]
        _sizes[key] = max(files) if disk.limit else int(1.3 * sum(files)) + 4096 * len(files)
    return _sizes[key]


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _last(said: str) -> str:
    return (said.strip().splitlines() or [""])[-1]


def measure(
    events: int, seed: int, *, limit: bool, verbs: Sequence[str] = (), about: str = ""
) -> list[Event]:
    """So many events, over all commands in turn, each at a random moment.

    Args:
        events: how many.
        seed: of the moments.
        limit: limits on file sizes instead of a small disk.
        verbs: these only.
        about: commands that name this only.
    """
    generator = random.Random(seed)
    found = []
    with small_disk(limit=limit) as disk, tempfile.TemporaryDirectory() as elsewhere:
        data, models = Path(elsewhere), Path(elsewhere) / "models"
        make_data(data)
        errors = data / "errors.txt"
        runner = Runner(disk)
        chosen = [
            (verb, arguments)
            for verb, arguments in commands(data, models, disk.folder)
            if (not verbs or verb in verbs) and about in " ".join(arguments)
        ]
        used = {argument for _, arguments in chosen for argument in arguments}
        for name, task, source, model in (
            ("text", "text-classification", "texts.csv", "lstm"),
            ("picture", "image-classification", "pictures", "cnn"),
            ("number", "tabular-classification", "numbers.csv", "dense"),
        ):
            train = ["train", task, str(data / source), "--model", model, "--steps", "3"]
            out = str(models / name)
            if out in used and runner([*train, *_MEMORY, "--out", out], errors):
                raise RuntimeError(errors.read_text())
        for number in range(events):
            verb, arguments = chosen[number % len(chosen)]
            event = one_event(runner, disk, verb, arguments, generator.random(), errors)
            found.append(event)
            print(
                f"{number + 1} {verb} {event.code} {event.message} {list(event.faults)}", flush=True
            )
    return found


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", action="store_true", help="limits on file sizes, no tmpfs")
    parser.add_argument("--verbs", nargs="*", default=())
    parser.add_argument("--about", default="", help="commands that name this only")
    options = parser.parse_args()
    found = measure(
        options.events,
        options.seed,
        limit=options.limit,
        verbs=options.verbs,
        about=options.about,
    )
    faults = Counter(fault.partition(":")[0] for event in found for fault in event.faults)
    codes = Counter((event.verb, event.code) for event in found)
    print(json.dumps({
        "events": len(found),
        "failed as they should": sum(event.code != 0 for event in found),
        "codes": {f"{verb} {code}": count for (verb, code), count in sorted(codes.items())},
        "faults": dict(faults),
    }, indent=2))  # fmt: skip
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
