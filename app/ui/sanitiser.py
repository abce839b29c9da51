"""The sanitiser: the last step of every text on its way into the page, with a short list of what may pass."""

from __future__ import annotations

from functools import cache

import nh3

from app.ui.formulas import MATHML_ATTRIBUTES, MATHML_TAGS
from app.ui.highlight import CODE_CLASSES
from app.ui.links import SCHEMES

TEXT_TAGS = frozenset({"p", "br", "hr", "strong", "em", "s", "code", "pre", "blockquote", "a", "span", "div", "button"})
LIST_TAGS = frozenset({"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"})
HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
CELL_CLASSES = frozenset({"left", "center", "right"})


@cache
def _cleaner() -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=set(TEXT_TAGS | LIST_TAGS | HEADINGS | MATHML_TAGS),
        clean_content_tags={"script", "style", "template", "noscript", "iframe", "textarea", "title", "xmp"},
        attributes={
            "a": {"href", "title"},
            "ol": {"start"},
            **{tag: set(MATHML_ATTRIBUTES) - {"display"} for tag in MATHML_TAGS},
        },
        # A button of ours only: it copies the block of code it stands in.
        tag_attribute_values={
            "button": {"type": {"button"}, "data-act": {"copy-code"}},
            "math": {"display": {"block", "inline"}},
        },
        set_tag_attribute_values={
            "a": {"target": "_blank", "dir": "auto"},
            "button": {"type": "button"},
        },
        link_rel="noopener noreferrer nofollow",
        url_schemes=set(SCHEMES),
        url_relative="deny",
        strip_comments=True,
        allowed_classes={
            "div": {"code", "code-head"},
            "span": set(CODE_CLASSES) | {"link-host"},
            "pre": {"plain"},
            "code": {"formula-error"},
            "td": set(CELL_CLASSES),
            "th": set(CELL_CLASSES),
        },
    )


def sanitised(html: str) -> str:
    """The same HTML with nothing but the tags, attributes and classes that `render` writes."""
    return _cleaner().clean(html)
