"""Labels and other targets of records: how they are spelled, counted and judged."""
