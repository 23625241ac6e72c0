"""A mass run that a service works on: `bulk process` finds the service, starts no worker of its own and watches."""

from __future__ import annotations

import pytest

import cli
from jobs.opening import open_store
from jobs.settings import JobSettings
from tests.made_media import make_video
from tests.ray.conftest import Running


def test_a_service_works_on_a_mass_run(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    folder = running.videos / "mass"
    folder.mkdir()
    for number in range(3):
        make_video(folder / f"{number}.mp4", [0.04 * i for i in range(25)], first_number=number)
    (folder / "broken.mp4").write_bytes(b"no video")
    options = ["--data", str(running.data), "--batch", "served"]
    assert cli.main(["bulk", "add", str(folder), "--analyzers", "color_analysis", *options]) == 0
    process = ["bulk", "process", "--url", running.service.url, *options]
    assert cli.main(process) == cli.EXIT_INCOMPLETE
    said = " ".join(capsys.readouterr().out.split())
    assert "works on this run; watching" in said
    assert "4 of 4 ended" in said
    assert "1 not_a_video" in said
    assert not (running.data / "logs" / "bulk-workers.log").exists()
    store = open_store(JobSettings(), running.data)
    assert store.counts("served") == {"done": 3, "failed": 1}
    store.close()
    videos = {job["video"]: job["priority"] for job in running.http.get("/jobs", params={"limit": 4}).json()["jobs"]}
    assert videos == {str(folder / name): 2 for name in ("0.mp4", "1.mp4", "2.mp4", "broken.mp4")}
