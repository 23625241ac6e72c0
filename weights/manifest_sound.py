"""Pins of the speech and sound models."""

from __future__ import annotations

from weights.manifest_vision import CHECKPOINT
from weights.pin import Pin

WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.json|vocabulary.txt")
"""A CTranslate2 conversion of Whisper."""

SOUND: tuple[Pin, ...] = (
    Pin(
        name="whisper-large-v3",
        title="Whisper large-v3 for CTranslate2, speech to text",
        hub_id="Systran/faster-whisper-large-v3",
        files=(*WHISPER_FILES, "preprocessor_config.json"),
        licence="MIT",
        licence_url="https://huggingface.co/Systran/faster-whisper-large-v3",
        permissive=True,
        used_by=("speech_transcription",),
        format="ctranslate2",
    ),
    Pin(
        name="whisper-small",
        title="Whisper small for CTranslate2, speech to text",
        hub_id="Systran/faster-whisper-small",
        files=WHISPER_FILES,
        optional=("preprocessor_config.json",),
        licence="MIT",
        licence_url="https://huggingface.co/Systran/faster-whisper-small",
        permissive=True,
        used_by=("speech_transcription",),
        format="ctranslate2",
    ),
    Pin(
        name="wav2vec2-emotion",
        title="wav2vec2 base, four emotions of speech (IEMOCAP)",
        hub_id="superb/wav2vec2-base-superb-er",
        files=CHECKPOINT,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/superb/wav2vec2-base-superb-er",
        permissive=True,
        used_by=("speech_emotion",),
    ),
    Pin(
        name="ast-audioset",
        title="Audio Spectrogram Transformer, 527 AudioSet classes",
        hub_id="MIT/ast-finetuned-audioset-10-10-0.4593",
        files=CHECKPOINT,
        licence="BSD-3-Clause",
        licence_url="https://huggingface.co/MIT/ast-finetuned-audioset-10-10-0.4593",
        permissive=True,
        used_by=("audio_environment", "sound_effects"),
    ),
)
