"""Converts chats to text: messages in every common shape, whole or in parts."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from evenly.errors import OptionError

# ShareGPT's names for the roles.
_SAME_ROLE = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
# In a pair such as ["user", "hi"], only these are roles; any word is one in a dict.
ROLES_OF_PAIRS = {*_SAME_ROLE, "user", "assistant", "system", "developer", "tool", "function"}
_KEYS = (("role", "content"), ("from", "value"))
# The beginning of the source of messages; no text begins like this by chance.
_SOURCE = re.compile(r"""\s*\[?\s*\{\s*(["'])(role|content|from|value)\1\s*:""")


class ChatError(Exception):
    """A chat has an unknown shape. Internal to this package: the row becomes invalid."""


def check_roles(roles: str | Sequence[str]) -> frozenset[str]:
    """Return the canonical names of the roles, as `chat_text` expects them.

    Raises:
        OptionError: there are no roles, or they are not strings.
    """
    names = (roles,) if isinstance(roles, str) else tuple(roles)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise OptionError(
            f"roles must name at least one role, such as ('user', 'assistant'), got {roles!r}."
        )
    return frozenset(_role(name) for name in names)


def messages_of(value: object) -> Any:
    """Return the messages of a chat as a list, or None if the value is a text or anything else.

    A chat is a list; or a dict of lists of the same length, which the datasets library makes of
    a list of dicts; or the source of either, as JSON or as Python prints it, which is how CSV
    files and many parquet files hold messages.

    Raises:
        ChatError: the lists differ in length, or the source of messages cannot be parsed.
    """
    if isinstance(value, str):
        parsed = _parsed(value) if value[:1].isspace() or value[:1] in ("[", "{") else None
        return parsed if parsed is not None and _are_messages(parsed) else None
    return _as_list(value)


def chat_text(messages: Any, roles: frozenset[str]) -> str:
    """Join the non-empty messages of `roles` with newlines.

    Args:
        messages: dicts with "role" and "content" or with "from" and "value", or pairs of a role
            and a content. The content is a string, None (as in tool calls) or a list of parts,
            of which only texts are used.
        roles: roles from `check_roles`.

    Raises:
        ChatError: the chat has another shape, or no text of these roles.
    """
    contents: list[str] = []
    present: dict[str, None] = {}
    for number, message in enumerate(messages, start=1):
        role, content = _message(message, number)
        present[role] = None
        if role in roles:
            contents.append(_content(content, number))
    text = "\n".join(text for text in contents if text)
    if not text:
        wanted = " or ".join(sorted(roles))
        if not present:
            raise ChatError(f"has no message of role {wanted}: it is empty")
        what = "text in its messages" if contents else "message"
        raise ChatError(
            f"has no {what} of role {wanted}: its roles are {', '.join(present)}, and roles= (on "
            "the command line: --roles) names those to read"
        )
    return text


def is_list(value: object) -> bool:
    """Whether a value is a list, a tuple or an array."""
    # pandas reads lists in parquet as arrays.
    return isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray"


def _as_list(value: object) -> Any:
    """Return the messages of a list, or of a dict of lists; None for anything else."""
    if is_list(value):
        return value
    if isinstance(value, Mapping):
        for keys in _KEYS:
            columns = [value.get(key) for key in keys]
            if all(map(is_list, columns)):
                return _rows(keys, columns)
    return None


def _rows(keys: tuple[str, str], columns: Sequence[Any]) -> list[dict[str, Any]]:
    lengths = [len(column) for column in columns]
    if lengths[0] != lengths[1]:
        counts = f"{lengths[0]} of {keys[0]} and {lengths[1]} of {keys[1]}"
        raise ChatError(f"has lists of different lengths: {counts}")
    return [dict(zip(keys, values, strict=True)) for values in zip(*columns, strict=True)]


def _parsed(source: str) -> Any:
    """Return the messages in a string of JSON or of Python literals; None if there are none.

    Raises:
        ChatError: it begins as messages do, and cannot be parsed.
    """
    try:
        return _as_list(json.loads(source))
    except (ValueError, RecursionError) as error:
        if not _SOURCE.match(source):
            return None
        try:
            return _as_list(ast.literal_eval(source.strip()))
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise ChatError(f"looks like messages as JSON, but is not JSON: {error}") from None


def _are_messages(parsed: Any) -> bool:
    """Return whether a parsed list holds a message; a list may also be the text of a row."""
    return any(
        _is_pair(message)
        if is_list(message)
        else isinstance(message, Mapping)
        and any(isinstance(message.get(role), str) and key in message for role, key in _KEYS)
        for message in parsed
    )


def _is_pair(message: Any) -> bool:
    return (
        len(message) == 2
        and isinstance(message[0], str)
        and message[0].lower() in ROLES_OF_PAIRS
        and (message[1] is None or isinstance(message[1], str))
    )


def _message(message: Any, number: int) -> tuple[str, Any]:
    if isinstance(message, Mapping):
        for role, content in _KEYS:
            if isinstance(message.get(role), str):
                return _role(message[role]), message.get(content)
        shape = f"has the keys {', '.join(map(str, message))}"
    elif is_list(message) and _is_pair(message):
        return _role(message[0]), message[1]
    else:
        shape = f"is {type(message).__name__}"
    raise ChatError(
        f"message {number} {shape}, but must have role and content or from and value, or be a "
        'pair such as ["user", "hi"]'
    )


def _content(content: Any, number: int) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not is_list(content):
        raise ChatError(
            f"the content of message {number} is {type(content).__name__}, not a string"
        )
    texts = [part if isinstance(part, str) else _part(part, number) for part in content]
    return "\n".join(text for text in texts if text)


def _part(part: Any, number: int) -> str:
    if not isinstance(part, Mapping) or "type" not in part:
        raise ChatError(f"a part of message {number} is {type(part).__name__} without a type")
    if part["type"] not in ("text", "input_text", "output_text"):
        return ""
    text = part.get("text")
    if not isinstance(text, str):
        raise ChatError(
            f"a text part of message {number} holds {type(text).__name__}, not a string"
        )
    return text


def _role(name: str) -> str:
    lower = name.lower()
    return _SAME_ROLE.get(lower, lower)
