"""Villages and the people who report for them."""
