"""Writes small video files from arrays, for the sample video, the tests and the benchmarks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from media.types import Float32Array, UInt8Array

if TYPE_CHECKING:
    from av import VideoFrame
    from av.audio.stream import AudioStream
    from av.container import OutputContainer
    from av.video.stream import VideoStream

TICKS_HZ = 90_000
"""Clock of files with frame times of their own; MPEG's usual one."""

_CRF_CODECS = frozenset({"libx264", "libx264rgb", "libx265", "libvpx-vp9"})
_PRESET_CODECS = frozenset({"libx264", "libx264rgb", "libx265"})
_AUDIO_BLOCK = 1024


@dataclass(frozen=True)
class Encoding:
    """How the pictures and the sound are encoded.

    Attributes:
        codec: FFmpeg's name of the video encoder. The PyAV wheels carry libx264.
        pix_fmt: Stored pixel format. The usual one, yuv420p, needs an even width and height.
        crf: Constant rate factor where the encoder has one, 0 best; ignored when ``bit_rate`` is given.
        bit_rate: Target in bit/s.
        preset: Effort of x264 and x265.
        gop: Most frames from one key frame to the next.
        b_frames: Most consecutive frames that are predicted from later ones, too; None leaves it to the encoder.
        rotation_deg: Clockwise turn that a player shall apply: 0, 90, 180 or 270. MP4 and MOV only.
        threads: Encoder threads. A fixed number, because x264's output depends on it.
        audio_codec: FFmpeg's name of the audio encoder.
    """

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    crf: int = 18
    bit_rate: int | None = None
    preset: str = "veryfast"
    gop: int = 250
    b_frames: int | None = None
    rotation_deg: int = 0
    threads: int = 1
    audio_codec: str = "aac"


def write_clip(
    path: Path,
    frames: Iterable[UInt8Array],
    fps: float,
    samples: Float32Array | None = None,
    rate_hz: int = 48_000,
    encoding: Encoding | None = None,
    times_s: Sequence[float] | None = None,
) -> int:
    """Encodes frames, and a sound track if given, into the container that the file name's ending names.

    Args:
        path: Target; overwritten.
        frames: uint8 (H, W, 3), R, G, B, all of one size, as they shall be stored (before ``rotation_deg``).
        fps: Frames per second; only declared when ``times_s`` is given.
        samples: float32 in [-1, 1], (N,) or (N, 2).
        rate_hz: Samples per second.
        encoding: Codec and its settings.
        times_s: Strictly increasing presentation times, one per frame, for a variable frame rate.

    Returns:
        The number of frames written.

    Raises:
        ValueError: There is no frame, or ``times_s`` is shorter than ``frames``.
    """
    import av

    enc = encoding or Encoding()
    stream_of = iter(frames)
    first = next(stream_of, None)
    if first is None:
        raise ValueError(f"write_clip({path.name}): no frames")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = _video_stream(container, first, fps, enc, timed=times_s is not None)
        audio = _Audio(container, samples, rate_hz, enc.audio_codec) if samples is not None else None
        count = 0
        for count, pixels in enumerate(chain([first], stream_of), start=1):
            time_s = (count - 1) / fps
            if times_s is not None:
                if count > len(times_s):
                    raise ValueError(f"write_clip({path.name}): more frames than the {len(times_s)} times given")
                time_s = times_s[count - 1]
            if audio:
                audio.write_until(time_s)
            frame = video_frame(pixels, enc.pix_fmt)
            frame.time_base = video.codec_context.time_base
            frame.pts = count - 1 if times_s is None else round(time_s * TICKS_HZ)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio:
            audio.finish()
    return count


