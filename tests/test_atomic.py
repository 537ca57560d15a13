"""Files are whole or absent, whatever happens while they are written."""

import errno
import os
import pathlib
import subprocess
import sys
import time

import pytest

from evenly import errors
from evenly.atomic import abandoned, atomic_write, check_writable
from tests.support.full_disk import small_disk


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


@pytest.mark.parametrize("pieces", [1, 2000])
def test_a_disk_that_is_really_full(tmp_path, pieces):
    """What is still buffered then cannot be written when the file is closed, either."""
    content = bytes(2_000_000 // pieces + 1)
    with small_disk(tmp_path / "small", 1) as grow:
        path = tmp_path / "small" / "out.bin"

        def write():
            with atomic_write(path) as stream:
                for _ in range(pieces):
                    stream.write(content)

        with pytest.raises(errors.OutputError, match=r"out\.bin: No space left.*Nothing was"):
            write()
        assert not list((tmp_path / "small").iterdir())
        grow()
        write()
        assert path.stat().st_size == pieces * len(content)


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


@pytest.mark.parametrize(
    ("place", "said"),
    [
        pytest.param(lambda folder: folder, "it is a folder", id="a folder"),
        pytest.param(lambda folder: folder / "file" / "out.bin", "Not a directory", id="in a file"),
        pytest.param(lambda folder: folder / "pipe", "not a regular file", id="a pipe"),
        pytest.param(lambda folder: folder / "device", "not a regular file", id="a linked device"),
        pytest.param(lambda folder: folder / (300 * "x"), "File name too long", id="too long"),
        pytest.param(lambda folder: folder / (300 * "x") / "a", "File name too long", id="deep"),
        pytest.param(lambda folder: folder / "loop", "levels of symbolic links", id="a loop"),
        pytest.param(
            lambda _: "~nosuchuser/out.bin", "user 'nosuchuser' is not known", id="a user"
        ),
        pytest.param(lambda folder: f"{folder}/a\0b", "null", id="a null"),
    ],
)
def test_a_place_that_cannot_be_written_is_one_error_before_the_work(tmp_path, place, said):
    (tmp_path / "file").write_text("")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "loop").symlink_to("loop")
    path = place(tmp_path)
    before = sorted(tmp_path.iterdir())

    with pytest.raises(errors.OutputError, match=said):
        check_writable(path, force=True)
    with pytest.raises(errors.OutputError, match=said), atomic_write(path):
        raise AssertionError("the work began")

    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("place", ["out.bin", "new/out.bin"])
def test_a_folder_that_is_not_writable_is_found_before_the_work(tmp_path, monkeypatch, place):
    asked = []

    def denied(folder, mode):
        asked.append((str(folder), mode))
        return False

    monkeypatch.setattr(os, "access", denied)  # root may write everywhere

    with pytest.raises(errors.OutputError, match=r"out\.bin: the folder .* is not writable"):
        check_writable(tmp_path / place)

    assert asked == [(str(tmp_path), os.W_OK | os.X_OK)]


def test_the_longest_name_of_a_file_can_be_written(tmp_path):
    path = tmp_path / (251 * "x" + ".bin")

    with atomic_write(path) as stream:
        stream.write(b"new")

    assert path.read_bytes() == b"new"


def test_what_exists_is_refused_unless_forced(tmp_path):
    path = tmp_path / "out.bin"
    path.symlink_to(tmp_path / "nowhere")

    with pytest.raises(errors.OutputExistsError, match="--force"):
        check_writable(path)
    with pytest.raises(errors.OutputExistsError), atomic_write(path, force=False):
        pass
    check_writable(path, force=True)
    check_writable(tmp_path / "other")


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path):
    path = tmp_path / "out.bin"

    def write():
        with atomic_write(path, force=False) as stream:
            stream.write(b"new")
            path.write_bytes(b"other")

    with pytest.raises(errors.OutputExistsError):
        write()

    assert path.read_bytes() == b"other"
    assert list(tmp_path.iterdir()) == [path]


def test_files_get_the_permissions_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "out.bin"):
            pass
    finally:
        os.umask(before)

    assert (tmp_path / "out.bin").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_file_that_is_overwritten_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "out.bin"
    path.write_bytes(b"earlier")
    path.chmod(mode)

    with atomic_write(path) as stream:
        stream.write(b"new")
        [temporary] = set(tmp_path.iterdir()) - {path}
        assert temporary.stat().st_mode & 0o777 == 0o600

    assert path.stat().st_mode & 0o777 == mode


def test_a_file_that_is_overwritten_keeps_its_owner_if_that_is_allowed(tmp_path, monkeypatch):
    path, asked = tmp_path / "out.bin", []
    path.write_bytes(b"earlier")
    owner, stat = path.stat().st_uid + 1, pathlib.Path.stat

    def of_another(self, **how):
        found = stat(self, **how)
        if self == path:
            return os.stat_result([*found[:4], owner, *found[5:]])
        return found

    def not_allowed(name, user, group):
        asked.append((user, group))
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(pathlib.Path, "stat", of_another)
    monkeypatch.setattr(os, "chown", not_allowed)
    with atomic_write(path) as stream:
        stream.write(b"new")

    assert asked == [(owner, path.stat().st_gid)]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("exists", [True, False])
def test_the_file_to_which_a_link_leads_is_written_and_the_link_stays(tmp_path, exists):
    (tmp_path / "far").mkdir()
    real, link = tmp_path / "far" / "real.bin", tmp_path / "link.bin"
    if exists:
        real.write_bytes(b"earlier")
    link.symlink_to("far/real.bin")

    with atomic_write(link) as stream:
        stream.write(b"new")

    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert sorted(tmp_path.rglob("*")) == [real.parent, real, link]


def test_the_home_folder_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    with atomic_write("~/deep/out.bin") as stream:
        stream.write(b"new")

    assert (tmp_path / "deep" / "out.bin").read_bytes() == b"new"
    with pytest.raises(errors.OutputExistsError):
        check_writable("~/deep/out.bin")


WRITE_AND_WAIT = """
import sys
from evenly.atomic import atomic_write
with atomic_write(sys.argv[1]) as stream:
    stream.write(b"half")
    stream.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path):
    """A process that has written half of a file."""
    command = [sys.executable, "-c", WRITE_AND_WAIT, str(tmp_path / "out.bin")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def test_what_a_killed_process_left_is_removed_with_the_next_write(tmp_path, writer):
    path = tmp_path / "out.bin"
    other = tmp_path / f".out.bin.gz.{16 * '0'}.evenly.tmp"
    other.write_bytes(b"of another file")
    [left] = tmp_path.glob(".out.bin.????????????????.evenly.tmp")

    assert [*abandoned(path)] == []
    with atomic_write(path) as stream:
        stream.write(b"new")
    assert left.read_bytes() == b"half"

    writer.kill()
    writer.wait()
    assert [*abandoned(path)] == [left]
    with atomic_write(path) as stream:
        stream.write(b"newer")

    assert sorted(tmp_path.iterdir()) == [other, path]


def test_without_locks_files_are_abandoned_after_an_hour(tmp_path, monkeypatch):
    def not_supported(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("evenly.atomic.fcntl.flock", not_supported)
    path = tmp_path / "out.bin"
    old, new = [tmp_path / f".out.bin.{16 * digit}.evenly.tmp" for digit in "01"]
    for left in (old, new):
        left.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)

    with atomic_write(path):
        pass

    assert sorted(tmp_path.iterdir()) == [new, path]
