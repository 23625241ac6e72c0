"""Every mistake in a Serve yaml that Serve itself would let pass is named, and what is right stays silent."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from analyzers import catalogue
from analyzers.base import AnalyzerConfig
from deployments.serve_flags import REFUSED_FLAGS, refused_flags
from ops.strict_config import (
    SERVE_AUTO_MAX_REPLICAS,
    check_config,
    check_serve_config,
)
from schema.base import Model

ROOT = Path(__file__).resolve().parents[1]


class Inner(Model):
    low: Annotated[int, Field(ge=0, le=10)] = 1


class StubConfig(AnalyzerConfig):
    threshold: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    inner: Inner = Inner()


class Stub:
    Config = StubConfig
    after = ()

    def __init__(self, name: str) -> None:
        self.name = name


@pytest.fixture(autouse=True)
def two_analyzers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "_BY_NAME", {name: Stub(name) for name in ("cut_stub", "color_stub")})


def good_config() -> dict[str, Any]:
    """Uses every part that is looked into, without a mistake."""
    return {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 8003},
        "logging_config": {"log_level": "INFO"},
        "controller_options": {"runtime_env": {"env_vars": {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "0"}}},
        "applications": [
            {
                "name": "app",
                "route_prefix": "/",
                "import_path": "graph:build",
                "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}},
                "args": {"chunk_s": 2.0, "limits": {"max_bytes": 1_000_000}, "analyzers": ["cut_stub", "color_stub"]},
                "deployments": [
                    {"name": "Ingress", "num_replicas": 1, "ray_actor_options": {"num_cpus": 0.1}},
                    {
                        "name": "cut_stub",
                        "num_replicas": 2,
                        "ray_actor_options": {"num_cpus": 0.1, "num_gpus": 0.3, "resources": {"any_name": 1}},
                        "user_config": {"threshold": 1.0, "inner": {"low": 10}},
                    },
                    {
                        "name": "color_stub",
                        "autoscaling_config": {"min_replicas": 1, "max_replicas": 2, "policy": {"policy_kwargs": {}}},
                        "ray_actor_options": {"num_gpus": 0.2},
                    },
                ],
            }
        ],
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good configuration with one value set; ``path`` in dots, list items by number."""
    config = copy.deepcopy(good_config())
    *parents, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    place: Any = config
    for part in parents:
        place = place[part]
    place[last] = value
    return config


def problems(config: Any, **options: Any) -> list[str]:
    return check_config(config, environment={}, **options)


def test_a_right_configuration_has_no_problems() -> None:
    assert problems(good_config()) == []


DEPLOYMENT = "applications.0.deployments.1"
IN_CUT = "applications[app].deployments[cut_stub]"


