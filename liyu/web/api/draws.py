"""What is published of draws."""

from typing import Any

from litestar import Request, get
from litestar.params import FromPath

from liyu.redemption.draws.document import DrawAnswer, load_document
from liyu.redemption.draws.queries import find_published
from liyu.web.api.calls import Call, route
from liyu.web.api.problems import json_answer
from liyu.web.pages import Page
from liyu.web.services import services_of

_EXAMPLE = {
    "number": "D40739528166478",
    "state": "finished",
    "sku": "DRAW-TABLET",
    "name_zh": "平板电脑（抽签）",
    "name_en": "Tablet computer (draw)",
    "points": 80,
    "announced_at": "2026-10-20T02:00:00Z",
    "opens_at": "2026-11-01T02:00:00Z",
    "closes_at": "2026-11-10T02:00:00Z",
    "draws_at": "2026-11-10T04:00:00Z",
    "losing_points": "kept",
    "claim_hours": None,
    "prizes": [{"sku": "P-TABLET", "name_zh": "平板电脑", "name_en": "Tablet computer", "units": 1}],
    "commitment": "5f1e08c00ac2f0e4bc6ff28bcdb0b7b7a9483158b838d615522d883d10290fcf",
    "list_hash": "173316e2b29769e67230b40d1beed058d9f0e9b1aa24321a7ccfc6c040848839",
    "seed": "73300871f44c168e7c949de2c750e60c2c9bb8ff530017c5a267234e9cb4db8e",
    "entries": [{"code": "A7H2-XXD4-1PMW", "person": "EJ41-0SVB-Q6TY", "tickets": 3}],
    "order": [
        {"place": 1, "code": "A7H2-XXD4-1PMW", "state": "won", "prize_zh": "平板电脑", "prize_en": "Tablet computer"}
    ],
}


@get(
    "/draws/{number:str}",
    **route(
        Call(
            tag="Draws",
            scope="items:read",
            summary="Read what is published of a draw",
            description=(
                "The rule and the commitment from the announcement on, the list of entries under pseudonyms when one can no longer "
                "enter, the seed and the drawn order with the result. Who won can be recomputed from it in ten lines; see "
                "`docs/algorithms/draws.md`."
            ),
            path={"number": "The draw's number."},
            answers={200: DrawAnswer},
            problems={404: ["not_found"]},
            example=_EXAMPLE,
        )
    ),
)
async def get_draw(request: Request[Any, Any, Any], number: FromPath[str]) -> Page:
    """One draw."""

    async def read(connection: Any) -> DrawAnswer:
        return await load_document(connection, await find_published(connection, number))

    return json_answer(await services_of(request.app).reader.read(read))


CALLS = [get_draw]
