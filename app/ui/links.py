"""Links: which addresses may be one, and what a reader sees of where it leads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

SCHEMES = frozenset({"http", "https", "mailto"})
LONGEST = 2_000
_WEB = re.compile(r"https?://(?:[^/?#@]*@)?([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?:[/?#].*)?", re.I | re.S)
_MAIL = re.compile(r"mailto:[^\s@<>\"?]+@[a-z0-9.-]+(?:\?.*)?", re.I | re.S)
_AUTHORITY = re.compile(r"([^/]*//)([^/?#]*)")
_BARE = re.compile(r"https?://[^\s<>\"'`\\^{}|，。；：！？、（）「」《》“”]{3,}", re.I)
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNSAFE_IN_ADDRESS = re.compile("[\x00-\x20\x7f-\xa0\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def allowed_address(url: str) -> bool:
    """Whether `url` (as the parser has encoded it) may become a link: plain web and mail addresses only."""
    if len(url) > LONGEST or _UNSAFE_IN_ADDRESS.search(url) or _BIDI.search(unquote(url)):
        return False
    return bool(_WEB.fullmatch(url) or _MAIL.fullmatch(url))


def shown_host(url: str, text: str) -> str:
    """The host (of a mail link: the address) to show after a link, '' where its text already is the address."""
    bare = text.strip().removesuffix("/").lower()
    if url.lower().startswith("mailto:"):
        target = url[7:].partition("?")[0]
        return "" if bare in {target.lower(), url.lower()} else target
    web = _WEB.fullmatch(url)
    if web is None:
        return ""
    authority = _AUTHORITY.match(url)
    plain = authority is not None and "@" not in authority.group(2)
    whole = url.lower().removesuffix("/")
    if plain and bare in {whole, whole.partition("://")[2], web.group(1).lower()}:
        return ""
    return web.group(1).lower()


def install_links(parser: MarkdownIt) -> None:
    """Teach the parser our links: allowed addresses only, bare ones too, images as links, the host beside them."""
    # Both are looked up on the parser by its rules; the defaults allow relative addresses and hide punycode.
    vars(parser)["validateLink"] = allowed_address
    vars(parser)["normalizeLinkText"] = _shown_address
    parser.core.ruler.push("links", _links)
    parser.add_render_rule("link_host", _render_host)


def _shown_address(url: str) -> str:
    """The address as written, but its host as punycode: letters of other scripts can look like any name."""
    found = _AUTHORITY.match(url)
    if found is None or found.group(2).isascii():
        return url
    encoded = _AUTHORITY.match(normalizeLink(url))
    return f"{encoded.group(1)}{encoded.group(2)}{url[found.end() :]}" if encoded else url


def _links(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = list(_with_hosts(_as_links(token.children)))


def _as_links(tokens: Sequence[Token]) -> Iterator[Token]:
    """Images and bare addresses become links; inside a link they stay text."""
    inside = False
    for token in tokens:
        if token.type in {"link_open", "link_close"}:
            inside = token.nesting == 1
            yield token
        elif token.type == "image":
            address = str(token.attrs.get("src", ""))
            text = _image_text(token) or address
            yield from [_text(text)] if inside else _link(address, text)
        elif token.type == "text" and not inside and "://" in token.content:
            yield from _bare(token.content)
        else:
            yield token


def _image_text(token: Token) -> str:
    return "".join(child.content for child in token.children or () if child.content)


def _bare(text: str) -> Iterator[Token]:
    position = 0
    for found in _BARE.finditer(text):
        address = found.group().rstrip(".,;:!?*_~'")
        while address.endswith((")", "]")) and address.count(")") > address.count("("):
            address = address[:-1].rstrip(".,;:!?*_~'")
        encoded = normalizeLink(address)
        if not allowed_address(encoded):
            continue
        yield from [_text(text[position : found.start()])] if found.start() > position else []
        yield from _link(encoded, _shown_address(address))
        position = found.start() + len(address)
    if position < len(text):
        yield _text(text[position:])


def _text(content: str) -> Token:
    token = Token("text", "", 0)
    token.content = content
    return token


def _link(address: str, text: str) -> list[Token]:
    return [Token("link_open", "a", 1, attrs={"href": address}), _text(text), Token("link_close", "a", -1)]


def _with_hosts(tokens: Iterator[Token]) -> Iterator[Token]:
    """Each link says where it leads: whole in its title, its host behind it unless its text is the address."""
    address, seen = "", list[str]()
    for token in tokens:
        if token.type == "link_open":
            address, seen = str(token.attrs["href"]), []
            token.attrs = {"href": address, "title": address}
        elif address and token.content:
            token.content = _BIDI.sub("", token.content)
            seen.append(token.content)
        yield token
        if token.type == "link_close" and address:
            host = Token("link_host", "span", 0)
            host.content = shown_host(address, "".join(seen))
            address = ""
            if host.content:
                yield host


def _render_host(
    _self: RendererProtocol, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    return f' <span class="link-host">{escapeHtml(tokens[index].content)}</span>'
