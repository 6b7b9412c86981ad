"""How each kind of field is read: one module a kind, listed in the registry."""
