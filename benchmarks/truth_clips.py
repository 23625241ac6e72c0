"""All clips of the accuracy table by name: the shared ones, and those made here when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import truth_effects, truth_made, truth_stills
from benchmarks.truth_media import shared_path
from benchmarks.truth_pictures import EditTruth, Transition, edit_truth
from ops.sample import SampleTruth, make_sample
from ops.soundtrack import RATE_HZ

SAMPLE = "made/sample.mp4"
PLACES_FILM = "made/film_of_places.mp4"
SHARED_FILM = "made/film_of_shared_clips.mp4"
EFFECTS_FILM = "made/film_of_effects.mp4"
PARTED_WORDS = "made/parted_words.wav"


def clicks_name(bpm: int) -> str:
    """Of a click track."""
    return f"made/clicks_{bpm}.wav"


def drums_name(bpm: int) -> str:
    """Of a drum loop."""
    return f"made/drums_{bpm}.wav"


def cadence_name(tonic: str, mode: str) -> str:
    """Of a cadence."""
    return f"made/cadence_{tonic}_{mode}.wav"


def level_name(case: str) -> str:
    """Of a tone of known loudness."""
    return f"made/{case}.wav"


SUBJECT_PLACES = "made/subject_places.mp4"


def fault_name(base: str, fault: str, strength: float) -> str:
    """Of a still with a fault; strength 0 is the still itself."""
    return f"made/{base}_{fault}_{strength:g}.mp4" if strength else f"made/{base}.mp4"


def fault_steps() -> list[tuple[str, float]]:
    """All faults in all strengths, and none."""
    return [("", 0.0), *((f, strength) for f, strengths in truth_stills.FAULTS.items() for strength in strengths)]


Maker = Callable[[Path], Any]
"""Writes a clip, if it can; the answer is its truth."""


class Clips:
    """Finds clips, makes those named ``made/...``, and keeps the truth of these.

    Args:
        folder: For made clips.
        seed: Of the films cut at random.
    """

    def __init__(self, folder: Path, seed: int = truth_made.SEED) -> None:
        self._folder = folder
        self._made: dict[str, Path | None] = {}
        self._truth: dict[str, Any] = {}
        self._makers = _makers(seed)

    def path(self, name: str) -> Path | None:
        """The clip's file; None where it is absent or cannot be made for lack of shared clips."""
        if not name.startswith("made/"):
            return shared_path(name)
        if name not in self._made:
            path = self._folder / Path(name).name
            self._truth[name] = self._makers[name](path)
            self._made[name] = path if path.exists() else None
        return self._made[name]

    def made_truth(self, name: str) -> Any:
        """What its maker said about a made clip."""
        return self._truth[name]

    def sample(self) -> SampleTruth:
        """Of the sample video."""
        truth: SampleTruth = self._truth[SAMPLE]
        return truth

    def edits(self, name: str) -> EditTruth:
        """Cuts and transitions of a clip that has them known."""
        if name == SAMPLE:
            truth = self.sample()
            return EditTruth(
                tuple(cut.frame for cut in truth.cuts),
                (),
                tuple(Transition(t.kind, t.first_frame, t.end_frame) for t in truth.transitions),
            )
        known = self._truth[name] if name.startswith("made/") else edit_truth(name)
        if not isinstance(known, EditTruth):
            raise KeyError(f"the cuts of {name} are not known")
        return known


def _makers(seed: int) -> dict[str, Maker]:
    made: dict[str, Maker] = {
        SAMPLE: make_sample,
        PLACES_FILM: partial(_places_film, seed=seed),
        SHARED_FILM: partial(_shared_film, seed=seed + 1),
        EFFECTS_FILM: truth_effects.make_effects,
        PARTED_WORDS: _parted_words,
        SUBJECT_PLACES: truth_stills.write_places,
    }
    made |= {
        fault_name(base, *step): partial(truth_stills.write_still, base=base, fault=step[0], strength=step[1])
        for base in truth_stills.BASES
        for step in fault_steps()
    }
    made |= {clicks_name(bpm): partial(_sound, samples=truth_made.clicks, of=(bpm,)) for bpm in truth_made.CLICK_BPM}
    made |= {drums_name(bpm): partial(_sound, samples=truth_made.drums, of=(bpm,)) for bpm in truth_made.DRUM_BPM}
    made |= {cadence_name(*key): partial(_sound, samples=truth_made.cadence, of=key) for key in truth_made.CADENCES}
    return made | {
        level_name(case): partial(_sound, samples=truth_made.level_tone, of=(parts,), rate_hz=truth_made.LEVEL_RATE_HZ)
        for case, parts in truth_made.LEVEL_CASES.items()
    }


def _sound(path: Path, samples: Callable[..., truth_made.Samples], of: tuple[Any, ...], rate_hz: int = RATE_HZ) -> None:
    truth_made.write_wav(path, samples(*of), rate_hz)


def _places_film(path: Path, seed: int) -> EditTruth:
    return truth_made.make_film(path, truth_made.drawn_stretches(), seed)


def _shared_film(path: Path, seed: int) -> EditTruth | None:
    stretches = truth_made.shared_stretches()
    return truth_made.make_film(path, stretches, seed) if len(stretches) >= 2 else None


def _parted_words(path: Path) -> Any:
    made = truth_made.parted_words()
    if made is None:
        return None
    truth_made.write_wav(path, made[0], 16_000)
    return made[1]
