"""CLIP: vectors and shares against transformers' own pipeline; crops, questions, batches."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analyzers.base import AnalysisFailed, Context, NotApplicable
from analyzers.clip_encoder import ClipEncoder, ClipEncoderConfig
from analyzers.host import AnalyzerHost
from analyzers.inference.clip import shares
from analyzers.results.clip_encoder import ClipEncoderResult, Embeddings, clip_vectors
from analyzers.results.detections import FrameDetections, pack_detections
from analyzers.runtime import Runtime
from analyzers.vision.clip_questions import QUALITY, QUESTIONS, SHOT_SIZE
from analyzers.vision.product_classes import PRODUCT_CLASSES, PRODUCT_LABELS
from media.needs import FrameNeed, Rate
from media.types import FrameBatch, FrameChunk
from schema.document import VideoFacts
from tests.decoded import decode
from tests.run import frame_chunks
from tests.tiny_weights import TinyWeights
from tests.upright_clip import ORIENTATIONS, patches, upright_pictures, write_clip

pytestmark = pytest.mark.slow

FPS = 6.0

SAME_SHARE = 2e-3
"""Shares are published with four decimals; scaling in batches of other sizes rounds differently."""


def make(runtime: Runtime, **config: Any) -> ClipEncoder:
    analyzer = ClipEncoder(ClipEncoderConfig.model_validate({"model": "clip-b32", **config}))
    analyzer.runtime = runtime
    analyzer.load()
    return analyzer


@pytest.fixture(scope="module")
def encoder(tiny_weights: TinyWeights) -> ClipEncoder:
    return make(tiny_weights.runtime("clip-b32"), frames_per_batch=3)


@pytest.fixture(scope="module")
def pipeline(tiny_weights: TinyWeights) -> Any:
    """transformers' own zero-shot classification of the same checkpoint."""
    from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel, pipeline

    path = tiny_weights.path("clip-b32")
    return pipeline(
        "zero-shot-image-classification",
        model=CLIPModel.from_pretrained(path, local_files_only=True),
        tokenizer=AutoTokenizer.from_pretrained(path, local_files_only=True),
        image_processor=CLIPImageProcessor.from_pretrained(path, local_files_only=True),
        device="cpu",
    )


def asked(pipeline: Any, picture: np.ndarray[Any, Any], sentences: tuple[str, ...]) -> list[float]:
    """The pipeline's share of each sentence."""
    from PIL import Image

    answers = pipeline(Image.fromarray(picture), candidate_labels=list(sentences), hypothesis_template="{}")
    found = {answer["label"]: answer["score"] for answer in answers}
    return [found[sentence] for sentence in sentences]


def concluded(encoder: ClipEncoder, chunks: list[FrameChunk], duration_s: float) -> ClipEncoderResult:
    facts = VideoFacts(container="arrays", duration_s=duration_s, width=180, height=320, frame_rate=FPS)
    return encoder.conclude(encoder.observe(chunks), Context(facts))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_answers_are_the_pipelines_own_through_the_real_decoder(
    encoder: ClipEncoder, pipeline: Any, tmp_path: Path, orientation: str
) -> None:
    path = write_clip(tmp_path, orientation)  # 192 px: smaller than 224, so it is decoded unscaled
    out = decode(path, FrameNeed(Rate(2.0), 224), FrameNeed(Rate(3.0), 640))
    chunks = [FrameChunk(h.index, h.start_s, h.end_s, tuple(batches)) for h, batches in out.chunks]
    result = concluded(encoder, chunks, 1.0)
    seen = [int(i) for chunk in chunks for i in chunk.batches[0].own_index]
    pictures = upright_pictures(path)
    assert len(seen) == 2
    assert [found.question for found in result.questions] == [question.name for question in QUESTIONS]
    for question in (QUALITY, SHOT_SIZE):
        mine = result.question(question.name)
        assert mine.labels == question.labels
        for row, at in zip(mine.frames, seen, strict=True):
            assert row == pytest.approx(asked(pipeline, pictures[at], question.sentences), abs=SAME_SHARE)


def test_shares_sum_to_one_and_means_are_means(encoder: ClipEncoder) -> None:
    frames = np.stack(patches(12, 180, 320))
    result = concluded(encoder, frame_chunks(frames, FPS, encoder.needs().frames, 1.0), 2.0)
    assert len(result.timestamps) == 4
    for found in result.questions:
        assert np.sum(found.frames, axis=1) == pytest.approx(1.0, abs=1e-3)
        for answer in found.answers:
            column = [row[found.labels.index(answer.label)] for row in found.frames]
            assert answer.mean == pytest.approx(np.mean(column), abs=1e-3)
        assert [a.mean for a in found.answers] == sorted((a.mean for a in found.answers), reverse=True)


