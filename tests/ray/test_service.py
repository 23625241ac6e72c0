"""The service as a client meets it: health, analysis by path and upload, the document, the schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from analyzers.catalogue import CATALOGUE, analyzer_class
from deployments.settings import GraphArgs
from reducer.quality import disorder
from schema.document import AnalysisDocument
from tests.made_site import wait_for
from tests.media_folder import media
from tests.ray.actors import replica_pids
from tests.ray.conftest import Running

HEALTH_FIELDS = {
    "status",
    "timestamp",
    "gpu",
    "active_analyzers",
    "parallelization",
    "analyzers",
    "videos_in_work",
    "disk",
    "jobs_queued",
}
KINDS = {"/jobs/{id}/events": "text/event-stream", "/jobs/{id}/thumbnails/{name}": "image/jpeg"}
"""Media types of the routes that answer with something else than JSON."""

ANSWER_FIELDS = {
    "id",
    "status",
    "video_path",
    "processing_time",
    "realtime_factor",
    "successful_analyzers",
    "total_analyzers",
    "results_file",
    "error",
}


def test_health_has_the_operators_shape(running: Running) -> None:
    health = running.http.get("/health").json()
    assert set(health) == HEALTH_FIELDS
    assert health["parallelization"] == "ray_serve"
    assert set(health["analyzers"]) == set(GraphArgs().active_analyzers)
    assert set(health["gpu"]) == {"gpu_available", "gpu_name", "gpu_memory"}
    assert health["active_analyzers"] == sum(state == "ready" for state in health["analyzers"].values())


def test_probes(running: Running) -> None:
    assert running.http.get("/health/live").json() == {"status": "live"}
    assert wait_for(lambda: running.http.get("/health/ready").json() == {"status": "ready"})


@pytest.fixture(scope="module")
def sample_answer(running: Running, sample: Path) -> dict[str, object]:
    answer = running.analyze(sample)
    assert answer.status_code == 200, answer.text
    body: dict[str, object] = answer.json()
    return body


def test_the_answer_names_the_document(sample_answer: dict[str, object], sample: Path) -> None:
    assert set(sample_answer) == ANSWER_FIELDS
    assert sample_answer["video_path"] == str(sample)
    assert sample_answer["total_analyzers"] == len(GraphArgs().active_analyzers)
    stored = AnalysisDocument.model_validate_json(Path(str(sample_answer["results_file"])).read_bytes())
    assert stored.id == sample_answer["id"]
    assert stored.performance.processing_time == sample_answer["processing_time"]


def test_the_document_is_complete_and_decoded_once(running: Running, sample_answer: dict[str, object]) -> None:
    document = AnalysisDocument.model_validate(running.http.get(f"/jobs/{sample_answer['id']}/document").json())
    assert list(document.sections) == list(GraphArgs().active_analyzers)
    assert {n: s.error for n, s in document.sections.items() if s.status in ("failed", "partial")} == {}
    assert document.performance.video_decodes == 1
    assert document.video.frames_decoded == document.video.frames_declared
    assert document.quality.time_monotone
    for name, section in document.sections.items():
        assert disorder(section.result, document.video.duration_s) is None, name
    assert document.timeline[0].start_time == 0.0
    assert document.timeline[-1].end_time == document.video.duration_s
    assert all(a.end_time == b.start_time for a, b in zip(document.timeline, document.timeline[1:], strict=False))


def test_the_document_follows_the_published_schema(running: Running, sample_answer: dict[str, object]) -> None:
    schema = running.http.get("/schema").json()
    document = running.http.get(f"/jobs/{sample_answer['id']}/document").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    document["sections"]["cut_analysis"]["result"]["shots"] = "none"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(document)


def test_some_sections_of_a_document(running: Running, sample_answer: dict[str, object]) -> None:
    answer = running.http.get(f"/jobs/{sample_answer['id']}/document", params={"sections": "cut_analysis"})
    assert list(answer.json()["sections"]) == ["cut_analysis"]
    refused = running.http.get(f"/jobs/{sample_answer['id']}/document", params={"sections": "nope"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_an_upload_gives_the_same_sections_and_leaves_no_file(
    running: Running, sample: Path, sample_answer: dict[str, object]
) -> None:
    with sample.open("rb") as file:
        answer = running.http.post(
            "/analyze", files={"file": ("../clip.mp4", file)}, data={"analyzers": "cut_analysis,color_analysis"}
        )
    document = running.document(answer)
    by_path = running.http.get(f"/jobs/{sample_answer['id']}/document").json()
    assert document["source"]["kind"] == "upload"
    assert document["source"]["name"] == "clip.mp4"
    assert document["source"]["sha256"] == by_path["source"]["sha256"]
    for name in ("cut_analysis", "color_analysis"):
        assert document["sections"][name]["result"] == by_path["sections"][name]["result"]
    assert wait_for(lambda: not list((running.data / "incoming").iterdir()))


def test_one_analyzer_brings_what_it_depends_on(running: Running, sample: Path) -> None:
    dependent = next((cls for cls in CATALOGUE if cls.after), None)
    if dependent is None:
        pytest.skip("no analyzer depends on another yet")
    sections = running.document(running.analyze(sample, dependent.name))["sections"]
    assert sections[dependent.name]["requested"]
    for name in dependent.after:
        assert not sections[name]["requested"]


def test_async_requests_are_followed_by_their_job(running: Running, sample: Path) -> None:
    answer = running.http.post(
        "/analyze",
        json={"video_path": str(sample), "analyzers": ["color_analysis"]},
        headers={"Prefer": "respond-async"},
    )
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/jobs/{job['id']}"
    shares = [job["progress"]]
    while job["state"] not in ("done", "failed", "cancelled"):
        job = running.http.get(f"/jobs/{job['id']}").json()
        shares.append(job["progress"])
    assert job["state"] == "done"
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert Path(job["results_file"]).is_file()
    assert job["id"] in [j["id"] for j in running.http.get("/jobs").json()["jobs"]]


def test_what_answers_goes_before_what_computes(running: Running) -> None:
    pids = replica_pids()
    (ingress,) = pids["Ingress"]
    assert niceness(ingress) == {0}
    for name in ("cut_analysis", "text_overlay"):
        assert {19} <= set.union(*map(niceness, pids[name])), name


def niceness(pid: int) -> set[int]:
    """Of all threads of a process (proc(5), field 19 of ``stat``)."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return {int(stat.rpartition(")")[2].split()[16]) for stat in stats}


