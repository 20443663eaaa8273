"""Writing text: `filters` shape one distribution, `sampler` draws character after character, `writing` whole texts."""
