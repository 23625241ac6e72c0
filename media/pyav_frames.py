"""From a decoded PyAV frame to a small upright picture: scale in Y'CbCr, then convert the small result to RGB.

swscale's area filter to a small YUV 4:4:4 picture and one exact matrix over its few pixels costs less than swscale's
own way to RGB and keeps full chroma precision. Interlaced frames are read as their top field alone: half the lines,
no combing, no state between frames. High dynamic range (PQ, HLG) is not tone-mapped: such pictures look flat.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from media.needs import Colour
from media.orientation import Orientation
from media.types import UInt8Array

_ROTATE = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}

LIMITED, FULL = 1, 2
"""AVColorRange: luma 16-235, or 0-255."""

BT709, UNSPECIFIED = 1, 2
"""AVColorSpace."""

KR_KB = {BT709: (0.2126, 0.0722), 4: (0.30, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}
"""Luma weights of red and blue by AVColorSpace (ITU-T H.273, table 4); all others are BT.601."""

BT601 = (0.299, 0.114)

HD_SIDE_PX = 720
"""Untagged pictures of at least this shorter side are taken as BT.709, smaller ones as BT.601, as players do."""

EXPAND = np.clip(np.round((np.arange(256) - 16) * 255.0 / 219.0), 0, 255).astype(np.uint8)
"""Limited-range luma to full range."""


class Renderer:
    """Renders decoded frames of one stream; keeps a scaler for each size, so that its filters are made once."""

    def __init__(self) -> None:
        # OpenCV does not read the process's thread budget by itself; small pictures gain nothing from threads.
        cv2.setNumThreads(int(os.environ.get("OMP_NUM_THREADS", "1")))
        self._scalers: dict[tuple[tuple[int, int], str], VideoReformatter] = {}
        self._scratch: dict[tuple[int, int], tuple[UInt8Array, UInt8Array]] = {}

    def render(
        self, frame: VideoFrame, orientation: Orientation, wanted: list[tuple[tuple[int, int], Colour]]
    ) -> list[UInt8Array]:
        """The upright picture at each wanted (width, height) and colour; scales once per size.

        Returns:
            Per entry uint8 (H, W, 3) RGB or (H, W) gray; views that hold until the next call.
        """
        source = _top_field(frame) if wanted and frame.interlaced_frame and frame.height >= 4 else frame
        in_colour = {size for size, colour in wanted if colour == "rgb"}
        scaled: dict[tuple[int, int], VideoFrame] = {}
        out: list[UInt8Array] = []
        for size, colour in wanted:
            if size not in scaled:
                scaled[size] = self._scale(source, orientation.upright(*size), size in in_colour)
            picture = self._convert(frame, scaled[size], colour)
            if orientation.mirrored:
                picture = cv2.flip(picture, 1)
            if orientation.turn_deg:
                picture = cv2.rotate(picture, _ROTATE[orientation.turn_deg])
            out.append(picture)
        return out

    def _scale(self, frame: VideoFrame, size: tuple[int, int], in_colour: bool) -> VideoFrame:
        """Small Y'CbCr in the source's range, luma alone in full range, or RGB for sources that are RGB."""
        layout = "yuv444p" if in_colour else "gray"
        colour_range = FULL if _is_full_range(frame) else LIMITED
        if not _is_yuv(frame):
            layout, colour_range = "rgb24", FULL
        scaler = self._scalers.setdefault((size, layout), VideoReformatter())
        # The matrix is applied later, by us: the same on both sides, whatever (perhaps nonsense) the file is tagged.
        matrix = int(Colorspace.ITU601) if _is_yuv(frame) else None
        return scaler.reformat(
            frame,
            *size,
            format=layout,
            interpolation="AREA",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=colour_range,
            dst_color_range=FULL if layout == "gray" else colour_range,
            threads=1,
        )

    def _convert(self, frame: VideoFrame, scaled: VideoFrame, colour: Colour) -> Any:
        """``scaled`` as RGB or gray; a view into it where nothing has to be computed."""
        layout, planes = scaled.format.name, _planes(scaled)
        if layout == "rgb24":
            rgb = planes[0].reshape(scaled.height, scaled.width, 3)
            return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) if colour == "gray" else rgb
        full = _is_full_range(frame)
        if colour == "gray":
            return planes[0] if full or layout == "gray" else cv2.LUT(planes[0], EXPAND)
        merged, rgb = self._room(scaled.width, scaled.height)
        return cv2.transform(cv2.merge(planes, merged), yuv_to_rgb(_luma_weights(frame), full), rgb)

    def _room(self, width: int, height: int) -> tuple[UInt8Array, UInt8Array]:
        """Two pictures to work in, kept: fresh memory costs more than the arithmetic on large ones."""
        if (width, height) not in self._scratch:
            shape = (height, width, 3)
            self._scratch[width, height] = (np.empty(shape, np.uint8), np.empty(shape, np.uint8))
        return self._scratch[width, height]


def _planes(frame: VideoFrame) -> list[Any]:
    """The lines of each plane of an 8-bit frame without their padding, (H, bytes); views."""
    depth = 3 if frame.format.name == "rgb24" else 1
    return [
        np.frombuffer(cast("bytes", plane), np.uint8).reshape(-1, plane.line_size)[
            : plane.height, : depth * plane.width
        ]
        for plane in frame.planes
    ]


def _is_yuv(frame: VideoFrame) -> bool:
    layout = frame.format
    return not (layout.is_rgb or layout.has_palette or layout.is_bayer or layout.name.startswith("xyz"))


def _is_full_range(frame: VideoFrame) -> bool:
    return frame.color_range == FULL or frame.format.name.startswith(("yuvj", "gray", "ya8", "ya16", "mono"))


def _luma_weights(frame: VideoFrame) -> tuple[float, float]:
    if frame.colorspace == UNSPECIFIED and min(frame.width, frame.height) >= HD_SIDE_PX:
        return KR_KB[BT709]
    return KR_KB.get(frame.colorspace, BT601)


@lru_cache
def yuv_to_rgb(weights: tuple[float, float], full: bool) -> npt.NDArray[np.float64]:
    """3 x 4 matrix from 8-bit Y'CbCr to R'G'B' (ITU-T H.273, equations 38 to 40, inverted).

    Args:
        weights: Luma weights of red and blue.
        full: Whether luma and chroma use 0-255, else 16-235 and 16-240.
    """
    kr, kb = weights
    kg = 1.0 - kr - kb
    y, c = (1.0, 1.0) if full else (255.0 / 219.0, 255.0 / 224.0)
    matrix = np.array(
        [
            [y, 0.0, 2 * (1 - kr) * c],
            [y, -2 * (1 - kb) * kb / kg * c, -2 * (1 - kr) * kr / kg * c],
            [y, 2 * (1 - kb) * c, 0.0],
        ]
    )
    offset = -matrix @ np.array([0.0 if full else 16.0, 128.0, 128.0])
    return np.column_stack([matrix, offset])


def _top_field(frame: VideoFrame) -> VideoFrame:
    """Every second line of each plane. Interlaced 4:2:0 keeps the chroma of the fields apart in the same way."""
    field = VideoFrame(frame.width, frame.height // 2, frame.format.name)
    for source, target in zip(frame.planes, field.planes, strict=True):
        lines = np.frombuffer(cast("bytes", source), np.uint8).reshape(-1, source.line_size)[::2]
        room = np.frombuffer(cast("bytes", target), np.uint8).reshape(-1, target.line_size)
        rows, columns = min(len(lines), len(room)), min(source.line_size, target.line_size)
        room[:rows, :columns] = lines[:rows, :columns]
    return field
