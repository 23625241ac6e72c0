"""The model hub, and plain addresses for the few models that are not on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from weights.errors import AccessDenied, NotOnSource, SourceUnreachable
from weights.pin import Pin
from weights.sources import Item, Plan, Source, choose
from weights.transfer import Moved, Stop, download

if TYPE_CHECKING:
    from huggingface_hub.hf_api import ModelInfo

ANSWER_TIMEOUT_S = 20.0
"""Wall seconds for the hub's list of a repository's files."""


UNSTATED = "unstated"
"""Revision of files whose address names none."""


class Online(Source):
    """The hub for pins with a ``hub_id``, their own addresses for the others.

    The hub's client gives address (``HF_ENDPOINT``), token (``HF_TOKEN`` or its login) and the list of files with their
    digests; the bytes come through ``weights.transfer``, so that all sources resume, stop and count alike.

    Args:
        endpoint: Of the hub, in place of the client's.
        pause_s: Wall seconds before a broken download's second try.
    """

    title = "the model hub and the models' own addresses"

    def __init__(self, endpoint: str | None = None, pause_s: float | None = None) -> None:
        self._endpoint = endpoint
        self._pause_s = pause_s
        self._unreachable: SourceUnreachable | None = None

    def plan(self, pin: Pin, revision: str | None) -> Plan:
        """As the base says; the hub states git's hash of small files and the sha256 of large ones."""
        if not pin.hub_id:
            items = [Item(f.saved_as, f.url, f.size_bytes, f.digest, f.members) for f in pin.remote]
            return Plan(pin, pin.revision or UNSTATED, tuple(items), pin.source)
        info = self._info(pin, revision)
        files = {s.rfilename: s for s in info.siblings or ()}
        commit = info.sha or revision
        if commit is None:
            raise NotOnSource(f"the hub does not say which commit of {pin.hub_id} it serves")
        items = []
        for name in choose(pin, files, pin.hub_id):
            file = files[name]
            digest = f"sha256:{file.lfs.sha256}" if file.lfs else f"git:{file.blob_id}" if file.blob_id else None
            url = f"{self._address}/{pin.hub_id}/resolve/{commit}/{quote(name)}"
            items.append(Item(name, url, file.size, digest))
        return Plan(pin, commit, tuple(items), pin.hub_id)

    def fetch(self, item: Item, target: Path, moved: Moved, stop: Stop) -> None:
        """As the base says; resumes a part of an earlier run."""
        from huggingface_hub import get_token

        token = get_token() if item.where.startswith(f"{self._address}/") else None
        download(
            item.where,
            target,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            size_bytes=item.size_bytes,
            moved=moved,
            stop=stop,
            pause_s=self._pause_s,
        )

    @property
    def _address(self) -> str:
        from huggingface_hub import constants

        return self._endpoint or constants.ENDPOINT

    def _info(self, pin: Pin, revision: str | None) -> ModelInfo:
        from huggingface_hub import HfApi
        from huggingface_hub import errors as hub

        # The base of what its HTTP library raises, whichever library that is; the module does not list it.
        http_error: type[Exception] = vars(hub)["HTTPError"]
        if self._unreachable is not None:
            raise self._unreachable
        api = HfApi(endpoint=self._address)
        wanted = f"{pin.hub_id}@{revision}" if revision else pin.hub_id
        try:
            return api.model_info(pin.hub_id, revision=revision, files_metadata=True, timeout=ANSWER_TIMEOUT_S)
        except hub.OfflineModeIsEnabled as error:
            remedy = "Unset HF_HUB_OFFLINE and TRANSFORMERS_OFFLINE for this command, or use --from."
            raise SourceUnreachable("the hub's client is switched to offline by the environment", remedy) from error
        except hub.GatedRepoError as error:
            raise AccessDenied(f"{wanted} is given only to those who accepted its licence") from error
        except hub.RevisionNotFoundError as error:
            raise NotOnSource(f"the hub has no {wanted}") from error
        except hub.RepositoryNotFoundError as error:
            raise NotOnSource(f"the hub has no {pin.hub_id}, or only for those with a token") from error
        except (http_error, OSError) as error:
            self._unreachable = SourceUnreachable(f"the model hub {api.endpoint} does not answer: {error}".strip())
            raise self._unreachable from error
