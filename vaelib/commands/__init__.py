"""What ``python -m vaelib`` can do, one module a command."""
