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
    ),
    Pin(
        name="qwen2-vl-7b",
        title="Qwen2-VL 7B Instruct, video language model",
        hub_id="Qwen/Qwen2-VL-7B-Instruct",
        files=LANGUAGE_MODEL,
        optional=TEXT_EXTRAS,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/Qwen/Qwen2-VL-7B-Instruct",
        permissive=True,
        used_by=("qwen2_vl_temporal", "video_llava"),
    ),
    Pin(
        name="blip2-opt-2.7b",
        title="BLIP-2 with OPT 2.7B, image captions",
        hub_id="Salesforce/blip2-opt-2.7b",
        files=LANGUAGE_MODEL,
        optional=TEXT_EXTRAS,
        licence="MIT (BLIP-2) with OPT-175B License (language model)",
        licence_url="https://huggingface.co/facebook/opt-2.7b",
        # Its card says MIT; the OPT weights inside are for non-commercial research.
        permissive=False,
        alternative="blip2-flan-t5-xl",
        used_by=("blip2_video_analyzer",),
    ),
    Pin(
        name="blip2-flan-t5-xl",
        title="BLIP-2 with Flan-T5 XL, image captions",
        hub_id="Salesforce/blip2-flan-t5-xl",
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
    ),
    Pin(
        name="yolov8n",
        title="YOLOv8n, 80 COCO object classes",
        revision="v8.3.0",
        remote=(RemoteFile(f"{ULTRALYTICS}/yolov8n.pt", "yolov8n.pt"),),
        licence="AGPL-3.0",
        licence_url=AGPL,
        permissive=False,
        alternative="rtdetr-v2-r18",
        used_by=("object_detection",),
        format="torch",
    ),
    Pin(
        name="rtdetr-v2-r50",
        title="RT-DETRv2 with ResNet-50, 80 COCO object classes",
        hub_id="PekingU/rtdetr_v2_r50vd",
        files=CHECKPOINT,
        licence="Apache-2.0",
        licence_url="https://huggingface.co/PekingU/rtdetr_v2_r50vd",
        permissive=True,
        used_by=("object_detection", "body_pose"),
    ),
    Pin(
        name="rtdetr-v2-r18",
        title="RT-DETRv2 with ResNet-18, 80 COCO object classes",
        hub_id="PekingU/rtdetr_v2_r18vd",
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
        files=CHECKPOINT,
        licence="NVIDIA Source Code License for SegFormer (non-commercial)",
        licence_url="https://github.com/NVlabs/SegFormer/blob/master/LICENSE",
        permissive=False,
        alternative="upernet-convnext-small",
        used_by=("background_segmentation",),
    ),
    Pin(
        name="segformer-b0",
        title="SegFormer-B0, 150 ADE20K classes at 512 px",
        hub_id="nvidia/segformer-b0-finetuned-ade-512-512",
        files=CHECKPOINT,
        licence="NVIDIA Source Code License for SegFormer (non-commercial)",
        licence_url="https://github.com/NVlabs/SegFormer/blob/master/LICENSE",
        permissive=False,
        alternative="upernet-convnext-tiny",
        used_by=("background_segmentation",),
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
    ),
)