@pytest.mark.parametrize(
    ("path", "value", "place", "hint"),
    [
        ("http_option", {}, "http_option: unknown key", "did you mean 'http_options'?"),
        ("http_options.prot", 1, "http_options.prot: unknown key", "did you mean 'port'?"),
        ("grpc_options", {"prt": 1}, "grpc_options.prt: unknown key", "did you mean 'port'?"),
        ("logging_config.level", "INFO", "logging_config.level: unknown key", "did you mean 'log_level'?"),
        ("controller_options.env", {}, "controller_options.env: unknown key", "allowed are: runtime_env"),
        (
            "applications.0.route_prefx",
            "/",
            "applications[app].route_prefx: unknown key",
            "did you mean 'route_prefix'?",
        ),
        (f"{DEPLOYMENT}.num_replica", 1, f"{IN_CUT}.num_replica: unknown key", "did you mean 'num_replicas'?"),
        (
            f"{DEPLOYMENT}.ray_actor_options.num_gpu",
            1,
            f"{IN_CUT}.ray_actor_options.num_gpu: unknown key",
            "did you mean 'num_gpus'?",
        ),
        (f"{DEPLOYMENT}.zzz", 1, f"{IN_CUT}.zzz: unknown key", "allowed are: name, num_replicas"),
        (
            "applications.0.deployments.2.autoscaling_config.max_replica",
            1,
            "deployments[color_stub].autoscaling_config.max_replica: unknown key",
            "did you mean 'max_replicas'?",
        ),
        (
            "applications.0.deployments.2.autoscaling_config.policy.kwargs",
            {},
            "autoscaling_config.policy.kwargs: unknown key",
            "did you mean 'policy_kwargs'?",
        ),
        ("applications.0.runtime_env.env_var", {}, "runtime_env.env_var: unknown key", "did you mean 'env_vars'?"),
        (
            f"{DEPLOYMENT}.ray_actor_options.runtime_env",
            {"pipe": []},
            "ray_actor_options.runtime_env.pipe: unknown key",
            "did you mean 'pip'?",
        ),
        ("applications.0.args.chunks", 1, "applications[app].args.chunks: unknown key", "did you mean 'chunk_s'?"),
        (
            "applications.0.args.limits.max_byte",
            1,
            "applications[app].args.limits.max_byte: unknown key",
            "did you mean 'max_bytes'?",
        ),
        (
            f"{DEPLOYMENT}.user_config.treshold",
            1,
            f"{IN_CUT}.user_config.treshold: unknown key",
            "did you mean 'threshold'?",
        ),
        (f"{DEPLOYMENT}.user_config.inner.lo", 1, f"{IN_CUT}.user_config.inner.lo: unknown key", "did you mean 'low'?"),
    ],
)
def test_an_unknown_key_is_named_once_with_what_is_allowed(path: str, value: Any, place: str, hint: str) -> None:
    found = problems(changed(path, value))
    assert len(found) == 1
    assert place in found[0]
    assert hint in found[0]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("http_options.port", "eight", "http_options.port: Input should be a valid integer"),
        ("applications.0.import_path", "graph", "applications[app].import_path"),
        (f"{DEPLOYMENT}.num_replicas", 0, f"{IN_CUT}.num_replicas"),
        (f"{DEPLOYMENT}.ray_actor_options.num_cpus", -1, f"{IN_CUT}.ray_actor_options.num_cpus"),
        (
            "applications.0.deployments.2.autoscaling_config.max_replicas",
            0,
            "deployments[color_stub].autoscaling_config.max_replicas: Input should be greater than 0, got 0",
        ),
        ("applications.0.args.chunk_s", 0.1, "applications[app].args.chunk_s: Input should be greater than or equal"),
        ("applications.0.args.limits.max_bytes", "many", "applications[app].args.limits.max_bytes"),
        (f"{DEPLOYMENT}.user_config.threshold", 1.1, f"{IN_CUT}.user_config.threshold: Input should be less than"),
        (f"{DEPLOYMENT}.user_config.inner.low", -1, f"{IN_CUT}.user_config.inner.low: Input should be greater than"),
        (f"{DEPLOYMENT}.user_config", 3, f"{IN_CUT}.user_config"),
    ],
)
def test_a_refused_value_is_named_with_its_place(path: str, value: Any, expected: str) -> None:
    found = problems(changed(path, value))
    assert found
    assert all(expected in problem for problem in found)
    assert repr(value) in found[0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{DEPLOYMENT}.user_config.threshold", 0.0),
        (f"{DEPLOYMENT}.user_config", None),
        (f"{DEPLOYMENT}.user_config", {}),
        (f"{DEPLOYMENT}.num_replicas", 1),
        ("applications.0.args.chunk_s", 0.25),
        ("applications.0.args.analyzers", None),
        ("applications.0.runtime_env", {"env_vars": {"RAY_SERVE_ENABLE_HA_PROXY": "0"}}),
    ],
)
def test_what_is_allowed_stays_silent(path: str, value: Any) -> None:
    assert problems(changed(path, value)) == []


def test_an_analyzer_that_does_not_exist_is_refused() -> None:
    found = problems(changed(f"{DEPLOYMENT}.name", "cut_stob"))
    assert any("deployments[cut_stob]: there is no 'cut_stob'; did you mean 'cut_stub'?" in p for p in found)


def test_a_retired_analyzer_is_refused_with_its_replacement() -> None:
    found = problems(changed(f"{DEPLOYMENT}.name", "auroracap"))
    assert any("'auroracap' is retired; 'video_llava' replaced it" in p for p in found)


def test_an_unknown_analyzer_in_the_args_is_refused() -> None:
    found = problems(changed("applications.0.args.analyzers", ["cut_stub", "color_stub", "colour_stub"]))
    assert found == ["applications[app].args.analyzers: there is no 'colour_stub'; did you mean 'color_stub'?"]


