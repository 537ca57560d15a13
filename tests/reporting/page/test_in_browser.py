"""The page in a real Chromium: it loads nothing, runs no text, and does what it offers."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace

import numpy as np
import pytest

from evenly import report, select_uniform
from tests.support.browser import chromium, messages, requests

EVIL = (
    "<script>document.title = 'run'</script></script><!-- <img src=x onerror=\"window.run = 1\"> "
    "{{ 7*7 }} ${7*7} @row @{text}{safe} $$x^2$$ \u202eabc\u202c \x00\x07 \u2028 😀 'q' \"d\""
)
NEAR = 3


def wait_for(condition, seconds=20):
    """Return what a condition returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of 120 rows, the first of which is hostile, opened in a browser."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(120, 4))
    vectors[-NEAR:] = vectors[:NEAR] * 1.001  # near-duplicates of the first rows
    records = [
        {
            "text": EVIL if row < 2 else f"row of number {row}",
            "group": f"<b>{row % 3}</b>",
            "n": row,
        }
        for row in range(120)
    ]
    records[2]["text"] = "x" * 100_000
    chosen = select_uniform(records, 20, text="text", vectors=vectors, normalize=False)
    made = report(chosen, beside={EVIL: range(20)}, color_by=["group", "n"], random_subsets=1)
    path = tmp_path_factory.mktemp("page") / "page.html"
    made.save(path)
    with chromium() as browser:
        requests(browser)
        browser.get(path.as_uri())
        wait_for(lambda: browser.execute_script("return document.documentElement.dataset.ready"))
        yield SimpleNamespace(
            browser=browser,
            chosen=chosen,
            path=path,
            run=browser.execute_script,
            loaded=(messages(browser), requests(browser)),
        )


def texts(page, selector):
    return page.run(
        "return [...document.querySelectorAll(arguments[0])]"
        ".filter(one => one.offsetParent !== null).map(one => one.textContent.trim())",
        selector,
    )


def test_it_loads_without_messages_or_requests(page):
    said, asked = page.loaded

    assert said == []
    assert asked == [page.path.as_uri()]


def test_nothing_can_be_requested(page):
    blocked = page.browser.execute_async_script(
        "const done = arguments[0];"
        "fetch('https://example.org').then(() => done('sent'), () => done('blocked'))"
    )
    assert blocked == "blocked"
    assert all("Content Security Policy" in one for one in messages(page.browser))


def test_hostile_texts_are_shown_and_not_run(page):
    assert page.run("return document.title").startswith("a list of 120 records: 20 of 120 rows")
    assert page.run("return window.run ?? null") is None
    assert page.run("return document.querySelectorAll('main script, main img').length") == 0
    shown = " ".join(texts(page, "td.text"))
    assert "<script>document.title = 'run'</script></script><!-- <img src=x" in shown
    assert "{{ 7*7 }} ${7*7} @row @{text}{safe} $$x^2$$ \\u202eabc\\u202c \\u0000\\u0007" in shown
    assert max(map(len, texts(page, "td.text"))) <= 400


def test_a_script_that_got_in_would_not_run(page):
    page.run(
        "const evil = document.createElement('script');"
        "evil.textContent = 'window.run = 1'; document.body.append(evil);"
    )
    assert page.run("return window.run ?? null") is None
    assert "Content Security Policy" in messages(page.browser)[0]


def test_headings_sort(page):
    click = "document.querySelectorAll('#first th button')[arguments[0]].click()"
    for sign, word in ((1, "ascending"), (-1, "descending")):
        page.run(click, 1)
        rows = [int(text) for text in texts(page, "#first td.row")]
        assert rows == sorted(page.chosen.indices.tolist(), reverse=sign < 0)
        assert page.run("return document.querySelector('#first [aria-sort]').ariaSort") == word


def test_fields_search(page):
    search = (
        "const field = document.querySelector('[data-search=first]'); field.value = arguments[0];"
        "field.dispatchEvent(new Event('input'))"
    )
    row = max(page.chosen.indices.tolist())
    page.run(search, f"NUMBER {row}")
    assert texts(page, "#first td.row") == [str(row)]
    assert texts(page, "[data-count=first]") == ["1 of 20 rows"]
    page.run(search, "")
    assert len(texts(page, "#first td.row")) == 20


def test_the_slider_says_what_a_budget_gives(page):
    move = (
        "const slider = document.getElementById('budget'); slider.value = slider.max;"
        "slider.dispatchEvent(new Event('input'))"
    )
    page.run(move)
    assert texts(page, "#budget-says")[0].startswith("40 rows: h_min ")
    lines = "return [...Bokeh.documents[0]._all_models.values()]"
    moved = page.run(f"{lines}.filter(one => one.name === 'moving').map(one => one.location)")
    assert moved == [40.0] * 4


