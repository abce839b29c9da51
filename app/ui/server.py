"""The server: our own FastAPI app with the page mounted in it, behind the guards of `security`."""

from __future__ import annotations

import zlib
from pathlib import Path

import gradio as gr
from fastapi import FastAPI, Response
from starlette.staticfiles import StaticFiles

from app.bootstrap import Parts
from app.ui.i18n import load_strings
from app.ui.page import build_page
from app.ui.render import code_css
from app.ui.security import protect
from app.ui.theme import build_theme

STATIC = Path(__file__).with_name("static")
HEAD = """
<link rel="stylesheet" href="/inkglass/static/inkglass.css">
<link rel="stylesheet" href="/inkglass/code.css">
<script type="module" src="/inkglass/static/page.js"></script>
"""


def page_version() -> int:
    """A number that changes with the page's own code, and not with a restart.

    Gradio's script reloads an open tab when this number changes. Left to Gradio it is random, so that every restart of
    the app would reload the tab and take what stands in the composer.
    """
    ours = sorted(path for path in Path(__file__).parent.rglob("*") if path.suffix in {".py", ".js", ".css", ".toml"})
    return zlib.crc32(b"".join(path.read_bytes() for path in ours) + gr.__version__.encode())


def create_app(parts: Parts, *, port: int) -> FastAPI:
    """The whole web application, ready for uvicorn; `port` is the one that is bound."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/inkglass/static", StaticFiles(directory=STATIC), name="static")

    # Served as files: Gradio's own `css` puts its container before each selector, and then `body[…]` never matches.
    @app.get("/inkglass/code.css")
    def code_colours() -> Response:
        return Response(code_css(), media_type="text/css")

    @app.get("/inkglass/alive")
    def alive() -> Response:
        return Response("Inkglass", media_type="text/plain")

    page = build_page(parts, load_strings())
    page.app_id = page_version()
    gr.mount_gradio_app(
        app,
        page,
        path="/",
        theme=build_theme(),
        head=HEAD,
        ssr_mode=False,
        footer_links=[],
        run_history=False,
        pwa=False,
        favicon_path=str(STATIC / "icon.svg"),
        enable_monitoring=False,
        show_error=False,
    )
    protect(app, host=parts.settings.host, port=port, password=parts.settings.password)
    return app
