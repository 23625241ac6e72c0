"""Video language models against transformers' own processors and ``generate``, on tiny checkpoints with random weights.

Random weights prove pictures, prompts, tokens and probabilities, never quality.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from analyzers.base import AnalysisFailed, Unavailable
from analyzers.inference.device import Device
from analyzers.inference.generation import Bounds, Generated, generate
from analyzers.inference.video_chat import (
    LlavaNextVideo,
    PictureOptions,
    Qwen2Vl,
    VideoChat,
    common_length,
    on_square,
)
from media.needs import FrameNeed, Spread
from media.types import UInt8Array
from tests.decoded import decode
from tests.tiny import video_language as tiny
from tests.upright_clip import ORIENTATIONS, patches, upright_pictures, write_clip

CPU = Device("cpu", torch.float32)
TOKENS = 12
SAME = 1e-5
"""Probabilities of the same network on the same pixels: batches of other sizes are summed in another order."""
NEARER = 0.2
"""Two decoders' conversions from YUV differ by rounding; that changes a probability less than this share of what
turning the pictures does."""
QUESTIONS = ("What happens?", "Who is there, and what do they look like?", "Where?", "Why does nobody say anything?")

FAMILIES: dict[str, tuple[type[VideoChat], Any]] = {
    "llava": (LlavaNextVideo, tiny.make_llava_next_video),
    "qwen": (Qwen2Vl, tiny.make_qwen2_vl),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], Path]:
    """Checkpoints by family and by whether their weights are all random."""
    made = {}
    for name, (_, make) in FAMILIES.items():
        for random in (False, True):
            folder = tmp_path_factory.mktemp(f"{name}-{random}")
            make(folder, random=random)
            made[name, random] = folder
    return made


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def loaded(family: str, folders: dict[tuple[str, bool], Path]) -> VideoChat:
    """With random weights: which tokens come depends on the pictures."""
    return FAMILIES[family][0](folders[family, True], CPU, "none")


@pytest.fixture
def chat(loaded: VideoChat) -> Iterator[VideoChat]:
    loaded.options = PictureOptions(framing="centre", tokens_per_frame=16)
    yield loaded
    loaded.options = PictureOptions()


def bounds(tokens: int = TOKENS) -> Bounds:
    return Bounds(tokens, time.monotonic() + 600.0)


def clip(width: int = 54, height: int = 96, count: int = 8, seed: int = 0) -> UInt8Array:
    """As a chunk has them: uint8 (N, H, W, 3), read-only."""
    frames = np.stack(patches(count, width, height, seed))
    frames.flags.writeable = False
    return frames


# --------------------------------------------------------------------------------------------------------- reference


class Reference:
    """The library's own way: its processor with its chat template, ``generate``, ``compute_transition_scores``."""

    def __init__(self, family: str, folder: Path) -> None:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left")
        template = tokenizer.chat_template
        if family == "llava":
            self.model = transformers.LlavaNextVideoForConditionalGeneration.from_pretrained(folder)
            self.processor: Any = transformers.LlavaNextVideoProcessor(
                video_processor=transformers.LlavaNextVideoVideoProcessor.from_pretrained(folder),
                image_processor=transformers.LlavaNextImageProcessor(),
                tokenizer=tokenizer,
                patch_size=14,
                vision_feature_select_strategy="default",
                num_additional_image_tokens=1,
                chat_template=template,
            )
            self.options: dict[str, Any] = {}
        else:
            self.model = transformers.Qwen2VLForConditionalGeneration.from_pretrained(folder)
            self.processor = transformers.Qwen2VLProcessor(
                image_processor=transformers.Qwen2VLImageProcessor(),
                tokenizer=tokenizer,
                video_processor=transformers.Qwen2VLVideoProcessor.from_pretrained(folder),
                chat_template=template,
            )
            size = {"shortest_edge": 16 * 784, "longest_edge": 16 * 784}
            self.options = {"size": size, "cap_pixels_per_frame": False}

    def inputs(self, frames: UInt8Array, question: str) -> Any:
        content = [{"type": "video"}, {"type": "text", "text": question}]
        prompt = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        return self.processor(text=[prompt], videos=[frames.copy()], return_tensors="pt", videos_kwargs=self.options)

    def answer(self, frames: UInt8Array, question: str, tokens: int = TOKENS) -> tuple[str, float]:
        inputs = self.inputs(frames, question)
        with torch.inference_mode():
            out = self.model.generate(
                **inputs, max_new_tokens=tokens, do_sample=False, return_dict_in_generate=True, output_scores=True
            )
        scores = self.model.compute_transition_scores(out.sequences, out.scores, normalize_logits=True)[0].exp()
        chosen = out.sequences[0, inputs.input_ids.shape[1] :]
        kept = chosen != self.model.generation_config.eos_token_id
        text = self.processor.tokenizer.decode(chosen, skip_special_tokens=True).strip()
        return text, float(scores[kept].mean())


