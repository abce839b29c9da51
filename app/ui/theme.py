"""The look handed to Gradio: its variables point to the tokens of `static/inkglass.css`."""

from __future__ import annotations

import gradio as gr

SANS = [
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Noto Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono", "monospace"]


def build_theme() -> gr.themes.Base:
    """A Gradio theme whose every visible colour is one of ours; the tokens themselves change with the mode."""
    theme = gr.themes.Base(font=[*SANS, "sans-serif"], font_mono=MONO)
    tokens = {
        "body_background_fill": "var(--paper)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--muted)",
        "background_fill_primary": "var(--surface)",
        "background_fill_secondary": "var(--paper)",
        "border_color_primary": "var(--line)",
        "border_color_accent": "var(--accent)",
        "color_accent": "var(--accent)",
        "color_accent_soft": "var(--tint)",
        "link_text_color": "var(--accent)",
        "block_background_fill": "transparent",
        "block_border_width": "0px",
        "block_label_text_color": "var(--muted)",
        "block_title_text_color": "var(--ink)",
        "block_info_text_color": "var(--muted)",
        "block_shadow": "none",
        "input_background_fill": "var(--surface)",
        "input_background_fill_focus": "var(--surface)",
        "input_border_color": "var(--line)",
        "input_border_color_focus": "var(--accent)",
        "input_placeholder_color": "var(--muted)",
        "input_shadow": "none",
        "input_shadow_focus": "none",
        "button_primary_background_fill": "var(--accent)",
        "button_primary_background_fill_hover": "var(--accent-strong)",
        "button_primary_text_color": "var(--on-accent)",
        "button_primary_border_color": "var(--accent)",
        "button_secondary_background_fill": "transparent",
        "button_secondary_background_fill_hover": "var(--tint)",
        "button_secondary_text_color": "var(--ink)",
        "button_secondary_border_color": "var(--line)",
        "slider_color": "var(--accent)",
        "checkbox_background_color": "var(--surface)",
        "checkbox_background_color_selected": "var(--accent)",
        "checkbox_border_color": "var(--line)",
        "checkbox_label_background_fill": "transparent",
        "checkbox_label_background_fill_hover": "var(--tint)",
        "checkbox_label_background_fill_selected": "var(--tint)",
        "checkbox_label_text_color": "var(--ink)",
        "checkbox_label_text_color_selected": "var(--ink)",
    }
    names = set(theme.set.__code__.co_varnames)
    both = dict(tokens)
    both.update({f"{name}_dark": value for name, value in tokens.items() if f"{name}_dark" in names})
    return theme.set(**both)
