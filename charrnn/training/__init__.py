"""Learning: the configuration, one step (`trainer`), the held-out figure (`evaluation`) and a whole run (`run`)."""
