"""Scenario, variant and row to what one sample is asked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from pytest_agentbench.expand.templates import TemplateError, is_template, render_text, render_value
from pytest_agentbench.scenario import CheckSpec, Json, Message, Rendering, Scenario, Variant

__all__ = ["TemplateError", "render", "render_messages", "render_text", "render_value"]


def render(scenario: Scenario, variant: Variant, row: int) -> Rendering:
    """What a sample of ``variant`` with row number ``row`` (from 0, taken modulo the rows) is asked.

    Depends on the arguments alone: the same in every worker, at any time.

    Raises:
        TemplateError: a template fails; the loader has rendered every row, so it does not happen
            with a loaded scenario.
    """
    row %= len(scenario.rows)
    values = scenario.rows[row]
    answer = scenario.answer_json
    if answer is not None and answer.has_expect:
        answer = dataclasses.replace(answer, expect=render_value(answer.expect, values))
    return Rendering(
        scenario=scenario.id,
        variant=variant.id,
        variant_class=variant.variant_class,
        row=row,
        row_key=scenario.row_keys[row],
        values=values,
        messages=render_messages(scenario, variant, row),
        then=tuple(render_text(text, values) for text in scenario.then),
        answer_json=answer,
        checks=tuple(
            CheckSpec(name=check.name, params=render_value(check.params, values), location=check.location)
            for check in scenario.checks
        ),
        tools=scenario.tools,
        files={name: render_text(text, values) for name, text in scenario.sandbox.files.items()},
        reference=render_value(scenario.reference, values),
    )


def render_messages(scenario: Scenario, variant: Variant, row: int) -> tuple[Mapping[str, Json], ...]:
    """The messages of ``variant`` with row number ``row``, in wire form, its transform applied.

    Assistant messages are examples of answers: no transform touches them.

    Raises:
        TemplateError: a template fails.
    """
    values = scenario.rows[row]
    messages: list[dict[str, Json]] = []
    for number, message in enumerate(variant.messages):
        seed = f"{scenario.id}/{variant.id}/{row}/{number}"
        if isinstance(message.content, str):
            messages.append(
                {"role": message.role, "content": _text(message, message.content, variant, values, seed)}
            )
            continue
        parts: list[Json] = []
        for n, part in enumerate(message.content):
            if part.kind == "image":
                parts.append({"type": "image_url", "image_url": {"url": part.value}})
            else:
                text = _text(message, part.value, variant, values, f"{seed}/{n}")
                parts.append({"type": "text", "text": text})
        messages.append({"role": message.role, "content": parts})
    return tuple(messages)


def _text(message: Message, template: str, variant: Variant, values: Mapping[str, Json], seed: str) -> str:
    if variant.transform is None or message.role == "assistant":
        return render_text(template, values)
    from pytest_agentbench.expand import transforms

    if not is_template(template):
        pieces = [transforms.Piece(text=template)]
    else:
        from pytest_agentbench.expand.jinja import Inserted
        from pytest_agentbench.expand.templates import compiled

        pieces = [
            transforms.Piece(text=str.__str__(part), fixed=True, json=(part.json,) if part.is_json else None)
            if isinstance(part, Inserted)
            else transforms.Piece(text=part)
            for part in compiled(template).parts(values)
        ]
    return transforms.apply(variant.transform, pieces, rate=variant.rate, seed=seed)
