"""What trainers read: a subset in the order picked, of the kind they know."""

import numpy as np
import pytest

from evenly import errors, select_uniform

VECTORS = np.random.default_rng(0).standard_normal((20, 3))


def test_a_torch_subset_is_the_chosen_rows_in_the_order_picked():
    data = pytest.importorskip("torch.utils.data")
    torch = pytest.importorskip("torch")
    chosen = select_uniform(VECTORS, 6)
    dataset = data.TensorDataset(torch.from_numpy(VECTORS), torch.arange(20))

    subset = chosen.to_torch_subset(dataset)

    assert isinstance(subset, data.Subset)
    assert len(subset) == 6
    assert [int(label) for _, label in subset] == chosen.indices.tolist()
    [(_, labels)] = data.DataLoader(subset, batch_size=6)
    assert labels.tolist() == chosen.indices.tolist()


def test_anything_with_rows_will_do():
    pytest.importorskip("torch")
    chosen = select_uniform(VECTORS, 6)

    assert list(chosen.to_torch_subset(range(20))) == chosen.indices.tolist()
    with pytest.raises(errors.DataError, match="range has 19 rows"):
        chosen.to_torch_subset(range(19))


def test_a_dataset_is_selected_from_in_the_order_picked():
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"row": list(range(20)), "text": ["x"] * 20})
    chosen = select_uniform(VECTORS, 6)

    taken = chosen.take(dataset)

    assert isinstance(taken, datasets.Dataset)
    assert taken["row"][:] == chosen.indices.tolist()
    assert dataset.select(chosen.indices)["row"][:] == chosen.indices.tolist()
    assert taken.features == dataset.features
    pytest.importorskip("torch")
    assert [row["row"] for row in chosen.to_torch_subset(dataset)] == chosen.indices.tolist()
