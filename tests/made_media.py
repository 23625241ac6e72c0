"""Files encoded in code with PyAV, whose truth is exact: each picture carries its number as pixels.

The picture is a grid of 4 x 4 cells. Three corners are red, green and blue (so a wrong turn, a mirror or swapped
channels show), the fourth is gray, and the twelve others are the bits of the number, black or white.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from struct import pack, unpack_from
from typing import Any

import av
import numpy as np

CORNERS = {(0, 0): (220, 30, 30), (0, 3): (30, 200, 30), (3, 0): (30, 30, 220), (3, 3): (128, 128, 128)}
BITS = [(row, column) for row in range(4) for column in range(4) if (row, column) not in CORNERS]
TICK = Fraction(1, 90_000)
SAMPLES = {
    "flt": (np.float32, 0, 1),
    "s16": (np.int16, 0, 32_767),
    "s32": (np.int32, 0, 2**31 - 1),
    "u8": (np.uint8, 1, 127),
}
"""Sample formats: type, offset and factor from [-1, 1]."""

os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder prints its settings otherwise


def number_picture(number: int, width: int, height: int) -> np.ndarray[Any, Any]:
    """uint8 (H, W, 3) RGB that says ``number`` (0-4095)."""
    picture = np.zeros((height, width, 3), np.uint8)
    for row in range(4):
        for column in range(4):
            cell = (
                slice(row * height // 4, (row + 1) * height // 4),
                slice(column * width // 4, (column + 1) * width // 4),
            )
            if (row, column) in CORNERS:
                picture[cell] = CORNERS[(row, column)]
            else:
                picture[cell] = 235 if number >> BITS.index((row, column)) & 1 else 20
    return picture


def read_number(picture: np.ndarray[Any, Any]) -> int:
    """The number that an upright picture, (H, W, 3) RGB or (H, W) gray, carries; ValueError when it is not upright."""
    cells = {(row, column): _middle(picture, row, column) for row in range(4) for column in range(4)}
    red, green, blue = cells[(0, 0)], cells[(0, 3)], cells[(3, 0)]
    if picture.ndim == 3:
        upright = red.argmax() == 0 and green.argmax() == 1 and blue.argmax() == 2
    else:
        upright = bool(green > red > blue)
    if not upright:
        raise ValueError(f"not upright, or not a numbered picture: corners {red}, {green}, {blue}")
    return sum(1 << bit for bit, cell in enumerate(BITS) if cells[cell].mean() > 128)


def _middle(picture: np.ndarray[Any, Any], row: int, column: int) -> Any:
    height, width = picture.shape[:2]
    part = picture[
        int((row + 0.3) * height / 4) : max(int((row + 0.7) * height / 4), int((row + 0.3) * height / 4) + 1),
        int((column + 0.3) * width / 4) : max(int((column + 0.7) * width / 4), int((column + 0.3) * width / 4) + 1),
    ]
    return part.mean(axis=(0, 1))


@dataclass(frozen=True)
class Sound:
    """A sound track.

    Attributes:
        samples: float32 (N, channels).
        rate_hz: Samples per second.
        start_s: Container time of the first sample.
        codec: Encoder.
        holes: (start, end) in samples; these blocks are left out and their time stamps skipped.
    """

    samples: np.ndarray[Any, Any]
    rate_hz: int
    start_s: float = 0.0
    codec: str = "aac"
    holes: tuple[tuple[int, int], ...] = ()


def make_video(
    path: Path,
    times_s: Iterable[float],
    *,
    size: tuple[int, int] = (96, 64),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    last_s: float = 0.04,
    tick: Fraction = TICK,
    rotation_ccw_deg: int = 0,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound: Sound | None = None,
    pictures: Sequence[np.ndarray[Any, Any]] | None = None,
    colour: tuple[int, int] | None = None,
    first_number: int = 0,
) -> Path:
    """Writes pictures number 0, 1, 2 ... at ``times_s`` (container time) and returns ``path``.

    Args:
        path: Its ending picks the container.
        times_s: Presentation times, ascending.
        size: (width, height) as stored.
        codec: Encoder.
        pix_fmt: Pixel format.
        last_s: How long the last picture is shown.
        tick: Time base of the pictures.
        rotation_ccw_deg: Display matrix, counter-clockwise as FFmpeg counts.
        options: Of the encoder.
        container_options: Of the muxer.
        sound: A sound track.
        pictures: Instead of the numbered ones: uint8 (H, W, 3) RGB.
        colour: (AVColorSpace, AVColorRange) tags.
        first_number: Number of the first picture.
    """
    times = list(times_s)
    with own_scheduling(), av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or _quality(codec))
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = tick
        stream.time_base = tick
        if rotation_ccw_deg:
            stream.set_display_rotation(rotation_ccw_deg)
        if colour:
            stream.codec_context.colorspace, stream.codec_context.color_range = colour
        track = _sound_stream(container, sound)
        shown: dict[int, int] = {}
        for i, time_s in enumerate(times):
            pixels = pictures[i] if pictures is not None else number_picture(first_number + i, *size)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format=pix_fmt,
                dst_colorspace=colour[0] if colour else None,
                dst_color_range=colour[1] if colour else None,
            )
            frame.pts, frame.time_base = round(time_s / tick), tick
            following = times[i + 1] if i + 1 < len(times) else time_s + last_s
            shown[frame.pts] = round((following - time_s) / tick)
            _mux(container, stream.encode(frame), shown)
        _mux(container, stream.encode(None), shown)
        if sound is not None and track is not None:
            _mux_sound(container, track, sound)
    return path


@contextmanager
def own_scheduling() -> Iterator[None]:
    """Undoes what SVT-AV1 does to its caller where it may, as root: it makes it a real-time process, and so are all
    children from then on. One of them that waits busily then stops the machine."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def _mux(container: Any, packets: list[Any], shown: dict[int, int]) -> None:
    for packet in packets:
        packet.duration = shown[packet.pts]  # encoders tell the nominal one
        container.mux(packet)


