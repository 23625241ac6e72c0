"""Calls to analyzer replicas: a lost replica costs a retry, what cannot be delivered costs that section only.

An analyzer's own exceptions never get here: its host turns them into a ``Fault``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from analyzers.host import Fault
from reducer.sections import fault_error, lost_error
from schema.document import SectionError

logger = logging.getLogger("tiktok_analyzer.calls")

Handles = Mapping[str, DeploymentHandle[Any]]
"""Of the deployed analyzers, by name."""

RETRY_PAUSE_S = 0.2
"""Wall seconds before a call goes out again; Serve replaces a dead replica after about 1.7 s and queues meanwhile."""


@dataclass(frozen=True)
class Failure:
    """A call that brought nothing.

    Attributes:
        code: ``replica_lost`` when the replica's process died each time, ``input_lost`` when the pictures or sound
            could not be decoded, ``call_failed`` when Serve could not deliver the call.
        reason: One line for the client; the stack trace is in the log.
    """

    code: str
    reason: str


async def call(handle: DeploymentHandle[Any], method: str, *args: Any, retries: int = 0) -> Any | Failure:
    """The method's answer, or a ``Failure``. Retries only where the replica's process died.

    Args:
        handle: Of the analyzer's deployment.
        method: Of ``AnalyzerDeployment``.
        args: Its arguments; object references are resolved in the replica, without a copy on the same machine.
        retries: How often a call is sent again after its replica died.
    """
    for attempt in range(retries + 1):
        response = getattr(handle, method).remote(*args)
        try:
            return await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except RayActorError as error:
            logger.warning(
                "%s.%s lost its replica (attempt %d): %s", handle.deployment_name, method, attempt + 1, error
            )
            await asyncio.sleep(RETRY_PAUSE_S)
        except (RayError, RayServeException) as error:
            logger.warning("%s.%s failed: %s", handle.deployment_name, method, error)
            return Failure("input_lost" if isinstance(error, RayTaskError) else "call_failed", one_line(error))
    return Failure("replica_lost", f"its process died {retries + 1} times while working on this")


def section_error(answer: Fault | Failure) -> SectionError:
    """What the document says of a call that brought no observation or result."""
    return fault_error(answer) if isinstance(answer, Fault) else lost_error(answer.code, answer.reason)


def one_line(error: BaseException) -> str:
    """What went wrong, for a client: the cause's class and last line, without a stack trace."""
    cause = error.cause if isinstance(error, RayTaskError) and error.cause is not None else error
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[-1][:300]}" if text else type(cause).__name__
