"""What differs between machines? Where the database and the home are, and how much of the machine to use.

Business choices live in the policy, a modeller's choices in the recipe; neither is an environment variable.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from features.errors import WrongInput


class Settings(BaseSettings):
    """Read from `MATCHER_*` in the environment, at the doors only, and handed down."""

    model_config = SettingsConfigDict(env_prefix="MATCHER_", env_ignore_empty=True, frozen=True)

    # Kept out of repr(): the URL may hold a password.
    database_url: Annotated[str, Field(repr=False)] = "sqlite:///.matcher/matcher.db"
    """`sqlite:///FILE` or `postgresql+psycopg://...`."""
    home: Path = Path(".matcher")
    """Folder of models and reports; made when first written to."""
    policy: Path | None = None
    """A TOML file that overrides the policy's defaults."""
    threads: Annotated[int, Field(ge=1, le=256)] = 2
    """What training and whole lists use; answering one request always uses one."""
    models_kept: Annotated[int, Field(ge=1)] = 90
    """So many models that passed stay in the registry; a night is judged against one some six weeks older."""
    requests_a_minute: Annotated[int, Field(ge=1)] = 6_000
    """Of one caller over HTTP; more are answered 429."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = False
    """One JSON document a line, for machines; words for people otherwise."""


def read_settings(
    *, database_url: str | None = None, home: Path | None = None, policy: Path | None = None
) -> Settings:
    """The environment's settings, with what the command line named put over them (nothing: not named)."""
    named = {"database_url": database_url, "home": home, "policy": policy}
    try:
        return Settings(**{name: value for name, value in named.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(
            f"MATCHER_{'.'.join(map(str, fault['loc'])).upper()}: {fault['msg']}" for fault in error.errors()
        )
        raise WrongInput(f"{faults}; correct it in the environment or leave it unset") from error
