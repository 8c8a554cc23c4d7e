"""The settings of a command: its options, the environment and the configuration file."""

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from service.errors import SettingsInvalid
from service.settings import CONFIG_VARIABLE, Settings, unknown_variables


def read_settings(options: dict[str, Any], config: Path | None = None) -> Settings:
    """Return the settings; the options have the first word.

    Raises:
        SettingsInvalid: one is wrong or unknown, or the file cannot be read.
    """
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config)
    unknown = unknown_variables()
    if unknown:
        raise SettingsInvalid(f"There is no such setting: {', '.join(unknown)}")
    file = os.environ.get(CONFIG_VARIABLE)
    if file and not Path(file).is_file():
        raise SettingsInvalid(f"There is no configuration file {file}")
    try:
        return Settings(**options)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise SettingsInvalid(f"{file} is not TOML: {wrong}") from None
    except OSError as wrong:
        raise SettingsInvalid(f"{file} cannot be read: {wrong.strerror}") from None
    except SettingsError as wrong:
        raise SettingsInvalid(f"The environment cannot be read: {wrong}") from None
    except ValidationError as invalid:
        problems = [
            f"{'.'.join(map(str, error['loc']))}: {error['msg']}"
            for error in invalid.errors(include_url=False, include_input=False)
        ]
        raise SettingsInvalid(f"The settings are not valid: {'; '.join(problems)}") from None
