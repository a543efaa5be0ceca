"""Whatever is sent to the API, the answer is one that its document describes, and never a server error."""

from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import one_of
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from tests.e2e.installation import Installation
from tests.proofs import FULL, at_size

REQUESTS = at_size(40, 10_000)
UNSAID = [positive_data_acceptance, negative_data_rejection]
"""A schema cannot say which fields go together; unknown parameters are passed over; a faulty event of a batch harms no other."""


@pytest.mark.proof
def test_every_answer_is_one_that_the_document_describes(database_url: str, tmp_path: Path, free_port: int) -> None:
    installation = Installation(tmp_path, database_url, free_port)
    if FULL:
        installation.load_demo()
    else:
        installation.upgrade()
    key = installation.call("apikey", "create", "--name", "anybody", "--scopes", "all").stdout.strip()
    with installation.running(), requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        schema = openapi.from_url(f"{installation.address}/api/openapi.json")
        operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]

        @settings(max_examples=REQUESTS, suppress_health_check=list(HealthCheck))
        @given(case=one_of([one.as_strategy(mode) for one in operations for mode in GenerationMode]))
        def send(case: Case[Any]) -> None:
            case.call_and_validate(session=session, excluded_checks=UNSAID)

        send()
    assert len(operations) > 30
