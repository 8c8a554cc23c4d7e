"""The status of a model's server inside the error of the server before it."""

import pytest

from statemachine import upstream_failure

QUOTED = "Error code: 429 - {'error': 'slow down'}"


@pytest.mark.parametrize(
    ("error", "status_code"),
    [
        (QUOTED, 429),
        ({"message": QUOTED}, 429),
        ({"message": QUOTED, "code": 500}, 429),
        ({"message": QUOTED, "code": 400}, 400),
        ({"message": QUOTED.replace("429", "400")}, 502),
    ],
    ids=["a text", "no status around it", "a fault around it", "a refusal around it", "no matter"],
)
def test_it_counts_unless_the_error_says_what_the_client_did(
    error: object, status_code: int
) -> None:
    assert upstream_failure(error).status_code == status_code
