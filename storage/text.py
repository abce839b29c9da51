"""Text that can be kept: what neither UTF-8 nor SQLite's text functions can hold becomes a visible sign."""

from __future__ import annotations

import re

LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> tuple[str, int]:
    """`text` without lone surrogates (U+FFFD instead) and NUL (U+2400 instead), and how many were replaced.

    Two surrogates that belong together are joined into their character, which counts as no replacement.
    """
    joined = _join(text)
    joined, surrogates = LONE_SURROGATE.subn("\ufffd", joined)
    nuls = joined.count("\0")
    return joined.replace("\0", "\u2400"), surrogates + nuls


def _join(text: str) -> str:
    return re.sub(
        "([\ud800-\udbff])([\udc00-\udfff])",
        lambda pair: chr(0x10000 + ((ord(pair[1]) - 0xD800) << 10) + ord(pair[2]) - 0xDC00),
        text,
    )
