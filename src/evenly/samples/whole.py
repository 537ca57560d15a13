"""Everything that is written in a record: all that a model is trained on, not what is embedded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from numbers import Number
from typing import Any

from evenly.errors import TextError
from evenly.samples.base import Samples
from evenly.samples.chat import ROLES_OF_PAIRS, ChatError, is_list, messages_of
from evenly.samples.rows import check_columns

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
) -> tuple[Iterator[str], str]:
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

    Returns:
        The texts, which are read one after the other as they are iterated.

    Raises:
        ColumnError: a column is missing.
        TextError: the function failed, or returned no text; when that text is read.
    """
    if callable(count):
        name = getattr(count, "__name__", type(count).__name__)
        return _called(samples, count), f"the function {name}"
    if count is not None:
        names = [count] if isinstance(count, str) else list(count)
        check_columns(names, samples.columns, samples.origin)
        return map(_joined, samples.iter_columns(names)), " + ".join(names)
    if not samples.columns:
        return (_joined([record]) for record in samples.records()), "the strings"
    names = [
        name
        for name, is_trained_on in _columns_of_texts(samples).items()
        if name in embedded or (name not in leave_out and is_trained_on)
    ]
    texts = (_joined_columns(record, names) for record in samples.records())
    return texts, " + ".join(names)


def _columns_of_texts(samples: Samples) -> dict[str, bool]:
    """Return the columns that hold a text, and whether a model is usually trained on them."""
    texts: dict[str, int] = {}
    with_words: dict[str, int] = {}
    for record in samples.records():
        for name, value in record.items():
            if text := _joined([value]):
                texts[name] = texts.get(name, 0) + 1
                with_words[name] = with_words.get(name, 0) + _has_words(text)
    return {
        name: name.lower() in _USUAL or 2 * with_words[name] >= found
        for name, found in texts.items()
    }


def _joined_columns(record: Mapping[str, Any], names: Sequence[str]) -> str:
    found = (_joined([record[name]]) for name in names if name in record)
    return "\n".join(text for text in found if text)


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
