"""The composer: mode, text, model, status line, Send and Stop."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from app.ui.panels.mount import mount_script
from app.ui.view import Words

Choices = list[tuple[str, str]]


@dataclass(frozen=True)
class ComposerPanel:
    mode: gr.Dropdown
    text: gr.Textbox
    model: gr.Dropdown
    send: gr.Button
    stop: gr.Button


def composer_panel(words: Words, modes: Choices, models: Choices, model: str | None) -> ComposerPanel:
    """Enter sends and Shift+Enter breaks the line; the text grows to twelve lines."""
    with gr.Column(elem_id="composer-box"):
        gr.HTML(
            html_template='<div class="notices"></div>',
            js_on_load=mount_script("notices"),
            elem_id="notices",
            apply_default_css=False,
        )
        with gr.Column(elem_id="composer-card"):
            gr.HTML(
                html_template='<div class="fields" hidden></div>',
                js_on_load=mount_script("fields"),
                elem_id="mode-fields",
                apply_default_css=False,
            )
            text = gr.Textbox(
                label=words("composer"),
                show_label=False,
                placeholder=words("composer_placeholder"),
                lines=1,
                max_lines=12,
                container=False,
                elem_id="composer",
                autofocus=True,
            )
            with gr.Row(elem_id="composer-bar"):
                mode = gr.Dropdown(
                    modes,
                    value=modes[0][1],
                    label=words("mode"),
                    show_label=False,
                    container=False,
                    filterable=False,
                    elem_id="mode",
                )
                model_picker = gr.Dropdown(
                    models,
                    value=model,
                    label=words("model"),
                    show_label=False,
                    container=False,
                    filterable=False,
                    elem_id="model-picker",
                )
                gr.HTML(
                    html_template='<div class="status" role="status"></div>',
                    js_on_load=mount_script("status"),
                    elem_id="status",
                    apply_default_css=False,
                )
                stop = gr.Button(words("stop"), elem_id="stop")
                send = gr.Button(words("send"), elem_id="send", variant="primary")
    return ComposerPanel(mode, text, model_picker, send, stop)
