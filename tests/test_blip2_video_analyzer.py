"""blip2_video_analyzer: captions against the library's own path on tiny checkpoints; merging of made captions."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from analyzers.base import AnalysisFailed, Context, NotApplicable, Unavailable
from analyzers.blip2_video_analyzer import Blip2Config, Blip2Result, Blip2VideoAnalyzer, CaptionsSeen
from analyzers.host import AnalyzerHost, Concluded, Observed
from analyzers.inference.captioner import Captioner
from analyzers.inference.device import Device
from analyzers.inference.generation import Bounds, Generated
from media.needs import FrameNeed, Needs, Rate
from media.types import UInt8Array
from schema.document import VideoFacts
from tests.decoded import decode
from tests.run import frame_chunks, run_on_frames
from tests.tiny import video_language as tiny
from tests.tiny_weights import TinyWeights
from tests.upright_clip import ORIENTATIONS, patches, upright_pictures, write_clip

CPU = Device("cpu", torch.float32)
SAID = " ".join(tiny.SENTENCE)
TOKENS = 10
SAME = 1e-5
"""Probabilities of the same network on the same pixels: batches of other sizes are summed in another order."""
NEARER = 0.2
"""Two decoders' conversions from YUV differ by rounding; that changes a probability less than this share of what
turning the picture does."""
MAKERS = {"opt": tiny.make_blip2_opt, "flan-t5": tiny.make_blip2_flan_t5}


@pytest.fixture(scope="module", params=MAKERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights: which tokens come depends on the picture."""
    made = tmp_path_factory.mktemp(f"blip2-{request.param}")
    MAKERS[request.param](made, random=True)
    return made


@pytest.fixture(scope="module")
def captioner(folder: Path) -> Captioner:
    return Captioner(folder, CPU, "none")


@pytest.fixture(scope="module")
def speaking(tiny_weights: TinyWeights) -> Path:
    """Says the same sentence about every picture."""
    return tiny_weights.path("blip2-opt-2.7b")


@pytest.fixture(scope="module")
def blip2(tiny_weights: TinyWeights) -> Blip2VideoAnalyzer:
    return make(tiny_weights)


def make(tiny_weights: TinyWeights, policy: Any = "any", **config: Any) -> Blip2VideoAnalyzer:
    analyzer = Blip2VideoAnalyzer(Blip2Config.model_validate(config))
    analyzer.runtime = tiny_weights.runtime("blip2-opt-2.7b", "blip2-flan-t5-xl", licence_policy=policy)
    analyzer.load()
    analyzer.warm_up()
    return analyzer


def bounds(tokens: int = TOKENS) -> Bounds:
    return Bounds(tokens, time.monotonic() + 600.0)


def facts(duration_s: float) -> VideoFacts:
    return VideoFacts(container="arrays", duration_s=duration_s, width=54, height=96)


def movie(seconds: float, fps: float = 2.0) -> UInt8Array:
    return np.stack(patches(round(seconds * fps), 54, 96))


class Reference:
    """The library's own processor and ``generate``, one picture at a time."""

    def __init__(self, folder: Path) -> None:
        self.model = transformers.Blip2ForConditionalGeneration.from_pretrained(folder)
        self.processor: Any = transformers.Blip2Processor(
            transformers.BlipImageProcessor.from_pretrained(folder),
            transformers.AutoTokenizer.from_pretrained(folder),
            num_query_tokens=self.model.config.num_query_tokens,
        )

    def caption(self, picture: UInt8Array, prompt: str) -> tuple[str, float]:
        inputs = self.processor(images=picture.copy(), text=prompt, return_tensors="pt")
        with torch.inference_mode():
            out = self.model.generate(
                **inputs, max_new_tokens=TOKENS, do_sample=False, return_dict_in_generate=True, output_scores=True
            )
        scores = self.model.compute_transition_scores(out.sequences, out.scores, normalize_logits=True)[0].exp()
        chosen = out.sequences[0, -len(out.scores) :]
        kept = chosen != self.model.generation_config.eos_token_id
        text = self.processor.tokenizer.decode(chosen[kept], skip_special_tokens=True).strip()
        return text, float(scores[kept].mean())


# ------------------------------------------------------------------------------------------------------------ parity


