"""What an address of an endpoint says by itself."""

from __future__ import annotations

from urllib.parse import urlsplit


def is_loopback(base_url: str | None) -> bool:
    """Whether an address is on this machine, where no key is needed and no proxy stands between."""
    host = _host(base_url) if base_url else None
    return host is not None and (host in {"localhost", "::1"} or host.startswith("127."))


def origin(url: str) -> str:
    """Scheme, host and port; user information may be a secret."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}"


def address_problem(url: str) -> str | None:
    """Why a base URL cannot be used, and what one looks like; None when it can."""
    example = "an address such as http://127.0.0.1:8000/v1 was expected"
    shown = url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return f"{shown!r} is no address; {example}"
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return f"{shown!r} has no http:// or https:// and host; {example}"
    if parts.username or parts.password:
        return f"{origin(url)}: a secret does not belong into an address; put it into AGENTBENCH_API_KEY"
    return None


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
