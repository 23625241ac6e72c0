"""The same application on two Ray nodes, each with its own object store, analyzers on both."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from ops.profiles import PROFILE_FILES, load_profile
from tests.ray.nodes import Nodes, ray_nodes
from tests.sample_file import place_sample

pytestmark = pytest.mark.slow

ON_SECOND = ("color_analysis", "audio_analysis", "text_overlay")
STORE_BYTES = 300 * 1024 * 1024


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    with ray_nodes(tmp_path_factory.mktemp("two_nodes")) as nodes:
        args = {"data_dir": str(nodes.folder / "data"), "video_roots": [str(nodes.folder)]}
        config = load_profile(PROFILE_FILES["cpu"], port=nodes.http_port, args=args)
        for block in config["applications"][0]["deployments"]:
            node = "second" if block["name"] in ON_SECOND else "first"
            block["ray_actor_options"]["resources"] = {node: 0.01}
        common = ("--num-cpus=2", f"--object-store-memory={STORE_BYTES}")
        nodes.start_head('--resources={"first": 1}', *common)
        nodes.join("second", '--resources={"second": 1}', *common)
        nodes.deploy(config, limit_s=240.0)
        yield nodes


def test_a_video_whose_analyzers_sit_on_two_nodes(cluster: Nodes) -> None:
    place_sample(cluster.folder / "sample.mp4")
    document = cluster.document("sample.mp4", timeout_s=240.0)
    assert {name: s["error"] for name, s in document["sections"].items() if s["status"] in ("failed", "partial")} == {}
    assert document["performance"]["video_decodes"] == 1
    listing = cluster.run("ray", "list", "actors", "--format=json", "--filter", "state=ALIVE", "--limit=1000")
    node_of: dict[str, str] = {}
    for actor in json.loads(listing):
        name = actor["name"] or ""
        if name.startswith("SERVE_REPLICA::"):
            node_of[name.split("::")[1].split("#")[1]] = actor["node_id"]
    assert len(set(node_of.values())) == 2
    second = {node_of[name] for name in ON_SECOND}
    assert len(second) == 1
    assert node_of["Ingress"] not in second
    assert node_of["cut_analysis"] not in second


def test_serve_status_shows_every_replica_healthy(cluster: Nodes) -> None:
    status = yaml.safe_load(cluster.run("serve", "status"))
    application = status["applications"]["tiktok-analyzer"]
    assert application["status"] == "RUNNING"
    assert {d["status"] for d in application["deployments"].values()} == {"HEALTHY"}
    assert set(ON_SECOND) <= set(application["deployments"])
