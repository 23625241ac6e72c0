"""Tempo, beats, key, loudness, kind of sound and effects against truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from benchmarks import truth_made, truth_sound
from benchmarks.figures import Figure, Measure, Outcomes, at_least, at_most, f1_figure
from benchmarks.scoring import Score, match_points, octave_of
from benchmarks.truth_clips import SAMPLE, Clips, cadence_name, clicks_name, drums_name, level_name

BEAT_TOLERANCE_S = 0.07
"""Of the beat tracking literature (Dixon 2007; MIREX)."""

TEMPO_TOLERANCE = 0.04

# Tempo and beats


def _tempo_truth(clips: Clips, name: str) -> tuple[float, Sequence[float], float]:
    """Tempo, beats and the end of what is known about beats; none where only the tempo is."""
    if name == SAMPLE:
        sample = clips.sample()
        return sample.tempo_bpm, sample.beats, sample.duration_s
    if name == truth_sound.DRUM_CLIP:
        bpm, beats = truth_sound.drum_beats()
        return bpm, beats, beats[-1] + 30.0 / bpm
    if name == truth_sound.TRUMPET_CLIP:
        return truth_sound.trumpet_tempo()[0], (), 0.0
    bpm = float(name.rsplit("_", 1)[1].split(".")[0])
    beats = truth_made.beat_times(round(bpm))
    return bpm, beats, beats[-1] + 30.0 / bpm


def _tempo(measure: str, target: float | None) -> Callable[[Outcomes, Clips], list[Figure]]:
    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        right, octaves, none = 0, 0, 0
        wrong, beat_wrong, beats = list[str](), list[str](), Score()
        for name, outcome in outcomes.items():
            bpm, true_beats, end_s = _tempo_truth(clips, name)
            tempo = outcome.result.tempo if outcome.result else None
            found = tempo.bpm if tempo else None
            factor = octave_of(found, bpm, TEMPO_TOLERANCE) if found else None
            right, none = right + (factor == 1.0), none + (found is None)
            octaves += factor is not None and factor != 1.0
            if factor != 1.0:
                what = f"{found:.1f} bpm" if found else f"no tempo ({tempo.reason if tempo else outcome.code})"
                wrong.append(f"{name}: {what}, is {bpm:g}" + (f", octave error of {factor:g}" if factor else ""))
            if true_beats:
                given = [b for b in (outcome.result.beats if outcome.result else ()) if b < end_s]
                matches = match_points(given, true_beats, BEAT_TOLERANCE_S)
                beats += matches.score
                off = [f"{given[i]:.2f} s is none" for i in matches.extra]
                off += [f"{true_beats[j]:.2f} s missed" for j in matches.missed]
                beat_wrong += [f"{name}: {', '.join(off)}"] if off else []
        count = len(outcomes)
        figures = [
            Figure(
                "audio_analysis",
                f"tempo within 4 %, {measure}",
                right / count,
                "share",
                count,
                target=at_least(target) if target else None,
                misses=tuple(wrong),
            ),
            Figure("audio_analysis", f"octave errors of tempo, {measure}", float(octaves), "clips", count),
            Figure("audio_analysis", f"clips without a tempo, {measure}", float(none), "clips", count),
        ]
        if beats.truth:
            note = f"within {BEAT_TOLERANCE_S:g} s"
            figures.append(f1_figure("audio_analysis", f"beats, {measure}", beats, beat_wrong, note=note))
        return figures

    return judge


def _invented(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    wrong = []
    for name, outcome in outcomes.items():
        if outcome.result and outcome.result.tempo.bpm:
            wrong.append(f"{name}: {outcome.result.tempo.bpm:.1f} bpm")
        if outcome.result and outcome.result.key.tonic:
            wrong.append(f"{name}: {outcome.result.key.tonic} {outcome.result.key.mode}")
    measure = "tempos and keys invented for speech and animals"
    return [
        Figure("audio_analysis", measure, float(len(wrong)), "found", len(outcomes), None, at_most(0.0), tuple(wrong))
    ]


# Key, level, kind of sound


def _key(
    measure: str, truth_for: Callable[[Clips, str], tuple[str, str | None]], target: float | None
) -> Callable[[Outcomes, Clips], list[Figure]]:
    def judge(outcomes: Outcomes, clips: Clips) -> list[Figure]:
        right, wrong = 0, []
        for name, outcome in outcomes.items():
            tonic, mode = truth_for(clips, name)
            key = outcome.result.key if outcome.result else None
            good = key is not None and key.tonic == tonic and mode in (None, key.mode)
            right += good
            if not good:
                found = (
                    f"{key.tonic} {key.mode}" if key and key.tonic else f"none ({key.reason if key else outcome.code})"
                )
                wrong.append(f"{name}: {found}, is {tonic} {mode or ''}".rstrip())
        bound = at_least(target) if target else None
        count = len(outcomes)
        return [Figure("audio_analysis", f"key, {measure}", right / count, "share", count, None, bound, tuple(wrong))]

    return judge


def _made_key(clips: Clips, name: str) -> tuple[str, str | None]:
    if name == SAMPLE:
        tonic, mode = clips.sample().key.split()
    else:
        tonic, mode = name.removesuffix(".wav").split("_")[-2:]
    return tonic, mode


def _level(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    errors, wrong = [], []
    for name, outcome in outcomes.items():
        case = name.removeprefix("made/").removesuffix(".wav")
        found = outcome.result.loudness.integrated_lufs if outcome.result else None
        error = abs(found - truth_made.LEVEL_LUFS[case]) if found is not None else float("inf")
        errors.append(error)
        if error > 0.1:
            wrong.append(f"{case}: {found} LUFS, is {truth_made.LEVEL_LUFS[case]}")
    value = max(errors)
    measure = "largest error of loudness, EBU Tech 3341"
    return [Figure("audio_analysis", measure, value, "LU", len(errors), None, at_most(0.1), tuple(wrong))]


MUSIC = (
    "librosa/choice_drum_bass.ogg",
    "librosa/trumpet_90bpm.ogg",
    "librosa/vibe_ace.ogg",
    "moviepy/chaplin.mp4",
    "moviepy/big_buck_bunny_0_30.webm",
)
NEITHER = ("tc/sine_mono_s16.wav", "librosa/humpback.ogg", "librosa/robin.ogg")


SOME_SHARE = 0.2
"""A clip is of the one that fills more of it; of neither, where each fills less than a fifth."""


def _kinds(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    right, wrong = 0, []
    for name, outcome in outcomes.items():
        wanted = "music" if name in MUSIC else "neither" if name in NEITHER else "speech"
        shares = outcome.result.shares.model_dump() if outcome.result else {}
        most = max(("music", "speech"), key=lambda k: shares.get(k, 0.0))
        found = most if shares.get(most, 0.0) >= SOME_SHARE else "neither"
        right += found == wanted
        if found != wanted:
            wrong.append(f"{name}: {found}, is {wanted} ({', '.join(f'{k} {v:.2f}' for k, v in shares.items())})")
    count = len(outcomes)
    measure = "clips called music, speech or neither"
    return [Figure("audio_analysis", measure, right / count, "share", count, None, None, tuple(wrong))]


EFFECT_TOLERANCE_S = 0.1


def _effects(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    """An impact counts by its onset, a riser by its end: where an editor lays them on a cut."""
    ((name, outcome),) = outcomes.items()
    truth = [(e.kind, e.end_time if e.kind == "riser" else e.start_time) for e in clips.sample().effects]
    found = [(e.kind, e.timestamp) for e in outcome.result.effects] if outcome.result else []
    score, misses = Score(), list[str]()
    for kind in sorted({k for k, _ in (*truth, *found)}):
        ours, theirs = [t for k, t in found if k == kind], [t for k, t in truth if k == kind]
        matches = match_points(ours, theirs, EFFECT_TOLERANCE_S)
        score += matches.score
        misses += [f"{name} {ours[i]:.2f} s: {kind} found, is none" for i in matches.extra]
        misses += [f"{name} {theirs[j]:.2f} s: {kind} missed" for j in matches.missed]
    return [f1_figure("sound_effects", "effects of the sample, kind and moment within 0.1 s", score, misses)]


def _no_effects(outcomes: Outcomes, clips: Clips) -> list[Figure]:
    wrong = [
        f"{name} {effect.timestamp:.2f} s: {effect.kind}"
        for name, outcome in outcomes.items()
        for effect in (outcome.result.effects if outcome.result else ())
    ]
    measure = "effects found in read and counted speech"
    return [Figure("sound_effects", measure, float(len(wrong)), "found", len(outcomes), None, None, tuple(wrong))]


PLAIN_SPEECH = (
    "librosa/3436-172162-0000.ogg",
    "librosa/5703-47212-0000.ogg",
    "pyaa/count.wav",
    "lipnet/bbaf2n.mpg",
    "lipnet/lbbc2a.mpg",
)
"""Recorded without any added sound."""

_TEMPO_CLIPS = (
    SAMPLE,
    *(clicks_name(bpm) for bpm in truth_made.CLICK_BPM),
    *(drums_name(bpm) for bpm in truth_made.DRUM_BPM),
)

_ALL: tuple[Measure, ...] = (
    Measure("audio_analysis", (truth_sound.DRUM_CLIP, truth_sound.TRUMPET_CLIP), _tempo("published", 1.0)),
    Measure("audio_analysis", _TEMPO_CLIPS, _tempo("sample, clicks, drums", 1.0)),
    Measure(
        "audio_analysis",
        (truth_sound.TRUMPET_CLIP,),
        _key("published (tonic)", lambda c, n: (truth_sound.trumpet_tempo()[1], None), 1.0),
    ),
    Measure(
        "audio_analysis",
        (SAMPLE, *(cadence_name(*key) for key in truth_made.CADENCES)),
        _key("sample, cadences", _made_key, 1.0),
    ),
    Measure("audio_analysis", tuple(level_name(case) for case in truth_made.LEVEL_CASES), _level),
    Measure("audio_analysis", (*MUSIC, *NEITHER, *truth_sound.RECORDED_SPEECH), _kinds),
    Measure("audio_analysis", (*NEITHER, *truth_sound.RECORDED_SPEECH), _invented),
    Measure("sound_effects", (SAMPLE,), _effects),
    Measure("sound_effects", PLAIN_SPEECH, _no_effects),
)

MEASURES: tuple[Measure, ...] = tuple(replace(measure, none_is_an_answer=True) for measure in _ALL)
"""Silence is an answer: ``no_speech``, ``no_audio``."""
