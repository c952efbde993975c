"""The prompt of a document and its variants, each merged with the base wording."""

from __future__ import annotations

import base64
from collections.abc import Collection
from typing import Literal

from pytest_agentbench.expand.transforms import FORMAT, NOISE
from pytest_agentbench.loader.document import Document, Path_
from pytest_agentbench.loader.suggest import did_you_mean
from pytest_agentbench.scenario import Json, Message, Part, Variant

_IMAGES = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".gif": "gif", ".webp": "webp"}
_MAX_IMAGE_BYTES = 20_000_000
_WORDINGS = ("system", "user", "messages")
DEFAULT_RATE = 0.02
"""Typos per letter of a noise variant that sets none."""


def read_variants(document: Document) -> tuple[Variant, ...]:
    """The base wording and the variants; empty when the prompt itself is bad."""
    if not document.has("prompt"):
        return ()
    messages = _base(document)
    if messages is None:
        return ()
    variants = [Variant(id="base", variant_class="base", messages=messages)]
    seen = {"base": document.at(("prompt",)).line}
    for path, value in document.items("variants"):
        variant = _variant(document, path, value, messages)
        if variant is None:
            continue
        if variant.id in seen:
            where = (*path, "id") if "id" in value else path
            rest = "" if "id" in value else ", give it an id of its own"
            document.problem(where, f"variant '{variant.id}' stands already in line {seen[variant.id]}{rest}")
            continue
        seen[variant.id] = document.at(path).line
        variants.append(variant)
    return tuple(variants)


def read_then(document: Document) -> tuple[str, ...]:
    """The user messages that follow."""
    return tuple(text for _, text in document.items("prompt", "then"))


def _base(document: Document) -> tuple[Message, ...] | None:
    prompt = document.get("prompt")
    if "messages" in prompt:
        for key in ("system", "user"):
            if key in prompt:
                document.problem(
                    ("prompt", key), f"'{key}' is short for messages: write one or the other", key=True
                )
        return _messages(document, ("prompt", "messages"))
    if "user" not in prompt:
        document.problem(("prompt",), "missing key 'user' in prompt (or 'messages')")
        return None
    roles: tuple[Literal["system", "user"], ...] = ("system", "user")
    return tuple(
        Message(role=role, content=_content(document, ("prompt", role))) for role in roles if role in prompt
    )


def _variant(document: Document, path: Path_, value: Json, base: tuple[Message, ...]) -> Variant | None:
    kind = value["class"]
    transform = value.get("transform")
    known: Collection[str] = {"paraphrase": (), "format": FORMAT, "noise": NOISE}[kind]
    if transform is None and not any(key in value for key in _WORDINGS):
        hint = f", or a transform: {', '.join(sorted(known))}" if known else ""
        document.problem(path, f"a variant needs a wording (system, user or messages){hint}")
        return None
    if kind != "paraphrase" and transform is not None and transform not in known:
        hint = did_you_mean(transform, known, otherwise_list=True)
        document.problem((*path, "transform"), f"'{transform}' is no transform of the class {kind}{hint}")
        return None
    if transform not in NOISE and "rate" in value:
        document.problem((*path, "rate"), "only a noise transform has a rate", key=True)
    if kind == "paraphrase" and transform is not None:
        document.problem(
            (*path, "transform"), "a paraphrase has no transform: its wording is yours", key=True
        )
    if "messages" in value and ("user" in value or "system" in value):
        document.problem((*path, "messages"), "write messages, or system and user, not both", key=True)
    if not document.ok(*path):
        return None
    default = f"{kind}-{str(transform).replace('_', '-')}" if transform else kind
    return Variant(
        id=value.get("id", default),
        variant_class=kind,
        messages=_merged(document, path, value, base),
        transform=transform,
        rate=value.get("rate", DEFAULT_RATE) if transform in NOISE else None,
    )


def _merged(document: Document, path: Path_, value: Json, base: tuple[Message, ...]) -> tuple[Message, ...]:
    if "messages" in value:
        return _messages(document, (*path, "messages"))
    messages = list(base)
    if "system" in value:
        system = Message(role="system", content=_content(document, (*path, "system")))
        if messages and messages[0].role == "system":
            messages[0] = system
        else:
            messages.insert(0, system)
    if "user" in value:
        last = max((n for n, message in enumerate(messages) if message.role == "user"), default=len(messages))
        messages[last : last + 1] = [Message(role="user", content=_content(document, (*path, "user")))]
    return tuple(messages)


def _messages(document: Document, path: Path_) -> tuple[Message, ...]:
    messages = []
    for below, value in document.items(*path):
        role = next(iter(value), None)
        if role is None:  # its only key is unknown, which is said already
            continue
        messages.append(Message(role=role, content=_content(document, (*below, role))))
    if messages and messages[-1].role != "user":
        where = (*path, len(messages) - 1)
        document.problem(where, f"the last message must be the user's, got {messages[-1].role}")
    return tuple(messages)


def _content(document: Document, path: Path_) -> str | tuple[Part, ...]:
    value = document.get(*path, default="")
    if isinstance(value, str):
        return value
    parts = []
    for below, part in document.items(*path):
        if "text" in part:
            parts.append(Part(kind="text", value=part["text"]))
        elif "image" in part:
            url = _image(document, (*below, "image"), part["image"])
            if url is not None:
                parts.append(Part(kind="image", value=url))
    return tuple(parts)


def _image(document: Document, path: Path_, reference: str) -> str | None:
    try:
        file = document.resolve(reference)
        data = file.read_bytes()
    except (ValueError, OSError) as error:
        document.problem(path, f"image: {error}")
        return None
    kind = _IMAGES.get(file.suffix.lower())
    if kind is None:
        document.problem(path, f"image '{reference}' must be one of {', '.join(_IMAGES)}")
        return None
    if len(data) > _MAX_IMAGE_BYTES:
        document.problem(
            path, f"image '{reference}' has {len(data)} bytes, at most {_MAX_IMAGE_BYTES} can be sent"
        )
        return None
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
