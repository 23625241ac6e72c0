"""The graph is composition: which analyzers it holds, and what it refuses."""

from __future__ import annotations

from typing import Any, cast, get_args

import pytest

import graph
from analyzers.catalogue import VideoLanguageModel, names
from deployments.settings import GraphArgs
from schema.errors import RetiredAnalyzer, UnknownAnalyzer


def _deployments(args: GraphArgs) -> set[str]:
    """Names of the deployments that the ingress is bound to."""
    _, analyzers = cast(Any, graph.build(args))._bound_deployment.init_args
    return {application._bound_deployment.name for application in analyzers.values()}


def test_all_analyzers_are_deployed_by_default() -> None:
    assert _deployments(GraphArgs()) == set(names()) - {"qwen2_vl_temporal", "blip2_video_analyzer"}
    assert graph.app is not None


@pytest.mark.parametrize("chosen", get_args(VideoLanguageModel))
def test_one_video_language_model_is_deployed(chosen: VideoLanguageModel) -> None:
    assert _deployments(GraphArgs(video_language_model=chosen)) & set(get_args(VideoLanguageModel)) == {chosen}


def test_named_ones_are_deployed_whatever_is_chosen() -> None:
    both = ("video_llava", "qwen2_vl_temporal")
    assert _deployments(GraphArgs(analyzers=both, video_language_model="blip2_video_analyzer")) == set(both)


def test_only_the_named_ones() -> None:
    assert _deployments(GraphArgs(analyzers=("cut_analysis",))) == {"cut_analysis"}


@pytest.mark.parametrize(("name", "error"), [("nope", UnknownAnalyzer), ("face_detection", RetiredAnalyzer)])
def test_unknown_and_retired_names(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        graph.build(GraphArgs(analyzers=(name,)))


def test_harmful_flags_keep_it_from_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_SERVE_USE_GRPC_BY_DEFAULT", "1")
    with pytest.raises(RuntimeError, match="RAY_SERVE_USE_GRPC_BY_DEFAULT"):
        graph.build(GraphArgs())


def test_the_default_application_fits_on_two_cores() -> None:
    """`serve run graph:app` takes no yaml; Serve's own default of one CPU each would never be scheduled."""
    ingress = cast(Any, graph.app)._bound_deployment
    bound = [ingress, *(application._bound_deployment for application in ingress.init_args[1].values())]
    booked = sum(deployment.ray_actor_options["num_cpus"] for deployment in bound)
    decodes = 2 * GraphArgs().decode_num_cpus
    assert booked + decodes <= 2.0
