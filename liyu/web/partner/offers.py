"""The partner's own offers: making one, changing it, and having it reviewed before members see it."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from sqlalchemy.ext.asyncio import AsyncSession

from liyu.catalog.errors import FileFaultyError
from liyu.catalog.models import COUPON_FORMS, SCENES
from liyu.catalog.names import KIND_NAMES, SCENE_NAMES, STATE_NAMES
from liyu.catalog.proposals import EDITABLE_AT_ONCE, list_proposals, propose, withdraw
from liyu.catalog.publish import publish_items
from liyu.catalog.queries import ItemFacts, ItemPage, load_item
from liyu.catalog.records import ItemRecord
from liyu.catalog.service import set_state
from liyu.catalog.states import may_become
from liyu.core.database import driver_connection
from liyu.core.errors import DomainError
from liyu.core.i18n import N_, Message
from liyu.core.ids import make_number
from liyu.partners.queries import partner_choices
from liyu.web.actor import actor_of, require_permission
from liyu.web.audit import record_act
from liyu.web.formats import current_zone
from liyu.web.forms import ChoiceField, IntegerField, MoneyField, TextField
from liyu.web.i18n import gettext
from liyu.web.item_forms import LARGEST_STOCK, LONGEST_NAME, ItemTextsForm, amount_text, split_lines
from liyu.web.item_terms import describe_coupon
from liyu.web.pages import Page, leave_notice, page, redirect
from liyu.web.partner.staff import AnyRequest, now_of, partner_id_of
from liyu.web.partner.words import OFFER_TONES

EDIT = require_permission("offers.edit")
KINDS = ("partner_right", "coupon", "goods")

PROPOSAL_STATES = {
    "submitted": (N_("Waits for a review"), "gold"),
    "approved": (N_("Approved"), ""),
    "returned": (N_("Sent back"), "red"),
    "withdrawn": (N_("Withdrawn"), "grey"),
}
OUTCOMES = {
    "saved": N_("Saved."),
    "approved": N_("Changed. It holds from now on."),
    "submitted": N_("Sent for a review. Members see it once it is approved."),
}
COUPONS = {"discount": N_("Discount"), "cash": N_("Cash"), "gift": N_("Gift")}


class OfferForm(ItemTextsForm):
    stock = IntegerField(N_("Units ever offered"), required=False, maximum=LARGEST_STOCK)
    note = TextField(N_("Word to the reviewer"), required=False, maximum=LONGEST_NAME)


class NewOfferForm(OfferForm):
    kind = ChoiceField(KINDS, N_("Kind"))
    coupon_form = ChoiceField(COUPON_FORMS, N_("Kind of coupon"), required=False)
    coupon_benefit = MoneyField(N_("Takes off"), required=False)
    coupon_threshold_minor = MoneyField(N_("From a bill of"), required=False)

    def check(self) -> Iterable[tuple[str, Message]]:
        if self.kind == "coupon" and not self.coupon_form:
            yield "coupon_form", Message(N_("Say what kind of coupon it is: this cannot be added later."))


AnyOfferForm = TypeVar("AnyOfferForm", bound=OfferForm)

_PLAIN = (
    "name_zh", "name_en", "summary_zh", "summary_en", "description_zh", "description_en", "scene", "points", "value_minor",
    "stock", "per_member_limit", "voucher_days",
)  # fmt: skip


@get("/offers/new", guards=[EDIT])
async def show_new(request: AnyRequest) -> Page:
    """An empty form."""
    return _show_form(request, NewOfferForm.blank(scene="shopping", voucher_days="90"))


@post("/offers/new", guards=[EDIT])
async def create_offer(request: AnyRequest, session: NamedDependency[AsyncSession]) -> Page:
    """Make a draft; members see it once it was sent for a review and approved."""
    form = await NewOfferForm.read(request)
    if not form.is_valid:
        return _show_form(request, form, status=422)
    connection, actor = await driver_connection(session), actor_of(request)
    partner_id = partner_id_of(actor)
    code = next(one.code for one in await partner_choices(connection) if one.id == partner_id)
    record = ItemRecord(sku=make_number(f"{code}-"), partner=code, kind=form.kind, **_values(form))
    if form.coupon_form:
        record = msgspec.structs.replace(
            record, coupon_form=form.coupon_form, coupon_purpose="ordinary", coupon_benefit=form.coupon_benefit,
            coupon_threshold_minor=form.coupon_threshold_minor,
        )  # fmt: skip
    try:
        await publish_items(
            connection, [record], actor=actor.reference, now=now_of(request), zone=current_zone(), new_state="draft"
        )
    except FileFaultyError as refusal:
        return _show_form(request, _with_faults(form, refusal), status=422)
    await record_act(request, session, "offer.create", f"item:{record.sku}", after={"name": form.name_zh})
    leave_notice(request, N_("The draft is saved. Look at it once more, then send it for a review."))
    return redirect(request, f"/partner/offers/{record.sku}")


@get("/offers/{sku:str}", guards=[require_permission("offers.read")])
async def show_offer(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """One of the partner's own offers, with what waits and what was decided."""
    return await _show_offer(request, session, sku)