@pytest.mark.filterwarnings("ignore:.*tie.*")
@pytest.mark.parametrize("prompt", ["", "a photo of"])
def test_captions_and_probabilities_are_those_of_the_library(captioner: Captioner, folder: Path, prompt: str) -> None:
    reference = Reference(folder)
    pictures = [*patches(2, 54, 96, seed=1), *patches(2, 96, 54, seed=2)]
    found = captioner.caption(pictures, prompt, bounds())
    assert len({text.text for text in found}) == len(pictures)
    for picture, text in zip(pictures, found, strict=True):
        words, confidence = reference.caption(picture, prompt)
        assert text.text == words
        assert text.confidence == pytest.approx(confidence, abs=SAME)
    assert captioner.caption(pictures, prompt, bounds()) == found


def test_the_prompt_is_the_processors(captioner: Captioner, folder: Path) -> None:
    inputs = Reference(folder).processor(images=patches(1, 54, 96)[0], text="a photo of")
    assert captioner.prompt_ids("a photo of") == inputs.input_ids[0]
    image = captioner.model.config.image_token_index
    assert captioner.prompt_ids("").count(image) == captioner.model.config.num_query_tokens == 8


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_files_of_each_orientation_reach_the_model_upright(speaking: Path, tmp_path: Path, orientation: str) -> None:
    """Words are the same whatever is shown; their probabilities tell pictures apart."""
    path = write_clip(tmp_path, orientation)
    ((_, (batch,)),) = decode(path, FrameNeed(Rate(3.0), 192)).items[:1]
    reference, pictures = Reference(speaking), upright_pictures(path)
    found = Captioner(speaking, CPU, "none").caption(list(batch.own), "", bounds())
    right = [reference.caption(picture, "") for picture in pictures]
    turned = [reference.caption(np.rot90(picture), "") for picture in pictures]
    assert {made.text for made in found} == {words for words, _ in (*right, *turned)} == {SAID}

    def distance(others: list[tuple[str, float]]) -> float:
        return sum(abs(made.confidence - other) for made, (_, other) in zip(found, others, strict=True))

    assert distance(right) < NEARER * distance(turned)


@pytest.mark.parametrize("quantization", ["int8", "nf4"])
def test_quantised_models_say_the_same(speaking: Path, quantization: Any) -> None:
    pictures = patches(2, 54, 96)
    whole, small = (Captioner(speaking, CPU, q) for q in ("none", quantization))
    expected, found = (model.caption(pictures, "", bounds()) for model in (whole, small))
    assert [text.text for text in found] == [text.text for text in expected] == [SAID] * 2
    assert [t.confidence for t in found] == pytest.approx([t.confidence for t in expected], abs=0.01)
    assert small.model.get_memory_footprint() < whole.model.get_memory_footprint()


def test_files_without_an_image_token_are_refused(tmp_path: Path) -> None:
    tiny.make_blip2_opt(tmp_path)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace('"image_token_index": 4', '"image_token_index": null'))
    with pytest.raises(Unavailable, match="no image token") as caught:
        Captioner(tmp_path, CPU, "none")
    assert caught.value.code == "weights_broken"


