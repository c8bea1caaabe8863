"""What decoding takes, for each way in which a format codes pixels: memory and time, and what
``images.costs`` expects of it.

    python -m bench.decoding [--megapixels 12]

Each image is decoded in a process of its own, whose largest resident size, less that before, is
the memory. Three images of each coding are measured: one even color, which makes the smallest file,
a photo-like one, and noise, which makes the largest. Linux only.
"""

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import numpy as np
from PIL import Image

from bench.machine import heading
from bench.process import ROOT
from bench.table import markdown
from images.costs import Cost
from images.decoding import examine
from images.spec import ImageSpec

SPECS: Final = ("digits", "gray-64x64", "rgb-224x224", "rgb-224x224:reduced")
ORIENTATIONS: Final = (1, 6)


class Coding(NamedTuple):
    """A way of coding pixels: Pillow's mode and format, and its options."""

    title: str
    mode: str
    format: str
    options: dict[str, Any] = {}  # noqa: RUF012 - never changed


CODINGS: Final = (
    Coding("PNG 1 bit", "1", "PNG"),
    Coding("PNG gray", "L", "PNG"),
    Coding("PNG gray, 16 bits", "I;16", "PNG"),
    Coding("PNG gray, transparent color", "L", "PNG", {"transparency": 3}),
    Coding("PNG gray with alpha", "LA", "PNG"),
    Coding("PNG palette", "P", "PNG"),
    Coding("PNG palette, transparent", "P", "PNG", {"transparency": 3}),
    Coding("PNG color", "RGB", "PNG"),
    Coding("PNG color, transparent color", "RGB", "PNG", {"transparency": (1, 2, 3)}),
    Coding("PNG color with alpha", "RGBA", "PNG"),
    Coding("JPEG gray", "L", "JPEG"),
    Coding("JPEG color", "RGB", "JPEG", {"subsampling": 0}),
    Coding("JPEG color, subsampled", "RGB", "JPEG", {"subsampling": 2}),
    Coding("JPEG CMYK", "CMYK", "JPEG"),
    Coding("JPEG progressive gray", "L", "JPEG", {"progressive": True}),
    Coding("JPEG progressive", "RGB", "JPEG", {"progressive": True, "subsampling": 0}),
    Coding("JPEG progressive, subsampled", "RGB", "JPEG", {"progressive": True, "subsampling": 2}),
    Coding("JPEG progressive CMYK", "CMYK", "JPEG", {"progressive": True}),
    Coding("WebP lossy", "RGB", "WebP", {"method": 0}),
    Coding("WebP lossy with alpha", "RGBA", "WebP", {"method": 0}),
    Coding("WebP lossless", "RGB", "WebP", {"lossless": True, "method": 0, "quality": 0}),
    Coding("WebP lossless, alpha", "RGBA", "WebP", {"lossless": True, "method": 0, "quality": 0}),
    Coding("GIF", "P", "GIF"),
    Coding("GIF, transparent", "P", "GIF", {"transparency": 3}),
    Coding("GIF, disposed of", "P", "GIF", {"transparency": 3, "disposal": 2}),
    Coding("BMP gray", "L", "BMP"),
    Coding("BMP color", "RGB", "BMP"),
    Coding("BMP color with alpha", "RGBA", "BMP"),
)


