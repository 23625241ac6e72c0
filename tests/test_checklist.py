"""The checklist: every place in its table exists, and each way of having no answer is said as what it is."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from analyzers.catalogue import analyzer_class
from analyzers.inference.questions import QUESTIONS as VIDEO_QUESTIONS
from analyzers.vision.clip_questions import QUESTIONS as CLIP_QUESTIONS
from reducer.checklist import checklist_of, value_at
from reducer.points import POINTS
from reducer.questions import VIDEO_MODEL, Point, Way
from schema.checklist import Checklist
from schema.document import (
    AudioFacts,
    Breakdown,
    Provenance,
    Section,
    SectionError,
    SectionStatus,
    Stretch,
    VideoFacts,
)

SOUND = AudioFacts(codec="aac", sample_rate_hz=44100, channels=2)
VIDEO = VideoFacts(container="mp4", duration_s=4.0, width=540, height=960, audio=SOUND)
MENDABLE = SectionError(code="weights_missing", reason="x is not there", remedy="tiktok-analyzer models pull x")
ALL_ASKED = [asked for point in POINTS for asked in point.questions]
every_point = pytest.mark.parametrize("point", POINTS, ids=lambda point: point.key)


def section(name: str, status: SectionStatus = "ok", result: dict[str, Any] | None = None) -> Section:
    error = None if status == "ok" else MENDABLE
    return Section(
        analyzer=name, status=status, error=error, result=result, provenance=Provenance(analyzer_version="1")
    )


def made(*sections: Section, video: VideoFacts = VIDEO, breakdown: Breakdown | None = None) -> Checklist:
    return checklist_of({s.analyzer: s for s in sections}, breakdown or Breakdown(), video)


class Asked:
    """One question of a document, with the reasons that it names."""

    def __init__(self, key: str, checklist: Checklist) -> None:
        (question,) = (q for q in checklist.questions if q.key == key)
        self.status, self.found_at = question.status, question.found_at
        self.lacking = [checklist.lacks[lack] for lack in question.lacking]
        self.places = [place.pointer for place in question.found_at]


def asked(key: str, *sections: Section, video: VideoFacts = VIDEO, breakdown: Breakdown | None = None) -> Asked:
    return Asked(key, made(*sections, video=video, breakdown=breakdown))


def lacks(question: Asked) -> list[tuple[str, str, str]]:
    return [(lack.analyzer, lack.status, lack.error.code) for lack in question.lacking]


# ------------------------------------------------------------------------------------------------------- the table


def inner(annotation: Any) -> Iterator[Any]:
    """What an annotation may hold beside null."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from inner(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for argument in get_args(annotation):
            yield from inner(argument)
    elif annotation is not type(None):
        yield annotation


def below(annotation: Any, step: str) -> Any:
    """The annotation one step further down a path; fails where the models have no such step."""
    (only,) = inner(annotation)
    if get_origin(only) is tuple:
        entry = get_args(only)[0]
        return entry if step.isdigit() else below(entry, step)
    assert isinstance(only, type), (only, step)
    assert issubclass(only, BaseModel), (only, step)
    assert step in only.model_fields, f"{only.__name__} has no field {step!r}"
    field = only.model_fields[step]
    return field.annotation


def walked(annotation: Any, path: str) -> Any:
    for step in path.split("/") if path else ():
        annotation = below(annotation, step)
    return annotation


def reached(way: Way, root: Any) -> None:
    """Walks to a way's place and to what of it answers."""
    there = walked(root, way.path.removeprefix("breakdown/"))
    if way.fields or way.entry:
        (listed,) = inner(there)
        assert get_origin(listed) is tuple, way.path
    for field in (*way.fields, *((way.entry[0], way.entry[2]) if way.entry else ())):
        walked(there, field)


@every_point
def test_every_place_of_the_table_exists_in_the_models(point: Point) -> None:
    for way in (way for question in point.questions for way in question.ways if way.never is None):
        results: list[Any] = [analyzer_class(name).Result for name in way.source]
        for root in results or [Breakdown]:
            reached(way, root)


@every_point
def test_what_a_place_needs_its_analyzer_reads(point: Point) -> None:
    for way in (way for question in point.questions for way in question.ways):
        needed = {need for needs in way.needs for need in needs}
        for name in way.source:
            assert needed <= {*analyzer_class(name).after, *analyzer_class(name).uses}, way.path
        assert all(analyzer_class(name) for name in needed)


