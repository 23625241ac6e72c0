"""From a back end's pictures to headers and batches; the same for every back end."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Union

from media.chunker import EDGE_EPS_S, RunningRendition, SpreadRendition, chunk_of
from media.decode_source import Picture, PictureSource
from media.limits import MediaLimits
from media.needs import Colour, FrameNeed, Spread
from media.plan import DecodePlan, scaled_size
from media.pyav_open import open_media
from media.pyav_packets import packets_end_s
from media.timestamps import FrameClock
from media.types import ChunkHeader, DecodeReport, FrameBatch
from schema.document import VideoFacts

SHORT_S = 0.5
SHORT_SHARE = 0.02
"""A clip that ends short of its declared length by more than both half a second and 2 % of it counts as cut short.
Containers round lengths, and many declare the sound's length, which ends up to 0.1 s behind the pictures."""

MAX_CHUNK_BYTES = 256_000_000
"""A chunk whose pictures pass this is closed early and the rest of its span becomes the next chunk: 240 full-HD
pictures a second must not fill the memory. The usual renditions of 2 s of 1080x1920 take 35 MB."""

Item = Union[ChunkHeader, FrameBatch]


class Assembly:
    """One pass; ``items`` is iterated once, then ``report`` is asked for."""

    def __init__(
        self, source: PictureSource, path: Path, plan: DecodePlan, facts: VideoFacts, limits: MediaLimits
    ) -> None:
        self._source = source
        self._path = path
        self._plan = plan
        self._facts = facts
        self._limits = limits
        self._clock = FrameClock(source.start_s, source.tick_s, source.frame_s)
        self._running: list[RunningRendition] = []
        self._spread: list[SpreadRendition] = []
        self._chunks = 0
        self._open_cell = 0
        self._open_start_s = 0.0
        self._bytes_out = 0
        self._stopped = ""
        self.frames = 0

    def items(self) -> Iterator[Item]:
        """Headers and batches in the order of time, then the spread ones."""
        before: tuple[Picture, float] | None = None
        cpu_s = time.process_time()
        for picture in self._source.pictures():
            now_s = self._clock.next_time(picture.pts_s)
            self._stopped = self._over_limit(picture, now_s, time.process_time() - cpu_s)
            if self._stopped:
                break
            if self.frames == 0:
                self._begin(picture)
            self._clock.place(now_s, picture.duration_s)
            yield from self._close_until(now_s)
            self._deliver(picture, now_s, before)
            before = (picture, now_s)
            self.frames += 1
        if before is not None:
            yield from self._close_all()
            yield from self._close_spread(before)

    @property
    def end_s(self) -> float:
        """End of the last picture, inside the allowed length.

        Where pictures are reordered, MP4 gives durations in the order of storage, so a last one that is longer than
        usual may be another's: the declared end then counts.
        """
        end_s, last_s, frame_s = self._clock.end_s, self._clock.last_s, self._source.frame_s
        declared = self._facts.declared_duration_s
        if declared is not None and last_s < declared < end_s - frame_s:
            end_s = declared
        return min(end_s, max(self._limits.max_duration_s, last_s + frame_s))

    def report(self, cpu_s: float, wall_s: float) -> DecodeReport:
        """What came out of the file."""
        declared = self._facts.declared_duration_s
        reached = max(self.end_s, self._source.losses.sound_end_s - self._source.start_s)
        short = declared is not None and declared - reached > max(SHORT_S, SHORT_SHARE * declared)
        return DecodeReport(
            frames_decoded=self.frames,
            end_s=self.end_s,
            variable_frame_rate=self._clock.variable,
            truncated=short or bool(self._stopped),
            error=self._stopped or self._source.losses.error,
            corrupt_frames=self._source.losses.corrupt_frames,
            video_decodes=1,
            decoder=self._source.name,
            cpu_s=cpu_s,
            wall_s=wall_s,
            bytes_out=self._bytes_out,
        )

    @property
    def failure(self) -> str:
        """Why there is no picture at all."""
        return self._stopped or self._source.losses.error or "the stream holds none"

    def _begin(self, first: Picture) -> None:
        """The first picture fixes the sizes; later ones of another size are scaled to them."""
        upright = (first.width, first.height)
        for index in self._plan.running:
            need = self._plan.renditions[index]
            self._running.append(RunningRendition(need, scaled_size(*upright, need.short_side_px), upright))
        length_s = self._length_s() if self._plan.spread else 0.0
        for index in self._plan.spread:
            need = self._plan.renditions[index]
            size = scaled_size(*upright, need.short_side_px)
            self._spread.append(SpreadRendition(need, size, upright, _middles_s(need, length_s)))

    def _length_s(self) -> float:
        """Where the pictures really end: a truncated file's header does not say."""
        with open_media(self._path, self._limits) as media:
            end_s = packets_end_s(media, media.video) if media.video is not None else None
        return end_s or self._facts.duration_s

    def _over_limit(self, picture: Picture, time_s: float, cpu_s: float) -> str:
        limits = self._limits
        if self.frames >= limits.max_frames:
            return f"more than {limits.max_frames} pictures"
        if picture.width * picture.height > limits.max_pixels:
            return f"a picture of {picture.width} x {picture.height}; allowed are {limits.max_pixels} pixels"
        if time_s > limits.max_duration_s:
            return f"time stamps go beyond {limits.max_duration_s:g} s"
        if cpu_s > limits.decode_timeout_s:
            return f"decoding took more than {limits.decode_timeout_s:g} s of processor time"
        return ""

    def _deliver(self, picture: Picture, now_s: float, before: tuple[Picture, float] | None) -> None:
        takers: list[RunningRendition | SpreadRendition] = [r for r in self._running if r.wants(now_s)]
        for spread in self._spread:
            earlier, here = spread.picks(before[1] if before else None, now_s)
            if earlier and before:
                self._render(before[0], [spread], before[1], self.frames - 1)
            if here:
                takers.append(spread)
        self._render(picture, takers, now_s, self.frames)

    def _render(
        self, picture: Picture, takers: list[RunningRendition | SpreadRendition], time_s: float, number: int
    ) -> None:
        if takers:
            wanted: list[tuple[tuple[int, int], Colour]] = [(t.size, t.need.colour) for t in takers]
            for taker, pixels in zip(takers, self._source.render(picture, wanted), strict=True):
                taker.add(pixels, time_s, number)

    def _close_until(self, now_s: float) -> Iterator[Item]:
        """Yields the chunks that end before the frame at ``now_s``."""
        cell = chunk_of(now_s, self._plan.chunk_s)
        while self._open_cell < cell:
            yield from self._close((self._open_cell + 1) * self._plan.chunk_s)
            self._open_cell += 1
        if sum(r.pending_bytes for r in self._running) > MAX_CHUNK_BYTES:
            yield from self._close(now_s)

    def _close_all(self) -> Iterator[Item]:
        """Yields what is left up to the end of the last picture."""
        cells = max(math.ceil(self.end_s / self._plan.chunk_s - EDGE_EPS_S), self._open_cell + 1)
        while self._open_cell < cells:
            end_s = (self._open_cell + 1) * self._plan.chunk_s
            yield from self._close(min(end_s, self.end_s) if self._open_cell == cells - 1 else end_s)
            self._open_cell += 1

    def _close(self, end_s: float) -> Iterator[Item]:
        if self._running:
            batches = [rendition.take() for rendition in self._running]
            counts = tuple(len(b) for b in batches)
            header = ChunkHeader("chunk", self._chunks, self._open_start_s, end_s, self._plan.running, counts)
            yield from self._out(header, batches)
        self._chunks += 1
        self._open_start_s = end_s

    def _close_spread(self, last: tuple[Picture, float]) -> Iterator[Item]:
        if not self._spread:
            return
        for spread in self._spread:
            if spread.open:
                self._render(last[0], [spread], last[1], self.frames - 1)
        batches = [spread.take() for spread in self._spread]
        header = ChunkHeader("spread", 0, 0.0, self.end_s, self._plan.spread, tuple(len(b) for b in batches))
        yield from self._out(header, batches)

    def _out(self, header: ChunkHeader, batches: list[FrameBatch]) -> Iterator[Item]:
        self._bytes_out += sum(batch.frames.nbytes for batch in batches)
        yield header
        yield from batches


def _middles_s(need: FrameNeed, length_s: float) -> list[float]:
    assert isinstance(need.sampling, Spread)
    count = need.sampling.count
    return [(i + 0.5) / count * length_s for i in range(count)]
