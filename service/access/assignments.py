"""Secrets that are known by what they are assigned to: `password: ...`, `API_KEY=...`."""

from service.access.finders import Found, finder, folded, secret_in
from service.access.secret_values import is_credential, is_password, is_random

_BARE = r"""
    (?P<secret>
        [^\s"'`<&;,|]{0,256}
        (?: (?: < (?! / ) | [&;,|] (?! [\s\w-]{1,64} = | [\s"'] | $ ) ) [^\s"'`<&;,|]{0,128} ){0,4}
        (?<! [.,;:)\]}] )
    )
"""
"""Up to a blank or a quote, or where another assignment begins, as in connection strings."""

_VALUE = rf"""
    (?: \\" (?P<secret> [^"\\\n]{{1,512}} ) \\"
    |   "   (?P<secret> (?: [^"\\\n] | \\. ){{1,512}} ) "
    |   '   (?P<secret> [^'\n]{{1,512}} ) '
    |   {_BARE}
    )
"""
_ASSIGNED = rf"""
    (?: \\? ["'] )? \]?
    (?: [ \t]{{0,64}} (?P<told> [:=]{{1,3}} >? ) [ \t]{{0,64}}
        (?: [|>][+-]? [ \t]{{0,8}} \r? \n [ \t]{{1,64}} )?
    |   ,? \s{{1,80}} ["']? value ["']? [ \t]{{0,8}} (?P<told> : ) [ \t]{{0,8}}
    )
    {_VALUE}
"""
"""Also as the next field of a list, `name: PASSWORD` and `value: ...`."""

_IN_URL = r"""[^\s"'<>\\@:]{0,256}+ (?: : (?! // ) [^\s"'<>\\@:]{0,256}+ ){0,8}+"""
"""Also with letters that should have been escaped; another address ends it."""

_OF_PASSWORDS = r"""
    (?: pass (?: word | wd | phrase | wort ) | pwd | (?<= [_-] ) pass (?! [A-Za-z] ) ) \d{0,2}
"""
_OF_SECRETS = r"""
    (?: (?<= (?: api | access | secret | private | client | encryption | signing | shared | account
              | master | auth | storage | subscription | service | app ) [_-]? ) key
    |   secret | credential )
"""
_OF_TOKENS = r"(?<! next | page | next_ | page_ | continue | continue_ ) token"
_PASSWORD_HINTS = ("passw", "passphrase", "pwd", "_pass", "-pass")


def _password(found: Found) -> bool:
    text = found.string
    quoted = text[found.start("secret") - 1] in "\"'"
    rest = text[found.end("secret") : found.end("secret") + 80].lstrip(" \t\"',}]")
    alone = not rest or rest[0] in "\r\n#"
    stated = quoted or alone or "=" in found["told"]
    return is_password(secret_in(found), stated=stated)


def _password_in_place(found: Found) -> bool:
    return is_password(secret_in(found), stated=True)


def _password_of_command(found: Found) -> bool:
    return is_password(secret_in(found), stated=False)


def _random(found: Found) -> bool:
    return is_random(secret_in(found))


def _long_random(found: Found) -> bool:
    return is_random(secret_in(found), shortest=16)


def _granted(found: Found) -> bool:
    return is_credential(secret_in(found))


def _of_curl(found: Found) -> bool:
    """Other commands have numbers of users there."""
    before = found.string[max(0, found.start() - 300) : found.start()]
    return "curl" in before and is_password(secret_in(found), stated=True, shortest=1)


def _in_url(found: Found) -> bool:
    return is_password(secret_in(found), stated=True, shortest=1)


KEYS = (
    folded("password", _OF_PASSWORDS + _ASSIGNED, *_PASSWORD_HINTS, judge=_password),
    folded(
        "password",
        rf"{_OF_PASSWORDS} > (?P<secret> [^<\n]{{1,256}} ) </",
        *_PASSWORD_HINTS,
        judge=_password_in_place,
    ),
    folded(
        "password",
        rf"""(?<= (?: ^ | \s ) --? [\w-]{{0,32}} ) {_OF_PASSWORDS} [ \t]{{1,8}} ["']?
        (?P<secret> [^\s"'-] [^\s"']{{3,255}} )""",
        *_PASSWORD_HINTS,
        judge=_password_of_command,
    ),
    folded(
        "password",
        r"(?: identified \s{1,8} by | password ) \s{1,8} ' (?P<secret> [^'\n]{1,256} ) '",
        "identified",
        "password",
        judge=_password_in_place,
    ),
    folded(
        "password",
        r"login \s{1,8} \S{1,64} \s{1,8} password \s{1,8} (?P<secret> \S{1,256} )",
        "login",
        judge=_password_in_place,
    ),
    finder(
        "secret",
        r"""["] auth ["] \s{0,8} : \s{0,8} ["] (?P<secret> [A-Za-z0-9+/]{8,1024} ={0,2} ) ["]""",
        '"auth"',
        judge=_granted,
    ),
    folded("secret", _OF_SECRETS + _ASSIGNED, "key", "secret", "credential", judge=_random),
)

TOKENS = (
    folded(
        "authorization",
        r"""authorization (?: \\? ["'] )? [ \t]{0,8} [:=] [ \t]{0,8} (?: \\? ["'] )?
        (?: bearer | basic | token | apikey | negotiate ) [ \t]{1,8}
        (?P<secret> [\w.~+/-]{6,}+ ={0,2} ) (?! [\w=] )""",
        "authorization",
        judge=_granted,
    ),
    folded(
        "authorization",
        r"\b (?: bearer | basic ) [ \t]{1,8} (?P<secret> [\w.~+/-]{16,}+ ={0,2} ) (?! [\w=] )",
        "bearer",
        "basic",
        judge=_long_random,
    ),
    finder(
        "authorization",
        r"""(?<= \s ) (?: -u | --user ) [ =]? ["']? [^\s:"']{1,64} :
        (?P<secret> [^\s"']{1,256} )""",
        " -u",
        " --user",
        judge=_of_curl,
    ),
    finder(
        "url_password",
        rf""":// [^\s:/@?\#"'<>\\]{{0,128}}+ : (?! \d{{1,5}} [/?\#] )
        (?P<secret> {_IN_URL} (?: @ {_IN_URL} (?= @ ) ){{0,4}}+ ) @ (?= [\w\[] )""",
        "://",
        judge=_in_url,
    ),
    folded("token", _OF_TOKENS + _ASSIGNED, "token", judge=_long_random),
)
