"""Hypothesis strategies for runs: consistent counts, any text where somebody else may write."""

from __future__ import annotations

from dataclasses import replace

from fabricated_runs import make_case, make_gate, make_info, make_model, make_sensitivity, make_tally
from hypothesis import strategies as st

from pytest_agentbench.verdict import CaseResult, Failure, RunResult, Tally, VariantTally

ANY_TEXT = st.text(alphabet=st.characters(codec=None), max_size=40)


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    n = draw(st.sampled_from([0, 1, 2, 50, 1500]))
    if draw(st.booleans()):
        return make_tally(n, parse_failures=None, looped=draw(st.integers(0, n)), n_x=draw(st.integers(0, 5)))
    failed = draw(st.integers(0, n))
    unrecoverable = draw(st.integers(0, failed))
    schema = draw(st.integers(0, n - failed))
    cost = draw(st.none() | st.floats(0, 1e6))
    called = draw(st.integers(0, n))
    return make_tally(
        n,
        parse_failures=failed,
        unrecoverable=unrecoverable,
        schema_failures=schema,
        looped=draw(st.integers(0, n)),
        calls=(called, draw(st.integers(0, called))),
        cost=cost,
    )


@st.composite
def cases(draw: st.DrawFn, scenario: str, model: str) -> CaseResult:
    tally = draw(tallies())
    n = tally.n_samples
    outcomes = ["pass", "fail", "inconclusive"] if n else ["no_data", "not_measured", "not_applicable"]
    verdicts = st.sampled_from(["PASS", "FAIL", "INCONCLUSIVE"])
    gates = tuple(
        make_gate(metric, draw(st.integers(0, n)), n, draw(verdicts), threshold=draw(st.floats(0, 1)))
        for metric in draw(st.sets(st.sampled_from(["parse_failure_rate", "loop_rate", "pass_rate"])))
    )
    failures = tuple(
        Failure(
            variant="base",
            row=draw(ANY_TEXT),
            index=3,
            tag=draw(ANY_TEXT),
            message=draw(ANY_TEXT),
            excerpt=draw(ANY_TEXT),
        )
        for _ in range(draw(st.integers(0, 2)))
    )
    case = make_case(
        scenario,
        model,
        tally,
        draw(st.sampled_from(outcomes)),
        gates=gates,
        failures=failures,
        reason=draw(ANY_TEXT),
        sensitivity=(make_sensitivity(verdict=draw(st.sampled_from([None, "SENSITIVE", "INSENSITIVE"]))),)
        if n
        else (),
        variants=tuple(
            VariantTally(id=f"v{i}", variant_class="format", tally=draw(tallies()))
            for i in range(draw(st.integers(0, 2)))
        ),
    )
    note = {
        "key": draw(ANY_TEXT),
        "asked": draw(ANY_TEXT),
        "sent": draw(st.none() | st.floats()),
        "note": draw(ANY_TEXT),
    }
    return replace(
        case,
        title=draw(ANY_TEXT),
        notes=(draw(ANY_TEXT),),
        honoured=(note,),
        answered_by={draw(ANY_TEXT): 3},
        faults={draw(ANY_TEXT): 1},
    )


@st.composite
def runs(draw: st.DrawFn) -> RunResult:
    """Any run: hostile texts everywhere that a model, an endpoint or a team can write."""
    models = [f"model-{place}" for place in range(draw(st.integers(1, 4)))]
    found = tuple(
        draw(cases(scenario, model))
        for scenario in [f"scenario-{i}" for i in range(draw(st.integers(0, 2)))]
        for model in models
    )
    return RunResult(
        run=make_info(stopped=draw(ANY_TEXT), options={"x": draw(st.none() | st.floats())}),
        models=tuple(make_model(name, host=draw(ANY_TEXT), warning=draw(ANY_TEXT)) for name in models),
        cases=found,
        exit_status=draw(st.sampled_from([0, 1, 2, 5, 10])),
    )
