"""Converts chats to text: messages of role/content or from/value, whole or in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evenly.errors import OptionError

# ShareGPT's names for the roles.
_SAME_ROLE = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}


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


def is_chat(value: object) -> bool:
    """Return whether a value is a list of messages rather than a text."""
    # pandas reads lists in parquet as arrays.
    return isinstance(value, (list, tuple)) or type(value).__name__ == "ndarray"


def chat_text(messages: Any, roles: frozenset[str]) -> str:
    """Join the non-empty messages of `roles` with newlines.

    Args:
        messages: dicts with "role" and "content" or with "from" and "value". The content is a
            string, None (as in tool calls) or a list of parts, of which only texts are used.
        roles: roles from `check_roles`.

    Raises:
        ChatError: the chat has another shape, or no message of these roles.
    """
    contents: list[str] = []
    present: dict[str, None] = {}
    for number, message in enumerate(messages, start=1):
        role, content = _message(message, number)
        present[role] = None
        if role in roles:
            contents.append(_content(content, number))
    if not contents:
        found = f"its roles are {', '.join(present)}" if present else "it is empty"
        raise ChatError(f"has no message of role {' or '.join(sorted(roles))}: {found}")
    return "\n".join(text for text in contents if text)


def _message(message: Any, number: int) -> tuple[str, Any]:
    if isinstance(message, Mapping):
        for role, content in (("role", "content"), ("from", "value")):
            if isinstance(message.get(role), str):
                return _role(message[role]), message.get(content)
        shape = f"has the keys {', '.join(map(str, message))}"
    else:
        shape = f"is {type(message).__name__}"
    raise ChatError(f"message {number} {shape}, but must have role and content or from and value")


def _content(content: Any, number: int) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    if not is_chat(content):
        raise ChatError(
            f"the content of message {number} is {type(content).__name__}, not a string"
        )
    texts = [part if isinstance(part, str) else _part(part, number) for part in content]
    return "\n".join(text for text in texts if text)


def _part(part: Any, number: int) -> str:
    if not isinstance(part, Mapping) or "type" not in part:
        raise ChatError(f"a part of message {number} is {type(part).__name__} without a type")
    if part["type"] != "text":
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
