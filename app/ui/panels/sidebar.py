"""The sidebar: new conversation, search, the list of conversations, settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.ui.panels.mount import mount_script
from app.ui.view import Words


@dataclass(frozen=True)
class SidebarPanel:
    new: gr.Button
    conversations: gr.HTML


def sidebar_panel(words: Words, server_functions: list[Callable[[Any], Any]]) -> SidebarPanel:
    """The list is built by `static/sidebar.js`, which asks for more as one scrolls."""
    new = gr.Button(words("new_conversation"), elem_id="new-conversation")
    conversations = gr.HTML(
        value=None,
        html_template='<nav class="sidebar"></nav>',
        js_on_load=mount_script("conversations"),
        server_functions=server_functions,
        elem_id="conversations",
        apply_default_css=False,
    )
    return SidebarPanel(new, conversations)
