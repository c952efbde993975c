"""HTTP errors as providers send them: final or not, quota or rate, how long to wait."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_agentbench.providers.faults import AttemptError, fault_of_status

GEMINI_TEXT = "You exceeded your current quota, please check your plan and billing details."


def found(status: int, document: Any, headers: dict[str, str] | None = None) -> AttemptError:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return fault_of_status(status, headers or {}, raw)


def openai_error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("status", "document"),
    [
        (429, openai_error(GEMINI_TEXT, code="insufficient_quota", type="insufficient_quota")),
        (402, openai_error("Insufficient Balance", type="unknown_error", code="invalid_request_error")),
        (402, openai_error("Insufficient credits. Add more using https://openrouter.ai/settings", code=402)),
        (403, openai_error("Key limit exceeded. Manage it using the settings page", code=403)),
        (429, openai_error("Billing hard limit has been reached", code="billing_hard_limit_reached")),
        (
            429,
            [
                openai_error(
                    GEMINI_TEXT,
                    code=429,
                    status="RESOURCE_EXHAUSTED",
                    details=[{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}],
                )
            ],
        ),
    ],
)
def test_an_empty_account_is_final(status: int, document: Any) -> None:
    fault = found(status, document, {"retry-after": "5"} if status != 429 else {})
    assert (fault.kind, fault.quota, fault.retry) == ("quota_exhausted", True, False)


@pytest.mark.parametrize(
    ("document", "headers", "wait"),
    [
        (openai_error("Rate limit reached for gpt-5", code="rate_limit_exceeded"), {}, None),
        (openai_error("Rate limit reached. Please try again in 20ms."), {}, 0.02),
        (openai_error("slow down"), {"retry-after": "3"}, 3.0),
        (openai_error("slow down"), {"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        (openai_error("slow down"), {"retry-after": "soon"}, None),
        (openai_error("slow down"), {"retry-after": "-4"}, 0.0),
        (b"Too Many Requests", {}, None),
        (
            [
                openai_error(
                    f"{GEMINI_TEXT} Quota exceeded for GenerateRequestsPerMinute, limit: 10",
                    code=429,
                    status="RESOURCE_EXHAUSTED",
                    details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}],
                )
            ],
            {},
            37.0,
        ),
        (
            [openai_error(f"{GEMINI_TEXT} Please retry in 12.5s.", code=429, status="RESOURCE_EXHAUSTED")],
            {},
            12.5,
        ),
    ],
)
def test_a_rate_limit_is_not(document: Any, headers: dict[str, str], wait: float | None) -> None:
    fault = found(429, document, headers)
    assert (fault.kind, fault.quota, fault.retry, fault.retry_after_s) == ("rate_limited", False, True, wait)


def test_a_date_to_wait_for_becomes_seconds() -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    fault = found(503, b"", {"retry-after": when})
    assert fault.retry_after_s is not None
    assert 27 <= fault.retry_after_s <= 30


@pytest.mark.parametrize(
    "document",
    [
        openai_error("This model's maximum context length is 8192 tokens.", code="context_length_exceeded"),
        openai_error(
            "request (9001 tokens) exceeds the available context size", type="exceed_context_size_error"
        ),
        openai_error("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error"),
        openai_error(
            "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)."
        ),
        {"object": "error", "message": "This model's maximum context length is 4096 tokens", "code": 40303},
        {"error": "input is too long for this model"},
    ],
)
def test_a_prompt_longer_than_the_context_is_recognised_and_final(document: Any) -> None:
    fault = found(400, document)
    assert (fault.kind, fault.retry) == ("context_overflow", False)


@pytest.mark.parametrize(
    ("status", "retry"), [(400, False), (404, False), (408, True), (409, True), (500, True), (529, True)]
)
def test_only_what_may_pass_later_is_tried_again(status: int, retry: bool) -> None:
    fault = found(status, openai_error("no"))
    assert (fault.kind, fault.retry) == (f"http_{status}", retry)


def test_the_message_is_one_short_line_in_the_words_of_the_provider() -> None:
    assert found(400, {"detail": [{"loc": ["body"], "msg": "field required"}]}).message == (
        '[{"loc": ["body"], "msg": "field required"}]'
    )
    assert found(502, b"<html><h1>502 Bad\n Gateway</h1></html>").message == "502 Bad Gateway"
    assert found(500, b"").message == "no body"
    assert len(found(500, openai_error("x\n" * 5000)).message) <= 500


@given(
    status=st.integers(300, 599),
    raw=st.binary(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["error", "message", "code", "details", "x"]), inner, max_size=3
            )
        ),
    ).map(lambda value: json.dumps(value).encode()),
    retry_after=st.none() | st.text(max_size=12) | st.floats().map(str),
)
def test_no_error_of_a_provider_breaks_the_reading_of_it(
    status: int, raw: bytes, retry_after: str | None
) -> None:
    fault = fault_of_status(status, {"retry-after": retry_after} if retry_after is not None else {}, raw)
    assert fault.kind
    assert "\n" not in fault.message
    assert fault.retry_after_s is None or fault.retry_after_s >= 0
