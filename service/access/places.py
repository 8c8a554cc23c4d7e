"""Secrets that are known by where they stand: in commands, SQL, XML, headers and addresses."""

from service.access.assignments import OF_PASSWORDS, PASSWORD_HINTS, QUOTE
from service.access.finders import Found, finder, folded, secret_in
from service.access.secret_values import is_credential, is_password, is_random

_IN_URL = r"""[^\s"'<>\\@:]*+ (?: : (?! // ) [^\s"'<>\\@:]*+ )*+"""
"""Also with letters that should have been escaped; another address ends it."""

_GOES_ON = r"[\w=] | \[redacted:"
"""Then it is a parameter, such as `realm=`, and stays one when its value is gone."""


def _password(found: Found) -> bool:
    return is_password(secret_in(found), stated=True, quoted=True)


def _password_of_command(found: Found) -> bool:
    return is_password(secret_in(found), stated=False)


def _long_random(found: Found) -> bool:
    return is_random(secret_in(found), shortest=16)


def _granted(found: Found) -> bool:
    return is_credential(secret_in(found))


def _of_header(found: Found) -> bool:
    """After a scheme that is not known, or none, a word is prose."""
    return _granted(found) if found["scheme"] else _long_random(found)


def _of_curl(found: Found) -> bool:
    """Other commands have numbers of users there."""
    before = found.string[max(0, found.start() - 300) : found.start()]
    return "curl" in before and is_password(secret_in(found), stated=True, quoted=True, shortest=1)


def _in_url(found: Found) -> bool:
    return is_password(secret_in(found), stated=True, quoted=True, shortest=1)


PASSWORDS = (
    folded(
        "password",
        rf"""{OF_PASSWORDS} > \s{{0,80}}
        (?: <!\[CDATA\[ (?P<secret> (?: [^\]\n]++ | \] (?! \] ) )++ )
          | (?P<secret> (?: [^<>\n]++ | (?<! {OF_PASSWORDS} ) > )++ ) </ )""",
        *PASSWORD_HINTS,
        judge=_password,
    ),
    folded(
        "password",
        rf"""(?<= (?: ^ | \s | \\ [nr] )
            (?: --? [\w-]{{0,32}} | (?: env | arg | setx ) [ \t]{{1,8}} \w{{0,64}} ) )
        {OF_PASSWORDS} [ \t]{{1,8}} ["']? (?P<secret> [^\s"'-] [^\s"']{{3,}}+ )""",
        *PASSWORD_HINTS,
        judge=_password_of_command,
    ),
    folded(
        "password",
        r"""(?: identified \s{1,8} by | password \s{1,8} for \s{1,8} [^\s=]{1,128}+ \s{0,8} =
            (?: \s{0,8} password \s{0,8} \( )? | password \s )
        \s{0,8} ' (?P<secret> [^'\n]++ ) '""",
        "identified",
        "password",
        judge=_password,
    ),
    folded(
        "password",
        r"login \s{1,8} \S{1,64} \s{1,8} password \s{1,8} (?P<secret> \S++ )",
        "login",
        judge=_password,
    ),
)

SECRETS = (
    finder(
        "secret",
        rf"""["] auth {QUOTE} \s{{0,8}} : \s{{0,8}} {QUOTE}
        (?P<secret> [A-Za-z0-9+/]{{8,}}+ ={{0,2}} ) {QUOTE}""",
        '"auth',
        judge=_granted,
    ),
)

TOKENS = (
    folded(
        "authorization",
        rf"""authorization (?: {QUOTE} )? [ \t]{{0,8}} [:=] [ \t]{{0,8}}
        (?: \[ \s{{0,80}} )? (?: {QUOTE} )?
        (?: (?: (?P<scheme> bearer | basic | token | apikey | negotiate ) | [a-z][\w-]{{0,31}}+ )
            (?: [ \t]{{1,8}} | %20 ) )?
        (?P<secret> [\w.~+/-]{{6,}}+ ={{0,2}} ) (?! {_GOES_ON} | [ ] [a-z]{{1,16}} = )""",
        "authorization",
        judge=_of_header,
    ),
    folded(
        "authorization",
        rf"""\b (?: bearer | basic ) [ \t]{{1,8}}
        (?P<secret> [\w.~+/-]{{16,}}+ ={{0,2}} ) (?! {_GOES_ON} )""",
        "bearer",
        "basic",
        judge=_long_random,
    ),
    finder(
        "authorization",
        r"""(?<= \s ) (?: -[a-zA-Z]{0,8}[uU] | --(?:proxy-)?user ) [ =]? ["']? [^\s:"']{1,64} :
        (?P<secret> [^\s"']++ )""",
        "curl",
        judge=_of_curl,
    ),
    finder(
        "url_password",
        rf""":// [^\s:/?\#"'<>\\]{{0,128}}+ : (?! \d{{1,5}} [/?\#] )
        (?P<secret> {_IN_URL} (?: @ {_IN_URL} (?= @ ) ){{0,4}}+ ) @ (?= [\w\[] )""",
        "://",
        judge=_in_url,
    ),
)