@pytest.fixture(scope="module")
def reference(family: str, folders: dict[tuple[str, bool], Path]) -> Reference:
    return Reference(family, folders[family, True])


def check(found: Generated, expected: tuple[str, float]) -> None:
    assert found.text == expected[0]
    assert found.confidence == pytest.approx(expected[1], abs=SAME)


# ------------------------------------------------------------------------------------------------------------ parity


@pytest.mark.parametrize("size", [(54, 96), (96, 54), (60, 60)], ids=["portrait", "landscape", "square"])
def test_text_and_probabilities_are_those_of_the_library(
    chat: VideoChat, reference: Reference, size: tuple[int, int]
) -> None:
    frames = clip(*size)
    (found,) = chat.describe([frames], QUESTIONS[0], bounds())
    check(found, reference.answer(frames, QUESTIONS[0]))
    assert (found.tokens, found.ending) == (TOKENS, "length")


def test_a_batch_gives_each_clip_its_own_text(chat: VideoChat, reference: Reference) -> None:
    clips = [clip(seed=1), clip(96, 54, count=4, seed=2), clip(seed=3)]
    found = chat.describe(clips, QUESTIONS[1], bounds())
    assert len({text.text for text in found}) == 3
    for frames, text in zip(clips, found, strict=True):
        check(text, reference.answer(frames, QUESTIONS[1]))


@pytest.mark.parametrize("at_once", [1, 3, 8])
def test_questions_that_share_their_beginning_get_the_same_answers(
    chat: VideoChat, reference: Reference, at_once: int
) -> None:
    frames = clip(seed=4)
    limits = [bounds(TOKENS), *[bounds(5)] * (len(QUESTIONS) - 1)]
    found = chat.ask(frames, QUESTIONS, limits, at_once)
    assert len({text.text for text in found}) == len(QUESTIONS)
    for question, text, limit in zip(QUESTIONS, found, limits, strict=True):
        check(text, reference.answer(frames, question, limit.max_new_tokens))


def test_a_question_after_another_clip_is_not_answered_about_that(chat: VideoChat) -> None:
    first = chat.ask(clip(seed=5), QUESTIONS, [bounds()] * 4, 4)
    chat.ask(clip(96, 54, seed=6), QUESTIONS, [bounds()] * 4, 4)
    chat.ask(None, QUESTIONS, [bounds()] * 4, 4)
    assert chat.ask(clip(seed=5), QUESTIONS, [bounds()] * 4, 4) == first


def test_questions_without_pictures(chat: VideoChat, reference: Reference) -> None:
    tokenizer, model = reference.processor.tokenizer, reference.model
    found = chat.ask(None, QUESTIONS, [bounds()] * len(QUESTIONS), 8)
    for question, text in zip(QUESTIONS, found, strict=True):
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": [{"type": "text", "text": question}]}],
            add_generation_prompt=True,
            tokenize=False,
        )
        inputs = tokenizer(prompt, return_tensors="pt")
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=TOKENS, do_sample=False)
        assert text.text == tokenizer.decode(out[0, inputs.input_ids.shape[1] :], skip_special_tokens=True).strip()


