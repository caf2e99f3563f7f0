"""Memory that decoders take which hold the whole picture: bytes a pixel, measured and declared.

``anysize.readers.formats`` declares what a decoder takes for each pixel; pictures that would take
more than allowed are refused by it. What is measured must not be above what is declared.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from anysize.core.memory import peak, reset_peak, resident
from anysize.readers.image import Image

SIDE = 3000
KINDS: dict[str, dict[str, Any]] = {
    "progressive.jpg": {"format": "JPEG", "progressive": True},
    "progressive-444.jpg": {"format": "JPEG", "progressive": True, "subsampling": 0},
    "rgb.bmp": {"format": "BMP"},
    "lossy.webp": {"format": "WEBP"},
    "lossless.webp": {"format": "WEBP", "lossless": True, "mode": "RGBA", "method": 0},
    "animated.webp": {"format": "WEBP", "save_all": True, "frames": 2},
    "one.gif": {"format": "GIF"},
    "animated.gif": {"format": "GIF", "save_all": True, "frames": 2},
    "one.avif": {"format": "AVIF", "speed": 10},
    "alpha.avif": {"format": "AVIF", "speed": 10, "mode": "RGBA", "subsampling": "4:4:4"},
    "rgb.jp2": {"format": "JPEG2000", "irreversible": False},
    "rgba.jp2": {"format": "JPEG2000", "mode": "RGBA"},
    "rgb.ppm": {"format": "PPM"},
    "float.pfm": {"format": "PPM", "mode": "F"},
    "rgba.tga": {"format": "TGA", "mode": "RGBA", "compression": "tga_rle"},
    "rgba.qoi": {"format": "QOI", "mode": "RGBA"},
    "rgb.pcx": {"format": "PCX"},
    "rgb.sgi": {"format": "SGI"},
    "rgba.dds": {"format": "DDS", "mode": "RGBA"},
    "palette.png": {"format": "PNG", "mode": "P"},
    "animated.png": {"format": "PNG", "save_all": True, "frames": 2, "mode": "RGBA"},
}


def make(name: str, folder: Path) -> Path:
    """A file of smooth noise."""
    from PIL import Image as Pillow

    options = dict(KINDS[name])
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (SIDE // 50, SIDE // 50, 3), dtype=np.uint8)
    picture = Pillow.fromarray(small).resize((SIDE, SIDE)).convert(options.pop("mode", "RGB"))
    others = [picture.rotate(90)] * (options.pop("frames", 1) - 1)
    if others:
        options["append_images"] = others
    file = io.BytesIO()
    picture.save(file, **options)
    path = folder / name
    path.write_bytes(file.getvalue())
    return path


def measure(path: Path) -> tuple[float, float]:
    """Bytes a pixel, measured and declared; in a process of its own."""
    first = Image(path.parent / "first.jpg")
    first.resized(8, 8)
    image = Image(path)
    header = image.header
    start = resident()
    reset_peak()
    if header.pages > 1:
        for page in image.read_pages(range(header.pages)):
            page.resized(64, 64)
    else:
        image.resized(64, 64)
    return (peak() - start) / (header.width * header.height), header.pixel


def main() -> None:
    """Prints a line a kind."""
    if len(sys.argv) > 1:
        print(*measure(Path(sys.argv[1])))
        return
    print(f"{'kind':<22}{'measured':>10}{'declared':>10}  bytes a pixel, {SIDE} x {SIDE}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        from PIL import Image as Pillow

        Pillow.new("RGB", (64, 64)).save(folder / "first.jpg")
        for kind in KINDS:
            command = [sys.executable, "-m", "benchmarks.picture_memory", str(make(kind, folder))]
            told = subprocess.run(command, capture_output=True, text=True, check=False)
            if told.returncode:
                print(f"{kind:<22}{told.stderr.strip().splitlines()[-1]}")
                continue
            measured, declared = map(float, told.stdout.split())
            print(f"{kind:<22}{measured:>10.1f}{declared:>10.1f}")


if __name__ == "__main__":
    main()
