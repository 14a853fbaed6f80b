"""What may be done with an API of the catalogue, and which words find it. Pure."""

import re
import string
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from stoa.deployments.events import AUTO_DEPLOY
from stoa.kernel.errors import Refused

# as the function search_words of the database tells them apart, which looks at 60 characters of each
WORD = re.compile(r"[a-z0-9\u00c0-\u1fff\u2c00-\u2dff\u3040-\uffff]+")
ACCENTS = re.compile(r"[\u0300-\u036f]")
WORD_LENGTH = 60
ASCII_LOWER = {ord(letter): letter.lower() for letter in string.ascii_uppercase}

State = Literal["serving", "failed", "idle"]
MATCHED = {1: "name", 2: "description", 3: "operation"}


@dataclass(frozen=True)
class Asked:
    """Which APIs are asked for; None asks for nothing of that kind. `owner` is written as api.yaml has it. An API is
    `serving` when some environment serves it, `idle` when none does, `failed` when its newest result in some
    environment is a failure."""

    tenant: str | None = None
    words: str | None = None
    tag: str | None = None
    owner: str | None = None
    state: State | None = None


@dataclass(frozen=True)
class Place:
    """Where an API is in a list; `matched` is 0 where no words were asked for."""

    matched: int
    tenant: str
    api: str


def deploy_blocked(environments: Collection[str], *, permitted: bool) -> str | None:
    """Why its deployment cannot be started by hand; None when it can. `environments` are those it stands in."""
    if not permitted:
        return "none of your roles has the permission apis:deploy here"
    if AUTO_DEPLOY.isdisjoint(environments):
        return f"it has no file for an environment that needs no approval: {', '.join(sorted(AUTO_DEPLOY))}"
    return None


def asked_words(text: str) -> str:
    """The tsquery for words as a person types them: all of them, the last one perhaps only begun. Raises Refused when
    there is none."""
    plain = ACCENTS.sub("", unicodedata.normalize("NFKD", text)).translate(ASCII_LOWER)
    words = [f"'{word[:WORD_LENGTH]}'" for word in WORD.findall(plain)]
    if not words:
        raise Refused("INVALID_REQUEST", "query.q: it holds no word", field="query.q", hint="ask for a word")
    return " & ".join(words) + ":*"
