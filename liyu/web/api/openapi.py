"""The OpenAPI document, made from the routes themselves: their structs are what bodies are read by and answers are made of."""

from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar, Request, get
from litestar.routes import HTTPRoute

from liyu.web.api.calls import COMMON_PROBLEMS, OPTION, Call
from liyu.web.api.event_schemas import EventBody
from liyu.web.api.idempotency import LONGEST_KEY
from liyu.web.api.problems import json_answer
from liyu.web.api.schemas import Problem
from liyu.web.pages import Page

PREFIX = "/api/v1"
_COMPONENTS = "#/components/schemas/{name}"
_DESCRIPTION = """\
For host systems and tills. Points are integers, money is integer minor units, instants carry their time zone.

* **Keys**: `Authorization: Bearer lk_…`, made with `liyu apikey create`. A key has scopes; one that belongs to a partner
  reaches the partner's own only.
* **Once only**: calls that need or honour `Idempotency-Key` give the first answer again for the same body (with the header
  `Idempotent-Replayed: true`), and 409 `idempotency_conflict` for another one.
* **Refusals** are problem documents (RFC 9457) with a stable `code`; nothing was changed. Their words follow
  `Accept-Language`, English by default.
* **Pages**: `next` is the cursor of the next page, null on the last one.
"""
_COMMON_CODES = {
    401: ["api_key_required"],
    403: ["scope_missing", "not_allowed"],
    429: ["too_many_requests"],
    503: ["busy"],
}


@get("/api/openapi.json", sync_to_thread=False, include_in_schema=False)
def get_openapi(request: Request[Any, Any, Any]) -> Page:
    """The document that describes the API."""
    return json_answer(make_document(request.app))


@lru_cache(maxsize=1)
def make_document(app: Litestar) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all calls."""
    calls = list(find_calls(app))
    structs = {struct for _, _, call in calls for struct in (*call.answers.values(), call.body) if struct}
    kinds = sorted(structs | {EventBody, Problem}, key=lambda struct: struct.__name__)
    _, components = msgspec.json.schema_components(kinds, ref_template=_COMPONENTS)
    paths: dict[str, dict[str, Any]] = {}
    for path, method, call in calls:
        paths.setdefault(path, {})[method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Liyu API", "version": version("liyu"), "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(call.tag for _, _, call in calls)],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
            "schemas": components,
        },
    }


def find_calls(app: Litestar) -> Iterator[tuple[str, str, Call]]:
    """Path, method and description of every call."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or not route.path.startswith(PREFIX):
            continue
        for handler in route.route_handlers:
            call = handler.opt.get(OPTION)
            if call is not None:
                for method in sorted(handler.http_methods):
                    yield route.path_format, method, call


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [call.tag],
        "operationId": "_".join(call.summary.lower().replace("'", "").replace(",", "").split()),
        "summary": call.summary,
        "description": f"{call.description}\n\nScope: `{call.scope}`.",
        "parameters": [*_path_parameters(call), *_query_parameters(call), *_key_parameter(call)],
        "responses": {
            **{str(status): _answer(call, status, struct) for status, struct in call.answers.items()},
            **{str(status): _problem(status, codes) for status, codes in sorted(_problems(call).items())},
        },
    }
    if call.body is not None:
        schema: dict[str, Any] = {"$ref": _COMPONENTS.format(name=call.body.__name__)}
        if call.body_is_list_of is not None:
            rows = {"type": "array", "items": {"$ref": _COMPONENTS.format(name=call.body_is_list_of.__name__)}}
            schema = {"oneOf": [schema, rows]}
        operation["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(call.body)),
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _path_parameters(call: Call) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": description, "schema": {"type": "string"}}
        for name, description in call.path.items()
    ]


def _query_parameters(call: Call) -> list[dict[str, Any]]:
    if call.query is None:
        return []
    parameters = []
    for field in msgspec.structs.fields(call.query):
        schema = msgspec.json.schema(field.type)
        description = schema.pop("description", "")
        if field.default not in (None, msgspec.NODEFAULT):
            schema["default"] = field.default
        parameters.append({"name": field.encode_name, "in": "query", "description": description, "schema": schema})
    return parameters


def _key_parameter(call: Call) -> list[dict[str, Any]]:
    if call.idempotency_key is None:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": call.idempotency_key,
            "description": "Unique for each wish; the same key gives the first answer again.",
            "schema": {"type": "string", "minLength": int(call.idempotency_key), "maxLength": LONGEST_KEY},
        }
    ]


def _answer(call: Call, status: int, struct: type[msgspec.Struct]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _COMPONENTS.format(name=struct.__name__)}}
    if call.example is not None:
        content["example"] = call.example
    return {"description": HTTPStatus(status).phrase, "content": {"application/json": content}}


def _problems(call: Call) -> dict[int, list[str]]:
    common = {status: _COMMON_CODES[status] for status in COMMON_PROBLEMS}
    return {status: list(call.problems.get(status, common.get(status, []))) for status in {*common, *call.problems}}


def _problem(status: int, codes: list[str]) -> dict[str, Any]:
    example = {
        "type": f"urn:liyu:problem:{codes[0]}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "…",
        "code": codes[0],
    }
    content = {"schema": {"$ref": _COMPONENTS.format(name=Problem.__name__)}, "example": example}
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "content": {"application/problem+json": content},
    }
