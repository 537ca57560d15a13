"""In a notebook, results show themselves as small tables, and progress is the notebook's bar."""

import io
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import tqdm.notebook
from tqdm import tqdm as text_bar

from evenly import (
    compare,
    deduplicate,
    embed,
    estimate,
    measure,
    rows_at,
    select_stream,
    select_uniform,
    suggest_budget,
)
from evenly.progress import new_bar
from tests.support.encoders import TopicEncoder, texts_of

VECTORS = np.random.default_rng(41).standard_normal((150, 4))
EVIL = "<script>alert('x')</script>"


@pytest.fixture(scope="module")
def results():
    subset = select_uniform(VECTORS, 12, exclude=[3])
    records = [{"text": f"{text} {EVIL}"} for text in texts_of(9)]
    texts = {"text": "text", "encoder": TopicEncoder(), "cache_dir": False}
    of_texts = select_uniform(records, 3, **texts)
    return {
        "a selection": subset,
        "a stream": select_stream([VECTORS], 5),
        "a deduplication": deduplicate(VECTORS, min_distance=0.2),
        "measures": measure(VECTORS, subset),
        "a comparison": compare({EVIL: [0, 1], "spread": subset}, VECTORS),
        "a suggestion": suggest_budget(VECTORS, 60, h_min=0.5),
        "a curve": suggest_budget(VECTORS, 60).curve,
        "an estimate": estimate(VECTORS, 10),
        "rows at a distance": rows_at(VECTORS, 0.5),
        "assignments": subset.assignments(VECTORS),
        "an explanation": of_texts.explain(
            int(of_texts.indices[0]), records, encoder=TopicEncoder()
        ),
        "embeddings": embed(["one", "two"], encoder=TopicEncoder(), cache_dir=False),
    }


SHOWN = (
    *("a selection", "a stream", "a deduplication", "measures", "a comparison", "a suggestion"),
    *("an estimate", "rows at a distance", "assignments", "an explanation"),
)
ARRAYS = ("a curve", "embeddings")


class Tags(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.open, self.names, self.texts = [], set(), []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.names.add(tag)
        assert [name for name, _ in attributes] == ([] if tag in ("table", "tr") else ["style"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("name", [*SHOWN, *ARRAYS])
def test_a_repr_is_one_short_line(results, name):
    shown = repr(results[name])

    assert type(results[name]).__name__ in shown
    assert len(shown) <= 220
    assert "\n" not in shown


@pytest.mark.parametrize("name", SHOWN)
def test_html_is_a_small_table_without_scripts(results, name):
    tags = Tags(results[name]._repr_html_())

    assert tags.names <= {"table", "caption", "tr", "th", "td"}
    assert tags.open == []
    assert len(results[name]._repr_html_()) < 20_000


def test_html_shows_what_is_printed(results):
    measures, selection = results["measures"], results["a selection"]

    texts = Tags(measures._repr_html_()).texts
    for line in str(measures).splitlines()[1:]:
        assert any(text and text in line for text in texts)
    assert f"{selection.h_min:.4f}" in selection._repr_html_()
    assert "Selection: 12 of 150 rows" in selection._repr_html_()
    assert "excluded" in selection._repr_html_()
    suggestion = results["a suggestion"]
    shown = Tags(suggestion._repr_html_()).texts
    assert "of best" in shown
    assert f"{suggestion.selection.h_min:.4f}" in shown


def test_texts_and_names_are_shown_as_they_are(results):
    for name in ("a comparison", "an explanation"):
        html = results[name]._repr_html_()
        assert "<script" not in html
        assert EVIL in "".join(Tags(html).texts)


@pytest.fixture
def notebook(monkeypatch):
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


class WidgetBar(text_bar):
    """Stands for the bar that ipywidgets draw."""


def test_a_notebook_has_its_own_bar(notebook, monkeypatch):
    monkeypatch.setattr(tqdm.notebook, "IProgress", object())
    monkeypatch.setattr(tqdm.notebook, "tqdm", WidgetBar)

    for shown, is_drawn in [(None, True), (True, True), (False, False)]:
        with new_bar(total=3, shown=shown, file=io.StringIO()) as bar:
            assert isinstance(bar, WidgetBar) is is_drawn
            assert bar.disable is not is_drawn


def test_a_notebook_without_widgets_has_a_bar_of_text_and_no_warning(notebook, monkeypatch):
    monkeypatch.setattr(tqdm.notebook, "IProgress", None)

    with new_bar(total=3, shown=None, file=io.StringIO()) as bar:
        assert type(bar) is text_bar
        assert not bar.disable


@pytest.mark.parametrize("shell", [None, SimpleNamespace(config={})])
def test_ipython_in_a_terminal_is_no_notebook(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))

    with new_bar(total=3, shown=None, file=io.StringIO()) as bar:
        assert type(bar) is text_bar
        assert bar.disable  # no terminal
