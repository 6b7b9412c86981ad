"""Keys derived from the secret key, one for each purpose."""

import hmac


def derived_key(secret_key: str, purpose: str) -> bytes:
    """Derive a key for one purpose, so that no two uses share one."""
    return hmac.digest(secret_key.encode(), f"timpora {purpose}".encode(), "sha256")


def digest(key: bytes, *parts: str) -> str:
    """Hash parts with a key, so that no two lists of parts give the same input."""
    said = "".join(f"{len(part)}:{part}" for part in parts).encode("utf-8", "surrogatepass")
    return hmac.new(key, said, "sha256").hexdigest()
