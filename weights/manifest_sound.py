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
        revision="edaa852ec7e145841d8ffdb056a99866b5f0a478",
        files=(*WHISPER_FILES, "preprocessor_config.json"),
        licence="MIT",
        licence_url="https://huggingface.co/Systran/faster-whisper-large-v3",
        permissive=True,
        used_by=("speech_transcription",),
        format="ctranslate2",
        size_bytes=3_087_284_237,
        digests=(("model.bin", "sha256:69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1"),),
    ),
    Pin(
        name="whisper-small",
        title="Whisper small for CTranslate2, speech to text",
        hub_id="Systran/faster-whisper-small",
        revision="536b0662742c02347bc0e980a01041f333bce120",
        files=WHISPER_FILES,
        optional=("preprocessor_config.json",),
        licence="MIT",
        licence_url="https://huggingface.co/Systran/faster-whisper-small",
        permissive=True,
        used_by=("speech_transcription",),
        format="ctranslate2",
        size_bytes=483_546_902,
        digests=(("model.bin", "sha256:3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671"),),
    ),
    Pin(
        name="wav2vec2-emotion",
        title="wav2vec2 base, four emotions of speech (IEMOCAP)",
        hub_id="superb/wav2vec2-base-superb-er",
        # The commit that adds safetensors to the files of the main branch.
        revision="5342d99fbd92729de036b8680a9d8e8d7ab40eea",
        files=CHECKPOINT,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/superb/wav2vec2-base-superb-er",
        permissive=True,
        used_by=("speech_emotion",),
        size_bytes=378_000_000,
    ),
    Pin(
        name="ast-audioset",
        title="Audio Spectrogram Transformer, 527 AudioSet classes",
        hub_id="MIT/ast-finetuned-audioset-10-10-0.4593",
        revision="f826b80d28226b62986cc218e5cec390b1096902",
        files=CHECKPOINT,
        licence="BSD-3-Clause",
        licence_url="https://huggingface.co/MIT/ast-finetuned-audioset-10-10-0.4593",
        permissive=True,
        used_by=("audio_environment", "sound_effects"),
        size_bytes=346_404_948,
    ),
)
