"""The graph: one deployment per analyzer, composed by the ingress. Composition only.

    client -> Ingress -> decode tasks -> object store -> analyzers -> Ingress -> one document

``serve run graph:app`` starts it with defaults; ``serve deploy serve_config.cpu.yaml`` with the file's settings.
"""

import os

# No `from __future__ import annotations` here: Serve reads the annotation of `args` to type the yaml's values.
from ray.serve import Application

from deployments.analyzer import AnalyzerDeployment
from deployments.ingress import IngressDeployment
from deployments.serve_flags import refused_flags
from deployments.settings import GraphArgs


def build(args: GraphArgs) -> Application:
    """The application for these settings.

    Raises:
        UnknownAnalyzer: ``args.analyzers`` names one that does not exist.
        RetiredAnalyzer: It names one that was replaced.
        RuntimeError: A flag of Ray Serve is on under which the application would lose data.
    """
    if flags := refused_flags(os.environ):
        raise RuntimeError(" ".join(flags))
    analyzers = {name: AnalyzerDeployment.options(name=name).bind(name, args.runtime) for name in args.active_analyzers}
    return IngressDeployment.bind(args, analyzers)


app = build(GraphArgs())
