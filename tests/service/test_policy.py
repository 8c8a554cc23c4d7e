"""Who may do what: actions of roles, roles of people, and rules that give them."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.claims import MISSING, claim, is_user
from service.access.policy import MEANINGS, ROLES, Policy
from service.domain import Action, Identity
from service.errors import SettingsInvalid
from service.settings.access import AuthorizationSettings, RuleSettings

pytestmark = pytest.mark.slow

OTHERS = {each for each in Action if "others" in each}


def policy(*rules, **authorization):
    """Return a policy with these rules, each written as in a configuration file."""
    settings = AuthorizationSettings.model_validate(authorization)
    return Policy(settings, tuple(RuleSettings.model_validate(each) for each in rules))


def roles(claims, *rules):
    """Return what rules give, besides what everybody has."""
    return policy(*rules, default_roles=[]).principal(Identity("a", claims=claims)).roles


def refusal(*rules, **authorization):
    with pytest.raises(SettingsInvalid) as raised:
        policy(*rules, **authorization)
    assert "\n" not in str(raised.value)
    return str(raised.value)


# Actions.


def test_every_action_has_a_meaning_and_belongs_to_admins():
    assert set(MEANINGS) == ROLES["admin"] == set(Action)


def test_users_do_everything_that_concerns_nobody_else_but_two_privileges():
    assert ROLES["user"] == set(Action) - OTHERS - {Action.MODEL_OVERRIDE, Action.GET_METRICS}


def test_developers_have_the_privileges_and_reach_nobody_else():
    assert ROLES["developer"] == set(Action) - OTHERS


def test_who_has_no_role_may_do_nothing():
    nobody = policy(default_roles=[]).principal(Identity("a"))

    assert nobody.roles == ()
    assert not any(nobody.may(each) for each in Action)
    assert nobody.reach(Action.READ_OTHERS_CONVERSATIONS) == "a"


def test_everybody_has_the_default_roles():
    somebody = policy().principal(Identity("a", name="Ann", expires_at=7.0))

    assert (somebody.user, somebody.name, somebody.expires_at) == ("a", "Ann", 7.0)
    assert (somebody.roles, somebody.actions) == (("user",), ROLES["user"])


def test_roles_add_up_and_are_named_once():
    both = policy().principal(Identity("a", roles=("developer", "user", "developer")))

    assert (both.roles, both.actions) == (("user", "developer"), ROLES["developer"])


def test_roles_that_do_not_exist_give_nothing():
    somebody = policy(default_roles=[]).principal(Identity("a", roles=("Admin", "root", "*")))

    assert (somebody.roles, somebody.actions) == ((), frozenset())


def test_only_admins_reach_what_belongs_to_others():
    admin = policy().principal(Identity("a", roles=("admin",)))

    assert all(admin.reach(each) is None for each in OTHERS)


def test_settings_make_roles():
    made = policy(roles={"reader": ["info", "read_others_conversations"]})

    reader = made.principal(Identity("a", roles=("reader",)))
    assert reader.actions == ROLES["user"] | {Action.READ_OTHERS_CONVERSATIONS}


def test_settings_replace_a_role():
    narrowed = policy(roles={"user": ["info"]})

    assert narrowed.principal(Identity("a")).actions == {Action.INFO}


def test_the_star_means_nothing_of_others():
    starred = policy(roles={"all": ["*"]}, default_roles=["all"])

    assert starred.principal(Identity("a")).actions == set(Action) - OTHERS


def test_the_star_may_stand_beside_actions():
    starred = policy(roles={"all": ["*", "interrupt_others"]}, default_roles=["all"])

    expected = set(Action) - OTHERS | {Action.INTERRUPT_OTHERS}
    assert starred.principal(Identity("a")).actions == expected


@pytest.mark.parametrize("setting", ["default_roles", "developer_roles"])
def test_settings_cannot_give_roles_that_do_not_exist(setting):
    told = refusal(**{setting: ["user", "boss"]})

    assert told == (
        f"authorization.{setting}: there is no role boss; there are user, developer, admin"
    )


def test_a_rule_cannot_give_a_role_that_does_not_exist():
    rules = ({"claim": "a", "value": "b", "roles": ["admin"]}, {"claim": "a", "value": "b"})

    told = refusal(rules[0], rules[1] | {"roles": ["boss"]})

    assert told.startswith("role_rules.1.roles: there is no role boss; ")


def test_a_role_cannot_be_given_an_action_that_does_not_exist():
    told = refusal(roles={"reader": ["info", "read_everything"]})

    assert told == "authorization.roles.reader: there is no action 'read_everything'"


# Claims.

CLAIMS = {
    "groups": ["staff", "ops"],
    "realm_access": {"roles": ["boss"], "level": 3},
    "https://example.com/team": "blue",
    "extra": {"authentication.kubernetes.io/pod-name": ["one"]},
    "nothing": None,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("groups", ["staff", "ops"]),
        ("realm_access.roles", ["boss"]),
        ("https://example.com/team", "blue"),
        ("extra.authentication.kubernetes.io/pod-name", ["one"]),
        ("nothing", None),
        ("absent", MISSING),
        ("realm_access.absent", MISSING),
        ("realm_access.roles.absent", MISSING),
        ("groups.0", MISSING),
        ("nothing.at", MISSING),
        (".", MISSING),
    ],
)
def test_dots_lead_into_objects(path, value):
    assert claim(CLAIMS, path) == value


@pytest.mark.parametrize("value", ["a", "ann@example.com", "system:serviceaccount:a:b", "Ünï çode"])
def test_a_printable_text_can_be_a_user(value):
    assert is_user(value)


@pytest.mark.parametrize("value", ["", " ", "a\0b", "a\nb", "\ud800", "x" * 513, None, 7, ["a"]])
def test_nothing_else_can_be_a_user(value):
    assert not is_user(value)


# Rules.

ADMIN = ("admin",)


def rule(operator, value, claim_="c"):
    return {"claim": claim_, "operator": operator, "value": value, "roles": ADMIN}


@pytest.mark.parametrize(
    ("operator", "value", "given"),
    [
        ("equals", "blue", "blue"),
        ("equals", 3, 3),
        ("equals", True, True),
        ("contains", "ops", ["staff", "ops"]),
        ("contains", 3, [1, 2, 3]),
        ("in", ["red", "blue"], "blue"),
        ("matches", r".+@example\.com", "ann@example.com"),
        ("matches", "(?s)a.*", "a\nb"),
    ],
)
def test_a_rule_that_holds_gives_its_roles(operator, value, given):
    assert roles({"c": given}, rule(operator, value)) == ADMIN


@pytest.mark.parametrize(
    ("operator", "value", "given"),
    [
        ("equals", "blue", "Blue"),
        ("equals", "blue", ["blue"]),
        ("equals", 1, True),
        ("equals", True, 1),
        ("equals", "3", 3),
        ("equals", 0, None),
        ("contains", "op", "ops"),
        ("contains", "op", ["ops"]),
        ("contains", "ops", {"ops": True}),
        ("contains", True, [1]),
        ("in", ["red", "blue"], "green"),
        ("in", ["red"], ["red"]),
        ("in", ["red"], "re"),
        ("matches", r".+@example\.com", "ann@example.com.evil"),
        ("matches", r".+@example\.com", "ann@example.com\n"),
        ("matches", "a*", ["a"]),
        ("matches", "a*", None),
        ("matches", "a*", "a" * 4_097),
    ],
)
def test_a_rule_that_does_not_hold_gives_nothing(operator, value, given):
    assert roles({"c": given}, rule(operator, value)) == ()


@pytest.mark.parametrize(
    ("operator", "value"), [("equals", "x"), ("contains", "x"), ("in", ["x"]), ("matches", ".*")]
)
def test_a_claim_that_is_missing_gives_nothing(operator, value):
    assert roles({}, rule(operator, value)) == ()


def test_the_operator_is_contains_unless_another_is_given():
    given = {"claim": "realm_access.roles", "value": "boss", "roles": ["admin"]}

    assert roles(CLAIMS, given) == ADMIN


def test_every_rule_that_holds_counts():
    reader = rule("contains", "staff", "groups") | {"roles": ["user"]}
    boss = rule("equals", 3, "realm_access.level") | {"roles": ["developer", "user"]}
    never = rule("equals", 4, "realm_access.level")

    assert roles(CLAIMS, reader, boss, never) == ("user", "developer")


def test_a_pattern_that_takes_too_long_gives_nothing_and_is_logged(log):
    began = time.monotonic()
    given = roles({"c": "1,2,3," * 30}, rule("matches", "(.*?,){25}P"))

    assert given == ()
    assert time.monotonic() - began < 5
    assert log == [{"event": "role_rule.timed_out", "log_level": "warning", "claim": "c"}]


@pytest.mark.parametrize(
    ("operator", "value", "cause"),
    [
        ("matches", "(", "role_rules.0.value: missing ) at position 1"),
        ("matches", 3, "role_rules.0.value: `matches` wants a pattern"),
        ("in", "x", "role_rules.0.value: `in` wants a list of values"),
        ("in", [], "role_rules.0.value: `in` wants a list of values"),
        ("in", [None], "role_rules.0.value: it must be a text, a number, true or false"),
        ("equals", None, "role_rules.0.value: it must be a text, a number, true or false"),
        ("contains", {"a": 1}, "role_rules.0.value: it must be a text, a number, true or false"),
    ],
)
def test_a_rule_that_cannot_be_followed_is_refused(operator, value, cause):
    assert refusal(rule(operator, value)) == cause


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(claims=st.dictionaries(st.sampled_from(["c", "d"]) | st.text(), JSON))
def test_whatever_claims_are_they_give_only_what_rules_say(claims):
    value = claims.get("c", math.nan)

    given_roles = roles(claims, rule("equals", "x"), rule("matches", "x"), rule("in", ["x", 1]))

    expected = value == "x" or (value == 1 and type(value) is int)
    assert given_roles == (ADMIN if expected else ())
