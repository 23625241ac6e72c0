"""What one request takes from the section cache, and what it puts into it. The same for Ray and for ``--local``."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from pydantic import ValidationError

from analyzers.host import Description
from jobs.cache import SectionCache
from reducer.reuse import Decoders, decoded_facts, observed_again, recalled_outcome, section_keys, storable, usable
from reducer.sections import Outcome
from schema.document import VideoFacts
from schema.stored import StoredSection

PACKAGES = {"pyav": "av", "decord": "decord"}
"""Which package a decoder is."""


@dataclass(frozen=True)
class Recalled:
    """What is known about a video before any work on it.

    Attributes:
        outcomes: Sections that need no work.
        unsure: Sections of the sound that were concluded under the declared length, while this request will find out
            the decoded one. They stand when both are the same.
        facts: Of the decoded video, where an earlier request has decoded it.
    """

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    unsure: Mapping[str, StoredSection] = field(default_factory=dict)
    facts: VideoFacts | None = None


class SectionReuse:
    """The section cache as one request uses it.

    Args:
        cache: None where it is switched off.
        decoder: That decodes the pictures; the sound is PyAV's.
        fresh: Take nothing; what is computed replaces what was there.
        keep: What is taken or put is kept.
    """

    def __init__(self, cache: SectionCache | None, decoder: str, *, fresh: bool = False, keep: bool = False) -> None:
        self._cache, self._fresh, self._keep = cache, fresh, keep
        self._decoders = Decoders(_with_version(decoder), _with_version("pyav"))

    def may_know(self) -> bool:
        """Whether it is worth waiting for the video's hash before any work is planned."""
        return self._cache is not None and not self._fresh and not self._cache.is_empty()

    def recall(
        self,
        sha256: str,
        run: tuple[str, ...],
        requested: frozenset[str],
        descriptions: Mapping[str, Description],
        settled: Iterable[str],
    ) -> Recalled:
        """What of this run is known already.

        Args:
            sha256: Of the video's bytes.
            run: All its analyzers, in document order.
            requested: Those that were asked for.
            descriptions: Of those that answered.
            settled: Those that cannot run, which needs no looking up.
        """
        if self._cache is None or self._fresh:
            return Recalled()
        done = set(settled)
        keys = section_keys(sha256, self._decoders, run, descriptions)
        by_key = self._cache.get((key for name, key in keys.items() if name not in done), self._keep)
        found = usable({name: by_key[key] for name, key in keys.items() if key in by_key and name not in done})
        outcomes = self._readable(found, keys, requested)
        decoded = decoded_facts(found)
        missing = [name for name in run if name not in outcomes and name not in done]
        again = observed_again(missing, run)
        taken = {name: outcome for name, outcome in outcomes.items() if name not in again}
        decoding = any(
            descriptions[n].needs.frames for n in run if n in descriptions and n not in taken and n not in done
        )
        unsure = {n for n in taken if decoding and decoded is None and not found[n].saw_pictures}
        return Recalled(
            {name: outcome for name, outcome in taken.items() if name not in unsure},
            {name: found[name] for name in run if name in unsure},
            decoded,
        )

    def remember(
        self,
        sha256: str,
        run: tuple[str, ...],
        descriptions: Mapping[str, Description],
        outcomes: Mapping[str, Outcome],
        facts: VideoFacts,
    ) -> None:
        """Stores what this run has concluded.

        Args:
            sha256: Of the video's bytes.
            run: All its analyzers, in document order.
            descriptions: Of those whose settings were the same all the time.
            outcomes: Of the run.
            facts: Under which they were concluded.
        """
        if self._cache is not None:
            keys = section_keys(sha256, self._decoders, run, descriptions)
            new = storable(outcomes, descriptions, keys, facts, datetime.now(timezone.utc))
            self._cache.put(new, self._keep)

    def _readable(
        self, found: Mapping[str, StoredSection], keys: Mapping[str, str], requested: frozenset[str]
    ) -> dict[str, Outcome]:
        """The outcomes of what was found; a result that its analyzer's model does not take is dropped for good."""
        outcomes = {}
        for name, stored in found.items():
            try:
                outcomes[name] = recalled_outcome(stored, name in requested)
            except ValidationError:
                if self._cache is not None:
                    self._cache.drop([keys[name]])
        return outcomes


@functools.cache
def _with_version(decoder: str) -> str:
    return f"{decoder} {importlib.metadata.version(PACKAGES[decoder])}"
