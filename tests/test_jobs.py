"""Documents are written whole or not at all; jobs are admitted up to a limit."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from jobs.registry import REMEMBERED, JobRegistry
from jobs.results import ResultStore, new_id
from reducer.document import build_document
from schema.document import AnalysisDocument, Performance, SourceFacts, VideoFacts
from schema.errors import NotFound, Overloaded
from schema.jobs import AnalyzerProgress


def _document(name: str = "x.mp4") -> AnalysisDocument:
    return build_document(
        id=new_id(),
        created_at=datetime.now(timezone.utc),
        source=SourceFacts(kind="path", name=name, sha256="0" * 64, size_bytes=1),
        video=VideoFacts(container="mp4", duration_s=1.0),
        outcomes={},
        performance=Performance(processing_time=1.0, realtime_factor=1.0),
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    store, document = ResultStore(tmp_path), _document()
    path = store.write(document)
    assert path == store.path_of(document.id)
    assert store.read(document.id) == document
    assert [p.name for p in path.parent.iterdir()] == ["document.json"]


def test_a_failed_write_leaves_the_old_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, document = ResultStore(tmp_path), _document("old.mp4")
    store.write(document)

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    changed = document.model_copy(update={"source": document.source.model_copy(update={"name": "new.mp4"})})
    with pytest.raises(OSError, match="disk full"):
        store.write(changed)
    assert store.read(document.id).source.name == "old.mp4"


@pytest.mark.parametrize("id", ["", "x", "../" + "0" * 32, "0" * 31, "G" * 32, "0" * 32])
def test_unknown_ids(tmp_path: Path, id: str) -> None:
    with pytest.raises(NotFound):
        ResultStore(tmp_path).path_of(id)


def test_admission_stops_at_the_limit_and_goes_on_after() -> None:
    registry = JobRegistry(max_in_work=2)
    first, _ = registry.admit("a.mp4"), registry.admit("b.mp4")
    with pytest.raises(Overloaded, match="2 videos are in work"):
        registry.admit("c.mp4")
    first.state = "failed"
    assert registry.in_work == 1
    assert registry.admit("c.mp4").state == "queued"


def test_running_jobs_are_never_forgotten() -> None:
    registry = JobRegistry(max_in_work=2)
    running = registry.admit("long.mp4")
    for _ in range(REMEMBERED + 5):
        registry.admit("short.mp4").state = "done"
    assert registry.get(running.id) is running
    assert len(registry.all()) == REMEMBERED
    with pytest.raises(NotFound):
        registry.get("nope")


def test_progress_counts_chunks_and_conclusions() -> None:
    job = JobRegistry(1).admit("a.mp4")
    assert job.status().progress == 0.0
    job.progress_of = lambda: {
        "a": AnalyzerProgress(chunks_done=3, chunks_planned=3, status="ok"),
        "b": AnalyzerProgress(chunks_done=1, chunks_planned=3),
    }
    assert job.status().progress == pytest.approx(5 / 8)
    job.state = "done"
    assert job.status().progress == 1.0