def test_chunks_and_batches_change_nothing(encoder: ClipEncoder) -> None:
    frames = np.stack(patches(12, 180, 320, seed=2))
    whole = encoder.observe(frame_chunks(frames, FPS, encoder.needs().frames, 2.0))
    parts = encoder.observe(frame_chunks(frames, FPS, encoder.needs().frames, 0.5))
    np.testing.assert_allclose(
        np.concatenate([o.vectors for o in whole]), np.concatenate([o.vectors for o in parts]), atol=1e-5
    )
    assert [t for o in whole for t in o.pts_s] == [t for o in parts for t in o.pts_s]


def test_vectors_survive_the_document(encoder: ClipEncoder) -> None:
    frames = np.stack(patches(12, 180, 320))
    chunks = frame_chunks(frames, FPS, encoder.needs().frames, 2.0)
    result = concluded(encoder, chunks, 2.0)
    again = ClipEncoderResult.model_validate_json(result.model_dump_json())
    facts = VideoFacts(container="arrays", duration_s=2.0)
    found = clip_vectors(Context(facts, {"clip_encoder": again}))
    assert found is not None
    times, vectors = found
    expected = np.concatenate([o.vectors for o in encoder.observe(chunks)])
    np.testing.assert_allclose(vectors, expected, atol=1e-3)  # float16
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=2e-3)
    assert times.tolist() == list(result.timestamps)


def test_without_vectors_there_are_none_to_read(tiny_weights: TinyWeights) -> None:
    encoder = make(tiny_weights.runtime("clip-b32"), keep_embeddings=False)
    frames = np.stack(patches(3, 180, 320))
    result = concluded(encoder, frame_chunks(frames, FPS, encoder.needs().frames, 2.0), 0.5)
    assert result.embeddings is None
    assert clip_vectors(Context(VideoFacts(container="a", duration_s=0.5), {"clip_encoder": result})) is None


def test_shares_are_a_softmax_by_hand() -> None:
    pictures, texts = np.array([[1.0, 0.0]], np.float32), np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    assert shares(pictures, texts, 2.0)[0] == pytest.approx([np.e**2 / (np.e**2 + 1), 1 / (np.e**2 + 1)], abs=1e-6)
    assert shares(np.zeros((0, 2), np.float32), texts, 2.0).shape == (0, 2)


# ------------------------------------------------------------------------------------------------------ product crops

LEFT_BOX = (10.0, 20.0, 90.0, 120.0)
SMALL_BOX = (100.0, 20.0, 120.0, 30.0)


def with_boxes(frames: np.ndarray[Any, Any], boxes: dict[int, list[tuple[Any, str]]], carried: int = 0) -> FrameChunk:
    """One chunk at three frames per second for both streams, source twice the size, and boxes by frame number."""
    pts = np.arange(len(frames)) / 3.0
    high, wide = frames.shape[1:3]
    batch = FrameBatch(frames, pts, np.arange(len(frames)), carried, 2 * wide, 2 * high)
    detections = [
        FrameDetections(
            float(t),
            np.array([b for b, _ in boxes.get(i, [])], np.float32).reshape(-1, 4) * 2.0,
            np.full(len(boxes.get(i, [])), 0.9, np.float32),
            tuple(name for _, name in boxes.get(i, [])),
        )
        for i, t in enumerate(pts)
        if i >= carried
    ]
    upstream = {"object_detection": pack_detections(detections)}
    return FrameChunk(0, 0.0, len(frames) / 3.0, (batch, batch), upstream)


def test_a_products_box_is_cut_out_and_compared_as_the_pipeline_does(tiny_weights: TinyWeights, pipeline: Any) -> None:
    labels = ("pair of sneakers", "bottle of perfume", "handbag")
    encoder = make(
        tiny_weights.runtime("clip-b32"), product_labels=labels, labels_kept=3, crop_margin=0.0, min_crop_px=16
    )
    frames = np.stack(patches(3, 180, 320, seed=4))
    result = concluded(encoder, [with_boxes(frames, {0: [(LEFT_BOX, "bottle"), (LEFT_BOX, "person")]})], 1.0)
    (crop,) = result.crops
    assert (crop.timestamp, crop.object_class) == (0.0, "bottle")
    box = crop.bounding_box
    assert (box.x, box.y, box.width, box.height) == (20.0, 40.0, 160.0, 200.0)
    cut = frames[0][20:120, 10:90]
    expected = asked(pipeline, cut, tuple(f"a photo of a {label}" for label in labels))
    assert {la.label: la.share for la in crop.labels} == pytest.approx(
        dict(zip(labels, expected, strict=True)), abs=SAME_SHARE
    )
    assert [la.share for la in crop.labels] == sorted((la.share for la in crop.labels), reverse=True)


