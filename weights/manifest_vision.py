"""Pins of the video language models, of object and scene models, and of CLIP."""

from __future__ import annotations

from weights.pin import Pin
from weights.pin_makers import CHECKPOINT, TEXT_EXTRAS, hub_pin, language_pin, yolo_pin

NVIDIA = {
    "licence": "NVIDIA Source Code License for SegFormer (non-commercial)",
    "licence_url": "https://github.com/NVlabs/SegFormer/blob/master/LICENSE",
    "permissive": False,
    "used_by": ("background_segmentation",),
}
MIT_CLIP = {
    "licence": "MIT",
    "licence_url": "https://github.com/openai/CLIP/blob/main/LICENSE",
    "files": (*CHECKPOINT, "tokenizer.json"),
    "optional": TEXT_EXTRAS,
    "used_by": ("clip_encoder", "composition_analysis", "content_quality", "product_detection"),
}
DETECTION = ("object_detection", "body_pose")

VISION: tuple[Pin, ...] = (
    language_pin(
        "llava-next-video-7b",
        "LLaVA-NeXT-Video 7B, video language model",
        "llava-hf/LLaVA-NeXT-Video-7B-hf",
        None,
        licence="Llama 2 Community License",
        # Bound to Meta's acceptable use policy and to fewer than 700 million users: no open licence.
        permissive=False,
        alternative="qwen2-vl-7b",
        used_by=("video_llava",),
        size_bytes=14_130_000_000,
    ),
    language_pin(
        "qwen2-vl-7b",
        "Qwen2-VL 7B Instruct, video language model",
        "Qwen/Qwen2-VL-7B-Instruct",
        "eed13092ef92e448dd6875b2a00151bd3f7db0ac",
        used_by=("qwen2_vl_temporal", "video_llava"),
        size_bytes=16_570_000_000,
    ),
    language_pin(
        "blip2-opt-2.7b",
        "BLIP-2 with OPT 2.7B, image captions",
        "Salesforce/blip2-opt-2.7b",
        "59a1ef6c1e5117b3f65523d1c6066825bcf315e3",
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
    language_pin(
        "blip2-flan-t5-xl",
        "BLIP-2 with Flan-T5 XL, image captions",
        "Salesforce/blip2-flan-t5-xl",
        "0eb0d3b46c14c1f8c7680bca2693baafdb90bb28",
        licence="MIT",
        used_by=("blip2_video_analyzer",),
        # In float32, as the other BLIP-2 is stored.
        size_bytes=15_770_000_000,
        size_known="counted",
    ),
    yolo_pin("yolov8x", "YOLOv8x, 80 COCO object classes", "rtdetr-v2-r50", "object_detection", size_bytes=136_700_000),
    yolo_pin(
        "yolov8n",
        "YOLOv8n, 80 COCO object classes",
        "rtdetr-v2-r18",
        "object_detection",
        digest="sha256:f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
        size_bytes=6_549_796,
    ),
    hub_pin(
        "rtdetr-v2-r50",
        "RT-DETRv2 with ResNet-50, 80 COCO object classes",
        "PekingU/rtdetr_v2_r50vd",
        "282494075698cab9faa1096ae26856890030c817",
        used_by=DETECTION,
        size_bytes=172_000_000,
    ),
    hub_pin(
        "rtdetr-v2-r18",
        "RT-DETRv2 with ResNet-18, 80 COCO object classes",
        "PekingU/rtdetr_v2_r18vd",
        "5650961749fa93567c0d46fc7f43ea4f9e914107",
        used_by=DETECTION,
        size_bytes=81_000_000,
        size_known="counted",
    ),
    hub_pin(
        "segformer-b2",
        "SegFormer-B2, 150 ADE20K classes at 512 px",
        "nvidia/segformer-b2-finetuned-ade-512-512",
        "de01bae28967510f9ddd496c60a969357195400c",
        alternative="upernet-convnext-small",
        # The pinned commit has no safetensors.
        format="torch",
        size_bytes=110_000_000,
        size_known="counted",
        **NVIDIA,
    ),
    hub_pin(
        "segformer-b0",
        "SegFormer-B0, 150 ADE20K classes at 512 px",
        "nvidia/segformer-b0-finetuned-ade-512-512",
        "489d5cd81a0b59fab9b7ea758d3548ebe99677da",
        alternative="upernet-convnext-tiny",
        size_bytes=15_036_944,
        digests=(("model.safetensors", "sha256:6ae39addd01de6b1b8bde2cf677d43a5cd733424b8d186de3f95d1c51fee23f9"),),
        **NVIDIA,
    ),
    hub_pin(
        "upernet-convnext-small",
        "UPerNet with ConvNeXt-S, 150 ADE20K classes",
        "openmmlab/upernet-convnext-small",
        None,
        licence="MIT",
        used_by=("background_segmentation",),
        size_bytes=328_000_000,
        size_known="counted",
    ),
    hub_pin(
        "upernet-convnext-tiny",
        "UPerNet with ConvNeXt-T, 150 ADE20K classes",
        "openmmlab/upernet-convnext-tiny",
        None,
        licence="MIT",
        used_by=("background_segmentation",),
        size_bytes=241_000_000,
    ),
    hub_pin(
        "clip-l14",
        "CLIP ViT-L/14, image and text embeddings",
        "openai/clip-vit-large-patch14",
        "32bd64288804d66eefd0ccbe215aa642df71cc41",
        size_bytes=1_710_540_580,
        digests=(("model.safetensors", "sha256:a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb"),),
        **MIT_CLIP,
    ),
    hub_pin(
        "clip-b32",
        "CLIP ViT-B/32, image and text embeddings",
        "openai/clip-vit-base-patch32",
        "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268",
        size_bytes=605_247_071,
        digests=(("pytorch_model.bin", "sha256:a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f"),),
        # The pinned commit has no safetensors.
        format="torch",
        **MIT_CLIP,
    ),
)
