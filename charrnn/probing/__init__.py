"""What the units of a model do while it reads a text, and which simple properties of the text they follow."""
