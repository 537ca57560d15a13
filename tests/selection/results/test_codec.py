"""The codec: what is written is read, and nothing that was changed is taken for something else."""

import hashlib
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly import Selection, UniformStream, errors, select_uniform
from evenly.selection.results.codec import Codec

CODEC = Codec("evenly test", 2, "a saved test", errors.ManifestError, "Make it again.")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
OWN_NAMES = {"format", "version", "checksum", "arrays"}
documents = st.dictionaries(
    st.text(max_size=5).filter(lambda name: name not in OWN_NAMES), json_values, max_size=4
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("codec") / "file"


def without_title(document):
    return {name: value for name, value in document.items() if name not in ("format", "version")}


@given(document=documents)
def test_documents_come_back(path, document):
    path.write_bytes(CODEC.to_json(document))

    assert without_title(CODEC.read_json(path)) == document


@given(
    document=documents,
    shape=st.lists(st.integers(0, 3), max_size=3),
    dtype=st.sampled_from(["<f2", "<f4", ">f4", "<f8", ">f8", "<i8", ">i4", "u1", "?"]),
    seed=st.integers(0, 100),
)
def test_archives_come_back(path, document, shape, dtype, seed):
    content = np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)
    arrays = {"a": content, "empty": np.empty(0), "b": content.T}
    path.write_bytes(CODEC.to_archive(document, arrays))

    found, found_arrays = CODEC.read_archive(path)

    assert without_title(found) == document
    assert list(found_arrays) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found_arrays[name], array)
        assert found_arrays[name].dtype == array.dtype.newbyteorder("=")
        assert found_arrays[name].shape == array.shape


def test_names_that_are_not_utf_8_come_back(path):
    path.write_bytes(CODEC.to_json({"name": "a\udcff"}))

    assert CODEC.read_json(path)["name"] == "a\udcff"


def changed_bytes(content):
    """Every file that differs from this one in a single bit."""
    for place, byte in enumerate(content):
        for bit in range(8):
            yield content[:place] + bytes([byte ^ (1 << bit)]) + content[place + 1 :]


def shorter_and_longer(content):
    yield from (content[:length] for length in range(0, len(content), 7))
    yield from (content[:-1], content + b"x", b"x" + content)


def test_a_changed_selection_is_refused_or_only_spelled_differently(tmp_path):
    selection = select_uniform(np.random.default_rng(0).normal(size=(6, 2)), 3)
    selection.save(tmp_path / "saved.json")
    content, changed = (tmp_path / "saved.json").read_bytes(), tmp_path / "changed.json"
    refused = 0

    for one in (*changed_bytes(content), *shorter_and_longer(content)):
        changed.write_bytes(one)
        try:
            loaded = Selection.load(changed)
        except errors.ManifestError:
            refused += 1
        else:  # "1E-3" for "1e-3", or a line without its end
            assert loaded.as_dict() == selection.as_dict()

    assert refused > 0.99 * 8 * len(content)


def test_a_changed_stream_is_refused_or_only_spelled_differently(tmp_path):
    rows = np.random.default_rng(0).normal(size=(9, 2))
    stream = UniformStream(2, keep=2)
    stream.update(rows[:6])
    stream.save(tmp_path / "saved")
    stream.update(rows[6:])
    expected = stream.result()
    content, changed = (tmp_path / "saved").read_bytes(), tmp_path / "changed"
    refused = 0

    for one in (*changed_bytes(content), *shorter_and_longer(content)):
        changed.write_bytes(one)
        try:
            loaded = UniformStream.load(changed)
        except errors.CheckpointError:
            refused += 1
        else:
            loaded.update(rows[6:])
            assert loaded.result().indices.tolist() == expected.indices.tolist()

    assert refused > 0.99 * 8 * len(content)


@pytest.mark.parametrize("version", [1, 3, "2", 2.5, None])
def test_another_version_is_refused_by_name(path, version):
    other = Codec("evenly test", version, "a saved test", errors.ManifestError)
    path.write_bytes(other.to_json({"indices": [1]}))

    with pytest.raises(errors.ManifestError, match=r"in version .* reads version 2") as caught:
        CODEC.read_json(path)

    assert repr(version) in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a saved test"),
        (b"\x80\x00", "is not a saved test"),
        (b"[1, 2]", "is not a saved test"),
        (b"[" * 100_000, "is not a saved test"),
        (b'{"format": "evenly other", "version": 2}', 'it lacks "format": "evenly test"'),
        (b'{"format": "evenly test", "version": 2}', "does not match its checksum"),
    ],
)
def test_other_files_are_refused_with_advice(path, content, message):
    path.write_bytes(content)

    for read in (CODEC.read_json, CODEC.read_archive):
        with pytest.raises(errors.ManifestError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "Make it again." in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(errors.ManifestError, match="nothing does not exist"):
        CODEC.read_json(tmp_path / "nothing")
    with pytest.raises(errors.ManifestError, match="is a folder, not a regular file"):
        CODEC.read_archive(tmp_path)


def forged_archive(arrays, content):
    """An archive whose checksum is right although its arrays are not."""
    document = {"format": "evenly test", "version": 2, "arrays": arrays}
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    checksum = f"sha256:{hashlib.sha256(canonical.encode() + content).hexdigest()}"
    return json.dumps({**document, "checksum": checksum}).encode() + b"\n" + content


def test_a_forged_checksum_is_accepted_if_all_else_is_right(path):
    path.write_bytes(forged_archive({"a": ["<i8", 1]}, bytes(8)))

    assert CODEC.read_archive(path)[1]["a"].tolist() == [0]


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": ["|O", 1]},
        {"a": ["<i8", 2]},
        {"a": ["<i8", -3]},
        {"a": ["<i8", 1, -1, 5]},
        {"a": ["<i8", "1"]},
        {"a": ["what", 1]},
        {"a": []},
        {"a": 3},
        [1],
        None,
    ],
)
def test_arrays_that_do_not_fit_their_content_are_refused(path, arrays):
    path.write_bytes(forged_archive(arrays, bytes(8)))

    with pytest.raises(errors.ManifestError, match="is damaged"):
        CODEC.read_archive(path)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_nothing_is_unpickled(path, tmp_path):
    trapped = tmp_path / "trapped"
    pickled = pickle.dumps(Trap(trapped))
    np.save(tmp_path / "trap.npy", np.array([Trap(trapped)], object), allow_pickle=True)
    contents = [
        pickled,
        (tmp_path / "trap.npy").read_bytes(),
        forged_archive({"a": ["|O", 1]}, pickled),
    ]

    for content in contents:
        path.write_bytes(content)
        for read in (CODEC.read_json, CODEC.read_archive, Selection.load, UniformStream.load):
            with pytest.raises(errors.EvenlyError):
                read(path)

    assert not trapped.exists()
