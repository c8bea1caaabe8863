"""Drawn data: folders of circles, squares and triangles, or of single images."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle")

# Each shape has a colour of its own, from which every image strays.
_COLOURS = {"circle": (200, 70, 60), "square": (60, 160, 80), "triangle": (70, 90, 200)}
_STRAY = 45


def draw_shape(shape: str, rng: np.random.Generator, side: int = 64) -> Image.Image:
    """A filled shape of random place, size and colour, with noise over all of the image."""
    background = rng.integers(90, 170, size=3)
    image = Image.new("RGB", (side, side), tuple(background.tolist()))
    radius = side * rng.uniform(0.22, 0.34)
    x, y = rng.uniform(radius, side - radius, size=2)
    colour = np.clip(np.array(_COLOURS[shape]) + rng.integers(-_STRAY, _STRAY, size=3), 0, 255)
    fill = tuple(colour.tolist())
    pen = ImageDraw.Draw(image)
    if shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill)
    elif shape == "square":
        pen.rectangle((x - radius, y - radius, x + radius, y + radius), fill)
    else:
        pen.polygon(((x, y - radius), (x - radius, y + radius), (x + radius, y + radius)), fill)
    noisy = np.asarray(image) + rng.normal(0, 15, size=(side, side, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def draw_folder(folder: Path, images: int, seed: int = 0, side: int = 64) -> Path:
    """A folder of three classes of square RGB PNGs, ``images`` of each."""
    rng = np.random.default_rng(seed)
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for number in range(images):
            draw_shape(shape, rng, side).save(folder / shape / f"{number:03d}.png")
    return folder


def two_classes(folder: Path, images: int = 3) -> Path:
    """A folder of the classes cat and dog, each with ``images`` gray PNGs of 8x8."""
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(images):
            (folder / label / f"{number}.png").write_bytes(flat(number))
    return folder


def png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of uint8 [H, W] or [H, W, 3]."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def flat(value: int = 100, side: int = 8, mode: str = "L") -> bytes:
    """A PNG of one gray or colour: ``mode`` L, or RGB with a red of ``value``."""
    colour = value if mode == "L" else (value, 20, 20)
    buffer = io.BytesIO()
    Image.new(mode, (side, side), colour).save(buffer, "PNG")
    return buffer.getvalue()
