"""The corpus of hostile texts: what a model, an import or a pasted text could say to harm the page."""

from __future__ import annotations

import re
from pathlib import Path

VECTORS = Path(__file__).with_name("vectors.txt")


def hostile_texts() -> dict[str, str]:
    """Hostile texts by what they try. Files are read as bytes: line ends and control characters are part of them."""
    parts = re.split(r"^%%%% (.*)\n", VECTORS.read_bytes().decode(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
