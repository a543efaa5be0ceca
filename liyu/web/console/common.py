"""What every screen of the console needs: the present, cursors, addresses of filtered lists, refusals, names of people."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from litestar import Request
from psycopg import AsyncConnection

from liyu.core.clock import local_date, start_of_day
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.members.people import name_actors
from liyu.web.actor import actor_of
from liyu.web.console import ledger_words, words
from liyu.web.formats import current_zone
from liyu.web.forms import DateField, Form, IntegerField, TextField
from liyu.web.i18n import gettext, translate
from liyu.web.pages import Page, page
from liyu.web.visit import visit_of

AnyRequest = Request[Any, Any, Any]
Connection = AsyncConnection[Any]

LONGEST_REASON = 200


class CursorForm(Form):
    after = IntegerField(required=False, maximum=2**62)


class DayForm(Form):
    day = DateField(required=False)


class ReasonForm(Form):
    """A step that needs its reason."""

    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


class Names:
    """The names behind references such as `staff:3`, read in one query."""

    def __init__(self, found: dict[str, str]) -> None:
        self.found = found

    def of(self, reference: str) -> str:
        """The name of a person or key; machines' references in words."""
        known = self.found.get(reference)
        if known or not reference.startswith("member:"):
            return known or gettext(words.MACHINES.get(reference, reference))
        return f"{gettext(N_('Member'))} {reference.removeprefix('member:')}"


async def name_people(connection: Connection, references: Iterable[str | None]) -> Names:
    """The names of everybody who is mentioned."""
    return Names(await name_actors(connection, (one for one in references if one)))


def now_of(request: AnyRequest) -> datetime:
    """The present instant by the injected clock."""
    return visit_of(request).services.clock.now()


def today_of(request: AnyRequest) -> date:
    """Today in the program's time zone."""
    return local_date(now_of(request), current_zone())


def read_cursor(request: AnyRequest) -> int | None:
    """The cursor of the address; one that makes no sense shows the beginning."""
    form = CursorForm.parse(request.query_params.dict())
    return form.after if form.is_valid else None


def read_choice(request: AnyRequest, name: str, choices: Iterable[str]) -> str | None:
    """A filter of the address when it is one of the choices."""
    value = request.query_params.get(name)
    return value if value in set(choices) else None


def read_text(request: AnyRequest, name: str, longest: int = 100) -> str:
    """A text of the address."""
    return str(request.query_params.get(name) or "").replace("\0", "").strip()[:longest]


def read_day(request: AnyRequest) -> date | None:
    """The day of the address; one that cannot be read does not filter."""
    form = DayForm.parse(request.query_params.dict())
    return form.day if form.is_valid else None


def bounds_of_day(day: date) -> tuple[datetime, datetime]:
    """When a day begins and ends in the program's time zone."""
    zone = current_zone()
    return start_of_day(day, zone), start_of_day(day + timedelta(days=1), zone)


def address(path: str, **query: object) -> str:
    """A path with a query string; empty values are left out."""
    wanted = {name: value for name, value in query.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(wanted)}" if wanted else path


def same_list(request: AnyRequest, **changes: object) -> str:
    """The address of the list in hand with some of its query changed, from its beginning unless `after` says otherwise."""
    query = {**dict(request.query_params.items()), "after": None, **changes}
    return address(visit_of(request).path, **query)


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")


def cursor_links(request: AnyRequest, cursor: object) -> dict[str, Any]:
    """Where the pagination of a list leads: back to its beginning, and on."""
    is_first = request.query_params.get("after") in (None, "")
    return {
        "first_href": None if is_first else same_list(request),
        "next_href": same_list(request, after=cursor) if cursor is not None else None,
    }


def show(request: AnyRequest, template: str, *, refusal: DomainError | None = None, **context: Any) -> Page:
    """A page of the console, with its words, the rights of who looks, and a refusal where there was one."""
    status = context.pop("status", refusal.status if refusal else 200)
    return page(
        request,
        f"console/{template}.html",
        status=status,
        words=words,
        ledger_words=ledger_words,
        may=actor_of(request).may,
        segment=segment,
        refusal=_refusal_in_words(refusal) if refusal else None,
        **context,
    )


def _refusal_in_words(refusal: DomainError) -> dict[str, Any]:
    return {"text": translate(refusal.text), "reasons": [translate(reason.message) for reason in refusal.reasons]}


def choice_links(
    request: AnyRequest, name: str, choices: Sequence[tuple[str, str, int | None]], current: str | None
) -> list[dict[str, Any]]:
    """The filter links of a list: all, then each choice (value, label, count)."""
    everything = {"label": gettext(N_("All")), "href": same_list(request, **{name: None}), "current": current is None}
    return [
        everything,
        *(
            {
                "label": label,
                "href": same_list(request, **{name: value}),
                "current": value == current,
                "count": count,
            }
            for value, label, count in choices
        ),
    ]


def count_message(text: str, **values: Any) -> str:
    """A message with figures, in the language of the page."""
    return translate(Message(text, values))
