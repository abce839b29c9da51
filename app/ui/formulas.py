"""LaTeX formulas as MathML, which browsers draw by themselves."""

from __future__ import annotations

import html
from functools import lru_cache

from latex2mathml.converter import convert

LONGEST = 4_000


@lru_cache(maxsize=512)
def formula(source: str, *, block: bool) -> str:
    """`source` as MathML; as its own text where it cannot be read."""
    source = source.strip()
    try:
        if not source or len(source) > LONGEST or source.count("{") > 400:
            raise ValueError("too long for a formula")
        return str(convert(source, display="block" if block else "inline"))
    except Exception:  # noqa: BLE001  # the converter raises many kinds for what models write; the source is shown then
        return f'<code class="formula-error">{html.escape(source)}</code>'