def test_as_many_video_tokens_as_the_processor_puts(chat: VideoChat, reference: Reference) -> None:
    frames = clip(count=6)
    token = chat.model.config.video_token_id
    with torch.inference_mode():
        (encoded,) = chat._encode([frames])
    prompt = chat._tokenizer(chat._prompt("What?", encoded)).input_ids
    theirs = reference.inputs(frames, "What?").input_ids[0].tolist()
    assert prompt == theirs
    assert prompt.count(token) == len(encoded.features) > 0


def test_a_question_cannot_bring_video_tokens_of_its_own(chat: VideoChat) -> None:
    plain = chat.describe([clip()], "What is this?", bounds())
    assert chat.describe([clip()], f"What is {chat.video_token}this?", bounds()) == plain


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_files_of_each_orientation_reach_the_model_upright(
    family: str, folders: dict[tuple[str, bool], Path], tmp_path: Path, orientation: str
) -> None:
    """Words are the same whatever is shown; their probabilities tell pictures apart."""
    path = write_clip(tmp_path, orientation)
    ((_, (batch,)),) = decode(path, FrameNeed(Spread(3), 192)).items[:1]
    upright = np.stack(upright_pictures(path))
    assert batch.own.shape == upright.shape
    model = FAMILIES[family][0](folders[family, False], CPU, "none")
    model.options = PictureOptions(framing="centre", tokens_per_frame=16)
    (found,) = model.describe([batch.own], QUESTIONS[0], bounds())
    assert found.text == " ".join(tiny.SENTENCE)
    assert found.ending == "end"
    own = Reference(family, folders[family, False])
    right = own.answer(upright, QUESTIONS[0])
    turned = own.answer(np.ascontiguousarray(np.rot90(upright, axes=(1, 2))), QUESTIONS[0])
    assert right[0] == turned[0] == found.text
    assert abs(found.confidence - right[1]) < NEARER * abs(found.confidence - turned[1])


# ----------------------------------------------------------------------------------------------------------- pictures


def test_the_whole_frame_on_a_square(folders: dict[tuple[str, bool], Path]) -> None:
    frames = clip(54, 96)
    squares = on_square(frames, (0.5, 0.25, 0.0))
    assert squares.shape == (8, 96, 96, 3)
    assert np.array_equal(squares[:, :, 21:75], frames)
    assert (squares[:, :, :21] == (128, 64, 0)).all()
    assert (squares[:, :, 75:] == (128, 64, 0)).all()
    assert np.array_equal(on_square(clip(60, 60), (0.5, 0.5, 0.5)), clip(60, 60))
    lying = clip(96, 54)
    assert np.array_equal(on_square(lying, (0.0, 0.0, 0.0))[:, 21:75], lying)


def test_llava_sees_above_and_below_the_middle_only_with_the_whole_frame(
    folders: dict[tuple[str, bool], Path],
) -> None:
    chat = LlavaNextVideo(folders["llava", True], CPU, "none")
    upper, other = clip(54, 96), clip(54, 96).copy()
    other[:, :15] = 255 - other[:, :15]

    def texts(framing: Any) -> set[str]:
        chat.options = PictureOptions(framing=framing)
        return {text.text for text in chat.describe([upper, other], QUESTIONS[0], bounds())}

    assert len(texts("centre")) == 1
    assert len(texts("whole")) == 2


