"""Make the pictures of the README, of the requests of `evenly demo`: python -m docs.make_pictures.

It opens the page about a subset in Chromium and writes page.png, its beginning and its map; and
draws how-many-rows.svg, what every number of rows gives.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from tests.support.browser import chromium

from evenly import BudgetSuggestion, plot, report, select_uniform, suggest_budget
from evenly.samples.requests import demo_requests

PICTURE = Path(__file__).with_name("page.png")
CURVE = Path(__file__).with_name("how-many-rows.svg")
WIDTH, HEIGHT, MARGIN = 1200, 1200, 28
COLOURS = 256
PARTS = (".hero", "#map")


def photograph(browser: Any, page: Path) -> list[Image.Image]:
    """Open a page and return pictures of its parts."""
    browser.set_window_size(WIDTH, HEIGHT)
    browser.get(page.as_uri())
    while not browser.execute_script("return document.documentElement.dataset.ready"):
        time.sleep(0.1)
    # The bar would lie over the parts.
    browser.execute_script("document.querySelector('.bar').remove()")
    time.sleep(1)  # until all plots are drawn
    found = browser.find_elements("css selector", ", ".join(PARTS))
    return [Image.open(io.BytesIO(part.screenshot_as_png)) for part in found]


def below_one_another(parts: list[Image.Image]) -> Image.Image:
    """Return pictures as one, in few colours."""
    width = max(part.width for part in parts) + 2 * MARGIN
    whole = Image.new("RGB", (width, sum(part.height for part in parts)), "#fbfaf7")
    top = 0
    for part in parts:
        whole.paste(part.convert("RGB"), ((width - part.width) // 2, top))
        top += part.height
    return whole.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)


def draw_curve(suggestion: BudgetSuggestion, path: Path) -> None:
    """Draw h_min and the coverage radius of every budget side by side, as SVG."""
    import matplotlib
    from matplotlib import pyplot

    matplotlib.use("svg")
    # Text stays text and nothing depends on the time, which keeps files and diffs small.
    settings = {"svg.fonttype": "none", "svg.hashsalt": "evenly", "font.size": 9}
    with pyplot.rc_context(settings):
        figure, axes = pyplot.subplots(1, 2, figsize=(9.5, 3.4), layout="constrained")
        for axis, measure in zip(axes, ("h_min", "coverage_radius"), strict=True):
            plot.curve(suggestion, measure, ax=axis)
        figure.savefig(path, format="svg", metadata={"Date": None}, facecolor="white")
        pyplot.close(figure)


def main() -> None:
    """Write the pictures."""
    draw_curve(suggest_budget(demo_requests(), 500), CURVE)
    subset = select_uniform(demo_requests(), 80, text="text", encoder="static")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page = Path(folder) / "page.html"
        report(subset).save(page)
        below_one_another(photograph(browser, page)).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