@post("/offers/{sku:str}", guards=[EDIT])
async def change_offer(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Change a draft; of what members can have, prices and stock within the rule hold at once, all else is reviewed."""
    form = await OfferForm.read(request)
    connection, actor = await driver_connection(session), actor_of(request)
    partner_id = partner_id_of(actor)
    await load_item(connection, sku, partner_id=partner_id)
    if not form.is_valid:
        return await _show_offer(request, session, sku, form=form)
    record, now, zone = ItemRecord(sku=sku, **_values(form)), now_of(request), current_zone()
    try:
        outcome = await propose(
            connection, partner_id, record, note=form.note, actor=actor.reference, now=now, zone=zone
        )
    except FileFaultyError as refusal:
        return await _show_offer(request, session, sku, form=_with_faults(form, refusal))
    except DomainError as refusal:
        form.refuse(refusal.text)
        return await _show_offer(request, session, sku, form=form, status=refusal.status)
    await record_act(request, session, "offer.change", f"item:{sku}", after={"outcome": outcome})
    leave_notice(request, OUTCOMES[outcome])
    return redirect(request, f"/partner/offers/{sku}")


@post("/offers/{sku:str}/submit", guards=[EDIT])
async def submit_offer(request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str]) -> Page:
    """Send a draft for a review."""
    connection, actor = await driver_connection(session), actor_of(request)
    item = (await load_item(connection, sku, partner_id=partner_id_of(actor))).item
    if not may_become(item.state, "submitted"):
        leave_notice(request, N_("This is not a draft any more."), "error")
        return redirect(request, f"/partner/offers/{sku}")
    now = now_of(request)
    await set_state(connection, item.id, "submitted", actor=actor.reference, reason="submitted", now=now)
    await record_act(request, session, "offer.submit", f"item:{sku}")
    leave_notice(request, OUTCOMES["submitted"])
    return redirect(request, f"/partner/offers/{sku}")


@post("/offers/{sku:str}/withdraw/{proposal_id:int}", guards=[EDIT])
async def withdraw_change(
    request: AnyRequest, session: NamedDependency[AsyncSession], sku: FromPath[str], proposal_id: FromPath[int]
) -> Page:
    """Take a change back that still waits."""
    connection, actor = await driver_connection(session), actor_of(request)
    await withdraw(connection, partner_id_of(actor), proposal_id, actor=actor.reference, now=now_of(request))
    await record_act(request, session, "offer.withdraw", f"proposal:{proposal_id}")
    leave_notice(request, N_("Withdrawn. Nothing was changed."))
    return redirect(request, f"/partner/offers/{sku}")


def _show_form(request: AnyRequest, form: NewOfferForm, *, status: int = 200) -> Page:
    return page(
        request,
        "partner/offer_new.html",
        status=status,
        form=form,
        kinds=[(kind, gettext(KIND_NAMES[kind])) for kind in KINDS],
        scenes=_scenes(),
        coupon_forms=[(name, gettext(words)) for name, words in COUPONS.items()],
    )


async def _show_offer(
    request: AnyRequest, session: AsyncSession, sku: str, *, form: OfferForm | None = None, status: int = 422
) -> Page:
    connection, actor = await driver_connection(session), actor_of(request)
    partner_id = partner_id_of(actor)
    found = await load_item(connection, sku, partner_id=partner_id)
    proposals = await list_proposals(connection, partner_id=partner_id, sku=sku)
    state, may_edit = found.item.state, actor.may("offers.edit")
    returned = next((one.reason for one in found.changes if one.to_state == "returned"), "")
    return page(
        request,
        "partner/offer.html",
        status=status if form else 200,
        item=found.item,
        form=form or OfferForm.blank(**_texts(found)),
        scenes=_scenes(),
        label=gettext(STATE_NAMES[state]),
        tone=OFFER_TONES.get(state, "grey"),
        kind=_kind(found.item),
        is_draft=state in EDITABLE_AT_ONCE,
        can_change=may_edit and state not in ("submitted", "ended"),
        can_submit=may_edit and may_become(state, "submitted"),
        returned=returned if state == "returned" else "",
        proposals=[
            {"proposal": one, "label": gettext(PROPOSAL_STATES[one.state][0]), "tone": PROPOSAL_STATES[one.state][1]}
            for one in proposals
        ],
        may_edit=may_edit,
    )


def _kind(item: ItemFacts) -> str:
    kind = gettext(KIND_NAMES[item.kind])
    return f"{kind} · {describe_coupon(item)}" if item.coupon_form else kind


def _scenes() -> list[tuple[str, str]]:
    return [(scene, gettext(SCENE_NAMES[scene])) for scene in SCENES]


def _values(form: OfferForm) -> dict[str, Any]:
    return {name: getattr(form, name) for name in _PLAIN} | {
        "rules_zh": split_lines(form.rules_zh),
        "rules_en": split_lines(form.rules_en),
    }


def _texts(found: ItemPage) -> dict[str, Any]:
    item = found.item
    said = {name: getattr(item, name) for name in _PLAIN if name != "stock"}
    texts = {name: "" if value is None else str(value) for name, value in said.items()}
    return texts | {
        "rules_zh": "\n".join(item.rules_zh),
        "rules_en": "\n".join(item.rules_en),
        "value_minor": amount_text(item.value_minor),
        "stock": "" if item.total is None else str(item.total),
    }


def _with_faults(form: AnyOfferForm, refusal: FileFaultyError) -> AnyOfferForm:
    form.adopt_rows(refusal.faults)
    return form


ROUTES = [show_new, create_offer, show_offer, change_offer, submit_offer, withdraw_change]
