"""What an HTTP error of a provider means: final or not, whose fault, how long to wait.

Providers use the same status for different things: 429 is "slow down" or "your account is empty",
400 is a mistake in the request or a prompt longer than the context. The body tells (PROVIDERS,
fact 10).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pytest_agentbench.errors import AgentbenchError
from pytest_agentbench.scenario import Json


class AttemptError(AgentbenchError):
    """One failed attempt.

    Attributes:
        kind: As in :class:`~pytest_agentbench.errors.TransportError`.
        retry: Whether another attempt may help.
        retry_after_s: The provider's own wish, None when it has none.
        quota: The account has nothing left.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: int | None = None,
        retry: bool = True,
        retry_after_s: float | None = None,
        quota: bool = False,
    ) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.status = status
        self.retry = retry
        self.retry_after_s = retry_after_s
        self.quota = quota


_QUOTA_CODES = frozenset(
    {
        "insufficient_quota",
        "insufficient_balance",
        "insufficient_credits",
        "billing_hard_limit_reached",
        "billing_not_active",
        "credit_limit_reached",
        "quota_exhausted",
    }
)
_QUOTA_TEXT = re.compile(
    r"insufficient (balance|credits?|quota|funds)|exceeded your current quota|credit balance is too low"
    r"|key limit exceeded|out of credits|billing hard limit|requires more credits|spend(ing)? limit",
    re.IGNORECASE,
)
# Gemini says "You exceeded your current quota" for its limits per minute too, and then when to retry.
_RETRY_TEXT = re.compile(r"(?:retry|try again) in ([0-9.]+) ?(ms|s|m)\b", re.IGNORECASE)
_RETRY_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_PER_DAY = re.compile(r"per ?day", re.IGNORECASE)
_OVERFLOW_CODES = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"}
)
_OVERFLOW_TEXT = re.compile(
    r"context (length|window|limit|size)|maximum context|prompt is too long|input is too long"
    r"|exceeds? the (available|model'?s) context|input token count|too many (input )?tokens"
    r"|reduce the length of the (messages|prompt|input)",
    re.IGNORECASE,
)


def fault_of_status(status: int, headers: Mapping[str, str], raw: bytes) -> AttemptError:
    """The fault behind an HTTP status other than 2xx."""
    document = _document(raw)
    codes, message = _error(document)
    text = message or _excerpt(raw) or "no body"
    retry_after = _retry_after(headers)
    if retry_after is None:
        retry_after = _retry_wish(document, text)
    if status in {402, 403, 429} and _is_quota(status, codes, text, document, retry_after):
        return AttemptError("quota_exhausted", text, status=status, retry=False, quota=True)
    if status in {400, 413, 422} and (codes & _OVERFLOW_CODES or _OVERFLOW_TEXT.search(text)):
        return AttemptError("context_overflow", text, status=status, retry=False)
    if status == 429:
        return AttemptError("rate_limited", text, status=status, retry_after_s=retry_after)
    if status in {401, 403}:
        return AttemptError("auth", text, status=status, retry=False)
    # 408, 409 and 425 say themselves that the same request may pass later.
    retry = status >= 500 or status in {408, 409, 425}
    return AttemptError(f"http_{status}", text, status=status, retry=retry, retry_after_s=retry_after)


def fault_in_body(document: Mapping[str, Json]) -> AttemptError | None:
    """The fault in an answer with status 200 (OpenRouter reports a failed host this way)."""
    problem = document.get("error")
    if not problem:
        return None
    code = problem.get("code") if isinstance(problem, dict) else None
    if isinstance(code, int) and not isinstance(code, bool) and 400 <= code < 600:
        return fault_of_status(code, {}, json.dumps({"error": problem}).encode())
    codes, message = _error(document)
    text = message or json.dumps(problem, ensure_ascii=False)[:300]
    if codes & _QUOTA_CODES:
        return AttemptError("quota_exhausted", text, retry=False, quota=True)
    return AttemptError("error_in_body", text)


def _document(raw: bytes) -> Json:
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    # Gemini's OpenAI endpoint wraps its errors into a list.
    return document[0] if isinstance(document, list) and document else document


def _error(document: Json) -> tuple[frozenset[str], str | None]:
    """(codes and types in lower case, message) of an error in any of the forms that were seen."""
    if not isinstance(document, dict):
        return frozenset(), None
    problem = document.get("error", document)
    if isinstance(problem, str):
        return frozenset(), problem
    if not isinstance(problem, dict):
        return frozenset(), None
    codes = {str(problem[key]).lower() for key in ("code", "type", "status") if problem.get(key) is not None}
    for name in ("message", "detail", "error_msg"):
        message = problem.get(name)
        if message:
            text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
            return frozenset(codes), " ".join(text.split())[:500]
    return frozenset(codes), None


def _is_quota(
    status: int, codes: frozenset[str], text: str, document: Json, retry_after_s: float | None
) -> bool:
    if codes & _QUOTA_CODES or status == 402:
        return True
    if "resource_exhausted" in codes:
        whole = json.dumps(document) if document is not None else text
        return retry_after_s is None and _PER_DAY.search(whole) is not None
    return _QUOTA_TEXT.search(text) is not None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of ``retry-after-ms`` or ``Retry-After`` (a number or an HTTP date)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if not value:
            continue
        try:
            seconds = float(value) * unit
        except ValueError:
            try:
                when = parsedate_to_datetime(value)
            except ValueError:
                continue
            if when.tzinfo is None:
                when = when.replace(tzinfo=UTC)
            seconds = (when - datetime.now(UTC)).total_seconds()
        if seconds == seconds:  # noqa: PLR0124 - NaN says nothing
            return max(0.0, seconds)
    return None


def _retry_wish(document: Json, text: str) -> float | None:
    """Seconds from Google's RetryInfo, or from words such as "Please retry in 12.5s"."""
    problem = document.get("error") if isinstance(document, dict) else None
    details = problem.get("details") if isinstance(problem, dict) else None
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and re.fullmatch(r"[0-9.]+s", delay):
            return float(delay[:-1])
    found = _RETRY_TEXT.search(text)
    return float(found[1]) * _RETRY_UNITS[found[2].lower()] if found else None


def _excerpt(raw: bytes) -> str:
    text = " ".join(re.sub(rb"<[^>]*>", b" ", raw[:2000]).decode("utf-8", "replace").split())
    return text[:200]
