"""Code that runs in MiniStack's own interpreter. It imports only the standard library and MiniStack."""
