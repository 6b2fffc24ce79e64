"""What a person does with jobs from a terminal: finds, watches, reads and begins them again."""