def picture(kind: str, mode: str, side: int) -> Image.Image:
    """Not larger in memory than the mode needs; ``kind``: even, photo or noise."""
    if kind == "even":
        return Image.new(mode, (side, side))
    if kind == "noise":
        values = np.random.default_rng(0).integers(0, 256, (side, side, 4), dtype=np.uint8)
    else:
        across, down = np.meshgrid(np.arange(side), np.arange(side))
        grain = np.random.default_rng(0).integers(0, 8, (side, side))
        shades = [(across * k + down * (5 - k)) * 255 // (5 * side) + grain for k in (1, 2, 3, 4)]
        values = np.stack(shades, axis=2).clip(0, 255).astype(np.uint8)
    if mode == "I;16":
        return Image.fromarray(values[:, :, 0].astype(np.uint16) << 8)
    image = Image.fromarray(values, "RGBA")
    return image.convert("RGB").convert(mode) if mode not in ("RGBA", "LA") else image.convert(mode)


def encode(coding: Coding, kind: str, side: int, orientation: int) -> bytes:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    extra = {"exif": exif} if coding.format in ("PNG", "JPEG", "WebP") and orientation > 1 else {}
    picture(kind, coding.mode, side).save(buffer, coding.format, **coding.options, **extra)
    return buffer.getvalue()


class Measured(NamedTuple):
    bytes: int
    seconds: float


def measure(path: Path, spec: str) -> Measured:
    """What decoding the file takes, in a process of its own."""
    command = [sys.executable, "-m", "bench.decoding", "--child", str(path), spec]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    memory, seconds = done.stdout.split()
    return Measured(int(memory), float(seconds))


def child(path: Path, spec: ImageSpec) -> Measured:
    """The same, in this process: its largest size in memory, less that before."""
    data = path.read_bytes()
    small = io.BytesIO()
    with Image.new("RGB", (300, 300)) as warm:
        warm.save(small, "WEBP" if data[:4] == b"RIFF" else "PNG")
    examine(small.getvalue()).pixels(spec)
    Path("/proc/self/clear_refs").write_text("5")
    before = _kilobytes("VmRSS")
    started = time.thread_time()
    examine(data).pixels(spec)
    seconds = time.thread_time() - started
    return Measured(1024 * (_kilobytes("VmHWM") - before), seconds)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


class Row(NamedTuple):
    """The costliest of a coding's images by memory, and the one that was expected worst."""

    title: str
    pixels: int
    measured: Measured
    expected: Cost
    least: float
    most: float


def rows(
    side: int, folder: Path, chosen: Callable[[str], bool], kinds: tuple[str, ...]
) -> Iterator[Row]:
    for coding in CODINGS:
        if not chosen(coding.title):
            continue
        found = []
        for kind in kinds:
            for orientation in ORIENTATIONS:
                path = folder / "image"
                path.write_bytes(encode(coding, kind, side, orientation))
                data = path.read_bytes()
                for spec in SPECS:
                    expected = examine(data).cost(ImageSpec.parse(spec))
                    found.append((measure(path, spec), expected))
        ratios = [expected.bytes / max(real.bytes, 1) for real, expected in found]
        real, expected = max(found, key=lambda pair: pair[0].bytes)
        slowest = max(real.seconds for real, _ in found)
        yield Row(
            coding.title,
            side * side,
            Measured(real.bytes, slowest),
            expected,
            min(ratios),
            max(ratios),
        )


def report(found: list[Row], arguments: str) -> str:
    head = (
        "",
        "bytes a pixel",
        "expected",
        "expected / measured, of all",
        "ns a pixel",
        "expected",
    )
    lines = [
        [
            row.title,
            f"{row.measured.bytes / row.pixels:.1f}",
            f"{row.expected.bytes / row.pixels:.1f}",
            f"{row.least:.2f} to {row.most:.2f}",
            f"{row.measured.seconds / row.pixels * 1e9:.0f}",
            f"{row.expected.seconds / row.pixels * 1e9:.0f}",
        ]
        for row in found
    ]
    note = f"Images of {found[0].pixels / 1e6:.0f} megapixels, upright and turned.\n"
    title = heading("Decoding", ["python -m bench.decoding", arguments])
    return "\n".join([title, note, markdown(head, lines)]) + "\n"


@click.command(context_settings={"show_default": True, "max_content_width": 100})
@click.option("--megapixels", default=12.0, type=click.FloatRange(0.1, 25))
@click.option("--only", default="", help="Codings that begin so.")
@click.option("--kind", default=("even", "photo", "noise"), multiple=True)
@click.option("--output", default=ROOT / "bench" / "decoding.md", type=click.Path(path_type=Path))
@click.option("--child", "task", nargs=2, hidden=True)
def main(
    megapixels: float,
    only: str,
    kind: tuple[str, ...],
    output: Path,
    task: tuple[str, str] | None,
) -> None:
    """Say what decoding takes, and what is expected of it."""
    if task:
        memory, seconds = child(Path(task[0]), ImageSpec.parse(task[1]))
        click.echo(f"{memory} {seconds}")
        return
    with tempfile.TemporaryDirectory(prefix="pupila-bench-") as folder:
        side = int((megapixels * 1e6) ** 0.5)
        found = list(rows(side, Path(folder), lambda title: title.startswith(only), kind))
    text = report(found, " ".join(sys.argv[1:]))
    output.write_text(text, encoding="utf-8")
    click.echo(text)


if __name__ == "__main__":
    main(prog_name="python -m bench.decoding")
