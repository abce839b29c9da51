"""The details: the conversation's system prompt and sampling, language and appearance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import gradio as gr

from app.ui.i18n import LANGUAGES
from app.ui.panels.mount import mount_script
from app.ui.view import Json, Words

THEMES = ("system", "light", "dark")


@dataclass(frozen=True)
class DetailsPanel:
    """`options` are the per-conversation inputs by the name under which they are stored."""

    options: Mapping[str, gr.Textbox | gr.Slider | gr.Number]
    use_advice: gr.Button
    language: gr.Radio
    theme: gr.Radio


def sampling_inputs(words: Words, values: Json) -> dict[str, gr.Textbox | gr.Slider | gr.Number]:
    """One input for each sampling option, in the ranges that llama.cpp accepts and people use."""

    def slider(name: str, low: float, high: float, step: float) -> gr.Slider:
        return gr.Slider(
            low, high, value=values[name], step=step, label=words(name), elem_id=f"option-{name}", buttons=[]
        )

    def number(name: str) -> gr.Number:
        return gr.Number(
            value=values[name],
            label=words(name),
            info=words(f"{name}_hint"),
            precision=0,
            minimum=0,
            elem_id=f"option-{name}",
            placeholder="–",
        )

    return {
        "temperature": slider("temperature", 0, 2, 0.05),
        "top_p": slider("top_p", 0.05, 1, 0.01),
        "top_k": slider("top_k", 0, 200, 1),
        "min_p": slider("min_p", 0, 0.5, 0.01),
        "repeat_penalty": slider("repeat_penalty", 1, 2, 0.01),
        "max_tokens": number("max_tokens"),
        "seed": number("seed"),
    }


def details_panel(words: Words, values: Json, theme: str) -> DetailsPanel:
    """The panel at the right, closed until asked for."""
    gr.HTML(
        html_template='<header class="drawer-head"></header>',
        js_on_load=mount_script("details"),
        elem_id="details-head",
        apply_default_css=False,
    )
    prompt = gr.Textbox(
        value=values["system_prompt"],
        label=words("system_prompt"),
        info=words("system_prompt_hint"),
        lines=4,
        max_lines=14,
        elem_id="option-system_prompt",
    )
    options: dict[str, gr.Textbox | gr.Slider | gr.Number] = {"system_prompt": prompt}
    options.update(sampling_inputs(words, values))
    use_advice = gr.Button(words("use_advice"), elem_id="use-advice", size="sm")
    language = gr.Radio(
        [(name, code) for code, name in LANGUAGES.items()],
        value=words.language,
        label=words("language"),
        elem_id="language",
    )
    appearance = gr.Radio(
        [(words(f"theme_{name}"), name) for name in THEMES],
        value=theme,
        label=words("theme"),
        elem_id="theme",
    )
    gr.HTML(
        html_template='<div class="about"></div>',
        js_on_load=mount_script("about"),
        elem_id="about",
        apply_default_css=False,
    )
    return DetailsPanel(options, use_advice, language, appearance)