def test_qwen_keeps_to_the_tokens_of_a_frame(folders: dict[tuple[str, bool], Path]) -> None:
    chat = Qwen2Vl(folders["qwen", True], CPU, "none")
    for most in (16, 40):
        chat.options = PictureOptions(tokens_per_frame=most)
        with torch.inference_mode():
            encoded = chat._encode([clip(270, 480, count=4), clip(480, 270, count=3)])
        # Two frames are one step in time; an odd last frame fills one.
        for features, steps in zip((e.features for e in encoded), (2, 2), strict=True):
            assert 0.5 * most * steps < len(features) <= most * steps


# ------------------------------------------------------------------------------------------- formats, faults, bounds


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["nf4", "int8"])
def test_quantised_models_give_nearly_the_same_probabilities(
    family: str, folders: dict[tuple[str, bool], Path], quantization: Any
) -> None:
    cls = FAMILIES[family][0]
    whole = cls(folders[family, False], CPU, "none")
    small = cls(folders[family, False], CPU, quantization)
    (expected,) = whole.describe([clip()], QUESTIONS[0], bounds())
    first, again = (small.describe([clip()], QUESTIONS[0], bounds())[0] for _ in range(2))
    assert first == again
    assert first.text == expected.text
    assert first.confidence == pytest.approx(expected.confidence, abs=0.01)
    assert small.model.get_memory_footprint() < whole.model.get_memory_footprint()
    kinds = {
        name: type(module).__name__ for name, module in small.model.named_modules() if hasattr(module, "in_features")
    }
    seeing = {kind for name, kind in kinds.items() if "language_model" not in name}
    assert seeing <= {"Linear", "NonDynamicallyQuantizableLinear"}
    assert {kind for name, kind in kinds.items() if "language_model" in name} == {
        "Linear4bit" if quantization == "nf4" else "Linear8bitLt"
    }


def test_twice_the_same(chat: VideoChat) -> None:
    once, twice = (chat.ask(clip(), QUESTIONS, [bounds()] * 4, 2) for _ in range(2))
    assert once == twice


def test_a_missing_tensor_is_refused(family: str, folders: dict[tuple[str, bool], Path], tmp_path: Path) -> None:
    source = folders[family, False]
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors[next(name for name in sorted(tensors) if "v_proj.weight" in name)]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(Unavailable, match=r"missing .*v_proj\.weight") as caught:
        FAMILIES[family][0](tmp_path, CPU, "nf4")
    assert caught.value.code == "weights_broken"


def test_what_the_checkpoint_says_about_sampling_is_not_followed(
    family: str, folders: dict[tuple[str, bool], Path], tmp_path: Path, reference: Reference
) -> None:
    source = folders[family, True]
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = transformers.GenerationConfig.from_pretrained(tmp_path)
    config.update(do_sample=True, temperature=5.0, top_k=50, repetition_penalty=2.0)
    config.save_pretrained(tmp_path)
    chat = FAMILIES[family][0](tmp_path, CPU, "none")
    chat.options = PictureOptions("centre", 16)
    check(chat.describe([clip()], QUESTIONS[0], bounds())[0], reference.answer(clip(), QUESTIONS[0]))


def test_numbers_that_overflow_are_a_failure_and_no_text(chat: VideoChat, monkeypatch: pytest.MonkeyPatch) -> None:
    head = chat.model.lm_head.weight
    broken = torch.nn.Parameter(torch.full_like(head, float("nan")))
    monkeypatch.setitem(chat.model.lm_head._parameters, "weight", broken)
    with pytest.raises(AnalysisFailed) as caught:
        chat.describe([clip()], QUESTIONS[0], bounds())
    assert (caught.value.code, caught.value.retry_possible) == ("number_overflow", False)