def test_a_place_that_is_not_there_is_found_out() -> None:
    for way in (
        Way(("cut_analysis",), "cutz"),
        Way(("cut_analysis",), "cuts", ("typo",)),
        Way(("cut_analysis",), "cuts_per_minute", ("x",)),
        Way((), "breakdown/part"),
    ):
        with pytest.raises(AssertionError):
            reached(way, analyzer_class("cut_analysis").Result if way.source else Breakdown)


def test_questions_of_models_are_those_that_models_are_asked() -> None:
    told = {way.entry[1] for a in ALL_ASKED for way in a.ways if way.entry and way.source == VIDEO_MODEL}
    compared = {way.entry[1] for a in ALL_ASKED for way in a.ways if way.entry and way.source == ("clip_encoder",)}
    assert told <= set(VIDEO_QUESTIONS)
    assert compared <= {question.name for question in CLIP_QUESTIONS}


def test_every_point_has_questions_with_a_key_of_their_own() -> None:
    keys = [question.key for question in made().questions]
    assert len(POINTS) == 15
    assert all(re.fullmatch(r"[a-z_]+\.[a-z_]+", key) for key in keys)
    assert len(set(keys)) == len(keys)
    assert all(point.questions for point in POINTS)
    assert all(a.ways for a in ALL_ASKED)


# ---------------------------------------------------------------------------------------------- what is said of each


def test_an_answer_is_named_by_its_place() -> None:
    cuts = section("cut_analysis", result={"cuts": [], "cuts_per_minute": 0.0})
    found = asked("editing.cuts", cuts)
    assert (found.status, found.places) == ("answered", ["/sections/cut_analysis/result/cuts"])
    assert found.lacking == []


def test_an_answer_of_a_part_of_the_video_is_partial() -> None:
    found = asked("editing.cuts", section("cut_analysis", "partial", {"cuts": []}))
    assert (found.status, len(found.found_at), found.lacking) == ("partial", 1, [])


@pytest.mark.parametrize("status", ["unavailable", "failed", "cancelled"])
def test_an_analyzer_without_a_result_is_named_with_its_remedy(status: SectionStatus) -> None:
    found = asked("face.blinks", section("eye_tracking", status))
    assert (found.status, found.found_at) == ("unanswered", ())
    assert [(lack.analyzer, lack.status, lack.error) for lack in found.lacking] == [("eye_tracking", status, MENDABLE)]


def test_what_was_not_run_is_named() -> None:
    found = asked("face.blinks")
    assert (found.status, lacks(found)) == ("unanswered", [("eye_tracking", "not_run", "not_run")])
    assert "eye_tracking" in found.lacking[0].error.remedy


def test_one_way_is_enough_and_silences_the_others() -> None:
    place = section("background_segmentation", result={"main_setting": {"kind": "indoor"}})
    found = asked("summary.where", section("video_llava", "unavailable"), place)
    assert found.places == ["/sections/background_segmentation/result/main_setting"]
    assert (found.status, found.lacking) == ("answered", [])


@pytest.mark.parametrize(
    ("curve", "transcript", "status"),
    [
        ([{"words_per_s": 2.0}], "ok", "answered"),
        ([{"words_per_s": None}], "unavailable", "unanswered"),
        ([{"words_per_s": None}], "ok", "not_applicable"),
        ([], "ok", "not_applicable"),
    ],
)
def test_a_field_that_another_analyzer_fills(curve: list[Any], transcript: SectionStatus, status: str) -> None:
    result: dict[str, Any] | None = {} if transcript == "ok" else None
    rate = section("speech_rate", result={"curve": curve})
    found = asked("speech.words_per_minute", rate, section("speech_transcription", transcript, result))
    assert found.status == status
    if status == "answered":
        assert found.found_at[0].fields == ("words_per_s",)
    if status == "unanswered":
        assert lacks(found) == [("speech_transcription", "unavailable", "weights_missing")]


@pytest.mark.parametrize(
    ("effects", "pose", "status"),
    [
        ([{"gesture": None}], "not_applicable", "not_applicable"),
        ([{"gesture": None}], "failed", "unanswered"),
        # Without an effect there is none that a gesture could mark, whoever looks.
        ([], "failed", "not_applicable"),
    ],
)
def test_what_is_known_not_to_be_there_does_not_apply(effects: list[Any], pose: SectionStatus, status: str) -> None:
    found = asked(
        "sound.marks_gesture", section("sound_effects", result={"effects": effects}), section("body_pose", pose)
    )
    assert found.status == status


