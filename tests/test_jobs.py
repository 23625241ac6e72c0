"""Documents are written whole or not at all; progress and remaining time are computed from what is known."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from jobs.record import JobRecord, overall_progress
from jobs.results import ResultStore, new_id
from reducer.document import build_document
from schema.document import AnalysisDocument, Performance, SourceFacts, VideoFacts
from schema.errors import NotFound
from schema.jobs import AnalyzerProgress, JobOptions, JobSource, JobState, StateChange


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
    staged = store.stage(document)
    with pytest.raises(NotFound):
        store.path_of(document.id)
    staged.publish()
    assert staged.target == store.path_of(document.id)
    assert store.read(document.id) == document
    assert _files(tmp_path) == [staged.target]


def test_a_failed_write_leaves_the_old_document_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, document = ResultStore(tmp_path), _document("old.mp4")
    store.stage(document).publish()

    def full(_: int) -> None:
        raise OSError("disk full")

    changed = document.model_copy(update={"source": document.source.model_copy(update={"name": "new.mp4"})})
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OSError, match="disk full"):
            store.stage(changed)
    assert store.read(document.id).source.name == "old.mp4"
    assert _files(tmp_path) == [store.path_of(document.id)]


def test_what_dead_workers_have_staged_is_removed_for_one_job(tmp_path: Path) -> None:
    store, mine, other = ResultStore(tmp_path), _document(), _document()
    store.stage(mine)
    store.stage(mine)
    kept = store.stage(other)
    store.forget_staged(mine.id)
    assert _files(tmp_path) == [kept.staged]
    kept.discard()
    kept.discard()
    assert _files(tmp_path) == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("id", ["", "x", "../" + "0" * 32, "0" * 31, "G" * 32, "0" * 32])
def test_unknown_ids(tmp_path: Path, id: str) -> None:
    with pytest.raises(NotFound):
        ResultStore(tmp_path).path_of(id)


def test_progress_counts_chunks_and_conclusions() -> None:
    assert overall_progress({}) == 0.0
    analyzers = {
        "a": AnalyzerProgress(chunks_done=3, chunks_planned=3, status="ok"),
        "b": AnalyzerProgress(chunks_done=1, chunks_planned=3),
    }
    assert overall_progress(analyzers) == pytest.approx(5 / 8)


def test_progress_is_not_begun_by_sections_that_took_no_work() -> None:
    settled = {name: AnalyzerProgress(chunks_done=0, chunks_planned=0, status="unavailable") for name in "cdefg"}
    waiting = {
        "a": AnalyzerProgress(chunks_done=0, chunks_planned=6),
        "b": AnalyzerProgress(chunks_done=0, chunks_planned=0),
    }
    assert overall_progress({**settled, **waiting}) == 0.0
    half = {
        "a": AnalyzerProgress(chunks_done=3, chunks_planned=6),
        "b": AnalyzerProgress(chunks_done=0, chunks_planned=0),
    }
    assert overall_progress({**settled, **half}) == pytest.approx(3 / 8)
    assert overall_progress(settled) == 1.0


@pytest.mark.parametrize(
    ("progress", "spent_s", "changes", "remaining_s"),
    [
        (0.25, 10.0, ["queued", "decoding"], 30.0),
        (0.5, 10.0, ["queued", "downloading", "decoding", "analyzing"], 10.0),
        (0.04, 10.0, ["queued", "decoding"], None),  # too early to tell
        (0.5, 10.0, ["queued", "decoding", "queued"], None),  # its worker died
        (1.0, 10.0, ["queued", "decoding", "done"], None),
    ],
)
def test_remaining_time_is_told_from_the_speed_so_far(
    progress: float, spent_s: float, changes: list[JobState], remaining_s: float | None
) -> None:
    begun = datetime.now(timezone.utc)
    waited = begun - timedelta(seconds=100.0)  # waiting and downloading tell nothing about the speed
    record = JobRecord(
        number=1,
        id=new_id(),
        state=changes[-1],
        priority=5,
        source=JobSource(kind="path", name="a.mp4", location="/a.mp4"),
        analyzers=None,
        options=JobOptions(),
        idempotency_key=None,
        fingerprint="",
        batch=None,
        created_at=waited,
        started_at=waited,
        ended_at=None,
        updated_at=begun + timedelta(seconds=spent_s),
        changes=tuple(
            StateChange(state=state, at=begun if state in ("decoding", "analyzing") else waited) for state in changes
        ),
        attempts=1,
        lease_owner=None,
        lease_until=None,
        cancel_requested=False,
        progress=progress,
        analyzer_progress={},
        last_event=len(changes),
        settled=False,
        results_file=None,
        error=None,
    )
    assert record.status().remaining_s == remaining_s
