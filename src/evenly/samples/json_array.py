"""A .json file: an array of objects or of strings, perhaps under a key, or JSON Lines."""

from __future__ import annotations

import json
import logging
from typing import Any

from evenly.errors import DataError, RecordError
from evenly.samples.lines import JsonLines, decode, json_kind
from evenly.samples.lists import ListSamples
from evenly.samples.source import Source, guarded

log = logging.getLogger("evenly")

_SHOWN = 10


class JsonArray(ListSamples):
    """The records of a .json file, all parsed when it is opened."""

    def __init__(self, source: Source, elements: list[Any]) -> None:
        super().__init__(elements, origin=source.name, format="json")
        self._source = source

    def locate(self, row: int) -> str:
        """Return the file and the number of the record, from 1."""
        return f"{self.origin}, record {row + 1}"


def open_json(source: Source) -> JsonArray | JsonLines:
    """Open a JSON array, an object that holds one under a key, or JSON Lines in a .json file.

    A line on the log says so unless it is an array.

    Raises:
        RecordError: the file is not JSON, or the array mixes objects, strings or other values.
        DataError: the file does not hold an array, or holds several under different keys.
    """
    text = decode(source.content[:], source.name).removeprefix("\ufeff")
    if not text.strip():
        return JsonArray(source, [])
    try:
        with guarded(source.name, "JSON file", RecordError):
            parsed = _parse(text, source.name)
    except _SeveralObjectsError:
        log.warning("%s holds JSON Lines, and is read as such.", source.name)
        return JsonLines(source)
    elements = _under_key(parsed, source.name) if isinstance(parsed, dict) else parsed
    if not isinstance(elements, list):
        raise DataError(
            f"{source.name} holds a JSON {json_kind(elements)} instead of an array of objects or "
            "of strings."
        )
    _check_elements(elements, source.name)
    return JsonArray(source, elements)


class _SeveralObjectsError(DataError):
    """The text is one object per line; never leaves this file."""


def _parse(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        first = text[: error.pos].strip()
        if error.msg == "Extra data" and first.startswith("{") and "\n" not in first:
            raise _SeveralObjectsError from error
        raise RecordError(
            f"{name}, line {error.lineno}: invalid JSON: {error.msg} at character {error.colno}."
        ) from error


def _under_key(parsed: dict[str, Any], name: str) -> list[Any]:
    """Return the only array of objects among the values of an object."""
    keys = [
        key
        for key, value in parsed.items()
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value)
    ]
    if not keys:
        shown = ", ".join(map(repr, list(parsed)[:_SHOWN]))
        raise DataError(
            f"{name} holds a JSON object instead of an array of objects or of strings, and no "
            f"array of objects under one of its keys ({shown or 'none'})."
        )
    if len(keys) > 1:
        raise DataError(
            f"{name} holds arrays of objects under several keys: {', '.join(map(repr, keys))}. "
            "Save the one that you need in its own file."
        )
    log.warning("%s holds its records under the key %r.", name, keys[0])
    records: list[Any] = parsed[keys[0]]
    return records


def _check_elements(elements: list[Any], name: str) -> None:
    expected = "string" if elements and isinstance(elements[0], str) else "object"
    for number, element in enumerate(elements, start=1):
        if json_kind(element) != expected:
            raise RecordError(
                f"{name}, record {number}: a JSON {json_kind(element)} instead of "
                f"{'a string' if expected == 'string' else 'an object'}."
            )
