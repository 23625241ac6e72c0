"""What a site says about a post, out of yt-dlp's loose dictionary into ``schema.document.PostFacts``.

The words are the author's and the numbers the site's: lengths are bounded, types are checked, nothing is made up.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from schema.document import PostCounts, PostFacts, PostSound

MAX_TEXT_CHARS = 5_000
"""Longest text kept; TikTok's captions end at 4,000."""

MAX_ITEMS = 100
"""Most hashtags and artists kept."""

JOINERS = "\u200c\u200d"
"""Characters without width inside words of Indic and Persian script."""


def post_facts(info: Mapping[str, Any]) -> PostFacts:
    """The facts of one extracted video; null for what is missing or of another type than it should be."""
    caption = _text(info.get("description"))
    return PostFacts(
        extractor=_text(info.get("extractor_key")) or _text(info.get("extractor")) or "unknown",
        id=_text(info.get("id")),
        page_url=_text(info.get("webpage_url")),
        author=_text(info.get("uploader")),
        author_name=_text(info.get("channel")) or _text(info.get("creator")),
        author_id=_text(info.get("uploader_id")),
        caption=caption,
        hashtags=_hashtags(caption, info.get("tags")),
        sound=_sound(info),
        counts=_counts(info),
        # Of a bare file, yt-dlp's time is the server's Last-Modified, which says nothing about a post.
        uploaded_at=None if info.get("direct") else _moment(info.get("timestamp")),
        declared_duration_s=_duration(info.get("duration")),
    )


def hashtags_in(text: str) -> list[str]:
    """The hashtags of a caption in order: ``#`` at the start of a word, then letters, digits, marks and ``_``."""
    found: list[str] = []
    for i, character in enumerate(text):
        if character != "#" or (i and _in_tag(text[i - 1])):
            continue
        end = i + 1
        while end < len(text) and _in_tag(text[end]):
            end += 1
        if tag := text[i + 1 : end].strip(JOINERS):
            found.append(tag)
    return found


def _in_tag(character: str) -> bool:
    return character == "_" or character in JOINERS or unicodedata.category(character)[0] in "LMN"


def _hashtags(caption: str | None, tags: Any) -> tuple[str, ...]:
    named = [t.lstrip("#") for t in map(_text, tags) if t] if isinstance(tags, (list, tuple)) else []
    return tuple(dict.fromkeys([*hashtags_in(caption or ""), *filter(None, named)]))[:MAX_ITEMS]


def _sound(info: Mapping[str, Any]) -> PostSound | None:
    artists = info.get("artists")
    listed = artists if isinstance(artists, (list, tuple)) else [info.get("artist")]
    sound = PostSound(
        title=_text(info.get("track")),
        artists=tuple(text for text in map(_text, listed) if text)[:MAX_ITEMS],
        album=_text(info.get("album")),
    )
    return sound if sound != PostSound() else None


def _counts(info: Mapping[str, Any]) -> PostCounts | None:
    counts = PostCounts(
        views=_count(info.get("view_count")),
        likes=_count(info.get("like_count")),
        comments=_count(info.get("comment_count")),
        shares=_count(info.get("repost_count")),
        saves=_count(info.get("save_count")),
    )
    return counts if counts != PostCounts() else None


def _text(value: Any) -> str | None:
    """Bounded text without control characters and lone surrogates; None when nothing is left."""
    if not isinstance(value, str):
        return None
    kept = "".join(c for c in value[:MAX_TEXT_CHARS] if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return kept.strip() or None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _number(value: Any) -> float | None:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def _moment(value: Any) -> datetime | None:
    seconds = _number(value)
    # The year 2100: no clock of a site is that wrong, and later years overflow in some readers.
    return (
        datetime.fromtimestamp(seconds, timezone.utc) if seconds is not None and 0 < seconds < 4_102_444_800 else None
    )


def _duration(value: Any) -> float | None:
    seconds = _number(value)
    return seconds if seconds is not None and seconds >= 0.0 else None
