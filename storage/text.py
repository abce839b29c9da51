"""Text that can be kept: what neither UTF-8 nor SQLite's text functions can hold becomes a visible sign."""

from __future__ import annotations

import re

PAIR = re.compile("([\ud800-\udbff])([\udc00-\udfff])")
LONE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> tuple[str, int]:
    """`text` without lone surrogates (U+FFFD instead) and NUL (U+2400 instead), and how many were replaced.

    Two surrogates that belong together are joined into their character, which counts as no replacement.
    Everything else, right-to-left marks, joiners and combining signs among it, is kept as it came.
    """
    surrogates = 0
    if not _encodable(text):
        joined = PAIR.sub(lambda pair: (pair[1] + pair[2]).encode("utf-16", "surrogatepass").decode("utf-16"), text)
        text, surrogates = LONE.subn("\ufffd", joined)
    nuls = text.count("\0")
    return (text.replace("\0", "\u2400") if nuls else text), surrogates + nuls


def kept(text: str) -> str:
    """`text` as it can be kept; what every writer of the storage passes its texts through."""
    return clean(text)[0]


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