def video_frame(pixels: UInt8Array, pix_fmt: str) -> VideoFrame:
    """The picture as PyAV's frame; YUV formats by ITU-R BT.709 with limited range, as players assume for HD."""
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    if pix_fmt.startswith("yuv"):
        frame = frame.reformat(format=pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
    elif pix_fmt != "rgb24":
        frame = frame.reformat(format=pix_fmt)
    return frame


def loop_clip(source: Path, path: Path, times: int, samples: Float32Array | None, rate_hz: int = 48_000) -> None:
    """Repeats a clip's encoded pictures without encoding them again; the sound track is given whole.

    Args:
        source: A clip whose first packet is a key frame and whose pictures refer to no frame outside it.
        path: Target; overwritten.
        times: Number of repeats, >= 1.
        samples: Sound of the whole target, float32 in [-1, 1], (N,) or (N, 2); None for silence without a track.
        rate_hz: Samples per second.

    Raises:
        ValueError: ``times`` is below 1.
    """
    import av

    if times < 1:
        raise ValueError(f"loop_clip: times must be >= 1, got {times}")
    with av.open(str(source)) as read, av.open(str(path), "w") as container:
        original = read.streams.video[0]
        video = container.add_stream_from_template(original)
        audio = _Audio(container, samples, rate_hz, "aac") if samples is not None else None
        packets = [
            (bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in read.demux(original) if p.dts is not None
        ]
        base = original.time_base or Fraction(1, TICKS_HZ)
        length = max((p[1] or 0) + (p[3] or 0) for p in packets) - min(p[1] or 0 for p in packets)
        for turn in range(times):
            for data, pts, dts, duration, key in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = video, base
                packet.pts, packet.dts, packet.duration = (pts or 0) + turn * length, dts + turn * length, duration
                packet.is_keyframe = key
                if audio:
                    audio.write_until(float(packet.dts * base))
                container.mux(packet)
        if audio:
            audio.finish()


def _video_stream(container: OutputContainer, first: UInt8Array, fps: float, enc: Encoding, timed: bool) -> VideoStream:
    rate = Fraction(fps).limit_denominator(1001)
    stream: Any = container.add_stream(enc.codec, rate=rate)
    stream.width, stream.height, stream.pix_fmt = first.shape[1], first.shape[0], enc.pix_fmt
    context = stream.codec_context
    context.time_base = Fraction(1, TICKS_HZ) if timed else 1 / rate
    context.gop_size = enc.gop
    context.thread_count = enc.threads
    if enc.b_frames is not None:
        context.max_b_frames = enc.b_frames
    if enc.pix_fmt.startswith("yuv"):
        context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709 in ITU-T H.273
        context.color_range = 1
    options = {}
    if enc.bit_rate is not None:
        context.bit_rate = enc.bit_rate
    elif enc.codec in _CRF_CODECS:
        options["crf"] = str(enc.crf)
        if enc.codec == "libvpx-vp9":
            context.bit_rate = 0  # VP9 takes crf as a quality, not as a bound, only without a rate
    if enc.codec == "libx265":
        options["x265-params"] = "log-level=error"
    if enc.codec in _PRESET_CODECS:
        options["preset"] = enc.preset
    stream.options = options
    if enc.rotation_deg:
        # FFmpeg's angle is anticlockwise.
        stream.set_display_rotation(-enc.rotation_deg % 360)
    return stream  # type: ignore[no-any-return]  # PyAV types add_stream by literal names only


class _Audio:
    """Feeds a sound track to its encoder in step with the pictures, so that the file is well interleaved."""

    def __init__(self, container: OutputContainer, samples: Float32Array, rate_hz: int, codec: str) -> None:
        planar = samples[None, :] if samples.ndim == 1 else samples.T
        self._samples: npt.NDArray[np.float32] = np.ascontiguousarray(planar, dtype=np.float32)
        self._rate_hz = rate_hz
        self._layout = "mono" if len(planar) == 1 else "stereo"
        self._container = container
        stream: Any = container.add_stream(codec, rate=rate_hz)
        stream.codec_context.layout = self._layout
        self._stream: AudioStream = stream
        self._done = 0

    def write_until(self, time_s: float) -> None:
        import av

        end = min(self._samples.shape[1], int(time_s * self._rate_hz) + _AUDIO_BLOCK)
        while self._done < end:
            block = np.ascontiguousarray(self._samples[:, self._done : min(end, self._done + _AUDIO_BLOCK)])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=self._layout)
            frame.sample_rate = self._rate_hz
            frame.time_base = Fraction(1, self._rate_hz)
            frame.pts = self._done
            self._done += block.shape[1]
            self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self.write_until(self._samples.shape[1] / self._rate_hz)
        self._container.mux(self._stream.encode(None))
