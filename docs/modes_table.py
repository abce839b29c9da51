"""The README's table of writing modes, written from the modes' own files: `python -m docs.modes_table`."""

from __future__ import annotations

from pathlib import Path

from app.modes import load_modes

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- modes -->\n", "<!-- /modes -->\n"


def table() -> str:
    """One line a mode: name, key and what it is for."""
    lines = ["| mode | | what it does |", "|---|---|---|"]
    lines += [f"| {mode.name['en']} | `/{mode.key}` | {mode.description['en']} |" for mode in load_modes()]
    return "\n".join(lines) + "\n"


def with_table(readme: str) -> str:
    """The README with the table as it should be now."""
    head, _, rest = readme.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


def main() -> None:
    README.write_text(with_table(README.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
