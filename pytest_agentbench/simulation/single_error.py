"""The one way in which a value breaks its schema, as plain jsonschema sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pytest_agentbench.scenario import Json
from pytest_agentbench.simulation.places import Path
from pytest_agentbench.simulation.spread import Plan


def only_error(plan: Plan, value: Json) -> tuple[str, Path] | None:
    """Keyword and path of the only violation; None when there is none, or more than one."""
    found = _meant(plan.validator.iter_errors(value))
    first = next(found, None)
    return first if next(found, None) is None else None


def _meant(errors: Iterable[Any]) -> Iterator[tuple[str, Path]]:
    for error in errors:
        branch = _branch(error) if error.validator in {"anyOf", "oneOf"} else None
        if branch is None:
            yield str(error.validator), tuple(error.absolute_path)
        else:
            yield from _meant(branch)


def _branch(error: Any) -> list[Any] | None:
    """The errors in the branch that is meant: its type and its discriminator are those of the value."""
    branches: dict[Any, list[Any]] = {}
    for cause in error.context:
        branches.setdefault(next(iter(cause.schema_path), None), []).append(cause)
    of_its_type = [causes for causes in branches.values() if not any(map(_is_other_type, causes))]
    if not of_its_type:
        of_its_type = [causes for causes in branches.values() if not all(map(_is_null, causes))]
        return of_its_type[0] if len(of_its_type) == 1 else None
    if len(of_its_type) > 1:
        of_its_type = [causes for causes in of_its_type if not any(map(_is_other_constant, causes))]
    return of_its_type[0] if len(of_its_type) == 1 else None


def _is_other_type(cause: Any) -> bool:
    return cause.validator == "type" and not cause.path


def _is_other_constant(cause: Any) -> bool:
    return cause.validator in {"const", "enum"} and len(cause.path) <= 1


def _is_null(cause: Any) -> bool:
    return cause.validator == "type" and cause.validator_value in ("null", ["null"])
