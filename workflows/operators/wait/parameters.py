"""What a wait takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, model_validator

from workflows.core.spec import Duration, Moment, PositiveDuration
from workflows.operators.base import RAW, WRITTEN, Parameters
from workflows.operators.http.parameters import BasicAuth, Status

ANSWER: dict[str, Any] = {"x-template": "later", "x-names": ["answer"]}


class HttpLook(Parameters):
    """The request of one look; its fields are those of an http task."""

    method: Literal["GET", "HEAD", "POST"] = Field(
        default="GET", title="Method", description="The request method.", examples=["GET"]
    )
    url: str = Field(
        min_length=1,
        title="URL",
        description="http or https. Private addresses are refused unless the setting HTTP_ALLOW_PRIVATE has them.",
        examples=["https://shop.example/exports/{{ params.day }}"],
    )
    headers: dict[str, str] = Field(default_factory=dict, title="Headers", description="Request headers.")
    params: dict[str, Any] = Field(default_factory=dict, title="Query", description="Query parameters.")
    json_body: Any = Field(default=None, alias="json", title="JSON body", description="A JSON value to send.")
    auth: BasicAuth | None = Field(default=None, title="Basic authentication", description="A user and a password.")
    timeout: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=20.0, title="Timeout", description="Seconds for one request and its whole answer."
    )
    expected_status: list[Status] | Status = Field(
        default="2xx",
        title="Expected status",
        description="The statuses at which the wait is over, if `expect` holds as well; at others it goes on.",
        examples=["2xx", [200, 404]],
    )
    follow_redirects: bool = Field(default=True, title="Follow redirects", description="Up to five, each checked.")
    verify: bool = Field(default=True, title="Verify the certificate", description="Off only for one of your making.")


class SqlLook(Parameters):
    """The query of one look."""

    connection: str = Field(
        min_length=1, title="Connection", description="A name in the setting SQL_CONNECTIONS.", examples=["warehouse"]
    )
    query: str = Field(
        min_length=1,
        title="Query",
        description="One statement; the wait is over when the first value of its first row is true. Values go in as "
        ":name, from bind; expressions are not rendered in it.",
        examples=["select count(*) > 0 from orders where day = :day"],
        json_schema_extra=RAW,
    )
    bind: dict[str, Any] = Field(default_factory=dict, title="Values", description="The values of the query's :names.")
    statement_timeout: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=20.0, title="Statement timeout", description="Seconds that the query may take."
    )


class WaitParameters(Parameters):
    """What to wait for: one of until, for, http and sql."""

    until: Moment | None = Field(
        default=None,
        title="Until",
        description="A date and time; without an offset, in `timezone`.",
        examples=["{{ params.day }}T06:00"],
    )
    timezone: str = Field(
        default="UTC", title="Time zone", description="An IANA name, for `until`.", examples=["Europe/Berlin"]
    )
    for_: Duration | None = Field(default=None, alias="for", title="For", description="How long.", examples=["10m"])
    http: HttpLook | None = Field(default=None, title="HTTP", description="Ask until the answer is as expected.")
    sql: SqlLook | None = Field(default=None, title="SQL", description="Ask until the first value is true.")
    expect: str | None = Field(
        default=None,
        min_length=1,
        title="Expect",
        description="An expression over answer: {status, headers, text, json} of http, {value, row} of sql.",
        examples=["answer.json.state == 'done'"],
        json_schema_extra=ANSWER,
    )
    every: PositiveDuration = Field(
        default=30.0, title="Every", description="Time between two looks at http or sql.", examples=["1m"]
    )
    on_error: Literal["wait", "fail"] = Field(
        default="wait",
        title="On error",
        description="A look that failed (no connection, a broken answer, an error of the database): wait takes it for "
        "'not yet', fail fails the attempt.",
        json_schema_extra=WRITTEN,
    )
    on_timeout: Literal["fail", "skip"] = Field(
        default="fail",
        title="On timeout",
        description="What happens when the task's timeout has passed.",
        json_schema_extra=WRITTEN,
    )

    @model_validator(mode="after")
    def _one_of_four(self) -> Self:
        given = [name for name in ("until", "for_", "http", "sql") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give one of until, for, http and sql")
        if self.expect is not None and given[0] not in ("http", "sql"):
            raise ValueError("expect belongs to http or sql")
        if self.timezone not in available_timezones():
            raise ValueError(f"there is no time zone {self.timezone!r}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times without an offset."""
        return ZoneInfo(self.timezone)
