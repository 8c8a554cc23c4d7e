"""How long it may take to find what must not leave, and where it is looked for meanwhile."""

import threading
import time
from contextlib import suppress
from itertools import product

import anyio
import pytest

from service.access.patterns import BUILT_IN
from service.access.redaction import _SMALL_CHARACTERS, PatternRedactor, open_redactor
from service.errors import RedactionFailed
from service.settings.data import PatternSettings, RedactionSettings
from tests.support.asgi import PATIENCE_S
from tests.support.redaction_corpus import PEM

BADGE = PatternSettings(name="badge", pattern=r"B-\d+")
ENDLESS = PatternSettings(name="endless", pattern=r"(?:a|aa|a?a)+$")
SIZE = 2 * 1024 * 1024
FINDERS = [each for kind in BUILT_IN.values() for each in kind]
LONG = PEM + "a" * _SMALL_CHARACTERS


def own(pattern: PatternSettings, timeout_s: float = PATIENCE_S) -> PatternRedactor:
    return open_redactor(RedactionSettings(kinds=(), timeout_s=timeout_s), [pattern])


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["a", "1", ".", "-", ":", "@", "/", "=", " ", "\n", '"', "é"])
def test_two_mebibytes_of_one_letter_take_no_time(letter):
    for each in FINDERS:
        begun = time.thread_time()
        assert not list(each.pattern.finditer(letter * SIZE))
        assert time.thread_time() - begun < 1, each


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["eyJ", "a.a@", "://", "://a:", "password=", "secret=", "1.1.", "::", "sk-", PEM[:27]]
)
def test_two_mebibytes_of_beginnings_take_little_time(part):
    text = part * (SIZE // len(part))
    for each in FINDERS:
        begun = time.thread_time()
        sum(1 for _ in each.pattern.finditer(text))
        assert time.thread_time() - begun < 2, each


HOSTILE = [
    # What stands for secrets, as in anything that was copied out of here.
    "[redacted: jwt] password=abcd1 ",
    "password=abcd1 [redacted: token]",
    "[redacted: token][redacted: ",
    # What would be a name for what follows it, once it is replaced.
    "abc1 =",
    "abcdefgh12345678 value=",
    "authorization=1.2.3.4abc",
    "password://[redacted: ",
    # Long values, and what ends them or does not.
    "password>",
    "password=a<,;",
    'password=\\"',
    'password="\\',
    "password=Key",
    "key=a(b).",
    "password=f(" + ")" * 200 + "$ ",
    "password=" + "a_" * 255 + "1\n",
    "password=" + "a" * 511 + "\n",
    "\\",
    "password **: ",
    "://a@b:",
    "curl -u a:",
    "password for x = ",
    "ENV a_password ",
]


@pytest.mark.slow
@pytest.mark.parametrize("part", HOSTILE)
async def test_whatever_is_repeated_takes_time_in_proportion(part):
    """Whoever can make a search long keeps others waiting."""
    redactor = open_redactor(RedactionSettings(kinds=tuple(BUILT_IN), timeout_s=60), ())
    took_s = []
    for size in (SIZE // 64, SIZE // 8):
        text = "password=" + part * (size // len(part))
        begun = time.process_time()
        await redactor.redact([text])
        took_s.append(time.process_time() - begun)

    assert took_s[1] < max(0.1, took_s[0]) * 20


@pytest.mark.parametrize("run", [")", "]", "(", "a_", "a.", "a(", "()", "a->", "$", "{", "<"])
@pytest.mark.parametrize("name", ["password", "token", "api_key"])
async def test_no_text_that_is_searched_at_once_takes_long(name, run):
    """The event loop waits for it."""
    redactor = open_redactor(RedactionSettings(kinds=tuple(BUILT_IN)), ())
    for begun_by, ended_by in product(("", "f(", "a[", "("), ("", "$", "1", "!")):
        text = f"{name}={begun_by}{run * (450 // len(run))}{ended_by}"
        begun = time.process_time()
        await redactor.redact([text])
        assert time.process_time() - begun < 0.5


def judged(judge, timeout_s: float = PATIENCE_S) -> PatternRedactor:
    """Return what looks for private keys, and asks a test of each."""
    finder = BUILT_IN["keys"][0]._replace(judge=judge)
    return PatternRedactor((finder,), timeout_s, bounded=True)


async def test_a_small_text_is_searched_at_once():
    """And a longer one in another thread, so that no stream has to wait."""
    threads = []
    redactor = judged(lambda found: threads.append(threading.current_thread()) is None)

    await redactor.redact([PEM])
    await redactor.redact([LONG])

    assert [each is threading.main_thread() for each in threads] == [True, False]


def test_an_own_pattern_is_never_searched_for_at_once():
    """It may take for ever, however small the text is."""
    assert own(BADGE).bounded is False
    assert open_redactor(RedactionSettings(), ()).bounded is True


async def test_not_more_than_two_searches_run_at_a_time():
    barrier = threading.Barrier(3)

    def judge(found: object) -> bool:
        with suppress(threading.BrokenBarrierError):
            barrier.wait(0.2)
        return True

    redactor = judged(judge)
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(redactor.redact, [LONG])

    assert barrier.broken


async def test_who_waits_for_others_fails_in_time():
    held = threading.Event()
    redactor = judged(lambda found: held.wait(PATIENCE_S), timeout_s=0.05)

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(redactor.redact, [LONG])
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(RedactionFailed):
            await redactor.redact([LONG])
        held.set()


@pytest.mark.parametrize("text", ["a" * 5_000 + "b", "a" * 200 + "b"])
async def test_a_search_that_takes_too_long_fails(text):
    redactor = own(ENDLESS, timeout_s=0.05)

    with pytest.raises(RedactionFailed, match=r"It took longer than 0\.05 s\."):
        await redactor.redact([text])


async def test_all_texts_have_one_time_together():
    redactor, slow = own(ENDLESS, timeout_s=0.05), "a" * 5_000 + "b"
    begun = time.monotonic()

    with pytest.raises(RedactionFailed):
        await redactor.redact([slow] * 100)

    assert time.monotonic() - begun < 2.5


async def test_the_event_loop_goes_on_meanwhile():
    redactor, beats = own(ENDLESS, timeout_s=0.3), 0

    async with anyio.create_task_group() as tasks:

        async def beat() -> None:
            nonlocal beats
            while True:
                await anyio.lowlevel.checkpoint()
                beats += 1

        tasks.start_soon(beat)
        with pytest.raises(RedactionFailed):
            await redactor.redact(["a" * 5_000 + "b"])
        tasks.cancel_scope.cancel()

    assert beats > 100
