"""Everything that is written in a record: all that a model is trained on, not what is embedded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Number
from typing import Any

from evenly.errors import TextError
from evenly.samples.base import Samples
from evenly.samples.chat import ROLES_OF_PAIRS, ChatError, is_list, messages_of

# Columns that are trained on, by the names that they usually have.
_USUAL = {
    *("text", "system", "prompt", "instruction", "input", "question", "query", "context"),
    *("messages", "conversations", "conversation", "chat", "output", "response", "answer"),
    *("answers", "completion", "chosen", "rejected", "target", "solution", "reasoning"),
}

# In messages and their parts, these words do not count as content.
_LABELS = {"role": "content", "from": "value", "type": "type"}


def read_whole(
    samples: Samples,
    count: str | Sequence[str] | Callable[[Any], str] | None = None,
    *,
    embedded: Collection[str] = (),
    leave_out: Collection[str] = (),
) -> tuple[list[str], str]:
    r"""Return what a model is trained on of each record, joined by "\n", and where it was read.

    Texts are found at any depth: chats count with the turns of all roles, but without their
    roles. What is no text does not count, and by default no columns of ids, names or addresses:
    a column counts if it is embedded, if it has a usual name such as "answer", or if at least
    half of its texts have several words.

    Args:
        samples: strings or records.
        count: the column to read, several, or a function of a record that returns a text; by
            default all columns of texts.
        embedded, leave_out: columns that always count by default, and that never do.

    Raises:
        ColumnError: a column is missing.
        TextError: the function failed, or returned no text.
    """
    if callable(count):
        name = getattr(count, "__name__", type(count).__name__)
        return list(_called(samples, count)), f"the function {name}"
    if count is not None:
        names = [count] if isinstance(count, str) else list(count)
        columns = zip(*samples.read_columns(names), strict=True)
        return [_joined(values) for values in columns], " + ".join(names)
    if not samples.columns:
        return [_joined([record]) for record in samples.records()], "the strings"
    parts: dict[str, dict[int, str]] = {}
    for row, record in enumerate(samples.records()):
        for name, value in record.items():
            if text := _joined([value]):
                parts.setdefault(name, {})[row] = text
    names = [
        name
        for name, texts in parts.items()
        if name in embedded or (name not in leave_out and _is_trained_on(name, texts.values()))
    ]
    whole = (
        "\n".join(parts[name][row] for name in names if row in parts[name])
        for row in range(len(samples))
    )
    return list(whole), " + ".join(names)


def _is_trained_on(name: str, texts: Collection[str]) -> bool:
    return name.lower() in _USUAL or 2 * sum(map(_has_words, texts)) >= len(texts)


def _has_words(text: str) -> bool:
    return len(text.split(maxsplit=1)) > 1


def _called(samples: Samples, function: Callable[[Any], str]) -> Iterator[str]:
    for row, record in enumerate(samples.records()):
        try:
            text = function(record)
        except Exception as error:
            raise TextError(
                f"{samples.locate(row)}: the function passed as count= failed with "
                f"{type(error).__name__}: {error}"
            ) from error
        if not isinstance(text, str):
            raise TextError(
                f"{samples.locate(row)}: the function passed as count= returned "
                f"{type(text).__name__}, not a string."
            )
        yield text


def _joined(values: Iterable[Any]) -> str:
    return "\n".join(text for value in values for text in _texts(value) if text)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, at any depth."""
    if isinstance(value, str | Mapping):
        try:
            messages = messages_of(value)
        except ChatError:
            messages = None  # not a chat after all
        if messages is not None:
            value = messages
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if not (name in _LABELS and _LABELS[name] in value and isinstance(part, str)):
                yield from _texts(part)
    elif is_list(value):
        if len(value) and isinstance(value[0], Number):
            return  # a vector
        is_turn = len(value) == 2 and all(isinstance(part, str) for part in value)
        # In a turn such as ["user", "hi"], the role does not count as content.
        for part in value[1:] if is_turn and value[0].lower() in ROLES_OF_PAIRS else value:
            yield from _texts(part)
