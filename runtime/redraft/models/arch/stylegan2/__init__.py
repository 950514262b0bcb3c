"""StyleGAN2: its generator, its closed form, and the ways in which files name its tensors."""
