"""Take the picture of the page in the README: python -m docs.make_pictures.

It selects among the requests of `evenly demo`, opens the page in Chromium, and writes page.png:
the page's beginning, and its map.
"""

from __future__ import annotations

import io
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from tests.support.browser import chromium

from evenly import report, select_uniform
from evenly.samples.requests import demo_requests

PICTURE = Path(__file__).with_name("page.png")
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


def main() -> None:
    """Write the picture."""
    subset = select_uniform(demo_requests(), 80, text="text", encoder="static")
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        page = Path(folder) / "page.html"
        report(subset).save(page)
        below_one_another(photograph(browser, page)).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
