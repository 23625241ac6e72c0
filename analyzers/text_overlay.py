"""Text on screen: what is written, from when to when, where, how it looks, what kind it is.

Method
    * RapidOCR (PP-OCRv6 small: differentiable binarisation, Liao et al., AAAI 2020, and a CTC recogniser) searches one
      frame per second and reads the lines in it; EasyOCR (CRAFT, Baek et al., CVPR 2019) for GPUs and more scripts
      is behind the same protocol in ``text_reader.py``;
    * in between, lines are followed by their strokes at ten frames per second (``analyzers/signal/text_lines.py``,
      ``text_pixels.py``), and looked at again only where the pixels do not explain a frame; unchanged lines are not
      read again;
    * a line that goes on into the next chunk is only named there; ``conclude`` follows the chain
      (``text_overlays.py``);
    * kind and function by stated rules (``text_kinds.py``); calls to action by word lists (``calls_to_action.py``).

Times are those of frames: a text starts with the first frame (of ten per second) that shows it, and ends with the
first that does not; a fading one at half its contrast. RapidOCR knows Latin, Greek, Chinese and Japanese; lines in
other scripts score low and are left out. A text that is there for less than the time between two searches, alone in
its place, may be missed. Gray pictures are read, so letters that differ from their ground in hue alone are not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import Analyzer, AnalyzerConfig, Context, NotApplicable
from analyzers.inference.device import open_device
from analyzers.inference.easyocr_reader import EASYOCR_LANGUAGES, EasyOcrReader
from analyzers.results.text_overlay import TextOverlayResult, reading_counts, result_of
from analyzers.signal.text_ink import Ink, ink_of
from analyzers.signal.text_kinds import KindSettings
from analyzers.signal.text_lines import ChunkLines
from analyzers.signal.text_overlays import (
    ChunkText,
    JoinSettings,
    blocks,
    irregular_ends,
    join_chunks,
    keep_regular,
    merge_lines,
)
from analyzers.signal.text_reader import BlindReader, RapidOcrReader, Reading, TextReader
from analyzers.signal.text_types import Counts, LinePiece, LookMemory, LookSettings
from media.needs import FrameNeed, Needs, Rate
from media.types import FrameBatch, FrameChunk
from schema.document import TimelineItem
from weights.store import resolve

__all__ = ["TextOverlayAnalysis", "TextOverlayConfig", "TextOverlayResult"]

_LABEL_CHARACTERS = 80
"""Longest label on the time line."""


class TextOverlayConfig(AnalyzerConfig):
    """Settings of ``text_overlay``. Picture unit: the square root of width times height."""

    engine: Literal["rapidocr", "easyocr", "none"] = "rapidocr"
    """Who finds and reads lines. ``rapidocr`` has its models in its package and is made for CPUs; ``easyocr`` wants
    weights and is made for GPUs; ``none`` follows the pictures and reads nothing, to measure what the rest costs."""
    easyocr_script: Literal["latin", "english", "cyrillic", "chinese", "japanese", "korean"] = "latin"
    """Which of EasyOCR's recognisers reads: one script and, beside it, English."""
    watch_fps: Annotated[float, Field(ge=2.0, le=30.0)] = 10.0
    """Frames per second in which lines are followed. Starts and ends are off by up to one frame of these: 0.1 s.
    Higher is more exact and costs in proportion."""
    short_side_px: Annotated[int, Field(ge=240, le=1080)] = 720
    """Size of the pictures that are searched and read. Of letters 28 px high in 1080 x 1920, over a photograph of a
    crowd, 5 % are misread at 720 and 8 % at 540. Higher reads smaller print; memory grows with the square."""
    search_every_s: Annotated[float, Field(ge=0.2, le=5.0)] = 1.0
    """Seconds between two searches of the whole picture. Lower finds short texts that stand alone; each search costs
    0.1 to 0.2 CPU-s. Results do not depend on the length of chunks that are multiples of it."""
    search_side_px: Annotated[int, Field(ge=320, le=1920)] = 960
    """Longer side of the picture that is searched. Over that crowd all lines 36 px high are found at 960, one in nine
    is missed at 800, one in three at 640. Higher finds smaller print; time and memory grow with the square."""
    sharpen: Annotated[float, Field(ge=0.0, le=3.0)] = 0.7
    """Weight of the unsharp mask before the search. Without it twice as many lines 28 px high are missed; 1.5 finds no
    more than 0.7."""
    min_found_score: Annotated[float, Field(ge=0.1, le=0.95)] = 0.4
    """Detector score from which a line is read. Small print that can be read scores 0.4 to 0.5; test patterns and
    textures mostly 0.3 to 0.4. Higher reads less and misses more."""
    min_score: Annotated[float, Field(ge=0.0, le=1.0)] = 0.85
    """Recogniser score from which a line of three or more letters counts. Texts in the test clips score 0.9 and more;
    textures, and scripts the reader does not know, mostly below 0.75; a film's drawn title was misread at 0.81. Higher
    leaves out more."""
    min_score_short: Annotated[float, Field(ge=0.0, le=1.0)] = 0.95
    """The same for one or two letters or digits, which textures often resemble."""
    min_found_score_short: Annotated[float, Field(ge=0.0, le=1.0)] = 0.6
    """Detector score that one or two letters or digits need besides."""
    min_line_px: Annotated[float, Field(ge=4.0, le=100.0)] = 12.0
    """Lowest box of a line, in px of the watched picture: letters of about 7 px. Lower reads noise."""
    max_line_share: Annotated[float, Field(gt=0.05, le=1.0)] = 0.55
    """Highest box of a line, as a share of the picture's height. Boxes as high as the picture are no text."""
    max_lines: Annotated[int, Field(ge=1, le=200)] = 24
    """Most lines of one search, those with the best detector score. Higher costs 15 ms for each more."""
    strip_searches: Annotated[int, Field(ge=0, le=60)] = 12
    """Most searches of strips between two whole ones: enough for a text that changes with every frame. Higher costs
    more where many texts change at once, 20 to 40 ms each."""
    flash_searches: Annotated[int, Field(ge=0, le=60)] = 3
    """Most of these for something like text that came and went between two whole ones; 0 leaves the cue out. Higher
    finds more short texts in restless pictures, 20 to 40 ms each."""
    color_fps: Annotated[float, Field(ge=0.2, le=10.0)] = 2.0
    """Frames per second in colour, for how a text looks. Shorter texts may get none."""
    color_side_px: Annotated[int, Field(ge=120, le=1080)] = 360
    """Their shorter side. Lines below 12 px there get no colours."""
    bridge_s: Annotated[float, Field(ge=0.0, le=2.0)] = 0.3
    """A text that is gone for less than this and comes back in its place is one overlay. Higher joins repeats."""
    together_s: Annotated[float, Field(ge=0.0, le=2.0)] = 0.5
    """Lines whose starts and ends differ by at most this are one block: they fade in unevenly. Higher joins lines that
    come one by one."""
    line_gap: Annotated[float, Field(ge=0.0, le=5.0)] = 0.8
    """Gap between two rows of one block, in heights of a line's box. Not yet tuned."""
    word_gap: Annotated[float, Field(ge=0.0, le=5.0)] = 1.5
    """Gap between two boxes in one row of a block, in heights of a line's box. Not yet tuned."""
    watermark_share: Annotated[float, Field(ge=0.1, le=1.0)] = 0.8
    """Share of the clip that a watermark is there for. Higher calls fewer texts so. Not yet tuned."""
    watermark_min_s: Annotated[float, Field(ge=0.0, le=60.0)] = 3.0
    """Shortest stay of a watermark: in a shorter clip any text is there for most of it. Not yet tuned."""
    watermark_height: Annotated[float, Field(gt=0.0, le=1.0)] = 0.06
    """Highest line of a watermark in picture units. Higher calls larger texts so. Not yet tuned."""
    edge_share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.2
    """How far from an edge its middle may be, as a share of width or height. Not yet tuned."""
    tilt_deg: Annotated[float, Field(gt=0.0, le=90.0)] = 6.0
    """Tilt of lines from which a text is taken for part of the scene. Higher calls fewer so. Not yet tuned."""
    drift: Annotated[float, Field(gt=0.0, le=1.0)] = 0.03
    """Way of a text, in picture units, from which on it is taken to move with the scene. Boxes of a resting text
    differ by up to 0.01. Higher calls fewer so. Not yet tuned."""
    caption_max_s: Annotated[float, Field(gt=0.0, le=60.0)] = 8.0
    """Longest stay of a caption: subtitles stay 7 s at most (BBC and Netflix guidelines) and may be cut late."""
    series_gap_s: Annotated[float, Field(ge=0.0, le=60.0)] = 4.0
    """Longest pause between two captions of a series. Higher calls more texts captions. Not yet tuned."""
    title_height: Annotated[float, Field(gt=0.0, le=1.0)] = 0.08
    """Lowest line of a title by size, in picture units: letters of about 75 px in 1080 x 1920. Not yet tuned."""
    title_start_s: Annotated[float, Field(ge=0.0, le=60.0)] = 1.5
    """Latest start of a title by time. Not yet tuned."""
    language_words: Annotated[int, Field(ge=1, le=50)] = 3
    """Different function words of a language, in all Latin texts together, from which on it is named. Two are found in
    texts of other languages. Higher names fewer. Not yet tuned."""
    language_lead: Annotated[float, Field(ge=1.0, le=20.0)] = 2.0
    """How many times as many as of any other language: related ones share up to half. Higher names fewer."""
    threads: Annotated[int, Field(ge=1, le=64)] = 1
    """Threads of the models. With the cores busy, two are slower than one."""

    def look_settings(self, batch: FrameBatch) -> LookSettings:
        """Those of following lines through a chunk."""
        return LookSettings(
            look_every_s=self.search_every_s,
            shrink=min(1.0, self.search_side_px / max(batch.width, batch.height)),
            min_line_px=self.min_line_px,
            max_line_share=self.max_line_share,
            max_lines=self.max_lines,
            strip_looks=self.strip_searches,
            flash_looks=self.flash_searches,
            accept=self.accepts,
        )

    def join_settings(self) -> JoinSettings:
        """Those of putting lines together."""
        return JoinSettings(self.bridge_s, self.together_s, self.line_gap, self.word_gap, self.accepts)

    def kind_settings(self) -> KindSettings:
        """Those of the kinds."""
        return KindSettings(**{name: getattr(self, name) for name in KindSettings.__dataclass_fields__})

    def accepts(self, found_score: float, reading: Reading) -> bool:
        """Whether a line that the detector found with this score says something."""
        letters = sum(c.isalnum() for c in reading.text)
        if letters <= 2:
            enough = found_score >= self.min_found_score_short and reading.score >= self.min_score_short
            return letters > 0 and enough
        return reading.score >= self.min_score


