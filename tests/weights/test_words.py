"""Video language models with real weights: words that must stand in what they say about clips whose content is known.

Expected words are of the content that MANIFEST.json states; each answer may use any word of a group. How well a model
words it is not judged here.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import transformers

from analyzers.inference.chat_analyzer import ChatAnalyzer
from analyzers.signal.text_repeats import words_of
from tests.media_folder import media
from tests.run import run_on_file, run_on_frames
from tests.weights.loaded import loaded

pytestmark = pytest.mark.weights

CLIPS: list[tuple[str, tuple[set[str], ...]]] = [
    # "woman doing squats in a studio"
    ("tfjs/pose_squats.mp4", ({"woman", "girl", "person", "lady"}, {"squat", "squats", "squatting", "exercise"})),
    # "plastic bottles on a shelf; a hand takes and returns them"
    ("intel/bottle-detection.mp4", ({"bottle", "bottles", "water", "drink", "drinks"},)),
    # "the camera is static, from above"; cars on a road
    ("intel/car-detection.mp4", ({"car", "cars", "road", "street", "traffic"},)),
]
PICTURES: list[tuple[str, set[str]]] = [
    ("rfi/dogs.jpg", {"dog", "dogs", "puppy", "puppies"}),
    ("rfi/multi-fruit.jpg", {"fruit", "fruits", "banana", "bananas", "apple", "apples", "orange", "oranges"}),
    ("tfjs/three_people.jpg", {"men", "people", "three", "guys"}),
]


@pytest.mark.parametrize("name", ["video_llava", "qwen2_vl_temporal"])
@pytest.mark.parametrize(("file", "groups"), CLIPS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_clip_is_described_by_what_is_in_it(name: str, file: str, groups: tuple[set[str], ...]) -> None:
    result: Any = run_on_file(loaded(name), media(file))
    assert result.description is not None
    said = " ".join([result.description.text, *(s.description or "" for s in result.segments)])
    for group in groups:
        assert group & set(words_of(said)), said
    assert result.description.confidence > 0.3
    assert not result.description.looping
    assert sum(answer.answer is not None for answer in result.answers) >= len(result.answers) - 1


@pytest.mark.parametrize(("file", "words"), PICTURES)
def test_a_picture_is_captioned_by_what_is_in_it(file: str, words: set[str]) -> None:
    bgr = cv2.imread(str(media(file)))
    assert bgr is not None
    picture = np.ascontiguousarray(bgr[None, :, :, ::-1])
    result = run_on_frames(loaded("blip2_video_analyzer"), picture, 1.0)
    assert words & set(words_of(result.captions[0].caption or "")), result.captions[0]


@pytest.mark.parametrize("name", ["video_llava", "qwen2_vl_temporal"])
def test_the_prompt_is_that_of_the_checkpoints_own_template(name: str) -> None:
    analyzer = loaded(name)
    assert isinstance(analyzer, ChatAnalyzer)
    assert analyzer._weights is not None
    processor = transformers.AutoTokenizer.from_pretrained(analyzer._weights.path, local_files_only=True)
    if processor.chat_template is None:
        pytest.skip("its template lies beside its processor, in an older layout")
    content = [{"type": "video"}, {"type": "text", "text": "Why?"}]
    theirs = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    assert analyzer.chat.video_format.replace("{question}", "Why?").split() == theirs.split()
