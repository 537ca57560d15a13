from __future__ import annotations

import pytest

from evenly.embedding import EmbeddingCache
from tests.support.encoders import TopicEncoder


@pytest.fixture
def encoder() -> TopicEncoder:
    return TopicEncoder(texts_per_call=4)


@pytest.fixture
def cache(tmp_path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _no_cache_outside_the_test(tmp_path, monkeypatch):
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "default-cache"))
