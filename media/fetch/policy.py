"""What may be downloaded, from where, and how long it may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from media.fetch.addresses import HostRules
from schema.base import Model

TIKTOK_HOSTS = (
    "tiktok.com",
    "tiktokv.com",
    "tiktokv.us",
    "tiktokv.eu",
    "tiktokcdn.com",
    "tiktokcdn-us.com",
    "tiktokcdn-eu.com",
)
"""Pages, interfaces and video servers of TikTok; each stands for its subdomains too. A refusal names the host that is
missing here."""

HOST_PORT = r"^(\S+):(\d{1,5})$"


class FetchPolicy(Model):
    """Settings of downloads. Each number has a unit, a bound and a reason."""

    allowed_hosts: tuple[str, ...] = TIKTOK_HOSTS
    """Hosts that may be contacted, by the client's URL, by redirects and by the page's own links; each with its
    subdomains. ``["*"]`` allows every site that yt-dlp knows, on public addresses only."""
    test_hosts: tuple[Annotated[str, Field(pattern=HOST_PORT)], ...] = ()
    """``HOST:PORT`` that may have addresses that are not public: a test server, an archive in the house."""
    max_bytes: Annotated[int, Field(ge=1_000, le=20_000_000_000)] = 500_000_000
    """Bytes of a download. 500 MB is 5 minutes at 13 Mb/s; TikTok's own are under 100 MB."""
    max_duration_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 300.0
    """Seconds of video that the site may declare; what it declares wrongly, the probe finds afterwards."""
    timeout_s: Annotated[float, Field(gt=0.0, le=3600.0)] = 180.0
    """Wall seconds of one download with all its retries. 100 MB at 5 Mb/s take 160 s."""
    socket_timeout_s: Annotated[float, Field(gt=0.0, le=120.0)] = 10.0
    """Seconds without one byte after which a connection is given up."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """Times a download is tried when its fault may pass: a broken connection, 429, 5xx, a robot check."""
    backoff_s: Annotated[float, Field(ge=0.0, le=60.0)] = 1.0
    """Seconds before the second attempt; doubled before each further one. A site's ``Retry-After`` wins."""
    max_wait_s: Annotated[float, Field(ge=0.0, le=600.0)] = 30.0
    """Longest wait between two attempts. A site that asks for more is not asked again; the client is told."""
    memory_mb: Annotated[int, Field(ge=256, le=8192)] = 1024
    """Address space of the child process in MB; yt-dlp with TLS takes under 400."""
    cookies_file: str | None = None
    """Cookies of an account in Netscape format, for what only accounts see. Read, never written; an
    absolute path, or one that starts with ``~``. None by default."""
    proxy: Annotated[str, Field(pattern=r"^(https?|socks[45][ah]?)://\S+$")] | None = None
    """Proxy for all downloads. It then looks up the hosts, so their addresses cannot be checked here; the list of
    hosts still holds. The environment's proxies are not used."""

    @field_validator("allowed_hosts", "test_hosts")
    @classmethod
    def _lower_case(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in hosts)

    @property
    def rules(self) -> HostRules:
        """The hosts as the address checks take them."""
        return HostRules(self.allowed_hosts, self.test_hosts)
