"""Everything that is counted over one set of samples: a case, or one variant of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pytest_agentbench import metrics
from pytest_agentbench.metrics.tool_argument_failure_rate import calls
from pytest_agentbench.model import Prices
from pytest_agentbench.sample import JsonOutcome, Reply, Sample
from pytest_agentbench.scenario import Json
from pytest_agentbench.stats.bounds import wilson_interval
from pytest_agentbench.verdict import ArgumentsTally, JsonTally, LoopTally, PassTally, Tally

LEVELS = ("L0", "L1", "L2", "L3", "L4", "L5")
PARSES = ("strict", "extractable", "repairable", "unparseable", "none")


def tally(samples: Sequence[Sample], *, prices: Prices | None, json_asked: bool) -> Tally:
    """Count samples. Of an X only its attempts and what its replies cost are counted.

    ``json_asked``: the scenario wants a JSON answer; without it the JSON tally is empty (n = 0).
    Rates are None when their denominator is 0.
    """
    counted = [sample for sample in samples if sample.status == "ok"]
    replies = [turn.reply for sample in samples for turn in sample.turns]
    return Tally(
        n_samples=len(counted),
        n_x=len(samples) - len(counted),
        n_attempts=sum(sample.n_attempts for sample in samples),
        n_transport_errors=sum(sample.n_transport_errors for sample in samples),
        json=_json_tally(counted if json_asked else []),
        arguments=_arguments_tally(counted),
        loops=_loop_tally(counted),
        passes=_pass_tally(counted),
        latency_s=_latencies([sample.latency_s for sample in counted]),
        tokens=_tokens(replies),
        cost_usd=cost_usd(replies, prices),
    )


def count(name: str, samples: Iterable[Sample]) -> tuple[int, int]:
    """(failures, denominator) of the metric ``name`` over ``samples``.

    Raises:
        KeyError: there is no such metric.
    """
    failure = metrics.get(name).failure
    outcomes = [outcome for outcome in map(failure, samples) if outcome is not None]
    return sum(outcomes), len(outcomes)


def cost_usd(replies: Iterable[Reply], prices: Prices | None) -> float | None:
    """What the replies cost in US dollars; 0.0 without replies.

    ``prompt_tokens`` include the cached ones, ``completion_tokens`` the reasoning (OpenAI's usage).
    Cached tokens cost the cached price, the full one where no cached price is known. None when a
    price or the usage of any reply is unknown.
    """
    total = 0.0
    for reply in replies:
        usage = reply.usage
        if prices is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        cached_price = prices.input if prices.cached_input is None else prices.cached_input
        total += (usage.prompt_tokens - cached) * prices.input + cached * cached_price
        total += usage.completion_tokens * prices.output
    return total / 1e6


def quantile(ordered: Sequence[float], probability: float) -> float:
    """Quantile of sorted values by linear interpolation (type 7 of Hyndman and Fan, 1996).

    Raises:
        ValueError: there are no values.
    """
    if not ordered:
        raise ValueError("a quantile needs at least one value")
    place = probability * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _rate(x: int, n: int) -> float | None:
    return x / n if n else None


def _json_tally(samples: Sequence[Sample]) -> JsonTally:
    outcomes = [sample.json for sample in samples if sample.json is not None]
    parse_failures, n = count("parse_failure_rate", samples)
    schema_failures, n_parsed = count("schema_failure_rate", samples)
    contract_failures, _ = count("contract_failure_rate", samples)
    parse = _counts((outcome.parse for outcome in outcomes), PARSES)
    unrecoverable = parse["unparseable"] + parse["none"]
    depths = Counter(error.depth for outcome in outcomes for error in outcome.errors)
    return JsonTally(
        n=n,
        levels=_counts((outcome.level for outcome in outcomes), LEVELS),
        parse=parse,
        parse_failures=parse_failures,
        parse_failure_rate=_rate(parse_failures, n),
        unrecoverable=unrecoverable,
        unrecoverable_rate=_rate(unrecoverable, n),
        schema_failures=schema_failures,
        schema_failure_rate=_rate(schema_failures, n_parsed),
        contract_failures=contract_failures,
        contract_failure_rate=_rate(contract_failures, n),
        interval=wilson_interval(parse_failures, n),
        tags=_tag_counts([outcome] for outcome in outcomes),
        depths={str(depth): depths[depth] for depth in sorted(depths)},
    )


def _arguments_tally(samples: Sequence[Sample]) -> ArgumentsTally:
    failures, n = count("tool_argument_failure_rate", samples)
    return ArgumentsTally(
        n=n,
        n_calls=sum(len(calls(sample)) for sample in samples),
        failures=failures,
        tool_argument_failure_rate=_rate(failures, n),
        interval=wilson_interval(failures, n),
        tags=_tag_counts(sample.arguments for sample in samples),
    )


def _loop_tally(samples: Sequence[Sample]) -> LoopTally:
    looped, n = count("loop_rate", samples)
    kinds = Counter(sample.loop.kind for sample in samples if sample.loop is not None)
    return LoopTally(
        n=n,
        looped=looped,
        rate=_rate(looped, n),
        interval=wilson_interval(looped, n),
        kinds=_by_frequency(kinds),
    )


def _pass_tally(samples: Sequence[Sample]) -> PassTally:
    failed, n = count("pass_rate", samples)
    return PassTally(
        n=n, passed=n - failed, rate=_rate(n - failed, n), interval=wilson_interval(n - failed, n)
    )


def _counts(values: Iterable[str], known: Sequence[str]) -> dict[str, int]:
    counter = Counter(values)
    return {value: counter[value] for value in known}


def _by_frequency(counter: Counter[str]) -> dict[str, int]:
    """Commonest first, equal ones by name, so that the same samples give the same document."""
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _tag_counts(samples: Iterable[Iterable[JsonOutcome]]) -> dict[str, int]:
    """In how many samples each tag occurs: twenty missing keys in one reply are one."""
    return _by_frequency(
        Counter(tag for outcomes in samples for tag in {t for o in outcomes for t in o.tags})
    )


def _latencies(values: Sequence[float]) -> Mapping[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {
        "mean": math.fsum(ordered) / len(ordered),
        "p50": quantile(ordered, 0.5),
        "p95": quantile(ordered, 0.95),
        "max": ordered[-1],
    }


def _total(values: Iterable[int | None]) -> int | None:
    """The sum; None when there is nothing to add or one value is unknown."""
    known = list(values)
    return None if not known or None in known else sum(value for value in known if value is not None)


def _tokens(replies: Sequence[Reply]) -> dict[str, Json]:
    """Totals over all replies, None where one did not say; ``per_s`` over those that did.

    Reasoning is optional in usage: those that do not report it are taken to have none, and it is
    None when no reply reports it. ``per_s`` are completion tokens per second of waiting.
    """
    reasoning = [r.usage.reasoning_tokens for r in replies if r.usage.reasoning_tokens is not None]
    timed = [
        (reply.usage.completion_tokens, reply.latency_s)
        for reply in replies
        if reply.usage.completion_tokens is not None and reply.latency_s > 0
    ]
    seconds = math.fsum(latency for _, latency in timed)
    return {
        "prompt": _total(reply.usage.prompt_tokens for reply in replies),
        "completion": _total(reply.usage.completion_tokens for reply in replies),
        "reasoning": sum(reasoning) if reasoning else None,
        "per_s": sum(tokens for tokens, _ in timed) / seconds if timed else None,
    }
