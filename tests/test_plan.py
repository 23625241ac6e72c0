from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.needs import AudioNeed, EveryFrame, FrameNeed, Needs, Rate, Spread
from media.plan import DecodePlan, bytes_planned, frames_planned, plan_decode, scaled_size
from schema.document import AudioFacts, VideoFacts

RUNNING = st.builds(
    FrameNeed,
    st.one_of(st.just(EveryFrame()), st.builds(Rate, st.sampled_from([0.5, 1.0, 2.0, 6.0, 30.0]))),
    st.sampled_from([64, 160, 320, 1080]),
    st.sampled_from(["rgb", "gray"]),
)
SPREAD = st.builds(FrameNeed, st.builds(Spread, st.integers(1, 32)), st.sampled_from([224, 336]), st.just("rgb"))
AUDIO = st.builds(AudioNeed, st.sampled_from([16_000, 22_050, 44_100]), st.sampled_from([1, 2]))
NEEDS = st.one_of(
    st.builds(Needs, st.lists(RUNNING, max_size=3).map(tuple)),
    st.builds(Needs, st.lists(SPREAD, max_size=2).map(tuple)),
    st.builds(Needs, st.just(()), st.lists(AUDIO, max_size=3).map(tuple)),
)
ALL_NEEDS = st.dictionaries(st.sampled_from("abcdefgh"), NEEDS, max_size=8)
CHUNK_S = st.floats(0.1, 60.0)


@st.composite
def facts(draw: st.DrawFn) -> VideoFacts:
    pictures, sound = draw(st.booleans()), draw(st.booleans())
    return VideoFacts(
        container="made",
        duration_s=draw(st.floats(0.0, 300.0)),
        width=draw(st.integers(16, 4096)) if pictures else None,
        height=draw(st.integers(16, 4096)) if pictures else None,
        frame_rate=draw(st.one_of(st.none(), st.floats(1.0, 240.0))),
        frames_declared=draw(st.one_of(st.none(), st.integers(1, 72_000))),
        audio=AudioFacts(codec="aac", sample_rate_hz=44_100, channels=2) if sound else None,
    )


@given(ALL_NEEDS, facts(), CHUNK_S)
def test_routes_lead_to_what_was_asked_for(needs: dict[str, Needs], video: VideoFacts, chunk_s: float) -> None:
    plan = plan_decode(needs, video, chunk_s)
    assert set(plan.routes) == set(needs)
    for name, need in needs.items():
        route = plan.routes[name]
        assert tuple(plan.renditions[i] for i in route.frames) == (need.frames if video.has_video else ())
        assert tuple(plan.audio[i] for i in route.audio) == (need.audio if video.audio else ())
        assert route.spread == need.is_spread
        frames = (1 if need.is_spread else plan.chunks_planned) if route.frames else 0
        assert plan.chunks_for(name) == (frames or int(bool(route.audio)))


@given(ALL_NEEDS, facts(), CHUNK_S)
def test_nothing_is_decoded_twice_or_for_nobody(needs: dict[str, Needs], video: VideoFacts, chunk_s: float) -> None:
    plan = plan_decode(needs, video, chunk_s)
    assert len(set(plan.renditions)) == len(plan.renditions)
    assert len(set(plan.audio)) == len(plan.audio)
    assert {i for route in plan.routes.values() for i in route.frames} == set(range(len(plan.renditions)))
    assert {i for route in plan.routes.values() for i in route.audio} == set(range(len(plan.audio)))
    assert sorted(plan.running + plan.spread) == list(range(len(plan.renditions)))
    assert all(isinstance(plan.renditions[i].sampling, Spread) for i in plan.spread)


@given(ALL_NEEDS, facts(), CHUNK_S)
def test_the_plan_does_not_depend_on_who_comes_first(
    needs: dict[str, Needs], video: VideoFacts, chunk_s: float
) -> None:
    plan, turned = (plan_decode(n, video, chunk_s) for n in (needs, dict(reversed(list(needs.items())))))
    assert set(plan.renditions) == set(turned.renditions)
    assert set(plan.audio) == set(turned.audio)
    assert plan.chunks_planned == turned.chunks_planned
    assert bytes_planned(plan, video) == bytes_planned(turned, video)


@given(facts(), CHUNK_S)
def test_chunks_cover_the_declared_length(video: VideoFacts, chunk_s: float) -> None:
    plan = plan_decode({"a": Needs((FrameNeed(EveryFrame(), 64),))}, video, chunk_s)
    if not video.has_video:
        assert plan.chunks_planned == 0
        return
    assert plan.chunks_planned >= 1
    assert plan.chunks_planned * chunk_s >= video.duration_s - 1e-6
    assert (plan.chunks_planned - 1) * chunk_s < video.duration_s or plan.chunks_planned == 1


@given(st.integers(1, 8192), st.integers(1, 8192), st.integers(16, 4320))
def test_scaled_size_keeps_the_shape_and_never_enlarges(width: int, height: int, short: int) -> None:
    w, h = scaled_size(width, height, short)
    assert min(w, h) == min(short, width, height)
    assert 1 <= w <= width
    assert 1 <= h <= height
    assert (w < h) <= (width < height)
    assert abs(w / h - width / height) <= (width / height) * (0.5 / w + 0.5 / h) + 1e-9
    assert scaled_size(height, width, short) == (h, w)
    assert scaled_size(w, h, short) == (w, h)


@given(facts(), st.integers(1, 64))
def test_estimates_of_frames_are_ordered(video: VideoFacts, count: int) -> None:
    every = frames_planned(FrameNeed(EveryFrame(), 64), video)
    assert frames_planned(FrameNeed(Spread(count), 64), video) == min(every, count)
    for fps in (0.5, 2.0, 30.0):
        assert frames_planned(FrameNeed(Rate(fps), 64), video) == min(every, math.ceil(video.duration_s * fps))


def test_bytes_are_those_of_the_pictures_and_the_sound() -> None:
    video = VideoFacts(
        container="made",
        duration_s=10.0,
        width=1080,
        height=1920,
        frame_rate=30.0,
        audio=AudioFacts(codec="aac", sample_rate_hz=44_100, channels=2),
    )
    needs = {
        "a": Needs((FrameNeed(EveryFrame(), 180), FrameNeed(Rate(2), 540, "gray"))),
        "b": Needs((FrameNeed(Spread(8), 1080),)),
        "c": Needs(audio=(AudioNeed(16_000), AudioNeed(22_050, 2))),
        "d": Needs((FrameNeed(EveryFrame(), 180),)),
    }
    plan = plan_decode(needs, video, 2.0)
    pictures = 300 * 180 * 320 * 3 + 20 * 540 * 960 + 8 * 1080 * 1920 * 3
    assert bytes_planned(plan, video) == pictures + 10 * (16_000 * 4 + 22_050 * 2 * 4)
    assert plan.chunks_planned == 5


@pytest.mark.parametrize("chunk_s", [0.0, -1.0])
def test_a_chunk_has_a_length(chunk_s: float) -> None:
    with pytest.raises(ValueError, match="chunk_s"):
        plan_decode({}, VideoFacts(container="made", duration_s=1.0), chunk_s)


def test_a_plan_survives_pickling() -> None:
    import pickle

    video = VideoFacts(container="made", duration_s=3.0, width=64, height=64)
    plan = plan_decode({"a": Needs((FrameNeed(Rate(2), 64),))}, video, 1.0)
    copy: DecodePlan = pickle.loads(pickle.dumps(plan))
    assert copy == plan
