"""What must not leave is found and replaced, and nothing else is touched."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.access.patterns import BUILT_IN
from service.access.redaction import (
    Nothing,
    names,
    open_redactor,
)
from service.errors import SettingsInvalid
from service.settings import Settings
from service.settings.data import PatternSettings, RedactionSettings
from tests.support.redaction_corpus import HARMLESS, JWT, SECRETS, Told

ROOT = Path(__file__).parents[2]
KINDS = tuple(BUILT_IN)
EVERYTHING = open_redactor(RedactionSettings(kinds=KINDS), ())
USUAL = open_redactor(RedactionSettings(), ())
BADGE = PatternSettings(name="badge", pattern=r"B-\d+")


def own(*patterns: PatternSettings, **settings: object):
    return open_redactor(RedactionSettings.model_validate({"kinds": (), **settings}), patterns)


async def cleared(text: str, redactor=EVERYTHING) -> str:
    return (await redactor.redact([text])).texts[0]


def cleared_now(text: str, redactor=EVERYTHING) -> str:
    """Return the same, in a property."""
    return asyncio.run(cleared(text, redactor))


# What is found, and what is not.


@pytest.mark.parametrize(
    "told", SECRETS, ids=[f"{number} {told.name}" for number, told in enumerate(SECRETS)]
)
async def test_a_secret_is_replaced_by_its_name(told: Told):
    kind = open_redactor(RedactionSettings.model_validate({"kinds": [told.kind]}), ())

    found = await kind.redact([told.text])

    assert told.secret not in found.texts[0]
    assert f"[redacted: {told.name}]" in found.texts[0]
    assert found.counts[told.name] >= 1


def in_json(text: str, times: int) -> str:
    """Return what a tool tells of a text, which another tool tells, and so on."""
    for _ in range(times):
        text = json.dumps({"content": [{"type": "text", "text": text}]}, ensure_ascii=False)
    return text


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_secret_is_found_in_json_within_json(times: int):
    for told in SECRETS:
        secret = json.dumps(told.secret, ensure_ascii=False)[1:-1]
        found = await EVERYTHING.redact([in_json(told.text, times)])

        assert told.secret not in found.texts[0]
        assert secret not in found.texts[0].replace("\\" * 2 ** (times - 1), "\\")
        assert f"[redacted: {told.name}]" in found.texts[0], told


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_harmless_text_stays_as_it_is_in_json_within_json(times: int):
    for text in HARMLESS:
        wrapped = in_json(text, times)

        assert await cleared(wrapped) == wrapped


WAYS = [
    "export AWS_SESSION_TOKEN={}\n",
    "password={}",
    "token: {}\n",
    "X-Auth-Token: {}\r\n",
    '{{"refresh_token": "{}", "a": 1}}',
    '{{"password": "{}"}}',
    r'"{{\"password\":\"{}\"}}"',
    "client_secret: '{}'",
    "password: `{}`",
    "<password>{}</password>",
    "mysqldump --password {}",
    "IDENTIFIED BY '{}'",
    "curl -u AWS:{} https://a.test",
    "https://AWS:{}@a.test/",
    "Authorization: Bearer {}",
    '{{"auths": {{"a.test": {{"auth": "{}"}}}}}}',
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length", [300, 600, 5_000, 100_000])
async def test_a_long_secret_is_taken_out_as_a_whole(way: str, length: int):
    drawn = "".join(hashlib.sha256(b"%d" % each).hexdigest() for each in range(length // 64 + 1))
    before, after = way.format("|").split("|")

    text = await cleared(before + drawn[:length] + after, USUAL)

    assert text.startswith(before)
    assert text.endswith(after)
    assert len(text) < len(before) + 40 + len(after)


@pytest.mark.parametrize("text", HARMLESS, ids=range(len(HARMLESS)))
async def test_a_harmless_text_stays_as_it_is(text: str):
    found = await EVERYTHING.redact([text])

    assert found.texts == [text]
    assert found.counts == {}


SAID = [*ROOT.glob("service/recordings/*.jsonl"), *ROOT.glob("*/*.md"), *ROOT.glob("deploy/*.lock")]


@pytest.mark.parametrize("path", SAID, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_models_say_and_what_we_document_stays_as_it_is(path: Path):
    text = path.read_text()

    assert cleared_now(text, open_redactor(RedactionSettings(), ())) == text


async def test_only_the_secret_is_replaced():
    assert await cleared("GET http://joe:hunter2@a.test/x 200") == (
        "GET http://joe:[redacted: url_password]@a.test/x 200"
    )
    assert await cleared("a\npassword: 'hunter2' # x") == "a\npassword: '[redacted: password]' # x"


async def test_every_text_is_cleared_and_all_are_counted_together():
    found = await EVERYTHING.redact(["joe@a.test", "nothing", "ann@a.test, password=hunter2"])

    assert found.texts == [
        "[redacted: email]",
        "nothing",
        "[redacted: email], password=[redacted: password]",
    ]
    assert found.counts == {"email": 2, "password": 1}


@pytest.mark.parametrize("kind", KINDS)
async def test_only_what_is_asked_for_is_looked_for(kind):
    redactor = open_redactor(RedactionSettings(kinds=(kind,)), ())
    expected = {each.name for each in BUILT_IN[kind]}

    found = await redactor.redact([each.text for each in SECRETS])

    assert set(found.counts) == expected
    assert set(names(RedactionSettings(kinds=(kind,)), ())) == expected


async def test_what_overlaps_is_replaced_once():
    found = await EVERYTHING.redact([f"Authorization: Bearer {JWT}"])

    assert found.texts == ["Authorization: Bearer [redacted: jwt]"]
    assert sum(found.counts.values()) == 1


async def test_what_overlaps_partly_is_replaced_as_one():
    redactor = own(*(PatternSettings(name=each, pattern=each) for each in ("cde", "abc")))

    found = await redactor.redact(["-abcde-"])

    assert found.texts == ["-[redacted: abc]-"]
    assert found.counts == {"abc": 1}


# Own patterns.


async def test_an_own_pattern_is_looked_for_besides():
    redactor = open_redactor(RedactionSettings(), [BADGE])

    assert await cleared("B-12 has password=hunter2", redactor) == (
        "[redacted: badge] has password=[redacted: password]"
    )
    assert names(RedactionSettings(), [BADGE])[-1] == "badge"


async def test_a_pattern_of_nothing_replaces_nothing():
    assert await cleared("abc", own(PatternSettings(name="none", pattern="x*"))) == "abc"


@pytest.mark.parametrize("pattern", ["(", "[a", "(?P<a>b", "a{2,1}", r"\p{No such}"])
def test_a_pattern_that_is_none_is_refused_at_the_start(pattern):
    wrong = PatternSettings(name="wrong", pattern=pattern)

    with pytest.raises(SettingsInvalid, match="patterns: wrong is no regular expression"):
        own(BADGE, wrong)


@pytest.mark.parametrize("pattern", [r"\w+", r"\S+", ".+", "redacted", r"(?s).+", "d: o", r"\]"])
async def test_an_own_pattern_does_not_find_what_stands_for_secrets(pattern):
    redactor = own(PatternSettings(name="own", pattern=pattern), kinds=["emails"])
    once = await cleared("joe@a.test and [redacted: own][redacted: email] x", redactor)

    assert await cleared(once, redactor) == once
    assert (await redactor.redact([once])).counts == {}


async def test_what_is_found_across_a_replacement_takes_all_of_it():
    redactor = own(PatternSettings(name="own", pattern=r"n\] x|x \[re"))

    assert await cleared("a [redacted: own] x", redactor) == "a [redacted: own]"
    assert await cleared("x [redacted: own] a", redactor) == "[redacted: own] a"


async def test_a_secret_cannot_hide_in_what_looks_like_a_replacement():
    assert await cleared("[redacted: B-12]", own(BADGE)) == "[redacted: [redacted: badge]]"
    assert (
        await cleared("[redacted: badge]B-12", own(BADGE)) == "[redacted: badge][redacted: badge]"
    )


async def test_without_patterns_nothing_is_looked_for():
    redactor = own()

    assert isinstance(redactor, Nothing)
    assert (await redactor.redact(["password=hunter2"])).texts == ["password=hunter2"]


# Whatever is said.

letters = st.text(st.sampled_from("aB1 .:=@/-_\"'\n\\&{[$<"), max_size=40)
fragments = st.sampled_from([each.text for each in SECRETS] + [each.secret for each in SECRETS])
anything = st.lists(st.text(max_size=20) | letters | fragments, max_size=8).map("".join)


@given(text=anything)
@example(text="password=password=hunter2")
@example(text="[redacted: [redacted: password]]password=abc1")
def test_what_was_cleared_stays_as_it_is(text):
    once = cleared_now(text)

    assert cleared_now(once) == once


APART = st.sampled_from([" ", "\n", ", ", "; ", "\n\n", " | "])


@given(before=st.sampled_from(HARMLESS), told=st.sampled_from(SECRETS), after=letters, apart=APART)
def test_a_secret_never_survives(before, told, after, apart):
    text = f"{before}\n\n{told.text}{apart}{after}"

    assert told.secret not in cleared_now(text)


@given(text=anything)
def test_own_patterns_and_built_in_ones_end_together(text):
    redactor = own(PatternSettings(name="own", pattern=r"[A-Z]\d|=.{3}"), kinds=KINDS)

    once = cleared_now(text, redactor)

    assert cleared_now(once, redactor) == once


def test_the_names_are_those_that_can_be_counted():
    settings = Settings(redaction={"patterns": [BADGE]})

    assert names(settings.redaction, settings.redaction.patterns) == (
        "private_key",
        "api_key",
        "password",
        "secret",
        "jwt",
        "authorization",
        "url_password",
        "token",
        "badge",
    )
