"""The hard gates of admission: a pure check of what is known of a company."""

from datetime import date

from msgspec import Struct
from stdnum.cn import uscc

from liyu.core.errors import Reason
from liyu.core.i18n import N_, Message


class CompanyFacts(Struct, frozen=True):
    """What the gates look at."""

    credit_code: str | None
    registered_capital_minor: int | None
    founded_on: date | None
    service_phone: str | None


class GateRules(Struct, frozen=True):
    """The thresholds, which a program may set otherwise."""

    minimum_capital_minor: int = 500_000_000
    """5,000,000 CNY in fen."""
    minimum_years: int = 3


class Gate(Struct, frozen=True):
    """One condition: whether it holds, and the words for it."""

    code: str
    passed: bool
    message: Message


DEFAULT_RULES = GateRules()


def check_gates(facts: CompanyFacts, today: date, rules: GateRules = DEFAULT_RULES) -> list[Gate]:
    """Every gate with its outcome on `today`; a fact that is not known fails its gate."""
    capital = facts.registered_capital_minor or 0
    return [
        Gate("credit_code", uscc.is_valid(facts.credit_code or ""), Message(N_("Valid unified social credit code"))),
        Gate(
            "registered_capital",
            capital >= rules.minimum_capital_minor,
            Message(N_("Registered capital of at least %(yuan)s CNY"), {"yuan": rules.minimum_capital_minor // 100}),
        ),
        Gate(
            "years_in_business",
            facts.founded_on is not None and _add_years(facts.founded_on, rules.minimum_years) <= today,
            Message(N_("In business for at least %(years)s years"), {"years": rules.minimum_years}),
        ),
        Gate("service_desk", bool((facts.service_phone or "").strip()), Message(N_("Service desk with a telephone"))),
    ]


def failed_reasons(gates: list[Gate]) -> list[Reason]:
    """The gates that do not hold, as reasons of a refusal."""
    return [Reason(gate.code, gate.message) for gate in gates if not gate.passed]


def _add_years(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
