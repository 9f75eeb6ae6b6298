"""A form for declared parameters: one field for each, of its type; what is left empty is not given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from workflows.core.errors import Problem
from workflows.core.naming import shown
from workflows.core.params import coerce_text
from workflows.core.spec import ParamSpec

_PREFIX = "value_"
_INPUT_TYPES = {"date": "date", "date-time": "datetime-local", "time": "time"}


class ValuesForm(forms.Form):
    """Fields of the declared parameters. The engine judges the values: the fields only read and show them."""

    def __init__(
        self,
        specs: Mapping[str, ParamSpec],
        data: Mapping[str, Any] | None = None,
        *,
        given: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
        kind: str = "values",
    ) -> None:
        """`given` is filled in; `defaults` are those to show, where they differ from the declared ones; `kind` begins
        the paths of problems with these values."""
        self.specs = specs
        self.kind = f"{kind}."
        initial = {
            f"{_PREFIX}{name}": _text(specs[name], value) for name, value in (given or {}).items() if name in specs
        }
        super().__init__(data, initial=initial)
        for name, spec in specs.items():
            self.fields[f"{_PREFIX}{name}"] = _field(name, spec, (defaults or {}).get(name, spec.default))

    def given(self) -> dict[str, Any]:
        """The values that were filled in, read by the declared type of each."""
        values = {}
        for name, spec in self.specs.items():
            text = self.cleaned_data.get(f"{_PREFIX}{name}") or ""
            if text.strip():
                values[name] = _value(spec, text)
        return values

    def place(self, problems: Iterable[Problem]) -> list[Problem]:
        """Put each problem with a value to its field; gives back the others."""
        rest = []
        for problem in problems:
            name = problem.path.removeprefix(self.kind).split(".")[0].split("[")[0]
            if problem.path.startswith(self.kind) and name in self.specs:
                self.add_error(f"{_PREFIX}{name}", problem.message)
            else:
                rest.append(problem)
        return rest


def _value(spec: ParamSpec, text: str) -> Any:
    if spec.enum is not None and spec.type != "string":
        return json.loads(text)
    return coerce_text(spec, text.replace("\r\n", "\n"))


def _text(spec: ParamSpec, value: Any) -> str:
    return value if isinstance(value, str) and spec.type == "string" else json.dumps(value, ensure_ascii=False)


def _field(name: str, spec: ParamSpec, default: Any) -> forms.Field:
    label = spec.title or name
    hints = [spec.description] if spec.description else []
    if not spec.required and default is not None:
        hints.append(_("Left empty: %s") % shown(default))
    elif spec.required:
        hints.append(_("Must be given."))
    common: dict[str, Any] = {"label": label, "help_text": " ".join(hints), "required": False}
    if spec.enum is not None or spec.type == "boolean":
        values = spec.enum if spec.enum is not None else (True, False)
        choices = [("", "–"), *((_text(spec, value), _choice(value)) for value in values)]
        return forms.ChoiceField(choices=choices, **common)
    return forms.CharField(strip=False, widget=_widget(spec), **common)


def _choice(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _widget(spec: ParamSpec) -> forms.Widget:
    if spec.type in ("array", "object") or spec.format == "multiline":
        rows = {"rows": 4, "spellcheck": "false"}
        return forms.Textarea(attrs={**rows, "class": "code"})
    if spec.type in ("integer", "number"):
        bounds = {"min": spec.minimum, "max": spec.maximum}
        kept = {key: f"{value:g}" for key, value in bounds.items() if value is not None}
        return forms.NumberInput(attrs={"step": "1" if spec.type == "integer" else "any", **kept})
    if spec.format in _INPUT_TYPES:
        return forms.TextInput(attrs={"type": _INPUT_TYPES[spec.format]})
    return forms.TextInput(attrs={"class": "vTextField"})
