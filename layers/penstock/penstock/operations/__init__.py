"""Operations on jobs from a terminal: find, watch, report and redrive."""
