"""The transcript: the title line above it, the messages, and where the tab stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.ui.panels.mount import mount_script


@dataclass(frozen=True)
class TranscriptPanel:
    """`place` holds the ids a tab stands at; `transcript` takes views and raises "act"."""

    place: gr.HTML
    transcript: gr.HTML


def place_component() -> gr.HTML:
    """Where this tab stands (ids and language); every handler reads it, only the page's script writes it."""
    return gr.HTML(
        value={"conversation": "", "head": "", "language": "en"},
        html_template="<i></i>",
        js_on_load=mount_script("place"),
        elem_id="place",
        visible="hidden",
    )


def transcript_panel(server_functions: list[Callable[[Any], Any]]) -> TranscriptPanel:
    """The column's middle; its content is built by `static/transcript.js` from the views it is given."""
    place = place_component()
    gr.HTML(
        html_template='<header class="titlebar"></header>',
        js_on_load=mount_script("titlebar"),
        elem_id="titlebar",
        apply_default_css=False,
    )
    transcript = gr.HTML(
        value=None,
        html_template='<div class="log" role="log" aria-live="off" tabindex="0"></div>',
        js_on_load=mount_script("transcript"),
        server_functions=server_functions,
        elem_id="transcript",
        apply_default_css=False,
    )
    return TranscriptPanel(place, transcript)
