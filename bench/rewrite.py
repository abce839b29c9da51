"""The rewrite mode on a text of 300 words: tokens/s with n-gram speculation and without, in turns.

The request is what the mode makes of the text. A rewrite repeats most of what it was given, which is what speculation
lives on. `ratio` is the median over pairs that ran one after the other; `same_text` says whether both wrote the same.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from app.modes import instructions_for, load_modes
from bench.scene import report
from models.catalog import starter
from models.client import Client
from models.runtimes.child import ChildEngine
from models.runtimes.llama_cpp import LlamaCppRuntime, LlamaCppSettings
from models.types import ChatMessage, SamplingOptions

PARAGRAPHS = (
    "The library in Mill Street was built in 1904 by Anna Weber, who had made her money with boats. She "
    "gave it to the town under one condition: that nobody should ever pay for a book. For a long time "
    "there were only two rooms. In the first one stood the novels, in the second one the maps, and "
    "between them sat Mr Hale, who knew every reader by name.",
    "In 1931 the river came over its banks and stood in the rooms for nine days. Four thousand books were "
    "lost. The people of the town brought their own books, one by one, and put them on the shelves. Some "
    "of these books are still there; one can know them by the names of families on the first page.",
    "After the war the school next door grew, and the children came in the afternoon to do their work "
    "where it was warm. Mr Hale's daughter Ruth put a table under the window for them. It is still called "
    "the long table, although it was shortened in 1978 to let the new door open.",
    "Today the library has eleven rooms, 62,000 books and a garden. It lends out tools and seeds as well, "
    "and on Thursday evenings somebody reads aloud for those who do not see well. Last year 18,400 people "
    "came, more than ever before. The town now wants to build a roof over the garden, which would cost "
    "240,000 euros, and has asked its readers what they think of it. Most of them wrote that they would "
    "rather have the trees. A few wrote that they would like both, and one child drew a roof with holes "
    "in it, through which the trees look out.",
)


def tokens_per_second(engine: ChildEngine, message: ChatMessage, most: int) -> tuple[float, str]:
    """Tokens/s between the first and the last token, and the text."""
    client = Client(engine.endpoint)
    options = SamplingOptions(temperature=0.0, max_tokens=most, seed=1)
    text, moments, tokens = "", [], 0
    for chunk in client.stream((message,), options):
        if chunk.text or chunk.logprobs:
            moments.append(time.perf_counter())
            tokens += max(1, len(chunk.logprobs))
            text += chunk.text
    client.close()
    return (tokens - 1) / (moments[-1] - moments[0]), text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--data-dir", type=Path, required=True, help="a data folder that holds the starter model")
    wanted = parser.parse_args()
    source = "\n\n".join(PARAGRAPHS)
    mode = next(mode for mode in load_modes() if mode.key == "rewrite")
    message = ChatMessage("user", instructions_for(mode, source, mode.defaults(), "en").user)
    spec = starter(wanted.data_dir)
    with tempfile.TemporaryDirectory(prefix="inkglass-bench-") as folder:
        logs, slots = Path(folder) / "logs", Path(folder) / "slots"
        guessing = LlamaCppRuntime(logs, slots).start(spec, lambda _: None)
        plain = LlamaCppRuntime(logs, slots, LlamaCppSettings(speculation=())).start(spec, lambda _: None)
        try:
            pairs = [
                (tokens_per_second(guessing, message, wanted.tokens), tokens_per_second(plain, message, wanted.tokens))
                for _ in range(wanted.runs)
            ]
        finally:
            guessing.stop()
            plain.stop()
    report(
        {
            "words": len(source.split()),
            "with_speculation": round(statistics.median(one for (one, _), _ in pairs), 1),
            "without": round(statistics.median(other for _, (other, _) in pairs), 1),
            "ratio": round(statistics.median(one / other for (one, _), (other, _) in pairs), 3),
            "same_text": all(one == other for (_, one), (_, other) in pairs),
            "beginning": pairs[0][0][1][:200],
        }
    )


if __name__ == "__main__":
    main()
