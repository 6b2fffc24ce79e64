"""Lines of fixed-width fields."""
