"""Rights evaluation 权益评估: the ranking, one right with its radar and history, and the mix of the mall."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.evaluation.candidates import list_candidates
from liyu.catalog.evaluation.mix import Line, Mix, Target, load_mix, set_targets
from liyu.catalog.evaluation.queries import find_right, scored_items, unscored_items
from liyu.catalog.evaluation.scores import (
    DIMENSIONS,
    HIGHEST,
    LOWEST,
    WEAK,
    Scores,
    Subject,
    add_sheet,
    list_sheets,
    load_scores,
)
from liyu.catalog.models import SCENES
from liyu.core.database import driver_connection
from liyu.core.i18n import N_
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.console import words
from liyu.web.console.common import (
    LONGEST_REASON,
    AnyRequest,
    Connection,
    count_message,
    name_people,
    now_of,
    read_choice,
    same_list,
    segment,
    show,
)
from liyu.web.console.radar import draw_radar
from liyu.web.forms import Form, IntegerField, TextField
from liyu.web.i18n import gettext, text_of
from liyu.web.pages import Page, leave_notice, redirect

READ, EDIT = require_permission("items.read"), require_permission("items.edit")
UNSCORED_SHOWN = 12
MOST_WANTED = 9_999

DIMENSION_NAMES = {
    "attractiveness": (N_("Attractiveness"), N_("10: members ask for it. 1: nobody would miss it.")),
    "feasibility": (N_("Feasibility"), N_("10: works tomorrow, at every store. 1: much has to be built first.")),
    "partner_quality": (N_("Partner quality"), N_("10: a strong brand that keeps its word. 1: complaints are likely.")),
    "cost": (N_("Cost efficiency"), N_("10: cheap for what it gives. 1: dear, or nobody knows.")),
}
"""What each dimension is called, and what its ends mean."""


class ScoreForm(Form):
    attractiveness = IntegerField(N_("Attractiveness"), minimum=LOWEST, maximum=HIGHEST)
    feasibility = IntegerField(N_("Feasibility"), minimum=LOWEST, maximum=HIGHEST)
    partner_quality = IntegerField(N_("Partner quality"), minimum=LOWEST, maximum=HIGHEST)
    cost = IntegerField(N_("Cost efficiency"), minimum=LOWEST, maximum=HIGHEST)
    reason = TextField(N_("Reason"), maximum=LONGEST_REASON)


@get("/evaluation", guards=[READ])
async def show_ranking(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Items and candidates, the best first; what nobody has scored stands below."""
    connection = await driver_connection(session)
    wanted = read_choice(request, "only", ("items", "candidates"))
    rows = await _rank_items(connection) if wanted != "candidates" else []
    if wanted != "items":
        rows += await _rank_candidates(connection)
    ranked = sorted((row for row in rows if row["scores"]), key=lambda row: row["scores"].product, reverse=True)
    choices = ((None, N_("All")), ("items", N_("Items")), ("candidates", N_("Candidates")))
    return show(
        request,
        "evaluation",
        ranked=[{**row, "place": place} for place, row in enumerate(ranked, 1)],
        unscored=[row for row in rows if not row["scores"]],
        dimensions=_dimension_names(),
        choices=[
            {"label": gettext(label), "href": same_list(request, only=only), "current": only == wanted}
            for only, label in choices
        ],
    )


