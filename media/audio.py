"""The sound track as arrays that start at the video's time zero: late sound is padded, early sound is cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av.error
import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream

from media.limits import MediaLimits
from media.plan import DecodePlan
from media.pyav_open import OpenMedia, error_text, open_media
from media.types import AudioClip, Float32Array
from schema.document import VideoFacts
from schema.errors import DecodeFailed

GAP_S = 0.05
"""Smallest difference of a time stamp from the sound decoded so far that counts as a gap. Time stamps in whole
milliseconds and one coded block (21 ms) stay below; a lost block is heard from about here on."""

JUMP_BACK_S = 1.0
"""A step back by more than this is a clock that starts anew; less is sound sent twice, which is cut."""

MIX = {"FL": (1.0, 0.0), "FR": (0.0, 1.0), "FC": (0.7071, 0.7071), "LFE": (0.0, 0.0)}
"""Share of each channel in left and right (ITU-R BS.775-3, without the low-frequency channel)."""


def decode_audio(path: Path, plan: DecodePlan, facts: VideoFacts, limits: MediaLimits) -> list[AudioClip]:
    """One clip per entry of ``plan.audio``, from one pass over the sound.

    Raises:
        DecodeFailed: Not one sample came out.
    """
    if not plan.audio:
        return []
    rates = {need.rate_hz: _Track(need.rate_hz, limits.max_duration_s) for need in plan.audio}
    error = ""
    with open_media(path, limits) as media:
        if media.audio is None:
            raise DecodeFailed(f"{path.name}: there is no sound")
        try:
            for block, layout, rate_hz in _blocks(media, media.audio, limits.max_duration_s):
                for track in rates.values():
                    track.add(block, layout, rate_hz)
        except av.error.FFmpegError as fault:
            error = error_text(fault)
    tracks = {rate: track.finish() for rate, track in rates.items()}
    if any(len(t) == 0 for t in tracks.values()):
        raise DecodeFailed(f"{path.name}: no sound could be decoded ({error or 'none found'})")
    return [_clip(tracks[need.rate_hz], need.rate_hz, need.channels) for need in plan.audio]


def _clip(stereo: Float32Array, rate_hz: int, channels: int) -> AudioClip:
    samples = stereo if channels == 2 else stereo.mean(axis=1, dtype=np.float32)
    return AudioClip(np.ascontiguousarray(samples, dtype=np.float32), rate_hz)


def _blocks(media: OpenMedia, stream: AudioStream, max_duration_s: float) -> Iterator[tuple[Float32Array, str, int]]:
    """Stereo blocks (N, 2) without holes, from time zero on, with layout name and rate."""
    position_s = 0.0
    shift_s = -media.start_s
    for frame in _frames(media, stream):
        samples = _to_stereo(frame)
        rate = frame.sample_rate
        if frame.pts is not None and frame.time_base:
            at_s = float(frame.pts * frame.time_base) + shift_s
            if position_s - at_s > JUMP_BACK_S and position_s > 0.0:
                shift_s += position_s - at_s
            elif at_s - position_s > GAP_S or (position_s == 0.0 and at_s > 0.0):
                missing = min(at_s, max_duration_s) - position_s
                yield np.zeros((max(0, round(missing * rate)), 2), np.float32), "stereo", rate
                position_s = at_s
            elif position_s - at_s > GAP_S or (position_s == 0.0 and at_s < 0.0):
                samples = samples[round((position_s - at_s) * rate) :]
        if len(samples):
            yield samples, "stereo", rate
        position_s += len(samples) / rate
        if position_s > max_duration_s:
            return


def _frames(media: OpenMedia, stream: AudioStream) -> Iterator[AudioFrame]:
    """Goes on behind damaged packets."""
    for packet in media.container.demux(stream):
        try:
            yield from stream.decode(packet)
        except av.error.EOFError:
            return
        except av.error.InvalidDataError:
            continue


def _to_stereo(frame: AudioFrame) -> Float32Array:
    planes = _as_float(frame)
    if len(planes) == 1:
        return np.repeat(planes.T, 2, axis=1)
    if len(planes) == 2:
        return np.ascontiguousarray(planes.T)
    names = [channel.name for channel in frame.layout.channels]
    weights = np.array([MIX.get(n, (0.7071, 0.0) if n.endswith("L") else (0.0, 0.7071)) for n in names], np.float32)
    mixed = planes.T @ (weights / np.maximum(weights.sum(axis=0), 1e-6))
    return np.ascontiguousarray(mixed, dtype=np.float32)


def _as_float(frame: AudioFrame) -> Float32Array:
    """(channels, N) in [-1, 1]."""
    array = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        array = array.reshape(-1, channels).T
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128.0) / 128.0
    if np.issubdtype(array.dtype, np.integer):
        return array.astype(np.float32) / float(-np.iinfo(array.dtype).min)
    return array.astype(np.float32)


class _Track:
    """Resamples blocks to one rate."""

    def __init__(self, rate_hz: int, max_duration_s: float) -> None:
        self._rate_hz = rate_hz
        self._limit = round(max_duration_s * rate_hz)
        self._source: tuple[str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._parts: list[Float32Array] = []

    def add(self, block: Float32Array, layout: str, rate_hz: int) -> None:
        """Takes a block (N, 2)."""
        if not len(block):
            return
        if self._source != (layout, rate_hz):
            self._flush()
            self._source = (layout, rate_hz)
            self._resampler = AudioResampler(format="flt", layout="stereo", rate=self._rate_hz)
        if rate_hz == self._rate_hz:
            self._parts.append(block)
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block).reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate = rate_hz
        assert self._resampler is not None
        self._keep(self._resampler.resample(frame))

    def finish(self) -> Float32Array:
        """(N, 2) of all blocks, in [-1, 1]."""
        self._flush()
        whole = np.concatenate(self._parts) if self._parts else np.empty((0, 2), np.float32)
        return np.clip(whole[: self._limit], -1.0, 1.0)

    def _flush(self) -> None:
        if self._resampler is not None and self._source is not None and self._source[1] != self._rate_hz:
            self._keep(self._resampler.resample(None))

    def _keep(self, frames: list[AudioFrame]) -> None:
        self._parts += [frame.to_ndarray().reshape(-1, 2) for frame in frames]
