"""What makes the generated files; `tools/generate.py` writes or checks them."""
