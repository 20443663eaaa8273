"""From gradients to new weights: clipping, then an optimizer's update at the learning rate a schedule gives."""
