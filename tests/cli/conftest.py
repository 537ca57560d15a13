from pathlib import Path

import numpy as np
import pytest

from tests.support.command_line import MODEL, RECORDS, VECTORS, save_letters_model, write_lines


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / MODEL
    save_letters_model(folder)
    return folder


@pytest.fixture(autouse=True)
def folder_of_data(tmp_path, monkeypatch, model_folder) -> None:
    """Run each test in a folder with texts, vectors, a model and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))
    Path(MODEL).symlink_to(model_folder)
    write_lines("train.jsonl", RECORDS)
    np.save("vectors.npy", VECTORS)
