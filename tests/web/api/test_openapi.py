"""The document that describes the API."""

import json
from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute

from liyu.web.api.calls import OPTION
from tests.web.conftest import Client


async def test_it_lists_every_call_and_nothing_else(app: Litestar, client: Client) -> None:
    answer = await client.get("/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    routes = {
        (route.path_format, method.lower())
        for route in app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1")
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS"}
    }
    listed = {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert listed == routes
    assert len(routes) == 32


async def test_every_call_is_described(app: Litestar, client: Client) -> None:
    document = (await client.get("/api/openapi.json")).json()
    names = []
    for operations in document["paths"].values():
        for operation in operations.values():
            names.append(operation["operationId"])
            assert operation["summary"]
            assert "Scope: `" in operation["description"]
            assert {"401", "403"} <= set(operation["responses"])
            for parameter in operation["parameters"]:
                assert parameter["description"], parameter
    assert len(names) == len(set(names))


async def test_every_reference_leads_somewhere(client: Client) -> None:
    document = (await client.get("/api/openapi.json")).json()
    references: set[str] = set()

    def collect(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                references.add(part["$ref"])
            for inner in part.values():
                collect(inner)
        elif isinstance(part, list):
            for inner in part:
                collect(inner)

    collect(document)
    names = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references <= names
    assert names - references <= {"#/components/schemas/EventBody"}
    assert json.dumps(document)


def test_every_handler_says_what_it_is(app: Litestar) -> None:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/v1"):
            for handler in route.route_handlers:
                assert handler.http_methods == {"OPTIONS"} or OPTION in handler.opt, route.path
