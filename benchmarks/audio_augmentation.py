"""A chain of augmentations of recordings on one thread: anysize against audiomentations.

Speed, white noise, the echo of a room, gain, and a mask of time and one of frequency, of clips of
10 seconds at 16 kHz (librispeech_other100). Each library runs in a process of its own, all on the
same clips, in rounds one after the other. Time is the thread's own, so that other work on the
machine counts less. Masks are laid on log-mel frames that were made before; neither library is
timed for making them.

audiomentations plays faster or slower by ``Resample`` (soxr), which is what ``speed`` does, and
takes its rooms from files, which are those that ``reverb`` makes up. It masks samples
(``TimeMask``); its masks of frequency cannot be imported in this version, so it is spared them. It
does not fit beside our numpy: it runs in the environment that ``--peers`` names.

    python -m venv PEERS && PEERS/bin/pip install audiomentations==0.43.1
    python -m benchmarks.audio_augmentation --peers PEERS/bin/python [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

RATE, SECONDS, CLIPS, ROOMS = 16_000, 10, 16, 16
BAR = 3.0
SPEED, SNR, DECIBELS = (0.9, 1.1), (10.0, 40.0), 6.0


def main() -> None:
    """Runs the libraries in turn and prints the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=os.environ.get("ANYSIZE_PEERS", sys.executable))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", help="what a child process runs")
    parser.add_argument("--folder", type=Path, help="where its clips are")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(child(arguments.only, arguments.folder, arguments.seconds)))
        return
    from benchmarks import common

    print(common.machine(), "- one thread")
    folder = common.scratch("audio_augmentation")
    write_clips(folder)
    rates: dict[str, list[float]] = {name: [] for name in CHILDREN}
    missing: dict[str, str] = {}
    for _ in range(arguments.rounds):
        for name in CHILDREN:
            found = launch(name, folder, arguments)
            if "rate" in found:
                rates[name].append(found["rate"])
            else:
                missing[name] = found["missing"]
    for name, values in rates.items():
        words = f"{common.spread(values, 0)} seconds of sound a second" if values else missing[name]
        print(f"{name:<28}", words)
    for part in ("", *PARTS):
        mine, theirs = rates[f"anysize{part}"], rates[f"audiomentations{part}"]
        if mine and theirs:
            ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
            bar = "" if part else f" (bar {BAR})"
            print(f"anysize against audiomentations{part}: {common.spread(ratios)} times{bar}")