@pytest.mark.parametrize(
    ("key", "analyzer", "code"),
    [
        ("speech.speakers", "speech_transcription", "no_speaker_model"),
        ("place.background_movement", "camera_analysis", "not_parted"),
        ("people.in_all", "eye_tracking", "no_person_model"),
    ],
)
def test_what_nobody_can_answer_says_so_whatever_ran(key: str, analyzer: str, code: str) -> None:
    for status in ("ok", "unavailable"):
        found = asked(key, section(analyzer, status, {} if status == "ok" else None))
        assert found.status == "unanswered"
        assert (analyzer, status, code) in lacks(found)
        # What would bring the analyzer would not bring the answer.
        assert MENDABLE not in [lack.error for lack in found.lacking]
    assert (analyzer, "not_run", code) in lacks(asked(key))


def overlays(*languages: str | None, latin: dict[str, Any] | None = None) -> Section:
    texts = [{"language": language} for language in languages]
    return section("text_overlay", result={"overlays": texts, "latin_language": latin})


def test_a_result_that_leaves_a_question_open_says_why() -> None:
    assert lacks(asked("text.language", overlays(None, None))) == [("text_overlay", "ok", "too_few_words")]
    assert asked("text.language", overlays(None, "ko")).status == "answered"
    found = asked("text.language", overlays(None, latin={"language": "en"}))
    assert (found.status, found.places) == ("answered", ["/sections/text_overlay/result/latin_language"])
    assert asked("text.language", overlays()).status == "not_applicable"


def answers(**texts: str | None) -> dict[str, Any]:
    return {"answers": [{"question": key, "answer": text} for key, text in texts.items()]}


def test_the_answer_of_a_video_language_model_is_found_by_its_question() -> None:
    told = section("qwen2_vl_temporal", result=answers(who="Two dogs.", expression="none", mood=None))
    found = asked("face.expression", told)
    assert found.places == ["/sections/qwen2_vl_temporal/result/answers/1/answer"]
    found = asked("face.expression", section("blip2_video_analyzer", result=answers()))
    assert lacks(found) == [("blip2_video_analyzer", "ok", "no_answer")]
    found = asked("face.expression", section("video_llava", result=answers(expression=None)))
    assert lacks(found) == [("video_llava", "ok", "no_answer")]


def test_without_pictures_or_sound_or_speech_there_is_nothing_to_ask() -> None:
    blind, deaf = VIDEO.model_copy(update={"width": None}), VIDEO.model_copy(update={"audio": None})
    transcript = section("speech_transcription", "unavailable")
    for video, key, pointer in (
        (blind, "face.blinks", "/video/width"),
        (deaf, "sound.tempo", "/video/audio"),
        (deaf, "speech.language", "/video/audio"),
    ):
        found = asked(key, transcript, video=video)
        assert (found.status, found.places) == ("not_applicable", [pointer])
        assert value_at({"video": video.model_dump(mode="json")}, pointer) is None
    mute = section("speech_flow", "not_applicable")
    found = asked("speech.speakers", transcript, mute)
    assert (found.status, lacks(found)) == ("not_applicable", [("speech_flow", "not_applicable", "weights_missing")])
    assert asked("sound.tempo", transcript, mute).status == "unanswered"


def test_stretches_are_asked_for_what_their_analyzers_give() -> None:
    parts = Breakdown(parts=(Stretch(start_time=0.0, end_time=4.0, index=0, key_frame_s=None),))
    assert asked("scenes.action", section("video_llava", "unavailable"), breakdown=parts).status == "unanswered"
    assert asked("scenes.parts", breakdown=parts).status == "answered"
    found = asked("scenes.scenes", section("scene_segmentation", "failed"), breakdown=parts)
    assert lacks(found) == [("scene_segmentation", "failed", "weights_missing")]


def test_a_place_inside_what_is_null_is_none() -> None:
    flow = section("temporal_flow", result={"pacing": None})
    found = asked("editing.shot_length_curve", section("cut_analysis", "not_applicable"), flow)
    assert (found.status, found.found_at) == ("not_applicable", ())


def test_no_question_of_an_empty_document_is_answered() -> None:
    empty = made()
    # Its parts are there, if none.
    assert [q.key for q in empty.questions if q.status == "answered"] == ["scenes.parts"]
    for question in empty.questions:
        assert question.lacking or question.status in ("not_applicable", "answered"), question.key


def test_a_reason_stands_once_and_is_named_by_all_that_it_leaves_open() -> None:
    checklist = made(section("eye_tracking", "unavailable"))
    named = {lack for question in checklist.questions for lack in question.lacking}
    assert named == set(checklist.lacks)
    waiting = [question.key for question in checklist.open_without("eye_tracking.weights_missing")]
    assert waiting == [
        "face.gaze",
        "face.eye_contact",
        "face.blinks",
        "face.eyes",
        "people.at_once",
    ]
