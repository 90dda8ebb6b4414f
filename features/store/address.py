"""How is a store named? By a database URL, taken apart without a word of it in a message: it may hold a password."""

from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from features.errors import WrongInput

WANTED: Final = "write sqlite:///FILE or postgresql+psycopg://USER@HOST/DATABASE"


def parse_url(url: str) -> URL:
    """The URL's parts; WrongInput where it is none."""
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # a ValueError quotes what stands where a port should be
        raise WrongInput(f"database URL cannot be read; {WANTED}") from None
