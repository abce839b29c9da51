"""What the first page says: which model runs, how big it is, what it is good for."""

from __future__ import annotations

from app.bootstrap import Parts
from app.modes import in_language, needs_other_model
from app.ui.view import Json, Words
from models.types import ModelSpec


def model_choices(parts: Parts) -> list[tuple[str, str]]:
    """The models on this machine as (name, id)."""
    return [(spec.name, spec.id) for spec in parts.models()]


def mode_choices(parts: Parts, language: str) -> list[tuple[str, str]]:
    """The writing modes as (name in the language, key)."""
    return [(in_language(mode.name, language), mode.key) for mode in parts.modes.all()]


def model_size(spec: ModelSpec, words: Words) -> str:
    """Parameters and size on disk in short: "135M parameters, 98 MB"."""
    sizes = []
    if spec.parameters:
        millions = spec.parameters / 1e6
        count = f"{millions / 1000:.1f}B" if millions >= 1000 else f"{millions:.0f}M"
        sizes.append(words("parameters", count=count))
    if spec.size_bytes:
        megabytes = spec.size_bytes / 1e6
        sizes.append(f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB")
    return ", ".join(sizes) or "?"


def welcome_json(parts: Parts, words: Words) -> Json:
    """The empty page: what runs here."""
    spec = parts.supervisor.status().model
    if spec is None:
        sentence = words("welcome_no_model", folder=str(parts.model_folder()))
    elif spec.is_starter:
        sentence = words("welcome_starter", name=spec.name, size=model_size(spec, words))
    elif spec.url and spec.name == spec.url:
        sentence = words("welcome_remote_unnamed", address=spec.url)
    elif spec.url:
        sentence = words("welcome_remote", name=spec.name, address=spec.url)
    else:
        sentence = words("welcome_model", name=spec.name, size=model_size(spec, words))
    if spec is not None and not spec.is_starter and needs_other_model(words.language, spec.languages):
        sentence += " " + words("welcome_other_language")
    kept = "" if spec is not None and spec.url else words("welcome_kept")
    return {"title": words("welcome"), "sentence": sentence, "kept": kept}


def about_json(parts: Parts, words: Words) -> list[str]:
    """The lines at the foot of the details: where things are, and the keys."""
    return [
        words("shortcuts"),
        words("model_folder", folder=str(parts.model_folder())),
        words("data_folder", folder=str(parts.settings.data_dir)),
    ]
