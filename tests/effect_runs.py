"""Runs of ``visual_effects``, with the cuts that it reads, over made frames; and what to ask of their results."""

from __future__ import annotations

from functools import cache

import pytest

from tests.made_edits import FPS
from tests.run import make_analyzer, run_on_frames


@cache
def ready(name):
    """The analyzer, loaded once."""
    return make_analyzer(name)


def effects_of(frames, fps=FPS, chunk_s=2.0):
    """Runs cut_analysis and visual_effects over frames; gives the effects' result."""
    cuts = run_on_frames(ready("cut_analysis"), frames, fps)
    return run_on_frames(ready("visual_effects"), frames, fps, chunk_s, results={"cut_analysis": cuts})


def spans(result, kind):
    return [(round(e.start_time * FPS), round(e.end_time * FPS)) for e in result.effects if e.kind == kind]


def only(result, kind):
    """The one effect there is."""
    assert [effect.kind for effect in result.effects] == [kind]
    return result.effects[0]


def measure(effect, name):
    return next(m.value for m in effect.evidence if m.name == name)


def about(first, end, tolerance=2):
    return [(pytest.approx(first, abs=tolerance), pytest.approx(end, abs=tolerance))]


def only_kinds(result):
    return set(result.effects_by_kind)
