"""The sound track as arrays that start at the video's time zero: late sound is padded, early sound is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import av.error
import numpy as np
from av import AudioFrame, AudioResampler
from av.audio.stream import AudioStream

from media.limits import MediaLimits
from media.needs import AudioNeed
from media.plan import DecodePlan
from media.pyav_open import OpenMedia, error_text, open_media
from media.pyav_packets import read_packets
from media.types import AudioClip, Float32Array
from schema.document import VideoFacts
from schema.errors import DecodeFailed

GAP_S = 0.05
"""Smallest difference of a time stamp from the sound decoded so far that counts as a gap. Time stamps in whole
milliseconds and one coded block (21 ms) stay below; a lost block is heard from about here on."""

JUMP_BACK_S = 1.0
"""A step back by more than this is a clock that starts anew; less is sound sent twice, which is cut."""

MAX_RATE_HZ = 768_000
"""Blocks of a higher rate are damage; the highest that converters offer."""

CENTRE = 0.7071
"""Share of a centre or surround channel in left and right (ITU-R BS.775-3, table 2)."""


def decode_audio(path: Path, plan: DecodePlan, facts: VideoFacts, limits: MediaLimits) -> list[AudioClip]:
    """One clip per entry of ``plan.audio``, from one pass over the sound.

    Args:
        path: A file that ``media.probe.probe`` has accepted.
        plan: Which rates and channels.
        facts: From the probe.
        limits: ``max_duration_s`` cuts the sound.

    Raises:
        DecodeFailed: Not one sample came out.
    """
    if not plan.audio:
        return []
    tracks = {rate: _Track(rate, _channels(plan.audio, rate)) for rate in {need.rate_hz for need in plan.audio}}
    fault = ""
    with open_media(path, limits) as media:
        if media.audio is None:
            raise DecodeFailed(f"{path.name}: there is no sound")
        try:
            for block, rate_hz in _blocks(media, media.audio, limits.max_duration_s):
                for track in tracks.values():
                    track.add(block, rate_hz)
        except av.error.FFmpegError as error:  # the file breaks off here; the sound so far stands
            fault = error_text(error)
    whole = {rate: track.finish(limits.max_duration_s) for rate, track in tracks.items()}
    if any(len(samples) == 0 for samples in whole.values()):
        raise DecodeFailed(f"{path.name}: no sound could be decoded ({fault or 'the stream holds none'})")
    return [_clip(whole[need.rate_hz], need) for need in plan.audio]


def _channels(needs: Sequence[AudioNeed], rate_hz: int) -> int:
    return max(need.channels for need in needs if need.rate_hz == rate_hz)


def _clip(samples: Float32Array, need: AudioNeed) -> AudioClip:
    """``samples``: (N, 1) or (N, 2)."""
    if need.channels == 1:
        samples = samples.mean(axis=1, dtype=np.float32)
    return AudioClip(np.ascontiguousarray(samples), need.rate_hz)


def _blocks(media: OpenMedia, stream: AudioStream, max_duration_s: float) -> Iterator[tuple[Float32Array, int]]:
    """Blocks (N, 1) or (N, 2) with their rate, from time zero on, without holes or overlaps."""
    position_s = 0.0
    shift_s = -media.start_s
    for frame in _frames(media, stream):
        samples, rate = to_stereo(_as_float(frame), [c.name for c in frame.layout.channels]), frame.sample_rate
        if frame.pts is not None and frame.time_base:
            ahead_s = float(frame.pts * frame.time_base) + shift_s - position_s
            if position_s > 0.0 and ahead_s < -JUMP_BACK_S:
                shift_s -= ahead_s
            elif ahead_s > GAP_S or (position_s == 0.0 and ahead_s > 0.0):
                missing = round(min(ahead_s, max_duration_s - position_s) * rate)
                for start in range(0, missing, rate):
                    yield np.zeros((min(rate, missing - start), samples.shape[1]), np.float32), rate
                position_s += missing / rate
            elif ahead_s < -GAP_S or (position_s == 0.0 and ahead_s < 0.0):
                samples = samples[round(-ahead_s * rate) :]
        yield samples, rate
        position_s += len(samples) / rate
        if position_s >= max_duration_s:
            return


def _frames(media: OpenMedia, stream: AudioStream) -> Iterator[AudioFrame]:
    """Goes on behind damaged packets; raises where the container itself breaks off."""
    for packet in chain(read_packets(media, stream), [None]):
        try:
            frames = stream.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            continue
        yield from (frame for frame in frames if 0 < frame.sample_rate <= MAX_RATE_HZ)


def to_stereo(samples: Float32Array, names: Sequence[str]) -> Float32Array:
    """(channels, N) with their FFmpeg names to (N, 1) for one channel, else (N, 2).

    More than two channels are mixed by ITU-R BS.775-3 and divided by the sum of the shares, so that nothing clips;
    the low-frequency channel is left out.
    """
    if len(samples) <= 2:
        return np.ascontiguousarray(samples.T)
    shares = np.array([_shares(name) for name in names], np.float32)
    mixed: Float32Array = samples.T @ (shares / np.maximum(shares.sum(axis=0), 1e-6))
    return np.ascontiguousarray(mixed)


def _shares(name: str) -> tuple[float, float]:
    if name in ("FL", "FR"):
        return (1.0, 0.0) if name == "FL" else (0.0, 1.0)
    if name.startswith("LFE"):
        return (0.0, 0.0)
    if name.endswith("L"):
        return (CENTRE, 0.0)
    return (0.0, CENTRE) if name.endswith("R") else (CENTRE, CENTRE)


def _as_float(frame: AudioFrame) -> Float32Array:
    """(channels, N), full scale at 1.0."""
    array: Any = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, len(frame.layout.channels)).T
    samples: Float32Array = array.astype(np.float32)
    if array.dtype == np.uint8:
        samples = (samples - 128.0) / np.float32(128.0)
    elif np.issubdtype(array.dtype, np.integer):
        samples = samples / np.float32(-float(np.iinfo(array.dtype).min))
    return samples


class _Track:
    """Resamples blocks to one rate and one or two channels.

    Args:
        rate_hz: Samples per second.
        channels: 1 mixes down, 2 doubles a single channel.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz = rate_hz
        self._layout = "mono" if channels == 1 else "stereo"
        self._channels = channels
        self._source_hz = rate_hz
        self._resampler: AudioResampler | None = None
        self._parts: list[Float32Array] = []

    def add(self, block: Float32Array, rate_hz: int) -> None:
        """Takes a block (N, 1) or (N, 2)."""
        if len(block) == 0:
            return
        if rate_hz != self._source_hz:
            self._flush()
            self._source_hz = rate_hz
        if self._channels == 1:
            block = block.mean(axis=1, keepdims=True, dtype=np.float32)
        elif block.shape[1] == 1:
            block = np.repeat(block, 2, axis=1)
        if rate_hz == self._rate_hz:
            self._parts.append(block)
            return
        if self._resampler is None:
            self._resampler = AudioResampler(format="flt", layout=self._layout, rate=self._rate_hz)
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(block).reshape(1, -1), format="flt", layout=self._layout)
        frame.sample_rate = rate_hz
        self._keep(self._resampler.resample(frame))

    def finish(self, max_duration_s: float) -> Float32Array:
        """(N, channels) of all blocks, in [-1, 1]."""
        self._flush()
        if not self._parts:
            return np.empty((0, self._channels), np.float32)
        whole = np.concatenate(self._parts)[: round(max_duration_s * self._rate_hz)]
        np.nan_to_num(whole, copy=False)  # damaged float sound may hold NaN
        return np.clip(whole, -1.0, 1.0, out=whole)

    def _flush(self) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    def _keep(self, frames: list[AudioFrame]) -> None:
        parts: list[Any] = [frame.to_ndarray().reshape(-1, self._channels) for frame in frames]
        self._parts += parts