def launch(name: str, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """One child's findings."""
    ours = name.startswith("anysize")
    # The peers' environment has no anysize: this file alone is run there.
    command = ["-m", "benchmarks.audio_augmentation"] if ours else [str(Path(__file__).resolve())]
    done = subprocess.run(
        [
            sys.executable if ours else arguments.peers, *command, "--only", name,
            "--folder", str(folder.resolve()), "--seconds", str(arguments.seconds),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"missing": f"not measured: {last}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Seconds of sound a second of the thread's time."""
    clips, frames = np.load(folder / "clips.npy"), np.load(folder / "frames.npy")
    step = CHILDREN[name](folder, list(clips), frames)
    for index in range(CLIPS):
        step(index)
    count, begun, start = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - begun < seconds:
        for index in range(CLIPS):
            step(count + index)
        count += CLIPS
    return {"rate": SECONDS * count / (time.process_time() - start)}


def write_clips(folder: Path) -> None:
    """Clips of speech, log-mel frames, and rooms as files."""
    import soundfile

    from anysize.augmentation.acoustics import room
    from anysize.readers.audio.sound import Sound
    from anysize.readers.spectra.front import log_mel
    from anysize.readers.spectra.stream import frames
    from benchmarks import common

    samples, count = [], 0
    for path in sorted(common.data("librispeech_other100").rglob("*.flac")):
        for block in Sound(path).blocks(RATE):
            samples.append(block)
            count += len(block)
        if count >= CLIPS * SECONDS * RATE:
            break
    clips = np.concatenate(samples)[: CLIPS * SECONDS * RATE].reshape(CLIPS, -1)
    np.save(folder / "clips.npy", clips)
    np.save(folder / "frames.npy", np.concatenate(list(frames([clips[0]], log_mel(RATE, 64)))))
    (folder / "rooms").mkdir(exist_ok=True)
    for number, seconds in enumerate(np.linspace(0.1, 0.6, ROOMS)):
        # Their loudest sample is the direct sound, which normalisation keeps.
        sound = room(float(seconds), 6.0, RATE, number)
        soundfile.write(folder / "rooms" / f"{number}.wav", sound, RATE, subtype="FLOAT")


# Each of these makes a function that does clip ``index``.


def anysize_chain(spec: str) -> Callable[[Path, list[Any], Any], Callable[[int], None]]:
    """The steps of a specification."""

    def make(_folder: Path, clips: list[Any], frames: Any) -> Callable[[int], None]:
        from anysize.augmentation.sounds import SoundChanges
        from anysize.augmentation.specification import parse

        changes = SoundChanges(parse(spec), 0, RATE)
        block = 1 << 15  # as decoders give them

        def step(index: int) -> None:
            clip = clips[index % CLIPS]
            blocks = (clip[start : start + block] for start in range(0, len(clip), block))
            found = np.concatenate(list(changes.samples(0, str(index))(blocks, RATE)))
            assert len(found) > 0.8 * len(clip)
            changes.frames(frames, 0, str(index), 0)

        return step

    return make


def audiomentations_chain(
    names: tuple[str, ...],
) -> Callable[[Path, list[Any], Any], Callable[[int], None]]:
    """The same changes by audiomentations."""

    def make(folder: Path, clips: list[Any], _frames: Any) -> Callable[[int], None]:
        import audiomentations as library

        known = {
            "speed": lambda: library.Resample(
                min_sample_rate=round(RATE / SPEED[1]), max_sample_rate=round(RATE / SPEED[0]), p=1
            ),
            "noise": lambda: library.AddGaussianSNR(min_snr_db=SNR[0], max_snr_db=SNR[1], p=1),
            "room": lambda: library.ApplyImpulseResponse(
                str(folder / "rooms"), p=1, leave_length_unchanged=True
            ),
            "gain": lambda: library.Gain(min_gain_db=-DECIBELS, max_gain_db=DECIBELS, p=1),
            "mask": lambda: library.TimeMask(
                min_band_part=0.0, max_band_part=0.025, fade_duration=0.0, p=1
            ),
        }
        chain = library.Compose([known[name]() for name in names])

        def step(index: int) -> None:
            clip = clips[index % CLIPS]
            found = chain(samples=clip, sample_rate=RATE)
            assert len(found) > 0.8 * len(clip)

        return step

    return make


_SPEED, _NOISE = "speed(0.9..1.1)", "background_noise(10..40, white, p=1)"
_ROOM, _GAIN = "reverb(0.1..0.6, 6..6, p=1)", "gain(-6..6)"
_MASKS = "time_mask(0..25, count=1), frequency_mask(0..8, count=1)"
PARTS = (" speed", " noise", " room")
CHILDREN = {
    "anysize": anysize_chain(f"{_SPEED}, {_NOISE}, {_ROOM}, {_GAIN}, {_MASKS}"),
    "audiomentations": audiomentations_chain(("speed", "noise", "room", "gain", "mask")),
    "anysize speed": anysize_chain(_SPEED),
    "audiomentations speed": audiomentations_chain(("speed",)),
    "anysize noise": anysize_chain(_NOISE),
    "audiomentations noise": audiomentations_chain(("noise",)),
    "anysize room": anysize_chain(_ROOM),
    "audiomentations room": audiomentations_chain(("room",)),
}

if __name__ == "__main__":
    main()
