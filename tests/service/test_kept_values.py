"""Our values as Redis and a database keep them: what comes back is what was put there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, true
from sqlalchemy.dialects import sqlite

from service.domain import Model, TurnRecord
from service.storage.database.rows import columns_of, from_json, to_json, to_ms, to_s
from service.storage.database.tables import turns
from service.storage.database.texts import AnyText, kept, said
from service.storage.redis.values import decode, encode

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
MODELS = st.builds(Model, TEXT, TEXT, TEXT, st.booleans(), st.booleans())

# JSON makes one character of two halves that fit.
WHOLE = TEXT.map(lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


@given(MODELS)
def test_what_is_decoded_is_what_was_encoded(model):
    assert decode(encode(model), Model) == model


@given(st.builds(Model, WHOLE, WHOLE, WHOLE, st.booleans(), st.booleans()))
def test_what_comes_out_of_a_column_is_what_went_in(model):
    assert from_json(to_json(model), Model) == model


@given(MODELS)
def test_every_database_takes_our_json(model):
    assert "\0" not in to_json(model)
    assert to_json(model).encode()


@given(TEXT | st.text("\ufdd0\0\\x"))
def test_any_text_comes_back(text):
    assert said(kept(text)) == text


@given(TEXT | st.text("\ufdd0\0\\x"))
def test_every_database_takes_what_is_kept_of_a_text(text):
    assert "\0" not in kept(text)
    assert kept(text).encode().decode() == kept(text)


@pytest.mark.parametrize("text", ["", "ä", "\u2028", "\U0001f600", "\\ud800", "\uffff"])
def test_text_that_can_be_kept_stays_as_it_is(text):
    assert kept(text) == text


def test_what_is_compared_is_written_as_it_is_kept():
    found = select(true()).where(turns.c.user == "\0").compile(dialect=sqlite.dialect())
    (process,) = found._bind_processors.values()

    assert process("\0") == kept("\0") == "\ufdd0\\x00"
    assert isinstance(turns.c.user.type, AnyText)


@given(st.integers(0, 10_000) | st.integers(0, 2**42))
def test_a_time_that_was_kept_is_the_same_again(time_ms):
    assert to_ms(to_s(time_ms)) == time_ms


def test_a_turn_has_a_column_for_everything():
    columns = columns_of(TurnRecord("r", "c", "u", "r", "?", 0.0))

    assert {*columns, "process", "touched_ms"} == set(turns.columns.keys())
