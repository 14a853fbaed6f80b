"""Ed25519 signatures: made with a private key from the settings, verified with public keys from a PEM file.

Source: RFC 8032; RFC 8410 for the PEM. The private key is its 32 bytes in base64url, which is what 32 random bytes are.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret

END = "-----END PUBLIC KEY-----"


@dataclass(frozen=True)
class SigningKey:
    """Raises Transient with an alarm for a key that is empty or none: what would be signed waits for a person."""

    secret: Secret

    @property
    def key_id(self) -> str:
        return _key_id(self._key.public_key())

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def public_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def _key(self) -> Ed25519PrivateKey:
        if not self.secret:
            raise Transient("signing-key", "it is empty, so nothing is signed", alarm=True)
        text = self.secret.reveal()
        try:
            return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (binascii.Error, ValueError):
            # without its cause, which may repeat a part of it
            raise Transient("signing-key", "it is not 32 bytes in base64url", alarm=True) from None


@dataclass(frozen=True)
class PublicKeys:
    """By their ids, so that a key that was replaced still verifies what it signed."""

    keys: Mapping[str, Ed25519PublicKey]

    @classmethod
    def read(cls, pem: str) -> "PublicKeys":
        """One or more PEM blocks. Raises ValueError."""
        blocks = [block + END for block in pem.split(END)[:-1]]
        found = [load_pem_public_key(block.strip().encode()) for block in blocks]
        if not found or not all(isinstance(key, Ed25519PublicKey) for key in found):
            raise ValueError("it holds no Ed25519 public key in PEM, or another one")
        return cls({_key_id(key): key for key in found if isinstance(key, Ed25519PublicKey)})

    def verify(self, key_id: str, signature: bytes, data: bytes) -> bool:
        """False for a key that is not among them."""
        key = self.keys.get(key_id)
        try:
            if key is not None:
                key.verify(signature, data)
        except InvalidSignature:
            return False
        return key is not None


def _key_id(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]
