"""Vectors on disk behave like one NumPy array, for all formats and any split into files."""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenly.errors import DataError, RowError, TextError, VectorError
from evenly.samples import open_samples, read_texts
from evenly.samples.blocks import BlockSizes

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
safetensors = pytest.importorskip("safetensors.numpy")

FLOATS = {"i1": "f4", "u2": "f4", "i4": "f8", "u8": "f8"}

TINY_BLOCKS = BlockSizes(gap=24, read=48, gather=56, decode=40, write=64)


@pytest.fixture(scope="module", params=["default blocks", "tiny blocks"])
def open_files(request):
    """`open_samples` with blocks of two sizes; small data span several tiny blocks."""
    blocks = TINY_BLOCKS if request.param == "tiny blocks" else BlockSizes()
    return partial(open_samples, blocks=blocks)


def save_npy(path, array):
    np.save(path, array)


def save_by_column(path, array):
    np.save(path, np.asfortranarray(array))


def save_safetensors(path, array):
    safetensors.save_file({"v": np.ascontiguousarray(array), "note": np.ones(3)}, path)


def save_fixed(path, array):
    flat = pa.array(np.ascontiguousarray(array).reshape(-1))
    lists = pa.FixedSizeListArray.from_arrays(flat, array.shape[1])
    table = pa.table({"n": np.arange(len(array)), "v": lists})
    pq.write_table(table, path, row_group_size=7)


def save_lists(path, array):
    kind = pa.large_list(pa.from_numpy_dtype(array.dtype))
    pq.write_table(pa.table({"v": pa.array(list(array), kind)}), path, row_group_size=5)


SAVERS = {
    "npy": (save_npy, ["<f2", "f4", "f8", "i1", "u2", "i4", "u8", ">f4"]),
    "by column.npy": (save_by_column, ["<f2", "f4", "i1"]),
    "safetensors": (save_safetensors, ["<f2", "f4", "f8", "i1", "u2", "i4", "u8"]),
    "fixed.parquet": (save_fixed, ["<f2", "f4", "f8"]),
    "parquet": (save_lists, ["<f2", "f4", "f8"]),
}


