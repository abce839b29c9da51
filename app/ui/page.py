"""The page: puts the panels in place and wires each event to one act."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any

import gradio as gr

from app.bootstrap import Parts
from app.ui.actions import Actions
from app.ui.following import Following
from app.ui.i18n import LANGUAGES, Strings, choose_language
from app.ui.login import LOGOUT
from app.ui.modes import modes_json
from app.ui.panels.composer import ComposerPanel, composer_panel
from app.ui.panels.details import THEMES, DetailsPanel, details_panel
from app.ui.panels.sidebar import SidebarPanel, sidebar_panel
from app.ui.panels.transcript import TranscriptPanel, transcript_panel
from app.ui.place import Outcome, Place
from app.ui.view import Json, Words
from app.ui.welcome import about_json, mode_choices, model_choices, welcome_json

QUIET: Mapping[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""Every act is one short request: no queue, no open stream that would use up the browser's connections."""


@dataclass(frozen=True)
class Panels:
    """All components that an event reads or writes."""

    sidebar: SidebarPanel
    transcript: TranscriptPanel
    composer: ComposerPanel
    details: DetailsPanel

    def outputs(self) -> list[Any]:
        """What every act may change: the view, the composer's text and mode, the details."""
        return [self.transcript.transcript, self.composer.text, self.composer.mode, *self.details.options.values()]

    def values(self, outcome: Outcome) -> list[Any]:
        """`outcome` in the order of `outputs()`; what it leaves alone is skipped."""
        options = outcome.details
        return [
            outcome.view,
            gr.skip() if outcome.composer is None else outcome.composer,
            _picked(outcome),
            *(gr.skip() if options is None else gr.update(value=options[n]) for n in self.details.options),
        ]

    def labelled(self) -> list[Any]:
        """The components whose own words change with the language."""
        composer, details = self.composer, self.details
        return [
            self.sidebar.new,
            composer.text,
            composer.mode,
            composer.model,
            composer.send,
            composer.stop,
            *details.options.values(),
            details.use_advice,
            details.language,
            details.theme,
        ]


def _picked(outcome: Outcome) -> Any:
    """The mode picker after an act."""
    if outcome.mode is None:
        return gr.skip()
    names = {} if outcome.mode_names is None else {"choices": outcome.mode_names}
    return gr.update(value=outcome.mode, **names)


def build_page(parts: Parts, strings: Strings) -> gr.Blocks:
    """The whole page as Gradio blocks; nothing runs yet."""
    actions = Actions(parts, strings)
    following = Following(actions)
    language = choose_language(parts.preferences.get("language"), None)
    words = Words(strings, language)
    with gr.Blocks(title=words("app_name"), fill_width=True, analytics_enabled=False) as page:
        with gr.Row(elem_id="shell"):
            with gr.Column(elem_id="sidebar"):
                sidebar = sidebar_panel(words, [_question(following.conversations)])
            with gr.Column(elem_id="main"):
                transcript = transcript_panel(_questions(following))
                composer = composer_panel(words, mode_choices(parts, language), model_choices(parts), parts.model_id())
            with gr.Column(elem_id="details"):
                theme = str(parts.preferences.get("theme") or "system")
                details = details_panel(words, actions.details(None), theme if theme in THEMES else "system")
        panels = Panels(sidebar, transcript, composer, details)
        _wire_conversation(actions, panels)
        _wire_details(actions, panels)
        _wire_language(page, actions, panels)
    return page


def _questions(following: Following) -> list[Callable[[Any], Any]]:
    asked = (
        following.follow,
        following.window,
        following.earlier,
        following.source,
        following.whole,
        following.prompt,
        following.checks,
        following.count,
        following.keep_draft,
        following.mode_source,
        following.mode_preview,
    )
    return [_question(method) for method in asked]