def test_openapi_names_every_model_and_error(running: Running) -> None:
    openapi = running.http.get("/openapi.json").json()
    for path, methods in openapi["paths"].items():
        for method, route in methods.items():
            ok = [r for code, r in route["responses"].items() if code.startswith("2") and code != "204"]
            kind = KINDS.get(path, "application/json")
            assert all(r["content"][kind]["schema"] for r in ok), (method, path)
            assert any(code.startswith(("4", "5")) for code in route["responses"]), (method, path)
    bodies = openapi["paths"]["/analyze"]["post"]["requestBody"]["content"]
    assert set(bodies) == {"application/json", "multipart/form-data"}
    for name in ("AnalysisDocument", "ErrorBody", "JobOptions", "JobPage", "JobStatus", "HealthResponse"):
        assert name in openapi["components"]["schemas"]
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(openapi)))
    assert references <= set(openapi["components"]["schemas"])


def test_analyzers_are_listed_with_settings(running: Running) -> None:
    listed: dict[str, Any] = {}

    def all_answer() -> bool:
        listed.update(running.http.get("/analyzers").json())
        return all(row["config"] for row in listed["analyzers"])

    assert wait_for(all_answer)
    assert [row["name"] for row in listed["analyzers"]] == list(GraphArgs().active_analyzers)
    for row in listed["analyzers"]:
        config = analyzer_class(row["name"]).Config
        assert row["config_schema"] == json.loads(json.dumps(config.model_json_schema()))
        assert row["config"]["deadline_s"] > 0
    assert listed["retired"]["face_detection"] == "eye_tracking"


def test_sound_without_pictures(running: Running) -> None:
    document = running.document(running.analyze(media("whisper/jfk.flac")))
    assert document["video"]["width"] is None
    assert document["performance"]["video_decodes"] == 0
    assert document["sections"]["cut_analysis"]["status"] == "not_applicable"
    assert document["sections"]["cut_analysis"]["error"]["code"] == "no_video"
    assert document["sections"]["speech_flow"]["status"] == "ok"


def test_pictures_without_sound(running: Running) -> None:
    document = running.document(running.analyze(media("intel/asl_thanks.mkv")))
    assert document["sections"]["audio_analysis"]["status"] == "not_applicable"
    assert document["sections"]["audio_analysis"]["error"]["code"] == "no_audio"
    assert document["sections"]["cut_analysis"]["status"] == "ok"


def test_a_truncated_video_gives_a_partial_document(running: Running) -> None:
    document = running.document(running.analyze(media("derived/truncated_half.webm"), "cut_analysis", "color_analysis"))
    assert document["status"] == "partial"
    assert document["video"]["truncated"]
    assert document["video"]["frames_decoded"] == 347
    assert document["quality"]["frames_decoded_share"] == pytest.approx(347 / 720, abs=0.02)
