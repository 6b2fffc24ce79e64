"""What runs inside MiniStack's own interpreter: the standard library and MiniStack, nothing else."""