def place_of(page, row):
    """Return where a row is on the screen, after its map was scrolled there."""
    return page.run(
        """
        document.getElementById("plot-map").scrollIntoView({behavior: "instant", block: "center"});
        const plots = Bokeh.documents[0];
        const layers = ["left out", "near-duplicate", "chosen"];
        for (const layer of layers) {
          const model = plots.get_model_by_name(`layer ${layer}`);
          const data = model.data_source.data;
          const place = [...data.row].indexOf(arguments[0]);
          if (place < 0) continue;
          const view = Bokeh.index.find_one_by_id(
            Object.entries(JSON.parse(document.getElementById("values").textContent).elements)
              .find(([, element]) => element === "plot-map")[0]);
          const inner = view.canvas_view.el.getBoundingClientRect();
          return [inner.x + view.frame.x_scale.compute(data.x[place]),
                  inner.y + view.frame.y_scale.compute(data.y[place])];
        }
        """,
        row,
    )


def mouse(page, kind, x, y):
    page.browser.execute_cdp_cmd(
        "Input.dispatchMouseEvent",
        {
            "type": f"mouse{kind}",
            "x": x,
            "y": y,
            "button": "none" if kind == "Moved" else "left",
            "buttons": 0 if kind == "Moved" else 1,
            "clickCount": 1,
        },
    )


def hovered(page):
    """Return the texts of the tooltips that are shown, which live in shadow trees."""
    return page.run(
        """
        const found = [];
        const walk = (node) => {
          if (node.classList?.contains("bk-Tooltip") && node.shadowRoot)
            found.push(node.shadowRoot.textContent);
          for (const child of node.children ?? []) walk(child);
          if (node.shadowRoot) walk(node.shadowRoot);
        };
        walk(document.body);
        return found.join(" ");
        """
    )


def test_hovering_shows_the_text(page):
    x, y = place_of(page, 0)
    mouse(page, "Moved", x - 40, y - 40)
    mouse(page, "Moved", x, y)

    said = wait_for(lambda: hovered(page))

    assert re.search(r"row \d+, ", said)
    assert page.run("return window.run ?? null") is None
    assert "<script>document.title" in said
    assert "@row @{text}{safe} $$x^2$$" in said
    assert messages(page.browser) == []


def test_rows_that_are_drawn_around_are_listed(page):
    x, y = place_of(page, 5)
    size = 12
    corners = [
        (x - size, y - size),
        (x + size, y - size),
        (x + size, y + size),
        (x - size, y + size),
    ]
    mouse(page, "Moved", *corners[0])
    mouse(page, "Pressed", *corners[0])
    for begin, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        for share in np.linspace(0.1, 1.0, 8):
            at = [a + (b - a) * share for a, b in zip(begin, end, strict=True)]
            page.browser.execute_cdp_cmd(
                "Input.dispatchMouseEvent",
                {"type": "mouseMoved", "x": at[0], "y": at[1], "button": "left", "buttons": 1},
            )
    mouse(page, "Released", *corners[0])

    listed = wait_for(lambda: texts(page, "#lassoed td.row"))

    assert "5" in listed
    assert len(listed) < 60
    page.run("document.getElementById('lassoed-clear').click()")
    assert texts(page, "#lassoed td.row") == []


def test_the_map_is_coloured_by_a_column(page):
    choose = (
        "const choice = document.getElementById('colour'); choice.value = arguments[0];"
        "choice.dispatchEvent(new Event('change'))"
    )
    page.run(choose, "0")
    assert [text[:8] for text in texts(page, "#colours .key")] == [f"<b>{n}</b>" for n in range(3)]
    glyph = "return Bokeh.documents[0].get_model_by_name('layer chosen').glyph.fill_color"
    assert page.run(glyph)["field"] == "colour0"
    page.run(choose, "1")
    assert page.run(glyph)["field"] == "colour1"
    assert page.run("return document.getElementById('colours').className") == "legend scale"
    page.run(choose, "")
    assert isinstance(page.run(glyph), str | dict)
    assert texts(page, "#colours") == []


def test_the_theme_changes(page):
    paper = "return getComputedStyle(document.body).backgroundColor"
    before = page.run(paper)
    page.run("document.getElementById('theme').click()")
    assert page.run(paper) != before
    page.run("document.getElementById('theme').click()")
    assert page.run(paper) == before


def test_nothing_is_wider_than_a_phone(page):
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    try:
        wait_for(lambda: page.run("return innerWidth") == 390)
        assert page.run("return document.documentElement.scrollWidth") <= 390
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_can_be_read_without_scripts(page):
    page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.browser.refresh()
        body = page.browser.find_element("tag name", "main").text
    finally:
        page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    assert "20 of 120 rows" in body
    assert "How many rows?" in body
    assert "<script>document.title" in body
