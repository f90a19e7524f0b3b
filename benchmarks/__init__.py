"""What mltracker costs, beside what it may cost: python -m benchmarks."""