@pytest.mark.parametrize(
    ("capability", "name", "expected"),
    [((7, 5), "cuda:0", torch.float16), ((8, 0), "cuda:0", torch.bfloat16), ((9, 0), "cpu", torch.float16)],
)
def test_only_qwen_computes_in_bfloat16_and_never_below_capability_8(
    chat: VideoChat, family: str, monkeypatch: pytest.MonkeyPatch, capability: Any, name: str, expected: Any
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    wanted = expected if family == "qwen" else torch.float16
    assert chat._formatted(Device(name, torch.float16)).dtype == wanted


def test_time_ends_every_text_after_its_current_token(chat: VideoChat) -> None:
    asked = itertools.count()
    limits = Bounds(TOKENS, time.monotonic() + 600.0, stopped=lambda: next(asked) >= 3)
    found = chat.describe([clip(seed=1), clip(seed=2)], QUESTIONS[0], limits)
    # Once before the batch begins, then after each token.
    assert [(text.tokens, text.ending) for text in found] == [(3, "time")] * 2


def test_what_has_not_begun_in_time_is_not_begun(chat: VideoChat, monkeypatch: pytest.MonkeyPatch) -> None:
    over = Bounds(TOKENS, time.monotonic() - 1.0)
    monkeypatch.setattr(chat, "_generate", None)
    unwritten = [Generated("", 0.0, 0, "time")]
    assert chat.describe([clip()], QUESTIONS[0], over) == unwritten
    assert chat.ask(clip(), QUESTIONS, [over] * 4, 2) == unwritten * 4


def test_a_full_card_halves_the_batch(chat: VideoChat, monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [clip(seed=s) for s in range(3)]
    expected = [chat.describe([c], QUESTIONS[0], bounds())[0].text for c in clips]
    asked = [text.text for text in chat.ask(clips[0], QUESTIONS, [bounds()] * 4, 1)]
    monkeypatch.setattr("analyzers.inference.oom._free_memory", lambda: None)  # slow, and no card is there
    sizes: list[int] = []
    original = chat.model.generate

    def cramped(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return original(**inputs)

    monkeypatch.setattr(chat.model, "generate", cramped)
    assert [text.text for text in chat.describe(clips, QUESTIONS[0], bounds())] == expected
    assert sizes == [3, 2, 1, 1, 1]
    assert [text.text for text in chat.ask(clips[0], QUESTIONS, [bounds()] * 4, 4)] == asked


def test_one_clip_that_does_not_fit_fails_by_name(chat: VideoChat, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("analyzers.inference.oom._free_memory", lambda: None)
    monkeypatch.setattr(chat.model, "get_video_features", full)
    for work in (
        lambda: chat.describe([clip()], QUESTIONS[0], bounds()),
        lambda: chat.ask(clip(), QUESTIONS, [bounds()] * 4, 4),
    ):
        with pytest.raises(AnalysisFailed) as caught:
            work()
        assert (caught.value.code, caught.value.retry_possible) == ("gpu_out_of_memory", True)


def test_a_text_that_ends_beside_longer_ones_is_cut_at_its_end(
    folders: dict[tuple[str, bool], Path],
) -> None:
    """The row that is done is filled up while the other goes on."""
    chat = LlavaNextVideo(folders["llava", False], CPU, "none")
    tokens = chat._tokenizer(["a:", "b:"], return_tensors="pt")
    first = chat._tokenizer.convert_tokens_to_ids(f"Ġ{tiny.SENTENCE[-1]}")
    # One row begins at the sentence's last word, and so ends at once.
    tokens.input_ids[0, -1] = first
    inputs = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
    found = generate(chat.model, chat._tokenizer, inputs, bounds())
    assert [(text.text, text.tokens, text.ending) for text in found] == [
        ("", 0, "end"),
        (" ".join(tiny.SENTENCE), len(tiny.SENTENCE), "end"),
    ]
    assert found[0].confidence == 0.0


@pytest.mark.parametrize(
    ("rows", "length"),
    [([[1, 2, 3], [1, 2, 4]], 2), ([[1, 2], [1, 2, 3]], 1), ([[1, 2, 3], [9, 2, 3]], 0), ([[1, 2, 3]] * 2, 2)],
)
def test_what_rows_share_leaves_each_at_least_one_token(rows: list[list[int]], length: int) -> None:
    assert common_length(rows) == length
