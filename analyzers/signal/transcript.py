"""From a recogniser's raw words to a transcript: sound times, sentences, and marks of what may not have been said.

Speech models invent text: Koenecke et al., "Careless Whisper: speech-to-text hallucination harms" (FAccT 2024), find
whole invented sentences in about 1 % of Whisper's transcripts, mostly where nobody speaks. The marks here use the
model's own numbers with the thresholds of Radford et al., "Robust speech recognition via large-scale weak supervision"
(2022), section 4.5, and the repetition of a segment by the next. Nothing is taken out: a mark is no proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Doubt = Literal["repeated", "no_speech", "improbable", "looping"]

SENTENCE_END = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f", "\u061f", "\u0964")
"""What closes a sentence in the scripts that Whisper writes: Latin, East Asian, Arabic, Indic."""

CLOSING = "\"')]\u2019\u201d\u00bb\u300d\u300f"
"""May stand behind the end of a sentence."""

LEAST_WORD_S = 0.02
"""A word without length gets this: one step of Whisper's time stamps."""


@dataclass(frozen=True)
class RawWord:
    """A word as the recogniser gave it; times in seconds from the first sample, in any order.

    Attributes:
        text: With the spaces around it that part it from its neighbours.
        start_s: May lie before the sound.
        end_s: May lie before ``start_s``, or behind the sound.
        probability: In [0, 1].
    """

    text: str
    start_s: float
    end_s: float
    probability: float


@dataclass(frozen=True)
class Window:
    """What the recogniser decoded in one go.

    Attributes:
        words: In the order of the text.
        avg_logprob: Mean log probability of the tokens.
        no_speech_prob: Probability that there is no speech in it.
        compression_ratio: Of its text.
    """

    words: tuple[RawWord, ...]
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float


@dataclass(frozen=True)
class Sentence:
    """Neighbouring words of one window with what the window says about them."""

    words: tuple[RawWord, ...]
    window: Window

    @property
    def text(self) -> str:
        """As it is written, without spaces around."""
        return "".join(w.text for w in self.words).strip()


@dataclass(frozen=True)
class DoubtSettings:
    """Thresholds of ``doubts_of``; ``SpeechTranscriptionConfig`` says why.

    Attributes:
        no_speech: Probability of no speech.
        improbable: Mean log probability.
        looping: Compression ratio.
    """

    no_speech: float
    improbable: float
    looping: float


def with_sound_times(words: Sequence[RawWord], duration_s: float) -> tuple[list[RawWord], int]:
    """The words with times that are inside ``[0, duration_s]``, half-open, never empty, and sorted by start.

    The order of the text stays: a word that begins before its predecessor is moved up to it. Words may overlap.

    Args:
        words: In the order of the text.
        duration_s: Of the sound; words cannot be placed in less than ``LEAST_WORD_S``, and none is given back then.

    Returns:
        The words that are no mere spaces, and how many of them had to be put right.
    """
    fixed: list[RawWord] = []
    repaired = 0
    latest_s = duration_s - LEAST_WORD_S
    if latest_s < 0.0:
        return [], 0
    earliest_s = 0.0
    for word in words:
        if not word.text.strip():
            continue
        start_s = min(max(word.start_s, earliest_s), latest_s)
        end_s = min(word.end_s, duration_s)
        if end_s <= start_s:
            end_s = start_s + LEAST_WORD_S
        repaired += (start_s, end_s) != (word.start_s, word.end_s)
        fixed.append(replace(word, start_s=start_s, end_s=end_s, probability=min(max(word.probability, 0.0), 1.0)))
        earliest_s = start_s
    return fixed, repaired


def sentences(windows: Sequence[Window], pause_s: float, longest_s: float) -> list[Sentence]:
    """The windows' words cut behind the end of a sentence, at pauses, and before a sentence gets too long.

    Args:
        windows: With sound times, in order.
        pause_s: Silence between two words from which on they are parted.
        longest_s: A sentence is cut before the word that would make it longer.
    """
    found: list[Sentence] = []
    for window in windows:
        begin = 0
        for k, word in enumerate(window.words):
            following = window.words[k + 1] if k + 1 < len(window.words) else None
            if (
                following is None
                or _ends_sentence(word.text, following.text)
                or following.start_s - word.end_s >= pause_s
                or following.end_s - window.words[begin].start_s > longest_s
            ):
                found.append(Sentence(window.words[begin : k + 1], window))
                begin = k + 1
    return found


def _ends_sentence(text: str, following: str) -> bool:
    """Whether ``text`` closes a sentence; a full stop before a small letter is an abbreviation's."""
    bare = text.strip().rstrip(CLOSING)
    return bare.endswith(SENTENCE_END) and not (bare.endswith(".") and following.strip()[:1].islower())


def doubts_of(sentences: Sequence[Sentence], settings: DoubtSettings) -> list[tuple[Doubt, ...]]:
    """For each sentence why it may not have been said; most have no reason."""
    found: list[tuple[Doubt, ...]] = []
    before = ""
    for sentence in sentences:
        window, plain = sentence.window, plain_words(sentence.text)
        unsure = window.avg_logprob < settings.improbable
        marks: dict[Doubt, bool] = {
            "repeated": bool(plain) and plain == before,
            "no_speech": unsure and window.no_speech_prob > settings.no_speech,
            "improbable": unsure,
            "looping": window.compression_ratio > settings.looping,
        }
        found.append(tuple(name for name, holds in marks.items() if holds))
        before = plain or before
    return found


def plain_words(text: str) -> str:
    """Lower case, words only, one space between."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
