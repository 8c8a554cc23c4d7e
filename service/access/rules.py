"""Rules by which claims give roles. Values are compared with their types: true is not 1."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import regex  # type: ignore[import-untyped] # it has no types
import structlog

from service.access.claims import claim
from service.errors import SettingsInvalid
from service.settings.access import RuleSettings

logger = structlog.get_logger()

type Test = Callable[[object], bool]

_PATTERN_TIMEOUT_S = 0.05
_TEXT_LIMIT_CHARACTERS = 4_096
"""A longer text matches no pattern."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that can be followed."""

    claim: str
    holds: Test
    roles: tuple[str, ...]

    def roles_for(self, claims: Mapping[str, object]) -> tuple[str, ...]:
        """Return the roles that the claims give; none when it cannot be told in time."""
        try:
            # What is missing is no value of JSON, so no test holds for it.
            return self.roles if self.holds(claim(claims, self.claim)) else ()
        except TimeoutError:
            logger.warning("role_rule.timed_out", claim=self.claim)
            return ()


def compiled(where: str, rule: RuleSettings) -> Rule:
    """Return a rule that can be followed; `where` is the setting that it stands in.

    Raises:
        SettingsInvalid: its value does not fit its operator.
    """
    try:
        test = _OPERATORS[rule.operator](rule.value)
    except (ValueError, regex.error) as wrong:
        raise SettingsInvalid(f"{where}.value: {wrong}") from None
    return Rule(rule.claim, test, rule.roles)


def _equals(value: object) -> Test:
    wanted = _plain(value)
    return lambda given: _same(given, wanted)


def _contains(value: object) -> Test:
    wanted = _plain(value)
    return lambda given: isinstance(given, list) and _is_one_of(wanted, given)


def _in(value: object) -> Test:
    if not isinstance(value, list) or not value:
        raise ValueError("`in` wants a list of values")
    wanted = [_plain(each) for each in value]
    return lambda given: _is_one_of(given, wanted)


def _matches(value: object) -> Test:
    if not isinstance(value, str):
        raise ValueError("`matches` wants a pattern")  # noqa: TRY004 # a setting is wrong
    pattern = regex.compile(value)

    def test(given: object) -> bool:
        if not isinstance(given, str) or len(given) > _TEXT_LIMIT_CHARACTERS:
            return False
        return pattern.fullmatch(given, timeout=_PATTERN_TIMEOUT_S) is not None

    return test


_OPERATORS: Mapping[str, Callable[[object], Test]] = {
    "equals": _equals,
    "contains": _contains,
    "in": _in,
    "matches": _matches,
}


def _plain(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise ValueError("it must be a text, a number, true or false")  # noqa: TRY004 # see above
    return value


def _is_one_of(value: object, values: Sequence[object]) -> bool:
    return any(_same(value, each) for each in values)


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other
