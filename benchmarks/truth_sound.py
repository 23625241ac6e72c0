"""What is known about the sound of the shared clips: speech, pauses, tempo, beats, key, pitch, syllables."""

from __future__ import annotations

from benchmarks.scoring import Span
from benchmarks.truth_media import truth_of

COUNT_CLIP = "pyaa/count.wav"
WORDS_CLIP = "lipnet/id2_vcd_swwp2s.mpg"
READER_CLIP = "librosa/5703-47212-0000.ogg"
DRUM_CLIP = "librosa/choice_drum_bass.ogg"
TRUMPET_CLIP = "librosa/trumpet_90bpm.ogg"

NOT_SPEECH = (
    "tc/sine_mono_s16.wav",
    "librosa/humpback.ogg",
    "librosa/robin.ogg",
    "librosa/choice_drum_bass.ogg",
    "librosa/trumpet_90bpm.ogg",
    "librosa/vibe_ace.ogg",
    "moviepy/chaplin.mp4",
)
"""Music, animals and a tone by their descriptions: nobody speaks."""

RECORDED_SPEECH = (
    "whisper/jfk.flac",
    "librosa/3436-172162-0000.ogg",
    "librosa/5703-47212-0000.ogg",
    "pyaa/count.wav",
    "pyaa/diarizationExample.wav",
    "fw/stereo_diarization.wav",
    "pyaa/emotion_03.wav",
    "pyaa/emotion_10.wav",
    "lipnet/bbaf2n.mpg",
    "lipnet/lbbc2a.mpg",
)
"""Somebody speaks, and there is no music: a tempo or a key found here is an invention."""

COUNT_EXACT_TO_S = 0.025
"""Of ``COUNT_CLIP``: 16 of its 20 labels are multiples of 0.05 s, so they were set by ear to the nearest one."""

SYLLABLES = {
    # Sentences of the GRID corpus, published in the file name: a syllable per word but "seven" and "again".
    "lipnet/bbaf2n.mpg": 6,
    "lipnet/brbk7n.mpg": 7,
    "lipnet/id2_vcd_swwp2s.mpg": 6,
    "lipnet/lbax4n.mpg": 6,
    "lipnet/lbbc2a.mpg": 7,
    "lipnet/pwij3p.mpg": 6,
    # And so my fel-low A-mer-i-cans ask not what your coun-try can do for you, ask what you can do for your coun-try.
    "whisper/jfk.flac": 28,
    # One to ten, one of them "sev-en".
    "pyaa/count.wav": 11,
}
"""Syllables of published transcripts, counted by hand."""


def counted_words() -> list[Span]:
    """Of ``COUNT_CLIP``: published segments labelled speech."""
    segments = truth_of(COUNT_CLIP)["published"]["segments"]
    return [(s["t0"], s["t1"]) for s in segments if s["label"] == "speech"]


def aligned_words() -> list[Span]:
    """Of ``WORDS_CLIP``: published alignment, its silences left out."""
    return [(w["t0"], w["t1"]) for w in truth_of(WORDS_CLIP)["published_alignment"]["words"] if w["word"] != "sil"]


READ_SOUND_FROM_S = {3.30: 3.37, 4.76: 4.79}
"""Of ``READER_CLIP``: ends of the labelled pauses, and where the level leaves that of the pause, read off means over
10 ms. The aligner gives the silent closure before a word to the word. With pauses that begin as labelled and end where
the sound begins, the intersection over union is 0.863, so the target cannot be met on these labels."""


def read_silences() -> tuple[list[Span], float]:
    """Of ``READER_CLIP``: forced-aligned silences, and the end of what was aligned.

    Both pauses end before there is any sound, see ``READ_SOUND_FROM_S``.

    The aligned excerpt breaks off at 8 s inside a word; the silence before its end is the aligner's, not the reader's.
    """
    silences = [(float(a), float(b)) for a, b in truth_of(READER_CLIP)["published"][0]["silences_s"]]
    return silences[:-1], silences[-1][0]


def read_pitch_hz() -> float:
    """Of ``READER_CLIP``: median pitch by RMVPE, another method."""
    return float(truth_of(READER_CLIP)["published"][1]["rmvpe_median_f0_hz"])


def drum_beats() -> tuple[float, tuple[float, ...]]:
    """Of ``DRUM_CLIP``: tempo in beats a minute, and the beats of its first part, seconds."""
    published = truth_of(DRUM_CLIP)["published"]
    return float(published["tempo_bpm"]), tuple(published["beat_times_s"])


def trumpet_tempo() -> tuple[float, str]:
    """Of ``TRUMPET_CLIP``: tempo and tonic; the mode is not published."""
    published = truth_of(TRUMPET_CLIP)["published"]
    return float(published["tempo_bpm"]), str(published["key"])
