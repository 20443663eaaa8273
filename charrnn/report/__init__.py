"""What a person sees: progress, samples, tables, curves and pages."""
