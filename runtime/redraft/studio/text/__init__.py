"""The recipe's text: what stands in it, what is known of it, and how it is changed."""
