"""Draws the comparison of servers from its table: ``python -m bench.figure``.

Reads ``bench/results.md`` and writes ``docs/images/throughput.svg``: requests per second with 32
clients, one panel a model. Plain SVG without scripts or fonts, so that GitHub shows it, and with
colours for a light and a dark page.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results.md"
FIGURE = ROOT / "docs" / "images" / "throughput.svg"
STAGE = "32 clients"

TITLES = {
    "logistic": "Logistic regression, 8x8 digits",
    "svc": "Support vector machine, 8x8 digits",
    "forest": "Random forest of 100 trees, 8x8 digits",
    "photos": "Logistic regression, 30 KB color JPEGs",
}
# The rows of the table that are shown, and the names they get.
SERVERS = {
    "Pupila": "Pupila",
    "LitServe": "LitServe",
    "MLServer": "MLServer",
    "FastAPI": "FastAPI",
    "BentoML, one service": "BentoML",
    "MLflow": "MLflow",
    "Ray Serve": "Ray Serve",
}

# Pixels.
_WIDTH, _MARGIN, _NAMES, _NUMBERS = 860, 16, 76, 56
_ROW, _BAR, _TITLE, _HEAD, _GAP = 22, 14, 30, 48, 28

_STYLE = """
  <style>
    text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
    .head { font-size: 15px; font-weight: 600 }
    .title { font-size: 13px; font-weight: 600 }
    .ours { font-weight: 600 }
    rect { fill: #9aa4b2 }
    rect.ours { fill: #1a7f5a }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3 }
      rect { fill: #6e7681 }
      rect.ours { fill: #3fb68b }
    }
  </style>"""


def rates(results: str) -> dict[str, dict[str, float]]:
    """Requests per second of each server, by model, from the tables of ``results``."""
    found: dict[str, dict[str, float]] = {}
    for model, part in re.findall(
        r"^## `(\w+)`(.*?)(?=^## |\Z)", results, re.MULTILINE | re.DOTALL
    ):
        table = part.partition(f"### {STAGE}\n")[2].partition("\n### ")[0]
        rows = re.findall(r"^\| (\S.*?) +\| +([\d,.]+) \|", table, re.MULTILINE)
        found[model] = {server: float(rate.replace(",", "")) for server, rate in rows}
    return found


def figure(found: Mapping[str, Mapping[str, float]]) -> str:
    """The SVG: two panels beside each other, and as many rows of them as there are models."""
    panel_width = (_WIDTH - 2 * _MARGIN - _GAP) / 2
    panel_height = _TITLE + _ROW * len(SERVERS) + _GAP
    height = _HEAD + panel_height * ((len(TITLES) + 1) // 2)
    size = f'viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>{_STYLE}']
    lines.append(_text(_MARGIN, 24, "Correct answers per second, one worker, 32 clients", "head"))
    for number, (model, title) in enumerate(TITLES.items()):
        x = _MARGIN + (number % 2) * (panel_width + _GAP)
        y = _HEAD + (number // 2) * panel_height
        lines.append(_text(x, y + 12, title, "title"))
        lines += _bars(found[model], x + _NAMES, y + _TITLE, panel_width - _NAMES - _NUMBERS)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _bars(rates: Mapping[str, float], x: float, y: float, width: float) -> Iterator[str]:
    """Bars that begin at ``x``, the longest ``width``, between their names and numbers."""
    largest = max(rates[server] for server in SERVERS)
    for row, (server, name) in enumerate(SERVERS.items()):
        kind = "ours" if server == "Pupila" else "peer"
        top, length = y + row * _ROW, max(1.0, width * rates[server] / largest)
        yield _text(x - 8, top + _BAR - 3, name, kind, "end")
        box = f'x="{x:g}" y="{top:g}" width="{length:.1f}" height="{_BAR}" rx="2"'
        yield f'  <rect class="{kind}" {box}/>'
        yield _text(x + length + 6, top + _BAR - 3, f"{rates[server]:,.0f}", kind)


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    position = f'x="{x:.1f}" y="{y:g}" text-anchor="{anchor}"'
    return f'  <text class="{kind}" {position}>{escape(text)}</text>'


def main() -> None:
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    FIGURE.write_text(figure(rates(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"Wrote {FIGURE.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
