"""What an http task takes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from workflows.operators.base import Parameters


def _status_pattern(value: int | str) -> int | str:
    if isinstance(value, int) and not 100 <= value <= 599:
        raise ValueError("a status is between 100 and 599")
    if isinstance(value, str) and not re.fullmatch(r"[1-5](xx|\d\d)", value.lower()):
        raise ValueError("write a status as 200 or 2xx")
    return value


Status = Annotated[int | str, AfterValidator(_status_pattern)]


class BasicAuth(Parameters):
    """A user name and a password, sent as HTTP basic authentication."""

    user: str = Field(title="User", description="The user name.", examples=["reports"])
    password: str = Field(title="Password", description="The password.", examples=["{{ params.password }}"])


class HttpParameters(Parameters):
    """One request and what counts as a good answer to it."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = Field(
        default="GET", title="Method", description="The request method.", examples=["GET"]
    )
    url: str = Field(
        min_length=1,
        title="URL",
        description="http or https. Private addresses are refused unless the setting HTTP_ALLOW_PRIVATE has them.",
        examples=["https://shop.example/orders?day={{ params.day }}"],
    )
    headers: dict[str, str] = Field(
        default_factory=dict,
        title="Headers",
        description="Request headers. Not sent on to another host that the answer redirects to.",
        examples=[{"Accept": "application/json"}],
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        title="Query",
        description="Query parameters, encoded and added to the URL; a list repeats the name.",
        examples=[{"day": "{{ params.day }}"}],
    )
    json_body: Any = Field(
        default=None,
        alias="json",
        title="JSON body",
        description="A JSON value to send as the body.",
        examples=[{"rows": "{{ tasks.clean.output.rows }}"}],
    )
    body: str | None = Field(
        default=None,
        title="Text body",
        description="Text to send as the body, instead of JSON.",
        examples=["a=1"],
    )
    auth: BasicAuth | None = Field(
        default=None,
        title="Basic authentication",
        description="A user and a password.",
        examples=[{"user": "reports", "password": "{{ params.password }}"}],
    )
    timeout: float = Field(
        default=60.0,
        gt=0,
        le=86_400,
        title="Timeout",
        description="Seconds for everything: finding the host, connecting, redirects, and the whole answer.",
        examples=[30],
    )
    expected_status: list[Status] | Status = Field(
        default="2xx",
        title="Expected status",
        description="The statuses that count as success: a number, a pattern, or a list of them.",
        examples=["2xx", [200, 404]],
    )
    output: Literal["json", "text", "headers", "none"] = Field(
        default="json",
        title="Output",
        description="What to keep of the answer: {status, headers, json} or {status, headers, text}; "
        "headers keeps no "
        "body, none only the status.",
    )
    max_bytes: int | None = Field(
        default=None,
        gt=0,
        title="Largest answer",
        description="In bytes, unpacked; a larger answer fails the task. At most the setting HTTP_MAX_BYTES.",
        examples=[100_000],
    )
    follow_redirects: bool = Field(
        default=True,
        title="Follow redirects",
        description="Up to five; each new address is checked like the first.",
    )
    verify: bool = Field(
        default=True,
        title="Verify the certificate",
        description="Switch off only for a host with a certificate of its own making.",
    )

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if self.json_body is not None and self.body is not None:
            raise ValueError("give either json or body")
        return self

    def expects(self, status: int) -> bool:
        """Whether a status counts as success."""
        wanted = self.expected_status if isinstance(self.expected_status, list) else [self.expected_status]
        return any(str(one).lower().replace("xx", str(status)[1:]) == str(status) for one in wanted)
