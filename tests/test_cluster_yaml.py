"""cluster.yaml against Ray's own validator, Ray's own command line and the files it copies."""

from __future__ import annotations

import copy
import re
from typing import Any

import jsonschema
import pytest
import yaml

from tests.pyproject import ROOT, declared

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
REMOTE = "~/tiktok-analyzer/"
START_COMMANDS = ("head_start_ray_commands", "worker_start_ray_commands")


def prepared(config: dict[str, Any]) -> dict[str, Any]:
    """What ``ray up`` makes of the file before it connects to anything."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    ready: dict[str, Any] = prepare_config(copy.deepcopy(config))
    validate_config(ready)
    return ready


def start_command(which: str) -> str:
    (command,) = [c for c in CONFIG[which] if " ray start " in c or "/ray start " in c]
    return str(command)


def option(command: str, name: str) -> str:
    found = re.search(rf"--{name}=(\S+)", command)
    assert found, f"no --{name} in {command}"
    return found[1]


def test_ray_accepts_it_and_keeps_every_machine() -> None:
    ready = prepared(CONFIG)
    workers = CONFIG["provider"]["worker_ips"]
    assert ready["max_workers"] == len(workers) > 0
    node_type = ready["available_node_types"][ready["head_node_type"]]
    assert (node_type["min_workers"], node_type["max_workers"]) == (len(workers), len(workers))
    assert ready["head_start_ray_commands"] == CONFIG["head_start_ray_commands"]
    assert ready["worker_start_ray_commands"] == CONFIG["worker_start_ray_commands"]


@pytest.mark.parametrize(
    "mistake", [{"max_worker": 2}, {"file_mount": {}}, {"upscaling_speed": "fast"}, {"auth": {"user": "ubuntu"}}]
)
def test_rays_validator_would_find_a_mistake(mistake: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        prepared({**CONFIG, **mistake})


def test_the_provider_has_no_unknown_key() -> None:
    # Ray's schema lets any key through here.
    assert set(CONFIG["provider"]) == {"type", "head_ip", "worker_ips"}


def test_the_addresses_are_examples() -> None:
    for address in (CONFIG["provider"]["head_ip"], *CONFIG["provider"]["worker_ips"]):
        assert address.startswith("192.0.2."), "real addresses do not belong into the repository"


@pytest.mark.parametrize("which", START_COMMANDS)
def test_ray_start_knows_every_option(which: str) -> None:
    from ray.scripts.scripts import start

    known = {name for parameter in start.params for name in parameter.opts}
    used = set(re.findall(r"--[a-z-]+", start_command(which).partition("ray start")[2]))
    assert used
    assert used <= known


def test_the_head_has_no_gpu_and_a_worker_has_one() -> None:
    head, worker = map(start_command, START_COMMANDS)
    assert "--head" in head
    assert "--address=$RAY_HEAD_IP:" + option(head, "port") in worker
    assert (option(head, "num-gpus"), option(worker, "num-gpus")) == ("0", "1")


@pytest.mark.parametrize("which", START_COMMANDS)
def test_the_object_store_holds_twice_what_is_in_flight(which: str) -> None:
    (application,) = yaml.safe_load((ROOT / "serve_config.yaml").read_text())["applications"]
    in_flight = application["args"]["max_concurrent_videos"] * application["args"]["megabytes_in_flight"] * 1024**2
    assert int(option(start_command(which), "object-store-memory")) >= 2 * in_flight


def test_everything_that_is_installed_is_copied() -> None:
    copied = {remote.removeprefix(REMOTE): local for remote, local in CONFIG["file_mounts"].items()}
    assert all(remote == local for remote, local in copied.items())
    assert [local for local in copied.values() if not (ROOT / local).exists()] == []
    packages = {name.removesuffix("*") for name in declared("include", section="tool.setuptools.packages.find")}
    modules = {f"{name}.py" for name in declared("py-modules", section="tool.setuptools")}
    metadata = {declared("readme"), *declared("license-files")}
    needed = packages | modules | metadata | {"pyproject.toml", "constraints.txt", "Makefile", "serve_config.yaml"}
    needed |= {"requirements-models.txt", "profiles"}
    assert needed <= set(copied)


def test_the_environment_is_made_by_a_target_of_the_makefile() -> None:
    (command,) = CONFIG["setup_commands"]
    target = command.removeprefix(f"make -C {REMOTE.rstrip('/')} ")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
