"""What the section cache holds: one analyzer's finished section, with all that a document needs of it."""

from __future__ import annotations

from datetime import datetime

from schema.base import Model
from schema.document import Section, TimelineItem, VideoFacts

STORED_STATUSES = ("ok", "not_applicable")
"""Statuses that the same video and settings give again. The others may come out better next time."""


class StoredSection(Model):
    """A section as it was concluded; everything in it is JSON."""

    section: Section
    timeline: tuple[TimelineItem, ...] = ()
    video: VideoFacts
    """The facts under which it was concluded. ``frames_decoded`` is null where no pictures were decoded; the length of
    the time line is the declared one then."""
    computed_at: datetime
    """When it was concluded, with time zone."""

    @property
    def saw_pictures(self) -> bool:
        """Whether its facts are final: decoding has seen the pictures, or there are none."""
        return self.video.frames_decoded is not None or not self.video.has_video
