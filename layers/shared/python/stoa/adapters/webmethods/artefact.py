"""The document to import, fetched from the control plane by its hash."""

import hashlib

import requests

from stoa.kernel.errors import Refused, Transient
from stoa.kernel.settings import Secret

TIMEOUT_S = 30


def fetch(url: str, sha256: str, token: Secret) -> bytes:
    """Raises Refused ARTEFACT_MISMATCH unless the bytes have exactly this hash."""
    try:
        answer = requests.get(
            url, headers={"Authorization": f"Bearer {token.reveal()}"}, timeout=TIMEOUT_S, allow_redirects=False
        )
    except requests.RequestException as error:
        raise Transient("control-plane", type(error).__name__) from error
    if answer.status_code >= 500:
        raise Transient("control-plane", f"answered {answer.status_code}")
    if answer.status_code != 200:
        raise Refused("ARTEFACT_MISSING", f"the control plane answered {answer.status_code} for the document")
    if hashlib.sha256(answer.content).hexdigest() != sha256:
        raise Refused("ARTEFACT_MISMATCH", "the fetched document is not the one that was checked")
    return answer.content
