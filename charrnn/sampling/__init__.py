"""Drawing text: `filters` shape one distribution, `sampler` walks from character to character, `writing` to the end."""