def test_a_full_card_halves_the_batch(captioner: Captioner, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = patches(3, 54, 96)
    expected = [captioner.caption([picture], "", bounds())[0].text for picture in pictures]
    original = captioner.model.generate
    monkeypatch.setattr("analyzers.inference.oom._free_memory", lambda: None)

    def cramped(**inputs: Any) -> Any:
        if len(inputs["pixel_values"]) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(**inputs)

    monkeypatch.setattr(captioner.model, "generate", cramped)
    assert [text.text for text in captioner.caption(pictures, "", bounds())] == expected
    monkeypatch.setattr(captioner.model, "generate", lambda **_: cramped(pixel_values=[0, 0]))
    with pytest.raises(AnalysisFailed, match="out of memory"):
        captioner.caption(pictures, "", bounds())


# -------------------------------------------------------------------------------------------------------- the analyzer


def test_it_needs_a_frame_every_three_seconds(blip2: Blip2VideoAnalyzer) -> None:
    assert blip2.needs() == Needs(frames=(FrameNeed(Rate(1.0 / 3.0), 256),))


def test_captions_that_say_the_same_are_one_segment(blip2: Blip2VideoAnalyzer) -> None:
    result: Blip2Result = run_on_frames(blip2, movie(8.0), 2.0)
    assert [(c.timestamp, c.caption) for c in result.captions] == [(0.0, SAID), (3.0, SAID), (6.0, SAID)]
    assert [c.repeats_previous for c in result.captions] == [False, True, True]
    (segment,) = result.segments
    assert (segment.start_time, segment.end_time, segment.description, segment.frames) == (0.0, 8.0, SAID, 3)
    assert segment.confidence == max(c.confidence or 0.0 for c in result.captions)
    assert result.frame_times == (0.0, 3.0, 6.0)
    assert (result.repetition.segments, result.repetition.repeating) == (3, 2)
    assert result.method.model.startswith("Salesforce/blip2-opt-2.7b@")
    assert (result.description, result.answers, result.method.quantization) == (None, (), "int8")
    (item,) = blip2.timeline(result)
    assert (item.start_time, item.end_time, item.label) == (0.0, 8.0, SAID)
    assert blip2.headline(result) == f"{SAID}."


def test_the_permissive_policy_captions_with_flan_t5(tiny_weights: TinyWeights) -> None:
    result: Blip2Result = run_on_frames(make(tiny_weights, "permissive"), movie(4.0), 2.0)
    assert result.method.model.startswith("Salesforce/blip2-flan-t5-xl@")
    assert [c.caption for c in result.captions] == [SAID] * 2


def test_it_goes_through_the_host_whatever_the_chunks(tiny_weights: TinyWeights) -> None:
    host = AnalyzerHost("blip2_video_analyzer", {}, tiny_weights.runtime("blip2-opt-2.7b"))
    results = []
    for chunk_s in (1.0, 4.0, 8.0):
        needs = host.describe().needs.frames
        chunks = [c for c in frame_chunks(movie(8.0), 2.0, needs, chunk_s) if len(c.batch)]
        observed = host.observe(chunks)
        assert isinstance(observed, Observed)
        concluded = host.conclude(pickle.loads(pickle.dumps(observed.observations)), Context(facts(8.0)))
        assert isinstance(concluded, Concluded)
        results.append(Blip2Result.model_validate(concluded.result))
    assert [r.captions for r in results[1:]] == [
        tuple(c.model_copy(update={"confidence": pytest.approx(c.confidence)}) for c in results[0].captions)
    ] * 2


def seen(*captions: tuple[float, str, float]) -> list[CaptionsSeen]:
    """Time, text and confidence; each in a chunk of its own."""
    return [
        CaptionsSeen((54, 96), (time_s,), (Generated(words, sure, len(words.split()), "end"),))
        for time_s, words, sure in captions
    ]


def test_neighbours_merge_with_the_surest_text(blip2: Blip2VideoAnalyzer) -> None:
    captions = seen(
        (0.0, "a man on a stage", 0.5), (3.0, "A man, on a stage", 0.7), (6.0, "a dog", 0.4), (9.0, "a man", 0.4)
    )
    result = blip2.conclude(captions, Context(facts(10.0)))
    assert [(s.segment_id, s.start_time, s.end_time, s.description, s.frames) for s in result.segments] == [
        (0, 0.0, 6.0, "A man, on a stage", 2),
        (1, 6.0, 9.0, "a dog", 1),
        (2, 9.0, 10.0, "a man", 1),
    ]
    assert [s.confidence for s in result.segments] == [0.7, 0.4, 0.4]
    assert [s.repeats_previous for s in result.segments] == [False, False, False]


def test_a_lost_stretch_is_not_filled(blip2: Blip2VideoAnalyzer) -> None:
    result = blip2.conclude(seen((0.0, "a dog", 0.5), (9.0, "a dog", 0.5)), Context(facts(12.0), gaps=((2.0, 9.0),)))
    assert [(s.start_time, s.end_time) for s in result.segments] == [(0.0, 3.0), (9.0, 12.0)]


def test_a_caption_that_is_none_is_left_out_and_all_of_them_fail(blip2: Blip2VideoAnalyzer) -> None:
    result = blip2.conclude(seen((0.0, "", 0.0), (3.0, "a dog", 0.5)), Context(facts(6.0)))
    assert [(c.caption, c.problem) for c in result.captions] == [(None, "empty"), ("a dog", None)]
    with pytest.raises(AnalysisFailed) as caught:
        blip2.conclude(seen((0.0, "", 0.0), (3.0, "\ufffd", 0.5)), Context(facts(6.0)))
    assert caught.value.code == "degenerate_text"


def test_nothing_seen_is_not_applicable(blip2: Blip2VideoAnalyzer) -> None:
    with pytest.raises(NotApplicable, match="no frame"):
        blip2.conclude([], Context(facts(1.0)))


def test_missing_weights_name_the_command(tmp_path: Path) -> None:
    description = AnalyzerHost("blip2_video_analyzer", {}, TinyWeights(tmp_path).runtime()).describe()
    assert description.code == "weights_missing"
    assert description.remedy.startswith("Too large for a CPU")
    assert "tiktok-analyzer models pull blip2-opt-2.7b (15.0 GB)" in description.remedy
