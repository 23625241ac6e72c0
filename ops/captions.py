"""Texts on pictures, drawn with the scalable font that Pillow carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from media.types import Float32Array, UInt8Array
from schema.base import BoundingBox

Kind = Literal["title", "caption", "call_to_action"]

_LOOK: dict[Kind, tuple[tuple[int, int, int], tuple[int, int, int] | None]] = {
    "title": ((255, 255, 255), None),
    "caption": ((255, 255, 255), (16, 18, 34)),
    "call_to_action": ((255, 255, 255), (222, 44, 82)),
}
"""Colour of the letters, and of the box behind them where there is one; without a box the letters get an outline."""


@dataclass(frozen=True)
class Caption:
    """One text in the frames ``[first_frame, end_frame)``, centred on its row.

    Attributes:
        text: One line.
        first_frame: First frame that shows it.
        end_frame: First frame that does not.
        y_px: Vertical middle of the letters.
        size_px: Font size.
        kind: Decides the look.
    """

    text: str
    first_frame: int
    end_frame: int
    y_px: int
    size_px: int
    kind: Kind


@dataclass(frozen=True, eq=False)
class CaptionLayer:
    """A drawn caption, ready to be laid over pictures.

    Attributes:
        left: Column of its first pixel in the picture.
        top: Row of its first pixel in the picture.
        colour: float32 (H, W, 3), R, G, B, times ``cover``.
        cover: float32 (H, W, 1) in [0, 1].
        text_box: Smallest box around the inked letters, outline included, box behind them left out.
    """

    left: int
    top: int
    colour: Float32Array
    cover: Float32Array
    text_box: BoundingBox


def render_caption(caption: Caption, width: int) -> CaptionLayer:
    """Draws a caption for pictures that are ``width`` px wide.

    Raises:
        ValueError: It does not fit into the width.
    """
    from PIL import Image, ImageDraw, ImageFont

    letters, box = _LOOK[caption.kind]
    font = ImageFont.load_default(caption.size_px)
    outline = 0 if box else max(2, caption.size_px // 12)
    mask = Image.new("L", (width, 3 * caption.size_px), 0)
    anchor = (width / 2.0, 1.5 * caption.size_px)
    ImageDraw.Draw(mask).text(anchor, caption.text, 255, font, anchor="mm", stroke_width=outline)
    ink = mask.getbbox()
    if ink is None or ink[0] == 0 or ink[2] == width:
        raise ValueError(f"caption {caption.text!r} of {caption.size_px} px does not fit into {width} px")
    fill = Image.new("L", mask.size, 0)
    ImageDraw.Draw(fill).text(anchor, caption.text, 255, font, anchor="mm", stroke_width=0 if box else 1)
    behind = Image.new("L", mask.size, 0)
    if box:
        pad = caption.size_px // 2
        ImageDraw.Draw(behind).rounded_rectangle(
            (ink[0] - pad, ink[1] - pad // 2, ink[2] + pad, ink[3] + pad // 2), radius=pad // 2, fill=240
        )
    under = np.asarray(behind if box else mask, np.float32)[..., None] / 255.0
    over = np.asarray(fill, np.float32)[..., None] / 255.0
    colour = np.array(box or (20, 16, 30), np.float32) * under * (1.0 - over) + np.array(letters, np.float32) * over
    cover = 1.0 - (1.0 - under) * (1.0 - over)
    top = caption.y_px - mask.size[1] // 2
    rows = np.flatnonzero(cover.max(axis=(1, 2)))
    part = slice(int(rows[0]), int(rows[-1]) + 1)
    return CaptionLayer(
        left=0,
        top=top + part.start,
        colour=np.ascontiguousarray(colour[part], np.float32),
        cover=np.ascontiguousarray(cover[part], np.float32),
        text_box=BoundingBox(x=ink[0], y=top + ink[1], width=ink[2] - ink[0], height=ink[3] - ink[1]),
    )


def draw_caption(picture: UInt8Array, layer: CaptionLayer) -> None:
    """Lays a caption over a picture of the width it was drawn for, in place."""
    rows, columns = layer.cover.shape[:2]
    part = picture[layer.top : layer.top + rows, layer.left : layer.left + columns]
    part[:] = np.clip(part * (1.0 - layer.cover) + layer.colour + 0.5, 0, 255)
