"""Checks a Serve yaml more strictly than Serve does.

Serve drops keys that it does not know without a word (``num_replica``, ``ray_actor_options.num_gpu``), and finds a
wrong ``user_config`` only when a replica starts. Here every key is looked up in Serve's own models, every
``user_config`` is read by its analyzer's ``Config`` and ``args`` by the graph's model.
"""

from __future__ import annotations

import copy
import difflib
import os
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from analyzers import catalogue
from deployments.auth import start_problem
from deployments.serve_flags import refused_flags
from deployments.settings import GraphArgs
from deployments.tokens import TokenStore
from schema.errors import RetiredAnalyzer, UnknownAnalyzer

OTHER_DEPLOYMENTS = ("Ingress",)
"""Deployments of the graph that are no analyzers. They take no ``user_config``."""

GPU_SUM_TOLERANCE = 1e-6
"""Ray books GPUs in steps of 1e-4; less than that is rounding in our sum."""

SERVE_DEFAULT_HOST = "0.0.0.0"
"""What a Serve yaml binds that names no host."""

SERVE_AUTO_MAX_REPLICAS = 100
"""What ``num_replicas: auto`` may grow to where the file does not say."""


class InvalidConfig(ValueError):
    """A Serve configuration that must not be deployed.

    Args:
        problems: One line each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(tuple(problems))
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


def check_serve_config(
    path: Path,
    *,
    gpus: int = 1,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """What is wrong with a Serve yaml, one line each; empty when all is well.

    Args:
        path: Of the yaml.
        gpus: GPUs that all deployments together may book.
        environment: Looked through for flags that must not be on; this process's when left out.
    """
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (OSError, yaml.YAMLError) as error:
        return [f"cannot be read: {error}"]
    return check_config(config, gpus=gpus, environment=environment)


def check_config(
    config: Any,
    *,
    gpus: int = 1,
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """As ``check_serve_config``, for what the yaml holds."""
    # Imported here: the doctor and the command line's help use this module's neighbours without Ray.
    from ray.serve.schema import ServeDeploySchema

    if not isinstance(config, dict):
        return [f"must be a mapping with 'applications', got {type(config).__name__}"]
    problems = refused_flags(os.environ if environment is None else environment)
    problems += _model_problems(config, ServeDeploySchema, "")
    for application in _dicts(config.get("applications")):
        where = f"applications[{application.get('name', '')}]"
        problems += _model_problems(application.get("args") or {}, GraphArgs, f"{where}.args")
        problems += _deployment_problems(application, where)
    for where, runtime_env in _runtime_envs(config):
        problems += _runtime_env_problems(runtime_env, where)
    return [*problems, *_token_problems(config), *_gpu_problems(config, gpus)]


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping that has a key twice; YAML's loaders silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# ------------------------------------------------------------------------------------------------ keys and values


def _model_problems(value: Any, model: type[BaseModel], where: str) -> list[str]:
    """Unknown keys at any depth, then the values that the model refuses."""
    return [*_unknown_keys(value, model, where), *_refused_values(value, model, where)]


def _unknown_keys(value: Any, annotation: Any, where: str) -> Iterator[str]:
    models = list(_models_in(annotation))
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from _unknown_keys(item, annotation, f"{where}[{_label(item, i)}]")
    elif isinstance(value, dict) and len(models) == 1:
        fields = models[0].model_fields
        for key, inner in value.items():
            place = f"{where}.{key}" if where else str(key)
            if key not in fields:
                yield f"{place}: unknown key {key!r}; {suggest(str(key), fields)}"
                continue
            yield from _unknown_keys(inner, fields[key].annotation, place)
            # Serve declares some fields as "a dict, or the model": read by itself, any dict would do.
            if isinstance(inner, dict) and dict in map(_plain, get_args(fields[key].annotation)):
                for inner_model in _models_in(fields[key].annotation):
                    yield from _refused_values(inner, inner_model, place)


def _refused_values(value: Any, model: type[BaseModel], where: str) -> list[str]:
    try:
        # Some of Ray's validators write into what they are given.
        model.model_validate(copy.deepcopy(value))
    except ValidationError as error:
        refused: dict[str, list[str]] = {}
        for entry in error.errors(include_url=False):
            if entry["type"] != "extra_forbidden":
                place, got = _place(value, entry["loc"], where)
                text = entry["msg"] if entry["type"] == "missing" else f"{entry['msg']}, got {got!r}"
                refused.setdefault(place, []).append(text)
        return [f"{place}: {'; or: '.join(texts)}" for place, texts in refused.items()]
    return []


def _plain(annotation: Any) -> Any:
    """``dict`` for ``Dict[str, int]``."""
    return get_origin(annotation) or annotation


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field may hold, itself or as the items of a list; none in a mapping of free keys."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) not in (dict, Mapping):
        for argument in get_args(annotation):
            yield from _models_in(argument)


def _label(item: Any, index: int) -> str:
    return str(item["name"]) if isinstance(item, dict) and "name" in item else str(index)


def _place(value: Any, location: Iterable[int | str], where: str) -> tuple[str, Any]:
    """Where in the file pydantic's location is, in words, and what stands there.

    Pydantic puts the name of the union's member it tried into the location; no such key exists in the file.
    """
    for part in location:
        if isinstance(value, list) and isinstance(part, int) and part < len(value):
            where, value = f"{where}[{_label(value[part], part)}]", value[part]
        elif isinstance(value, dict):
            where = f"{where}.{part}" if where else str(part)
            value = value.get(part)
    return where or "the file", value


def suggest(name: str, allowed: Iterable[str]) -> str:
    """``did you mean ...?`` for a near miss, else all that is allowed."""
    names = [str(a) for a in allowed]
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"allowed are: {', '.join(names)}"


# ---------------------------------------------------------------------------------------------------- deployments


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _deployment_problems(application: Mapping[str, Any], where: str) -> Iterator[str]:
    deployments = _dicts(application.get("deployments"))
    args = application.get("args")
    args = args if isinstance(args, dict) else {}
    listed = args.get("analyzers")
    listed = listed if isinstance(listed, list) else None
    chosen = args.get("video_language_model", GraphArgs().video_language_model)
    active = catalogue.active_names(chosen) if listed is None else listed
    for asked in listed or ():
        if problem := _name_problem(str(asked), catalogue.names()):
            yield f"{where}.args.analyzers: {problem}"
    for name, times in Counter(d.get("name") for d in deployments).items():
        if times > 1:
            yield f"{where}.deployments[{name}]: stands {times} times; keep one"
    for deployment in deployments:
        name, place = str(deployment.get("name")), f"{where}.deployments[{deployment.get('name')}]"
        user_config = deployment.get("user_config") or {}
        if name in OTHER_DEPLOYMENTS:
            if user_config:
                yield f"{place}.user_config: {name} takes none; its settings are the application's args"
            continue
        if problem := _name_problem(name, (*OTHER_DEPLOYMENTS, *catalogue.names())):
            yield f"{place}: {problem}"
            continue
        yield from _model_problems(user_config, catalogue.analyzer_class(name).Config, f"{place}.user_config")
        if name in active:
            continue
        if listed is None:
            yield f"{place}: args.video_language_model is {chosen!r}, so the graph has no such deployment; choose one"
        else:
            yield f"{place}: not in args.analyzers, so the graph has no such deployment; add it there or drop it"


def _name_problem(name: str, known: Sequence[str]) -> str | None:
    try:
        catalogue.analyzer_class(name)
    except RetiredAnalyzer as error:
        return str(error)
    except UnknownAnalyzer:
        return f"there is no {name!r}; {suggest(name, known)}"
    return None


# ------------------------------------------------------------------------------------- environments and resources


def _runtime_envs(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every ``runtime_env`` of the file, with its place."""
    yield "controller_options.runtime_env", (config.get("controller_options") or {}).get("runtime_env")
    for application in _dicts(config.get("applications")):
        where = f"applications[{application.get('name', '')}]"
        yield f"{where}.runtime_env", application.get("runtime_env")
        for deployment in _dicts(application.get("deployments")):
            options = deployment.get("ray_actor_options")
            place = f"{where}.deployments[{deployment.get('name')}].ray_actor_options.runtime_env"
            yield place, options.get("runtime_env") if isinstance(options, dict) else None


