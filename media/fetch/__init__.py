"""Downloads: a URL becomes a local file, in a child process with limits on time, bytes, memory and addresses."""

from media.fetch.policy import FetchPolicy
from media.fetch.run import Fetched, fetch

__all__ = ["FetchPolicy", "Fetched", "fetch"]
