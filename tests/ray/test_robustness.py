"""What goes wrong stays where it is: analyzers that raise, hang or die, and a decoder that is killed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from ray import serve

from deployments.settings import GraphArgs
from tests.ray.conftest import Running
from tests.ray.faulty import HANG_S, Fault, faulty_app, over_file

DEADLINE_S = 4.0
KILL_TRIES = 4
"""A machine that stops at the wrong moment may miss the decode once, not each time."""

FAULTS: dict[str, Fault] = {
    "cut_analysis": "none",
    "color_analysis": "raise_second_chunk",
    "camera_analysis": "die_once",
    "text_overlay": "hang",
    "audio_analysis": "raise_conclude",
    "speech_flow": "raise_observe",
}


@pytest.fixture(scope="module")
def spoilt(running: Running, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The document of the sample from an application of which every analyzer but one misbehaves."""
    marker = tmp_path_factory.mktemp("markers") / "died"
    # A data folder of its own: whoever shares it shares the jobs.
    data = tmp_path_factory.mktemp("spoilt")
    settings = GraphArgs(data_dir=str(data), video_roots=(str(running.videos),))
    app = faulty_app(settings, FAULTS, marker, {"text_overlay": {"deadline_s": DEADLINE_S}})
    serve.run(app, name="spoilt", route_prefix="/spoilt", logging_config={"log_level": "ERROR"})
    answer = running.http.post("/spoilt/analyze", json={"video_path": str(sample)})
    assert answer.status_code == 200, answer.text
    over_file(f"{marker}-text_overlay").touch()
    yield running.http.get(f"/spoilt/jobs/{answer.json()['id']}/document").json()
    serve.delete("spoilt")


@pytest.fixture(scope="module")
def sound(running: Running, sample: Path) -> dict[str, Any]:
    return running.document(running.analyze(sample, *FAULTS))


def test_the_document_is_partial_and_names_each_fault(spoilt: dict[str, Any]) -> None:
    assert spoilt["status"] == "partial"
    assert {name: section["status"] for name, section in spoilt["sections"].items()} == {
        "cut_analysis": "ok",
        "color_analysis": "partial",
        "camera_analysis": "ok",
        "text_overlay": "failed",
        "audio_analysis": "failed",
        "speech_flow": "failed",
    }


@pytest.mark.parametrize("name", ["cut_analysis", "camera_analysis"])
def test_the_others_are_unharmed(spoilt: dict[str, Any], sound: dict[str, Any], name: str) -> None:
    """Also the one whose replica died: its chunk was sent again, so not one observation is missing."""
    assert spoilt["sections"][name]["result"] == sound["sections"][name]["result"]
    coverage = spoilt["sections"][name]["provenance"]["coverage"]
    assert (coverage["chunks_failed"], coverage["share"]) == (0, 1.0)


def test_a_lost_chunk_is_told_as_coverage(spoilt: dict[str, Any]) -> None:
    section = spoilt["sections"]["color_analysis"]
    coverage = section["provenance"]["coverage"]
    assert coverage["chunks_failed"] == 1
    assert coverage["chunks_observed"] == coverage["chunks_planned"] - 1
    assert coverage["share"] == pytest.approx(1.0 - 2.0 / spoilt["video"]["duration_s"], abs=1e-6)
    assert section["error"]["code"] == "chunks_failed"
    assert "spoilt on purpose" in section["error"]["reason"]


def test_a_failed_conclusion_is_told_with_its_cause(spoilt: dict[str, Any]) -> None:
    error = spoilt["sections"]["audio_analysis"]["error"]
    assert error["code"] == "analyzer_error"
    assert error["reason"] == "ZeroDivisionError: spoilt on purpose"
    assert "Traceback" not in str(spoilt["sections"])


def test_a_hanging_analyzer_ends_with_its_deadline(spoilt: dict[str, Any]) -> None:
    error = spoilt["sections"]["text_overlay"]["error"]
    assert (error["code"], error["retry_possible"]) == ("timeout", True)
    assert spoilt["performance"]["processing_time"] < HANG_S


def test_what_is_missing_is_in_the_summary(spoilt: dict[str, Any]) -> None:
    assert {line.split(":")[0] for line in spoilt["summary"]["missing"]} == {
        "text_overlay",
        "audio_analysis",
        "speech_flow",
    }


@pytest.mark.slow
def test_a_chunk_that_kills_every_replica_costs_that_chunk_only(running: Running, sample: Path, tmp_path: Path) -> None:
    settings = GraphArgs(data_dir=str(tmp_path / "data"), video_roots=(str(running.videos),), chunk_retries=1)
    app = faulty_app(settings, {"color_analysis": "die_always"}, tmp_path / "died", {})
    serve.run(app, name="deadly", route_prefix="/deadly", logging_config={"log_level": "ERROR"})
    try:
        answer = running.http.post("/deadly/analyze", json={"video_path": str(sample)})
        document = running.http.get(f"/deadly/jobs/{answer.json()['id']}/document").json()
    finally:
        serve.delete("deadly")
    section = document["sections"]["color_analysis"]
    assert section["status"] == "partial"
    assert "its process died 2 times" in section["error"]["reason"]
    assert section["provenance"]["coverage"]["chunks_failed"] >= 1
    assert section["result"] is not None


@pytest.mark.slow
def test_a_killed_decoder_loses_and_repeats_nothing(running: Running, sample: Path, sound: dict[str, Any]) -> None:
    """SIGKILL in the middle of the decode: Ray starts it again and every chunk is seen exactly once."""
    for _ in range(KILL_TRIES):
        killed, answer = analysis_with_a_kill(running, sample)
        if killed:
            break
    document = running.document(answer)
    assert killed
    assert document["status"] == "ok"
    assert document["video"]["frames_decoded"] == sound["video"]["frames_decoded"]
    for name in ("cut_analysis", "color_analysis"):
        assert document["sections"][name]["result"] == sound["sections"][name]["result"]
        assert document["sections"][name]["provenance"]["coverage"]["chunks_failed"] == 0


def analysis_with_a_kill(running: Running, sample: Path) -> tuple[list[int], httpx.Response]:
    """The processes that were killed, none where the decode was over too soon, and what the client was told."""
    killed: list[int] = []
    over = threading.Event()

    def kill_one_decoder() -> None:
        while not killed and not over.is_set():
            for process in psutil.process_iter(["cmdline"]):
                if "_decode_video" in " ".join(process.info["cmdline"] or []):
                    time.sleep(0.3)
                    with suppress(psutil.NoSuchProcess):
                        if "_decode_video" in " ".join(process.cmdline()):
                            process.kill()
                            killed.append(process.pid)
                            return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one_decoder)
    killer.start()
    answer = running.analyze(sample, "cut_analysis", "color_analysis")
    over.set()
    killer.join()
    return killed, answer
