"""Secrets that are known by what they are assigned to: `password: ...`, `API_KEY=...`."""

import regex  # type: ignore[import-untyped] # it has no types

from service.access.finders import Found, folded, in_quotes, secret_in
from service.access.secret_values import SHORTEST_PASSWORD, is_password, is_random

_CORE = r"""[^\s"'`<&;,|\\.:)\]}]"""
_BARE = rf"""
    (?P<secret> (?:
        {_CORE}++
    |   \\++ (?! ["'] | [nr] [\s\w.-]{{1,64}} [:=] )
    |   (?: [.:)\]}}]++ | < (?! / ) | [&;,|] (?! [ \t\w-]{{1,64}} = ) )++
        (?= {_CORE} | \\++ (?! ["'] ) )
    )*+ )
"""
"""Up to a blank or a quote, without what ends a sentence, or where another assignment begins."""

QUOTE = r"""\\{0,31}+ ["']"""
"""In JSON that is a text within JSON, and so on, there are backslashes before it."""

_VALUE = rf"""
    (?: (?P<escapes> \\{{1,31}}+ ) "
        (?P<secret> (?: [^"\\\n]++ | \\++ (?! " ) | (?P=escapes) \\++ " )++ ) (?P=escapes) "
    |   " (?P<secret> (?: [^"\\\n]++ | \\. )++ ) "
    |   ' (?P<secret> [^'\n]++ ) '
    |   ` (?P<secret> [^`\s]++ ) `
    |   {_BARE}
    )
"""
_BLANKS = r"(?: \s | \\{1,31}+ [nrt] ){0,80}+"
_ASSIGNED = rf"""
    (?! \] (?<= \[redacted:[ ] [\w-]{{1,64}} \] ) )
    (?: {QUOTE} | ` | \*{{1,3}} )? \]?
    (?: [ \t]{{0,64}} (?P<told> [:=]{{1,3}} >? ) (?: \*{{1,3}} (?= [ \t] ) )? [ \t]{{0,64}}
        (?: [|>][+-]? [ \t]{{0,8}} (?: \r? \n | \\{{1,31}}+ n ) [ \t]{{1,64}} )?
    |   (?= [,\s\\] ) ,? {_BLANKS} (?: {QUOTE} )? value (?: {QUOTE} )?
        [ \t]{{0,8}} (?P<told> [:=] ) [ \t]{{0,8}}
    )
    {_VALUE}
"""
"""Also as the next field of a list, `name: PASSWORD` and `value: ...`, and in Markdown.

What stands in the place of a secret is no name, or each would make one of what follows it.
"""

OF_PASSWORDS = r"""
    (?: pass (?: word | wd | phrase | wort ) | pwd | (?<= [_-] ) pass (?! [A-Za-z] ) ) \d{0,2}
"""
_ESCAPED_END = regex.compile(r"(?<!\\)\\++[nr]")
_LINE_ENDS = regex.compile(r"""[ \t"'`*,}\]\\]{0,80}+(?:\Z|[\r\n#]|(?<=\\)[nr])""")
PASSWORD_HINTS = ("passw", "passphrase", "pwd", "_pass", "-pass")

_OF_SECRETS = r"""
    (?: (?<= (?: api | access | secret | private | client | encryption | signing | shared | account
              | master | auth | storage | subscription | service | app ) [_-]? ) key
    |   secret | credential )
"""
_OF_TOKENS = r"(?<! next | page | next_ | page_ | continue | continue_ ) token"


def _password(found: Found) -> bool:
    text, quoted, assigned = found.string, in_quotes(found), "=" in found["told"]
    if assigned and text[found.start("secret") - 1] == "`":
        return False  # a shell puts there what a command says
    alone = _LINE_ENDS.match(text, found.end("secret")) is not None
    return is_password(_value(found), stated=quoted or alone or assigned, quoted=quoted)


def _random(found: Found) -> bool:
    return is_random(_value(found), quoted=in_quotes(found))


def _long_random(found: Found) -> bool:
    return is_random(_value(found), shortest=16, quoted=in_quotes(found))


def _value(found: Found) -> str:
    """Return what is assigned; without quotes it ends at an escaped end of line, too."""
    value = secret_in(found)
    if in_quotes(found):
        return value
    line = str(_ESCAPED_END.split(value, 1)[0])
    return line if len(line) >= SHORTEST_PASSWORD else value


PASSWORDS = (folded("password", OF_PASSWORDS + _ASSIGNED, *PASSWORD_HINTS, judge=_password),)
SECRETS = (folded("secret", _OF_SECRETS + _ASSIGNED, "key", "secret", "credential", judge=_random),)
TOKENS = (folded("token", _OF_TOKENS + _ASSIGNED, "token", judge=_long_random),)
