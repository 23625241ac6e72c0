"""One Ray with the embedded profile for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.profiles import PROFILE_FILES, load_profile
from ops.server import Service, local_service
from tests.media_folder import MEDIA
from tests.ray.ports import free_port
from tests.sample_file import place_sample


@dataclass(frozen=True)
class Running:
    service: Service
    config: dict[str, Any]
    data: Path
    videos: Path
    http: httpx.Client

    def analyze(self, video: Path | str, *analyzers: str, fresh: bool = True) -> httpx.Response:
        """Has all of it computed, unless ``fresh`` is False: tests look at the work and not at the section cache."""
        body: dict[str, Any] = {"video_path": str(video), "options": {"fresh": fresh}}
        if analyzers:
            body["analyzers"] = analyzers
        return self.http.post("/analyze", json=body)

    def document(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = self.http.get(f"/jobs/{answer.json()['id']}/document").json()
        return found


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data, videos = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("videos")
    args = {"data_dir": str(data), "video_roots": [str(videos), str(MEDIA)]}
    config = load_profile(PROFILE_FILES["cpu"], port=free_port(), args=args)
    with local_service(config) as service, httpx.Client(base_url=service.url, timeout=240.0) as http:
        yield Running(service, config, data, videos, http)


@pytest.fixture(scope="session")
def sample(running: Running) -> Path:
    path = running.videos / "sample.mp4"
    place_sample(path)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ray)
