"""Finding weights: complete, missing, cut, of another revision, refused by the licence policy."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import get_args

import pytest

from analyzers.base import AnalyzerConfig, AnyAnalyzer, Unavailable
from analyzers.catalogue import CATALOGUE
from analyzers.runtime import LicencePolicy, Runtime
from tests.child_processes import run_python
from weights import store
from weights.manifest import PINS, pin
from weights.pin import Pin
from weights.record import RECORD_NAME, missing_files, read_record, record_folder
from weights.store import allowed_pin, resolve

ROOT = Path(__file__).resolve().parents[1]
FILES = ("config.json", "model.safetensors", "preprocessor_config.json")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def pulled(weights: Path, name: str, revision: str | None = None) -> Path:
    """A folder as a finished pull leaves it, with other bytes."""
    wanted, folder = pin(name), weights / name
    folder.mkdir(parents=True)
    for pattern in wanted.required:
        file = pattern.partition("|")[0].replace("*", "")
        (folder / file).write_bytes(b"x" * 100)
    record_folder(folder, wanted, revision or wanted.revision or COMMIT, "made")
    return folder


def refusal(name: str, runtime: Runtime) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        resolve(name, runtime)
    return caught.value


@pytest.mark.parametrize("name", [p.name for p in PINS])
def test_a_complete_folder_is_found(name: str, tmp_path: Path) -> None:
    folder = pulled(tmp_path, name)
    found = resolve(name, Runtime(weights_path=tmp_path))
    assert (found.pin.name, found.path) == (name, folder)
    assert found.label == f"{pin(name).hub_id or name}@{pin(name).revision or COMMIT}"


def test_on_a_cpu_what_is_too_large_for_one_says_so(tmp_path: Path) -> None:
    for found in PINS:
        lost = refusal(found.name, Runtime(weights_path=tmp_path))
        assert f"tiktok-analyzer models pull {found.name}" in lost.remedy
        assert ("Too large for a CPU" in lost.remedy) == found.for_gpu
        # The smallest of these has 14.1 GB, the largest of the others 3.1.
        assert found.for_gpu == (found.size_bytes > 10e9)


def test_nothing_there_names_the_command(tmp_path: Path) -> None:
    lost = refusal("ast-audioset", Runtime(weights_path=tmp_path))
    assert (lost.code, lost.remedy) == ("weights_missing", "tiktok-analyzer models pull ast-audioset")
    assert str(tmp_path) in lost.reason


@pytest.mark.parametrize("harm", ["cut", "gone", "no record", "broken record"])
def test_a_folder_that_is_not_whole_is_refused(harm: str, tmp_path: Path) -> None:
    folder = pulled(tmp_path, "ast-audioset")
    if harm == "cut":
        (folder / "model.safetensors").write_bytes(b"x" * 99)
    elif harm == "gone":
        (folder / "config.json").unlink()
    elif harm == "no record":
        (folder / RECORD_NAME).unlink()
    else:
        (folder / RECORD_NAME).write_text('{"pin": "ast-audioset", "files": [')
    expected = "weights_missing" if "record" in harm else "weights_incomplete"
    assert refusal("ast-audioset", Runtime(weights_path=tmp_path)).code == expected


def test_weights_of_another_revision_are_refused(tmp_path: Path) -> None:
    pulled(tmp_path, "clip-b32", revision=COMMIT)
    lost = refusal("clip-b32", Runtime(weights_path=tmp_path))
    assert lost.code == "weights_outdated"
    assert COMMIT in lost.reason
    assert str(pin("clip-b32").revision) in lost.reason


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(KeyError, match=r"no pinned model 'yolov9'; there are: .*yolov8x"):
        pin("yolov9")


def test_resolving_reads_no_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pulled(tmp_path, "ast-audioset")
    read: list[str] = []
    original = Path.open

    def watched(path: Path, *args, **kwargs):
        read.append(path.name)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", watched)
    resolve("ast-audioset", Runtime(weights_path=tmp_path))
    assert set(read) <= {RECORD_NAME}


# -------------------------------------------------------------------------------------------------- licence policy


@pytest.mark.parametrize("refused", [p for p in PINS if not p.permissive], ids=lambda p: p.name)
def test_what_permissive_refuses_has_an_alternative_for_the_same_analyzers(refused: Pin, tmp_path: Path) -> None:
    serves = pin(refused.alternative)
    assert serves.permissive
    assert set(refused.used_by) <= set(serves.used_by)

    pulled(tmp_path, refused.name)
    permissive = Runtime(weights_path=tmp_path, licence_policy="permissive", gpu_share=0.5)
    lost = refusal(refused.name, permissive)
    assert lost.remedy == f"tiktok-analyzer models pull {serves.name}"
    assert refused.licence in lost.reason

    pulled(tmp_path, serves.name)
    assert resolve(refused.name, permissive).pin is serves
    assert resolve(refused.name, Runtime(weights_path=tmp_path)).pin is refused


@pytest.mark.parametrize("allowed", [p for p in PINS if p.permissive], ids=lambda p: p.name)
def test_a_permissive_pin_serves_under_both_policies(allowed: Pin) -> None:
    assert allowed.alternative == ""
    assert allowed_pin(allowed.name, "permissive") is allowed_pin(allowed.name, "any") is allowed


# -------------------------------------------------------------------------------------------------- the manifest


def test_pins_have_names_sources_and_licences() -> None:
    assert len({p.name for p in PINS}) == len(PINS)
    for found in PINS:
        assert bool(found.hub_id) != bool(found.remote), found.name
        assert found.required, found.name
        assert found.used_by, found.name
        assert found.licence, found.name
        assert found.licence_url.startswith("https://"), found.name
        assert all(file.url.startswith("https://") for file in found.remote), found.name
        assert all(digest.startswith(("sha256:", "md5:")) for _, digest in found.digests), found.name
        assert found.size_bytes > 0, found.name


def test_a_hub_revision_is_a_whole_commit() -> None:
    for found in PINS:
        if found.hub_id and found.revision is not None:
            assert len(found.revision) == 40, found.name
            assert set(found.revision) <= set("0123456789abcdef"), found.name


def test_only_formats_that_hold_no_code_unless_upstream_has_nothing_else() -> None:
    assert {p.name for p in PINS if p.format == "torch"} == {
        *("yolov8x", "yolov8n", "yolov8x-pose", "yolov8n-pose", "segformer-b2", "clip-b32"),
        *(f"easyocr-{script}" for script in ("latin", "english", "cyrillic", "chinese", "japanese", "korean")),
    }


# --------------------------------------------------------------------------------------------------- the record


def test_a_record_names_every_file_with_its_size(tmp_path: Path) -> None:
    folder = pulled(tmp_path, "ast-audioset")
    record = read_record(folder)
    assert record is not None
    assert dict(record.files) == dict.fromkeys(("config.json", "model.safetensors", "processor_config.json"), 100)
    assert json.loads((folder / RECORD_NAME).read_text())["revision"] == pin("ast-audioset").revision


def test_a_folder_that_lacks_a_file_cannot_be_recorded(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="ast-audioset lacks model"):
        record_folder(tmp_path, pin("ast-audioset"), COMMIT, "made")
    assert read_record(tmp_path) is None


def test_either_of_two_files_is_enough() -> None:
    one = dataclasses.replace(pin("ast-audioset"), files=("a.safetensors|a.bin", "x*.json"))
    assert missing_files(one, ["a.bin", "x1.json"]) == []
    assert missing_files(one, ["a.safetensors"]) == ["x*.json"]
    assert missing_files(one, ["x1.json", "b.bin"]) == ["a.safetensors|a.bin"]


def test_finding_weights_imports_nothing_heavy() -> None:
    code = "import sys, weights.store; print(sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', "
    code += "'numpy.testing', 'httpx', 'huggingface_hub', 'ray', 'cv2', 'rich'}))"
    said = run_python("-c", code)
    assert said.strip() == "[]"
    assert store.__doc__


# ------------------------------------------------------------------------------------------- what analyzers ask for

WITH_MODELS = [cls for cls in CATALOGUE if cls.models]


@pytest.mark.parametrize("cls", WITH_MODELS, ids=lambda cls: cls.name)
@pytest.mark.parametrize("policy", ["any", "permissive"])
def test_an_analyzer_asks_for_what_it_says_it_wants(
    cls: type[AnyAnalyzer], policy: LicencePolicy, tmp_path: Path
) -> None:
    assert {name for name in cls.models if cls.name not in pin(name).used_by} == set()
    for config in settings_that_name_a_model(cls):
        analyzer = cls(config)
        analyzer.runtime = Runtime(weights_path=tmp_path, licence_policy=policy, gpu_share=0.5)
        wanted = [allowed_pin(name, policy).name for name in analyzer.wanted_models()]
        if not wanted:
            continue
        with pytest.raises(Unavailable) as caught:
            analyzer.load()
        assert caught.value.code == "weights_missing"
        assert caught.value.remedy.removeprefix("tiktok-analyzer models pull ") in wanted


def settings_that_name_a_model(cls: type[AnyAnalyzer]) -> list[AnalyzerConfig]:
    """The defaults, and each choice of each field that offers pins."""
    found = [cls.Config()]
    for name, info in cls.Config.model_fields.items():
        choices = get_args(info.annotation)
        found += [cls.Config.model_validate({name: c}) for c in choices if c in cls.models]
    return found
