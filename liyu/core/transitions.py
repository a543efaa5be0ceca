"""State machines as data. Each package's `states.py` has its table, which code, buttons, diagrams and tests all read."""

Transitions = dict[str | None, tuple[str, ...]]
"""For each state those that may follow; None stands before the first."""


def allows(transitions: Transitions, state: str | None, wanted: str) -> bool:
    """Whether the table allows the transition."""
    return wanted in transitions[state]


def states_before(transitions: Transitions, wanted: str) -> list[str]:
    """The states from which the table allows to go to `wanted`."""
    return [state for state, following in transitions.items() if state is not None and wanted in following]
