"""The key-value caches of the last prompts, so that what stands at the beginning again is not read again."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import DynamicCache, PreTrainedConfig
from transformers.cache_utils import DynamicLayer

KEPT = 2
"""Caches kept after their requests, the oldest given up first."""


class PrefixCaches:
    """Keeps finished requests' caches and hands the best fitting one to the next. For one thread only."""

    def __init__(self, config: PreTrainedConfig) -> None:
        self._config = config
        self._kept: list[tuple[list[int], DynamicCache]] = []

    def empty(self) -> DynamicCache:
        """A cache that has read nothing."""
        return DynamicCache(config=self._config)

    def take(self, prompt: Sequence[int]) -> tuple[int, DynamicCache]:
        """How many tokens of `prompt` are known, always leaving one to read, and a cache of just these.

        A kept cache that would lose more than half of itself belongs to another conversation, or to a longer
        reply that may be continued: its beginning is copied.
        """
        best, shared = -1, 0
        for index, (tokens, cache) in enumerate(self._kept):
            common = _common(tokens, prompt[:-1])
            if common > shared and (common == len(tokens) or _can_forget(cache)):
                best, shared = index, common
        if best < 0:
            return 0, self.empty()
        tokens, cache = self._kept[best]
        if shared * 2 < len(tokens):
            return shared, self._beginning(cache, shared)
        del self._kept[best]
        cache.crop(shared - len(tokens))
        return shared, cache

    def give(self, tokens: list[int], cache: DynamicCache) -> None:
        """Keep `cache`, which has read exactly `tokens`."""
        if tokens:
            self._kept.append((tokens, cache))
            del self._kept[:-KEPT]

    def _beginning(self, cache: DynamicCache, length: int) -> DynamicCache:
        copy = self.empty()
        for index, layer in enumerate(cache.layers):
            copy.update(layer.keys[..., :length, :], layer.values[..., :length, :], index)
        return copy


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    for index, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return index
    return min(len(left), len(right))


def _can_forget(cache: DynamicCache) -> bool:
    """Whether the last tokens can be taken out again: not so with sliding windows and recurrent states."""
    return all(type(layer) is DynamicLayer for layer in cache.layers)
