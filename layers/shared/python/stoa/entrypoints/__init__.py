"""How Lambda calls us: decode, claim, call one flow, classify the error. Written once."""
