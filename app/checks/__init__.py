"""Checks that count: what a mode promises, found in the reply or not. Pure; libraries do the linguistics.

A check is a function from a request to findings; `CHECKS` names them for the modes' files. They never raise on any
text, never change it, and take time in proportion to its length.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from app.checks.code import check_code
from app.checks.findings import Check, CheckRequest, Finding, Target, lines_of, written_lines
from app.checks.poem import check_poem
from app.checks.prose import check_length, check_letter, check_outline, check_scene, check_summary, size_of
from app.checks.reporting import check_news, check_rewrite

CHECKS: Mapping[str, Check] = {
    "code": check_code,
    "length": check_length,
    "letter": check_letter,
    "news": check_news,
    "outline": check_outline,
    "poem": check_poem,
    "rewrite": check_rewrite,
    "scene": check_scene,
    "summary": check_summary,
}
LONGEST_CHECKED = 200_000
"""Characters of a reply that are checked; no mode asks for as much."""

__all__ = [
    "CHECKS",
    "Check",
    "CheckRequest",
    "Finding",
    "Target",
    "lines_of",
    "run_checks",
    "size_of",
    "written_lines",
]


def run_checks(names: Iterable[str], request: CheckRequest) -> tuple[Finding, ...]:
    """What the named checks find. A name that nobody knows (a mode of a later version) is passed over."""
    if len(request.text) > LONGEST_CHECKED or len(request.source) > LONGEST_CHECKED:
        return (Finding("too_long", False, {"most": LONGEST_CHECKED}),)
    findings: list[Finding] = []
    for name in names:
        if name in CHECKS:
            findings += CHECKS[name](request)
    return tuple(findings)
