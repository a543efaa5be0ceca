"""Tills: what was refused at them, rules of items there, and who may take a verification back."""

from typing import Any

from litestar import get, post
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.core.clock import local_date
from liyu.core.database import driver_connection
from liyu.core.errors import NotFoundError
from liyu.core.i18n import N_
from liyu.vouchers.refusals import DAYS, count_refusals
from liyu.vouchers.till_rules import (
    ItemRule,
    find_item_rule,
    list_item_rules,
    load_undo_limit,
    save_item_rule,
    save_undo_limit,
)
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.console.common import AnyRequest, now_of, show
from liyu.web.formats import current_zone
from liyu.web.forms import CheckField, Form, InstantField, IntegerField, MoneyField, TextField
from liyu.web.i18n import text_of
from liyu.web.pages import Page, leave_notice, redirect
from liyu.web.refusal_words import describe_refusals

HOME = "/console/tills"
EDIT = "vouchers.rules"
_MOST_A_DAY = 1_000


class PolicyForm(Form):
    undo_alone = MoneyField(N_("Whoever verified may take back up to"), required=False)


class RuleForm(Form):
    sku = TextField(N_("Item"), maximum=64)
    usable_from = InstantField(N_("Usable from"), required=False)
    uses_a_day = IntegerField(N_("A day, each voucher"), required=False, minimum=1, maximum=_MOST_A_DAY)
    member_uses_a_day = IntegerField(N_("A day, each member"), required=False, minimum=1, maximum=_MOST_A_DAY)
    store_uses_a_day = IntegerField(N_("A day, each store"), required=False, minimum=1, maximum=_MOST_A_DAY)
    paper_confirmed = CheckField(N_("The holder confirms paper and typed codes in the wallet, or tells their PIN"))


@get("/tills", guards=[require_permission("vouchers.read")])
async def show_tills(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """What was refused lately, and what tills go by."""
    return await _show(request, session)


@post("/tills/policy", guards=[require_permission(EDIT)])
async def change_policy(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Say above which value somebody else takes a verification back."""
    form = await PolicyForm.read(request)
    if not form.is_valid:
        return await _show(request, session, policy=form)
    connection = await driver_connection(session)
    before = await load_undo_limit(connection)
    await save_undo_limit(connection, form.undo_alone)
    await record_act(
        request, session, "tills.policy", "program:1",
        before={"undo_alone_minor": before}, after={"undo_alone_minor": form.undo_alone},
    )  # fmt: skip
    leave_notice(request, N_("The rule holds from now on."))
    return redirect(request, HOME)


@post("/tills/rules", guards=[require_permission(EDIT)])
async def change_rule(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Say from when and how often a day an item's vouchers are used."""
    form = await RuleForm.read(request)
    connection = await driver_connection(session)
    before = None
    if form.is_valid:
        try:
            before = await find_item_rule(connection, form.sku)
        except NotFoundError:
            form.refuse(N_("No item with this number gives vouchers."), "sku")
    if before is None:
        return await _show(request, session, form=form)
    rule = ItemRule(
        before.sku, before.name_zh, before.name_en, form.usable_from, form.uses_a_day, form.member_uses_a_day,
        form.store_uses_a_day, form.paper_confirmed,
    )  # fmt: skip
    await save_item_rule(connection, rule)
    await record_act(request, session, "tills.rule", f"item:{rule.sku}", before=_figures(before), after=_figures(rule))
    leave_notice(request, N_("The rule holds from now on."))
    return redirect(request, HOME)


async def _show(
    request: AnyRequest,
    session: AsyncSession,
    *,
    policy: PolicyForm | None = None,
    form: RuleForm | None = None,
) -> Page:
    connection, zone = await driver_connection(session), current_zone()
    today = local_date(now_of(request), zone)
    refusals = await count_refusals(connection, None, today=today, zone=zone)
    limit = await load_undo_limit(connection)
    return show(
        request,
        "tills",
        status=422 if policy or form else 200,
        refusals=describe_refusals(refusals, today),
        days=DAYS,
        may_edit=actor_of(request).may(EDIT),
        policy=policy or PolicyForm.blank(undo_alone="" if limit is None else f"{limit / 100:.2f}"),
        form=form or await _blank_rule(request, session),
        rules=[{"rule": rule, "name": text_of(rule, "name")} for rule in await list_item_rules(connection)],
    )


async def _blank_rule(request: AnyRequest, session: AsyncSession) -> RuleForm:
    """The form of a new rule, or of the one that the address names."""
    sku = request.query_params.get("sku", "")
    try:
        rule = await find_item_rule(await driver_connection(session), sku)
    except NotFoundError:
        return RuleForm.blank()
    begins = f"{rule.usable_from.astimezone(current_zone()):%Y-%m-%dT%H:%M}" if rule.usable_from else ""
    return RuleForm.blank(
        sku=rule.sku,
        usable_from=begins,
        uses_a_day=str(rule.uses_a_day or ""),
        member_uses_a_day=str(rule.member_uses_a_day or ""),
        store_uses_a_day=str(rule.store_uses_a_day or ""),
        paper_confirmed="yes" if rule.paper_confirmed else "",
    )


def _figures(rule: ItemRule) -> dict[str, Any]:
    return {
        "usable_from": rule.usable_from.isoformat() if rule.usable_from else None,
        "uses_a_day": rule.uses_a_day,
        "member_uses_a_day": rule.member_uses_a_day,
        "store_uses_a_day": rule.store_uses_a_day,
        "paper_confirmed": rule.paper_confirmed,
    }


ROUTES = [show_tills, change_policy, change_rule]