def make_sound(path: Path, sound: Sound) -> Path:
    """Writes a file with sound alone."""
    with av.open(str(path), "w") as container:
        _mux_sound(container, _sound_stream(container, sound), sound)
    return path


def _quality(codec: str) -> dict[str, str]:
    return {
        "libx264": {"crf": "8", "g": "12", "preset": "veryfast"},
        "libx265": {
            "crf": "8",
            "x265-params": "log-level=none:keyint=12:pools=1:frame-threads=1",
            "preset": "ultrafast",
        },
        "libvpx": {"crf": "4", "b": "2M", "deadline": "realtime", "cpu-used": "8"},
        "libvpx-vp9": {"crf": "10", "b": "0", "deadline": "realtime", "cpu-used": "8"},
        "libsvtav1": {"crf": "10", "preset": "8", "svtav1-params": "lp=1"},
        "mpeg4": {"q:v": "2", "qmax": "3"},
        "mpeg2video": {"b": "4M"},
    }.get(codec, {})


def _sound_stream(container: Any, sound: Sound | None) -> Any:
    if sound is None:
        return None
    stream = container.add_stream(sound.codec, rate=sound.rate_hz)
    stream.layout = {1: "mono", 2: "stereo", 6: "5.1"}[sound.samples.shape[1]]
    return stream


def _mux_sound(container: Any, stream: Any, sound: Sound) -> None:
    name = stream.codec_context.format.name
    kind, offset, scale = SAMPLES[name.removesuffix("p")]
    block = 960 if sound.codec == "libopus" else 1024
    for start in range(0, len(sound.samples), block):
        if any(a <= start < b for a, b in sound.holes):
            continue
        part = sound.samples[start : start + block]
        scaled = part if name.startswith("flt") else np.round((part + offset) * scale)
        array = np.ascontiguousarray(scaled.T if name.endswith("p") else scaled.reshape(1, -1)).astype(kind)
        frame = av.AudioFrame.from_ndarray(array, format=name, layout=stream.layout.name)
        frame.sample_rate = sound.rate_hz
        frame.time_base = Fraction(1, sound.rate_hz)
        frame.pts = round(sound.start_s * sound.rate_hz) + start
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def clicks(times_s: Iterable[float], length_s: float, rate_hz: int, channels: int = 1) -> np.ndarray[Any, Any]:
    """float32 (N, channels): silence with short 2 kHz bursts that begin at ``times_s``."""
    samples = np.zeros(round(length_s * rate_hz), np.float32)
    burst = 0.8 * np.sin(2 * np.pi * 2000.0 * np.arange(round(0.01 * rate_hz)) / rate_hz).astype(np.float32)
    for time_s in times_s:
        start = round(time_s * rate_hz)
        samples[start : start + len(burst)] = burst[: len(samples) - start]
    return np.repeat(samples[:, None], channels, axis=1)


