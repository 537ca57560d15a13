"""Blocks of data in Ray, without Ray."""

import numpy as np
import pytest

from evenly import measure, select_uniform
from evenly.distributed.parts import split_references
from evenly.distributed.references import is_in_ray, open_blocks
from evenly.errors import DataError, OptionError

ObjectRef = type("ObjectRef", (), {"__module__": "ray._raylet"})
Dataset = type("Dataset", (), {"__module__": "ray.data.dataset"})
Materialized = type("MaterializedDataset", (Dataset,), {})


def test_what_is_in_ray():
    assert is_in_ray([ObjectRef(), ObjectRef()])
    assert is_in_ray(Dataset())
    assert is_in_ray(Materialized())
    for other in ([], [ObjectRef(), "text"], ["text"], np.eye(2), "ray"):
        assert not is_in_ray(other)


@pytest.mark.parametrize("cluster", [None, "ray://head:10001"])
@pytest.mark.parametrize("data", [Dataset(), [ObjectRef()]], ids=["dataset", "references"])
def test_data_in_ray_need_their_own_cluster(data, cluster):
    with pytest.raises(OptionError, match='cluster="auto"'):
        select_uniform(data, 2, cluster=cluster)
    with pytest.raises(OptionError, match='cluster="auto"'):
        measure(data, [0, 1], cluster=cluster)


def test_arrays_are_one_data_set():
    rows = np.arange(12.0).reshape(4, 3)

    opened = open_blocks([rows[:0], rows[:1], rows[1:]])

    assert np.array_equal(opened.stored_vectors, rows)
    assert len(open_blocks([rows[:0], rows[:0]])) == 0


def test_tables_are_one_data_set():
    pa = pytest.importorskip("pyarrow")

    opened = open_blocks([pa.table({"text": ["a", "b"]}), pa.table({"text": ["c"]})])

    assert opened.column("text") == ["a", "b", "c"]


@pytest.mark.parametrize("blocks", [["text"], [np.eye(2), [1, 2]]], ids=str)
def test_blocks_of_other_kinds(blocks):
    with pytest.raises(DataError, match="NumPy arrays"):
        open_blocks(blocks)


@pytest.mark.parametrize("workers", [1, 2, 3, 9])
def test_each_block_has_one_worker_in_order(workers):
    parts = split_references(list("abcde"), workers)

    assert "".join(one for part in parts for one in part.references) == "abcde"
    assert len(parts) == min(workers, 5)
    assert str(parts[-1]).startswith(f"blocks {parts[-1].first} to 4")


@pytest.mark.parametrize("method", ["take", "to_torch_subset"])
def test_data_in_ray_have_no_rows_here_to_take(method):
    chosen = select_uniform(np.eye(4), 2)

    with pytest.raises(OptionError, match=r"a ray\.data\.Dataset has no rows on this machine"):
        getattr(chosen, method)(Dataset())
