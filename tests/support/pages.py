"""Read the HTML pages of subsets."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any


def table(html: str, name: str) -> list[list[str]]:
    """Return the cells of a table of a page."""
    found = re.search(rf'<table id="{name}">(.*?)</table>', html, re.DOTALL)
    body = found[1].partition("<tbody>")[2]
    return [
        [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    ]


def json_of(html: str, name: str) -> Any:
    """Return the JSON in a script element of a page."""
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)<', html)[1])


def without_scripts(html: str) -> str:
    """Leave out scripts and JSON; the models in it are numbered anew in every page."""
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
