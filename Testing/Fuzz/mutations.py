"""Random changes of valid files."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_NUMBERS = (
    *(b"0", b"-1", b"1", b"2", b"3", b"7", b"255", b"256", b"65536", b"2147483647", b"-2147483648", b"4294967296"),
    *(b"99999999999", b"1e308", b"-1e308", b"1e-308", b"nan", b"inf", b"-inf", b"0.5", b"1.0", b"1e5", b"", b"x"),
)
_BYTES = (0, 1, 2, 4, 8, 16, 32, 64, 127, 128, 255)
_INTEGERS = (0, 1, -1, 2, 3, 127, 128, 255, 32767, 32768, 65535, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**63 - 1)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_HEADER = 2000
"""Bytes at the beginning of a file in which most changes are made: that is where headers are."""


def mutate(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return a file with one to six random changes.

    Args:
        rng: source of randomness.
        content: the file to change.
        seeds: all valid files, parts of which may be put in.
        words: what a file of this kind contains, such as names of fields.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 6))):
        content = rng.choice(_CHANGES)(rng, content, seeds, words)
    return content


def _position(rng: random.Random, content: bytes) -> int:
    limit = len(content) if rng.random() < 0.3 else min(len(content), _HEADER)
    return rng.randrange(limit) if limit else 0


def _set_byte(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = _position(rng, content)
    return content[:at] + bytes([rng.choice((*_BYTES, rng.randrange(256)))]) + content[at + 1 :]


def _flip_bit(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = _position(rng, content)
    return content[:at] + bytes(byte ^ 1 << rng.randrange(8) for byte in content[at : at + 1]) + content[at + 1 :]


def _set_integer(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    width, at = rng.choice((2, 4, 8)), _position(rng, content)
    value = (rng.choice(_INTEGERS) % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))
    return content[:at] + value + content[at + width :]


def _replace_number(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    found = list(_NUMBER.finditer(content, 0, 20_000))
    if not found:
        return content
    match = rng.choice(found)
    return content[: match.start()] + rng.choice(_NUMBERS) + content[match.end() :]


def _cut(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = _position(rng, content)
    return content[:at] if rng.random() < 0.2 else content[:at] + content[at + rng.choice((1, 2, 8, 40, 400)) :]


def _repeat(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = _position(rng, content)
    part = content[at : at + rng.choice((1, 4, 20, 200))]
    return content[:at] + part * rng.choice((2, 3, 50)) + content[at:]


def _splice(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    other = rng.choice(seeds)
    source, at, length = _position(rng, other), _position(rng, content), rng.choice((4, 20, 100, 1000))
    return content[:at] + other[source : source + length] + content[at + rng.choice((0, length)) :]


def _insert_word(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = _position(rng, content)
    return content[:at] + rng.choice(words or [b"\n"]) + content[at:]


def _replace_word(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    present = [word for word in words if word in content]
    return content.replace(rng.choice(present), rng.choice(words), 1) if present else content


def _change_line(rng: random.Random, content: bytes, seeds: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    lines = content.split(b"\n")
    at = rng.randrange(len(lines))
    lines[at : at + 1] = rng.choice(([], [lines[at]] * 2, [rng.choice(lines)], [b""]))
    return b"\n".join(lines)


_CHANGES = (
    *(_set_byte, _flip_bit, _set_integer, _replace_number, _replace_number, _cut, _repeat, _splice),
    *(_insert_word, _replace_word, _change_line),
)
