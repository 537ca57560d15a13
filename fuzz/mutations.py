"""Damage to a file: changed, inserted, removed and repeated bytes, and changed JSON values."""

from __future__ import annotations

import json
from random import Random
from typing import Any

# Byte strings at which parsers go wrong.
_TOKENS = [
    *(
        b"",
        b"\x00",
        b"\xff",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\xef\xbb\xbf",
        b"\xfe\xff",
    ),
    *(b"\xfe\xff", b"\n", b"\r", b'"', b"'", b",", b"{", b"}", b"[", b"]", b"(", b")", b"[" * 2000),
    *(
        b"\\ud800",
        b"-1",
        b"0",
        b"1e999",
        b"NaN",
        b"9" * 30,
        b"9" * 5000,
        b"null",
        b"true",
        b"\xc3\x28",
    ),
]
_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 2**31, 2**63, 2**64, 10**30, 0.5, -1e308, "", "x", "|O", "<f4"),
    *([], [[]], {}, {"": {}}, [1, "a"], {"rows": -1}),
]


def damaged(content: bytes, random: Random) -> bytes:
    """Return `content` after one to four changes."""
    changed = bytearray(content)
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        _change(changed, random)
    return bytes(changed)


def _change(content: bytearray, random: Random) -> None:
    # Headers are short, and most of what is checked is there.
    size = len(content) if random.random() < 0.5 else min(len(content), 160)
    begin = random.randrange(size + 1)
    end = min(len(content), begin + random.choice([1, 1, 2, 4, 8, 100]))
    kind = random.randrange(6)
    if kind == 0 and begin < len(content):
        content[begin] ^= 1 << random.randrange(8)
    elif kind == 1:
        content[begin:end] = bytes(random.randrange(256) for _ in range(end - begin))
    elif kind == 2:
        content[begin:begin] = random.choice(_TOKENS)
    elif kind == 3:
        content[begin:end] = random.choice(_TOKENS)
    elif kind == 4:
        del content[begin : random.choice([end, end, len(content)])]
    else:
        other = random.randrange(len(content) + 1)
        content[other:other] = content[begin:end]


def damaged_json(value: Any, random: Random) -> Any:
    """Return a JSON value with one to three of its parts replaced, removed or repeated."""
    value = json.loads(json.dumps(value))
    for _ in range(random.choice([1, 1, 2, 3])):
        value = _changed_part(value, random)
    return value


def _changed_part(value: Any, random: Random) -> Any:
    deeper = isinstance(value, dict | list) and value and random.random() < 0.8
    if not deeper:
        return random.choice(_VALUES)
    if isinstance(value, list):
        place = random.randrange(len(value))
        kind = random.randrange(6)
        if kind == 0:
            del value[place]
        elif kind == 1:
            value.append(value[place])
        else:
            value[place] = _changed_part(value[place], random)
        return value
    name = random.choice(list(value))
    kind = random.randrange(10)
    if kind == 0:
        del value[name]
    elif kind == 1:
        value[f"{name}x"] = value.pop(name)
    else:
        value[name] = _changed_part(value[name], random)
    return value