@st.composite
def arrays(draw, dtypes):
    """Arrays of distinct numbers of one of the types, including negative ones if possible."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rows, width = draw(st.integers(1, 40)), draw(st.integers(1, 4))
    numbers = np.random.default_rng(draw(st.integers(0, 99))).permutation(160)[: rows * width]
    return (numbers - (80 if dtype.kind != "u" else 0)).reshape(rows, width).astype(dtype)


def save_shards(folder, kind, array, cuts):
    for number, part in enumerate(np.split(array, sorted(cuts))):
        SAVERS[kind][0](Path(folder) / f"{number:02}.{kind}", part)


def cuts_of(array):
    return st.lists(st.integers(0, len(array)), max_size=4)


def some_rows(array):
    return st.lists(st.integers(0, len(array) - 1), max_size=60)


def some_slice(array):
    end = st.none() | st.integers(-len(array) - 2, len(array) + 2)
    return st.builds(slice, end, end, st.sampled_from([None, 1]))


@pytest.mark.parametrize("kind", SAVERS)
@given(data=st.data())
def test_shards_are_one_array(open_files, kind, data):
    array = data.draw(arrays(SAVERS[kind][1]))
    expected = array.astype(FLOATS.get(array.dtype.str[1:], array.dtype.newbyteorder("=")))
    with tempfile.TemporaryDirectory() as folder:
        save_shards(folder, kind, array, data.draw(cuts_of(array)))
        samples = open_files(folder)
        vectors = samples.stored

        assert vectors.shape == expected.shape
        assert (len(vectors), vectors.ndim) == (len(expected), 2)
        assert vectors.dtype == expected.dtype
        assert vectors.dtype.isnative
        assert vectors.nbytes == array.nbytes
        assert vectors.seekable == (not kind.endswith("parquet")) or kind == "by column.npy"
        assert vectors.bytes_read == 0
        for _ in range(3):
            read = vectors.bytes_read
            rows = data.draw(some_slice(array) | some_rows(array))
            got = vectors[rows]
            wanted = expected[np.array(rows, int) if isinstance(rows, list) else rows]
            assert type(got) is np.ndarray
            assert got.flags.c_contiguous
            assert got.flags.writeable
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, wanted, strict=True)
            assert vectors.bytes_read - read == len(wanted) * array[0].nbytes
        row = data.draw(st.integers(-len(array), len(array) - 1))
        np.testing.assert_array_equal(vectors[row], expected[row], strict=True)
        np.testing.assert_array_equal(vectors[np.int64(row)], expected[row], strict=True)
        assert samples.vectors.dtype == expected.dtype
        np.testing.assert_array_equal(samples.vectors, expected)


@pytest.mark.parametrize("kind", SAVERS)
@given(data=st.data())
def test_taken_and_written_rows_keep_their_type(open_files, kind, data):
    array = data.draw(arrays(SAVERS[kind][1]))
    rows = data.draw(some_rows(array))
    with tempfile.TemporaryDirectory() as folder:
        save_shards(folder, kind, array, data.draw(cuts_of(array)))
        samples = open_files(folder)
        taken = samples.take(rows)
        if kind.endswith("parquet"):
            taken = np.array(taken.column("v").to_pylist(), array.dtype).reshape(-1, array.shape[1])
        np.testing.assert_array_equal(taken, array[rows])
        assert taken.dtype == array.dtype
        for suffix in ("npy", "safetensors"):
            samples.write(f"{folder}/out.{suffix}", rows)
            back = open_files(f"{folder}/out.{suffix}")
            little = suffix == "safetensors"
            assert back.stored.file_dtype == (
                array.dtype.newbyteorder("<") if little else array.dtype
            )
            assert back.stored.parts[0].offset % 8 == 0
            np.testing.assert_array_equal(back.take(range(len(rows))), array[rows])


@given(rows=st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1))
def test_bfloat16_becomes_float32_of_the_same_value(open_files, rows):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_tensors

    tensor = torch.tensor(rows, dtype=torch.float32).bfloat16()
    with tempfile.TemporaryDirectory() as folder:
        save_tensors({"v": tensor}, f"{folder}/a.safetensors")
        samples = open_files(f"{folder}/a.safetensors")
        expected = tensor.float().numpy()
        assert samples.stored.dtype == np.float32
        assert samples.stored.nbytes == 4 * len(rows)
        for got in (samples.stored[:], samples.vectors, samples.take(range(len(rows)))):
            np.testing.assert_array_equal(got, expected, strict=True)


def test_shards_of_several_types_have_the_widest_type(tmp_path):
    numbers = np.arange(8).reshape(4, 2)
    for dtypes, dtype in {
        ("f2", "f4"): "f4",
        ("f4", "i1"): "f4",
        ("f2", "i4"): "f8",
        ("f2", ">f2"): "f2",
        ("i1", "i1"): "f4",
    }.items():
        for name, file_dtype in zip("ab", dtypes, strict=True):
            np.save(tmp_path / f"{name}.npy", numbers.astype(file_dtype))
        samples = open_samples(tmp_path)
        assert samples.stored.dtype == dtype
        assert samples.vectors.tolist() == 2 * numbers.tolist()
        assert samples.take([0]).dtype == ("i1" if dtypes == ("i1", "i1") else dtype)


def test_only_npy_keeps_a_foreign_byte_order(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, 2], [3, 4]], ">f4"))
    samples = open_samples(tmp_path / "a.npy")
    for suffix, dtype in (("npy", ">f4"), ("safetensors", "<f4")):
        samples.write(tmp_path / f"b.{suffix}", [1])
        taken = open_samples(tmp_path / f"b.{suffix}").take([0])
        assert (taken.dtype.str, taken.tolist()) == (dtype, [[3, 4]])


def test_a_single_file_that_fills_the_memory_is_mapped_if_possible(tmp_path, monkeypatch):
    save_npy(tmp_path / "small.npy", np.ones((3, 2)))
    assert type(open_samples(tmp_path / "small.npy").vectors) is np.ndarray
    monkeypatch.setattr("evenly.samples.stored.free_memory", lambda: 8.0)
    array = np.arange(6, dtype="f4").reshape(3, 2)
    saved = {"npy": save_npy, "by column.npy": save_by_column, "safetensors": save_safetensors}
    for suffix, save in saved.items():
        save(tmp_path / f"a.{suffix}", array)
        samples = open_samples(tmp_path / f"a.{suffix}")
        assert isinstance(samples.vectors, np.memmap)
        assert samples.vectors is samples.vectors
        assert samples.vectors.tolist() == array.tolist()
        assert samples.stored.seekable == (suffix != "by column.npy")
        assert samples.stored.bytes_read == 0
    header = b'{"v":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'
    odd = len(header).to_bytes(8, "little") + header.replace(b"}}", b"} }") + array[:1].tobytes()
    odd = (len(header) + 1).to_bytes(8, "little") + odd[8:]
    (tmp_path / "odd.safetensors").write_bytes(odd)
    samples = open_samples(tmp_path / "odd.safetensors")
    assert type(samples.vectors) is np.ndarray
    assert samples.vectors.tolist() == samples.stored[:].tolist() == [[0, 1]]


def test_data_in_memory_have_no_stored_vectors():
    for data, are_vectors in (
        (np.eye(2), True),
        ([[1.0]], True),
        (["a"], False),
    ):
        samples = open_samples(data)
        assert samples.stored is None
        assert samples.holds_vectors == (samples.vectors is not None) == are_vectors


@pytest.mark.parametrize("kind", SAVERS)
def test_only_requested_rows_are_read(open_files, tmp_path, kind):
    save_shards(tmp_path, kind, np.ones((9, 2), "f4"), [4])
    samples = open_files(tmp_path)
    assert samples.holds_vectors
    assert samples.locate(8) == f"{tmp_path}/01.{kind}, row 4"
    assert samples.content_hash().startswith("sha256:")
    samples.check_unchanged()
    with pytest.raises(TextError, match="holds vectors"):
        read_texts(samples)
    assert samples.stored.bytes_read == 0
    samples.write(tmp_path / "out.npy", [8, 0, 3])
    assert samples.stored.bytes_read == 3 * 2 * 4
    assert np.load(tmp_path / "out.npy").tolist() == [[1, 1]] * 3


def test_the_hash_covers_the_bytes_of_the_files(tmp_path):
    import hashlib

    save_shards(tmp_path, "safetensors", np.ones((9, 2), "f4"), [4])
    digests = [hashlib.sha256(path.read_bytes()).digest() for path in sorted(tmp_path.iterdir())]
    digest = hashlib.sha256(b"".join(digests)).hexdigest()
    assert open_samples(tmp_path).content_hash() == f"sha256:{digest}"


@pytest.mark.parametrize("kind", SAVERS)
def test_release_closes_files_and_drops_blocks(open_files, tmp_path, kind):
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    save_shards(tmp_path, kind, np.ones((60, 2), "f4"), range(1, 60, 2))

    def held_open():
        links = (link for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
        return [link for link in links if str(tmp_path) in os.path.realpath(link)]

    vectors = open_files(tmp_path).stored
    assert vectors[:].shape == vectors[np.arange(59, -1, -1)].shape == (60, 2)
    assert len(held_open()) == kind.endswith("parquet")
    vectors.release()
    assert held_open() == []
    assert vectors[59].tolist() == [1, 1]


@pytest.fixture
def impatient_threads():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("impatient_threads")
@pytest.mark.parametrize("kind", SAVERS)
def test_threads_can_read_at_the_same_time(open_files, tmp_path, kind):
    array = np.arange(400, dtype="f4").reshape(200, 2)
    save_shards(tmp_path, kind, array, [50, 120])
    vectors = open_files(tmp_path).stored

    def read(seed):
        rows = np.random.default_rng(seed).integers(0, 200, 30)
        return np.array_equal(vectors[rows], array[rows]) and np.array_equal(vectors[:], array)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(40)))
    assert vectors.bytes_read == 40 * (30 + 200) * 8


@pytest.mark.parametrize("kind", ["npy", "safetensors"])
def test_a_changed_file_is_not_read(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    SAVERS[kind][0](path, np.ones((50, 2), "f4"))
    samples = open_samples(path)
    vectors = samples.stored
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8)
    for use in (samples.check_unchanged, vectors.whole, lambda: vectors[:], lambda: vectors[[0]]):
        with pytest.raises(DataError, match=f"a.{kind} changed after it was opened"):
            use()


@pytest.mark.parametrize("rows", [3, -4, [3], [0, -1], [0.5], [True, False, True], [[0]], "a"])
def test_rows_out_of_range(tmp_path, rows):
    np.save(tmp_path / "a.npy", np.eye(3))
    vectors = open_samples(tmp_path / "a.npy").stored
    with pytest.raises(RowError):
        vectors[rows]
    with pytest.raises(RowError, match="must have step 1"):
        vectors[::2]
    assert [row.tolist() for row in vectors] == np.eye(3).tolist()


@pytest.mark.parametrize("kind", SAVERS)
def test_the_error_of_different_dimensions_names_both_files(tmp_path, kind):
    SAVERS[kind][0](tmp_path / f"1.{kind}", np.ones((2, 3), "f4"))
    SAVERS[kind][0](tmp_path / f"2.{kind}", np.ones((2, 4), "f4"))
    with pytest.raises(VectorError, match=rf"/1.{kind} has 3 numbers per row, .*/2.{kind} has 4"):
        open_samples(tmp_path)


def test_the_error_of_different_formats_names_both_files(tmp_path):
    for kind in ("npy", "safetensors"):
        SAVERS[kind][0](tmp_path / f"1.{kind}", np.ones((2, 3), "f4"))
    with pytest.raises(DataError, match=r"/1.npy is npy, .*/1.safetensors is safetensors"):
        open_samples(tmp_path)


@pytest.mark.parametrize("kind", ["npy", "safetensors"])
def test_an_integer_without_an_exact_float_raises_when_read(open_files, tmp_path, kind):
    array = np.ones((30, 2), "i8")
    array[17, 1] = 2**53 + 1
    SAVERS[kind][0](tmp_path / f"a.{kind}", array)
    samples = open_files(tmp_path)
    assert samples.take([17])[0, 1] == 2**53 + 1
    assert samples.stored[:17].sum() == 34
    for rows in (slice(3, None), [2, 17, 17, 20], 17):
        with pytest.raises(VectorError, match=rf"a.{kind}, row 17: 9007199254740993 has no exact"):
            samples.stored[rows]


def test_the_last_rows_of_a_pass_are_not_read_again_in_the_next_one(tmp_path):
    array = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    np.save(tmp_path / "v.npy", array)
    stored = open_samples(str(tmp_path / "v.npy")).stored
    row = array[0].nbytes
    read = [block for _, block in stored.in_order(8, hold=30 * row)]  # 4 rows, and 3 blocks of 8
    np.testing.assert_array_equal(np.concatenate(read), array)
    assert stored.bytes_read == 100 * row

    wanted = [99, 0, 72, 95, 71, 72, 80]
    np.testing.assert_array_equal(stored[wanted], array[wanted])
    assert stored.bytes_read == 102 * row
    np.testing.assert_array_equal(stored[list(range(60, 100))], array[60:])
    assert stored.bytes_read == 114 * row

    # They take memory for one pass only.
    assert len(stored[:]) == 100
    np.testing.assert_array_equal(stored[[98, 99]], array[98:])
    assert stored.bytes_read == 216 * row


def test_no_row_stays_in_memory_if_none_may(tmp_path):
    np.save(tmp_path / "v.npy", np.ones((100, 3), np.float32))
    stored = open_samples(str(tmp_path / "v.npy")).stored
    assert sum(len(block) for _, block in stored.in_order(8)) == 100
    before = stored.bytes_read
    assert stored[[99]].tolist() == [[1.0, 1.0, 1.0]]
    assert stored.bytes_read == before + 12
