"""Imports Gradio without its stub files: writing them is half of the import's time and changes installed packages.

While each component class is made, `gradio.component_meta.create_or_modify_pyi` parses its source and writes a `.pyi`
beside it, for editors. Measured here: 1.1 s of 2.35 s.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

MODULE, WRITES_STUBS = "gradio.component_meta", "create_or_modify_pyi"


class _WithoutStubs(Loader):
    """Loads the module as it is, then replaces the one function."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        # A Gradio that has no such function any more is simply left as it is.
        if hasattr(module, WRITES_STUBS):
            setattr(module, WRITES_STUBS, lambda *_arguments: None)


class _Finder(MetaPathFinder):
    """Finds that one module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _WithoutStubs(spec.loader)
        return spec


def import_gradio_quickly() -> None:
    """Call before anything imports Gradio."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        import gradio  # noqa: F401  # the point is that it is loaded now
    finally:
        sys.meta_path.remove(finder)
