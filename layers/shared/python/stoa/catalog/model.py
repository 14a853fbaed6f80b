"""What may be done with an API of the catalogue, and which words find it. Pure."""

import re
from collections.abc import Collection

from stoa.deployments.events import AUTO_DEPLOY

WORD = re.compile(r"[a-z0-9]+")


def deploy_blocked(environments: Collection[str], *, permitted: bool) -> str | None:
    """Why its deployment cannot be started by hand; None when it can. `environments` are those it stands in."""
    if not permitted:
        return "none of your roles has the permission apis:deploy here"
    if AUTO_DEPLOY.isdisjoint(environments):
        return f"it has no file for an environment that needs no approval: {', '.join(sorted(AUTO_DEPLOY))}"
    return None


def asked_words(text: str) -> str:
    """The tsquery for words as a person types them, one at least: all of them, the last one perhaps only begun."""
    return " & ".join(WORD.findall(text.lower())) + ":*"
