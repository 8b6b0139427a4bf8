"""The decoders: modules that return p(x|z)."""
