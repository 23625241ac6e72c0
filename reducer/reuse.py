"""Which sections of earlier analyses may stand in a new document. Pure: keys and decisions, no files.

A section depends on the bytes of the video, on the decoder, on the analyzer's version, loaded models, device and
settings, and on the sections that its ``conclude`` reads, which depend on the same things of theirs. All of that is in
its key, so whatever changes, changes the keys of what it touches and no others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

from analyzers.base import AnalyzerConfig
from analyzers.catalogue import analyzer_class
from analyzers.host import Description
from reducer.sections import Outcome
from schema.document import VideoFacts
from schema.stored import STORED_STATUSES, StoredSection

KEY_FORMAT = 1
"""Part of every key. Raised when decoding, the facts or the form of a stored section change for all analyzers."""

HARMLESS_SETTINGS = frozenset(AnalyzerConfig.model_fields)
"""Settings that every analyzer has: how long it may take, how many chunks go together. None changes a result."""


@dataclass(frozen=True)
class Decoders:
    """What decodes, with its version: another one may give other pixels and samples.

    Attributes:
        pictures: Of the pictures.
        sound: Of the sound.
    """

    pictures: str
    sound: str


def section_keys(
    sha256: str, decoders: Decoders, run: Iterable[str], descriptions: Mapping[str, Description]
) -> dict[str, str]:
    """The key of each analyzer's section in this run.

    Args:
        sha256: Of the video's bytes.
        decoders: Of this run.
        run: All analyzers of the run, in document order.
        descriptions: Of those that answered. One that did not has no key, and neither has what reads it.
    """
    names = tuple(run)
    keys: dict[str, str] = {}
    for name in names:
        in_run = {other: keys.get(other) for other in _reads(name) if other in names}
        if name not in descriptions or None in in_run.values():
            continue
        description = descriptions[name]
        parts = {
            "format": KEY_FORMAT,
            "video": sha256,
            "pictures": decoders.pictures if description.needs.frames else None,
            "sound": decoders.sound if description.needs.audio else None,
            "analyzer": name,
            "version": description.version,
            "state": f"{description.state} {description.code}".strip(),
            "models": description.models,
            "device": description.device.partition(":")[0],
            "config": {k: v for k, v in description.config.items() if k not in HARMLESS_SETTINGS},
            "reads": in_run,
        }
        text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        keys[name] = hashlib.sha256(text.encode()).hexdigest()
    return keys


def usable(found: Mapping[str, StoredSection]) -> dict[str, StoredSection]:
    """Those of the found sections that agree on the video's length, where decoding has established it.

    A section of the sound alone was concluded under the declared length. Where the pictures end elsewhere, its spans
    may lie outside the video.
    """
    facts = decoded_facts(found)
    if facts is None:
        return dict(found)
    return {name: stored for name, stored in found.items() if stored.video.duration_s == facts.duration_s}


def decoded_facts(found: Mapping[str, StoredSection]) -> VideoFacts | None:
    """The facts after decoding, when some section was concluded under them."""
    return next((s.video for s in found.values() if s.video.frames_decoded is not None), None)


def observed_again(missing: Iterable[str], run: Iterable[str]) -> set[str]:
    """Analyzers that must run though their section is known: those whose observations a missing one reads.

    Args:
        missing: Analyzers without a known section.
        run: All of this run.
    """
    todo, seen = list(missing), set(missing)
    allowed = set(run)
    again: set[str] = set()
    while todo:
        for other in analyzer_class(todo.pop()).upstream:
            if other in allowed and other not in seen:
                seen.add(other)
                again.add(other)
                todo.append(other)
    return again


def recalled_outcome(stored: StoredSection, requested: bool) -> Outcome:
    """The outcome for a new document; its provenance says where it came from.

    Raises:
        pydantic.ValidationError: The result does not fit the analyzer's model.
    """
    section = stored.section
    provenance = section.provenance.model_copy(update={"from_cache": True, "computed_at": stored.computed_at})
    result = section.result
    return Outcome(
        section.model_copy(update={"requested": requested, "provenance": provenance}),
        stored.timeline,
        analyzer_class(section.analyzer).Result.model_validate(result) if result is not None else None,
    )


def storable(
    outcomes: Mapping[str, Outcome],
    descriptions: Mapping[str, Description],
    keys: Mapping[str, str],
    video: VideoFacts,
    now: datetime,
) -> dict[str, StoredSection]:
    """By key, what of this run another one may use.

    Left out are sections that came from the cache, that did not come out whole, and that read one which did not: a
    decode that was broken off makes no section of pictures whole. Left out is also all of a video whose decoding met an
    error: it may have been the time limit of a busy machine.

    Args:
        outcomes: Of the run.
        descriptions: Of its analyzers, in document order.
        keys: Of its sections.
        video: The facts under which they were concluded.
        now: With time zone.
    """
    kept: dict[str, StoredSection] = {}
    if video.decode_error:
        return kept
    whole: set[str] = set()
    for name, description in descriptions.items():
        outcome = outcomes.get(name)
        if outcome is not None and _is_whole(outcome, description, video, outcomes.keys() - whole):
            whole.add(name)
            if name in keys and description.state == "ready" and not outcome.section.provenance.from_cache:
                section, timeline = outcome.section, outcome.timeline
                kept[keys[name]] = StoredSection(section=section, timeline=timeline, video=video, computed_at=now)
    return kept


def _is_whole(outcome: Outcome, description: Description, video: VideoFacts, not_whole: Set[str]) -> bool:
    """Whether the section is the one that its key promises."""
    if description.state == "unavailable":
        return True  # the missing model is part of the key
    if outcome.section.status not in STORED_STATUSES:
        return False
    if outcome.section.provenance.from_cache:
        return True
    blind = bool(description.needs.frames) and video.has_video and video.frames_decoded is None
    return not blind and not_whole.isdisjoint(_reads(description.name))


def _reads(name: str) -> tuple[str, ...]:
    cls = analyzer_class(name)
    return (*cls.after, *cls.uses)