def _question(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A plain function of the same name: Gradio marks server functions, and a bound method takes no mark."""

    @wraps(method)
    def ask(data: Any) -> Any:
        return method(data)

    return ask


def _wire_conversation(actions: Actions, panels: Panels) -> None:
    parts = actions.parts
    place, outputs = panels.transcript.place, panels.outputs()
    names = list(panels.details.options)

    def on_send(value: Any, text: str, mode: str, *options: Any) -> list[Any]:
        details = dict(zip(names, options, strict=True))
        return panels.values(actions.send(Place.parse(value), text or "", mode, details))

    def on_stop(value: Any) -> list[Any]:
        return panels.values(actions.stop(Place.parse(value)))

    def on_new(value: Any) -> list[Any]:
        return panels.values(actions.open(Place.parse(value), None))

    def on_act(value: Any, event: gr.EventData) -> list[Any]:
        return panels.values(actions.act(Place.parse(value), event._data))

    composer = panels.composer
    inputs = [place, composer.text, composer.mode, *panels.details.options.values()]
    gr.on([composer.text.submit, composer.send.click], on_send, inputs, outputs, **QUIET)
    composer.stop.click(on_stop, place, outputs, **QUIET, trigger_mode="multiple")
    panels.sidebar.new.click(on_new, place, outputs, **QUIET)
    panels.transcript.transcript.act(on_act, place, outputs, **QUIET, trigger_mode="multiple")

    def on_model(value: Any, model: str) -> list[Any]:
        return panels.values(actions.choose_model(Place.parse(value), model))

    def on_mode(value: Any, mode: str) -> list[Any]:
        place = Place.parse(value)
        outcome = actions.attempt(place, lambda: actions.modes().choose(place, mode))
        return panels.values(replace(outcome, mode=None))

    composer.mode.input(on_mode, [place, composer.mode], outputs, **QUIET, trigger_mode="always_last")

    def on_modes(value: Any) -> Any:
        return gr.update(choices=mode_choices(parts, Place.parse(value).language))

    # Modes and models that were put into their folders meanwhile are there when one looks.
    composer.mode.focus(on_modes, place, composer.mode, **QUIET)
    composer.model.input(on_model, [place, composer.model], outputs, **QUIET)
    composer.model.focus(lambda: gr.update(choices=model_choices(actions.parts)), None, composer.model, **QUIET)


def _wire_details(actions: Actions, panels: Panels) -> None:
    place, outputs = panels.transcript.place, panels.outputs()[:1]

    def on_option(name: str, value: Any, option: Any) -> Json:
        return actions.change(Place.parse(value), name, option).view

    for name, component in panels.details.options.items():
        # `input` would send each letter of a system prompt: a text is kept when one leaves it.
        listen = component.blur if isinstance(component, gr.Textbox) else component.input
        if isinstance(component, gr.Slider):
            listen = component.release
        listen(partial(on_option, name), [place, component], outputs, **QUIET, trigger_mode="always_last")

    def on_use_advice(value: Any) -> list[Any]:
        return panels.values(actions.use_advice(Place.parse(value)))

    panels.details.use_advice.click(on_use_advice, place, panels.outputs(), **QUIET)

    def on_theme(value: Any, theme: str) -> Json:
        return actions.choose_theme(Place.parse(value), theme).view

    panels.details.theme.input(on_theme, [place, panels.details.theme], panels.transcript.transcript, **QUIET)


def _wire_language(page: gr.Blocks, actions: Actions, panels: Panels) -> None:
    parts, strings = actions.parts, actions.strings

    def labels(words: Words, outcome: Outcome) -> list[Any]:
        """New words for every component, and with them what the outcome says of text and options."""
        options = outcome.details or {}
        draft = {} if outcome.composer is None else {"value": outcome.composer}
        return [
            gr.update(value=words("new_conversation")),
            gr.update(label=words("composer"), placeholder=words("composer_placeholder"), **draft),
            gr.update(
                label=words("mode"),
                choices=mode_choices(parts, words.language),
                **({} if outcome.mode is None else {"value": outcome.mode}),
            ),
            gr.update(label=words("model"), choices=model_choices(parts), value=parts.model_id()),
            gr.update(value=words("send")),
            gr.update(value=words("stop")),
            *(
                gr.update(label=words(n), **_info(words, n), **({"value": options[n]} if n in options else {}))
                for n in panels.details.options
            ),
            gr.update(value=words("use_advice")),
            gr.update(label=words("language"), value=words.language),
            gr.update(label=words("theme"), choices=[(words(f"theme_{name}"), name) for name in THEMES]),
        ]

    def extras(words: Words) -> Json:
        """What the page's script needs once in a language."""
        return {
            "strings": strings.words[words.language],
            "language": words.language,
            "theme": parts.preferences.get("theme") or "system",
            "modes": modes_json(parts.modes.contents(), words.language),
            "welcome": welcome_json(parts, words),
            "about": about_json(parts, words),
            "logout": LOGOUT if parts.settings.password else None,
        }

    def on_load(request: gr.Request) -> list[Any]:
        wanted = request.query_params.get("c") or None
        language = choose_language(parts.preferences.get("language"), request.headers.get("accept-language"))
        words = Words(strings, language)
        outcome = actions.open(Place(wanted, None, language), wanted)
        return [{**outcome.view, **extras(words)}, *labels(words, outcome)]

    def on_language(value: Any, language: str) -> list[Any]:
        place = replace(Place.parse(value), language=language if language in LANGUAGES else "en")
        parts.preferences.set("language", place.language)
        words = Words(strings, place.language)
        outcome = replace(actions.open(place, place.conversation), composer=None, details=None)
        return [{**outcome.view, **extras(words)}, *labels(words, outcome)]

    outputs = [panels.transcript.transcript, *panels.labelled()]
    page.load(on_load, None, outputs, **QUIET)
    language = panels.details.language
    language.input(on_language, [panels.transcript.place, language], outputs, **QUIET)


def _info(words: Words, name: str) -> dict[str, str]:
    hint = f"{name}_hint"
    return {"info": words(hint)} if hint in words.strings.words[words.language] else {}
