"""Pins of the video language models, of object and scene models, and of CLIP."""

from __future__ import annotations

from weights.pin import Pin, RemoteFile

CHECKPOINT = ("config.json", "model.safetensors|pytorch_model.bin", "*processor_config.json")
"""A transformers checkpoint in one file with its image or sound processor, in the layouts of transformers 4 and 5."""

LANGUAGE_MODEL = ("config.json", "model*.safetensors", "*processor_config.json", "tokenizer.json")
"""A large checkpoint, mostly in several files, with processors and tokenizer."""

TEXT_EXTRAS = (
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
    "merges.txt",
    "model.safetensors.index.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "vocab.json",
)
"""What may lie beside a model with a tokenizer."""

ULTRALYTICS = "https://github.com/ultralytics/assets/releases/download/v8.3.0"
"""The release that carries the YOLOv8 weights."""

AGPL = "https://github.com/ultralytics/ultralytics/blob/main/LICENSE"

VISION: tuple[Pin, ...] = (
    Pin(
        name="llava-next-video-7b",
        title="LLaVA-NeXT-Video 7B, video language model",
        hub_id="llava-hf/LLaVA-NeXT-Video-7B-hf",
        files=LANGUAGE_MODEL,
        optional=TEXT_EXTRAS,
        licence="Llama 2 Community License",
        licence_url="https://huggingface.co/llava-hf/LLaVA-NeXT-Video-7B-hf",
        # Bound to Meta's acceptable use policy and to fewer than 700 million users: no open licence.
        permissive=False,
        alternative="qwen2-vl-7b",
        used_by=("video_llava",),
        size_bytes=14_130_000_000,
    ),
    Pin(
        name="qwen2-vl-7b",
        title="Qwen2-VL 7B Instruct, video language model",
        hub_id="Qwen/Qwen2-VL-7B-Instruct",
        revision="eed13092ef92e448dd6875b2a00151bd3f7db0ac",
        files=LANGUAGE_MODEL,
        optional=TEXT_EXTRAS,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/Qwen/Qwen2-VL-7B-Instruct",
        permissive=True,
        used_by=("qwen2_vl_temporal", "video_llava"),
        size_bytes=16_570_000_000,
    ),
    Pin(
        name="blip2-opt-2.7b",
        title="BLIP-2 with OPT 2.7B, image captions",
        hub_id="Salesforce/blip2-opt-2.7b",
        revision="59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
        files=LANGUAGE_MODEL,
        optional=TEXT_EXTRAS,
        licence="MIT (BLIP-2) with OPT-175B License (language model)",
        licence_url="https://huggingface.co/facebook/opt-2.7b",
        # Its card says MIT; the OPT weights inside are for non-commercial research.
        permissive=False,
        alternative="blip2-flan-t5-xl",
        used_by=("blip2_video_analyzer",),
        size_bytes=14_979_207_136,
        digests=(
            (
                "model-00001-of-00002.safetensors",
                "sha256:b81228c9ac1b3dee1731ee71d51fe3b2c34f915019c44c25a793b51300ae24fc",
            ),
            (
                "model-00002-of-00002.safetensors",
                "sha256:536bd73b8f1de7d94f503b23fea2eaa4f7f3ea5f74f8f874fcb21d6df1555a19",
            ),
        ),
    ),
    Pin(
        name="blip2-flan-t5-xl",
        title="BLIP-2 with Flan-T5 XL, image captions",
        hub_id="Salesforce/blip2-flan-t5-xl",
        revision="0eb0d3b46c14c1f8c7680bca2693baafdb90bb28",
        files=LANGUAGE_MODEL,
        optional=TEXT_EXTRAS,
        licence="MIT",
        licence_url="https://huggingface.co/Salesforce/blip2-flan-t5-xl",
        permissive=True,
        used_by=("blip2_video_analyzer",),
    ),
    Pin(
        name="yolov8x",
        title="YOLOv8x, 80 COCO object classes",
        revision="v8.3.0",
        remote=(RemoteFile(f"{ULTRALYTICS}/yolov8x.pt", "yolov8x.pt"),),
        licence="AGPL-3.0",
        licence_url=AGPL,
        permissive=False,
        alternative="rtdetr-v2-r50",
        used_by=("object_detection",),
        format="torch",
        size_bytes=136_700_000,
    ),
    Pin(
        name="yolov8n",
        title="YOLOv8n, 80 COCO object classes",
        revision="v8.3.0",
        remote=(
            RemoteFile(
                f"{ULTRALYTICS}/yolov8n.pt",
                "yolov8n.pt",
                digest="sha256:f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
                size_bytes=6_549_796,
            ),
        ),
        licence="AGPL-3.0",
        licence_url=AGPL,
        permissive=False,
        alternative="rtdetr-v2-r18",
        used_by=("object_detection",),
        format="torch",
        size_bytes=6_549_796,
    ),
    Pin(
        name="rtdetr-v2-r50",
        title="RT-DETRv2 with ResNet-50, 80 COCO object classes",
        hub_id="PekingU/rtdetr_v2_r50vd",
        revision="282494075698cab9faa1096ae26856890030c817",
        files=CHECKPOINT,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/PekingU/rtdetr_v2_r50vd",
        permissive=True,
        used_by=("object_detection", "body_pose"),
        size_bytes=172_000_000,
    ),
    Pin(
        name="rtdetr-v2-r18",
        title="RT-DETRv2 with ResNet-18, 80 COCO object classes",
        hub_id="PekingU/rtdetr_v2_r18vd",
        revision="5650961749fa93567c0d46fc7f43ea4f9e914107",
        files=CHECKPOINT,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/PekingU/rtdetr_v2_r18vd",
        permissive=True,
        used_by=("object_detection", "body_pose"),
    ),
    Pin(
        name="segformer-b2",
        title="SegFormer-B2, 150 ADE20K classes at 512 px",
        hub_id="nvidia/segformer-b2-finetuned-ade-512-512",
        revision="de01bae28967510f9ddd496c60a969357195400c",
        files=CHECKPOINT,
        licence="NVIDIA Source Code License for SegFormer (non-commercial)",
        licence_url="https://github.com/NVlabs/SegFormer/blob/master/LICENSE",
        permissive=False,
        alternative="upernet-convnext-small",
        used_by=("background_segmentation",),
        # The pinned commit has no safetensors.
        format="torch",
    ),
    Pin(
        name="segformer-b0",
        title="SegFormer-B0, 150 ADE20K classes at 512 px",
        hub_id="nvidia/segformer-b0-finetuned-ade-512-512",
        revision="489d5cd81a0b59fab9b7ea758d3548ebe99677da",
        files=CHECKPOINT,
        licence="NVIDIA Source Code License for SegFormer (non-commercial)",
        licence_url="https://github.com/NVlabs/SegFormer/blob/master/LICENSE",
        permissive=False,
        alternative="upernet-convnext-tiny",
        used_by=("background_segmentation",),
        size_bytes=15_036_944,
        digests=(("model.safetensors", "sha256:6ae39addd01de6b1b8bde2cf677d43a5cd733424b8d186de3f95d1c51fee23f9"),),
    ),
    Pin(
        name="upernet-convnext-small",
        title="UPerNet with ConvNeXt-S, 150 ADE20K classes",
        hub_id="openmmlab/upernet-convnext-small",
        files=CHECKPOINT,
        licence="MIT",
        licence_url="https://huggingface.co/openmmlab/upernet-convnext-small",
        permissive=True,
        used_by=("background_segmentation",),
    ),
    Pin(
        name="upernet-convnext-tiny",
        title="UPerNet with ConvNeXt-T, 150 ADE20K classes",
        hub_id="openmmlab/upernet-convnext-tiny",
        files=CHECKPOINT,
        licence="MIT",
        licence_url="https://huggingface.co/openmmlab/upernet-convnext-tiny",
        permissive=True,
        used_by=("background_segmentation",),
        size_bytes=241_000_000,
    ),
    Pin(
        name="clip-l14",
        title="CLIP ViT-L/14, image and text embeddings",
        hub_id="openai/clip-vit-large-patch14",
        revision="32bd64288804d66eefd0ccbe215aa642df71cc41",
        files=(*CHECKPOINT, "tokenizer.json"),
        optional=TEXT_EXTRAS,
        licence="MIT",
        licence_url="https://github.com/openai/CLIP/blob/main/LICENSE",
        permissive=True,
        used_by=("clip_encoder", "composition_analysis", "content_quality", "product_detection"),
        size_bytes=1_710_540_580,
        digests=(("model.safetensors", "sha256:a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"),),
    ),
    Pin(
        name="clip-b32",
        title="CLIP ViT-B/32, image and text embeddings",
        hub_id="openai/clip-vit-base-patch32",
        revision="3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
        files=(*CHECKPOINT, "tokenizer.json"),
        optional=TEXT_EXTRAS,
        licence="MIT",
        licence_url="https://github.com/openai/CLIP/blob/main/LICENSE",
        permissive=True,
        used_by=("clip_encoder", "composition_analysis", "content_quality", "product_detection"),
        size_bytes=605_247_071,
        digests=(("pytorch_model.bin", "sha256:a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f"),),
        # The pinned commit has no safetensors.
        format="torch",
    ),
)
