"""What a person sees: progress on a terminal, and text that cannot harm one."""
