"""What the document says is answered is what is answered, and nothing else is."""

import pytest

from service.routes import ROUTES
from tests.support.described import Told, told_everywhere
from tests.support.provoked import SITUATIONS
from tests.support.provoked.situation import START

pytestmark = pytest.mark.slow

A_BUG = {
    Told(f"{each.method} {each.path}", 500, "internal_error"): "Only a bug of ours is answered so."
    for each in ROUTES
}
NOT_PROVOKED = {each: why for each, why in A_BUG.items() if each.route != START}
"""What cannot be provoked, and why."""


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda each: each.name.strip("_"))
async def test_a_situation_is_answered_as_it_is_documented(situation, tmp_path):
    assert await situation.provoke(tmp_path) == situation.provokes


def test_whatever_is_documented_can_be_provoked():
    provoked = {each for situation in SITUATIONS for each in situation.provokes}

    assert set(told_everywhere()) - provoked == set(NOT_PROVOKED)
    assert provoked <= set(told_everywhere())
