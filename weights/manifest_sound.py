"""Pins of the speech and sound models."""

from __future__ import annotations

from weights.pin import Pin
from weights.pin_makers import hub_pin

WHISPER_FILES = ("config.json", "model.bin", "tokenizer.json", "vocabulary.json|vocabulary.txt")
"""A CTranslate2 conversion of Whisper."""

SOUND: tuple[Pin, ...] = (
    hub_pin(
        "whisper-large-v3",
        "Whisper large-v3 for CTranslate2, speech to text",
        "Systran/faster-whisper-large-v3",
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        files=(*WHISPER_FILES, "preprocessor_config.json"),
        licence="MIT",
        used_by=("speech_transcription",),
        format="ctranslate2",
        size_bytes=3_087_284_237,
        digests=(("model.bin", "sha256:69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1"),),
    ),
    hub_pin(
        "whisper-small",
        "Whisper small for CTranslate2, speech to text",
        "Systran/faster-whisper-small",
        "536b0662742c02347bc0e980a01041f333bce120",
        files=WHISPER_FILES,
        optional=("preprocessor_config.json",),
        licence="MIT",
        used_by=("speech_transcription",),
        format="ctranslate2",
        size_bytes=483_546_902,
        digests=(("model.bin", "sha256:3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),),
    ),
    hub_pin(
        "wav2vec2-emotion",
        "wav2vec2 base, four emotions of speech (IEMOCAP)",
        "superb/wav2vec2-base-superb-er",
        # The commit that adds safetensors to the files of the main branch.
        "5342d99fbd92729de036b8680a9d8e8d7ab40eea",
        used_by=("speech_emotion",),
        size_bytes=378_000_000,
    ),
    hub_pin(
        "ast-audioset",
        "Audio Spectrogram Transformer, 527 AudioSet classes",
        "MIT/ast-finetuned-audioset-10-10-0.4593",
        "f826b80d28226b62986cc218e5cec390b1096902",
        licence="BSD-3-Clause",
        used_by=("audio_environment", "sound_effects"),
        size_bytes=346_404_948,
    ),
)