def test_boxes_are_looked_at_once_a_second_and_only_products_of_some_size(encoder: ClipEncoder) -> None:
    boxes = {i: [(LEFT_BOX, "cup"), (SMALL_BOX, "cup"), (LEFT_BOX, "dog")] for i in range(7)}
    result = concluded(encoder, [with_boxes(np.stack(patches(7, 180, 320)), boxes)], 7 / 3)
    assert [crop.timestamp for crop in result.crops] == pytest.approx([0.0, 1.0, 2.0])
    assert {crop.object_class for crop in result.crops} == {"cup"}
    assert {crop.bounding_box.width for crop in result.crops} == {160.0}


def test_a_second_that_began_in_the_chunk_before_is_not_looked_at_again(encoder: ClipEncoder) -> None:
    boxes = {i: [(LEFT_BOX, "cup")] for i in range(3)}
    chunk = with_boxes(np.stack(patches(3, 180, 320)), boxes, carried=1)
    assert encoder.observe([chunk])[0].crops == ()


def test_the_largest_boxes_are_looked_at(tiny_weights: TinyWeights) -> None:
    encoder = make(tiny_weights.runtime("clip-b32"), max_crops=1)
    boxes = {0: [((10.0, 10.0, 50.0, 50.0), "cup"), (LEFT_BOX, "vase")]}
    result = concluded(encoder, [with_boxes(np.stack(patches(1, 180, 320)), boxes)], 1 / 3)
    assert [crop.object_class for crop in result.crops] == ["vase"]


def test_without_detections_there_are_no_crops(encoder: ClipEncoder) -> None:
    frames = np.stack(patches(3, 180, 320))
    result = concluded(encoder, frame_chunks(frames, FPS, encoder.needs().frames, 2.0), 0.5)
    assert result.crops == ()


def test_product_classes_are_the_detectors() -> None:
    from analyzers.vision.yolo import import_ultralytics

    ultralytics = import_ultralytics()
    coco = set(ultralytics.utils.YAML.load(ultralytics.utils.ROOT / "cfg" / "datasets" / "coco.yaml")["names"].values())
    assert coco >= PRODUCT_CLASSES
    assert len(set(PRODUCT_LABELS)) == len(PRODUCT_LABELS)


# ------------------------------------------------------------------------------------------------------------- faults


def test_observations_are_small_and_pickle(encoder: ClipEncoder) -> None:
    chunk = with_boxes(np.stack(patches(6, 180, 320)), {0: [(LEFT_BOX, "cup")]})
    seen = encoder.observe([chunk])[0]
    data = pickle.dumps(seen)
    assert len(data) < 20_000
    np.testing.assert_array_equal(pickle.loads(data).vectors, seen.vectors)


def test_out_of_memory_halves_the_batch_and_then_fails(
    tiny_weights: TinyWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    encoder = make(tiny_weights.runtime("clip-b32"), frames_per_batch=8)
    clip, sizes = encoder._encoder(), []
    embed = clip._embed
    limit = 2

    def tight(pictures: Any) -> Any:
        sizes.append(len(pictures))
        if len(pictures) > limit:
            raise torch.cuda.OutOfMemoryError("full")
        return embed(pictures)

    monkeypatch.setattr(clip, "_embed", tight)
    frames = patches(8, 180, 320)
    assert clip.embed_pictures(frames, 8).shape == (8, clip.dimension)
    assert [size for size in sizes if size <= limit] == [2, 2, 2, 2]
    limit = 0
    with pytest.raises(AnalysisFailed) as caught:
        clip.embed_pictures(frames, 8)
    assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)


def test_no_frame_is_not_applicable(encoder: ClipEncoder) -> None:
    with pytest.raises(NotApplicable):
        encoder.conclude([], Context(VideoFacts(container="a", duration_s=1.0)))


def test_without_weights_the_remedy_is_the_command(tmp_path: Path) -> None:
    description = AnalyzerHost("clip_encoder", {"model": "clip-b32"}, Runtime(weights_path=tmp_path)).describe()
    assert (description.state, description.code) == ("unavailable", "weights_missing")
    assert description.remedy == "tiktok-analyzer models pull clip-b32"


def test_provenance_names_the_model(tiny_weights: TinyWeights) -> None:
    host = AnalyzerHost("clip_encoder", {"model": "clip-b32"}, tiny_weights.runtime("clip-b32"))
    assert host.describe().models == ("openai/clip-vit-base-patch32@3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",)


def test_embeddings_round_trip() -> None:
    vectors = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_allclose(Embeddings.of(vectors).vectors(), vectors, atol=1e-2)
