"""Files are whole or absent, whatever happens while they are written."""

import errno
import os

import pytest

from evenly import errors
from evenly.atomic import atomic_write, refuse_existing


def raise_full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("before", [None, b"earlier"])
def test_content_appears_at_the_end_and_whole(tmp_path, before):
    path = tmp_path / "deep" / "er" / "out.bin"
    if before:
        path.parent.mkdir(parents=True)
        path.write_bytes(before)

    with atomic_write(path) as stream:
        stream.write(b"new")
        assert (path.read_bytes() if path.exists() else None) == before

    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("before", [None, b"earlier"])
@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()])
def test_a_failure_leaves_what_was_there(tmp_path, before, failure):
    path = tmp_path / "out.bin"
    if before:
        path.write_bytes(before)

    def write_half():
        with atomic_write(path) as stream:
            stream.write(b"half")
            raise failure

    with pytest.raises(type(failure)):
        write_half()

    assert (path.read_bytes() if path.exists() else None) == before
    assert list(tmp_path.iterdir()) == ([path] if before else [])


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_full_disk_is_one_error_and_leaves_nothing(tmp_path, monkeypatch, call):
    monkeypatch.setattr(call, raise_full)
    said = r"out\.bin: No space left.*Nothing was changed"

    with (
        pytest.raises(errors.OutputError, match=said),
        atomic_write(tmp_path / "out.bin") as stream,
    ):
        stream.write(b"new")

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")

    for path in (tmp_path / "file" / "out.bin", tmp_path):
        with pytest.raises(errors.OutputError, match="cannot write"), atomic_write(path):
            pass


def test_what_exists_is_refused_unless_forced(tmp_path):
    path = tmp_path / "out.bin"
    path.symlink_to(tmp_path / "nowhere")

    with pytest.raises(errors.OutputExistsError, match="--force"):
        refuse_existing(path)
    with pytest.raises(errors.OutputExistsError), atomic_write(path, force=False):
        pass
    refuse_existing(path, force=True)
    refuse_existing(tmp_path / "other")


def test_files_get_the_permissions_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "out.bin"):
            pass
    finally:
        os.umask(before)

    assert (tmp_path / "out.bin").stat().st_mode & 0o777 == 0o640
