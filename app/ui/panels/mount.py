"""Hands an HTML component to the page's own script, which is a static file and not a string in Python."""

from __future__ import annotations


def mount_script(name: str) -> str:
    """The `js_on_load` of a component that `static/page.js` knows as `name`; its custom event is "act"."""
    return (
        "(window.inkglassMounts = window.inkglassMounts || []).push({"
        f"name: '{name}', element, props, trigger, watch, "
        "server: typeof server === 'undefined' ? null : server, event: 'act'});"
    )
