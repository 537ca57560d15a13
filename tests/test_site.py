"""The site: it builds without a warning, its links resolve, and it asks other hosts for nothing."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import click
import pytest

import evenly
from evenly import cli

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Build the site with warnings as errors: broken links, lost pages, unknown names."""
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    configuration = str(ROOT / "docs" / "site" / "mkdocs.yml")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", configuration, "-d", folder],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    noise = ("Cleaning site directory", "Building documentation to", "Documentation built in")
    said = [line for line in built.stderr.splitlines() if not any(one in line for one in noise)]
    assert said == [], "the build is quiet"
    return folder


class Found(HTMLParser):
    """What a page contains: anchors, links, and what a browser loads with it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(values.get("href", ""))
        elif "src" in values:
            self.loaded.append(values["src"])


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Found]:
    return {page: Found(page) for page in site.rglob("*.html")}


def test_every_link_and_anchor_of_the_site_resolves(pages):
    for page, found in pages.items():
        for link in found.links:
            address = urlsplit(link)
            if address.scheme or page.name == "404.html":  # which has absolute links
                continue
            target = (page.parent / unquote(address.path)).resolve() if address.path else page
            assert target.exists(), f"{page.name} links to {link}"
            anchor = unquote(address.fragment)
            assert not anchor or anchor in pages[target].anchors, f"{page.name} links to {link}"


def test_a_page_loads_nothing_from_other_hosts(pages):
    for page, found in pages.items():
        assert [one for one in found.loaded if urlsplit(one).netloc] == [], page.name


def test_style_sheets_load_nothing_from_other_hosts(site):
    for sheet in site.rglob("*.css"):
        assert re.findall(r"url\(\s*['\"]?https?:|@import", sheet.read_text("utf-8")) == []


def test_the_reference_describes_every_public_name(pages, site):
    anchors = {anchor.rsplit(".")[-1] for anchor in pages[site / "api.html"].anchors}

    assert {*evenly.__all__} - {"__version__"} <= anchors


def test_the_reference_has_the_docstrings_that_help_shows(site):
    text = re.sub(r"<[^>]*>", "", (site / "api.html").read_text("utf-8"))

    assert "typical rows count as farther away" in " ".join(text.split())


def test_the_reference_of_commands_names_every_command_and_flag(site):
    text = html.unescape(re.sub(r"<[^>]*>", "", (site / "commands.html").read_text("utf-8")))

    for name, command in cli.main.commands.items():
        assert f"evenly {name}" in text
        for parameter in command.params:
            flags = [*parameter.opts, *parameter.secondary_opts]
            assert not isinstance(parameter, click.Option) or all(flag in text for flag in flags)
