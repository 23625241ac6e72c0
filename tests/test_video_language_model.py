"""One video language model at a time: which is deployed, what is said about the others, a whole document with it."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import yaml

from analyzers.catalogue import VideoLanguageModel, active_names, names, require_deployed
from deployments.settings import GraphArgs
from ops.local import LocalRunner
from ops.strict_config import check_config
from schema.errors import AnalyzerNotDeployed, RetiredAnalyzer, UnknownAnalyzer
from tests.tiny.video_language import SENTENCE
from tests.tiny_weights import TinyWeights
from tests.upright_clip import write_clip

ROOT = Path(__file__).resolve().parents[1]
ALTERNATIVES: tuple[VideoLanguageModel, ...] = get_args(VideoLanguageModel)
SAID = " ".join(SENTENCE)


def test_the_alternatives_are_of_the_catalogue_and_all_may_be_chosen() -> None:
    assert set(ALTERNATIVES) <= set(names())
    for chosen in ALTERNATIVES:
        active = active_names(chosen)
        assert set(names()) - set(active) == set(ALTERNATIVES) - {chosen}
        assert list(active) == [name for name in names() if name in active]


def test_what_is_asked_for_in_vain_says_how_to_get_it() -> None:
    deployed = active_names("video_llava")
    require_deployed("video_llava", deployed)
    with pytest.raises(AnalyzerNotDeployed) as caught:
        require_deployed("qwen2_vl_temporal", deployed)
    body = caught.value.body()
    assert (body.code, caught.value.http_status) == ("analyzer_not_deployed", 422)
    assert body.details == "'qwen2_vl_temporal' is not deployed; the video language model here is 'video_llava'"
    assert "Ask for 'video_llava'" in body.suggested_action
    assert "video_language_model: qwen2_vl_temporal" in body.suggested_action


def test_any_other_that_is_not_deployed_names_those_that_are() -> None:
    with pytest.raises(AnalyzerNotDeployed, match="'cut_analysis' is not deployed; deployed are: color_analysis"):
        require_deployed("cut_analysis", ("color_analysis",))
    with pytest.raises(AnalyzerNotDeployed, match="'video_llava' is not deployed; deployed are: color_analysis"):
        require_deployed("video_llava", ("color_analysis",))
    with pytest.raises(UnknownAnalyzer):
        require_deployed("video_lava", ("color_analysis",))
    with pytest.raises(RetiredAnalyzer):
        require_deployed("auroracap", ("color_analysis",))


@pytest.mark.parametrize("chosen", ALTERNATIVES)
@pytest.mark.parametrize("file", ["serve_config.yaml", "serve_config.cpu.yaml"])
def test_a_serve_file_is_switched_by_the_name_in_two_places(file: str, chosen: str) -> None:
    config = yaml.safe_load((ROOT / file).read_text())
    (application,) = config["applications"]
    (block,) = [d for d in application["deployments"] if d["name"] == "video_llava"]
    block["user_config"] = {}
    block["name"] = chosen
    found = check_config(config, environment={})
    assert found == [] if chosen == "video_llava" else len(found) == 1
    assert all(f"deployments[{chosen}]: args.video_language_model is 'video_llava'" in line for line in found)
    application["args"]["video_language_model"] = chosen
    assert check_config(config, environment={}) == []


@pytest.mark.parametrize("chosen", ALTERNATIVES)
def test_a_document_with_each_of_them(chosen: VideoLanguageModel, tiny_weights: TinyWeights, tmp_path: Path) -> None:
    """Decoding, planning, the analyzer with its model, and the reducer, without Ray."""
    tiny_weights.runtime("llava-next-video-7b", "qwen2-vl-7b", "blip2-opt-2.7b")
    settings = GraphArgs(
        analyzers=(chosen,), video_language_model=chosen, weights_dir=str(tiny_weights.folder), decode_threads=1
    )
    runner = LocalRunner(settings)
    document = runner.analyze(write_clip(tmp_path, "rotated"))
    section = document.section(chosen)
    assert (section.status, section.headline) == ("ok", f"{SAID}.")
    assert f"{SAID}." in document.summary.text
    (model,) = section.provenance.models
    assert section.result is not None
    assert section.result["method"]["model"] == model
    assert section.provenance.config["model"] in ("llava-next-video-7b", "qwen2-vl-7b", "blip2-opt-2.7b")
    # The picture is upright: 320 x 192 as stored.
    assert section.result["method"]["picture_size"] == [192, 320]
    seen = [item.label for entry in document.timeline for item in entry.seen if item.analyzer == chosen]
    assert seen == ([] if chosen == "video_llava" else [SAID])
    other = next(name for name in ALTERNATIVES if name != chosen)
    with pytest.raises(AnalyzerNotDeployed, match=f"the video language model here is '{chosen}'"):
        runner.analyze(tmp_path / "rotated.mp4", [other])
