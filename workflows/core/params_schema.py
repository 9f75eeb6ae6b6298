"""JSON Schema (2020-12) of parameters, for launch forms: it accepts what `core.params` accepts, and nothing else.

Two things no schema can say: that a text or a tree can be stored, and what a pattern in Python's dialect means to
another one. The server checks all of it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.core import templating
from workflows.core.errors import RenderError
from workflows.core.param_formats import FORMATS, MAX_TEXT
from workflows.core.params import mismatch
from workflows.core.schema import DIALECT
from workflows.core.spec import ParamSpec


def json_schema(
    specs: Mapping[str, ParamSpec],
    context: Mapping[str, Any] | None = None,
    *,
    title: str = "Parameters",
    templated: bool = True,
) -> dict[str, Any]:
    """The schema of the values that may be given.

    `context` is what templated defaults see, as in `params.resolve`; without it, or where one cannot be rendered or
    does not fit, such a default is left out. `x-default-template` is the default as it was written, for forms that
    rather leave the field empty: the server then renders it when the run starts. `x-order` is the order of the
    declaration, and `x-format` the format, also where JSON Schema means another thing by that name. Without `templated`
    no default is a template, whatever it looks like.
    """
    return {
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": {name: _schema_of(spec) | _default(spec, context, templated) for name, spec in specs.items()},
        "required": [name for name, spec in specs.items() if spec.required],
        "additionalProperties": False,
        "x-order": list(specs),
    }


def _schema_of(spec: ParamSpec) -> dict[str, Any]:
    nullable = not spec.required and spec.default is None and spec.type != "null"
    schema: dict[str, Any] = {"type": [spec.type, "null"] if nullable else spec.type}
    for name in ("title", "description", "minimum", "maximum"):
        if getattr(spec, name) not in (None, ""):
            schema[name] = getattr(spec, name)
    if spec.type == "string":
        schema |= _text_schema(spec)
    if spec.enum is not None:
        schema["enum"] = [*spec.enum, None] if nullable else list(spec.enum)
    return schema


def _text_schema(spec: ParamSpec) -> dict[str, Any]:
    schema: dict[str, Any] = {"x-format": spec.format} if spec.format is not None else {}
    form = FORMATS.get(spec.format or "")
    if form is not None and form.standard:
        schema["format"] = spec.format
    patterns = [pattern for pattern in (spec.pattern, form.pattern if form else None) if pattern is not None]
    if patterns:
        schema["pattern"] = patterns[0]
        schema["maxLength"] = min(MAX_TEXT, form.max_length if form else MAX_TEXT)
    if patterns[1:]:
        schema["allOf"] = [{"pattern": pattern} for pattern in patterns[1:]]
    return schema


def _default(spec: ParamSpec, context: Mapping[str, Any] | None, templated: bool) -> dict[str, Any]:
    if spec.default is None:
        return {}
    if not templated or not templating.is_template(spec.default):
        return {"default": spec.default}
    written = {"x-default-template": spec.default}
    if context is None:
        return written
    try:
        value = templating.render(spec.default, context, simple=True)
    except RenderError:
        return written
    return written if mismatch(spec, value) else {"default": value, **written}
