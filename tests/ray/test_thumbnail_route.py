"""Thumbnails over HTTP: where the document says they are, also of sections from the cache; typed errors for others."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.ray.conftest import Running
from tests.test_reuse import make_clip


def test_the_document_names_pictures_that_are_there(running: Running) -> None:
    clip = make_clip(running.videos / "thumbnails.mp4", seed=21)
    for from_cache in (False, True):
        document = running.document(running.analyze(clip, "scene_segmentation", fresh=False))
        section = document["sections"]["scene_segmentation"]
        assert section["provenance"]["from_cache"] == from_cache
        assert section["result"]["thumbnails"]
        for row in section["result"]["thumbnails"]:
            answer = running.http.get(f"/jobs/{document['id']}/{row['image']}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
            picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
            assert picture is not None
            assert picture.shape == (row["height"], row["width"], 3)


@pytest.mark.parametrize("path", [f"{'0' * 32}/thumbnails/a-1.jpg", "x/thumbnails/a-1.jpg", "x/thumbnails/a"])
def test_others_are_not_found(running: Running, path: str) -> None:
    answer = running.http.get(f"/jobs/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
