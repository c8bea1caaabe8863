"""Takes out of a virtual environment what no job of ours ever loads: ``slim.py <environment>``.

Runs while the image is built, with binutils. What is saved: architecture/0006-deployment.md.
"""

import compileall
import py_compile
import shutil
import struct
import subprocess
import sys
from pathlib import Path

NEVER_LOADED = (
    # Arrow's RPC, its clients of object stores, ORC, and one library under three names.
    "pyarrow/include",
    "pyarrow/src",
    "pyarrow/*flight*",
    "pyarrow/*_s3*",
    "pyarrow/_orc*",
    "pyarrow/libarrow_python*.so",
    "pyarrow/lib*.so.*.*.*",
    # ONNX Runtime's C library, which its Python module has inside; tools for language models.
    "onnxruntime/capi/libonnxruntime.so*",
    "onnxruntime/transformers",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    # What matplotlib needs for PDF, and for text that ours has not; our pictures are PNG. Of
    # fontTools it always loads the names of glyphs.
    "fontTools/*Lib",
    "fontTools/cu2qu",
    "fontTools/encodings",
    "fontTools/merge",
    "fontTools/pens",
    "fontTools/qu2cu",
    "fontTools/subset",
    "fontTools/unicodedata",
    "matplotlib/mpl-data/sample_data",
    "matplotlib/mpl-data/fonts/afm",
    "matplotlib/mpl-data/fonts/pdfcorefonts",
    "matplotlib/mpl-data/fonts/ttf/STIX*",
    "matplotlib/mpl-data/fonts/ttf/cm*",
    "matplotlib/mpl-data/fonts/ttf/DejaVuSerif*",
    "matplotlib/mpl-data/fonts/ttf/DejaVuSansMono*",
    "matplotlib/mpl-data/fonts/ttf/*Oblique*",
    # A format that requests may not have.
    "PIL/_avif*",
    "pillow.libs/libavif*",
    # Languages of source code, which rich colors on request: nothing of ours requests it.
    "pygments/lexers/[a-z]*",
    "pygments/lexers/_*_builtins.py",
    # For NumPy's own tests alone.
    "numpy/_core/_simd*",
    # Lists of files as they were.
    "*.dist-info/RECORD",
)
TESTS = {"test", "tests"}
FOR_COMPILERS = {".a", ".c", ".cc", ".cpp", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx"}


def main(environment: Path) -> None:
    (packages,) = environment.glob("lib/python3.*/site-packages")
    for pattern in NEVER_LOADED:
        found = list(packages.glob(pattern))
        if not found:
            sys.exit(f"There is no {pattern} any more: take it off the list in {__file__}.")
        for path in found:
            remove(path)
    for path in [path for path in packages.rglob("*") if path.name in TESTS and path.is_dir()]:
        remove(path)
    share(packages)
    for path in packages.rglob("*"):
        if path.suffix in FOR_COMPILERS and path.is_file():
            path.unlink()
        elif ".so" in path.suffixes and path.is_file() and not path.is_symlink():
            strip(path)
    # Bytecode in the place of its source: both would be 70 MB more.
    if not compileall.compile_dir(
        packages,
        maxlevels=20,
        quiet=1,
        legacy=True,
        stripdir=str(packages),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    ):
        sys.exit("Some module does not compile.")
    for path in packages.rglob("*.py"):
        path.unlink()


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def share(packages: Path) -> None:
    """Keep one of the libraries that several wheels bring along under one name, which has a hash of
    their content in it."""
    first: dict[str, Path] = {}
    for path in sorted(packages.glob("*.libs/*.so*")):
        kept = first.setdefault(path.name, path)
        if kept is not path and kept.read_bytes() == path.read_bytes():
            path.unlink()
            path.symlink_to(Path("..", kept.relative_to(packages)))


def strip(library: Path) -> None:
    """Take the symbols for debuggers out of a library, where it can still be loaded then."""
    stripped = library.with_name(f"{library.name}-stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", stripped, library], check=True)  # noqa: S603, S607
    if is_aligned(stripped.read_bytes()):
        stripped.replace(library)
    else:
        stripped.unlink()


def is_aligned(elf: bytes) -> bool:
    """Whether the loader takes this 64-bit little-endian ELF file.

    strip misplaces segments that patchelf has moved, as it has in many wheels; see elf(5).
    """
    (offset,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    for i in range(count):
        kind, _, place, address, _, _, _, alignment = struct.unpack_from(
            "<IIQQQQQQ", elf, offset + i * size
        )
        if kind == 1 and alignment > 1 and (address - place) % alignment:
            return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]))