class TextOverlayAnalysis(Analyzer[TextOverlayConfig, FrameChunk, ChunkText, TextOverlayResult]):
    """Reads what is written in the picture."""

    name = "text_overlay"
    version = "3"
    title = "Text on screen: what, when, where, which kind"
    Config = TextOverlayConfig
    Result = TextOverlayResult
    models = tuple(f"easyocr-{script}" for script in EASYOCR_LANGUAGES)
    load_fields = frozenset({"engine", "easyocr_script", "sharpen", "min_found_score", "threads"})

    def __init__(self, config: TextOverlayConfig) -> None:
        super().__init__(config)
        self.reader: TextReader | None = None
        self._memory = LookMemory()
        self._loaded_models: tuple[str, ...] = ()

    def needs(self) -> Needs:
        """Gray frames to follow and read, and a few in colour."""
        return Needs(
            frames=(
                FrameNeed(Rate(self.config.watch_fps), self.config.short_side_px, "gray"),
                FrameNeed(Rate(self.config.color_fps), self.config.color_side_px, "rgb"),
            )
        )

    def load(self) -> None:
        """Loads RapidOCR's models from its package, or EasyOCR's from the weights folder."""
        self._memory = LookMemory()
        self._loaded_models = ()
        if self.config.engine == "none":
            self.reader = BlindReader()
        elif self.config.engine == "rapidocr":
            self.reader = RapidOcrReader(self.config.sharpen, self.config.min_found_score, self.config.threads)
        else:
            script = self.config.easyocr_script
            weights = resolve(f"easyocr-{script}", self.runtime)
            device = open_device(self.runtime)
            self.reader = EasyOcrReader(weights.path, EASYOCR_LANGUAGES[script], self.config.min_found_score, device)
            self._loaded_models = (weights.label,)

    def warm_up(self) -> None:
        """One grey picture, searched, and one line of it, read."""
        grey = np.full((128, 128), 128, np.uint8)
        self._loaded().find(grey)
        self._loaded().read(grey, [np.array([[16, 48], [112, 48], [112, 80], [16, 80]], np.float32)])

    def wanted_models(self) -> tuple[str, ...]:
        """The reader of the chosen script; none where EasyOCR does not read."""
        return (f"easyocr-{self.config.easyocr_script}",) if self.config.engine == "easyocr" else ()

    def loaded_models(self) -> tuple[str, ...]:
        """EasyOCR's weights; RapidOCR's come with its package."""
        return self._loaded_models

    def observe(self, chunks: Sequence[FrameChunk]) -> list[ChunkText]:
        """Lines of text in each chunk, and how they look."""
        return [self._observe(chunk) for chunk in chunks]

    def _observe(self, chunk: FrameChunk) -> ChunkText:
        gray, colour = chunk.batches
        if not len(gray):
            return ChunkText(chunk.start_s, chunk.end_s, 0.0, 0.0, None, 0, (), (), Counts())
        lines = ChunkLines(
            self._loaded(),
            self.config.look_settings(gray),
            gray.frames,
            gray.pts_s,
            gray.carried,
            chunk.end_s,
            gray.to_source,
            self._memory,
        )
        pieces = lines.pieces()
        return ChunkText(
            start_s=chunk.start_s,
            end_s=chunk.end_s,
            first_s=float(gray.own_pts_s[0]),
            last_s=float(gray.own_pts_s[-1]),
            carried_s=float(gray.pts_s[0]) if gray.carried else None,
            frames=len(gray),
            pieces=tuple(pieces),
            inks=tuple(_ink(piece, colour) for piece in pieces),
            counts=lines.counts,
        )

    def _loaded(self) -> TextReader:
        if self.reader is None:
            raise RuntimeError("text_overlay: load() has not been called")
        return self.reader

    def conclude(self, observations: Sequence[ChunkText], context: Context) -> TextOverlayResult:
        """One overlay per text."""
        if self.config.engine == "none":
            raise NotApplicable("reading_off", "no text was looked for: the setting `engine` is `none`")
        seen = [o for o in observations if o.frames]
        if not seen:
            raise NotApplicable("no_frames", "no picture was decoded")
        settings = self.config.join_settings()
        size = context.video.width or 1, context.video.height or 1
        ends = irregular_ends(seen, self.config.search_every_s)
        lines = merge_lines(join_chunks(seen, self._read_crop), size, settings)
        keep_regular(lines, ends)
        searched = sum(chunk.counts.looks for chunk in seen) - len(ends)
        counts = reading_counts(lines, sum(chunk.frames for chunk in seen), searched)
        return result_of(blocks(lines, settings), counts, context, self.config.kind_settings())

    def _read_crop(self, crop: bytes) -> Reading:
        """Reads a line whose own chunk was lost from the pixels that the next one kept."""
        import cv2

        picture = np.asarray(cv2.imdecode(np.frombuffer(crop, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)
        high, wide = picture.shape
        return self._loaded().read(picture, [np.array([[0, 0], [wide, 0], [wide, high], [0, high]], np.float32)])[0]

    def timeline(self, result: TextOverlayResult) -> list[TimelineItem]:
        """Each text."""
        return [TimelineItem.of(o, "written", self.name, _short(o.text), o.confidence) for o in result.overlays]

    def headline(self, result: TextOverlayResult) -> str | None:
        """Number of texts by kind, share of the time, the first text."""
        if not result.overlays:
            return "No text on screen."
        kinds = [o.kind for o in result.overlays]
        parts = ", ".join(
            f"{kinds.count(k)} {k}{'s' * (kinds.count(k) > 1 and k != 'scene')}" for k in dict.fromkeys(kinds)
        )
        first = result.overlays[0]
        return (
            f"Text on screen {result.text_share:.0%} of the time: {parts}; "
            f'first at {first.start_time:.1f} s: "{_short(first.text)}".'
        )


def _ink(piece: LinePiece, colour: FrameBatch) -> tuple[float, Ink] | None:
    """How a line looks in the first colour frame that shows it."""
    shown = np.flatnonzero((colour.own_pts_s >= piece.start_s) & (colour.own_pts_s < piece.end_s))
    if not len(shown):
        return None
    time_s = float(colour.own_pts_s[shown[0]])
    sights = sorted({piece.anchor.time_s: piece.anchor, **{s.time_s: s for s in piece.sights}}.items())
    near = [sight for at_s, sight in sights if at_s <= time_s][-1:] or [sights[0][1]]
    quad = np.array(near[0].quad, np.float64) / np.array(colour.to_source, np.float64)
    ink = ink_of(colour.own[shown[0]], quad.astype(np.float32))
    return None if ink is None else (time_s, ink)


def _short(text: str) -> str:
    return text if len(text) <= _LABEL_CHARACTERS else text[: _LABEL_CHARACTERS - 1] + "…"
