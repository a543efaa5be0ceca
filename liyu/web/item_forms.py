"""What every form of an item asks, whoever fills it in: its texts, scene and price; and the way from an item to texts and back."""

from liyu.catalog.errors import RowFault
from liyu.catalog.models import SCENES
from liyu.core.i18n import N_
from liyu.web.forms import ChoiceField, Form, IntegerField, MoneyField, TextField

LARGEST_PRICE = 10**9
LARGEST_STOCK = 10**12
LONGEST_NAME = 200
LONGEST_TEXT = 5000


class ItemTextsForm(Form):
    name_zh = TextField(N_("Name in Chinese"), maximum=LONGEST_NAME)
    name_en = TextField(N_("Name in English"), required=False, maximum=LONGEST_NAME)
    summary_zh = TextField(N_("Summary in Chinese"), required=False, maximum=LONGEST_NAME)
    summary_en = TextField(N_("Summary in English"), required=False, maximum=LONGEST_NAME)
    description_zh = TextField(N_("Description in Chinese"), required=False, maximum=LONGEST_TEXT)
    description_en = TextField(N_("Description in English"), required=False, maximum=LONGEST_TEXT)
    rules_zh = TextField(N_("Rules in Chinese"), required=False, maximum=LONGEST_TEXT)
    rules_en = TextField(N_("Rules in English"), required=False, maximum=LONGEST_TEXT)
    scene = ChoiceField(SCENES, N_("Scene"))
    points = IntegerField(N_("Points"), maximum=LARGEST_PRICE)
    value_minor = MoneyField(N_("Worth"), required=False, default=0)
    per_member_limit = IntegerField(N_("Limit for each member"), required=False, minimum=1)
    voucher_days = IntegerField(N_("Days a voucher is valid"), required=False, minimum=1, maximum=3650, default=90)

    def adopt_rows(self, faults: list[RowFault]) -> None:
        """Put what publishing found at fault to the fields that it is about."""
        for fault in faults:
            self.refuse(fault.message, fault.column if fault.column in self.fields else "")


def split_lines(text: str) -> list[str]:
    """The lines of a text that say something."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def amount_text(minor: int | None) -> str:
    """An amount as a form shows it, in whole units; none and nothing stay empty."""
    return f"{minor // 100}.{minor % 100:02d}" if minor else ""