@get("/evaluation/items/{sku:str}", guards=[READ])
async def show_right(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """One item's radar, its score sheet and its history."""
    return await _show_item(request, session, sku)


@post("/evaluation/items/{sku:str}", guards=[EDIT])
async def score_item(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Write a score sheet for an item."""
    form = await ScoreForm.read(request)
    if not form.is_valid:
        return await _show_item(request, session, sku, form)
    right = await find_right(await driver_connection(session), sku)
    await take_sheet(request, session, Subject(item_id=right.id), f"item:{sku}", form)
    return redirect(request, f"/console/evaluation/items/{segment(sku)}")


@get("/evaluation/mix", guards=[READ])
async def show_mix(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """The mix by scene and by tier, and where the mall is thin."""
    return await _show_mix(request, session, {}, {})


@post("/evaluation/mix", guards=[EDIT])
async def change_targets(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Set the targets; a field that makes no sense refuses all of them."""
    connection, now = await driver_connection(session), now_of(request)
    mix = await load_mix(connection)
    keys = [*(("scene", one) for one in SCENES), *(("tier", one.code) for one in mix.tiers)]
    given = {name: str(value) for name, value in (await request.form()).items()}
    raw = {f"{axis}_{code}": given.get(f"{axis}_{code}", "") for axis, code in keys}
    targets, faults = [], {}
    for axis, code in keys:
        number = _read_wanted(raw[f"{axis}_{code}"])
        if number is None:
            faults[f"{axis}_{code}"] = count_message(N_("Enter a number from 0 to %(most)s."), most=MOST_WANTED)
        else:
            targets.append(Target(axis, code, number, now))
    if faults:
        return await _show_mix(request, session, raw, faults)
    await set_targets(connection, targets)
    before = {f"{axis}_{one.code}": one.wanted for axis, lines in _lines(mix) for one in lines}
    after = {f"{one.axis}_{one.code}": one.wanted for one in targets}
    await record_act(request, session, "mix.targets", "mix:all", before=before, after=after)
    leave_notice(request, N_("The targets are set."))
    return redirect(request, "/console/evaluation/mix")


async def take_sheet(request: AnyRequest, session: AsyncSession, subject: Subject, name: str, form: ScoreForm) -> None:
    """Write the sheet that the form brought."""
    scores = {one: getattr(form, one) for one in DIMENSIONS}
    connection, actor = await driver_connection(session), actor_of(request).reference
    await add_sheet(connection, subject, scores, reason=form.reason, actor=actor, now=now_of(request))
    await record_act(request, session, "evaluation.score", name, after={**scores, "reason": form.reason})
    leave_notice(request, N_("Your score sheet is kept."))


async def evaluate(connection: Connection, subject: Subject, form: ScoreForm) -> dict[str, Any]:
    """What the page of one right shows of its evaluation: radar, its figures, the sheet and the history."""
    scores = (await load_scores(connection, subject.column, [subject.id])).get(subject.id)
    sheets = await list_sheets(connection, subject)
    names = await name_people(connection, [one.actor for one in sheets])
    average = await _average(connection)
    labels = list(_dimension_names().values())
    radar = draw_radar(labels, scores.means, average.means if average else None) if scores else None
    rows = [
        {
            "name": label,
            "score": _decimal(scores.means[place]),
            "average": _decimal(average.means[place]) if average else "—",
            "weak": scores.means[place] < WEAK,
        }
        for place, label in enumerate(labels)
    ] if scores else []  # fmt: skip
    return {
        "scores": scores,
        "radar": radar,
        "rows": rows,
        "sheets": [{"sheet": one, "by": names.of(one.actor)} for one in sheets],
        "form": form,
        "dimensions": _dimension_names(),
        "hints": {name: gettext(hint) for name, (_, hint) in DIMENSION_NAMES.items()},
    }


async def _show_item(request: AnyRequest, session: AsyncSession, sku: str, form: ScoreForm | None = None) -> Page:
    connection = await driver_connection(session)
    right = await find_right(connection, sku)
    context = await evaluate(connection, Subject(item_id=right.id), form or ScoreForm.blank())
    here = f"/console/evaluation/items/{segment(sku)}"
    return show(request, "evaluation_right", status=422 if form else 200, right=right, here=here, **context)


async def _show_mix(request: AnyRequest, session: AsyncSession, raw: dict[str, str], errors: dict[str, str]) -> Page:
    mix = await load_mix(await driver_connection(session))
    tier_names = {one.code: text_of(one, "name") for one in mix.tiers}
    scene_names = {one: words.scene(one) for one in SCENES}
    groups = [
        (axis, [(one, names[one.code], raw.get(f"{axis}_{one.code}", str(one.wanted))) for one in lines])
        for (axis, lines), names in zip(_lines(mix), (scene_names, tier_names), strict=True)
    ]
    labels = {f"{axis}_{line.code}": name for axis, rows in groups for line, name, _ in rows}
    return show(
        request,
        "evaluation_mix",
        status=422 if errors else 200,
        mix=mix,
        groups=groups,
        tier_names=tier_names,
        thin=[{"name": words.scene(one.code), "line": one} for one in mix.thin],
        errors=errors,
        labels=labels,
    )


def _lines(mix: Mix) -> list[tuple[str, list[Line]]]:
    return [("scene", mix.scenes), ("tier", mix.by_tier)]


def _read_wanted(text: str) -> int | None:
    text = text.strip() or "0"
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None


async def _rank_items(connection: Connection) -> list[dict[str, Any]]:
    items = [*await scored_items(connection), *await unscored_items(connection, size=UNSCORED_SHOWN)]
    scores = await load_scores(connection, "item_id", [one.id for one in items])
    return [
        _row(one, scores.get(one.id), f"/console/evaluation/items/{segment(one.sku)}", words.item_state(one.state),
             count_message(N_("%(count)s redeemed"), count=one.taken))
        for one in items
    ]  # fmt: skip


async def _rank_candidates(connection: Connection) -> list[dict[str, Any]]:
    candidates = [one for one in await list_candidates(connection) if one.state in ("open", "planned")]
    scores = await load_scores(connection, "candidate_id", [one.id for one in candidates])
    return [
        _row(one, scores.get(one.id), f"/console/candidates/{one.id}", gettext(N_("Candidate")),
             count_message(N_("%(count)s votes"), count=one.votes))
        for one in candidates
    ]  # fmt: skip


def _row(subject: Any, scores: Scores | None, href: str, state: str, wanted: str) -> dict[str, Any]:
    names = list(_dimension_names().values())
    return {
        "subject": subject,
        "scores": scores,
        "means": [_decimal(one) for one in scores.means] if scores else [],
        "weakest": names[scores.weakest] if scores and scores.means[scores.weakest] < WEAK else "",
        "weakest_place": scores.weakest if scores else None,
        "href": href,
        "state": state,
        "scene": words.scene(subject.scene),
        "wanted": wanted,
    }


async def _average(connection: Connection) -> Scores | None:
    """The mean of every item that was evaluated."""
    scores = await load_scores(connection, "item_id", [one.id for one in await scored_items(connection)])
    if not scores:
        return None
    columns: Sequence[Sequence[Fraction]] = list(zip(*(one.means for one in scores.values()), strict=True))
    return Scores(tuple(sum(column, start=Fraction()) / len(column) for column in columns), len(scores))


def _dimension_names() -> dict[str, str]:
    return {name: gettext(label) for name, (label, _) in DIMENSION_NAMES.items()}


def _decimal(number: Fraction) -> str:
    return f"{float(number):.1f}"


ROUTES = [show_ranking, show_mix, change_targets, show_right, score_item]
