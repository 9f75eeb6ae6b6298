"""The time zone database's own tables, from the tzdata package that every installation has."""

from __future__ import annotations

from importlib.resources import files
from typing import Any


def countries() -> dict[str, Any]:
    """Rows of (code, name), from iso3166.tab."""
    rows = [{"code": code, "name": name} for code, name in (line[:2] for line in _table("iso3166.tab"))]
    print(f"{len(rows)} countries")
    return {"rows": rows}


def zones() -> dict[str, Any]:
    """Rows of (zone, code): one for each country that uses the zone, from zone1970.tab."""
    rows = [
        {"zone": zone, "code": code}
        for codes, _, zone in (line[:3] for line in _table("zone1970.tab"))
        for code in codes.split(",")
    ]
    print(f"{len(rows)} uses of zones")
    return {"rows": rows}


def _table(name: str) -> list[list[str]]:
    text = files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
