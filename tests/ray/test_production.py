"""The production file itself on a Ray that is told of a GPU: tiny weights, and every analyzer accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
import yaml

from analyzers.catalogue import analyzer_class
from deployments.analyzer import DEVICE_VARIABLE
from ops.clips import write_clip
from ops.profiles import PROFILE_FILES, load_profile
from ops.sample import FPS, pictures, sound
from ops.soundtrack import RATE_HZ
from tests.checklist_places import check_places
from tests.made_site import wait_for
from tests.media_folder import MEDIA
from tests.ray.nodes import Nodes, ray_nodes
from tests.tiny_weights import TinyWeights

# Twelve replicas import torch, and everything of a GPU runs on two cores: 4 minutes where nothing else does.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

START_LIMIT_S = 800.0

REAL_CLIP = MEDIA / "derived" / "vertical_talk_cuts_subs_A.mp4"
"""12 s of people who talk, with captions and cuts."""

MADE_S = 4.0
"""Of the sample, where there is no real clip: two shots, a caption, speech, music."""

STORE_BYTES = 1024 * 1024 * 1024


def wanted_pins(config: dict[str, Any]) -> set[str]:
    """Every pin that a replica of this configuration asks for."""
    found = set()
    for block in config["applications"][0]["deployments"]:
        if block["name"] != "Ingress":
            cls = analyzer_class(block["name"])
            found |= set(cls(cls.Config.model_validate(block.get("user_config") or {})).wanted_models())
    return found


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory, tiny_weights: TinyWeights) -> Iterator[Nodes]:
    # Ray books the GPU; this lets replicas with a share of it compute on the CPU.
    with ray_nodes(tmp_path_factory.mktemp("production"), {DEVICE_VARIABLE: "cpu", "OMP_NUM_THREADS": "1"}) as nodes:
        args = {
            "data_dir": str(nodes.folder / "data"),
            "video_roots": [str(nodes.folder)],
            "weights_dir": str(tiny_weights.folder),
        }
        config = load_profile(PROFILE_FILES["gpu"], port=nodes.http_port, args=args)
        for name in wanted_pins(config):
            tiny_weights.path(name)
        nodes.start_head("--num-gpus=1", "--num-cpus=40", f"--object-store-memory={STORE_BYTES}")
        nodes.deploy(config, limit_s=START_LIMIT_S)
        yield nodes


@pytest.fixture(scope="module")
def document(production: Nodes) -> dict[str, Any]:
    clip = production.folder / "clip.mp4"
    if REAL_CLIP.exists():
        clip.write_bytes(REAL_CLIP.read_bytes())
    else:
        made = islice(pictures(), round(MADE_S * FPS))
        frames = (np.asarray(cv2.resize(p, (360, 640), interpolation=cv2.INTER_AREA), np.uint8) for p in made)
        write_clip(clip, frames, FPS, sound()[: round(MADE_S * RATE_HZ)], RATE_HZ)
    return production.document(clip.name, timeout_s=600.0)


def test_every_section_has_a_result_or_does_not_apply(document: dict[str, Any]) -> None:
    other = {
        name: (section["status"], section["error"])
        for name, section in document["sections"].items()
        if section["status"] not in ("ok", "not_applicable")
    }
    assert other == {}
    assert len(document["sections"]) >= 24  # 23 analyzers and clip_encoder
    assert document["performance"]["video_decodes"] == 1


def test_every_model_is_named_with_its_revision(document: dict[str, Any]) -> None:
    for name, section in document["sections"].items():
        if analyzer_class(name).models and section["status"] == "ok":
            models = section["provenance"]["models"]
            assert models, name
            assert all("@" in model for model in models), name


def test_nothing_of_a_model_stands_where_no_model_ran(document: dict[str, Any]) -> None:
    for name, section in document["sections"].items():
        assert (section["result"] is None) == (section["status"] != "ok"), name


def test_with_every_model_only_what_no_analyzer_tells_stays_open(document: dict[str, Any]) -> None:
    checklist = check_places(document)
    assert {key.partition(".")[2] for key in checklist.lacks if checklist.open_without(key)} <= {
        "no_speaker_model",
        "not_parted",
        "no_person_model",
        "no_answer",
        "too_few_words",
        "no_word_list",
    }


def test_the_shares_of_the_file_are_booked(production: Nodes) -> None:
    listing = production.run(
        "ray", "list", "actors", "--format=json", "--detail", "--filter", "state=ALIVE", "--limit=1000"
    )
    booked = {
        actor["name"].split("::")[1].split("#")[1]: actor["required_resources"].get("GPU", 0.0)
        for actor in json.loads(listing)
        if (actor["name"] or "").startswith("SERVE_REPLICA::")
    }
    config = load_profile(PROFILE_FILES["gpu"])
    expected = {
        block["name"]: block["ray_actor_options"].get("num_gpus", 0.0)
        for block in config["applications"][0]["deployments"]
    }
    assert booked == pytest.approx(expected)
    assert sum(booked.values()) <= 1.0


def test_health_and_status(production: Nodes) -> None:
    health: dict[str, Any] = {}

    def is_healthy() -> bool:
        health.update(httpx.get(f"{production.url}/health", timeout=60.0).json())
        return bool(health["status"] == "healthy")

    assert wait_for(is_healthy), health
    assert set(health["analyzers"].values()) == {"ready"}
    status = yaml.safe_load(production.run("serve", "status"))
    assert status["applications"]["tiktok-analyzer"]["status"] == "RUNNING"
