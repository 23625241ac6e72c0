"""CLIP over the clip: a vector for each sampled frame, what the frames fit best, what the products in them look like.

Method
    * two frames per second through CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language
      Supervision", ICML 2021), scaled and cut to the square in the middle as in training;
    * each is compared with the sentences of ``analyzers/vision/clip_questions.py``, at the model's own temperature;
    * boxes of product classes that ``object_detection`` found in the same chunk are cut out and compared with product
      labels, which the settings may name: an open vocabulary.

One encoder serves composition, quality, products and scenes; the vectors also make videos searchable. The shares are
similarities among the sentences given, not probabilities of being true: of two wrong sentences one still wins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analyzers.base import AnalyzerConfig, Context, NotApplicable
from analyzers.inference.clip import Clip, shares
from analyzers.inference.device import open_device
from analyzers.inference.model_analyzer import ModelAnalyzer
from analyzers.results.clip_encoder import (
    SAME_FRAME_S,
    Answer,
    ClipEncoderResult,
    Embeddings,
    LabelShare,
    ProductCrop,
    QuestionAnswer,
)
from analyzers.results.detections import Detections, FrameDetections
from analyzers.vision.clip_questions import QUESTIONS, Question
from analyzers.vision.product_classes import PRODUCT_CLASSES, PRODUCT_LABELS
from media.needs import FrameNeed, Needs, Rate
from media.types import Float32Array, Float64Array, FrameBatch, FrameChunk, UInt8Array
from schema.base import BoundingBox

HEADLINE_QUESTIONS = ("format", "light")


class ClipEncoderConfig(AnalyzerConfig):
    """Settings of ``clip_encoder``."""

    model: Literal["clip-l14", "clip-b32"] = "clip-l14"
    """Pin in the weights manifest. On ImageNet without training the paper gives 75.5 % for ViT-L/14 and 63.2 % for
    ViT-B/32, which is a twentieth of the work."""
    fps: Annotated[float, Field(ge=0.1, le=10.0)] = 2.0
    """Frames per second. Higher follows changes more closely and costs in proportion."""
    frames_per_batch: Annotated[int, Field(ge=1, le=512)] = 32
    """Most pictures of one forward pass. Higher fills a GPU better; memory grows in proportion."""
    keep_embeddings: bool = True
    """Whether the vectors go into the document: 1.5 KB per frame of ViT-L/14."""
    crops_per_s: Annotated[float, Field(ge=0.0, le=10.0)] = 1.0
    """Frames per second whose product boxes are looked at; 0 looks at none. Not more than ``objects_fps`` counts."""
    max_crops: Annotated[int, Field(ge=1, le=20)] = 3
    """Most product boxes of one frame, the largest ones: what is shown for sale is large."""
    min_crop_px: Annotated[int, Field(ge=8, le=512)] = 32
    """Shorter side, in px of the picture the box is cut from, below which a box is left out: a seventh of what the
    model sees. Higher leaves out more."""
    crop_margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.1
    """What is added around a box on each side, as a share of its size, so that outlines show. Not yet tuned."""
    labels_kept: Annotated[int, Field(ge=1, le=20)] = 3
    """Labels of each crop that are published, from the best."""
    product_labels: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=500)
    ] = PRODUCT_LABELS
    """What product boxes are compared with, in the sentence "a photo of a ...": put names of your products here."""
    objects_fps: Annotated[float, Field(ge=0.1, le=30.0)] = 3.0
    """Frames per second that ``object_detection`` sees; the same as there, so that both read one rendition."""
    objects_side_px: Annotated[int, Field(ge=128, le=1440)] = 640
    """Shorter side of these pictures; the same as there."""


@dataclass(frozen=True, eq=False)
class CropSeen:
    """One product box compared with the labels.

    Attributes:
        time_s: Of its frame.
        object_class: The detector's.
        box: Left, top, right, bottom in px of the upright source picture.
        best: Indices into the labels, and their shares, from the best.
    """

    time_s: float
    object_class: str
    box: tuple[float, float, float, float]
    best: tuple[tuple[int, float], ...]


@dataclass(frozen=True, eq=False)
class ClipSeen:
    """One chunk.

    Attributes:
        pts_s: float64 (N,) times of the own frames.
        vectors: float32 (N, D), rows of length 1.
        crops: Product boxes.
    """

    pts_s: Float64Array
    vectors: Float32Array
    crops: tuple[CropSeen, ...]


class ClipEncoder(ModelAnalyzer[ClipEncoderConfig, FrameChunk, ClipSeen, ClipEncoderResult]):
    """Encodes frames and product boxes."""

    name = "clip_encoder"
    version = "1"
    title = "CLIP: vectors of frames, and what they fit best"
    Config = ClipEncoderConfig
    Result = ClipEncoderResult
    uses = ("object_detection",)
    upstream = ("object_detection",)
    models = ("clip-l14", "clip-b32")
    load_fields = frozenset({"model", "product_labels"})

    def __init__(self, config: ClipEncoderConfig) -> None:
        super().__init__(config)
        self.clip: Clip | None = None
        self._sentences = np.zeros((0, 1), np.float32)
        self._labels = np.zeros((0, 1), np.float32)

    def needs(self) -> Needs:
        """Small colour frames, and those of ``object_detection`` to cut products out of."""
        frames = [FrameNeed(Rate(self.config.fps), 224, "rgb")]
        if self.config.crops_per_s > 0.0:
            frames.append(FrameNeed(Rate(self.config.objects_fps), self.config.objects_side_px, "rgb"))
        return Needs(frames=tuple(frames))

    def load(self) -> None:
        """Loads CLIP and encodes all sentences."""
        self.clip = None
        weights = self.find_weights(self.config.model)
        clip = Clip(weights.path, open_device(self.runtime))
        self._sentences = clip.embed_texts([s for question in QUESTIONS for s in question.sentences])
        labels = [f"a photo of a {label}" for label in self.config.product_labels]
        self._labels = clip.embed_texts(labels) if labels else np.zeros((0, clip.dimension), np.float32)
        self.clip = clip

    def warm_up(self) -> None:
        """One grey picture."""
        self._encoder().embed_pictures([np.full((224, 224, 3), 114, np.uint8)], 1)

    def observe(self, chunks: Sequence[FrameChunk]) -> list[ClipSeen]:
        """Vectors of the own frames and of product boxes; those of all chunks share batches."""
        crops = [list(self._crops(chunk)) for chunk in chunks]
        frames = [frame for chunk in chunks for frame in chunk.batches[0].own]
        cut = [picture for found in crops for _, _, _, picture in found]
        clip, most = self._encoder(), self.config.frames_per_batch
        vectors, cut_vectors = clip.embed_pictures(frames, most), clip.embed_pictures(cut, most)
        label_shares = iter(shares(cut_vectors, self._labels, clip.temperature))
        ends = np.cumsum([len(chunk.batches[0]) for chunk in chunks])
        return [
            ClipSeen(
                chunk.batches[0].own_pts_s.copy(),
                vectors[end - len(chunk.batches[0]) : end],
                tuple(CropSeen(t, name, box, self._best(next(label_shares))) for t, name, box, _ in found),
            )
            for chunk, found, end in zip(chunks, crops, ends, strict=True)
        ]

    def _encoder(self) -> Clip:
        if self.clip is None:
            raise RuntimeError("clip_encoder: load() has not been called")
        return self.clip

    def _best(self, row: Float32Array) -> tuple[tuple[int, float], ...]:
        order = np.argsort(-row, kind="stable")[: self.config.labels_kept]
        return tuple((int(i), _unit(float(row[i]))) for i in order)

    def _crops(self, chunk: FrameChunk) -> Iterator[tuple[float, str, tuple[float, float, float, float], UInt8Array]]:
        """Time, class, box in source px and pixels of each product box that is looked at."""
        found = chunk.upstream.get("object_detection")
        if not isinstance(found, Detections) or len(chunk.batches) < 2 or not len(self._labels):
            return
        batch, slot_before = chunk.batches[1], self._slot_before(chunk.batches[1])
        for frame in found.frames():
            slot = self._slot(frame.time_s)
            at = int(np.abs(batch.own_pts_s - frame.time_s).argmin()) if len(batch) else -1
            if slot == slot_before or at < 0 or abs(batch.own_pts_s[at] - frame.time_s) > SAME_FRAME_S:
                continue
            slot_before = slot
            for box, name in self._largest(frame.of(PRODUCT_CLASSES), batch):
                yield frame.time_s, name, _four(box), self._cut(batch.own[at], box, batch)

    def _slot(self, time_s: float) -> int:
        return int(np.floor(time_s * self.config.crops_per_s + 1e-6))

    def _slot_before(self, batch: FrameBatch) -> int:
        return self._slot(float(batch.pts_s[0])) if batch.carried else -1

    def _largest(self, frame: FrameDetections, batch: FrameBatch) -> list[tuple[Float32Array, str]]:
        scale = np.array(batch.to_source, np.float32)
        sizes = (frame.boxes[:, 2:] - frame.boxes[:, :2]) / scale
        fits = [i for i in range(len(frame)) if float(sizes[i].min()) >= self.config.min_crop_px]
        fits.sort(key=lambda i: -float(sizes[i].prod()))
        return [(frame.boxes[i], frame.class_names[i]) for i in fits[: self.config.max_crops]]

    def _cut(self, picture: UInt8Array, box: Float32Array, batch: FrameBatch) -> UInt8Array:
        x, y = batch.to_source
        left, top, right, bottom = box / np.array([x, y, x, y], np.float32)
        wide, high = (right - left) * self.config.crop_margin, (bottom - top) * self.config.crop_margin
        return picture[
            max(0, int(top - high)) : int(np.ceil(bottom + high)), max(0, int(left - wide)) : int(np.ceil(right + wide))
        ]

    def conclude(self, observations: Sequence[ClipSeen], context: Context) -> ClipEncoderResult:
        """All chunks in one."""
        vectors = np.concatenate([o.vectors for o in observations]) if observations else np.zeros((0, 1), np.float32)
        if not len(vectors):
            raise NotApplicable("no_frames", "CLIP needs at least one frame")
        temperature = self._encoder().temperature
        answers, first = [], 0
        for question in QUESTIONS:
            part = self._sentences[first : first + len(question.answers)]
            answers.append(_answered(question, shares(vectors, part, temperature)))
            first += len(question.answers)
        return ClipEncoderResult(
            timestamps=tuple(float(t) for o in observations for t in o.pts_s),
            embeddings=Embeddings.of(vectors) if self.config.keep_embeddings else None,
            questions=tuple(answers),
            crops=tuple(self._crop(crop) for o in observations for crop in o.crops),
            temperature=temperature,
        )

    def _crop(self, crop: CropSeen) -> ProductCrop:
        left, top, right, bottom = crop.box
        return ProductCrop(
            timestamp=crop.time_s,
            object_class=crop.object_class,
            bounding_box=BoundingBox(x=left, y=top, width=right - left, height=bottom - top),
            labels=tuple(LabelShare(label=self.config.product_labels[i], share=share) for i, share in crop.best),
        )

    def headline(self, result: ClipEncoderResult) -> str | None:
        """The best answers of two questions."""
        best = [result.question(name).answers[0] for name in HEADLINE_QUESTIONS]
        return "Pictures fit best: " + "; ".join(f'"{a.sentence}" ({a.mean:.2f})' for a in best) + "."


def _answered(question: Question, table: Float32Array) -> QuestionAnswer:
    means = table.mean(axis=0)
    order = np.argsort(-means, kind="stable")
    return QuestionAnswer(
        question=question.name,
        answers=tuple(
            Answer(label=question.labels[i], sentence=question.sentences[i], mean=_unit(means[i])) for i in order
        ),
        frames=tuple(tuple(_unit(v) for v in row) for row in table),
        labels=question.labels,
    )


def _unit(value: float) -> float:
    """A share as it is published: four decimals are more than it means."""
    return min(1.0, max(0.0, round(float(value), 4)))


def _four(box: Float32Array) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(v) for v in box)
    return left, top, right, bottom
