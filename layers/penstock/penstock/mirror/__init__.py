"""Making two trees equal by content: filters, comparison, plan and run. Knows no disk and no network."""
