"""Training: one step (`trainer`), the held-out loss (`evaluation`) and a whole run (`run`)."""
