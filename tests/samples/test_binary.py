"""Locating vectors in .npy and .safetensors files, and the errors of invalid files."""

import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from evenly.errors import DataError, VectorError
from evenly.samples import StoredVectors, open_samples
from evenly.samples.binary import open_npy, open_safetensors
from evenly.samples.source import FileStamp

safetensors = pytest.importorskip("safetensors.numpy")


def header(**tensors):
    content = json.dumps(tensors).encode()
    return len(content).to_bytes(8, "little") + content


def tensor(shape=(1, 2), dtype="F32", offsets=(0, 8)):
    return {"shape": shape, "dtype": dtype, "data_offsets": offsets}


def npy(array, cut=None):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()[:cut]


def flipped(content, place, bit):
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def test_a_flipped_bit_in_a_header_is_an_error_of_ours_or_harmless(tmp_path):
    path, whole = tmp_path / "a.npy", npy(np.ones((20, 4)))
    for place in range(128):
        for bit in range(8):
            path.write_bytes(flipped(whole, place, bit))
            with contextlib.suppress(DataError):
                assert open_samples(path).vectors.ndim == 2


BAD_FILES = [
    (
        "a.npy",
        npy(np.ones((4, 2)), -1),
        "complete .npy file of numbers: it has 191 bytes, but .* 192",
    ),
    ("a.npy", npy(np.ones((4, 2)), 20), "is not a complete .npy file of numbers"),
    ("a.npy", npy(np.ones((4, 2))).replace(b"(4, 2)", b"((4, 2"), "is not a complete .npy file"),
    ("a.npy", npy(np.ones((4, 2))).replace(b"<f8", b"|O8"), "has the type object"),
    (
        "a.npy",
        npy(np.ones((4, 2))).replace(b"(4, 2), ", b"(0, 99999999999999999999999), "),
        "shape",
    ),
    ("a.npy", npy(np.ones(4)), r"is of shape \(4,\). Vectors must be"),
    ("a.npy", npy(np.ones((4, 0))), "d at least 1"),
    ("a.npy", npy(np.ones((4, 1), bool)), "has the type bool. Vectors must be float16"),
    ("a.npy", npy(np.ones((4, 1), "c8")), "has the type complex64"),
    ("a.npy", npy(np.zeros((4, 1), np.longdouble)), "has the type (float128|longdouble)"),
    ("a.npy", npy(np.ones((4, 1))).replace(b"Y\x01", b"Y\x03"), "for named fields"),
    (
        "a.safetensors",
        b"",
        "is not a complete .safetensors file of numbers: its header cannot have 0 bytes",
    ),
    (
        "a.safetensors",
        b"\xff" * 20,
        "is not a complete .safetensors file of numbers: its header cannot have",
    ),
    ("a.safetensors", header(v=tensor())[:20], "is not a complete .safetensors file"),
    ("a.safetensors", header(v=tensor()) + b"1234567", "it has 79 bytes, but vectors .* need 80"),
    (
        "a.safetensors",
        header(v=tensor(offsets=[0, 9])),
        r"bytes 0 to 9 do not hold \(1, 2\) of F32",
    ),
    ("a.safetensors", header(v=tensor(offsets=[-8, 0])), "bytes -8 to 0 do not hold"),
    ("a.safetensors", header(v=tensor((-1, -2))), "is not a complete .safetensors file"),
    ("a.safetensors", header(v=tensor((1.5, 2))), "are not whole numbers"),
    ("a.safetensors", header(v=tensor(["1", 2])), "are not whole numbers"),
    ("a.safetensors", header(v=tensor((0, 10**30), offsets=[0, 0])), "its shape is"),
    ("a.safetensors", header(v=tensor(offsets=[0, 8, 9])), "is not a complete .safetensors"),
    ("a.safetensors", header(v=tensor(offsets=None)), "is not a complete .safetensors file"),
    ("a.safetensors", header(v={"dtype": "F32"}), "is not a complete .safetensors file"),
    ("a.safetensors", header(v=[]), "is not a complete .safetensors file"),
    ("a.safetensors", (2).to_bytes(8, "little") + b"[]", "is not a complete .safetensors file"),
    ("a.safetensors", header(v=tensor(dtype="BOOL")), "the tensor 'v' has the type BOOL. Vectors"),
    ("a.safetensors", header(v=tensor(dtype="F8_E4M3")), "has the type F8_E4M3.* bfloat16, float"),
    ("a.safetensors", header(), r"holds 0 tensors: none. The vectors must be the only"),
    ("a.safetensors", header(v=tensor((2,))), r"holds 1 tensor: 'v' \(2,\). The vectors must"),
    ("a.safetensors", header(v=tensor((1, 0), offsets=[0, 0])), r"holds 1 tensor: 'v' \(1, 0"),
    (
        "a.safetensors",
        header(a=tensor(), b=tensor()),
        r"'a' \(1, 2\), 'b' \(1, 2\). The vectors must",
    ),
    ("a.safetensors", header(vectors=tensor(), embeddings=tensor()), "the only one of these named"),
    ("a.safetensors", header(**{f"t{n}": tensor() for n in range(9)}), r"'t5' \(1, 2\) and 3 more"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES)
def test_the_error_of_an_invalid_file_names_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(VectorError, match=message) as raised:
        open_samples(tmp_path / name)
    assert type(raised.value) is VectorError
    assert str(tmp_path / name) in str(raised.value)


def test_the_tensor_of_vectors_is_found(tmp_path):
    flat, other = np.ones((2, 3), "f4"), np.zeros((4, 5), "f4")
    path = tmp_path / "a.safetensors"
    for tensors in (
        {"x": flat},
        {"x": flat, "ids": np.arange(2), "cube": np.ones((1, 2, 3))},
        {"embeddings": flat, "x": other, "y": other},
        {"vectors": flat, "embeddings": np.arange(2), "keys": other},
    ):
        safetensors.save_file(tensors, path, metadata={"format": "pt"})
        samples = open_samples(path)
        assert samples.stored[:].tolist() == flat.tolist()
        samples.write(tmp_path / "b.safetensors", [1], force=True)
        [name] = safetensors.load_file(tmp_path / "b.safetensors")
        assert name == next(iter(tensors))


@pytest.mark.parametrize(
    ("kind", "open_rows"), [("npy", open_npy), ("safetensors", open_safetensors)]
)
def test_a_file_that_shrinks_during_a_read_is_an_error(tmp_path, kind, open_rows):
    path = tmp_path / f"a.{kind}"
    open_samples(np.ones((50, 2), "f4")).write(path, range(50))
    rows = open_rows(str(path))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 8)
    # The stamp of the shorter file passes the check at the start of the read.
    vectors = StoredVectors([replace(rows, stamp=FileStamp.of(str(path)))])

    with pytest.raises(DataError, match=f"a.{kind} became shorter while it was read"):
        vectors[:]
    assert vectors[0].tolist() == [1, 1]
