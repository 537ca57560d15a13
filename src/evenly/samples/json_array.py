"""A .json file: one array of objects or of strings."""

from __future__ import annotations

import json
from typing import Any

from evenly.errors import DataError, RecordError
from evenly.samples.lines import decode, json_kind
from evenly.samples.lists import ListSamples
from evenly.samples.source import Source


class JsonArray(ListSamples):
    """The records of a .json file, all parsed when it is opened.

    Raises:
        RecordError: the file is not JSON, or the array mixes objects, strings or other values.
        DataError: the file does not hold an array.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(_elements(source), origin=source.name, format="json")
        self._source = source

    def locate(self, row: int) -> str:
        """Return the file and the number of the record, from 1."""
        return f"{self.origin}, record {row + 1}"


def _elements(source: Source) -> list[Any]:
    text = decode(bytes(source.content), source.name).removeprefix("\ufeff")
    if not text.strip():
        return []
    elements = _parse(text, source.name)
    if not isinstance(elements, list):
        raise DataError(
            f"{source.name} holds a JSON {json_kind(elements)} instead of an array of objects or "
            "of strings. If it has one object per line, it is JSON Lines: name it .jsonl or pass "
            "format='jsonl'."
        )
    expected = "string" if elements and isinstance(elements[0], str) else "object"
    for number, element in enumerate(elements, start=1):
        if json_kind(element) != expected:
            raise RecordError(
                f"{source.name}, record {number}: a JSON {json_kind(element)} instead of "
                f"{'a string' if expected == 'string' else 'an object'}."
            )
    return elements


def _parse(text: str, name: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        is_lines = error.msg == "Extra data" and text.lstrip().startswith("{")
        hint = (
            " It looks like JSON Lines: name it .jsonl or pass format='jsonl'." if is_lines else ""
        )
        raise RecordError(
            f"{name}, line {error.lineno}: invalid JSON: {error.msg} at character "
            f"{error.colno}.{hint}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{name}: cannot be parsed: {error}.") from error