def onsets(samples: np.ndarray[Any, Any], rate_hz: int, level: float = 0.2) -> list[float]:
    """Times in seconds where silence of at least 30 ms ends; ``samples``: (N,) or (N, channels)."""
    loud = np.abs(samples if samples.ndim == 1 else samples.max(axis=1)) > level
    hits = np.flatnonzero(loud)
    return [float(h) / rate_hz for i, h in enumerate(hits) if i == 0 or h - hits[i - 1] > 0.03 * rate_hz]


def zero_png(width: int, height: int) -> bytes:
    """An all-black RGB PNG; its compressed rows are made once and repeated, so a huge picture costs nothing here."""
    packer = zlib.compressobj(9)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    row = packer.compress(bytes(1 + 3 * width)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = head + row * height + packer.flush(zlib.Z_FINISH)
    chunks = [(b"IHDR", pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    body = b"".join(pack(">I", len(d)) + k + d + pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def mux_png(path: Path, size: tuple[int, int], packets: Sequence[bytes], fps: int = 25) -> Path:
    """Writes ready-made packets, whatever they hold, as PNG video under a header that says ``size``."""
    with av.open(str(path), "w") as container:
        stream = container.add_mux_stream("png", rate=fps, width=size[0], height=size[1])
        stream.time_base = Fraction(1, 1000)
        for i, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = i * 1000 // fps
            packet.is_keyframe = True
            container.mux(packet)
    return path


def png_matroska(path: Path, size: tuple[int, int], packets: Sequence[bytes], fps: int = 25) -> Path:
    """As ``mux_png`` in Matroska, into which PyAV writes no PNG (RFC 9559, codec V_MS/VFW/FOURCC)."""
    windows = pack("<IiiHH4sIiiII", 40, *size, 1, 24, b"MPNG", 0, 0, 0, 0, 0)
    shape = _ebml(0xB0, pack(">I", size[0])) + _ebml(0xBA, pack(">I", size[1]))
    track = _ebml(0xD7, b"\1") + _ebml(0x73C5, b"\1") + _ebml(0x83, b"\1")
    track += _ebml(0x86, b"V_MS/VFW/FOURCC") + _ebml(0x63A2, windows) + _ebml(0xE0, shape)
    blocks = [b"\x81" + pack(">h", i * 1000 // fps) + b"\x80" + data for i, data in enumerate(packets)]
    cluster = _ebml(0xE7, b"\0") + b"".join(_ebml(0xA3, block) for block in blocks)
    info = _ebml(0x2AD7B1, pack(">I", 1_000_000))
    segment = _ebml(0x1549A966, info) + _ebml(0x1654AE6B, _ebml(0xAE, track)) + _ebml(0x1F43B675, cluster)
    path.write_bytes(_ebml(0x1A45DFA3, _ebml(0x4282, b"matroska")) + _ebml(0x18538067, segment))
    return path


def _ebml(kind: int, data: bytes) -> bytes:
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big") + b"\x01" + len(data).to_bytes(7, "big") + data


def reference_movie(path: Path, target: Path) -> Path:
    """A QuickTime file without pictures of its own, whose data reference (an alias record) names ``target``.

    ``target`` must be a QuickTime file by ``make_video``, with its index behind its pictures.
    """
    data, name = bytearray(target.read_bytes()), str(target).encode()
    record = bytes(10) + b"\1" + b"v".ljust(27, b"\0") + bytes(12) + b"\1" + b"s".ljust(63, b"\0") + bytes(16)
    record += pack(">hh", 1, 1) + bytes(16)
    record += pack(">hh", 2, len(name)) + name + bytes(len(name) % 2) + pack(">hh", -1, 0)
    dref = data.index(b"dref")
    own = dref + 12
    alias = pack(">I", 12 + len(record)) + b"alis" + bytes(4) + record
    grown = len(alias) - unpack_from(">I", data, own)[0]
    data[own : own + len(alias) - grown] = alias
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        at = data.rindex(box, 0, dref + 4) - 4
        data[at : at + 4] = pack(">I", unpack_from(">I", data, at)[0] + grown)
    pictures = data.index(b"mdat")
    size = unpack_from(">I", data, pictures - 4)[0]
    data[pictures + 4 : pictures - 4 + size] = bytes(size - 8)
    path.write_bytes(data)
    return path
