"""A document's pictures become files beside it: with it, not before it, never without it, nowhere else."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from analyzers.results.scene_segmentation import SceneResult
from jobs.results import ResultStore
from jobs.thumbnails import FOLDER, INLINE, picture_names, split_pictures
from ops.documents import write_document
from schema.document import AnalysisDocument, Provenance, Section
from schema.errors import NotFound
from tests.test_jobs import _document

PICTURES = {7: b"\xff\xd8seven", 42: b"\xff\xd8forty-two"}
NAMES = {frame: f"scene_segmentation-{frame}.jpg" for frame in PICTURES}


def thumbnail(frame: int, image: str) -> dict[str, Any]:
    return {"frame": frame, "timestamp": frame / 25.0, "width": 81, "height": 144, "image": image}


@pytest.fixture
def document() -> AnalysisDocument:
    rows = [thumbnail(frame, INLINE + base64.b64encode(data).decode()) for frame, data in PICTURES.items()]
    result = {"measures": [], "scenes": [], "shots": [], "thumbnails": rows}
    other = Section(analyzer="color_analysis", status="failed", provenance=Provenance(analyzer_version="1"))
    scenes = Section(
        analyzer="scene_segmentation", status="ok", result=result, provenance=Provenance(analyzer_version="4")
    )
    return _document().model_copy(update={"sections": {"color_analysis": other, "scene_segmentation": scenes}})


def images(document: AnalysisDocument) -> list[str]:
    result = SceneResult.model_validate(document.sections["scene_segmentation"].result)
    return [thumbnail.image for thumbnail in result.thumbnails]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_stored_document_names_its_pictures(tmp_path: Path, document: AnalysisDocument) -> None:
    store = ResultStore(tmp_path)
    staged = store.stage(document)
    with pytest.raises(NotFound):
        store.picture_of(document.id, NAMES[7])
    staged.publish()
    staged.publish()  # the store did not say that the first time was enough
    assert images(store.read(document.id)) == [f"thumbnails/{name}" for name in NAMES.values()]
    folder = store.path_of(document.id).parent
    assert {f"thumbnails/{NAMES[frame]}": data for frame, data in PICTURES.items()} == {
        name: data for name, data in files(folder).items() if name != "document.json"
    }
    assert all((folder / image).is_file() for image in images(store.read(document.id)))
    for frame, data in PICTURES.items():
        assert store.picture_of(document.id, NAMES[frame]).read_bytes() == data
    assert list((tmp_path / "staging").iterdir()) == []


def test_what_has_files_already_stays_as_it_is(document: AnalysisDocument) -> None:
    named, pictures = split_pictures(document)
    assert {NAMES[frame]: data for frame, data in PICTURES.items()} == pictures
    assert split_pictures(named) == (named, {})
    assert split_pictures(_document())[1] == {}


def test_what_dead_workers_left_is_replaced_and_removed(tmp_path: Path, document: AnalysisDocument) -> None:
    store = ResultStore(tmp_path)
    store.stage(document)
    store.forget_staged(document.id)
    assert files(tmp_path) == {}
    old = tmp_path / "results" / document.id / FOLDER
    old.mkdir(parents=True)
    (old / "color_analysis-1.jpg").write_bytes(b"of a worker that died before its document was there")
    store.stage(document).publish()
    assert {path.name for path in old.iterdir()} == set(NAMES.values())
    store.remove(document.id)  # the job ended without a document
    assert list((tmp_path / "results").iterdir()) == []


def test_a_failed_write_leaves_nothing(
    tmp_path: Path, document: AnalysisDocument, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ResultStore(tmp_path)

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        store.stage(document)
    assert list((tmp_path / "staging").iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../document.json", "document.json", "scene_segmentation-8.jpg", "", ".", "a/b-1.jpg"]
)
def test_no_other_file_is_given_out(tmp_path: Path, document: AnalysisDocument, name: str) -> None:
    store = ResultStore(tmp_path)
    store.stage(document).publish()
    with pytest.raises(NotFound, match="no picture"):
        store.picture_of(document.id, name)


def test_a_document_in_a_folder_of_ones_own_has_its_pictures_there(tmp_path: Path, document: AnalysisDocument) -> None:
    target = write_document(document, tmp_path, "clip", {})
    stored = AnalysisDocument.model_validate_json(target.read_bytes())
    assert images(stored) == [f"clip-thumbnails/{name}" for name in NAMES.values()]
    assert {path.name for path in tmp_path.iterdir()} == {"clip.json", "clip-thumbnails"}
    assert (tmp_path / images(stored)[1]).read_bytes() == PICTURES[42]
    of_a_service, _ = split_pictures(document)
    assert picture_names(of_a_service) == list(NAMES.values())
    again = write_document(of_a_service, tmp_path / "b", "clip", {NAMES[f]: data for f, data in PICTURES.items()})
    assert again.read_bytes() == target.read_bytes()
    assert files(tmp_path / "b") == {name: data for name, data in files(tmp_path).items() if not name.startswith("b/")}