def test_a_deployment_outside_the_active_analyzers_is_refused() -> None:
    found = problems(changed("applications.0.args.analyzers", ["cut_stub"]))
    assert len(found) == 1
    assert "deployments[color_stub]: not in args.analyzers" in found[0]


def test_a_deployment_that_stands_twice_is_refused() -> None:
    found = problems(changed("applications.0.deployments.2.name", "cut_stub"))
    assert "applications[app].deployments[cut_stub]: stands 2 times; keep one" in found


def test_the_ingress_takes_no_user_config() -> None:
    found = problems(changed("applications.0.deployments.0.user_config", {"a": 1}))
    assert len(found) == 1
    assert "deployments[Ingress].user_config: Ingress takes none" in found[0]


@pytest.mark.parametrize("share", [0.3, 0.0, None])
def test_gpu_shares_up_to_one_card_are_allowed(share: float | None) -> None:
    # cut_stub has 2 replicas, color_stub up to 2 of 0.2: 2 * 0.3 + 2 * 0.2 is exactly one card.
    assert problems(changed(f"{DEPLOYMENT}.ray_actor_options.num_gpus", share)) == []


def test_gpu_shares_over_one_card_are_refused_with_the_sum() -> None:
    config = changed(f"{DEPLOYMENT}.ray_actor_options.num_gpus", 0.31)
    assert problems(config) == ["num_gpus: cut_stub 0.62 + color_stub 0.4 = 1.02 is more than the 1 GPU there is"]
    assert problems(config, gpus=2) == []


def test_automatic_replicas_count_as_many_as_serve_may_start() -> None:
    from ray.serve.config import AutoscalingConfig

    assert AutoscalingConfig.default().max_replicas == SERVE_AUTO_MAX_REPLICAS
    config = changed(f"{DEPLOYMENT}.num_replicas", "auto")
    assert any("cut_stub 30 +" in p for p in problems(config))


def test_a_broken_share_of_several_cards_is_refused() -> None:
    config = changed(f"{DEPLOYMENT}.ray_actor_options.num_gpus", 1.5)
    assert problems(config, gpus=8) == ["cut_stub: num_gpus above 1 must be whole, got 1.5"]


@pytest.mark.parametrize("name", REFUSED_FLAGS)
@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_a_harmful_flag_is_refused_wherever_it_stands(name: str, value: str) -> None:
    found = check_config(good_config(), environment={name: value})
    assert len(found) == 1
    assert found[0].startswith(f"{name}={value} is set")
    for path in (
        "controller_options.runtime_env",
        "applications.0.runtime_env",
        f"{DEPLOYMENT}.ray_actor_options.runtime_env",
    ):
        found = problems(changed(path, {"env_vars": {name: value}}))
        assert len(found) == 1
        assert f"runtime_env.env_vars: {name}={value} is set" in found[0]


@pytest.mark.parametrize("name", REFUSED_FLAGS)
@pytest.mark.parametrize("value", ["", "0", "false", "False", "off"])
def test_a_flag_that_is_off_is_allowed(name: str, value: str) -> None:
    assert refused_flags({name: value}) == []
    assert check_config(good_config(), environment={name: value}) == []


def test_what_is_no_configuration_is_refused() -> None:
    assert problems([]) == ["must be a mapping with 'applications', got list"]
    assert problems({"http_options": {}}) == ["applications: Field required"]


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(yaml.safe_dump(good_config()))
    assert check_serve_config(path, environment={}) == []
    path.write_text(yaml.safe_dump(changed("http_options.prot", 1)))
    (problem,) = check_serve_config(path, environment={})
    assert problem.startswith("http_options.prot: unknown key 'prot'")


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text("http_options:\n  port: 8003\n  port: 8004\napplications: []\n")
    found = check_serve_config(path, environment={})
    assert len(found) == 1
    assert "key 'port' stands twice" in found[0]
    assert "line 3" in found[0]


@pytest.mark.parametrize("text", [None, "a: [", "\t"])
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "serve.yaml"
    if text is not None:
        path.write_text(text)
    found = check_serve_config(path, environment={})
    assert len(found) == 1
    assert found[0].startswith("cannot be read")