def _runtime_env_problems(runtime_env: Any, where: str) -> Iterator[str]:
    from ray.runtime_env import RuntimeEnv

    if not isinstance(runtime_env, dict):
        return
    known = sorted(field for field in RuntimeEnv.known_fields if not field.startswith("_"))
    for key in runtime_env:
        if key not in known:
            yield f"{where}.{key}: unknown key {key!r}; {suggest(str(key), known)}"
    variables = runtime_env.get("env_vars")
    if isinstance(variables, dict):
        yield from (f"{where}.env_vars: {problem}" for problem in refused_flags(variables))


def _token_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Serve binds all interfaces where the file does not say; then nobody may ask without a token."""
    options = config.get("http_options")
    host = str((options if isinstance(options, dict) else {}).get("host", SERVE_DEFAULT_HOST))
    for application in _dicts(config.get("applications")):
        try:
            settings = GraphArgs.model_validate(application.get("args") or {})
        except ValidationError:
            continue  # told above
        if problem := start_problem(settings.auth, host, TokenStore(settings.data_path)):
            yield f"http_options.host: {problem}"


def _gpu_problems(config: Mapping[str, Any], gpus: int) -> Iterator[str]:
    """Shares of a GPU are only booked by Ray: booking more than there is leaves replicas pending for ever."""
    booked: dict[str, float] = {}
    for application in _dicts(config.get("applications")):
        for deployment in _dicts(application.get("deployments")):
            options = deployment.get("ray_actor_options")
            share = options.get("num_gpus") if isinstance(options, dict) else None
            if isinstance(share, (int, float)) and share > 0:
                if share > 1 and share != int(share):
                    yield f"{deployment.get('name')}: num_gpus above 1 must be whole, got {share}"
                booked[str(deployment.get("name"))] = share * _most_replicas(deployment)
    if sum(booked.values()) > gpus + GPU_SUM_TOLERANCE:
        parts = " + ".join(f"{name} {share:g}" for name, share in booked.items())
        yield f"num_gpus: {parts} = {sum(booked.values()):g} is more than the {gpus} GPU there is"


def _most_replicas(deployment: Mapping[str, Any]) -> int:
    """How many replicas the deployment may have at once."""
    scaling = deployment.get("autoscaling_config")
    number = deployment.get("num_replicas")
    if number == "auto":
        number = SERVE_AUTO_MAX_REPLICAS
    if isinstance(scaling, dict):
        number = scaling.get("max_replicas", number)
    return number if isinstance(number, int) and number > 0 else 1
