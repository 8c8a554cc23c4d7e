"""`turnstile api-key`: make a key for somebody."""

import json
from typing import Annotated

import typer


def api_key(
    name: Annotated[str, typer.Option(help="Whose key it is.")] = "someone",
) -> None:
    """Make an API key and print it, with the table by which the settings know it.

    The key is kept nowhere. The exit status is 2 when the name cannot be one.
    """
    from pydantic import ValidationError

    from service.access.authenticators.api_keys import hash_of, new_key
    from service.access.claims import is_user
    from service.settings.access import ApiKeySettings

    key = new_key()
    try:
        made = ApiKeySettings(name=name, hash=hash_of(key))
    except ValidationError:
        made = None
    if made is None or not is_user(name):
        raise typer.BadParameter("it is no name", param_hint="--name")
    # What JSON writes of printable characters, TOML reads.
    quoted = json.dumps(made.name, ensure_ascii=False)
    typer.echo(f"The key, which is shown only now:\n\n    {key}\n")
    typer.echo("What goes into the configuration file:\n")
    typer.echo(f'[[api_keys]]\nname = {quoted}\nhash = "{made.hash}"')
