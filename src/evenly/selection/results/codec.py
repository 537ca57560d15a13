"""How results, checkpoints and streams are written to files and read back.

One codec, in two forms. A *document* is a JSON object whose first entries name its format, the
version of the format, and the sha256 of everything else in it. An *archive* is such a document
on the first line of a file, followed by arrays as little-endian numbers, which the checksum
covers as well. Nothing is pickled, and nothing that is read grants trust or names code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from evenly.atomic import atomic_write
from evenly.errors import DataError, EvenlyError
from evenly.paths import expand
from evenly.samples.source import open_file

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Codec:
    """A format of files, such as "evenly selection", in the only version written and read.

    Attributes:
        noun: what messages call such a file, "a saved selection" for example.
        error: the class of the errors that it raises.
        advice: what to do about a file that cannot be read, as a sentence.
    """

    format: str
    version: int
    noun: str
    error: type[EvenlyError]
    advice: str = ""

    def to_json(self, document: Mapping[str, Any]) -> bytes:
        """Return a document as the content of a JSON file."""
        return self._dump(document, (), indent=1) + b"\n"

    def save_json(
        self,
        document: Mapping[str, Any],
        path: str | PathLike[str] | BinaryIO,
        *,
        spare: Callable[[str | PathLike[str]], object],
        force: bool,
    ) -> None:
        """Write a document to a file or a binary stream.

        Args:
            spare: called with the path of a file, which it refuses if it is an input.
            force: overwrite an existing file.
        """
        content = self.to_json(document)
        if not isinstance(path, str | PathLike):
            path.write(content)
            return
        spare(path)
        with atomic_write(path, force=force) as stream:
            stream.write(content)

    def to_archive(self, document: Mapping[str, Any], arrays: Arrays) -> bytes:
        """Return a document and arrays as the content of a file."""
        parts = {
            name: np.asarray(array, array.dtype.newbyteorder("<"), order="C")
            for name, array in arrays.items()
        }
        shapes = {name: [part.dtype.str, *part.shape] for name, part in parts.items()}
        content = [part.tobytes() for part in parts.values()]
        document = {**document, "arrays": shapes}
        return b"\n".join([self._dump(document, content), b"".join(content)])

    def read_json(self, path: str | PathLike[str]) -> dict[str, Any]:
        """Read the document of a JSON file; raises `error` if it cannot be used."""
        return self._parse(self._content(path), b"", fspath(path))

    def read_archive(
        self, path: str | PathLike[str]
    ) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
        """Read the document and the arrays of a file; raises `error` if it cannot be used."""
        name = fspath(path)
        line, _, content = self._content(path).partition(b"\n")
        document = self._parse(line, content, name)
        arrays, begin = {}, 0
        with self.reading(name):
            for part, (dtype, *shape) in document.pop("arrays").items():
                count = int(np.prod(shape, dtype=np.int64))
                if min(shape, default=0) < 0:
                    raise ValueError(f"an array has the shape {shape}")
                array = np.frombuffer(content, np.dtype(dtype), count, begin)
                arrays[part] = array.reshape(shape).astype(array.dtype.newbyteorder("="))
                begin += array.nbytes
        return document, arrays

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Turn whatever wrong content of a file raises, in NumPy or here, into `error`."""
        try:
            yield
        except self.error:
            raise
        except Exception as error:
            reason = error if isinstance(error, EvenlyError) else repr(error)[:300]
            raise self.damaged(name, reason) from None

    def _content(self, path: str | PathLike[str]) -> bytes:
        name = expand(path, self.error)
        try:
            return open_file(name).content[:]
        except DataError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise self.error(f"{fspath(path)} does not exist.") from None
            raise self.error(str(error)) from error

    def _dump(self, document: Mapping[str, Any], content: Sequence[bytes], **how: Any) -> bytes:
        title = {"format": self.format, "version": self.version}
        checksum = _checksum({**title, **document}, content)
        whole = {**title, "checksum": checksum, **document}
        text = json.dumps(whole, ensure_ascii=False, **how)
        return text.encode("utf-8", "surrogateescape")

    def _parse(self, text: bytes, content: bytes, name: str) -> dict[str, Any]:
        try:
            document = json.loads(text.decode("utf-8", "surrogateescape"))
        except (ValueError, RecursionError, MemoryError) as error:
            raise self._refusal(f"{name} is not {self.noun}: {error}.") from None
        if not isinstance(document, dict) or document.get("format") != self.format:
            raise self._refusal(f'{name} is not {self.noun}: it lacks "format": "{self.format}".')
        if document.get("version") != self.version:
            raise self.error(
                f"{name} is {self.noun} in version {document.get('version')!r} of the format; "
                f"this release reads version {self.version}. Use the release of evenly that "
                "wrote it."
            )
        with self.reading(name):
            checksum = document.pop("checksum", None)
            matches = checksum == _checksum(document, [content])
        if not matches:
            raise self.damaged(name, "its content does not match its checksum")
        return document

    def damaged(self, name: str, why: object) -> EvenlyError:
        """Return the error that a file is damaged."""
        return self._refusal(f"{name} is damaged: {why}.")

    def _refusal(self, reason: str) -> EvenlyError:
        return self.error(f"{reason} {self.advice}".rstrip())


def _checksum(document: Mapping[str, Any], content: Sequence[bytes]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode())
    for part in content:
        digest.update(part)
    return f"sha256:{digest.hexdigest()}"
