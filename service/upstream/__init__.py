"""Towards Llama Stack: where the chunks come from."""
