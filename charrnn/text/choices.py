"""What can be chosen when a text is read. No NumPy is imported, so that ``charrnn --help`` stays quick."""

ERRORS = ("strict", "replace")
FORMS = ("none", "nfc")
MOST_SYMBOLS = 0x110000  # as many code points as Unicode has
